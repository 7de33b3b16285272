"""The cost of a plan and of other plans of the same quality, as frames.

cost_curve(best)      cost against N at the loss of the optimum, with the plans and models to compare with
cost_phases(best)     cost by phase, of the optimum and of the Chinchilla plan
monthly_tokens(s)     the forecast month by month
"""

import math
from collections.abc import Hashable
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..assumptions.numbers import percent
from ..assumptions.problems import InputError
from ..assumptions.scenario import Scenario
from ..assumptions.tables import rows
from ..assumptions.traffic import Month
from ..compiling import compiled
from ..model.cost import Design, lifecycle_cost
from ..model.limits import limit_excess
from ..model.outputs import PHASES, units_of
from ..model.quality import reducible_loss
from ..model.roofline import can_serve
from ..optimum.pairing import design_of_loss
from ..optimum.solution import Solution, Status
from ..optimum.structure import flattened

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "cost_curve",
    "cost_phases",
    "monthly_tokens",
    "needs_answer",
    "reducible_at",
    "total_cost",
]

POINTS = 60
MARGIN = 1.5
"""Factor by which the curve goes on beyond the designs to compare with."""

NEAREST = 6


def total_cost(scenario: Scenario, design: Design) -> np.ndarray:
    """Cost over the life of designs; NaN where the deployment cannot serve the model."""
    return _over_sizes(scenario, design)[0]


def _over_sizes(scenario: Scenario, design: Design) -> np.ndarray:
    """The cost of designs, and below it how far they pass each limit; one column a design."""
    return np.asarray(_cost_and_excess(*flattened(scenario), *np.broadcast_arrays(*design)))


@compiled(structure=1)
def _cost_and_excess(
    tree: Hashable,
    leaves: Float[Array, " leaf"],
    n_params: Float[Array, "..."],
    train_tokens: Float[Array, "..."],
    rl_tokens: Float[Array, "..."],
) -> Float[Array, "row ..."]:
    scenario, design = jax.tree.unflatten(tree, list(leaves)), Design(n_params, train_tokens, rl_tokens)
    cost = jnp.where(can_serve(scenario, n_params), lifecycle_cost(scenario, design).total, jnp.nan)
    rows = [cost, *limit_excess(scenario, design).values()]
    return jnp.stack([jnp.broadcast_to(jnp.asarray(row, float), n_params.shape) for row in rows])


def cost_curve(best: Solution, near: float | None = None) -> "pd.DataFrame":
    """Cost over the life against active parameters, at the loss of the optimum.

    Along the curve D is what the law asks for, l(N, D) = l*, and R is what the policy gives; where R is optimised, the cheapest pair. The
    marks are designs of their own. The Chinchilla plan, the solution's baseline, keeps the R of the optimum where R is optimised, and then
    lies above the curve. Where the placement is open every size is served at the one that is cheapest for it.

    Args:
        best: an answer.
        near: the curve reaches from 1 / near to near times the optimum's size; left out, it reaches beyond all marks.

    Returns:
        One row a design, smallest first: `design` ("" on the curve; on a mark "optimum", "smallest within 5 %", "largest within 5 %",
        "Chinchilla plan" or the name of a released model of that size), n_params, train_tokens, rl_tokens, cost_total, cost_vs_optimum,
        allowed (whether the scenario's limits hold), trained_on (tokens that the released model was really trained on), and
        `attrs["units"]`.
        A released model stands for its size alone: its row is what that size would cost at this quality. A size that the deployment
        cannot serve has no cost (NaN).

    Raises:
        InputError: the solution has no design.

    """
    import pandas as pd

    needs_answer(best)
    s, band = best.scenario, best.band
    tolerance = percent(band.tolerance)
    plans = {
        "optimum": best.design,
        f"smallest within {tolerance}": band.smallest,
        f"largest within {tolerance}": band.largest,
        "Chinchilla plan": best.baseline.design,
    }
    plans = {
        name: plan for name, plan in plans.items() if math.isfinite(plan.n_params)
    }  # an end of the band may be unknown
    marked = np.array([[float(v) for v in plan] for plan in plans.values()])
    c = s.law.chinchilla
    ln_free = math.log(float(c.A) / float(s.law.inner_of(reducible_at(best)))) / float(c.alpha)
    least = math.exp(float(s.law.ln_params_worth(ln_free)[0]))
    low = max(marked[:, 0].min() / MARGIN, 1.02 * least)
    high = marked[:, 0].max() * MARGIN
    if near is not None:
        size = float(best.design.n_params)
        low, high = max(size / near, 1.02 * least), size * near
    models = _models(low, high, float(best.design.n_params))
    names = [*([""] * (POINTS + len(plans))), *(name for name, _ in models), *plans]
    # Always as many sizes, whatever the number of models: another shape would be compiled again.
    spare = [high] * (NEAREST - len(models))
    along = np.concatenate([np.geomspace(low, high, POINTS), marked[:, 0], [n for _, n in models], spare])
    designs = np.concatenate([np.column_stack(design_of_loss(s, along, reducible_at(best))), marked])
    sizes, tokens, rl = designs.T
    design = Design(sizes, tokens, rl)
    cost, *over = _over_sizes(best.asked, design)
    frame = pd.DataFrame(
        {
            "n_params": sizes,
            "train_tokens": tokens,
            "rl_tokens": rl,
            "cost_total": cost,
            "cost_vs_optimum": cost / float(best.cost.total),
            "allowed": np.all([e <= 1e-9 for e in over], axis=0) if over else True,
        }
    )
    frame = frame.drop(index=range(len(along) - len(spare), len(along)))
    frame.insert(0, "design", names)
    trained = {r["name"]: float(r["pretrain_tokens"]) for r in rows("models") if r["pretrain_tokens"]}
    frame["trained_on"] = [trained.get(name, math.nan) for name in names]
    frame = frame.dropna(subset="train_tokens").sort_values("n_params", kind="stable", ignore_index=True)
    frame.attrs["units"] = units_of(frame, best.scenario.money.currency)
    frame.attrs["band"] = band.tolerance
    return frame


