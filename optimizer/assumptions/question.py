"""What an answer takes as given: law, goal, RL, traffic and limits of a scenario, a line each, for headings and captions."""

from collections.abc import Collection
from typing import Any

from .goal import BudgetGoal, LossGoal, ParamsGoal
from .numbers import amount, human, percent
from .quantisation import served_bits
from .scenario import Scenario

__all__ = [
    "goal_line",
    "law_line",
    "like_line",
    "limits_line",
    "rl_line",
    "taken_as_given",
    "traffic_line",
]


_BITS = ("serving.quantisation", "serving.calibration_")
"""How paths of the loss of few bits begin."""


def taken_as_given(scenario: Scenario, varied: Collection[str] = ()) -> dict[str, str]:
    """What is fixed, by name; `varied` are dotted paths that take another value in each row of a table."""
    bits = [path for path in varied if path.startswith(_BITS)]
    lines = {
        "law": law_line(scenario, bits=not bits),
        "goal": goal_line(scenario),
        "rl": rl_line(scenario),
        "traffic": traffic_line(scenario),
        "limits": limits_line(scenario),
    }
    for block in lines:
        moved = [path for path in varied if path == block or path.startswith(f"{block}.")]
        moved += bits if block == "law" and block not in moved else []
        if block in moved:
            lines[block] = "each row its own"
        elif moved:
            lines[block] += f", but each row its own {', '.join(moved)}"
    return lines


def law_line(scenario: Scenario, *, bits: bool = True) -> str:
    """The law with its kind, what was chosen for it and, with `bits`, the loss of few bits where one is counted."""
    law = scenario.law
    name = law.label or law.name or "given by coefficients"
    said = f"{name} ({'; '.join(filter(None, (law.kind, law.changes, law.chosen)))})"
    counted = served_bits(scenario) if bits else None
    return said if counted is None else f"{said} and what {counted:.3g} bits lose ({scenario.serving.quantisation})"


def goal_line(scenario: Scenario) -> str:
    """The question in words."""
    goal = scenario.goal
    if isinstance(goal, LossGoal):
        if goal.loss is not None:
            return f"least cost at loss {human(goal.loss, 5)} nat/token"
        return f"least cost, as good as {like_line(goal)}"
    if isinstance(goal, BudgetGoal):
        return f"least loss for {scenario.money.amount(goal.budget)}"
    if isinstance(goal, ParamsGoal):
        return f"training tokens for which {human(goal.params)} parameters are the best size"
    return f"size for which {human(goal.tokens)} training tokens are the best run"


def like_line(goal: LossGoal) -> str:
    """The model that a goal asks to be as good as, in words."""
    if goal.like_tokens is None:
        return f"a compute-optimal model of {human(goal.like_params or 0)} parameters"
    rl = f" and {human(goal.like_rl_tokens)} RL tokens" if goal.like_rl_tokens else ""
    return f"{human(goal.like_params or 0)} parameters on {human(goal.like_tokens)} tokens{rl}"


def rl_line(scenario: Scenario) -> str:
    """How many RL tokens there are, and what one costs."""
    rl = scenario.rl
    if rl.absent:
        return rl.stated
    return f"{rl.stated}; {percent(rl.trained_share)} of them trained on, efficiency {human(rl.efficiency, 3)}"


def traffic_line(scenario: Scenario) -> str:
    """The tokens that the model is expected to serve over its life, and the forecast they come from."""
    traffic = scenario.traffic
    read, cached, written = (float(v) for v in traffic.demand())
    hit = f" ({human(cached)} of them from a prefix cache)" if cached else ""
    expected = f"{human(read)} input{hit} and {human(written)} output tokens over the life"
    rates = {"discounted at": scenario.money.discount_rate, "paid at prices that fall by": scenario.money.price_decline}
    yearly = [f"{name} {percent(rate)} a year" for name, rate in rates.items() if rate]
    taken = {"share": traffic.share, "probability of shipping": traffic.ship_probability}
    parts = [*traffic.origin, *yearly, *(f"{name} {percent(value)}" for name, value in taken.items() if value != 1)]
    return f"{expected}{': ' if parts else ''}{', '.join(parts)}"


def limits_line(scenario: Scenario) -> str:
    """The limits that are set."""
    found: list[Any] = [f"{path} = {amount(v, declared.unit)}" for path, declared, v in scenario.limits.quantities()]
    return ", ".join(found) or "none"
