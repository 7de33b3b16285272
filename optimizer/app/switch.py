"""Start values of a new kind of goal, traffic, RL policy or law: those that keep the answer, where there are such values."""

import math
from typing import Any

from ..analysis.plans import monthly_tokens
from ..assumptions.attention import multiplied_params
from ..assumptions.bills import Serving
from ..assumptions.months import days_in_months
from ..assumptions.present import undiscounted
from ..assumptions.published_laws import law_kind, law_names
from ..assumptions.quantisation import quantised
from ..assumptions.scenario import Scenario
from ..assumptions.sparsity import of_shape
from ..assumptions.traffic import GrowthTraffic
from ..optimum.solution import Solution, Status
from .link import TABLE

__all__ = ["start_of"]

START = "2026-01"
MONTHS = 12
SHAPE = ("start", "months", "growth", "ramp_months", "decay", "decay_from", "input_share")
"""of a generated forecast: all but how much"""
DENSE = "besiroglu"
MEASURED_LOSS = 0.017
"""nat/token that a calibration starts with: the middle of the declared range, in logarithms"""
UNIQUE_TOKENS = 2e13
"""unique tokens that a law starts with when data begins to repeat: the middle of the declared range"""


def start_of(
    scenario: Scenario, path: str, choice: str, best: Solution | None, former: GrowthTraffic | None = None
) -> dict[str, Any]:
    """The changes that choose `choice` at `path`, with what the new kind needs.

    Args:
        scenario: as it is now.
        path: of the choice, as "goal.kind".
        choice: the kind or policy chosen.
        best: the answer to the scenario as it is now, if there is one.
        former: the generator that the forecast came from, if it came from one.

    """
    known = best if best is not None and best.status is Status.OPTIMAL else None
    needs: dict[str, Any] = {}
    match path:
        case "goal.kind":
            needs = _goal(choice, known)
        case "rl.policy":
            needs = _rl(scenario, choice, known)
            if choice == "optimised" and quantised(scenario):  # the two are not solved together
                needs["serving.quantisation"] = "none"
        case "traffic.kind":
            needs = _traffic(scenario, choice, former)
        case "law.kind":
            return _law(scenario, choice)
        case "law.name":
            if choice in law_names("moe"):
                return _law(scenario, law_kind(choice), choice)
            kept = scenario.law.kept
            return {"law": {"name": choice, **({"kind": scenario.law.kind, **kept} if kept else {})}}
        case "money.train_chip.name" | "money.serve_chip.name" | "deployment.cache_tier.name":
            return {path.removesuffix(".name"): {"name": choice}}
        case "deployment.batch":
            return {path: choice, "deployment.batch_size": 32.0 if choice == "fixed" else None,
                    "deployment.target_tokens_per_second": 30.0 if choice == "latency" else None}  # fmt: skip
        case "serving.method" if choice == "roofline":
            needs = {"money.unit": "usd"} | {
                f"serving.{field}": None for field in ("context_tokens", *Serving.instead.values())
            }
        case "serving.quantisation" if choice == "calibrated":
            needs = _calibration(scenario, known)
    return {path: choice, **needs}


def _calibration(scenario: Scenario, best: Solution | None) -> dict[str, float]:
    """A measured loss to begin with, of the plan's own size; what is given stays."""
    n, d = (float(best.design.n_params), float(best.design.train_tokens)) if best else (1e10, 1e13)
    start = {"calibration_loss": MEASURED_LOSS, "calibration_params": n, "calibration_tokens": d}
    return {f"serving.{name}": value for name, value in start.items() if getattr(scenario.serving, name) is None}


def _law(scenario: Scenario, choice: str | None, experts: str = "") -> dict[str, Any]:
    """Another kind with the same law where it is one of dense training, else with the kind's default; experts keep their share."""
    law, kept = scenario.law, {}
    block: dict[str, Any]
    if law.kept and scenario.limits.max_epochs is not None:
        kept = {"limits.unique_tokens": float(law.kept["unique_tokens"])}  # what the epochs are counted in
    of_kind = {law_kind(name): name for name in law_names("moe")}
    if choice in of_kind:
        name = experts or of_kind[choice]
        block = of_shape(name, float(law.total_over_active)) if law.shape else {"name": name}
        return {"law": block, **kept}
    additive = getattr(law, "gamma", 1.0) == 1 and law_kind(law.name) != "coupled"
    if law.shape or (choice == "chinchilla" and not additive):
        block = {"name": DENSE}
    else:
        fields = {"name", *type(law.chinchilla).model_fields} - {"kind"}
        plain = law.to_dict()
        block = {k: v for k, v in plain.items() if k in fields} if isinstance(plain, dict) else {"name": plain}
    if choice != "chinchilla":
        block["gamma"] = float(getattr(law, "gamma", 1.0)) if not law.shape else 1.0
    if choice == "repetition":
        block["unique_tokens"] = UNIQUE_TOKENS
    return {"law": {**block, "kind": choice}, **kept}


def _goal(choice: str, best: Solution | None) -> dict[str, Any]:
    if choice == "loss":
        return {"goal.loss": best.loss if best else 1.95}
    if choice == "budget":
        return {"goal.budget": float(best.cost.total) if best else 1e26}
    if choice == "tokens":
        return {"goal.tokens": float(best.design.train_tokens) if best else 1e14}
    return {"goal.params": float(best.design.n_params) if best else 1e11}


def _rl(scenario: Scenario, choice: str, best: Solution | None) -> dict[str, Any]:
    tokens, trained = (float(best.design.rl_tokens), float(best.design.train_tokens)) if best else (1e13, 1e14)
    n = float(best.design.n_params) if best else 1e11
    tokens = tokens or 0.1 * trained
    needs: dict[str, Any] = {}
    match choice:
        case "tokens":
            needs = {"rl.tokens": tokens}
        case "ratio":
            needs = {"rl.ratio": tokens / trained}
        case "flops":
            needs = {"rl.flops": float(scenario.rl.flops_per_param_token * multiplied_params(scenario, n).rl) * tokens}
        case "cost_share":
            share = float(best.cost.rl) / float(best.cost.pretraining) if best else 0.0
            needs = {"rl.cost_share": share or 0.1}
    # Decided RL belongs to the quality of a model to be as good as; RL of any other policy does not.
    if scenario.goal.kind == "loss" and scenario.goal.loss is None:
        needs["goal.like_rl_tokens"] = tokens if choice == "optimised" else None
    return needs


def _traffic(scenario: Scenario, choice: str, former: GrowthTraffic | None) -> dict[str, Any]:
    read, written = (float(v) for v in scenario.traffic.stated())
    if choice == "total":
        return {
            "traffic.input_tokens": _plain(read),
            "traffic.output_tokens": _plain(written),
            **undiscounted(scenario),
        }
    if choice == "growth" and former is not None:  # the shape it had, at the total of now
        was = sum(float(v) for v in former.stated())
        shape = {f"traffic.{name}": getattr(former, name) for name in SHAPE}
        scale = _plain((read + written) / was) if was else 1.0
        if former.name and scale == 1:
            return {**shape, "traffic.name": former.name}
        return {**shape, "traffic.tokens_per_day": former.tokens_per_day * scale}
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


def _plain(tokens: float) -> float:
    """Without the last digits, which adding up months leaves behind."""
    return float(f"{tokens:.12g}")
