"""Search for the optimum on the curve of designs that meet the goal, for any cost, with limits and repeated data.

A coarse scan of the coordinate v finds the best point; its neighbours are the bracket. Each round samples the midpoint and one guess, and
keeps the ends between which the slope turns from falling to rising:

    value
      |  o low              o high     what decides                which guess closes in on it
      |   .                .           slope = 0                   Ridders' method, where the slope is smooth
      |    .    o         .            a kink of the cost          the crossing of the tangents of both ends
      |      .          .              a limit on D takes over     the root of the line through the ends' distances from that turn
      |         . o . guess            a limit on the design       a Newton step on the excess of the end that passes it
      +-------------------------- v

The midpoint bounds the number of rounds where every guess fails. Last come Newton steps on the equation that holds at the optimum
(slope = 0, limit = 0, turn = 0), which carry the derivatives of the answer by the implicit function theorem, in forward and reverse mode.

References:
    Ridders 1979, A new algorithm for computing a single root of a real continuous function.

"""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..assumptions.goal import BudgetGoal, DecidedGoal
from ..assumptions.scenario import Scenario
from ..model.cost import Design, LifecycleCost, lifecycle_cost
from .base import has_answer
from .certificate import judge
from .curve import At, Curve, Place, Scalar, curve, design_at_point, tokens_cut, within_limits
from .feasibility import SMALLEST_USEFUL
from .tabulated import Table, by_table, corrected, roughly

__all__ = ["ROUNDS", "Around", "OnCurve", "optimum_on_curve"]

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
    cost: LifecycleCost
    kkt_residual: Scalar
    """of the KKT conditions in logarithms, recomputed from the design; at a kink of the cost, the width of the bracket"""
    excess: Scalar
    """ln(quantity / bound) of every limit at the design, in the order of `limit_excess`"""
    possible: Scalar
    """whether some design on the curve keeps the limits, and is large enough to mean anything"""
    smooth: Scalar
    """whether an equation holds the design, which gives its derivatives: not on a kink of the cost"""


class _Sample(NamedTuple):
    v: Scalar
    value: Scalar
    slope: Scalar
    excess: Scalar
    excess_slope: Scalar
    turn: Scalar
    """relative distance to the point where a limit on D takes over from the budget; 0 for goals params and tokens"""

    @property
    def outside(self) -> Scalar:
        return self.excess > _TOLERANCE

    @property
    def uphill(self) -> Scalar:
        """The slope of what has to fall first: the excess outside the limits, the value inside."""
        return jnp.where(self.outside, self.excess_slope, self.slope)


class Around(NamedTuple):
    """Coordinates of the curve between which the optimum is known to lie."""

    left: Scalar
    right: Scalar
    known: Scalar
    """above 0 where they are; else the scan finds them. The same for all rows of a batch"""


