"""Mixture of experts: a law whose coefficients depend on the number of experts.

References:
    Ludziejewski et al. 2025, arXiv 2502.05172, equation 6.

"""

from typing import ClassVar, Literal

from .law import ChinchillaLaw, Law
from .numbers import amount
from .quantity import Numeric, Rule, numpy_for, quantity

__all__ = ["MoELaw"]

_IN_EXPERTS = 2 / 3
"""Share of the active parameters in experts: 8 of 12 width^2 a layer (Kaplan et al. 2020, arXiv 2001.08361, table 1)."""


class MoELaw(Law):
    """Mixture of experts with top-1 routing, at a fixed number of experts E; N counts active parameters.

        L = a Ê^delta N^(alpha + gamma ln Ê) + b Ê^omega D^(beta + zeta ln Ê) + c,
        1/Ê = 1 / (E - 1 + 1/(1/E_start - 1/E_max)) + 1/E_max.

    Fitted for 1 to 32 experts, up to 5B total parameters. For fixed E it is a Chinchilla law: `chinchilla`.

    The law fixes the parameters that a token uses, not those of the whole model: that takes the share f of them that lies in experts,

        total / active = 1 + f (E - 1),        f = 2/3, so (1 + 2 E) / 3: `total_over_active`.

    f = 2/3 is a transformer whose feed-forward part, 8 of the 12 width^2 parameters of a layer, consists of experts, without embeddings.
    Released mixtures of experts have 0.18 to 0.89, half of them 0.55 or more, with E the experts over those that a token uses
    (data/models.csv). `deployment.sparsity` gives the ratio of a model of another shape.

    References:
        Ludziejewski et al. 2025, arXiv 2502.05172, equation 6 and table 2.

    """

    based_on: ClassVar[tuple[str, ...]] = ("moe",)
    kind: Literal["moe"] = "moe"
    experts: float = quantity(
        "experts",
        "number of experts",
        ge=1,
        default=8.0,
        low=1,
        high=32,
        source="arXiv 2502.05172, middle of the fitted range",
    )
    a: float = quantity("nat/token", "coefficient of the parameter term", gt=0)
    alpha: float = quantity("1", "exponent of parameters", lt=0)
    delta: float = quantity("1", "exponent of experts in the parameter term")
    gamma: float = quantity("1", "change of the parameter exponent with ln experts")
    b: float = quantity("nat/token", "coefficient of the token term", gt=0)
    beta: float = quantity("1", "exponent of tokens", lt=0)
    omega: float = quantity("1", "exponent of experts in the token term")
    zeta: float = quantity("1", "change of the token exponent with ln experts")
    c: float = quantity("nat/token", "irreducible loss", ge=0)
    E_start: float = quantity("experts", "effective experts of a dense model", gt=1)
    E_max: float = quantity("experts", "effective experts when experts are unlimited", gt=1)

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            lambda law: law.E_start < law.E_max,
            lambda law: f"needs E_start < E_max, got {law.E_start:g} and {law.E_max:g}",
        ),
        Rule(
            lambda law: (law.chinchilla.alpha > 0) & (law.chinchilla.beta > 0),
            lambda law: (
                f"with {law.experts:g} experts has exponents {-law.chinchilla.alpha:.3g} (parameters) and "
                f"{-law.chinchilla.beta:.3g} (tokens); both must be negative, or more parameters would make the model worse. "
                "Take fewer experts"
            ),
        ),
    )

    @property
    def chosen(self) -> str:
        return f"{amount(self.experts)} experts"

    @property
    def total_over_active(self) -> Numeric:
        return 1 + _IN_EXPERTS * (self.experts - 1)

    @property
    def chinchilla(self) -> ChinchillaLaw:
        start = 1 / (1 / self.E_start - 1 / self.E_max)
        effective = 1 / (1 / (self.experts - 1 + start) + 1 / self.E_max)
        ln_effective = numpy_for(effective).log(effective)
        return ChinchillaLaw.model_construct(
            E=self.c,
            A=self.a * effective**self.delta,
            B=self.b * effective**self.omega,
            alpha=-(self.alpha + self.gamma * ln_effective),
            beta=-(self.beta + self.zeta * ln_effective),
        )
