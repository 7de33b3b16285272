"""The limits on a design. Each is convex in ln N and ln D, so the optimum under limits stays certified.

max_params           N <= bound                    max_train_tokens     D <= bound
min_params           N >= bound                    max_epochs           D <= epochs x unique tokens
max_bytes            M bytes_per_param <= bound    max_training_days    k N D <= days x fleet x peak x mfu

max_training_bytes_per_chip          memory of a training run, see `training`
max_seconds_to_first_token           of a prompt after those before it, see `loop.first_token`; with serving.method = "roofline"
min_tokens_per_second_per_user       and the memory of a replica, see `roofline.serving_excess`; with serving.method = "roofline"

M counts all parameters, of which a token uses N; see `total`. k N D counts attention where a context is given.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array

from ..assumptions.quantity import Numeric
from ..assumptions.scenario import Scenario
from .cost import Design
from .fleet import training_days
from .loop import first_token_excess
from .placements import decides, over_places
from .prompts import prompt_replica
from .replica import replica
from .roofline import by_worst, serving_excess, serving_limits
from .total import total_params
from .training import training_bytes_per_chip

__all__ = ["LimitAt", "limit_excess", "limit_names", "limits_at", "straight_excess"]

_STRAIGHT = (
    "min_params",
    "max_params",
    "max_bytes",
    "max_train_tokens",
    "max_epochs",
    "max_training_days",
    "max_training_bytes_per_chip",
    "max_seconds_to_first_token",
)
"""In the order of `limit_excess`; what a deployment must keep follows."""


def limit_excess(scenario: Scenario, design: Design) -> dict[str, Numeric]:
    """ln(quantity / bound) of every limit that is set, by dotted path; a design is allowed where none is above 0.

    Where the placement is open they are those of the one that misses least.
    """
    if decides(scenario):
        return dict(zip(limit_names(scenario), over_places(_excess_at_place, scenario, design), strict=True))
    excess = straight_excess(scenario, design)
    if scenario.serving.by_roofline:
        excess |= serving_excess(scenario, design.n_params)
    return excess


def _excess_at_place(scenario: Scenario, design: Design) -> tuple[Array, tuple[Array, ...]]:
    return by_worst(limit_excess(scenario, design))


def straight_excess(scenario: Scenario, design: Design) -> dict[str, Numeric]:
    """`limit_excess` without what the deployment must keep."""
    limits, n_params, train_tokens = scenario.limits, design.n_params, design.train_tokens
    excess: dict[str, Numeric] = {}
    if limits.min_params is not None:
        excess["limits.min_params"] = jnp.log(limits.min_params / n_params)
    if limits.max_params is not None:
        excess["limits.max_params"] = jnp.log(n_params / limits.max_params)
    if limits.max_bytes is not None and limits.bytes_per_param is not None:
        excess["limits.max_bytes"] = jnp.log(
            total_params(scenario, n_params) * limits.bytes_per_param / limits.max_bytes
        )
    if limits.max_train_tokens is not None:
        excess["limits.max_train_tokens"] = jnp.log(train_tokens / limits.max_train_tokens)
    if limits.max_epochs is not None:
        unique = scenario.law.kept["unique_tokens"] if limits.unique_tokens is None else limits.unique_tokens
        excess["limits.max_epochs"] = jnp.log(train_tokens / (limits.max_epochs * unique))
    days = training_days(scenario, n_params, train_tokens)
    if limits.max_training_days is not None and days is not None:
        excess["limits.max_training_days"] = jnp.log(days / limits.max_training_days)
    if limits.max_training_bytes_per_chip is not None:
        held = training_bytes_per_chip(scenario, n_params)
        excess["limits.max_training_bytes_per_chip"] = jnp.log(held / limits.max_training_bytes_per_chip)
    if limits.max_seconds_to_first_token is not None:
        excess["limits.max_seconds_to_first_token"] = first_token_excess(scenario, n_params)
    return excess


def limit_names(scenario: Scenario) -> list[str]:
    """Dotted paths of the limits that are set, in the order of `limit_excess`."""
    straight = [f"limits.{name}" for name in _STRAIGHT if getattr(scenario.limits, name) is not None]
    return straight + (serving_limits(scenario) if scenario.serving.by_roofline else [])


class LimitAt(NamedTuple):
    """A limit at a design."""

    path: str
    value: float
    """what the design has, in `unit`"""
    bound: float
    unit: str
    kept: bool


_LEAST = (
    "limits.min_params",
    "deployment.target_tokens_per_second",
    "limits.min_tokens_per_second_per_user",
)
"""Limits that a value may not fall below."""
_KEPT = 1e-9


def limits_at(scenario: Scenario, n_params: float, excess: Mapping[str, float]) -> tuple[LimitAt, ...]:
    """The value and the bound of every limit that is set.

    Args:
        scenario: its limits and its deployment, whose memory counts as a limit with serving.method = "roofline".
        n_params: active parameters of the design.
        excess: of `limit_excess` at the design.

    """

    def at(path: str, over: float) -> LimitAt:
        block, field = path.split(".")
        if path in ("deployment.chips", "deployment.prefill_chips"):
            r = replica(scenario, n_params)
            r = r if path == "deployment.chips" else prompt_replica(scenario, n_params, r)
            bound, unit = float(r.memory_bytes), "bytes"
        else:
            owner = getattr(scenario, block)
            declared = owner.quantity(field)
            bound, unit = float(getattr(owner, field)), declared.unit
        return LimitAt(path, bound * math.exp(-over if path in _LEAST else over), bound, unit, over <= _KEPT)

    return tuple(at(path, over) for path, over in excess.items())
