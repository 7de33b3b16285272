"""The totals of a forecast, and their derivatives: all that a cost sees of its months.

Tokens come expected over the life, with share and probability of shipping counted. Many forecasts that differ in numbers alone are
summed in one compiled call; a single one gives its total itself (`traffic.total()`).
"""

from collections.abc import Hashable, Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..assumptions.traffic import GrowthTraffic, TableTraffic, TotalTraffic
from ..compiling import compiled

__all__ = ["TOTALS", "AnyTraffic", "as_totals", "total_slopes"]

_AT_ONCE = 1 << 12
"""Forecasts summed in one compiled call."""

TOTALS = ("input_tokens", "output_tokens", "cache_hit_share")
"""What a cost sees of a forecast: expected tokens over the life, and the share of the input that is cached."""

AnyTraffic = TotalTraffic | GrowthTraffic | TableTraffic


def as_totals(traffic: AnyTraffic, varied: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """`TOTALS` of forecasts that differ in numbers alone, share and probability of shipping included.

    Args:
        traffic: what they share.
        varied: the numbers that differ, by dotted path below `traffic`; arrays of one length.

    """
    undated = traffic.undated()
    paths, (values, tree) = [path for path, _, _ in undated.quantities()], jax.tree.flatten(undated)
    count = len(next(iter(varied.values()))) if varied else 1
    found = np.empty((3, count))
    block = _AT_ONCE if count > 1 else 1
    for begin in range(0, count, block):
        size = min(block, count - begin)
        leaves = np.repeat(np.array(values, float)[:, None], block, axis=1)
        for path, column in varied.items():
            leaves[paths.index(path)] = np.pad(column[begin : begin + size], (0, block - size), mode="edge")
        found[:, begin : begin + size] = np.asarray(_totals(tree, leaves, traffic.days()))[:, :size]
    return dict(zip(TOTALS, found, strict=True))


def total_slopes(traffic: AnyTraffic) -> np.ndarray:
    """The derivative of each of `TOTALS` by every number of a forecast."""
    leaves, tree = jax.tree.flatten(traffic.undated())
    return np.asarray(_total_slopes(tree, np.array(leaves, float), traffic.days()))


@compiled(structure=1)
def _totals(tree: Hashable, leaves: Float[Array, "leaf row"], days: Float[Array, " month"]) -> Float[Array, "3 row"]:
    """`TOTALS` of many forecasts."""
    return jax.vmap(lambda values: _total(tree, values, days), in_axes=1, out_axes=1)(leaves)


@compiled(structure=1)
def _total_slopes(
    tree: Hashable, leaves: Float[Array, " leaf"], days: Float[Array, " month"]
) -> Float[Array, "3 leaf"]:
    return jax.jacfwd(lambda values: _total(tree, values, days))(leaves)


def _total(tree: Hashable, values: Float[Array, " leaf"], days: Float[Array, " month"]) -> Float[Array, " 3"]:
    traffic = jax.tree.unflatten(tree, list(values))
    demand = traffic.demand(days)
    tokens = demand.input_tokens, demand.output_tokens, traffic.cache_hit_share
    return jnp.stack([jnp.asarray(v, float) for v in tokens])
