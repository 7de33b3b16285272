"""Repeated data: what the tokens of a run are worth once it passes over its data more than once.

References:
    Muennighoff et al. 2023, arXiv 2305.16264, equations 5 and 6.

"""

import math
from typing import Literal

from .law import CoupledLaw, power_of_sum, published
from .numbers import human
from .quantity import Numeric, numpy_for, quantity

__all__ = ["RepetitionLaw"]

_R_D = published("repetition")["R_D"]


_LN_UNUSED = -12 * math.log(10)
"""ln of the share of what repeated data is worth that more repetition is not spent on."""


class RepetitionLaw(CoupledLaw):
    """A law of dense training, additive or coupled, whose data repeats once D exceeds U unique tokens.

        D' = D for D <= U,        D' = U (1 + R_D (1 - exp(-(D/U - 1)/R_D))) above,

    so D' stays below (1 + R_D) U = 16.4 U however long the run. Fitted on up to 44 epochs; loss rises again beyond, which
    this form does not show.

    References:
        Muennighoff et al. 2023, arXiv 2305.16264, equation 5.

    """

    kind: Literal["repetition"] = "repetition"  # type: ignore[assignment]
    gamma: float = power_of_sum(default=1.0)
    unique_tokens: float = quantity("tokens", "unique training tokens U", gt=0, low=5e12, high=1e14)
    R_D: float = quantity(
        "1", "decay of the value of repeated tokens", gt=0, default=_R_D, low=10, high=20, source="arXiv 2305.16264"
    )

    def changed(self) -> dict[str, float]:
        decay = {"R_D": _R_D} if self.name and self.R_D != _R_D else {}
        return super().changed() | decay

    def effective_tokens(self, train_tokens: Numeric) -> Numeric:
        xp = numpy_for(train_tokens, self.unique_tokens, self.R_D)
        repeats = xp.maximum(train_tokens / self.unique_tokens - 1, 0)
        repeated = -self.R_D * xp.expm1(-repeats / self.R_D)
        return xp.where(repeats > 0, self.unique_tokens * (1 + repeated), train_tokens)

    @property
    def kept(self) -> dict[str, Numeric]:
        return {"unique_tokens": self.unique_tokens, "R_D": self.R_D}

    @property
    def repeats(self) -> bool:
        return True

    @property
    def most_worth(self) -> str:
        return f"{human(self.unique_tokens)} unique tokens are never worth more than {1 + self.R_D:.3g} times as many"

    @property
    def chosen(self) -> str:
        return f"{human(self.unique_tokens)} unique tokens"

    @property
    def ln_useful_tokens(self) -> Numeric:
        xp = numpy_for(self.unique_tokens, self.R_D)
        return xp.log(self.unique_tokens) + xp.log1p(-self.R_D * _LN_UNUSED)

    def ln_tokens_worth(self, ln_fresh: Numeric) -> tuple[Numeric, Numeric]:
        xp = numpy_for(ln_fresh, self.unique_tokens, self.R_D)
        ln_unique = xp.log(self.unique_tokens)
        share = xp.expm1(xp.maximum(ln_fresh - ln_unique, 0.0)) / self.R_D
        repeated = ln_unique + xp.log1p(-self.R_D * xp.log1p(-xp.minimum(share, 1 - 1e-12)))
        return xp.where(share > 0, repeated, ln_fresh), ln_fresh - ln_unique - xp.log1p(self.R_D)
