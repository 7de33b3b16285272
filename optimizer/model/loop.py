"""Throughput of a closed loop: B requests are always in flight, each S_in prompt and S_out output tokens, on one replica.

The prompts are computed once and every output token takes one step of the whole batch, so between two tokens of a request pass

    tau(B) = t(B) / g + B S_in t_prefill / S_out,        tokens/s = B / tau(B),        context S_in + S_out / 2,

t(B) being the time of a step, of which a sequence keeps g tokens. B is at most what is asked for, what memory holds when every sequence is
at its full length, and what keeps tau within a time that is allowed.

The first token comes after the prompt's chunks, between which the others decode, and after the prompts before it. With prompts that arrive
at random and take a time s each, for a share rho of all time, they wait

    w(rho) s,        at most (B - 1) S_in t_prefill,        s = S_in t_prefill + S_in / chunk (1 - 1/B) t(B)

with w of a queue with fixed service times (`queue`), its mean or a percentile. Measurements check tau, not the wait. The time between two
steps is t(B) and that of the prompts computed in between, of which `queue.tokens_of_a_step` gives a percentile.

A scenario's own first token (`first_token`) is about replicas that compute prompts for the share rho = load factor of all time, the load
at which its prompts are paid for: it comes within (1 + w(rho)) s, s now with the fixed times. Hours of more traffic wait longer.

    apart       and the cache of a prompt of S tokens crosses the links to where it is decoded,       S k / (n W_out)
    together    s counts a step for each chunk; rho is above the prompts' own share of the time, so that it is a bound
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from ..assumptions.deployment import Deployment
from ..assumptions.hardware import Accelerator
from ..assumptions.quantity import Numeric, numpy_for
from ..assumptions.scenario import Scenario
from ..assumptions.speed import load_factor
from .prompts import prompt_deployment
from .queue import mean_wait, wait
from .replica import memory_batch, replica, replica_of, sent_seconds
from .roofline import longest_step
from .step import prompt_seconds, step_time

__all__ = [
    "ENDLESS",
    "LATE",
    "Loop",
    "closed_loop",
    "first_token",
    "first_token_excess",
    "first_token_parts",
    "first_token_seconds",
    "first_token_wait",
    "prompt_tokens",
]

_LARGEST = 1e7
_HALVINGS = 40
ENDLESS = 1e6
"""Waits over the time of one prompt above which chips are always busy."""
LATE = 0.99
"""Share of prompts of a loop that come no later than `Loop.late_first_token_seconds`; of its steps, than their late time."""


class Loop(NamedTuple):
    """A closed loop at rest."""

    tokens_per_second: Numeric
    """output tokens of the whole replica"""
    batch: Numeric
    """requests in flight"""
    seconds_per_token: Numeric
    """between two output tokens of a request, prompts of others included"""
    first_token_seconds: Numeric
    """from a request's place in flight to its first token, on average"""
    late_first_token_seconds: Numeric
    """the 99th percentile of that time"""
    step_seconds: Numeric
    """of decoding, without the prompts that are computed between steps"""
    prompt_seconds: Numeric
    """of computing what it does of a prompt, without the steps of decoding between chunks"""


def closed_loop(
    deployment: Deployment,
    chip: Accelerator,
    n_params: Numeric,
    input_tokens: Numeric,
    output_tokens: Numeric,
    *,
    concurrency: Numeric = _LARGEST,
    seconds_per_token: Numeric | None = None,
    cache_reads: Numeric = 1.0,
    prompts: Numeric = 1.0,
) -> Loop:
    """The loop of one replica; pure JAX.

    Args:
        deployment: shape and placement; its batch and context are not read.
        chip: of the replica.
        n_params: active parameters.
        input_tokens: of every prompt.
        output_tokens: of every answer.
        concurrency: requests in flight.
        seconds_per_token: longest mean time between two output tokens.
        cache_reads: how often a step reads each entry of the cache.
        prompts: share of the prompts that this replica computes; 0 where others do.

    """
    mean, full, prompt = (
        replica_of(deployment.model_copy(update={"context_tokens": context}), chip, n_params)
        for context in (input_tokens + output_tokens / 2, input_tokens + output_tokens, input_tokens)
    )
    mean = mean._replace(kv_read_bytes=mean.kv_read_bytes * cache_reads)
    work = prompts * input_tokens * prompt_seconds(prompt)
    each = work / output_tokens

    def tau(batch: Numeric) -> Numeric:
        return step_time(mean, batch).total / mean.kept_tokens + batch * each

    batch = jnp.maximum(jnp.minimum(memory_batch(full), concurrency), 1.0)
    if seconds_per_token is not None:
        batch = jnp.minimum(batch, _within(tau, batch, seconds_per_token))
    seconds = tau(batch)
    share = batch * each / seconds
    step = step_time(mean, batch).total
    served = work + prompts * input_tokens / prompt.chunk_tokens * (1 - 1 / batch) * step
    alone, longest = prompt.fixed_seconds + served, (batch - 1) * work
    first, late = (alone + jnp.minimum(w * served, longest) for w in (mean_wait(share), wait(share, LATE)))
    return Loop(batch / seconds, batch, seconds, first, late, step, work)


