"""What an answer takes as given: law, goal, RL, traffic and limits of a scenario, a line each, for headings and captions."""

from collections.abc import Collection
from typing import Any

from .goal import BudgetGoal, LossGoal, ParamsGoal
from .numbers import amount, human, percent
from .rl import CostShareRL, FixedFlopsRL, FixedTokensRL, NoRL, RatioRL
from .scenario import Scenario
from .traffic import GrowthTraffic, TableTraffic

__all__ = [
    "figure",
    "goal_line",
    "law_line",
    "like_line",
    "limits_line",
    "money",
    "rl_line",
    "taken_as_given",
    "traffic_line",
]


def taken_as_given(scenario: Scenario, varied: Collection[str] = ()) -> dict[str, str]:
    """What is fixed, by name; `varied` are dotted paths that take another value in each row of a table."""
    lines = {
        "law": law_line(scenario),
        "goal": goal_line(scenario),
        "rl": rl_line(scenario),
        "traffic": traffic_line(scenario),
        "limits": limits_line(scenario),
    }
    for block in lines:
        moved = [path for path in varied if path == block or path.startswith(f"{block}.")]
        if block in moved:
            lines[block] = "each row its own"
        elif moved:
            lines[block] += f", but each row its own {', '.join(moved)}"
    return lines


def law_line(scenario: Scenario) -> str:
    """The law with its kind, and what was chosen for it."""
    law = scenario.law
    name = law.label or law.name or "given by coefficients"
    return f"{name} ({'; '.join(filter(None, (law.kind, law.changes, law.chosen)))})"


def goal_line(scenario: Scenario) -> str:
    """The question in words."""
    goal = scenario.goal
    if isinstance(goal, LossGoal):
        if goal.loss is not None:
            return f"least cost at loss {human(goal.loss, 5)} nat/token"
        return f"least cost, as good as {like_line(goal)}"
    if isinstance(goal, BudgetGoal):
        return f"least loss for {money(goal.budget, scenario.money.unit)}"
    if isinstance(goal, ParamsGoal):
        return f"training tokens for which {human(goal.params)} parameters are the best size"
    return f"size for which {human(goal.tokens)} training tokens are the best run"


def like_line(goal: LossGoal) -> str:
    """The model that a goal asks to be as good as, in words."""
    if goal.like_tokens is None:
        return f"a compute-optimal model of {human(goal.like_params or 0)} parameters"
    rl = f" and {human(goal.like_rl_tokens)} RL tokens" if goal.like_rl_tokens else ""
    return f"{human(goal.like_params or 0)} parameters on {human(goal.like_tokens)} tokens{rl}"


def money(cost: float, unit: str) -> str:
    """An amount of money with its unit."""
    return f"{figure(cost, unit)} {'FLOP' if unit == 'flops' else 'USD'}"


def figure(cost: float, unit: str) -> str:
    """An amount of money."""
    return human(cost) if unit == "flops" or cost >= 1e15 else f"{cost:,.0f}"


def rl_line(scenario: Scenario) -> str:
    """How many RL tokens there are, and what one costs."""
    rl = scenario.rl
    if isinstance(rl, NoRL):
        return "none"
    how = "tokens decided with the design"
    if isinstance(rl, FixedTokensRL):
        how = f"{human(rl.tokens)} tokens"
    elif isinstance(rl, RatioRL):
        how = f"{human(rl.ratio)} tokens per training token"
    elif isinstance(rl, FixedFlopsRL):
        how = f"{human(rl.flops)} FLOP"
    elif isinstance(rl, CostShareRL):
        how = f"{percent(rl.cost_share)} of the cost of pre-training"
    return f"{how}; {percent(rl.trained_share)} of them trained on, efficiency {human(rl.efficiency, 3)}"


def traffic_line(scenario: Scenario) -> str:
    """The tokens that the model is expected to serve over its life, and the forecast they come from."""
    traffic = scenario.traffic
    read, cached, written = (float(v) for v in traffic.demand())
    hit = f" ({human(cached)} of them from a prefix cache)" if cached else ""
    expected = f"{human(read)} input{hit} and {human(written)} output tokens over the life"
    parts: list[str] = []
    if isinstance(traffic, GrowthTraffic):
        rate = f"{human(traffic.tokens_per_day)} tokens a day at the start"
        parts.append(f"{rate}, {traffic.title}" if traffic.title else rate)
        parts.append(f"{amount(traffic.months)} months from {traffic.start}")
        if traffic.growth:
            parts.append(f"growth {percent(traffic.growth)} a month")
    elif isinstance(traffic, TableTraffic):
        parts.append(traffic.read_as or f"a table of {len(traffic.table)} months from {traffic.table[0].month}")
    rates = {"discounted at": scenario.money.discount_rate, "paid at prices that fall by": scenario.money.price_decline}
    parts += [f"{name} {percent(rate)} a year" for name, rate in rates.items() if rate]
    taken = {"share": traffic.share, "probability of shipping": traffic.ship_probability}
    parts += [f"{name} {percent(value)}" for name, value in taken.items() if value != 1]
    return f"{expected}{': ' if parts else ''}{', '.join(parts)}"


def limits_line(scenario: Scenario) -> str:
    """The limits that are set."""
    found: list[Any] = [f"{path} = {amount(v, declared.unit)}" for path, declared, v in scenario.limits.quantities()]
    return ", ".join(found) or "none"
