"""The lifecycle cost of a design.

    C = price_pre k N D + price_rl (2 + 4 f) N R + s N (price_prefill T_in + price_decode T_out)

with k = 6 FLOPs per parameter and training token, s = 2 per served token, f the share of rollouts that get a backward pass, T_in
the input tokens that are computed (cache hits are not), and a price per FLOP for each phase: 1/u in training-equivalent FLOPs,
USD per chip-hour / (3600 peak mfu u) in dollars, u being throughput relative to pre-training. With serving.method = "roofline" served
tokens cost what `roofline` finds for the deployment instead, cache hits what keeping them costs, and RL tokens are decoded there too.
Where a context is given, attention counts as parameters that a token is multiplied with besides N (`assumptions.attention`).

References:
    Kaplan et al. 2020, arXiv 2001.08361, section 2.1 (6 N D and 2 N). Sardana et al. 2024, arXiv 2401.00448, equation 6 (dollars).

"""

from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ..assumptions.arguments import checks, instance_of
from ..assumptions.attention import attends, multiplied_params
from ..assumptions.hardware import Accelerator
from ..assumptions.numbers import SECONDS_PER_HOUR
from ..assumptions.present import not_discounted, paid_demand
from ..assumptions.quantity import Numeric, numpy_for
from ..assumptions.scenario import SCENARIO, Scenario
from ..assumptions.speed import efficiencies, load_factor, utilisation
from ..assumptions.traffic import Demand
from .cache import usd_to_keep
from .loop import first_token_excess
from .placements import decides, over_places
from .prompts import prompt_replica
from .replica import Replica, replica
from .roofline import (
    SERVED,
    Serves,
    by_worst,
    can_serve,
    decode_seconds,
    decode_seconds_by_regime,
    regimes,
    serving_excess,
)
from .step import prompt_seconds

__all__ = [
    "Design",
    "LifecycleCost",
    "PhasePrices",
    "Served",
    "at_tokens",
    "design_of",
    "fixed_cost",
    "lifecycle_cost",
    "lifecycle_cost_by_regime",
    "lifecycle_cost_served",
    "moving_cost",
    "nominal_cost",
    "phase_prices",
    "place_order",
    "pretraining_flops",
    "research_cost",
    "served_by",
    "served_by_regime",
]

_LATE = 1e4
"""More than the logarithms of two costs differ by."""


class Design(NamedTuple):
    """What is decided: the size of the model and the length of its training."""

    n_params: Numeric
    """active parameters N"""
    train_tokens: Numeric
    """pre-training tokens D"""
    rl_tokens: Numeric
    """reinforcement-learning tokens R"""


_DESIGN = instance_of(Design, "write Design(n_params, train_tokens, rl_tokens), or take solve(scenario).design")


class LifecycleCost(NamedTuple):
    """Cost by phase, in the scenario's unit. Research overhead is part of the phase that causes it."""

    pretraining: Numeric
    rl: Numeric
    prefill: Numeric
    decode: Numeric

    @property
    def total(self) -> Numeric:
        """Pretraining + rl + prefill + decode."""
        return self.pretraining + self.rl + self.prefill + self.decode


class PhasePrices(NamedTuple):
    """Price of one FLOP of each phase: training-equivalent FLOP, or USD. Research overhead is counted."""

    pretraining: Numeric
    rl: Numeric
    prefill: Numeric
    decode: Numeric


class Served(NamedTuple):
    """What a deployment needs to serve a model: of the design N alone moves it, of the assumptions `served_by`."""

    decode: Numeric
    """chip-seconds of a decoded token"""
    prefill: Numeric
    """chip-seconds of a computed prompt token"""
    held_bytes: Numeric
    """cache of one sequence"""


def usd_per_flop(chip: Accelerator, mfu: Numeric) -> Numeric:
    """USD per useful FLOP of a chip at utilisation `mfu`: price per hour / (3600 s peak mfu).

    References:
        Sardana et al. 2024, equation 6.

    """
    return chip.usd_per_chip_hour / (SECONDS_PER_HOUR * chip.peak_flops * mfu)


def phase_prices(scenario: Scenario) -> PhasePrices:
    """The price of one FLOP in each phase, in the scenario's unit.

    Pre-training and RL run on money.train_chip, prefill and decode on money.serve_chip; RL, prefill and decode at
    the utilisation of pre-training times their relative efficiency. pretraining.overhead multiplies pre-training, `rl_overhead` RL.
    """
    s, mfu, relative = scenario, utilisation(scenario), efficiencies(scenario)
    train, serve = (
        (usd_per_flop(s.money.train_chip, mfu), usd_per_flop(s.money.serve_chip, mfu)) if s.money.in_usd else (1.0, 1.0)
    )
    return PhasePrices(
        pretraining=train * s.pretraining.overhead,
        rl=train * rl_overhead(s) / s.rl.efficiency,
        prefill=serve / (relative.prefill * load_factor(s)),
        decode=serve / (relative.decode * load_factor(s)),
    )


