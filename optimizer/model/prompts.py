"""Where prompts are computed: on replicas of their own, or on those that decode.

    apart       a replica of `deployment.prefill_chips` computes nothing else
    together    a step of B sequences, of which each keeps g tokens, brings B g a prompt tokens, a = T_in (1 - h) / T_out of the traffic

                tau(B) = t(B) / g + B a t_prefill

tau is the time between two tokens of a user. A speed for every user then allows a smaller batch than it does apart. In either case a
prompt token costs t_prefill of the chips that compute it, so that together a token of an answer, its prompt included, costs tau(B) / B.
"""

import numpy as np
from jax.core import Tracer

from ..assumptions.deployment import Deployment
from ..assumptions.present import paid_demand
from ..assumptions.quantity import Numeric, numpy_for
from ..assumptions.scenario import Scenario
from .replica import Replica, replica_of
from .step import prompt_seconds
from .total import placed

__all__ = [
    "chooses_prompt_chips",
    "computed_per_output",
    "own_prompt_chips",
    "prompt_deployment",
    "prompt_replica",
    "prompts_delay",
    "with_prompts",
]


def computed_per_output(scenario: Scenario) -> Numeric:
    """Computed prompt tokens for each token of an answer, a = T_in (1 - h) / T_out; 0 where nothing is answered."""
    demand = paid_demand(scenario)
    computed, written = demand.input_tokens - demand.cached_tokens, demand.output_tokens
    xp = numpy_for(computed, written)
    return xp.where(written > 0, computed / xp.where(written > 0, written, 1.0), 0.0)


def with_prompts(scenario: Scenario, r: Replica) -> Replica:
    """A replica as its users see it: with prompts on the same chips, each sequence of a step brings its share of their time."""
    if scenario.deployment.prefill == "apart":
        return r
    each = computed_per_output(scenario) * r.kept_tokens * prompt_seconds(r)
    return r._replace(sequence_seconds=r.sequence_seconds + each / (1 if r.drafting is None else 1 + r.drafting))


def prompts_delay(scenario: Scenario) -> bool:
    """Whether the mix of prompts and answers moves the batch: a speed is asked for where prompts come between the steps."""
    asked = (scenario.deployment.target_tokens_per_second, scenario.limits.min_tokens_per_second_per_user)
    return scenario.deployment.prefill == "together" and asked != (None, None)


def own_prompt_chips(scenario: Scenario) -> bool:
    """Whether prompts are computed on replicas of a number of chips of their own: given, or still to be chosen."""
    given = scenario.deployment.prefill == "apart" and scenario.deployment.prefill_chips is not None
    return given or chooses_prompt_chips(scenario)


def chooses_prompt_chips(scenario: Scenario) -> bool:
    """Whether an open placement chooses the chips of a replica that computes prompts: there are prompts, or may be, and none are given."""
    d = scenario.deployment
    if d.placement != "best" or d.prefill != "apart" or d.prefill_chips is not None:
        return False
    demand = scenario.traffic.demand()
    computed = demand.input_tokens - demand.cached_tokens
    return isinstance(computed, Tracer) or bool(np.any(np.asarray(computed) > 0))


def prompt_deployment(scenario: Scenario) -> Deployment:
    """The deployment that computes prompts."""
    d = placed(scenario)
    return d.model_copy(update={"chips": d.prefill_chips}) if own_prompt_chips(scenario) else d


def prompt_replica(scenario: Scenario, n_params: Numeric, r: Replica) -> Replica:
    """The replica that computes prompts, where `r` decodes."""
    if not own_prompt_chips(scenario):
        return r
    flops = scenario.serving.flops_per_param_token
    return replica_of(prompt_deployment(scenario), scenario.money.serve_chip, n_params, flops)
