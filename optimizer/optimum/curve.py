"""The curve of designs that meet the goal. The goal takes one decision away; what is left has one coordinate v:

| goal, policy       | v                                  | the rest of the design                                           |
|--------------------|------------------------------------|------------------------------------------------------------------|
| loss               | logit of the share of z left to D  | N and D from their shares, repetition inverted in closed form    |
| budget             | ln N                               | D from what N leaves of the budget, or the first limit on D      |
| loss, few bits     | ln D                               | N is the root of the loss, which falls with N (`few_bits`)       |
| loss, R decided    | ln D                               | R buys as much loss per cost as D; N from the rest of the loss   |
| budget, R decided  | ln D                               | R as above; N from the budget                                    |
| params             | ln D                               | N is given; v solves the first-order condition, up to a limit    |
| tokens             | ln N                               | D is given; the same, N and D exchanged                          |

Cost and limits are used as black boxes of (N, D, R): the cost affine in D and R, and nothing assumed of N, so it may be piecewise smooth
and neither convex nor linear in N. `search` finds the best point.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ..assumptions.goal import BudgetGoal, DecidedGoal, LossGoal, ParamsGoal, TokensGoal
from ..assumptions.quantisation import quantised
from ..assumptions.quantity import numpy_for
from ..assumptions.scenario import Scenario
from ..model.cost import Design, design_of, fixed_cost, lifecycle_cost, lifecycle_cost_served, moving_cost
from ..model.largest import largest
from ..model.limits import limit_excess, limit_names, straight_excess
from ..model.quality import ln_reducible_loss, target_inner_sum, target_reducible_loss
from .base import unlimited
from .feasibility import SMALLEST_USEFUL
from .few_bits import ln_params_of_loss
from .needs import NeedsAt
from .pairing import ln_rl_tokens

__all__ = ["At", "Curve", "Place", "Scalar", "curve", "design_at_point", "tokens_cut", "within_limits"]

Scalar = Any
"""One number of one scenario; batches are made by vmap."""

_TYPICAL_PARAMS = 1e10
_WORST = 1e6
_INWARDS = 6
"""Newton steps to a limit that curves."""
_TINY = 1e-300


class Place(NamedTuple):
    """One point of the curve: decisions in logarithms."""

    ln_n: Scalar
    ln_d: Scalar
    ln_r: Scalar
    over: Scalar
    """how far the point lies beyond the end of the curve, as a logarithm: above 0 where no design meets the goal"""
    turn: Scalar
    """budget: below 0 where the budget decides D, above 0 where a limit on D does first; -1 for other goals"""
    held: Scalar
    """budget, R not decided: the largest excess of the limits that D cannot mend, those that one token passes; -inf for other goals"""


class At(NamedTuple):
    """The values at a point: what is minimised, and how far limits are passed."""

    value: Scalar
    excess: Scalar
    equation: Scalar
    """goal params: the first-order condition; else the turn of `Place`"""


class Curve(NamedTuple):
    """The designs that meet the goal, by their coordinate."""

    place: Callable[[Scalar], Place]
    at: Callable[[Scalar], At]


def curve(scenario: Scenario, needs: NeedsAt | None = None) -> Curve:
    """The designs that meet the goal of a scenario.

    Args:
        scenario: the question.
        needs: of goal `loss` without decided RL tokens, what a deployment needs to serve a size, in place of the deployment's own.

    """
    place = _places(scenario)

    def at(v: Scalar) -> At:
        here = place(v)
        if isinstance(scenario.goal, DecidedGoal):
            slope = _imbalance(scenario, here.ln_n, here.ln_d, here.ln_r)
            slope = -slope if isinstance(scenario.goal, TokensGoal) else slope
            return At(jnp.abs(slope), -jnp.inf + 0.0 * v, slope)
        design = design_at_point(scenario, here.ln_n, here.ln_d, here.ln_r)
        passed = [here.over, here.held]
        if needs is not None:
            found = needs(here.ln_n)
            served = found.served._replace(decode=largest(jnp.asarray(found.served.decode)))
            cost = lifecycle_cost_served(scenario, design, served)
            passed += [*straight_excess(scenario, design).values(), *found.excess]
            excess = largest(jnp.stack([jnp.asarray(e, float) for e in passed]))
            return At(jnp.log(moving_cost(scenario, cost)), excess, here.turn)
        if not (isinstance(scenario.goal, BudgetGoal) and not scenario.rl.decided):
            passed += limit_excess(scenario, design).values()
        by_loss = isinstance(scenario.goal, BudgetGoal)
        value = ln_reducible_loss(scenario, design) if by_loss else jnp.log(_moving(scenario, design))
        excess = largest(jnp.stack([jnp.asarray(e, float) for e in passed]))
        return At(value, excess, here.turn)

    return Curve(place, at)


def _places(scenario: Scenario) -> Callable[[Scalar], Place]:
    goal, law, decided = scenario.goal, scenario.law.chinchilla, scenario.rl.decided
    if isinstance(goal, LossGoal) and not decided and not quantised(scenario):
        z = target_inner_sum(scenario)
        xp = numpy_for(z, law.A, law.B)
        ln_z, ln_A, ln_B = xp.log(z), xp.log(law.A), xp.log(law.B)

        def at_loss(v: Scalar) -> Place:
            ln_n, over_n = scenario.law.ln_params_worth((ln_A - ln_z + _softplus(v)) / law.alpha)
            ln_d, over_d = scenario.law.ln_tokens_worth((ln_B - ln_z + _softplus(-v)) / law.beta)
            return _place(ln_n, ln_d, over=numpy_for(over_n, over_d).maximum(over_n, over_d))

        return at_loss

    middle = unlimited(scenario, _TYPICAL_PARAMS)
    if isinstance(goal, BudgetGoal) and not decided:
        left, ln_middle = goal.budget - fixed_cost(scenario), jnp.log(middle.n_params)

        def at_budget(v: Scalar) -> Place:
            ln_n = ln_middle + v
            n = jnp.exp(ln_n)
            base, slope = jax.jvp(lambda d: _moving(scenario, design_of(scenario, n, d)), (0.0 * n,), (1.0 + 0.0 * n,))
            # Below the smallest useful run the design is outside; below half of it D stands still, so that slopes stay finite.
            ln_d = jnp.log(jnp.maximum((left - base) / slope, SMALLEST_USEFUL / 2))
            over = jnp.log((base + slope * SMALLEST_USEFUL) / left)
            # A budget cuts D where a limit on it comes first, so only limits on N are left to pass: those that one token meets.
            turn, held = tokens_cut(scenario, ln_n, ln_d)
            return _place(ln_n, ln_d - jnp.maximum(turn, 0.0), over=over, turn=turn, held=held)

        return at_budget

    if isinstance(goal, TokensGoal):
        ln_d, ln_size = jnp.log(goal.tokens), jnp.log(middle.n_params)

        def along_params(v: Scalar) -> Place:
            ln_n = ln_size + v
            ln_r = ln_rl_tokens(scenario, jnp.exp(ln_n))(ln_d) if decided else None
            return _place(ln_n, ln_d + 0.0 * v, ln_r, over=ln_d - scenario.law.ln_useful_tokens + 0.0 * v)

        return along_params

    ln_middle = jnp.log(middle.train_tokens)
    n_params = goal.params if isinstance(goal, ParamsGoal) else _TYPICAL_PARAMS
    paired = ln_rl_tokens(scenario, n_params) if decided else lambda ln_d: 0.0 * ln_d

    def along_tokens(v: Scalar) -> Place:
        ln_d, over = ln_middle + v, None
        ln_r = paired(ln_d)
        match goal:
            case LossGoal() if quantised(scenario):
                ln_n, over = ln_params_of_loss(scenario, ln_d, target_reducible_loss(scenario))
            case LossGoal():
                target = target_inner_sum(scenario)
                spent = scenario.law.tokens_term(jnp.exp(ln_d)) + scenario.rl.inner(scenario.law, jnp.exp(ln_r))
                left = jnp.log(jnp.maximum(target - spent, target * 1e-15))
                ln_n, over_n = scenario.law.ln_params_worth((jnp.log(law.A) - left) / law.alpha)
                over = jnp.maximum(jnp.log(spent / target), over_n)
            case BudgetGoal(budget=budget):
                ln_left, ln_n = jnp.log(budget - fixed_cost(scenario)), jnp.log(_TYPICAL_PARAMS) + 0.0 * v
                for _ in range(2):  # one is exact for a cost linear in N
                    ln_n = ln_n + ln_left - jnp.log(_moving(scenario, design_at_point(scenario, ln_n, ln_d, ln_r)))
            case ParamsGoal(params=params):
                ln_n = jnp.log(params) + 0.0 * v
                over = ln_n - scenario.law.ln_useful_params
        return _place(ln_n, ln_d, ln_r, over=over)

    return along_tokens


def _place(
    ln_n: Scalar,
    ln_d: Scalar,
    ln_r: Scalar = None,
    *,
    over: Scalar = None,
    turn: Scalar = None,
    held: Scalar = None,
) -> Place:
    """A point; what is left out limits nothing."""
    zero = 0.0 * ln_n
    given = (zero if ln_r is None else ln_r, zero - jnp.inf if over is None else over)
    return Place(ln_n, ln_d, *given, zero - 1.0 if turn is None else turn, zero - jnp.inf if held is None else held)


def _softplus(v: Scalar) -> Scalar:
    """ln(1 + e^v) for |v| up to 40, to rounding of the logarithms it is added to; half the time of log1p."""
    xp = numpy_for(v)
    return xp.log(1 + xp.exp(v))


def design_at_point(scenario: Scenario, ln_n: Scalar, ln_d: Scalar, ln_r: Scalar) -> Design:
    rl_tokens = (jnp.exp(ln_r),) if scenario.rl.decided else ()
    return design_of(scenario, jnp.exp(ln_n), jnp.exp(ln_d), *rl_tokens)


class Cut(NamedTuple):
    """What limits leave of D at a given N."""

    cut: Scalar
    """by how much ln D must shrink to keep the limits that it moves, and for its last tokens to add anything; below 0 where it may grow"""
    held: Scalar
    """the largest excess of all limits at one token; -inf where there is none"""


def tokens_cut(scenario: Scenario, ln_n: Scalar, ln_d: Scalar) -> Cut:
    """What limits leave of D at N; each is straight in ln D."""

    def passed(ln_d: Scalar) -> Scalar:
        design = design_at_point(scenario, ln_n, ln_d, 0.0 * ln_d)
        return jnp.stack([jnp.asarray(e, float) for e in limit_excess(scenario, design).values()])

    cut, held = -_WORST + 0.0 * ln_d, -jnp.inf + 0.0 * ln_d
    if limit_names(scenario):
        excess, slopes = jax.jvp(passed, (ln_d,), (1.0 + 0.0 * ln_d,))
        cut = largest(jnp.where(slopes > 1e-6, excess / jnp.maximum(slopes, 1e-6), -_WORST))
        held = largest(excess - slopes * ln_d)
    if scenario.law.repeats:
        cut = jnp.maximum(cut, ln_d - scenario.law.ln_useful_tokens)
    return Cut(cut, held)


def within_limits(scenario: Scenario, place: Place) -> Place:
    """A point of goal `params` or `tokens` whose other decision is moved inside the limits, by Newton steps: exact where a limit is
    straight in logarithms, from outside where it curves.
    """
    if isinstance(scenario.goal, ParamsGoal):
        cut = tokens_cut(scenario, place.ln_n, place.ln_d).cut
        return place._replace(ln_d=place.ln_d - jnp.maximum(cut, 0.0))
    if not limit_names(scenario):
        return place

    def passed(ln_n: Scalar) -> Scalar:
        design = design_at_point(scenario, ln_n, place.ln_d, place.ln_r)
        return jnp.stack([jnp.asarray(e, float) for e in limit_excess(scenario, design).values()])

    def step(ln_n: Scalar, _: None) -> tuple[Scalar, None]:
        excess, slopes = jax.jvp(passed, (ln_n,), (1.0 + 0.0 * ln_n,))
        steep = jnp.abs(slopes) > 1e-6
        moves = jnp.where(steep & (excess > 0), excess / jnp.where(steep, slopes, 1.0), 0.0)
        return ln_n - moves[jnp.argmax(jnp.abs(moves))], None

    return place._replace(ln_n=jax.lax.scan(step, place.ln_n, length=_INWARDS)[0])


def _imbalance(scenario: Scenario, ln_n: Scalar, ln_d: Scalar, ln_r: Scalar) -> Scalar:
    """ln(eN / eD) - ln((dC/dn) / (dC/dd)): rises with D and falls with N, through 0 where N is the best size."""

    def rows(ln_n: Scalar, ln_d: Scalar) -> tuple[Scalar, Scalar]:
        design = design_at_point(scenario, ln_n, ln_d, ln_r)
        return ln_reducible_loss(scenario, design), jnp.log(_moving(scenario, design))

    one, zero = 1.0 + 0.0 * ln_d, 0.0 * ln_d
    _, slopes = jax.linearize(rows, ln_n + zero, ln_d)
    (loss_n, cost_n), (loss_d, cost_d) = slopes(one, zero), slopes(zero, one)
    # Repetition that is used up buys nothing more: the logarithm of a tiny number stands for minus infinity.
    return (
        jnp.log(jnp.maximum(-loss_n, _TINY)) - jnp.log(jnp.maximum(-loss_d, _TINY)) - jnp.log(cost_n) + jnp.log(cost_d)
    )


def _moving(scenario: Scenario, design: Design) -> Scalar:
    return moving_cost(scenario, lifecycle_cost(scenario, design))
