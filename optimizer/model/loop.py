"""Throughput of a closed loop: B requests are always in flight, each S_in prompt and S_out output tokens, on one replica.

The prompts are computed once and every output token takes one step of the whole batch, so between two tokens of a request pass

    tau(B) = t(B) / g + B S_in t_prefill / S_out,        tokens/s = B / tau(B),        context S_in + S_out / 2,

t(B) being the time of a step, of which a sequence keeps g tokens. B is at most what is asked for, what memory holds when every sequence is
at its full length, and what keeps tau within a time that is allowed.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from ..assumptions.deployment import Deployment
from ..assumptions.hardware import Accelerator
from ..assumptions.quantity import Numeric
from .replica import memory_batch, replica_of
from .step import prompt_seconds, step_time

__all__ = ["Loop", "closed_loop", "first_token_seconds"]

_LARGEST = 1e7
_HALVINGS = 40


class Loop(NamedTuple):
    """A closed loop at rest."""

    tokens_per_second: Numeric
    """output tokens of the whole replica"""
    batch: Numeric
    """requests in flight"""
    seconds_per_token: Numeric
    """between two output tokens of a request, prompts of others included"""


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
    each = prompts * input_tokens * prompt_seconds(prompt) / output_tokens

    def tau(batch: Numeric) -> Numeric:
        return step_time(mean, batch).total / mean.kept_tokens + batch * each

    batch = jnp.maximum(jnp.minimum(memory_batch(full), concurrency), 1.0)
    if seconds_per_token is not None:
        batch = jnp.minimum(batch, _within(tau, batch, seconds_per_token))
    seconds = tau(batch)
    return Loop(batch / seconds, batch, seconds)


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
    inside = jax.lax.stop_gradient((batch > 1) & (low < top - 1e-9))
    return jnp.where(inside, batch + (seconds - value) / jax.lax.stop_gradient(rise), batch)


def first_token_seconds(deployment: Deployment, chip: Accelerator, n_params: Numeric, input_tokens: Numeric) -> Numeric:
    """Time to the first token of a prompt that no other waits for: its products and attention, and a layer's fixed times."""
    alone = deployment.model_copy(update={"context_tokens": input_tokens, "chunk_tokens": input_tokens})
    r = replica_of(alone, chip, n_params)
    return input_tokens * prompt_seconds(r) + r.fixed_seconds
