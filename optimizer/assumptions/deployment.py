"""The deployment: the architecture of the model, the engine and the replica it runs on, and the batch.

The chip itself is `money.serve_chip`.
"""

from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from .architecture import Architecture
from .engine import Engine
from .hardware import Accelerator, CacheTier
from .quantity import Assumption, Numeric, Rule, choice, numpy_for, quantity

__all__ = ["WEIGHT_BYTES", "Deployment"]

_TENSOR_CHIPS = 8.0
_LINK_SHARES = {"tensor": 0.599, "expert": 0.9}
WEIGHT_BYTES = {"bf16": 2.0, "fp8": 1.0, "int8": 1.0, "fp4": 0.5}
"""Bytes of one weight at each precision, without scales."""


class _Placed(Assumption):
    """Where a replica runs, and how many sequences share a step."""

    batch: Literal["optimal", "latency", "fixed"] = choice(
        {"optimal": "As many as memory holds", "latency": "As many as keep a speed", "fixed": "Fixed"},
        "sequences per step: as many as memory holds, as many as keep target_tokens_per_second, or batch_size",
        default="optimal",
    )
    batch_size: float | None = quantity(
        "sequences", "sequences per step, where the batch is fixed", ge=1, default=None, low=1, high=4096
    )
    target_tokens_per_second: float | None = quantity(
        "tokens/s", "speed that every user sees, where it sets the batch", gt=0, default=None, low=10, high=200
    )
    placement: Literal["given", "best"] = choice(
        {"given": "As given", "best": "The cheapest"},
        "where a replica runs: as chips, parallelism and pipeline_stages say, or the cheapest placement of one scale-up "
        "domain, in which what these say is kept",
        default="best",
    )
    chips: float | None = quantity(
        "chips",
        "chips of one replica and pipeline stage; by default the chip's scale-up domain, at most 8 of it with tensor parallelism",
        ge=1,
        default=None,
        low=1,
        high=576,
    )
    pipeline_stages: float | None = quantity(
        "stages",
        "stages that share the layers; 1 where it is left out and the placement is given",
        ge=1,
        default=None,
        low=1,
        high=16,
    )
    parallelism: Literal["tensor", "expert"] | None = choice(
        {"tensor": "Tensor parallelism", "expert": "Expert parallelism"},
        "what the chips exchange in every layer: sums over all of them, or each token with its experts; tensor where it is "
        "left out and the placement is given",
        default=None,
    )
    context_tokens: float = quantity(
        "tokens",
        "tokens in the context of a sequence, on average",
        ge=1,
        default=8000.0,
        low=1000,
        high=200000,
        uncertain=2,
    )


