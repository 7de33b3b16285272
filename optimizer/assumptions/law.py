"""Scaling laws: the loss of a model from its parameters and its training tokens.

The loss in nat per token is a function of active parameters N and training tokens D. All laws have the form

    L(N, D) = E + z^gamma,    z = A N'^-alpha + B D'^-beta,        A, B, alpha, beta, gamma > 0,

where D' is D, or the fresh tokens that repeated data is worth, N' is N, or what parameters beyond the data are worth (`repetition`), and z
is the inner sum. gamma is 1 except for the coupled law, and the inner sum takes the RL term where RL tokens are decided. A mixture of
experts has this form too (`experts`). Coefficients have the letters of their papers. Fits end at 16B parameters, 341 tokens each.

References:
    Hoffmann et al. 2022, arXiv 2203.15556, approach 3.
    Besiroglu et al. 2024, arXiv 2404.10102 (replication with corrected fit).
    Busbridge et al. 2025, arXiv 2502.08606 (the power of the sum).

"""

import math
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from pydantic import field_validator

from .joint import read_joint
from .named import Citation, NamedAssumption, unknown_name
from .numbers import parse_number
from .published_laws import law_kind, law_names, published
from .quantity import Numeric, choice, edge, numpy_for, quantity
from .quantity import label as text
from .tables import rows

__all__ = ["ChinchillaLaw", "CoupledLaw", "Law", "Shape"]


_EDGES = ("fitted_max_params", "fitted_max_tokens", "fitted_max_tokens_per_param")


def _read(given: Any) -> float | None:
    """The number meant, or None for what its own field refuses."""
    try:
        return parse_number(given)
    except ValueError:
        return None


class Shape(NamedTuple):
    """What a law of experts says about all parameters of a model, over the active ones."""

    field: str
    """the number of the law that says it"""
    value: float
    because: str
    """its meaning, in words"""
    least: float
    most: float


