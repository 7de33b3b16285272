"""Mixture of experts: laws whose coefficients depend on the number of experts, and on their granularity.

For fixed experts each is a Chinchilla law of active parameters. All take the total parameters of a model with E experts to be

    total / active = 1 + f (E - 1),        f = 2/3, so (1 + 2 E) / 3.

f = 2/3 is a transformer whose feed-forward part, 8 of the 12 width^2 parameters of a layer, consists of experts, without embeddings.

References:
    Ludziejewski et al. 2025, arXiv 2502.05172, equation 6.
    Krajewski et al. 2024, arXiv 2402.07871, equation 9, table 1 and section 6.1.

"""

from typing import ClassVar, Literal

from .law import ChinchillaLaw, Law, Shape
from .numbers import amount, human
from .quantity import Numeric, Rule, choice, numpy_for, quantity

__all__ = ["GranularLaw", "MoELaw"]

_IN_EXPERTS = 2 / 3
"""Share of the active parameters in experts: 8 of 12 width^2 a layer (Kaplan et al. 2020, arXiv 2001.08361, table 1)."""

LEAST_IN_EXPERTS = 1 / 3
"""Least share of the active parameters that experts plausibly hold; 31 of 32 mixtures of experts in data/models.csv have more."""


class _ExpertsLaw(Law):
    """Laws with a number of experts, of which a token uses one, or the same share of smaller ones."""

    experts: float

    @property
    def total_over_active(self) -> Numeric:
        return 1 + _IN_EXPERTS * (self.experts - 1)

    @property
    def expert_share(self) -> Numeric | None:
        return 1 / self.experts

    @property
    def shape(self) -> Shape | None:
        experts = float(self.experts)
        because = f"with {human(experts)} experts of which a token uses one, a model has"
        return Shape("experts", experts, because, 1 + (experts - 1) * LEAST_IN_EXPERTS, experts)

    @classmethod
    def of_shape(cls, total_over_active: float) -> dict[str, float]:
        return {"experts": 1 + (total_over_active - 1) / _IN_EXPERTS}


class MoELaw(_ExpertsLaw):
    """Mixture of experts with top-1 routing, at a fixed number of experts E; N counts active parameters.

        L = a Ê^delta N^(alpha + gamma ln Ê) + b Ê^omega D^(beta + zeta ln Ê) + c,
        1/Ê = 1 / (E - 1 + 1/(1/E_start - 1/E_max)) + 1/E_max.

    Fitted for 1 to 32 experts, up to 5B total parameters. For fixed E it is a Chinchilla law: `chinchilla`.

    The law fixes the parameters that a token uses, not those of the whole model: that takes the share f of them that lies in experts.
    Released mixtures of experts have f from 0.18 to 0.89, half of them 0.55 or more, with E the experts over those that a token uses
    (data/models.csv). `deployment.sparsity` gives the ratio of a model of another shape.

    References:
        Ludziejewski et al. 2025, arXiv 2502.05172, equation 6 and table 2.

    """

    based_on: ClassVar[tuple[str, ...]] = ("moe",)
    kind: Literal["moe"] = choice({"moe": "Mixture of experts"}, default="moe")
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


class GranularLaw(_ExpertsLaw):
    """Fine-grained experts: each of E experts is split into G smaller ones, and a token uses G of the G E.

        L = c + (g G^-gamma + a) M^-alpha + b D^-beta,        M = N (1 + 2 E) / 3.

    M counts all parameters, which the paper takes as width^2 (8 E + 4) a layer against 12 width^2 active ones. Fitted for E = 64, G from
    1 to 16, up to 3.7B parameters in all and 130B tokens. At fixed E and G it is a Chinchilla law of active parameters N.

    The cost of routing, which grows with G, is not counted: 4 to 13 % of the training compute in the paper's table 2.

    References:
        Krajewski et al. 2024, arXiv 2402.07871, equation 9, table 1 and section 6.1.

    """

    based_on: ClassVar[tuple[str, ...]] = ("moe-granularity",)
    kind: Literal["moe-granularity"] = choice(
        {"moe-granularity": "Mixture of experts, by granularity"}, default="moe-granularity"
    )
    experts: float = quantity(
        "experts",
        "expansion rate E: experts over those that a token uses",
        ge=1,
        default=64.0,
        source="arXiv 2402.07871, the only one of the fit",
    )
    granularity: float = quantity(
        "1",
        "granularity G: into how many smaller ones an expert is split",
        ge=1,
        default=16.0,
        low=1,
        high=16,
        source="arXiv 2402.07871, largest of the fit; compute-optimal at 1e21 FLOP in its table 2",
    )
    a: float = quantity("nat/token", "coefficient of the parameter term", gt=0)
    alpha: float = quantity("1", "exponent of parameters", gt=0, le=2)
    b: float = quantity("nat/token", "coefficient of the token term", gt=0)
    beta: float = quantity("1", "exponent of tokens", gt=0, le=2)
    g: float = quantity("nat/token", "part of the parameter term that granularity removes", ge=0)
    gamma: float = quantity("1", "exponent of granularity", ge=0)
    c: float = quantity("nat/token", "irreducible loss", ge=0)

    @property
    def chosen(self) -> str:
        return f"{amount(self.experts)} experts, granularity {amount(self.granularity)}"

    @property
    def chinchilla(self) -> ChinchillaLaw:
        coefficient = self.g * self.granularity**-self.gamma + self.a
        return ChinchillaLaw.model_construct(
            E=self.c,
            A=coefficient * self.total_over_active**-self.alpha,
            B=self.b,
            alpha=self.alpha,
            beta=self.beta,
        )
