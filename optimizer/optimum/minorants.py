"""Numbers below the cost of all designs of a loss between two sizes of a grid, of many scenarios on several placements.

Along the designs of the target loss the cost of a placement is convex in ln N: what training costs is, and the logarithms of what serving
needs are, or of numbers below. So between two nodes it lies above the lines through both nodes on either side, of which one falls and one
rises where it turns in between: above their crossing. Between nodes, needs are taken to bend as they do at the nodes.
"""

from collections.abc import Hashable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float
from scipy.optimize import isotonic_regression

from ..assumptions.quantity import numpy_for
from ..assumptions.scenario import Scenario
from ..compiling import compiled
from ..model.cost import Design, Served, design_of, lifecycle_cost_served
from ..model.limits import straight_excess
from ..model.quality import target_inner_sum

__all__ = ["BLOCK", "FAR", "NODES", "PLACES", "NodeNeeds", "OpenCells", "log_convex", "open_cells", "standing_for"]

NODES = 64
"""Nodes that a row looks at in one pass."""
BLOCK, _CHUNK = 1 << 9, 1 << 7
"""Rows of one call, and of them those whose grids fit in the cache."""
PLACES = 16
"""Arrays of placements are as long as a multiple of it, so that another number of them compiles nothing."""
FAR = 40.0
"""Ends of the coordinate of `curve`."""
_ROUNDING = 1e-9
_TINY = 1e-300
_NEXT, _BEYOND = 1e100, 1e150
"""Stand for the cost of a size without a design: next to one that has one, and further on. Lines through them rise or fall at once."""


class NodeNeeds(NamedTuple):
    """What placements need at nodes at equal distances of ln N."""

    ln_n: Float[np.ndarray, " node"]
    served: Float[np.ndarray, "need placement node"]
    """in the order of `Served`; 0 where it cannot serve the size"""
    below: Float[np.ndarray, "need placement node"]
    """no more than that, and log-convex in ln N"""
    refused: Float[np.ndarray, "placement node"]
    """0, or what stands for a cost where it cannot"""
    places: Float[np.ndarray, ""]
    """how many there are; the arrays may be longer"""


class OpenCells(NamedTuple):
    """What is known of each row."""

    bounds: Float[Array, "row placement"]
    """a cost below which no design can be served; infinite where none can"""
    ceiling: Float[Array, " row"]
    """the least cost of a node that keeps the limits, with the share to spare: cells that cannot cost less are closed"""
    left: Float[Array, " row"]
    """coordinate of `curve` where the open cells begin"""
    right: Float[Array, " row"]
    least: Float[Array, " row"]
    """ln N where the open cells begin; infinite where none is left"""
    most: Float[Array, " row"]


class _Affine(NamedTuple):
    """The cost of designs, which is affine in what serving needs: apart + x decode + y prefill + z held_bytes."""

    apart: Float[Array, "node row"]
    decode: Float[Array, "node row"]
    prefill: Float[Array, "node row"]
    held: Float[Array, "node row"]


