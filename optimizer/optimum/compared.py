"""Compare placements for many scenarios that share them: one table of what each needs to serve a model, by size of the model.

What a placement needs depends on N alone, so rows that share chip, engine, context and shape of the model share one table. Goal `loss`: a
row looks at the cells of a grid of N, as `placing` does for one scenario. No design of a cell costs less on a placement than the cell's
least N with its least D. A node that keeps the limits is a design, so the best placement costs at most what the cheapest node does. Cells
above that are closed, and a finer grid is laid over those that stay open.

A placement cannot be the best where its least open cell lies above an optimum that is solved, nor where others need no more in all open
cells. Those that differ in the chips of prompts alone are looked at as one, whose prompts are computed where they cost least at each node.

Many rows that differ in the amount of traffic alone share more. The cost of a design is affine in the amount, so the least cost of a
placement is concave in it: a chord between lower bounds at two amounts is a lower bound in between. Only some amounts are then looked at.
"""

import os
from collections.abc import Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from ..assumptions.goal import LossGoal
from ..assumptions.quantisation import quantised
from ..assumptions.scenario import Scenario
from ..compiling import compiled
from ..model.cost import Design, Served, design_of, lifecycle_cost_served, served_by
from ..model.limits import straight_excess
from ..model.quality import target_inner_sum
from ..model.roofline import can_serve
from .feasibility import SMALLEST_USEFUL
from .prompt_sizes import beaten, decoding, prompts_at
from .rows import Batch

__all__ = ["Compared", "comparable", "compared"]

_GRID = 64
"""Nodes that a row looks at in one pass."""
_NODES = (_GRID, 512, 2048)
"""Nodes of the table in each pass, of which a block of rows takes those over its own open cells."""
_BLOCK, _CHUNK = 1 << 9, 1 << 7
"""Rows of one call, and of them those whose grids fit in the cache."""
_ENDS = (np.log(SMALLEST_USEFUL), np.log(1e18))
"""ln N of designs that mean anything, and beyond what any replica holds."""
_FAR = 40.0
_TOKENS = ("traffic.input_tokens", "traffic.output_tokens")
"""What costs are affine in, and no limit depends on."""
_AMOUNTS = 1 << 12
"""Amounts of traffic that are looked at for rows that differ in nothing else."""
_MANY = 1 << 14
"""Such rows from which that takes less time than to look at each of them."""


class Compared(NamedTuple):
    """What is known of every row before any placement is solved."""

    bounds: Float[np.ndarray, "row placement"]
    """a cost below which no design of the open cells can be served; infinite where none is left, or where others need no more in all of
    them"""
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
    ceiling: Array
    """cells above are closed"""
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
    amounts, places = _amounts(batch), _Places.of(listed)
    seen = _by_cells(batch, places) if amounts is None else _along(batch, places, amounts)
    return Compared(places.bounds(seen), seen.left, seen.right)


class _Seen(NamedTuple):
    """What is known of every row, whichever chips compute prompts."""

    bounds: Float[np.ndarray, "row place"]
    ceilings: Float[np.ndarray, " row"]
    """a cost that no design of the closed cells lies below"""
    left: Float[np.ndarray, " row"]
    right: Float[np.ndarray, " row"]
    least: Float[np.ndarray, " row"]
    """ln N where the open cells begin; infinite where none is left"""
    most: Float[np.ndarray, " row"]
    table: _Table
    """of nodes from the first of the open cells to the last"""


class _Places(NamedTuple):
    """Placements by where they decode. In each cell prompts are computed where they cost least of all that decode there."""

    listed: Sequence[Scenario]
    first: list[Scenario]
    """the first of those that decode alike, prompts on its own chips where several do"""
    place: Int[np.ndarray, " placement"]
    """index into `first`"""

    @classmethod
    def of(cls, listed: Sequence[Scenario]) -> "_Places":
        first: dict[Hashable, Scenario] = {}
        for s in listed:
            first.setdefault(decoding(s), s)
        place = np.array([[*first].index(decoding(s)) for s in listed])
        if len(first) == len(listed):
            return cls(listed, [*first.values()], place)
        alike = [
            s.model_copy(update={"deployment": s.deployment.model_copy(update={"prefill_chips": None})})
            for s in first.values()
        ]
        return cls(listed, alike, place)

    def prompts(self, ln_n: Float[np.ndarray, " node"]) -> tuple[np.ndarray, np.ndarray] | None:
        """Of each placement at each node what prompts take, and whether its memory holds them; None where none differs in them."""
        if len(self.first) == len(self.listed):
            return None
        seconds, excess = prompts_at(self.listed, np.exp(ln_n))
        return seconds, excess == 0

    def bounds(self, seen: _Seen) -> Float[np.ndarray, "row placement"]:
        """The bounds of each placement: infinite where others need no more in all open cells."""
        ln_n, served, refused = seen.table
        needs, keeps = served[:, self.place], np.isfinite(refused[self.place])
        if (found := self.prompts(ln_n)) is not None:
            needs[1], keeps = found[0], keeps & found[1]
        counts = keeps[:, :-1] & ~beaten(needs, keeps)
        so_far = np.cumsum(np.pad(counts, ((0, 0), (1, 0))), axis=1, dtype=np.int16)
        begin = np.clip(np.searchsorted(ln_n, seen.least, "right") - 1, 0, len(ln_n) - 1)
        end = np.clip(np.searchsorted(ln_n, seen.most, "left"), begin, len(ln_n) - 1)
        return np.where((so_far[:, end] > so_far[:, begin]).T, seen.bounds[:, self.place], np.inf)


