"""Print elasticities and the tornado as two tables."""

import math
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.text import Text

from ..analysis.tornado import QUANTILE
from ..assumptions.numbers import human, percent
from ..model.outputs import ELASTIC, short, written
from .terminal import grid

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TOGETHER", "sensitivity_text"]

TOGETHER = "The coefficients of a law belong together: one of them moved alone leaves the fit."


def sensitivity_text(name: str, elasticities: "pd.DataFrame", tornado: "pd.DataFrame", top: int = 16) -> RenderableType:
    """The two tables, for the output that the tornado was asked for."""
    output, head = tornado.attrs["output"], short(tornado.attrs["output"])
    slopes = sorted(elasticities.reset_index().to_dict("records"), key=lambda row: -_size(row[output]))
    moving = [row for row in slopes if any(_size(row[column]) >= 5e-4 for column in ELASTIC)]
    swings = [row for row in tornado.to_dict("records") if row["swing"] > 0 or row["status_low"] != "optimal"][:top]
    held = elasticities.attrs["active_limits"]
    below, still = max(len(moving) - top, 0), len(slopes) - len(moving)
    less = f"Numbers that move it less and are not shown: {below}. " if below else ""
    lines = [
        "A value is the % that the column moves for 1 % more of the assumption. "
        f"{less}Numbers that move nothing: {still}.",
        f"Held by {', '.join(held)} (marked *): the values are true for as long as the same limits hold."
        if held
        else "",
        TOGETHER,
    ]
    band = tornado.attrs["band"]
    reach = [
        f"{head} is {written(tornado['output_base'].iloc[0], output)} at the scenario itself"
        + (
            f"; designs of the same loss that cost at most 5 % more reach from {written(band[0], output)} to {written(band[1], output)}."
            if band
            else "."
        ),
        *tornado.attrs["notes"],
    ]
    return Group(
        Text(f"{name or 'scenario'}: what moves the optimum", style="bold"),
        grid(
            ["assumption", "value", "unit", *map(short, ELASTIC)],
            [_slopes(row) for row in moving[:top]],
            title=f"Elasticities, exact at the optimum, largest on {head} first",
        ),
        Text("\n".join(filter(None, lines)) + "\n"),
        grid(
            ["assumption", "unit", "low", "value", "high", f"{head} at low", "at high"],
            [_ends(row, output) for row in swings[:top]],
            title=f"Each assumption at its low and at its high, with the optimum found again, widest swing of {head} first",
        ),
        Text("\n".join(reach)),
    )


def _size(value: float) -> float:
    return abs(value) if math.isfinite(value) else 0.0


def _slopes(row: dict[str, Any]) -> tuple[str, ...]:
    mark = " *" if row["active_limit"] else ""
    slopes = (_slope(row[column]) for column in ELASTIC)
    return (row["path"] + mark, human(row["value"]), row["unit"], *slopes)


def _slope(value: float) -> str:
    return "" if not math.isfinite(value) else f"{value:+.2f}" if abs(value) >= 5e-3 else "0"


def _ends(row: dict[str, Any], output: str) -> tuple[str, ...]:
    swing = (
        written(row[f"output_{end}"], output)
        if math.isfinite(row[f"output_{end}"])
        else row[f"status_{end}"].replace("_", " ")
        for end in ("low", "high")
    )
    if row["unit"] == QUANTILE:
        return (row["assumption"], row["unit"], percent(row["low"]), "", percent(row["high"]), *swing)
    return (row["assumption"], row["unit"], human(row["low"]), human(row["value"]), human(row["high"]), *swing)
