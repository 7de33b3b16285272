"""Histogram of Monte Carlo draws."""

from typing import TYPE_CHECKING

import altair as alt
import numpy as np

from ...assumptions.numbers import percent
from ...assumptions.problems import InputError
from ...model.outputs import heading, quantity_text, range_text
from .drawing import Drawing, Drawn, data, finished
from .marks import reference_line, tips
from .rows import needs_frame
from .scales import axis, output_axis, scale
from .theme import MAIN, capital

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["draws"]

BARS = 40
LEVELS = (0.1, 0.5, 0.9)
ROW, LABELS = 14, 30
"""Pixels at the top for a row of labels of the quantiles, and for both rows."""


@Drawn
def draws(
    frame: "pd.DataFrame",
    output: str = "overtraining_vs_rule_of_20",
    *,
    reference: float | None = None,
    dark: bool = False,
) -> Drawing:
    """Shares of the draws by the value of an output, with its 10, 50 and 90 % quantiles.

    Bars are equally wide on the axis, which is logarithmic where the values spread over a factor of five or more.

    Args:
        frame: what `draws` returns, at one traffic.
        output: a numeric column of it.
        reference: a value to compare with, drawn as a dashed line (100 for the lecture's claim).
        dark: colours of a dark page.

    Raises:
        InputError: the frame is of several traffics, or has no draw with an answer.

    """
    needs_frame(frame, ["draw", output], "draws")
    if "served_tokens" in frame and len(set(frame["served_tokens"])) > 1:
        raise InputError(
            [
                "the frame holds draws at several traffics; take those of one served_tokens, or draw the fan of monte_carlo."
            ]
        )
    values = np.array(frame[output], float)
    found = values[np.isfinite(values)]
    if not len(found):
        raise InputError(
            ["there is nothing to draw; give the chart the frame that draws returns, with one that has an answer."]
        )
    unit = frame.attrs.get("units", {}).get(output, "1")
    around, ticks = scale([*found, *([] if reference is None else [reference])])
    within = np.log(found) if ticks else found
    counts, edges = np.histogram(within, BARS)
    ends = np.exp(edges) if ticks else edges
    bars = [
        {
            "low": float(low),
            "high": float(high),
            "share": float(count) / len(found),
            "value": range_text(float(low), float(high), unit, output),
            "share_text": percent(float(count) / len(found)),
        }
        for low, high, count in zip(ends[:-1], ends[1:], counts, strict=True)
        if count
    ]
    marks = [
        {"x": float(v), "text": f"{percent(q)}: {quantity_text(float(v), unit, output)}", "side": side}
        for q, v, side in zip(LEVELS, np.quantile(found, LEVELS), ("left", "center", "right"), strict=True)
    ]
    x = alt.X("low:Q", scale=around, axis=output_axis(output, unit, ticks))
    histogram = (
        alt.Chart(data(bars))
        .mark_bar(color=MAIN, opacity=0.55)
        .encode(
            x=x,
            x2=alt.X2("high:Q"),
            y2=alt.Y2Datum(0),
            y=alt.Y(
                "share:Q",
                axis=axis("share of the draws", output="share"),
                scale=alt.Scale(domain=[0, 1.15 * max(b["share"] for b in bars)]),
            ),
            tooltip=tips(value=heading(output), share_text="share of the draws"),
        )
    )
    quantiles = alt.Chart(data(marks)).encode(x=alt.X("x:Q"))
    below = {"y": alt.value(LABELS), "y2": alt.Y2Value("height")}
    layers = [
        histogram,
        quantiles.mark_rule(color=MAIN, strokeWidth=2).encode(tooltip=tips(text="quantile"), **below),
        *_outward(quantiles),
    ]
    compared = ""
    if reference is not None:
        text = quantity_text(reference, unit, output)
        layers.append(reference_line(reference, text).encode(**below))
        above = percent(float((found >= reference).mean()))
        compared = f"; dashed: {text}, which {above} of the draws reach"
    unanswered = len(values) - len(found)
    name = heading(output)
    return finished(
        layers,
        f"{capital(name)} over {len(found):,} draws",
        f"lines: 10, 50 and 90 % of the draws{compared}"
        + (f"; not drawn: {unanswered} draws without an answer" if unanswered else ""),
        f"Histogram of {name}. Quantiles {', '.join(m['text'] for m in marks)}{compared}.",
        height=300,
        dark=dark,
    )


def _outward(quantiles: alt.Chart) -> list[alt.Chart]:
    """Labels above three lines that lie on no other label at any width: the outer ones outwards, the middle one above them."""
    room = "6 * length(datum.text)"
    left = quantiles.transform_filter("datum.side == 'left'").mark_text(align="right", baseline="top")
    middle = quantiles.transform_filter("datum.side == 'center'").mark_text(align="center", baseline="top")
    right = quantiles.transform_filter("datum.side == 'right'").mark_text(align="left", baseline="top")
    places = (
        (left, f"max(scale('x', datum.x) - 4, {room})", ROW),
        (middle, "scale('x', datum.x)", 0),
        (right, f"min(scale('x', datum.x) + 4, width - {room})", ROW),
    )
    return [
        layer.encode(x=alt.XValue(alt.ExprRef(place)), y=alt.value(y), text=alt.Text("text:N"))
        for layer, place, y in places
    ]
