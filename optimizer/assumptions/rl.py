"""Reinforcement learning: how many tokens, and what decides the number.

A rollout token costs (2 + 4 f) N FLOPs: 2 N to write it and 4 N more for the share f that gets a backward pass. The policy says
how the number of RL tokens R follows from the design, and it matters: R tied to D makes training more expensive and pushes against
over-training, a fixed R acts like inference and pushes towards it, and RL fixed in FLOPs does not move the optimum.

References:
    ScaleRL, arXiv 2510.13786 (fixed compute). T^2, arXiv 2604.01411 (the form G R^-gamma, there for test-time samples).

"""

from abc import abstractmethod
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from .law import Law
from .numbers import human, percent
from .quantity import Assumption, Numeric, choice, quantity

__all__ = ["RL", "CostShareRL", "FixedFlopsRL", "FixedTokensRL", "NoRL", "OptimisedRL", "RatioRL"]

LECTURE_RL_SHARE = 2 / 3
"""R / D at the lecture's equal-cost point: 133.3T RL tokens with 200T training tokens."""


class _AnyRL(Assumption):
    tag: ClassVar[str] = "policy"
    decided: ClassVar[bool] = False
    """Whether R is a decision like N and D; otherwise it follows from them."""
    absent: ClassVar[bool] = False
    """Whether there is no RL."""
    by_compute: ClassVar[bool] = False
    """Whether the policy gives the compute of RL rather than its tokens."""

    trained_share: float = quantity(
        "1",
        "share f of rollout tokens that get a backward pass; a token costs (2 + 4 f) N FLOPs",
        ge=0,
        le=1,
        default=0.25,
        low=0.0,
        high=1.0,
        source="lecture: factor 3 = 2 + 4 x 0.25",
    )
    efficiency: float = quantity(
        "1",
        "useful throughput of RL relative to pre-training",
        gt=0,
        le=2,
        default=1 / 3,
        low=0.15,
        high=1.0,
        uncertain=2,
        source="lecture: decode runs at about 0.3 of training throughput",
    )
    overhead: float | None = quantity(
        "1",
        "research multiplier on RL; as pretraining.overhead when left out, 1 is none",
        ge=1,
        le=100,
        default=None,
        low=1,
        high=5,
    )

    @property
    def fixed_flops(self) -> Numeric | None:
        """RL compute (FLOP) where it is the same for every design, else None."""
        return None

    @property
    @abstractmethod
    def stated(self) -> str:
        """How much RL there is, in words."""

    @property
    def flops_per_param_token(self) -> Numeric:
        """2 + 4 f: FLOPs per parameter and RL token."""
        return 2 + 4 * self.trained_share

    @abstractmethod
    def rl_tokens(
        self, n_params: Numeric, train_tokens: Numeric, pretraining_flops_per_param_token: Numeric
    ) -> Numeric:
        """RL tokens R that the policy gives a design (tokens); TypeError for 'optimised', where R is decided with N and D."""

    def return_term(self, law: Law) -> tuple[Numeric, Numeric]:
        """(G, gamma) of the term G R^-gamma of the inner sum, where R is decided."""
        raise TypeError(f"rl.policy = {getattr(self, self.tag)!r} gives the loss no term of R; only 'optimised' does")

    def assumed(self, law: Law) -> dict[str, Numeric]:
        """Values, by field, that the policy takes for fields that are left out and that no table gives."""
        return {}

    def inner(self, law: Law, rl_tokens: Numeric) -> Numeric:
        """What the RL tokens add to the inner sum of the law: 0, or G R^-gamma when R is optimised."""
        return 0.0


class NoRL(_AnyRL):
    """No reinforcement learning."""

    policy: Literal["none"] = choice({"none": "No RL"}, default="none")
    absent: ClassVar[bool] = True

    @property
    def stated(self) -> str:
        return "none"

    def rl_tokens(
        self, n_params: Numeric, train_tokens: Numeric, pretraining_flops_per_param_token: Numeric
    ) -> Numeric:
        return 0.0 * n_params


class FixedTokensRL(_AnyRL):
    """R is given; it acts like inference."""

    policy: Literal["tokens"] = choice({"tokens": "Fixed tokens"}, default="tokens")
    tokens: float = quantity("tokens", "RL tokens R", ge=0, low=1e12, high=1e15, uncertain=3)

    @property
    def stated(self) -> str:
        return f"{human(self.tokens)} tokens"

    def rl_tokens(
        self, n_params: Numeric, train_tokens: Numeric, pretraining_flops_per_param_token: Numeric
    ) -> Numeric:
        return self.tokens + 0.0 * n_params


