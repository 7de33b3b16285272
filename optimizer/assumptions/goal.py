"""Goals: a loss to reach, a budget to spend, or a size or a training set already decided."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from .quantity import Assumption, choice, quantity

__all__ = ["BudgetGoal", "DecidedGoal", "Goal", "LossGoal", "ParamsGoal", "TokensGoal"]


class _AnyGoal(Assumption):
    tag: ClassVar[str] = "kind"


class LossGoal(_AnyGoal):
    """The cheapest design that reaches a loss: a number, or the loss of N0 parameters on D0 tokens under the scenario's own law.

    Without D0 the model to be as good as is compute-optimal: D0 = D0(N0), the law's own train-optimal tokens with fresh data.
    """

    either: ClassVar[tuple[tuple[str, ...], ...]] = (("loss",), ("like_params", "like_tokens", "like_rl_tokens"))

    kind: Literal["loss"] = choice({"loss": "Reach a loss"}, default="loss")
    loss: float | None = quantity("nat/token", "loss to reach", gt=0, default=None, low=1.83, high=2.4)
    like_params: float | None = quantity(
        "parameters", "as good as this many active parameters", gt=0, default=None, low=1e9, high=1e12
    )
    like_tokens: float | None = quantity(
        "tokens",
        "as good as this many training tokens; compute-optimal when left out",
        gt=0,
        default=None,
        low=1e12,
        high=1e15,
    )
    like_rl_tokens: float | None = quantity(
        "tokens", "as good as this many RL tokens, when RL is optimised", gt=0, default=None, low=1e12, high=1e15
    )

    @model_validator(mode="after")
    def _names_a_loss(self) -> "LossGoal":
        if self.loss is None and self.like_params is None:
            raise ValueError("needs loss, or like_params; give one of them")
        return self


class BudgetGoal(_AnyGoal):
    """The best design whose lifecycle cost stays within a budget."""

    kind: Literal["budget"] = choice({"budget": "Spend a budget"}, default="budget")
    budget: float = quantity("FLOP or USD, as money.unit", "lifecycle budget", gt=0, low=1e22, high=1e28)


class ParamsGoal(_AnyGoal):
    """N is decided: the training tokens for which that N is the best size for its own quality."""

    kind: Literal["params"] = choice({"params": "Size is decided"}, default="params")
    params: float = quantity("parameters", "active parameters, already decided", gt=0, low=1e9, high=1e12)


class TokensGoal(_AnyGoal):
    """D is decided: the size for which that D is the best training run for its own quality."""

    kind: Literal["tokens"] = choice({"tokens": "Training tokens are decided"}, default="tokens")
    tokens: float = quantity("tokens", "training tokens, already decided", gt=0, low=1e11, high=1e14)


DecidedGoal = ParamsGoal | TokensGoal
"""Goals that give one decision and ask for the other."""
Goal = Annotated[LossGoal | BudgetGoal | ParamsGoal | TokensGoal, Field(discriminator="kind")]
