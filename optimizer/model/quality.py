"""The quality of a design: the loss under the scenario's law and RL policy, and the loss that a goal requires.

    L = E + l,    l = z^law.gamma + c D^g N^-h,    z = A N^-alpha + B D'^-beta + G R^-rl.gamma,

where the last term of z exists only when RL tokens are optimised, the second one of l only when a loss is counted for serving in few bits
(`assumptions.quantisation`), and law.gamma is 1 for all laws but coupled ones. The reducible part l is what the optimiser works with: it
keeps its digits where L is close to E.
"""

import jax.numpy as jnp
from jax.core import Tracer

from ..assumptions.goal import LossGoal
from ..assumptions.quantisation import added_loss, quantised
from ..assumptions.quantity import Numeric
from ..assumptions.scenario import Scenario
from .cost import Design

__all__ = [
    "as_good_as",
    "inner_sum",
    "ln_reducible_loss",
    "loss",
    "loss_of_few_bits",
    "reducible_loss",
    "served",
    "target_inner_sum",
    "target_reducible_loss",
]


def inner_sum(scenario: Scenario, design: Design) -> Numeric:
    """z: the sum of what parameters, tokens and RL tokens leave to be removed; l is its power."""
    law = scenario.law
    return law.inner(design.n_params, design.train_tokens) + scenario.rl.inner(law, design.rl_tokens)


def reducible_loss(scenario: Scenario, design: Design) -> Numeric:
    """l: the part of the loss that more parameters or RL tokens remove, and more tokens up to a point (nat/token)."""
    return scenario.law.reducible_of(inner_sum(scenario, design)) + loss_of_few_bits(scenario, design)


def loss_of_few_bits(scenario: Scenario, design: Design) -> Numeric:
    """c D^g N^-h: the part of l that serving in few bits adds (nat/token); 0 where none is counted."""
    if not quantised(scenario):
        return 0.0
    return added_loss(scenario).at(design.n_params, design.train_tokens)


def ln_reducible_loss(scenario: Scenario, design: Design) -> Numeric:
    """ln l: law.gamma ln z where few bits add nothing, exact where law.gamma is 1. Convex in logarithms, as ln(e^f + e^g) is for f and g
    that are.
    """
    return served(scenario, design, jnp.log(inner_sum(scenario, design)))


def served(scenario: Scenario, design: Design, ln_inner: Numeric) -> Numeric:
    """ln l of a design whose ln z is `ln_inner`."""
    by_law = scenario.law.ln_reducible_of(ln_inner)
    if not quantised(scenario):
        return by_law
    return by_law + jnp.log1p(loss_of_few_bits(scenario, design) / jnp.exp(by_law))


def loss(scenario: Scenario, design: Design) -> Numeric:
    """L = E + l (nat/token)."""
    return scenario.law.chinchilla.E + reducible_loss(scenario, design)


def target_reducible_loss(scenario: Scenario) -> Numeric:
    """l that a loss goal asks for (nat/token): goal.loss - E, or l of the design that the goal names, served without loss.

    Raises:
        TypeError: the scenario's goal is not a loss goal.

    """
    goal = scenario.goal
    if not isinstance(goal, LossGoal):
        raise TypeError(f"goal.kind must be 'loss', got {goal.kind!r}")
    if goal.loss is not None:
        return goal.loss - scenario.law.chinchilla.E
    assert goal.like_params is not None
    tokens = scenario.law.train_optimal_tokens(goal.like_params) if goal.like_tokens is None else goal.like_tokens
    rl_tokens = goal.like_params * 0.0 if goal.like_rl_tokens is None else goal.like_rl_tokens
    return scenario.law.reducible_of(inner_sum(scenario, Design(goal.like_params, tokens, rl_tokens)))


def as_good_as(scenario: Scenario, design: Design) -> LossGoal:
    """The goal to reach the loss of a design: plain numbers where these are given, pure JAX where they are traced."""
    if quantised(scenario):  # a model to be as good as is served without loss
        level = loss(scenario, design)
        return LossGoal(loss=1.0).model_copy(update={"loss": level if isinstance(level, Tracer) else float(level)})
    n, d, r = design
    like = {"like_params": n, "like_tokens": d, "like_rl_tokens": r if scenario.rl.decided else None}
    return LossGoal(like_params=1.0).model_copy(update=like)


def target_inner_sum(scenario: Scenario) -> Numeric:
    """z that a loss goal asks for where few bits add nothing; NaN where its target lies below E."""
    return scenario.law.inner_of(target_reducible_loss(scenario))
