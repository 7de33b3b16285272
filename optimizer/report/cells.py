"""How is one number of a table written? As a ratio in times, as a share in percent, else as people write numbers."""

import math

from ..analysis.compare import VS
from ..assumptions.numbers import human, percent
from .text import times

__all__ = ["is_ratio", "is_share", "written"]

_RATIOS = ("factor", "cost_vs_optimum", "cost_vs_today")
_SHARES = (
    "savings",
    "share",
    "memory_share",
    "band_tolerance",
    "regret",
    "excess_cost",
    "answered",
    "quantile",
    "in_band_share",
)
_ENDS = ("_low", "_high")


def is_ratio(column: str) -> bool:
    """Whether a column holds multiples of something: "overtraining_vs_law", "NAME / reference"."""
    return (
        column in _RATIOS or column.endswith(VS) or "overtraining_vs" in column or column.startswith("extrapolation_")
    )


def is_share(column: str) -> bool:
    """Whether a column holds shares of a whole."""
    return column in _SHARES or any(column == f"{name}{end}" for name in _SHARES for end in _ENDS)


def written(value: float, column: str) -> str:
    """A number of the column; empty where there is none.

    >>> written(1318.4, "overtraining_vs_law"), written(0.1745, "savings"), written(1.114e11, "n_params"), written(float("nan"), "loss")
    ('1,318x', '17.4 %', '111.4B', '')

    """
    if math.isnan(value):
        return ""
    if is_ratio(column):
        return times(value)
    return percent(value) if is_share(column) else human(value, 4)
