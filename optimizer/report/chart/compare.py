"""Charts of several plans: cost against size, and cost by phase."""

from typing import TYPE_CHECKING

import altair as alt

from ...assumptions.naming import in_words
from ...assumptions.numbers import percent
from ...model.outputs import heading, quantity_text, with_unit, written
from .bars import TORNADO, ends_of
from .drawing import Drawing, Drawn, data, finished
from .marks import series_legend, tips, touched
from .plan import stretches
from .rows import needs_frame, records, some
from .scales import axis, in_turn, names_axis, output_axis, scale
from .theme import COLOURS, DASHES, SHAPES, STEP

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["bills", "maps", "tornados", "valleys"]

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
    legend = series_legend(plans)
    colour = alt.Color("plan:N", scale=in_turn(plans, COLOURS), legend=legend)
    dash = alt.StrokeDash("plan:N", scale=in_turn(plans, DASHES), legend=legend)
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
        }
        for r in rows
    ]
    plans, phases = (list(dict.fromkeys(r[k] for r in drawn)) for k in ("plan", "phase"))
    few = len(plans) <= len(COLOURS)  # colours repeat beyond, and then each bar has the name of its plan
    for row in drawn:
        row["label"] = row["cost"] if few else f"{row['cost']}  {row['plan']}"
    most = max(r["value"] for r in drawn) or 1.0
    title = with_unit(value, unit) if same else "share of the plan's cost"
    along = alt.Scale(domain=[0, (1.25 if few else 1.6) * most], nice=False)
    whole = alt.Chart(data(drawn)).encode(
        x=alt.X("value:Q", scale=along, axis=axis(title, tickCount=5, output=value)),
        y=names_axis("phase", phases),
        yOffset=alt.YOffset("plan:N", sort=plans),
        tooltip=tips(plan="plan", phase="phase", cost="cost", share="share of the plan"),
    )
    below = series_legend(plans) if few else None
    bars = whole.mark_bar().encode(color=alt.Color("plan:N", scale=in_turn(plans, COLOURS), legend=below))
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


@Drawn
def maps(frame: "pd.DataFrame", *, dark: bool = False) -> Drawing:
    """Parameters against tokens on shared axes: of each plan its line of equal loss and of equal cost, its optimum and its Chinchilla plan.

    Args:
        frame: what `maps` returns.
        dark: colours of a dark page.

    """
    rows = records(frame, ["plan", "kind", "n_params", "train_tokens", "loss", "cost_total"], "maps")
    plans = list(dict.fromkeys(r["plan"] for r in rows))
    drawn = [
        {
            "plan": r["plan"],
            "kind": r["kind"],
            "line": f"{r['plan']}, {r['kind']}",
            "along": i,
            "n": r["n_params"],
            "d": r["train_tokens"],
            "size": quantity_text(r["n_params"], "parameters"),
            "tokens": quantity_text(r["train_tokens"], "tokens"),
        }
        for i, r in enumerate(rows)
    ]
    (across, n_ticks), (upward, d_ticks) = (scale([r[k] for r in drawn], log=True) for k in ("n", "d"))
    x = alt.X("n:Q", scale=across, axis=output_axis("n_params", "parameters", n_ticks, optimal=False))
    y = alt.Y("d:Q", scale=upward, axis=output_axis("train_tokens", "tokens", d_ticks, optimal=False))
    legend = series_legend(plans)
    colour = alt.Color("plan:N", scale=in_turn(plans, COLOURS), legend=legend)
    shape = alt.Shape("plan:N", scale=in_turn(plans, SHAPES), legend=legend)
    tooltip = tips(plan="plan", kind="design", size="size", tokens="training tokens")
    # Plans of one law share a line of equal loss: the first plan's is wide, and stays in sight below the others.
    width = alt.condition(alt.FieldEqualPredicate(field="plan", equal=plans[0]), alt.value(5.0), alt.value(1.5))
    layers = [
        alt.Chart(data(part))
        .mark_line(strokeDash=dash)
        .encode(
            x=x,
            y=y,
            color=colour,
            strokeWidth=width,
            detail=alt.Detail("line:N"),
            order=alt.Order("along:Q"),
            tooltip=tooltip,
        )
        for kind, dash in (("equal loss", [1, 0]), ("equal cost", [6, 4]))
        if (part := [r for r in drawn if r["kind"] == kind])
    ]
    best = some([r for r in drawn if r["kind"] == "optimum"], "maps")
    for part, filled in ((best, True), ([r for r in drawn if r["kind"] == "Chinchilla plan"], False)):
        points = alt.Chart(data(part)).mark_point(filled=filled, size=130, opacity=1, strokeWidth=2)
        layers.append(points.encode(x=x, y=y, color=colour, shape=shape, tooltip=tooltip))
    return finished(
        layers,
        "Designs of equal loss and of equal cost",
        "each plan at its own loss (solid) and its own cost (dashed); filled: optimum; hollow: Chinchilla plan of the same loss",
        "Map of designs. Optima: " + "; ".join(f"{r['plan']}, {r['size']} on {r['tokens']}" for r in best) + ".",
        height=360,
        dark=dark,
    )


