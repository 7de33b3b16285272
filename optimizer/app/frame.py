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

_LAYOUT = """<style>
.st-key-phone-links {display: none}
.st-key-side, .st-key-groups {gap: 0.4rem}
.st-key-head, .st-key-top {gap: 0.5rem}
.st-key-line {min-height: 1.5rem}
.st-key-acts button, #copy-link {min-height: 2rem; padding: 0 0.55rem; font-size: 0.85rem; white-space: nowrap}
#copy-link {border: 1px solid rgba(128, 128, 128, 0.5); border-radius: 0.5rem; background: none; color: inherit;
  font-family: inherit; cursor: pointer}
@media (min-width: 800px) {
  .st-key-first, .st-key-plain {display: grid !important; grid-template-columns: 19rem minmax(0, 1fr); column-gap: 1.75rem; row-gap: 0.5rem;
    align-items: start; grid-template-rows: auto 1fr}
  .st-key-first > *:nth-child(1), .st-key-plain > *:nth-child(2) {grid-area: 1 / 2}
  .st-key-first > *:nth-child(3) {grid-area: 2 / 2}
  .st-key-first > *:nth-child(2), .st-key-plain > *:nth-child(1) {grid-area: 1 / 1 / 3 / 2; position: sticky; top: 3.5rem;
    max-height: calc(100vh - 4rem); overflow: hidden auto; padding-right: 0.75rem}
}
@media (max-width: 799px) {
  .st-key-phone-links {display: flex}
  .st-key-plain > *:nth-child(1) {order: 2}
  .st-key-first > *:nth-child(2), .st-key-first .st-key-side {display: contents}
  .st-key-first > *:nth-child(3) {order: 1}
  .st-key-first .st-key-side > *:last-child {order: 2}
}
</style>"""


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
    st.html(_LAYOUT)
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


def phone_links(pages: list) -> None:
    """Links to the pages, for narrow screens, which have no room for them in the bar at the top."""
    row = st.container(horizontal=True, gap="small", key="phone-links")
    for page in pages:
        row.page_link(page)
