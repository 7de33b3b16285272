"""The optimum of very many scenarios at once: one row a scenario.

`solve_batch(s, frame)` answers one scenario a row: the dotted columns of the frame replace the values of `s`. Where only
N and D are decided the row is solved by the scalar equation of `equation`; where a limit binds, data repeats or RL tokens are decided, by
the search of `search`; the few rows that neither covers are solved by `solve` one by one. All three give the same answers.

Only the columns that change have a row axis, rows are taken in blocks that stay in the cache, and every core works on a block of its own.
"""

import os
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..assumptions.arguments import FLAG, FRAME, checks
from ..assumptions.goal import BudgetGoal, LossGoal
from ..assumptions.quantisation import quantised
from ..assumptions.quantity import Numeric
from ..assumptions.scenario import SCENARIO, Scenario
from ..assumptions.traffic import Demand
from ..compiling import compiled
from ..model.cost import Design, LifecycleCost, at_tokens, design_of, lifecycle_cost
from ..model.limits import limit_names
from ..model.outputs import ANSWER, DETAIL, units_of
from ..model.placements import LISTED_BY, decides, moves_serving, placements
from ..model.quality import loss, reducible_loss
from ..model.roofline import can_serve
from .answers import Answers
from .base import Optimum, optimum, separable
from .compared import Compared, comparable, compared
from .few_bits import least_training
from .rows import Batch, as_batch, as_batches, padded
from .search import ROUNDS, Around, optimum_on_curve
from .solution import Status
from .solve import KKT_TOLERANCE, solve

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Optimum", "optimum", "solve_batch", "solve_columns"]

FEW, BLOCK, CURVE_BLOCK = 1 << 12, 1 << 16, 1 << 10
"""Rows solved in one compiled call: by equation in batches of up to `BLOCK` rows, in larger ones, and by search. Every call is padded to
one of them, so that a new number of rows compiles nothing."""

QUICK_ROUNDS = 3.0
"""Rounds of the first search, enough for most rows."""

SHARING = 64
"""Rows that share what moves serving from which a table of placements pays for itself."""

SENTENCES = 20
"""Rows without an answer whose own sentence `solve` is asked for; the rest say in general terms that there is none."""

NOMINAL, DISCOUNT = "cost_nominal", "money.discount_rate"

_ACTIVE = -1e-9


class _Found(NamedTuple):
    """Answers of one block: arrays with one entry a row."""

    numbers: tuple[Array, ...]
    residual: Array
    covered: Array
    possible: Array
    active: tuple[Array, ...]
    """whether each limit holds the design"""


@checks(scenario=SCENARIO, frame=FRAME, detail=FLAG)
def solve_batch(scenario: Scenario, frame: "pd.DataFrame | None" = None, *, detail: bool = False) -> "pd.DataFrame":
    """The optimum of many scenarios, one a row.

    Args:
        scenario: the question that all rows share; or, without `frame`, a stack of scenarios: one whose numbers have a leading axis, as
            `jax.tree.map(jnp.stack, ...)` and `jax.vmap` make them (numbers without one are shared).
        frame: dotted columns replace the values of `scenario` row by row ("traffic.output_tokens", "law"). Text columns (names, kinds,
            policies) group the rows; numbers are plain counts; an empty cell keeps the scenario's own value.
        detail: add the baseline (Chinchilla's plan for the same loss), the savings against it, and how far the design lies outside the
            runs of the law's fit (1 is the edge). The baseline is NaN where it would repeat data, its cost where the
            deployment cannot serve it.

    Returns:
        One row a scenario, on the index of `frame`: status, design, both over-training ratios, loss, cost by phase, KKT residual,
        message, active limits (texts as categories); `cost_nominal` where money.discount_rate is set; `attrs["units"]` gives the units.
        A row without an answer carries its status, a sentence and NaN.

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

    index, batches = as_batches(scenario, frame)
    units = units_of((*ANSWER, *(DETAIL if detail else ())), scenario.money.currency)
    table = Answers(len(index), list(units))
    for batch in batches:
        for row, sentence in batch.refused.items():
            table.no_answer(row, "bad_input", sentence)
        _solve_batch(batch, detail, table)
        if detail:
            _write_reach(batch, table)
    result = pd.DataFrame(table.numbers.T, index=index, columns=pd.Index(list(units)), copy=False)
    if any(np.any(batch.varied.get(DISCOUNT, batch.base.money.discount_rate)) for batch in batches):
        result[NOMINAL] = np.nan
        for batch in batches:
            result.iloc[batch.rows, -1] = _nominal(batch, table)
        units |= units_of([NOMINAL], scenario.money.currency)
    result.insert(0, "status", table.status.column())
    result["message"], result["active_limits"] = table.message.column(), table.active_limits.column()
    result.attrs["units"] = units
    return result


def solve_columns(scenario: Scenario, columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The numbers of `solve_batch` for numeric columns, as arrays and without pandas; NaN where a row has no answer."""
    count = len(next(iter(columns.values())))
    batch = as_batch(scenario, columns)
    table = Answers(count, list(ANSWER))
    for row, sentence in batch.refused.items():
        table.no_answer(row, "bad_input", sentence)
    _solve_batch(batch, False, table)
    return dict(zip(table.columns, table.numbers, strict=True))


