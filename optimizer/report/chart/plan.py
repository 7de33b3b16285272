"""Charts of one plan: cost against size, cost by phase, and the traffic that it is made for."""

import functools
import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import altair as alt

from ...assumptions.numbers import human, percent
from ...model.outputs import heading, quantity_text, with_unit, written
from .drawing import Drawing, Drawn, Layers, finished
from .marks import bars_by, legend, tips, touched
from .rows import records, some
from .scales import Kept, axis, names_axis, output_axis, scale_in_data, steady, steady_top, ticks_in_data, ticks_of
from .theme import ACCENT, HEIGHT, MAIN, QUIET, STATED, capital

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["NEAR", "cost_against_params", "cost_by_phase", "monthly_traffic", "stretches"]

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
"""One in this many designs of the curve has a tooltip: each costs the browser as much as a visible mark."""
ROOM = 0.035
"""Least distance of two names, in widths of the chart."""
KEPT = 64
"""Layers of each chart that are kept for the next drawing."""
NEAR = 3.0
"""Most times the optimum's size, and its inverse the least, that a curve without the Chinchilla plan is drawn to."""
HIGHEST = 3.0
"""Most times the optimum's cost that the curve is drawn to, unless the Chinchilla plan lies higher."""


@Drawn
def cost_against_params(
    frame: "pd.DataFrame",
    ghost: "pd.DataFrame | None" = None,
    *,
    wide: bool = True,
    kept: Kept | None = None,
    dark: bool = False,
) -> Drawing:
    """Cost against size at one quality: the valley, its near-optimal band, the Chinchilla plan and released models by their size.

    Args:
        frame: what `cost_curve` returns.
        ghost: the same of a scenario to compare with, drawn as a pale curve where it is billed in the same unit; the axes cover both.
        wide: whether the Chinchilla plan is shown; without it the sizes reach from a third of the optimum's to three times it.
        kept: ends of axes, which stay from one drawing to the next while they are near; the caller's, empty at first.
        dark: colours of a dark page.

    """
    rows = records(frame, _CURVE, "cost_curve")
    unit = frame.attrs.get("units", {}).get("cost_total", "")
    tolerance = float(frame.attrs.get("band", 0.05))
    by_name = {r["design"]: r for r in rows if r["design"]}
    best = some([r for r in rows if r["design"] == "optimum"], "cost_curve")[0]
    plan = by_name.get("Chinchilla plan") if wide else None
    unpriced = plan is not None and not math.isfinite(plan["cost_vs_optimum"])
    plan = None if unpriced else plan
    top = max(HIGHEST, 1.1 * plan["cost_vs_optimum"] if plan else 0.0)
    rows = [r for r in rows if r["cost_vs_optimum"] <= top]
    if not wide:
        rows = [
            r for r in rows if 1 / NEAR <= r["n_params"] / best["n_params"] <= NEAR and r["design"] != "Chinchilla plan"
        ]
    pale = _ghost(ghost, unit)
    within = [r["n_params"] for name, r in by_name.items() if name == "optimum" or "within" in name]
    low, high = min(within), max(within)
    curve = [r for r in rows if not r["design"]]
    touchable = [{**_design(r, unit), "touched": True} for r in curve[::APART]]
    drawn = [{**_design(r, unit), "touched": False} for r in rows if r["design"]]
    _label(drawn, rows, best["n_params"], best["cost_total"] * math.sqrt(top))
    barred = any(not r["allowed"] for r in rows)
    optimum, cost = quantity_text(best["n_params"], "parameters"), quantity_text(best["cost_total"], unit)
    band = f"between {human(low, 3)} and {human(high, 3)} parameters it costs at most {percent(tolerance)} more"
    compared = f" {capital(_NO_COST)}." if unpriced else ""
    if plan:
        ratio = written(plan["cost_vs_optimum"], "cost_vs_optimum")
        compared = f" The Chinchilla plan, {quantity_text(plan['n_params'], 'parameters')}, costs {ratio} as much."
    across, upward = (steady([r[k] for r in [*rows, *pale]], kept, k) for k in ("n_params", "cost_total"))
    return finished(
        _valley(unit, ghost is not None, tuple(kind for kind in _LOOKS if any(r["kind"] == kind for r in drawn))),
        "Cost against size, at the same quality",
        f"shaded: at most {percent(tolerance)} above the least cost"
        + ("; dashed: the limits forbid it" if barred else "")
        + ("; grey: the scenario compared with" if pale and not _same(pale, rows) else "")
        + (f"\n{_NO_COST}" if unpriced else ""),
        f"Curve of cost against active parameters. Optimum {optimum} for {cost}; {band}.{compared}",
        height=HEIGHT,
        dark=dark,
        datasets={
            "band": [
                {"low": low, "high": high, "left": across[0], "right": across[1], "bottom": upward[0], "top": upward[1]}
            ],
            "across": ticks_of(across),
            "upward": ticks_of(upward),
            "curve": touchable + drawn,
            **({} if ghost is None else {"ghost": pale}),
            "stretches": stretches([{k: r[k] for k in ("n_params", "cost_total", "allowed")} for r in curve]),
        },
    )


