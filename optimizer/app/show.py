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
from ..report.picture import PICTURES, picture
from .controls import escaped
from .state import question

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["chart", "dark", "download", "numbers", "problems", "stale", "table"]

_FONT = '"Source Sans", sans-serif'
_MIME = {"png": "image/png", "svg": "image/svg+xml", "csv": "text/csv"}


def dark() -> bool:
    """Whether the page is dark."""
    return st.context.theme.type == "dark"


def problems(sentences: Sequence[str]) -> None:
    """The library's sentences."""
    st.error("\n\n".join(escaped(sentence) for sentence in sentences))


def stale(draw: Callable[[], None]) -> None:
    """The last good answer, greyed."""
    st.caption("Below, in grey: the last answer, before this change.")
    st.html("<style>.st-key-stale {opacity: 0.4}</style>")
    with st.container(key="stale"):
        draw()


def chart(
    draw: Callable[..., alt.LayerChart],
    frame: "pd.DataFrame",
    *more: Any,
    scenario: Scenario | None = None,
    name: str = "",
    **options: Any,
) -> None:
    """A chart of `report.chart` in the colours of the page, and buttons that give it away.

    The title stands above it as text of the page, which wraps on a phone where Vega would cut it. The chart's description is its text for
    people who cannot see it.

    Args:
        draw: the chart's function.
        frame: what it draws.
        more: what else it takes.
        scenario: what the frame is about, for the file of its numbers; else the session's.
        name: of the files; needed where a page draws with one function twice.
        options: what else the function takes, by name.

    """
    drawing = partial(draw, frame, *more, **options)
    spec = _spec(drawing)
    title = spec.pop("title")
    st.markdown(f"**{escaped(title['text'])}**  \n:small[{escaped(' '.join(title['subtitle']))}]")
    spec["background"] = None
    spec["config"]["font"] = _FONT
    st.vega_lite_chart(spec=spec, theme=None, width="stretch")
    name = name or draw.__name__.replace("_", "-")
    row = st.container(horizontal=True, gap="small")
    for kind in PICTURES:
        row.download_button(
            kind.upper(), partial(_picture, kind, drawing), f"{name}.{kind}",
            _MIME[kind], key=f"{kind}.chart.{name}", on_click="ignore", type="tertiary", help=f"{title['text']}, as a picture",
        )  # fmt: skip
    asked = scenario or question().scenario
    row.download_button(
        "CSV", partial(encoded, frame, "csv", scenario=asked), f"{name}.csv", _MIME["csv"], key=f"csv.chart.{name}", on_click="ignore",
        type="tertiary", help=f"{title['text']}, its numbers",
    )  # fmt: skip


def _spec(drawing: Callable[..., alt.LayerChart]) -> dict[str, Any]:
    """Checking a chart against Vega-Lite's schema takes most of the time of a rerun; tests do it for every chart."""
    with debug_mode(False):
        return drawing(dark=dark()).to_dict(validate=False)


def _picture(kind: str, drawing: Callable[..., alt.LayerChart]) -> bytes:
    """For reports, so in the colours of paper."""
    return picture(drawing(dark=False), kind)


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
