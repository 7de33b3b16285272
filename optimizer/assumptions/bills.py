"""The bills of a scenario: pre-training, serving, and the unit that they are paid in."""

from typing import Any, ClassVar, Literal

from pydantic import Field

from .hardware import Accelerator
from .numbers import human
from .quantity import Assumption, Rule, choice, quantity

__all__ = ["Money", "Pretraining", "Serving"]


def _sized(instead: dict[str, str]) -> tuple[Rule, ...]:
    """A measured speed stands where a share would, and needs the size of the model that it was measured on."""

    def given(block: Any) -> list[str]:
        return [speed for speed in instead.values() if getattr(block, speed) is not None]

    def missing(block: Any) -> list[str]:
        return [
            f"{share} or {speed}"
            for share, speed in instead.items()
            if getattr(block, share) is None and getattr(block, speed) is None
        ]

    return (
        Rule(lambda block: not missing(block), lambda block: f"needs {' and '.join(missing(block))}; give one"),
        Rule(
            lambda block: block.measured_params is not None or not given(block),
            lambda block: f"has {' and '.join(given(block))} without measured_params; give the size that was measured",
        ),
    )


class Pretraining(Assumption):
    """The bill for pre-training."""

    instead: ClassVar[dict[str, str]] = {"mfu": "tokens_per_second_per_chip"}
    rules: ClassVar[tuple[Rule, ...]] = (
        *_sized(instead),
        Rule(
            lambda p: p.mfu_counts == "attention" or p.context_tokens is None or p.measured_params is not None,
            lambda _: (
                "has mfu_counts = 'parameters' and context_tokens without measured_params; give the size that was measured"
            ),
        ),
    )

    flops_per_param_token: float = quantity(
        "FLOP",
        "FLOPs per parameter and training token",
        gt=0,
        le=100,
        default=6.0,
        low=6,
        high=8,
        source="2 forward and 4 backward; arXiv 2001.08361",
    )
    mfu: float | None = quantity(
        "1",
        "model FLOPs utilisation of pre-training",
        gt=0,
        le=1,
        default=0.4,
        low=0.2,
        high=0.6,
        uncertain=1.5,
        source="data/models.csv, mfu_6nd_bf16: 0.14 to 0.51",
    )
    tokens_per_second_per_chip: float | None = quantity(
        "tokens/s",
        "measured speed of training on one training chip, instead of mfu",
        gt=0,
        default=None,
        low=100,
        high=1e5,
    )
    measured_params: float | None = quantity(
        "parameters",
        "active parameters of the measured model, of which a speed or a utilisation that counts parameters alone is given; other sizes do "
        "as many FLOP/s",
        gt=0,
        default=None,
        low=1e9,
        high=1e12,
    )
    mfu_counts: Literal["attention", "parameters"] = choice(
        {"attention": "Parameters and attention", "parameters": "Parameters alone (6 N D)"},
        "FLOPs that mfu counts where context_tokens is given: parameters and attention, or parameters alone (6 N D), as "
        "measured at measured_params",
        default="attention",
    )
    context_tokens: float | None = quantity(
        "tokens",
        "length of a training sequence, of which a token reads half on average; attention FLOPs are left out without it",
        ge=0,
        default=None,
        low=2048,
        high=131072,
    )
    overhead: float = quantity(
        "1",
        "research multiplier on pre-training, and on RL where rl.overhead is left out; 1 is none",
        ge=1,
        le=100,
        default=1.0,
        low=1,
        high=5,
    )
    state_bytes_per_param: float = quantity(
        "bytes",
        "training memory per total parameter: weights, gradients, optimizer state",
        gt=0,
        le=64,
        default=18.0,
        low=6,
        high=20,
        source="2 weights, 4 gradients, 12 master copy and two moments; arXiv 1910.02054, section 3.1, with fp32 gradients",
    )
    shard_chips: float = quantity(
        "chips",
        "chips that share one copy of weights, gradients and optimizer state",
        ge=1,
        default=512.0,
        low=8,
        high=4096,
    )
    tokens_per_chip: float = quantity(
        "tokens",
        "tokens of one micro-batch per chip, context shared between chips",
        ge=1,
        default=4096.0,
        low=512,
        high=16384,
    )
    recomputation: Literal["none", "selective", "full"] = choice(
        {"none": "None", "selective": "Those of attention", "full": "All of a layer"},
        "activations computed again in the backward pass: none, those of attention, all of a layer",
        default="selective",
    )


def _point(serving: Any) -> tuple[Any, ...]:
    return serving.calibration_loss, serving.calibration_params, serving.calibration_tokens


