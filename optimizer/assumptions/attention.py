r"""FLOPs of attention, as parameters that a token is multiplied with besides those of the model.

A token that reads c others takes 4 A c FLOPs forward (two products of 2 A c; A is the width of attention summed over the layers) next to
2 N of the parameters, and in every other pass as many times more as the parameters do. So a phase with k FLOPs per parameter and token
takes

    k (N + 2 A c),        A = A_ref (N / N_ref)^s,

and a cost keeps its form with monomials in N^s: convex in logarithms, but no longer N (k D + K). Means of c over the tokens of a phase:

    training, RL     half the context, as a token reads those before it; a rollout grows from nothing to the context of serving
    prefill          half the context of serving
    decode           all of it, times attention_decode_factor

Sparse attention reads c^attention_exponent of the context c, and at most attention_bound_tokens. Groups of queries that share keys change
the cache and not the FLOPs. Left out: prefixes in a cache, which the rest of a prompt reads too.

References:
    Kaplan et al. 2020, arXiv 2001.08361, table 1 (2 L d_attn n_ctx forward, the causal mean here). Chowdhery et al. 2022, arXiv
    2204.02311, appendix B (12 L H Q T per token of training: all of the context, twice the causal mean).

"""

from typing import Any, NamedTuple

from .architecture import Architecture
from .quantity import Numeric, numpy_for

__all__ = ["Multiplied", "attends", "attention_params", "attention_width", "multiplied_params"]

FITTED_WIDTH, FITTED_EXPONENT, FITTED_AT = 152_000.0, 0.695, 1e10
"""Width of attention over the layers whose attention grows with context, at 10B active parameters, and its power of them: a fit to
data/models.csv, released since 2024; docs/serving.md."""

_LARGEST_LN = 200.0


class Multiplied(NamedTuple):
    """What a token of each phase is multiplied with: N, and 2 A c of attention (parameters)."""

    pretraining: Numeric
    rl: Numeric
    prefill: Numeric
    decode: Numeric


def attends(scenario: Any) -> bool:
    """Whether attention is counted, so that cost is not proportional to N."""
    return scenario.pretraining.context_tokens is not None or scenario.serving.context_tokens is not None


def multiplied_params(scenario: Any, n_params: Numeric) -> Multiplied:
    """N + 2 A c of each phase; N itself where no context is given."""
    d, training, serving = scenario.deployment, scenario.pretraining.context_tokens, scenario.serving.context_tokens

    def total(context: Numeric | None, *, causal: bool) -> Numeric:
        return n_params if context is None else n_params + attention_params(d, n_params, context, causal=causal)

    decode = n_params
    if serving is not None:
        factor = 1.0 if d.attention_decode_factor is None else d.attention_decode_factor
        decode = n_params + factor * attention_params(d, n_params, serving, causal=False)
    return Multiplied(total(training, causal=True), total(serving, causal=True), total(serving, causal=True), decode)


def attention_params(architecture: Architecture, n_params: Numeric, context: Numeric, *, causal: bool) -> Numeric:
    """2 A c: the parameters that cost as many FLOPs as attention over a context.

    Args:
        architecture: width of attention and what of the context is read.
        n_params: active parameters N (count).
        context: tokens of context; 0 gives 0.
        causal: the mean over the tokens of a sequence of that length, instead of its last token.

    >>> llama = Architecture(reference_params=70.55e9, attention_width=80 * 8192)  # Llama 3 70B: 80 layers, 64 heads of 128
    >>> round(float(attention_params(llama, 70.55e9, 1e5, causal=True)) / 70.55e9, 2)
    0.93

    """
    return 2 * attention_width(architecture, n_params) * _read(architecture, context, causal=causal)


def attention_width(architecture: Architecture, n_params: Numeric) -> Numeric:
    """A: query heads times their width, summed over the layers whose attention grows with context."""
    given = architecture.attention_width
    width, at = (FITTED_WIDTH, FITTED_AT) if given is None else (given, architecture.reference_params)
    power = FITTED_EXPONENT if architecture.attention_width_exponent is None else architecture.attention_width_exponent
    xp = numpy_for(n_params, at, power)
    return width * xp.exp(power * xp.log(n_params / at))


def _read(architecture: Architecture, context: Numeric, *, causal: bool) -> Numeric:
    """Tokens that a token reads: min(c^x, bound) of the last one, or its mean over c from 0 to the context."""
    x, bound = architecture.attention_exponent, architecture.attention_bound_tokens
    xp = numpy_for(context, x, bound)
    if bound is None:
        return context**x / (1 + x) if causal else context**x
    if not causal:
        return xp.minimum(context**x, bound)
    # Context from which the bound holds.
    full = xp.exp(xp.minimum(xp.log(bound) / xp.maximum(x, 1e-9), _LARGEST_LN))
    share = xp.minimum(full / xp.maximum(context, 1e-9), 1.0)
    return share * xp.minimum(context, full) ** x / (1 + x) + (1 - share) * bound