@functools.lru_cache(maxsize=KEPT)
def _valley(unit: str, ghost: bool, shown: tuple[str, ...]) -> Layers:
    """The layers of `cost_against_params`, which stay the same for most changes of a question."""
    along, around = scale_in_data("band", "left", "right", log=True), scale_in_data("band", "bottom", "top", log=True)
    x_axis = output_axis("n_params", "parameters", ticks_in_data("across"), optimal=False)
    y_axis = output_axis("cost_total", unit, ticks_in_data("upward"))
    x_ticks = alt.Chart(alt.NamedData("across")).mark_point(opacity=0, aria=False, size=1)
    y_ticks = alt.Chart(alt.NamedData("upward")).mark_point(opacity=0, aria=False, size=1)
    shade = alt.Chart(alt.NamedData("band")).mark_rect(color=MAIN, opacity=0.18)
    x, y = alt.X("n_params:Q", scale=along, axis=x_axis), alt.Y("cost_total:Q", scale=around, axis=y_axis)
    whole = alt.Chart(alt.NamedData("curve")).encode(
        x=x,
        y=y,
        tooltip=tips(
            design="design",
            size="size",
            tokens="training tokens for this quality",
            cost=heading("cost_total"),
            extra=heading("excess_cost"),
        ),
    )
    parts = alt.Chart(alt.NamedData("stretches")).encode(x=x, y=y, detail=alt.Detail("stretch:N"))
    lines = [
        parts.transform_filter(test).mark_line(color=MAIN, strokeWidth=2, strokeDash=dash)
        for test, dash in (("datum.allowed", [1, 0]), ("!datum.allowed", [3, 4]))
    ]
    below = legend(columns=2)
    shapes, colors = (alt.Scale(domain=shown, range=[_LOOKS[kind][i] for kind in shown]) for i in (0, 1))
    points = (
        whole.transform_filter("datum.kind != ''")
        .mark_point(filled=True, size=110, opacity=1)
        .encode(
            shape=alt.Shape("kind:N", scale=shapes, legend=below),
            color=alt.Color("kind:N", scale=colors, legend=below),
        )
    )
    labelled = whole.transform_filter("datum.label != ''").encode(text=alt.Text("label:N"))
    names = [
        labelled.transform_filter("!datum.high").mark_text(angle=270, align="left", dx=10, fontSize=11),
        labelled.transform_filter("datum.high").mark_text(angle=270, align="right", dx=-10, fontSize=11),
    ]
    span = shade.encode(x=alt.X("low:Q", scale=along, axis=x_axis), x2=alt.X2("high:Q"))
    pale = alt.Chart(alt.NamedData("ghost")).mark_line(color=QUIET, strokeWidth=2, opacity=0.6).encode(x=x, y=y)
    return Layers(
        (
            span,
            *([pale] if ghost else []),
            *lines,
            touched(whole.transform_filter("datum.touched"), size=400),
            points,
            *names,
            x_ticks.encode(x=alt.X("tick:Q", scale=along, axis=x_axis)),
            y_ticks.encode(y=alt.Y("tick:Q", scale=around, axis=y_axis)),
        )
    )


def _ghost(frame: "pd.DataFrame | None", unit: str) -> list[dict[str, Any]]:
    """The valley to compare with, as far as `wide` draws; none where it is billed in another unit."""
    if frame is None or frame.attrs.get("units", {}).get("cost_total", "") != unit:
        return []
    rows = records(frame, _CURVE, "cost_curve")
    best = some([r for r in rows if r["design"] == "optimum"], "cost_curve")[0]["n_params"]
    near = [r for r in rows if not r["design"] and 1 / NEAR <= r["n_params"] / best <= NEAR]
    return [{k: r[k] for k in ("n_params", "cost_total")} for r in near if r["cost_vs_optimum"] <= HIGHEST]


