"""The replica that serves a model: its chips, what they compute, read, hold and exchange for a token; `step` adds them to a time."""

import math
from typing import NamedTuple

import jax

from ..assumptions.attention import attention_params, attention_width
from ..assumptions.deployment import WEIGHT_BYTES, Deployment
from ..assumptions.hardware import Accelerator
from ..assumptions.numbers import SECONDS_PER_HOUR
from ..assumptions.problems import InputError
from ..assumptions.quantity import Numeric, numpy_for
from ..assumptions.scenario import Scenario
from .total import placed

__all__ = [
    "Products",
    "Replica",
    "balance_batch",
    "cache_bytes",
    "cache_copies",
    "drain_seconds",
    "layers",
    "longest_context",
    "memory_batch",
    "replica",
    "replica_of",
    "sent_seconds",
    "width",
]

ACTIVATION_BYTES = 2.0
"""Bytes of one number that chips send to each other; what goes to experts is half of it."""

_OUTSIDE = 8.0  # scale-out links are about 8 times slower than scale-up where a chip's own figure is not on record


class Products(NamedTuple):
    """Matrix products of one kind, dense or of experts, for each of their parameters: seconds that a stage's chips compute and read."""

    decode: Numeric
    """compute of one token of a decode step, s"""
    prefill: Numeric
    """compute of one prompt token, s"""
    read: Numeric
    """reading the weight, s"""


