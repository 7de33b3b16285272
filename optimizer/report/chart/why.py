"""Charts that explain the optimum: over-training step by step, and the map of designs."""

import math
from typing import TYPE_CHECKING, Any

import altair as alt

from ...assumptions.numbers import human
from ...model.outputs import heading, quantity_text, written
from .drawing import Drawing, Drawn, data, finished
from .marks import legend, outlined, tips
from .rows import records, some
from .scales import names_axis, output_axis, scale
from .theme import ACCENT, MAIN, QUIET

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["design_map", "staircase"]

_RATIO = "overtraining_vs_rule_of_20"
_PLANS = ("optimum", "Chinchilla plan")
RULE = "20 tokens per parameter"
_LINES = {
    "equal loss": (MAIN, 1.5, [1, 0]),
    "equal cost": (QUIET, 1.5, [6, 4]),
    RULE: (QUIET, 2.0, [2, 4]),
    "same loss": (ACCENT, 4.0, [1, 0]),
}
"""Colour, width and dash of each kind of line."""


@Drawn
def staircase(frame: "pd.DataFrame", *, dark: bool = False) -> Drawing:
    """The over-training ratio step by step, each bar from the ratio before it.

    Args:
        frame: what `staircase` returns.
        dark: colours of a dark page.

    """
    rows = records(frame, ["step", _RATIO, "factor"], "staircase")
    rows = some([r for r in rows if math.isfinite(r[_RATIO])], "staircase, with a step that has an answer")
    before = [1.0, *(r[_RATIO] for r in rows[:-1])]
    drawn = [
        {
            "step": r["step"],
            "from": start,
            "to": r[_RATIO],
            "end": max(start, r[_RATIO]),
            "label": written(r[_RATIO], _RATIO, 3) + _step(r),
        }
        for start, r in zip(before, rows, strict=True)
    ]
    around, ticks = scale(
        [1.0, *(r["end"] for r in drawn), *(r["to"] for r in drawn), 30 * max(r["end"] for r in drawn)], log=True
    )
    whole = alt.Chart(data(drawn)).encode(
        y=names_axis("step", [r["step"] for r in drawn]),
        tooltip=tips(step="step", label=heading(_RATIO)),
    )
    x = alt.X("from:Q", scale=around, axis=output_axis(_RATIO, "1", ticks))
    bars = whole.mark_bar(color=MAIN, opacity=0.8).encode(x=x, x2=alt.X2("to:Q"))
    ends = whole.mark_tick(color=ACCENT, thickness=3, size=18).encode(x=alt.X("to:Q"))
    texts = whole.mark_text(align="left", dx=6, baseline="middle").encode(x=alt.X("end:Q"), text=alt.Text("label:N"))
    return finished(
        [bars, ends, texts],
        "What each cost adds to over-training",
        "over-training after each step, from 1x; in brackets: the factor of the step",
        "Over-training step by step: " + "; ".join(f"{r['step']} {r['label']}" for r in drawn) + ".",
        height={"step": 34},
        dark=dark,
    )


def _step(row: dict[str, Any]) -> str:
    """The effect of a step on the ratio: its factor, or the limits that hold the ratio."""
    if row.get("held_by"):
        return f"  (held by {row['held_by']})"
    return f"  ({written(row['factor'], 'factor')})" if math.isfinite(row["factor"]) else ""


