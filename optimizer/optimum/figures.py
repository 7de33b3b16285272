"""What a design is worth, as plain numbers: what it costs, how good it is and how it is served."""

import math
from collections.abc import Hashable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..compiling import compiled
from ..model.cost import Design, LifecycleCost, lifecycle_cost, lifecycle_cost_served
from ..model.fleet import chip_seconds_per_token
from ..model.largest import largest
from ..model.quality import loss
from .needs import needs_at

__all__ = ["Figures", "figures_of"]


class Figures(NamedTuple):
    """Of one design."""

    cost: LifecycleCost
    """beyond `can_serve` it only says how much is missing"""
    loss: float
    """nat/token"""
    train_optimal_tokens: float
    """D0(N), tokens"""
    can_serve: bool
    """whether the deployment can serve the model"""
    chip_seconds: tuple[float, float]
    """seconds of a serving chip per computed input token and per output token; NaN where it cannot be served"""
    batch: float
    """sequences of a decode step; NaN without the roofline"""


def figures_of(
    tree: Hashable, leaves: Float[np.ndarray, " leaf"], design: Design, needs: Float[np.ndarray, "3 need"]
) -> Figures:
    """The figures of a design. The scenario comes as `structure.flattened` gives it, `needs` as `expanded` finds it about ln N."""
    found = np.asarray(_figures(tree, leaves, np.array(design, float), needs)).tolist()
    *cost, level, optimal, can, read, wrote, batch = found
    seconds = (read, wrote) if can else (math.nan, math.nan)
    return Figures(LifecycleCost(*cost), level, optimal, bool(can), seconds, batch)


@compiled(structure=1)
def _figures(
    tree: Hashable, leaves: Float[Array, " leaf"], design: Float[Array, " 3"], needs: Float[Array, "3 need"]
) -> Float[Array, " figure"]:
    scenario, at = jax.tree.unflatten(tree, list(leaves)), Design(design[0], design[1], design[2])
    n, served = at.n_params, needs_at(scenario, needs, jnp.log(design[0]))
    if served is None:
        cost, serving = lifecycle_cost(scenario, at), (True, *chip_seconds_per_token(scenario, n), jnp.nan)
    else:
        by_chip = served.served._replace(decode=largest(jnp.asarray(served.served.decode)))
        cost = lifecycle_cost_served(scenario, at, by_chip)
        serving = (served.serves, by_chip.prefill, by_chip.decode, served.batch)
    figures = (*cost, loss(scenario, at), scenario.law.train_optimal_tokens(n), *serving)
    return jnp.stack([jnp.asarray(v, float) for v in figures])
