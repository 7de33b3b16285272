"""Charts, tables, metrics, downloads and problems on a page; the same on every page."""

import html
import math
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import streamlit as st

from ..analysis.compare import VS
from ..assumptions.naming import in_words, title
from ..assumptions.numbers import human
from ..assumptions.problems import InputError
from ..assumptions.scenario import Scenario
from ..model.outputs import heading, output_of, with_unit, written
from ..optimum.solution import Solution, Status
from ..report.chart.drawing import Drawing, Drawn
from ..report.chart.picture import PICTURES, check_picture, picture
from ..report.files.export import check_writer, encoded
from ..report.files.markup import as_text
from .answers import answer
from .controls import escaped
from .filters import LEAST_ROWS, filtered
from .folding import folded
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
    "height",
    "is_fresh",
    "metrics",
    "notices",
    "now",
    "parts",
    "problems",
    "put",
    "stale",
    "table",
    "warned",
]

PAUSE = 0.08
"""seconds"""
LARGEST = 2.0**53
MOST_WRITTEN = 10_000
"""Most numbers of a table that are written one by one."""
SHORT, LETTER, CELL = 24, 8, 24
"""Letters of a text that is never cut; pixels of a letter, and of the space around a text."""
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
            f"These parts could not be read and are ignored; the scenario is {escaped(title(asked.scenario))}:\n\n"
            + "\n\n".join(escaped(sentence) for sentence in asked.notice)
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


def problems(sentences: Sequence[str]) -> None:
    """Problems as the library's sentences."""
    st.error("\n\n".join(escaped(sentence) for sentence in sentences))


def warned(sentences: Sequence[str]) -> None:
    """Warnings of the library about a scenario that it accepts."""
    for sentence in sentences:
        st.warning(escaped(sentence))


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


