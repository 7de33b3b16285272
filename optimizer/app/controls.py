"""Controls of assumptions: a text field for the exact number, a slider over its plausible range, a list for a choice.

Label, unit, bounds, range and source come from the declaration of the field. Widgets hold no state of their own: each run sets them to the
values of the session's question, and their callbacks change the question.
"""

import typing
from collections.abc import Callable
from typing import Any

import streamlit as st

from ..assumptions.law import law_names
from ..assumptions.named import NamedAssumption
from ..assumptions.numbers import human, parse_number
from ..assumptions.quantity import Assumption, Quantity, blocks_in
from ..assumptions.scenario import Scenario
from ..assumptions.tables import rows
from ..assumptions.validation import allowed
from .answers import answer
from .state import Question, question
from .switch import start_of

__all__ = ["GROUPS", "choice", "escaped", "fields", "group"]

GROUPS = {
    "goal": "Goal",
    "law": "Scaling law",
    "traffic": "Traffic",
    "pretraining": "Pre-training",
    "rl": "Reinforcement learning",
    "serving": "Serving",
    "deployment": "Deployment",
    "money": "Money and chips",
    "limits": "Limits",
}
NOTCHES = 41
DECADE, THOUSAND = 10.0, 1000.0
_NONE = "(own numbers)"
_MARK = "● "
_SPECIAL = "\\`*_{}[]()#+-.!|<>$~:"


def escaped(text: str) -> str:
    """Text as Markdown that shows every character; typed text must not become a link or a picture. No line begins with a %."""
    return "".join(f"\\{c}" if c in _SPECIAL else c for c in text.replace(" %", "\N{NO-BREAK SPACE}%"))


def group(name: str, page: str) -> None:
    """One block of the scenario, collapsed; its controls exist only while it is open, so that closed groups cost nothing."""
    asked = question()
    # The label stays the same: with another label the browser would take it for a new, closed group.
    box = st.expander(GROUPS[name], key=f"open.{name}.{page}", on_change="rerun")
    if box.open:
        with box:
            fields(getattr(asked.scenario, name), f"{name}.", annotation=Scenario.model_fields[name].annotation)


def fields(block: Assumption, prefix: str, annotation: Any = None) -> None:
    """Controls of every field of a block, and of the blocks in it."""
    asked = question()
    kinds = blocks_in(annotation) if annotation is not None else ()
    if block.tag and len(kinds) > 1:
        tags = [str(typing.get_args(k.model_fields[block.tag].annotation)[0]) for k in kinds]
        choice(f"{prefix}{block.tag}", tags, str(getattr(block, block.tag)), block.tag, asked)
    if isinstance(block, NamedAssumption):
        names = _names(block, prefix)
        if names:
            choice(f"{prefix}name", names, block.name or _NONE, "values of", asked)
    own = type(block).__annotations__  # the fields that only this kind has come first
    for name in sorted(type(block).model_fields, key=lambda name: name not in own):
        info = type(block).model_fields[name]
        value, path = getattr(block, name), f"{prefix}{name}"
        declared = type(block).quantity(name)
        if declared is not None:
            _number(path, declared, value, type(block), asked)
        elif isinstance(value, Assumption):
            st.caption(f"**{path}**: {info.description}")
            fields(value, f"{path}.")
        elif typing.get_origin(info.annotation) is typing.Literal and name != block.tag:
            options = [str(v) for v in typing.get_args(info.annotation)]
            choice(path, options, str(value), info.description or name, asked)
        elif name == "start":
            _text(path, str(value), info.description or name, asked)


def _names(block: NamedAssumption, prefix: str) -> list[str]:
    match prefix:
        case "law.":
            found = law_names()
        case "money.train_chip." | "money.serve_chip.":
            found = [r["chip"] for r in rows("hardware")]
        case "deployment.cache_tier.":
            found = [r["tier"] for r in rows("storage_tiers")]
        case _:
            return []
    return found if block.name else [_NONE, *found]


def _key(path: str, what: str) -> str:
    return f"{what}.{path}"


