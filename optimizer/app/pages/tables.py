"""Page Tables and Compare: the optimal size over a grid of assumptions, and pinned scenarios compared."""

import streamlit as st

from optimizer.app.pages import compare, sizes

SIZES, COMPARE = "Model-size table", "Compare"
PARTS = {SIZES: sizes.page, COMPARE: compare.page}


def page() -> None:
    """The whole page."""
    st.title("Tables and Compare")
    part = st.segmented_control(
        "Part",
        [*PARTS],
        default=SIZES,
        key="tables_part",
        required=True,
        persist_state="session",
        label_visibility="collapsed",
    )
    PARTS[part or SIZES]()


if __name__ == "__main__":
    page()
