"""Regret: the cost of building for one traffic and serving another.

    regret(i, j) = C(design of plan i, traffic j) / min over designs of C(., traffic j) - 1,

all designs of the same quality. Cost is linear in traffic, so the plan of least expected cost is the plan for the expected traffic; the
plan of least maximum regret is not. The value of knowing the traffic in advance is the least expected cost minus the expected cost of
building the best for each traffic: the most that a perfect forecast is worth.

With `law` the scaling law may be another than the plan assumed. The design is then as good as that law says, and the regret is its cost
above the least cost of that loss under that law.
"""

from collections.abc import Hashable
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..assumptions.arguments import PROGRESS, Names, Numbers, as_numbers, checks, frame_of, numbers
from ..assumptions.goal import LossGoal
from ..assumptions.problems import InputError
from ..assumptions.scenario import SCENARIO, Scenario
from ..compiling import compiled
from ..model.cost import Design, lifecycle_cost
from ..model.outputs import units_of
from ..model.quality import loss
from ..optimum.solve import solve
from ..optimum.structure import general
from .blocks import Progress, in_turn, solve_rows
from .law_input import LAW, LawInput, law_input
from .ranges import total_traffic, traffic_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["regret", "robust_plans"]

BAND = 0.05
MIDDLE = (0.1, 0.9)
"""Ends of the middle 80 % of the laws."""
_ROUND = 16
_NEEDED = ("plan_tokens", "future_tokens", "probability", "n_params", "train_tokens", "cost", "best_cost", "regret")


@checks(
    scenario=SCENARIO,
    plans=numbers("200T", "tokens", optional=True),
    futures=numbers("200T", "tokens"),
    probabilities=numbers("0.5", "1"),
    law=LAW,
    progress=PROGRESS,
)
def regret(
    scenario: Scenario,
    plans: Numbers | None,
    futures: Numbers,
    *,
    probabilities: Numbers | None = None,
    law: Names | None = None,
    progress: Progress | None = None,
) -> "pd.DataFrame":
    """The cost of a plan made for one traffic when another comes true, at the same quality.

    Args:
        scenario: the question. A goal other than a loss is first turned into the loss of its own optimum, so that all plans are as good.
        plans: lifetime tokens that are planned for, input and output, as the forecast states them. None: the futures and their mean.
        futures: lifetime tokens that may come true; their split into input and output is the scenario's.
        probabilities: of the futures; equal when left out, and scaled to sum to 1.
        law: the laws that may be true, while the plans assume the scenario's own: "across" (the sample over data sets and forms),
            "posterior" (the scenario's own fit), names or files of laws; None for the scenario's own law alone.
        progress: called with (optima found, optima in all) as the work goes on.

    Returns:
        One row a plan and future: plan_tokens, future_tokens, probability, n_params, train_tokens, rl_tokens (of the plan), cost,
        best_cost, regret, in_band (regret of at most 5 %: the plan is still a near-optimal one). With `law`, regret is the mean over the
        laws that answer, best_cost is cost / (1 + regret), and `regret_low` and `regret_high` hold 80 % of the laws (all of them where
        laws are named). `attrs["units"]` gives the units, `attrs["notes"]` says what the law is drawn from.

    Raises:
        InputError: no futures, or numbers that are no traffic or no probabilities.
        InfeasibleError: the quality has no design.

    Limiting cases: the plan for the traffic that comes true has regret 0; RL tokens stay as the scenario gives them.

    >>> from optimizer.assumptions.library import load
    >>> frame = regret(load("lecture-2026"), ["200T"], ["20T", "200T", "2000T"])
    >>> [f"{100 * share:.1f} %" for share in frame["regret"]]
    ['2.3 %', '0.0 %', '10.7 %']

    """
    import pandas as pd

    arrive = np.array(as_numbers(futures, "futures", "tokens"))
    if not len(arrive):
        raise InputError(
            ["futures are missing; give the lifetime tokens that may arrive, as ['20T', '200T', '2000T']."]
        )
    weights = _weights(probabilities, len(arrive))
    planned = (
        np.unique(np.append(arrive, weights @ arrive))
        if plans is None
        else np.array(as_numbers(plans, "plans", "tokens"))
    )
    laws, note = law_input(scenario, law)
    best = solve(scenario)
    goal = {} if isinstance(scenario.goal, LossGoal) else {"goal": {"kind": "loss", "loss": best.loss}}
    question = total_traffic(scenario).update(goal)
    tokens = np.concatenate([planned, arrive])
    columns = traffic_of(scenario, tokens)
    count = len(planned)
    works = in_turn(progress, [len(tokens), count * len(arrive) * len(laws.table["law.E"]) if laws else 0])
    answers = solve_rows(question, pd.DataFrame(columns), next(works))
    designs = answers[["n_params", "train_tokens", "rl_tokens"]].to_numpy()[:count]
    asked = general(question)
    leaves, tree = jax.tree.flatten(asked)
    paths = [path for path, _, _ in asked.quantities()]
    stacked = np.repeat(np.array(leaves, float)[:, None], len(arrive), axis=1)
    for path, values in columns.items():
        stacked[paths.index(path)] = values[count:]
    # Rows are repeated up to a round number, so that few shapes are compiled.
    wide = np.pad(stacked, ((0, 0), (0, -len(arrive) % _ROUND)), mode="edge")
    tall = np.pad(designs, ((0, -count % _ROUND), (0, 0)), mode="edge")
    costs = np.asarray(_costs(tree, wide, tall))[:count, : len(arrive)]
    least = answers["cost_total"].to_numpy()[count:]
    frame = pd.DataFrame(
        {
            "plan_tokens": np.repeat(planned, len(arrive)),
            "future_tokens": np.tile(arrive, count),
            "probability": np.tile(weights, count),
            "n_params": np.repeat(designs[:, 0], len(arrive)),
            "train_tokens": np.repeat(designs[:, 1], len(arrive)),
            "rl_tokens": np.repeat(designs[:, 2], len(arrive)),
            "cost": costs.ravel(),
            "best_cost": np.tile(least, count),
        }
    )
    frame["regret"] = frame["cost"] / frame["best_cost"] - 1
    if laws is not None:
        served = {path: np.tile(values[count:], count) for path, values in columns.items()}
        excess = _under_laws(question, laws, frame, served, next(works))
        ends = (0.0, 1.0) if laws.few else MIDDLE
        frame["regret"] = np.nanmean(excess, axis=1)
        frame["best_cost"] = frame["cost"] / (1 + frame["regret"])
        frame["regret_low"], frame["regret_high"] = np.nanquantile(excess, ends, axis=1)
    frame["in_band"] = frame["regret"] <= BAND
    frame.attrs["units"] = units_of(frame, scenario.money.currency)
    frame.attrs["notes"] = (note,)
    return frame


