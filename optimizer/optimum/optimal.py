"""The optimum as a JAX function: under `jax.grad`, `jax.vmap` and `jax.jit`, of a scenario and of values by dotted path.

Where N and D alone are decided the optimum is the root of one equation, elsewhere that of the condition that holds it on the curve of its
goal (first order, or a limit): F(x, theta) = 0. Derivatives are those of the root, by the implicit function theorem,

    dx/dtheta = -(dF/dx)^-1 dF/dtheta,

never those of the steps of a solver.
"""

from collections.abc import Hashable, Mapping
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from ..assumptions.arguments import MAPPING, checks
from ..assumptions.goal import BudgetGoal, DecidedGoal, LossGoal, TokensGoal
from ..assumptions.numbers import parse_number
from ..assumptions.problems import InputError, near_miss
from ..assumptions.quantity import Numeric
from ..assumptions.scenario import SCENARIO, Scenario
from ..model.cost import Design, LifecycleCost, lifecycle_cost
from ..model.placements import at_place, decides, places
from ..model.quality import as_good_as, loss
from .base import in_base_class, optimum
from .placing import SAME
from .search import optimum_on_curve
from .solve import KKT_TOLERANCE

__all__ = ["OptimalDesign", "optimal_design"]


class OptimalDesign(NamedTuple):
    """The optimum of one scenario, or of a batch of them under `jax.vmap`."""

    design: Design
    """N*, D* and R*; NaN where there is no optimum, or none of this function"""
    cost: LifecycleCost
    """by phase, in the unit of the scenario; `.total` is their sum"""
    kkt_residual: Numeric
    """relative violation of the first-order condition, the goal and the limits"""


@checks(scenario=SCENARIO, values=MAPPING)
def optimal_design(scenario: Scenario, values: Mapping[str, Numeric] | None = None) -> OptimalDesign:
    """The optimum as a function for `jax.grad`, `jax.jacfwd`, `jax.vmap` and `jax.jit`.

    Args:
        scenario: the question. It is a pytree: its gradient is a scenario of slopes, one for every number.
        values: numbers or traced JAX scalars that replace numbers of the scenario, by dotted path. They are not checked against their
            bounds, since a traced value cannot be.

    Returns:
        The design that `solve` finds, its cost by phase and its KKT residual. NaN, and a derivative of NaN, where there is no optimum or
        the residual exceeds 1e-8: `solve` says why, or solves it. The optimum on a kink of the serving roofline has no derivative (NaN).
        Where a limit holds the optimum the derivative is along that limit, one-sided where another would take over. Where the placement
        is open (deployment.placement = "best") all listed ones are solved and the derivative is that of the best (envelope theorem), up to
        where another one takes over. Goals `params` and `tokens` are NaN where another placement reaches the loss of their design for
        less at another size, which `solve` names.

    Raises:
        InputError: a path is no number of the scenario.

    For many scenarios without derivatives `solve_batch` is faster. A new kind of scenario (law, goal, limits) compiles, new numbers do not.

    >>> import jax
    >>> from optimizer.assumptions.library import load
    >>> s = load("lecture-2026")
    >>> def size(tokens):
    ...     return optimal_design(s, {"traffic.output_tokens": tokens}).design.n_params
    >>> f"{size(2e14) / 1e9:.1f}B", f"{2e14 * jax.grad(size)(2e14) / size(2e14):.3f}"
    ('111.4B', '-0.072')

    """
    leaves, tree = jax.tree.flatten(scenario.model_copy(update={"sources": {}}))
    order = {path: i for i, (path, _, _) in enumerate(scenario.quantities())}
    problems = []
    for path, value in (values or {}).items():
        if path not in order:
            problems.append(f"{path} is not a number of this scenario{near_miss(path, order)}")
            continue
        try:
            leaves[order[path]] = value if isinstance(value, jax.Array) else parse_number(value)
        except ValueError as error:
            problems.append(f"{path} {error}.")
    if problems:
        raise InputError(problems)
    if decides(scenario):
        return _best_placed(jax.tree.unflatten(tree, leaves))
    return _optimal(tree, tuple(jnp.asarray(leaf, float) for leaf in leaves))


