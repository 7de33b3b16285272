"""Overtrain in a browser: `overtrain app`, or `streamlit run streamlit_app.py`."""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import streamlit as st

import optimizer
from optimizer.app.answers import spared
from optimizer.app.folding import kept_open
from optimizer.app.frame import filled, framed, phone_links
from optimizer.app.look import look
from optimizer.app.screen import error_of_laws, first_screen, prepared, solved_ahead
from optimizer.app.show import now
from optimizer.app.state import followed, write_link

PAGES = Path(optimizer.__file__).parent / "app" / "pages"

PLAN = st.Page(PAGES / "plan.py", title="Plan", icon=":material/balance:", default=True)
UNCERTAINTY = st.Page(PAGES / "sensitivity.py", title="Uncertainty", url_path="uncertainty", icon=":material/tornado:")
SERVING = st.Page(PAGES / "serving.py", title="Serving", url_path="serving", icon=":material/dns:")
TABLES = st.Page(PAGES / "tables.py", title="Tables and Compare", url_path="tables", icon=":material/table:")
METHOD = st.Page(PAGES / "method.py", title="Method", url_path="method", icon=":material/menu_book:")
VISIBLE = [PLAN, UNCERTAINTY, SERVING, TABLES, METHOD]
OLD = {
    "why": (METHOD, "Why 100x"),
    "sources": (METHOD, "Sources"),
    "sizes": (TABLES, "Model-size table"),
    "compare": (TABLES, "Compare"),
    "sensitivity": (UNCERTAINTY, None),
}
"""Addresses of earlier versions, with the page and the part of it that they lead to."""


def _moved(old: str) -> Callable[[], None]:
    def go() -> None:
        page, part = OLD[old]
        if part:
            st.session_state[f"{page.url_path}_part"] = part
        st.switch_page(page)

    go.__name__ = old
    return go


moved = [st.Page(_moved(old), title=old, url_path=old, visibility="hidden") for old in OLD]

asked = followed()
if not urlsplit(st.context.url or "").path.strip("/"):
    prepared(asked)  # the Plan page, before anything is sent
if "configured" not in st.session_state:  # the browser keeps it, and would draw the whole page for it in every run
    st.set_page_config("Overtrain", page_icon="⚖️", layout="wide")
page = st.navigation([*VISIBLE, *moved], position="top")
if page in moved:
    page.run()
kept_open(page.url_path)
look(fast=page == PLAN)
links = st.container(horizontal=True, gap="small", key="phone-links")
place = framed(first=page == PLAN)
if page == PLAN:  # it answers at once, so the answer is drawn before the controls
    first_screen(place, asked)
    now()
# In one with what it belongs to: an action that comes with the address before it would be taken for a step back.
write_link(asked)
phone_links(links, VISIBLE)
filled(place, asked)
if page == PLAN:
    error_of_laws(place, asked)
with place.body:
    page.run()
if page == PLAN:
    solved_ahead(asked)
spared()
st.session_state["configured"] = True  # not before: what a run that is cut short has sent may be lost
