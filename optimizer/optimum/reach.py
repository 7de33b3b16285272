"""How far a design lies outside the runs that its law was fitted on."""

from typing import NamedTuple

from ..assumptions.law import Law
from ..assumptions.numbers import times

__all__ = ["Extrapolation"]


class Extrapolation(NamedTuple):
    """How far the design lies outside the runs the law was fitted on: 1 is the edge, None where the fit's range is unknown."""

    n_params: float | None
    train_tokens: float | None
    tokens_per_param: float | None

    @classmethod
    def of(cls, law: Law, n_params: float, train_tokens: float) -> "Extrapolation":
        """Of a design under a law."""
        edges = law.fitted_max_params, law.fitted_max_tokens, law.fitted_max_tokens_per_param
        found = zip((n_params, train_tokens, train_tokens / n_params), edges, strict=True)
        return cls(*(None if edge is None else value / edge for value, edge in found))

    @property
    def beyond(self) -> dict[str, float]:
        """The known edges that are passed, by name, with the factor."""
        named = zip(("parameters", "tokens", "tokens per parameter"), self, strict=True)
        return {what: factor for what, factor in named if factor and factor > 1}

    @property
    def sentence(self) -> str:
        """How far the design lies outside the runs its law was fitted on, wherever an answer is shown."""
        if self.beyond:
            passed = ", ".join(f"{what} {times(factor)} the largest of the fit" for what, factor in self.beyond.items())
            return f"Extrapolation: {passed}. The law is a guess there; the band does not include its error."
        if all(factor is None for factor in self):
            return "The range of the law's fit is not on record: treat the answer as extrapolation."
        return "Inside the range of the law's fit, as far as it is on record."