def optimum_on_curve(
    scenario: Scenario, rounds: Scalar = ROUNDS, around: Around | None = None, table: Table | None = None
) -> OnCurve:
    """The optimum of one scenario with its limits, repeated data and decided RL tokens: pure JAX, differentiable, mappable.

    Args:
        scenario: the question.
        rounds: how often the bracket may be narrowed. Most scenarios take three to five and kinks of the cost up to twenty; the residual
            shows which had too few.
        around: where to search, in place of the scan.
        table: what the deployment needs, for goal `loss` without decided RL tokens. The answer is exact, and has no derivatives.

    Returns:
        The design with its residual. Where the residual is not small (a limit on D while R is decided, goals 'params' and 'tokens' beyond a
        limit) this search does not cover the scenario: use `solve`.

    """
    needs, rough = (None, None) if table is None else (by_table(scenario, table), roughly(table))
    on = curve(scenario, needs)
    sample = _sampler(scenario, on.at)
    low, high = lax.stop_gradient(_bracket(sample, _merit(scenario, curve(scenario, rough)), rounds, around))
    if table is not None:
        needs = corrected(scenario, table, on.place(_deciding(low, high).start.v).ln_n)
        sample = _sampler(scenario, curve(scenario, needs).at)
    refined, smooth = _refined(scenario, sample, low, high)
    place = found = on.place(refined)
    if isinstance(scenario.goal, DecidedGoal) and not scenario.rl.decided:
        place = within_limits(scenario, place)  # a limit takes the place of the first-order condition
    if isinstance(scenario.goal, BudgetGoal) and scenario.law.repeats and not scenario.rl.decided:
        place = _unspent(scenario, place, scenario.goal.budget)
    judged = judge(scenario, place.ln_n, place.ln_d, place.ln_r, needs)
    design = judged.design
    passed = place.over if isinstance(scenario.goal, DecidedGoal) else jnp.maximum(place.over, judged.excess.max())
    large = (design.n_params >= SMALLEST_USEFUL) & (design.train_tokens >= SMALLEST_USEFUL)
    # A kink of the cost has no gradient: where the slope turns within the width of the bracket, that is the error.
    turned = ~low.outside & ~high.outside & (low.slope <= 0) & (high.slope >= 0) & (high.v - low.v < 1e-10)
    residual = lax.stop_gradient(judged.residual.total(jnp.where(turned, high.v - low.v, jnp.inf)))
    smooth |= (place.ln_n != found.ln_n) | (place.ln_d != found.ln_d)
    return OnCurve(design, judged.cost, residual, judged.excess, (passed < 1e-9) & large & has_answer(scenario), smooth)


def _unspent(scenario: Scenario, place: Place, budget: Scalar) -> Place:
    """All of N and D that is worth its money, where the budget pays for it and limits on N allow it; else the place that was found."""
    ln_n, ln_d = scenario.law.ln_useful_params, scenario.law.ln_useful_tokens
    cut, held = tokens_cut(scenario, ln_n, ln_d)
    ln_d = ln_d - jnp.maximum(cut, 0.0)
    paid = lifecycle_cost(scenario, design_at_point(scenario, ln_n, ln_d, 0.0 * ln_d)).total <= budget
    enough = paid & (held <= _TOLERANCE)
    return place._replace(
        ln_n=jnp.where(enough, ln_n, place.ln_n),
        ln_d=jnp.where(enough, ln_d, place.ln_d),
        over=jnp.where(enough, -jnp.inf, place.over),
    )


def _sampler(scenario: Scenario, at: Callable[[Scalar], At]) -> Callable[[Scalar], _Sample]:
    def sample(v: Scalar) -> _Sample:
        if isinstance(scenario.goal, DecidedGoal):  # the first-order condition is the slope
            point = at(v)
            return _Sample(v, point.value, point.equation, point.excess, 0.0 * v, 0.0 * v)
        point, slopes = jax.jvp(at, (v,), (1.0 + 0.0 * v,))
        turn = jnp.expm1(jnp.minimum(point.equation, 50.0))
        return _Sample(v, point.value, slopes.value, point.excess, slopes.excess, turn)

    return sample


def _merit(scenario: Scenario, on: Curve) -> Callable[[Scalar, Scalar], tuple[Scalar, Scalar]]:
    """What the scan looks for, least first, from a coordinate and what it carried from the one before; and what it carries on.

    The least value within the limits. With N or D decided, the last turn of the first-order condition from falling to rising: a run may
    be the best of several sizes, each for its own loss, of which the largest has the lowest.
    """

    def merit(v: Scalar, before: Scalar) -> tuple[Scalar, Scalar]:
        point = on.at(v)
        if isinstance(scenario.goal, DecidedGoal):
            turns = (before < 0) & (point.equation >= 0) & (on.place(v).ln_n >= math.log(SMALLEST_USEFUL))
            return jnp.where(turns, -_WORST - v, point.value), point.equation
        return jnp.where(point.excess > _TOLERANCE, _WORST + point.excess, point.value), before

    return merit


