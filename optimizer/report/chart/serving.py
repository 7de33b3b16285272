"""What speed costs: the operating points of one model on one chip, and on every chip."""

import math
from typing import TYPE_CHECKING, Any

import altair as alt

from ...assumptions.numbers import human
from ...model.outputs import heading, quantity_text, units_of
from .drawing import Drawing, Drawn, data, finished
from .marks import series_legend, tips, touched
from .rows import records, some
from .scales import output_axis, scale, share_of
from .theme import ACCENT, COLOURS, DASHES, MAIN, QUIET, capital

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

__all__ = ["chip_frontier", "latency_against_cost"]

LETTER, LINE = 6.5, 14
"""Width of a letter of a label and height of its line, pixels."""
LEAST_HEIGHT = 200
"""of the plot of operating points, pixels"""
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
    costs = [r["price"] for r in drawn + mine]
    # Room below the cheapest point for the label of the largest batch.
    around, prices = scale([min(costs) * (min(costs) / max(costs)) ** 0.06, *costs])
    for r, width in zip(drawn, _widths(drawn, along, around), strict=True):
        r["width"] = width
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
    # The curve rises to the right, so nothing else is drawn above it on the left, or below it on the right.
    fitting = whole.transform_filter("datum.width <= width").encode(text=alt.Text("label:N"))
    texts = [
        fitting.transform_filter("!datum.full").mark_text(align="right", dx=-8, dy=-9),
        fitting.transform_filter("datum.full").mark_text(align="left", dx=-6, dy=17),
    ]
    ends = " to ".join(f"{r['speed_text']} for {r['price_text']} at {r['batch']}" for r in (drawn[0], drawn[-1]))
    return finished(
        [line, points, full, *ring, *texts],
        "Decode cost against speed per user",
        "labels: batch in sequences; diamond: the largest batch that fits in memory"
        + ("; ring: the scenario's own batch" if mine else ""),
        f"Curve of decode cost against speed per user, from {ends}."
        + (f" The scenario's own point: {mine[0]['speed_text']} for {mine[0]['price_text']}." if mine else ""),
        height=300,
        dark=dark,
    )


def _widths(rows: list[dict[str, Any]], along: alt.Scale, around: alt.Scale) -> list[float]:
    """For each batch, largest last, the least width of the plot in pixels at which its label meets neither another one nor the axis.

    Where there is no room for all, every second, fourth, .. label stays, counted from that of the largest batch.
    """
    places = [(share_of(along, r["speed"]), share_of(around, r["price"]), LETTER * len(r["label"])) for r in rows]
    count = len(rows) - 1
    found = [0.0] * len(rows)
    order = sorted(range(count), key=lambda i: (-((count - i) & (i - count)), i))
    for done, i in enumerate(order):
        x, y, long = places[i]
        found[i] = (long + 8) / x
        for x_other, y_other, long_other in (places[j] for j in order[:done]):
            if abs(y - y_other) * LEAST_HEIGHT < LINE:
                between = abs(x - x_other)
                found[i] = max(found[i], (long if x > x_other else long_other) / between if between else math.inf)
    return found


_CHIP_POINTS = [
    "chip", "offer", "precision", "chips", "parallelism", "pipeline_stages", "batch", "tokens_per_second_per_user", "usd_per_mtok_decode",
    "joules_per_token",
]  # fmt: skip


