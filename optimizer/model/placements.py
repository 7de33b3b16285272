"""The placements that a scenario's deployment may choose from: chips per replica, what they exchange, pipeline stages.

With deployment.placement = "best" the cost of a token is the lowest over this list. Each entry is a deployment with a given placement,
whose cost is convex in logarithms where `optimum.best_of.is_convex` says so; the lowest of several is not, so each is solved for itself.

    tensor    1, 2, 4 and 8 chips, of at most one scale-up domain
    expert    8, 16, 32, .. chips and the whole domain, at most one chip per expert; for models with experts
    stages    2 and 4 of the largest replica of each kind, for models that one stage does not hold

The batch is not listed: every entry takes the best one that memory and speed allow. Precision is the chip's, as it changes what the model
is worth. A number of chips that is given is kept.

"""

from typing import NamedTuple

from ..assumptions.problems import InputError
from ..assumptions.scenario import Scenario
from .accuracy import error_of, serving_error
from .total import placed

__all__ = ["CHOSEN", "LISTED_BY", "Placed", "decides", "moves_serving", "placed_as", "placements"]

_TENSOR = (1.0, 2.0, 4.0, 8.0)
_STAGES = (2.0, 4.0)
CHOSEN = frozenset({"deployment.pipeline_stages"})
"""Numbers that a choice of the placement replaces, by dotted path."""
LISTED_BY = frozenset(
    {
        "money.serve_chip.scaleup_domain_chips",
        "deployment.chips",
        "deployment.sparsity",
        "deployment.expert_share",
        "deployment.experts_per_token",
        "law.experts",
        "law.sparsity",
    }
)
"""Numbers that the list depends on, by dotted path."""
_MOVE_SERVING = ("deployment.", "money.serve_chip.")
_MOVE_SERVING_TOO = ("serving.flops_per_param_token", "limits.min_tokens_per_second_per_user")
_PRICES_ONLY = (
    "money.serve_chip.usd_per_chip_hour",
    "deployment.cache_keep_seconds",
    "deployment.cache_tier.",
    "deployment.prompt_tokens",
)


class Placed(NamedTuple):
    """Where a model is served."""

    chips: float
    """of one pipeline stage"""
    parallelism: str
    stages: float
    precision: str
    batch: float
    """sequences per step"""
    listed: int
    """placements that were compared; 1 where it is given"""
    error: str
    """how far measurements of such a deployment lie from the roofline"""
    within: float
    """factor on the cost of serving within which 80 % of them lie"""

    @property
    def sentence(self) -> str:
        """The placement in words, and the settings that fix it where it was chosen."""
        many = f"{self.chips:g} chips, {self.parallelism} parallelism" if self.chips > 1 else "1 chip"
        stages = f", {self.stages:g} pipeline stages" if self.stages > 1 else ""
        said = f"Placement: {many}{stages}, {self.precision}, {self.batch:,.0f} sequences a step"
        if self.listed == 1:
            return f"{said}, as given."
        fix = " ".join(f"--set deployment.{field}={value}" for field, value in self.settings.items())
        return f"{said}: the cheapest of {self.listed}. To fix it: {fix}."

    @property
    def settings(self) -> dict[str, str]:
        """Fields of the deployment that fix this placement."""
        return {
            "placement": "given",
            "chips": f"{self.chips:g}",
            "parallelism": self.parallelism,
            "pipeline_stages": f"{self.stages:g}",
        }


def decides(scenario: Scenario) -> bool:
    """Whether the placement is to be chosen."""
    return scenario.serving.by_roofline and scenario.deployment.placement == "best"


def moves_serving(scenario: Scenario, path: str) -> bool:
    """Whether the number at a dotted path moves the list of placements, or what a model needs of a placement (`cost.Served`)."""
    shape = scenario.law.shape
    if path in _MOVE_SERVING_TOO or (shape is not None and path == f"law.{shape.field}"):
        return True
    return path.startswith(_MOVE_SERVING) and not path.startswith(_PRICES_ONLY)


def placements(scenario: Scenario) -> list[Scenario]:
    """The scenario at each placement it may choose from, or itself where none is chosen.

    >>> from optimizer.assumptions.library import load
    >>> rack = load("frontier-moe-rack", {"deployment.placement": "best"})
    >>> [f"{s.deployment.chips:g} {s.deployment.parallelism}" for s in placements(rack)][:6]
    ['1 tensor', '2 tensor', '4 tensor', '8 tensor', '8 expert', '16 expert']

    """
    if not decides(scenario):
        return [scenario]
    given, chip, model = scenario.deployment, scenario.money.serve_chip, placed(scenario)
    domain = 1.0 if chip.scaleup_domain_chips is None else float(chip.scaleup_domain_chips)
    sizes = {"tensor": [n for n in _TENSOR if n <= domain]}
    sparsity = 1.0 if model.sparsity is None else float(model.sparsity)
    if sparsity > 1:
        share = 1 / sparsity if model.expert_share is None else float(model.expert_share)
        most = min(domain, max(model.experts_per_token / share, 1.0))
        powers = [2.0**i for i in range(3, 20) if 2.0**i <= most]
        sizes["expert"] = sorted({*powers, *([domain] if 1 < domain <= most else [])})
    if given.chips is not None:
        sizes = {kind: [float(given.chips)] for kind in sizes}
    found = [(n, kind, 1.0) for kind, several in sizes.items() for n in several]
    found += [(several[-1], kind, stages) for kind, several in sizes.items() if several for stages in _STAGES]
    return [
        scenario.model_copy(
            update={
                "deployment": given.model_copy(
                    update={"placement": "given", "chips": n, "parallelism": kind, "pipeline_stages": stages}
                )
            }
        )
        for n, kind, stages in found
    ]


def placed_as(scenario: Scenario, batch: float, listed: int = 1) -> Placed | None:
    """The placement of a scenario whose deployment is given, with the sequences of a step; None without the roofline.

    Raises:
        InputError: the placement is still to be chosen.

    """
    if not scenario.serving.by_roofline:
        return None
    if decides(scenario):
        raise InputError(
            ["deployment.placement = 'best' is chosen by solve, cost and solve_batch, not by this function."]
        )
    d, chip = scenario.deployment, scenario.money.serve_chip
    return Placed(
        float(d.chips_on(chip)),
        d.parallelism,
        float(d.pipeline_stages),
        chip.precision,
        batch,
        listed,
        serving_error(scenario),
        error_of(scenario).within,
    )