def _under_laws(
    question: Scenario,
    laws: LawInput,
    frame: "pd.DataFrame",
    served: dict[str, np.ndarray],
    progress: Progress | None,
) -> Float[np.ndarray, "row law"]:
    """Cost of each row's plan above the least cost of the loss that each law gives it, as a share; NaN where a law has no answer."""
    import pandas as pd

    many = len(laws.table["law.E"])
    stands_for = laws.question.law.model_copy(update={p.removeprefix("law."): v for p, v in laws.table.items()})
    columns = {path: np.tile(values, len(frame)) for path, values in laws.table.items()}
    designs = frame[["n_params", "train_tokens", "rl_tokens"]].to_numpy()[:, :, None]
    with np.errstate(all="ignore"):  # a law's own size for the data may leave the range of 64-bit floats
        reached = loss(question.model_copy(update={"law": stands_for}), Design(*np.moveaxis(designs, 1, 0)))
    asked = question.update({"law": laws.question.law.to_dict(), "goal": {"kind": "loss", "loss": 2.0}})
    columns |= {path: np.repeat(values, many) for path, values in served.items()}
    columns["goal.loss"] = np.asarray(reached).ravel()
    least = solve_rows(asked, pd.DataFrame(columns), progress)["cost_total"].to_numpy()
    return frame["cost"].to_numpy()[:, None] / least.reshape(len(frame), many) - 1


def _weights(probabilities: Numbers | None, count: int) -> np.ndarray:
    weights = np.ones(count) if probabilities is None else np.array(as_numbers(probabilities, "probabilities", "1"))
    if len(weights) != count or not (weights >= 0).all() or not weights.sum() > 0:
        raise InputError(
            [f"probabilities must be {count} numbers of 0 or more, one a future, got {np.asarray(weights).tolist()}."]
        )
    return weights / weights.sum()


@compiled(structure=1, rows=True)
def _costs(
    tree: Hashable, leaves: Float[Array, "leaf future"], designs: Float[Array, "plan 3"]
) -> Float[Array, "plan future"]:
    """What each design costs in each future."""

    def cost(values: Float[Array, " leaf"], design: Float[Array, " 3"]) -> Float[Array, ""]:
        return jnp.asarray(lifecycle_cost(jax.tree.unflatten(tree, list(values)), Design(*design)).total)

    over_futures = jax.vmap(cost, in_axes=(1, None))
    return jax.vmap(over_futures, in_axes=(None, 0))(leaves, designs)


@checks(frame=frame_of("regret", *_NEEDED))
def robust_plans(frame: "pd.DataFrame") -> "pd.DataFrame":
    """Which plan to build: expected cost, expected and maximum regret of each.

    Args:
        frame: what `regret` returns.

    Returns:
        One row a plan: plan_tokens, n_params, train_tokens, expected_cost, excess (expected cost above that of knowing the traffic in
        advance, as a share), max_regret, worst_future, least_expected_cost, least_max_regret (true for one plan each; the first among
        equals). `attrs["value_of_knowing"]` is what a perfect forecast would save at most over the plan of least expected cost, in the
        unit of cost, and `attrs["value_of_knowing_share"]` the same as a share of that plan's expected cost.

    With only a few plans listed, the best of them stands for the best there is; list many for the exact minimum.

    """
    import pandas as pd

    records = []
    for tokens, group in frame.groupby("plan_tokens", sort=False):
        weights, worst = group["probability"].to_numpy(), int(np.argmax(group["regret"].to_numpy()))
        expected, known = float(weights @ group["cost"]), float(weights @ group["best_cost"])
        records.append(
            {
                "plan_tokens": tokens,
                "n_params": group["n_params"].iloc[0],
                "train_tokens": group["train_tokens"].iloc[0],
                "expected_cost": expected,
                "excess": expected / known - 1,
                "max_regret": group["regret"].iloc[worst],
                "worst_future": group["future_tokens"].iloc[worst],
            }
        )
    result = pd.DataFrame.from_records(records)
    cheapest, safest = result["expected_cost"].idxmin(), result["max_regret"].idxmin()
    result["least_expected_cost"] = result.index == cheapest
    result["least_max_regret"] = result.index == safest
    result.attrs["units"] = units_of(result, frame.attrs.get("units", {}).get("cost", ""))
    least, excess = result.loc[cheapest, "expected_cost"], result.loc[cheapest, "excess"]
    result.attrs["value_of_knowing"] = float(least * excess / (1 + excess))
    result.attrs["value_of_knowing_share"] = float(excess / (1 + excess))
    return result
