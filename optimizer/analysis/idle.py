"""Assumptions that the chosen methods leave unused, and why.

    why_idle(scenario, "deployment.chips") -> "this is used only with serving.method = 'roofline'." | "" for a number that is used

An assumption is idle where no output of the optimum depends on it. That is a matter of methods: a number whose limit is not reached, or
that multiplies an amount of 0, is used.
"""

from collections.abc import Collection

from ..assumptions.attention import attends
from ..assumptions.bills import Serving
from ..assumptions.scenario import Scenario

__all__ = ["why_idle"]

_TRAINING_MEMORY = frozenset(
    f"pretraining.{f}" for f in ("state_bytes_per_param", "shard_chips", "tokens_per_chip", "recomputation")
)
_SHAPE = frozenset(f"deployment.{f}" for f in ("sparsity", "reference_params", "layers", "layers_exponent"))
_ATTENTION = frozenset(
    f"deployment.{f}"
    for f in (
        "reference_params",
        "attention_width",
        "attention_width_exponent",
        "attention_decode_factor",
        "attention_bound_tokens",
        "attention_exponent",
    )
)
_SIZES = frozenset({"deployment.sparsity"})
"""of the deployment, and part of the model's total parameters under every method"""
_EFFICIENCIES = frozenset(f"serving.{f}" for f in ("prefill_efficiency", "decode_efficiency", "context_tokens"))
_QUANTISATION = {
    "serving.quantisation_group": ("w4a16", "w4a4"),
    "serving.quantisation_bits": ("calibrated",),
    **{f"serving.{field}": ("calibrated",) for field in Serving.model_fields if field.startswith("calibration_")},
}
"""The choices that take a number of the loss of few bits."""
_MEMORY_LIMIT = "limits.max_training_bytes_per_chip"
_FIRST_TOKEN = "limits.max_seconds_to_first_token"
_OF_FIRST_TOKEN = frozenset({"deployment.prompt_tokens", "limits.first_token_percentile"})


def why_idle(scenario: Scenario, path: str, given: Collection[str] = ()) -> str:
    """Why no output of a scenario depends on an assumption, as a sentence; "" where one may.

    Args:
        scenario: the question.
        path: dotted path of a number or a choice.
        given: dotted paths that will be given too, as the ranges of an analysis.

    >>> from optimizer.assumptions.library import load
    >>> why_idle(load("lecture-2026"), "deployment.chips")
    "this is used only with serving.method = 'roofline'."
    >>> why_idle(load("lecture-2026"), "pretraining.mfu")
    ''

    """
    block, roofline = path.partition(".")[0], scenario.serving.by_roofline
    in_memory = scenario.limits.max_training_bytes_per_chip is not None or _MEMORY_LIMIT in given
    if block == "deployment" and not roofline and path not in _SIZES:
        # Activations in training memory take the layers of the deployment; attention FLOPs take its width.
        used = (in_memory and path in _SHAPE) or (path in _ATTENTION and attends(scenario))
        return "" if used else "this is used only with serving.method = 'roofline'."
    if path in _TRAINING_MEMORY and not in_memory:
        return f"this is used only with {_MEMORY_LIMIT}."
    if roofline and (
        path in _EFFICIENCIES or path.removeprefix("serving.") in {*Serving.instead.values(), "measured_params"}
    ):
        return "this is used only with serving.method = 'efficiency'; step times of the deployment give the roofline's speed."
    if path == "pretraining.mfu_counts" and scenario.pretraining.context_tokens is None:
        return "this is used only with pretraining.context_tokens."
    taken_by = _QUANTISATION.get(path)
    if taken_by and scenario.serving.quantisation not in taken_by:
        return f"this is used only with serving.quantisation = {' or '.join(map(repr, taken_by))}."
    if block == "rl" and path != "rl.policy" and scenario.rl.absent:
        return "this is used only with an rl.policy other than 'none'."
    if path.endswith("_chip.usd_per_chip_hour") and not scenario.money.in_usd:
        return "prices are used only with money.unit = 'usd'."
    if path == "deployment.prefill_chips" and scenario.deployment.prefill == "together":
        return "this is used only with deployment.prefill = 'apart'."
    if path in _OF_FIRST_TOKEN and scenario.limits.max_seconds_to_first_token is None and _FIRST_TOKEN not in given:
        return f"this is used only with {_FIRST_TOKEN}."
    if path == "limits.bytes_per_param" and scenario.limits.max_bytes is None and "limits.max_bytes" not in given:
        return "this is used only with limits.max_bytes."
    return ""