def _amounts(batch: Batch) -> np.ndarray | None:
    """The amount of traffic of each of many rows that differ in nothing else; else None."""
    moved = {path: values for path, values in batch.varied.items() if np.ptp(values) > 0}
    if len(batch.rows) < _MANY or not moved or not {*moved} <= {*_TOKENS}:
        return None
    some = [*moved.values()]
    first, last = some[0], some[-1]
    in_proportion = first.min() > 0 and np.allclose(last * first[0], first * last[0], rtol=1e-14, atol=0)
    return first if in_proportion else None


def _along(batch: Batch, places: _Places, amounts: np.ndarray) -> _Seen:
    """By chords between some amounts of traffic, in equal ratios.

    A design that is more expensive than the best at both ends of a chord may be the best in between, where the least cost rises above its
    chord. It is concave and starts at 0 or above, so by at most a quarter of (ratio - 1) of it; cells are closed with that to spare.
    """
    some = np.geomspace(amounts.min(), amounts.max(), _AMOUNTS)
    scale = {
        path: some / amounts[0] if np.ptp(values) > 0 else np.ones(_AMOUNTS) for path, values in batch.varied.items()
    }
    varied = {path: values[0] * scale[path] for path, values in batch.varied.items()}
    spare = (some[1] / some[0] - 1) / 4
    found = _by_cells(batch._replace(rows=np.arange(_AMOUNTS), varied=varied), places, spare)
    bounds = np.minimum(found.bounds, found.ceilings[:, None])
    low = np.clip(np.searchsorted(some, amounts, "right") - 1, 0, _AMOUNTS - 2)
    ends, share = (bounds[low], bounds[low + 1]), (amounts - some[low]) / (some[low + 1] - some[low])
    known = np.isfinite(ends[0]) & np.isfinite(ends[1])
    with np.errstate(invalid="ignore"):
        chords = ends[0] + share[:, None] * (ends[1] - ends[0])
    never = np.isinf(ends[0]) & np.isinf(ends[1])
    return found._replace(
        bounds=np.where(known, chords, np.where(never, np.inf, 0.0)),
        left=np.minimum(found.left[low], found.left[low + 1]),
        right=np.maximum(found.right[low], found.right[low + 1]),
        least=np.minimum(found.least[low], found.least[low + 1]),
        most=np.maximum(found.most[low], found.most[low + 1]),
    )


def _by_cells(batch: Batch, placed: _Places, spare: float = 0.0) -> _Seen:
    """What is known of every row, with a share to spare before a cell is closed."""
    count, shared, places = len(batch.rows), np.array(batch.leaves, float), list(batch.places)
    columns = np.array(list(batch.varied.values()), float).reshape(len(places), count)
    order, bounds, ceilings = np.arange(count), np.full((count, len(placed.first)), np.inf), np.full(count, np.inf)
    ends = np.tile(np.array([[-_FAR], [_FAR], [_ENDS[0]], [_ENDS[1]]]), count)

    def look(begin: int, table: _Table) -> None:
        rows = order[begin : begin + _BLOCK]
        rows = rows[ends[2, rows] < np.inf]
        if not len(rows):
            return
        # One array, as each that is handed over takes as long as a hundred rows.
        numbers = np.repeat(shared[:, None], _BLOCK, axis=1)
        numbers[places] = np.pad(columns[:, rows], ((0, 0), (0, _BLOCK - len(rows))), mode="edge")
        found = _cells(batch.tree, numbers, table.between(ends[2, rows].min(), ends[3, rows].max()), spare)
        bounds[rows] = np.asarray(found.bounds)[: len(rows)]
        ceilings[rows] = np.minimum(ceilings[rows], np.asarray(found.ceiling)[: len(rows)])
        ends[:, rows] = np.stack([np.asarray(v)[: len(rows)] for v in found[2:]])

    table = _Table(np.empty(0), np.empty((3, 0, 0)), np.empty((0, 0)))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for nodes in _NODES:
            some = ends[2] < np.inf
            if not some.any():
                break
            if len(table.ln_n) != nodes:
                table = _tabled(placed, np.linspace(ends[2, some].min(), ends[3, some].max(), nodes), pool)
            list(pool.map(partial(look, table=table), range(0, count, _BLOCK)))
            order = np.argsort(ends[2] + ends[3], kind="stable")
    return _Seen(bounds, ceilings, *ends, table)


