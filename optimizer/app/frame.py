"""The places of a page: controls on the left, the page on the right; on a phone verdict, traffic, the rest of the page, controls.

framed(first=True)    -> Frame(head, figures, line, side, body), for the page with its answer first
framed(first=False)   -> Frame(head = figures = line = body, side, body)
"""

from typing import TYPE_CHECKING, NamedTuple

import streamlit as st

from .show import notices
from .sidebar import sidebar
from .state import Question

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

__all__ = ["Frame", "filled", "framed", "phone_links"]


class Frame(NamedTuple):
    """Where the parts of a page go."""

    problems: "DeltaGenerator"
    head: "DeltaGenerator"
    figures: "DeltaGenerator"
    """below the head: the metrics"""
    line: "DeltaGenerator"
    """below them: what takes longer than the answer"""
    side: "DeltaGenerator"
    body: "DeltaGenerator"


def framed(*, first: bool) -> Frame:
    """The places of a page, empty yet; `first`: the head of the page comes before the controls."""
    problems = st.container(key="problems")
    if first:
        box = st.container(key="first")
        top = box.container(key="top")
        head, figures, line = (top.container(key=name) for name in ("head", "figures", "line"))
        return Frame(problems, head, figures, line, box.container(key="side"), box.container(key="body"))
    box = st.container(key="plain")
    side, body = box.container(key="side"), box.container(key="body")
    return Frame(problems, body, body, body, side, body)


def filled(place: Frame, asked: Question) -> None:
    """The controls, and the problems that belong to none of them; before anything that may end the page."""
    asked.placed.clear()
    with place.side:
        sidebar(asked)
    with place.problems:
        notices(asked)


def phone_links(row: "DeltaGenerator", pages: list) -> None:
    """Links to the pages, for narrow screens, which have no room for them in the bar at the top."""
    for page in pages:
        row.page_link(page)
