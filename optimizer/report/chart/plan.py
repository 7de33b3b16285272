"""A plan beside other plans: cost against size, cost by phase, and the traffic it is for."""

import functools
import itertools
import math
from typing import TYPE_CHECKING, Any

import altair as alt

from ...assumptions.numbers import human, percent
from .theme import (
    ACCENT,
    MAIN,
    NAMES,
    QUIET,
    STATED,
    Drawing,
    Drawn,
    Layers,
    axis,
    finished,
    log_scale,
    records,
    some,
    steady,
    steady_top,
    told,
    touched,
)

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["cost_against_params", "cost_by_phase", "monthly_traffic", "stretches"]

_CURVE = ["design", "n_params", "train_tokens", "cost_total", "cost_vs_optimum", "allowed", "trained_on"]
_LOOKS = {
    "optimum": ("diamond", ACCENT),
    "Chinchilla plan": ("square", MAIN),
    "released model of this size": ("triangle-up", QUIET),
}
"""Shape and colour of each kind of mark."""
_KINDS = (*_LOOKS,)
_NO_COST = "the Chinchilla plan cannot be served on this deployment and so has no cost"
APART = 3
"""Every how many designs of the curve one can be touched: each costs the browser as much as a mark that is seen."""
ROOM = 0.035
"""Least distance of two names, in widths of the chart."""
KEPT = 64
"""Layers of each chart that are kept for the next drawing."""
HIGHEST = 3.0
"""Most times the optimum's cost that the curve is drawn to, unless the Chinchilla plan lies higher."""


@Drawn
def cost_against_params(frame: "pd.DataFrame", *, dark: bool = False) -> Drawing:
    """Cost against size at one quality: the valley, its near-optimal band, the Chinchilla plan and released models by their size.

    Args:
        frame: what `cost_curve` returns.
        dark: colours of a dark page.

    """
    rows = records(frame, _CURVE, "cost_curve")
    unit = frame.attrs.get("units", {}).get("cost_total", "")
    tolerance = float(frame.attrs.get("band", 0.05))
    by_name = {r["design"]: r for r in rows if r["design"]}
    best = some([r for r in rows if r["design"] == "optimum"], "cost_curve")[0]
    plan = by_name.get("Chinchilla plan")
    unpriced = plan is not None and not math.isfinite(plan["cost_vs_optimum"])
    plan = None if unpriced else plan
    top = max(HIGHEST, 1.1 * plan["cost_vs_optimum"] if plan else 0.0)
    rows = [r for r in rows if r["cost_vs_optimum"] <= top]
    within = [r["n_params"] for name, r in by_name.items() if name == "optimum" or "within" in name]
    low, high = min(within), max(within)
    curve = [r for r in rows if not r["design"]]
    touchable = [{**_told_design(r, unit), "touched": True} for r in curve[::APART]]
    drawn = [{**_told_design(r, unit), "touched": False} for r in rows if r["design"]]
    _label(drawn, best["n_params"], best["cost_total"] * math.sqrt(top))
    barred = any(not r["allowed"] for r in rows)
    said = (
        f"Optimum {told(best['n_params'], 'parameters')} for {told(best['cost_total'], unit)}; between {human(low, 3)} and "
        f"{human(high, 3)} parameters it costs at most {percent(tolerance)} more."
    )
    beside = (
        f" The Chinchilla plan, {told(plan['n_params'], 'parameters')}, costs {human(plan['cost_vs_optimum'], 3)} times as much."
        if plan
        else f" {_NO_COST[0].upper()}{_NO_COST[1:]}."
        if unpriced
        else ""
    )
    return finished(
        _valley(
            steady([r["n_params"] for r in rows]),
            steady([r["cost_total"] for r in rows]),
            unit,
            tuple(kind for kind in _LOOKS if any(r["kind"] == kind for r in drawn)),
        ),
        "Cost against size, at the same quality",
        f"shaded: at most {percent(tolerance)} above the least cost"
        + ("; dashed: the limits forbid it" if barred else "")
        + (f"\n{_NO_COST}" if unpriced else ""),
        f"Curve of cost against active parameters. {said}{beside}",
        height=320,
        dark=dark,
        datasets={
            "band": [{"low": low, "high": high}],
            "curve": touchable + drawn,
            "stretches": stretches([{k: r[k] for k in ("n_params", "cost_total", "allowed")} for r in curve]),
        },
    )


