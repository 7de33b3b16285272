"""Heat map of regret, and the optimum with its band under each scaling law."""

import math
from typing import TYPE_CHECKING

import altair as alt

from ...assumptions.published_laws import law_in_words
from ...model.outputs import heading, quantity_text, range_text
from .drawing import Drawing, Drawn, data, finished
from .marks import reference_line, tips
from .rows import records, some
from .scales import alike, names_axis, output_axis, scale
from .theme import ACCENT, MAIN, QUIET, STATED, capital

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["band_against_law", "regret_heat_map"]

_REGRET = ["plan_tokens", "future_tokens", "n_params", "train_tokens", "regret", "in_band"]
_LIGHT = "#fdfdfd"
"""Ink on a dark cell: another white than that of a page, which turns dark with it."""
_STRESS = "stress test"
_LAWS = ("own", "law", _STRESS)
"""Kinds of row that are about a law, not a summary."""


@Drawn
def regret_heat_map(frame: "pd.DataFrame", *, dark: bool = False) -> Drawing:
    """Cost above the best, for each plan (down) and each traffic that comes true (across); framed where it stays within 5 %.

    Args:
        frame: what `regret` returns.
        dark: colours of a dark page.

    """
    rows = records(frame, _REGRET, "regret")
    tokens = sorted({row[what] for row in rows for what in ("plan_tokens", "future_tokens")})
    said = dict(zip(tokens, alike(tokens), strict=True))
    drawn = [
        {
            "plan": said[row["plan_tokens"]],
            "future": said[row["future_tokens"]],
            "regret": row["regret"],
            "in_band": row["in_band"],
            "label": f"+{100 * max(row['regret'], 0.0):{'.0f' if row['regret'] >= 1 else '.1f'}} %",
            "design": f"{quantity_text(row['n_params'], 'parameters')} on {quantity_text(row['train_tokens'], 'tokens')}",
        }
        for row in rows
    ]
    highest = max(*(row["regret"] for row in rows), 1e-9)
    plans, futures = ([said[v] for v in sorted({row[f"{what}_tokens"] for row in rows})] for what in ("plan", "future"))
    flat = alt.Axis(labelAngle=0, ticks=False, domain=False)
    whole = alt.Chart(data(drawn)).encode(
        x=alt.X("future:N", sort=futures, title="stated tokens that arrive", axis=flat),
        y=alt.Y("plan:N", sort=plans[::-1], title="stated tokens planned for", axis=flat),
        tooltip=tips(plan="planned for (tokens)", future="arrives (tokens)", design="plan", label="regret"),
    )
    cells = whole.mark_rect(stroke=QUIET, strokeWidth=0.5).encode(
        color=alt.Color("regret:Q", scale=alt.Scale(scheme="blues", domain=[0, highest]), legend=None)
    )
    frames = whole.transform_filter("datum.in_band").mark_rect(fillOpacity=0, stroke=ACCENT, strokeWidth=2.5)
    ink = alt.condition(f"datum.regret > {0.5 * highest}", alt.value(_LIGHT), alt.value("#10151c"))
    texts = whole.mark_text(fontSize=13).encode(text=alt.Text("label:N"), color=ink)
    worst = max(drawn, key=lambda row: row["regret"])
    return finished(
        [cells, frames, texts],
        "Regret of a wrong forecast",
        "cost above the best design for the traffic that arrives,\nat the same quality; framed: within 5 %;\n"
        + STATED.replace(", ", ",\n"),
        f"Heat map of regret. Worst: planned for {worst['plan']} tokens, {worst['future']} arrive, {worst['label']} of cost.",
        width={"step": 90 if len(futures) <= 8 else 56},
        height={"step": 44 if len(plans) <= 8 else 26},
        dark=dark,
    )


