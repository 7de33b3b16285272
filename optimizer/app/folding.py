"""Groups that a press opens and closes, and that stay so on the next page."""

from typing import TYPE_CHECKING

import streamlit as st

if TYPE_CHECKING:
    from streamlit.elements.lib.mutable_expander_container import ExpanderContainer

__all__ = ["folded", "kept_open"]

_OPEN, _PAGE = "open_groups", "page_shown"
"""Keys of what is open, and of the page of the last run."""


def folded(label: str, key: str) -> "ExpanderContainer":
    """A group that is closed until it is pressed; a press runs the page, and `open` of the result says whether it is open."""
    box = st.expander(label, key=key, on_change="rerun")
    st.session_state.setdefault(_OPEN, {})[key] = bool(box.open)
    return box


def kept_open(page: str) -> None:
    """At the start of a run: on another page than before, open what was open. Streamlit takes the group of another page for a new one."""
    if st.session_state.get(_PAGE, page) != page:
        for key, is_open in st.session_state.get(_OPEN, {}).items():
            st.session_state[key] = is_open
    st.session_state[_PAGE] = page
