"""The serving roofline: the sequences that share a decode step, and the cost of a token.

    t(B)  = dense(B) + experts(B) + attention(B) + exchange(B) + L (t_l + 2 t_c m) + B t_s + hops
    USD per token = n c t(B) / (3600 g B),        subject to  (weights) / P + B (cache) <= n Q

m messages of an exchange: log2 n of a sum over all chips, one where each chip sends to all experts.
B sequences, of which a step keeps g tokens each, n chips of one pipeline stage of P; `replica` has the operations. Products compute and
read at the same time, `replica.joined`; attention computes and reads one after the other.

Cost per token falls with B, so the best batch is the largest one allowed and the cost is the largest of the `regimes`: one for each bound
on B, memory or speed. Each is smooth. There is a kink where another bound takes over; derivatives are one-sided there, and the certificate
of the optimum accounts for that. For dense models each regime is log-log convex in N: t(B), with the prompts of a step where they are
computed together (`prompts`), is log-log convex in B and N, so that ln B at a bound is concave in ln N, and t(B) / B, whose logarithm is
convex and falls with ln B, is convex along it.

Left out: experts of uneven load, the draft model's own cost, time to first token under load.

References:
    Williams, Waterman, Patterson 2009, Roofline. Pope et al. 2022, arXiv 2211.05102, section 2 (memory and compute time of decoding).

"""

from collections.abc import Callable, Sequence
from functools import reduce

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from ..assumptions.quantity import Numeric, numpy_for
from ..assumptions.scenario import Scenario
from ..assumptions.speed import load_factor
from .largest import largest
from .placements import decides, over_places
from .prompts import own_prompt_chips, prompt_replica, with_prompts
from .replica import Replica, memory_batch, replica
from .step import below_one, decoded_seconds, prompt_seconds, step_time

__all__ = [
    "SERVED",
    "Serves",
    "batch_bounds",
    "batch_size",
    "batch_within",
    "by_worst",
    "can_serve",
    "decode_seconds",
    "decode_seconds_by_regime",
    "fastest_step",
    "largest_batch",
    "longest_step",
    "prompts_excess",
    "regimes",
    "serves",
    "serving_excess",
    "serving_limits",
    "usd_per_decode_token",
    "usd_per_prefill_token",
    "user_step",
]

SERVED = 1e-9
"""Excess up to which a limit counts as kept: an optimum that it holds keeps it but for rounding."""
_TINY_BATCH, _MOVES, _LONGEST_MOVE = 1e-3, 6, 1.5
BatchWithin = Callable[[Replica, Numeric], Numeric]
Serves = Bool[Array, "..."] | Bool[np.ndarray, "..."] | np.bool_ | bool
_MOST_LN = 60.0  # ln 1/B where far more is missing than a sequence


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


def batch_within(r: Replica, seconds: Numeric) -> Numeric:
    """B at which a step takes `seconds`; negative where even a tiny batch takes longer: how much is missing over the slope there.

    What a step reads, and what it computes, each without the other, take less: they bound B from above, in closed form. From the lower
    bound Newton steps in ln(t - t(0)) over ln B. The last two, whose derivatives are followed, make value and first two derivatives exact.
    """

    def total(batch: Numeric) -> Numeric:
        return step_time(r, batch).total

    def slope(batch: Numeric) -> tuple[Numeric, Numeric]:
        return jax.jvp(total, (batch,), (jnp.ones_like(batch),))

    least = (r.fixed_seconds + r.dense_params * r.dense.read) * (1.0 if r.drafting is None else 1 + r.drafting)
    budget = jnp.asarray(seconds - least, float)
    tiny = _TINY_BATCH * jnp.ones_like(budget)
    fits = budget > 0
    goal = jnp.where(fits, budget, 1.0)
    near = jax.lax.stop_gradient(_upper_batch(jax.lax.stop_gradient(r), jax.lax.stop_gradient(goal)))

    def closer(batch: Numeric, _: None) -> tuple[Numeric, None]:
        value, rise = jax.lax.stop_gradient(slope(batch))
        spent = jnp.maximum(jax.lax.stop_gradient(value - least), 1e-300)
        move = jax.lax.stop_gradient(jnp.log(goal / spent)) * spent / (batch * rise)
        return batch * jnp.exp(jnp.clip(move, -_LONGEST_MOVE, _LONGEST_MOVE)), None

    batch = jax.lax.scan(closer, near, length=_MOVES)[0]
    for _ in range(2):
        value, rise = slope(batch)
        batch = batch - jnp.where(fits, value - least - goal, 0.0) / rise
    return jnp.where(fits, batch, budget / slope(tiny)[1])