@Drawn
def band_against_law(
    frame: "pd.DataFrame",
    output: str = "overtraining_vs_rule_of_20",
    *,
    reference: float | None = None,
    dark: bool = False,
) -> Drawing:
    """The optimum under each law as a point, the designs of its 5 % band as a line.

    Args:
        frame: what `ensemble` returns, or `analysis.why.every_law`, whose posterior intervals are drawn as thin lines below the bands and
            whose stress tests are hollow and grey.
        output: "n_params" or "overtraining_vs_rule_of_20".
        reference: a value to compare with, drawn as a dashed line (100 for the lecture's claim).
        dark: colours of a dark page.

    """
    low, high = f"band_{output}_low", f"band_{output}_high"
    rows = records(frame, ["kind", output, low, high], "ensemble")
    rows = [row for row in rows if row["kind"] in _LAWS and math.isfinite(row[output])]
    rows = some(rows, "ensemble, with a law that has an answer")
    unit = frame.attrs.get("units", {}).get(output, "1")
    drawn = [
        {
            "law": law_in_words(row["law"]),
            "name": row["law"],
            "stress": row["kind"] == _STRESS,
            "point": row[output],
            "low": row[low],
            "high": row[high],
            "label": quantity_text(row[output], unit, output),
            "band": range_text(row[low], row[high], unit, output),
        }
        for row in rows
    ]
    ends = (f"posterior_{output}_low", f"posterior_{output}_high")
    found = [(row["law"], *(row.get(end, math.nan) for end in ends)) for row in rows]
    posteriors = [
        {
            "law": law_in_words(law),
            "name": law,
            "low": least,
            "high": most,
            "interval": range_text(least, most, unit, output),
        }
        for law, least, most in found
        if math.isfinite(least)
    ]
    compared = [] if reference is None else [reference]
    around, ticks = scale(
        [*(row[end] for row in (*drawn, *posteriors) for end in ("low", "high")), *compared], log=True
    )
    whole = alt.Chart(data(drawn)).encode(
        y=names_axis("law", [row["law"] for row in drawn]),
        tooltip=tips(law="law", name="name in code", label="optimum", band="within 5 % of the least cost"),
    )
    x = alt.X("low:Q", scale=around, axis=output_axis(output, unit, ticks))
    ink = alt.condition("datum.stress", alt.value(QUIET), alt.value(MAIN))
    known = whole.transform_filter("isValid(datum.low) && isValid(datum.high)")  # an end may be unknown
    bands = known.mark_rule(strokeWidth=5, opacity=0.45).encode(x=x, x2=alt.X2("high:Q"), color=ink)
    ticks_at_ends = [
        whole.mark_tick(thickness=2, size=16).encode(x=alt.X(f"{end}:Q"), color=ink) for end in ("low", "high")
    ]
    points = whole.mark_point(shape="circle", size=90, opacity=1, strokeWidth=2).encode(
        x=alt.X("point:Q"), color=ink, fill=alt.condition("datum.stress", alt.value("transparent"), alt.value(MAIN))
    )
    texts = whole.mark_text(dy=-14).encode(x=alt.X("point:Q"), text=alt.Text("label:N"))
    intervals, dashed, inside = [], [], ""
    subtitle = "point: optimum; line: designs of the same loss that cost at most 5 % more"
    if posteriors:
        subtitle += "\nthin line below: middle 80 % of the law's posterior, where one is published"
        intervals = [
            alt.Chart(data(posteriors))
            .mark_rule(color=ACCENT, strokeWidth=1.5, yOffset=12)
            .encode(
                x=alt.X("low:Q"),
                x2=alt.X2("high:Q"),
                y=names_axis("law", [row["law"] for row in drawn]),
                tooltip=tips(law="law", name="name in code", interval="middle 80 % of the posterior"),
            )
        ]
    if any(row["stress"] for row in drawn):
        subtitle += "\nhollow: stress tests, refits that no default takes"
    if reference is not None:
        text = quantity_text(reference, unit, output)
        dashed, subtitle = [reference_line(reference, text)], f"{subtitle}; dashed: {text}"
        credible = [row for row in drawn if not row["stress"]]
        count = sum(row["low"] <= reference <= row["high"] for row in credible)
        inside = f" {text} is dashed and lies inside the band of {count} of {len(credible)} credible laws."
    name = heading(output)
    each = ", ".join(
        f"{row['law']}{', a stress test,' if row['stress'] else ''} {row['label']} ({row['band']})" for row in drawn
    )
    each += "".join(f"; posterior of {row['law']} {row['interval']}" for row in posteriors)
    return finished(
        [bands, *ticks_at_ends, *intervals, *dashed, points, texts],
        f"{capital(name)} under each law",
        subtitle,
        f"Optimum and band of {name} by scaling law: {each}.{inside}",
        height={"step": 44},
        dark=dark,
    )
