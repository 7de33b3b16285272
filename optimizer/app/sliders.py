"""Sliders in logarithms: from a tenth to ten times the preset's value, in steps about a tenth apart."""

import math
from typing import Any

import streamlit as st

from ..assumptions.numbers import human, percent
from ..assumptions.quantity import Quantity
from .state import Question, question

__all__ = ["DECADE", "notches", "slider"]

DECADE, THOUSAND = 10.0, 1000.0


def slider(key: str, path: str, declared: Quantity, value: float, asked: Question, label: str = "") -> bool:
    """A slider, in logarithms where the number is positive and may change by a factor; whether there is one."""
    how: dict[str, Any] = {"key": key, "on_change": _slid, "args": (path, key, value)}
    how |= {} if label else {"label_visibility": "collapsed"}
    rate = bool(label) and declared.unit.startswith("1")
    label = label or f"{path}, slider"
    low, high = (0.0 if end is None else float(end) for end in (declared.low, declared.high))
    narrow = low > 0 and high / low < DECADE * (1 - 1e-12)
    share = declared.unit == "1" and high == 1
    st.session_state[key] = value
    if value > 0 and low >= 0 and not narrow:
        options = notches(value, _start(path, value, asked), most=1.0 if share else math.inf)
        st.select_slider(
            label,
            _foreseen(path, value, options, asked),
            format_func=lambda v: percent(v) if rate and share else human(v, 3),
            **how,
        )
        return True
    if high > low:
        step = 10.0 ** math.floor(math.log10((high - low) / 20))
        if rate:
            by_label = {
                percent(v): v for v in [*(low + i * step for i in range(round((high - low) / step) + 1)), value]
            }
            options = _foreseen(path, value, sorted(by_label.values()), asked)
            st.select_slider(label, options, format_func=percent, **how)
            return True
        written = "compact" if high >= THOUSAND else "%.4g"
        st.slider(label, min(low, value), max(high, value), step=step, format=written, **how)
        return True
    return False


_READABLE = (
    1.0,
    1.1,
    1.2,
    1.3,
    1.4,
    1.5,
    1.6,
    1.8,
    2.0,
    2.2,
    2.5,
    2.8,
    3.0,
    3.5,
    4.0,
    4.5,
    5.0,
    5.5,
    6.0,
    7.0,
    8.0,
    9.0,
)
"""Steps within a decade, about a tenth apart, each with at most two digits."""


def notches(value: float, start: float, most: float = math.inf) -> list[float]:
    """Numbers of two digits from a tenth of `start` to ten times it, with the value, the start, and twice and half the value.

    >>> notches(0.1, 0.1, most=1.0)[:4]
    [0.01, 0.011, 0.012, 0.013]

    """
    first = math.floor(math.log10(start / DECADE))
    found = [float(f"{step}e{first + i}") for i in range(4) for step in _READABLE]
    found += [value, start, 2 * value, value / 2]
    ends = start / DECADE * (1 - 1e-9), min(start * DECADE, most) * (1 + 1e-9)
    inside = [v for v in found if ends[0] <= v <= ends[1]]
    # The browser identifies a notch by its label: of two equal labels only one could be selected, and that is the value's.
    by_label = {human(v, 3): v for v in [*inside, start, value]}
    return sorted(by_label.values())


def _slid(path: str, key: str, before: float) -> None:
    now, value = question(), float(st.session_state[key])
    now.change({path: value})
    now.slid = path, value > before


def _foreseen(path: str, value: float, options: list[float], asked: Question) -> list[float]:
    """The notches of a slider; where it began this run, note the one that another press would lead to."""
    if asked.slid is not None and asked.slid[0] == path:
        following = options.index(value) + (1 if asked.slid[1] else -1)
        asked.ahead = (path, options[following]) if 0 <= following < len(options) else None
        asked.slid = None
    return options


def _start(path: str, value: float, asked: Question) -> float:
    """What a slider is centred on: the preset's value, so that it stays put; the value itself where that is ten times away or more."""
    before = asked.changed().get(path, value)
    near = isinstance(before, float) and before > 0 and 1 / DECADE < value / before < DECADE
    return float(before) if near else value
