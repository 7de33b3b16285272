"""RL tokens that go with a training run, where R is decided: the last RL token lowers the loss by as much per cost as the last token of D.

    (dz/d ln D) / (dz/d ln R) = (dC/d ln D) / (dC/d ln R),        z = A N^-alpha + B D^-beta + G R^-gamma.

The left side is proportional to R^gamma, the right side to 1/R, so the imbalance at any R gives the R at which both are equal.
"""

from collections.abc import Callable, Hashable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..assumptions.quantity import Numeric, numpy_for
from ..assumptions.scenario import Scenario
from ..compiling import compiled
from ..model.cost import Design, design_of, lifecycle_cost
from .few_bits import tokens_of_loss
from .structure import flattened

__all__ = ["design_of_loss", "ln_rl_tokens", "paired"]

_TINY = 1e-300
_FARTHEST, _HALVINGS = 64.0, 70
"""ln D is searched so far above the D that would do without RL, to 64 / 2^70: rounding."""


Slopes = tuple[Numeric, Numeric]
"""of the loss, in any increasing function of it, and of the cost"""


def paired(ln_rl: Numeric, by_tokens: Slopes, by_rl: Slopes, gamma: Numeric) -> Numeric:
    """ln R at which D and R are in balance, from slopes at some ln R, by ln D and by ln R.

    Args:
        ln_rl: ln R at which the slopes are taken.
        by_tokens: slopes by ln D.
        by_rl: slopes by ln R.
        gamma: exponent of R in the law.

    Returns:
        ln R; infinite where more data buys nothing.

    """
    xp = numpy_for(ln_rl, *by_tokens, *by_rl, gamma)
    with np.errstate(all="ignore"):
        balance = xp.log(by_tokens[0] / by_rl[0]) - xp.log(by_tokens[1] / by_rl[1])
        return xp.where(by_tokens[0] < 0, ln_rl - balance / (1 + gamma), np.inf)


def ln_rl_tokens(scenario: Scenario, n_params: Numeric) -> Callable[[Numeric], Numeric]:
    """ln R by ln D for a model of N parameters, in JAX.

    N matters only where RL tokens are decoded by the roofline, which prices them by size, and where attention is counted. Finite where
    more data buys nothing.
    """
    law, rl = scenario.law, scenario.rl
    gamma = rl.return_term(law)[1]
    price = lifecycle_cost(scenario, Design(n_params, 1.0, 1.0))

    def ln_rl(ln_tokens: Numeric) -> Numeric:
        _, by_tokens = jax.jvp(lambda v: law.tokens_term(jnp.exp(v)), (ln_tokens,), (1.0 + 0.0 * ln_tokens,))
        by_rl = -gamma * rl.inner(law, jnp.exp(ln_tokens))
        return paired(ln_tokens, (jnp.minimum(by_tokens, -_TINY), price.pretraining), (by_rl, price.rl), gamma)

    return ln_rl


def design_of_loss(scenario: Scenario, n_params: np.ndarray, reducible: float) -> Design:
    """The designs of given sizes that have the reducible loss l; of those with R decided, the cheapest.

    Args:
        scenario: law, RL policy and prices; goal and limits have no effect.
        n_params: active parameters N (count), one an entry.
        reducible: l (nat/token), the part of R included.

    Returns:
        N, D, R (counts); NaN where no amount of training brings N parameters to l.

    """
    if not scenario.rl.decided:
        tokens = tokens_of_loss(scenario, n_params, reducible)
        return Design(n_params, tokens, np.array(design_of(scenario, n_params, tokens).rl_tokens, float))
    least = np.asarray(scenario.law.tokens_for(n_params, reducible), float)
    ln_tokens, ln_rl = np.asarray(_balanced(*flattened(scenario), np.log(n_params), np.log(least), reducible))
    return Design(n_params, np.exp(ln_tokens), np.exp(ln_rl))


@compiled(structure=1)
def _balanced(
    tree: Hashable,
    leaves: Float[Array, " leaf"],
    ln_params: Float[Array, " size"],
    ln_least: Float[Array, " size"],
    reducible: Float[Array, ""],
) -> Float[Array, "2 size"]:
    """(ln D, ln R) at which the balanced design of each size has the loss, by halving: the loss falls with D."""
    scenario = jax.tree.unflatten(tree, list(leaves))
    law, rl = scenario.law, scenario.rl

    def one_size(ln_n: Numeric, ln_least: Numeric) -> Array:
        left, ln_rl = law.inner_of(reducible) - law.params_term(jnp.exp(ln_n)), ln_rl_tokens(scenario, jnp.exp(ln_n))

        def halve(_: Numeric, ends: tuple[Numeric, Numeric]) -> tuple[Numeric, Numeric]:
            low, high = ends
            middle = (low + high) / 2
            spent = law.tokens_term(jnp.exp(middle)) + rl.inner(law, jnp.exp(ln_rl(middle)))
            return jnp.where(spent > left, middle, low), jnp.where(spent > left, high, middle)

        ln_d = jax.lax.fori_loop(0, _HALVINGS, halve, (ln_least, ln_least + _FARTHEST))[1]
        return jnp.stack([ln_d, ln_rl(ln_d)])

    return jax.vmap(one_size, out_axes=1)(ln_params, ln_least)
