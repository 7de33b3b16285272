"""What is the optimum where limits bind, data repeats or RL tokens are decided too? A search along one curve, for any cost.

The goal takes one decision away, so what is left is a curve of designs with one coordinate v:

| goal, policy       | v                                  | the rest of the design                                           |
|--------------------|------------------------------------|------------------------------------------------------------------|
| loss               | logit of the share of l left to D  | N and D from their shares, repetition inverted in closed form    |
| budget             | ln N                               | D from what N leaves of the budget, or the first limit on D      |
| loss, R decided    | ln D                               | R buys as much loss per cost as D; N from the rest of the loss   |
| budget, R decided  | ln D                               | R as above; N from the budget                                    |
| params             | ln D                               | N is given; v solves the first-order condition, up to a limit    |

Cost and limits are used as black boxes of (N, D, R): the cost affine in D and R, and nothing assumed of N, so it may be piecewise smooth
and neither convex nor linear in N. A coarse scan of v finds the best bracket. Within it bisection, accelerated by Ridders' method where
the slope is smooth, by the crossing of tangents at a kink and by Newton steps at a limit, closes on the point where the slope changes its
sign. Last come Newton steps on the equation that holds there (slope = 0, limit = 0, or two limits at once), which carry the derivatives
of the answer by the implicit function theorem, in forward and reverse mode.

References:
    Ridders 1979, A new algorithm for computing a single root of a real continuous function.

"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..assumptions.goal import BudgetGoal, LossGoal, ParamsGoal
from ..assumptions.law import Law, RepetitionLaw
from ..assumptions.rl import FixedFlopsRL, OptimisedRL
from ..assumptions.scenario import Scenario
from ..model.cost import Design, design_of, fixed_cost, lifecycle_cost
from ..model.limits import limit_excess, limit_names
from ..model.quality import reducible_loss, target_reducible_loss
from .base import has_answer, unlimited
from .feasibility import SMALLEST_USEFUL
from .program import row_values

__all__ = ["ROUNDS", "OnCurve", "optimum_on_curve"]

Scalar = Any
"""One number of one scenario; batches are made by vmap."""

_T = np.linspace(-1, 1, 49)
_SCAN = 8 * _T + 32 * _T**5
"""Where the curve is scanned: steps of a third near the middle, wide ones far out."""

ROUNDS = 24
_COST, _LOSS, _LIMITS = 0, 1, 5
"""Rows of `row_values`."""

_LAST_STEPS = 2
"""Newton steps: one would do but for a turn from budget to limit, which the bracket holds less tightly."""
_TOLERANCE = 1e-13
"""A limit passed by less, as a logarithm, is kept."""

_TYPICAL_PARAMS = 1e10
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


class _At(NamedTuple):
    """One point of the curve: decisions in logarithms, what is minimised, and how far limits are passed."""

    ln_n: Scalar
    ln_d: Scalar
    ln_r: Scalar
    value: Scalar
    excess: Scalar
    equation: Scalar
    """goal params: the first-order condition; budget: below 0 where the budget decides D, above 0 where a limit on D does first"""


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
    at = _curve(scenario)
    low, high = lax.stop_gradient(_bracket(_sampler(scenario, at), at, rounds))
    point = at(_refined(scenario, at, low, high))
    optimised = isinstance(scenario.rl, OptimisedRL)
    if (
        isinstance(scenario.goal, ParamsGoal) and not optimised
    ):  # a limit on D takes the place of the first-order condition
        point = point._replace(ln_d=point.ln_d - jnp.maximum(_cut(scenario, point.ln_n, point.ln_d), 0.0))
    n, d, r = (jnp.exp(v) for v in (point.ln_n, point.ln_d, point.ln_r))
    design = design_of(scenario, n, d, *((r,) if optimised else ()))
    excess = jnp.stack([jnp.asarray(e, float) for e in limit_excess(scenario, design).values()] or [-jnp.inf])
    inside = point.excess < 1e-9
    large = (n >= SMALLEST_USEFUL) & (d >= SMALLEST_USEFUL)
    residual = lax.stop_gradient(_kkt_residual(scenario, point, low, high))
    return OnCurve(design, residual, excess, inside & large & has_answer(scenario))


def _moving(scenario: Scenario, design: Design) -> Scalar:
    cost = lifecycle_cost(scenario, design)
    return cost.total - cost.rl if isinstance(scenario.rl, FixedFlopsRL) else cost.total


def _curve(scenario: Scenario) -> Callable[[Scalar], _At]:
    """The designs that meet the goal, by their coordinate."""
    optimised = isinstance(scenario.rl, OptimisedRL)
    paired = _pairing(scenario) if optimised else lambda ln_d: 0.0 * ln_d
    goal, law = scenario.goal, scenario.law.chinchilla
    middle = unlimited(scenario, _TYPICAL_PARAMS)
    cuts = isinstance(goal, BudgetGoal) and not optimised

    def finish(
        ln_n: Scalar,
        ln_d: Scalar,
        ln_r: Scalar,
        minimise: Callable,
        over: Scalar = -jnp.inf,
        corner: Scalar = -1.0,
    ) -> _At:
        design = _design(scenario, ln_n, ln_d, ln_r)
        # A budget cuts D where a limit on it comes first, so only limits on N are left to pass: those that one token meets.
        limited = design_of(scenario, design.n_params, 1.0) if cuts else design
        passed = [over, *limit_excess(scenario, limited).values()]
        excess = jnp.max(jnp.stack([jnp.asarray(e, float) for e in passed]))
        return _At(ln_n, ln_d, ln_r, jnp.log(minimise(scenario, design)), excess, jnp.asarray(corner))

    match goal:
        case LossGoal() if not optimised:
            ln_l = jnp.log(target_reducible_loss(scenario))

            def at(v: Scalar) -> _At:
                ln_n = (jnp.log(law.A) - ln_l + _softplus(v)) / law.alpha
                ln_worth = (jnp.log(law.B) - ln_l + _softplus(-v)) / law.beta
                ln_d, over = _tokens_worth(scenario.law, ln_worth)
                return finish(ln_n, ln_d, 0.0 * v, _moving, over)

        case LossGoal():
            target = target_reducible_loss(scenario)
            ln_middle = jnp.log(middle.train_tokens)

            def at(v: Scalar) -> _At:
                ln_d, ln_r = ln_middle + v, paired(ln_middle + v)
                spent = reducible_loss(scenario, Design(jnp.inf, jnp.exp(ln_d), jnp.exp(ln_r)))
                ln_n = (jnp.log(law.A) - jnp.log(jnp.maximum(target - spent, target * 1e-15))) / law.alpha
                return finish(ln_n, ln_d, ln_r, _moving, jnp.log(spent / target))

        case BudgetGoal(budget=budget) if not optimised:
            left = budget - fixed_cost(scenario)
            ln_middle = jnp.log(middle.n_params)

            def at(v: Scalar) -> _At:
                ln_n = ln_middle + v
                n = jnp.exp(ln_n)
                base, slope = jax.jvp(
                    lambda d: _moving(scenario, design_of(scenario, n, d)), (0.0 * n,), (1.0 + 0.0 * n,)
                )
                # Below the smallest useful run the design is outside; below half of it D stands still, so that slopes stay finite.
                ln_d = jnp.log(jnp.maximum((left - base) / slope, SMALLEST_USEFUL / 2))
                corner = _cut(scenario, ln_n, ln_d)
                over = jnp.log((base + slope * SMALLEST_USEFUL) / left)
                return finish(ln_n, ln_d - jnp.maximum(corner, 0.0), 0.0 * v, reducible_loss, over, corner)

        case BudgetGoal(budget=budget):
            ln_left = jnp.log(budget - fixed_cost(scenario))
            ln_middle = jnp.log(middle.train_tokens)

            def at(v: Scalar) -> _At:
                ln_d, ln_r = ln_middle + v, paired(ln_middle + v)
                ln_n = jnp.log(_TYPICAL_PARAMS) + 0.0 * v
                for _ in range(2):  # one is exact for a cost linear in N
                    ln_n = ln_n + ln_left - jnp.log(_moving(scenario, _design(scenario, ln_n, ln_d, ln_r)))
                return finish(ln_n, ln_d, ln_r, reducible_loss)

        case ParamsGoal(params=params):
            ln_n, ln_middle = jnp.log(params), jnp.log(middle.train_tokens)

            def at(v: Scalar) -> _At:
                ln_d, ln_r = ln_middle + v, paired(ln_middle + v)
                slope = _imbalance(scenario, ln_n, ln_d, ln_r)
                return _At(ln_n + 0.0 * v, ln_d, ln_r, jnp.abs(slope), -jnp.inf + 0.0 * v, slope)

    return at


def _softplus(v: Scalar) -> Scalar:
    """ln(1 + e^v) for |v| up to 40, to rounding of the logarithms it is added to; half the time of log1p."""
    return jnp.log(1 + jnp.exp(v))


def _design(scenario: Scenario, ln_n: Scalar, ln_d: Scalar, ln_r: Scalar) -> Design:
    rl_tokens = (jnp.exp(ln_r),) if isinstance(scenario.rl, OptimisedRL) else ()
    return design_of(scenario, jnp.exp(ln_n), jnp.exp(ln_d), *rl_tokens)


def _tokens_worth(law: Law, ln_worth: Scalar) -> tuple[Scalar, Scalar]:
    """(ln D, how far it is out of reach) for the tokens that are worth so many fresh ones."""
    if not isinstance(law, RepetitionLaw):
        return ln_worth, -jnp.inf + 0.0 * ln_worth
    ln_fresh = jnp.log(law.unique_tokens)
    share = jnp.expm1(jnp.maximum(ln_worth - ln_fresh, 0.0)) / law.R_D
    repeated = ln_fresh + jnp.log1p(-law.R_D * jnp.log1p(-jnp.minimum(share, 1 - 1e-12)))
    return jnp.where(share > 0, repeated, ln_worth), ln_worth - ln_fresh - jnp.log1p(law.R_D)


def _pairing(scenario: Scenario) -> Callable[[Scalar], Scalar]:
    """Ln R by ln D, where R buys as much loss per cost as D: gamma G R^(-gamma - 1) / (dC/dR) = -dl/dD / (dC/dD)."""
    assert isinstance(scenario.rl, OptimisedRL)
    G, gamma = scenario.rl.return_term(scenario.law)
    by_tokens, by_rl = (
        jax.jvp(lambda d, r: _moving(scenario, Design(_TYPICAL_PARAMS, d, r)), (1.0, 1.0), t)[1]
        for t in ((1.0, 0.0), (0.0, 1.0))
    )
    ln_price = jnp.log(gamma * G * by_tokens / by_rl)

    def ln_rl(ln_d: Scalar) -> Scalar:
        _, by_ln_d = jax.jvp(lambda v: scenario.law.reducible(jnp.inf, jnp.exp(v)), (ln_d,), (1.0 + 0.0 * ln_d,))
        return (ln_price - jnp.log(jnp.maximum(-by_ln_d, _TINY)) + ln_d) / (1 + gamma)

    return ln_rl


def _cut(scenario: Scenario, ln_n: Scalar, ln_d: Scalar) -> Scalar:
    """By how much ln D must shrink to keep the limits that it moves."""

    def passed(ln_d: Scalar) -> list[Scalar]:
        return list(limit_excess(scenario, _design(scenario, ln_n, ln_d, 0.0 * ln_d)).values())

    excess, slopes = jax.jvp(passed, (ln_d,), (1.0 + 0.0 * ln_d,))
    cuts = [jnp.where(s > 1e-6, e / jnp.maximum(s, 1e-6), -_WORST) for e, s in zip(excess, slopes, strict=True)]
    return jnp.max(jnp.stack([jnp.asarray(c, float) for c in cuts] or [-_WORST + 0.0 * ln_d]))


def _imbalance(scenario: Scenario, ln_n: Scalar, ln_d: Scalar, ln_r: Scalar) -> Scalar:
    """ln(eN / eD) - ln((dC/dn) / (dC/dd)): rises with D through 0 where N is the best size."""

    def rows(ln_n: Scalar, ln_d: Scalar) -> tuple[Scalar, Scalar]:
        design = _design(scenario, ln_n, ln_d, ln_r)
        return jnp.log(reducible_loss(scenario, design)), jnp.log(_moving(scenario, design))

    one, zero = 1.0 + 0.0 * ln_d, 0.0 * ln_d
    _, (loss_n, cost_n) = jax.jvp(rows, (ln_n + zero, ln_d), (one, zero))
    _, (loss_d, cost_d) = jax.jvp(rows, (ln_n + zero, ln_d), (zero, one))
    # Data that is used up buys nothing more: the logarithm of a tiny number stands for minus infinity.
    return jnp.log(-loss_n) - jnp.log(jnp.maximum(-loss_d, _TINY)) - jnp.log(cost_n) + jnp.log(cost_d)


def _sampler(scenario: Scenario, at: Callable[[Scalar], _At]) -> Callable[[Scalar], _Sample]:
    def sample(v: Scalar) -> _Sample:
        if isinstance(scenario.goal, ParamsGoal):  # the first-order condition is the slope
            point = at(v)
            return _Sample(v, point.value, point.equation, point.excess, 0.0 * v, 0.0 * v)
        point, slopes = jax.jvp(at, (v,), (1.0 + 0.0 * v,))
        turn = jnp.expm1(jnp.minimum(point.equation, 50.0))
        return _Sample(v, point.value, slopes.value, point.excess, slopes.excess, turn)

    return sample


def _bracket(
    sample: Callable[[Scalar], _Sample], at: Callable[[Scalar], _At], rounds: Scalar
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
    guess = jnp.where(i % 3 < 2, ridders, kink)
    guess = jnp.where(low.outside, low.v - low.excess / low.excess_slope, guess)
    guess = jnp.where(high.outside & ~low.outside, high.v - high.excess / high.excess_slope, guess)
    inside = (guess > low.v) & (guess < high.v)
    return _replaced(sample(jnp.where(inside, guess, (low.v + high.v) / 2)), low, high)


def _replaced(new: _Sample, low: _Sample, high: _Sample) -> tuple[_Sample, _Sample]:
    rises = new.uphill > 0
    return _choose(rises, low, new), _choose(rises, new, high)


def _choose(condition: Scalar, yes: _Sample, no: _Sample) -> _Sample:
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), yes, no)


def _refined(scenario: Scenario, at: Callable[[Scalar], _At], low: _Sample, high: _Sample) -> Scalar:
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


def _kkt_residual(scenario: Scenario, point: _At, low: _Sample, high: _Sample) -> Scalar:
    """The largest of stationarity, relative to the objective's gradient, and violation, all in logarithms."""
    optimised = isinstance(scenario.rl, OptimisedRL)
    x = jnp.stack([point.ln_n, point.ln_d, *((point.ln_r,) if optimised else ())])
    values, gradients = row_values(scenario, x), jax.jacfwd(row_values, argnums=1)(scenario, x)
    limited = slice(_LIMITS, _LIMITS + len(limit_names(scenario)))  # what follows are regimes of the cost
    cost, level, limits = values[_COST], values[_LOSS], values[limited]
    objective, held, miss = gradients[_COST], gradients[_LOSS], 0.0
    match scenario.goal:
        case LossGoal():
            miss = level - jnp.log(target_reducible_loss(scenario))
        case BudgetGoal(budget=budget):
            objective, held = gradients[_LOSS], gradients[_COST]
            miss = cost - jnp.log(budget - fixed_cost(scenario))
        case ParamsGoal(params=params):
            miss = jnp.abs(point.ln_n - jnp.log(params))
    slack = jnp.concatenate([jnp.atleast_1d(miss), limits])
    normals = jnp.concatenate([held[None], gradients[limited]])
    first = jnp.argmax(slack)
    second = jnp.argmax(jnp.where(jnp.arange(slack.shape[0]) == first, -jnp.inf, slack)) if len(slack) > 1 else first
    near = slack > -1e-8
    left = _unexplained(objective, *(jnp.where(near[i], normals[i], 0.0) for i in (first, second)))
    left = left / jnp.max(jnp.abs(objective))
    turned = ~low.outside & ~high.outside & (low.slope <= 0) & (high.slope >= 0)
    left = jnp.where(turned & (high.v - low.v < 1e-10), jnp.minimum(left, high.v - low.v), left)
    violation = jnp.max(jnp.maximum(limits, 0.0), initial=0.0)
    both = jnp.abs(miss) if not isinstance(scenario.goal, BudgetGoal) else jnp.maximum(miss, 0.0)
    return jnp.maximum(jnp.maximum(left, violation), both)


def _unexplained(gradient: Scalar, one: Scalar, two: Scalar) -> Scalar:
    """The largest entry of gradient + a one + b two for the best a, b >= 0."""

    def along(normal: Scalar, rest: Scalar) -> Scalar:
        return jnp.maximum(-(normal @ rest) / jnp.maximum(normal @ normal, _TINY), 0.0)

    oo, ot, tt = one @ one, one @ two, two @ two
    det = oo * tt - ot * ot
    a = -(tt * (one @ gradient) - ot * (two @ gradient)) / jnp.where(det == 0, 1.0, det)
    b = -(oo * (two @ gradient) - ot * (one @ gradient)) / jnp.where(det == 0, 1.0, det)
    tries = [along(one, gradient) * one, along(two, gradient) * two]
    tries += [jnp.where((det > 0) & (a >= 0) & (b >= 0), a * one + b * two, tries[0])]
    return jnp.min(jnp.stack([jnp.max(jnp.abs(gradient + t)) for t in tries]))