def _write_reach(batch: Batch, table: Answers) -> None:
    """How far each design lies outside the runs that its law was fitted on."""
    found = {
        name: table.numbers[table.columns.index(name)] for name in ("n_params", "train_tokens", "tokens_per_param")
    }
    moved = {path.removeprefix("law."): v for path, v in batch.varied.items() if path.startswith("law.")}
    for (name, values), edge in zip(found.items(), batch.base.law.edges_of_fit(moved), strict=True):
        column = table.columns.index(f"extrapolation_{name}")
        table.numbers[column, batch.rows] = values[batch.rows] / edge


def _nominal(batch: Batch, table: Answers) -> np.ndarray:
    """What each plan costs without discounting."""
    bills = [table.numbers[table.columns.index(f"cost_{phase}")][batch.rows] for phase in LifecycleCost._fields]
    counted, tokens = (_serving_tokens(rows) for rows in (batch, batch.not_discounted()))
    return np.asarray(at_tokens(LifecycleCost(*bills), counted, tokens).total)


def _serving_tokens(batch: Batch) -> Demand:
    """The tokens that the serving bill of each row is proportional to."""
    demand = batch.totalled().stacked().traffic.demand()
    return Demand(*(np.broadcast_to(np.asarray(v, float), len(batch.rows)) for v in demand))


def _solve_batch(batch: Batch, detail: bool, table: Answers, near: Compared | None = None) -> None:
    """Fill in the rows of one batch: all share every name, kind and set of limits. `near` says between which designs each optimum lies."""
    if not len(batch.rows):
        return
    if decides(batch.base):
        _solve_placed(batch, detail, table)
        return
    asked = batch.totalled()
    base, names = batch.base, limit_names(batch.base)
    closed = separable(base) and not base.rl.decided and (base.law.plain or base.law.repeats)
    left, unanswered = np.arange(len(batch.rows)), []
    # A search ends with the slowest row of its block: few rounds for all come before many for the few that need them.
    searches = [(QUICK_ROUNDS, CURVE_BLOCK)] if near is not None or len(left) > CURVE_BLOCK else []
    equation = [(None, BLOCK if len(left) > BLOCK else FEW)] if closed else []
    for rounds, block in (*equation, *searches, (ROUNDS, CURVE_BLOCK)):
        if not len(left):
            break
        residual, covered, possible, *active = _in_blocks(rounds, asked.only(left), detail, block, table, near)
        impossible = ~(possible > 0) & (rounds != QUICK_ROUNDS)
        solved = (covered > 0) & (possible > 0) & (residual < KKT_TOLERANCE)
        table.status.write(batch.rows[left[solved]], "optimal")
        holds = np.array(active).reshape(len(names), len(left))[:, solved] > 0
        for some in np.unique(holds, axis=1).T if names else ():
            which = left[solved][(holds == some[:, None]).all(axis=0)]
            table.active_limits.write(batch.rows[which], ", ".join(np.array(names)[some]))
        table.no_answer(batch.rows[left[impossible]], "infeasible", Status.INFEASIBLE.value)
        unanswered += left[impossible].tolist()
        left, near = left[~impossible & ~solved], None
    for i in [*left, *unanswered[:SENTENCES]]:
        _solve_alone(batch, int(i), table)


