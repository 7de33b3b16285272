"""Part Model-size table of the page Tables and Compare: the optimal size over a grid of assumptions, as a table and as files."""

import math
from collections.abc import Sequence

import streamlit as st

from optimizer.analysis.grid import SizeTable
from optimizer.analysis.sizes import default_grid, size_table
from optimizer.app import show
from optimizer.app.said import escaped, problems
from optimizer.app.state import question
from optimizer.app.table import table
from optimizer.app.work import worked
from optimizer.assumptions.naming import in_words
from optimizer.assumptions.numbers import human, parse_number
from optimizer.assumptions.problems import InputError
from optimizer.assumptions.typed import values_given
from optimizer.model.outputs import NARROW
from optimizer.report.chart.theme import capital
from optimizer.report.table_text import reach

MOST_ROWS = 200


def page() -> None:
    """The whole page."""
    asked = question()
    st.caption(
        "Every combination of the values is solved. Values are separated by commas: 50T, 200T, 1e15, or besiroglu, hoffmann; "
        "1T..1000T:7 means seven values from 1T to 1000T."
    )
    start = {path: ", ".join(_written(v) for v in values) for path, values in default_grid(asked.scenario).items()}
    paths = ["law", *(path for path, _, _ in asked.scenario.quantities())]
    axes = st.multiselect(
        "Axes of the grid", paths, default=list(start), key="grid_axes", max_selections=4, persist_state="session", format_func=_called,
    )  # fmt: skip
    now = {path: value for path, _, value in asked.scenario.quantities()}
    typed = {
        path: st.text_input(
            _called(path),
            start.get(path, _written(now.get(path, "besiroglu"))),
            key=f"grid.{path}",
            max_chars=400,
            persist_state="session",
        )
        for path in axes
    }
    grid, wrong = [], []
    for path, text in typed.items():
        try:
            grid.append((path, values_given(path, text) if text.strip() else []))
        except ValueError as error:
            wrong.append(f"{path}: {error}.")
    if wrong:
        problems(wrong)
        st.stop()
    rows = math.prod(len(values) for _, values in grid)
    if not 0 < rows <= MOST_ROWS:
        problems(
            [
                f"the grid has {rows:,} combinations; give every axis a value, and at most {MOST_ROWS} combinations in all."
            ]
        )
        st.stop()
    s, over = asked.scenario, dict(grid)
    try:
        found = worked(s, f"sizes {grid}", lambda progress: size_table(s, over, progress=progress))
    except InputError as error:
        problems(error.problems)
        st.stop()
    if asked.problems:
        show.stale(lambda: _shown(found, grid))
    else:
        _shown(found, grid)


def _shown(found: SizeTable, grid: Sequence[tuple[str, object]]) -> None:
    axes_and_answer = [*(path for path, _ in grid), "status", *NARROW, "message"]
    table(
        found.drop(columns=[name for name in found if name not in axes_and_answer]),
        "Optimal model size for every combination",
    )
    st.caption(
        f"{len(found)} rows; the files hold all {len(found.columns)} columns, the scenario, and the recipe to make the table again."
    )
    st.caption(escaped(" ".join(reach(found))))
    show.download(found, "model-sizes", None, ("csv", "xlsx", "parquet", "md", "tex", "json"))


def _called(path: str) -> str:
    """An assumption by its name and its path, which is the heading of its column."""
    return f"{capital(in_words(path))} ({path})"


def _written(value: object) -> str:
    """A short form where that is the same number, else every digit."""
    if not isinstance(value, float):
        return str(value)
    short = human(value, 6)
    return short if parse_number(short) == value else repr(value)
