"""Which designs meet the goal? One curve of them, since the goal takes one decision away, with one coordinate v:

| goal, policy       | v                                  | the rest of the design                                           |
|--------------------|------------------------------------|------------------------------------------------------------------|
| loss               | logit of the share of l left to D  | N and D from their shares, repetition inverted in closed form    |
| budget             | ln N                               | D from what N leaves of the budget, or the first limit on D      |
| loss, R decided    | ln D                               | R buys as much loss per cost as D; N from the rest of the loss   |
| budget, R decided  | ln D                               | R as above; N from the budget                                    |
| params             | ln D                               | N is given; v solves the first-order condition, up to a limit    |

Cost and limits are used as black boxes of (N, D, R): the cost affine in D and R, and nothing assumed of N, so it may be piecewise smooth
and neither convex nor linear in N. `search` finds the best point.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ..assumptions.goal import BudgetGoal, LossGoal, ParamsGoal
from ..assumptions.law import Law, RepetitionLaw
from ..assumptions.rl import FixedFlopsRL, OptimisedRL
from ..assumptions.scenario import Scenario
from ..model.cost import Design, design_of, fixed_cost, lifecycle_cost
from ..model.limits import limit_excess
from ..model.quality import reducible_loss, target_reducible_loss
from .base import unlimited
from .feasibility import SMALLEST_USEFUL, ln_useful_tokens

__all__ = ["At", "Scalar", "curve", "design_at_point", "tokens_cut"]

Scalar = Any
"""One number of one scenario; batches are made by vmap."""

_TYPICAL_PARAMS = 1e10
_WORST = 1e6
_TINY = 1e-300


class At(NamedTuple):
    """One point of the curve: decisions in logarithms, what is minimised, and how far limits are passed."""

    ln_n: Scalar
    ln_d: Scalar
    ln_r: Scalar
    value: Scalar
    excess: Scalar
    equation: Scalar
    """goal params: the first-order condition; budget: below 0 where the budget decides D, above 0 where a limit on D does first"""


def moving_cost(scenario: Scenario, design: Design) -> Scalar:
    cost = lifecycle_cost(scenario, design)
    return cost.total - cost.rl if isinstance(scenario.rl, FixedFlopsRL) else cost.total


def curve(scenario: Scenario) -> Callable[[Scalar], At]:
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
    ) -> At:
        design = design_at_point(scenario, ln_n, ln_d, ln_r)
        # A budget cuts D where a limit on it comes first, so only limits on N are left to pass: those that one token meets.
        limited = design_of(scenario, design.n_params, 1.0) if cuts else design
        passed = [over, *limit_excess(scenario, limited).values()]
        excess = jnp.max(jnp.stack([jnp.asarray(e, float) for e in passed]))
        return At(ln_n, ln_d, ln_r, jnp.log(minimise(scenario, design)), excess, jnp.asarray(corner))

    match goal:
        case LossGoal() if not optimised:
            ln_l = jnp.log(target_reducible_loss(scenario))

            def at(v: Scalar) -> At:
                ln_n = (jnp.log(law.A) - ln_l + _softplus(v)) / law.alpha
                ln_worth = (jnp.log(law.B) - ln_l + _softplus(-v)) / law.beta
                ln_d, over = _tokens_worth(scenario.law, ln_worth)
                return finish(ln_n, ln_d, 0.0 * v, moving_cost, over)

        case LossGoal():
            target = target_reducible_loss(scenario)
            ln_middle = jnp.log(middle.train_tokens)

            def at(v: Scalar) -> At:
                ln_d, ln_r = ln_middle + v, paired(ln_middle + v)
                spent = reducible_loss(scenario, Design(jnp.inf, jnp.exp(ln_d), jnp.exp(ln_r)))
                ln_n = (jnp.log(law.A) - jnp.log(jnp.maximum(target - spent, target * 1e-15))) / law.alpha
                return finish(ln_n, ln_d, ln_r, moving_cost, jnp.log(spent / target))

        case BudgetGoal(budget=budget) if not optimised:
            left = budget - fixed_cost(scenario)
            ln_middle = jnp.log(middle.n_params)

            def at(v: Scalar) -> At:
                ln_n = ln_middle + v
                n = jnp.exp(ln_n)
                base, slope = jax.jvp(
                    lambda d: moving_cost(scenario, design_of(scenario, n, d)), (0.0 * n,), (1.0 + 0.0 * n,)
                )
                # Below the smallest useful run the design is outside; below half of it D stands still, so that slopes stay finite.
                ln_d = jnp.log(jnp.maximum((left - base) / slope, SMALLEST_USEFUL / 2))
                corner = tokens_cut(scenario, ln_n, ln_d)
                over = jnp.log((base + slope * SMALLEST_USEFUL) / left)
                return finish(ln_n, ln_d - jnp.maximum(corner, 0.0), 0.0 * v, reducible_loss, over, corner)

        case BudgetGoal(budget=budget):
            ln_left = jnp.log(budget - fixed_cost(scenario))
            ln_middle = jnp.log(middle.train_tokens)

            def at(v: Scalar) -> At:
                ln_d, ln_r = ln_middle + v, paired(ln_middle + v)
                ln_n = jnp.log(_TYPICAL_PARAMS) + 0.0 * v
                for _ in range(2):  # one is exact for a cost linear in N
                    ln_n = ln_n + ln_left - jnp.log(moving_cost(scenario, design_at_point(scenario, ln_n, ln_d, ln_r)))
                return finish(ln_n, ln_d, ln_r, reducible_loss)

        case ParamsGoal(params=params):
            ln_n, ln_middle = jnp.log(params), jnp.log(middle.train_tokens)

            def at(v: Scalar) -> At:
                ln_d, ln_r = ln_middle + v, paired(ln_middle + v)
                slope = _imbalance(scenario, ln_n, ln_d, ln_r)
                return At(ln_n + 0.0 * v, ln_d, ln_r, jnp.abs(slope), -jnp.inf + 0.0 * v, slope)

    return at


def _softplus(v: Scalar) -> Scalar:
    """ln(1 + e^v) for |v| up to 40, to rounding of the logarithms it is added to; half the time of log1p."""
    return jnp.log(1 + jnp.exp(v))


def design_at_point(scenario: Scenario, ln_n: Scalar, ln_d: Scalar, ln_r: Scalar) -> Design:
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
    """ln R by ln D, where R buys as much loss per cost as D: gamma G R^(-gamma - 1) / (dC/dR) = -dl/dD / (dC/dD)."""
    assert isinstance(scenario.rl, OptimisedRL)
    G, gamma = scenario.rl.return_term(scenario.law)
    by_tokens, by_rl = (
        jax.jvp(lambda d, r: moving_cost(scenario, Design(_TYPICAL_PARAMS, d, r)), (1.0, 1.0), t)[1]
        for t in ((1.0, 0.0), (0.0, 1.0))
    )
    ln_price = jnp.log(gamma * G * by_tokens / by_rl)

    def ln_rl(ln_d: Scalar) -> Scalar:
        _, by_ln_d = jax.jvp(lambda v: scenario.law.reducible(jnp.inf, jnp.exp(v)), (ln_d,), (1.0 + 0.0 * ln_d,))
        return (ln_price - jnp.log(jnp.maximum(-by_ln_d, _TINY)) + ln_d) / (1 + gamma)

    return ln_rl


def tokens_cut(scenario: Scenario, ln_n: Scalar, ln_d: Scalar) -> Scalar:
    """By how much ln D must shrink to keep the limits that it moves, and for its last tokens to add anything."""

    def passed(ln_d: Scalar) -> list[Scalar]:
        return list(limit_excess(scenario, design_at_point(scenario, ln_n, ln_d, 0.0 * ln_d)).values())

    excess, slopes = jax.jvp(passed, (ln_d,), (1.0 + 0.0 * ln_d,))
    cuts = [jnp.where(s > 1e-6, e / jnp.maximum(s, 1e-6), -_WORST) for e, s in zip(excess, slopes, strict=True)]
    if isinstance(scenario.law, RepetitionLaw):
        cuts.append(ln_d - ln_useful_tokens(scenario.law))
    return jnp.max(jnp.stack([jnp.asarray(c, float) for c in cuts] or [-_WORST + 0.0 * ln_d]))


def _imbalance(scenario: Scenario, ln_n: Scalar, ln_d: Scalar, ln_r: Scalar) -> Scalar:
    """ln(eN / eD) - ln((dC/dn) / (dC/dd)): rises with D through 0 where N is the best size."""

    def rows(ln_n: Scalar, ln_d: Scalar) -> tuple[Scalar, Scalar]:
        design = design_at_point(scenario, ln_n, ln_d, ln_r)
        return jnp.log(reducible_loss(scenario, design)), jnp.log(moving_cost(scenario, design))

    one, zero = 1.0 + 0.0 * ln_d, 0.0 * ln_d
    _, (loss_n, cost_n) = jax.jvp(rows, (ln_n + zero, ln_d), (one, zero))
    _, (loss_d, cost_d) = jax.jvp(rows, (ln_n + zero, ln_d), (zero, one))
    # Data that is used up buys nothing more: the logarithm of a tiny number stands for minus infinity.
    return jnp.log(-loss_n) - jnp.log(jnp.maximum(-loss_d, _TINY)) - jnp.log(cost_n) + jnp.log(cost_d)