def _solve_placed(batch: Batch, detail: bool, table: Answers) -> None:
    """Rows whose placement is to be chosen: the best of each row is taken."""
    moved = [path for path in batch.varied if moves_serving(batch.base, path)]
    groups = batch.sharing(moved) if comparable(batch.base) else []
    if groups and len(groups) <= max(1, len(batch.rows) / SHARING):
        for group in groups:
            _solve_compared(group, detail, table)
    elif {*moved} & LISTED_BY or not isinstance(batch.base.goal, LossGoal | BudgetGoal):
        for i in range(len(batch.rows)):
            _solve_alone(batch, i, table)
    else:
        every, merits = np.arange(len(batch.rows)), np.full(len(batch.rows), np.inf)
        for k, candidate in enumerate(placements(batch.base)):
            _take_better(batch, candidate, every, merits, detail, table, anyway=k == 0)


def _solve_compared(batch: Batch, detail: bool, table: Answers) -> None:
    """Rows that share what moves serving: each placement is solved for the rows in which its bound does not exclude it."""
    asked = batch.totalled()
    listed = placements(asked.base)
    found = compared(asked, listed)
    guess = np.argmin(found.bounds, axis=1)
    served = np.isfinite(found.bounds.min(axis=1))
    table.no_answer(batch.rows[~served], "infeasible", Status.INFEASIBLE.value)
    for i in np.flatnonzero(~served)[:SENTENCES]:
        _solve_alone(batch, int(i), table)
    costs = np.full(len(batch.rows), np.inf)
    for first in (True, False):
        for k, candidate in enumerate(listed):
            which = served & ((guess == k) if first else (guess != k) & (found.bounds[:, k] < costs))
            _take_better(asked, candidate, np.flatnonzero(which), costs, detail, table, anyway=first, near=found)


def _take_better(
    batch: Batch,
    candidate: Scenario,
    which: np.ndarray,
    merits: np.ndarray,
    detail: bool,
    table: Answers,
    *,
    anyway: bool,
    near: Compared | None = None,
) -> None:
    """Solve some rows at one placement, and write down where it is better than what there is, or all of them."""
    if not len(which):
        return
    own = Answers(len(which), table.columns)
    some = batch.only(which)._replace(base=candidate, rows=np.arange(len(which)), refused={})
    _solve_batch(some, detail, own, None if near is None else near.only(which))
    merit = own.numbers[table.columns.index("loss" if isinstance(candidate.goal, BudgetGoal) else "cost_total")]
    # never for NaN
    better = merit < merits[which]
    table.take(batch.rows[which], own, better | anyway)
    merits[which] = np.where(better, merit, merits[which])


def _solve_alone(batch: Batch, i: int, table: Answers) -> None:
    best, row = solve(batch.scenario(i), throw=False), int(batch.rows[i])
    flat = best.to_frame().iloc[0]
    table.numbers[:, row] = [flat[name] for name in table.columns]
    table.status.write(row, best.status.name.lower())
    table.message.write(row, best.message)
    table.active_limits.write(row, ", ".join(best.certificate.active_limits))


def _in_blocks(
    rounds: float | None, batch: Batch, detail: bool, block: int, table: Answers, near: Compared | None
) -> list[np.ndarray]:
    """Solve all rows of a batch, write their numbers into the table; the residual, the flags and the active limits of each.

    By the equation, or by a search of so many rounds.
    """
    count, shared = len(batch.rows), np.array(batch.leaves, float)
    every = count == table.numbers.shape[1]
    flags: list[np.ndarray] = [np.empty(count) for _ in range(3 + len(limit_names(batch.base)))]
    # A program for the columns that differ is faster and pays for itself in a very large batch; all others share the one in which every
    # number may differ.
    places = batch.places if block == BLOCK else tuple(range(len(shared)))
    varied = batch.block(block, places)

    def solve_block(begin: int) -> None:
        size = min(block, count - begin)
        here = slice(begin, begin + size)
        given = (batch.tree, places, detail, shared, varied(here))
        if rounds is None:
            found = _by_equation(*given)
        else:
            ends = (np.zeros(count),) * 2 if near is None else (near.left, near.right)
            around = Around(*(padded(v[here], block) for v in ends), known=0.0 if near is None else 1.0)
            found = _by_search(*given, rounds, around)
        rows = here if every else batch.rows[here]
        for column, values in zip(table.numbers, found.numbers, strict=True):
            column[rows] = np.asarray(values)[:size]
        for column, values in zip(flags, (found.residual, found.covered, found.possible, *found.active), strict=True):
            column[here] = np.asarray(values)[:size]

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(solve_block, range(0, count, block)))
    return flags