def _bracket(
    sample: Callable[[Scalar], _Sample],
    merit: Callable[[Scalar, Scalar], tuple[Scalar, Scalar]],
    rounds: Scalar,
    around: Around | None,
) -> tuple[_Sample, _Sample]:
    """Two points around the best of the scan, as close as numbers allow, between which the slope turns from falling to rising.

    The curve is sampled once a turn and in one place of the program, since every place costs seconds to compile: turns 0 and 1 sample the
    ends, and of every round that follows the first turn samples the midpoint and the second one the guess.
    """
    scan = jnp.asarray(_SCAN)

    def look(i: Scalar, best: Scalar) -> Scalar:
        least, index, before = best
        here, carried = merit(scan[i], before)
        better = here < least  # never for NaN
        return jnp.stack([jnp.where(better, here, least), jnp.where(better, i, index), carried])

    def narrow(state: Scalar) -> Scalar:
        turn, v, low, high = _unpacked(state)
        new = sample(v)
        first, second, at_middle = turn == 0, turn == 1, turn % 2 == 0
        narrower = _replaced(new, low, high)
        low_then = _choose(first, new, _choose(second, low, narrower[0]))
        high_then = _choose(first, high, _choose(second, new, narrower[1]))
        guess = _guess(turn // 2 - 1, new, (low, high), narrower)
        inside = at_middle & (guess > low_then.v) & (guess < high_then.v)
        then = jnp.where(inside, guess, (low_then.v + high_then.v) / 2)
        return _packed(turn + 1, jnp.where(first, high.v, then), low_then, high_then)

    def goes_on(state: Scalar) -> Scalar:
        turn, _, low, high = _unpacked(state)
        between_rounds = turn % 2 == 0
        return (turn < 2) | (turn < 2 + 2 * rounds) & ~(between_rounds & _settled(low, high))

    looks = len(_SCAN) if around is None else jnp.where(around.known > 0, 0, len(_SCAN))
    best = lax.fori_loop(0, looks, look, jnp.array([jnp.inf, 0.0, 0.0]))[1].astype(int)
    left, right = scan[jnp.maximum(best - 1, 0)], scan[jnp.minimum(best + 1, len(_SCAN) - 1)]
    if around is not None:
        left, right = (jnp.where(around.known > 0, *two) for two in ((around.left, left), (around.right, right)))
    zero = jnp.zeros(())
    unknown = [zero] * (len(_Sample._fields) - 1)
    state = lax.while_loop(goes_on, narrow, _packed(zero, left, _Sample(left, *unknown), _Sample(right, *unknown)))
    return _unpacked(state)[2:]


def _packed(turn: Scalar, v: Scalar, low: _Sample, high: _Sample) -> Scalar:
    """The state of the search as one array: every array that a loop carries is compiled for itself."""
    return jnp.stack([turn, v, *low, *high])


def _unpacked(state: Scalar) -> tuple[Scalar, Scalar, _Sample, _Sample]:
    turn, v, *fields = state
    size = len(_Sample._fields)
    return turn, v, _Sample(*fields[:size]), _Sample(*fields[size:])


def _settled(low: _Sample, high: _Sample) -> Scalar:
    """Whether the last Newton steps can take over: an end stands next to the point that decides, or nothing is left between the ends."""
    flattest = jnp.minimum(
        jnp.where(low.outside, jnp.inf, jnp.abs(low.slope)), jnp.where(high.outside, jnp.inf, jnp.abs(high.slope))
    )
    within = _choose(low.outside, high, low)
    turn_between = (low.turn * high.turn <= 0) & (low.turn != high.turn)
    on_slope_zero = flattest < 1e-7
    on_limit = (low.outside != high.outside) & (-within.excess < _TOLERANCE)
    on_turn = turn_between & (jnp.minimum(jnp.abs(low.turn), jnp.abs(high.turn)) < 1e-9)
    nothing_left = high.v - low.v < 1e-11
    return on_slope_zero | on_limit | on_turn | nothing_left


def _guess(rounds: Scalar, middle: _Sample, ends: tuple[_Sample, _Sample], halved: tuple[_Sample, _Sample]) -> Scalar:
    """Where the deciding point may lie, from a bracket's ends and midpoint, and from the half that is kept."""
    before, after = ends
    low, high = halved
    root = jnp.sqrt(jnp.maximum(middle.slope**2 - before.slope * after.slope, _TINY))
    ridders = middle.v - (after.v - before.v) / 2 * middle.slope / root
    tangents_cross = (high.value - low.value + low.slope * low.v - high.slope * high.v) / (low.slope - high.slope)
    turns = low.v + (high.v - low.v) * low.turn / (low.turn - high.turn)
    kink = jnp.where(low.turn * high.turn < 0, turns, tangents_cross)
    only_high_outside = high.outside & ~low.outside
    guess = jnp.where(rounds % 4 < 3, ridders, kink)  # a kink defeats Ridders' method: every fourth round looks for one
    guess = jnp.where(low.outside, low.v - low.excess / low.excess_slope, guess)
    return jnp.where(only_high_outside, high.v - high.excess / high.excess_slope, guess)


def _replaced(new: _Sample, low: _Sample, high: _Sample) -> tuple[_Sample, _Sample]:
    rises = new.uphill > 0
    return _choose(rises, low, new), _choose(rises, new, high)


def _choose(condition: Scalar, yes: _Sample, no: _Sample) -> _Sample:
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), yes, no)


