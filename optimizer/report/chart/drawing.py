"""A chart as plain Vega-Lite, which the app draws sixty times faster than Altair makes it.

    Drawn (a chart's function) -> Drawing (layers, rows, style) -> chart(): an Altair chart | spec(): a dict for the browser

For the two charts of the Plan page `chart(...).to_dict()` takes 177 and 68 ms (65 and 28 ms without validation); `drawing(...).spec()`
takes 3.0 and 1.1 ms (33 and 9 ms when their layers are not kept yet): medians of 30 on one core with Altair 6.3. Altair spends that time on
checks and copies. Tests compare both forms and validate every chart.
"""

import functools
import inspect
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, ParamSpec

import altair as alt
from altair.utils.schemapi import debug_mode

from ...assumptions.arguments import FLAG, TEXT, WHOLE, checks
from .theme import WIDTH, page_style

__all__ = ["Drawing", "Drawn", "Layers", "Rows", "autosize", "data", "finished", "pixels"]

GAP = 0.2
"""Room between two rows that hold several marks each, in rows; Vega's own."""


class Rows(alt.NamedData):
    """Records that a chart draws, under a name: they are stored once, outside the layers, which stay the same when the records change."""

    rows: list[dict[str, Any]]

    def __init__(self, rows: Sequence[dict[str, Any]] = (), name: str = "rows", **more: Any) -> None:
        super().__init__(name=name, **more)
        object.__setattr__(self, "rows", [*rows])  # Altair would take an attribute for part of the chart


def data(rows: Iterable[dict[str, Any]]) -> Rows:
    """Rows for `alt.Chart`; numbers that are not finite become None, as JSON has neither infinity nor NaN."""
    return Rows([{k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in r.items()} for r in rows])


def _own_tooltip_only(layer: alt.Chart) -> alt.Chart:
    """The layer, without the tooltip of raw numbers and column names that a page's theme gives to a mark that has none of its own."""
    if layer.encoding is not alt.Undefined and layer.encoding.tooltip is not alt.Undefined:
        return layer
    mark = {"type": layer.mark} if isinstance(layer.mark, str) else layer.mark.to_dict()
    return layer.properties(mark={**mark, "tooltip": None})


@dataclass(frozen=True)
class Layers:
    """The layers of a chart. Where only their numbers change, a chart keeps them between drawings and converts them once."""

    charts: tuple[alt.Chart, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "charts", tuple(_own_tooltip_only(chart) for chart in self.charts))

    @functools.cached_property
    def plain(self) -> list[dict[str, Any]]:
        """The layers as Vega-Lite."""
        inside = {"top_level": False, "pre_transform": False}
        with debug_mode(False):
            return [layer.to_dict(validate=False, context=inside) for layer in self.charts]


@dataclass(frozen=True)
class Drawing:
    """A chart before it is converted to Altair or to Vega-Lite."""

    layers: Layers
    datasets: dict[str, list[dict[str, Any]]]
    """the rows of the layers, by name"""
    around: dict[str, Any]
    """title, size and style of the whole chart"""

    def chart(self) -> alt.LayerChart:
        """An Altair chart, which can be changed and combined with others."""
        return alt.LayerChart(layer=[*self.layers.charts], datasets=self.datasets, **self.around)

    def spec(self) -> dict[str, Any]:
        """Vega-Lite: the same as `chart().to_dict()`."""
        return {"$schema": alt.SCHEMA_URL, **self.around, "layer": self.layers.plain, "datasets": self.datasets}


def autosize(spec: dict[str, Any]) -> dict[str, str]:
    """How a page fits a chart: into its width, and into a height in pixels; a height by the row is that of the rows alone."""
    return {"type": "fit-x" if isinstance(spec["height"], dict) else "fit", "contains": "padding"}


def pixels(spec: dict[str, Any]) -> float:
    """The height of a chart; of one whose height is given by the row, what Vega makes of it: rows of several marks have gaps."""
    height = spec["height"]
    if not isinstance(height, dict):
        return height
    encoding = next(e for layer in spec["layer"] if "sort" in (e := layer["encoding"]).get("y", {}))
    rows, offset = len(encoding["y"]["sort"]), encoding.get("yOffset")
    if offset is None:
        return height["step"] * rows
    row = height["step"] if height.get("for") == "position" else height["step"] * len(offset["sort"]) / (1 - GAP)
    return row * (rows + GAP)


P = ParamSpec("P")

_OPTIONS = {"output": TEXT, "top": WHOLE, "dark": FLAG}
"""Options that charts share."""


class Drawn(Generic[P]):
    """A function that draws: a call returns an Altair chart; `drawing` returns what the app and the picture files need of it."""

    def __init__(self, draw: Callable[P, Drawing]) -> None:
        options = [name for name in inspect.signature(draw).parameters if name in _OPTIONS]
        self._draw = checks(**{name: _OPTIONS[name] for name in options})(draw)
        self.name = draw.__name__.replace("_", "-")
        functools.update_wrapper(self, draw)

    def __call__(self, *args: P.args, **options: P.kwargs) -> alt.LayerChart:
        """The chart."""
        return self._draw(*args, **options).chart()

    def drawing(self, *args: P.args, **options: P.kwargs) -> Drawing:
        """The chart before it is converted, without Altair's slow validation of its parts."""
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
    """Layers as one drawing, with its title, its text for people who cannot see it, and the style of a light or a dark page.

    Layers made with `data` hold their rows; kept layers refer to them by name, and `datasets` has them.
    """
    around = {
        "width": width,
        "height": height,
        "title": {"text": title, "subtitle": subtitle.split("\n"), "anchor": "start", "frame": "group"},
        "description": description,
        **page_style(dark=dark),
    }
    if isinstance(layers, Layers):
        return Drawing(layers, datasets or {}, around)
    found = {id(layer.data): layer.data for layer in layers}
    for i, rows in enumerate(found.values()):
        rows.name = f"rows{i}"
    return Drawing(Layers((*layers,)), {str(rows.name): rows.rows for rows in found.values()}, around)
