"""What speed costs: the operating points of one model on one chip."""

import math
from typing import TYPE_CHECKING

import altair as alt

from .theme import ACCENT, MAIN, Drawing, Drawn, axis, data, finished, records, scale, some, told

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["latency_against_cost"]

_POINTS = ["batch", "tokens_per_second_per_user", "usd_per_mtok_decode", "memory_share", "waits_for"]


@Drawn
def latency_against_cost(frame: "pd.DataFrame", *, dark: bool = False) -> Drawing:
    """Price per decoded token against the speed that a user sees, one point a batch; the diamond fills memory.

    Args:
        frame: what `batch_sweep` returns.
        dark: colours of a dark page.

    """
    rows = records(frame, _POINTS, "batch_sweep")
    rows = some([r for r in rows if math.isfinite(r["usd_per_mtok_decode"])], "batch_sweep, with a batch that fits")
    drawn = [
        {
            "speed": r["tokens_per_second_per_user"],
            "price": r["usd_per_mtok_decode"],
            "label": told(r["batch"], "1"),
            "batch": told(r["batch"], "sequences"),
            "tells": told(r["usd_per_mtok_decode"], "USD per million tokens"),
            "sees": told(r["tokens_per_second_per_user"], "tokens/s"),
            "waits": r["waits_for"],
            "full": i == len(rows) - 1,
        }
        for i, r in enumerate(rows)
    ]
    along, ticks = scale([r["speed"] for r in drawn])
    around, prices = scale([r["price"] for r in drawn])
    bare = alt.Chart(data(drawn)).encode(
        x=alt.X("speed:Q", scale=along, axis=axis("speed that a user sees (tokens/s)", ticks)),
        y=alt.Y("price:Q", scale=around, axis=axis("USD per million decoded tokens", prices)),
    )
    whole = bare.encode(
        tooltip=[
            alt.Tooltip("batch:N"),
            alt.Tooltip("sees:N", title="a user sees"),
            alt.Tooltip("tells:N", title="decoding costs"),
            alt.Tooltip("waits:N", title="a step waits for"),
        ],
    )
    line = bare.mark_line(color=MAIN, strokeWidth=2)
    points = whole.transform_filter("!datum.full").mark_point(filled=True, color=MAIN, size=60, opacity=1)
    full = whole.transform_filter("datum.full").mark_point(
        filled=True, color=ACCENT, shape="diamond", size=140, opacity=1
    )
    texts = whole.mark_text(dy=-12).encode(text=alt.Text("label:N"))
    said = " to ".join(f"{r['sees']} for {r['tells']} at {r['batch']}" for r in (drawn[0], drawn[-1]))
    return finished(
        [line, points, full, texts],
        "Latency against cost",
        "labels: sequences in a step; diamond: memory is full",
        f"Curve of decoding price against speed per user, from {said}.",
        height=300,
        dark=dark,
    )
