"""How far is a sweep? A progress bar on standard error, where somebody watches."""

import contextlib
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

__all__ = ["shown_progress"]


@contextlib.contextmanager
def shown_progress() -> Iterator[Callable[[int, int], None]]:
    """What to call with (rows done, rows in all); the time that is left counts what this run did, not what it found done."""
    console = Console(stderr=True)
    columns = (
        TextColumn("rows"),
        BarColumn(),
        MofNCompleteColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[speed]}"),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None, speed="")
        begun: list[int] = []

        def progress(done: int, total: int) -> None:
            begun.append(done)
            elapsed = bar.tasks[0].elapsed or 0.0
            rate = (done - begun[0]) / elapsed if elapsed else 0.0
            bar.update(task, total=total, completed=done, speed=f"{rate:,.0f} rows/s" if rate else "")
            del begun[1:]

        yield progress
