"""Blocks of rows of a batch, each solved by one compiled call on a core of its own: by the equation, or by a search."""

import os
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..assumptions.quantisation import quantised
from ..assumptions.quantity import Numeric
from ..assumptions.scenario import Scenario
from ..compiling import compiled
from ..model.cost import Design, LifecycleCost, design_of, lifecycle_cost
from ..model.limits import limit_names
from ..model.outputs import ANSWER
from ..model.quality import loss, reducible_loss
from ..model.roofline import can_serve
from .answers import Answers
from .base import optimum
from .compared import Compared
from .few_bits import least_training
from .rows import Batch, padded
from .search import Around, optimum_on_curve
from .tabulated import Table

__all__ = ["BLOCK", "CURVE_BLOCK", "FEW", "baselines", "in_blocks"]

FEW, BLOCK, CURVE_BLOCK = 1 << 12, 1 << 16, 1 << 10
"""Rows solved in one compiled call: by equation in batches of up to `BLOCK` rows, in larger ones, and by search. Every call is padded to
one of them, so that a new number of rows compiles nothing."""

MANY = 1 << 13
"""Rows asked for at once from which a program's own speed is worth more time to compile. Of programs for fewer rows, a search compiles in 7
instead of 11 s and a row takes 80 instead of 50 microseconds of the processor."""

_ACTIVE = -1e-9

Answer = TypeVar("Answer")


class _Found(NamedTuple):
    """Answers of one block: arrays with one entry a row."""

    numbers: tuple[Array, ...]
    residual: Array
    covered: Array
    possible: Array
    active: tuple[Array, ...]
    """whether each limit holds the design"""


def in_blocks(
    rounds: float | None,
    batch: Batch,
    block: int,
    table: Answers,
    near: Compared | None,
    served: Table | None,
) -> list[np.ndarray]:
    """Solve all rows of a batch, write their numbers into the table; the residual, the flags and the active limits of each.

    By the equation, or by a search of so many rounds.
    """
    count, asked = len(batch.rows), table.numbers.shape[1]
    flags: list[np.ndarray] = [np.empty(count) for _ in range(3 + len(limit_names(batch.base)))]
    given = _given(batch, block)

    def solve_block(begin: int) -> None:
        size = min(block, count - begin)
        here = slice(begin, begin + size)
        if rounds is None:
            found = _EQUATION[block == BLOCK](*given(here))
        else:
            ends = (np.zeros(count),) * 2 if near is None else (near.left, near.right)
            around = Around(*(padded(v[here], block) for v in ends), known=0.0 if near is None else 1.0)
            found = _SEARCH[table.asked >= MANY](*given(here), rounds, around, served)
        rows = here if count == asked else batch.rows[here]
        for column, values in zip(table.numbers[: len(ANSWER)], found.numbers, strict=True):
            column[rows] = np.asarray(values)[:size]
        for column, values in zip(flags, (found.residual, found.covered, found.possible, *found.active), strict=True):
            column[here] = np.asarray(values)[:size]

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(solve_block, range(0, count, block)))
    return flags


def _given(batch: Batch, block: int) -> Callable[[slice], tuple[Any, ...]]:
    """A function of some rows: the scenarios as compiled programs take them, structure first.

    A program for the columns that differ is faster and pays for itself in a very large batch; all others share the one in which every
    number may differ.
    """
    places = batch.places if block == BLOCK else tuple(range(len(batch.leaves)))
    shared, varied = np.array(batch.leaves, float), batch.block(block, places)
    return lambda here: (batch.tree, places, shared, varied(here))


def _scenarios(
    tree: Hashable,
    places: tuple[int, ...],
    shared: Float[Array, " leaf"],
    varied: tuple[Float[Array, " row"], ...],
    answer: Callable[..., Answer],
    *known: Float[Array, " row"],
) -> Answer:
    """`answer` of the scenario and of what is known, mapped over the rows; what rows share stays without a row axis, so that it is computed
    once.
    """

    def one(values: tuple[Numeric, ...], *known: Numeric) -> Answer:
        leaves = list(shared)
        for place, value in zip(places, values, strict=True):
            leaves[place] = value
        return answer(jax.tree.unflatten(tree, leaves), *known)

    if not (varied or known):
        return jax.tree.map(jnp.atleast_1d, one(()))
    return jax.vmap(one)(varied, *known)


