"""Repeated data: what tokens are worth once a run passes over its data more than once, and parameters beyond those that the data supports.

    x' = x up to a unit u,        x' = u (1 + R (1 - exp(-(x/u - 1)/R))) above,

for tokens with u = U, the unique ones, and for parameters with u = U_N, the compute-optimal size for U tokens.

References:
    Muennighoff et al. 2023, arXiv 2305.16264, equations 5 and 6, and their code, github.com/huggingface/datablations.

"""

import math
from typing import Literal, NamedTuple

from .law import CoupledLaw, power_of_sum
from .numbers import human
from .published_laws import published
from .quantity import Numeric, choice, numpy_for, quantity

__all__ = ["RepetitionLaw"]

_DECAY = {name: published("repetition")[name] for name in ("R_D", "R_N")}

_LN_UNUSED = -12 * math.log(10)
"""ln of the share of what repetition is worth that no more of it is spent on."""

_LN_LARGEST = 460.0
"""ln U_N at most, so that products of it stay within 64-bit floats."""


class _Diminishing(NamedTuple):
    """A quantity of which more than a unit is worth less and less: it never counts for more than 1 + R units."""

    unit: Numeric
    decay: Numeric

    def worth(self, amount: Numeric) -> Numeric:
        """x' of x."""
        xp = numpy_for(amount, *self)
        repeats = xp.maximum(amount / self.unit - 1, 0)
        share = repeats / self.decay
        # JAX's derivative of expm1(-share) is expm1(-share) + 1, which has lost its digits where little is left to gain.
        gained = xp.where(share < 0.5, -xp.expm1(-share), 1 - xp.exp(-share))
        return xp.where(repeats > 0, self.unit * (1 + self.decay * gained), amount)

    def ln_amount(self, ln_worth: Numeric) -> tuple[Numeric, Numeric]:
        """(ln x of ln x', the logarithm by which x' exceeds what is possible)."""
        xp = numpy_for(ln_worth, *self)
        ln_unit = xp.log(self.unit)
        share = xp.expm1(xp.maximum(ln_worth - ln_unit, 0.0)) / self.decay
        repeated = ln_unit + xp.log1p(-self.decay * xp.log1p(-xp.minimum(share, 1 - 1e-12)))
        return xp.where(share > 0, repeated, ln_worth), ln_worth - ln_unit - xp.log1p(self.decay)

    @property
    def ln_useful(self) -> Numeric:
        """ln x from where more adds less than 1e-12 of what there is to gain."""
        xp = numpy_for(*self)
        return xp.log(self.unit) + xp.log1p(-self.decay * _LN_UNUSED)


class RepetitionLaw(CoupledLaw):
    """A law of dense training, additive or coupled, whose data repeats once D exceeds U unique tokens.

        L = E + (A N'^-alpha + B D'^-beta)^gamma,
        D' = U (1 + R_D (1 - exp(-(D/U - 1)/R_D)))            for D > U, else D,
        N' = U_N (1 + R_N (1 - exp(-(N/U_N - 1)/R_N)))        for N > U_N, else N,
        U_N = G (U G)^(beta/alpha),    G = (alpha A / (beta B))^(1/(alpha + beta)).

    U_N is the size for which U tokens are compute-optimal; it does not depend on gamma. D' stays below (1 + R_D) U = 16.4 U and N' below
    (1 + R_N) U_N = 6.31 U_N. Fitted on up to 44 epochs; loss rises again beyond, which this form does not show. The paper takes U_N of
    min(D, U) tokens and its code asks for D >= U; here U_N is that of U for every D, which leaves the loss convex in logarithms.

    References:
        Muennighoff et al. 2023, arXiv 2305.16264, equations 5 and 6.

    >>> law = RepetitionLaw(**{"name": "muennighoff", "unique_tokens": 25e9})
    >>> [round(float(law.loss(n, d)), 7) for n, d in ((6.34e9, 242e9), (8.67e9, 178e9))]  # 2.2256441 and 2.2269634 in their README
    [2.2256441, 2.2269634]

    """

    kind: Literal["repetition"] = choice(  # type: ignore[assignment]
        {"repetition": "Dense, data repeated"}, default="repetition"
    )
    gamma: float = power_of_sum(default=1.0)
    unique_tokens: float = quantity("tokens", "unique training tokens U", gt=0, low=5e12, high=1e14)
    R_D: float = quantity(
        "1",
        "decay of the value of repeated tokens",
        gt=0,
        default=_DECAY["R_D"],
        low=10,
        high=20,
        source="arXiv 2305.16264",
    )
    R_N: float = quantity(
        "1",
        "decay of the value of excess parameters: those beyond what the unique tokens support",
        gt=0,
        default=_DECAY["R_N"],
        source="arXiv 2305.16264",
    )

    def changed(self) -> dict[str, float]:
        decay = {name: value for name, value in _DECAY.items() if self.name and getattr(self, name) != value}
        return super().changed() | decay

    @property
    def _tokens(self) -> _Diminishing:
        return _Diminishing(self.unique_tokens, self.R_D)

    @property
    def _params(self) -> _Diminishing:
        xp = numpy_for(self.A, self.B, self.alpha, self.beta, self.unique_tokens)
        ln_size = xp.log(self.alpha * self.A / (self.beta * self.B)) + self.beta * xp.log(self.unique_tokens)
        return _Diminishing(xp.exp(xp.minimum(ln_size / self.alpha, _LN_LARGEST)), self.R_N)

    def effective_tokens(self, train_tokens: Numeric) -> Numeric:
        return self._tokens.worth(train_tokens)

    def effective_params(self, n_params: Numeric) -> Numeric:
        return self._params.worth(n_params)

    @property
    def kept(self) -> dict[str, Numeric]:
        return {"unique_tokens": self.unique_tokens, "R_D": self.R_D, "R_N": self.R_N}

    @property
    def plain(self) -> bool:
        return False

    @property
    def repeats(self) -> bool:
        return True

    @property
    def most_worth(self) -> str:
        (unique, R_D), (size, R_N) = ([float(v) for v in part] for part in (self._tokens, self._params))
        return (
            f"{human(unique)} unique tokens are never worth more than {1 + R_D:.3g} times as many, and parameters beyond the {human(size)} "
            f"that they support never more than {1 + R_N:.3g} times those"
        )

    @property
    def chosen(self) -> str:
        return f"{human(self.unique_tokens)} unique tokens"

    @property
    def ln_useful_tokens(self) -> Numeric:
        return self._tokens.ln_useful

    @property
    def ln_useful_params(self) -> Numeric:
        return self._params.ln_useful

    def ln_tokens_worth(self, ln_fresh: Numeric) -> tuple[Numeric, Numeric]:
        return self._tokens.ln_amount(ln_fresh)

    def ln_params_worth(self, ln_free: Numeric) -> tuple[Numeric, Numeric]:
        return self._params.ln_amount(ln_free)