@functools.lru_cache(maxsize=KEPT)
def _valley(across: tuple[float, float], upward: tuple[float, float], unit: str, shown: tuple[str, ...]) -> Layers:
    """The layers of `cost_against_params`, which stay the same for most small changes of a question."""
    along, ticks = log_scale(across)
    around, cost_ticks = log_scale(upward)
    x_axis, y_axis = axis("active parameters N", ticks), axis(f"cost over the life ({unit})", cost_ticks)
    shade = alt.Chart(alt.NamedData("band")).mark_rect(color=MAIN, opacity=0.18)
    x, y = alt.X("n_params:Q", scale=along, axis=x_axis), alt.Y("cost_total:Q", scale=around, axis=y_axis)
    whole = alt.Chart(alt.NamedData("curve")).encode(
        x=x,
        y=y,
        tooltip=[
            alt.Tooltip("says:N", title="design"),
            alt.Tooltip("size:N", title="size"),
            alt.Tooltip("trained:N", title="trained on, for this quality"),
            alt.Tooltip("costs:N", title="cost over the life"),
            alt.Tooltip("extra:N", title="against the optimum"),
        ],
    )
    parts = alt.Chart(alt.NamedData("stretches")).encode(x=x, y=y, detail=alt.Detail("stretch:N"))
    lines = [
        parts.transform_filter(test).mark_line(color=MAIN, strokeWidth=2, strokeDash=dash)
        for test, dash in (("datum.allowed", [1, 0]), ("!datum.allowed", [3, 4]))
    ]
    legend = alt.Legend(title=None, orient="bottom", labelLimit=260, columns=2)
    shapes, colors = (alt.Scale(domain=shown, range=[_LOOKS[kind][i] for kind in shown]) for i in (0, 1))
    points = (
        whole.transform_filter("datum.kind != ''")
        .mark_point(filled=True, size=110, opacity=1)
        .encode(
            shape=alt.Shape("kind:N", scale=shapes, legend=legend),
            color=alt.Color("kind:N", scale=colors, legend=legend),
        )
    )
    named = whole.transform_filter("datum.label != ''").encode(text=alt.Text("label:N"))
    names = [
        named.transform_filter("!datum.high").mark_text(angle=270, align="left", dx=10, fontSize=11),
        named.transform_filter("datum.high").mark_text(angle=270, align="right", dx=-10, fontSize=11),
    ]
    span = shade.encode(x=alt.X("low:Q", scale=along, axis=x_axis), x2=alt.X2("high:Q"))
    return Layers((span, *lines, touched(whole.transform_filter("datum.touched"), size=400), points, *names))


def _label(drawn: list[dict[str, Any]], best: float, middle: float) -> None:
    """Name the released models, those nearest to the optimum first, as far as there is room; upwards, or downwards from high points."""
    ends = [math.log(r["n_params"]) for r in drawn]
    room, taken = ROOM * (max(ends) - min(ends)), list[float]()
    for row in sorted(drawn, key=lambda r: abs(math.log(r["n_params"] / best))):
        at = math.log(row["n_params"])
        if row["kind"] == _KINDS[2] and all(abs(at - other) >= room for other in taken):
            taken.append(at)
            row["label"] = row["name"]
        row["high"] = row["cost_total"] > middle