def _upper_batch(r: Replica, budget: Numeric) -> Numeric:
    """A batch that takes `budget` seconds or more beyond the time to read the dense weights."""
    q, expert = r.tokens_per_step, r.expert_params
    per_sequence = (
        r.sequence_seconds + r.attention_seconds + r.kv_read_bytes / r.bytes_per_second + q * r.exchange_seconds
    )
    decay = -jnp.log1p(-below_one(r)) * q
    reading = _near_root(budget, per_sequence, decay, expert * r.experts.read)
    computing = (budget + r.dense_params * r.dense.read) / (
        per_sequence + q * (r.dense_params * r.dense.decode + expert * r.experts.decode)
    )
    return jnp.minimum(reading, computing)


def _near_root(budget: Numeric, per_sequence: Numeric, decay: Numeric, experts: Numeric) -> Numeric:
    """Where 1 - e^-x + c x = b, x = decay B: x = (b - 1)/c + w with w + ln w = (1 - b)/c - ln c, and never left of two bounds on B."""
    read, experts = experts, jnp.maximum(experts, 1e-9 * budget)
    c, b = per_sequence / (experts * decay), budget / experts
    z = (1 - b) / c - jnp.log(c)
    small = jnp.exp(jnp.minimum(z, 1.0))
    w = jnp.where(z > 1, z - jnp.log(jnp.maximum(z, 1.0)), small / (1 + small))
    w = jnp.maximum(w, 1e-300)
    for _ in range(2):  # of fourth order (Fritsch, Shafer, Crowley 1973)
        miss = z - w - jnp.log(w)
        twice = 2 * (1 + w) * (1 + w + 2 / 3 * miss)
        w = w * (1 + miss / (1 + w) * (twice - miss) / (twice - 2 * miss))
    left = jnp.maximum(budget / (read * decay + per_sequence), (budget - read) / per_sequence)
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
    return None if not given else given[0] if len(given) == 1 else numpy_for(*given).maximum(*given)


def batch_bounds(scenario: Scenario, r: Replica, within: BatchWithin = batch_within) -> Sequence[Numeric]:
    """B at each bound: the fixed size; or memory, and a speed when there is one.

    Below 1 where not even one sequence is allowed, and falling further the more is missing.

    Args:
        scenario: with its placement given.
        r: its replica.
        within: `batch_within`, or a program of it that gives plain numbers: NumPy then does the rest.

    """
    if scenario.deployment.batch_size is not None:
        return [scenario.deployment.batch_size + 0.0 * r.kv_held_bytes]
    found, speed = [memory_batch(r)], _speed(scenario)
    return found if speed is None else [*found, within(with_prompts(scenario, r), r.kept_tokens / speed)]


def batch_size(scenario: Scenario, r: Replica, within: BatchWithin = batch_within) -> Numeric:
    """Sequences per step: the fixed size, or the largest that memory and the asked speed allow, at least 1; as `batch_bounds`."""
    return largest_batch(batch_bounds(scenario, r, within))


def largest_batch(bounds: Sequence[Numeric]) -> Numeric:
    """`batch_size`, from `batch_bounds`."""
    if numpy_for(*bounds) is np:
        return np.maximum(reduce(np.minimum, bounds), 1.0)
    return jnp.maximum(-largest(jnp.stack([-jnp.asarray(x, float) for x in bounds])), 1.0)


def regimes(scenario: Scenario) -> int:
    """How many regimes decoding has: one for every bound that may hold the batch; one without the roofline."""
    bounded = scenario.serving.by_roofline and scenario.deployment.batch_size is None and _speed(scenario) is not None
    return 2 if bounded else 1


def decode_seconds_by_regime(
    scenario: Scenario, r: Replica, bounds: Sequence[Numeric] | None = None
) -> Float[Array, "regime ..."]:
    """Stage-seconds per decoded token in every regime, on a leading axis; the cost is the largest.

    All are smooth, beyond the limits too. `bounds` are those of `batch_bounds`, which are computed where they are left out.
    """
    bounds = batch_bounds(scenario, r) if bounds is None else bounds
    inverse = _inverse if scenario.deployment.batch_size is None else jnp.reciprocal

    def seconds(batch: Numeric) -> Numeric:
        x = inverse(batch)
        return step_time(r, 1 / x).total * x / r.kept_tokens

    # Mapped over the bounds on the batch, so that a program holds the step once and not once a regime.
    return jnp.asarray(jax.vmap(seconds)(jnp.stack([jnp.asarray(b, float) for b in bounds])))


def decode_seconds(scenario: Scenario, r: Replica) -> Numeric:
    """Stage-seconds per decoded token: the largest of the regimes."""
    return largest(decode_seconds_by_regime(scenario, r))


def usd_per_prefill_token(scenario: Scenario, r: Replica) -> Numeric:
    """USD of one prompt token that a replica computes, at the scenario's load factor."""
    return prompt_seconds(r) * r.usd_per_second / load_factor(scenario)


