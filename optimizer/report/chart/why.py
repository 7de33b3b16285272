"""Why the optimum lies where it does: the ratio bill by bill, and the map of designs."""

import math
from typing import TYPE_CHECKING, Any

import altair as alt

from ...assumptions.numbers import human
from .theme import ACCENT, MAIN, QUIET, Drawing, Drawn, axis, data, finished, names_axis, records, scale, some, told

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["design_map", "staircase"]

_RATIO = "overtraining_vs_rule_of_20"
_PLANS = ("optimum", "Chinchilla plan")
_LINES = {
    "equal loss": (MAIN, 1.5, [1, 0]),
    "equal cost": (QUIET, 1.5, [6, 4]),
    "20 tokens per parameter": (QUIET, 1.0, [1, 3]),
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
            "label": told(r[_RATIO], "1", _RATIO) + _step(r),
        }
        for start, r in zip(before, rows, strict=True)
    ]
    around, ticks = scale(
        [1.0, *(r["end"] for r in drawn), *(r["to"] for r in drawn), 30 * max(r["end"] for r in drawn)], log=True
    )
    whole = alt.Chart(data(drawn)).encode(
        y=names_axis("step", [r["step"] for r in drawn]),
        tooltip=[alt.Tooltip("step:N"), alt.Tooltip("label:N", title="over-training D*/(20 N*)")],
    )
    x = alt.X("from:Q", scale=around, axis=axis("over-training D*/(20 N*)", ticks, output=_RATIO))
    bars = whole.mark_bar(color=MAIN, opacity=0.8).encode(x=x, x2=alt.X2("to:Q"))
    ends = whole.mark_tick(color=ACCENT, thickness=3, size=18).encode(x=alt.X("to:Q"))
    texts = whole.mark_text(align="left", dx=6, baseline="middle").encode(x=alt.X("end:Q"), text=alt.Text("label:N"))
    return finished(
        [bars, ends, texts],
        "What each bill adds",
        "over-training after each step, from 1x; in brackets the factor of the step",
        "Over-training step by step: " + "; ".join(f"{r['step']} {r['label']}" for r in drawn) + ".",
        height={"step": 34},
        dark=dark,
    )


def _step(row: dict[str, Any]) -> str:
    """What a step does to the ratio: its factor, or the limits that leave it none."""
    if row.get("held_by"):
        return f"  (held by {row['held_by']})"
    return f"  (x {human(row['factor'], 3)})" if math.isfinite(row["factor"]) else ""


@Drawn
def design_map(frame: "pd.DataFrame", *, dark: bool = False) -> Drawing:
    """Parameters against tokens: lines of equal loss and of equal cost, and the way from the Chinchilla plan to the optimum.

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
            "label": r["line"].split()[0],
            "along": i,
            "n_params": r["n_params"],
            "train_tokens": r["train_tokens"],
            "size": told(r["n_params"], "parameters"),
            "trained": told(r["train_tokens"], "tokens"),
            "tells": ", ".join(
                filter(
                    None,
                    (
                        f"loss {r['loss']:.4f} nat/token" if math.isfinite(r["loss"]) else "",
                        told(r["cost_total"], unit) if math.isfinite(r["cost_total"]) else "",
                    ),
                )
            ),
        }
        for i, r in enumerate(rows)
    ]
    plans = {r["kind"]: r for r in drawn if r["kind"] in _PLANS}
    across, ticks = scale([r["n_params"] for r in drawn], log=True)
    upward, token_ticks = scale([r["train_tokens"] for r in drawn], log=True)
    x = alt.X("n_params:Q", scale=across, axis=axis("active parameters N", ticks))
    y = alt.Y("train_tokens:Q", scale=upward, axis=axis("training tokens D", token_ticks))
    tips = [
        alt.Tooltip("kind:N", title="line"),
        alt.Tooltip("size:N", title="size"),
        alt.Tooltip("trained:N", title="trained on"),
        alt.Tooltip("tells:N", title="loss, cost"),
    ]
    layers, fitted = [], [r for r in drawn if r["kind"] == "fitted"]
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
                tooltip=[tips[0], alt.Tooltip("line:N", title="value")],
            )
        )
        if kind in ("equal loss", "equal cost"):
            # Lines of loss end low on the right, lines of cost high on the left: labels there do not meet.
            end = "n_params" if kind == "equal loss" else "train_tokens"
            last = [
                max((r for r in part if r["line"] == line), key=lambda r: r[end])
                for line in dict.fromkeys(r["line"] for r in part)
            ]
            layers.append(
                alt.Chart(data(last))
                .mark_text(align="left", dx=4, dy=0 if kind == "equal loss" else -6, fontSize=10)
                .encode(x=x, y=y, text=alt.Text("label:N"))
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
                legend=alt.Legend(title=None, orient="bottom"),
            ),
            tooltip=tips,
        )
    )
    most = frame.attrs.get("fitted_max_params")
    fit = (
        "how far the law was fitted is not on record"
        if not most
        else "shaded: what the law was fitted on"
        if fitted
        else f"the law's fit ends at {human(most, 3)} parameters, left of the picture"
    )
    best, plan = plans["optimum"], plans["Chinchilla plan"]
    priced = any(r["kind"] == "Chinchilla plan" and math.isfinite(r["cost_total"]) for r in rows)
    costs = f"costs {plan['tells'].split(', ')[-1]}" if priced else "has no cost, as the deployment cannot serve it"
    return finished(
        [*layers, points],
        "Designs of equal loss and of equal cost",
        f"solid: equal loss (nat/token); dashed: equal cost over the life ({unit}); dotted grey: 20 tokens per parameter;\n"
        f"thick: from Chinchilla to the optimum at the same loss; {fit}",
        f"Map of designs. The optimum, {best['size']} on {best['trained']} ({best['tells']}), lies where a line of equal loss touches one "
        f"of equal cost; the Chinchilla plan of the same loss, {plan['size']} on {plan['trained']}, {costs}.",
        height=420,
        dark=dark,
    )