@Drawn
def tornados(frame: "pd.DataFrame", *, top: int = 8, dark: bool = False) -> Drawing:
    """Tornados of several plans on shared axes: filled towards an assumption's high, pale towards its low, a line at each optimum.

    Args:
        frame: what `tornados` returns.
        top: assumptions of each plan to show; those that move nothing are left out.
        dark: colours of a dark page.

    """
    rows = [r for r in records(frame, ["plan", *TORNADO], "tornados") if r["swing"] > 0]
    output, unit = frame.attrs.get("output", "output"), frame.attrs.get("units", {}).get("swing", "1")
    plans = list(dict.fromkeys(r["plan"] for r in some(rows, "tornados with an assumption that moves the output")))
    names = {r["assumption"] for plan in plans for r in [r for r in rows if r["plan"] == plan][:top]}
    widest = sorted(
        names, key=lambda name: -max(r["swing"] / r["output_base"] for r in rows if r["assumption"] == name)
    )
    shown = [r for r in rows if r["assumption"] in names]
    ends = [{**end, "plan": r["plan"]} for r in shown for end in ends_of(r, r["output_base"], unit, output)]
    bases = {r["plan"]: r["output_base"] for r in shown}
    around, ticks = scale([*bases.values(), *(end["to"] for end in ends)])
    colour = alt.Color("plan:N", scale=in_turn(plans, COLOURS), legend=series_legend(plans))
    whole = alt.Chart(data(ends)).encode(
        x=alt.X("from:Q", scale=around, axis=output_axis(output, unit, ticks)),
        x2=alt.X2("to:Q"),
        y=names_axis("assumption", [in_words(name) for name in widest]),
        yOffset=alt.YOffset("plan:N", sort=plans),
        color=colour,
        stroke=alt.Stroke("plan:N", scale=in_turn(plans, COLOURS), legend=series_legend(plans)),
        tooltip=tips(plan="plan", at="assumption", path="path", result=heading(output)),
    )
    bars = [
        whole.transform_filter(alt.FieldEqualPredicate(field="end", equal=end)).mark_bar(
            fillOpacity=opacity, strokeWidth=1.5
        )
        for end, opacity in (("low", 0.0), ("high", 0.85))
    ]
    optima = alt.Chart(
        data(
            [{"plan": plan, "base": base, "result": quantity_text(base, unit, output)} for plan, base in bases.items()]
        )
    )
    lines = optima.mark_rule(strokeDash=[5, 3], strokeWidth=1.5).encode(
        x=alt.X("base:Q", scale=around), color=colour, tooltip=tips(plan="plan", result=heading(output))
    )
    firsts = [next(r for r in shown if r["plan"] == plan) for plan in plans]
    return finished(
        [*bars, lines],
        f"Tornado of {heading(output)}",
        "each optimum solved again at each assumption's low (hollow) and high (filled) value; dashed: the optimum itself",
        f"Tornado chart of {heading(output)}. "
        + "; ".join(
            f"{r['plan']}, {quantity_text(r['output_base'], unit, output)}: widest by {in_words(r['assumption'])}"
            for r in firsts
        )
        + ".",
        height={"step": STEP * 0.7},
        dark=dark,
    )
