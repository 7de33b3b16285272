"""The quality of a design: the loss under the scenario's law and RL policy, and the loss that a goal requires.

    L = E + l,    l = A N^-alpha + B D'^-beta + G R^-gamma,

where the last term exists only when RL tokens are optimised. The reducible part l is what the optimiser works with: it keeps its
digits where L is close to E.
"""

from ..assumptions.goal import LossGoal
from ..assumptions.quantity import Numeric
from ..assumptions.scenario import Scenario
from .cost import Design

__all__ = ["loss", "reducible_loss", "target_reducible_loss"]


def reducible_loss(scenario: Scenario, design: Design) -> Numeric:
    """l: the part of the loss that more parameters, tokens or RL tokens remove (nat/token)."""
    law = scenario.law
    return law.reducible(design.n_params, design.train_tokens) + scenario.rl.reducible(law, design.rl_tokens)


def loss(scenario: Scenario, design: Design) -> Numeric:
    """L = E + l (nat/token)."""
    return scenario.law.chinchilla.E + reducible_loss(scenario, design)


def target_reducible_loss(scenario: Scenario) -> Numeric:
    """l that a loss goal asks for (nat/token): goal.loss - E, or l of the design that the goal names.

    Raises:
        TypeError: the scenario's goal is not a loss goal.

    """
    goal = scenario.goal
    if not isinstance(goal, LossGoal):
        raise TypeError(f"goal.kind must be 'loss', got {goal.kind!r}")
    if goal.loss is not None:
        return goal.loss - scenario.law.chinchilla.E
    assert goal.like_params is not None
    assert goal.like_tokens is not None
    rl_tokens = goal.like_params * 0.0 if goal.like_rl_tokens is None else goal.like_rl_tokens
    return reducible_loss(scenario, Design(goal.like_params, goal.like_tokens, rl_tokens))