def usd_per_decode_token(scenario: Scenario, r: Replica, batch: Numeric) -> Numeric:
    """USD of one decoded token in steps of `batch` sequences, at the scenario's load factor."""
    return decoded_seconds(r, batch) * r.usd_per_second / load_factor(scenario)


def user_step(scenario: Scenario, r: Replica, batch: Numeric) -> Numeric:
    """Seconds in which a user sees the tokens of one step: of the step and, where they are computed together, of prompts beside it."""
    return step_time(with_prompts(scenario, r), batch).total


def fastest_step(scenario: Scenario, r: Replica) -> Numeric:
    """Seconds in which a user sees the tokens of a step at the smallest batch that the deployment may choose: its fixed size, or 1."""
    fixed = scenario.deployment.batch_size
    return user_step(scenario, r, 1.0 if fixed is None else fixed)


def longest_step(scenario: Scenario, r: Replica) -> Numeric:
    """Seconds that a step takes at most: of the fixed batch, or what the speed for every user leaves.

    Raises:
        ValueError: neither bounds it.

    """
    if scenario.deployment.batch_size is not None:
        return step_time(r, scenario.deployment.batch_size).total
    speed = _speed(scenario)
    if speed is None:
        raise ValueError("nothing bounds the time of a step")
    return r.kept_tokens / speed


def serving_limits(scenario: Scenario) -> list[str]:
    """Dotted paths of what a deployment must keep, in the order of `serving_excess`."""
    chips = ["deployment.chips", *(["deployment.prefill_chips"] if own_prompt_chips(scenario) else [])]
    return [*chips, *(path for path, speed in _speeds(scenario).items() if speed is not None)]


def serving_excess(scenario: Scenario, n_params: Numeric) -> dict[str, Numeric]:
    """ln(quantity / bound) of what a deployment must keep: its memory and, when one is asked for, the speed of every user.

    Both are taken at the smallest batch that may be chosen, so they say whether any batch does. Where the placement is open they are those
    of the one that misses least.
    """
    if decides(scenario):
        return dict(zip(serving_limits(scenario), over_places(_excess_at_place, scenario, n_params), strict=True))
    r = replica(scenario, n_params)
    smallest = 1.0 if scenario.deployment.batch_size is None else scenario.deployment.batch_size
    held = r.weight_bytes / r.stages + smallest * r.kv_held_bytes
    excess: dict[str, Numeric] = {"deployment.chips": _ln(held / r.memory_bytes)}
    if own_prompt_chips(scenario):
        excess["deployment.prefill_chips"] = prompts_excess(prompt_replica(scenario, n_params, r))
    step = fastest_step(scenario, r)
    for path, speed in _speeds(scenario).items():
        if speed is not None:
            excess[path] = _ln(step * speed / r.kept_tokens)
    return excess


def prompts_excess(r: Replica) -> Numeric:
    """ln(needed / there is) of the memory of a replica that computes prompts: the weights, and the cache of one."""
    return _ln((r.weight_bytes / r.stages + r.kv_held_bytes) / r.memory_bytes)


def _excess_at_place(scenario: Scenario, n_params: Numeric) -> tuple[Array, tuple[Array, ...]]:
    return by_worst(serving_excess(scenario, n_params))


def by_worst(excess: dict[str, Numeric]) -> tuple[Array, tuple[Array, ...]]:
    """The largest excess, by which placements are ordered, and each; see `placements.over_places`."""
    values = jnp.broadcast_arrays(*(jnp.asarray(e, float) for e in excess.values()))
    return largest(jnp.stack(values)), tuple(values)


def _ln(value: Numeric) -> Numeric:
    return numpy_for(value).log(value)


def _serves_at_place(scenario: Scenario, n_params: Numeric) -> tuple[Array, tuple[Array]]:
    serves = can_serve(scenario, n_params)
    return jnp.where(serves, 0.0, 1.0), (jnp.asarray(serves),)


def can_serve(scenario: Scenario, n_params: Numeric) -> Serves:
    """Whether some batch serves a model of this size; a plan that the deployment cannot serve has no cost.

    Beyond that the cost only says how much is missing, so that a search finds back. At a fixed batch a model that is too slow has one.
    """
    if not scenario.serving.by_roofline:
        return jnp.full(jnp.shape(n_params), True)
    if decides(scenario):
        return over_places(_serves_at_place, scenario, n_params)[0]
    return serves(scenario, serving_excess(scenario, n_params))


def serves(scenario: Scenario, excess: dict[str, Numeric]) -> Serves:
    """`can_serve`, from `serving_excess`."""
    if scenario.deployment.batch_size is not None:
        excess = {path: value for path, value in excess.items() if path.endswith("chips")}
    return reduce(numpy_for(*excess.values()).maximum, excess.values()) <= SERVED
