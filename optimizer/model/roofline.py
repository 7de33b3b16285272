"""The serving roofline: the time of a decode step, the sequences that share it, and the cost of a token.

    t(B)  = max( s q B N / (n F eta_c),  (p M_read(B) + B kv) / (n W eta_m) ) + L t_l + B t_s + hops
    M_read(B) = dense + experts (1 - (1 - a)^(q B)),        kv = k S^x + k_0
    USD per token = n c t(B) / (3600 g B),        subject to  p M / P + B (k S + k_0) <= n Q

N active and M total parameters, B sequences, q = 1 + drafted tokens of which a step keeps g, n chips of one pipeline stage of P, F, W, Q
FLOP/s, bandwidth and memory of a chip, p bytes per weight, k KV bytes per token, S context, L layers, t_l fixed time per layer, t_s time
per sequence for the host and for what the chips exchange, c USD per chip-hour.

The maximum has a kink where the two times are equal, and one where another bound on B takes over; derivatives are one-sided there, as
the optimum's certificate knows. Cost per token falls with B, so the best batch is the largest one allowed and the cost is the largest of
the smooth `regimes`: which bound holds B, times which resource the step waits for. For dense models each is log-log convex in N, 1/B
being a series in N with positive terms.

Left out: attention FLOPs, uneven experts, the draft model's own cost, time to first token under load.

References:
    Williams, Waterman, Patterson 2009, Roofline. Pope et al. 2022, arXiv 2211.05102, section 2 (memory and compute time of decoding).

"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ..assumptions.deployment import Deployment
from ..assumptions.hardware import Accelerator
from ..assumptions.numbers import SECONDS_PER_HOUR
from ..assumptions.quantity import Numeric, numpy_for
from ..assumptions.scenario import Scenario
from .total import placed

__all__ = [
    "Replica",
    "StepTime",
    "balance_batch",
    "batch_size",
    "cache_bytes",
    "decode_seconds",
    "decode_seconds_by_regime",
    "drain_seconds",
    "fastest_step",
    "layers",
    "longest_context",
    "memory_batch",
    "prefill_seconds",
    "regimes",
    "replica",
    "replica_of",
    "served",
    "serving_excess",
    "serving_limits",
    "step_time",
    "usd_per_decode_token",
    "usd_per_prefill_token",
    "width",
]

ACTIVATION_BYTES = 2.0
"""Bytes of one number that chips send to each other; what goes to experts is half of it."""

_OUTSIDE = 8.0  # scale-out links are about 8 times slower than scale-up where a chip's own figure is not on record
_SERVED = 1e-9
"""Excess up to which a limit counts as kept: an optimum that it holds keeps it but for rounding."""
_MOST_LN = 60.0  # ln 1/B where far more is missing than a sequence


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
    """The scenario's deployment of a model with N active parameters on money.serve_chip."""
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
    read = r.dense_bytes + r.expert_bytes * -jnp.expm1(batch * r.tokens_per_step * jnp.log1p(-_below_one(r)))
    return StepTime(
        compute=batch * r.sequence_flops / r.decode_flops_per_second,
        memory=(read + batch * r.kv_read_bytes) / r.bytes_per_second,
        fixed=r.fixed_seconds,
        sequences=batch * r.sequence_seconds,
    )


def _below_one(r: Replica) -> Numeric:
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


def _batches(r: Replica, tokens_per_second: Numeric | None) -> Sequence[Numeric]:
    """B at each bound: memory, and a speed when there is one, with the step waiting for compute or for memory.

    Below 1 where not even one sequence is allowed, and falling further the more is missing.
    """
    found = [memory_batch(r)]
    if tokens_per_second is None:
        return found
    spare = r.kept_tokens / tokens_per_second - r.fixed_seconds
    compute = spare / (r.sequence_flops / r.decode_flops_per_second + r.sequence_seconds)
    return [*found, compute, _batch_reading(r, spare)]


def _inverse(batch: Numeric) -> Numeric:
    """1/B; below B = 1, where no design may be, it goes on to rise, with the value and two derivatives that it has at 1.

    A step is dearest at B = 1, so the cost of a design that does not fit would seem to stop rising there and a search could rest on the
    bound, at many times the least cost.
    """
    missing = 1 - batch
    return jnp.where(
        missing > 0,
        jnp.exp(jnp.minimum(missing + 0.5 * missing * missing, _MOST_LN)),
        1 / jnp.where(missing > 0, 1.0, batch),
    )


