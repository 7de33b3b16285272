"""How is a chart, a table or a problem put on a page? The same way on every page."""

import html
import math
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import streamlit as st

from ..analysis.compare import VS
from ..assumptions.naming import title
from ..assumptions.numbers import human
from ..assumptions.scenario import Scenario
from ..model.total import warnings
from ..optimum.solution import Solution, Status
from ..report.cells import is_ratio, is_share, written
from ..report.chart.picture import PICTURES, picture
from ..report.chart.theme import Drawing, Drawn, named, with_unit
from ..report.files.export import encoded
from ..report.files.markup import as_text
from .answers import answer
from .controls import escaped
from .state import Question, question

if TYPE_CHECKING:
    import pandas as pd
    from streamlit.delta_generator import DeltaGenerator

__all__ = [
    "Figure",
    "answered",
    "chart",
    "dark",
    "download",
    "figure",
    "look",
    "metrics",
    "notices",
    "now",
    "problems",
    "put",
    "stale",
    "table",
    "unfaded",
    "warned",
]

PAUSE = 0.08
"""seconds"""
MOST_WRITTEN = 10_000
"""Most numbers of a table that are written one by one."""
_UNSEEN = "position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%)"
"""Read aloud, not shown."""
_LOOK = """<style>
[data-testid=stMainBlockContainer] {padding-top: 4.5rem}
.st-key-metrics [data-testid=stElementContainer] {flex: 1 1 9.5rem; width: auto; min-width: 0}
.st-key-metrics [data-testid=stMetricLabel] p {white-space: normal}
.st-key-stale {opacity: 0.4}
</style>"""
"""Figures of one row stand above those of the next; what no longer answers the question is grey. Selectors by whole classes alone: others,
as [class*=x] or :has(), make the browser look at the whole page again with every change."""
_UNFADED = "<style>[data-stale=true] {transition: none !important; opacity: 1 !important}</style>"
_FONT = '"Source Sans", sans-serif'
_CALLED = {"md": "Markdown", "tex": "LaTeX", "xlsx": "Excel", "parquet": "Parquet"}
"""What people call a format, where it is not the ending in capitals."""
_MIME = {"png": "image/png", "svg": "image/svg+xml", "csv": "text/csv"}


def dark() -> bool:
    """Whether the page is dark."""
    return st.context.theme.type == "dark"


def now() -> None:
    """Let the browser draw what the page has so far: it would otherwise draw that together with all that follows, half as soon."""
    time.sleep(PAUSE)


def notices(asked: Question) -> None:
    """Above every page: what was wrong with a link or a file, and what was typed and cannot be."""
    if asked.notice:
        st.warning(
            f"This could not be read and is left out; the scenario is {escaped(title(asked.scenario))}:\n\n"
            + "\n\n".join(escaped(sentence) for sentence in asked.notice)
        )
    if asked.problems:
        problems(asked.problems)


def answered(asked: Question, draw: Callable[[Solution], None]) -> bool:
    """Draw with the answer; where there is none, the reason and the last answer in grey. Grey too while what was typed cannot be.

    Returns:
        Whether what is drawn answers the question.

    """
    best = answer(asked.scenario)
    warned(warnings(asked.scenario))
    if best.status is Status.OPTIMAL:
        asked.answered = best
        if not asked.problems:
            draw(best)
            return True
    else:
        problems([best.message])
    last = asked.answered
    if last is not None:
        stale(lambda: draw(last))
    return False


def problems(sentences: Sequence[str]) -> None:
    """The library's sentences."""
    st.error("\n\n".join(escaped(sentence) for sentence in sentences))


def warned(sentences: Sequence[str]) -> None:
    """What an answer does not refuse but may not mean what was wanted."""
    for sentence in sentences:
        st.warning(escaped(sentence))


def look() -> None:
    """What the pages look like beyond the theme; once in each run."""
    st.html(_LOOK)


def unfaded() -> None:
    """For a page that answers at once: the last answer stays as it is until the next one, since fading it takes the browser longer."""
    st.html(_UNFADED)


def metrics(rows: Iterable[Iterable[tuple[str, str, str | None, str | None]]]) -> None:
    """Rows of figures, two beside each other on a phone: label with unit, value, the range below it, what it means."""
    box = st.container(key="metrics")
    for row in rows:
        line = box.container(horizontal=True)
        for label, value, below, meaning in row:
            line.metric(label, value, below, delta_color="off", delta_arrow="off", help=meaning)


def stale(draw: Callable[[], None]) -> None:
    """The last good answer, greyed."""
    st.caption("Below, in grey: the last answer, before this change.")
    with st.container(key="stale"):
        draw()


class Figure(NamedTuple):
    """A chart that is ready to be shown."""

    frame: "pd.DataFrame"
    drawing: Callable[..., Drawing]
    spec: dict[str, Any]
    name: str


def figure(draw: Drawn, frame: "pd.DataFrame", *more: Any, name: str = "", **options: Any) -> Figure:
    """A chart of `report.chart` in the colours of the page, made before anything is shown; `chart` says what it takes.

    A page that makes its figures first and then shows everything at once is drawn sooner: the browser works through whatever it has been
    sent, and a gap between two elements is one more pass over the whole page.
    """
    drawing = partial(draw.drawing, frame, *more, **options)
    return Figure(frame, drawing, drawing(dark=dark()).spec(), name or draw.name)


