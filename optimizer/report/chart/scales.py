"""Axes, scales and ticks of charts.

Vega writes a billion as 1G and 1e26 as 100Y; `axis` writes 1B and 1e26, as tables and the terminal do.
"""

import math
from collections.abc import Sequence
from typing import Any

import altair as alt

from ...assumptions.numbers import human
from ...model.outputs import output_of, with_unit

__all__ = [
    "NAMES",
    "Kept",
    "alike",
    "axis",
    "in_turn",
    "log_scale",
    "names_axis",
    "output_axis",
    "scale",
    "scale_in_data",
    "share_of",
    "steady",
    "steady_top",
    "ticks_in_data",
    "ticks_of",
]

Kept = dict[str, tuple[int, int]]
"""Ends of axes by name, in eighths of a decade, from one drawing to the next."""

EXPONENT_FROM, MOST_IN_TRILLIONS = 1e17, 1e19
"""Counts from which on a number is written with an exponent, and with one even where others of its axis have T."""
MOST_ROOM = 3
"""Eighths of a decade by which a kept axis may be longer than a new one."""

_HUMAN = (
    "datum.value == 0 ? '0' : abs(datum.value) >= 1e17 ? replace(format(datum.value, '~e'), '+', '') : abs(datum.value) >= 1e12 ? "
    "format(datum.value / 1e12, '~g') + 'T' : abs(datum.value) >= 1000 ? "
    "replace(replace(format(datum.value, '~s'), 'G', 'B'), 'k', 'K') : format(datum.value, '~g')"
)
_LABELS = {
    "number": _HUMAN,
    "ratio": "format(datum.value, ',~r') + 'x'",
    "share": "format(100 * datum.value, '~g') + ' %'",
    "count": "format(datum.value, ',~r')",
    "whole": "format(datum.value, ',.0f')",
}
"""Vega expressions that write a tick, by the kind of output."""


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


def share_of(where: alt.Scale, value: float) -> float:
    """Where a value stands between the ends of a scale, 0 to 1."""
    low, high = where.domain
    return math.log(value / low) / math.log(high / low) if where.type == "log" else (value - low) / (high - low)


def scale_in_data(rows: str, *ends: str, log: bool = False) -> alt.Scale:
    """A scale whose ends are fields of the first row of a data set; an empty name is 0.

    A browser redraws a chart with other numbers in a fraction of the time that a chart with another scale takes, which it draws anew.
    """
    domain = [alt.ExprRef(f"data('{rows}')[0].{end}") if end else 0 for end in ends]
    return alt.Scale(type="log" if log else alt.Undefined, domain=domain, nice=False)


def ticks_of(ends: tuple[float, float]) -> list[dict[str, float]]:
    """The ticks of a logarithmic axis as rows, for `ticks_in_data`."""
    return [{"tick": tick} for tick in log_scale(ends)[1]]


def ticks_in_data(rows: str) -> Any:
    """Ticks of an axis that are rows of a data set; a layer must draw these, as Vega-Lite drops data that no layer draws."""
    return alt.ExprRef(f"pluck(data('{rows}'), 'tick')")


def steady(values: Sequence[float], kept: Kept | None = None, name: str = "") -> tuple[float, float]:
    """Ends of a logarithmic axis around the values, at eighths of a decade.

    A small change of the scenario then moves the marks and not the axis, so that the reader sees the move; and a browser that receives the
    same chart with other numbers redraws it in a fraction of the time. For both reasons the ends of the drawing before, where they are
    `kept`, stay while they hold the values and leave at most three eighths of room.
    """
    low, high = math.floor(8 * math.log10(min(values)) - 0.1), math.ceil(8 * math.log10(max(values)) + 0.1)
    if kept is not None:
        was = kept.get(name)
        if was is not None and abs(was[0] - low) + abs(was[1] - high) <= MOST_ROOM:
            # An end that must move goes an eighth further: most changes go on in their direction.
            low = was[0] if was[0] <= low else low - 1
            high = was[1] if was[1] >= high else high + 1
        kept[name] = low, high
    return 10 ** (low / 8), 10 ** (high / 8)


def steady_top(most: float, kept: Kept | None = None, name: str = "") -> float:
    """The upper end of an axis from zero, at eighths of a decade; for the reasons of `steady` the end before stays while it is near."""
    if not most > 0:
        return 1.0
    top = math.ceil(8 * math.log10(most))
    if kept is not None:
        was = kept.get(name)
        if was is not None and was[1] - MOST_ROOM <= top <= was[1]:
            top = was[1]
        kept[name] = 0, top
    return 10 ** (top / 8)


def axis(title: str, ticks: Any = None, *, output: str = "", **more: Any) -> alt.Axis:
    """An axis with numbers as people write them; those of `output` as its declaration says (52x, 17 %)."""
    declared = output_of(output)
    values: dict[str, Any] = {"tickCount": 8} if ticks is None else {"values": ticks}
    label = _LABELS[declared.kind if declared else "number"]
    if isinstance(ticks, list) and ticks and _mixed(ticks):
        label = label.replace("1e17", f"{MOST_IN_TRILLIONS:g}")
    return alt.Axis(title=title, labelExpr=label, labelOverlap=True, **(values | more))


def _mixed(values: Sequence[float]) -> bool:
    """Whether some of the values would be written with T and others, not much larger, with an exponent."""
    return min(values) < EXPONENT_FROM <= max(values) < MOST_IN_TRILLIONS


def alike(values: Sequence[float]) -> list[str]:
    """Large counts in one form: where some have an exponent and others T, all have T.

    >>> alike([6.6e16, 1.98e17]), alike([6.6e15, 6.6e16]), alike([2e17, 6e17])
    (['66000T', '198000T'], ['6600T', '66000T'], ['2e17', '6e17'])

    """
    return [f"{float(f'{v:.3g}') / 1e12:g}T" if _mixed(values) else human(v, 3) for v in values]


def output_axis(output: str, unit: str, ticks: Any = None, *, optimal: bool = True) -> alt.Axis:
    """The axis of an output, with its heading and unit; without the star of an optimum where designs are not `optimal`."""
    title = with_unit(output, unit)
    return axis(title if optimal else title.replace("*", ""), ticks, output=output)


NARROW = 420
"""pixels; in a narrower page the lines of a name are shorter, as long ones would leave no room for the bars"""
_LETTERS = f"(containerSize()[0] < {NARROW} ? 30 : 36)"
_LINES = f"split(trim(replace(datum.label, regexp('(.{{1,' + {_LETTERS} + '}})( |$)', 'g'), '$1\\n')), '\\n')"
NAMES = alt.Axis(
    grid=False, ticks=False, domain=False, labelPadding=6, labelExpr=_LINES, labelLineHeight=12,
    # Vega places the first line of a label: two lines are in the middle of their row where the first ends there.
    labelBaseline={"condition": {"test": f"length({_LINES}) > 1", "value": "bottom"}, "value": "middle"},
)  # fmt: skip
"""An axis of names, which are broken into lines."""


def names_axis(name: str, order: Sequence[str]) -> alt.Y:
    """A vertical axis of names, in the order given."""
    return alt.Y(f"{name}:N", sort=[*order], title=None, axis=NAMES)


def in_turn(names: Sequence[str], looks: Sequence[Any]) -> alt.Scale:
    """A look for each name; looks repeat where there are more names."""
    return alt.Scale(domain=[*names], range=[looks[i % len(looks)] for i in range(len(names))])