def rl_overhead(scenario: Scenario) -> Numeric:
    """The research multiplier on RL: rl.overhead, or pretraining.overhead where that is left out."""
    given = scenario.rl.overhead
    return scenario.pretraining.overhead if given is None else given


def pretraining_flops(scenario: Scenario, n_params: Numeric, train_tokens: Numeric) -> Numeric:
    """k N D, and those of attention: FLOPs of the final pre-training run, without research overhead."""
    multiplied = multiplied_params(scenario, n_params).pretraining
    return scenario.pretraining.flops_per_param_token * multiplied * train_tokens


def design_of(scenario: Scenario, n_params: Numeric, train_tokens: Numeric, rl_tokens: Numeric | None = None) -> Design:
    """The design with N and D whose R the scenario's RL policy gives; policy 'optimised' takes `rl_tokens`.

    Raises:
        ValueError: policy 'optimised' without `rl_tokens`, or another policy with it.

    """
    if scenario.rl.decided != (rl_tokens is not None):
        raise ValueError(
            f"rl_tokens is given for rl.policy = 'optimised' and for no other; the policy is {scenario.rl.policy!r}"
        )
    if rl_tokens is None:
        multiplied, per_token = multiplied_params(scenario, n_params), scenario.pretraining.flops_per_param_token
        if attends(scenario):  # a policy that gives compute, or a share of the cost, counts attention
            per_token = per_token * multiplied.pretraining / multiplied.rl
        rl_tokens = scenario.rl.rl_tokens(multiplied.rl, train_tokens, per_token)
    return Design(n_params, train_tokens, rl_tokens)


@checks(scenario=SCENARIO, design=_DESIGN)
def lifecycle_cost(scenario: Scenario, design: Design) -> LifecycleCost:
    """Cost of a design over its life, by phase; pure JAX, so it can be mapped and differentiated by any assumption.

    Args:
        scenario: the assumptions; money.unit decides between training-equivalent FLOPs and USD.
        design: N, D and R (counts).

    Returns:
        Cost by phase in the unit of the scenario; `total` is their sum.

    Where the placement is open (deployment.placement = "best") the model is served at the one that is cheapest for its size; derivatives
    are those of that one (envelope theorem).

    Limits: no cost of data, staff or idle fleets. With serving.method = "efficiency", one efficiency whatever the size of the model, and
    cache hits are free.

    >>> from optimizer.assumptions.library import load
    >>> cost = lifecycle_cost(load("lecture-2026"), Design(100e9, 200e12, 200e12 / 1.5))
    >>> [f"{phase:.1e}" for phase in cost]
    ['1.2e+26', '1.2e+26', '0.0e+00', '1.2e+26']

    """
    if decides(scenario):
        return LifecycleCost(*over_places(_cost_at_place, scenario, Design(*design)))
    return _lifecycle_cost(scenario, design)


def _lifecycle_cost(scenario: Scenario, design: Design) -> LifecycleCost:
    if not scenario.serving.by_roofline:
        return _cost_by_efficiency(scenario, design)
    r = replica(scenario, design.n_params)
    return lifecycle_cost_served(scenario, design, _served(scenario, design.n_params, r, decode_seconds(scenario, r)))


def _cost_at_place(scenario: Scenario, design: Design) -> tuple[Array, tuple[Array, ...]]:
    """What orders placements, and the cost."""
    cost, n = _lifecycle_cost(scenario, design), design.n_params
    late, missing = first_token_excess(scenario, n), by_worst(serving_excess(scenario, n))[0]
    merit = place_order(cost.total, can_serve(scenario, n), late, missing)
    merit, *phases = jnp.broadcast_arrays(merit, *(jnp.asarray(phase, float) for phase in cost))
    return merit, tuple(phases)


def place_order(total: Numeric, serves: Serves, late: Numeric, missing: Numeric) -> Numeric:
    """What orders the placements of a design, least first; of two that serve it in time the difference is that of their ln cost.

    Those that serve it and bring its first token in time come first, then those that are late, both by cost; what cannot serve it comes
    last, by how much it misses.

    Args:
        total: cost of the design.
        serves: whether some batch serves it.
        late: ln(first token / longest time); -inf where none is asked for.
        missing: the largest excess of what a deployment must keep.

    """
    xp = numpy_for(total, serves, late, missing)
    cost = xp.log(xp.where(serves, total, 1.0))
    return xp.where(serves, cost + xp.where(late > SERVED, _LATE, 0.0), 2 * _LATE + missing)


def lifecycle_cost_by_regime(scenario: Scenario, design: Design, served: Served | None = None) -> LifecycleCost:
    """The cost of one design in every regime of decoding, on a leading axis; the cost is the largest of them, and each is smooth.

    One regime, unless the roofline is used; `served` is then that of `served_by_regime`, which is computed where it is left out.
    """
    if not scenario.serving.by_roofline:
        found = _cost_by_efficiency(scenario, design)
    else:
        served = served_by_regime(scenario, design.n_params) if served is None else served
        found = lifecycle_cost_served(scenario, design, served)
    count = regimes(scenario)
    return LifecycleCost(*(jnp.broadcast_to(jnp.asarray(phase, float), count) for phase in found))


