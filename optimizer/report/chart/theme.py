"""What do all charts share? Colours, number format, ticks and the checks that Altair leaves out.

Colours keep a contrast of 3:1 or more against white and against a dark page; what they say is said again by shape, fill or position. Vega
would write a billion as 1G and 1e26 as 100Y: `axis` writes 1B and 1e26, as everything else does.
"""

import functools
import inspect
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, ParamSpec

import altair as alt
import pandas as pd  # whole before anything is drawn: Altair looks at it while another thread may still be importing it
from altair.utils.schemapi import debug_mode

from ...assumptions.arguments import FLAG, TEXT, WHOLE, checks, described
from ...assumptions.numbers import human
from ...assumptions.problems import InputError

__all__ = [
    "ACCENT",
    "COLOURS",
    "DASHES",
    "MAIN",
    "MOST_MARKS",
    "NAMES",
    "QUIET",
    "SHAPES",
    "STATED",
    "STEP",
    "WIDTH",
    "Drawing",
    "Drawn",
    "Layers",
    "Rows",
    "axis",
    "data",
    "end_labels",
    "finished",
    "in_turn",
    "largest",
    "log_scale",
    "named",
    "names_axis",
    "records",
    "rule",
    "scale",
    "some",
    "steady",
    "steady_top",
    "told",
    "touched",
    "with_unit",
]

MAIN, ACCENT, QUIET = "#2a7fbf", "#d1661c", "#808080"

COLOURS = (MAIN, ACCENT, "#2e8b57", "#b0478f", QUIET, "#9a7d0a")
DASHES = ([1, 0], [7, 4], [2, 3], [10, 3, 2, 3], [4, 2], [14, 4])
SHAPES = ("diamond", "square", "triangle-up", "circle", "cross", "triangle-down")
"""Of things drawn beside each other, which are told apart by all three."""

MOST_MARKS = 2000

WIDTH = 560
"""pixels"""

STATED = "traffic as stated, before its share and the probability of shipping"

STEP = 24
"""pixels from one row of bars to the next"""

_NAMES = {
    "n_params": "active parameters N*",
    "train_tokens": "training tokens D*",
    "rl_tokens": "RL tokens R*",
    "tokens_per_param": "tokens per parameter D*/N*",
    "overtraining_vs_rule_of_20": "over-training D*/(20 N*)",
    "overtraining_vs_law": "over-training D*/D0(N*)",
    "loss": "loss",
    "cost_total": "cost over the life",
    "step_ms": "time of a step",
    "tokens_per_second_per_user": "speed per user",
    "tokens_per_second_per_chip": "throughput per chip",
    "usd_per_mtok_decode": "decoding",
    "usd_per_mtok_prefill": "prefill",
}

_HUMAN = (
    "datum.value == 0 ? '0' : abs(datum.value) >= 1e18 ? replace(format(datum.value, '~e'), '+', '') : abs(datum.value) >= 1000 ? "
    "replace(replace(format(datum.value, '~s'), 'G', 'B'), 'k', 'K') : format(datum.value, '~g')"
)


def named(output: str) -> str:
    """What people call an output."""
    return _NAMES.get(output, output.replace("_", " "))


def with_unit(output: str, unit: str) -> str:
    """What people call an output, with its unit where the name does not say it."""
    return named(output) + ("" if unit in ("1", "") or unit in named(output) else f" ({unit})")


def told(value: float, unit: str, output: str = "") -> str:
    """A number with its unit, for tooltips and labels: "111B parameters", "52.4x".

    >>> told(1.114e11, "parameters"), told(52.43, "1", "overtraining_vs_law"), told(0.25, "1")
    ('111B parameters', '52.4x', '0.25')

    """
    text = human(value, 3)
    if output.startswith("overtraining") and math.isfinite(value):
        return f"{value:,.0f}x" if 1e3 <= value < 1e9 else f"{text}x"
    return text if unit in ("1", "") else f"{text} {unit}"


