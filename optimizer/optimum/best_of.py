"""Solve a program that may not be convex: from one start where it is, as the best of several sizes where it is not."""

import numpy as np

from ..assumptions.scenario import Scenario
from ..model.total import total_over_active
from .feasibility import Room
from .program import LOSS, Point, Rows
from .solution import KKT_TOLERANCE

__all__ = ["best_of", "is_convex"]

_STARTS = (-3.0, -1.5, 1.5)
"""ln N of the other starts, from the first guess."""


def is_convex(scenario: Scenario) -> bool:
    """Whether every row is convex in logarithms, so that a KKT point is the global optimum.

    Every law, RL policy and limit is. The roofline is for dense models, and for experts at a fixed batch; a batch that is chosen moves how
    many experts a step reads, 1 - (1 - a)^B, which bends the other way.
    """
    chosen = scenario.deployment.batch_size is None
    return not scenario.serving.by_roofline or not (chosen and float(total_over_active(scenario)) > 1)


def best_of(
    rows: Rows,
    scenario: Scenario,
    objective: dict[str, float],
    bounds: dict[str, float],
    start: np.ndarray,
    limits: Room,
) -> Point:
    """The program's solution: from one start where it is convex, the best of several sizes otherwise."""
    useful = LOSS in objective
    found = [rows.minimise(objective, bounds, start, useful=useful)]
    if not is_convex(scenario):
        for shift in _STARTS:
            x = start.copy()
            x[0] = min(max(start[0] + shift, limits.least_params), limits.most_params)
            x[1] = start[1] - shift
            found.append(rows.minimise(objective, bounds, x, useful=useful))
    (row,) = objective
    solved = [p for p in found if p.kkt_residual < KKT_TOLERANCE]
    return min(solved, key=lambda p: rows.value(row, p.x), default=min(found, key=lambda p: p.kkt_residual))
