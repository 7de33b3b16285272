"""Benchmark of the time that answers take, run by `make bench`; no test asserts on it.

Everything that is compared runs in turns in one process on the same scenarios; the median of the rounds is printed, and the best, which
other work on the machine disturbs least. Ratios are the claim: seconds belong to the machine. docs/benchmarks.md keeps one run with what the
time is spent on.
"""

import math
import os
import platform
import resource
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import cvxpy as cp
import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pandas as pd
from scipy.optimize import brentq, minimize

from optimizer import elasticities, load, monte_carlo, sobol, solve, solve_batch
from optimizer.analysis.sobol import factors
from optimizer.optimum.blocks import BLOCK
from optimizer.optimum.equation import reduced_optimum, softplus_root
from optimizer.optimum.solve import KKT_TOLERANCE
from tests.optimum.test_batch import wide_problems

ROWS = 1_000_000
FEW, CHECKED, CVXPY, ROUNDS = 1000, 200, 20, 5
KIB_PER_MB = 1e6 / 1024
SHORT = 0.1
"""Seconds."""
LAW = {"A": 482.01, "B": 2085.43, "alpha": 0.3478, "beta": 0.3658}


def seconds(call: Callable[[], object]) -> float:
    """Seconds of a call; of short ones the median of several, the first of which finds its memory cold."""
    found: list[float] = []
    while len(found) < 7 and (not found or found[0] < SHORT):
        begin = time.perf_counter()
        jax.block_until_ready(call())
        found.append(time.perf_counter() - begin)
    return statistics.median(found)


class Taken(NamedTuple):
    """Seconds of one call over the rounds."""

    median: float
    best: float


def in_turns(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, Taken]:
    for call in calls.values():
        jax.block_until_ready(call())
    found = [[seconds(call) for call in calls.values()] for _ in range(rounds)]
    times = zip(calls, zip(*found, strict=True), strict=True)
    return {name: Taken(statistics.median(each), min(each)) for name, each in times}


def on_all_cores(function: Callable, arrays: tuple[np.ndarray, ...]) -> Callable[[], object]:
    """A compiled elementwise function called on blocks, a core each."""
    compiled, pool = jax.jit(function), ThreadPoolExecutor(os.cpu_count())
    blocks = [tuple(a[i : i + BLOCK] for a in arrays) for i in range(0, len(arrays[0]), BLOCK)]
    return lambda: list(pool.map(lambda block: jax.block_until_ready(compiled(*block)), blocks))


def problem(count: int, seed: int = 0) -> tuple[np.ndarray, ...]:
    """(A, B, alpha, beta, reducible loss, K/k) of random loss goals around the lecture; every number differs from row to row."""
    rng = np.random.default_rng(seed)
    A, B = LAW["A"] * rng.uniform(0.5, 2, count), LAW["B"] * rng.uniform(0.5, 2, count)
    alpha, beta = rng.uniform(0.3, 0.4, count), rng.uniform(0.26, 0.42, count)
    reducible = A * (10 ** rng.uniform(9, 12, count)) ** -alpha + B * (10 ** rng.uniform(11, 14, count)) ** -beta
    return A, B, alpha, beta, reducible, 10 ** rng.uniform(11, 17, count)


def by_brentq(A: float, B: float, alpha: float, beta: float, reducible: float, ratio: float) -> tuple[float, float]:
    """One optimum from the reduced equation u + p softplus(u) = q, between its two asymptotes, in plain floats."""
    p, share = 1 / beta, alpha / (alpha + beta)
    q = math.log(ratio * (1 - share)) + p * math.log(reducible * share / B)
    high, lower = min(q, q / (1 + p)), q - p * math.log(2)

    def miss(u: float) -> float:
        softplus = math.log1p(math.exp(u)) if u < 0 else u + math.log1p(math.exp(-u))
        return u + p * softplus - q

    u = brentq(miss, min(lower, lower / (1 + p)), high, xtol=1e-14, rtol=np.float64(1e-15))
    y = share / (1 + math.exp(u))  # pyright: ignore[reportArgumentType]
    return (A / (reducible * (1 - y))) ** (1 / alpha), (B / (reducible * y)) ** p


def by_slsqp(A: float, B: float, alpha: float, beta: float, reducible: float, ratio: float) -> tuple[float, float]:
    """One optimum from scipy with finite differences, in logarithms and plain floats, from Chinchilla's plan."""
    half, a, b, k = alpha + beta, math.log(A / reducible), math.log(B / reducible), math.log(ratio)
    start = [(a + math.log(half / beta)) / alpha, (b + math.log(half / alpha)) / beta]

    def cost(x: np.ndarray) -> float:
        n, d = x.tolist()
        return n + max(d, k) + math.log1p(math.exp(-abs(d - k)))

    def slack(x: np.ndarray) -> float:
        n, d = x.tolist()
        return -math.log(math.exp(a - alpha * n) + math.exp(b - beta * d))

    found = minimize(cost, start, method="SLSQP", constraints=[{"type": "ineq", "fun": slack}])
    return (np.exp(found.x[0]), np.exp(found.x[1])) if found.success else (np.nan, np.nan)