class RatioRL(_AnyRL):
    """R = rho D; it makes training more expensive."""

    policy: Literal["ratio"] = choice({"ratio": "Ratio to training tokens"}, default="ratio")
    ratio: float = quantity("1", "RL tokens per pre-training token, rho", ge=0, low=0.01, high=1.0, uncertain=3)

    @property
    def stated(self) -> str:
        return f"{human(self.ratio)} tokens per training token"

    def rl_tokens(
        self, n_params: Numeric, train_tokens: Numeric, pretraining_flops_per_param_token: Numeric
    ) -> Numeric:
        return self.ratio * train_tokens


class FixedFlopsRL(_AnyRL):
    """RL compute is given, so R = flops / ((2 + 4 f) N); it does not move the optimum.

    A ScaleRL reward floor fixes compute too: flops = C_mid ((R - R0) / (A - R))^(1/B).
    """

    policy: Literal["flops"] = choice({"flops": "Fixed compute"}, default="flops")
    flops: float = quantity(
        "FLOP", "RL compute before its efficiency is counted", ge=0, low=1e22, high=1e27, uncertain=3
    )
    by_compute: ClassVar[bool] = True

    @property
    def fixed_flops(self) -> Numeric:
        return self.flops

    @property
    def stated(self) -> str:
        return f"{human(self.flops)} FLOP"

    def rl_tokens(
        self, n_params: Numeric, train_tokens: Numeric, pretraining_flops_per_param_token: Numeric
    ) -> Numeric:
        return self.flops / (self.flops_per_param_token * n_params)


class CostShareRL(_AnyRL):
    """RL costs a fixed share of what pre-training costs, both before research overhead, so R is a fixed ratio of D."""

    policy: Literal["cost_share"] = choice({"cost_share": "Share of the cost of pre-training"}, default="cost_share")
    cost_share: float = quantity(
        "1", "cost of RL as a share of the cost of pre-training, both before overhead", ge=0, low=0.05, high=2.0
    )
    by_compute: ClassVar[bool] = True

    @property
    def stated(self) -> str:
        return f"{percent(self.cost_share)} of the cost of pre-training"

    def rl_tokens(
        self, n_params: Numeric, train_tokens: Numeric, pretraining_flops_per_param_token: Numeric
    ) -> Numeric:
        ratio = self.cost_share * self.efficiency * pretraining_flops_per_param_token / self.flops_per_param_token
        return ratio * train_tokens


class OptimisedRL(_AnyRL):
    """R is decided with N and D; the inner sum of the law gets the return term G R^-gamma.

    No constants are published: G and gamma are your assumption. Left out, gamma = beta of the law, and G = B (R/D)^beta at the
    lecture's point (200T, 133.3T), where D and R cost the same and the first-order condition between them then holds.
    """

    policy: Literal["optimised"] = choice({"optimised": "Optimised with N and D"}, default="optimised")
    G: float | None = quantity(
        "nat/token",
        "coefficient of the RL return term; your assumption",
        gt=0,
        default=None,
        low=100,
        high=4000,
        uncertain=2,
    )
    gamma: float | None = quantity(
        "1", "exponent of the RL return term; your assumption", gt=0, le=2, default=None, low=0.2, high=0.5
    )
    decided: ClassVar[bool] = True

    @property
    def stated(self) -> str:
        return "tokens decided with the design"

    def rl_tokens(
        self, n_params: Numeric, train_tokens: Numeric, pretraining_flops_per_param_token: Numeric
    ) -> Numeric:
        raise TypeError(
            "rl.policy = 'optimised' decides R with N and D, so R does not follow from them; give the design its rl_tokens"
        )

    def return_term(self, law: Law) -> tuple[Numeric, Numeric]:
        """(G, gamma), with the defaults described above where they are left out."""
        base = law.chinchilla
        G = base.B * LECTURE_RL_SHARE**base.beta if self.G is None else self.G
        return G, base.beta if self.gamma is None else self.gamma

    def assumed(self, law: Law) -> dict[str, Numeric]:
        used = dict(zip(("G", "gamma"), self.return_term(law), strict=True))
        return {name: value for name, value in used.items() if getattr(self, name) is None}

    def inner(self, law: Law, rl_tokens: Numeric) -> Numeric:
        G, gamma = self.return_term(law)
        return G * rl_tokens**-gamma


RL = Annotated[NoRL | FixedTokensRL | RatioRL | FixedFlopsRL | CostShareRL | OptimisedRL, Field(discriminator="policy")]
