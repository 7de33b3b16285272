"""Solve one scenario, with any goal and any limits, and certify the solution.

    loss    minimise cost over N, D (and R)   subject to   l(N, D, R) <= l*
    budget  minimise l                        subject to   cost <= budget
    params  N is given: the D for which N is the best size for its own quality
    tokens  D is given: the N for which D is the best run for its own quality

All end at a point of the first kind: the optimum for its own loss. First-order condition without limits, with eN and eD the
elasticities of reducible loss and r the ratio of cost that scales with N alone to cost that scales with N D:

    eN / eD = 1 + r,      D* = D0(N*) (1 + r)^(1/beta),

the second where the cost is N (k D + K): without attention and the roofline.

The optimum is flat, so an answer always carries its band; the band's ends are solutions of programs of their own.
"""

import math
from collections.abc import Callable

import numpy as np

from ..assumptions.arguments import FLAG, NUMBER, checks
from ..assumptions.bounds import within
from ..assumptions.goal import BudgetGoal, DecidedGoal, LossGoal
from ..assumptions.numbers import human
from ..assumptions.problems import InputError
from ..assumptions.scenario import SCENARIO, Scenario
from ..compiling import compiled
from ..model.cost import Design, LifecycleCost, design_of
from ..model.fleet import Fleet, fleet_of
from ..model.limits import limits_at
from ..model.placements import decides, placed_as
from ..model.prompted import prompted
from ..model.quality import target_reducible_loss
from .band import near_optimal
from .best_of import best_of, is_convex
from .decided import Balance, balance, best_there
from .equation import design_at_budget, design_at_loss
from .feasibility import SMALLEST_USEFUL, Room, check
from .placing import Chosen, cheapest, chosen
from .program import COST, LAW_LOSS, LOSS, PRETRAINING, Point, Rows, ln_design
from .reach import Extrapolation
from .solution import (
    KKT_TOLERANCE,
    Band,
    Baseline,
    Certificate,
    InfeasibleError,
    Overtraining,
    Solution,
    Status,
)

__all__ = ["InfeasibleError", "Solution", "Status", "baseline_of", "described", "no_answer", "solve"]

_design_at_budget, _design_at_loss = compiled(0)(design_at_budget), compiled(0)(design_at_loss)


@checks(scenario=SCENARIO, band=NUMBER, throw=FLAG)
def solve(scenario: Scenario, *, band: float = 0.05, throw: bool = True) -> Solution:
    """The optimal design of a scenario.

    Args:
        scenario: the question.
        band: tolerance of the near-optimal band, as a share of the optimal cost (0.05 is 5 %).
        throw: raise when there is no answer; otherwise return a Solution that says so, with NaN numbers.

    Returns:
        The optimum with cost, band, baseline and certificate.

    Raises:
        InfeasibleError: the question has no answer (unless `throw` is False); the sentence says what to change.
        ValueError: `band` does not lie in (0, 1].

    Limiting cases: without traffic and RL the optimum is the law's own (Chinchilla's closed form); with r = 2 and limits slack it is
    trained 3^(1/beta) times longer than that.

    """
    if not 0 < band <= 1:
        raise ValueError(f"band must be {within(0, 1, above=True)}, got {band}. For 5 % write 0.05.")
    try:
        return _within_range(scenario, band)
    except InfeasibleError as error:
        if throw:
            raise
        return no_answer(scenario, band, error)


def _within_range(scenario: Scenario, band: float) -> Solution:
    try:
        with np.errstate(all="ignore"):
            return _solve(scenario, band)
    except (InfeasibleError, InputError):
        raise
    except (ArithmeticError, np.linalg.LinAlgError, ValueError) as error:
        raise InfeasibleError(
            f"the numbers leave the range that 64-bit floats hold ({error}); look for amounts or exponents far outside their plausible "
            "ranges, growth and lifetime of the traffic first.",
            Status.NOT_CONVERGED,
        ) from None


def _solve(scenario: Scenario, band: float) -> Solution:
    return _solution(chosen(scenario, _found), band)


