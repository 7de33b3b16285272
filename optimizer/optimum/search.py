"""Where on the curve of designs that meet the goal is the optimum? A search for any cost, whatever limits bind and whatever repeats.

A coarse scan of the coordinate v finds the best bracket. Within it bisection, accelerated by Ridders' method where the slope is smooth, by
the crossing of tangents at a kink and by Newton steps at a limit, closes on the point where the slope changes its sign. Last come Newton
steps on the equation that holds there (slope = 0, limit = 0, or two limits at once), which carry the derivatives of the answer by the
implicit function theorem, in forward and reverse mode.

References:
    Ridders 1979, A new algorithm for computing a single root of a real continuous function.

"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..assumptions.goal import ParamsGoal
from ..assumptions.rl import OptimisedRL
from ..assumptions.scenario import Scenario
from ..model.cost import Design, design_of
from ..model.limits import limit_excess
from .base import has_answer
from .certificate import kkt_residual
from .curve import At, Scalar, curve, tokens_cut
from .feasibility import SMALLEST_USEFUL

__all__ = ["ROUNDS", "OnCurve", "optimum_on_curve"]

_T = np.linspace(-1, 1, 49)
_SCAN = 8 * _T + 32 * _T**5
"""Where the curve is scanned: steps of a third near the middle, wide ones far out."""

ROUNDS = 24.0
"""How often a bracket is narrowed at most."""

_LAST_STEPS = 2
"""Newton steps: one would do but for a turn from budget to limit, which the bracket holds less tightly."""
_TOLERANCE = 1e-13
"""A limit passed by less, as a logarithm, is kept."""

_WORST = 1e6
_TINY = 1e-300


class OnCurve(NamedTuple):
    """The best design on the curve of one scenario."""

    design: Design
    kkt_residual: Scalar
    """of the KKT conditions in logarithms, recomputed from the design; at a kink of the cost, the width of the bracket"""
    excess: Scalar
    """ln(quantity / bound) of every limit at the design, in the order of `limit_excess`"""
    possible: Scalar
    """whether some design on the curve keeps the limits, and is large enough to mean anything"""


class _Sample(NamedTuple):
    v: Scalar
    value: Scalar
    slope: Scalar
    excess: Scalar
    excess_slope: Scalar
    turn: Scalar
    """relative distance to the point where a limit on D takes over from the budget"""

    @property
    def outside(self) -> Scalar:
        return self.excess > _TOLERANCE

    @property
    def uphill(self) -> Scalar:
        """The slope of what has to fall first: the excess outside the limits, the value inside."""
        return jnp.where(self.outside, self.excess_slope, self.slope)


def optimum_on_curve(scenario: Scenario, rounds: Scalar = ROUNDS) -> OnCurve:
    """The optimum of one scenario with its limits, repeated data and decided RL tokens: pure JAX, differentiable, mappable.

    Args:
        scenario: the question.
        rounds: how often the bracket may be narrowed. Most scenarios take three to five and kinks of the cost up to twenty; the residual
            tells which had too few.

    Returns:
        The design with its residual. Where the residual is not small (a limit on D while R is decided, goal 'params' beyond a limit) this
        search does not cover the scenario: use `solve`.

    """
    at = curve(scenario)
    low, high = lax.stop_gradient(_bracket(_sampler(scenario, at), at, rounds))
    point = at(_refined(scenario, at, low, high))
    optimised = isinstance(scenario.rl, OptimisedRL)
    if (
        isinstance(scenario.goal, ParamsGoal) and not optimised
    ):  # a limit on D takes the place of the first-order condition
        point = point._replace(ln_d=point.ln_d - jnp.maximum(tokens_cut(scenario, point.ln_n, point.ln_d), 0.0))
    n, d, r = (jnp.exp(v) for v in (point.ln_n, point.ln_d, point.ln_r))
    design = design_of(scenario, n, d, *((r,) if optimised else ()))
    excess = jnp.stack([jnp.asarray(e, float) for e in limit_excess(scenario, design).values()] or [-jnp.inf])
    inside = point.excess < 1e-9
    large = (n >= SMALLEST_USEFUL) & (d >= SMALLEST_USEFUL)
    residual = lax.stop_gradient(kkt_residual(scenario, point.ln_n, point.ln_d, point.ln_r))
    # A kink of the cost has no gradient: where the slope turns within the width of the bracket, that is the error.
    turned = ~low.outside & ~high.outside & (low.slope <= 0) & (high.slope >= 0) & (high.v - low.v < 1e-10)
    residual = lax.stop_gradient(residual.total(jnp.where(turned, high.v - low.v, jnp.inf)))
    return OnCurve(design, residual, excess, inside & large & has_answer(scenario))


def _sampler(scenario: Scenario, at: Callable[[Scalar], At]) -> Callable[[Scalar], _Sample]:
    def sample(v: Scalar) -> _Sample:
        if isinstance(scenario.goal, ParamsGoal):  # the first-order condition is the slope
            point = at(v)
            return _Sample(v, point.value, point.equation, point.excess, 0.0 * v, 0.0 * v)
        point, slopes = jax.jvp(at, (v,), (1.0 + 0.0 * v,))
        turn = jnp.expm1(jnp.minimum(point.equation, 50.0))
        return _Sample(v, point.value, slopes.value, point.excess, slopes.excess, turn)

    return sample


def _bracket(
    sample: Callable[[Scalar], _Sample], at: Callable[[Scalar], At], rounds: Scalar
) -> tuple[_Sample, _Sample]:
    """Two points around the best of the scan, as close as numbers allow, between which the slope turns from falling to rising."""
    scan = jnp.asarray(_SCAN)

    def look(i: Scalar, best: tuple[Scalar, Scalar]) -> tuple[Scalar, Scalar]:
        point = at(scan[i])
        merit = jnp.where(point.excess > _TOLERANCE, _WORST + point.excess, point.value)
        better = merit < best[0]  # never for NaN
        return jnp.where(better, merit, best[0]), jnp.where(better, i, best[1])

    _, best = lax.fori_loop(0, len(_SCAN), look, (jnp.inf, 0))
    ends = sample(scan[jnp.maximum(best - 1, 0)]), sample(scan[jnp.minimum(best + 1, len(_SCAN) - 1)])
    _, low, high = lax.while_loop(
        lambda state: (state[0] < rounds) & ~_settled(*state[1:]),
        lambda state: (state[0] + 1, *_narrowed(sample, *state)),
        (0, *ends),
    )
    return low, high


def _settled(low: _Sample, high: _Sample) -> Scalar:
    """Whether the last Newton steps can take over: an end stands on the limit, on the turn or next to slope = 0, or nothing is left."""
    smooth = jnp.minimum(
        jnp.where(low.outside, jnp.inf, jnp.abs(low.slope)), jnp.where(high.outside, jnp.inf, jnp.abs(high.slope))
    )
    kept = _choose(low.outside, high, low)
    limited = jnp.where(low.outside != high.outside, -kept.excess, jnp.inf)
    turned = jnp.where(low.turn * high.turn <= 0, jnp.minimum(jnp.abs(low.turn), jnp.abs(high.turn)), jnp.inf)
    return (
        (smooth < 1e-7)
        | (limited < _TOLERANCE)
        | ((turned < 1e-9) & (low.turn != high.turn))
        | (high.v - low.v < 1e-11)
    )


def _narrowed(sample: Callable[[Scalar], _Sample], i: Scalar, low: _Sample, high: _Sample) -> tuple[_Sample, _Sample]:
    """The bracket after its midpoint and one guess."""
    middle = sample((low.v + high.v) / 2)
    root = jnp.sqrt(jnp.maximum(middle.slope**2 - low.slope * high.slope, _TINY))
    ridders = middle.v - (high.v - low.v) / 2 * middle.slope / root
    low, high = _replaced(middle, low, high)
    crossing = (high.value - low.value + low.slope * low.v - high.slope * high.v) / (low.slope - high.slope)
    turning = low.v + (high.v - low.v) * low.turn / (low.turn - high.turn)
    kink = jnp.where(low.turn * high.turn < 0, turning, crossing)
    guess = jnp.where(i % 4 < 3, ridders, kink)
    guess = jnp.where(low.outside, low.v - low.excess / low.excess_slope, guess)
    guess = jnp.where(high.outside & ~low.outside, high.v - high.excess / high.excess_slope, guess)
    inside = (guess > low.v) & (guess < high.v)
    return _replaced(sample(jnp.where(inside, guess, (low.v + high.v) / 2)), low, high)


def _replaced(new: _Sample, low: _Sample, high: _Sample) -> tuple[_Sample, _Sample]:
    rises = new.uphill > 0
    return _choose(rises, low, new), _choose(rises, new, high)


def _choose(condition: Scalar, yes: _Sample, no: _Sample) -> _Sample:
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), yes, no)


def _refined(scenario: Scenario, at: Callable[[Scalar], At], low: _Sample, high: _Sample) -> Scalar:
    """The coordinate after one Newton step on the equation that decides it; the step carries the derivatives."""
    sample = _sampler(scenario, at)
    at_low = ~low.outside & (high.outside | (jnp.abs(low.slope) < jnp.abs(high.slope)))
    turns = ~low.outside & ~high.outside & (low.turn * high.turn < 0)
    at_low = jnp.where(turns, jnp.abs(low.turn) < jnp.abs(high.turn), at_low)
    best, other = _choose(at_low, low, high), _choose(at_low, high, low)
    limited = other.outside & (best.slope * jnp.where(at_low, -1.0, 1.0) > 1e-9)
    closed = (high.v - low.v < 1e-8) | (turns & (jnp.abs(best.turn) < 1e-6))
    jumps = ~other.outside & (jnp.abs(best.slope) > 1e-6) & closed

    def equation(v: Scalar) -> Scalar:
        here, point = sample(v), at(v)
        kinked = jnp.where(jumps, point.equation, here.slope)
        return jnp.where(limited, here.excess, kinked) if not isinstance(scenario.goal, ParamsGoal) else here.slope

    # At a kink of the cost no equation holds: the point stays, and has no derivative.
    known = limited | ~jumps | (jnp.abs(at(best.v).equation) < 1e-2)
    v = best.v
    for _ in range(_LAST_STEPS):
        v = lax.stop_gradient(v)
        value, slope = jax.jvp(equation, (v,), (jnp.ones_like(v),))
        step = -value / lax.stop_gradient(slope)
        v = v + jnp.where(lax.stop_gradient(known & (jnp.abs(step) < 1e-2)), step, 0.0)
    return v
