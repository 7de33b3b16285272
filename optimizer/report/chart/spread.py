"""How far do the draws of what is not known spread? As a histogram."""

from typing import TYPE_CHECKING

import altair as alt
import numpy as np

from ...assumptions.numbers import percent
from ...assumptions.problems import InputError
from .theme import ACCENT, MAIN, Drawing, Drawn, axis, data, finished, named, needs_frame, scale, told, with_unit

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["draws"]

BARS = 40
LEVELS = (0.1, 0.5, 0.9)


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
            "tells": f"{told(float(low), unit, output)} to {told(float(high), unit, output)}",
            "part": percent(float(count) / len(found)),
        }
        for low, high, count in zip(ends[:-1], ends[1:], counts, strict=True)
        if count
    ]
    marks = [
        {"x": float(v), "says": f"{percent(q)}: {told(float(v), unit, output)}"}
        for q, v in zip(LEVELS, np.quantile(found, LEVELS), strict=True)
    ]
    x = alt.X("low:Q", scale=around, axis=axis(with_unit(output, unit), ticks, output=output))
    histogram = (
        alt.Chart(data(bars))
        .mark_bar(color=MAIN, opacity=0.55)
        .encode(
            x=x,
            x2=alt.X2("high:Q"),
            y2=alt.Y2Datum(0),
            y=alt.Y(
                "share:Q",
                axis=axis("share of the draws"),
                scale=alt.Scale(domain=[0, 1.15 * max(b["share"] for b in bars)]),
            ),
            tooltip=[alt.Tooltip("tells:N", title=named(output)), alt.Tooltip("part:N", title="share of the draws")],
        )
    )
    quantiles = alt.Chart(data(marks)).encode(x=alt.X("x:Q"))
    layers = [
        histogram,
        quantiles.mark_rule(color=MAIN, strokeWidth=2).encode(tooltip=alt.Tooltip("says:N", title="quantile")),
        quantiles.mark_text(align="left", dx=4, baseline="top").encode(y=alt.value(0), text=alt.Text("says:N")),
    ]
    compared = ""
    if reference is not None:
        said = told(reference, unit, output)
        line = alt.Chart(data([{"x": reference, "says": said}]))
        layers.append(
            line.mark_rule(color=ACCENT, strokeDash=[5, 4], strokeWidth=2).encode(
                x=alt.X("x:Q"), tooltip=alt.Tooltip("says:N")
            )
        )
        above = percent(float((found >= reference).mean()))
        compared = f"; dashed: {said}, which {above} of the draws reach"
    unanswered = len(values) - len(found)
    name = named(output)
    return finished(
        layers,
        f"{name[0].upper()}{name[1:]} over {len(found):,} draws",
        f"lines: 10, 50 and 90 % of the draws{compared}"
        + (f"; not drawn: {unanswered} draws without an answer" if unanswered else ""),
        f"Histogram of {name}. Quantiles {', '.join(m['says'] for m in marks)}{compared}.",
        height=300,
        dark=dark,
    )