def _cost_by_efficiency(s: Scenario, design: Design) -> LifecycleCost:
    price, demand, served = phase_prices(s), paid_demand(s), s.serving.flops_per_param_token
    multiplied = multiplied_params(s, design.n_params)
    return LifecycleCost(
        pretraining=price.pretraining * pretraining_flops(s, design.n_params, design.train_tokens),
        rl=price.rl * s.rl.flops_per_param_token * multiplied.rl * design.rl_tokens,
        prefill=price.prefill * (served * multiplied.prefill) * (demand.input_tokens - demand.cached_tokens),
        decode=price.decode * (served * multiplied.decode) * demand.output_tokens,
    )


def served_by(scenario: Scenario, n_params: Numeric) -> Served:
    """What the scenario's deployment needs to serve a model of N active parameters; meaningless where it cannot."""
    r = replica(scenario, n_params)
    return _served(scenario, n_params, r, decode_seconds(scenario, r))


def served_by_regime(scenario: Scenario, n_params: Numeric, bounds: Sequence[Numeric] | None = None) -> Served:
    """`served_by` in every regime of decoding, on a leading axis; `bounds` as `decode_seconds_by_regime` takes them."""
    r = replica(scenario, n_params)
    return _served(scenario, n_params, r, decode_seconds_by_regime(scenario, r, bounds))


def _served(scenario: Scenario, n_params: Numeric, r: Replica, decode_seconds: Numeric) -> Served:
    prompts = prompt_replica(scenario, n_params, r)
    return Served(r.chips * decode_seconds, prompts.chips * prompt_seconds(prompts), r.kv_held_bytes)


def lifecycle_cost_served(scenario: Scenario, design: Design, served: Served) -> LifecycleCost:
    """Cost by the roofline, of a model that takes `served`.

    RL given in tokens decodes them at full load; RL given in compute keeps its price.
    """
    s, price, demand = scenario, phase_prices(scenario), paid_demand(scenario)
    usd_per_second = s.money.serve_chip.usd_per_chip_hour / SECONDS_PER_HOUR
    decode, busy = served.decode * usd_per_second, load_factor(s)
    if s.rl.by_compute:
        rl = price.rl * s.rl.flops_per_param_token * design.n_params * design.rl_tokens
    else:
        overhead = rl_overhead(s)
        backward = (s.rl.flops_per_param_token - 2) * design.n_params * price.pretraining
        rl = design.rl_tokens * (backward * (overhead / s.pretraining.overhead) + decode * overhead)
    kept = usd_to_keep(
        s.deployment.cache_tier, served.held_bytes / s.deployment.context_tokens, s.deployment.cache_keep_seconds
    )
    computed = (demand.input_tokens - demand.cached_tokens) * (served.prefill * usd_per_second / busy)
    return LifecycleCost(
        pretraining=price.pretraining * pretraining_flops(s, design.n_params, design.train_tokens),
        rl=rl,
        prefill=computed + demand.cached_tokens * kept,
        decode=demand.output_tokens * decode / busy,
    )


def fixed_cost(scenario: Scenario) -> Numeric:
    """The part of the lifecycle cost that no design moves: RL when its compute is given, otherwise nothing."""
    flops = scenario.rl.fixed_flops
    return 0.0 if flops is None else phase_prices(scenario).rl * flops


def moving_cost(scenario: Scenario, cost: LifecycleCost) -> Numeric:
    """The part of a cost that the design moves: all of it, or all but RL where its compute is given."""
    return cost.total if scenario.rl.fixed_flops is None else cost.pretraining + cost.prefill + cost.decode


def nominal_cost(scenario: Scenario, cost: LifecycleCost) -> LifecycleCost:
    """What is paid over the life in all, each month at the prices of that month and without discounting; `cost` is its present value."""
    if not (len(scenario.traffic.days()) and np.any(scenario.money.discount_rate)):
        return cost
    return at_tokens(cost, paid_demand(scenario), paid_demand(not_discounted(scenario)))


def at_tokens(cost: LifecycleCost, counted: Demand, tokens: Demand) -> LifecycleCost:
    """A cost whose serving bills count `tokens` in place of `counted`, to which prefill and decode are proportional; elementwise."""

    def scaled(bill: Numeric, before: Numeric, after: Numeric) -> Numeric:
        return bill * np.divide(after, before, out=np.ones_like(np.asarray(bill, float)), where=np.asarray(before) > 0)

    return cost._replace(
        prefill=scaled(cost.prefill, counted.input_tokens, tokens.input_tokens),
        decode=scaled(cost.decode, counted.output_tokens, tokens.output_tokens),
    )


def research_cost(scenario: Scenario, cost: LifecycleCost) -> Numeric:
    """Of a design's pre-training and RL, what goes to research runs rather than the final one: (1 - 1 / overhead) of each."""
    return cost.pretraining * (1 - 1 / scenario.pretraining.overhead) + cost.rl * (1 - 1 / rl_overhead(scenario))