def _found(scenario: Scenario, at: Balance | None = None) -> tuple[Rows, Point]:
    """The optimum of a scenario whose placement is given, with its `balance` where that is known."""
    if isinstance(scenario.goal, DecidedGoal):
        at = at or balance(scenario)
        return at.rows, _converged(best_there(at))
    rows = Rows(scenario)
    limits = check(scenario, rows)
    match scenario.goal:
        case LossGoal():
            target = math.log(float(target_reducible_loss(scenario)))
            start = _start(rows, scenario, limits, ln_loss=target)
            found = best_of(rows, scenario, {COST: 1.0}, {LOSS: target}, start, limits)
        case BudgetGoal(budget=budget):
            ln_budget = rows.ln_moving(budget)
            start = _start(rows, scenario, limits, ln_budget=ln_budget)
            found = best_of(rows, scenario, {LOSS: 1.0}, {COST: ln_budget}, start, limits)
    return rows, _converged(found)


def _converged(found: Point) -> Point:
    if not found.kkt_residual < KKT_TOLERANCE:
        raise InfeasibleError(
            f"the solver stopped at a KKT residual of {found.kkt_residual:.1e}, above {KKT_TOLERANCE:.0e}; the numbers cannot be "
            "trusted. Check for limits that leave almost no room, and exponents or amounts far outside their plausible ranges.",
            Status.NOT_CONVERGED,
        )
    return found


def _start(
    rows: Rows, scenario: Scenario, limits: Room, *, ln_loss: float | None = None, ln_budget: float = 0.0
) -> np.ndarray:
    """A first guess for the design at a loss or at a budget: the exact answer for fresh data without limits and RL decisions."""
    law = scenario.law.chinchilla
    optimised = scenario.rl.decided
    at = np.array([23.0, 30.0, 0.0] if optimised else [23.0, 30.0])
    share = min(max(float(rows.gradient(COST, at)[1]), 1e-300), 1.0)
    ln_k = rows.value(COST, at) + math.log(share) - at[0] - at[1]
    ln_ratio = at[1] + math.log(max(1 / share - 1, 1e-300))
    half = math.log(2) if optimised else 0.0  # leave half of what is scarce to RL
    if ln_loss is not None:
        found = _design_at_loss(law, ln_ratio, float(scenario.law.ln_inner_of(ln_loss)) - half)
    else:
        found = _design_at_budget(law, ln_ratio, ln_budget - half - ln_k)
    params, tokens = _repeated(scenario, *(float(v) for v in found))
    params = min(max(params, limits.least_params), limits.most_params)
    tokens = min(tokens, limits.tokens_at(params))
    return np.array([params, tokens, tokens] if optimised else [params, tokens])


def _repeated(scenario: Scenario, ln_params: float, ln_tokens: float) -> tuple[float, float]:
    """(ln N, ln D) that are worth so much, or all that is worth its money where nothing is."""
    law = scenario.law
    params, no_params = (float(v) for v in law.ln_params_worth(ln_params))
    tokens, no_tokens = (float(v) for v in law.ln_tokens_worth(ln_tokens))
    return (
        float(law.ln_useful_params) if no_params >= 0 else params,
        float(law.ln_useful_tokens) if no_tokens >= 0 else tokens,
    )


def _solution(answer: Chosen, tolerance: float) -> Solution:
    scenario, rows, found = answer.scenario, answer.rows, answer.point
    design = _design(scenario, found.x)
    if min(design[:2]) < SMALLEST_USEFUL:
        raise InfeasibleError(
            f"the best design has {human(float(design.n_params))} parameters and {human(float(design.train_tokens))} training tokens: "
            f"below {human(SMALLEST_USEFUL)} of either no scaling law says anything. Raise the budget or the limits, or ask for a "
            "lower loss."
        )
    return described(
        scenario,
        rows,
        design,
        status=Status.OPTIMAL,
        baseline=baseline_of(scenario, rows, found.x, answer.asked),
        band=near_optimal(scenario, rows, found.x, tolerance, convex=is_convex(scenario)),
        certificate=lambda total: _certificate(answer, total),
        listed=answer.listed,
        asked=answer.asked,
    )


