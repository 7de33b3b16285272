"""The optimum among all designs: equal loss, equal cost and the way from the Chinchilla plan."""

from typing import TYPE_CHECKING, Any

import altair as alt

from ..theme import ACCENT, MAIN, QUIET, axis, data, finished, records, scale, some, told

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["contours"]

_COLUMNS = ["kind", "level", "label", "n_params", "train_tokens"]
_MARKS = ("optimum", "Chinchilla plan")


def contours(frame: "pd.DataFrame", *, dark: bool = False) -> alt.LayerChart:
    """Designs of equal loss (solid) and of equal cost (dashed), the path of equal quality (thick) and the fitted range (shaded).

    Args:
        frame: what `landscape` returns.
        dark: colours of a dark page.

    """
    rows = records(frame, _COLUMNS, "landscape")
    by_kind = {kind: [_told(r) for r in rows if r["kind"] == kind] for kind in ("loss", "cost", "path", "fitted")}
    marks = some([_told(r) for r in rows if r["kind"] in _MARKS], "landscape")
    window = frame.attrs["window"]
    n_ticks, d_ticks = (scale(ends, log=True)[1] for ends in window)
    along, around = (alt.Scale(type="log", domain=[*ends], nice=False) for ends in window)
    x = alt.X("n_params:Q", scale=along, axis=axis("active parameters N", n_ticks))
    y = alt.Y("train_tokens:Q", scale=around, axis=axis("training tokens D", d_ticks))
    tips = [
        alt.Tooltip("label:N", title="equal"),
        alt.Tooltip("size:N", title="size"),
        alt.Tooltip("trained:N", title="trained on"),
    ]
    layers = []
    if by_kind["fitted"]:
        edge = [{**r, "floor": window[1][0]} for r in by_kind["fitted"]]
        shade = alt.Chart(data(edge)).mark_area(color=QUIET, opacity=0.25, clip=True)
        layers.append(shade.encode(x=x, y=y, y2="floor:Q"))
    for kind, colour, dash in (("loss", MAIN, [1, 0]), ("cost", QUIET, [6, 4])):
        if by_kind[kind]:
            whole = alt.Chart(data(by_kind[kind]))
            layers.append(
                whole.mark_line(color=colour, strokeWidth=1.5, strokeDash=dash, clip=True).encode(
                    x=x, y=y, detail="label:N", order=alt.Order("n_params:Q"), tooltip=tips
                )
            )
    walk = alt.Chart(data(by_kind["path"])).mark_line(color=ACCENT, strokeWidth=4)
    layers.append(walk.encode(x=x, y=y, order=alt.Order("n_params:Q"), tooltip=tips))
    layers += _labels(by_kind, x, y)
    legend = alt.Legend(title=None, orient="bottom", labelLimit=260)
    points = alt.Chart(data(marks)).mark_point(filled=True, size=140, opacity=1)
    layers.append(
        points.encode(
            x=x,
            y=y,
            shape=alt.Shape("kind:N", scale=alt.Scale(domain=_MARKS, range=["diamond", "square"]), legend=legend),
            color=alt.Color("kind:N", scale=alt.Scale(domain=_MARKS, range=[ACCENT, MAIN]), legend=legend),
            tooltip=[alt.Tooltip("kind:N", title="design"), *tips[1:]],
        )
    )
    end, start = (next(r for r in marks if r["kind"] == kind) for kind in _MARKS)
    fitted = (
        "shaded: what the law was fitted on" if by_kind["fitted"] else "what the law was fitted on is not on record"
    )
    return finished(
        layers,
        "The way from the Chinchilla plan to the optimum",
        f"solid: equal loss; dashed: equal cost over the life; thick: equal quality\n{fitted}",
        f"Map of designs by active parameters and training tokens. At equal quality the Chinchilla plan, {start['size']} on "
        f"{start['trained']}, moves to {end['size']} on {end['trained']} at the least cost. {fitted[0].upper()}{fitted[1:]}.",
        height=420,
        dark=dark,
    )


def _labels(by_kind: dict[str, list[dict[str, Any]]], x: alt.X, y: alt.Y) -> list[alt.Chart]:
    """What each curve stands for: losses where it leaves to the right, costs at the upper left."""
    ends = []
    for kind, pick, dx, dy in (("loss", max, -8, 2), ("cost", min, 6, 4)):
        curves: dict[str, dict[str, Any]] = {}
        for r in by_kind[kind]:
            known = curves.setdefault(r["label"], r)
            curves[r["label"]] = pick(known, r, key=lambda row: row["n_params"])
        if curves:
            text = alt.Chart(data([*curves.values()])).mark_text(
                align="right" if kind == "loss" else "left", dx=dx, dy=dy, fontSize=10
            )
            ends.append(text.encode(x=x, y=y, text="label:N"))
    return ends


def _told(row: dict[str, Any]) -> dict[str, Any]:
    return {
        **{key: row[key] for key in ("kind", "label", "n_params", "train_tokens")},
        "size": told(row["n_params"], "parameters"),
        "trained": told(row["train_tokens"], "tokens"),
    }