class Law(NamedAssumption):
    """What every scaling law offers. N and D may be arrays; all methods are elementwise and differentiable."""

    tag: ClassVar[str] = "kind"
    based_on: ClassVar[tuple[str, ...]] = ("chinchilla",)
    """Kinds of named law whose numbers this kind takes"""

    label: str = text("name of a law of one's own, in headings")
    fitted_max_params: float | None = edge("parameters", "largest model of the fit")
    fitted_max_tokens: float | None = edge("tokens", "longest run of the fit")
    fitted_max_tokens_per_param: float | None = edge("tokens/parameter", "most tokens per parameter of the fit")

    @classmethod
    def named(cls, given: dict[str, Any]) -> dict[str, Any]:
        name = given["name"]
        if name not in law_names():
            raise unknown_name("scaling law", name, law_names())
        if law_kind(name) not in cls.based_on:
            kinds = " or ".join(map(repr, cls.based_on))
            raise ValueError(
                f"names {name!r}, a law of kind {law_kind(name)!r}; take a law of kind {kinds}, or that kind"
            )
        row = cls._row(name)
        if any(field in given and _read(given[field]) != value for field, value in row.items() if field not in _EDGES):
            # Other coefficients are another law: how far the runs of the published fit reach says nothing about it.
            return {field: value for field, value in row.items() if field not in _EDGES}
        return dict(row)

    @property
    def title(self) -> str:
        return self.label or super().title

    def citation(self, field: str) -> Citation | None:
        own = self.label and not self.name and self.quantity(field) is not None
        return Citation("derived", f"fit of {self.label}", "") if own else super().citation(field)

    @classmethod
    def _row(cls, name: str) -> dict[str, float]:
        """The numbers that a name stands for."""
        return published(name)

    @classmethod
    def _cited(cls, name: str, field: str) -> Citation | None:
        found = next((r for r in rows("laws") if r["law"] == name and r["parameter"] == field), None)
        return Citation(found["kind"], found["source"], found["as_of"]) if found else None

    def _name_implies_tag(self) -> bool:
        return getattr(self, self.tag) == law_kind(self.name)

    @property
    @abstractmethod
    def chinchilla(self) -> "ChinchillaLaw":
        """E and the coefficients of the inner sum for fresh data, A N^-alpha + B D^-beta."""

    def general(self) -> "Law":
        """The same law with its power written out, where it has the form of a coupled law with gamma = 1."""
        return self

    def inner_of(self, reducible: Numeric) -> Numeric:
        """z of a reducible loss l: the inverse of `reducible_of`. l itself unless the law has a gamma."""
        return reducible

    def ln_inner_of(self, ln_reducible: Numeric) -> Numeric:
        """ln z of ln l."""
        return ln_reducible

    def reducible_of(self, inner: Numeric) -> Numeric:
        """l = z^gamma: the reducible loss of an inner sum (nat/token). z itself unless the law has a gamma."""
        return inner

    def ln_reducible_of(self, ln_inner: Numeric) -> Numeric:
        """ln l of ln z."""
        return ln_inner

    @property
    def total_over_active(self) -> Numeric:
        """Total over active parameters of the models that the law describes; 1 for dense ones."""
        return 1.0

    @property
    def expert_share(self) -> Numeric | None:
        """The share of experts that a token uses; None where the law does not say it."""
        return None

    @property
    def shape(self) -> Shape | None:
        """Which ratios of all to active parameters go with the law; None for a law of dense models."""
        return None

    @classmethod
    def of_shape(cls, total_over_active: float) -> dict[str, float]:
        """The fields of a law of experts whose models have such a ratio of all to active parameters."""
        raise TypeError(f"a law of dense models has no ratio of {total_over_active:g}")

    @property
    def plain(self) -> bool:
        """Whether z = A N^-alpha + B D^-beta of N and D as they are, so that the scalar equation of the optimum holds."""
        return True

    def edges_of_fit(self, moved: Mapping[str, np.ndarray]) -> list[Any]:
        """The `fitted_` edges of this law in rows that give some coefficients values of their own; NaN where none is on record.

        Args:
            moved: coefficient by coefficient, the value in each row.

        """
        row = self._row(self.name) if self.name else {}
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

    def effective_params(self, n_params: Numeric) -> Numeric:
        """N': the parameters that `n_params` are worth (count). N itself unless data repeats and is too little for so many."""
        return n_params

    @property
    def kept(self) -> dict[str, Numeric]:
        """What stays when the coefficients of another law are taken: how much data there is and what repetition is worth, by field."""
        return {}

    @property
    def repeats(self) -> bool:
        """Whether data is limited, so that a longer run repeats it."""
        return False

    @property
    def most_worth(self) -> str:
        """What repeated data is worth at most, in words; "" for fresh data."""
        return ""

    @property
    def chosen(self) -> str:
        """What was chosen for the law besides its coefficients, in words; "" where there is nothing to choose."""
        return ""

    @property
    def ln_useful_tokens(self) -> Numeric:
        """ln D from where more repetition adds less than 1e-12 of what the data is worth at most, (1 + R_D) U; infinite for fresh data.

        A budget is not spent beyond it: the next three digits of the loss would take a third more tokens.
        """
        return math.inf

    @property
    def ln_useful_params(self) -> Numeric:
        """ln N from where more parameters add less than 1e-12 of what they are worth at most; infinite where data is fresh."""
        return math.inf

    def ln_tokens_worth(self, ln_fresh: Numeric) -> tuple[Numeric, Numeric]:
        """(ln D, over): the tokens that are worth so many fresh ones, inverse of `effective_tokens`.

        No run is worth so much where `over` >= 0: the logarithm by which `ln_fresh` exceeds what the data is worth at most.
        """
        return ln_fresh, -math.inf + 0.0 * ln_fresh

    def ln_params_worth(self, ln_free: Numeric) -> tuple[Numeric, Numeric]:
        """(ln N, over): the parameters that are worth so many, inverse of `effective_params`; `over` as in `ln_tokens_worth`."""
        return ln_free, -math.inf + 0.0 * ln_free

    def tokens_for(self, n_params: Numeric, reducible: Numeric) -> Numeric:
        """D at which N parameters have the reducible loss l: the inverse of `reducible` (tokens).

        Args:
            n_params: active parameters N (count); infinity is allowed.
            reducible: l (nat/token).

        >>> law = ChinchillaLaw.model_validate("besiroglu")
        >>> float(round(law.tokens_for(70e9, law.reducible(70e9, 1.4e12)) / 1e12, 6))
        1.4

        """
        with np.errstate(all="ignore"):
            return self.tokens_of_term(self.inner_of(reducible) - self.params_term(n_params))

    def tokens_of_term(self, left: Numeric) -> Numeric:
        """(B / left)^(1/beta), repetition undone: the inverse of `tokens_term` (tokens); NaN where no amount of training gives it."""
        c = self.chinchilla
        xp = numpy_for(left, c.B, c.beta)
        with np.errstate(all="ignore"):
            ln_fresh = (xp.log(c.B) - xp.log(xp.where(left > 0, left, xp.nan))) / c.beta
            ln_tokens, over = self.ln_tokens_worth(ln_fresh)
            return xp.exp(xp.where(over < 0, ln_tokens, xp.nan))

    def ln_train_optimal(self, ln_reducible: Numeric) -> tuple[Numeric, Numeric]:
        """(ln N, ln D) of least N D at a reducible loss, with fresh data: A N^-alpha = z beta / (alpha + beta), B D^-beta the rest.

        Args:
            ln_reducible: ln l (l in nat/token).

        References:
            Hoffmann et al. 2022, equation 4.

        """
        c = self.chinchilla
        ln_inner = self.ln_inner_of(ln_reducible)
        xp, total = numpy_for(ln_inner, c.A, c.B, c.alpha, c.beta), c.alpha + c.beta
        return (
            (xp.log(c.A * total / c.beta) - ln_inner) / c.alpha,
            (xp.log(c.B * total / c.alpha) - ln_inner) / c.beta,
        )

    def inner(self, n_params: Numeric, train_tokens: Numeric) -> Numeric:
        """z = A N'^-alpha + B D'^-beta: the inner sum, as `reducible` without its power."""
        return self.params_term(n_params) + self.tokens_term(train_tokens)

    def params_term(self, n_params: Numeric) -> Numeric:
        """A N'^-alpha: what more parameters remove from the inner sum."""
        c = self.chinchilla
        return c.A * self.effective_params(n_params) ** -c.alpha

    def tokens_term(self, train_tokens: Numeric) -> Numeric:
        """B D'^-beta: what more tokens remove from the inner sum."""
        c = self.chinchilla
        return c.B * self.effective_tokens(train_tokens) ** -c.beta

    def reducible(self, n_params: Numeric, train_tokens: Numeric) -> Numeric:
        """l = z^gamma: the loss above E that more parameters or tokens remove (nat/token).

        Args:
            n_params: active parameters N (count).
            train_tokens: pre-training tokens D (count); infinity is allowed.

        """
        return self.reducible_of(self.inner(n_params, train_tokens))

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