def _batch_reading(r: Replica, spare: Numeric) -> Numeric:
    """B at which reading weights and cache and serving the sequences takes `spare` seconds.

    dense + experts (1 - (1 - a)^(q B)) + B c = W spare has its root in closed form, but for cancellation where the cache is small against
    the experts. Three Newton steps mend that; the last two, whose derivatives are followed, make value and first two derivatives exact.
    Where the dense weights alone take too long, B is negative: how much is missing over the slope at B = 0.
    """
    budget = spare * r.bytes_per_second - r.dense_bytes
    per_sequence = r.kv_read_bytes + r.sequence_seconds * r.bytes_per_second
    decay = -jnp.log1p(-_below_one(r)) * r.tokens_per_step
    fits = budget > 0
    given = (jnp.where(fits, budget, 1.0), per_sequence, decay, r.expert_bytes)
    fixed = tuple(map(jax.lax.stop_gradient, given))
    near = jax.lax.stop_gradient(_newton(_near_root(*fixed), *fixed))
    return jnp.where(fits, _newton(_newton(near, *given), *given), budget / (r.expert_bytes * decay + per_sequence))


def _newton(batch: Numeric, budget: Numeric, per_sequence: Numeric, decay: Numeric, expert_bytes: Numeric) -> Numeric:
    unread = jnp.exp(-decay * batch)
    excess = expert_bytes * (1 - unread) + per_sequence * batch - budget
    return batch - excess / (expert_bytes * decay * unread + per_sequence)


def _near_root(budget: Numeric, per_sequence: Numeric, decay: Numeric, expert_bytes: Numeric) -> Numeric:
    """Where 1 - e^-x + c x = b, x = decay B: x = (b - 1)/c + w with w + ln w = (1 - b)/c - ln c, and never left of two bounds on B."""
    experts = jnp.maximum(expert_bytes, 1e-9 * budget)
    c, b = per_sequence / (experts * decay), budget / experts
    z = (1 - b) / c - jnp.log(c)
    small = jnp.exp(jnp.minimum(z, 1.0))
    w = jnp.where(z > 1, z - jnp.log(jnp.maximum(z, 1.0)), small / (1 + small))
    w = jnp.maximum(w, 1e-300)
    for _ in range(2):  # of fourth order (Fritsch, Shafer, Crowley 1973)
        miss = z - w - jnp.log(w)
        twice = 2 * (1 + w) * (1 + w + 2 / 3 * miss)
        w = w * (1 + miss / (1 + w) * (twice - miss) / (twice - 2 * miss))
    left = jnp.maximum(budget / (expert_bytes * decay + per_sequence), (budget - expert_bytes) / per_sequence)
    found = ((b - 1) / c + w) / decay
    return jnp.where(found > left, jnp.minimum(found, budget / per_sequence), left)


def _speeds(scenario: Scenario) -> dict[str, Numeric | None]:
    return {
        "deployment.target_tokens_per_second": scenario.deployment.target_tokens_per_second,
        "limits.min_tokens_per_second_per_user": scenario.limits.min_tokens_per_second_per_user,
    }


def _speed(scenario: Scenario) -> Numeric | None:
    """Tokens per second that every user must see: the stricter of the deployment's target and the limit."""
    given = [v for v in _speeds(scenario).values() if v is not None]
    return None if not given else given[0] if len(given) == 1 else jnp.maximum(*given)


def batch_size(scenario: Scenario, r: Replica) -> Numeric:
    """Sequences per step: the fixed size, or the largest that memory and the asked speed allow, at least 1."""
    if scenario.deployment.batch_size is not None:
        return scenario.deployment.batch_size + 0.0 * r.kv_held_bytes
    tightest = jnp.stack([jnp.asarray(x, float) for x in _batches(r, _speed(scenario))]).min(axis=0)
    return jnp.maximum(tightest, 1.0)


