"""The optimum of very many scenarios at once: one row a scenario.

`solve_batch(s, frame)` answers one scenario a row: the dotted columns of the frame replace the values of `s`. Where only
N and D are decided the row is solved by the scalar equation of `equation`; where a limit binds, data repeats or RL tokens are decided, by
the search of `search`; the few rows that neither covers are solved by `solve` one by one. All three give the same answers.

Only the columns that change have a row axis, rows are taken in blocks that stay in the cache, and every core works on a block of its own.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ..assumptions.arguments import FLAG, FRAME, checks
from ..assumptions.goal import BudgetGoal, LossGoal
from ..assumptions.scenario import SCENARIO, Scenario
from ..assumptions.traffic import Demand
from ..model.accuracy import serving_errors
from ..model.cost import LifecycleCost, at_tokens
from ..model.limits import limit_names
from ..model.outputs import ANSWER, DETAIL, units_of
from ..model.placements import LISTED_BY, decides, moves_serving, placements
from .answers import Answers
from .base import Optimum, optimum, separable
from .blocks import BLOCK, CURVE_BLOCK, FEW, baselines, in_blocks
from .compared import Compared, around, comparable, compared
from .rows import Batch, as_batch, as_batches
from .search import ROUNDS
from .solution import Status
from .solve import KKT_TOLERANCE, solve
from .tabulated import Table, tabulated

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Optimum", "optimum", "solve_batch", "solve_columns"]

QUICK_ROUNDS = 4.0
"""Rounds of the first search, enough for most rows."""

ROUNDING = 1e-13
"""Largest KKT residual after the first search that another one cannot improve."""

TABULATED = 512
"""Rows that share what moves serving from which a table of what they need pays for itself."""

SHARING = 64
"""Rows that share what moves serving from which a table of placements pays for itself."""

SENTENCES = 20
"""Rows without an answer whose own sentence `solve` is asked for; the rest say in general terms that there is none."""

NOMINAL, DISCOUNT = "cost_nominal", "money.discount_rate"


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
        message, active limits (texts as categories); `cost_nominal` where money.discount_rate is set; `attrs["units"]` gives the units,
        `attrs["error"]` how far measured serving is from the roofline ("" without it).
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
        _solve_batch(batch, table)
        if detail and len(batch.rows):
            _write_baselines(batch, table)
            _write_reach(batch, table)
    result = pd.DataFrame(table.numbers.T, index=index, columns=pd.Index(list(units)), copy=False)
    if any(np.any(batch.varied.get(DISCOUNT, batch.base.money.discount_rate)) for batch in batches):
        result[NOMINAL] = np.nan
        for batch in batches:
            result.iloc[batch.rows, -1] = _nominal(batch, table)
        units |= units_of([NOMINAL], scenario.money.currency)
    result.insert(0, "status", table.status.column())
    result["message"], result["active_limits"] = table.message.column(), table.active_limits.column()
    result.attrs |= {"units": units, "error": serving_errors(batch.base for batch in batches)}
    return result


def solve_columns(scenario: Scenario, columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The numbers of `solve_batch` for numeric columns, as arrays and without pandas; NaN where a row has no answer."""
    count = len(next(iter(columns.values())))
    batch = as_batch(scenario, columns)
    table = Answers(count, list(ANSWER))
    for row, sentence in batch.refused.items():
        table.no_answer(row, "bad_input", sentence)
    _solve_batch(batch, table)
    return dict(zip(table.columns, table.numbers, strict=True))


def _write_baselines(batch: Batch, table: Answers) -> None:
    """The baselines of the designs, and what is saved against them."""
    column = {name: table.numbers[i] for i, name in enumerate(table.columns)}
    designs = (column[name][batch.rows] for name in ("n_params", "train_tokens", "rl_tokens"))
    n, d, cost = baselines(batch.totalled(), *designs)
    savings = 1 - column["cost_total"][batch.rows] / cost
    for name, values in zip(DETAIL, (n, d, cost, savings), strict=False):
        column[name][batch.rows] = values


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