_COEFFICIENTS = ("E", "A", "B", "alpha", "beta")


class ChinchillaLaw(Law):
    """L(N, D) = E + A N^-alpha + B D^-beta.

    >>> law = ChinchillaLaw.model_validate("besiroglu")
    >>> round(law.loss(70e9, 1.4e12), 3)
    1.974
    """

    kind: Literal["chinchilla"] = choice({"chinchilla": "Dense, terms added (Chinchilla)"}, default="chinchilla")
    E: float = quantity("nat/token", "irreducible loss", ge=0, low=1.45, high=1.9)
    A: float = quantity("nat/token", "coefficient of the parameter term", gt=0, low=100, high=1000)
    B: float = quantity("nat/token", "coefficient of the token term", gt=0, low=200, high=4000)
    alpha: float = quantity("1", "exponent of parameters", gt=0, le=2, low=0.3, high=0.4)
    beta: float = quantity("1", "exponent of tokens", gt=0, le=2, low=0.26, high=0.42)
    posterior: dict[str, Any] = text("joint normal distribution of the coefficients of a fit", default={})

    @field_validator("posterior")
    @classmethod
    def _is_a_distribution(cls, given: dict[str, Any]) -> dict[str, Any]:
        if given:
            power = cls.model_fields.get("gamma")
            needed = power is not None and power.is_required()
            also = ["gamma"] if needed or (power and "gamma" in str(given.get("coefficients"))) else []
            read_joint(given, ["E", "A", "B", "alpha", "beta", *also])
        return given

    @property
    def chinchilla(self) -> "ChinchillaLaw":
        return self

    def general(self) -> Law:
        return CoupledLaw.model_construct(**{k: getattr(self, k) for k in _COEFFICIENTS}, gamma=1.0)


def power_of_sum(default: Any = ...) -> Any:
    """Declares law.gamma; without a default it must be given, or come with the name of a coupled law."""
    about = "power gamma of the sum A N^-alpha + B D^-beta; 1 is the additive law"
    known = "1 is the additive law; fits to twelve public sweeps give 0.17 to 0.77"
    return quantity("1", about, default=default, gt=0, le=2, source=known)


class CoupledLaw(ChinchillaLaw):
    """L(N, D) = E + (A N^-alpha + B D^-beta)^gamma.

    gamma = 1 is `ChinchillaLaw`. Lines of equal loss are lines of equal z = A N^-alpha + B D^-beta, so that D0(N), D*/D0 and the identities
    of the base problem keep their form; the elasticities of l are gamma times those of z. A fit with gamma < 1 has larger alpha and beta
    than an additive fit to the same runs: its lines bend more, and a size off the best one costs more. A and B are in
    (nat/token)^(1/gamma).

    References:
        Busbridge et al. 2025, arXiv 2502.08606 (their law of supervised training).

    >>> law = CoupledLaw(E=1.757, A=2305, B=9957, alpha=0.4244, beta=0.4305, gamma=0.774)  # the 240 points of Hoffmann et al.
    >>> round(law.loss(70e9, 1.4e12), 3)
    1.946

    """

    based_on: ClassVar[tuple[str, ...]] = ("coupled", "chinchilla")
    kind: Literal["coupled"] = choice({"coupled": "Dense, terms coupled"}, default="coupled")  # type: ignore[assignment]
    gamma: float = power_of_sum()

    @classmethod
    def _row(cls, name: str) -> dict[str, float]:
        return {"gamma": 1.0} | super()._row(name)

    @property
    def chinchilla(self) -> ChinchillaLaw:
        return ChinchillaLaw.model_construct(**{k: getattr(self, k) for k in ("name", *_COEFFICIENTS)})

    def general(self) -> Law:
        return self

    def inner_of(self, reducible: Numeric) -> Numeric:
        return numpy_for(reducible, self.gamma).power(reducible, 1 / self.gamma)

    def ln_inner_of(self, ln_reducible: Numeric) -> Numeric:
        return ln_reducible / self.gamma

    def reducible_of(self, inner: Numeric) -> Numeric:
        return inner**self.gamma

    def ln_reducible_of(self, ln_inner: Numeric) -> Numeric:
        return self.gamma * ln_inner
