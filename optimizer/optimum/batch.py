"""Which designs are best, for very many scenarios at once?

`solve_batch(s, frame)` answers one scenario a row: the dotted columns of the frame replace the values of `s`. Rows that nothing but N
and D is decided for are solved together, by the one scalar equation of `reduced`; rows that it does not cover (a limit binds, repeated
data is used, RL tokens are decided) go through `solve` one by one. Both give the same answers.
"""

from collections.abc import Hashable, Mapping
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from annotated_types import Ge, Gt, Le, Lt
from jaxtyping import Array, Float

from ..assumptions.goal import BudgetGoal, LossGoal, ParamsGoal
from ..assumptions.numbers import human
from ..assumptions.problems import InputError
from ..assumptions.quantity import Assumption, Numeric, blocks_in
from ..assumptions.rl import CostShareRL, FixedFlopsRL, FixedTokensRL, OptimisedRL, RatioRL
from ..assumptions.scenario import Scenario
from ..assumptions.validation import allowed
from ..model.cost import Design, LifecycleCost, design_of, lifecycle_cost
from ..model.limits import limit_excess
from ..model.quality import loss, target_reducible_loss
from .feasibility import SMALLEST_USEFUL
from .reduced import design_at_budget, design_at_loss, softplus_root
from .solution import Status
from .solve import KKT_TOLERANCE, solve

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Optimum", "optimum", "solve_batch"]

BLOCK = 1 << 16
"""Rows solved in one compiled call; the last call of a batch is padded to a power of two, so that few sizes are ever compiled."""


class Optimum(NamedTuple):
    """The optimum of the base problem: N and D decided, no limits, fresh data. Every field has the shape of the scenario's leaves."""

    design: Design
    cost: LifecycleCost
    loss: Numeric
    """nat/token"""
    kkt_residual: Numeric
    """violation of the first-order condition and of the goal, in logarithms"""
    in_class: Numeric
    """whether the base problem is the whole problem: no limit is passed, no data is repeated"""
    possible: Numeric
    """whether there is an answer: the target lies above E, the budget pays for the cheapest useful run"""


def optimum(scenario: Scenario) -> Optimum:
    """The optimum of one scenario of the base class, in closed form up to one scalar root: pure JAX, differentiable, mappable.

    Args:
        scenario: any goal, any RL policy but 'optimised'. Limits and repetition are not enforced but reported in `in_class`.

    Returns:
        The optimum; NaN where there is none (a target at or below E, a budget that RL alone exceeds).

    Raises:
        TypeError: RL tokens are decided too; there the problem has no single equation.

    """
    if isinstance(scenario.rl, OptimisedRL):
        raise TypeError("rl.policy = 'optimised' decides R beside N and D; use solve")
    law = scenario.law.chinchilla
    A, B, alpha, beta = law.A, law.B, law.alpha, law.beta

    # Cost is N (k D + K) + fixed, which the phases give at N = 1. RL enters one of the three: adding it to two and taking it away
    # again would cost the reverse derivative its digits, k being 1e15 times smaller than K.
    at_0, at_1 = (lifecycle_cost(scenario, design_of(scenario, 1.0, d)) for d in (0.0, 1.0))
    k, K, fixed = at_1.pretraining, at_0.prefill + at_0.decode, 0.0 * at_0.decode
    match scenario.rl:
        case RatioRL() | CostShareRL():
            k = k + at_1.rl
        case FixedTokensRL():
            K = K + at_0.rl
        case FixedFlopsRL():
            fixed = at_0.rl
    ln_ratio = jnp.log(jnp.maximum(K / k, 1e-300))

    match scenario.goal:
        case ParamsGoal(params=params):
            ln_d0 = jnp.log(law.train_optimal_tokens(params))
            u = softplus_root(1 / beta, ln_ratio - ln_d0)
            ln_d = ln_d0 + jnp.logaddexp(u, 0.0) / beta
            ln_n = jnp.log(params) + 0.0 * ln_d
            goal_miss, possible = 0.0 * ln_d, True
        case BudgetGoal(budget=budget):
            ln_c = jnp.log((budget - fixed) / k)
            ln_n, ln_d = design_at_budget(law, ln_ratio, ln_c)
            smallest = design_of(scenario, SMALLEST_USEFUL, SMALLEST_USEFUL)
            possible = budget >= lifecycle_cost(scenario, smallest).total
            goal_miss = ln_n + jnp.logaddexp(ln_d, ln_ratio) - ln_c
        case LossGoal():
            target = target_reducible_loss(scenario)
            ln_l, possible = jnp.log(target), target > 0
            ln_n, ln_d = design_at_loss(law, ln_ratio, ln_l)
            goal_miss = jnp.log(law.reducible(jnp.exp(ln_n), jnp.exp(ln_d))) - ln_l
    n, d = jnp.exp(ln_n), jnp.exp(ln_d)
    design = design_of(scenario, n, d)
    balance = jnp.log(alpha * A) - alpha * ln_n - jnp.log(beta * B) + beta * ln_d - jnp.logaddexp(0.0, ln_ratio - ln_d)
    excess = [e > 1e-12 for e in limit_excess(scenario, design).values()]
    repeats = scenario.law.effective_tokens(d) < d * (1 - 1e-15)
    in_class = ~jnp.any(jnp.stack([jnp.asarray(e) for e in (repeats, *excess)]))
    useful = (n >= SMALLEST_USEFUL) & (d >= SMALLEST_USEFUL)
    return Optimum(
        design=design,
        cost=lifecycle_cost(scenario, design),
        loss=loss(scenario, design),
        kkt_residual=jnp.maximum(jnp.abs(balance), jnp.abs(goal_miss)),
        in_class=in_class,
        possible=jnp.asarray(possible) & (useful | ~in_class),  # a limit may lift a design that is too small
    )


