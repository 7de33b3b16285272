"""Which assumptions move the optimum, as bars: one at its ends, each by a little, all at once."""

import math
from typing import TYPE_CHECKING, Any

import altair as alt

from ...assumptions.numbers import human, percent
from .theme import (
    ACCENT,
    MAIN,
    QUIET,
    STEP,
    Drawing,
    Drawn,
    axis,
    data,
    end_labels,
    finished,
    largest,
    named,
    names_axis,
    records,
    rule,
    scale,
    some,
    told,
    with_unit,
)

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["elasticity_bars", "sobol_bars", "tornado"]

_TORNADO = [
    "assumption",
    "unit",
    "low",
    "high",
    "output_low",
    "output_base",
    "output_high",
    "swing",
    "status_low",
    "status_high",
]
_SOBOL = ["output", "assumption", "first", "first_low", "first_high", "total", "total_low", "total_high"]


@Drawn
def tornado(frame: "pd.DataFrame", *, top: int = 12, dark: bool = False) -> Drawing:
    """Bars from the optimum to where it moves: filled towards an assumption's high, hollow towards its low, widest first.

    Args:
        frame: what `tornado` returns.
        top: assumptions to show; those that move nothing are left out.
        dark: colours of a dark page.

    """
    rows = records(frame, _TORNADO, "tornado")
    output, unit = frame.attrs.get("output", "output"), frame.attrs.get("units", {}).get("swing", "1")
    base, band = float(rows[0]["output_base"]), frame.attrs.get("band")
    band = None if band is None or not all(map(math.isfinite, band)) else band  # an end may be unknown
    moving = [r for r in rows if r["swing"] > 0 or {r["status_low"], r["status_high"]} != {"optimal"}]
    shown, cut = largest(moving or rows, top, "swing")
    ends = [end for row in shown for end in _ends(row, base, unit, output)]
    ends = some(ends, "tornado with an assumption that moves the output")
    around, ticks = scale([base, *(end["to"] for end in ends), *(band or ())])
    whole = alt.Chart(data(ends)).encode(
        y=names_axis("assumption", [r["assumption"] for r in shown]),
        tooltip=[alt.Tooltip("tells:N", title="assumption"), alt.Tooltip("gives:N", title=named(output))],
    )
    x = alt.X("from:Q", scale=around, axis=axis(with_unit(output, unit), ticks, output=output))
    bars = [
        whole.transform_filter(f"datum.end == '{end}'")
        .mark_bar(height=STEP * 0.6, fill=MAIN, fillOpacity=opacity, stroke=MAIN, strokeWidth=1.5)
        .encode(x=x, x2=alt.X2("to:Q"))
        for end, opacity in (("low", 0.0), ("high", 0.85))
    ]
    shade = []
    if band:
        span = alt.Chart(data([{"low": band[0], "high": band[1]}])).mark_rect(color=QUIET, opacity=0.22)
        shade = [span.encode(x=alt.X("low:Q", scale=around), x2=alt.X2("high:Q"))]
    first = shown[0]
    said = [f"{_gives(first[f'output_{end}'], unit, output)} at {human(first[end], 3)}" for end in ("low", "high")]
    return finished(
        [*shade, *bars, rule(base), *end_labels(whole, "to", gap=5)],
        f"What moves {named(output)}",
        "the optimum found again at each assumption's low (hollow) and high (filled)"
        + (f"\n{cut} that move it" if cut else "")
        + ("\nshaded: the designs of the same loss that cost at most 5 % more" if band else ""),
        f"Tornado chart of {named(output)}, {told(base, unit, output)} at the scenario itself. The widest swing comes from "
        f"{first['assumption']}: {', '.join(said)}.",
        height={"step": STEP},
        dark=dark,
    )


def _ends(row: dict[str, Any], base: float, unit: str, output: str) -> list[dict[str, Any]]:
    """What is drawn for the low and the high of one assumption; an end without an answer is told on the side that is free."""
    found = []
    for end, other in (("low", "high"), ("high", "low")):
        moved, beside, value = row[f"output_{end}"], row[f"output_{other}"], human(row[end], 3)
        answered = math.isfinite(moved)
        if answered and abs(moved - base) < 1e-3 * abs(base):
            continue
        free = beside > base or (not math.isfinite(beside) and end == "low")
        found.append(
            {
                "assumption": row["assumption"],
                "end": end,
                "from": base,
                "to": moved if answered else base,
                "label": value if answered else f"{value}: no answer",
                "left": moved < base if answered else free,
                "tells": f"{row['assumption']} = {told(row[end], row['unit'])}",
                "gives": _gives(moved, unit, output),
            }
        )
    return found


def _gives(value: float, unit: str, output: str) -> str:
    return told(value, unit, output) if math.isfinite(value) else "no answer"


