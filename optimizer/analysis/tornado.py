"""Tornado: each assumption at its low and at its high, with the optimum found again."""

from typing import TYPE_CHECKING

import numpy as np

from ..assumptions.arguments import MAPPING, PROGRESS, TEXT, checks
from ..assumptions.scenario import SCENARIO, Scenario
from ..optimum.solution import Solution
from ..optimum.solve import solve
from .blocks import Progress, checked_outputs, solve_rows
from .ranges import Over, ranges

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["band_of", "tornado"]

ACCURACY = 1e-9
"""Relative accuracy of an optimum: smaller swings count as 0."""


def band_of(best: Solution) -> dict[str, tuple[float, float]]:
    """The near-optimal range of each output that has one: designs of the same loss that cost at most the band's tolerance more."""
    total = float(best.cost.total)
    return {
        "n_params": best.band.n_params,
        "train_tokens": best.band.train_tokens,
        "overtraining_vs_rule_of_20": best.band.overtraining_vs_rule_of_20,
        "cost_total": (total, total * (1 + best.band.tolerance)),
    }


@checks(scenario=SCENARIO, output=TEXT, over=MAPPING, progress=PROGRESS)
def tornado(
    scenario: Scenario,
    output: str = "overtraining_vs_rule_of_20",
    *,
    over: Over | None = None,
    progress: Progress | None = None,
) -> "pd.DataFrame":
    """The optimum with every assumption in turn at its low and at its high, the others held.

    Args:
        scenario: the question.
        output: a numeric column of `solve_batch`, in the unit it has there.
        over: ranges by dotted path that replace or add to the declared ones, `{"rl.tokens": ("50T", "300T")}`; None leaves a path or
            a block alone.
        progress: called with (optima found, optima in all) as the work goes on.

    Returns:
        One row an assumption, widest swing first: assumption, unit, low, value, high, output_low, output_base, output_high, swing (the
        largest minus the smallest of the three), status_low, status_high, message. An end without an answer has its status and NaN.
        `attrs["band"]` is the near-optimal range of the output at the scenario itself: a swing inside it is smaller than the valley is
        flat.

    Raises:
        InputError: `output` or `over` names something that does not exist.
        InfeasibleError: the scenario itself has no optimum.

    A law's coefficients moved one at a time leave their fit; use `sobol` or `monte_carlo` for what the fit really leaves open.

    >>> from optimizer.assumptions.library import load
    >>> frame = tornado(load("lecture-2026"), over={"law": None, "goal": None})
    >>> frame["assumption"].iloc[:2].tolist()
    ['traffic.output_tokens', 'traffic.input_tokens']

    """
    import pandas as pd

    checked_outputs([output])
    moved = ranges(scenario, over)
    best = solve(scenario)
    own = {r.path: r.value for r in moved}
    records = [own, *({**own, r.path: end} for r in moved for end in (r.low, r.high))]
    answers = solve_rows(scenario, pd.DataFrame(records, dtype=float), progress)
    found = answers[output].to_numpy()
    ends = found[1:].reshape(-1, 2)
    status = answers["status"].to_numpy()[1:].reshape(-1, 2)
    message = answers["message"].to_numpy()[1:].reshape(-1, 2)
    frame = pd.DataFrame(
        {
            "assumption": [r.path for r in moved],
            "unit": [r.unit for r in moved],
            "low": [r.low for r in moved],
            "value": [r.value for r in moved],
            "high": [r.high for r in moved],
            "output_low": ends[:, 0],
            "output_base": found[0],
            "output_high": ends[:, 1],
            "status_low": status[:, 0],
            "status_high": status[:, 1],
            "message": [" ".join(filter(None, pair)) for pair in message],
        }
    )
    three = frame[["output_low", "output_base", "output_high"]].to_numpy()
    swing = np.nanmax(three, axis=1) - np.nanmin(three, axis=1)
    frame.insert(8, "swing", np.where(swing > ACCURACY * abs(found[0]), swing, 0.0))
    frame = frame.sort_values("swing", ascending=False, kind="stable", ignore_index=True)
    unit = answers.attrs["units"][output]
    frame.attrs["units"] = dict.fromkeys(("output_low", "output_base", "output_high", "swing"), unit)
    frame.attrs["output"] = output
    frame.attrs["band"] = band_of(best).get(output)
    return frame
