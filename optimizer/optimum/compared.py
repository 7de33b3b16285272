"""Compare placements for many scenarios that share them: one table of what each needs to serve a model, by size of the model.

What a placement needs depends on N alone, so rows that share chip, engine, context and shape of the model share one table. Goal `loss`: a
row looks at the cells of a grid of N, as `placing` does for one scenario. No design of a cell costs less on a placement than the cell's
least N with its least D. A node that keeps the limits is a design, so the best placement costs at most what the cheapest node does. Cells
above that are closed, and a finer grid is laid over those that stay open.

A placement cannot be the best where its least open cell lies above an optimum that is solved.
"""

import os
from collections.abc import Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..assumptions.goal import LossGoal
from ..assumptions.quantisation import quantised
from ..assumptions.quantity import Numeric
from ..assumptions.scenario import Scenario
from ..compiling import compiled
from ..model.cost import Design, Served, design_of, lifecycle_cost_served, served_by
from ..model.limits import straight_excess
from ..model.quality import target_inner_sum
from ..model.roofline import can_serve
from .feasibility import SMALLEST_USEFUL
from .rows import Batch

__all__ = ["Compared", "comparable", "compared"]

_GRID = 64
"""Nodes that a row looks at in one pass."""
_NODES = (_GRID, 512, 512)
"""Nodes of the table in each pass, of which a block of rows takes those over its own open cells."""
_BLOCK, _CHUNK = 1 << 10, 1 << 7
"""Rows of one call, and of them those whose grids fit in the cache."""
_ENDS = (np.log(SMALLEST_USEFUL), np.log(1e18))
"""ln N of designs that mean anything, and beyond what any replica holds."""
_FAR = 40.0


class Compared(NamedTuple):
    """What is known of every row before any placement is solved."""

    bounds: Float[np.ndarray, "row placement"]
    """a cost below which no design of the open cells can be served; infinite where none is left"""
    left: Float[np.ndarray, " row"]
    """coordinate of `curve` where the open cells begin"""
    right: Float[np.ndarray, " row"]

    def only(self, some: np.ndarray) -> "Compared":
        """Some of the rows."""
        return Compared(*(values[some] for values in self))


class _Table(NamedTuple):
    """What each placement needs at each node."""

    ln_n: Float[np.ndarray, " node"]
    served: Float[np.ndarray, "need placement node"]
    """in the order of `Served`; 0 where it cannot serve the size"""
    refused: Float[np.ndarray, "placement node"]
    """0, or infinity where it cannot"""

    def between(self, least: float, most: float) -> "_Table":
        """Some nodes from one on or below `least` to one on or above `most`."""
        first, last = np.searchsorted(self.ln_n, least, "right") - 1, np.searchsorted(self.ln_n, most, "left")
        some = np.linspace(max(first, 0), min(last, len(self.ln_n) - 1), _GRID).round().astype(int)
        return _Table(self.ln_n[some], self.served[..., some], self.refused[:, some])


class _Affine(NamedTuple):
    """The cost of designs, which is affine in what serving needs: apart + x decode + y prefill + z held_bytes."""

    apart: Array
    decode: Array
    prefill: Array
    held: Array


class _Cells(NamedTuple):
    bounds: Array
    left: Array
    right: Array
    least: Array
    """ln N where the open cells begin"""
    most: Array


def comparable(scenario: Scenario) -> bool:
    """Whether the cost of every placement is known from N and D alone."""
    return (
        isinstance(scenario.goal, LossGoal)
        and not scenario.rl.decided
        and not quantised(scenario)
        and scenario.limits.max_seconds_to_first_token is None
    )


def compared(batch: Batch, listed: Sequence[Scenario]) -> Compared:
    """The placements of rows that share what moves serving.

    Args:
        batch: rows of a scenario that is `comparable`, forecasts as totals.
        listed: their placements.

    """
    count, varied = len(batch.rows), batch.block(_BLOCK, range(len(batch.leaves)))
    order, bounds = np.arange(count), np.full((count, len(listed)), np.inf)
    ends = np.tile(np.array([[-_FAR], [_FAR], [_ENDS[0]], [_ENDS[1]]]), count)

    def look(begin: int, table: _Table) -> None:
        rows = order[begin : begin + _BLOCK]
        rows = rows[ends[2, rows] < np.inf]
        if not len(rows):
            return
        found = _cells(batch.tree, varied(rows), table.between(ends[2, rows].min(), ends[3, rows].max()))
        bounds[rows] = np.asarray(found.bounds)[: len(rows)]
        ends[:, rows] = np.stack([np.asarray(v)[: len(rows)] for v in found[1:]])

    table = None
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for nodes in _NODES:
            some = ends[2] < np.inf
            if not some.any():
                break
            if table is None or len(table.ln_n) != nodes:
                table = _tabled(listed, np.linspace(ends[2, some].min(), ends[3, some].max(), nodes), pool)
            list(pool.map(partial(look, table=table), range(0, count, _BLOCK)))
            order = np.argsort(ends[2] + ends[3], kind="stable")
    return Compared(bounds, ends[0], ends[1])