_UNITS = {
    "n_params": "parameters",
    "train_tokens": "tokens",
    "rl_tokens": "tokens",
    "tokens_per_param": "tokens/parameter",
    "overtraining_vs_rule_of_20": "1",
    "overtraining_vs_law": "1",
    "loss": "nat/token",
    "cost_pretraining": "money",
    "cost_rl": "money",
    "cost_prefill": "money",
    "cost_decode": "money",
    "cost_total": "money",
    "kkt_residual": "1",
}
_NUMBERS = list(_UNITS)


@partial(jax.jit, static_argnums=0)
def _optima(tree: Hashable, leaves: Float[Array, " leaf row"]) -> Float[Array, " row answer"]:
    """The answers of stacked scenarios as columns: N, D, R, both ratios, loss, cost by phase, residual, in class, possible."""

    def one(values: Float[Array, " leaf"]) -> Float[Array, " answer"]:
        scenario = jax.tree.unflatten(tree, list(values))
        best = optimum(scenario)
        n, d, _ = best.design
        numbers = (
            *best.design,
            d / n,
            d / (20 * n),
            d / scenario.law.train_optimal_tokens(n),
            best.loss,
            *best.cost,
            best.cost.total,
            best.kkt_residual,
            best.in_class,
            best.possible,
        )
        return jnp.stack([jnp.asarray(v, float) for v in numbers])

    return jax.vmap(one, in_axes=1)(leaves)


def solve_batch(scenario: Scenario, frame: "pd.DataFrame") -> "pd.DataFrame":
    """The optimum of many scenarios, one a row.

    Args:
        scenario: the question that all rows share.
        frame: dotted columns replace the values of `scenario` row by row ("traffic.output_tokens", "law"). Text columns (names, kinds,
            policies) group the rows; numbers are plain counts; an empty cell keeps the scenario's own value.

    Returns:
        One row a scenario, on the index of `frame`: status, message, design, both over-training ratios, loss, cost by phase, KKT
        residual, active limits; `attrs["units"]` gives the units. A row without an answer carries its status, a sentence and NaN.

    Raises:
        InputError: a column is no dotted path of a scenario, or a name, kind or policy is unknown. A number out of its bounds fails
            only its row.

    >>> import pandas as pd
    >>> from optimizer.assumptions.library import load
    >>> answers = solve_batch(load("lecture-2026"), pd.DataFrame({"traffic.output_tokens": [2e13, 2e14, 2e15]}))
    >>> [f"{ratio:.0f}x" for ratio in answers["overtraining_vs_rule_of_20"]]
    ['33x', '52x', '196x']

    """
    import pandas as pd

    kinds = [column for column in frame if not pd.api.types.is_numeric_dtype(frame[column])]
    given = frame.notna()
    keys = pd.DataFrame({c: frame[c].astype(object).where(given[c], None) if c in kinds else given[c] for c in frame})
    answers = np.full((len(frame), len(_NUMBERS)), np.nan)
    texts = {name: np.full(len(frame), "", dtype=object) for name in ("status", "message", "active_limits")}
    groups = (
        keys.groupby(list(keys), dropna=False, sort=False).indices if len(keys.columns) else {(): np.arange(len(frame))}
    )
    for rows in groups.values():
        columns = [c for c in frame if given[c].iloc[rows[0]]]
        shared = {c: frame[c].iloc[rows[0]] for c in columns if c in kinds}
        numbers = frame.loc[:, [c for c in columns if c not in kinds]].iloc[rows]
        _solve_group(scenario, shared, numbers, rows, answers, texts)
    result = pd.DataFrame(answers, index=frame.index, columns=pd.Index(_NUMBERS))
    result.insert(0, "status", texts["status"])
    result["message"], result["active_limits"] = texts["message"], texts["active_limits"]
    money = "FLOP" if scenario.money.unit == "flops" else "USD"
    result.attrs["units"] = {name: unit.replace("money", money) for name, unit in _UNITS.items()}
    return result


