"""Why the optimum lies so far beyond Chinchilla: what each bill adds, what each law gives, and where the designs lie.

staircase(s)      the over-training ratio as training, inference and RL are paid for one after the other
reasoning(best)   the lecture's arithmetic with the scenario's own numbers
every_law(s)      the optimum under each law of the scenario's kind, with its band and the interval of its posterior, where published
design_map(best)  lines of equal loss and of equal cost in parameters and tokens, with the way from Chinchilla to the optimum
"""

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..assumptions.attention import multiplied_params
from ..assumptions.numbers import human, percent, times
from ..assumptions.posterior import posterior_of
from ..assumptions.present import undiscounted
from ..assumptions.published_laws import law_names
from ..assumptions.scenario import Scenario
from ..model.cost import Design, design_of
from ..model.outputs import units_of
from ..optimum.few_bits import tokens_of_loss
from ..optimum.solution import Solution, Status
from ..optimum.solve import solve
from .blocks import Progress, reported
from .experts import under_expert_laws
from .laws import optima, under_law
from .plans import needs_answer, reducible_at, total_cost
from .uncertainty import monte_carlo

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Step", "design_map", "every_law", "reasoning", "staircase"]

RATIO = "overtraining_vs_rule_of_20"
POSTERIOR = (0.1, 0.9)
DRAWS = 1000
POINTS = 50
COLUMNS = 160
MARGIN = 3.0
"""Factor by which the map goes on beyond the designs in it."""
NEAR = 10.0
"""Factor within which the map reaches back to the runs that the law was fitted on."""
LOSSES = (0.8, 0.9, 1.0, 1.1, 1.25)
"""Reducible losses of the lines, over that of the optimum."""
COSTS = (0.1, 0.3, 1.0, 3.0, 10.0)
"""Costs of the lines, over that of the optimum."""


class Step(NamedTuple):
    """One line of the chalk board."""

    quantity: str
    working: str
    result: str


def staircase(scenario: Scenario) -> "pd.DataFrame":
    """How the over-training ratio D*/(20 N*) builds up: training alone, then inference, then RL, each optimum solved anew.

    A bill that the scenario does not have has no step. An RL budget that is itself optimised belongs to the quality and stays throughout.

    Returns:
        One row a step: step, overtraining_vs_rule_of_20, n_params, train_tokens, factor (ratio over that of the step before), held_by (the
        limits that hold the optimum), status, message. A step without an answer has NaN. `attrs["units"]` gives the units.

    >>> from optimizer.assumptions.library import load
    >>> staircase(load("lecture-2026"))["step"].tolist()
    ['training alone', '+ inference at training efficiency', '+ inference as assumed', '+ reinforcement learning']

    """
    import pandas as pd

    fixed_rl = not (scenario.rl.decided or scenario.rl.absent)
    no_rl: dict[str, Any] = {"rl": {"policy": "none"}} if fixed_rl else {}
    efficiencies = ("serving.prefill_efficiency", "serving.decode_efficiency")
    alike = (
        scenario.serving.by_roofline or scenario.serving.prefill_efficiency == 1 == scenario.serving.decode_efficiency
    )
    steps = {"training and RL" if scenario.rl.decided else "training alone": _unserved(scenario) | no_rl}
    if not alike:
        steps["+ inference at training efficiency"] = dict.fromkeys(efficiencies, 1.0) | no_rl
    steps["+ inference" if alike else "+ inference as assumed"] = no_rl
    if fixed_rl:
        steps["+ reinforcement learning"] = {}
    records = []
    for step, changes in steps.items():
        best = solve(scenario.update(changes), throw=False)
        solved = best.status is Status.OPTIMAL
        records.append(
            {
                "step": step,
                "overtraining_vs_rule_of_20": best.overtraining.vs_rule_of_20 if solved else math.nan,
                "n_params": float(best.design.n_params) if solved else math.nan,
                "train_tokens": float(best.design.train_tokens) if solved else math.nan,
                "held_by": ", ".join(best.certificate.active_limits),
                "status": best.status.name.lower(),
                "message": best.message,
            }
        )
    frame = pd.DataFrame.from_records(records)
    ratio = frame["overtraining_vs_rule_of_20"]
    frame.insert(4, "factor", ratio / ratio.shift(1))
    frame.attrs["units"] = units_of(frame, scenario.money.currency)
    return frame


def _unserved(scenario: Scenario) -> dict[str, Any]:
    return {"traffic": {"kind": "total", "output_tokens": 0.0}, **undiscounted(scenario)}