class _Deciding(NamedTuple):
    """What decides the optimum, and the end of the bracket from which the last steps start."""

    start: _Sample
    limit: Scalar
    """the value still falls where a limit stops it: limit = 0"""
    jump: Scalar
    """the slope jumps inside a bracket that is closed: the turn from budget to limit, or a kink of the cost"""


def _deciding(low: _Sample, high: _Sample) -> _Deciding:
    turn_between = ~low.outside & ~high.outside & (low.turn * high.turn < 0)
    flatter = ~low.outside & (high.outside | (jnp.abs(low.slope) < jnp.abs(high.slope)))
    low_is_best = jnp.where(turn_between, jnp.abs(low.turn) < jnp.abs(high.turn), flatter)
    best, other = _choose(low_is_best, low, high), _choose(low_is_best, high, low)
    falls_outwards = best.slope * jnp.where(low_is_best, -1.0, 1.0) > 1e-9
    closed = (high.v - low.v < 1e-8) | (turn_between & (jnp.abs(best.turn) < 1e-6))
    jump = ~other.outside & (jnp.abs(best.slope) > 1e-6) & closed
    return _Deciding(best, other.outside & falls_outwards, jump)


def _refined(
    scenario: Scenario, sample: Callable[[Scalar], _Sample], low: _Sample, high: _Sample
) -> tuple[Scalar, Scalar]:
    """The coordinate after Newton steps on the equation that decides it, and whether there is one; the last step carries derivatives."""
    deciding, asks_for_size = _deciding(low, high), isinstance(scenario.goal, DecidedGoal)
    miss = deciding.start.slope if asks_for_size else deciding.start.turn
    # At a kink of the cost no equation holds: the point stays, and has no derivative.
    known = deciding.limit | ~deciding.jump | (jnp.abs(miss) < 1e-2)

    def equation(v: Scalar) -> Scalar:
        here = sample(v)
        if asks_for_size:
            return here.slope
        return jnp.where(deciding.limit, here.excess, jnp.where(deciding.jump, here.turn, here.slope))

    def step(v: Scalar, _: None) -> tuple[Scalar, Scalar]:
        v = lax.stop_gradient(v)
        value, slope = jax.jvp(equation, (v,), (jnp.ones_like(v),))
        moved = -value / lax.stop_gradient(slope)
        solved = lax.stop_gradient(known & (jnp.abs(moved) < 1e-2))
        return v + jnp.where(solved, moved, 0.0), solved

    v, solved = lax.scan(step, deciding.start.v, length=_LAST_STEPS)
    return v, solved[-1]
