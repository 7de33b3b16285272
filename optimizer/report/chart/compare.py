"""Several plans in one picture: their valleys, and what each phase costs."""

from typing import TYPE_CHECKING

import altair as alt

from ...assumptions.numbers import percent
from .plan import stretches
from .theme import (
    COLOURS,
    DASHES,
    NAMES,
    SHAPES,
    Drawing,
    Drawn,
    axis,
    data,
    finished,
    in_turn,
    needs_frame,
    records,
    scale,
    some,
    told,
    touched,
)

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["bills", "valleys"]

HIGHEST = 3.0
"""Most times its own optimum's cost that a valley is drawn to."""


@Drawn
def valleys(frame: "pd.DataFrame", *, dark: bool = False) -> Drawing:
    """Cost against size at each plan's own quality: its optimum as a mark, the sizes within its band as a thick stretch.

    Args:
        frame: what `valleys` returns.
        dark: colours of a dark page.

    """
    columns = ["plan", "design", "n_params", "cost_total", "cost_vs_optimum", "allowed"]
    needs_frame(frame, columns, "valleys")
    same = bool(frame.attrs.get("same_unit", True))
    unit = frame.attrs.get("units", {}).get("cost_total", "") if same else "times the own optimum"
    value = "cost_total" if same else "cost_vs_optimum"
    rows = [r for r in records(frame, columns, "valleys") if r["cost_vs_optimum"] <= HIGHEST]
    plans = list(dict.fromkeys(r["plan"] for r in rows))
    drawn = [
        {
            "plan": r["plan"],
            "design": r["design"],
            "n": r["n_params"],
            "cost": r[value],
            "size": told(r["n_params"], "parameters"),
            "tells": told(r[value], unit),
            "extra": f"+{percent(max(r['cost_vs_optimum'] - 1, 0.0))}",
            "allowed": bool(r["allowed"]),
            "near": bool(r["allowed"]) and r["cost_vs_optimum"] <= 1.05 * (1 + 1e-9),
        }
        for r in rows
        if r["design"] in ("", "optimum")
    ]
    best = some([r for r in drawn if r["design"] == "optimum"], "valleys")
    drawn = [r for r in drawn if not r["design"]]
    (along, n_ticks), (around, c_ticks) = (scale([r[k] for r in drawn], log=True) for k in ("n", "cost"))
    x = alt.X("n:Q", scale=along, axis=axis("active parameters N", n_ticks))
    y = alt.Y("cost:Q", scale=around, axis=axis(f"cost over the life ({unit})", c_ticks))
    legend = alt.Legend(
        title=None, orient="bottom", labelLimit=200, columns=3, symbolSize=150, symbolStrokeWidth=0, symbolOpacity=1
    )
    colour = alt.Color("plan:N", scale=in_turn(plans, COLOURS), legend=legend)
    dash = alt.StrokeDash("plan:N", scale=in_turn(plans, DASHES), legend=None)
    shape = alt.Shape("plan:N", scale=in_turn(plans, SHAPES), legend=legend)
    tips = [
        alt.Tooltip("plan:N"),
        alt.Tooltip("size:N", title="size"),
        alt.Tooltip("tells:N", title="cost over the life"),
        alt.Tooltip("extra:N", title="against its optimum"),
    ]
    cut = [
        {**row, "stretch": f"{plan} {row['stretch']}"}
        for plan in plans
        for row in stretches([r for r in drawn if r["plan"] == plan])
    ]
    lines = alt.Chart(data(cut)).encode(x=x, y=y, color=colour, strokeDash=dash, detail=alt.Detail("stretch:N"))
    near = alt.Chart(data([r for r in drawn if r["near"]])).encode(x=x, y=y, color=colour, detail=alt.Detail("plan:N"))
    whole = alt.Chart(data(drawn)).encode(x=x, y=y, tooltip=tips)
    points = alt.Chart(data(best)).mark_point(filled=True, size=130, opacity=1)
    barred = any(not r["allowed"] for r in drawn)
    return finished(
        [
            near.mark_line(strokeWidth=8, opacity=0.35),
            lines.transform_filter("datum.allowed").mark_line(strokeWidth=2),
            lines.transform_filter("!datum.allowed").mark_line(strokeWidth=1, opacity=0.6),
            touched(whole),
            points.encode(x=x, y=y, color=colour, shape=shape, tooltip=tips),
        ],
        "Cost against size, each at its own quality",
        "mark: optimum; thick: at most 5 % above it"
        + ("; thin: the limits forbid it" if barred else "")
        + ("" if same else "\nthe plans are billed in different units, so each is drawn against its own optimum"),
        "Curves of cost against active parameters. Optima: "
        + "; ".join(f"{r['plan']}, {r['size']} for {r['tells']}" for r in best)
        + ".",
        height=340,
        dark=dark,
    )


@Drawn
def bills(frame: "pd.DataFrame", *, dark: bool = False) -> Drawing:
    """What each phase costs, one bar a plan.

    Args:
        frame: what `bills` returns.
        dark: colours of a dark page.

    """
    rows = records(frame, ["plan", "phase", "cost", "share"], "bills")
    same = bool(frame.attrs.get("same_unit", True))
    unit = frame.attrs.get("units", {}).get("cost", "") if same else "share of the plan"
    value = "cost" if same else "share"
    drawn = [
        {
            "plan": r["plan"],
            "phase": r["phase"],
            "value": r[value],
            "tells": told(r["cost"], unit) if same else percent(r["share"]),
            "part": percent(r["share"]),
        }
        for r in rows
    ]
    plans, phases = (list(dict.fromkeys(r[k] for r in drawn)) for k in ("plan", "phase"))
    most = max(r["value"] for r in drawn) or 1.0

    drawn = [{**r, "label": f"{r['tells']}  {r['plan']}"} for r in drawn]
    whole = alt.Chart(data(drawn)).encode(
        x=alt.X(
            "value:Q", scale=alt.Scale(domain=[0, 1.6 * most], nice=False), axis=axis(f"cost ({unit})", tickCount=5)
        ),
        y=alt.Y("phase:N", sort=phases, title=None, axis=NAMES),
        yOffset=alt.YOffset("plan:N", sort=plans),
        tooltip=[
            alt.Tooltip("plan:N"),
            alt.Tooltip("phase:N"),
            alt.Tooltip("tells:N", title="cost"),
            alt.Tooltip("part:N", title="share of the plan"),
        ],
    )
    bars = whole.mark_bar().encode(color=alt.Color("plan:N", scale=in_turn(plans, COLOURS), legend=None))
    texts = whole.mark_text(align="left", dx=5, baseline="middle").encode(text=alt.Text("label:N"))
    said = "; ".join(f"{r['plan']}, {r['phase']}: {r['tells']} ({r['part']})" for r in drawn)
    return finished(
        [bars, texts],
        "Where the cost goes",
        f"{len(plans)} plans, in the order in which they were pinned",
        f"Bar chart of cost by phase. {said}.",
        height={"step": 20},
        dark=dark,
    )
