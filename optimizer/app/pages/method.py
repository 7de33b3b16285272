"""Page Method: why 100x, the claims, and the sources of every number."""

import streamlit as st

from optimizer.app.pages import sources, why

WHY, SOURCES = "Why 100x", "Sources"
# Streamlit would print a docstring here: the address of the part is method_part.
PARTS = {WHY: why.page, SOURCES: sources.page}


def page() -> None:
    """The whole page."""
    st.title("Method")
    part = st.segmented_control(
        "Part",
        [*PARTS],
        default=WHY,
        key="method_part",
        required=True,
        persist_state="session",
        label_visibility="collapsed",
    )
    PARTS[part or WHY]()


if __name__ == "__main__":
    page()
