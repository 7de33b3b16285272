"""How far is long work? A bar in terminals and notebooks, for the `progress` argument of the analyses.

    sobol(s, n=2**14, progress=progress("Sobol indices"))

Interrupt it as usual (Ctrl+C, or the stop button of a notebook): work stops after the block it is in, and the bar goes away.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

__all__ = ["progress"]


def progress(about: str = "solving", *, console: Console | None = None) -> Callable[[Sequence[Any]], Iterable[Any]]:
    """A wrapper for a sequence of blocks that draws a bar on standard error while it is used up.

    Args:
        about: what is going on, in a word or two.
        console: where to draw; standard error, or the notebook, when left out.

    Where nobody watches (a pipe, a log) nothing is drawn, and a single block is not worth a bar.

    """

    def bar(blocks: Sequence[Any]) -> Iterable[Any]:
        screen = console or Console(stderr=True)
        watched = len(blocks) > 1 and (screen.is_terminal or screen.is_jupyter)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=screen, transient=True, disable=not watched) as shown:
            yield from shown.track(blocks, description=about)

    return bar