def _same(pale: list[dict[str, Any]], rows: list[dict[str, Any]]) -> bool:
    """Whether the curve compared with is the curve itself, which covers it."""
    least = [min(curve, key=lambda r: r["cost_total"]) for curve in (pale, rows)]
    return all(math.isclose(least[0][k], least[1][k], rel_tol=1e-6) for k in ("n_params", "cost_total"))


def _label(drawn: list[dict[str, Any]], rows: list[dict[str, Any]], best: float, middle: float) -> None:
    """Name the released models, those nearest to the optimum first, as far as there is room; upwards, or downwards from high points."""
    ends = [math.log(r["n_params"]) for r in rows]
    room, taken = ROOM * (max(ends) - min(ends)), list[float]()
    for row in sorted(drawn, key=lambda r: abs(math.log(r["n_params"] / best))):
        at = math.log(row["n_params"])
        if row["kind"] == _KINDS[2] and all(abs(at - other) >= room for other in taken):
            taken.append(at)
            row["label"] = row["name"]
        row["high"] = row["cost_total"] > middle


def stretches(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A curve, smallest design first, cut where the limits begin or end; a forbidden stretch reaches to the designs next to it."""
    cut = []
    for i, (allowed, run) in enumerate(itertools.groupby(range(len(rows)), lambda k: bool(rows[k]["allowed"]))):
        ends = [*run]
        first, last = (ends[0], ends[-1]) if allowed else (max(ends[0] - 1, 0), min(ends[-1] + 1, len(rows) - 1))
        cut += [{**r, "allowed": allowed, "stretch": i} for r in rows[first : last + 1]]
    return cut


def _design(row: dict[str, Any], unit: str) -> dict[str, Any]:
    name = row["design"]
    kind = name if name in _KINDS[:2] else "" if not name or "within" in name else _KINDS[2]
    return {
        "n_params": row["n_params"],
        "cost_total": row["cost_total"],
        "kind": kind,
        "name": name or "of this quality",
        "design": (name or "of this quality")
        + (
            f", released model trained on {quantity_text(row['trained_on'], 'tokens')}"
            if math.isfinite(row["trained_on"])
            else ""
        ),
        "label": "",
        "size": quantity_text(row["n_params"], "parameters"),
        "tokens": quantity_text(row["train_tokens"], "tokens"),
        "cost": quantity_text(row["cost_total"], unit),
        "extra": f"+{percent(max(row['cost_vs_optimum'] - 1, 0.0))}",
    }


@Drawn
def cost_by_phase(frame: "pd.DataFrame", *, kept: Kept | None = None, dark: bool = False) -> Drawing:
    """What each phase costs, for the optimum (filled) and for the Chinchilla plan (hollow).

    Args:
        frame: what `cost_phases` returns.
        kept: as in `cost_against_params`.
        dark: colours of a dark page.

    """
    rows = records(frame, ["plan", "phase", "cost", "share"], "cost_phases")
    unit = frame.attrs.get("units", {}).get("cost", "")
    priced = [r for r in rows if math.isfinite(r["cost"])]
    unpriced, rows = len(priced) < len(rows), some(priced, "cost_phases, of a plan that has a cost")
    drawn = [
        {
            **{k: r[k] for k in ("plan", "phase", "cost")},
            "cost_text": quantity_text(r["cost"], unit),
            "share": written(r["share"], "share"),
        }
        for r in rows
    ]
    most = max(r["cost"] for r in rows) or 1.0
    top = steady_top(1.12 * most, kept, "cost")
    plans, phases = (tuple(dict.fromkeys(r[k] for r in rows)) for k in ("plan", "phase"))
    each = "; ".join(f"{r['plan']}, {r['phase']}: {r['cost_text']} ({r['share']})" for r in drawn)
    return finished(
        _phases(unit, plans, phases),
        "Where the cost goes",
        f"{plans[0]}\n{_NO_COST}" if unpriced else f"filled: {plans[0]}; hollow: {plans[-1]} of the same loss",
        f"Bar chart of cost by phase. {each}.",
        height={"step": 22},
        dark=dark,
        datasets={"bills": [r | {"top": top} for r in drawn]},
    )


@functools.lru_cache(maxsize=KEPT)
def _phases(unit: str, plans: tuple[str, ...], phases: tuple[str, ...]) -> Layers:
    """The layers of `cost_by_phase`."""
    whole = alt.Chart(alt.NamedData("bills")).encode(
        x=alt.X("cost:Q", scale=scale_in_data("bills", "", "top"), axis=axis(with_unit("cost", unit), tickCount=5)),
        y=names_axis("phase", phases),
        yOffset=alt.YOffset("plan:N", sort=[*plans]),
        tooltip=tips(plan="plan", phase="phase", cost_text="cost", share="share of the plan"),
    )
    bars = bars_by(whole, "plan", dict(zip(plans, (0.85, 0.0), strict=False)))
    texts = whole.mark_text(align="left", dx=5, baseline="middle").encode(text=alt.Text("cost_text:N"))
    return Layers((*bars, texts))


@Drawn
def monthly_traffic(
    frame: "pd.DataFrame", *, share: float | None = None, chips: Sequence[float] = (), dark: bool = False
) -> Drawing:
    """Tokens a day of each month, output stacked on input; or the part that this model serves, below the rest.

    Args:
        frame: what `monthly_tokens` returns.
        share: of the stated traffic that this model serves; without it input and output are shown.
        chips: serving chips of each month at its peak, drawn as a line on a scale of its own from 0.
        dark: colours of a dark page.

    """
    rows = records(frame, ["month", "input_tokens_per_day", "output_tokens_per_day"], "monthly_tokens")
    drawn = []
    for r in rows:
        read, written = r["input_tokens_per_day"], r["output_tokens_per_day"]
        parts = (("input", 0.0, read), ("output", read, written))
        if share is not None:
            own = share * (read + written)
            parts = (("this model", 0.0, own), ("others", own, read + written - own))
        for kind, start, value in parts:
            drawn.append(
                {
                    "month": r["month"],
                    "tokens": kind,
                    "from": start,
                    "to": start + value,
                    "value_text": quantity_text(value, "tokens/day"),
                    "both": quantity_text(read + written, "tokens/day"),
                }
            )
    top = max(r["to"] for r in drawn) or 1.0
    most = max(chips, default=math.nan)
    peak = quantity_text(most, "chips", "chips")
    counted = [
        {
            "month": r["month"],
            "at": 0.9 * top * n / most,
            "count": quantity_text(n, "chips", "chips"),
        }
        for r, n in zip(rows, chips, strict=False)
        if most > 0
    ]
    ends = " to ".join(
        f"{quantity_text(r['input_tokens_per_day'] + r['output_tokens_per_day'], 'tokens/day')} in {r['month']}"
        for r in (rows[0], rows[-1])
    )
    return finished(
        _months(*(("input", "output") if share is None else ("this model", "others")), bool(counted)),
        "Traffic by month",
        f"pale: input; solid: output; {STATED}"
        if share is None
        else f"solid: this model, {percent(share)}; "
        + (f"line: up to {peak} at peak" if counted else "pale: the rest"),
        f"Stacked bars of tokens a day over {len(rows)} months, from {ends}."
        + (f" Serving chips at peak: at most {peak}." if counted else ""),
        height=220,
        dark=dark,
        datasets={"months": [r | {"top": steady_top(top)} for r in drawn], **({"chips": counted} if counted else {})},
    )


@functools.lru_cache(maxsize=KEPT)
def _months(lower: str, upper: str, chips: bool) -> Layers:
    """The layers of `monthly_traffic`."""
    whole = alt.Chart(alt.NamedData("months")).encode(
        x=alt.X("month:N", sort="ascending", title=None, axis=alt.Axis(labelAngle=-60, labelOverlap=True, ticks=False)),
        y=alt.Y("from:Q", scale=scale_in_data("months", "", "top"), axis=axis("tokens a day", tickCount=6)),
        y2=alt.Y2("to:Q"),
        tooltip=tips(month="month", tokens="tokens", value_text="tokens a day", both="input and output"),
    )
    solid = {"output", "this model"}
    bars = bars_by(whole, "tokens", {kind: 0.85 if kind in solid else 0.25 for kind in (lower, upper)})
    counted = alt.Chart(alt.NamedData("chips")).encode(x=alt.X("month:N", sort="ascending"), y=alt.Y("at:Q"))
    line = counted.mark_line(color=ACCENT, strokeWidth=2, point={"filled": True, "color": ACCENT, "size": 30}).encode(
        tooltip=tips(month="month", count="serving chips at peak")
    )
    return Layers((*bars, *([line] if chips else [])))
