"""Controls that pin a scenario."""

import streamlit as st

from ..assumptions.library import load
from ..assumptions.naming import preset_in_words, title_in_words
from ..assumptions.problems import InputError
from .pins import LONGEST_NAME, Pin, pin, pins, suggested
from .said import escaped
from .state import Question, question

__all__ = ["pin_control", "pin_preset"]


def _called(asked: Question) -> str:
    name = title_in_words(asked.scenario, most=1)
    return name if len(name) <= LONGEST_NAME - 4 else f"{preset_in_words(asked.scenario.name or asked.preset)}, changed"


def pin_control(asked: Question) -> None:
    """Pin the current scenario under a name, from every page."""
    box = st.popover("Pin", key="open.pins", on_change="rerun", help="keep this scenario to compare with")
    if not box.open:
        return
    with box:
        with st.form("pin_form", clear_on_submit=True, border=False):
            name = suggested(pins(), _called(asked))
            st.text_input("Name of the pin", key="pin_name", placeholder=name, max_chars=LONGEST_NAME)
            st.form_submit_button("Pin this scenario", on_click=_pin_now, args=(name,), width="stretch")
        st.caption(f"{len(pins())} pinned; the page Tables and Compare shows them side by side.")
        for sentence in st.session_state.pop("pin_problems", ()):
            st.error(escaped(sentence))


def _pin_now(name: str) -> None:
    now = question()
    try:
        pin(pins(), st.session_state.get("pin_name", "").strip() or name, Pin(now.preset, now.scenario))
    except InputError as error:
        st.session_state["pin_problems"] = error.problems


def pin_preset(name: str) -> None:
    """Pin an unchanged preset."""
    try:
        pin(pins(), suggested(pins(), preset_in_words(name)), Pin(name, load(name)))
    except InputError as error:
        st.session_state["pin_problems"] = error.problems
