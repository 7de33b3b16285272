"""How long do answers take? `make bench` measures; nothing asserts on it.

Everything that is compared runs in turns in one process on the same scenarios, and medians of the rounds are printed. Ratios are the claim:
seconds belong to the machine. docs/benchmarks.md keeps one run with what the time is spent on.
"""

import os
import platform
import resource
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import cvxpy as cp
import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pandas as pd
from scipy.optimize import brentq, minimize

from optimizer import elasticities, load, monte_carlo, solve, solve_batch
from optimizer.optimum.batch import BLOCK
from optimizer.optimum.reduced import reduced_optimum, softplus_root

ROWS = 1_000_000
FEW, CVXPY = 200, 20
LAW = {"A": 482.01, "B": 2085.43, "alpha": 0.3478, "beta": 0.3658}


def seconds(call: Callable[[], object]) -> float:
    begin = time.perf_counter()
    jax.block_until_ready(call())
    return time.perf_counter() - begin


def in_turns(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median seconds of each call."""
    for call in calls.values():
        jax.block_until_ready(call())
    found = [[seconds(call) for call in calls.values()] for _ in range(rounds)]
    return {name: statistics.median(times) for name, times in zip(calls, zip(*found, strict=True), strict=True)}


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
    """One optimum from the first-order condition in the share y of the loss left to the data."""

    def miss(logit: float) -> float:
        y = 1 / (1 + np.exp(-logit))
        d = (B / (reducible * y)) ** (1 / beta)
        return np.log(alpha * (1 - y) / (beta * y)) - np.log1p(ratio / d)

    y = 1 / (1 + np.exp(-brentq(miss, -60, 30, xtol=1e-13)))  # pyright: ignore[reportOperatorIssue]
    return (A / (reducible * (1 - y))) ** (1 / alpha), (B / (reducible * y)) ** (1 / beta)


def by_slsqp(A: float, B: float, alpha: float, beta: float, reducible: float, ratio: float) -> tuple[float, float]:
    """One optimum from scipy with finite differences, in logarithms, from Chinchilla's plan."""
    half = alpha + beta
    start = [np.log(A * half / (beta * reducible)) / alpha, np.log(B * half / (alpha * reducible)) / beta]
    slack = {
        "type": "ineq",
        "fun": lambda x: -np.log((A * np.exp(-alpha * x[0]) + B * np.exp(-beta * x[1])) / reducible),
    }
    found = minimize(lambda x: x[0] + np.logaddexp(x[1], np.log(ratio)), start, method="SLSQP", constraints=[slack])
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
    s, rng = load("lecture-2026"), np.random.default_rng(0)
    frame = pd.DataFrame({"traffic.output_tokens": 10 ** rng.uniform(11, 17, ROWS), "law.beta": arrays[3]})
    limited = s.update({"limits.max_train_tokens": 3e14})
    lots = frame.iloc[: 1 << 17]
    p, q = 1 / arrays[3], rng.normal(0, 10, ROWS)
    x = jnp.asarray(q)
    exp, log = jax.jit(jnp.exp), jax.jit(lambda v: jnp.log(jnp.abs(v)))
    roofline = s.update({"money.unit": "usd", "serving.method": "roofline"})
    experts = load("frontier-moe-rack")
    spread = rng.uniform(size=(2, 50_000))
    chips = pd.DataFrame(
        {"traffic.share": 10 ** (2 * spread[0] - 2), "deployment.context_tokens": 10 ** (3 + spread[1])}
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    taken = in_turns(
        {
            "one exp pass": lambda: exp(x),
            "one log pass": lambda: log(x),
            "root of (p, q)": on_all_cores(softplus_root, (p, q)),
            "kernel: N*, D*, residual": on_all_cores(partial(reduced_optimum, "loss"), arrays),
            "solve_batch, DataFrame": lambda: solve_batch(s, frame),
            "solve_batch, 1e5 draws": lambda: solve_batch(s, frame.iloc[:100_000]),
            "solve_batch, 2^14 rows": lambda: solve_batch(s, frame.iloc[: 1 << 14]),
            "solve_batch with a limit": lambda: solve_batch(limited, lots),
            "solve_batch, roofline": lambda: solve_batch(roofline, chips),
            "solve_batch, experts": lambda: solve_batch(experts, chips),
            "monte_carlo, 1e5 draws": lambda: monte_carlo(s, 100_000),
            "loop of brentq": lambda: [by_brentq(*row) for row in few],
            "loop of SLSQP": lambda: [by_slsqp(*row) for row in few],
            "loop of cvxpy": lambda: [by_cvxpy(*row) for row in few[:CVXPY]],
        },
        5,
    )
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    counts = dict.fromkeys(taken, ROWS) | {"solve_batch, 1e5 draws": 100_000, "solve_batch, 2^14 rows": 1 << 14}
    counts |= {
        "solve_batch with a limit": len(lots),
        "solve_batch, roofline": len(chips),
        "solve_batch, experts": len(chips),
        "monte_carlo, 1e5 draws": 100_000,
        "loop of brentq": FEW,
        "loop of SLSQP": FEW,
        "loop of cvxpy": CVXPY,
    }
    say(f"{'':26}{'per second':>14}{'exp passes':>12}")
    for name, time_taken in taken.items():
        each = time_taken / counts[name]
        say(f"{name:26}{1 / each:14,.0f}{each * ROWS / taken['one exp pass']:12,.1f}")
    for ours in ("kernel: N*, D*, residual", "solve_batch, DataFrame"):
        ratios = [f"{taken[t] / counts[t] / taken[ours] * ROWS:,.0f} x {t}" for t in list(taken)[-3:]]
        say(f"{ours} is {', '.join(ratios)}")
    say(f"peak memory grew by {(after - before) / 1024:,.0f} MB")
    best = reduced_optimum("loss", *arrays)
    say(f"worst residual of {ROWS:,}: {float(jnp.max(best.kkt_residual)):.1e}")
    truth = np.array([exact(row) for row in few])
    found = {"kernel": np.asarray(best.train_tokens)[:FEW], "brentq": [by_brentq(*r)[1] for r in few]}
    found |= {"SLSQP": [by_slsqp(*r)[1] for r in few], "cvxpy": [by_cvxpy(*r)[1] for r in few[:CVXPY]]}
    for name, values in found.items():
        error = np.abs(np.asarray(values) / truth[: len(values)] - 1)
        say(
            f"{name:8} worst relative error of D* {np.nanmax(error):.1e}, {np.isnan(error).sum()} of {len(error)} failed"
        )


def derivatives() -> None:
    """All elasticities of one scenario beside its solve, and beside central differences of re-solves."""
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
    say(f"elasticities (with their solve): {taken['elasticities'] / taken['solve']:.1f} x the time of solve,")
    say(
        f"{taken['differences'] / taken['elasticities']:.0f} x faster than central differences over {len(moved)} numbers"
    )


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
