"""How far is long work? A bar in terminals and notebooks, for the `progress` argument of every function that has one.

    sobol(s, n=2**14, progress=progress("Sobol indices"))
    size_table(s, progress=progress("sizes"))

Interrupt it as usual (Ctrl+C, or the stop button of a notebook): work stops after the part it is in, and the bar stays where it was.
"""

import time
from html import escape
from typing import Any

from rich.console import Console
from rich.control import Control
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.segment import ControlType

from ..analysis import blocks

__all__ = ["progress"]

PERIOD = 0.1
"""seconds between two drawings"""


def progress(about: str = "solving", *, console: Console | None = None) -> blocks.Progress:
    """A bar on standard error, to be called with (parts done, parts in all).

    Args:
        about: what is going on, in a word or two.
        console: where to draw; standard error, or the notebook, when left out.

    Where nobody watches (a pipe, a log) nothing is drawn, and a single part is not worth a bar. What was done before the first report does
    not count for the speed.

    """
    screen = console or Console(stderr=True)
    bar = _Notebook(about) if screen.is_jupyter else _Terminal(about, screen)
    watched = screen.is_jupyter or screen.is_terminal
    drawn, begun = -PERIOD, True

    def report(done: int, total: int) -> None:
        nonlocal drawn, begun
        if not watched or total < 2:
            return
        if done >= total:
            bar.clear()
            begun = True
        elif begun or time.monotonic() - drawn >= PERIOD:
            bar.draw(done, total, begun)
            drawn, begun = time.monotonic(), False

    return report


class _Terminal:
    """One line that is drawn over itself. The cursor waits below it, so that an interruption leaves nothing to put back."""

    def __init__(self, about: str, screen: Console) -> None:
        self.screen, self.on_screen, self.first = screen, False, 0
        self.bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[speed]}"),
            console=screen,
            auto_refresh=False,
        )
        self.task = self.bar.add_task(about, speed="")

    def draw(self, done: int, total: int, begun: bool) -> None:
        if begun:
            self.first = done
            self.bar.reset(self.task, total=total, completed=done, speed="")
        elapsed = self.bar.tasks[0].elapsed or 0.0
        rate = (done - self.first) / elapsed if elapsed else 0.0
        self.bar.update(self.task, total=total, completed=done, speed=f"{rate:,.0f}/s" if rate >= 1 else "")
        self.clear()
        self.screen.print(self.bar.get_renderable(), no_wrap=True, crop=True)
        self.on_screen = True

    def clear(self) -> None:
        if self.on_screen:
            self.screen.control(Control((ControlType.CURSOR_UP, 1), (ControlType.ERASE_IN_LINE, 2)))
        self.on_screen = False


class _Notebook:
    """One output of the cell that is replaced by the next state."""

    def __init__(self, about: str) -> None:
        self.about = about
        self.handle: Any = None

    def draw(self, done: int, total: int, begun: bool) -> None:
        self._show(
            f'<label>{escape(self.about)} <progress value="{done}" max="{total}"></progress> {done:,} of {total:,}</label>'
        )

    def clear(self) -> None:
        if self.handle is not None:
            self._show("")

    def _show(self, html: str) -> None:
        from IPython.display import HTML, display

        if self.handle is None:
            self.handle = display(HTML(html), display_id=True)
        else:
            self.handle.update(HTML(html))
