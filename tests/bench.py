"""How long do answers take? `make bench` measures; nothing asserts on it.

Times `solve` (optimum, band, baseline, certificate) warm, beside scipy's SLSQP with finite differences on the bare problem of the
same scenario, in turns, and prints medians and their ratio.
"""

import statistics
import time
from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy.optimize import minimize

from optimizer import load, presets, solve, solve_batch
from optimizer.assumptions.goal import LossGoal
from optimizer.model.cost import design_of, lifecycle_cost
from optimizer.model.quality import reducible_loss, target_reducible_loss


def seconds(call: Callable[[], object]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def many(count: int = 1_000_000) -> None:
    """Optima per second of a batch, in units of one elementwise exp over as many numbers, and of a loop of single solves."""
    s, rng = load("lecture-2026"), np.random.default_rng(0)
    columns = {"traffic.output_tokens": 10 ** rng.uniform(11, 17, count), "law.beta": rng.uniform(0.25, 0.5, count)}
    frame = pd.DataFrame(columns)
    few = frame.iloc[:50]
    solve_batch(s, frame)
    batch = min(seconds(lambda: solve_batch(s, frame)) for _ in range(3))
    exp = min(seconds(lambda: np.exp(columns["law.beta"])) for _ in range(10))
    loop = seconds(lambda: [solve(s.update(row)) for row in few.to_dict("records")]) / len(few)
    print(  # noqa: T201
        f"solve_batch          {count / batch / 1e6:6.2f} M optima/s from DataFrame to DataFrame, {batch / exp:.0f} numpy exp passes, "
        f"{loop * count / batch:,.0f} x a loop of solve"
    )


def main(rounds: int = 30) -> None:
    for name in presets():
        s = load(name)
        if not isinstance(s.goal, LossGoal):
            continue
        target = np.log(float(target_reducible_loss(s)))
        start = np.log([float(v) for v in solve(s).baseline.design[:2]])

        def ln_cost(x: np.ndarray, s=s) -> float:
            return float(np.log(lifecycle_cost(s, design_of(s, *np.exp(x))).total))

        def slack(x: np.ndarray, s=s, target=target) -> float:
            return target - float(np.log(reducible_loss(s, design_of(s, *np.exp(x)))))

        def bare(ln_cost=ln_cost, slack=slack, start=start) -> object:
            return minimize(
                ln_cost, start, method="SLSQP", constraints=[{"type": "ineq", "fun": slack}], options={"ftol": 1e-12}
            )

        pairs = [(seconds(lambda s=s: solve(s)), seconds(bare)) for _ in range(rounds)]
        ours, theirs = (statistics.median(p[i] for p in pairs) for i in (0, 1))
        print(f"{name:20} solve {1e3 * ours:6.1f} ms   SLSQP alone {1e3 * theirs:6.1f} ms   ratio {theirs / ours:.1f}")  # noqa: T201


if __name__ == "__main__":
    main()
    many()