class Replica(NamedTuple):
    """One pipeline stage of a model on its chips, reduced to what the step time needs."""

    dense: Products
    """of what every token passes: attention's projections, feed-forward parts, shared experts"""
    experts: Products
    """of experts"""
    dense_params: Numeric
    """parameters that every token passes"""
    expert_params: Numeric
    """parameters of all experts"""
    expert_share: Numeric
    """share of the experts that one token uses"""
    serial_share: Numeric
    """how little computing and reading overlap"""
    dense_bytes: Numeric
    """dense weights on all chips: with expert parallelism each holds them, B"""
    expert_bytes: Numeric
    """weights of all experts, B"""
    tokens_per_step: Numeric
    """tokens that a sequence sends through the weights per step"""
    kept_tokens: Numeric
    """tokens that a step adds to a sequence"""
    drafting: Numeric | None
    """time of the drafts over that of a step without them"""
    attention_seconds: Numeric
    """computing attention of one sequence and step, s"""
    prompt_attention_seconds: Numeric
    """computing attention of one prompt token, the mean over a prompt of the context's length, s"""
    kv_read_bytes: Numeric
    """cache of one sequence that a step reads, on all chips, B"""
    kv_held_bytes: Numeric
    """cache of one sequence that memory holds, on all chips, B"""
    fixed_seconds: Numeric
    """time of a step that the batch does not change"""
    sequence_seconds: Numeric
    """time that each sequence adds: host, exchange between pipeline stages"""
    exchange_seconds: Numeric
    """time that each token adds for what chips exchange while they wait: sums over all of them"""
    sent_seconds: Numeric
    """time that each token adds for what chips exchange while they compute: tokens on their way to experts and back"""
    bytes_per_second: Numeric
    memory_bytes: Numeric
    """memory of the chips of one stage for weights and cache, B"""
    stages: Numeric
    chunk_tokens: Numeric
    """prompt tokens that are computed together"""
    chips: Numeric
    """of one stage"""
    usd_per_second: Numeric
    """price of the chips of one stage"""

    @property
    def weight_bytes(self) -> Numeric:
        """All weights with their copies, B."""
        return self.dense_bytes + self.expert_bytes


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
                "deployment.placement = 'best' is chosen for a design or a model, and a replica has one; take the scenario of solve or of "
                "placement, in which it is fixed, or set deployment.placement = 'given'."
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
    xp = numpy_for(n_params, flops_per_param_token, *jax.tree.leaves((d, chip)))
    n = d.chips_on(chip)
    q = 1 + d.drafted_tokens
    by_expert = d.by_expert
    sparsity = 1.0 if d.sparsity is None else d.sparsity
    share = 1 / sparsity if d.expert_share is None else d.expert_share
    dense_model = sparsity <= 1
    unused = xp.where(dense_model, 1.0, 1 - share)
    experts = xp.where(dense_model, 0.0, n_params * (sparsity - 1) / unused)
    engine = d.engine_speed_used()
    bandwidth = n * chip.hbm_bytes_per_second * d.bandwidth_share * engine
    peak = n * chip.peak_flops * _share_at(d, chip) * engine
    dense = xp.where(dense_model, n_params, n_params * xp.maximum(1 - share * sparsity, 0.0) / unused)
    ranks = n if by_expert else 1.0
    each = flops_per_param_token / peak
    # A narrow expert's products stay below the share of peak of wide ones.
    narrow = _per_width(d, n_params, experts, share)
    decoded, read = (share * (1 + h * narrow) for h in d.half_widths_used())
    kv, kept = cache_bytes(d, n_params)
    copies = cache_copies(d, chip)
    window = _in_window(d, d.context_tokens)
    attention = flops_per_param_token / (n * _peak_at_16_bits(chip) * d.attention_share * engine)
    factor = 1.0 if d.attention_decode_factor is None else d.attention_decode_factor
    exchange = _exchange_seconds(d, chip, n_params)
    hops = xp.where(d.stages > 1, d.stages, 0.0)
    # Every chip of a stage sends its share of the activations over its own link (Narayanan et al. 2021, arXiv 2104.04473, section 4.1).
    hop_bytes = ACTIVATION_BYTES * width(d, n_params) * q
    host = d.seconds_per_sequence / (n if by_expert else 1.0)
    # Sums over all chips take a message for each doubling of them; each chip sends to all experts at once.
    inside = xp.minimum(n, _domain(d, chip))
    messages, beyond = _log2(inside), _log2(n / inside)
    if by_expert:
        messages, beyond = xp.where(beyond > 0, 0.0, xp.minimum(messages, 1.0)), xp.where(beyond > 0, 1.0, 0.0)
    gaps = d.seconds_per_layer + 2 * (messages * d.seconds_per_collective + beyond * d.seconds_per_hop)
    return Replica(
        dense=Products(each / d.compute_share, each / d.prefill_share, ranks * d.weight_bytes(chip) / bandwidth),
        experts=Products(
            each * decoded / d.compute_share, each * read / d.prefill_share, d.weight_bytes(chip) / bandwidth
        ),
        dense_params=dense,
        expert_params=experts,
        expert_share=share,
        serial_share=d.serial_share,
        dense_bytes=ranks * d.weight_bytes(chip) * dense,
        expert_bytes=d.weight_bytes(chip) * experts,
        tokens_per_step=q,
        kept_tokens=d.kept_tokens(),
        drafting=None if d.draft_share is None else d.drafted_tokens * d.draft_share,
        attention_seconds=q * factor * attention * _attended(d, n_params, causal=False),
        prompt_attention_seconds=attention * _attended(d, n_params, causal=True),
        kv_read_bytes=copies * (kv * (d.context_tokens**d.attention_exponent + window) + kept),
        kv_held_bytes=copies * (kv * (d.context_tokens + window) + kept),
        fixed_seconds=layers(d, n_params) * gaps / engine + hops * d.seconds_per_hop,
        sequence_seconds=host + hops * hop_bytes / (n * _outside(chip)),
        exchange_seconds=0.0 * exchange if by_expert else exchange,
        sent_seconds=exchange if by_expert else 0.0 * exchange,
        bytes_per_second=bandwidth,
        memory_bytes=n * chip.hbm_bytes * d.memory_share,
        stages=d.stages,
        chunk_tokens=d.chunk_tokens,
        chips=n,
        usd_per_second=n * chip.usd_per_chip_hour / SECONDS_PER_HOUR,
    )


def _share_at(d: Deployment, chip: Accelerator) -> Numeric:
    """What products at the chip's precision reach of the share of peak at 16 bits."""
    return {"bf16": 1.0, "fp8": d.fp8_share, "int8": d.fp8_share, "fp4": d.fp4_share}[chip.precision]


def _peak_at_16_bits(chip: Accelerator) -> Numeric:
    """FLOP/s of the chip at 16 bits, twice and four times of which 8 and 4 bits give."""
    return chip.peak_flops * WEIGHT_BYTES[chip.precision] / WEIGHT_BYTES["bf16"]


def _log2(n: Numeric) -> Numeric:
    return numpy_for(n).log(n) / math.log(2)


def _per_width(d: Deployment, n_params: Numeric, experts: Numeric, share: Numeric) -> Numeric:
    """One over the inner width of an expert: parameters are 3 L E width x inner width (gate, up and down); 0 for dense models."""
    routed = d.experts_per_token / share
    all_widths = 3 * layers(d, n_params) * routed * width(d, n_params)
    xp = numpy_for(experts, all_widths)
    return xp.where(experts > 0, all_widths / xp.where(experts > 0, experts, 1.0), 0.0)


