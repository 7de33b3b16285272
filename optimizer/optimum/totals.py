"""The totals of a forecast, and their derivatives: all of its months that a cost depends on.

Tokens come expected over the life, with share and probability of shipping counted, and each month with the weight that the two rates of
`money` give it. Many forecasts that differ in numbers alone are summed in one compiled call; a single one gives its total itself
(`present.as_paid`).
"""

from collections.abc import Hashable, Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..assumptions.present import RATES, weights
from ..assumptions.scenario import Scenario
from ..compiling import compiled

__all__ = ["TOTALS", "as_totals", "is_of_forecast", "total_slopes"]

_AT_ONCE = 1 << 12
"""Forecasts summed in one compiled call."""

TOTALS = ("input_tokens", "output_tokens", "cache_hit_share")
"""What a cost takes from a forecast: expected tokens over the life, and the share of the input that is cached."""

_FACTORS = ("traffic.share", "traffic.ship_probability")
"""Numbers that tokens are proportional to."""

_RATES = tuple(f"money.{rate}" for rate in RATES)


def is_of_forecast(path: str) -> bool:
    """Whether a number is one of those that `TOTALS` depend on."""
    return path.startswith("traffic.") or path in _RATES


def as_totals(scenario: Scenario, varied: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """`TOTALS` of forecasts that differ in numbers alone, share and probability of shipping included.

    Args:
        scenario: its traffic and rates are what they share.
        varied: the numbers that differ, by dotted path; arrays of one length.

    """
    count = len(next(iter(varied.values()))) if varied else 1
    factors = [varied[path] for path in _FACTORS if path in varied]
    if factors:
        # Months are summed without what multiplies them, once where rows differ in nothing else.
        ones = {path.removeprefix("traffic."): 1.0 for path in _FACTORS if path in varied}
        scenario = scenario.model_copy(update={"traffic": scenario.traffic.model_copy(update=ones)})
        found = as_totals(scenario, {path: values for path, values in varied.items() if path not in _FACTORS})
        scale = np.prod(factors, axis=0)
        return {name: values * (np.ones(count) if name == TOTALS[-1] else scale) for name, values in found.items()}
    paths, values, tree = _flat(scenario)
    found = np.empty((3, count))
    block = _AT_ONCE if count > 1 else 1
    for begin in range(0, count, block):
        size = min(block, count - begin)
        leaves = np.repeat(values[:, None], block, axis=1)
        for path, column in varied.items():
            leaves[paths.index(path)] = np.pad(column[begin : begin + size], (0, block - size), mode="edge")
        found[:, begin : begin + size] = np.asarray(_totals(tree, leaves, scenario.traffic.days()))[:, :size]
    return dict(zip(TOTALS, found, strict=True))


def total_slopes(scenario: Scenario) -> dict[str, np.ndarray]:
    """The derivative of each of `TOTALS` by every number of a forecast and by both rates, by dotted path."""
    paths, values, tree = _flat(scenario)
    return dict(zip(paths, np.asarray(_total_slopes(tree, values, scenario.traffic.days())).T, strict=True))


def _flat(scenario: Scenario) -> tuple[list[str], np.ndarray, Hashable]:
    """Paths and values of all that `TOTALS` depend on, and the structure of the traffic, whose numbers come first."""
    undated = scenario.traffic.undated()
    values, tree = jax.tree.flatten(undated)
    paths = [*(f"traffic.{path}" for path, _, _ in undated.quantities()), *_RATES]
    return paths, np.array([*values, *(getattr(scenario.money, rate) for rate in RATES)], float), tree


@compiled(structure=1, rows=True)
def _totals(tree: Hashable, leaves: Float[Array, "leaf row"], days: Float[Array, " month"]) -> Float[Array, "3 row"]:
    """`TOTALS` of many forecasts."""
    return jax.vmap(lambda values: _total(tree, values, days), in_axes=1, out_axes=1)(leaves)


@compiled(structure=1)
def _total_slopes(
    tree: Hashable, leaves: Float[Array, " leaf"], days: Float[Array, " month"]
) -> Float[Array, "3 leaf"]:
    return jax.jacfwd(lambda values: _total(tree, values, days))(leaves)


def _total(tree: Hashable, values: Float[Array, " leaf"], days: Float[Array, " month"]) -> Float[Array, " 3"]:
    *numbers, discount_rate, price_decline = values
    traffic = jax.tree.unflatten(tree, numbers)
    demand = traffic.demand(days * weights(days.shape[0], discount_rate, price_decline))
    tokens = demand.input_tokens, demand.output_tokens, traffic.cache_hit_share
    return jnp.stack([jnp.asarray(v, float) for v in tokens])
