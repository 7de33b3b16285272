"""The serving roofline: the time of a decode step, the sequences that share it, and the cost of a token.

    t(B)  = max( s q B N / (n F eta_c),  (p M_read(B) + B kv) / (n W eta_m) ) + L t_l + B t_s + hops
    M_read(B) = dense + experts (1 - (1 - a)^(q B)),        kv = k S^x + k_0
    USD per token = n c t(B) / (3600 g B),        subject to  p M / P + B (k S + k_0) <= n Q

N active and M total parameters, B sequences, q = 1 + drafted tokens of which a step keeps g, n chips of one pipeline stage of P, F, W, Q
FLOP/s, bandwidth and memory of a chip, p bytes per weight, k KV bytes per token, S context, L layers, t_l fixed time per layer, t_s time
per sequence for the host and for what the chips exchange, c USD per chip-hour.

The maximum has a kink where the two times are equal, and one where another bound on B takes over; derivatives are one-sided there, and
the certificate of the optimum accounts for that. Cost per token falls with B, so the best batch is the largest one allowed and the cost
is the largest of the smooth `regimes`: which bound holds B, times which resource the step waits for. For dense models each is log-log
convex in N, 1/B being a series in N with positive terms.

Left out: attention FLOPs, uneven experts, the draft model's own cost, time to first token under load.

References:
    Williams, Waterman, Patterson 2009, Roofline. Pope et al. 2022, arXiv 2211.05102, section 2 (memory and compute time of decoding).

"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ..assumptions.quantity import Numeric
from ..assumptions.scenario import Scenario
from ..assumptions.speed import load_factor
from .replica import Replica, below_one, memory_batch, replica, step_time

__all__ = [
    "batch_size",
    "can_serve",
    "decode_seconds",
    "decode_seconds_by_regime",
    "fastest_step",
    "prefill_seconds",
    "regimes",
    "serving_excess",
    "serving_limits",
    "usd_per_prefill_token",
]

_SERVED = 1e-9
"""Excess up to which a limit counts as kept: an optimum that it holds keeps it but for rounding."""
_MOST_LN = 60.0  # ln 1/B where far more is missing than a sequence


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
    decay = -jnp.log1p(-below_one(r)) * r.tokens_per_step
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


def prefill_seconds(r: Replica) -> Numeric:
    """Stage-seconds per computed prompt token: s N / (n F eta_prefill), and what the chips exchange."""
    return r.token_flops / r.prefill_flops_per_second + r.token_seconds


def usd_per_prefill_token(scenario: Scenario, r: Replica) -> Numeric:
    """USD of one computed prompt token at the scenario's load factor."""
    return prefill_seconds(r) * r.usd_per_second / load_factor(scenario)


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


def can_serve(scenario: Scenario, n_params: Numeric) -> Bool[Array, "..."]:
    """Whether some batch serves a model of this size; a plan that the deployment cannot serve has no cost.

    Beyond that the cost only says how much is missing, so that a search finds back. At a fixed batch a model that is too slow has one.
    """
    if not scenario.serving.by_roofline:
        return jnp.full(jnp.shape(n_params), True)
    excess = serving_excess(scenario, n_params)
    if scenario.deployment.batch_size is not None:
        excess = {"deployment.chips": excess["deployment.chips"]}
    return jnp.stack([jnp.asarray(e, float) for e in excess.values()]).max(axis=0) <= _SERVED
