"""Comparison of plans: their outputs side by side, their valleys and their bills in one frame."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ..assumptions.problems import InputError, near_miss
from ..model.outputs import COMPARED
from ..optimum.solution import Solution, Status
from .blocks import Progress
from .plans import cost_curve, cost_phases
from .tornado import tornado
from .why import design_map

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["VS", "bills", "difference_table", "maps", "tornados", "valleys"]

VS = " / reference"


def difference_table(plans: Mapping[str, Solution], reference: str) -> "pd.DataFrame":
    """Outputs as rows, plans as columns, and each plan as a ratio to the reference.

    Args:
        plans: name -> answer; plans without a design have empty cells.
        reference: the name that the others are divided by.

    Returns:
        Columns output, unit, one a plan, and "NAME / reference" for every plan but the reference. An output that the plans have in
        different units, as cost in FLOP and in USD, has a row for each unit, empty for plans billed in the other. A ratio is NaN where one
        of two is empty, where the reference is 0, or for losses under two laws, fitted on different text. `attrs["reference"]` is the
        name of the reference.

    Raises:
        InputError: the reference is not among the plans.

    """
    import pandas as pd

    if reference not in plans:
        raise InputError([f"reference {reference!r} is not among the plans{near_miss(reference, list(plans))}"])
    flat = {name: best.to_frame() for name, best in plans.items()}
    answered = {name: best.status in (Status.OPTIMAL, Status.GIVEN) for name, best in plans.items()}
    records = []
    for output in COMPARED:
        units = {name: frame.attrs["units"][output] for name, frame in flat.items()}
        found = {name: float(frame[output].iloc[0]) if answered[name] else math.nan for name, frame in flat.items()}
        for unit in dict.fromkeys(units.values()):
            values = {name: value if units[name] == unit else math.nan for name, value in found.items()}
            base = values[reference]
            ratios = {
                f"{name}{VS}": value / base
                if base and (output != "loss" or _same_law(plans, name, reference))
                else math.nan
                for name, value in values.items()
                if name != reference
            }
            records.append({"output": output, "unit": unit, **values, **ratios})
    frame = pd.DataFrame.from_records(records)
    frame.attrs |= {"units": {}, "reference": reference}
    return frame


def _same_law(plans: Mapping[str, Solution], one: str, other: str) -> bool:
    return plans[one].scenario.law == plans[other].scenario.law


def valleys(plans: Mapping[str, Solution]) -> "pd.DataFrame":
    """`cost_curve` of every plan that has an answer: one row a plan and design, `attrs["same_unit"]` says whether costs compare."""
    return _joined({name: cost_curve(best) for name, best in _answered(plans).items()}, "cost_total")


def bills(plans: Mapping[str, Solution]) -> "pd.DataFrame":
    """What each phase costs in every plan that has an answer: plan, phase, cost, share."""
    parts = {}
    for name, best in _answered(plans).items():
        phases = cost_phases(best)
        own = phases[phases["plan"] == "optimum"].drop(columns="plan").reset_index(drop=True)
        own.attrs = phases.attrs
        parts[name] = own
    return _joined(parts, "cost")


def maps(plans: Mapping[str, Solution]) -> "pd.DataFrame":
    """`design_map` of every plan that has an answer, of its lines those through its own optimum: its loss, its cost, and its plans."""
    parts = {}
    for name, best in _answered(plans).items():
        whole = design_map(best)
        own = np.isclose(whole["loss"], best.loss, rtol=1e-9) | np.isclose(
            whole["cost_total"], float(best.cost.total), rtol=1e-9
        )
        kept = whole[
            whole["kind"].isin(["optimum", "Chinchilla plan"])
            | (own & whole["kind"].isin(["equal loss", "equal cost"]))
        ]
        parts[name] = kept.reset_index(drop=True)
    return _joined(parts, "cost_total")


def tornados(
    plans: Mapping[str, Solution], output: str = "overtraining_vs_rule_of_20", *, progress: Progress | None = None
) -> "pd.DataFrame":
    """`tornado` of every plan that has an answer: one row a plan and assumption; `attrs["output"]`, `attrs["units"]`."""
    import pandas as pd

    found = _answered(plans)
    parts, units = [], {}
    for i, (name, best) in enumerate(found.items()):

        def report(done: int, total: int, i: int = i) -> None:
            if progress:
                progress(i * total + done, len(found) * total)

        frame = tornado(best.asked, output, progress=report if progress else None)
        units, frame.attrs = frame.attrs["units"], {}
        parts.append(frame.assign(plan=name))
    result = pd.concat(parts, ignore_index=True)
    result.attrs = {"units": units, "output": output}
    return result


def _answered(plans: Mapping[str, Solution]) -> dict[str, Solution]:
    found = {name: best for name, best in plans.items() if best.status is Status.OPTIMAL}
    if not found:
        raise InputError(["none of the plans has an answer, so there is nothing to draw."])
    return found


def _joined(parts: Mapping[str, "pd.DataFrame"], cost: str) -> "pd.DataFrame":
    import pandas as pd

    frames = [part.assign(plan=name) for name, part in parts.items()]
    units = [frame.attrs["units"] for frame in frames]
    for frame in frames:
        frame.attrs = {}
    result = pd.concat(frames, ignore_index=True)
    same = len({u[cost] for u in units}) == 1
    result.attrs = {"units": units[0] | ({} if same else {cost: "FLOP or USD"}), "same_unit": same}
    return result
