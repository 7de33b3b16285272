"""Scaling laws: the loss of a model from its parameters and its training tokens.

Scaling laws: loss in nat per token as a function of active parameters N and training tokens D. All of them have the form

    L(N, D) = E + A N^-alpha + B D'^-beta,        A, B, alpha, beta > 0,

where D' is D, or the number of fresh tokens that repeated data is worth. Coefficients keep the letters of their papers, and the
sourced sets are in `data/laws.csv`. Fits end at 16B parameters and 341 tokens per parameter; beyond is extrapolation.

References:
    Hoffmann et al. 2022, arXiv 2203.15556, approach 3.
    Besiroglu et al. 2024, arXiv 2404.10102 (replication with corrected fit).
    Muennighoff et al. 2023, arXiv 2305.16264, equations 5 and 6 (repeated data).
    Ludziejewski et al. 2025, arXiv 2502.05172, equation 6 (mixture of experts).

"""

import math
from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar, Literal

import numpy as np

from .numbers import parse_number
from .quantity import Citation, NamedAssumption, Numeric, Rule, edge, numpy_for, quantity, unknown_name
from .tables import rows

__all__ = ["ChinchillaLaw", "Law", "MoELaw", "RepetitionLaw", "law_kind", "law_names"]


def law_names(*uses: str) -> list[str]:
    """Names of the laws in data/laws.csv, in table order.

    Args:
        uses: keep only laws for these uses: "ensemble" (credible readings of dense training), "moe", "stress" (stress tests only).

    """
    return [law for law, use in _uses().items() if not uses or use in uses]


@cache
def _uses() -> dict[str, str]:
    return {r["law"]: r["use"] for r in rows("laws") if r["use"] != "constant"}


@cache
def law_kind(name: str) -> str | None:
    """The kind of a law in data/laws.csv, chinchilla or moe; None for a name it does not have."""
    return next((r["law_kind"] for r in rows("laws") if r["law"] == name and r["use"] != "constant"), None)


@cache
def _parameters(name: str) -> dict[str, float]:
    return {r["parameter"]: float(r["value"]) for r in rows("laws") if r["law"] == name}


_EDGES = ("fitted_max_params", "fitted_max_tokens", "fitted_max_tokens_per_param")


def _read(given: Any) -> float | None:
    """The number meant, or None for what its own field refuses."""
    try:
        return parse_number(given)
    except ValueError:
        return None


