"""The memory of pre-training on each chip.

    bytes per chip = state M / shard + tokens L width c

M total parameters, `state` bytes of weights, gradients and optimizer state each, shared by `shard` chips; activations of the tokens of one
micro-batch, with c = 34 + 5 s / 128 bytes per token, layer and unit of width when everything is kept (heads 128 wide, one sequence of s
tokens), 34 when attention is computed again, as fused attention does, 2 when only the input of each layer is kept.

References:
    Rajbhandari et al. 2020, arXiv 1910.02054, section 3 (states). Korthikanti et al. 2022, arXiv 2205.05198, table 2 (activations).

"""

from ..assumptions.quantity import Numeric
from ..assumptions.scenario import Scenario
from .replica import layers, width
from .total import total_params

__all__ = ["training_bytes_per_chip"]

_KEPT, _ATTENTION, _INPUTS, _HEAD_WIDTH = 34.0, 5.0, 2.0, 128.0


def training_bytes_per_chip(scenario: Scenario, n_params: Numeric) -> Numeric:
    """Memory that pre-training fills on one chip, B. The shape of the model is the deployment's: sparsity, layers, width from active N."""
    plan, shape = scenario.pretraining, scenario.deployment
    per_token = {
        "none": _KEPT + _ATTENTION * plan.tokens_per_chip / _HEAD_WIDTH,
        "selective": _KEPT,
        "full": _INPUTS,
    }[plan.recomputation]
    states = plan.state_bytes_per_param * total_params(scenario, n_params) / plan.shard_chips
    return states + per_token * plan.tokens_per_chip * layers(shape, n_params) * width(shape, n_params)
