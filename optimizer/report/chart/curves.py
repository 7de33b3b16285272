"""Curves of the optimum against an assumption (size_table), against traffic (fan) and against quality (frontier)."""

import math
from typing import TYPE_CHECKING, Any

import altair as alt

from ...assumptions.naming import choice_in_words, in_words
from ...assumptions.numbers import human
from ...assumptions.paths import linked
from ...assumptions.problems import InputError
from ...assumptions.record import KEY
from ...model.outputs import heading, quantity_text, range_text, with_unit, written
from .drawing import Drawing, Drawn, data, finished
from .marks import legend, series_legend, tips, touched
from .rows import needs_frame, records, some
from .scales import axis, in_turn, output_axis, scale
from .theme import ACCENT, COLOURS, DASHES, HEIGHT, MAIN, SHAPES, STATED, capital

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["fan", "frontier", "size_table"]

MOST_LINES = 12
_LINES = ("median of the draws", "optimum at the point values", "5 % band of that optimum")
_DASHES = ([1, 0], [8, 4], [2, 3])


@Drawn
def fan(frame: "pd.DataFrame", output: str = "overtraining_vs_rule_of_20", *, dark: bool = False) -> Drawing:
    """Quantiles against traffic: shaded ranges, the median, and the optimum with its 5 % band where the frame has them.

    Args:
        frame: what `monte_carlo` returns when it is given `served`, or `quantiles` of such draws.
        output: one of its outputs.
        dark: colours of a dark page.

    """
    maker = "monte_carlo with served=[...]"
    rows = records(frame, ["served_tokens", "output", "unit", "quantile", "value"], maker)
    here = some([r for r in rows if r["output"] == output], f"{maker} and {output} among its outputs")
    here = some([r for r in here if math.isfinite(r["value"])], f"{maker} and draws that have answers")
    unit, levels = here[0]["unit"], sorted({r["quantile"] for r in here})
    at = {(r["served_tokens"], r["quantile"]): r["value"] for r in here}
    served = sorted({r["served_tokens"] for r in here})
    pairs = [(q, p) for q in levels for p in levels if q < 0.5 and math.isclose(q + p, 1)]

    def point(tokens: float, **more: Any) -> dict[str, Any]:
        return {"served": tokens, "traffic": quantity_text(tokens, "tokens"), **more}

    shades = [
        point(
            tokens,
            low=at[tokens, q],
            high=at[tokens, p],
            range=_between(q, p),
            value_text=range_text(at[tokens, q], at[tokens, p], unit, output),
        )
        for q, p in pairs
        for tokens in served
    ]
    lines = [(_LINES[0], "median", tokens, at[tokens, 0.5]) for tokens in served if 0.5 in levels]
    points = {r["served_tokens"]: r for r in here if "optimum" in r}
    for line, column in ((_LINES[1], "optimum"), (_LINES[2], "band_low"), (_LINES[2], "band_high")):
        known = {tokens: r.get(column, math.nan) for tokens, r in points.items()}
        lines += [(line, column, tokens, value) for tokens, value in known.items() if math.isfinite(value)]
    drawn = [
        point(tokens, line=line, which=which, value=value, value_text=quantity_text(value, unit, output))
        for line, which, tokens, value in lines
    ]
    heights = [r["value"] for r in drawn] + [r[end] for r in shades for end in ("low", "high")]
    around, ticks = scale(heights)
    along, tokens_ticks = scale(served)
    x = alt.X("served:Q", scale=along, axis=axis("stated traffic over the life (tokens)", tokens_ticks))
    y_axis = output_axis(output, unit, ticks)
    tooltip = tips(traffic="stated traffic", value_text=heading(output))
    spans = [
        alt.Chart(data([r for r in shades if r["range"] == _between(q, p)])).encode(
            x=x, y=alt.Y("low:Q", scale=around, axis=y_axis), y2=alt.Y2("high:Q")
        )
        for q, p in pairs
    ]
    areas = [span.mark_area(color=MAIN, opacity=0.22) for span in spans]
    areas += [
        span.mark_rule(strokeWidth=24, opacity=0).encode(tooltip=[*tips(range="draws"), *tooltip]) for span in spans
    ]
    shown = [line for line in _LINES if any(r["line"] == line for r in drawn)]
    below = legend(symbolSize=400, symbolStrokeWidth=2, values=shown, symbolType="stroke")
    strokes = []
    if drawn:
        lines = alt.Chart(data(drawn)).encode(x=x, y=alt.Y("value:Q", scale=around, axis=y_axis))
        strokes = [
            lines.mark_line(strokeWidth=2).encode(
                detail=alt.Detail("which:N"),
                strokeDash=alt.StrokeDash("line:N", scale=alt.Scale(domain=_LINES, range=_DASHES), legend=below),
                color=alt.Color("line:N", scale=alt.Scale(domain=_LINES, range=[MAIN, ACCENT, ACCENT]), legend=below),
            ),
            touched(lines.encode(tooltip=[*tips(line="line"), *tooltip])),
        ]
    middle = 0.5 if 0.5 in levels else levels[len(levels) // 2]
    ends = " and ".join(
        f"{quantity_text(at[t, middle], unit, output)} at {quantity_text(t, 'tokens')}" for t in (served[0], served[-1])
    )
    ranges = [_between(q, p) for q, p in reversed(pairs)]
    name = heading(output)
    return finished(
        [*areas, *strokes],
        f"{capital(name)} against traffic",
        (f"shaded: {', '.join(ranges)} of the draws" if ranges else "quantiles of the draws") + f"\n{STATED}",
        f"Fan chart of {name} against tokens served. Quantile {written(middle, 'quantile')}: {ends}.",
        height=HEIGHT,
        dark=dark,
    )


@Drawn
def frontier(frame: "pd.DataFrame", *, dark: bool = False) -> Drawing:
    """The least cost of each loss, with the scenario's own optimum marked.

    Args:
        frame: what `frontier` returns.
        dark: colours of a dark page.

    """
    rows = records(frame, ["loss", "cost_total", "cost_vs_today", "today", "n_params", "train_tokens"], "frontier")
    rows = some([r for r in rows if math.isfinite(r["cost_total"])], "frontier, with losses that can be reached")
    unit = frame.attrs.get("units", {}).get("cost_total", "")
    drawn = [
        {
            **{key: row[key] for key in ("loss", "cost_total", "today")},
            "cost": quantity_text(row["cost_total"], unit),
            "design": f"{quantity_text(row['n_params'], 'parameters')} on {quantity_text(row['train_tokens'], 'tokens')}",
            "ratio": written(row["cost_vs_today"], "cost_vs_today"),
            "loss_text": f"{row['loss']:.4f} nat/token",
        }
        for row in rows
    ]
    along, ticks = scale([row["cost_total"] for row in drawn])
    around, _ = scale([row["loss"] for row in drawn], log=False)
    bare = alt.Chart(data(drawn)).encode(
        x=alt.X("cost_total:Q", scale=along, axis=output_axis("cost_total", unit, ticks)),
        y=alt.Y("loss:Q", scale=around, axis=axis("loss (nat/token), lower is better")),
    )
    whole = bare.encode(
        tooltip=tips(loss_text="loss", cost="least cost", ratio=heading("cost_vs_today"), design="design"),
    )
    curve = bare.mark_line(color=MAIN, strokeWidth=2, point=alt.OverlayMarkDef(color=MAIN, size=28, tooltip=None))
    today = whole.transform_filter("datum.today")
    mark = today.mark_point(shape="diamond", filled=True, size=160, color=ACCENT, opacity=1)
    text = today.mark_text(align="left", dx=12, dy=-10).encode(text=alt.Text("design:N"))
    ends = " to ".join(f"loss {row['loss']:.3f} for {row['cost']}" for row in (drawn[0], drawn[-1]))
    return finished(
        [curve, touched(whole), mark, text],
        "Least cost of each loss",
        "each point is an optimum" + ("; diamond: the scenario itself" if any(r["today"] for r in drawn) else ""),
        f"Frontier of cost against quality, from {ends}.",
        height=HEIGHT,
        dark=dark,
    )


@Drawn
def size_table(frame: "pd.DataFrame", output: str = "overtraining_vs_rule_of_20", *, dark: bool = False) -> Drawing:
    """An output against the first number of the grid, one line for each combination of the other assumptions.

    Args:
        frame: what `size_table` returns.
        output: a numeric column of it.
        dark: colours of a dark page.

    Raises:
        InputError: no path of the grid has two numbers, or there would be too many lines.

    """
    needs_frame(frame, ["status", output], "size_table")
    axes = [linked(axis) for axis in frame.attrs.get(KEY, {}).get("table", {}).get("over", {})]
    paths, units = [path for axis in axes for path in axis], frame.attrs.get("units", {})
    rows = records(frame, [*paths, "status", output], "size_table")
    along = next((p for p in paths if len({r[p] for r in rows if _is_number(r[p])}) > 1), None)
    if along is None:
        raise InputError(
            ["the chart needs an assumption that takes two numbers or more; give one such, or read the table."]
        )
    others = [p for axis in axes if along not in axis for p in axis]  # paths linked with it change along the line
    unit = units.get(output, "1")
    drawn = [
        {
            "x": float(r[along]),
            "y": float(r[output]),
            "line": ", ".join(f"{in_words(p)} {_choice(p, r[p])}" for p in others),
            "at": quantity_text(float(r[along]), units.get(along, "1")),
            "value_text": quantity_text(float(r[output]), unit, output),
        }
        for r in rows
        if _is_number(r[along]) and math.isfinite(r[output])
    ]
    drawn = some(drawn, "size_table, with rows that have an answer")
    lines = list(dict.fromkeys(r["line"] for r in drawn))
    if len(lines) > MOST_LINES:
        raise InputError(
            [f"the chart draws at most {MOST_LINES} lines, the frame has {len(lines)}; take fewer values."]
        )
    (across, x_ticks), (around, y_ticks) = scale([r["x"] for r in drawn]), scale([r["y"] for r in drawn])
    x_axis = axis(along if units.get(along, "1") == "1" else f"{along} ({units[along]})", x_ticks)
    below = series_legend() if others else None
    whole = alt.Chart(data(drawn)).encode(
        x=alt.X("x:Q", scale=across, axis=x_axis),
        y=alt.Y("y:Q", scale=around, axis=output_axis(output, unit, y_ticks)),
        color=alt.Color("line:N", scale=in_turn(lines, COLOURS), legend=below),
    )
    curves = whole.mark_line(strokeWidth=2).encode(
        strokeDash=alt.StrokeDash("line:N", scale=in_turn(lines, DASHES), legend=below)
    )
    points = whole.mark_point(filled=True, size=60, opacity=1).encode(
        shape=alt.Shape("line:N", scale=in_turn(lines, SHAPES), legend=below),
        tooltip=tips(at=along, value_text=heading(output), **({"line": "with"} if others else {})),
    )
    missing = len(rows) - len(drawn)
    return finished(
        [curves, points],
        f"{capital(heading(output))} against {along}",
        "each mark is an optimum"
        + (f"; not drawn: {missing} of {len(rows)} points, which have no answer" if missing else ""),
        f"{len(lines)} curves of {with_unit(output, unit)} against {along}: "
        + "; ".join(f"{line or 'the scenario'} {_ends([r for r in drawn if r['line'] == line])}" for line in lines)
        + ".",
        height=HEIGHT,
        dark=dark,
    )


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def _between(low: float, high: float) -> str:
    return range_text(low, high, "1", "quantile")


def _choice(path: str, value: object) -> str:
    return human(value, 3) if isinstance(value, float) else choice_in_words(path, str(value))


def _ends(line: list[dict[str, Any]]) -> str:
    first, last = (end(line, key=lambda r: r["x"]) for end in (min, max))
    return f"{first['value_text']} at {first['at']} to {last['value_text']} at {last['at']}"