def _solve_batch(batch: Batch, table: Answers, near: Compared | None = None, served: Table | None = None) -> None:
    """Fill in the rows of one batch: all share every name, kind and set of limits.

    Args:
        batch: the rows.
        table: where their answers go.
        near: between which designs each optimum lies, where that is known.
        served: what their deployment needs, where they are known to share it.

    """
    if not len(batch.rows):
        return
    if decides(batch.base):
        _solve_placed(batch, table)
        return
    groups = _sharing_tables(batch) if served is None else []
    if len(groups) > 1:
        for group in groups:
            _solve_batch(group, table)
        return
    asked = batch.totalled()
    base, names = batch.base, limit_names(batch.base)
    closed = separable(base) and not base.rl.decided and (base.law.plain or base.law.repeats)
    left, unanswered = np.arange(len(batch.rows)), []
    if groups:
        served = tabulated(asked.base)
        near = around(asked) if near is None else near
    # A search ends with the slowest row of its block: few rounds for all come before many for the few that need them.
    equation = [(None, BLOCK if len(left) > BLOCK else FEW, None)] if closed else []
    quick = (
        [(QUICK_ROUNDS, CURVE_BLOCK, served)]
        if served is not None or near is not None or len(left) > CURVE_BLOCK
        else []
    )
    slow = [(ROUNDS, CURVE_BLOCK, by) for by in ((None,) if served is None else (served, None))]
    for rounds, block, by in (*equation, *quick, *slow):
        if not len(left):
            break
        residual, covered, possible, *active = in_blocks(rounds, asked.only(left), block, table, near, by)
        final = rounds != QUICK_ROUNDS
        impossible = ~(possible > 0) & final
        solved = (covered > 0) & (possible > 0) & (residual < (KKT_TOLERANCE if final else ROUNDING))
        table.status.write(batch.rows[left[solved]], "optimal")
        held = np.zeros(len(left), int)
        for i, holds in enumerate(active):
            held += (holds > 0) << i
        for code in np.unique(held[solved]):
            which = left[solved & (held == code)]
            table.active_limits.write(batch.rows[which], ", ".join(n for i, n in enumerate(names) if code >> i & 1))
        table.no_answer(batch.rows[left[impossible]], "infeasible", Status.INFEASIBLE.value)
        unanswered += left[impossible].tolist()
        left, near = left[~impossible & ~solved], None
    for i in [*left, *unanswered[:SENTENCES]]:
        _solve_alone(batch, int(i), table)


def _sharing_tables(batch: Batch) -> list[Batch]:
    """The rows in groups that share what moves serving, where a table of what each group needs pays for itself; else none."""
    if not (batch.base.serving.by_roofline and comparable(batch.base)):
        return []
    moved = [path for path in batch.varied if moves_serving(batch.base, path)]
    most = len(batch.rows) / TABULATED
    if any(len(np.unique(batch.varied[path])) > most for path in moved):
        return []
    groups = batch.sharing(moved)
    return groups if len(groups) <= most else []


def _solve_placed(batch: Batch, table: Answers) -> None:
    """Rows whose placement is to be chosen: the best of each row is taken."""
    # The chips of prompts are chosen where a row has prompts.
    most = int(np.argmax(_serving_tokens(batch).input_tokens))
    batch = batch._replace(base=batch.scenario(most))
    moved = [path for path in batch.varied if moves_serving(batch.base, path)]
    groups = batch.sharing(moved) if comparable(batch.base) else []
    if groups and len(groups) <= max(1, len(batch.rows) / SHARING):
        for group in groups:
            _solve_compared(group, table)
    elif {*moved} & LISTED_BY or not isinstance(batch.base.goal, LossGoal | BudgetGoal):
        for i in range(len(batch.rows)):
            _solve_alone(batch, i, table)
        return
    else:
        every, merits = np.arange(len(batch.rows)), np.full(len(batch.rows), np.inf)
        for k, candidate in enumerate(placements(batch.base)):
            _take_better(batch, candidate, every, merits, table, anyway=k == 0)


def _solve_compared(batch: Batch, table: Answers) -> None:
    """Rows that share what moves serving: each placement is solved for the rows in which its bound does not exclude it."""
    asked = batch.totalled()
    listed = placements(asked.base)
    found = compared(asked, listed)
    served = np.isfinite(found.bounds.min(axis=1))
    guess = np.where(served, np.argmin(found.bounds, axis=1), -1)
    table.no_answer(batch.rows[~served], "infeasible", Status.INFEASIBLE.value)
    for i in np.flatnonzero(~served)[:SENTENCES]:
        _solve_alone(batch, int(i), table)
    costs, many = np.full(len(batch.rows), np.inf), len(batch.rows) >= TABULATED
    for first in (True, False):
        for k, candidate in enumerate(listed[i] for i in found.listed):
            which = np.flatnonzero(guess == k if first else (guess != k) & (found.bounds[:, k] < costs))
            if len(which):
                own, near = tabulated(candidate) if many else None, found.only(which)
                _take_better(asked, candidate, which, costs, table, anyway=first, near=near, served=own)


def _take_better(
    batch: Batch,
    candidate: Scenario,
    which: np.ndarray,
    merits: np.ndarray,
    table: Answers,
    *,
    anyway: bool,
    near: Compared | None = None,
    served: Table | None = None,
) -> None:
    """Solve some rows at one placement, and write down where it is better than what there is, or all of them."""
    own = Answers(len(which), table.columns, table.asked)
    some = batch.only(which)._replace(base=candidate, rows=np.arange(len(which)), refused={})
    _solve_batch(some, own, near, served)
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