class Deployment(Engine, Architecture, _Placed):
    """How the model is served when serving.method = "roofline", and the shape it has in training memory."""

    prompt_tokens: float | None = quantity(
        "tokens",
        "prompt whose time to the first token is limited; the whole context when left out",
        gt=0,
        default=None,
        low=100,
        high=100000,
    )
    prefill: Literal["apart", "together"] = choice(
        {"apart": "On replicas of their own", "together": "Between the steps of decoding"},
        "where prompts are computed: on replicas of their own, or on those that decode, where they come between the steps",
        default="apart",
    )
    prefill_chips: float | None = quantity(
        "chips",
        "chips of one replica and stage that computes prompts; when left out chosen with the placement, or those of one that decodes "
        "where that is given",
        ge=1,
        default=None,
        low=1,
        high=72,
    )
    drafted_tokens: float = quantity(
        "tokens",
        "speculative decoding: tokens drafted and checked with the next one, per step",
        ge=0,
        default=0.0,
        low=0,
        high=7,
    )
    accepted_tokens: float | None = quantity("tokens", "tokens that a step adds to a sequence", ge=1, default=1.0)
    acceptance_rate: float | None = quantity(
        "1",
        "share of drafted tokens that are accepted where those before them are; gives the tokens that a step adds, instead of "
        "accepted_tokens",
        ge=0,
        lt=1,
        default=None,
        low=0.5,
        high=0.9,
        uncertain=1.15,
        source="0.85 to 0.9 for DeepSeek-V3's own head, arXiv 2412.19437, section 5.4.3; 0.5 to 0.9 in arXiv 2211.17192, table 3",
    )
    draft_share: float | None = quantity(
        "1",
        "time to draft a token over that of a step without drafts; no time when left out",
        ge=0,
        le=1,
        default=None,
        low=0.01,
        high=0.2,
        source="arXiv 2211.17192, section 4.1: 0.05 and less for small draft models",
    )
    cache_tier: CacheTier = Field(default="flash", description="where prefixes wait to be used again")  # type: ignore[assignment]
    cache_keep_seconds: float = quantity(
        "s", "time that a prefix is kept for its next use", ge=0, default=300.0, low=60, high=86400
    )

    instead: ClassVar[dict[str, str]] = {"accepted_tokens": "acceptance_rate"}
    rules: ClassVar[tuple[Rule, ...]] = (
        *Architecture.rules,
        Rule(
            lambda d: d.accepted_tokens is None or d.accepted_tokens <= 1 + d.drafted_tokens,
            lambda d: (
                f"has accepted_tokens = {d.accepted_tokens:g}, more than 1 + drafted_tokens = {1 + d.drafted_tokens:g}; "
                "raise drafted_tokens"
            ),
        ),
    )

    @model_validator(mode="after")
    def _batch_has_its_number(self) -> "Deployment":
        given = {"fixed": self.batch_size, "latency": self.target_tokens_per_second}
        named = {"fixed": "batch_size", "latency": "target_tokens_per_second"}
        for policy, value in given.items():
            if (self.batch == policy) != (value is not None):
                raise ValueError(
                    f"has batch = {self.batch!r} {'without' if value is None else 'and'} {named[policy]}; "
                    + (
                        f"give {named[policy]}"
                        if value is None
                        else f"set batch = {policy!r}, or remove {named[policy]}"
                    )
                )
        return self

    def weight_bytes(self, chip: Accelerator) -> Numeric:
        """Bytes of one weight: as given, or those of the chip's precision."""
        return WEIGHT_BYTES[chip.precision] if self.bytes_per_weight is None else self.bytes_per_weight

    def chips_on(self, chip: Accelerator) -> Numeric:
        """Chips of one replica and stage: as given, or the chip's scale-up domain, of which tensor parallelism takes at most 8."""
        if self.chips is not None:
            return self.chips
        domain = 1.0 if chip.scaleup_domain_chips is None else chip.scaleup_domain_chips
        return domain if self.by_expert else numpy_for(domain).minimum(domain, _TENSOR_CHIPS)

    @property
    def by_expert(self) -> bool:
        """Whether chips exchange tokens with their experts; otherwise, as by default, they form sums."""
        return self.parallelism == "expert"

    @property
    def stages(self) -> Numeric:
        """Pipeline stages: as given, or 1."""
        return 1.0 if self.pipeline_stages is None else self.pipeline_stages

    def written_out(self, chip: Accelerator) -> dict[str, Any]:
        """Its placement, with what is left out of it."""
        kind = "expert" if self.by_expert else "tensor"
        return {"chips": self.chips_on(chip), "parallelism": kind, "pipeline_stages": self.stages}

    def link_share_used(self) -> Numeric:
        """Share of link bandwidth: as given, or that of the kind of parallelism."""
        return _LINK_SHARES["expert" if self.by_expert else "tensor"] if self.link_share is None else self.link_share

    def kept_tokens(self) -> Numeric:
        """Tokens that a step adds to a sequence: as given, or 1 + a + .. + a^k of k drafts with an acceptance rate a.

        Leviathan, Kalman, Matias 2023, arXiv 2211.17192, equation 1: (1 - a^(k+1)) / (1 - a).
        """
        a = self.acceptance_rate
        return self.accepted_tokens if a is None else (1 - a ** (1 + self.drafted_tokens)) / (1 - a)  # pyright: ignore[reportReturnType]
