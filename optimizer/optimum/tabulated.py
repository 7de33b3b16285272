"""What a deployment needs to serve a model, as a table over ln N for rows that share all that moves it.

The chip-seconds of a token in each regime, the cache of a sequence and how far the deployment's limits are passed depend on N alone
(`moves_serving`), and each is smooth: between two nodes a quintic, from value and two derivatives at both, is the function itself but for
rounding. A search reads the table. `corrected` then makes it exact in value and slope at the point that the search ends at, so that the
last Newton steps and the certificate are those of the function itself.
"""

import math
import os
from collections.abc import Hashable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ..assumptions.scenario import Scenario
from ..model.cost import Served, served_by_regime
from ..model.largest import largest
from ..model.roofline import regimes, serving_excess, serving_limits
from .feasibility import SMALLEST_USEFUL
from .needs import Needs, NeedsAt, expanded_at, serving_alone

__all__ = ["Table", "by_table", "corrected", "roughly", "tabulated"]

Scalar = Any
"""One number of one scenario; batches are made by vmap."""

_NODES, _BLOCK = 1 << 11, 1 << 7
"""Nodes of a table, and those of one compiled call."""
_ENDS = (math.log(SMALLEST_USEFUL), math.log(1e18))
"""ln N of designs that mean anything, and beyond what any replica holds."""
_KEPT = 32
"""Tables that are kept, of up to 1 MB each."""
_EDGE = 1e-3
"""How far beyond the largest size that is served a table goes, in ln N."""


class Table(NamedTuple):
    """Quintics between nodes whose distances are in proportion to what is left of ln N up to a size that is no longer served.

    There the batch, and with it all smoothness, ends.
    """

    end: Float[np.ndarray, ""]
    """ln N of that size"""
    first: Float[np.ndarray, ""]
    """-ln(end - ln N) of the first node"""
    per_node: Float[np.ndarray, ""]
    """nodes in a unit of it"""
    powers: Float[np.ndarray, "power need interval"]
    """factors of the powers of the distance from the interval's first node, in steps"""
    plain: Float[np.ndarray, "need node"]
    """the largest need of decoding, prefill, held bytes and the largest excess, at equal distances of ln N"""
    plain_first: Float[np.ndarray, ""]
    plain_per_node: Float[np.ndarray, ""]


def tabulated(scenario: Scenario) -> Table | None:
    """The table of a scenario whose placement is given; None where no size is served or a need is no finite number. The last ones are
    kept.
    """
    leaves, tree = jax.tree.flatten(serving_alone(scenario))
    return _tabulated(tree, tuple(map(float, leaves)))


@lru_cache(maxsize=_KEPT)
def _tabulated(tree: Hashable, leaves: tuple[float, ...]) -> Table | None:
    scenario = jax.tree.unflatten(tree, leaves)
    several, kinds = regimes(scenario), len(serving_limits(scenario))

    def at(ln_n: np.ndarray) -> np.ndarray:
        """Value and two derivatives of every need, as `_exact` has them."""
        blocks = ln_n.reshape(-1, _BLOCK)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            found = pool.map(lambda block: np.asarray(expanded_at(tree, np.array(leaves, float), block)), blocks)
        every = np.concatenate(list(found), axis=-1)
        value, slope, bend = every[:, : several + 2]
        with np.errstate(all="ignore"):
            logs = np.stack([np.log(value), slope / value, bend / value - (slope / value) ** 2])
        return np.concatenate([logs, every[:, -kinds:]], axis=1)

    low, high = _ENDS
    while high - low > _EDGE:
        ln_n = np.linspace(low, high, _BLOCK)
        served = np.flatnonzero((at(ln_n)[0, -kinds:] <= 0).all(axis=0))
        if not len(served):
            return None
        if served[-1] == _BLOCK - 1:
            break
        low, high = ln_n[served[-1] : served[-1] + 2]
    end = high + 2 * _EDGE
    u = np.linspace(-math.log(end - _ENDS[0]), -math.log(_EDGE), _NODES)
    left = np.exp(-u)
    value, slope, bend = at(end - left)
    if not np.isfinite([value, slope, bend]).all():
        return None
    step = u[1] - u[0]
    powers = _quintics(value, slope * left * step, (bend * left - slope) * left * step**2)
    plain = [np.exp(value[:several].max(0)), *np.exp(value[several:-kinds]), value[-kinds:].max(0)]
    ln_n = np.linspace(_ENDS[0], end - _EDGE, _NODES)
    plain = np.stack([np.interp(ln_n, end - left, need) for need in plain])
    scales = (end, u[0], 1 / step, powers, plain, ln_n[0], 1 / (ln_n[1] - ln_n[0]))
    return Table(*(np.asarray(v, float) for v in scales))


