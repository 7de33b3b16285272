"""The time of one step of a replica: of decoding a batch, and of a prompt's share of a chunk.

A step is a sum of operations, each of which computes and reads: `joined` says how far the two overlap.
"""

from typing import Literal, NamedTuple

from ..assumptions.quantity import Numeric, numpy_for
from .replica import Replica

__all__ = ["StepTime", "below_one", "decoded_seconds", "joined", "prompt_seconds", "step_time"]


class StepTime(NamedTuple):
    """Parts of one decode step, s."""

    compute: Numeric
    """of all operations, were there no memory to wait for"""
    memory: Numeric
    """of all operations, were there nothing to compute"""
    operations: Numeric
    """one after the other, each between the longer and the sum of its two times"""
    exchange: Numeric
    """between chips that wait for it"""
    fixed: Numeric
    sequences: Numeric

    @property
    def total(self) -> Numeric:
        """The operations, and what comes on top."""
        return self.operations + self.exchange + self.fixed + self.sequences


def joined(compute: Numeric, memory: Numeric, serial_share: Numeric) -> Numeric:
    """Time t of an operation whose two parts overlap: the larger root of (t - compute) (t - memory) = serial_share compute memory.

    The longer part at serial_share = 0, the sum at 1, within a factor 1 + sqrt(serial_share) of the longer. Log-log convex: with F, C, M
    the logarithms, ln(e^(F-C) - 1) + ln(e^(F-M) - 1) is concave in them and rises with F.

    >>> float(joined(3.0, 3.0, 0.04)), float(joined(3.0, 2.0, 1.0))
    (3.6, 5.0)

    """
    both = compute + memory
    return (both + numpy_for(both).sqrt((compute - memory) ** 2 + 4 * serial_share * compute * memory)) / 2


class _Work(NamedTuple):
    compute: Numeric
    memory: Numeric
    operations: Numeric


def _products(r: Replica, tokens: Numeric, compute: Literal["decode", "prefill"]) -> _Work:
    """All products of so many tokens, and what the chips exchange while they compute."""
    xp = numpy_for(tokens, r.expert_share)
    used = -xp.expm1(tokens * xp.log1p(-below_one(r)))
    parts = [
        (r.dense_params, tokens * getattr(r.dense, compute), r.dense.read),
        (r.expert_params, tokens * getattr(r.experts, compute), r.experts.read * used),
    ]
    products = sum(params * joined(work, read, r.serial_share) for params, work, read in parts)
    return _Work(
        sum(params * work for params, work, _ in parts),
        sum(params * read for params, _, read in parts),
        joined(products, tokens * r.sent_seconds, r.serial_share),
    )


def step_time(r: Replica, batch: Numeric) -> StepTime:
    """Parts of a decode step of `batch` sequences, s.

    Limiting cases: B to infinity leaves compute and the cache, neither of which a larger batch shares out; B = 1 on one chip is the time to
    read the active weights plus L t_l, a little more as reading and computing overlap less. Drafts come before it, one after the other.
    """
    checked = _pass(r, batch)
    if r.drafting is None:
        return checked
    plain = _pass(r._replace(tokens_per_step=1.0, attention_seconds=r.attention_seconds / r.tokens_per_step), batch)
    return StepTime(*(all_at_once + r.drafting * each for all_at_once, each in zip(checked, plain, strict=True)))


def _pass(r: Replica, batch: Numeric) -> StepTime:
    tokens = batch * r.tokens_per_step
    work, attention = _products(r, tokens, "decode"), batch * r.attention_seconds
    cache = batch * r.kv_read_bytes / r.bytes_per_second
    return StepTime(
        compute=work.compute + attention,
        memory=work.memory + cache,
        operations=work.operations + attention + cache,
        exchange=tokens * r.exchange_seconds,
        fixed=r.fixed_seconds,
        sequences=batch * r.sequence_seconds,
    )


def decoded_seconds(r: Replica, batch: Numeric) -> Numeric:
    """Stage-seconds per decoded token in steps of `batch` sequences."""
    return step_time(r, batch).total / (batch * r.kept_tokens)


def prompt_seconds(r: Replica) -> Numeric:
    """Stage-seconds per computed prompt token: its share of a chunk's products, its attention, and what the chips exchange for it."""
    products = _products(r, r.chunk_tokens, "prefill").operations / r.chunk_tokens
    return products + r.prompt_attention_seconds + r.exchange_seconds


def below_one(r: Replica) -> Numeric:
    return numpy_for(r.expert_share).minimum(r.expert_share, 1 - 1e-12)
