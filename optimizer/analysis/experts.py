"""The question of a scenario that plans a mixture of experts, under every published law of experts.

The laws end at small models and disagree by a factor of two in size at 1e23 FLOP, so one of them alone is no plan.
"""

import math

import numpy as np

from ..assumptions.goal import LossGoal
from ..assumptions.published_laws import law_names
from ..assumptions.scenario import Scenario
from ..assumptions.sparsity import of_shape
from ..model.quality import target_reducible_loss

__all__ = ["under_expert_laws"]


def under_expert_laws(scenario: Scenario) -> dict[str, Scenario]:
    """The same question under every published law of experts, for models of the same ratio of all to active parameters; by name.

    The scenario's own law stays as it is. A goal in nat/token, which is another quality under each law, becomes "as good as a
    compute-optimal model of N0 parameters", with N0 of the scenario's law. Empty for a law of dense models.
    """
    if scenario.law.shape is None:
        return {}
    ratio, changes = float(scenario.law.total_over_active), {}
    if isinstance(scenario.goal, LossGoal) and scenario.goal.loss is not None and not scenario.rl.decided:
        reducible = float(target_reducible_loss(scenario))
        if reducible > 0:
            size = math.exp(float(scenario.law.ln_train_optimal(np.log(reducible))[0]))
            changes = {"goal": {"kind": "loss", "like_params": size}}
    others = {name: scenario.update({"law": of_shape(name, ratio), **changes}) for name in law_names("moe")}
    own = scenario.law.title
    return {own: scenario, **{name: other for name, other in others.items() if name != scenario.law.name}}
