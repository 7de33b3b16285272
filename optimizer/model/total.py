"""All parameters of a model whose N counts those that a token uses.

    M = sparsity N

`deployment.sparsity` where it is given, otherwise what the experts of the law imply, 1 for a law of dense models. Memory of weights and of
training, the weights that a step reads and `limits.max_bytes` all take M from here.
"""

from ..assumptions.deployment import Deployment
from ..assumptions.quantity import Numeric
from ..assumptions.scenario import Scenario

__all__ = ["placed", "total_over_active", "total_params"]


def total_over_active(scenario: Scenario) -> Numeric:
    """The ratio M / N of all to active parameters: as given, or what the law's experts imply."""
    given = scenario.deployment.sparsity
    return scenario.law.total_over_active if given is None else given


def total_params(scenario: Scenario, n_params: Numeric) -> Numeric:
    """All parameters M of a model with N active ones (parameters)."""
    return n_params * total_over_active(scenario)


def placed(scenario: Scenario) -> Deployment:
    """The deployment with the sparsity of the model that it serves; where that is the law's, so is the share of experts a token uses."""
    given, law = scenario.deployment, scenario.law
    if given.sparsity is not None:
        return given
    filled: dict[str, Numeric] = {"sparsity": law.total_over_active}
    if given.expert_share is None and law.expert_share is not None:
        filled["expert_share"] = law.expert_share
    return given.model_copy(update=filled)