def put(made: Figure, scenario: Scenario | None = None) -> None:
    """Show a figure.

    The title stands above it as text of the page, which wraps on a phone where Vega would cut it. The description, for screen readers, is
    text of the page too: a chart with another description would be drawn anew, not updated.
    """
    frame, drawing, spec, name = made
    title = spec["title"]
    # A line that ends in a comma or semicolon was broken for a narrow picture; a page wraps by itself.
    lines = re.sub(r"([,;])\n", r"\1 ", "\n".join(title["subtitle"]))
    above, below = html.escape(title["text"]), html.escape(lines).replace("\n", "<br>")
    st.html(
        f'<strong>{above}</strong><br><small>{below}</small><p style="{_UNSEEN}">{html.escape(spec["description"])}</p>'
    )
    without_title = {key: value for key, value in spec.items() if key != "title"} | {
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


def table(frame: "pd.DataFrame", alt_text: str) -> None:
    """A frame with numbers as people write them and units in the header; they stay numbers, so that the browser sorts them by size.

    The browser saves a table as it is shown, so spreadsheet formulas are disarmed here too.
    """
    import pandas as pd

    units = frame.attrs.get("units", {})
    bare = frame if frame.index.name is None else frame.reset_index()
    bare = _chosen(_named(bare), units, alt_text)
    content = {str(name): _content(bare[name].to_numpy()) for name in bare.columns}
    outputs = bare["output"].tolist() if "output" in bare else []
    if outputs:
        content["output"] = np.array([as_text(heading(str(name)).replace("*", "")) for name in outputs], object)
    numbers = [name for name, values in content.items() if values.dtype.kind in "iuf"]
    by_row = [name for name in numbers if name not in units and not name.endswith(VS)] if "unit" in bare else []
    if by_row:
        powers = [_power(row) for row in zip(*(content[name] for name in by_row), strict=True)]
        content |= {name: content[name] / np.power(10.0, powers) for name in by_row if any(powers)}
        content["unit"] = np.array([_unit(u, power) for u, power in zip(bare["unit"], powers, strict=True)], object)
    headers = {}
    for name, values in content.items():
        power = _power(values) if name in numbers and name not in by_row else 0
        content[name] = values / 10.0**power if power else values
        called = (
            name if not name.endswith(VS) else f"{name.removesuffix(VS)} / {frame.attrs.get('reference', 'reference')}"
        )
        headers[name] = as_text(_header(called, units.get(name, "1"), power))
    shown = pd.DataFrame({headers[name]: values for name, values in content.items()})
    widths = {headers[name]: _narrow(values, headers[name]) for name, values in content.items() if name not in numbers}
    if len(shown) * len(numbers) > MOST_WRITTEN:
        formats = widths | {
            headers[name]: st.column_config.NumberColumn(format=_format(content[name], name)) for name in numbers
        }
        st.dataframe(shown, hide_index=True, alt=alt_text, placeholder="", column_config=formats)
        return
    style = shown.style
    one = str(frame.attrs.get("output", ""))  # the output of a tornado's columns
    elasticity = "active_limit" in bare  # numbers of a kind of their own, in columns named after outputs
    for name in numbers:
        header, column = headers[name], one if one and name.startswith(("output_", "swing")) else name
        style = style.format(partial(_number, column="" if elasticity else column), subset=[header])
        if name not in units and not name.endswith(VS):  # each row is another output
            for output in dict.fromkeys(outputs):
                rows = [i for i, other in enumerate(outputs) if other == output]
                style = style.format(partial(written, column=output), subset=pd.IndexSlice[rows, [header]])
    st.dataframe(style, hide_index=True, alt=alt_text, placeholder="", column_config=widths)


def _named(bare: "pd.DataFrame") -> "pd.DataFrame":
    """A table of dotted paths with the names of the assumptions before them, where it does not have their meaning already."""
    column = next((name for name in ("assumption", "path") if name in bare and "about" not in bare), None)
    if column is None:
        return bare
    paths = bare[column].tolist()
    named = bare.rename(columns={column: "path"})
    named.insert([*named].index("path"), "assumption", [in_words(str(path)) for path in paths])
    return named


def _chosen(bare: "pd.DataFrame", units: Mapping[str, str], alt_text: str) -> "pd.DataFrame":
    """The rows that the reader's filter keeps."""
    if len(bare) < LEAST_ROWS:
        return bare
    text = st.text_input(
        "Filter", key=f"filter.{alt_text}", placeholder="a word, or a comparison such as N < 100B", max_chars=200, persist_state="session",
        help="Conditions are separated by commas, and a row must meet all: a word of a cell, or a part of a heading with <, <=, >, >= or = "
        "and a number in base units, such as 2.5T, 1e26 or 5%. Files hold all rows.",
    )  # fmt: skip
    try:
        found = filtered(bare, [_header(str(name), units.get(str(name), "1")) for name in bare.columns], text)
    except InputError as error:
        problems(error.problems)
        return bare
    if len(found) < len(bare):
        st.caption(f"{len(found):,} of {len(bare):,} rows.")
    return found


def _narrow(texts: np.ndarray, header: str) -> Any:
    """A column of short texts at its full width; the browser, which sees the first rows only, would cut later ones."""
    longest = max(len(header), *map(len, map(str, texts)), 0)
    return st.column_config.Column(width=LETTER * longest + CELL if longest <= SHORT else None)


def _power(values: Iterable[float]) -> int:
    """The power of ten of the middle number, or what the largest needs: a browser shows integers beyond 2^53 as errors."""
    sizes = sorted(abs(v) for v in values if math.isfinite(v) and v)
    if not sizes or sizes[-1] < LARGEST:
        return 0
    needed = 3 * math.ceil(math.log10(sizes[-1] / LARGEST) / 3)
    return max(3 * int(math.log10(sizes[len(sizes) // 2]) // 3), needed)


def _unit(unit: str, power: int) -> str:
    """A unit times a power of ten; "" for a plain number."""
    return " ".join(filter(None, (f"1e{power}" if power else "", "" if unit == "1" else unit)))


def _number(value: float, column: str) -> str:
    """A number of a column; columns of `compare.difference_table` hold ratios."""
    return written(value, "cost_vs_optimum" if column.endswith(VS) else column)


def _content(values: np.ndarray) -> np.ndarray:
    """A column that a browser can sort: numbers as numbers, everything else as text."""
    if values.dtype.kind in "iufb":
        return values
    known = [v for v in values.tolist() if v not in (None, "") and v == v]
    if known and all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in known):
        return np.array([math.nan if v in (None, "") else v for v in values.tolist()], float)
    texts = [human(v, 4) if isinstance(v, float) and v == v else as_text(str(v)) for v in values.tolist()]
    return np.array(
        ["" if v is None or v != v else text for v, text in zip(values.tolist(), texts, strict=True)], object
    )


def _format(values: np.ndarray, name: str) -> str:
    """A format of the browser's, for tables too long to write every number."""
    output = output_of(name)
    if output and output.kind != "number":
        return {"ratio": "%.1fx", "share": "percent", "count": "localized", "whole": "localized"}[output.kind]
    return "compact" if float(np.nanmax(np.abs(values), initial=0.0)) >= 1e3 else "%.4g"


def _header(name: str, unit: str, power: int = 0) -> str:
    """The heading of a column; a dotted path stays as it is typed, and no star, as not every row is an optimum."""
    said = _unit(unit, power)
    return (f"{name} ({said})" if said else name) if "." in name else with_unit(name, said).replace("*", "")


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
