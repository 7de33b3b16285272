"""Charts of a fitted law: the residual of each run, and lines of equal loss with the runs."""

import math
from typing import TYPE_CHECKING

import altair as alt

from ...assumptions.numbers import percent
from ...model.outputs import quantity_text
from .drawing import Drawing, Drawn, data, finished
from .marks import series_legend, tips, touched
from .rows import records, some
from .scales import axis, in_turn, scale
from .theme import ACCENT, COLOURS, HEIGHT, MAIN, QUIET, SHAPES

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["isoloss", "residuals"]

_RESIDUALS = ["form", "row", "n_params", "train_tokens", "tokens_per_param", "loss", "predicted", "residual"]


@Drawn
def residuals(frame: "pd.DataFrame", *, dark: bool = False) -> Drawing:
    """Measured over predicted loss, less 1, of each run against its tokens per parameter; one shape and colour a form.

    Args:
        frame: what `Fit.residuals` returns.
        dark: colours of a dark page.

    """
    rows = records(frame, _RESIDUALS, "Fit.residuals")
    unit = frame.attrs.get("units", {}).get("loss", "nat/token")
    forms = list(dict.fromkeys(row["form"] for row in rows))
    drawn = [
        {
            "form": row["form"],
            "ratio": row["tokens_per_param"],
            "off": row["residual"],
            "run": f"{quantity_text(row['n_params'], 'parameters')} on {quantity_text(row['train_tokens'], 'tokens')}",
            "loss": f"{row['loss']:.4g} {unit}, predicted {row['predicted']:.4g}",
            "off_text": percent(row["residual"], 2),
        }
        for row in rows
        if math.isfinite(row["residual"])
    ]
    drawn = some(drawn, "Fit.residuals, with runs")
    along, ticks = scale([row["ratio"] for row in drawn])
    around, _ = scale([0.0, *(row["off"] for row in drawn)], log=False)
    share = alt.Axis(title="measured over predicted loss, less 1", format="+.1%", tickCount=8)
    points = (
        alt.Chart(data(drawn))
        .mark_point(filled=True, size=50, opacity=0.8)
        .encode(
            x=alt.X("ratio:Q", scale=along, axis=axis("tokens per parameter", ticks)),
            y=alt.Y("off:Q", scale=around, axis=share),
            color=alt.Color("form:N", scale=in_turn(forms, COLOURS), legend=series_legend()),
            shape=alt.Shape("form:N", scale=in_turn(forms, SHAPES), legend=series_legend()),
            tooltip=tips(run="run", loss="loss", off_text="off by", form="form"),
        )
    )
    zero = alt.Chart(data([{"off": 0.0}])).mark_rule(color=QUIET, strokeWidth=1.5).encode(y=alt.Y("off:Q"))
    size = {form: [abs(row["off"]) for row in drawn if row["form"] == form] for form in forms}
    said = "; ".join(f"{form} {percent(sum(off) / len(off), 2)}" for form, off in size.items())
    return finished(
        [zero, points],
        f"What the law misses of each run: {frame.attrs.get('label', 'fit')}",
        "above zero the run is worse than the law says; a slope to the right is an error of the form on long runs",
        f"Scatter of residuals against tokens per parameter. Mean size: {said}.",
        height=HEIGHT,
        dark=dark,
    )


@Drawn
def isoloss(frame: "pd.DataFrame", *, dark: bool = False) -> Drawing:
    """Lines of equal loss over parameters and tokens, with the runs that the law was fitted to.

    Args:
        frame: what `Fit.isoloss` returns.
        dark: colours of a dark page.

    """
    rows = records(frame, ["kind", "n_params", "train_tokens", "loss"], "Fit.isoloss")
    unit = frame.attrs.get("units", {}).get("loss", "nat/token")
    drawn = [
        {
            "kind": row["kind"],
            "n": row["n_params"],
            "d": row["train_tokens"],
            "level": f"{row['loss']:.3f}",
            "design": f"{quantity_text(row['n_params'], 'parameters')} on {quantity_text(row['train_tokens'], 'tokens')}",
            "loss": f"{row['loss']:.4g} {unit}",
        }
        for row in rows
    ]
    lines, runs = ([row for row in drawn if row["kind"] == kind] for kind in ("line", "run"))
    lines = some(lines, "Fit.isoloss")
    (across, x_ticks), (around, y_ticks) = (scale([row[key] for row in drawn], log=True) for key in ("n", "d"))
    x = alt.X("n:Q", scale=across, axis=axis("parameters", x_ticks))
    y = alt.Y("d:Q", scale=around, axis=axis("training tokens", y_ticks))
    curves = alt.Chart(data(lines)).encode(x=x, y=y, detail=alt.Detail("level:N"))
    levels = list(dict.fromkeys(row["level"] for row in lines))
    ends = [max((row for row in lines if row["level"] == level), key=lambda row: row["d"]) for level in levels]
    labels = alt.Chart(data(ends)).mark_text(dy=-7).encode(x=x, y=y, text=alt.Text("level:N"))
    points = (
        alt.Chart(data(runs))
        .mark_point(filled=True, size=40, color=ACCENT, opacity=0.9)
        .encode(x=x, y=y, tooltip=tips(design="run", loss="measured loss"))
    )
    label, form = frame.attrs.get("label", "fit"), frame.attrs.get("form", "")
    return finished(
        [
            curves.mark_line(color=MAIN, strokeWidth=1.5),
            touched(curves.encode(tooltip=tips(loss="predicted loss", design="design")), 40),
            points,
            labels,
        ],
        f"Lines of equal loss: {label}",
        f"{form} law, loss in {unit}; points are the runs, and where there are none the law extrapolates",
        f"Lines of equal predicted loss over parameters and training tokens, {levels[0]} to {levels[-1]} {unit}, with {len(runs)} runs.",
        height=HEIGHT,
        dark=dark,
    )