def cache_copies(d: Deployment, chip: Accelerator) -> Numeric:
    """How often the cache is held: chips beyond one per head of it hold what others have, with tensor parallelism."""
    if d.by_expert or d.kv_heads is None:
        return 1.0
    n = d.chips_on(chip)
    return numpy_for(n, d.kv_heads).maximum(n / d.kv_heads, 1.0)


def _in_window(d: Deployment, context: Numeric) -> Numeric:
    """Tokens that windows hold, in terms of the layers whose attention grows with context."""
    if d.window_tokens is None:
        return 0.0 * context
    return d.window_ratio * numpy_for(context, d.window_tokens).minimum(context, d.window_tokens)


def _attended(d: Deployment, n_params: Numeric, *, causal: bool) -> Numeric:
    """2 A c of attention (parameters): of the last token of the context, or the mean over its tokens; windows count too."""
    grows = attention_params(d, n_params, d.context_tokens, causal=causal)
    return grows + 2 * attention_width(d, n_params) * _in_window(
        d, d.context_tokens / 2 if causal else d.context_tokens
    )


def cache_bytes(d: Deployment, n_params: Numeric) -> tuple[Numeric, Numeric]:
    """A sequence's cache: k, the bytes of each token, and k_0, those that do not grow with context."""
    scale = _power(n_params / d.reference_params, d.kv_exponent) * d.kv_bytes_per_value / 2
    return d.kv_bytes_per_token * scale, d.kv_constant_bytes * scale


def _outside(chip: Accelerator) -> Numeric:
    """Bytes per second of one chip beyond its scale-up domain; infinite where no link is on record."""
    if chip.scaleout_bytes_per_second is not None:
        return chip.scaleout_bytes_per_second
    return math.inf if chip.scaleup_bytes_per_second is None else chip.scaleup_bytes_per_second / _OUTSIDE


def sent_seconds(d: Deployment, chip: Accelerator, r: Replica, chips: Numeric) -> Numeric:
    """Time to send the cache of a sequence from a replica to another of so many chips a stage, over the links that leave a domain.

    Every chip of the smaller one sends or receives its share, and copies are made where they are held.
    """
    fewer = numpy_for(r.chips, chips).minimum(r.chips, chips)
    return r.kv_held_bytes / cache_copies(d, chip) / (fewer * r.stages * _outside(chip))


def _domain(d: Deployment, chip: Accelerator) -> Numeric:
    """Chips of a scale-up domain; all of the replica where it is not on record."""
    return d.chips_on(chip) if chip.scaleup_domain_chips is None else chip.scaleup_domain_chips


def _exchange_seconds(d: Deployment, chip: Accelerator, n_params: Numeric) -> Numeric:
    """Seconds that one token adds to a step for what chips exchange, at 2 bytes a number.

    tensor: two ring all-reduces per layer, 2 (n - 1) / n of the activations each, at every chip.
    expert: every chip sends its own tokens to experts_per_token experts at 1 byte a number and receives them at 2.
    """
    n = d.chips_on(chip)
    if chip.scaleup_bytes_per_second is None:
        return 0.0 * layers(d, n_params) * d.seconds_per_hop
    domain = _domain(d, chip)
    xp = numpy_for(n, *jax.tree.leaves((d, chip)))
    link = d.link_share_used() * xp.where(n <= domain, chip.scaleup_bytes_per_second, _outside(chip))
    to_experts = d.experts_per_token
    if d.domains_per_token is not None:  # a token leaves once for each domain that its experts lie in
        to_experts = xp.where(n <= domain, to_experts, xp.minimum(to_experts, d.domains_per_token))
    per_layer = ACTIVATION_BYTES * (1.5 * to_experts / n if d.by_expert else 4.0)
    return layers(d, n_params) * per_layer * (n - 1) / n * width(d, n_params) / link


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
    r, (k, kept), d = replica(scenario, n_params), cache_bytes(scenario.deployment, n_params), scenario.deployment
    smallest = 1.0 if d.batch_size is None else d.batch_size
    held = (r.memory_bytes - r.weight_bytes / r.stages) / smallest / cache_copies(d, scenario.money.serve_chip)
    tokens = (held - kept) / k
    if d.window_tokens is None:
        return tokens
    return numpy_for(tokens).maximum(tokens / (1 + d.window_ratio), tokens - d.window_ratio * d.window_tokens)
