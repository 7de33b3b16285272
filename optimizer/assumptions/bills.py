"""The bills of a scenario: pre-training, serving, and the unit that they are paid in."""

from typing import Literal

from pydantic import Field

from .hardware import Accelerator
from .quantity import Assumption, quantity

__all__ = ["Money", "Pretraining", "Serving"]


class Pretraining(Assumption):
    """The bill for pre-training."""

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
    mfu: float = quantity(
        "1",
        "model FLOPs utilisation of pre-training",
        gt=0,
        le=1,
        default=0.4,
        low=0.2,
        high=0.6,
        source="data/models.csv, mfu_6nd_bf16: 0.14 to 0.51",
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
    recomputation: Literal["none", "selective", "full"] = Field(
        default="selective",
        description="activations computed again in the backward pass: none, those of attention, all of a layer",
    )


class Serving(Assumption):
    """The bill for inference."""

    method: Literal["efficiency", "roofline"] = Field(
        default="efficiency",
        description="how the cost of serving and of RL rollouts is found: FLOPs at an assumed efficiency, or step times of the deployment",
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
    prefill_efficiency: float = quantity(
        "1", "useful throughput of prefill relative to pre-training", gt=0, le=10, default=1.0, low=0.5, high=1.5
    )
    decode_efficiency: float = quantity(
        "1",
        "useful throughput of decode relative to pre-training",
        gt=0,
        le=10,
        default=1 / 3,
        low=0.1,
        high=1.0,
        source="lecture: decode runs at about 0.3 of training throughput",
    )
    load_factor: float = quantity(
        "1", "share of paid serving time that does useful work", gt=0, le=1, default=1.0, low=0.3, high=1.0
    )

    @property
    def by_roofline(self) -> bool:
        """Whether step times of the deployment give the cost of serving, and not an assumed efficiency."""
        return self.method == "roofline"


class Money(Assumption):
    """The unit of cost. In USD each phase runs on its own chip at pretraining.mfu times its relative efficiency."""

    unit: Literal["flops", "usd"] = Field(default="flops", description="training-equivalent FLOPs, or US dollars")
    train_chip: Accelerator = Field(default="H100 SXM", description="chip of pre-training and RL")  # type: ignore[assignment]
    serve_chip: Accelerator = Field(default="H100 SXM", description="chip of prefill and decode")  # type: ignore[assignment]

    @property
    def currency(self) -> str:
        """What costs are given in: "FLOP", training-equivalent ones, or "USD"."""
        return "FLOP" if self.unit == "flops" else "USD"
