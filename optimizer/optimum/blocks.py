"""How does a long batch report where it is? In blocks, through an iterator that the caller wraps.

`progress` takes the list of blocks and yields them one by one; a progress bar is such a function, and so is `iter`. Between blocks the work
can be interrupted.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ..assumptions.problems import InputError, near_miss
from ..assumptions.scenario import Scenario
from .base import in_base_class
from .batch import solve_batch

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["OUTPUTS", "Progress", "checked_outputs", "solve_rows"]

Progress = Callable[[Sequence[Any]], Iterable[Any]]
"""Wraps a sequence of blocks, as a progress bar does."""

BLOCK_ROWS, SEARCHED_ROWS = 1 << 16, 1 << 13
"""Rows between two reports: of the base class, which one equation answers, and of all others. Both keep every core busy."""

OUTPUTS = ("n_params", "train_tokens", "overtraining_vs_rule_of_20", "overtraining_vs_law", "cost_total")
"""What an analysis tells of an optimum unless asked for other columns of `solve_batch`."""

_POSITIVE = (
    *OUTPUTS[:2],
    "rl_tokens",
    "tokens_per_param",
    *OUTPUTS[2:4],
    "loss",
    *(f"cost_{phase}" for phase in ("pretraining", "rl", "prefill", "decode", "total")),
)


def checked_outputs(names: Sequence[str]) -> list[str]:
    """The names of outputs, as a list.

    Raises:
        InputError: a name is no numeric column of `solve_batch`.

    """
    problems = [
        f"output {name!r} is unknown{near_miss(name, _POSITIVE)} Outputs: {', '.join(_POSITIVE)}."
        for name in names
        if name not in _POSITIVE
    ]
    if not names:
        problems.append(f"no output is named; give at least one of {', '.join(_POSITIVE)}.")
    if problems:
        raise InputError(problems)
    return list(names)


def solve_rows(scenario: Scenario, frame: "pd.DataFrame", progress: Progress | None = None) -> "pd.DataFrame":
    """`solve_batch` in blocks of rows, each passed through `progress`."""
    import pandas as pd

    rows = BLOCK_ROWS if in_base_class(scenario) else SEARCHED_ROWS
    blocks = [frame.iloc[i : i + rows] for i in range(0, max(len(frame), 1), rows)]
    parts = [solve_batch(scenario, block) for block in (progress(blocks) if progress else blocks)]
    result = pd.concat(parts)
    result.attrs = parts[0].attrs
    return result