def needs_answer(best: Solution) -> None:
    """Refuse a solution without a design, and what is no solution."""
    if not isinstance(best, Solution):
        raise TypeError(f"best must be a Solution, got a {type(best).__name__}; make one with solve(scenario).")
    if best.status is not Status.OPTIMAL:
        why = best.message or "the design is given, and these are views of an optimum; take solve(scenario)"
        raise InputError([f"there is no design to show: {why}"])


def reducible_at(best: Solution) -> float:
    """The reducible loss at the optimum, RL's own part included (nat/token)."""
    return float(reducible_loss(best.scenario, best.design))


def _models(low: float, high: float, near: float) -> list[tuple[str, float]]:
    """Released models whose size lies in the range, those nearest to the optimum."""
    known = [(r["name"], float(r["active_params"])) for r in rows("models") if r["active_params"]]
    inside = [(name, n) for name, n in known if low <= n <= high]
    return sorted(inside, key=lambda model: abs(math.log(model[1] / near)))[:NEAREST]


def cost_phases(best: Solution) -> "pd.DataFrame":
    """Cost of each phase for the optimum and for the Chinchilla plan of the same loss.

    Returns:
        One row a plan and phase: plan, phase, cost, share (of the plan's total). `attrs["units"]` gives the units.

    """
    import pandas as pd

    needs_answer(best)
    records = [
        {
            "plan": plan,
            "phase": name,
            "cost": float(getattr(cost, phase)),
            "share": float(getattr(cost, phase)) / float(cost.total),
        }
        for plan, cost in (("optimum", best.cost), ("Chinchilla plan", best.baseline.cost))
        for phase, name in PHASES.items()
    ]
    frame = pd.DataFrame.from_records(records)
    frame.attrs["units"] = units_of(frame, best.scenario.money.currency)
    return frame


def monthly_tokens(scenario: Scenario) -> "pd.DataFrame":
    """The forecast month by month, before share and probability of shipping.

    Returns:
        One row a month: month ("2026-05"), days in service, input_tokens_per_day, output_tokens_per_day. A generator whose life ends within
        a month has its last rate lowered to the part of the month it covers. No rows for a forecast that is a total.

    >>> from optimizer.assumptions.library import load
    >>> monthly_tokens(load("open-weights-8b")).columns.tolist()
    ['month', 'days', 'input_tokens_per_day', 'output_tokens_per_day']

    """
    import pandas as pd

    frame = pd.DataFrame.from_records(scenario.traffic.by_month(), columns=list(Month._fields))
    frame.attrs["units"] = units_of(frame, "")
    return frame
