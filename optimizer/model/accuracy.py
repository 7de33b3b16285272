"""How well the roofline predicts measured throughput, by class of deployment.

Each model of data/throughput.csv is predicted by a fit to all other models; a test renews the numbers. Software tuned to one model is on
record for DeepSeek-V3 and R1 alone, so its error is that of operating points that the fit did not see, of other software for this model.
"""

from collections.abc import Iterable
from typing import NamedTuple

from ..assumptions.scenario import Scenario
from .total import placed

__all__ = ["SERVING_ERRORS", "ServingError", "error_class", "error_of", "serving_error", "serving_errors"]


class ServingError(NamedTuple):
    """Errors of predicted throughput on measured points of one class."""

    rows: int
    median: float
    """of |predicted / measured - 1|"""
    within: float
    """factor within which 80 % of the points lie"""
    model: str = ""
    """the only model that they are of"""

    def sentence(self, name: str) -> str:
        """The error in words."""
        return (
            f"Serving cost is within a factor {self.within:.2f} for 80 % of {self.rows} measured points of its class "
            f"({name}{f', all of {self.model}' if self.model else ''}); median "
            f"error {100 * self.median:.0f} %."
        )


SERVING_ERRORS = {
    "dense model, one chip": ServingError(56, 0.094, 1.21),
    "dense model, tensor parallelism": ServingError(66, 0.063, 1.15),
    "experts": ServingError(49, 0.304, 1.66),
    "community server": ServingError(92, 1.061, 2.61),
    "tuned software": ServingError(9, 0.218, 1.29, model="DeepSeek-V3"),
}


def error_class(scenario: Scenario) -> str:
    """The class of a scenario's model on its deployment, a key of `SERVING_ERRORS`.

    A dense model whose placement is open may come to one chip or several: it has the wider error, that of one chip.
    """
    d, chip = placed(scenario), scenario.money.serve_chip
    if d.engine != "vendor":
        return {"community": "community server", "tuned": "tuned software"}[d.engine]
    if float(d.sparsity or 1.0) > 1:
        return "experts"
    alone = d.chips is None if d.placement == "best" else float(d.chips_on(chip)) <= 1
    return "dense model, one chip" if alone else "dense model, tensor parallelism"


def error_of(scenario: Scenario) -> ServingError:
    """The measured errors of that class."""
    return SERVING_ERRORS[error_class(scenario)]


def serving_error(scenario: Scenario) -> str:
    """What may be expected of a number of serving, in one sentence."""
    return error_of(scenario).sentence(error_class(scenario))


def serving_errors(scenarios: Iterable[Scenario]) -> str:
    """The same of several scenarios, each class once; "" where none is served by the roofline."""
    classes = dict.fromkeys(error_class(s) for s in scenarios if s.serving.by_roofline)
    return " ".join(SERVING_ERRORS[name].sentence(name) for name in classes)
