"""How is a chart, a table or a problem put on a page? The same way on every page."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import altair as alt
import streamlit as st

from ..assumptions.numbers import human
from ..assumptions.scenario import Scenario
from ..report.export import encoded
from .controls import escaped

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["chart", "dark", "numbers", "problems", "table"]


def dark() -> bool:
    """Whether the page is dark."""
    return st.context.theme.type == "dark"


def problems(sentences: Sequence[str]) -> None:
    """The library's sentences."""
    st.error("\n\n".join(escaped(sentence) for sentence in sentences))


def chart(drawn: alt.LayerChart) -> None:
    """A chart; its description is its text for people who cannot see it."""
    st.altair_chart(drawn, theme=None, width="content")


def table(frame: "pd.DataFrame", alt_text: str) -> None:
    """A frame with human numbers, units in the header."""
    units = frame.attrs.get("units", {})
    shown = frame.map(lambda v: human(v, 4) if isinstance(v, float) else v)
    shown.columns = [
        f"{name} ({units[name]})" if units.get(name, "1") not in ("1", "") else str(name) for name in frame.columns
    ]
    st.dataframe(shown, hide_index=True, alt=alt_text)


def numbers(frame: "pd.DataFrame", name: str, scenario: Scenario) -> None:
    """The numbers behind a chart, on demand, with a CSV that carries the scenario."""
    box = st.expander("Numbers", key=f"open.numbers.{name}", on_change="rerun")
    if box.open:
        with box:
            table(frame, f"Numbers of {name.replace('-', ' ')}")
            st.download_button(
                "CSV", lambda: encoded(frame, "csv", scenario=scenario), f"{name}.csv", "text/csv", key=f"csv.{name}",
                on_click="ignore",
            )  # fmt: skip
