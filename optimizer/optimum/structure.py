"""The form of a scenario that programs are compiled for.

No row of a program depends on the goal, on how a forecast is written down, or on whether a power of 1 is. Scenarios that differ in these
alone share their programs, and their answers to the last digit.
"""

from collections.abc import Hashable

import jax
import numpy as np

from ..assumptions.goal import BudgetGoal
from ..assumptions.present import as_paid
from ..assumptions.scenario import Scenario

__all__ = ["flattened", "general"]


def general(scenario: Scenario) -> Scenario:
    """The scenario with one goal for all, the total of its traffic as it is paid, and the general form of its law."""
    stand_ins = {"goal": BudgetGoal(budget=1.0), "law": scenario.law.general()}
    return as_paid(scenario).model_copy(update=stand_ins)


def flattened(scenario: Scenario) -> tuple[Hashable, np.ndarray]:
    """The structure and the numbers of the general form, as compiled functions take them."""
    leaves, tree = jax.tree.flatten(general(scenario))
    return tree, np.array(leaves, float)