def _tabled(placed: _Places, ln_n: np.ndarray, pool: ThreadPoolExecutor) -> _Table:
    listed = placed.first
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
    if (found := placed.prompts(ln_n)) is not None:
        seconds, keeps = np.where(found[1], found[0], np.inf), found[1]
        for k in range(len(listed)):
            alike = placed.place == k
            able = keeps[alike].any(axis=0)
            table[1, k] = np.where(able, seconds[alike].min(axis=0), 0.0)
            table[3, k] = np.where(able, table[3, k], np.inf)
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
def _cells(tree: Hashable, numbers: Float[Array, "leaf row"], table: _Table, spare: Float[Array, ""]) -> _Cells:
    ln_n = jnp.asarray(table.ln_n)
    n = jnp.exp(ln_n)[:, None]

    def chunk(numbers: Float[Array, "leaf row"]) -> _Cells:
        # Everything is elementwise in (node, row); sums and minima over placements run along rows.
        scenario: Scenario = jax.tree.unflatten(tree, [values[None] for values in numbers])
        z, law = target_inner_sum(scenario), scenario.law.chinchilla

        def left_by(n: Array) -> Array:
            # as `params_term`, without a power for each row
            return jnp.exp(jnp.log(law.A) - law.alpha * jnp.log(scenario.law.effective_params(n)))

        def coordinate(ln_n: Float[Array, " row"]) -> Float[Array, " row"]:
            v = jnp.log(jnp.maximum(z / left_by(jnp.exp(ln_n)[None]) - 1, 0.0))[0]
            return jnp.clip(v, -_FAR, _FAR)

        d = jnp.asarray(scenario.law.tokens_of_term(z - left_by(n)))
        reached = ~jnp.isnan(d)
        d = jnp.where(reached, d, 1.0)
        kept = reached
        for passed in straight_excess(scenario, Design(n, d, d)).values():
            kept &= passed <= 0
        at_nodes, at_corners = _affine(scenario, n, d, kept), _affine(scenario, n[:-1], d[1:], reached[1:])
        needed = jnp.concatenate([table.served, table.refused[None]]).transpose(2, 0, 1)[..., None]
        none = jnp.full(d.shape[-1], jnp.inf)

        def look(found: tuple[Array, Array], i: Array) -> tuple[tuple[Array, Array], Array]:
            def of(values: Array) -> Array:  # the last where there is none of its own
                return jax.lax.dynamic_index_in_dim(values, i, keepdims=False)

            def cost(at: _Affine) -> Float[Array, "placement row"]:
                apart, x, y, z = (of(part)[None] for part in at)
                return (apart + x * decode) + (y * prefill + z * held) + refused

            decode, prefill, held, refused = of(needed)
            bounds, most = found
            costs = jnp.where(i < len(ln_n) - 1, cost(at_corners), jnp.inf)
            found = jnp.minimum(bounds, costs), jnp.minimum(most, cost(at_nodes).min(axis=0))
            return found, costs.min(axis=0)

        nothing = jnp.full((len(table.refused), len(none)), jnp.inf), none
        (bounds, most_at_best), least_of_cell = jax.lax.scan(look, nothing, jnp.arange(len(ln_n)))
        ceiling = most_at_best * (1 + spare)
        is_open = least_of_cell[:-1] <= ceiling[None]
        least = jnp.where(is_open, ln_n[:-1, None], jnp.inf).min(axis=0)
        most = jnp.where(is_open, ln_n[1:, None], -jnp.inf).max(axis=0)
        some = least < jnp.inf
        left, right = jnp.where(some, coordinate(least), _FAR), jnp.where(some, coordinate(most), -_FAR)
        return _Cells(bounds.T, ceiling, left, right, least, most)

    chunks = jax.lax.map(chunk, numbers.reshape(len(numbers), -1, _CHUNK).swapaxes(0, 1))
    return jax.tree.map(lambda found: found.reshape(_BLOCK, *found.shape[2:]), chunks)


def _affine(scenario: Scenario, n: Array, d: Array, allowed: Array) -> _Affine:
    """Of designs that are allowed; infinite for others."""
    design, zero = design_of(scenario, n, d), jnp.zeros_like(d[:1])

    def parts(*served: Array) -> list[Array]:
        cost = lifecycle_cost_served(scenario, design, Served(*served))
        return [jnp.asarray(part) for part in cost]

    # What a part takes of serving is the same at every node, but where RL tokens go with D.
    apart, slopes = jax.linearize(parts, zero, zero, zero)
    x, y, z = (jnp.asarray(sum(slopes(*(zero + float(i == j) for j in range(3))))) for i in range(3))
    return _Affine(jnp.where(allowed, sum(apart), jnp.inf), x, y, z)