def _tabled(listed: Sequence[Scenario], ln_n: np.ndarray, pool: ThreadPoolExecutor) -> _Table:
    trees = [jax.tree.structure(s) for s in listed]
    kinds = {tree: [i for i, other in enumerate(trees) if other == tree] for tree in trees}
    every = {tree: np.array([jax.tree.leaves(listed[i]) for i in some], float) for tree, some in kinds.items()}
    table = np.empty((4, len(listed), len(ln_n)))

    def fill(begin: int) -> None:
        nodes = slice(begin, begin + _GRID)
        for tree, some in kinds.items():
            served, serves = _needs(tree, every[tree], ln_n[nodes])
            able = np.asarray(serves) > 0
            table[3][some, nodes] = np.where(able, 0.0, np.inf)
            for part, values in zip(table, served, strict=False):
                part[some, nodes] = np.where(able, values, 0.0)

    list(pool.map(fill, range(0, len(ln_n), _GRID)))
    return _Table(ln_n, table[:3], table[3])


@compiled(structure=1, rows=True)
def _needs(
    tree: Hashable, leaves: Float[Array, "placement leaf"], ln_n: Float[Array, " node"]
) -> tuple[Served, Float[Array, "placement node"]]:
    """What each placement needs at each node, and whether it serves that size."""

    def at(leaves: Float[Array, " leaf"], n: Float[Array, ""]) -> tuple[Served, Array]:
        scenario = jax.tree.unflatten(tree, list(leaves))
        return served_by(scenario, n), jnp.asarray(can_serve(scenario, n), float)

    return jax.vmap(jax.vmap(at, (None, 0)), (0, None))(leaves, jnp.exp(ln_n))


@compiled(structure=1, rows=True)
def _cells(tree: Hashable, varied: tuple[Float[Array, " row"], ...], table: _Table) -> _Cells:
    ln_n = jnp.asarray(table.ln_n)
    n = jnp.exp(ln_n)[:, None]

    def chunk(varied: tuple[Float[Array, " row"], ...]) -> _Cells:
        # Everything is elementwise in (node, row); sums and minima over placements run along rows.
        scenario: Scenario = jax.tree.unflatten(tree, [values[None] for values in varied])
        z, law = target_inner_sum(scenario), scenario.law.chinchilla
        # as `params_term`, without a power for each row
        left_by_n = jnp.exp(jnp.log(law.A) - law.alpha * jnp.log(scenario.law.effective_params(n)))
        d = jnp.asarray(scenario.law.tokens_of_term(z - left_by_n))
        reached = ~jnp.isnan(d)
        v = jnp.clip(jnp.log(jnp.where(reached, z / left_by_n - 1, 0.0)), -_FAR, _FAR)
        kept = reached
        for passed in straight_excess(scenario, Design(n, d, d)).values():
            kept &= passed <= 0
        at_nodes, at_corners = _affine(scenario, n, d, kept), _affine(scenario, n[:-1], d[1:], reached[1:])
        needed = jnp.concatenate([table.served, table.refused[None]]).transpose(2, 0, 1)[..., None]
        none = jnp.full(v.shape[-1], jnp.inf)

        def cost(at: _Affine, parts: Array) -> Float[Array, "placement row"]:
            decode, prefill, held, refused = parts
            apart, x, y, z = (part[None] for part in at)
            return (apart + x * decode) + (y * prefill + z * held) + refused

        def cheapest(most: Array, node: tuple[_Affine, Array]) -> tuple[Array, None]:
            return jnp.minimum(most, cost(*node).min(axis=0)), None

        def cell(found: _Cells, of: tuple[_Affine, Array, Array, Array, Array, Array]) -> tuple[_Cells, None]:
            at, parts, left, right, least, most = of
            costs = cost(at, parts)
            is_open = costs.min(axis=0) <= most_at_best
            wider = _Cells(
                jnp.minimum(found.bounds, costs),
                jnp.minimum(found.left, left),
                jnp.maximum(found.right, right),
                jnp.minimum(found.least, least),
                jnp.maximum(found.most, most),
            )
            ends = [jnp.where(is_open, then, now) for then, now in zip(wider[1:], found[1:], strict=True)]
            return _Cells(wider.bounds, *ends), None

        most_at_best = jax.lax.scan(cheapest, none, (at_nodes, needed))[0]
        far, some = jnp.full_like(none, _FAR), (len(table.refused), len(none))
        nothing = _Cells(jnp.full(some, jnp.inf), far, -far, none, -none)
        cells = (at_corners, needed[:-1], v[:-1], v[1:], ln_n[:-1], ln_n[1:])
        found = jax.lax.scan(cell, nothing, cells)[0]
        return found._replace(bounds=found.bounds.T)

    chunks = jax.lax.map(chunk, tuple(v.reshape(-1, _CHUNK) for v in varied))
    return jax.tree.map(lambda found: found.reshape(_BLOCK, *found.shape[2:]), chunks)


def _affine(scenario: Scenario, n: Array, d: Array, allowed: Array) -> _Affine:
    """Of designs that are allowed; infinite for others."""
    design, zero = design_of(scenario, n, d), jnp.zeros_like(d)

    def total(*served: Array) -> Numeric:
        return lifecycle_cost_served(scenario, design, Served(*served)).total

    apart, slopes = jax.linearize(total, zero, zero, zero)
    weights = [slopes(*(zero + float(i == j) for j in range(3))) for i in range(3)]
    return _Affine(jnp.where(allowed, apart, jnp.inf), *(jnp.where(allowed, w, 0.0) for w in weights))