@Drawn
def design_map(frame: "pd.DataFrame", *, dark: bool = False) -> Drawing:
    """Parameters against tokens: lines of equal loss and of equal cost, and the path from the Chinchilla plan to the optimum.

    Args:
        frame: what `design_map` returns.
        dark: colours of a dark page.

    """
    rows = records(frame, ["kind", "line", "n_params", "train_tokens", "loss", "cost_total"], "design_map")
    unit = frame.attrs.get("units", {}).get("cost_total", "")
    drawn = [
        {
            "kind": r["kind"],
            "line": r["line"],
            "label": RULE if r["kind"] == RULE else r["line"].split()[0],
            "along": i,
            "n_params": r["n_params"],
            "train_tokens": r["train_tokens"],
            "size": quantity_text(r["n_params"], "parameters"),
            "tokens": quantity_text(r["train_tokens"], "tokens"),
            "loss_and_cost": ", ".join(
                filter(
                    None,
                    (
                        f"loss {r['loss']:.4f} nat/token" if math.isfinite(r["loss"]) else "",
                        quantity_text(r["cost_total"], unit) if math.isfinite(r["cost_total"]) else "",
                    ),
                )
            ),
        }
        for i, r in enumerate(rows)
    ]
    plans = {r["kind"]: r for r in drawn if r["kind"] in _PLANS}
    across, ticks = scale([r["n_params"] for r in drawn], log=True)
    upward, token_ticks = scale([r["train_tokens"] for r in drawn], log=True)
    x = alt.X("n_params:Q", scale=across, axis=output_axis("n_params", "parameters", ticks, optimal=False))
    y = alt.Y("train_tokens:Q", scale=upward, axis=output_axis("train_tokens", "tokens", token_ticks, optimal=False))
    layers, labels, fitted = [], [], [r for r in drawn if r["kind"] == "fitted"]
    if fitted:
        layers.append(
            alt.Chart(data(fitted))
            .mark_area(color=QUIET, opacity=0.22)
            .encode(x=x, y=y, y2=alt.Y2Datum(min(r["train_tokens"] for r in drawn)))
        )
    for kind, (color, thick, dash) in _LINES.items():
        part = [r for r in drawn if r["kind"] == kind]
        if not part:
            continue
        layers.append(
            alt.Chart(data(part))
            .mark_line(color=color, strokeWidth=thick, strokeDash=dash)
            .encode(
                x=x,
                y=y,
                detail=alt.Detail("line:N"),
                order=alt.Order("along:Q"),
                tooltip=tips(kind="line", line="value"),
            )
        )
        if kind in ("equal loss", "equal cost", RULE):
            # Lines of loss end low on the right, lines of cost high on the left, the rule low on the left: labels there do not meet.
            end, pick = "train_tokens" if kind == "equal cost" else "n_params", min if kind == RULE else max
            last = [
                pick((r for r in part if r["line"] == line), key=lambda r: r[end])
                for line in dict.fromkeys(r["line"] for r in part)
            ]
            # On a narrow page the name of the rule moves onto its line before it would run into the axis.
            inside = alt.XValue(alt.ExprRef("max(scale('x', datum.n_params), 5 * length(datum.label))"))
            labels += outlined(
                alt.Chart(data(last)).encode(x=inside if kind == RULE else x, y=y, text=alt.Text("label:N")),
                dark=dark,
                align="right" if kind == RULE else "left",
                dx=-4 if kind == RULE else 4,
                dy=-6 if kind == "equal cost" else 0,
                fontSize=10,
            )
    points = (
        alt.Chart(data([*plans.values()]))
        .mark_point(filled=True, size=130, opacity=1, color=ACCENT)
        .encode(
            x=x,
            y=y,
            shape=alt.Shape(
                "kind:N",
                scale=alt.Scale(domain=[*_PLANS], range=["diamond", "square"]),
                legend=legend(columns=2),
            ),
            tooltip=tips(kind="plan", size="size", tokens="training tokens", loss_and_cost="loss, cost"),
        )
    )
    most = frame.attrs.get("fitted_max_params")
    fit = (
        "the range of the law's fit is not on record"
        if not most
        else "shaded: the range of the law's fit"
        if fitted
        else f"the law's fit ends at {human(most, 3)} parameters, left of the picture"
    )
    best, plan = plans["optimum"], plans["Chinchilla plan"]
    priced = any(r["kind"] == "Chinchilla plan" and math.isfinite(r["cost_total"]) for r in rows)
    costs = (
        f"costs {plan['loss_and_cost'].split(', ')[-1]}" if priced else "has no cost, as the deployment cannot serve it"
    )
    return finished(
        [*layers, *labels, points],
        "Designs of equal loss and of equal cost",
        f"solid: equal loss (nat/token); dashed: equal cost over the life ({unit}); dotted: {RULE};\n"
        f"thick: from Chinchilla to the optimum at the same loss; {fit}",
        f"Map of designs. The optimum, {best['size']} on {best['tokens']} ({best['loss_and_cost']}), lies where a line of equal loss "
        f"touches one of equal cost; the Chinchilla plan of the same loss, {plan['size']} on {plan['tokens']}, {costs}.",
        height=420,
        dark=dark,
    )