def _best_placed(scenario: Scenario) -> OptimalDesign:
    """The best of all placements: first each without derivatives, then the best of each kind with those of the one that is chosen."""
    stacks: dict[Hashable, tuple[Array, ...]] = {}
    merits: dict[Hashable, Array] = {}
    for kind, listed in places(scenario).items():
        some = listed.pairs()
        each = (some.chips, some.stages, *(() if some.prompts is None else (some.prompts,)))
        every = [jax.tree.flatten(at_place(scenario, kind, *place)) for place in zip(*each, strict=True)]
        tree, leaves = every[0][1], zip(*(found for found, _ in every), strict=True)
        stacks[tree] = tuple(jnp.stack([jnp.asarray(v, float) for v in leaf]) for leaf in leaves)
        found = jax.vmap(partial(_optimal, tree))(jax.lax.stop_gradient(stacks[tree]))
        merit = jax.vmap(partial(_merit, jax.lax.stop_gradient(scenario)))(found)
        merits[tree] = jnp.where(jnp.asarray(some.allowed) & ~jnp.isnan(merit), merit, jnp.inf)
    least = jnp.stack([values.min() for values in merits.values()]).min()
    best: OptimalDesign | None = None
    for tree in reversed(stacks):  # of equal ones the first is taken
        chosen = merits[tree].min() <= least
        # A derivative that is unknown, of a placement that is not chosen, is kept from the numbers that all share.
        own = [leaf[jnp.argmin(merits[tree])] for leaf in stacks[tree]]
        found = _optimal(tree, tuple(jnp.where(chosen, v, jax.lax.stop_gradient(v)) for v in own))
        best = found if best is None else jax.tree.map(partial(jnp.where, chosen), found, best)
    assert best is not None
    if not isinstance(scenario.goal, DecidedGoal):
        return best
    # As the certificate of `solve`: no placement, at another size, may reach the loss of the design for less.
    asked, design = jax.lax.stop_gradient((scenario, best.design))
    least = _best_placed(asked.model_copy(update={"goal": as_good_as(asked, design)})).cost.total
    known = jnp.where(least < best.cost.total * (1 - SAME), jnp.nan, 1.0)
    return jax.tree.map(lambda v: v * known, best)


def _merit(scenario: Scenario, found: OptimalDesign) -> Array:
    """What is least for the best placement, as in `placing`."""
    if isinstance(scenario.goal, BudgetGoal):
        return jnp.asarray(loss(scenario, found.design))
    if isinstance(scenario.goal, LossGoal):
        return jnp.asarray(found.cost.total)
    excess = found.cost.total / lifecycle_cost(scenario, found.design).total - 1
    size = jnp.log(found.design.n_params) if isinstance(scenario.goal, TokensGoal) else 0.0
    return jnp.where(excess <= SAME, -size, excess)


@partial(jax.jit, static_argnums=0)  # not `compiled`, whose programs are no part of a transformation
def _optimal(tree: Hashable, leaves: tuple[Numeric, ...]) -> OptimalDesign:
    scenario: Scenario = jax.tree.unflatten(tree, leaves)
    if in_base_class(scenario):
        best, smooth = optimum(scenario), True
    else:
        best = optimum_on_curve(scenario)
        smooth = best.smooth
    # A factor, so that the derivative of what is unknown is unknown too.
    known = jnp.where(jnp.logical_and(best.possible, best.kkt_residual < KKT_TOLERANCE), 1.0, jnp.nan)
    moved = jnp.stack(leaves).sum()
    design, cost = jax.tree.map(lambda v: _differentiable(v * known, moved, smooth), (best.design, best.cost))
    return OptimalDesign(design, cost, jnp.asarray(best.kkt_residual))


@jax.custom_jvp
def _differentiable(value: Numeric, moved: Numeric, smooth: Numeric) -> Numeric:
    """The value; where it is not smooth its derivative by whatever `moved` depends on is NaN."""
    del moved, smooth  # only the derivative depends on them
    return value


@_differentiable.defjvp
def _slope(
    primals: tuple[Numeric, Numeric, Numeric], tangents: tuple[Numeric, Numeric, Numeric]
) -> tuple[Numeric, Numeric]:
    return primals[0], tangents[0] + jnp.where(primals[2], 0.0, jnp.nan) * tangents[1]
