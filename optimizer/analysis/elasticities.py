"""Elasticities: how the optimum moves when an assumption moves.

`elasticities(s)` differentiates the answer itself, by the implicit function theorem on its KKT conditions: exact, for every goal, law, RL
policy and set of active limits, and without solving again. With z the decisions and multipliers and theta the assumptions,

    F(z, theta) = 0,        dz/dtheta = - (dF/dz)^-1 dF/dtheta.
"""

from collections.abc import Hashable
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..assumptions.arguments import checks
from ..assumptions.goal import BudgetGoal, LossGoal, ParamsGoal, TokensGoal
from ..assumptions.present import as_paid
from ..assumptions.scenario import SCENARIO, Scenario
from ..compiling import compiled
from ..model.cost import fixed_cost, lifecycle_cost
from ..model.outputs import ELASTIC
from ..model.quality import target_reducible_loss
from ..optimum.program import COST, LOSS, Rows, design_at, ln_design, row_values
from ..optimum.solve import solve
from ..optimum.totals import TOTALS, total_slopes

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["elasticities"]


_HELD = 1e-9
"""ln of the distance from the end of what is useful at which it holds the optimum."""


@checks(scenario=SCENARIO)
def elasticities(scenario: Scenario) -> "pd.DataFrame":
    """d ln(output) / d ln(assumption) at the optimum, for every number of the scenario.

    Returns:
        One row a number, on its dotted path: value, unit, and the elasticity of N*, D*, R*, cost and both over-training ratios. An
        elasticity of 0.3 means: 1 % more of the assumption moves the output by 0.3 %. A number that is 0 has elasticity 0; RL tokens that
        are 0 have none (NaN). `active_limit` marks the limits that hold the optimum, and `attrs["active_limits"]` names them: the
        derivatives are one-sided where an assumption would make another limit take over.

    Raises:
        InfeasibleError: the scenario has no optimum.

    Where the placement is open (deployment.placement = "best") they are those at the one that is chosen: by the envelope theorem the choice
    adds nothing, up to where another placement takes over.

    By the envelope theorem the elasticity of cost to a price is that phase's share of the cost.

    >>> from optimizer.assumptions.library import load
    >>> frame = elasticities(load("lecture-2026"))
    >>> round(float(frame.loc["serving.decode_efficiency", "cost_total"]), 3)
    -0.387

    """
    import pandas as pd

    best = solve(scenario)
    asked, scenario = scenario, best.scenario
    rows = Rows(scenario)
    spent = not isinstance(scenario.goal, BudgetGoal) or best.certificate.multipliers["goal.budget"] > 0
    held = (*((LOSS,) if spent else ()), *best.certificate.active_limits)
    if isinstance(scenario.goal, BudgetGoal):
        held += tuple(name for name in rows.useful if rows.value(name, ln_design(scenario, best.design)) > -_HELD)
    active = tuple(rows.names.index(name) for name in held)
    paid = as_paid(scenario).model_copy(update={"sources": {}})
    leaves, tree = jax.tree.flatten(paid)
    x = ln_design(scenario, best.design)
    objective = rows.names.index(COST if spent else LOSS)
    z = np.concatenate([x, _multipliers(rows, x, objective, active)])
    parts = _derivatives(tree, objective, active, spent, np.array(leaves, float), z)
    by_theta, by_z, direct, through = (np.asarray(part) for part in parts)
    try:
        slopes = (direct - through @ np.linalg.solve(by_z, by_theta)).T
    except np.linalg.LinAlgError:  # limits that meet in one point leave no derivative
        slopes = np.full_like(direct.T, np.nan)
    by_path = dict(zip((path for path, _, _ in paid.quantities()), slopes, strict=True))
    if paid.traffic is not scenario.traffic:
        through = np.stack([by_path[f"traffic.{name}"] for name in TOTALS])
        slopes = total_slopes(scenario).items()
        by_path |= {path: slope @ through for path, slope in slopes if path != "traffic.peak_to_mean"}
    declared = list(asked.quantities())
    theta = np.array([value for _, _, value in declared], float)
    frame = pd.DataFrame(np.stack([by_path[p] for p, _, _ in declared]) * theta[:, None], columns=pd.Index(ELASTIC))
    if float(best.design.rl_tokens) == 0:
        frame["rl_tokens"] = np.nan
    frame.index = pd.Index([path for path, _, _ in declared], name="path")
    frame.insert(0, "value", theta)
    frame.insert(1, "unit", [quantity.unit for _, quantity, _ in declared])
    frame["active_limit"] = [path in best.certificate.active_limits for path, _, _ in declared]
    frame.attrs["active_limits"] = best.certificate.active_limits
    frame.attrs["units"] = dict.fromkeys(ELASTIC, "1")
    return frame


def _multipliers(rows: Rows, x: np.ndarray, objective: int, active: tuple[int, ...]) -> np.ndarray:
    """Multipliers of the active rows at the optimum."""
    _, gradients, _ = rows.at(x)
    return np.linalg.lstsq(gradients[list(active)].T, -gradients[objective], rcond=None)[0]


@compiled(structure=4)
def _derivatives(
    tree: Hashable,
    objective: int,
    active: tuple[int, ...],
    spent: bool,
    theta: Float[Array, " leaf"],
    z: Float[Array, " unknown"],
) -> tuple[Array, Array, Array, Array]:
    """dF/dtheta, dF/dz and the direct derivatives of the logarithms of the outputs by theta and by z.

    Every goal is least cost at its own loss, the first active row, unless limits leave a budget unspent.
    """
    size = z.shape[0] - len(active)

    def conditions(theta: Float[Array, " leaf"], z: Float[Array, " unknown"]) -> Float[Array, " unknown"]:
        scenario, x = jax.tree.unflatten(tree, list(theta)), z[:size]
        values, gradients = row_values(scenario, x), jax.jacfwd(row_values, argnums=1)(scenario, x)
        held = jnp.array(active)
        met = values[held]
        if spent:
            met = met.at[0].set(_goal_miss(scenario, x, values[objective], values[active[0]]))
        return jnp.concatenate([gradients[objective] + z[size:] @ gradients[held], met])

    def outputs(theta: Float[Array, " leaf"], z: Float[Array, " unknown"]) -> Float[Array, " output"]:
        scenario, x = jax.tree.unflatten(tree, list(theta)), z[:size]
        design = design_at(scenario, x)
        d0 = scenario.law.train_optimal_tokens(design.n_params)
        found = {
            "n_params": x[0],
            "train_tokens": x[1],
            "rl_tokens": jnp.log(jnp.maximum(design.rl_tokens, 1e-300)),
            "cost_total": jnp.log(lifecycle_cost(scenario, design).total),
            "overtraining_vs_rule_of_20": x[1] - x[0],
            "overtraining_vs_law": x[1] - jnp.log(d0),
        }
        return jnp.stack([found[output] for output in ELASTIC])

    return *jax.jacfwd(conditions, argnums=(0, 1))(theta, z), *jax.jacfwd(outputs, argnums=(0, 1))(theta, z)


def _goal_miss(
    scenario: Scenario, x: Float[Array, " variable"], ln_cost: Float[Array, ""], ln_loss: Float[Array, ""]
) -> Float[Array, ""]:
    match scenario.goal:
        case LossGoal():
            return ln_loss - jnp.log(target_reducible_loss(scenario))
        case BudgetGoal(budget=budget):
            return ln_cost - jnp.log(budget - fixed_cost(scenario))
        case ParamsGoal(params=params):
            return x[0] - jnp.log(params)
        case TokensGoal(tokens=tokens):
            return x[1] - jnp.log(tokens)
