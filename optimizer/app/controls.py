"""Controls of assumptions: a text field for the exact number, a slider over its plausible range, a list for a choice.

Label, unit, bounds, range and source come from the declaration of the field. Widgets hold no state of their own: each run sets them to the
values of the session's question, and their callbacks change the question.
"""

import math
import typing
from collections.abc import Callable, Collection
from typing import Any

import streamlit as st

from ..analysis.idle import why_idle
from ..assumptions.named import NamedAssumption
from ..assumptions.naming import choice_in_words, in_words, worded
from ..assumptions.numbers import human
from ..assumptions.published_laws import law_names
from ..assumptions.quantity import Assumption, Quantity, blocks_in
from ..assumptions.scenario import Scenario
from ..assumptions.tables import rows
from ..assumptions.validation import allowed
from .answers import answer
from .folding import folded
from .said import escaped, said
from .sliders import DECADE, slider
from .state import Question, question
from .switch import start_of

__all__ = ["GROUPS", "choice", "fields", "found", "group", "lever"]

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
_NONE, _UNSET = "(own numbers)", "(not set)"
_MARK = "● "


def group(name: str) -> None:
    """One block of the scenario, collapsed; its controls exist only while it is open, so that closed groups cost nothing."""
    asked = question()
    # The label stays the same: with another label the browser would take it for a new, closed group.
    box = folded(GROUPS[name], f"open.{name}")
    if box.open:
        with box:
            fields(getattr(asked.scenario, name), f"{name}.", annotation=Scenario.model_fields[name].annotation)


def fields(block: Assumption, prefix: str, annotation: Any = None, without: Collection[str] = ()) -> None:
    """Controls of every field of a block but those named in `without`, and of the blocks in it."""
    asked = question()
    kinds = blocks_in(annotation) if annotation is not None else ()
    if block.tag and len(kinds) > 1:
        tags = [str(typing.get_args(k.model_fields[block.tag].annotation)[0]) for k in kinds]
        choice(f"{prefix}{block.tag}", tags, str(getattr(block, block.tag)), in_words(f"{prefix}{block.tag}"), asked)
    if isinstance(block, NamedAssumption):
        names = _names(block, prefix)
        if names:
            choice(f"{prefix}name", names, block.name or _NONE, "values of", asked)
    reasons = dict.fromkeys(
        reason
        for name in type(block).model_fields
        if name not in without and (reason := why_idle(asked.scenario, f"{prefix}{name}"))
    )
    for reason in reasons:
        st.caption(said(f"Greyed: {reason}"))
    own = type(block).__annotations__  # the fields that only this kind has come first
    for name in sorted(type(block).model_fields, key=lambda name: name not in own):
        info = type(block).model_fields[name]
        value, path = getattr(block, name), f"{prefix}{name}"
        if name in without:
            continue
        declared = type(block).quantity(name)
        if declared is not None:
            _number(path, declared, value, type(block), asked)
        elif isinstance(value, Assumption):
            st.caption(f"**{_sentence(info.description or name)}**")
            fields(value, f"{path}.")
        elif name != block.tag and (words := type(block).in_words(name)):
            options = [*words] if info.default is not None else [_UNSET, *words]
            choice(path, options, _UNSET if value is None else str(value), info.description or name, asked)
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


def choice(path: str, options: list[str], value: str, about: str, asked: Question, *, buttons: bool = False) -> None:
    """A list to choose from, or a row of buttons, in words; a new kind starts with values for the fields it needs."""
    key = _key(path, "choice")
    wanted = asked.pending.get(path, value)
    st.session_state[key] = _UNSET if wanted is None else str(wanted)
    if st.session_state[key] not in options:
        options = [*options, st.session_state[key]]

    def chosen() -> None:
        now = question()
        picked = st.session_state[key]
        if picked == _UNSET:
            now.change({path: None})
        elif picked != _NONE:
            block = path.removesuffix(".name").rpartition(".")[0]
            found = start_of(now.scenario, path, picked, answer(now.scenario), now.generator())
            now.change(found, instead_of=block)

    mark = _MARK if path in asked.changed() else ""
    if buttons:
        st.segmented_control(
            _sentence(about), options, key=key, on_change=chosen, format_func=lambda v: _called(path, v), required=True,
            label_visibility="collapsed", width="stretch",
        )  # fmt: skip
        return
    st.selectbox(
        f"{mark}{_label(path, about)}", options, key=key, on_change=chosen, format_func=lambda v: _called(path, v),
        help=f"`{path}` = `{value}`", disabled=bool(why_idle(asked.scenario, path)),
    )  # fmt: skip
    _refused(path, about, asked)
    _reset(path, asked)


def _called(path: str, value: str) -> str:
    return _sentence(choice_in_words(path, value))


def _label(path: str, about: str) -> str:
    """What a field is, with other fields by their names."""
    return _sentence(worded(about, path.rpartition(".")[0]))


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _text(path: str, value: str, about: str, asked: Question) -> None:
    key = _key(path, "text")
    st.session_state[key] = str(asked.pending.get(path, value))
    mark = _MARK if path in asked.changed() else ""
    st.text_input(
        f"{mark}{_sentence(about)}", key=key, help=f"`{path}`", max_chars=40, on_change=_set, args=(path, key)
    )
    _refused(path, about, asked)
    _reset(path, asked)


def _set(path: str, key: str) -> None:
    typed = str(st.session_state[key] or "")
    if typed.strip():
        question().change({path: typed})
    else:
        question().emptied(path)


def found(path: str, asked: Question) -> None:
    """The control of one number by its dotted path, next to the one in its group."""
    block: Any = asked.scenario
    for part in path.split(".")[:-1]:
        name, _, item = part.rstrip("]").partition("[")
        block = getattr(block, name)
        block = block[int(item) - 1] if item else block
    name = path.rpartition(".")[2]
    _number(path, type(block).quantity(name), getattr(block, name), type(block), asked, place="found.")