def regimes(scenario: Scenario) -> int:
    """How many regimes decoding has: which bound holds the batch, times compute or memory; one without the roofline."""
    if not scenario.serving.by_roofline:
        return 1
    if scenario.deployment.batch_size is not None:
        return 2
    return 2 if _speed(scenario) is None else 6


def decode_seconds_by_regime(scenario: Scenario, r: Replica) -> Float[Array, "regime ..."]:
    """Stage-seconds per decoded token in every regime, on a leading axis; the cost is the largest.

    All are smooth, beyond the limits too.
    """
    if scenario.deployment.batch_size is not None:
        batches, inverse = [scenario.deployment.batch_size + 0.0 * r.kv_held_bytes], jnp.reciprocal
    else:
        batches, inverse = _batches(r, _speed(scenario)), _inverse

    def seconds(batch: Numeric) -> tuple[Numeric, Numeric]:
        x = inverse(batch)
        step = step_time(r, 1 / x)
        rest = step.fixed + step.sequences
        return (step.compute + rest) * x / r.kept_tokens, (step.memory + rest) * x / r.kept_tokens

    # Mapped over the bounds on the batch, so that a program holds the step once and not once a regime.
    both = jnp.stack(jax.vmap(seconds)(jnp.stack([jnp.asarray(b, float) for b in batches])), axis=1)
    return both.reshape(-1, *both.shape[2:])


def decode_seconds(scenario: Scenario, r: Replica) -> Numeric:
    """Stage-seconds per decoded token: the largest of the regimes."""
    return decode_seconds_by_regime(scenario, r).max(axis=0)


def usd_per_decode_token(scenario: Scenario, r: Replica) -> Numeric:
    """USD of one decoded token at the scenario's batch and load factor."""
    return decode_seconds(scenario, r) * r.usd_per_second / scenario.serving.load_factor


def prefill_seconds(r: Replica) -> Numeric:
    """Stage-seconds per computed prompt token: s N / (n F eta_prefill), and what the chips exchange."""
    return r.token_flops / r.prefill_flops_per_second + r.token_seconds


def usd_per_prefill_token(scenario: Scenario, r: Replica) -> Numeric:
    """USD of one computed prompt token at the scenario's load factor."""
    return prefill_seconds(r) * r.usd_per_second / scenario.serving.load_factor


def fastest_step(scenario: Scenario, r: Replica) -> Numeric:
    """Seconds of a step at the smallest batch that the deployment may choose: its fixed size, or 1."""
    fixed = scenario.deployment.batch_size
    return step_time(r, 1.0 if fixed is None else fixed).total


def serving_limits(scenario: Scenario) -> list[str]:
    """Dotted paths of what a deployment must keep, in the order of `serving_excess`."""
    return ["deployment.chips", *(path for path, speed in _speeds(scenario).items() if speed is not None)]


def serving_excess(scenario: Scenario, n_params: Numeric) -> dict[str, Numeric]:
    """ln(quantity / bound) of what a deployment must keep: its memory and, when one is asked for, the speed of every user.

    Both are taken at the smallest batch that may be chosen, so they say whether any batch does.
    """
    r = replica(scenario, n_params)
    smallest = 1.0 if scenario.deployment.batch_size is None else scenario.deployment.batch_size
    held = r.weight_bytes / r.stages + smallest * r.kv_held_bytes
    excess: dict[str, Numeric] = {"deployment.chips": jnp.log(held / r.memory_bytes)}
    step = fastest_step(scenario, r)
    for path, speed in _speeds(scenario).items():
        if speed is not None:
            excess[path] = jnp.log(step * speed / r.kept_tokens)
    return excess


def served(scenario: Scenario, n_params: Numeric) -> Bool[Array, "..."]:
    """Whether some batch serves a model of this size; a plan that the deployment cannot serve has no cost.

    Beyond that the cost only says how much is missing, so that a search finds back. At a fixed batch a model that is too slow has one.
    """
    if not scenario.serving.by_roofline:
        return jnp.full(jnp.shape(n_params), True)
    excess = serving_excess(scenario, n_params)
    if scenario.deployment.batch_size is not None:
        excess = {"deployment.chips": excess["deployment.chips"]}
    return jnp.stack([jnp.asarray(e, float) for e in excess.values()]).max(axis=0) <= _SERVED