def needs_frame(frame: pd.DataFrame, columns: Iterable[str], maker: str) -> None:
    """Refuse what is no frame, and a frame without these columns.

    Raises:
        TypeError: it is something else.
        InputError: a column is missing.

    """
    if not isinstance(frame, pd.DataFrame):
        raise TypeError(f"the chart takes the DataFrame that {maker} returns, got {described(frame)}.")
    missing = [column for column in columns if column not in frame]
    if missing:
        raise InputError([f"the chart needs column {', '.join(missing)}; give it the frame that {maker} returns."])


def records(frame: pd.DataFrame, columns: Iterable[str], maker: str) -> list[dict[str, Any]]:
    """The rows of a frame, its index as a column. Altair draws nothing, and says nothing, for a column that is missing: this says it.

    Raises:
        InputError: a column is missing, the frame has no rows, or it has more than a chart can show.

    """
    needs_frame(frame, columns, maker)
    if len(frame) > MOST_MARKS:
        raise InputError(
            [f"a chart shows at most {MOST_MARKS:,} marks, the frame has {len(frame):,} rows; take fewer."]
        )
    named = frame if frame.index.name is None else frame.reset_index()
    return some(named.to_dict("records"), maker)


def some(rows: list[dict[str, Any]], maker: str) -> list[dict[str, Any]]:
    """The rows, if there are any.

    Raises:
        InputError: there are none.

    """
    if not rows:
        raise InputError([f"there is nothing to draw; give the chart the frame that {maker} returns."])
    return rows


