"""Charts, tables, metrics, downloads and problems on a page; the same on every page."""

import html
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
import streamlit as st

from ..assumptions.naming import title_in_words
from ..assumptions.problems import InputError
from ..assumptions.scenario import Scenario
from ..optimum.solution import Solution, Status
from ..report.chart.drawing import Drawing, Drawn, autosize, pixels
from ..report.chart.picture import PICTURES, check_picture, picture
from ..report.files.export import check_writer, encoded
from .answers import answer
from .folding import folded
from .said import escaped, problems, said, warned
from .state import Question, question
from .table import table

if TYPE_CHECKING:
    import pandas as pd
    from streamlit.delta_generator import DeltaGenerator

__all__ = [
    "Figure",
    "answered",
    "blocks",
    "chart",
    "dark",
    "download",
    "figure",
    "height",
    "is_fresh",
    "metrics",
    "notices",
    "now",
    "parts",
    "put",
    "stale",
]

PAUSE = 0.08
"""seconds"""
_UNSEEN = "position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%)"
"""For screen readers: read aloud, not shown."""
_FONT = '"Source Sans", sans-serif'
_CALLED = {"md": "Markdown", "tex": "LaTeX", "xlsx": "Excel", "parquet": "Parquet"}
"""Names of formats that are not the ending in capitals."""
_MIME = {"png": "image/png", "svg": "image/svg+xml", "csv": "text/csv"}


def dark() -> bool:
    """Whether the page is dark."""
    return st.context.theme.type == "dark"


def parts(title: str, pages: Mapping[str, Callable[[], None]], key: str) -> None:
    """A page of several parts, of which one is chosen and shown; the first to begin with."""
    st.title(title)
    first = next(iter(pages))
    chosen = st.segmented_control(
        "Part",
        [*pages],
        default=first,
        key=key,
        required=True,
        persist_state="session",
        label_visibility="collapsed",
    )
    pages[chosen or first]()


def now() -> None:
    """Let the browser draw the page so far, before the rest is sent: drawn together, both would appear later."""
    time.sleep(PAUSE)


def notices(asked: Question) -> None:
    """Above every page: problems of a link, of a file, and of typed values whose field is not in sight."""
    if asked.notice:
        st.warning(
            f"The following could not be read; the scenario is {escaped(title_in_words(asked.scenario))}:\n\n"
            + "\n\n".join(said(sentence) for sentence in asked.notice)
        )
    left = [sentence for sentence in asked.problems if sentence not in asked.placed]
    if left:
        problems(left)


def is_fresh(asked: Question) -> bool:
    """Whether the answer that is shown is that of the current question: not while a typed value is refused."""
    return not asked.problems and answer(asked.scenario).status is Status.OPTIMAL


def answered(asked: Question, draw: Callable[[Solution], None]) -> bool:
    """Draw with the answer; without one, show the reason and the last answer in grey. Grey too while a typed value is refused.

    Returns:
        Whether the drawn answer is that of the current question.

    """
    best = answer(asked.scenario)
    warned(best.warnings)
    if best.status is Status.OPTIMAL:
        asked.answered = best
    else:
        problems([best.message])
    last, fresh = asked.answered, is_fresh(asked)
    if last is not None:
        draw(last) if fresh else stale(lambda: draw(last))
    return fresh


def metrics(shown: Iterable[tuple[str, str, str | None, str | None]], key: str = "metrics") -> None:
    """Metrics in columns, two on a phone: label with unit, value, the range below it, its help text."""
    line = st.container(key=key).container(horizontal=True)
    for label, value, below, about in shown:
        line.metric(label, value, below, delta_color="off", delta_arrow="off", help=about)


def stale(draw: Callable[[], None]) -> None:
    """The last good answer, greyed."""
    st.caption("In grey: the last answer, before this change.")
    with st.container(key="stale"):
        draw()


class Figure(NamedTuple):
    """A chart that is ready to be shown."""

    frame: "pd.DataFrame"
    drawing: Callable[..., Drawing]
    spec: dict[str, Any]
    name: str


def figure(draw: Drawn, frame: "pd.DataFrame", *more: Any, name: str = "", **options: Any) -> Figure:
    """A chart of `report.chart` in the colours of the page, not shown yet; arguments as `chart`.

    A page that makes its figures first and then shows everything at once appears sooner: a gap between two elements costs the browser one
    more pass over the whole page.
    """
    drawing = partial(draw.drawing, frame, *more, **options)
    return Figure(frame, drawing, drawing(dark=dark()).spec(), name or draw.name)


def height(made: Figure, pixels: int) -> Figure:
    """A figure of another height, where a page has less room."""
    made.spec["height"] = pixels
    return made


