"""Tornado: each assumption at its low and at its high, with the optimum found again.

The law is one bar: the 10 % and the 90 % of the output over a sample of laws, or the lowest and the highest of a few named ones.
"""

from typing import TYPE_CHECKING

import numpy as np

from ..assumptions.arguments import MAPPING, PROGRESS, TEXT, Names, checks
from ..assumptions.scenario import SCENARIO, Scenario
from ..optimum.solution import Solution
from ..optimum.solve import solve
from .blocks import Progress, checked_outputs, in_turn, solve_rows
from .law_input import ACROSS, LAW, LawInput, law_input
from .ranges import Over, held, ranges

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["band_of", "tornado"]

ACCURACY = 1e-9
"""Relative accuracy of an optimum: smaller swings count as 0."""
QUANTILE = "quantile"
"""Unit of the ends of the law's bar."""
LAW_ENDS = (0.1, 0.9)
"""Quantiles of the output over the laws at which the bar of the law ends."""


def band_of(best: Solution) -> dict[str, tuple[float, float]]:
    """The near-optimal range of each output that has one: designs of the same loss that cost at most the band's tolerance more."""
    total = float(best.cost.total)
    return {
        "n_params": best.band.n_params,
        "train_tokens": best.band.train_tokens,
        "overtraining_vs_rule_of_20": best.band.overtraining_vs_rule_of_20,
        "cost_total": (total, total * (1 + best.band.tolerance)),
    }


@checks(scenario=SCENARIO, output=TEXT, law=LAW, over=MAPPING, progress=PROGRESS)
def tornado(
    scenario: Scenario,
    output: str = "overtraining_vs_rule_of_20",
    *,
    law: Names | None = ACROSS,
    over: Over | None = None,
    progress: Progress | None = None,
) -> "pd.DataFrame":
    """The optimum with every assumption in turn at its low and at its high, the others held.

    Args:
        scenario: the question.
        output: a numeric column of `solve_batch`, in the unit it has there.
        law: the laws of its bar: "across" (the sample over data sets and forms), "posterior" (the scenario's own fit), names or files
            of laws, or None for no bar.
        over: ranges by dotted path that replace or add to the declared ones, `{"rl.tokens": ("50T", "300T")}`; None leaves a path or
            a block alone.
        progress: called with (optima found, optima in all) as the work goes on.

    Returns:
        One row an assumption, widest swing first: assumption, unit, low, value, high, output_low, output_base, output_high, swing (the
        largest minus the smallest of the three), status_low, status_high, message. An end without an answer has its status and NaN. The
        row `law` has quantiles of the output as low and high (0 and 1 are the lowest and the highest) and no value of its own.
        `attrs["band"]` is the near-optimal range of the output at the scenario itself: a swing inside it is smaller than the valley is
        flat. `attrs["notes"]` says what is held and why, and what the law's bar is made of.

    Raises:
        InputError: `output`, `law` or `over` names something that does not exist.
        InfeasibleError: the scenario itself has no optimum.

    A declared range is a factor around the scenario's own value (`ranges.ranges`). Coefficients of a law move one at a time only where
    `over` names them, and then they leave their fit.

    >>> from optimizer.assumptions.library import load
    >>> frame = tornado(load("lecture-2026"), law=["besiroglu", "hoffmann"])
    >>> frame["assumption"].iloc[:3].tolist()
    ['law', 'rl.tokens', 'rl.efficiency']

    """
    import pandas as pd

    checked_outputs([output])
    moved = ranges(scenario, over)
    laws, note = law_input(scenario, law, over)
    best = solve(scenario)
    own = {r.path: r.value for r in moved}
    records = [own, *({**own, r.path: end} for r in moved for end in (r.low, r.high))]
    both = in_turn(progress, [len(records), len(laws.table["law.E"]) if laws else 0])
    answers = solve_rows(scenario, pd.DataFrame(records, dtype=float), next(both))
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
    if laws:
        frame.loc[len(frame)] = _bar(laws, output, found[0], next(both))
    three = frame[["output_low", "output_base", "output_high"]].to_numpy()
    swing = np.nanmax(three, axis=1) - np.nanmin(three, axis=1)
    frame.insert(8, "swing", np.where(swing > ACCURACY * abs(found[0]), swing, 0.0))
    frame = frame.sort_values("swing", ascending=False, kind="stable", ignore_index=True)
    unit = answers.attrs["units"][output]
    frame.attrs["units"] = dict.fromkeys(("output_low", "output_base", "output_high", "swing"), unit)
    frame.attrs["output"] = output
    frame.attrs["band"] = band_of(best).get(output)
    frame.attrs["notes"] = (note, *held(scenario, over))
    return frame


def _bar(laws: LawInput, output: str, base: float, progress: Progress | None) -> dict[str, object]:
    """The row of the law: the output over its sample."""
    import pandas as pd

    answers = solve_rows(laws.question, pd.DataFrame(laws.table), progress)
    solved = answers[output].dropna()
    ends = (0.0, 1.0) if laws.few else LAW_ENDS
    low, high = np.quantile(solved, ends) if len(solved) else (np.nan, np.nan)
    status = "optimal" if len(solved) else "infeasible"
    failed = len(answers) - len(solved)
    return {
        "assumption": "law",
        "unit": QUANTILE,
        "low": ends[0],
        "value": np.nan,
        "high": ends[1],
        "output_low": low,
        "output_base": base,
        "output_high": high,
        "status_low": status,
        "status_high": status,
        "message": f"{failed} of {len(answers)} laws have no answer." if failed else "",
    }
