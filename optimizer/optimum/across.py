"""The interval of an answer across laws."""

from typing import NamedTuple

from ..assumptions.numbers import percent, times
from ..model.outputs import written

__all__ = ["AcrossLaws"]


class AcrossLaws(NamedTuple):
    """The same question under laws that differ by data set, form and posterior: what the law's error does to the answer."""

    share: float
    """of the laws inside an interval, by weight"""
    intervals: dict[str, tuple[float, float]]
    """output -> its low and high end over the laws that have an answer"""
    laws: int
    """laws asked"""
    answered: int
    """laws that have an answer"""
    about: str
    """what the laws are, or why there are none"""

    @property
    def sentence(self) -> str:
        """The interval of the over-training ratio and of N, in words."""
        if not self.intervals:
            return f"Across laws: no interval, {self.about}."
        low, high = (times(v) for v in self.intervals["overtraining_vs_rule_of_20"])
        sizes = " to ".join(written(v, "n_params", 3) for v in self.intervals["n_params"])
        short = (
            "" if self.answered == self.laws else f" {self.laws - self.answered} of {self.laws} laws have no answer."
        )
        span = f"{percent(self.share)} interval" if self.share < 1 else "range"
        return f"Across laws: {span} {low} to {high} over-training, {sizes} parameters ({self.about}).{short}"