def stretches(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A curve, smallest design first, cut where the limits begin or cease to hold; what they forbid reaches to the designs beside it."""
    cut = []
    for i, (allowed, run) in enumerate(itertools.groupby(range(len(rows)), lambda k: bool(rows[k]["allowed"]))):
        ends = [*run]
        first, last = (ends[0], ends[-1]) if allowed else (max(ends[0] - 1, 0), min(ends[-1] + 1, len(rows) - 1))
        cut += [{**r, "allowed": allowed, "stretch": i} for r in rows[first : last + 1]]
    return cut


def _told_design(row: dict[str, Any], unit: str) -> dict[str, Any]:
    name = row["design"]
    kind = name if name in _KINDS[:2] else "" if not name or "within" in name else _KINDS[2]
    return {
        "n_params": row["n_params"],
        "cost_total": row["cost_total"],
        "kind": kind,
        "name": name or "of this quality",
        "says": (name or "of this quality")
        + (f", itself trained on {told(row['trained_on'], 'tokens')}" if math.isfinite(row["trained_on"]) else ""),
        "label": "",
        "size": told(row["n_params"], "parameters"),
        "trained": told(row["train_tokens"], "tokens"),
        "costs": told(row["cost_total"], unit),
        "extra": f"+{percent(max(row['cost_vs_optimum'] - 1, 0.0))}",
    }


@Drawn
def cost_by_phase(frame: "pd.DataFrame", *, dark: bool = False) -> Drawing:
    """What each phase costs, for the optimum (filled) and for the Chinchilla plan (hollow).

    Args:
        frame: what `cost_phases` returns.
        dark: colours of a dark page.

    """
    rows = records(frame, ["plan", "phase", "cost", "share"], "cost_phases")
    unit = frame.attrs.get("units", {}).get("cost", "")
    priced = [r for r in rows if math.isfinite(r["cost"])]
    unpriced, rows = len(priced) < len(rows), some(priced, "cost_phases, of a plan that has a cost")
    drawn = [
        {**{k: r[k] for k in ("plan", "phase", "cost")}, "tells": told(r["cost"], unit), "part": percent(r["share"])}
        for r in rows
    ]
    most = max(r["cost"] for r in rows) or 1.0
    plans, phases = (tuple(dict.fromkeys(r[k] for r in rows)) for k in ("plan", "phase"))
    said = "; ".join(f"{r['plan']}, {r['phase']}: {r['tells']} ({r['part']})" for r in drawn)
    return finished(
        _phases(steady_top(1.12 * most), unit, plans, phases),
        "Where the cost goes",
        f"{plans[0]}\n{_NO_COST}" if unpriced else f"filled: {plans[0]}; hollow: {plans[-1]} of the same loss",
        f"Bar chart of cost by phase. {said}.",
        height={"step": 22},
        dark=dark,
        datasets={"bills": drawn},
    )


@functools.lru_cache(maxsize=KEPT)
def _phases(top: float, unit: str, plans: tuple[str, ...], phases: tuple[str, ...]) -> Layers:
    """The layers of `cost_by_phase`."""
    whole = alt.Chart(alt.NamedData("bills")).encode(
        x=alt.X("cost:Q", scale=alt.Scale(domain=[0, top], nice=False), axis=axis(f"cost ({unit})", tickCount=5)),
        y=alt.Y("phase:N", sort=[*phases], title=None, axis=NAMES),
        yOffset=alt.YOffset("plan:N", sort=[*plans]),
        tooltip=[
            alt.Tooltip("plan:N"),
            alt.Tooltip("phase:N"),
            alt.Tooltip("tells:N", title="cost"),
            alt.Tooltip("part:N", title="share of the plan"),
        ],
    )
    bars = [
        whole.transform_filter(alt.FieldEqualPredicate(field="plan", equal=plan)).mark_bar(
            fill=MAIN, fillOpacity=opacity, stroke=MAIN, strokeWidth=1.5
        )
        for plan, opacity in zip(plans, (0.85, 0.0), strict=False)
    ]
    texts = whole.mark_text(align="left", dx=5, baseline="middle").encode(text=alt.Text("tells:N"))
    return Layers((*bars, texts))


@Drawn
def monthly_traffic(frame: "pd.DataFrame", *, dark: bool = False) -> Drawing:
    """Tokens a day of each month, output stacked on input.

    Args:
        frame: what `monthly_tokens` returns.
        dark: colours of a dark page.

    """
    rows = records(frame, ["month", "input_tokens_per_day", "output_tokens_per_day"], "monthly_tokens")
    drawn = []
    for r in rows:
        read, written = r["input_tokens_per_day"], r["output_tokens_per_day"]
        for kind, start, value in (("input", 0.0, read), ("output", read, written)):
            drawn.append(
                {
                    "month": r["month"],
                    "tokens": kind,
                    "from": start,
                    "to": start + value,
                    "tells": told(value, "tokens/day"),
                    "both": told(read + written, "tokens/day"),
                }
            )
    top = max(r["to"] for r in drawn) or 1.0
    ends = [rows[0], rows[-1]]
    said = " to ".join(
        f"{told(r['input_tokens_per_day'] + r['output_tokens_per_day'], 'tokens/day')} in {r['month']}" for r in ends
    )
    return finished(
        _months(steady_top(top)),
        "Traffic month by month",
        f"pale: input; solid: output; {STATED}",
        f"Stacked bars of tokens a day over {len(rows)} months, from {said}.",
        height=220,
        dark=dark,
        datasets={"months": drawn},
    )


@functools.lru_cache(maxsize=KEPT)
def _months(top: float) -> Layers:
    """The layers of `monthly_traffic`."""
    whole = alt.Chart(alt.NamedData("months")).encode(
        x=alt.X("month:N", sort="ascending", title=None, axis=alt.Axis(labelAngle=-60, labelOverlap=True, ticks=False)),
        y=alt.Y("from:Q", scale=alt.Scale(domain=[0, top], nice=False), axis=axis("tokens a day", tickCount=6)),
        y2=alt.Y2("to:Q"),
        tooltip=[
            alt.Tooltip("month:N"),
            alt.Tooltip("tokens:N"),
            alt.Tooltip("tells:N", title="tokens a day"),
            alt.Tooltip("both:N", title="input and output"),
        ],
    )
    bars = [
        whole.transform_filter(f"datum.tokens == '{kind}'").mark_bar(
            fill=MAIN, fillOpacity=opacity, stroke=MAIN, strokeWidth=1
        )
        for kind, opacity in (("input", 0.25), ("output", 0.85))
    ]
    return Layers((*bars,))
