"""Marks, tooltips and legends that several charts use."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from .drawing import data
from .theme import ACCENT, MAIN, QUIET, WIDTH, page_style

__all__ = ["bars_by", "end_labels", "legend", "outlined", "reference_line", "rule", "series_legend", "tips", "touched"]


def tips(**titles: str) -> list[alt.Tooltip]:
    """A tooltip: a line of text for each field, with its title."""
    return [alt.Tooltip(f"{field}:N", title=title) for field, title in titles.items()]


def legend(columns: Any = 1, **more: Any) -> alt.Legend:
    """A legend below the chart, without a title; more than one column is cut off on a phone where names are long."""
    return alt.Legend(title=None, orient="bottom", labelLimit=260, columns=columns, **more)


def series_legend(names: Sequence[str] = (), **more: Any) -> alt.Legend:
    """A legend of series, each with its mark and without the stroke of its line; of `names` in three columns or as many as have room."""
    room = 32 + 7 * max(map(len, names), default=WIDTH)
    columns: Any = alt.ExprRef(f"clamp(floor((containerSize()[0] || {WIDTH}) / {room}), 1, 3)") if names else 1
    return legend(columns, symbolSize=150, symbolStrokeWidth=0, symbolOpacity=1, **more)


def bars_by(whole: alt.Chart, field: str, opacities: Mapping[str, float], **mark: Any) -> list[alt.Chart]:
    """Bars with an outline, one layer for each value of a field: filled, pale or hollow."""
    return [
        whole.transform_filter(alt.FieldEqualPredicate(field=field, equal=value)).mark_bar(
            fill=MAIN, fillOpacity=opacity, stroke=MAIN, strokeWidth=1.5, **mark
        )
        for value, opacity in opacities.items()
    ]


def end_labels(whole: alt.Chart, field: str, *, gap: int) -> list[alt.Chart]:
    """The column `label` at the end of a bar at `field`, on the side that the column `left` says."""
    left = whole.transform_filter("datum.left").mark_text(align="right", baseline="middle")
    right = whole.transform_filter("!datum.left").mark_text(align="left", dx=gap, baseline="middle")
    # On a narrow page the label moves onto its bar before it would run into the names.
    inside = alt.XValue(alt.ExprRef(f"max(scale('x', datum['{field}']) - {gap}, 6 * length(datum.label))"))
    text = alt.Text("label:N")
    return [left.encode(x=inside, text=text), right.encode(x=alt.X(f"{field}:Q"), text=text)]


def outlined(whole: alt.Chart, *, dark: bool, **mark: Any) -> list[alt.Chart]:
    """Texts with an edge of the colour of the page, which parts them from the lines that they lie on."""
    page = page_style(dark=dark)["background"]
    # A layer of its own, as Vega paints the edge of a letter over its inside.
    edge = whole.mark_text(color=page, stroke=page, strokeWidth=4, strokeJoin="round", aria=False, **mark)
    return [edge, whole.mark_text(**mark)]


def rule(value: float) -> alt.Chart:
    """A vertical line."""
    return alt.Chart(data([{"x": value}])).mark_rule(color=QUIET, strokeWidth=1.5).encode(x=alt.X("x:Q"))


def reference_line(value: float, text: str) -> alt.Chart:
    """A dashed vertical line at a value to compare with."""
    line = alt.Chart(data([{"x": value, "text": text}])).mark_rule(color=ACCENT, strokeDash=[5, 4], strokeWidth=2)
    return line.encode(x=alt.X("x:Q"), tooltip=tips(text="reference"))


def touched(whole: alt.Chart, size: float = 90) -> alt.Chart:
    """Invisible points that carry the tooltips of a curve: a line has one tooltip, that of its first point, over its whole length."""
    return whole.mark_point(filled=True, size=size, opacity=0)