def _number(
    path: str, declared: Quantity, value: float | None, block: type[Assumption], asked: Question, place: str = ""
) -> None:
    """The exact number as text ("2.5T", "38%", "1/3"), and a slider where there is a plausible range; greyed where nothing depends on it.

    `place` begins the keys of a second control of the same number.
    """
    key, at, idle = f"{place}{_key(path, 'text')}", f"{place}{_key(path, 'slider')}", why_idle(asked.scenario, path)
    pending = asked.pending.get(path, value)
    st.session_state[key] = "" if pending is None else human(pending, 6) if isinstance(pending, float) else str(pending)
    mark = _MARK if path in asked.changed() else ""
    unit = "" if declared.unit == "1" else f" ({declared.unit})"
    used = (
        asked.scenario.rl.assumed(asked.scenario.law).get(path.removeprefix("rl.")) if path.startswith("rl.") else None
    )
    st.text_input(
        f"{mark}{_label(path, declared.about)}{worded(unit)}",
        key=key,
        help=_help(path, declared, block),
        placeholder="not set" if used is None else f"not set: {human(float(used))} is used",
        max_chars=40,
        disabled=bool(idle),
        on_change=_set,
        args=(path, key),
    )
    if place and idle:
        st.caption(said(f"Greyed: {idle}"))
    sliding = value is not None and declared.low is not None and declared.high is not None and path not in asked.pending
    if value is not None and sliding and not idle:
        if low_is_off(declared):
            _switch(path, declared, float(value), place)
        if value or not low_is_off(declared):
            slider(at, path, declared, float(value), asked)
    _refused(path, declared.about, asked)
    _reset(path, asked, place=place)


def lever(path: str, declared: Quantity, value: float, about: str, asked: Question) -> None:
    """A number in one row: the exact number as text, its slider, and what it was; rates and shares are written in per cent."""
    key, pending = _key(path, "text"), asked.pending.get(path, value)
    rate = declared.unit.startswith("1")
    wrote = str(pending) if not isinstance(pending, float) else f"{100 * pending:.6g}%" if rate else human(pending, 6)
    st.session_state[key] = wrote
    mark = _MARK if path in asked.changed() else ""
    row = st.container(key=f"lever.{path}", horizontal=True, vertical_alignment="bottom", gap="small", wrap=False)
    row.text_input(
        f"{about}, exact", key=key, label_visibility="collapsed", placeholder="not set", max_chars=40, width=92, on_change=_set,
        args=(path, key),
    )  # fmt: skip
    with row:
        shown = (
            slider(_key(path, "slider"), path, declared, float(value), asked, label=f"{mark}{about}")
            if value
            else False
        )
        if not shown:
            st.toggle(
                f"{mark}{about}", key=_key(path, "switch"), value=False, on_change=_switched, args=(path, declared)
            )
        _reset(path, asked, row=True)
    _refused(path, about, asked)


def low_is_off(declared: Quantity) -> bool:
    """Whether 0 means that the quantity is left out: then a switch sets 0, which a logarithmic slider does not have."""
    return declared.low == 0 and (declared.high or 0) > 0


def _switch(path: str, declared: Quantity, value: float, place: str = "") -> None:
    key = f"{place}{_key(path, 'switch')}"
    st.session_state[key] = value != 0
    st.toggle(
        "on" if value else "off (0)",
        key=key,
        on_change=_switched,
        args=(path, declared, place),
        help=f"`{path}`: off is 0",
    )


def _switched(path: str, declared: Quantity, place: str = "") -> None:
    now = question()
    if not st.session_state[f"{place}{_key(path, 'switch')}"]:
        now.change({path: 0.0})
        return
    before = now.changed().get(path)
    least, most = float(declared.low or 0), float(declared.high or 1)
    now.change({path: before or (math.sqrt(least * most) if least > 0 else most / DECADE)})


def _refused(path: str, about: str, asked: Question) -> None:
    """Below a field, why its value is refused, in the words of its label; below the only field that was changed, what its block lacks."""
    around = path.rpartition(".")[0]
    for sentence in asked.problems if path in asked.pending else ():
        if sentence.startswith(f"{path} "):
            text = _label(path, about) + worded(sentence.removeprefix(path), around)
        elif len(asked.pending) == 1 and sentence.startswith(f"{around} "):
            text = _sentence(worded(sentence))
        else:
            continue
        asked.placed.add(sentence)
        st.error(escaped(text))


def _help(path: str, declared: Quantity, block: type[Assumption]) -> str:
    parts = [f"`{path}`", f"allowed: {escaped(allowed(block, path.rpartition('.')[2]))}"]
    if declared.low is not None and declared.high is not None:
        parts.append(f"plausible: {human(declared.low)} to {human(declared.high)}")
    parts += [f"default from: {escaped(declared.source)}" if declared.source else "", "Write 2.5T, 1e13, 38% or 1/3."]
    return "  \n".join(filter(None, parts))


def _reset(path: str, asked: Question, *, row: bool = False, place: str = "") -> None:
    changed = asked.changed()
    if path not in changed and path not in asked.pending:
        return
    before = changed.get(path)
    text = (
        "not set" if before is None else human(before, 4) if isinstance(before, float) else _called(path, str(before))
    )
    st.button(
        f"↺ {text}" if path in changed and not row else "reset", key=f"{place}{_key(path, 'reset')}", type="tertiary",
        help=f"`{path}` back to {text}", on_click=_resetter(path),
    )  # fmt: skip


def _resetter(path: str) -> Callable[[], None]:
    return lambda: question().reset(path)
