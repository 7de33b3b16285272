"""Charts of several plans: cost against size, and cost by phase."""

from typing import TYPE_CHECKING

import altair as alt

from ...assumptions.numbers import percent
from ...model.outputs import heading, quantity_text, with_unit, written
from .drawing import Drawing, Drawn, data, finished
from .marks import series_legend, tips, touched
from .plan import stretches
from .rows import needs_frame, records, some
from .scales import axis, in_turn, names_axis, output_axis, scale
from .theme import COLOURS, DASHES, SHAPES

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
    value = "cost_total" if same else "cost_vs_optimum"
    unit = frame.attrs.get("units", {}).get(value, "") if same else "1"
    rows = [r for r in records(frame, columns, "valleys") if r["cost_vs_optimum"] <= HIGHEST]
    plans = list(dict.fromkeys(r["plan"] for r in rows))
    drawn = [
        {
            "plan": r["plan"],
            "design": r["design"],
            "n": r["n_params"],
            "cost": r[value],
            "size": quantity_text(r["n_params"], "parameters"),
            "cost_text": quantity_text(r[value], unit, value),
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
    x = alt.X("n:Q", scale=along, axis=output_axis("n_params", "parameters", n_ticks, optimal=False))
    y = alt.Y("cost:Q", scale=around, axis=output_axis(value, unit, c_ticks))
    legend = series_legend(columns=3)
    colour = alt.Color("plan:N", scale=in_turn(plans, COLOURS), legend=legend)
    dash = alt.StrokeDash("plan:N", scale=in_turn(plans, DASHES), legend=None)
    shape = alt.Shape("plan:N", scale=in_turn(plans, SHAPES), legend=legend)
    tooltip = tips(plan="plan", size="size", cost_text=heading(value), extra="above its optimum")
    cut = [
        {**row, "stretch": f"{plan} {row['stretch']}"}
        for plan in plans
        for row in stretches([r for r in drawn if r["plan"] == plan])
    ]
    lines = alt.Chart(data(cut)).encode(x=x, y=y, color=colour, strokeDash=dash, detail=alt.Detail("stretch:N"))
    near = alt.Chart(data([r for r in drawn if r["near"]])).encode(x=x, y=y, color=colour, detail=alt.Detail("plan:N"))
    whole = alt.Chart(data(drawn)).encode(x=x, y=y, tooltip=tooltip)
    points = alt.Chart(data(best)).mark_point(filled=True, size=130, opacity=1)
    barred = any(not r["allowed"] for r in drawn)
    return finished(
        [
            near.mark_line(strokeWidth=8, opacity=0.35),
            lines.transform_filter("datum.allowed").mark_line(strokeWidth=2),
            lines.transform_filter("!datum.allowed").mark_line(strokeWidth=1, opacity=0.6),
            touched(whole),
            points.encode(x=x, y=y, color=colour, shape=shape, tooltip=tooltip),
        ],
        "Cost against size, each at its own quality",
        "mark: optimum; thick: at most 5 % above it"
        + ("; thin: the limits forbid it" if barred else "")
        + ("" if same else "\nthe plans are billed in different units, so each cost is relative to its own optimum"),
        "Curves of cost against active parameters. Optima: "
        + "; ".join(f"{r['plan']}, {r['size']}" + (f" for {r['cost_text']}" if same else "") for r in best)
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
    value = "cost" if same else "share"
    unit = frame.attrs.get("units", {}).get(value, "1")
    drawn = [
        {
            "plan": r["plan"],
            "phase": r["phase"],
            "value": r[value],
            "cost": quantity_text(r[value], unit, value),
            "share": written(r["share"], "share"),
            "label": f"{quantity_text(r[value], unit, value)}  {r['plan']}",
        }
        for r in rows
    ]
    plans, phases = (list(dict.fromkeys(r[k] for r in drawn)) for k in ("plan", "phase"))
    most = max(r["value"] for r in drawn) or 1.0
    title = with_unit(value, unit) if same else "share of the plan's cost"
    along = alt.Scale(domain=[0, 1.6 * most], nice=False)
    whole = alt.Chart(data(drawn)).encode(
        x=alt.X("value:Q", scale=along, axis=axis(title, tickCount=5, output=value)),
        y=names_axis("phase", phases),
        yOffset=alt.YOffset("plan:N", sort=plans),
        tooltip=tips(plan="plan", phase="phase", cost="cost", share="share of the plan"),
    )
    bars = whole.mark_bar().encode(color=alt.Color("plan:N", scale=in_turn(plans, COLOURS), legend=None))
    texts = whole.mark_text(align="left", dx=5, baseline="middle").encode(text=alt.Text("label:N"))
    said = "; ".join(f"{r['plan']}, {r['phase']}: {r['cost']}" + (f" ({r['share']})" if same else "") for r in drawn)
    return finished(
        [bars, texts],
        "Where the cost goes",
        f"{len(plans)} plan{'s' if len(plans) > 1 else ''}, in the order given",
        f"Bar chart of cost by phase. {said}.",
        height={"step": 20},
        dark=dark,
    )