@Drawn
def elasticity_bars(
    frame: "pd.DataFrame", output: str = "overtraining_vs_rule_of_20", *, top: int = 14, dark: bool = False
) -> Drawing:
    """Bars of d ln(output) / d ln(assumption), largest first; a diamond marks a limit that holds the optimum.

    Args:
        frame: what `elasticities` returns.
        output: one of its columns.
        top: assumptions to show; those that move nothing are left out.
        dark: colours of a dark page.

    """
    rows = records(frame, ["value", "unit", "active_limit", output], "elasticities")
    drawn = [
        {
            "path": row["path"],
            "elasticity": row[output],
            "label": f"{row[output]:+.2f}",
            "left": row[output] < 0,
            "held": row["active_limit"],
            "says": row["path"] + (", which holds the optimum" if row["active_limit"] else ""),
            "tells": told(row["value"], row["unit"]),
        }
        for row in sorted(rows, key=lambda r: -abs(r[output]))
        if abs(row[output]) > 5e-4
    ]
    drawn, cut = largest(drawn, top, "elasticity")
    drawn = some(drawn, "elasticities with an assumption that moves the output")
    around, _ = scale([0.0, *(1.12 * row["elasticity"] for row in drawn)], log=False)
    whole = alt.Chart(data(drawn)).encode(
        y=names_axis("path", [row["path"] for row in drawn]),
        tooltip=[
            alt.Tooltip("says:N", title="assumption"),
            alt.Tooltip("tells:N", title="value"),
            alt.Tooltip("label:N", title="% for 1 % more"),
        ],
    )
    title = "% for 1 % more of the assumption"
    bars = whole.mark_bar(height=STEP * 0.6, color=MAIN).encode(
        x=alt.X("elasticity:Q", scale=around, axis=axis(title, tickCount=9))
    )
    held = whole.transform_filter("datum.held").mark_point(
        shape="diamond", size=110, filled=True, color=ACCENT, opacity=1
    )
    limits = ", ".join(frame.attrs.get("active_limits", ()))
    return finished(
        [bars, held.encode(x=alt.X("elasticity:Q")), rule(0.0), *end_labels(whole, "elasticity", gap=8)],
        f"Elasticities of {named(output)}",
        "exact at the optimum"
        + (f"; {cut} that move it" if cut else "")
        + (f"; diamond: {limits} holds it, and they are true while it does" if limits else ""),
        f"Bar chart of elasticities of {named(output)}. The largest is {drawn[0]['label']} by {drawn[0]['path']}.",
        height={"step": STEP},
        dark=dark,
    )


@Drawn
def sobol_bars(
    frame: "pd.DataFrame", output: str = "overtraining_vs_rule_of_20", *, top: int = 10, dark: bool = False
) -> Drawing:
    """Total indices as hollow bars, first-order indices as filled bars below them, each with its interval.

    Args:
        frame: what `sobol` returns.
        output: one of the outputs it was asked for.
        top: assumptions to show; those that explain nothing are left out.
        dark: colours of a dark page.

    """
    here = [r for r in records(frame, _SOBOL, "sobol") if r["output"] == output and r["total"] > 0]
    here, cut = largest(here, top, "total")
    here = some(here, f"sobol with {output} among its outputs")
    drawn = [
        {
            "assumption": row["assumption"],
            "index": kind,
            "share": max(row[kind], 0.0),
            "low": row[f"{kind}_low"],
            "high": row[f"{kind}_high"],
            "tells": f"{row[kind]:.3f} ({row[f'{kind}_low']:.3f} to {row[f'{kind}_high']:.3f})",
        }
        for row in here
        for kind in ("total", "first")
    ]
    around = alt.Scale(domain=[0, 1.05 * max(max(r["high"], r["share"]) for r in drawn)], nice=False, clamp=True)
    whole = alt.Chart(data(drawn)).encode(
        y=names_axis("assumption", [row["assumption"] for row in here]),
        yOffset=alt.YOffset("index:N", sort=["total", "first"]),
        tooltip=[
            alt.Tooltip("assumption:N"),
            alt.Tooltip("index:N"),
            alt.Tooltip("tells:N", title="share of the variance"),
        ],
    )
    bars = [
        whole.transform_filter(f"datum.index == '{kind}'")
        .mark_bar(fill=MAIN, fillOpacity=opacity, stroke=MAIN, strokeWidth=1.5)
        .encode(x=alt.X("share:Q", scale=around, axis=axis("share of the variance", tickCount=7)))
        for kind, opacity in (("total", 0.0), ("first", 0.85))
    ]
    spans = whole.mark_rule(color=ACCENT, strokeWidth=2).encode(x=alt.X("low:Q", scale=around), x2=alt.X2("high:Q"))
    first = here[0]
    return finished(
        [*bars, spans],
        f"What explains the spread of {named(output)}",
        f"Sobol indices of its logarithm: total (hollow), alone (filled); lines: {percent(frame.attrs['confidence'])} intervals"
        + (f"\n{cut}" if cut else ""),
        f"Bar chart of Sobol indices of {named(output)}. {first['assumption']} explains most: total {first['total']:.2f}, "
        f"alone {first['first']:.2f}.",
        height={"step": STEP * 1.4, "for": "position"},
        dark=dark,
    )
