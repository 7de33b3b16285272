"""Mixture of experts by sparsity, the share of parameters that a token does not use.

The law has two powers of N, so parameters are worth N' with A N'^-alpha = the sum of both, and every other form stays as it is.

References:
    Abnar et al. 2025, arXiv 2501.12370, equation 6 and table 3.

"""

from typing import ClassVar, Literal, NamedTuple

from .experts import GranularLaw, MoELaw
from .law import ChinchillaLaw, Law, Shape
from .numbers import amount, percent
from .published_laws import law_kind
from .quantity import Numeric, choice, numpy_for, quantity

__all__ = ["SparsityLaw", "of_shape"]

_NEWTON_STEPS = 12
"""From the larger of both roots Newton steps rise to the root; 8 reach rounding for exponents that differ by a factor of 20."""

_SAME_SHAPE = 1.05
"""Factor up to which two ratios of all to active parameters are one: embeddings and attention are counted in several ways."""


class _Two(NamedTuple):
    """A N^-alpha + B N^-beta."""

    A: Numeric
    alpha: Numeric
    B: Numeric
    beta: Numeric

    def at(self, n_params: Numeric) -> Numeric:
        return self.A * n_params**-self.alpha + self.B * n_params**-self.beta

    def slope(self, n_params: Numeric) -> Numeric:
        """Less the derivative by ln N: alpha A N^-alpha + beta B N^-beta."""
        return self._replace(A=self.alpha * self.A, B=self.beta * self.B).at(n_params)

    def ln_root(self, ln_value: Numeric) -> Numeric:
        """ln N at which the sum is a value. The logarithm of the sum is convex and falls with ln N, so that Newton steps rise to it."""
        xp = numpy_for(ln_value, *self)
        ln_a, ln_b = xp.log(self.A), xp.log(self.B)
        ln_n = xp.maximum((ln_a - ln_value) / self.alpha, (ln_b - ln_value) / self.beta)
        for _ in range(_NEWTON_STEPS):
            first, second = ln_a - self.alpha * ln_n, ln_b - self.beta * ln_n
            both = xp.logaddexp(first, second)
            share = xp.exp(first - both)
            ln_n = ln_n + (both - ln_value) / (self.alpha * share + self.beta * (1 - share))
        return ln_n


class SparsityLaw(Law):
    """Mixture of experts at a fixed sparsity S; M counts all parameters and N the active ones.

        L = a M^-alpha + b D^-beta + c (1-S)^-lambda + d (1-S)^-delta M^-gamma + e,        M = N / (1-S).

    Fitted for S up to 0.95; its R2 on the held-out runs at 0.98 is 68 %. At fixed S the reducible loss is a sum of three powers, so it is
    convex in logarithms: certified, but not by the scalar equation, which takes one power of N. S is a choice of the scenario and is
    not optimised: as a decision it would make the problem not convex.

    References:
        Abnar et al. 2025, arXiv 2501.12370, equation 6 and table 3, as two secondary sources give them.

    """

    based_on: ClassVar[tuple[str, ...]] = ("moe-sparsity",)
    kind: Literal["moe-sparsity"] = choice({"moe-sparsity": "Mixture of experts, by sparsity"}, default="moe-sparsity")
    sparsity: float = quantity(
        "1",
        "share of the parameters that a token does not use",
        ge=0,
        lt=1,
        default=0.875,
        low=0,
        high=0.95,
        source="assumption: 8 times as many parameters as a token uses",
    )
    a: float = quantity("nat/token", "coefficient of the parameter term", gt=0)
    alpha: float = quantity("1", "exponent of parameters", gt=0, le=2)
    b: float = quantity("nat/token", "coefficient of the token term", gt=0)
    beta: float = quantity("1", "exponent of tokens", gt=0, le=2)
    c: float = quantity("nat/token", "coefficient of the term of sparsity alone", ge=0)
    lam: float = quantity("1", "exponent lambda of the active share in that term")
    d: float = quantity("nat/token", "coefficient of the term of sparsity and parameters", gt=0)
    delta: float = quantity("1", "exponent of the active share in that term")
    gamma: float = quantity("1", "exponent of parameters in that term", gt=0, le=2)
    e: float = quantity("nat/token", "irreducible loss of a model that uses none of its parameters", ge=0)

    @property
    def chosen(self) -> str:
        return f"sparsity {amount(self.sparsity)}"

    @property
    def total_over_active(self) -> Numeric:
        return 1 / (1 - self.sparsity)

    @property
    def shape(self) -> Shape | None:
        ratio = float(self.total_over_active)
        because = f"where a token does not use {percent(float(self.sparsity))} of the parameters, a model has"
        return Shape("sparsity", float(self.sparsity), because, ratio / _SAME_SHAPE, ratio * _SAME_SHAPE)

    @classmethod
    def of_shape(cls, total_over_active: float) -> dict[str, float]:
        return {"sparsity": 1 - 1 / total_over_active}

    @property
    def plain(self) -> bool:
        return False

    @property
    def chinchilla(self) -> ChinchillaLaw:
        """With the larger of the two powers of N at sizes above 0.1B, d M^-gamma."""
        two = self._two
        return ChinchillaLaw.model_construct(
            E=self.e + self.c * (1 - self.sparsity) ** -self.lam, A=two.B, B=self.b, alpha=two.beta, beta=self.beta
        )

    @property
    def _two(self) -> _Two:
        active = 1 - self.sparsity
        return _Two(self.a * active**self.alpha, self.alpha, self.d * active ** (self.gamma - self.delta), self.gamma)

    def params_term(self, n_params: Numeric) -> Numeric:
        return self._two.at(n_params)

    def effective_params(self, n_params: Numeric) -> Numeric:
        two = self._two
        return (two.at(n_params) / two.B) ** (-1 / two.beta)

    def ln_params_worth(self, ln_free: Numeric) -> tuple[Numeric, Numeric]:
        two = self._two
        xp = numpy_for(ln_free, *two)
        _, over = super().ln_params_worth(ln_free)
        return two.ln_root(xp.log(two.B) - two.beta * ln_free), over

    def ln_train_optimal(self, ln_reducible: Numeric) -> tuple[Numeric, Numeric]:
        # Least N D: alpha A N^-alpha + gamma B N^-gamma = beta b D^-beta, which the inner sum turns into two powers of N again.
        two, beta = self._two, self.beta
        ln_n = two._replace(A=two.A * (1 + two.alpha / beta), B=two.B * (1 + two.beta / beta)).ln_root(ln_reducible)
        xp = numpy_for(ln_n, beta, self.b)
        return ln_n, (xp.log(beta * self.b) - xp.log(two.slope(xp.exp(ln_n)))) / beta

    def train_optimal_tokens(self, n_params: Numeric) -> Numeric:
        return (self.beta * self.b / self._two.slope(n_params)) ** (1 / self.beta)


_KINDS: dict[str | None, type[Law]] = {kind.based_on[0]: kind for kind in (MoELaw, SparsityLaw, GranularLaw)}


def of_shape(name: str, total_over_active: float) -> dict[str, float | str]:
    """The block of a named law of experts whose models have such a ratio of all to active parameters.

    >>> of_shape("abnar", 8), of_shape("ludziejewski", 1)
    ({'name': 'abnar', 'sparsity': 0.875}, {'name': 'ludziejewski', 'experts': 1.0})

    """
    return {"name": name, **_KINDS[law_kind(name)].of_shape(total_over_active)}
