"""How does the optimum run along a grid of assumptions, and what does quality cost?"""

import itertools
import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from ..assumptions.arguments import MAPPING, PROGRESS, Numbers, as_numbers, as_values, checks, numbers
from ..assumptions.numbers import parse_number
from ..assumptions.problems import InputError
from ..assumptions.quantity import Quantity
from ..assumptions.scenario import SCENARIO, Scenario
from ..assumptions.typed import declaration
from ..optimum.solve import solve
from .blocks import Progress, solve_rows

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["frontier", "sweep"]

MOST_POINTS = 1_000_000
"""Points of a grid that are held in memory."""
FRONTIER_SPAN = 2.0
"""A frontier reaches from this many times today's reducible loss to one such part of it: about a tenth to ten times the cost."""


@checks(scenario=SCENARIO, grid=MAPPING, progress=PROGRESS)
def sweep(
    scenario: Scenario, grid: Mapping[str, Iterable[object] | float | None], *, progress: Progress | None = None
) -> "pd.DataFrame":
    """The optimum at every combination of the values given.

    Args:
        scenario: the question that all points share.
        grid: dotted path -> values, or one value. Numbers may be human ("100B"); names, kinds and policies are text.
        progress: called with (optima found, optima in all) as the work goes on.

    Returns:
        One row a combination, the last path running fastest: a column for each path, then the columns of `solve_batch`. A point
        without an answer carries its status, a sentence and NaN. `attrs["units"]` gives the units, `attrs["grid"]` the paths.

    Raises:
        InputError: a path has no values, or is none.

    >>> from optimizer.assumptions.library import load
    >>> frame = sweep(load("lecture-2026"), {"law": ["besiroglu", "hoffmann"], "traffic.output_tokens": ["20T", "200T"]})
    >>> [f"{ratio:.0f}x" for ratio in frame["overtraining_vs_rule_of_20"]]
    ['33x', '52x', '74x', '120x']

    """
    import pandas as pd

    declared = {path: declaration(path) for path in grid}
    lists = {path: [_plain(v, declared[path]) for v in as_values(values)] for path, values in grid.items()}
    empty = [path for path, values in lists.items() if not values]
    if empty or not grid:
        raise InputError(
            [f"grid[{path!r}] needs a list of values." for path in empty] or ["the grid is empty; give path: values."]
        )
    count = math.prod(map(len, lists.values()))
    if count > MOST_POINTS:
        raise InputError(
            [
                f"the grid has {count:,} points, at most {MOST_POINTS:,} are solved in memory. Take fewer values, or write the rows to a "
                "Parquet file and solve them with sweep_parquet."
            ]
        )
    points = itertools.product(*lists.values())
    frame = pd.DataFrame.from_records(list(points), columns=list(grid))
    answers = solve_rows(scenario, frame, progress)
    result = pd.concat([frame, answers], axis=1)
    result.attrs["units"] = {p: q.unit for p, q in declared.items() if q} | answers.attrs["units"]
    result.attrs["grid"] = list(grid)
    return result


def _plain(value: object, declared: Quantity | None) -> object:
    """Numbers as floats, also those written for people; names stay text."""
    try:
        return parse_number(value, declared.unit if declared else None)
    except ValueError:
        return value


@checks(scenario=SCENARIO, losses=numbers("1.9", "nat/token"), progress=PROGRESS)
def frontier(scenario: Scenario, losses: Numbers | None = None, *, progress: Progress | None = None) -> "pd.DataFrame":
    """The least cost of each quality, with the design that it buys.

    Args:
        scenario: the question; whatever its goal, the frontier asks for losses and passes through its optimum.
        losses: losses to reach (nat/token). Left out: 33 of them around today's optimum, from twice its reducible loss to half of it, which
            is about a tenth to ten times its cost.
        progress: called with (optima found, optima in all) as the work goes on.

    Returns:
        One row a loss, worst first: `cost_vs_today` (cost as a multiple of the scenario's own optimum), `today` (whether the row is that
        optimum), then the columns of `solve_batch`. Its slope is the shadow price of quality, d ln C / d ln l = -1 / eN.

    Raises:
        InfeasibleError: the scenario itself has no optimum.
        InputError: a loss is no positive number.

    >>> from optimizer.assumptions.library import load
    >>> frame = frontier(load("lecture-2026"))
    >>> bool(frame["cost_total"].is_monotonic_increasing), float(frame.loc[frame["today"], "cost_vs_today"].iloc[0].round(9))
    (True, 1.0)

    """
    import pandas as pd

    best = solve(scenario)
    irreducible = float(scenario.law.chinchilla.E)
    if losses is None:
        steps = np.linspace(1, -1, 33)
        asked = irreducible + (best.loss - irreducible) * FRONTIER_SPAN**steps
    else:
        given = as_numbers(losses, "losses", "nat/token")
        asked = np.sort(np.array(given))[::-1]
        if not len(asked) or not (asked > 0).all():
            raise InputError([f"losses must be positive numbers of nat/token, got {given}; give at least one."])
    question = scenario.update({"goal": {"kind": "loss", "loss": best.loss}})
    answers = solve_rows(question, pd.DataFrame({"goal.loss": asked}), progress)
    answers["loss"] = asked
    answers.insert(0, "cost_vs_today", answers["cost_total"] / float(best.cost.total))
    answers.insert(1, "today", np.isclose(asked, best.loss, rtol=1e-12))
    answers.attrs["units"] = {"cost_vs_today": "1", **answers.attrs["units"]}
    answers.attrs["today"] = {"loss": best.loss, "cost_total": float(best.cost.total)}
    return answers