def _ticks(low: float, high: float) -> list[float]:
    """Ticks of a logarithmic axis: as many as there is room for within a decade, 1, 2, 5 over two or so, else powers of ten."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    stride = max(1, math.ceil((last - first) / 8))
    span = math.log10(high / low)
    fine = (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0)
    found = list[float]()
    for steps in (fine, (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0), (1.0, 2.0, 3.0, 5.0, 7.0), (1.0, 2.0, 5.0), (1.0,)):
        found = [step * 10.0**i for i in range(first, last + 1, stride) for step in steps]
        if span < 3 and sum(low <= tick <= high for tick in found) <= 5 + span:
            break
    return found


def scale(values: Sequence[float], *, log: bool | None = None) -> tuple[alt.Scale, list[float] | None]:
    """A scale around the values, and its ticks: logarithmic where they are positive and spread over a factor of five or more."""
    finite = [v for v in values if v is not None and math.isfinite(v)]
    low, high = (min(finite), max(finite)) if finite else (0.0, 1.0)
    if low > 0 and (high / low >= 5 if log is None else log):
        margin = (high / low) ** 0.06 if high > low else 2.0
        return log_scale((low / margin, high * margin))
    margin = 0.08 * (high - low) or abs(high) * 0.1 or 1.0
    return alt.Scale(domain=[low - margin, high + margin], nice=False, zero=False), None


def log_scale(ends: tuple[float, float]) -> tuple[alt.Scale, list[float]]:
    """A logarithmic scale from end to end, and its ticks."""
    low, high = ends
    return alt.Scale(type="log", domain=[low, high], nice=False), [t for t in _ticks(low, high) if low <= t <= high]


def steady(values: Sequence[float]) -> tuple[float, float]:
    """Ends of a logarithmic axis around the values, at eighths of a decade.

    A small change of the question then moves what is drawn and not the axis, so that the move can be seen; and a browser that is sent the
    same chart with other numbers redraws it in a fraction of the time.
    """
    low, high = math.floor(8 * math.log10(min(values)) - 0.1), math.ceil(8 * math.log10(max(values)) + 0.1)
    return 10 ** (low / 8), 10 ** (high / 8)


def steady_top(most: float) -> float:
    """The upper end of an axis from zero, at eighths of a decade for the reason of `steady`."""
    return 10 ** (math.ceil(8 * math.log10(most)) / 8) if most > 0 else 1.0


def axis(title: str, ticks: list[float] | None = None, *, output: str = "", **more: Any) -> alt.Axis:
    """An axis with numbers as people write them; over-training in times."""
    label = "format(datum.value, ',~r') + 'x'" if output.startswith("overtraining") else _HUMAN
    values = {} if ticks is None else {"values": ticks}
    return alt.Axis(title=title, labelExpr=label, labelOverlap=True, **values, **more)


NAMES = alt.Axis(grid=False, ticks=False, domain=False, labelPadding=6)
"""An axis of names."""


def names_axis(name: str, order: list[str]) -> alt.Y:
    """A vertical axis of names, in the order given."""
    return alt.Y(f"{name}:N", sort=order, title=None, axis=NAMES)


def end_labels(whole: alt.Chart, field: str, *, gap: int) -> list[alt.Chart]:
    """The column `label` beside the end of a bar at `field`, on the side that the column `left` says."""
    left = whole.transform_filter("datum.left").mark_text(align="right", baseline="middle")
    right = whole.transform_filter("!datum.left").mark_text(align="left", dx=gap, baseline="middle")
    # On a narrow page the label moves onto its bar before it would run into the names.
    beside = alt.XValue(alt.ExprRef(f"max(scale('x', datum['{field}']) - {gap}, 6 * length(datum.label))"))
    text = alt.Text("label:N")
    return [left.encode(x=beside, text=text), right.encode(x=alt.X(f"{field}:Q"), text=text)]


def rule(value: float) -> alt.Chart:
    """A vertical line."""
    return alt.Chart(data([{"x": value}])).mark_rule(color=QUIET, strokeWidth=1.5).encode(x=alt.X("x:Q"))


def largest(rows: list[dict[str, Any]], top: int, size: str) -> tuple[list[dict[str, Any]], str]:
    """The first rows and those as large as the last of them, of rows that are sorted; and in words what is left out, if anything is.

    >>> largest([{"a": 3.0}, {"a": 2.0}, {"a": 2.0}, {"a": 1.0}], 2, "a")
    ([{'a': 3.0}, {'a': 2.0}, {'a': 2.0}], 'the 3 largest of 4')

    """
    least = abs(rows[top - 1][size]) * (1 - 1e-6) if 0 < top < len(rows) else 0.0
    shown = [row for i, row in enumerate(rows) if i < top or abs(row[size]) >= least]
    return shown, f"the {len(shown)} largest of {len(rows)}" if len(shown) < len(rows) else ""


class Rows(alt.NamedData):
    """Records that a chart draws, under a name: they stand once, beside the chart, which stays the same when they change."""

    rows: list[dict[str, Any]]

    def __init__(self, rows: Sequence[dict[str, Any]] = (), name: str = "rows", **more: Any) -> None:
        super().__init__(name=name, **more)
        object.__setattr__(self, "rows", [*rows])  # Altair would take an attribute for part of the chart


def in_turn(names: Sequence[str], looks: Sequence[Any]) -> alt.Scale:
    """Each name with a look of its own, as far as there are looks."""
    return alt.Scale(domain=[*names], range=[looks[i % len(looks)] for i in range(len(names))])


def touched(whole: alt.Chart, size: float = 90) -> alt.Chart:
    """Unseen points that carry the tooltips of a curve: a line itself tells those of its first point, wherever it is touched."""
    return whole.mark_point(filled=True, size=size, opacity=0)


def data(rows: Iterable[dict[str, Any]]) -> Rows:
    """Rows as Altair takes them; JSON has no words for infinite and undefined."""
    return Rows([{k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in r.items()} for r in rows])


def _told_on_purpose(layer: alt.Chart) -> alt.Chart:
    """The layer, without the tooltip of raw numbers and column names that a page's theme gives to a mark that has none of its own."""
    if layer.encoding is not alt.Undefined and layer.encoding.tooltip is not alt.Undefined:
        return layer
    mark = {"type": layer.mark} if isinstance(layer.mark, str) else layer.mark.to_dict()
    return layer.properties(mark={**mark, "tooltip": None})