def chart(
    draw: Drawn,
    frame: "pd.DataFrame",
    *more: Any,
    scenario: Scenario | None = None,
    name: str = "",
    **options: Any,
) -> None:
    """A chart of `report.chart` in the colours of the page; below it, on demand, its numbers and buttons that give it away.

    Args:
        draw: the chart's function.
        frame: what it draws.
        more: what else it takes.
        scenario: what the frame is about, for the file of its numbers; else the session's.
        name: of the files; needed where a page draws with one function twice.
        options: what else the function takes, by name.

    """
    put(figure(draw, frame, *more, name=name, **options), scenario)


def put(made: Figure, scenario: Scenario | None = None) -> None:
    """Show a figure.

    The title stands above it as text of the page, which wraps on a phone where Vega would cut it. The chart's description is text of the
    page too, for people who cannot see: a chart that is sent with another description is drawn anew, not moved.
    """
    frame, drawing, spec, name = made
    title = spec.pop("title")
    told, below = html.escape(title["text"]), "<br>".join(html.escape(line) for line in title["subtitle"])
    st.html(
        f'<strong>{told}</strong><br><small>{below}</small><p style="{_UNSEEN}">{html.escape(spec["description"])}</p>'
    )
    spec["description"] = title["text"]
    spec["background"] = None
    spec["datasets"] = {name: pa.Table.from_pylist(rows) for name, rows in spec["datasets"].items()}
    spec["config"]["font"] = _FONT
    st.vega_lite_chart(spec=spec, theme=None, width="stretch")
    box = st.expander("Numbers and pictures", key=f"open.chart.{name}", on_change="rerun")
    if box.open:
        with box:
            table(frame, f"Numbers of {name.replace('-', ' ')}")
            row = st.container(horizontal=True)
            _files(row, frame, name, scenario or question().scenario, ("csv",))
            for kind in PICTURES:
                row.download_button(
                    kind.upper(), partial(_picture, kind, drawing), f"{name}.{kind}", _MIME[kind], key=f"{kind}.{name}", on_click="ignore",
                )  # fmt: skip


def _picture(kind: str, drawing: Callable[..., Drawing]) -> bytes:
    """For reports, so in the colours of paper."""
    return picture(drawing(dark=False), kind)


def table(frame: "pd.DataFrame", alt_text: str) -> None:
    """A frame with numbers as people write them and units in the header; they stay numbers, so that the browser sorts them by size.

    The browser saves a table as it is shown, so formulas are disarmed here too.
    """
    import pandas as pd

    units = frame.attrs.get("units", {})
    bare = frame if frame.index.name is None else frame.reset_index()
    headers = {str(name): as_text(_header(str(name), units.get(name, "1"))) for name in bare.columns}
    content = {name: _content(bare[name].to_numpy()) for name in headers}
    numbers = [name for name, values in content.items() if values.dtype.kind in "iuf"]
    outputs = bare["output"].tolist() if "output" in bare else []
    if "output" in content:
        content["output"] = np.array([as_text(named(str(name))) for name in outputs], object)
    shown = pd.DataFrame({headers[name]: values for name, values in content.items()})
    if len(shown) * len(numbers) > MOST_WRITTEN:
        formats = {
            headers[name]: st.column_config.NumberColumn(format=_format(content[name], name)) for name in numbers
        }
        st.dataframe(shown, hide_index=True, alt=alt_text, placeholder="", column_config=formats)
        return
    style = shown.style
    one = str(frame.attrs.get("output", ""))  # what a tornado's ends are
    for name in numbers:
        header, column = headers[name], one if one and name.startswith(("output_", "swing")) else name
        style = style.format(partial(written, column=column), subset=[header])
        if name not in units and not name.endswith(VS):  # each row is another output
            for output in dict.fromkeys(outputs):
                rows = [i for i, other in enumerate(outputs) if other == output]
                style = style.format(partial(written, column=output), subset=pd.IndexSlice[rows, [header]])
    st.dataframe(style, hide_index=True, alt=alt_text, placeholder="")


def _content(values: np.ndarray) -> np.ndarray:
    """A column that a browser can sort: numbers as numbers, everything else as text."""
    if values.dtype.kind in "iufb":
        return values
    known = [v for v in values.tolist() if v not in (None, "") and v == v]
    if known and all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in known):
        return np.array([math.nan if v in (None, "") else v for v in values.tolist()], float)
    told = [human(v, 4) if isinstance(v, float) and v == v else as_text(str(v)) for v in values.tolist()]
    return np.array(
        ["" if v is None or v != v else text for v, text in zip(values.tolist(), told, strict=True)], object
    )


def _format(values: np.ndarray, name: str) -> str:
    """A format of the browser's, for tables too long to write every number."""
    if is_ratio(name):
        return "%.1fx"
    if is_share(name):
        return "percent"
    largest = float(np.nanmax(np.abs(values), initial=0.0))
    return "scientific" if largest >= 1e15 else "compact" if largest >= 1e3 else "%.4g"


def _header(name: str, unit: str) -> str:
    """What people call a column; a dotted path stays as it is typed, and a star would say that every row is an optimum."""
    return name if "." in name else with_unit(name, unit).replace("*", "")


def download(frame: "pd.DataFrame", name: str, scenario: Scenario | None, kinds: Sequence[str] = ("csv",)) -> None:
    """A button for each format; a file is made when it is asked for, and carries the scenario."""
    _files(st.container(horizontal=True), frame, name, scenario, kinds)


def _files(
    row: "DeltaGenerator", frame: "pd.DataFrame", name: str, scenario: Scenario | None, kinds: Sequence[str]
) -> None:
    for kind in kinds:
        row.download_button(
            _CALLED.get(kind, kind.upper()), partial(encoded, frame, kind, scenario=scenario), f"{name}.{kind}",
            _MIME.get(kind, "application/octet-stream"), key=f"{kind}.{name}", on_click="ignore",
        )  # fmt: skip
