"""How far apart the answers of plans and of laws lie, as a map and as ranges."""

import math
from typing import TYPE_CHECKING

import altair as alt

from ...assumptions.numbers import human
from .theme import (
    ACCENT,
    MAIN,
    QUIET,
    STATED,
    Drawing,
    Drawn,
    axis,
    data,
    finished,
    named,
    names_axis,
    records,
    scale,
    some,
    told,
    with_unit,
)

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["band_against_law", "regret_heat_map"]

_REGRET = ["plan_tokens", "future_tokens", "n_params", "train_tokens", "regret", "in_band"]
_STRESS = "stress test"
_LAWS = ("own", "law", _STRESS)
"""Kinds of row that are about a law, not a summary."""


@Drawn
def regret_heat_map(frame: "pd.DataFrame", *, dark: bool = False) -> Drawing:
    """Cost above the best, for each plan (down) and each traffic that arrives (across); framed where it stays within 5 %.

    Args:
        frame: what `regret` returns.
        dark: colours of a dark page.

    """
    rows = records(frame, _REGRET, "regret")
    drawn = [
        {
            "plan": human(row["plan_tokens"], 3),
            "future": human(row["future_tokens"], 3),
            "regret": row["regret"],
            "in_band": row["in_band"],
            "label": f"+{100 * max(row['regret'], 0.0):.1f} %",
            "tells": f"{told(row['n_params'], 'parameters')} on {told(row['train_tokens'], 'tokens')}",
        }
        for row in rows
    ]
    highest = max(*(row["regret"] for row in rows), 1e-9)
    plans, futures = (
        [human(v, 3) for v in sorted({row[f"{what}_tokens"] for row in rows})] for what in ("plan", "future")
    )
    flat = alt.Axis(labelAngle=0, ticks=False, domain=False)
    whole = alt.Chart(data(drawn)).encode(
        x=alt.X("future:N", sort=futures, title="stated tokens that arrive", axis=flat),
        y=alt.Y("plan:N", sort=plans[::-1], title="stated tokens planned for", axis=flat),
        tooltip=[
            alt.Tooltip("plan:N", title="planned for (tokens)"),
            alt.Tooltip("future:N", title="arrives (tokens)"),
            alt.Tooltip("tells:N", title="plan"),
            alt.Tooltip("label:N", title="cost above the best"),
        ],
    )
    cells = whole.mark_rect(stroke=QUIET, strokeWidth=0.5).encode(
        color=alt.Color("regret:Q", scale=alt.Scale(scheme="blues", domain=[0, highest]), legend=None)
    )
    frames = whole.transform_filter("datum.in_band").mark_rect(fillOpacity=0, stroke=ACCENT, strokeWidth=2.5)
    ink = alt.condition(f"datum.regret > {0.5 * highest}", alt.value("#ffffff"), alt.value("#10151c"))
    texts = whole.mark_text(fontSize=13).encode(text=alt.Text("label:N"), color=ink)
    worst = max(drawn, key=lambda row: row["regret"])
    return finished(
        [cells, frames, texts],
        "What a wrong forecast costs",
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
        frame: what `ensemble` returns, or `report.why.every_law`, whose posterior intervals are drawn as thin lines below the bands and
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
            "law": row["law"],
            "stress": row["kind"] == _STRESS,
            "point": row[output],
            "low": row[low],
            "high": row[high],
            "label": told(row[output], unit, output),
            "tells": f"{told(row[low], '1', output)} to {told(row[high], unit, output)}",
        }
        for row in rows
    ]
    sure = [f"posterior_{output}_low", f"posterior_{output}_high"]
    drawn_from = [
        {"law": row["law"], "low": row[sure[0]], "high": row[sure[1]], "says": f"{told(row[sure[0]], '1', output)} to "
         f"{told(row[sure[1]], unit, output)}"}
        for row in rows
        if math.isfinite(row.get(sure[0], math.nan))
    ]  # fmt: skip
    compared = [] if reference is None else [reference]
    around, ticks = scale(
        [*(row[end] for row in (*drawn, *drawn_from) for end in ("low", "high")), *compared], log=True
    )
    whole = alt.Chart(data(drawn)).encode(
        y=names_axis("law", [row["law"] for row in drawn]),
        tooltip=[
            alt.Tooltip("law:N"),
            alt.Tooltip("label:N", title="optimum"),
            alt.Tooltip("tells:N", title="within 5 % of the least cost"),
        ],
    )
    x = alt.X("low:Q", scale=around, axis=axis(with_unit(output, unit), ticks, output=output))
    ink = alt.condition("datum.stress", alt.value(QUIET), alt.value(MAIN))
    known = whole.transform_filter("isValid(datum.low) && isValid(datum.high)")  # an end may be unknown
    bands = known.mark_rule(strokeWidth=5, opacity=0.45).encode(x=x, x2=alt.X2("high:Q"), color=ink)
    ends = [whole.mark_tick(thickness=2, size=16).encode(x=alt.X(f"{end}:Q"), color=ink) for end in ("low", "high")]
    points = whole.mark_point(shape="circle", size=90, opacity=1, strokeWidth=2).encode(
        x=alt.X("point:Q"), color=ink, fill=alt.condition("datum.stress", alt.value("transparent"), alt.value(MAIN))
    )
    texts = whole.mark_text(dy=-14).encode(x=alt.X("point:Q"), text=alt.Text("label:N"))
    posterior = []
    if drawn_from:
        posterior = [
            alt.Chart(data(drawn_from))
            .mark_rule(color=ACCENT, strokeWidth=1.5, yOffset=12)
            .encode(
                x=alt.X("low:Q"),
                x2=alt.X2("high:Q"),
                y=names_axis("law", [row["law"] for row in drawn]),
                tooltip=[alt.Tooltip("law:N"), alt.Tooltip("says:N", title="middle 80 % of the posterior")],
            )
        ]
    dashed, inside, subtitle = [], "", "point: optimum; line: designs of the same loss that cost at most 5 % more"
    if drawn_from:
        subtitle += "\nthin line below: middle 80 % of the law's posterior, where one is published"
    if any(row["stress"] for row in drawn):
        subtitle += "\nhollow: stress tests, refits that no default takes"
    if reference is not None:
        said = told(reference, unit, output)
        mark = alt.Chart(data([{"x": reference, "says": said}])).mark_rule(
            color=ACCENT, strokeDash=[5, 4], strokeWidth=2
        )
        dashed, subtitle = [mark.encode(x=alt.X("x:Q"), tooltip=alt.Tooltip("says:N"))], f"{subtitle}; dashed: {said}"
        credible = [row for row in drawn if not row["stress"]]
        count = sum(row["low"] <= reference <= row["high"] for row in credible)
        inside = f" {said} is dashed and lies inside the band of {count} of {len(credible)} credible laws."
    name = named(output)
    each = ", ".join(
        f"{row['law']}{', a stress test,' if row['stress'] else ''} {row['label']} ({row['tells']})" for row in drawn
    )
    each += "".join(f"; posterior of {row['law']} {row['says']}" for row in drawn_from)
    return finished(
        [bands, *ends, *posterior, *dashed, points, texts],
        f"{name[0].upper()}{name[1:]} under each law",
        subtitle,
        f"Optimum and band of {name} by scaling law: {each}.{inside}",
        height={"step": 44},
        dark=dark,
    )
