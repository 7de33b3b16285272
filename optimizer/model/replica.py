"""The replica that serves a model: its chips, the memory it reads, and the time of one decode step; `roofline` holds the formulas."""

from typing import NamedTuple

import jax.numpy as jnp

from ..assumptions.deployment import Deployment
from ..assumptions.hardware import Accelerator
from ..assumptions.numbers import SECONDS_PER_HOUR
from ..assumptions.problems import InputError
from ..assumptions.quantity import Numeric, numpy_for
from ..assumptions.scenario import Scenario
from .total import placed

__all__ = [
    "Replica",
    "StepTime",
    "balance_batch",
    "below_one",
    "cache_bytes",
    "drain_seconds",
    "layers",
    "longest_context",
    "memory_batch",
    "replica",
    "replica_of",
    "step_time",
    "width",
]

ACTIVATION_BYTES = 2.0
"""Bytes of one number that chips send to each other; what goes to experts is half of it."""

_OUTSIDE = 8.0  # scale-out links are about 8 times slower than scale-up where a chip's own figure is not on record


class Replica(NamedTuple):
    """One pipeline stage of a model on its chips, reduced to what the step time needs."""

    sequence_flops: Numeric
    """FLOP of one sequence and step, over the whole model"""
    token_flops: Numeric
    """FLOP of one prompt token"""
    dense_bytes: Numeric
    """weights that every step reads, B"""
    expert_bytes: Numeric
    """weights of all experts, B"""
    expert_share: Numeric
    """share of the experts that one token uses"""
    tokens_per_step: Numeric
    """tokens that a sequence sends through the weights per step"""
    kept_tokens: Numeric
    """tokens that a step adds to a sequence"""
    kv_read_bytes: Numeric
    """cache of one sequence that a step reads, B"""
    kv_held_bytes: Numeric
    """cache of one sequence that memory holds, B"""
    fixed_seconds: Numeric
    """time of a step that neither batch nor chips change"""
    sequence_seconds: Numeric
    """time that each sequence adds: host, exchange between chips and stages"""
    token_seconds: Numeric
    """time that each prompt token adds for the exchange between chips"""
    decode_flops_per_second: Numeric
    prefill_flops_per_second: Numeric
    bytes_per_second: Numeric
    memory_bytes: Numeric
    """memory of the chips of one stage for weights and cache, B"""
    stages: Numeric
    usd_per_second: Numeric
    """price of the chips of one stage"""

    @property
    def weight_bytes(self) -> Numeric:
        """All weights, B."""
        return self.dense_bytes + self.expert_bytes


class StepTime(NamedTuple):
    """Parts of one decode step, s."""

    compute: Numeric
    memory: Numeric
    fixed: Numeric
    sequences: Numeric

    @property
    def total(self) -> Numeric:
        """The slower of compute and memory, and what comes on top."""
        return jnp.maximum(self.compute, self.memory) + self.fixed + self.sequences


def layers(deployment: Deployment, n_params: Numeric) -> Numeric:
    """L = layers (N / reference)^layers_exponent."""
    return deployment.layers * _power(n_params / deployment.reference_params, deployment.layers_exponent)


def _power(base: Numeric, exponent: Numeric) -> Numeric:
    """base^exponent for a base above 0; its logarithm is shared by all powers of N, and its derivatives need no second power."""
    xp = numpy_for(base, exponent)
    return xp.exp(exponent * xp.log(base))


def width(deployment: Deployment, n_params: Numeric) -> Numeric:
    """Width of the residual stream, from N = 12 L width^2 (Kaplan et al. 2020, arXiv 2001.08361, section 2.1)."""
    squared = n_params / (12 * layers(deployment, n_params))
    return numpy_for(squared).sqrt(squared)


def replica(scenario: Scenario, n_params: Numeric) -> Replica:
    """The scenario's deployment of a model with N active parameters on money.serve_chip.

    Raises:
        InputError: the placement is still to be chosen.

    """
    if scenario.deployment.placement == "best":
        raise InputError(
            [
                "deployment.placement = 'best' is chosen by solve, cost and solve_batch; for other questions take the scenario of their "
                "answer, in which it is fixed, or set deployment.placement = 'given'."
            ]
        )
    return replica_of(placed(scenario), scenario.money.serve_chip, n_params, scenario.serving.flops_per_param_token)


