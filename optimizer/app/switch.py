"""What does a new kind of goal, traffic, RL policy or law start with? With what keeps the answer as it is, where that can be said."""

import math
from typing import Any

from ..assumptions.scenario import Scenario
from ..assumptions.traffic import days_in_months
from ..optimum.solution import Solution, Status
from ..report.plan import monthly_tokens
from .link import TABLE

__all__ = ["start_of"]

START = "2026-01"
MONTHS = 12
UNIQUE_TOKENS = 2e13
"""unique tokens that a law starts with when data begins to repeat: the middle of the declared range"""


def start_of(scenario: Scenario, path: str, choice: str, best: Solution | None) -> dict[str, Any]:
    """The changes that choose `choice` at `path`, with what the new kind needs.

    Args:
        scenario: as it is now.
        path: of the choice, as "goal.kind".
        choice: the kind or policy chosen.
        best: the answer to the scenario as it is now, if there is one.

    """
    known = best if best is not None and best.status is Status.OPTIMAL else None
    needs: dict[str, Any] = {}
    match path:
        case "goal.kind":
            needs = _goal(choice, known)
        case "rl.policy":
            needs = _rl(scenario, choice, known)
        case "traffic.kind":
            needs = _traffic(scenario, choice)
        case "law.kind" if choice == "repetition":
            needs = {"law.unique_tokens": UNIQUE_TOKENS}
        case "law.kind":
            name = {"moe": "ludziejewski", "chinchilla": "besiroglu"}[choice]
            return {
                "law": {"name": scenario.law.name if scenario.law.name and scenario.law.kind == "repetition" else name}
            }
        case "law.name":
            kept = {}
            if scenario.law.kind == "repetition" and choice != "ludziejewski":
                kept = {"kind": "repetition", "unique_tokens": scenario.law.unique_tokens, "R_D": scenario.law.R_D}
            return {"law": {"name": choice, **kept}}
        case "money.train_chip.name" | "money.serve_chip.name" | "deployment.cache_tier.name":
            return {path.removesuffix(".name"): {"name": choice}}
        case "deployment.batch":
            return {path: choice, "deployment.batch_size": 32.0 if choice == "fixed" else None,
                    "deployment.target_tokens_per_second": 30.0 if choice == "latency" else None}  # fmt: skip
        case "serving.method" if choice == "roofline":
            needs = {"money.unit": "usd"}
    return {path: choice, **needs}


def _goal(choice: str, best: Solution | None) -> dict[str, Any]:
    if choice == "loss":
        return {"goal.loss": best.loss if best else 1.95}
    if choice == "budget":
        return {"goal.budget": float(best.cost.total) if best else 1e26}
    return {"goal.params": float(best.design.n_params) if best else 1e11}


def _rl(scenario: Scenario, choice: str, best: Solution | None) -> dict[str, Any]:
    tokens, trained = (float(best.design.rl_tokens), float(best.design.train_tokens)) if best else (1e13, 1e14)
    n = float(best.design.n_params) if best else 1e11
    tokens = tokens or 0.1 * trained
    match choice:
        case "tokens":
            return {"rl.tokens": tokens}
        case "ratio":
            return {"rl.ratio": tokens / trained}
        case "flops":
            return {"rl.flops": float(scenario.rl.flops_per_param_token) * n * tokens}
        case "cost_share":
            share = float(best.cost.rl) / float(best.cost.pretraining) if best else 0.0
            return {"rl.cost_share": share or 0.1}
        case "optimised" if scenario.goal.kind == "loss" and scenario.goal.loss is None:
            return {"goal.like_rl_tokens": tokens}
    if scenario.goal.kind == "loss" and scenario.goal.like_rl_tokens is not None:
        return {"goal.like_rl_tokens": None}
    return {}


def _traffic(scenario: Scenario, choice: str) -> dict[str, Any]:
    read, written = (float(v) for v in scenario.traffic.stated())
    if choice == "total":
        return {"traffic.input_tokens": read, "traffic.output_tokens": written}
    months = monthly_tokens(scenario)
    if choice == "growth":
        start, count = (str(months["month"].iloc[0]), len(months)) if len(months) else (START, MONTHS)
        days = float(days_in_months(start, count).sum())
        share = read / (read + written) if read + written else 0.8
        return {"traffic.start": start, "traffic.months": float(count), "traffic.input_share": share,
                "traffic.tokens_per_day": (read + written) / days}  # fmt: skip
    if not len(months):
        days = float(days_in_months(START, MONTHS).sum())
        year = [f"{START[:4]}-{i + 1:02d}" for i in range(math.ceil(MONTHS))]
        rows = [
            {"month": m, "input_tokens_per_day": read / days, "output_tokens_per_day": written / days} for m in year
        ]
        return {TABLE: rows}
    return {TABLE: months.drop(columns="days").to_dict("records")}
