"""Bar charts of sensitivity: tornado, elasticities and Sobol indices."""

import math
from typing import TYPE_CHECKING, Any

import altair as alt

from ...analysis.tornado import QUANTILE
from ...assumptions.naming import in_words
from ...assumptions.numbers import human, in_unit, percent
from ...model.outputs import heading, quantity_text
from .drawing import Drawing, Drawn, data, finished
from .marks import bars_by, end_labels, rule, tips
from .rows import largest, records, some
from .scales import axis, names_axis, output_axis, scale
from .theme import ACCENT, MAIN, NAMED, QUIET, STEP

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TORNADO", "elasticity_bars", "ends_of", "sobol_bars", "tornado"]

TORNADO = [
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
"""Columns of a frame of `analysis.tornado` that its charts need."""
_SOBOL = ["output", "assumption", "first", "first_low", "first_high", "total", "total_low", "total_high"]


@Drawn
def tornado(frame: "pd.DataFrame", *, top: int = 12, dark: bool = False) -> Drawing:
    """Bars from the optimum to where it moves: filled towards an assumption's high, hollow towards its low, widest first.

    Args:
        frame: what `tornado` returns.
        top: assumptions to show; those that move nothing are left out.
        dark: colours of a dark page.

    """
    rows = records(frame, TORNADO, "tornado")
    output, unit = frame.attrs.get("output", "output"), frame.attrs.get("units", {}).get("swing", "1")
    base, band = float(rows[0]["output_base"]), frame.attrs.get("band")
    band = None if band is None or not all(map(math.isfinite, band)) else band  # an end may be unknown
    moving = [r for r in rows if r["swing"] > 0 or {r["status_low"], r["status_high"]} != {"optimal"}]
    shown, cut = largest(moving or rows, top, "swing")
    ends = [end for row in shown for end in ends_of(row, base, unit, output)]
    ends = some(ends, "tornado with an assumption that moves the output")
    around, ticks = scale([base, *(end["to"] for end in ends), *(band or ())])
    whole = alt.Chart(data(ends)).encode(
        y=names_axis("assumption", [in_words(r["assumption"]) for r in shown]),
        tooltip=tips(at="assumption", path="path", result=heading(output)),
    )
    x = alt.X("from:Q", scale=around, axis=output_axis(output, unit, ticks))
    bars = bars_by(whole.encode(x=x, x2=alt.X2("to:Q")), "end", {"low": 0.0, "high": 0.85}, height=STEP * 0.6)
    shade = []
    if band:
        span = alt.Chart(data([{"low": band[0], "high": band[1]}])).mark_rect(color=QUIET, opacity=0.22)
        shade = [span.encode(x=alt.X("low:Q", scale=around), x2=alt.X2("high:Q"))]
    first = shown[0]
    results = [f"{_result(first[f'output_{end}'], unit, output)} at {_end(first, end)}" for end in ("low", "high")]
    return finished(
        [*shade, *bars, rule(base), *end_labels(whole, "to", gap=5)],
        f"Tornado of {heading(output)}",
        "the optimum solved again at each assumption's low (hollow) and high (filled) value"
        + ("; law: 10 % and 90 % of a sample of laws" if any(r["unit"] == QUANTILE for r in shown) else "")
        + (f"\n{cut} that move it" if cut else "")
        + ("\nshaded: the designs of the same loss that cost at most 5 % more" if band else ""),
        f"Tornado chart of {heading(output)}, {quantity_text(base, unit, output)} at the scenario itself. The widest swing comes from "
        f"{in_words(first['assumption'])}: {', '.join(results)}.",
        height={"step": NAMED},
        dark=dark,
    )


def ends_of(row: dict[str, Any], base: float, unit: str, output: str) -> list[dict[str, Any]]:
    """The bars of the low and the high of one assumption; the label of an end without an answer stands on the free side."""
    found = []
    for end, other in (("low", "high"), ("high", "low")):
        moved, opposite, value = row[f"output_{end}"], row[f"output_{other}"], _end(row, end)
        answered = math.isfinite(moved)
        if answered and abs(moved - base) < 1e-3 * abs(base):
            continue
        free = opposite > base or (not math.isfinite(opposite) and end == "low")
        name = in_words(row["assumption"])
        found.append(
            {
                "assumption": name,
                "path": row["assumption"],
                "end": end,
                "from": base,
                "to": moved if answered else base,
                "label": value if answered else f"{value}: no answer",
                "left": moved < base if answered else free,
                "at": f"law: {value} of the laws lie below"
                if row["unit"] == QUANTILE
                else f"{name} = {quantity_text(row[end], row['unit'])}",
                "result": _result(moved, unit, output),
            }
        )
    return found


def _end(row: dict[str, Any], end: str) -> str:
    """The low or the high of an assumption in short; of the law, the share of laws that lie below."""
    if row["unit"] == QUANTILE:
        return percent(row[end])
    text, unit = in_unit(human(row[end], 3), row["unit"])
    return text if unit == row["unit"] else f"{text} {unit.partition('/')[0]}"


def _result(value: float, unit: str, output: str) -> str:
    return quantity_text(value, unit, output) if math.isfinite(value) else "no answer"


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
            "name": in_words(row["path"]),
            "assumption": in_words(row["path"]) + (", which holds the optimum" if row["active_limit"] else ""),
            "at": quantity_text(row["value"], row["unit"]),
        }
        for row in sorted(rows, key=lambda r: -abs(r[output]))
        if abs(row[output]) > 5e-4
    ]
    drawn, cut = largest(drawn, top, "elasticity")
    drawn = some(drawn, "elasticities with an assumption that moves the output")
    around, _ = scale([0.0, *(1.12 * row["elasticity"] for row in drawn)], log=False)
    whole = alt.Chart(data(drawn)).encode(
        y=names_axis("name", [row["name"] for row in drawn]),
        tooltip=tips(assumption="assumption", path="path", at="value", label="elasticity"),
    )
    bars = whole.mark_bar(height=STEP * 0.6, color=MAIN).encode(
        x=alt.X("elasticity:Q", scale=around, axis=axis("elasticity", tickCount=9))
    )
    held = whole.transform_filter("datum.held").mark_point(
        shape="diamond", size=110, filled=True, color=ACCENT, opacity=1
    )
    limits = ", ".join(map(in_words, frame.attrs.get("active_limits", ())))
    return finished(
        [bars, held.encode(x=alt.X("elasticity:Q")), rule(0.0), *end_labels(whole, "elasticity", gap=8)],
        f"Elasticities of {heading(output)}",
        "per cent by which the output changes for one per cent more of the assumption; exact at the optimum"
        + (f"; {cut} that move it" if cut else "")
        + (f"; diamond: {limits} holds it, and the elasticities are valid while it does" if limits else ""),
        f"Bar chart of elasticities of {heading(output)}. The largest is {drawn[0]['label']} by {drawn[0]['name']}.",
        height={"step": NAMED},
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
            "assumption": in_words(row["assumption"]),
            "path": row["assumption"],
            "index": kind,
            "share": max(row[kind], 0.0),
            "low": row[f"{kind}_low"],
            "high": row[f"{kind}_high"],
            "value": f"{row[kind]:.3f} ({row[f'{kind}_low']:.3f} to {row[f'{kind}_high']:.3f})",
        }
        for row in here
        for kind in ("total", "first")
    ]
    around = alt.Scale(domain=[0, 1.05 * max(max(r["high"], r["share"]) for r in drawn)], nice=False, clamp=True)
    whole = alt.Chart(data(drawn)).encode(
        y=names_axis("assumption", [in_words(row["assumption"]) for row in here]),
        yOffset=alt.YOffset("index:N", sort=["total", "first"]),
        tooltip=tips(assumption="assumption", path="path", index="index", value="share of the variance"),
    )
    x = alt.X("share:Q", scale=around, axis=axis("share of the variance", tickCount=7))
    bars = bars_by(whole.encode(x=x), "index", {"total": 0.0, "first": 0.85})
    spans = whole.mark_rule(color=ACCENT, strokeWidth=2).encode(x=alt.X("low:Q", scale=around), x2=alt.X2("high:Q"))
    first = here[0]
    return finished(
        [*bars, spans],
        f"Sobol indices of {heading(output)}",
        f"of its logarithm: total (hollow), first order (filled); lines: {percent(frame.attrs['confidence'])} intervals"
        + (f"\n{cut} with a share" if cut else ""),
        f"Bar chart of Sobol indices of {heading(output)}. {in_words(first['assumption'])} explains most: total {first['total']:.2f}, "
        f"first order {first['first']:.2f}.",
        height={"step": STEP * 1.4, "for": "position"},
        dark=dark,
    )
