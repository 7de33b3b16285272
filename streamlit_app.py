"""Overtrain in a browser: `overtrain app`, or `streamlit run streamlit_app.py`."""

from pathlib import Path

import streamlit as st

import optimizer
from optimizer.app.answers import spared
from optimizer.app.pins import pin_control
from optimizer.app.show import look, notices
from optimizer.app.sidebar import sidebar
from optimizer.app.state import question, write_link

st.set_page_config("Overtrain", page_icon="⚖️", layout="wide")

PAGES = Path(optimizer.__file__).parent / "app" / "pages"

PLAN = st.Page(PAGES / "plan.py", title="Plan", icon=":material/balance:", default=True)
page = st.navigation(
    [
        PLAN,
        st.Page(PAGES / "why.py", title="Why 100x", url_path="why", icon=":material/help:"),
        st.Page(PAGES / "sensitivity.py", title="Sensitivity", url_path="sensitivity", icon=":material/tornado:"),
        st.Page(PAGES / "serving.py", title="Serving", url_path="serving", icon=":material/dns:"),
        st.Page(PAGES / "sizes.py", title="Model-size table", url_path="sizes", icon=":material/table:"),
        st.Page(PAGES / "compare.py", title="Compare", url_path="compare", icon=":material/compare_arrows:"),
        st.Page(PAGES / "sources.py", title="Sources", url_path="sources", icon=":material/menu_book:"),
    ],
    position="top",
)

asked = question()
look()
notices(asked)
# Plan answers at once, so the answer comes first; other pages may work for a while, with the sidebar in sight.
if page == PLAN:
    page.run()
sidebar(asked, page.title)
pin_control(asked)
write_link(asked)  # before a page that may end, or wait to be asked for long work
if page != PLAN:
    page.run()
spared()
