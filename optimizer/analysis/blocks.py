"""Long work in parts: it calls `progress(done, total)` after every part.

The first report is `progress(0, total)`, the last one `progress(total, total)`; `done` never falls. What `progress` raises ends the work,
which is how a caller cancels it.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

from ..assumptions.arguments import Names, as_names
from ..assumptions.problems import InputError, near_miss
from ..assumptions.scenario import Scenario
from ..model.outputs import POSITIVE
from ..optimum.base import in_base_class
from ..optimum.batch import solve_batch

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Progress", "checked_outputs", "in_turn", "reported", "solve_rows"]

T = TypeVar("T")

Progress = Callable[[int, int], object]
"""Called with (parts done, parts in all); most parts are optima. A bar is one: `optimizer.report.terminal.progress`."""

BLOCK_ROWS, SEARCHED_ROWS = 1 << 16, 1 << 13
"""Rows between two reports: of the base class, which one equation answers, and of all others. Both keep every core busy."""


def checked_outputs(outputs: Names) -> list[str]:
    """The names of outputs, as a list.

    Raises:
        InputError: a name is no numeric column of `solve_batch`.

    """
    problems = [
        f"output {name!r} is unknown{near_miss(name, POSITIVE)} Outputs: {', '.join(POSITIVE)}."
        for name in as_names(outputs, "outputs")
        if name not in POSITIVE
    ]
    if not outputs:
        problems.append(f"no output is named; give at least one of {', '.join(POSITIVE)}.")
    if problems:
        raise InputError(problems)
    return as_names(outputs)


def reported(items: Sequence[T], progress: Progress | None, size: Callable[[T], int] = lambda _: 1) -> Iterator[T]:
    """The items one by one, with a report before the first and after each.

    Args:
        items: the parts of the work.
        progress: called with (done, total).
        size: what one item adds to the count.

    """
    report = progress or (lambda _done, _total: None)
    done, total = 0, sum(map(size, items))
    report(done, total)
    for item in items:
        yield item
        done += size(item)
        report(done, total)


def in_turn(progress: Progress | None, sizes: Sequence[int]) -> Iterator[Progress | None]:
    """A progress for each of several works of these sizes, one after the other, that counts over all of them."""
    before, total = 0, sum(sizes)
    for size in sizes:
        first = before == 0

        def report(done: int, _total: int, before: int = before, first: bool = first) -> None:
            if progress and (done or first):
                progress(before + done, total)

        yield report if progress else None
        before += size


def solve_rows(scenario: Scenario, frame: "pd.DataFrame", progress: Progress | None = None) -> "pd.DataFrame":
    """`solve_batch` in blocks of rows; `progress` is called with the number of rows done."""
    import pandas as pd

    rows = BLOCK_ROWS if in_base_class(scenario) else SEARCHED_ROWS
    blocks = [frame.iloc[i : i + rows] for i in range(0, max(len(frame), 1), rows)]
    parts = [solve_batch(scenario, block) for block in reported(blocks, progress, len)]
    result = pd.concat(parts)
    result.attrs = parts[0].attrs
    return result
