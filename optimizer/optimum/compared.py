"""Compare placements for many scenarios that share them: one table of what each needs to serve a model, by size of the model.

What a placement needs depends on N alone, so rows that share chip, engine, context and shape of the model share one table. Goal `loss`: a
row looks at the cells of a grid of N. A node that keeps the limits is a design, so the best placement costs at most what the cheapest node
does. Cells that cost more on every placement (`minorants`) are closed, and a finer grid is laid over those that stay open.

A placement cannot be the best where its least open cell lies above an optimum that is solved, nor where others need no more in all open
cells.

Many rows that differ in the amount of traffic alone share more. The cost of a design is affine in the amount, so the least cost of a
placement is concave in it: a chord between lower bounds at two amounts is a lower bound in between. Only some amounts are then looked at.
"""

import os
from collections.abc import Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from ..assumptions.goal import LossGoal
from ..assumptions.quantisation import quantised
from ..assumptions.scenario import Scenario
from ..compiling import compiled
from ..model.cost import Served, served_by
from ..model.placements import at_place
from ..model.roofline import can_serve
from .feasibility import SMALLEST_USEFUL
from .minorants import BLOCK, FAR, NODES, PLACES, NodeNeeds, log_convex, open_cells, standing_for
from .needs import serving_alone
from .prompt_sizes import alike, beaten, decoding, prompts_at
from .rows import Batch

__all__ = ["Compared", "around", "comparable", "compared"]

_FINE = 32
"""Cells of the table in a cell of the first pass."""
_ENDS = (np.log(SMALLEST_USEFUL), np.log(1e18))
"""ln N of designs that mean anything, and beyond what any replica holds."""
_TOKENS = ("traffic.input_tokens", "traffic.output_tokens")
"""What costs are affine in, and no limit depends on."""
_AMOUNTS = 1 << 10
"""Amounts of traffic that are looked at for rows that differ in nothing else."""
_KEPT = 4
"""Tables that are kept, of up to 10 MB each."""
_MANY, _MANY_GIVEN = 1 << 12, 1 << 15
"""Such rows from which that takes less time than to look at each of them; and, with a placement that is given, than to scan each, programs
that are loaded for it counted.
"""


class Compared(NamedTuple):
    """What is known of every row before any placement is solved."""

    listed: Int[np.ndarray, " placement"]
    """indices of those that may be the best in some row"""
    bounds: Float[np.ndarray, "row placement"]
    """a cost below which no design of the open cells can be served; infinite where none is left, or where others need no more in all of
    them"""
    left: Float[np.ndarray, " row"]
    """coordinate of `curve` where the open cells begin"""
    right: Float[np.ndarray, " row"]

    def only(self, some: np.ndarray) -> "Compared":
        """Some of the rows."""
        return self._replace(bounds=self.bounds[some], left=self.left[some], right=self.right[some])