class Law(NamedAssumption):
    """What every scaling law offers. N and D may be arrays; all methods are elementwise and differentiable."""

    tag: ClassVar[str] = "kind"
    base_kind: ClassVar[str] = "chinchilla"

    fitted_max_params: float | None = edge("parameters", "largest model of the fit")
    fitted_max_tokens: float | None = edge("tokens", "longest run of the fit")
    fitted_max_tokens_per_param: float | None = edge("tokens/parameter", "most tokens per parameter of the fit")

    @classmethod
    def named(cls, given: dict[str, Any]) -> dict[str, Any]:
        name = given["name"]
        if name not in law_names():
            raise unknown_name("scaling law", name, law_names())
        if law_kind(name) != cls.base_kind:
            raise ValueError(
                f"names {name!r}, a law of kind {law_kind(name)!r}; take a law of kind {cls.base_kind!r}, or that kind"
            )
        row = _parameters(name)
        if any(field in given and _read(given[field]) != value for field, value in row.items() if field not in _EDGES):
            # Other coefficients are another law: how far the runs of the published fit reach says nothing about it.
            return {field: value for field, value in row.items() if field not in _EDGES}
        return dict(row)

    @classmethod
    def _cited(cls, name: str, field: str) -> Citation | None:
        found = next((r for r in rows("laws") if r["law"] == name and r["parameter"] == field), None)
        return Citation(found["kind"], found["source"], found["as_of"]) if found else None

    def _name_implies_tag(self) -> bool:
        return getattr(self, self.tag) == self.base_kind

    @property
    def chinchilla(self) -> "ChinchillaLaw":
        """The law for fresh data in the form E + A N^-alpha + B D^-beta."""
        raise NotImplementedError

    @property
    def total_over_active(self) -> Numeric:
        """Total over active parameters of the models that the law speaks of; 1 for dense ones."""
        return 1.0

    def edges_of_fit(self, moved: Mapping[str, np.ndarray]) -> list[Any]:
        """The `fitted_` edges of this law in rows that give some coefficients values of their own; NaN where none is on record.

        Args:
            moved: coefficient by coefficient, the value in each row.

        """
        row = _parameters(self.name) if self.name else {}
        own: Any = False  # whether a row has coefficients that are not those of the published fit
        for field in row.keys() - {*_EDGES}:
            own = own | (np.asarray(moved.get(field, getattr(self, field))) != row[field])
        found = []
        for name in _EDGES:
            given, published = getattr(self, name), row.get(name)
            if given is None or given == published:
                found.append(np.where(own, np.nan, np.nan if published is None else published))
            else:
                found.append(given)
        return found

    def effective_tokens(self, train_tokens: Numeric) -> Numeric:
        """D': the fresh tokens that `train_tokens` are worth (tokens). D itself unless data repeats."""
        return train_tokens

    @property
    def repeats(self) -> bool:
        """Whether data is limited, so that a longer run repeats it."""
        return False

    @property
    def ln_useful_tokens(self) -> Numeric:
        """ln D from where more repetition adds less than 1e-12 of what the data is worth at most, (1 + R_D) U; infinite for fresh data.

        A budget that a limit on N leaves nothing else to spend on is not spent beyond it: the next three digits of the loss would take a
        third more tokens.
        """
        return math.inf

    def ln_tokens_worth(self, ln_fresh: Numeric) -> tuple[Numeric, Numeric]:
        """(ln D, over): the tokens that are worth so many fresh ones, inverse of `effective_tokens`.

        No run is worth so much where `over` >= 0: the logarithm by which `ln_fresh` exceeds what the data is worth at most.
        """
        return ln_fresh, -math.inf + 0.0 * ln_fresh

    def tokens_for(self, n_params: Numeric, reducible: Numeric) -> Numeric:
        """D at which N parameters have the reducible loss l: the inverse of `reducible` (tokens).

        Args:
            n_params: active parameters N (count); infinity is allowed.
            reducible: l (nat/token).

        Returns:
            (B / (l - A N^-alpha))^(1/beta), repetition undone; NaN where no amount of training brings N parameters to l.

        >>> law = ChinchillaLaw.model_validate("besiroglu")
        >>> float(round(law.tokens_for(70e9, law.reducible(70e9, 1.4e12)) / 1e12, 6))
        1.4

        """
        c = self.chinchilla
        xp = numpy_for(n_params, reducible, c.A, c.B, c.alpha, c.beta)
        with np.errstate(all="ignore"):
            left = reducible - c.A * n_params**-c.alpha
            ln_fresh = (xp.log(c.B) - xp.log(xp.where(left > 0, left, xp.nan))) / c.beta
            ln_tokens, over = self.ln_tokens_worth(ln_fresh)
            return xp.exp(xp.where(over < 0, ln_tokens, xp.nan))

    def ln_train_optimal(self, ln_reducible: Numeric) -> tuple[Numeric, Numeric]:
        """(ln N, ln D) of least N D at a reducible loss, with fresh data: A N^-alpha = l beta / (alpha + beta), B D^-beta the rest.

        Args:
            ln_reducible: ln l (l in nat/token).

        References:
            Hoffmann et al. 2022, equation 4.

        """
        c = self.chinchilla
        xp, total = numpy_for(ln_reducible, c.A, c.B, c.alpha, c.beta), c.alpha + c.beta
        return (
            (xp.log(c.A * total / c.beta) - ln_reducible) / c.alpha,
            (xp.log(c.B * total / c.alpha) - ln_reducible) / c.beta,
        )

    def reducible(self, n_params: Numeric, train_tokens: Numeric) -> Numeric:
        """l = A N^-alpha + B D'^-beta: the loss above E that more parameters or tokens remove (nat/token).

        Args:
            n_params: active parameters N (count).
            train_tokens: pre-training tokens D (count); infinity is allowed.

        """
        c = self.chinchilla
        return c.A * n_params**-c.alpha + c.B * self.effective_tokens(train_tokens) ** -c.beta

    def loss(self, n_params: Numeric, train_tokens: Numeric) -> Numeric:
        """L = E + l: cross-entropy on the law's own validation text (nat/token)."""
        return self.chinchilla.E + self.reducible(n_params, train_tokens)

    def train_optimal_tokens(self, n_params: Numeric) -> Numeric:
        """D0(N): the tokens for which N is the best size when only training is paid for and data is fresh (tokens).

        From d(ln l)/d(ln N) = d(ln l)/d(ln D) along 6 N D = constant: D0 = (beta B / (alpha A) N^alpha)^(1/beta).

        References:
            Hoffmann et al. 2022, equation 4.

        """
        c = self.chinchilla
        return (c.beta * c.B / (c.alpha * c.A) * n_params**c.alpha) ** (1 / c.beta)


