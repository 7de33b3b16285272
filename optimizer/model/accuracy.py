"""How well the roofline predicts measured throughput, by class of deployment.

Each model of data/throughput.csv is predicted by a fit to all other models; a test renews the numbers. Software tuned to one model is on
record for DeepSeek-V3 and R1 alone, so its error is that of the fit.
"""

from typing import NamedTuple

from ..assumptions.deployment import Deployment
from ..assumptions.hardware import Accelerator

__all__ = ["SERVING_ERRORS", "ServingError", "error_class", "error_of", "serving_error"]


class ServingError(NamedTuple):
    """Errors of predicted throughput on measured points of one class."""

    rows: int
    median: float
    """of |predicted / measured - 1|"""
    within: float
    """factor within which 80 % of the points lie"""
    fitted: bool = False
    """whether the fit saw them: all are of one model"""

    def sentence(self, name: str) -> str:
        """The error in words."""
        return (
            f"Serving cost is within a factor {self.within:.2f} for 80 % of {self.rows} measured points of its class "
            f"({name}{', which the fit saw' if self.fitted else ''}); median "
            f"error {100 * self.median:.0f} %."
        )


SERVING_ERRORS = {
    "one chip": ServingError(67, 0.103, 1.22),
    "tensor parallelism": ServingError(66, 0.061, 1.14),
    "expert parallelism": ServingError(38, 0.305, 1.66),
    "community server": ServingError(92, 1.059, 2.61),
    "tuned software": ServingError(8, 0.068, 1.26, fitted=True),
}


def error_class(deployment: Deployment, chip: Accelerator) -> str:
    """The class of a deployment, a key of `SERVING_ERRORS`."""
    if deployment.engine == "community":
        return "community server"
    if deployment.engine == "tuned":
        return "tuned software"
    if float(deployment.chips_on(chip)) <= 1:
        return "one chip"
    return f"{deployment.parallelism} parallelism"


def error_of(deployment: Deployment, chip: Accelerator) -> ServingError:
    """The measured errors of a deployment's class."""
    return SERVING_ERRORS[error_class(deployment, chip)]


def serving_error(deployment: Deployment, chip: Accelerator) -> str:
    """What may be expected of a number of serving, in one sentence."""
    return error_of(deployment, chip).sentence(error_class(deployment, chip))