def chart(
    draw: Drawn,
    frame: "pd.DataFrame",
    *more: Any,
    scenario: Scenario | None = None,
    name: str = "",
    **options: Any,
) -> None:
    """A chart of `report.chart` in the colours of the page; below it, on demand, its numbers and download buttons.

    Args:
        draw: the chart's function.
        frame: what it draws.
        more: further arguments of it.
        scenario: scenario of the frame, stored in the file of its numbers; by default the session's.
        name: of the files; needed where a page calls one function twice.
        options: further arguments of the function, by name.

    """
    put(figure(draw, frame, *more, name=name, **options), scenario)


def put(made: Figure, scenario: Scenario | None = None, beside: Callable[[], object] | None = None) -> None:
    """Show a figure; `beside` draws a control next to its title.

    The title stands above it as text of the page, which wraps on a phone where Vega would cut it. The description, for screen readers, is
    text of the page too: a chart with another description would be drawn anew, not updated.
    """
    frame, drawing, spec, name = made
    title = spec["title"]
    # A line that ends in a comma or semicolon was broken for a narrow picture; a page wraps by itself.
    lines = re.sub(r"([,;])\n", r"\1 ", "\n".join(title["subtitle"]))
    above, below = html.escape(title["text"]), html.escape(lines).replace("\n", "<br>")
    head = (
        f'<strong>{above}</strong><br><small>{below}</small><p style="{_UNSEEN}">{html.escape(spec["description"])}</p>'
    )
    if beside is None:
        st.html(head)
    else:
        with st.container(horizontal=True, gap="small"):
            st.html(head)
            beside()
    without_title = {key: value for key, value in spec.items() if key != "title"} | {
        "autosize": autosize(spec),
        # Vega warns of a height by the row in a page that gives the width.
        "height": pixels(spec),
        "description": title["text"],
        "background": None,
        "datasets": {name: pa.Table.from_pylist(rows) for name, rows in spec["datasets"].items()},
        "config": spec["config"] | {"font": _FONT},
    }
    st.vega_lite_chart(spec=without_title, theme=None, width="stretch")
    box = folded("Numbers and pictures", f"open.chart.{name}")
    if box.open:
        with box:
            table(frame, f"Numbers of {name.replace('-', ' ')}")
            row = st.container(horizontal=True)
            _files(row, frame, name, scenario or question().scenario, ("csv",))
            for kind in PICTURES:
                missing = _missing(check_picture, kind)
                row.download_button(
                    kind.upper(), partial(_picture, kind, drawing), f"{name}.{kind}", _MIME[kind], key=f"{kind}.{name}", on_click="ignore",
                    disabled=missing is not None, help=missing,
                )  # fmt: skip


def _picture(kind: str, drawing: Callable[..., Drawing]) -> bytes:
    """In light colours, for reports on paper."""
    return picture(drawing(dark=False), kind)


def download(frame: "pd.DataFrame", name: str, scenario: Scenario | None, kinds: Sequence[str] = ("csv",)) -> None:
    """A button for each format; a file is made at the click, and holds the scenario. Without the package for it the button is disabled."""
    _files(st.container(horizontal=True), frame, name, scenario, kinds)


def _files(
    row: "DeltaGenerator", frame: "pd.DataFrame", name: str, scenario: Scenario | None, kinds: Sequence[str]
) -> None:
    for kind in kinds:
        missing = _missing(check_writer, kind)
        row.download_button(
            _CALLED.get(kind, kind.upper()), partial(encoded, frame, kind, scenario=scenario), f"{name}.{kind}",
            _MIME.get(kind, "application/octet-stream"), key=f"{kind}.{name}", on_click="ignore",
            disabled=missing is not None, help=missing,
        )  # fmt: skip


def _missing(check: Callable[[str], object], kind: str) -> str | None:
    """The sentence about the package that a format needs and this environment lacks."""
    try:
        check(kind)
    except InputError as error:
        return str(error)
    return None


_BLOCKS = """@media (max-width: 799px) {{
  {where} :is(table, tbody, tr, td) {{display: block}}
  {where} thead {{display: none}}
  {where} tr {{padding: 0.6rem 0; border-bottom: 1px solid rgba(128, 128, 128, 0.3)}}
  {where} td {{min-width: 0; padding: 0.1rem 0; border: 0; overflow-wrap: anywhere}}
  {where} td:first-child {{font-weight: 600}}
  {where} td :is(div, p) {{display: inline}}
{names}}}"""
"""A row of a table as lines, each with the name of its column, as on a phone many columns of text leave a word a line."""


def blocks(rows: Sequence[Mapping[str, str]], key: str) -> None:
    """A table of text; on a phone each of its rows stands as a block of lines, the first cell as its title."""
    where = f".st-key-{key} [data-testid=stTable]"
    names = "".join(
        f"  {where} td:nth-child({i})::before {{content: '{name}: '; opacity: 0.7}}\n"
        for i, name in enumerate(rows[0], 1)
        if i > 1
    )
    with st.container(key=key):
        st.html(f"<style>{_BLOCKS.format(where=where, names=names)}</style>")
        st.table([*rows], border="horizontal")
