"""The limits on a design. Each is convex in ln N and ln D, so the optimum under limits stays certified.

max_params           N <= bound                    max_train_tokens     D <= bound
min_params           N >= bound                    max_epochs           D <= epochs x unique tokens
max_bytes            M bytes_per_param <= bound    max_training_days    k N D <= days x fleet x peak x mfu

max_training_bytes_per_chip          memory of a training run, see `training`
min_tokens_per_second_per_user       and the memory of a replica, see `roofline.serving_excess`; with serving.method = "roofline"

M counts all parameters, of which a token uses N; see `total`.
"""

import jax.numpy as jnp

from ..assumptions.numbers import SECONDS_PER_DAY
from ..assumptions.quantity import Numeric
from ..assumptions.scenario import Scenario
from ..assumptions.speed import utilisation
from .cost import Design, pretraining_flops
from .roofline import serving_excess, serving_limits
from .total import total_params
from .training import training_bytes_per_chip

__all__ = ["limit_excess", "limit_names"]

_STRAIGHT = (
    "min_params",
    "max_params",
    "max_bytes",
    "max_train_tokens",
    "max_epochs",
    "max_training_days",
    "max_training_bytes_per_chip",
)
"""In the order of `limit_excess`; what a deployment must keep follows."""


def limit_excess(scenario: Scenario, design: Design) -> dict[str, Numeric]:
    """ln(quantity / bound) of every limit that is set, by dotted path; a design is allowed where none is above 0."""
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
    if limits.max_training_days is not None and limits.fleet_chips is not None:
        flops_per_day = (
            SECONDS_PER_DAY * limits.fleet_chips * scenario.money.train_chip.peak_flops * utilisation(scenario)
        )
        days = pretraining_flops(scenario, n_params, train_tokens) / flops_per_day
        excess["limits.max_training_days"] = jnp.log(days / limits.max_training_days)
    if limits.max_training_bytes_per_chip is not None:
        held = training_bytes_per_chip(scenario, n_params)
        excess["limits.max_training_bytes_per_chip"] = jnp.log(held / limits.max_training_bytes_per_chip)
    if scenario.serving.by_roofline:
        excess |= serving_excess(scenario, n_params)
    return excess


def limit_names(scenario: Scenario) -> list[str]:
    """Dotted paths of the limits that are set, in the order of `limit_excess`."""
    straight = [f"limits.{name}" for name in _STRAIGHT if getattr(scenario.limits, name) is not None]
    return straight + (serving_limits(scenario) if scenario.serving.by_roofline else [])