def reasoning(best: Solution) -> list[Step]:
    """The lecture's steps with a scenario's own numbers, and its exact answer last.

    Raises:
        InputError: the solution has no design.

    """
    needs_answer(best)
    s, cost = best.scenario, best.cost
    n, d, r = (float(v) for v in best.design)
    read, cached, written = (float(v) for v in s.traffic.demand())
    computed = read - cached + written
    k, per_rl, per_served = (
        float(v)
        for v in (
            s.pretraining.flops_per_param_token,
            s.rl.flops_per_param_token,
            s.serving.flops_per_param_token,
        )
    )
    unit = best.scenario.money.currency
    parts = {
        "pre-training": float(cost.pretraining),
        "RL": float(cost.rl),
        "inference": float(cost.prefill) + float(cost.decode),
    }
    whole = float(cost.total)
    found = [
        Step(
            "tokens this model serves",
            f"{human(read)} input + {human(written)} output",
            f"{human(read + written)} tokens",
        ),
        Step("compute of pre-training", f"{k:g} N D = {k:g} x {human(n)} x {human(d)}", f"{human(k * n * d)} FLOP"),
    ]
    extra = [float(v) - n for v in multiplied_params(s, n)]  # of attention, in parameters

    def attention(flops: float, context: float | None, share: str) -> None:
        if context is not None:
            read = f"{share}{human(context)} tokens of context"
            found.append(Step("and of its attention", read, f"{human(flops)} FLOP"))

    attention(k * extra[0] * d, s.pretraining.context_tokens, "half of ")
    if r:
        found.append(
            Step(
                "compute of RL",
                f"{per_rl:g} N R = {per_rl:g} x {human(n)} x {human(r)}",
                f"{human(per_rl * n * r)} FLOP",
            )
        )
        attention(per_rl * extra[1] * r, s.serving.context_tokens, "half of ")
    if cached:
        found.append(
            Step(
                "tokens that are computed",
                f"{human(read)} input - {human(cached)} found in a prefix cache + {human(written)} output",
                f"{human(computed)} tokens",
            )
        )
    found.append(
        Step(
            "compute of inference",
            f"{per_served:g} N T{', T computed' if cached else ''} = {per_served:g} x {human(n)} x {human(computed)}",
            f"{human(per_served * n * computed)} FLOP",
        )
    )
    served = per_served * (extra[2] * (read - cached) + extra[3] * written)
    attention(served, s.serving.context_tokens, "prefill half of, decode all of ")
    found += [
        Step(f"bill of {name}", f"{percent(value / whole)} of the cost over the life", f"{human(value)} {unit}")
        for name, value in parts.items()
        if value
    ]
    balanced = d * parts["inference"] / parts["pre-training"]
    found += [
        Step("D at equal cost", "pre-training costs as much as inference", f"{human(balanced)} tokens"),
        Step("heuristic over-training", f"{human(balanced)} / (20 x {human(n)})", times(balanced / (20 * n))),
        Step(
            "exact over-training",
            f"D* / 20 N* = {human(d)} / (20 x {human(n)})",
            times(best.overtraining.vs_rule_of_20),
        ),
        Step("against the law's own optimum", "D* / D0(N*)", times(best.overtraining.vs_law)),
    ]
    return found


def every_law(scenario: Scenario, progress: Progress | None = None) -> "pd.DataFrame":
    """The optimum under each law of the scenario's kind, with its band and the middle 80 % of the ratio over the law's posterior.

    Args:
        scenario: the question. A law of its own, which is none of the table's, comes first. A mixture of experts is asked under the
            laws of experts, as `laws` and `expert_laws` do: under a law of dense training it would be another model.
        progress: called with (laws done, laws in all).

    Returns:
        One row a law, index `law`: kind ("own", "law" for a credible one, "stress test" for a refit that no default takes), and the columns
        of `ensemble`, and `posterior_overtraining_vs_rule_of_20_low` and `_high`, NaN for a law whose posterior is not published.

    """
    import pandas as pd

    asked = _every_law(scenario)
    parts = [_one_law(law, *asked[law]) for law in reported([*asked], progress)]
    frame = pd.concat(parts)
    frame.attrs["units"] = parts[0].attrs["units"]
    return frame


def _every_law(scenario: Scenario) -> dict[str, tuple[Scenario, str]]:
    """The question under each law, and what kind of law that is; by name."""
    mine = f"{scenario.law.title or 'own numbers'} (this scenario's)"
    experts = under_expert_laws(scenario)
    if experts:
        published = law_names("moe")
        return {
            law if law in published else mine: (s, "law" if law in published else "own") for law, s in experts.items()
        }
    kinds = dict.fromkeys(law_names("ensemble"), "law") | dict.fromkeys(law_names("stress"), "stress test")
    asked = {law: (under_law(scenario, law), kind) for law, kind in kinds.items()}
    if all(s.law.to_dict() != scenario.law.to_dict() for s, _ in asked.values()):
        asked = {mine: (scenario, "own"), **asked}
    return asked