def replica_of(d: Deployment, chip: Accelerator, n_params: Numeric, flops_per_param_token: Numeric = 2.0) -> Replica:
    """A deployment of a model with N active parameters on a chip; one without a sparsity of its own serves a dense model.

    Raises:
        ValueError: the chip's memory or bandwidth is not on record.

    """
    if chip.hbm_bytes is None or chip.hbm_bytes_per_second is None:
        raise ValueError(f"{chip.title or 'the chip'} has no hbm_bytes or hbm_bytes_per_second on record; give both")
    n = d.chips_on(chip)
    q = 1 + d.drafted_tokens
    sparsity = 1.0 if d.sparsity is None else d.sparsity
    share = 1 / sparsity if d.expert_share is None else d.expert_share
    dense_model = sparsity <= 1
    experts = jnp.where(dense_model, 0.0, n_params * (sparsity - 1) / jnp.where(dense_model, 1.0, 1 - share))
    kv, kept = cache_bytes(d, n_params)
    exchange = _exchange_seconds(d, chip, n_params)
    hops = jnp.where(d.pipeline_stages > 1, d.pipeline_stages, 0.0)
    # Every chip of a stage sends its share of the activations over its own link (Narayanan et al. 2021, arXiv 2104.04473, section 4.1).
    hop_bytes = ACTIVATION_BYTES * width(d, n_params) * q
    host = d.seconds_per_sequence / (n if d.parallelism == "expert" else 1.0)
    return Replica(
        sequence_flops=flops_per_param_token * n_params * q,
        token_flops=flops_per_param_token * n_params,
        dense_bytes=d.weight_bytes(chip) * (n_params * sparsity - experts),
        expert_bytes=d.weight_bytes(chip) * experts,
        expert_share=share,
        tokens_per_step=q,
        kept_tokens=d.accepted_tokens,
        kv_read_bytes=kv * d.context_tokens**d.attention_exponent + kept,
        kv_held_bytes=kv * d.context_tokens + kept,
        fixed_seconds=layers(d, n_params) * d.seconds_per_layer + hops * d.seconds_per_hop,
        sequence_seconds=host + q * exchange + hops * hop_bytes / (n * _outside(chip)),
        token_seconds=exchange,
        decode_flops_per_second=n * chip.peak_flops * d.compute_share,
        prefill_flops_per_second=n * chip.peak_flops * d.prefill_share,
        bytes_per_second=n * chip.hbm_bytes_per_second * d.bandwidth_share,
        memory_bytes=n * chip.hbm_bytes * d.memory_share,
        stages=d.pipeline_stages,
        usd_per_second=n * chip.usd_per_chip_hour / SECONDS_PER_HOUR,
    )


def cache_bytes(d: Deployment, n_params: Numeric) -> tuple[Numeric, Numeric]:
    """A sequence's cache: k, the bytes of each token, and k_0, those that do not grow with context."""
    scale = _power(n_params / d.reference_params, d.kv_exponent) * d.kv_bytes_per_value / 2
    return d.kv_bytes_per_token * scale, d.kv_constant_bytes * scale


def _outside(chip: Accelerator) -> Numeric:
    """Bytes per second of one chip beyond its scale-up domain; infinite where no link is on record."""
    if chip.scaleout_bytes_per_second is not None:
        return chip.scaleout_bytes_per_second
    return jnp.inf if chip.scaleup_bytes_per_second is None else chip.scaleup_bytes_per_second / _OUTSIDE


def _exchange_seconds(d: Deployment, chip: Accelerator, n_params: Numeric) -> Numeric:
    """Seconds that one token adds to a step for what chips exchange, at 2 bytes a number.

    tensor: two ring all-reduces per layer, 2 (n - 1) / n of the activations each, at every chip.
    expert: every chip sends its own tokens to experts_per_token experts at 1 byte a number and receives them at 2.
    """
    n = d.chips_on(chip)
    if chip.scaleup_bytes_per_second is None:
        return 0.0 * n_params
    domain = n if chip.scaleup_domain_chips is None else chip.scaleup_domain_chips
    link = d.link_share_used() * jnp.where(n <= domain, chip.scaleup_bytes_per_second, _outside(chip))
    per_layer = ACTIVATION_BYTES * (4.0 if d.parallelism == "tensor" else 1.5 * d.experts_per_token / n)
    return layers(d, n_params) * per_layer * (n - 1) / n * width(d, n_params) / link


def step_time(r: Replica, batch: Numeric) -> StepTime:
    """Parts of a decode step of `batch` sequences, s. Kink: where compute and memory are equal.

    Limiting cases: B to infinity leaves compute or the cache, neither of which a larger batch shares out; B = 1 on one chip is the time to
    read the active weights plus L t_l; without a cache the two cross at `balance_batch`.
    """
    read = r.dense_bytes + r.expert_bytes * -jnp.expm1(batch * r.tokens_per_step * jnp.log1p(-below_one(r)))
    return StepTime(
        compute=batch * r.sequence_flops / r.decode_flops_per_second,
        memory=(read + batch * r.kv_read_bytes) / r.bytes_per_second,
        fixed=r.fixed_seconds,
        sequences=batch * r.sequence_seconds,
    )


def below_one(r: Replica) -> Numeric:
    return jnp.minimum(r.expert_share, 1 - 1e-12)


def balance_batch(chip: Accelerator, deployment: Deployment) -> Numeric:
    """B* = F/W p/2 M/N: without a cache and at peak, a step waits for weights below it and for compute above it.

    2 FLOP per parameter and token; the lecture counts 1 operation and F/W = 300 in those units.
    """
    assert chip.hbm_bytes_per_second is not None
    ratio = chip.peak_flops / chip.hbm_bytes_per_second
    return ratio * deployment.weight_bytes(chip) / 2 * (1.0 if deployment.sparsity is None else deployment.sparsity)


def drain_seconds(chip: Accelerator) -> Numeric:
    """Q / W: the time to read all of the memory once, s."""
    assert chip.hbm_bytes is not None
    assert chip.hbm_bytes_per_second is not None
    return chip.hbm_bytes / chip.hbm_bytes_per_second


def memory_batch(r: Replica) -> Numeric:
    """The largest batch that memory holds, (n Q - p M / P) / (k S + k_0); negative where the weights alone do not fit."""
    return (r.memory_bytes - r.weight_bytes / r.stages) / r.kv_held_bytes


def longest_context(scenario: Scenario, n_params: Numeric) -> Numeric:
    """Tokens of context at which the smallest batch that may be chosen fills the memory; below 0 where not even k_0 fits."""
    r, (k, kept) = replica(scenario, n_params), cache_bytes(scenario.deployment, n_params)
    smallest = 1.0 if scenario.deployment.batch_size is None else scenario.deployment.batch_size
    return ((r.memory_bytes - r.weight_bytes / r.stages) / smallest - kept) / k
