"""What speed costs: the operating points of one model on one chip."""

import math
from typing import TYPE_CHECKING, Any

import altair as alt

from ...model.outputs import heading, quantity_text
from .drawing import Drawing, Drawn, data, finished
from .marks import tips
from .rows import records, some
from .scales import output_axis, scale
from .theme import ACCENT, MAIN

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

__all__ = ["latency_against_cost"]

_POINTS = ["batch", "tokens_per_second_per_user", "usd_per_mtok_decode", "memory_share", "waits_for"]


@Drawn
def latency_against_cost(
    frame: "pd.DataFrame", own: "Mapping[str, Any] | None" = None, *, dark: bool = False
) -> Drawing:
    """Decode cost against the speed of one user's stream, one point for each batch; a diamond marks the largest batch that fits.

    Args:
        frame: what `batch_points` returns.
        own: the operating point of the scenario, marked by a ring.
        dark: colours of a dark page.

    """
    rows = records(frame, _POINTS, "batch_points")
    rows = some([r for r in rows if math.isfinite(r["usd_per_mtok_decode"])], "batch_points, with a batch that fits")
    speed, price = "tokens_per_second_per_user", "usd_per_mtok_decode"

    def point(r: "Mapping[str, Any]", *, full: bool) -> dict[str, Any]:
        return {
            "speed": r[speed],
            "price": r[price],
            "label": quantity_text(r["batch"], "1", "batch"),
            "batch": quantity_text(r["batch"], "sequences", "batch"),
            "price_text": quantity_text(r[price], "USD/Mtok"),
            "speed_text": quantity_text(r[speed], "tokens/s"),
            "bound": r["waits_for"],
            "full": full,
        }

    drawn = [point(r, full=i == len(rows) - 1) for i, r in enumerate(rows)]
    mine = [point(own, full=False)] if own and math.isfinite(own[price]) and math.isfinite(own[speed]) else []
    along, ticks = scale([r["speed"] for r in drawn + mine])
    around, prices = scale([r["price"] for r in drawn + mine])
    bare = alt.Chart(data(drawn)).encode(
        x=alt.X("speed:Q", scale=along, axis=output_axis(speed, "tokens/s", ticks)),
        y=alt.Y("price:Q", scale=around, axis=output_axis(price, "USD/Mtok", prices)),
    )
    whole = bare.encode(
        tooltip=tips(batch="batch", speed_text=heading(speed), price_text=heading(price), bound="a step waits for")
    )
    line = bare.mark_line(color=MAIN, strokeWidth=2)
    points = whole.transform_filter("!datum.full").mark_point(filled=True, color=MAIN, size=60, opacity=1)
    full = whole.transform_filter("datum.full").mark_point(
        filled=True, color=ACCENT, shape="diamond", size=140, opacity=1
    )
    ring = [
        alt.Chart(data(mine))
        .mark_point(filled=False, color=ACCENT, size=260, strokeWidth=3, opacity=1)
        .encode(x=alt.X("speed:Q"), y=alt.Y("price:Q"), tooltip=points.encoding.tooltip)
        for _ in mine
    ]
    texts = whole.mark_text(dy=-12).encode(text=alt.Text("label:N"))
    ends = " to ".join(f"{r['speed_text']} for {r['price_text']} at {r['batch']}" for r in (drawn[0], drawn[-1]))
    return finished(
        [line, points, full, *ring, texts],
        "Decode cost against speed per user",
        "labels: batch in sequences; diamond: the largest batch that fits in memory"
        + ("; ring: the scenario's own batch" if mine else ""),
        f"Curve of decode cost against speed per user, from {ends}."
        + (f" The scenario's own point: {mine[0]['speed_text']} for {mine[0]['price_text']}." if mine else ""),
        height=300,
        dark=dark,
    )