def _one_law(law: str, scenario: Scenario, kind: str) -> "pd.DataFrame":
    frame = optima({law: scenario}).assign(kind=kind)
    names = [f"posterior_{RATIO}_{end}" for end in ("low", "high")]
    frame[names] = math.nan
    if frame.loc[law, "status"] == "optimal" and posterior_of(scenario.law)[0] is not None:
        found = monte_carlo(scenario, DRAWS, parts=["law"], outputs=[RATIO], levels=POSTERIOR)
        frame.loc[law, names] = found["value"].to_numpy()
    frame.attrs["units"] |= units_of(names, "")
    return frame


def design_map(best: Solution) -> "pd.DataFrame":
    """Designs of equal loss and of equal cost around the optimum, at the RL tokens that the policy gives.

    Where R is optimised it stays at R*. Chinchilla's plan pays the same bills for the same loss; one that the deployment cannot serve has
    no cost.

    Returns:
        One row a point: kind ("equal loss", "equal cost", "20 tokens per parameter", "same loss" from the Chinchilla plan to the optimum,
        "optimum", "Chinchilla plan", "fitted": the most tokens of the law's fit at each size), line (its label), n_params, train_tokens,
        loss, cost_total; `attrs["units"]`.

    Raises:
        InputError: the solution has no design.

    """
    import pandas as pd

    needs_answer(best)
    s, unit = best.scenario, best.scenario.money.currency
    plans = {"optimum": best.design, "Chinchilla plan": best.baseline.design}
    ends = np.array([[float(d.n_params), float(d.train_tokens)] for d in plans.values()])
    (low, below), (high, above) = ends.min(axis=0) / MARGIN, ends.max(axis=0) * MARGIN
    most = s.law.fitted_max_params
    if most and low / NEAR < most < MARGIN * low:  # near enough to show how far the designs lie from it
        low = most / MARGIN
    sizes = np.geomspace(low, high, POINTS)
    level, cost = reducible_at(best), float(best.cost.total)
    irreducible, from_rl = float(s.law.chinchilla.E), float(s.rl.inner(s.law, best.design.rl_tokens))
    records: list[dict[str, Any]] = []

    def by_law(n: np.ndarray, reducible: float) -> np.ndarray:
        return tokens_of_loss(s, n, reducible, from_rl)

    def add(
        kind: str, line: str, n: np.ndarray, d: np.ndarray, loss: float = math.nan, costs: float = math.nan
    ) -> None:
        inside = np.isfinite(n * d) & (d >= 0.999 * below) & (d <= 1.001 * above)
        about = {"kind": kind, "line": line, "loss": loss, "cost_total": costs}
        pairs = zip(n[inside], d[inside], strict=True)
        records.extend({**about, "n_params": float(a), "train_tokens": float(b)} for a, b in pairs)

    for factor in LOSSES:
        tokens = by_law(sizes, factor * level)
        add(
            "equal loss",
            f"{irreducible + factor * level:.3f} nat/token",
            sizes,
            tokens,
            loss=irreducible + factor * level,
        )
    rows, fine = np.geomspace(below, above, POINTS), np.geomspace(low, high, COLUMNS)
    d, n = np.meshgrid(rows, fine, indexing="ij")
    kept = np.full_like(n, float(best.design.rl_tokens)) if s.rl.decided else None
    _, _, r = design_of(s, n, d, kept)
    costs = np.log(total_cost(best.asked, Design(n, d, np.array(r, float))))
    priced = np.isfinite(costs).all(
        axis=0
    )  # what the deployment cannot serve has no cost, and is larger than what it can
    for factor in COSTS:
        at = [
            np.interp(math.log(factor * cost), along[priced], np.log(fine[priced]), np.nan, np.nan) for along in costs
        ]
        add("equal cost", f"{human(factor * cost, 3)} {unit}", np.exp(at), rows, costs=factor * cost)
    add("20 tokens per parameter", "20 tokens per parameter", sizes, 20 * sizes)
    if most and low < most:
        within = np.append(sizes[sizes < most], min(most, high))
        add("fitted", "fitted", within, np.minimum((s.law.fitted_max_tokens_per_param or math.inf) * within, above))
    way = np.geomspace(ends[:, 0].min(), ends[:, 0].max(), POINTS)
    add("same loss", "same loss", way, by_law(way, level), loss=best.loss)
    for name, design in plans.items():
        paid = cost if name == "optimum" else float(best.baseline.cost.total)
        add(
            name,
            name,
            *(np.array([float(v)]) for v in (design.n_params, design.train_tokens)),
            loss=best.loss,
            costs=paid,
        )
    frame = pd.DataFrame.from_records(
        records, columns=["kind", "line", "n_params", "train_tokens", "loss", "cost_total"]
    )
    frame.attrs["units"] = units_of(frame, unit)
    frame.attrs["fitted_max_params"] = most
    return frame