def by_cvxpy(A: float, B: float, alpha: float, beta: float, reducible: float, ratio: float) -> tuple[float, float]:
    """One optimum from cvxpy as a geometric program in logarithms."""
    x = cp.Variable(2)
    ln_loss = cp.log_sum_exp(cp.hstack([np.log(A / reducible) - alpha * x[0], np.log(B / reducible) - beta * x[1]]))
    cost = x[0] + cp.log_sum_exp(cp.hstack([x[1], np.log(ratio)]))
    cp.Problem(cp.Minimize(cost), [ln_loss <= 0]).solve(solver=cp.CLARABEL)
    return np.exp(x.value[0]), np.exp(x.value[1])  # pyright: ignore[reportOptionalSubscript]


def exact(row: tuple[float, ...]) -> float:
    """D* to 50 digits."""
    mpmath.mp.dps = 50
    _, B, alpha, beta, reducible, ratio = (mpmath.mpf(v) for v in row)
    p, share = 1 / beta, alpha / (alpha + beta)
    q = mpmath.log(ratio * (1 - share)) + p * mpmath.log(reducible * share / B)
    guess = mpmath.mpf(float(softplus_root(float(p), float(q))))
    u = mpmath.findroot(lambda u: u + p * mpmath.log1p(mpmath.exp(u)) - q, guess)
    return float((B * (1 + mpmath.exp(u)) / (share * reducible)) ** p)


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


