"""What a design is worth, as plain numbers: what it costs, how good it is and how it is served."""

import math
from collections.abc import Hashable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..compiling import compiled
from ..model.cost import Design, LifecycleCost, lifecycle_cost
from ..model.fleet import chip_seconds_per_token
from ..model.quality import loss
from ..model.roofline import can_serve, sequences

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


def figures_of(tree: Hashable, leaves: Float[np.ndarray, " leaf"], design: Design) -> Figures:
    """The figures of a design of a scenario, which comes as `structure.flattened` gives it."""
    found = np.asarray(_figures(tree, leaves, np.array(design, float))).tolist()
    *cost, level, optimal, can, read, wrote, batch = found
    seconds = (read, wrote) if can else (math.nan, math.nan)
    return Figures(LifecycleCost(*cost), level, optimal, bool(can), seconds, batch)


@compiled(structure=1)
def _figures(tree: Hashable, leaves: Float[Array, " leaf"], design: Float[Array, " 3"]) -> Float[Array, " figure"]:
    scenario, at = jax.tree.unflatten(tree, list(leaves)), Design(design[0], design[1], design[2])
    n, cost = at.n_params, lifecycle_cost(scenario, at)
    figures = (*cost, loss(scenario, at), scenario.law.train_optimal_tokens(n), can_serve(scenario, n))
    figures += (*chip_seconds_per_token(scenario, n), sequences(scenario, n))
    return jnp.stack([jnp.asarray(v, float) for v in figures])