def choice(path: str, options: list[str], value: str, about: str, asked: Question) -> None:
    """A list to choose from; a new kind starts with values for the fields that it needs."""
    key = _key(path, "choice")
    st.session_state[key] = str(asked.pending.get(path, value))
    if st.session_state[key] not in options:
        options = [*options, st.session_state[key]]

    def chosen() -> None:
        now = question()
        picked = st.session_state[key]
        if picked != _NONE:
            block = path.removesuffix(".name").rpartition(".")[0]
            found = start_of(now.scenario, path, picked, answer(now.scenario), now.generator())
            now.change(found, instead_of=block)

    mark = _MARK if path in asked.changed() else ""
    st.selectbox(f"{mark}{_sentence(about)}", options, key=key, on_change=chosen, help=f"`{path}`")
    _reset(path, asked)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _text(path: str, value: str, about: str, asked: Question) -> None:
    key = _key(path, "text")
    st.session_state[key] = str(asked.pending.get(path, value))
    mark = _MARK if path in asked.changed() else ""
    st.text_input(
        f"{mark}{_sentence(about)}", key=key, help=f"`{path}`", max_chars=40, on_change=_set, args=(path, key)
    )
    _reset(path, asked)


def _set(path: str, key: str) -> None:
    typed = st.session_state[key]
    question().change({path: None if typed is None or str(typed).strip() == "" else typed})


def _slide(path: str, key: str) -> None:
    question().change({path: float(st.session_state[key])})


def _number(path: str, declared: Quantity, value: float | None, block: type[Assumption], asked: Question) -> None:
    """The exact number as text ("2.5T", "38%", "1/3"), and a slider where there is a plausible range."""
    key, slider = _key(path, "text"), _key(path, "slider")
    pending = asked.pending.get(path, value)
    st.session_state[key] = "" if pending is None else human(pending, 6) if isinstance(pending, float) else str(pending)
    mark = _MARK if path in asked.changed() else ""
    unit = "" if declared.unit == "1" else f" ({declared.unit})"
    st.text_input(
        f"{mark}{_sentence(declared.about)}{unit}",
        key=key,
        help=_help(path, declared, block),
        placeholder="not set",
        max_chars=40,
        on_change=_set,
        args=(path, key),
    )
    if value is not None and declared.low is not None and declared.high is not None and path not in asked.pending:
        _slider(slider, path, float(value), float(declared.low), float(declared.high))
    _reset(path, asked)


def _slider(key: str, path: str, value: float, low: float, high: float) -> None:
    how: dict[str, Any] = {"key": key, "label_visibility": "collapsed", "on_change": _slide, "args": (path, key)}
    st.session_state[key] = value
    if low > 0 and high / low >= DECADE * (1 - 1e-12):
        # The browser identifies a notch by its label: of two equal labels only one could be selected.
        notches = {human(low * (high / low) ** (i / (NOTCHES - 1)), 2) for i in range(NOTCHES)} - {human(value, 3)}
        options = sorted([*map(parse_number, notches), value])
        st.select_slider(f"{path}, slider", options, format_func=lambda v: human(v, 3), **how)
    else:
        step = (high - low) / 100
        written = "compact" if high >= THOUSAND else "%.4g"
        st.slider(f"{path}, slider", min(low, value), max(high, value), step=step, format=written, **how)


def _help(path: str, declared: Quantity, block: type[Assumption]) -> str:
    bounds = allowed(block, path.rpartition(".")[2])
    parts = [f"`{path}`", f"allowed: {escaped(bounds)}" if bounds else ""]
    if declared.low is not None and declared.high is not None:
        parts.append(f"plausible: {human(declared.low)} to {human(declared.high)}")
    parts += [f"default from: {escaped(declared.source)}" if declared.source else "", "Write 2.5T, 1e13, 38% or 1/3."]
    return "  \n".join(filter(None, parts))


def _reset(path: str, asked: Question) -> None:
    changed = asked.changed()
    if path not in changed and path not in asked.pending:
        return
    before = changed.get(path)
    text = "not set" if before is None else human(before, 4) if isinstance(before, float) else str(before)
    st.button(
        f"↺ {text}" if path in changed else "↺", key=_key(path, "reset"), type="tertiary",
        help=f"reset {path}", on_click=_resetter(path),
    )  # fmt: skip


def _resetter(path: str) -> Callable[[], None]:
    return lambda: question().reset(path)