class ChinchillaLaw(Law):
    """L(N, D) = E + A N^-alpha + B D^-beta.

    >>> law = ChinchillaLaw.model_validate("besiroglu")
    >>> round(law.loss(70e9, 1.4e12), 3)
    1.974
    """

    kind: Literal["chinchilla"] = "chinchilla"
    E: float = quantity("nat/token", "irreducible loss", ge=0, low=1.45, high=1.9)
    A: float = quantity("nat/token", "coefficient of the parameter term", gt=0, low=100, high=1000)
    B: float = quantity("nat/token", "coefficient of the token term", gt=0, low=200, high=4000)
    alpha: float = quantity("1", "exponent of parameters", gt=0, le=2, low=0.3, high=0.4)
    beta: float = quantity("1", "exponent of tokens", gt=0, le=2, low=0.26, high=0.42)

    @property
    def chinchilla(self) -> "ChinchillaLaw":
        return self


_R_D = _parameters("repetition")["R_D"]


_LN_UNUSED = -12 * math.log(10)
"""ln of the share of what repeated data is worth that more repetition is not spent on."""


class RepetitionLaw(ChinchillaLaw):
    """A Chinchilla law whose data repeats once D exceeds U unique tokens.

        D' = D for D <= U,        D' = U (1 + R_D (1 - exp(-(D/U - 1)/R_D))) above,

    so D' stays below (1 + R_D) U = 16.4 U however long the run. Fitted on up to 44 epochs; loss rises again beyond, which
    this form does not show.

    References:
        Muennighoff et al. 2023, arXiv 2305.16264, equation 5.

    """

    kind: Literal["repetition"] = "repetition"  # type: ignore[assignment]
    unique_tokens: float = quantity("tokens", "unique training tokens U", gt=0, low=5e12, high=1e14)
    R_D: float = quantity(
        "1", "decay of the value of repeated tokens", gt=0, default=_R_D, low=10, high=20, source="arXiv 2305.16264"
    )

    @property
    def chinchilla(self) -> ChinchillaLaw:
        fresh = {k: getattr(self, k) for k in ("name", "E", "A", "B", "alpha", "beta")}
        return ChinchillaLaw.model_construct(**fresh)

    def changed(self) -> dict[str, float]:
        decay = {"R_D": _R_D} if self.name and self.R_D != _R_D else {}
        return super().changed() | decay

    def effective_tokens(self, train_tokens: Numeric) -> Numeric:
        xp = numpy_for(train_tokens, self.unique_tokens, self.R_D)
        repeats = xp.maximum(train_tokens / self.unique_tokens - 1, 0)
        repeated = -self.R_D * xp.expm1(-repeats / self.R_D)
        return xp.where(repeats > 0, self.unique_tokens * (1 + repeated), train_tokens)

    @property
    def repeats(self) -> bool:
        return True

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

    base_kind: ClassVar[str] = "moe"
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
