"""The wait at a server that takes the same time s for everyone and is busy for a share rho of all time, arrivals at random (M/D/1).

    mean             W = rho / (2 (1 - rho)) s                                                     Pollaczek and Khinchine
    percentile p     P(W <= x s) = (1 - rho) sum over k <= x of (-rho (x - k))^k / k! e^(rho (x - k))              Erlang 1909
                     P(W > x s) -> (1 - rho) / (rho e^a - 1) e^(-a x),   rho (e^a - 1) = a > 0            its exponential tail

Prompts between the steps of decoding: their number in a step is a Poisson one, and a step computes at most a chunk of them, so that a share
p of all steps computes no more than

    min(chunk, S n_p),        n_p the p-quantile of Poisson(k max(1, S / chunk)),        k prompts a step, of S tokens each

(a prompt longer than a chunk fills S / chunk steps).

The series for waits of up to 3 s, the tail beyond, where it is off by less than 0.1 % of s + W. All are s times a number that depends on
rho and p alone: what is convex in s stays so.
"""

import math

import numpy as np

from ..assumptions.quantity import Numeric, numpy_for

__all__ = ["mean_wait", "tokens_of_a_step", "wait"]

_BUSIEST, _IDLE = 1 - 1e-9, 1e-9
_TERMS = 3
"""Of the series, and times s up to which it is used."""
_STEPS = 8


def mean_wait(load: Numeric) -> Numeric:
    """Mean wait over the time of one, at a load below 1; very long where a server is always busy."""
    load = numpy_for(load).minimum(load, _BUSIEST)
    return load / (2 * (1 - load))


def wait(load: Numeric, percentile: Numeric) -> Numeric:
    """The wait over the time of one that a share `percentile` of all do not exceed; 0 for a percentile of 0, at any load."""
    xp = numpy_for(load, percentile)
    load = xp.minimum(xp.maximum(load, _IDLE), _BUSIEST)
    short = xp.log(xp.maximum(percentile, 1 - load) / (1 - load)) / load
    decay = _decay(load)
    tail = xp.log((1 - load) / (load * xp.exp(decay) - 1) / (1 - percentile)) / decay
    middle = xp.clip(tail, 1.0, float(_TERMS))
    for _ in range(_STEPS // 2):
        reached, slope = _within(middle, load)
        middle = xp.clip(middle + (percentile - reached) / slope, 1.0, float(_TERMS))
    return xp.where(short <= 1, short, xp.where(tail <= _TERMS, middle, tail))


def tokens_of_a_step(prompts_per_step: float, prompt: float, chunk: float, percentile: float) -> float:
    """Tokens of prompts that a step of decoding computes, at a percentile of all steps; in whole prompts, and at most a chunk."""
    mean, fewer = prompts_per_step * max(1.0, prompt / chunk), np.arange(math.ceil(chunk / prompt))
    ln_shares = fewer * math.log(mean) - mean - np.cumsum(np.log(np.maximum(fewer, 1)))
    return min(chunk, prompt * float(np.count_nonzero(np.cumsum(np.exp(ln_shares)) < percentile)))


def _within(x: Numeric, load: Numeric) -> tuple[Numeric, Numeric]:
    """The share that waits no longer than x, and its slope; for x up to `_TERMS`."""
    xp = numpy_for(x, load)
    share = slope = 0.0
    for k in range(_TERMS + 1):
        left = xp.maximum(x - k, 0.0)
        grown, term = (1 - load) * xp.exp(load * left), (-load * left) ** k / math.factorial(k)
        before = (-load * left) ** (k - 1) / math.factorial(k - 1) if k else 0.0
        share, slope = share + grown * term, slope + grown * load * (term - before)
    return share, slope


def _decay(load: Numeric) -> Numeric:
    """The positive root a of load (e^a - 1) = a.

    Newton on ln(load (e^a - 1) / a), which is convex, from the right of the root: (e^a - 1) / a lies above e^(a / 2).
    """
    xp = numpy_for(load)
    a = -2 * xp.log(load)
    for _ in range(_STEPS):
        grown = xp.expm1(a)
        a = a - xp.log(load * grown / a) / ((grown + 1) / grown - 1 / a)
    return a