def batches() -> None:
    """Optima per second, and of what else."""
    arrays = problem(ROWS)
    few = list(zip(*(a[:FEW].tolist() for a in arrays), strict=True))
    params = (arrays[0] / (0.5 * arrays[4])) ** (1 / arrays[2])
    budget = params * (1e13 + arrays[5])
    s, rng = load("lecture-2026"), np.random.default_rng(0)
    frame = pd.DataFrame({"traffic.output_tokens": 10 ** rng.uniform(11, 17, ROWS), "law.beta": arrays[3]})
    limited = s.update({"limits.max_train_tokens": 3e14})
    lots = frame.iloc[: 1 << 17]
    p, q = 1 / arrays[3], rng.normal(0, 10, ROWS)
    x = jnp.asarray(q)
    exp, log = jax.jit(jnp.exp), jax.jit(lambda v: jnp.log(jnp.abs(v)))
    roofline = s.update({"money.unit": "usd", "serving.method": "roofline"})
    experts = load("frontier-moe-rack")
    open_, given = (experts.update({"deployment.placement": how}) for how in ("best", "given"))
    spread = rng.uniform(size=(2, 50_000))
    chips = pd.DataFrame(
        {"traffic.share": 10 ** (2 * spread[0] - 2), "deployment.context_tokens": 10 ** (3 + spread[1])}
    )
    loads = chips[["traffic.share"]].assign(**{"serving.load_factor": 0.2 + 0.6 * spread[1]})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    solve_batch(s, frame)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / KIB_PER_MB
    base_rows = 1 << 14
    calls: dict[str, tuple[int, Callable[[], object]]] = {
        "one exp pass": (ROWS, lambda: exp(x)),
        "one log pass": (ROWS, lambda: log(x)),
        "root of (p, q)": (ROWS, on_all_cores(softplus_root, (p, q))),
        "kernel, goal loss": (ROWS, on_all_cores(partial(reduced_optimum, "loss"), arrays)),
        "kernel, goal budget": (
            ROWS,
            on_all_cores(partial(reduced_optimum, "budget"), (*arrays[:4], budget, arrays[5])),
        ),
        "kernel, goal params": (
            ROWS,
            on_all_cores(partial(reduced_optimum, "params"), (*arrays[:4], params, arrays[5])),
        ),
        "solve_batch, 1e6 rows": (ROWS, lambda: solve_batch(s, frame)),
        "solve_batch, 1e5 rows": (100_000, lambda: solve_batch(s, frame.iloc[:100_000])),
        "solve_batch, 2^14 rows": (base_rows, lambda: solve_batch(s, frame.iloc[:base_rows])),
        "solve_batch with a limit": (len(lots), lambda: solve_batch(limited, lots)),
        "solve_batch, roofline": (len(chips), lambda: solve_batch(roofline, chips)),
        "solve_batch, experts": (len(chips), lambda: solve_batch(experts, chips)),
        "solve_batch, one context": (len(chips), lambda: solve_batch(given, chips[["traffic.share"]])),
        "solve_batch, placements": (len(chips), lambda: solve_batch(open_, chips[["traffic.share"]])),
        "solve_batch, two numbers": (len(loads), lambda: solve_batch(open_, loads)),
        "monte_carlo, 1e5 draws": (100_000, lambda: monte_carlo(s, 100_000)),
        "sobol, 2^14 base rows": (base_rows * (len(factors(s)[0]) + 2), lambda: sobol(s, n=base_rows)),
        "loop of brentq": (FEW, lambda: [by_brentq(*row) for row in few]),
        "loop of SLSQP": (FEW, lambda: [by_slsqp(*row) for row in few]),
        "loop of cvxpy": (CVXPY, lambda: [by_cvxpy(*row) for row in few[:CVXPY]]),
    }
    taken = in_turns({name: call for name, (_, call) in calls.items()}, ROUNDS)
    each = {name: Taken(*(t / calls[name][0] for t in times)) for name, times in taken.items()}
    say(f"{'':26}{'optima':>10}{'seconds':>10}{'per second':>14}{'at best':>14}{'exp passes':>12}")
    for name, (count, _) in calls.items():
        one, passes = each[name], each[name].median / each["one exp pass"].median
        say(
            f"{name:26}{count:10,}{taken[name].median:10.4f}{1 / one.median:14,.0f}{1 / one.best:14,.0f}{passes:12,.1f}"
        )
    for ours in ("kernel, goal loss", "solve_batch, 1e6 rows"):
        for how in ("median", "best"):
            ratios = [f"{getattr(each[t], how) / getattr(each[ours], how):,.0f} x {t}" for t in list(calls)[-3:]]
            say(f"{ours} is ({how}) {', '.join(ratios)}")
    say(f"peak memory grew by {grown:,.0f} MB during a batch of {ROWS:,}, the answer included")
    best = reduced_optimum("loss", *arrays)
    say(f"worst residual of these {ROWS:,}: {np.asarray(best.kkt_residual).max():.1e}")
    for goal, arguments in wide_problems(ROWS).items():
        residual = np.asarray(reduced_optimum(goal, *arguments).kkt_residual)
        left = int(np.sum(~(residual < KKT_TOLERANCE)))
        say(
            f"goal {goal}, exponents 0.03-1.5, demand over 40 decades: {left} of {len(residual):,} not converged, "
            f"worst residual {residual.max():.1e}"
        )
    truth = np.array([exact(row) for row in few[:CHECKED]])
    found = {"kernel": np.asarray(best.train_tokens)[:CHECKED], "brentq": [by_brentq(*r)[1] for r in few[:CHECKED]]}
    found |= {"SLSQP": [by_slsqp(*r)[1] for r in few[:CHECKED]], "cvxpy": [by_cvxpy(*r)[1] for r in few[:CVXPY]]}
    for name, values in found.items():
        error = np.abs(np.asarray(values) / truth[: len(values)] - 1)
        say(
            f"{name:8} worst relative error of D* {np.nanmax(error):.1e}, {np.isnan(error).sum()} of {len(error)} failed"
        )


def derivatives() -> None:
    """All elasticities of one scenario against its solve, and against central differences of re-solves."""
    s = load("lecture-2026")
    leaves, tree = jax.tree.flatten(s)
    moved = [i for i, value in enumerate(leaves) if value]

    def differences() -> None:
        for i in moved:
            for factor in (0.999, 1.001):
                solve(jax.tree.unflatten(tree, [*leaves[:i], leaves[i] * factor, *leaves[i + 1 :]]), throw=False)

    taken = in_turns(
        {"solve": lambda: solve(s), "elasticities": lambda: elasticities(s), "differences": differences}, 5
    )
    solved, ours, theirs = (taken[name].median for name in ("solve", "elasticities", "differences"))
    say(
        f"one solve {1000 * solved:.1f} ms; all elasticities with their solve {1000 * ours:.1f} ms, {ours / solved:.1f} x"
    )
    say(f"elasticity matrices: {1 / ours:,.0f} a second, by central differences of solves over {len(moved)} numbers")
    say(f"{1 / theirs:,.1f} a second: {theirs / ours:.0f} x")


def processor() -> str:
    known = Path("/proc/cpuinfo")
    names = (
        [line.split(":")[1].strip() for line in known.read_text().splitlines() if "model name" in line]
        if known.exists()
        else []
    )
    return names[0] if names else platform.processor()


if __name__ == "__main__":
    say(f"{processor()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, jax {jax.__version__}")
    batches()
    derivatives()
