"""The residual of the Karush-Kuhn-Tucker conditions at a design, recomputed from the design alone, in logarithms."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ..assumptions.goal import BudgetGoal, LossGoal, ParamsGoal, TokensGoal
from ..assumptions.scenario import Scenario
from ..model.cost import Design, LifecycleCost, fixed_cost
from ..model.limits import limit_names
from ..model.quality import target_reducible_loss
from .needs import NeedsAt
from .program import USEFUL, design_at, rows_and_cost

__all__ = ["Judged", "Residual", "judge"]

Scalar = Any
"""One number of one scenario; batches are made by vmap."""

_COST, _LOSS, _LIMITS = 0, 1, 5
"""Rows of `rows_and_cost`."""

_TINY = 1e-300


class Residual(NamedTuple):
    """The two parts of a KKT residual."""

    stationarity: Scalar
    """relative to the objective's gradient"""
    violation: Scalar
    """of the goal and of the limits"""

    def total(self, width: Scalar) -> Scalar:
        """The larger part; `width` takes the place of stationarity where it is smaller, as at a kink, which has no gradient."""
        return jnp.maximum(jnp.minimum(self.stationarity, width), self.violation)


class Judged(NamedTuple):
    """A design with what the search must know of it; all from one evaluation of cost and loss."""

    design: Design
    cost: LifecycleCost
    residual: Residual
    """recomputed from scratch"""
    excess: Scalar
    """ln(quantity / bound) of every limit, in the order of `limit_excess`; -inf for limits that are not set"""


def judge(scenario: Scenario, ln_n: Scalar, ln_d: Scalar, ln_r: Scalar, needs: NeedsAt | None = None) -> Judged:
    """Cost, limits and KKT residual of a design; `ln_r` counts where R is decided."""
    x = jnp.stack([ln_n, ln_d, *((ln_r,) if scenario.rl.decided else ())])

    def rows(x: Scalar) -> tuple[Scalar, tuple[Scalar, LifecycleCost]]:
        values, cost = rows_and_cost(scenario, x, None if needs is None else needs(x[0]))
        return values, (values, cost)

    gradients, (values, cost) = jax.jacfwd(rows, has_aux=True)(x)
    last = _LIMITS + len(limit_names(scenario))
    bounded = last + (len(USEFUL) if scenario.law.repeats and isinstance(scenario.goal, BudgetGoal) else 0)
    residual = _residual(scenario, (ln_n, ln_d), values, gradients, slice(_LIMITS, bounded))
    excess = values[_LIMITS:last] if limit_names(scenario) else jnp.full(1, -jnp.inf)
    return Judged(design_at(scenario, x), cost, residual, excess)


def _residual(
    scenario: Scenario, at: tuple[Scalar, Scalar], values: Scalar, gradients: Scalar, limited: slice
) -> Residual:
    cost, level, limits = values[_COST], values[_LOSS], values[limited]
    objective, held, miss = gradients[_COST], gradients[_LOSS], 0.0
    match scenario.goal:
        case LossGoal():
            miss = level - jnp.log(target_reducible_loss(scenario))
        case BudgetGoal(budget=budget):
            objective, held = gradients[_LOSS], gradients[_COST]
            miss = cost - jnp.log(budget - fixed_cost(scenario))
        case ParamsGoal(params=params):
            miss = jnp.abs(at[0] - jnp.log(params))
        case TokensGoal(tokens=tokens):
            miss = jnp.abs(at[1] - jnp.log(tokens))
    slack = jnp.concatenate([jnp.atleast_1d(miss), limits])
    normals = jnp.concatenate([held[None], gradients[limited]])
    first = jnp.argmax(slack)
    second = jnp.argmax(jnp.where(jnp.arange(slack.shape[0]) == first, -jnp.inf, slack)) if len(slack) > 1 else first
    near = slack > -1e-8
    left = _unexplained(objective, *(jnp.where(near[i], normals[i], 0.0) for i in (first, second)))
    left = left / jnp.max(jnp.abs(objective))
    violation = jnp.max(jnp.maximum(limits, 0.0), initial=0.0)
    both = jnp.abs(miss) if not isinstance(scenario.goal, BudgetGoal) else jnp.maximum(miss, 0.0)
    return Residual(left, jnp.maximum(violation, both))


def _unexplained(gradient: Scalar, one: Scalar, two: Scalar) -> Scalar:
    """The largest entry of gradient + a one + b two for the best a, b >= 0."""

    def along(normal: Scalar, rest: Scalar) -> Scalar:
        return jnp.maximum(-(normal @ rest) / jnp.maximum(normal @ normal, _TINY), 0.0)

    oo, ot, tt = one @ one, one @ two, two @ two
    det = oo * tt - ot * ot
    a = -(tt * (one @ gradient) - ot * (two @ gradient)) / jnp.where(det == 0, 1.0, det)
    b = -(oo * (two @ gradient) - ot * (one @ gradient)) / jnp.where(det == 0, 1.0, det)
    tries = [along(one, gradient) * one, along(two, gradient) * two]
    tries += [jnp.where((det > 0) & (a >= 0) & (b >= 0), a * one + b * two, tries[0])]
    return jnp.min(jnp.stack([jnp.max(jnp.abs(gradient + t)) for t in tries]))