class Serving(Assumption):
    """The bill for inference."""

    instead: ClassVar[dict[str, str]] = {
        f"{phase}_efficiency": f"{phase}_tokens_per_second_per_chip" for phase in ("prefill", "decode")
    }
    rules: ClassVar[tuple[Rule, ...]] = (
        *_sized(instead),
        Rule(
            lambda s: s.quantisation != "calibrated" or all(v is not None for v in _point(s)),
            lambda _: (
                "has quantisation = 'calibrated', whose loss scales one that you measured; give calibration_loss (nat/token that "
                "quantisation added to the loss of a model of yours), calibration_params and calibration_tokens (its size and its "
                "training tokens), or take quantisation = 'w4a16' or 'w4a4'"
            ),
        ),
    )

    method: Literal["efficiency", "roofline"] = choice(
        {"efficiency": "Assumed efficiency", "roofline": "Roofline"},
        "how the cost of serving and of RL rollouts is found: FLOPs at an assumed efficiency, or step times of the deployment",
        default="efficiency",
    )
    flops_per_param_token: float = quantity(
        "FLOP",
        "FLOPs per parameter and served token",
        gt=0,
        le=100,
        default=2.0,
        low=2,
        high=3,
        source="forward pass; arXiv 2001.08361",
    )
    prefill_efficiency: float | None = quantity(
        "1",
        "useful throughput of prefill relative to pre-training",
        gt=0,
        le=10,
        default=1.0,
        low=0.5,
        high=1.5,
        uncertain=1.5,
    )
    decode_efficiency: float | None = quantity(
        "1",
        "useful throughput of decode relative to pre-training",
        gt=0,
        le=10,
        default=1 / 3,
        low=0.1,
        high=1.0,
        uncertain=2,
        source="lecture: decode runs at about 0.3 of training throughput",
    )
    prefill_tokens_per_second_per_chip: float | None = quantity(
        "tokens/s",
        "measured speed of prefill on one serving chip, instead of prefill_efficiency",
        gt=0,
        default=None,
        low=100,
        high=1e5,
    )
    decode_tokens_per_second_per_chip: float | None = quantity(
        "tokens/s",
        "measured speed of decode on one serving chip, instead of decode_efficiency",
        gt=0,
        default=None,
        low=10,
        high=1e4,
    )
    measured_params: float | None = quantity(
        "parameters",
        "active parameters of the measured model, of which the speeds are given; other sizes do as many FLOP/s",
        gt=0,
        default=None,
        low=1e9,
        high=1e12,
    )
    context_tokens: float | None = quantity(
        "tokens",
        "context that a decoded token reads, on average, and of which tokens of prompts and RL rollouts read half; attention FLOPs are "
        "left out without it",
        ge=0,
        default=None,
        low=1000,
        high=200000,
        uncertain=2,
    )
    load_factor: float = quantity(
        "1",
        "share of paid serving time that does useful work",
        gt=0,
        le=1,
        default=1.0,
        low=0.3,
        high=1.0,
        uncertain=1.5,
    )

    quantisation: Literal["none", "w4a16", "w4a4", "calibrated"] = choice(
        {
            "none": "None",
            "w4a16": "Trained, 4-bit weights",
            "w4a4": "Trained, 4-bit weights and activations",
            "calibrated": "After training, from a loss measured",
        },
        "loss counted for serving in few bits: none; trained with weights of 4 bits, activations of 16 or 4 (Chen et al. "
        "2025); or quantised after training, from one loss of your own",
        default="none",
    )
    quantisation_group: float = quantity(
        "weights",
        "weights that share a scale, of training with quantisation",
        gt=1,
        default=128.0,
        low=32,
        high=256,
        source="arXiv 2505.14302: groups of 32 to 256",
    )
    quantisation_bits: float = quantity(
        "bits",
        "bits of a weight as served, of quantisation after training",
        ge=1,
        le=16,
        default=4.0,
        low=3,
        high=8,
    )
    calibration_loss: float | None = quantity(
        "nat/token",
        "loss that quantisation after training added to a model of yours",
        ge=0,
        default=None,
        low=0.001,
        high=0.3,
    )
    calibration_params: float | None = quantity(
        "parameters", "active parameters of that measured model", gt=0, default=None, low=1e9, high=1e12
    )
    calibration_tokens: float | None = quantity(
        "tokens", "training tokens of that measured model", gt=0, default=None, low=1e11, high=1e14
    )
    calibration_bits: float = quantity(
        "bits", "bits of a weight of that measured model", ge=1, le=16, default=4.0, low=3, high=8
    )

    @property
    def by_roofline(self) -> bool:
        """Whether step times of the deployment give the cost of serving, and not an assumed efficiency."""
        return self.method == "roofline"


class Money(Assumption):
    """The unit of cost. In USD each phase runs on its own chip at pretraining.mfu times its relative efficiency."""

    unit: Literal["flops", "usd"] = choice(
        {"flops": "FLOPs", "usd": "US dollars"}, "training-equivalent FLOPs, or US dollars", default="flops"
    )
    train_chip: Accelerator = Field(default="H100 SXM", description="chip of pre-training and RL")  # type: ignore[assignment]
    serve_chip: Accelerator = Field(default="H100 SXM", description="chip of prefill and decode")  # type: ignore[assignment]
    discount_rate: float = quantity(
        "1/year",
        "rate at which each month of serving is discounted; training is paid at month 0, the start of service",
        ge=0,
        le=10,
        default=0.0,
        low=0,
        high=0.15,
    )
    usd_per_kwh: float = quantity(
        "USD/kWh",
        "price of electricity, for the energy cost of a token, which is reported and no part of the cost",
        ge=0,
        default=0.08,
        low=0.04,
        high=0.2,
        source="industrial consumers in the United States, 2023: 0.0806 (EIA); https://www.statista.com/statistics/190680/",
    )
    price_decline: float = quantity(
        "1/year",
        "decline of the price of compute over the life, by which each month of serving is paid",
        ge=0,
        lt=1,
        default=0.0,
        low=0,
        high=0.5,
    )

    @property
    def currency(self) -> str:
        """What costs are given in: "FLOP", training-equivalent ones, or "USD"."""
        return "USD" if self.in_usd else "FLOP"

    @property
    def in_usd(self) -> bool:
        """Whether costs are US dollars rather than training-equivalent FLOPs."""
        return self.unit == "usd"

    def figure(self, cost: float) -> str:
        """A cost as a number: 1.05e27 FLOP are "1.05e+27", 12,345,678 USD are "12,345,678"."""
        return f"{cost:,.0f}" if self.in_usd and cost < 1e15 else human(cost)

    def amount(self, cost: float) -> str:
        """A cost with its unit."""
        return f"{self.figure(cost)} {self.currency}"
