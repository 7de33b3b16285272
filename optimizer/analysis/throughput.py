"""End-to-end throughput of a replica: requests of one length in a closed loop, prompts and answers on the same chips.

A user sends the next request when the last is answered, so that as many are in flight as there are users, or as memory or a limit on time
allows; the others wait. `model.loop` has the formulas. It is also what the calibration on measured throughput predicts with.
"""

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..assumptions.arguments import NUMBER, checks, instance_of, numbers
from ..assumptions.numbers import human
from ..assumptions.problems import InputError
from ..assumptions.quantity import Numeric
from ..assumptions.speed import load_factor
from ..compiling import compiled
from ..model.accuracy import serving_error
from ..model.loop import LATE, closed_loop
from ..model.queue import tokens_of_a_step
from ..model.replica import memory_batch, replica_of
from ..model.total import placed
from ..optimum.structure import flattened
from .placement import MILLION, Placement, misfits, points_frame

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["throughput"]

_USERS = tuple(4.0**i for i in range(10))
_WIDTH = 12  # numbers of users that a program takes at once


@checks(
    s=instance_of(Placement, "make one with placement('Llama 3 70B')"),
    prompt_tokens=NUMBER,
    answer_tokens=NUMBER,
    users=numbers("64", "users"),
    seconds_per_token=NUMBER,
)
def throughput(
    s: Placement,
    prompt_tokens: float,
    answer_tokens: float,
    *,
    users: Sequence[float] | None = None,
    seconds_per_token: float | None = None,
) -> "pd.DataFrame":
    """Throughput, times and cost of one replica that answers requests of one length in a closed loop.

    Args:
        s: the model, its chip and its deployment; the deployment's own batch and context are not read.
        prompt_tokens: of every request.
        answer_tokens: of every request.
        users: requests that are sent at once, one row each; powers of 4 up to what memory holds when left out.
        seconds_per_token: longest mean time between two tokens of an answer, prompts of others included.

    Returns:
        users, batch (requests in flight; fewer than users where memory or the time allows no more), tokens_per_second_per_user,
        tokens_per_second_per_chip (of answers), requests_per_second (of the replica), first_token_seconds (queue of prompts included) and
        late_first_token_seconds (its 99th percentile), late_step_seconds (the 99th percentile of the time between two steps of decoding,
        prompts that are computed in between included: the longest that an answer pauses), request_seconds (without waiting for a place in
        flight), usd_per_mtok_answer (prompts included, at the load factor), joules_per_token. `attrs["error"]` says how far measured
        throughput of the deployment's class is from predictions.

    Raises:
        InputError: a number is not above 0, no request fits in memory, or a single one takes longer than seconds_per_token.

    """
    asked = {"prompt_tokens": prompt_tokens, "answer_tokens": answer_tokens, "seconds_per_token": seconds_per_token}
    problems = [f"{k} must lie above 0, got {human(v)}." for k, v in asked.items() if v is not None and not v > 0]
    problems += [f"users must be 1 or more, got {human(n)}." for n in users or () if not n >= 1]
    if problems:
        raise InputError(problems)
    whole = {"deployment.context_tokens": prompt_tokens + answer_tokens, "deployment.batch": "optimal"}
    gone = {"deployment.batch_size": None, "deployment.target_tokens_per_second": None}
    moved = s.fixed().update({**whole, **gone})
    if problems := misfits(moved):
        raise InputError(problems)
    d, chip = placed(moved.scenario), moved.scenario.money.serve_chip
    stages = float(d.stages)
    if users is None:
        most = stages * float(memory_batch(replica_of(d, chip, s.n_params)))
        users = [*(n for n in _USERS if n < most / 2), most]
    longest = np.inf if seconds_per_token is None else seconds_per_token

    asked_for = np.full(_WIDTH * -(-(1 + len(users)) // _WIDTH), 1.0)
    asked_for[1 : 1 + len(users)] = np.asarray(users, float) / stages
    found = np.asarray(
        _loops(*flattened(moved.scenario), s.n_params, asked_for, prompt_tokens, answer_tokens, longest)
    )[:, : 1 + len(users)]
    single = float(found[2, 0])
    if single > longest:
        raise InputError(
            [
                f"seconds_per_token = {human(longest)} is less than the {human(single, 3)} s that {s.name} takes for a token of one "
                f"request at a time; allow {human(single, 3)} s or more, or give it more deployment.chips."
            ]
        )
    tokens, batch, seconds, first, late, step, prompt = found[:, 1:]
    chips = stages * float(d.chips_on(chip))
    r = replica_of(d, chip, s.n_params)
    usd = stages * float(r.usd_per_second) / float(load_factor(moved.scenario))
    kept, chunk = float(r.kept_tokens), float(r.chunk_tokens)
    computed = [tokens_of_a_step(kept * b / answer_tokens, prompt_tokens, chunk, LATE) for b in batch]
    late_step = step + prompt / prompt_tokens * computed
    # Fewer users than stages leave some of these without a batch.
    filled = np.minimum(np.asarray(users, float) / (stages * batch), 1.0)
    tokens, batch = tokens * filled, batch * filled
    frame = points_frame(
        [
            {
                "users": float(n),
                "batch": stages * b,
                "tokens_per_second_per_user": 1 / tau,
                "tokens_per_second_per_chip": stages * rate / chips,
                "requests_per_second": stages * rate / answer_tokens,
                "first_token_seconds": wait,
                "late_first_token_seconds": longest_wait,
                "late_step_seconds": longest_step,
                "request_seconds": wait + (answer_tokens - 1) * tau,
                "usd_per_mtok_answer": MILLION * usd / (stages * rate),
                "joules_per_token": 1e3 * chip.kw * chips / (stages * rate),
            }
            for n, rate, b, tau, wait, longest_wait, longest_step in zip(
                users, tokens, batch, seconds, first, late, late_step, strict=True
            )
        ]
    )
    frame.attrs["error"] = serving_error(moved.scenario)
    return frame


@compiled(structure=1)
def _loops(
    tree: Hashable,
    leaves: Float[Array, " leaf"],
    n_params: Numeric,
    users: Float[Array, " user"],
    prompt_tokens: Numeric,
    answer_tokens: Numeric,
    longest: Numeric,
) -> Float[Array, "figure user"]:
    """The fields of `model.loop.Loop` for numbers of users."""
    scenario = jax.tree.unflatten(tree, list(leaves))
    d, chip = placed(scenario), scenario.money.serve_chip

    def loop(concurrency: Numeric) -> Float[Array, " figure"]:
        found = closed_loop(
            d, chip, n_params, prompt_tokens, answer_tokens, concurrency=concurrency, seconds_per_token=longest
        )
        return jnp.stack([jnp.asarray(v, float) for v in found])

    return jax.vmap(loop)(users).T