def _scenarios(
    tree: Hashable,
    places: tuple[int, ...],
    shared: Float[Array, " leaf"],
    varied: tuple[Float[Array, " row"], ...],
    answer: Callable[..., _Found],
    *known: Float[Array, " row"],
) -> _Found:
    """`answer` of the scenario and of what is known, mapped over the rows; what rows share stays without a row axis, so that it is computed
    once.
    """

    def one(values: tuple[Numeric, ...], *known: Numeric) -> _Found:
        leaves = list(shared)
        for place, value in zip(places, values, strict=True):
            leaves[place] = value
        return answer(jax.tree.unflatten(tree, leaves), *known)

    if not varied:
        return jax.tree.map(jnp.atleast_1d, one(()))
    return jax.vmap(one)(varied, *known)


@compiled(structure=3, rows=True)
def _by_equation(
    tree: Hashable,
    places: tuple[int, ...],
    detail: bool,
    shared: Float[Array, " leaf"],
    varied: tuple[Float[Array, " row"], ...],
) -> _Found:
    def answer(scenario: Scenario) -> _Found:
        best = optimum(scenario)
        none = tuple(jnp.zeros(()) for _ in limit_names(scenario))
        numbers = _numbers(scenario, best.design, best.cost, best.kkt_residual, detail)
        return _Found(
            numbers, jnp.asarray(best.kkt_residual), jnp.asarray(best.in_class), jnp.asarray(best.possible), none
        )

    return _scenarios(tree, places, shared, varied, answer)


@compiled(structure=3, rows=True)
def _by_search(
    tree: Hashable,
    places: tuple[int, ...],
    detail: bool,
    shared: Float[Array, " leaf"],
    varied: tuple[Float[Array, " row"], ...],
    rounds: Numeric,
    around: Around,
) -> _Found:
    def answer(scenario: Scenario, left: Numeric, right: Numeric) -> _Found:
        best = optimum_on_curve(scenario, rounds, Around(left, right, around.known))
        numbers = _numbers(scenario, best.design, best.cost, best.kkt_residual, detail)
        active = tuple(best.excess[i] > _ACTIVE for i in range(len(limit_names(scenario))))
        return _Found(numbers, best.kkt_residual, jnp.asarray(True), best.possible, active)

    return _scenarios(tree, places, shared, varied, answer, around.left, around.right)


def _numbers(
    scenario: Scenario, design: Design, cost: LifecycleCost, residual: Numeric, detail: bool
) -> tuple[Array, ...]:
    """The columns of the answer, in their order."""
    n, d, _ = design
    ratio = d / n
    numbers = [*design, ratio, ratio / 20, d / scenario.law.train_optimal_tokens(n), loss(scenario, design)]
    numbers += [*cost, cost.total, residual]
    if detail:
        base = _baseline(scenario, design)
        base_cost = jnp.where(can_serve(scenario, base.n_params), lifecycle_cost(scenario, base).total, jnp.nan)
        far = [jnp.nan] * 3  # the edges of a fit are kept outside the tree: `_write_reach` has them
        numbers += [base.n_params, base.train_tokens, base_cost, 1 - cost.total / base_cost, *far]
    return tuple(jnp.asarray(v, float) for v in numbers)


def _baseline(scenario: Scenario, design: Design) -> Design:
    """Least N D for the law's part of the loss; NaN where data would repeat."""
    if quantised(scenario):
        found = least_training(scenario, reducible_loss(scenario, design))
    else:
        reducible = scenario.law.reducible(design.n_params, design.train_tokens)
        found = scenario.law.ln_train_optimal(jnp.log(reducible))
    n, d = (jnp.exp(v) for v in found)
    n = jnp.where(scenario.law.effective_tokens(d) >= d, n, jnp.nan)
    rl_tokens = (design.rl_tokens,) if scenario.rl.decided else ()
    return design_of(scenario, n, d + 0.0 * n, *rl_tokens)