def _within(tau, most: Numeric, seconds: Numeric) -> Numeric:
    """The batch between 1 and `most` at which tau = seconds: halvings of ln B, and a Newton step that carries the derivatives."""

    def halve(ends: tuple[Numeric, Numeric], _: None) -> tuple[tuple[Numeric, Numeric], None]:
        middle = (ends[0] + ends[1]) / 2
        above = tau(jnp.exp(middle)) > seconds
        return (jnp.where(above, ends[0], middle), jnp.where(above, middle, ends[1])), None

    top = jax.lax.stop_gradient(jnp.log(jnp.asarray(most, float)))
    (low, _), _ = jax.lax.scan(halve, (jnp.zeros_like(top), top), length=_HALVINGS)
    batch = jax.lax.stop_gradient(jnp.exp(low))
    value, rise = jax.jvp(tau, (batch,), (jnp.ones_like(batch),))
    nearer = jnp.where(batch > 1, batch + (seconds - value) / jax.lax.stop_gradient(rise), batch)
    return jnp.where(jax.lax.stop_gradient(low < top - 1e-9), nearer, most)


def first_token_seconds(deployment: Deployment, chip: Accelerator, n_params: Numeric, input_tokens: Numeric) -> Numeric:
    """Time to the first token of a prompt that no other waits for: its products and attention, and a layer's fixed times."""
    alone = deployment.model_copy(update={"context_tokens": input_tokens, "chunk_tokens": input_tokens})
    r = replica_of(alone, chip, n_params)
    return input_tokens * prompt_seconds(r) + r.fixed_seconds


def prompt_tokens(scenario: Scenario) -> Numeric:
    """The prompt that limits.max_seconds_to_first_token is about."""
    d = scenario.deployment
    return d.context_tokens if d.prompt_tokens is None else d.prompt_tokens


def first_token(scenario: Scenario, n_params: Numeric) -> Numeric:
    """Time to the first token of that prompt after those before it, s: the mean, or the percentile that is asked for.

    It rises with the size, log-log convex: a sum of such times, times numbers that do not depend on the size.

    Raises:
        ValueError: prompts are computed between the steps of a batch, and nothing bounds the time of one.

    """
    step = 0.0
    if scenario.deployment.prefill == "together":
        step = longest_step(scenario, replica(scenario, n_params))
    alone, sent = first_token_parts(scenario, n_params, step)
    return alone * (1 + first_token_wait(scenario)) + sent


def first_token_excess(scenario: Scenario, n_params: Numeric) -> Numeric:
    """ln(first token / limits.max_seconds_to_first_token); -inf where none is set."""
    longest = scenario.limits.max_seconds_to_first_token
    if longest is None:
        return -jnp.inf
    share = first_token(scenario, n_params) / longest
    return numpy_for(share).log(share)


def first_token_parts(scenario: Scenario, n_params: Numeric, step: Numeric) -> tuple[Numeric, Numeric]:
    """Time in which that prompt is computed and, apart, that in which its cache is sent, s; `step` of those that come between chunks."""
    d, chip, tokens = prompt_deployment(scenario), scenario.money.serve_chip, prompt_tokens(scenario)
    apart = d.prefill == "apart"
    whole = d.model_copy(update={"context_tokens": tokens, **({"chunk_tokens": tokens} if apart else {})})
    r = replica_of(whole, chip, n_params, scenario.serving.flops_per_param_token)
    alone = tokens * prompt_seconds(r) + r.fixed_seconds
    if not apart:
        return alone + tokens / r.chunk_tokens * step, 0.0
    return alone, sent_seconds(whole, chip, r, scenario.deployment.chips_on(chip))


def first_token_wait(scenario: Scenario) -> Numeric:
    """What that prompt waits for those before it, over the time that each takes."""
    load, percentile = load_factor(scenario), scenario.limits.first_token_percentile
    return mean_wait(load) if percentile is None else wait(load, percentile)
