"""Limits: what a design may not exceed."""

from pydantic import model_validator

from .quantity import Assumption, quantity

__all__ = ["Limits"]


class Limits(Assumption):
    """What a design may not exceed. Every one keeps the problem log-log convex."""

    min_params: float | None = quantity("parameters", "smallest model allowed", gt=0, default=None, low=1e8, high=1e12)
    max_params: float | None = quantity("parameters", "largest model allowed", gt=0, default=None, low=1e9, high=1e13)
    max_train_tokens: float | None = quantity(
        "tokens", "longest training run allowed", gt=0, default=None, low=1e12, high=1e16
    )
    unique_tokens: float | None = quantity(
        "tokens",
        "unique training tokens, for the limit on epochs; a repetition law's own when left out",
        gt=0,
        default=None,
        low=1e12,
        high=1e14,
    )
    max_epochs: float | None = quantity(
        "epochs", "passes over the unique tokens allowed", gt=0, default=None, low=1, high=16
    )
    max_training_days: float | None = quantity(
        "days", "longest pre-training allowed on the fleet; RL comes on top", gt=0, default=None, low=10, high=365
    )
    fleet_chips: float | None = quantity(
        "chips",
        "training chips that pre-train; alone it limits nothing and gives the days of pre-training",
        gt=0,
        default=None,
        low=1e3,
        high=1e6,
    )
    max_bytes: float | None = quantity(
        "bytes", "memory allowed for the weights", gt=0, default=None, low=1e9, high=1e13
    )
    min_tokens_per_second_per_user: float | None = quantity(
        "tokens/s",
        "speed that every user must see; needs serving.method = 'roofline'",
        gt=0,
        default=None,
        low=10,
        high=200,
    )
    max_seconds_to_first_token: float | None = quantity(
        "s",
        "time from a prompt of deployment.prompt_tokens to its first token, after the prompts before it; needs serving.method = 'roofline'",
        gt=0,
        default=None,
        low=0.1,
        high=10,
    )
    first_token_percentile: float | None = quantity(
        "1",
        "share of prompts whose first token comes within max_seconds_to_first_token; their mean when left out, and 0 for a prompt that "
        "waits for no other",
        ge=0,
        lt=1,
        default=None,
        low=0.5,
        high=0.99,
    )
    max_training_bytes_per_chip: float | None = quantity(
        "bytes", "memory of one chip that pre-training may fill", gt=0, default=None, low=4e10, high=3e11
    )
    bytes_per_param: float | None = quantity(
        "bytes",
        "memory per parameter as served, all experts counted",
        gt=0,
        default=None,
        low=0.5,
        high=4,
    )

    @model_validator(mode="after")
    def _pairs(self) -> "Limits":
        if (self.max_bytes is None) != (self.bytes_per_param is None):
            given, missing = ("max_bytes", "bytes_per_param")[:: 1 if self.bytes_per_param is None else -1]
            raise ValueError(f"has {given} without {missing}; give both")
        if self.max_training_days is not None and self.fleet_chips is None:
            raise ValueError("has max_training_days without fleet_chips; give both")
        if self.unique_tokens is not None and self.max_epochs is None:
            raise ValueError("has unique_tokens without max_epochs; give both")
        return self
