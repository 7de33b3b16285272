"""The optimum as one scalar root, in pure JAX, for problems that decide N and D only, without binding limits or repeated data."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array

from ..assumptions.attention import attends
from ..assumptions.goal import BudgetGoal, LossGoal, ParamsGoal, TokensGoal
from ..assumptions.quantisation import quantised
from ..assumptions.quantity import Numeric
from ..assumptions.rl import CostShareRL, FixedTokensRL, RatioRL
from ..assumptions.scenario import Scenario
from ..model.cost import Design, LifecycleCost, design_of, fixed_cost, lifecycle_cost
from ..model.limits import limit_excess, limit_names
from ..model.quality import loss, target_inner_sum, target_reducible_loss
from .equation import Reduced, reduced_optimum
from .feasibility import SMALLEST_USEFUL

__all__ = ["Optimum", "has_answer", "in_base_class", "optimum", "separable", "unlimited"]


class Optimum(NamedTuple):
    """The optimum of the base problem: N and D decided, no limits, fresh data. Every field has the shape of the scenario's leaves."""

    design: Design
    cost: LifecycleCost
    loss: Numeric
    """nat/token"""
    kkt_residual: Numeric
    """relative violation of the first-order condition and of the goal"""
    in_class: Numeric
    """whether the base problem is the whole problem: no limit is passed, no data is repeated"""
    possible: Numeric
    """whether there is an answer: the target lies above E, the budget pays for the cheapest useful run"""


def in_base_class(scenario: Scenario) -> bool:
    """Whether nothing but N and D is decided, so that one equation answers: hundreds of such optima take no longer than one."""
    decided = scenario.rl.decided or limit_names(scenario)
    return scenario.law.plain and not decided and separable(scenario)


def separable(scenario: Scenario) -> bool:
    """Whether the cost is N (k D + K) and a constant, without attention and step times, and N and D have terms of the loss of their own,
    without that of few bits.
    """
    return not (scenario.serving.by_roofline or attends(scenario) or quantised(scenario))


def unlimited(scenario: Scenario, at_params: float = 1.0) -> Reduced:
    """N*, D* with fresh data and no limits, from the cost per parameter at `at_params` (a cost linear in N has it everywhere)."""
    law = scenario.law.chinchilla
    # Cost is N (k D + K) + fixed. RL enters one of the three: adding it to two and taking it away again would cost the reverse
    # derivative its digits, k being 1e15 times smaller than K.
    rl_tokens = () if not scenario.rl.decided else (0.0,)
    cost = lifecycle_cost(scenario, design_of(scenario, at_params, 1.0, *rl_tokens))
    k, K = cost.pretraining, cost.prefill + cost.decode
    match scenario.rl:
        case RatioRL() | CostShareRL():
            k = k + cost.rl
        case FixedTokensRL():
            K = K + cost.rl
    ratio = jnp.maximum(K / k, 1e-300)
    match scenario.goal:
        case ParamsGoal(params=params):
            goal, asked = "params", params
        case TokensGoal(tokens=tokens):
            goal, asked = "tokens", tokens
        case BudgetGoal(budget=budget):
            goal, asked = "budget", (budget - fixed_cost(scenario)) * at_params / k
        case LossGoal():
            goal, asked = "loss", target_inner_sum(scenario)
    return reduced_optimum(goal, law.A, law.B, law.alpha, law.beta, asked, ratio)


def optimum(scenario: Scenario) -> Optimum:
    """The optimum of one scenario of the base class, in closed form up to one scalar root: pure JAX, differentiable, mappable.

    Args:
        scenario: any goal, any RL policy but 'optimised'. Limits and repetition are not enforced but reported in `in_class`.

    Returns:
        The optimum; NaN where there is none (a target at or below E, a budget that RL alone exceeds).

    Raises:
        TypeError: RL tokens are decided too, the cost is not N (k D + K), or few bits add a loss; there the problem has no single equation.

    """
    if not separable(scenario):
        raise TypeError(
            "attention and the roofline make a cost that is not N (k D + K), few bits a loss that is not one of N and one of D; use solve"
        )
    if scenario.rl.decided:
        raise TypeError("rl.policy = 'optimised' decides R as well as N and D; use solve")
    n, d, residual = unlimited(scenario)
    design = design_of(scenario, n, d)
    excess = [e > 1e-12 for e in limit_excess(scenario, design).values()]
    law = scenario.law
    repeats = [
        worth < amount * (1 - 1e-15) for worth, amount in ((law.effective_params(n), n), (law.effective_tokens(d), d))
    ]
    in_class = ~jnp.any(jnp.stack([jnp.asarray(e) for e in (*repeats, *excess)]), axis=0)
    useful = (n >= SMALLEST_USEFUL) & (d >= SMALLEST_USEFUL)
    return Optimum(
        design=design,
        cost=lifecycle_cost(scenario, design),
        loss=loss(scenario, design),
        kkt_residual=residual,
        in_class=in_class,
        possible=has_answer(scenario) & (useful | ~in_class),  # a limit may lift a design that is too small
    )


def has_answer(scenario: Scenario) -> Array:
    """Whether the goal alone leaves an answer: a target above E, a budget that pays for the cheapest useful run."""
    match scenario.goal:
        case LossGoal():
            return jnp.asarray(target_reducible_loss(scenario) > 0)
        case BudgetGoal(budget=budget):
            rl_tokens = (SMALLEST_USEFUL,) if scenario.rl.decided else ()
            smallest = design_of(scenario, SMALLEST_USEFUL, SMALLEST_USEFUL, *rl_tokens)
            return jnp.asarray(budget >= lifecycle_cost(scenario, smallest).total)
        case ParamsGoal() | TokensGoal():
            return jnp.asarray(True)