def described(
    scenario: Scenario,
    rows: Rows,
    design: Design,
    *,
    status: Status,
    baseline: Baseline,
    band: Band,
    certificate: Callable[[float], Certificate],
    asked: Scenario,
    best: Solution | None = None,
    listed: int = 1,
) -> Solution:
    """The answer that a design is: what it costs, how good it is and what it needs. `certificate` is made from its cost.

    `listed` is the number of placements that the scenario's own was chosen from, and `asked` the scenario before.
    """
    figures = rows.figures(design)
    n, d = float(design.n_params), float(design.train_tokens)
    x = ln_design(scenario, design)
    return Solution(
        scenario=scenario,
        asked=asked,
        status=status,
        design=design,
        loss=figures.loss,
        unit=scenario.money.unit,
        cost=figures.cost if figures.can_serve else LifecycleCost(*(math.nan,) * 4),
        overtraining=Overtraining(d / (20 * n), d / figures.train_optimal_tokens),
        baseline=baseline,
        band=band,
        certificate=certificate(float(figures.cost.total)),
        extrapolation=Extrapolation.of(scenario.law, n, d),
        fleet=fleet_of(scenario, design, figures.chip_seconds),
        limits=limits_at(scenario, n, {path: rows.value(path, x) for path in rows.limits}),
        best=best,
        placement=placed_as(scenario, figures.batch, listed) if figures.can_serve else None,
        prompts=prompted(scenario, n, figures.batch, figures.chip_seconds) if figures.can_serve else None,
    )


def _design(scenario: Scenario, x: np.ndarray) -> Design:
    design = design_of(scenario, *(math.exp(v) for v in x))
    return Design(*(float(v) for v in design))


def _certificate(answer: Chosen, total_cost: float) -> Certificate:
    scenario, rows, found = answer.scenario, answer.rows, answer.point
    # The programs bound or minimise the part of the cost that moves; the multipliers speak of the whole.
    moving = 1 - rows.fixed_cost / total_cost
    spends = COST in found.multipliers
    names = {LOSS: "reducible_loss", COST: "goal.budget"}
    multipliers = {
        names.get(name, name): value / moving if name == COST else value if spends else value * moving
        for name, value in found.multipliers.items()
        if name not in rows.useful
    }
    active = tuple(name for name in rows.limits if found.multipliers.get(name, 0.0) > KKT_TOLERANCE)
    certified = found.kkt_residual < KKT_TOLERANCE and is_convex(scenario) and answer.compared and not answer.cheaper
    return Certificate(
        found.kkt_residual, certified, active, multipliers, answer.listed, answer.compared, answer.cheaper
    )


def baseline_of(scenario: Scenario, rows: Rows, x: np.ndarray, asked: Scenario) -> Baseline:
    """The design of least N D that reaches the law's part of the same loss, with the RL tokens of the policy (or of the optimum).

    It is served at the cheapest placement of its own where `asked` leaves that open; its cost is NaN where no batch serves it.
    """
    ln_loss = rows.value(LAW_LOSS, x)
    start = x.copy()
    start[:2] = scenario.law.ln_train_optimal(ln_loss)
    found = rows.minimise({PRETRAINING: 1.0}, {LAW_LOSS: ln_loss}, start, free=(0, 1), limits=False, close=True)
    design = _design(scenario, found.x)
    figures = (Rows(cheapest(asked, design)[0]) if decides(asked) else rows).figures(design)
    return Baseline(design, figures.cost if figures.can_serve else LifecycleCost(*(math.nan,) * 4))


def no_answer(scenario: Scenario, tolerance: float, error: InfeasibleError) -> Solution:
    """The Solution of a problem without an optimum: NaN, and the message that says why."""
    nan = math.nan
    design, cost = Design(nan, nan, nan), LifecycleCost(nan, nan, nan, nan)
    return Solution(
        scenario=scenario,
        asked=scenario,
        status=error.status,
        design=design,
        loss=nan,
        unit=scenario.money.unit,
        cost=cost,
        overtraining=Overtraining(nan, nan),
        baseline=Baseline(design, cost),
        band=Band(tolerance, design, design, (nan, nan), (nan, nan)),
        certificate=Certificate(nan, False, (), {}),
        extrapolation=Extrapolation(None, None, None),
        fleet=Fleet(nan, nan, nan, (), nan, nan, nan),
        message=str(error),
    )