def _solve_group(
    scenario: Scenario,
    shared: Mapping[str, object],
    numbers: "pd.DataFrame",
    rows: np.ndarray,
    answers: np.ndarray,
    texts: Mapping[str, np.ndarray],
) -> None:
    """Fill in the rows that share every name and kind."""
    sentences = _out_of_bounds(numbers)
    good = np.array([not sentence for sentence in sentences], bool)
    for row, sentence in zip(rows[~good], (s for s in sentences if s), strict=True):
        texts["status"][row], texts["message"][row] = "bad_input", sentence
    rows, numbers = rows[good], numbers.loc[good]
    if not len(rows):
        return
    base = scenario.update({**shared, **numbers.iloc[0].to_dict()})
    if isinstance(base.rl, OptimisedRL):
        alone = np.arange(len(rows))
    else:
        found = _solve_together(base, numbers)
        answers[rows] = found[:, :-2]
        residual, in_class, possible = found[:, -3], found[:, -2] > 0, found[:, -1] > 0
        solved = in_class & possible & (residual < KKT_TOLERANCE)
        texts["status"][rows[solved]] = "optimal"
        texts["status"][rows[~possible]] = "infeasible"
        texts["message"][rows[~possible]] = Status.INFEASIBLE.value
        answers[rows[~possible]] = np.nan
        alone = np.flatnonzero(possible & ~solved)
    for i in alone:
        best = solve(base.update(numbers.iloc[i].to_dict()), throw=False)
        flat = best.to_frame().iloc[0]
        answers[rows[i]] = [flat[name] for name in _NUMBERS]
        texts["status"][rows[i]], texts["message"][rows[i]] = best.status.name.lower(), best.message
        texts["active_limits"][rows[i]] = ", ".join(best.certificate.active_limits)


def _solve_together(base: Scenario, numbers: "pd.DataFrame") -> np.ndarray:
    """Answers of the base problem, in blocks of a few sizes so that a new number of rows does not compile anew."""
    leaves, tree = jax.tree.flatten(base.model_copy(update={"sources": {}}))
    paths = [path for path, _, _ in base.quantities()]
    stacked = np.repeat(np.array(leaves, float)[:, None], len(numbers), axis=1)
    for column in numbers:
        stacked[paths.index(str(column))] = numbers[column]
    parts = []
    for begin in range(0, len(numbers), BLOCK):
        block = stacked[:, begin : begin + BLOCK]
        size = block.shape[1]
        padded = 1 << max(size - 1, 0).bit_length()
        block = np.concatenate([block, np.repeat(block[:, -1:], padded - size, axis=1)], axis=1)
        parts.append(np.asarray(_optima(tree, block))[:size])
    return np.concatenate(parts)


def _out_of_bounds(numbers: "pd.DataFrame") -> list[str]:
    """For every row the sentence about its values out of bounds, "" where there are none."""
    sentences = [""] * len(numbers)
    for column in numbers:
        block, field = _declaration(str(column))
        tests = {Gt: np.greater, Ge: np.greater_equal, Lt: np.less, Le: np.less_equal}
        values = numbers[column].to_numpy(float)
        inside = np.isfinite(values)
        for bound in block.model_fields[field].metadata:
            for kind, test in tests.items():
                if isinstance(bound, kind):
                    inside &= test(values, getattr(bound, kind.__name__.lower()))
        for i in np.flatnonzero(~inside):
            sentences[i] += f"{column} must lie in {allowed(block, field) or '(-inf, inf)'}, got {human(values[i])}. "
    return [sentence.strip() for sentence in sentences]


def _declaration(path: str) -> tuple[type[Assumption], str]:
    """The block and field that declare the number at a dotted path, in whichever kind has it."""
    blocks: tuple[type[Assumption], ...] = (Scenario,)
    *parents, field = path.split(".")
    for name in parents:
        blocks = tuple(c for b in blocks if name in b.model_fields for c in blocks_in(b.model_fields[name].annotation))
    for block in blocks:
        if block.quantity(field) is not None:
            return block, field
    raise InputError(
        [f"column {path} is not a number of a scenario; columns are dotted paths such as traffic.output_tokens."]
    )
