"""Inverses of the loss where serving in few bits adds to it: l(N, D) = z(N, D)^gamma + c D^g N^-h.

At a given D the loss falls with N, from infinity to what D leaves, so that l = l* has one root in N (`ln_params_of_loss`). ln l is convex
in (ln N, ln D); hence the root n(d) is convex in d = ln D, and so is the least of any convex cost that rises with N over the designs of
loss l* or less, which lies on n(d): the search along D has one valley.

At a given N the loss falls with D up to the D that minimises it and rises beyond, so that l = l* has two roots in D or none. No optimum
lies at the larger one, nor beyond the minimiser: the minimiser costs less and has a lower loss. `tokens_of_loss` takes the smaller root,
between the D that would do without the added loss and the minimiser, both found by halving.

RL tokens are not decided here: the scenario refuses both together.
"""

from collections.abc import Callable, Hashable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from ..assumptions.quantisation import added_loss, quantised
from ..assumptions.quantity import Numeric
from ..assumptions.scenario import Scenario
from ..compiling import compiled
from ..model.cost import Design
from ..model.quality import ln_reducible_loss
from .structure import flattened

__all__ = ["least_training", "ln_params_of_loss", "tokens_of_loss"]

_STEPS = 16
"""Newton steps to N, from the left; they double the digits from the third on."""
_FARTHEST, _HALVINGS = 64.0, 70
"""ln D is searched so far above its lowest value, to 64 / 2^70: rounding."""
_LEAST, _TINY = 1e-15, 1e-300


def _ln_loss(scenario: Scenario, ln_n: Numeric, ln_d: Numeric) -> Numeric:
    return ln_reducible_loss(scenario, Design(jnp.exp(ln_n), jnp.exp(ln_d), 0.0))


def ln_params_of_loss(scenario: Scenario, ln_tokens: Numeric, reducible: Numeric) -> tuple[Numeric, Numeric]:
    """(ln N, over): the size that has the reducible loss l on D tokens; in JAX, with the derivatives of the root.

    No size has it where `over` >= 0, the logarithm by which what D alone leaves exceeds l. The larger of the sizes that the law and the
    added loss would each need alone lies left of the root, and Newton steps on a convex, falling function rise from there to it.

    Args:
        scenario: counts a loss for few bits.
        ln_tokens: ln D.
        reducible: l (nat/token).

    """
    law, term = scenario.law, added_loss(scenario)
    inner, from_data = law.inner_of(reducible), law.tokens_term(jnp.exp(ln_tokens))
    left = jnp.maximum(inner - from_data, inner * _LEAST)
    ln_by_law, over = law.ln_params_worth((jnp.log(law.chinchilla.A) - jnp.log(left)) / law.chinchilla.alpha)
    left = jnp.maximum(reducible - law.reducible_of(from_data), reducible * _LEAST)
    ln_by_bits = (jnp.log(jnp.maximum(term.c, _TINY)) + term.g * ln_tokens - jnp.log(left)) / term.h

    def miss(ln_n: Numeric) -> Numeric:
        return _ln_loss(scenario, ln_n, ln_tokens) - jnp.log(reducible)

    def newton(miss: Callable[[Numeric], Numeric], ln_n: Numeric) -> Numeric:
        def step(_: int, ln_n: Numeric) -> Numeric:
            value, slope = jax.jvp(miss, (ln_n,), (jnp.ones_like(ln_n),))
            return ln_n + jnp.clip(-value / jnp.minimum(slope, -_TINY), -_FARTHEST, _FARTHEST)

        return lax.fori_loop(0, _STEPS, step, ln_n)

    def tangent(slope: Callable[[Numeric], Numeric], moved: Numeric) -> Any:
        return moved / slope(jnp.ones_like(moved))

    start = lax.stop_gradient(jnp.maximum(ln_by_law, ln_by_bits))
    return lax.custom_root(miss, start, newton, tangent), jnp.maximum(jnp.log(from_data / inner), over)


def tokens_of_loss(scenario: Scenario, n_params: np.ndarray, reducible: float, from_rl: float = 0.0) -> np.ndarray:
    """The fewest tokens on which N parameters have the reducible loss l; NaN where no number of them does.

    Args:
        scenario: law, and whether a loss is counted for few bits.
        n_params: active parameters N (count), one an entry.
        reducible: l (nat/token).
        from_rl: what RL tokens leave of the inner sum, where they are decided.

    """
    law = scenario.law
    least = np.asarray(law.tokens_of_term(law.inner_of(reducible) - from_rl - law.params_term(n_params)), float)
    if not quantised(scenario):
        return least
    return np.exp(np.asarray(_ln_tokens(*flattened(scenario), np.log(n_params), np.log(least), reducible)))


@compiled(structure=1)
def _ln_tokens(
    tree: Hashable,
    leaves: Float[Array, " leaf"],
    ln_params: Float[Array, " size"],
    ln_least: Float[Array, " size"],
    reducible: Float[Array, ""],
) -> Float[Array, " size"]:
    scenario = jax.tree.unflatten(tree, list(leaves))

    def one_size(ln_n: Numeric, low: Numeric) -> Array:
        def loss(ln_d: Numeric) -> Numeric:
            return _ln_loss(scenario, ln_n, ln_d)

        lowest = _first(lambda ln_d: jax.grad(loss)(ln_d) >= 0, low, low + _FARTHEST)
        root = _first(lambda ln_d: loss(ln_d) <= jnp.log(reducible), low, lowest)
        return jnp.where(loss(lowest) <= jnp.log(reducible), root, jnp.nan)

    return jax.vmap(one_size)(ln_params, ln_least)


def least_training(scenario: Scenario, reducible: Numeric) -> tuple[Numeric, Numeric]:
    """(ln N, ln D) of least N D at a reducible loss l (nat/token), in JAX: where one more part of N buys as much as one of D."""
    law = scenario.law
    low, _ = law.ln_tokens_worth((jnp.log(law.chinchilla.B) - jnp.log(law.inner_of(reducible))) / law.chinchilla.beta)

    def size(ln_d: Numeric) -> Numeric:
        return ln_params_of_loss(scenario, ln_d, reducible)[0]

    def beyond(ln_d: Numeric) -> Numeric:
        by_params, by_tokens = jax.grad(_ln_loss, argnums=(1, 2))(scenario, size(ln_d), ln_d)
        return by_tokens >= by_params

    ln_d = _first(beyond, low, low + _FARTHEST)
    return size(ln_d), ln_d


def _first(holds: Callable[[Numeric], Numeric], low: Numeric, high: Numeric) -> Numeric:
    """The least value between two at which what holds from there on holds, by halving."""

    def halve(_: int, ends: tuple[Numeric, Numeric]) -> tuple[Numeric, Numeric]:
        low, high = ends
        middle = (low + high) / 2
        there = holds(middle)
        return jnp.where(there, low, middle), jnp.where(there, middle, high)

    return lax.fori_loop(0, _HALVINGS, halve, (low, high))[1]
