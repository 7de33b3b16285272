"""The places of a page: controls on the left, the page on the right; on a phone the head of the page, the traffic, the rest, the groups.

framed(first=True)    -> Frame(head, side, body), for the page with its answer first
framed(first=False)   -> Frame(head = body, side, body)
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
    line: "DeltaGenerator"
    """below the head: what takes longer than the answer"""
    side: "DeltaGenerator"
    body: "DeltaGenerator"


def framed(*, first: bool) -> Frame:
    """The places of a page, empty yet; `first`: the head of the page comes before the controls."""
    problems = st.container(key="problems")
    if first:
        box = st.container(key="first")
        top = box.container(key="top")
        head, line = top.container(key="head"), top.container(key="line")
        return Frame(problems, head, line, box.container(key="side"), box.container(key="body"))
    box = st.container(key="plain")
    side, body = box.container(key="side"), box.container(key="body")
    return Frame(problems, body, body, side, body)


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
