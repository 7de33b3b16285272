"""What a deployment needs to serve a model, as a polynomial of ln N about one size.

It depends on the size alone: not on the law, the goal or RL, and on the traffic only by its mix where prompts delay decoding. So it is a
program of its own that all scenarios on one kind of deployment share, and the programs that differ between them are small. A polynomial of
second degree has the derivatives that a program with Hessians asks for, and no error at its centre.
"""

from collections.abc import Callable, Hashable
from functools import cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..assumptions.scenario import Scenario
from ..compiling import compiled
from ..model.cost import Served, served_by_regime
from ..model.prompts import computed_per_output, prompts_delay
from ..model.replica import replica
from ..model.roofline import batch_bounds, largest_batch, regimes, serves, serving_excess
from ..model.total import placed

__all__ = ["Needs", "NeedsAt", "expanded", "expanded_at", "needs_at", "serving_alone"]


class Needs(NamedTuple):
    """Of a size; empty without the roofline."""

    served: Served
    """in every regime of decoding"""
    batch: Float[Array, ""]
    """sequences of a decode step, of the size that the polynomials are about"""
    serves: Float[Array, ""]
    """1 where some batch serves the size, 0 where none does"""
    excess: Float[Array, " limit"]
    """of `serving_excess`"""


@cache
def _plain() -> Scenario:
    total = {"kind": "total", "output_tokens": 1.0}
    return Scenario.from_dict({"goal": {"kind": "budget", "budget": 1.0}, "traffic": total})


def serving_alone(scenario: Scenario) -> Scenario:
    """The scenario's deployment, chip and speed in an otherwise plain scenario: the same for all that serve a model in the same way.

    Its mix of prompts and answers goes with them where it moves the batch. What the deployment leaves out of its placement is written out.
    """
    d, chip = placed(scenario), scenario.money.serve_chip
    mix = computed_per_output(scenario) if prompts_delay(scenario) else 0.0
    plain, speed = _plain(), "min_tokens_per_second_per_user"
    own = {"method": "roofline", "flops_per_param_token": scenario.serving.flops_per_param_token}
    return plain.model_copy(
        update={
            "traffic": plain.traffic.model_copy(update={"input_tokens": mix}),
            "serving": plain.serving.model_copy(update=own),
            "deployment": d.model_copy(update=d.written_out(chip)),
            "money": plain.money.model_copy(update={"serve_chip": chip}),
            "limits": plain.limits.model_copy(update={speed: getattr(scenario.limits, speed)}),
        }
    )


NeedsAt = Callable[[Float[Array, ""]], Needs]
"""Needs as a function of ln N."""


@compiled(structure=1)
def expanded(tree: Hashable, leaves: Float[Array, " leaf"], ln_n: Float[Array, ""]) -> Float[Array, "3 need"]:
    """Coefficients of 1, ln N - ln_n and half its square of all `Needs`, side by side; of `serving_alone`, flattened."""
    return _expansion(jax.tree.unflatten(tree, list(leaves)), ln_n)


@compiled(structure=1)
def expanded_at(
    tree: Hashable, leaves: Float[Array, " leaf"], ln_n: Float[Array, " node"]
) -> Float[Array, "3 need node"]:
    """`expanded` at many sizes."""
    scenario = jax.tree.unflatten(tree, list(leaves))
    return jax.vmap(lambda x: _expansion(scenario, x), out_axes=-1)(ln_n)


def _expansion(scenario: Scenario, ln_n: Float[Array, ""]) -> Float[Array, "3 need"]:
    def needs(ln_n: Float[Array, ""]) -> Float[Array, " need"]:
        n = jnp.exp(ln_n)
        bounds, excess = batch_bounds(scenario, replica(scenario, n)), serving_excess(scenario, n)
        served = served_by_regime(scenario, n, bounds)
        # Without derivatives: none is asked for, and they would make the program a third larger.
        batch = jax.lax.stop_gradient(largest_batch(bounds))
        parts = (*served, batch, serves(scenario, excess), *excess.values())
        return jnp.concatenate([jnp.atleast_1d(jnp.asarray(part, float)) for part in parts])

    def slope(ln_n: Float[Array, ""]) -> tuple[Float[Array, " need"], Float[Array, " need"]]:
        return jax.jvp(needs, (ln_n,), (jnp.ones_like(ln_n),))

    (value, first), (_, second) = jax.jvp(slope, (ln_n,), (jnp.ones_like(ln_n),))
    return jnp.stack([value, first, second])


def needs_at(scenario: Scenario, coefficients: Float[Array, "3 need"], ln_n: Float[Array, ""]) -> Needs | None:
    """What `expanded` found about this ln N, with two derivatives; None without the roofline."""
    if not scenario.serving.by_roofline:
        return None
    step, count = ln_n - jax.lax.stop_gradient(ln_n), regimes(scenario)
    value, first, second = coefficients
    found = value + step * (first + step / 2 * second)
    prefill, held, batch, serves, *excess = found[count:]
    return Needs(Served(found[:count], prefill, held), batch, serves, jnp.stack(excess))
