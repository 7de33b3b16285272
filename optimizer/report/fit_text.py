"""Print a fit: coefficients with intervals, the test on the longest runs, isoFLOP profiles, and the rows left out."""

import math

from rich.console import Group, RenderableType
from rich.text import Text

from ..assumptions.numbers import human, percent
from ..evidence.fitted import INTERVAL, Fit
from .terminal import grid

__all__ = ["fit_text"]

_UNITS = {"E": "nat/token"}
_MOST = 12
"""Rows left out that are listed; the rest is counted."""


def fit_text(found: Fit) -> RenderableType:
    """The coefficients first, then which form to take and why, then what was left out."""
    frame, out = found.runs.frame, found.runs.excluded
    ends = found.fitted_range
    head = (
        f"{len(frame)} runs of {found.runs.name}, up to {human(ends['fitted_max_params'], 3)} parameters, "
        f"{human(ends['fitted_max_tokens'], 3)} tokens and {ends['fitted_max_tokens_per_param']:,.0f} tokens per parameter; N counts "
        f"{found.runs.counts}, loss in {found.runs.unit}."
    )
    rows = [
        [form, row["coefficient"], human(row["value"], 5), _interval(row["low"], row["high"])]
        for form, part in found.to_frame().groupby("form", sort=False)
        for row in part.to_dict("records")
    ]
    return Group(
        Text(f"Scaling law of {found.label}", style="bold"),
        Text(head),
        grid(["form", "coefficient", "value", f"middle {percent(INTERVAL)} of the bootstraps"], rows, text_columns=2),
        Text("\n".join([*_errors(found), f"Recommended: {found.recommended}. {found.reason}", *_profiles(found)])),
        *_left_out(found),
        Text("\n".join([*found.notes, *([] if out.empty else ["Rows are counted from the first line of a file."])])),
    )


def _interval(low: float, high: float) -> str:
    return "" if math.isnan(low) else f"{human(low, 4)} to {human(high, 4)}"


def _errors(found: Fit) -> list[str]:
    said = ", ".join(f"{form} {percent(law.error, 2)}" for form, law in found.forms.items())
    together = (
        " Coefficients of one fit move together: their intervals are not independent." if len(found.forms) else ""
    )
    return [f"Mean error over the runs: {said}.{together}"]


def _profiles(found: Fit) -> list[str]:
    profiles = found.profiles
    if profiles is None:
        return []
    others = ", ".join(f"{law.tokens_exponent:.3f} {form}" for form, law in found.forms.items())
    return [
        f"IsoFLOP profiles at {len(profiles.frame)} budgets: D* grows with C^{profiles.tokens_exponent:.3f} (standard error "
        f"{profiles.standard_error:.3f}); the fits give {others}."
    ]


def _left_out(found: Fit) -> list[RenderableType]:
    out = found.runs.excluded
    if out.empty:
        return []
    rows = [[str(row["row"]), row["reason"]] for row in out.head(_MOST).to_dict("records")]
    more = [Text(f"{len(out) - _MOST} more rows were left out; --json lists all.")] if len(out) > _MOST else []
    return [grid(["row", "why it was left out"], rows, text_columns=2), *more]
