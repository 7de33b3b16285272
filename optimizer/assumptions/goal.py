"""Goals: a loss to reach, a budget to spend, or a size already decided."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from .quantity import Assumption, quantity

__all__ = ["BudgetGoal", "Goal", "LossGoal", "ParamsGoal"]


class _AnyGoal(Assumption):
    tag: ClassVar[str] = "kind"


class LossGoal(_AnyGoal):
    """The cheapest design that reaches a loss: a number, or the loss of N0 parameters on D0 tokens under the scenario's own law."""

    either: ClassVar[tuple[tuple[str, ...], ...]] = (("loss",), ("like_params", "like_tokens", "like_rl_tokens"))

    kind: Literal["loss"] = "loss"
    loss: float | None = quantity("nat/token", "loss to reach", gt=0, default=None, low=1.83, high=2.4)
    like_params: float | None = quantity(
        "parameters", "as good as this many active parameters", gt=0, default=None, low=1e9, high=1e12
    )
    like_tokens: float | None = quantity(
        "tokens", "... on this many training tokens", gt=0, default=None, low=1e12, high=1e15
    )
    like_rl_tokens: float | None = quantity(
        "tokens", "... and this many RL tokens, when RL is optimised", gt=0, default=None, low=1e12, high=1e15
    )

    @model_validator(mode="after")
    def _both_sides_of_like(self) -> "LossGoal":
        if self.loss is None and (self.like_params is None or self.like_tokens is None):
            missing = "like_params" if self.like_params is None else "like_tokens"
            raise ValueError(f"needs like_params and like_tokens together; give {missing}")
        return self


class BudgetGoal(_AnyGoal):
    """The best design whose lifecycle cost stays within a budget."""

    kind: Literal["budget"] = "budget"
    budget: float = quantity("FLOP or USD, as money.unit", "lifecycle budget", gt=0, low=1e22, high=1e28)


class ParamsGoal(_AnyGoal):
    """N is decided: the training tokens for which that N is the best size for its own quality."""

    kind: Literal["params"] = "params"
    params: float = quantity("parameters", "active parameters, already decided", gt=0, low=1e9, high=1e12)


Goal = Annotated[LossGoal | BudgetGoal | ParamsGoal, Field(discriminator="kind")]