def _quintics(value: np.ndarray, slope: np.ndarray, bend: np.ndarray) -> np.ndarray:
    """The quintic between every two nodes that has value and two derivatives of both, in steps."""
    known = [value[:, :-1], slope[:, :-1], bend[:, :-1] / 2]
    rest = value[:, 1:] - sum(known), slope[:, 1:] - known[1] - 2 * known[2], (bend[:, 1:] - bend[:, :-1]) / 2
    return np.stack(
        [
            *known,
            10 * rest[0] - 4 * rest[1] + rest[2],
            -15 * rest[0] + 7 * rest[1] - 2 * rest[2],
            6 * rest[0] - 3 * rest[1] + rest[2],
        ]
    )


def _exact(scenario: Scenario, ln_n: Scalar) -> list[Scalar]:
    """The needs as the table has them: ln of what serving takes, and the excess of every limit."""
    n = jnp.exp(ln_n)
    served = served_by_regime(scenario, n)
    positive = (*jnp.asarray(served.decode), served.prefill, served.held_bytes)
    return [*(jnp.log(v) for v in positive), *(jnp.asarray(v, float) for v in serving_excess(scenario, n).values())]


def _needs(scenario: Scenario, values: list[Scalar]) -> Needs:
    several = regimes(scenario)
    decode, prefill, held = jnp.exp(jnp.stack(values[:several])), *(jnp.exp(v) for v in values[several : several + 2])
    return _asked(Served(decode, prefill, held), jnp.stack(values[several + 2 :]))


def _asked(served: Served, excess: Scalar) -> Needs:
    """What a search asks for; it leaves out the batch."""
    return Needs(served, jnp.asarray(jnp.nan), largest(excess) <= 0, excess)


def _read(table: Table, ln_n: Scalar) -> list[Scalar]:
    """All needs by the table; beyond its end they rise in proportion to N."""
    _, needs, intervals = table.powers.shape
    beyond = jnp.maximum(ln_n - (table.end - _EDGE), 0.0)
    steps = (-jnp.log(table.end - (ln_n - beyond)) - table.first) * table.per_node
    index = jnp.clip(jnp.floor(steps), 0, intervals - 1).astype(jnp.int32)
    t = steps - index
    found = []
    for need in range(needs):
        value = 0.0
        for power in reversed(range(6)):
            value = value * t + table.powers[power, need][index]
        found.append(value + beyond)
    return found


def by_table(scenario: Scenario, table: Table) -> NeedsAt:
    """The needs of a scenario, read from its table."""
    return lambda ln_n: _needs(scenario, _read(table, ln_n))


def roughly(table: Table) -> NeedsAt:
    """What `by_table` says, but for a share of 1e-4: enough to compare points that lie far apart."""
    last = table.plain.shape[1] - 1

    def at(ln_n: Scalar) -> Needs:
        steps = (ln_n - table.plain_first) * table.plain_per_node
        index = jnp.clip(jnp.floor(steps), 0, last - 1).astype(jnp.int32)
        t = jnp.clip(steps - index, 0.0, 1.0)
        low, high = table.plain[:, index], table.plain[:, index + 1]
        decode, prefill, held, excess = low + t * (high - low)
        return _asked(Served(decode[None], prefill, held), (excess + (steps - index - t) / table.plain_per_node)[None])

    return at


def corrected(scenario: Scenario, table: Table, ln_n: Scalar) -> NeedsAt:
    """The needs by the table, moved and turned so that value and slope are exact at `ln_n`."""

    def both(x: Scalar) -> list[Scalar]:
        return [exact - read for exact, read in zip(_exact(scenario, x), _read(table, x), strict=True)]

    missing, turned = jax.jvp(both, (ln_n,), (jnp.ones_like(ln_n),))

    def at(x: Scalar) -> Needs:
        moved = x - ln_n
        values = [v + m + t * moved for v, m, t in zip(_read(table, x), missing, turned, strict=True)]
        return _needs(scenario, values)

    return at
