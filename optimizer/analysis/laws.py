"""The optimum under every credible scaling law, and the spread between them."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ..assumptions.arguments import MAPPING, NUMBER, PROGRESS, as_numbers, checks
from ..assumptions.law import law_names
from ..assumptions.law_file import is_law_file
from ..assumptions.problems import InputError, near_miss
from ..assumptions.scenario import SCENARIO, Scenario
from ..model.outputs import NARROW, units_of
from ..optimum.solution import Status
from ..optimum.solve import solve
from .blocks import Progress, reported

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ensemble", "geometric_mean", "in_band", "optima", "under_law"]

COLUMNS = (*NARROW, *(f"band_overtraining_vs_rule_of_20_{end}" for end in ("low", "high")))
_NO_MEAN = ("loss", "savings")
"""Losses of two laws are on two texts, and savings may be negative: neither has a geometric mean."""


def under_law(scenario: Scenario, law: str) -> Scenario:
    """The same question under another law; repeated data stays as it is."""
    kept = scenario.law.kept
    return scenario.update({"law": {"name": law, "kind": scenario.law.kind, **kept} if kept else law})


@checks(scenario=SCENARIO, weights=MAPPING, band=NUMBER, progress=PROGRESS)
def ensemble(
    scenario: Scenario,
    weights: Mapping[str, float | str] | None = None,
    *,
    band: float = 0.05,
    progress: Progress | None = None,
) -> "pd.DataFrame":
    """The optimum under every credible law, with the spread between them.

    Args:
        scenario: the question; its own law is replaced.
        weights: law, or file of a law -> weight in the mean; only the laws it names are asked. Left out: every credible law of dense
            training, alike. Two readings of one fit may count as one: {"besiroglu": 1, "hoffmann": 0.5, "de-vries": 0.5, "muennighoff": 1}.
        band: tolerance of the near-optimal band.
        progress: called with (laws done, laws in all).

    Returns:
        One row a law, index `law`, columns kind ("law"), weight (share of all), status, the optimum and its band; then rows of kind
        "summary": weighted geometric mean, lowest, highest, and highest / lowest. A law without an answer has its status and NaN and no
        part in the summary. `attrs["units"]` gives the units.

    Raises:
        InputError: a law is unknown, or weights are negative or all 0.

    A loss goal in nat/token means another quality under each law, as the laws were fitted on different text; "as good as" does not. The
    spread between laws shows more of the law's error than the posterior of one fit.

    >>> from optimizer.assumptions.library import load
    >>> frame = ensemble(load("lecture-2026"))
    >>> [f"{ratio:.0f}" for ratio in frame["overtraining_vs_rule_of_20"]]
    ['52', '120', '118', '57', '81', '52', '120', '2']

    """
    import pandas as pd

    given = dict.fromkeys(law_names("ensemble"), 1.0)
    if weights is not None:
        heavy = as_numbers([*weights.values()], "weights", "1")
        given = dict(zip(weights, heavy, strict=True))
    problems = [
        f"law {law!r} is unknown{near_miss(law, law_names())} A file of a law ends in .toml."
        for law in given
        if law not in law_names() and not is_law_file(law)
    ]
    if not given or any(not w >= 0 for w in given.values()) or not sum(given.values()) > 0:
        problems.append(f"weights must be 0 or more and not all 0, got {given}.")
    if problems:
        raise InputError(problems)
    asked = [under_law(scenario, law) for law in given]
    titles = [s.law.title if is_law_file(law) else law for law, s in zip(given, asked, strict=True)]
    frame = optima(dict(zip(titles, asked, strict=True)), band=band, progress=progress)
    total = sum(given.values())
    frame.insert(1, "weight", [weight / total for weight in given.values()])
    units = frame.attrs["units"] | units_of(["weight"], "")
    solved = [r for r in frame.to_dict("records") if r["status"] == Status.OPTIMAL.name.lower()]
    if solved:
        rows = _summary(solved)
        frame = pd.concat([frame, pd.DataFrame.from_records(rows, index="law")])
    frame.attrs["units"] = units
    return frame


def optima(
    scenarios: Mapping[str, Scenario], *, band: float = 0.05, progress: Progress | None = None
) -> "pd.DataFrame":
    """The optimum of each scenario and its band, one row each, as in `ensemble` but without weights and summary; index `law`."""
    import pandas as pd

    records, units = [], {}
    for law, scenario in reported([*scenarios.items()], progress):
        best = solve(scenario, band=band, throw=False)
        flat = best.to_frame()
        units = flat.attrs["units"]
        head = {"law": law, "kind": "law", "status": best.status.name.lower()}
        records.append({**head, **{c: float(flat[c].iloc[0]) for c in COLUMNS}, "message": best.message})
    frame = pd.DataFrame.from_records(records, index="law")
    frame.attrs["units"] = {c: units[c] for c in COLUMNS}
    return frame


def in_band(frame: "pd.DataFrame", over_rule_of_20: float) -> "pd.Series":
    """Whether the near-optimal band of each row holds an over-training ratio D/(20 N); false for rows without a band.

    >>> from optimizer.assumptions.library import load
    >>> frame = ensemble(load("lecture-2026"))
    >>> in_band(frame[frame["kind"] == "law"], 100.0).to_dict()
    {'besiroglu': True, 'hoffmann': True, 'de-vries': True, 'muennighoff': True}

    """
    import pandas as pd

    low, high = (frame[f"band_overtraining_vs_rule_of_20_{end}"].to_numpy(float) for end in ("low", "high"))
    return pd.Series((low <= over_rule_of_20) & (high >= over_rule_of_20), frame.index)


def _summary(solved: list[dict[str, object]]) -> list[dict[str, object]]:
    values = {c: np.array([r[c] for r in solved], float) for c in COLUMNS}
    weights = np.array([r["weight"] for r in solved], float)
    head = {"kind": "summary", "weight": math.nan, "status": "", "message": ""}
    means = {c: geometric_mean(v, weights) if c not in _NO_MEAN else math.nan for c, v in values.items()}
    lowest, highest = ({c: float(end(v)) for c, v in values.items()} for end in (np.min, np.max))
    ratio = {c: highest[c] / lowest[c] if c not in _NO_MEAN and lowest[c] > 0 else math.nan for c in COLUMNS}
    named = {"geometric mean": means, "lowest": lowest, "highest": highest, "highest / lowest": ratio}
    return [{"law": name, **head, **row} for name, row in named.items()]


def geometric_mean(values: np.ndarray, weights: np.ndarray) -> float:
    """Weighted geometric mean of positive numbers; 0 where one of them is 0, NaN where none has weight.

    >>> round(geometric_mean(np.array([2.0, 8.0]), np.array([1.0, 1.0])), 12)
    4.0

    """
    if not weights.sum() > 0:
        return math.nan
    if (values[weights > 0] <= 0).any():
        return 0.0
    used = weights > 0
    return float(np.exp(weights[used] @ np.log(values[used]) / weights[used].sum()))
