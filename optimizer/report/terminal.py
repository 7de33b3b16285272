"""Print tables and draw progress bars, in terminals and notebooks.

    sobol(s, n=2**14, progress=progress("Sobol indices"))
    size_table(s, progress=progress("sizes"))

Long work can be interrupted as usual (Ctrl+C, or the stop button of a notebook): it stops after the current part.
"""

import io
import re
import textwrap
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType
from rich.control import Control
from rich.markup import escape
from rich.measure import Measurement
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.segment import ControlType
from rich.table import Table
from rich.text import Text

from ..analysis import blocks
from ..assumptions import arguments

__all__ = ["Blocks", "Column", "grid", "progress"]

HEADING, TEXT = 8, 40
"""Characters that a heading may take where its cells are narrower, and that a column of text takes at most."""
PERIOD = 0.1
"""seconds between two drawings of a bar"""


class Column(NamedTuple):
    """A column as it is printed."""

    heading: str
    unit: str
    """nothing is printed for "1": ratios and shares show what they are"""
    cells: list[str]
    number: bool


def grid(header: Sequence[str], rows: Iterable[Sequence[str]], *, title: str = "", text_columns: int = 1) -> Table:
    """A table with numbers to the right; the first `text_columns` columns, units and sources are text."""
    table = Table(title=title or None, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for i, name in enumerate(header):
        text = i < text_columns or name in ("unit", "source")
        table.add_column(name, justify="left" if text else "right", overflow="fold")
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    return table


class Blocks:
    """A table in as many blocks as the width asks for, so that no number is broken; every block repeats the first `axes` columns."""

    def __init__(self, columns: Sequence[Column], axes: int, title: str = "") -> None:
        self._axes, self._others, self._title = columns[:axes], columns[axes:], title

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        if self._title:
            yield Text(self._title, style="bold")
        unbounded = options.update(width=10_000)
        block: list[Column] = []
        for column in self._others:
            wider = _table([*self._axes, *block, column])
            if block and Measurement.get(console, unbounded, wider).maximum > options.max_width:
                yield _table([*self._axes, *block])
                block = []
            block.append(column)
        yield _table([*self._axes, *block])


def _table(columns: Sequence[Column]) -> Table:
    """One block: names at the bottom of their row, units below them."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    headings = [_lines(column) for column in columns]
    tallest = max(map(len, headings), default=0)
    for column, lines in zip(columns, headings, strict=True):
        heading = "\n".join([*[""] * (tallest - len(lines)), *lines, "" if column.unit == "1" else column.unit])
        if column.number:
            table.add_column(escape(heading), justify="right", no_wrap=True)
        else:
            table.add_column(escape(heading), overflow="fold", max_width=TEXT)
    for cells in zip(*(column.cells for column in columns), strict=True):
        table.add_row(*(escape(cell) for cell in cells))
    return table


def _lines(column: Column) -> list[str]:
    """The heading in lines hardly wider than what is below it, broken after spaces, dots and underscores."""
    room = max(HEADING, len(column.unit), *(len(cell) for cell in column.cells), 0)
    if len(column.heading) <= room:
        return [column.heading]
    words = textwrap.wrap(re.sub(r"(?<=[._])", "\0 ", column.heading), room, break_long_words=False)
    return [word.replace("\0 ", "").replace("\0", "") for word in words]


@arguments.checks(
    about=arguments.TEXT,
    console=arguments.instance_of(Console, "leave it out, or make one with rich.console.Console()", "a rich Console"),
)
def progress(about: str = "solving", *, console: Console | None = None) -> blocks.Progress:
    """A bar on standard error or in the notebook, to be called with (parts done, parts in all).

    Args:
        about: what is being done, in a word or two.
        console: where to draw; standard error, or the notebook, when left out.

    Nothing is drawn into a pipe or a file, nor for a single part. The speed does not count what was done before the first report.

    """
    screen = console or Console(stderr=True)
    show = _in_notebook() if screen.is_jupyter else _on_one_line(screen)
    watched = screen.is_jupyter or screen.is_terminal
    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[speed]}"),
        console=screen,
        auto_refresh=False,
    )
    task = bar.add_task(about, speed="")
    first: int | None = None
    drawn = 0.0

    def report(done: int, total: int) -> None:
        nonlocal first, drawn
        if not watched or total < 2:
            return
        if done >= total:
            first = None
            show(None)
            return
        if first is None:
            first = done
            bar.reset(task, total=total, completed=done, speed="")
        elif time.monotonic() - drawn < PERIOD:
            return
        elapsed = bar.tasks[0].elapsed or 0.0
        rate = (done - first) / elapsed if elapsed else 0.0
        bar.update(task, total=total, completed=done, speed=f"{rate:,.0f}/s" if rate >= 1 else "")
        show(bar.get_renderable())
        drawn = time.monotonic()

    return report


def _on_one_line(screen: Console) -> Callable[[RenderableType | None], None]:
    """Draws over the line before. The cursor waits below it, so that an interruption leaves nothing to restore."""
    there = False

    def show(what: RenderableType | None) -> None:
        nonlocal there
        if there:
            screen.control(Control((ControlType.CURSOR_UP, 1), (ControlType.ERASE_IN_LINE, 2)))
        if what is not None:
            screen.print(what, no_wrap=True, crop=True)
        there = what is not None

    return show


def _in_notebook() -> Callable[[RenderableType | None], None]:
    """Replaces one output of the cell."""
    handle: Any = None

    def show(what: RenderableType | None) -> None:
        nonlocal handle
        from IPython.display import HTML, display

        if what is None and handle is None:
            return
        page = Console(file=io.StringIO(), record=True, width=100, force_jupyter=False, force_terminal=True)
        if what is not None:
            page.print(what)
        html = HTML(page.export_html(inline_styles=True, code_format="<pre>{code}</pre>") if what is not None else "")
        if handle is None:
            handle = display(html, display_id=True)
        else:
            handle.update(html)

    return show
