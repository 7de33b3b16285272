"""The frontier of cost against quality: the least cost of each loss."""

from typing import TYPE_CHECKING

import numpy as np

from ..assumptions.arguments import PROGRESS, Numbers, as_numbers, checks, numbers
from ..assumptions.problems import InputError
from ..assumptions.scenario import SCENARIO, Scenario
from ..optimum.solve import solve
from .blocks import Progress, solve_rows

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["frontier"]

FRONTIER_SPAN = 2.0
"""A frontier reaches from this many times today's reducible loss to one such part of it: about a tenth to ten times the cost."""


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
