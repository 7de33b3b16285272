# ruff: noqa: T201
"""How long does a bootstrap of a scaling law take? Second-order steps of all draws at once against scipy one at a time.

`python -m tests.bench_fit` fits 240 runs of a known law 4,000 times, and a part of the same draws with L-BFGS of scipy from the same start,
on the same objective with its exact gradient. Ratios are the claim: seconds belong to the machine.
"""

import platform
import time

import jax
import numpy as np
from scipy.optimize import minimize

from optimizer.evidence.form import Form, Work
from optimizer.evidence.objective import HUBER_WIDTH
from optimizer.evidence.runs import read_runs
from tests.evidence.test_fit import CHINCHILLA, COUPLED, sweep

RUNS, DRAWS, CHECKED, ROUNDS = 240, 4000, 40, 3


def objective(form: Form, weights: np.ndarray):
    """Value and gradient of the objective at theta, in NumPy."""
    n, d, y = (values[: form.count] for values in form.points)

    def at(theta: np.ndarray) -> tuple[float, np.ndarray]:
        a, b, E, alpha, beta, ln_gamma = theta
        u, v, gamma = a - alpha * n, b - beta * d, np.exp(ln_gamma)
        ln_z = np.logaddexp(u, v)
        share, power = np.exp(u - ln_z), np.exp(gamma * ln_z)
        residual = np.log(E + power) - y
        size = np.abs(residual)
        value = (weights * np.where(size <= HUBER_WIDTH, residual**2 / (2 * HUBER_WIDTH), size - HUBER_WIDTH / 2)).sum()
        slope = weights * np.clip(residual / HUBER_WIDTH, -1, 1)
        of_z = slope * gamma * power / (E + power)
        left, right = of_z * share, of_z * (1 - share)
        gradient = [
            left.sum(),
            right.sum(),
            (slope / (E + power)).sum(),
            -(n * left).sum(),
            -(d * right).sum(),
            (of_z * ln_z).sum(),
        ]
        return value, np.array(gradient)

    return at


def main() -> None:
    print(
        f"{platform.processor() or platform.machine()}, {jax.local_device_count()} device; {RUNS} runs, {DRAWS:,} draws"
    )
    for name, law in (("additive", CHINCHILLA), ("coupled", COUPLED)):
        form, work = Form(read_runs(sweep(law, RUNS, 0.005, 0)), name, False, {}), Work(None, 1)
        draws = np.random.default_rng(0).multinomial(RUNS, np.full(RUNS, 1 / RUNS), DRAWS).astype(float)
        theta, _ = form.best(work)
        starts = np.tile(theta, (DRAWS, 1))
        taken, processor = [], []
        for _ in range(ROUNDS):
            begin, used = time.perf_counter(), time.process_time()
            found = form.least(starts, draws, work)
            taken.append(time.perf_counter() - begin)
            processor.append(time.process_time() - used)
        low, high = form._bounds(np.ones(RUNS, bool))
        begin, used = time.perf_counter(), time.process_time()
        others = [
            minimize(
                objective(form, weights), theta, jac=True, method="L-BFGS-B", bounds=list(zip(low, high, strict=True)),
                options={"maxiter": 2000, "ftol": 1e-15, "gtol": 1e-9},
            )
            for weights in draws[:CHECKED]
        ]  # fmt: skip
        one, one_processor = (time.perf_counter() - begin) / CHECKED, (time.process_time() - used) / CHECKED
        above = np.array([other.fun for other in others]) / found.value[:CHECKED] - 1
        print(
            f"{name}: {min(taken):.2f} s (processor {min(processor):.2f} s) for {DRAWS:,} draws, {int((found.ended == 0).sum())} did not end; "
            f"scipy L-BFGS-B {1e3 * one:.1f} ms a draw (processor {1e3 * one_processor:.1f} ms), {one * DRAWS / min(taken):.0f} times as long, "
            f"its objective above ours: median {np.median(above):.1e}, most {above.max():.1e}, least {above.min():.1e}"
        )


if __name__ == "__main__":
    main()