class _Table(NamedTuple):
    """What placements need at nodes at equal distances of ln N."""

    ln_n: Float[np.ndarray, " node"]
    served: Float[np.ndarray, "need placement node"]
    """in the order of `Served`; 0 where it cannot serve the size"""
    serves: Bool[np.ndarray, "placement node"]
    counts: Bool[np.ndarray, "placement cell"]
    """where it serves and no other needs no more"""

    def between(self, least: float, most: float) -> tuple[NodeNeeds, np.ndarray]:
        """Nodes at equal distances, the second at `least` or below, the last but one at `most` or above; and the placements that count."""
        low, high = np.searchsorted(self.ln_n, least, "right") - 1, np.searchsorted(self.ln_n, most, "left")
        apart = max(-((low - high) // (NODES - 3)), 1)
        first = min(low - apart, len(self.ln_n) - 1 - apart * (NODES - 1))
        nodes = slice(first, first + apart * (NODES - 1) + 1, apart)
        some = np.flatnonzero(self.counts[:, low : max(high, low + 1)].any(axis=1))
        served, serves = self.served[:, some, nodes], self.serves[some, nodes]
        refused = np.where(serves, 0.0, standing_for(serves.T).T)
        arrays = (_filled(values) for values in (served, log_convex(served), refused))
        needs = NodeNeeds(self.ln_n[nodes], *arrays, places=np.asarray(float(len(some))))
        return needs, some


def _filled(values: np.ndarray) -> np.ndarray:
    """With as many placements as `open_cells` takes, the last one several times."""
    more = -values.shape[-2] % PLACES
    return np.concatenate([values, *[values[..., -1:, :]] * more], axis=-2)


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
    return _compared(batch, listed, _amounts(batch, _MANY))


def _compared(batch: Batch, listed: Sequence[Scenario], amounts: np.ndarray | None) -> Compared:
    seen = _by_cells(batch, listed) if amounts is None else _along(batch, listed, amounts)
    ln_n, *_, counts = seen.table
    # Whether a placement counts in one of a row's open cells.
    so_far = np.cumsum(np.pad(counts[seen.listed], ((0, 0), (1, 0))), axis=1, dtype=np.int16)
    begin = np.clip(np.searchsorted(ln_n, seen.least, "right") - 1, 0, len(ln_n) - 1)
    end = np.clip(np.searchsorted(ln_n, seen.most, "left"), begin, len(ln_n) - 1)
    bounds = np.where((so_far[:, end] > so_far[:, begin]).T, seen.bounds, np.inf)
    return Compared(seen.listed, bounds, seen.left, seen.right)


def around(batch: Batch) -> Compared | None:
    """Between which designs the optima of many rows lie that differ in the amount of traffic alone, with a placement that is given.

    None for others, which a scan of each finds in less time.
    """
    amounts = _amounts(batch, _MANY_GIVEN)
    return None if amounts is None else _compared(batch, [batch.base], amounts)


class _Seen(NamedTuple):
    """What is known of every row by the cells that it looked at."""

    listed: Int[np.ndarray, " placement"]
    bounds: Float[np.ndarray, "row placement"]
    ceilings: Float[np.ndarray, " row"]
    """a cost that no design of the closed cells lies below"""
    left: Float[np.ndarray, " row"]
    right: Float[np.ndarray, " row"]
    least: Float[np.ndarray, " row"]
    """ln N where the open cells begin; infinite where none is left"""
    most: Float[np.ndarray, " row"]
    table: _Table


def _amounts(batch: Batch, many: int) -> np.ndarray | None:
    """The amount of traffic of each of many rows that differ in nothing else; else None."""
    moved = {path: values for path, values in batch.varied.items() if np.ptp(values) > 0}
    if len(batch.rows) < many or not moved or not {*moved} <= {*_TOKENS}:
        return None
    some = [*moved.values()]
    first, last = some[0], some[-1]
    in_proportion = first.min() > 0 and np.allclose(last * first[0], first * last[0], rtol=1e-14, atol=0)
    return first if in_proportion else None


def _along(batch: Batch, listed: Sequence[Scenario], amounts: np.ndarray) -> _Seen:
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
    found = _by_cells(batch._replace(rows=np.arange(_AMOUNTS), varied=varied), listed, spare)
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


def _by_cells(batch: Batch, listed: Sequence[Scenario], spare: float = 0.0) -> _Seen:
    """What is known of every row, with a share to spare before a cell is closed."""
    count, tree, shared, places = len(batch.rows), batch.tree, np.array(batch.leaves, float), list(batch.places)
    columns = np.array(list(batch.varied.values()), float).reshape(len(places), count)
    bounds, ceilings = np.full((count, len(listed)), np.inf), np.full(count, np.inf)
    table = _table(listed)
    least, most = table.ln_n[_FINE], table.ln_n[-1 - _FINE]
    ends = np.tile(np.array([[-FAR], [FAR], [least], [most]]), count)
    order, every = np.arange(count), np.arange(BLOCK)

    def look(begin: int, known: tuple[NodeNeeds, np.ndarray] | None = None) -> None:
        rows = order[begin : begin + BLOCK]
        rows = rows[ends[2, rows] < np.inf]
        if not len(rows):
            return
        needs, some = known or table.between(ends[2, rows].min(), ends[3, rows].max())
        if not len(some):
            ends[:, rows] = np.array([[FAR], [-FAR], [np.inf], [-np.inf]])
            return
        # One array, as each that is handed over takes as long as a hundred rows.
        numbers = np.empty((len(shared), BLOCK))
        numbers[:] = shared[:, None]
        numbers[places] = columns[:, rows[np.minimum(every, len(rows) - 1)]]
        found = [np.asarray(values)[: len(rows)] for values in open_cells(tree, numbers, needs, spare)]
        if known is None:
            bounds[rows[:, None], some] = found[0][:, : len(some)]
        ceilings[rows] = np.minimum(ceilings[rows], found[1])
        ends[:, rows] = found[2:]

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(partial(look, known=table.between(least, most)), range(0, count, BLOCK)))
        with np.errstate(invalid="ignore"):  # rows without an open cell come last
            order = np.argsort(ends[2] + ends[3], kind="stable")
        list(pool.map(look, range(0, count, BLOCK)))
    finite = np.isfinite(bounds).any(axis=0)
    some = np.flatnonzero(finite | ~finite.any())
    return _Seen(some, bounds[:, some], ceilings, *ends, table=table)


def _table(listed: Sequence[Scenario]) -> _Table:
    """What placements need of all that differ in nothing else. The last tables are kept."""
    leaves, tree = jax.tree.flatten(serving_alone(listed[0]))
    return _tabulated(
        tree, tuple(map(float, leaves)), tuple((*decoding(s), s.deployment.prefill_chips) for s in listed)
    )


@lru_cache(maxsize=_KEPT)
def _tabulated(tree: Hashable, leaves: tuple[float, ...], places: tuple[tuple[Any, ...], ...]) -> _Table:
    """From the smallest size that means anything to one that none serves, and beyond both what `between` takes at most."""
    base = jax.tree.unflatten(tree, leaves)
    listed = [at_place(base, *place) for place in places]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        coarse = np.linspace(*_ENDS, NODES)
        served = np.flatnonzero(_needed(listed, coarse, pool)[1].any(axis=0))
        end = min(served.max(initial=0) + 1, NODES - 1)
        cells = _FINE * (NODES - 3)
        step = (coarse[end] - coarse[0]) / cells
        ln_n = coarse[0] + step * np.arange(-_FINE, cells + _FINE + 1)
        needs, serves = _needed(listed, ln_n, pool)
    return _Table(ln_n, needs, serves, (serves[:, :-1] | serves[:, 1:]) & ~beaten(needs, serves))


def _needed(
    listed: Sequence[Scenario], ln_n: Float[np.ndarray, " node"], pool: ThreadPoolExecutor
) -> tuple[Float[np.ndarray, "need placement node"], Bool[np.ndarray, "placement node"]]:
    """What placements need, 0 where they cannot serve the size, and whether they can."""
    first, place = alike(listed)
    own_prompts = len(first) < len(listed)
    if own_prompts:
        first = [
            s.model_copy(update={"deployment": s.deployment.model_copy(update={"prefill_chips": None})}) for s in first
        ]
    trees = [jax.tree.structure(s) for s in first]
    kinds = {tree: [i for i, other in enumerate(trees) if other == tree] for tree in trees}
    every = {tree: np.array([jax.tree.leaves(first[i]) for i in some], float) for tree, some in kinds.items()}
    padded = np.pad(ln_n, (0, -len(ln_n) % NODES), mode="edge")
    table = np.empty((4, len(first), len(padded)))

    def fill(begin: int) -> None:
        nodes = slice(begin, begin + NODES)
        for tree, some in kinds.items():
            served, serves = _needs(tree, every[tree], padded[nodes])
            for part, values in zip(table, (*served, serves), strict=True):
                part[some, nodes] = values

    list(pool.map(fill, range(0, len(padded), NODES)))
    served, serves = table[:3, place, : len(ln_n)], table[3, place, : len(ln_n)] > 0
    if own_prompts:
        served[1], passed = prompts_at(listed, np.exp(ln_n))
        serves &= passed == 0
    return np.where(serves, served, 0.0), serves


@compiled(structure=1, rows=True)
def _needs(
    tree: Hashable, leaves: Float[Array, "placement leaf"], ln_n: Float[Array, " node"]
) -> tuple[Served, Float[Array, "placement node"]]:
    """What each placement needs at each node, and whether it serves that size."""

    def at(leaves: Float[Array, " leaf"], n: Float[Array, ""]) -> tuple[Served, Array]:
        scenario = jax.tree.unflatten(tree, list(leaves))
        return served_by(scenario, n), jnp.asarray(can_serve(scenario, n), float)

    return jax.vmap(jax.vmap(at, (None, 0)), (0, None))(leaves, jnp.exp(ln_n))