@dataclass(frozen=True)
class Layers:
    """The layers of a chart; kept between drawings where only their numbers change, they are worked out once."""

    charts: tuple[alt.Chart, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "charts", tuple(_told_on_purpose(chart) for chart in self.charts))

    @functools.cached_property
    def plain(self) -> list[dict[str, Any]]:
        """As Vega-Lite has them."""
        inside = {"top_level": False, "pre_transform": False}
        with debug_mode(False):
            return [layer.to_dict(validate=False, context=inside) for layer in self.charts]


@dataclass(frozen=True)
class Drawing:
    """A chart before it is one."""

    layers: Layers
    datasets: dict[str, list[dict[str, Any]]]
    """what the layers draw, by name"""
    around: dict[str, Any]
    """what belongs to the whole: title, size, colours"""

    def chart(self) -> alt.LayerChart:
        """As Altair has it, to be changed and put beside others."""
        return alt.LayerChart(layer=[*self.layers.charts], datasets=self.datasets, **self.around)

    def spec(self) -> dict[str, Any]:
        """As Vega-Lite has it: the same as `chart().to_dict()` in a fraction of the time, which Altair spends on copies."""
        return {"$schema": alt.SCHEMA_URL, **self.around, "layer": self.layers.plain, "datasets": self.datasets}


P = ParamSpec("P")

_OPTIONS = {"output": TEXT, "top": WHOLE, "dark": FLAG}
"""Options that charts share."""


class Drawn(Generic[P]):
    """A function that draws: called, it gives an Altair chart; `drawing` gives what the app and the picture files need of it."""

    def __init__(self, draw: Callable[P, Drawing]) -> None:
        options = [name for name in inspect.signature(draw).parameters if name in _OPTIONS]
        self._draw = checks(**{name: _OPTIONS[name] for name in options})(draw)
        self.name = draw.__name__.replace("_", "-")
        functools.update_wrapper(self, draw)

    def __call__(self, *args: P.args, **options: P.kwargs) -> alt.LayerChart:
        """The chart."""
        return self._draw(*args, **options).chart()

    def drawing(self, *args: P.args, **options: P.kwargs) -> Drawing:
        """The chart before it is one, not checked against Vega-Lite's schema, which takes long; tests do it for every chart."""
        with debug_mode(False):
            return self._draw(*args, **options)


def finished(
    layers: Sequence[alt.Chart] | Layers,
    title: str,
    subtitle: str,
    description: str,
    *,
    height: Any,
    width: Any = WIDTH,
    dark: bool,
    datasets: dict[str, list[dict[str, Any]]] | None = None,
) -> Drawing:
    """Layers as one drawing, with its title, its text for people who cannot see it, and the colours of a light or a dark page.

    Layers made with `data` bring their rows; layers that are kept name them, and `datasets` has them.
    """
    ink, faint, page = ("#e8e8e8", "#3a3f47", "#0e1117") if dark else ("#1f2328", "#e2e4e8", "#ffffff")
    words = {
        "labelColor": ink,
        "titleColor": ink,
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
    }
    around = {
        "width": width,
        "height": height,
        "title": {"text": title, "subtitle": subtitle.split("\n"), "anchor": "start", "frame": "group"},
        "description": description,
        "background": page,
        "padding": {"left": 12, "right": 12, "top": 12, "bottom": 12},  # Streamlit adds to its members, and fails on a number
        "config": {
            "view": {"stroke": None},
            "axis": {"gridColor": faint, "domainColor": QUIET, "tickColor": QUIET, "labelLimit": 320, **words},
            "title": {
                "color": ink, "subtitleColor": ink, "fontSize": 15, "subtitleFontSize": 12, "offset": 12, "subtitlePadding": 5,
            },
            "legend": words,
            "text": {"color": ink, "fontSize": 11},
        },
    }  # fmt: skip
    if isinstance(layers, Layers):
        return Drawing(layers, datasets or {}, around)
    brought = {id(layer.data): layer.data for layer in layers}
    for i, rows in enumerate(brought.values()):
        rows.name = f"rows{i}"
    return Drawing(Layers((*layers,)), {str(rows.name): rows.rows for rows in brought.values()}, around)