@Drawn
def chip_frontier(
    frame: "pd.DataFrame",
    own: "Mapping[str, Any] | None" = None,
    measured: "pd.DataFrame | None" = None,
    *,
    output: str = "usd_per_mtok_decode",
    dark: bool = False,
) -> Drawing:
    """Decode cost or energy against speed per user of every chip; chips that are the best at some speed have a colour and a name.

    Args:
        frame: what `chip_frontier` of the analyses returns.
        own: the operating point of the scenario, marked by a ring.
        measured: what `measured_points` returns, marked by crosses.
        output: "usd_per_mtok_decode", or "joules_per_token" for energy.
        dark: colours of a dark page.

    """
    rows = some(
        records(frame, _CHIP_POINTS, "chip_frontier"), "chip_frontier, with a chip that has a price and the memory"
    )
    speed, price = "tokens_per_second_per_user", output
    rows = some([r for r in rows if math.isfinite(r[price])], "chip_frontier, with a chip whose power is on record")
    unit = units_of([price], "USD")[price]
    # The chips of the common envelope, fastest first, each with the slowest speed at which it is the cheapest.
    first, least = dict[str, float](), math.inf
    for r in sorted(rows, key=lambda r: (-r[speed], r[price])):
        if r[price] < least:
            least, first[r["chip"]] = r[price], r[speed]
    best = sorted(first, key=lambda chip: first[chip])[: len(COLOURS) - 1]
    looks = dict(zip(best, [(c, d) for c, d in zip(COLOURS, DASHES, strict=True) if c != QUIET], strict=False))

    def point(r: "Mapping[str, Any]") -> dict[str, Any]:
        stages = "" if r["pipeline_stages"] == 1 else f", {human(r['pipeline_stages'])} stages"
        return {
            "speed": r[speed],
            "price": r[price],
            "chip": r["chip"],
            "place": f"{human(r['chips'])} x {r['parallelism']}{stages}, {r['precision']}, batch {human(r['batch'], 3)}",
            "price_text": quantity_text(r[price], unit),
            "speed_text": quantity_text(r[speed], "tokens/s"),
        }

    drawn = [point(r) for r in rows]
    mine = [{"speed": own[speed], "price": own[price]}] if own and math.isfinite(own.get(price, math.nan)) else []
    seen = [] if measured is None else [r for r in measured.to_dict("records") if math.isfinite(r[price])]
    crosses = [
        {
            "speed": r[speed],
            "price": r[price],
            "chip": r["chip"],
            "place": f"measured: {r['model']}, {r['arrangement']}, {r['precision']}",
            "price_text": quantity_text(r[price], unit),
            "speed_text": quantity_text(r[speed], "tokens/s"),
            "label": r["chip"] + (", drafting" if "MTP" in r["arrangement"] else ""),
        }
        for r in seen
    ]
    along, ticks = scale([r["speed"] for r in drawn + mine + crosses])
    around, prices = scale([r["price"] for r in drawn + mine + crosses])
    x = alt.X("speed:Q", scale=along, axis=output_axis(speed, "tokens/s", ticks))
    y = alt.Y("price:Q", scale=around, axis=output_axis(price, unit, prices))
    shown = tips(chip="chip", place="placement", speed_text=heading(speed), price_text=heading(price))
    others = [r for r in drawn if r["chip"] not in looks]
    layers = []
    if others:
        quiet = alt.Chart(data(others)).encode(x=x, y=y, detail=alt.Detail("chip:N"), tooltip=shown)
        layers += [quiet.mark_line(color=QUIET, strokeWidth=1, opacity=0.6), touched(quiet, 60)]
    below = series_legend(best)
    named = alt.Chart(data([r for r in drawn if r["chip"] in looks])).encode(
        x=x,
        y=y,
        color=alt.Color(
            "chip:N",
            scale=alt.Scale(domain=best, range=[looks[chip][0] for chip in best]),
            legend=below,
        ),
        strokeDash=alt.StrokeDash(
            "chip:N", scale=alt.Scale(domain=best, range=[looks[chip][1] for chip in best]), legend=below
        ),
        tooltip=shown,
    )
    layers += [named.mark_line(strokeWidth=2.5), touched(named, 60)]
    if mine:
        layers.append(
            alt.Chart(data(mine))
            .mark_point(filled=False, color=ACCENT, size=260, strokeWidth=3, opacity=1)
            .encode(x=alt.X("speed:Q"), y=alt.Y("price:Q"))
        )
    if crosses:
        cross = alt.Chart(data(crosses)).encode(x=alt.X("speed:Q"), y=alt.Y("price:Q"), tooltip=shown)
        layers += [
            cross.mark_point(shape="cross", angle=45, filled=True, color=ACCENT, size=140, opacity=1),
            cross.mark_text(align="right", dx=-10, fontSize=12).encode(text="label:N"),
        ]
    about = capital(heading(price))
    return finished(
        layers,
        f"{about} against speed per user, every chip",
        f"prices: {rows[0]['offer']}; grey: chips that are the best at no speed"
        + ("; ring: the scenario's own point" if mine else "")
        + ("; crosses: measured" if crosses else ""),
        f"Curves of {heading(price)} against speed per user for {len({r['chip'] for r in rows})} chips. Best from slow to fast: "
        f"{', '.join(best)}." + (f" {len(crosses)} measured points." if crosses else ""),
        height=340,
        dark=dark,
    )