def _by_equation(
    tree: Hashable,
    places: tuple[int, ...],
    shared: Float[Array, " leaf"],
    varied: tuple[Float[Array, " row"], ...],
) -> _Found:
    def answer(scenario: Scenario) -> _Found:
        best = optimum(scenario)
        none = tuple(jnp.zeros(()) for _ in limit_names(scenario))
        numbers = _numbers(scenario, best.design, best.cost, best.kkt_residual)
        return _Found(
            numbers, jnp.asarray(best.kkt_residual), jnp.asarray(best.in_class), jnp.asarray(best.possible), none
        )

    return _scenarios(tree, places, shared, varied, answer)


def _by_search(
    tree: Hashable,
    places: tuple[int, ...],
    shared: Float[Array, " leaf"],
    varied: tuple[Float[Array, " row"], ...],
    rounds: Numeric,
    around: Around,
    served: Table | None,
) -> _Found:
    def answer(scenario: Scenario, left: Numeric, right: Numeric) -> _Found:
        best = optimum_on_curve(scenario, rounds, Around(left, right, around.known), served)
        numbers = _numbers(scenario, best.design, best.cost, best.kkt_residual)
        active = tuple(best.excess[i] > _ACTIVE for i in range(len(limit_names(scenario))))
        return _Found(numbers, best.kkt_residual, jnp.asarray(True), best.possible, active)

    return _scenarios(tree, places, shared, varied, answer, around.left, around.right)


_EQUATION, _SEARCH = (
    {many: compiled(structure=2, rows=many)(answers) for many in (False, True)}
    for answers in (_by_equation, _by_search)
)
"""By whether there are many rows."""


def _numbers(scenario: Scenario, design: Design, cost: LifecycleCost, residual: Numeric) -> tuple[Array, ...]:
    """The columns of the answer, in their order."""
    n, d, _ = design
    ratio = d / n
    numbers = [*design, ratio, ratio / 20, d / scenario.law.train_optimal_tokens(n), loss(scenario, design)]
    return tuple(jnp.asarray(v, float) for v in (*numbers, *cost, cost.total, residual))


def baselines(
    batch: Batch, n_params: np.ndarray, train_tokens: np.ndarray, rl_tokens: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """N, D and cost of the plan that trains the least for the loss of each design; an open placement is that plan's own cheapest one.

    D and N are NaN where data would repeat, the cost where the deployment cannot serve N.
    """
    count = len(batch.rows)
    block = BLOCK if count > BLOCK else FEW
    given = _given(batch, block)

    def plans(begin: int) -> tuple[np.ndarray, ...]:
        here = slice(begin, begin + block)
        designs = tuple(padded(v[here], block) for v in (n_params, train_tokens, rl_tokens))
        found = _BASELINES[block == BLOCK](*given(here), designs)
        return tuple(np.asarray(v) for v in found)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = zip(*pool.map(plans, range(0, count, block)), strict=True)
    n, d, cost = (np.concatenate(parts)[:count] for parts in found)
    return n, d, cost


def _baselines(
    tree: Hashable,
    places: tuple[int, ...],
    shared: Float[Array, " leaf"],
    varied: tuple[Float[Array, " row"], ...],
    designs: tuple[Float[Array, " row"], ...],
) -> tuple[Array, Array, Array]:
    def answer(scenario: Scenario, n: Numeric, d: Numeric, r: Numeric) -> tuple[Array, Array, Array]:
        base = _baseline(scenario, design_of(scenario, n, d, *((r,) if scenario.rl.decided else ())))
        served = can_serve(scenario, base.n_params)
        cost = jnp.where(served, lifecycle_cost(scenario, base).total, jnp.nan)
        return jnp.asarray(base.n_params), jnp.asarray(base.train_tokens), cost

    return _scenarios(tree, places, shared, varied, answer, *designs)


_BASELINES = {many: compiled(structure=2, rows=many)(_baselines) for many in (False, True)}


def _baseline(scenario: Scenario, design: Design) -> Design:
    """Least N D for the law's part of the loss; NaN where data would repeat."""
    if quantised(scenario):
        found = least_training(scenario, reducible_loss(scenario, design))
    else:
        reducible = scenario.law.reducible(design.n_params, design.train_tokens)
        found = scenario.law.ln_train_optimal(jnp.log(reducible))
    n, d = (jnp.exp(v) for v in found)
    n = jnp.where(scenario.law.effective_tokens(d) >= d, n, jnp.nan)
    rl_tokens = (design.rl_tokens,) if scenario.rl.decided else ()
    return design_of(scenario, n, d + 0.0 * n, *rl_tokens)
