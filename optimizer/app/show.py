"""How is a chart, a table or a problem put on a page? The same way on every page."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import altair as alt
import streamlit as st
from altair.utils.schemapi import debug_mode

from ..assumptions.numbers import human
from ..assumptions.scenario import Scenario
from ..report.export import encoded
from .controls import escaped

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["chart", "dark", "download", "numbers", "problems", "table"]


def dark() -> bool:
    """Whether the page is dark."""
    return st.context.theme.type == "dark"


def problems(sentences: Sequence[str]) -> None:
    """The library's sentences."""
    st.error("\n\n".join(escaped(sentence) for sentence in sentences))


def chart(draw: Callable[..., alt.LayerChart], *args: Any, **more: Any) -> None:
    """A chart of `report.chart` in the colours of the page; its description is its text for people who cannot see it.

    Checking the chart against Vega-Lite's schema takes most of the time of a rerun; tests do it for every chart.
    """
    with debug_mode(False):
        spec = draw(*args, **more, dark=dark()).to_dict(validate=False)
    st.vega_lite_chart(spec=spec, theme=None, width="stretch")


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
            download(frame, name, scenario)


def download(frame: "pd.DataFrame", name: str, scenario: Scenario | None, kinds: Sequence[str] = ("csv",)) -> None:
    """A button for each format; a file is made when it is asked for, and carries the scenario."""
    row = st.container(horizontal=True)
    for kind in kinds:
        row.download_button(
            kind.upper() if kind != "md" else "Markdown", partial(encoded, frame, kind, scenario=scenario), f"{name}.{kind}",
            "application/octet-stream", key=f"{kind}.{name}", on_click="ignore",
        )  # fmt: skip