@compiled(structure=1, rows=True)
def open_cells(
    tree: Hashable, numbers: Float[Array, "leaf row"], needs: NodeNeeds, spare: Float[Array, ""]
) -> OpenCells:
    """The cells between the inner nodes, for `BLOCK` rows.

    Args:
        tree: structure of the scenarios, which share what moves serving.
        numbers: their leaves.
        needs: of the placements, `NODES` nodes.
        spare: share by which a cell may cost more than the cheapest node before it is closed.

    """
    ln_n = jnp.asarray(needs.ln_n)
    n = jnp.exp(ln_n)[:, None]

    # Everything is elementwise in (node, row); sums and minima run along rows.
    def scenario_of(numbers: Float[Array, "leaf row"]) -> Scenario:
        return jax.tree.unflatten(tree, [values[None] for values in numbers])

    def left_by(scenario: Scenario, n: Array) -> Array:
        # as `params_term`, without a power for each row
        law = scenario.law.chinchilla
        return jnp.exp(jnp.log(law.A) - law.alpha * jnp.log(scenario.law.effective_params(n)))

    def designs(numbers: Float[Array, "leaf row"]) -> tuple[_Affine, Array]:
        scenario = scenario_of(numbers)
        d = jnp.asarray(scenario.law.tokens_of_term(target_inner_sum(scenario) - left_by(scenario, n)))
        reached = ~jnp.isnan(d)
        d = jnp.where(reached, d, 1.0)
        kept = reached
        for passed in straight_excess(scenario, Design(n, d, d)).values():
            kept &= passed <= 0
        cost = _affine(scenario, n, d)
        return cost._replace(apart=jnp.where(reached, cost.apart, standing_for(reached))), kept

    def look(given: tuple[Float[Array, "leaf row"], _Affine, Array]) -> OpenCells:
        numbers, (apart, *slopes), kept = given

        def cost(needed: Array, k: Array) -> Float[Array, "node row"]:
            decode, prefill, held = (slope * need[:, None] for slope, need in zip(slopes, needed[:, k], strict=True))
            return (apart + decode) + (prefill + held) + refused[k][:, None]

        def look_at(k: Array, found: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
            costs, least_of_cell, bounds = found
            # Where a placement serves no size that reaches the loss but may do so in between, training still costs.
            here = jnp.maximum(_least_between(cost(below, k)), apart_at_least)
            costs, least_of_cell = jnp.minimum(costs, cost(served, k)), jnp.minimum(least_of_cell, here)
            return costs, least_of_cell, bounds.at[k].set(here.min(axis=0))

        def coordinate(ln_n: Float[Array, " row"]) -> Float[Array, " row"]:
            scenario = scenario_of(numbers)
            v = jnp.log(jnp.maximum(target_inner_sum(scenario) / left_by(scenario, jnp.exp(ln_n)[None]) - 1, 0.0))[0]
            return jnp.clip(v, -FAR, FAR)

        apart_at_least = jnp.maximum(_least_between(apart), 0.0)
        served, below, refused, places = (jnp.asarray(values) for values in needs[1:])
        nothing, unseen = jnp.full(apart.shape, jnp.inf), jnp.full((len(refused), apart.shape[1]), jnp.inf)
        costs, least_of_cell, bounds = jax.lax.fori_loop(0, places.astype(int), look_at, (nothing, nothing[3:], unseen))
        ceiling = jnp.where(kept & (costs < _NEXT), costs, jnp.inf).min(axis=0) * (1 + spare)
        is_open = (least_of_cell <= ceiling[None] * (1 + _ROUNDING)) & (least_of_cell < _NEXT / 2)
        least = jnp.where(is_open, ln_n[1:-2, None], jnp.inf).min(axis=0)
        most = jnp.where(is_open, ln_n[2:-1, None], -jnp.inf).max(axis=0)
        some = least < jnp.inf
        left, right = jnp.where(some, coordinate(least), FAR), jnp.where(some, coordinate(most), -FAR)
        return OpenCells(jnp.where(bounds < _NEXT / 2, bounds, jnp.inf).T, ceiling, left, right, least, most)

    # What does not depend on the placement comes first, so that it is not computed for each of them.
    chunks = numbers.reshape(len(numbers), -1, _CHUNK).swapaxes(0, 1)
    found = jax.lax.map(look, (chunks, *jax.lax.map(designs, chunks)))
    return jax.tree.map(lambda found: found.reshape(BLOCK, *found.shape[2:]), found)


def _least_between(costs: Float[Array, "node row"]) -> Float[Array, "cell row"]:
    """Numbers below a convex function between the inner nodes of some at equal distances."""
    before, low, high, after = costs[:-3], costs[1:-2], costs[2:-1], costs[3:]
    falls, rises = jnp.minimum(low - before, -_TINY), jnp.maximum(after - high, 0.0)
    # One selection more takes as long as all the rest.
    return (falls * (high - rises) - rises * low) / (falls - rises)


def _affine(scenario: Scenario, n: Array, d: Array) -> _Affine:
    design, zero = design_of(scenario, n, d), jnp.zeros_like(d[:1])

    def parts(*served: Array) -> list[Array]:
        cost = lifecycle_cost_served(scenario, design, Served(*served))
        return [jnp.asarray(part) for part in cost]

    # What a part takes of serving is the same at every node, but where RL tokens go with D.
    apart, slopes = jax.linearize(parts, zero, zero, zero)
    x, y, z = (jnp.asarray(sum(slopes(*(zero + float(i == j) for j in range(3))))) for i in range(3))
    return _Affine(*(jnp.broadcast_to(part, d.shape) for part in (sum(apart), x, y, z)))


def standing_for(known: Bool[Array, "node row"] | Bool[np.ndarray, "node row"]) -> Any:
    """What stands for a cost at nodes where there is none."""
    xp = numpy_for(known)
    none = xp.zeros_like(known[:1])
    is_next = xp.concatenate([known[1:], none]) | xp.concatenate([none, known[:-1]])
    return xp.where(is_next, _NEXT, _BEYOND)


def log_convex(needs: Float[np.ndarray, "need placement node"]) -> Float[np.ndarray, "need placement node"]:
    """The greatest numbers below needs at equal distances whose logarithms bend upwards: their slopes are the isotonic regression."""
    below = needs.copy()
    with np.errstate(divide="ignore", invalid="ignore"):
        bends = np.diff(np.log(needs), n=2) < -_ROUNDING
    for i in zip(*np.nonzero(bends.any(axis=-1)), strict=True):
        some = needs[i] > 0
        logs = np.log(needs[i][some])
        below[i][some] = np.exp(logs[0] + np.append(0.0, np.cumsum(isotonic_regression(np.diff(logs)).x)))
    return below
