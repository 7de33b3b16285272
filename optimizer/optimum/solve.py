"""Which design is best? One scenario, any goal, any limits -> a certified Solution.

    loss    minimise cost over N, D (and R)   subject to   l(N, D, R) <= l*
    budget  minimise l                        subject to   cost <= budget
    params  N is given: the D for which N is the best size for its own quality

All three end at a point of the first kind: the optimum for its own loss. First-order condition without limits, with eN and eD the
elasticities of reducible loss and r the ratio of cost that scales with N alone to cost that scales with N D:

    eN / eD = 1 + r,      D* = D0(N*) (1 + r)^(1/beta).

The optimum is flat, so an answer always carries its band; the band's ends are solutions of programs of their own.
"""

import math
from collections.abc import Callable

import numpy as np
from scipy.optimize import brentq

from ..assumptions.goal import BudgetGoal, LossGoal, ParamsGoal
from ..assumptions.numbers import human
from ..assumptions.rl import OptimisedRL
from ..assumptions.scenario import Scenario
from ..model.cost import Design, LifecycleCost, design_of, lifecycle_cost
from ..model.quality import loss, target_reducible_loss
from .feasibility import Room, check
from .program import COST, LAW_LOSS, LOSS, PARAMS, PRETRAINING, Point, Rows
from .solution import Band, Baseline, Certificate, Extrapolation, InfeasibleError, Overtraining, Solution, Status

__all__ = ["InfeasibleError", "Solution", "Status", "solve"]

KKT_TOLERANCE = 1e-8
"""KKT residual up to which a point counts as optimal; N* and D* are then right to about 1e-9 and usually to 1e-13."""


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
    if not isinstance(scenario, Scenario):
        raise TypeError(f"solve takes a Scenario, got {type(scenario).__name__}; make one with load(...) or Scenario.from_dict(...)")
    if not 0 < band <= 1:
        raise ValueError(f"band must lie in (0, 1], got {band}. For 5 % write 0.05.")
    try:
        return _within_range(scenario, band)
    except InfeasibleError as error:
        if throw:
            raise
        return _no_answer(scenario, band, error)


def _within_range(scenario: Scenario, band: float) -> Solution:
    try:
        return _solve(scenario, band)
    except (ArithmeticError, np.linalg.LinAlgError, OutOfRangeError) as error:
        raise InfeasibleError(
            f"the numbers leave the range that 64-bit floats hold ({error}); look for amounts or exponents far outside their plausible "
            "ranges, growth and lifetime of the traffic first.",
            Status.NOT_CONVERGED,
        ) from None


def _solve(scenario: Scenario, band: float) -> Solution:
    limits = check(scenario)
    rows = Rows(scenario)
    match scenario.goal:
        case LossGoal():
            target = math.log(float(target_reducible_loss(scenario)))
            found = rows.minimise({COST: 1.0}, {LOSS: target}, _start(rows, scenario, target, limits))
        case BudgetGoal(budget=budget):
            found = _within_budget(rows, scenario, math.log(budget), limits)
        case ParamsGoal(params=params):
            found = _at_params(rows, scenario, math.log(params), limits)
    if not found.kkt_residual < KKT_TOLERANCE:
        raise InfeasibleError(
            f"the solver stopped at a KKT residual of {found.kkt_residual:.1e}, above {KKT_TOLERANCE:.0e}; the numbers cannot be "
            "trusted. Check for limits that leave almost no room, and exponents or amounts far outside their plausible ranges.",
            Status.NOT_CONVERGED,
        )
    return _solution(scenario, rows, found, band)


def _chinchilla(scenario: Scenario, ln_reducible: float) -> tuple[float, float]:
    """(ln N, ln D) of least N D at a reducible loss with fresh data: A N^-alpha = l beta/(alpha + beta), B D^-beta the rest."""
    law = scenario.law.chinchilla
    total = float(law.alpha) + float(law.beta)
    ln_params = (math.log(float(law.A) * total / float(law.beta)) - ln_reducible) / float(law.alpha)
    ln_tokens = (math.log(float(law.B) * total / float(law.alpha)) - ln_reducible) / float(law.beta)
    return ln_params, ln_tokens


def _start(rows: Rows, scenario: Scenario, ln_loss: float, limits: Room) -> np.ndarray:
    """A first guess for the design of least cost at a loss: Chinchilla's, moved by its own (1 + r)^(1/beta), inside the limits."""
    law = scenario.law.chinchilla
    optimised = isinstance(scenario.rl, OptimisedRL)
    params, tokens = _chinchilla(scenario, ln_loss - (math.log(2) if optimised else 0))
    x = np.array([params, tokens, tokens] if optimised else [params, tokens])
    share = rows.gradient(COST, x)[1]
    ratio = max(1 / share - 1, 0.0) if share > 0 else 0.0
    y = min(ratio, 1e6)
    x[1] += math.log1p(y) / float(law.beta) / 2
    x[0] = min(max(x[0] - math.log1p(y) / float(law.alpha) / 8, limits.least_params), limits.most_params)
    x[1] = min(x[1], limits.tokens_at(x[0]))
    return x


def _within_budget(rows: Rows, scenario: Scenario, ln_budget: float, limits: Room) -> Point:
    """The design of least loss whose cost is at most the budget."""
    law = scenario.law.chinchilla

    # Start from equal shares of the two loss terms at the size where the budget is spent.
    def excess(ln_loss: float) -> float:
        return rows.value(COST, _start(rows, scenario, ln_loss, limits)) - ln_budget

    low, high = -1.0, 1.0
    reference = math.log(float(law.A)) - float(law.alpha) * math.log(1e9)
    while excess(reference + low) < 0 and low > -60:
        low *= 2
    while excess(reference + high) > 0 and high < 60:
        high *= 2
    near = 0.5 * (low + high)
    if excess(reference + low) > 0 > excess(reference + high):
        near = _root(lambda v: excess(reference + v), low, high, 1e-3)
    return rows.minimise({LOSS: 1.0}, {COST: ln_budget}, _start(rows, scenario, reference + near, limits))


def _at_params(rows: Rows, scenario: Scenario, ln_params: float, limits: Room) -> Point:
    """The design with N given that is optimal for its own loss.

    eN / eD - (dC/dn) / (dC/dd) rises with D from below to above zero; a cap on D that comes first takes its place, and the KKT
    conditions decide whether N is then still the best size.
    """

    def x_at(ln_tokens: float) -> np.ndarray:
        x = np.array([ln_params, ln_tokens])
        return x if not isinstance(scenario.rl, OptimisedRL) else np.append(x, _paired_rl(rows, scenario, x))

    def imbalance(ln_tokens: float) -> float:
        x = x_at(ln_tokens)
        by_loss, by_cost = rows.gradient(LOSS, x), rows.gradient(COST, x)
        if by_loss[1] == 0:
            return math.inf
        return math.log(by_loss[0] / by_loss[1]) - math.log(by_cost[0] / by_cost[1])

    low = high = math.log(float(scenario.law.train_optimal_tokens(math.exp(ln_params))))
    step = 1.0
    while imbalance(low) > 0 and low > -600:
        low, step = low - step, step * 2
    step = 1.0
    while imbalance(high) < 0 and high < 600:
        high, step = high + step, step * 2
    ln_tokens = low if low == high else _root(imbalance, low, high, 1e-15)
    x = x_at(min(ln_tokens, limits.tokens_at(ln_params)))
    found = rows.minimise({COST: 1.0}, {LOSS: rows.value(LOSS, x)}, x)
    if abs(found.x[0] - ln_params) > 1e-9:
        raise InfeasibleError(
            f"goal.params = {human(math.exp(ln_params))} is not the best size for any quality within the limits: with at most "
            f"{human(math.exp(limits.tokens_at(ln_params)))} training tokens, {human(math.exp(found.x[0]))} parameters reach the same "
            f"loss for less. Raise {limits.compute_by or limits.tokens_by}, or plan a smaller model."
        )
    return found


def _root(function: Callable[[float], float], low: float, high: float, tolerance: float) -> float:
    return float(brentq(function, low, high, xtol=tolerance, rtol=np.float64(tolerance)))  # pyright: ignore[reportArgumentType]


def _paired_rl(rows: Rows, scenario: Scenario, x: np.ndarray) -> float:
    """Ln R that buys as much loss per cost as D does: gamma G R^-gamma / (cost of R) = -dl/dD / (dC/dD), in closed form."""
    assert isinstance(scenario.rl, OptimisedRL)
    G, gamma = (float(v) for v in scenario.rl.return_term(scenario.law))
    values, gradients, _ = rows.at(np.append(x, x[1]))
    cost, reducible = math.exp(values[0]), math.exp(values[1])
    ln_cost_per_token = math.log(gradients[0][2] * cost) - x[1]
    gained, paid = -gradients[1][1] * reducible, gradients[0][1] * cost
    return (math.log(gamma * G) + math.log(paid) - math.log(gained) - ln_cost_per_token) / (1 + gamma)


def _solution(scenario: Scenario, rows: Rows, found: Point, tolerance: float) -> Solution:
    design = _design(scenario, found.x)
    cost = _floats(lifecycle_cost(scenario, design))
    return Solution(
        scenario=scenario,
        status=Status.OPTIMAL,
        design=design,
        loss=float(loss(scenario, design)),
        unit=scenario.money.unit,
        cost=cost,
        overtraining=_overtraining(scenario, design),
        baseline=_baseline(scenario, rows, found.x),
        band=_band(scenario, rows, found.x, tolerance),
        certificate=_certificate(rows, found),
        extrapolation=_extrapolation(scenario, design),
    )


def _design(scenario: Scenario, x: np.ndarray) -> Design:
    design = design_of(scenario, *(math.exp(v) for v in x))
    return Design(*(float(v) for v in design))


def _floats(cost: LifecycleCost) -> LifecycleCost:
    return LifecycleCost(*(float(v) for v in cost))


def _overtraining(scenario: Scenario, design: Design) -> Overtraining:
    n, d = float(design.n_params), float(design.train_tokens)
    return Overtraining(d / (20 * n), d / float(scenario.law.train_optimal_tokens(n)))


def _certificate(rows: Rows, found: Point) -> Certificate:
    goal = {LOSS: "goal.loss", COST: "goal.budget"}
    multipliers = {goal.get(name, name): value for name, value in found.multipliers.items()}
    active = tuple(name for name in rows.limits if found.multipliers.get(name, 0.0) > KKT_TOLERANCE)
    # Every law, RL policy and limit of this serving method is log-log convex, so a KKT point is the global optimum.
    return Certificate(found.kkt_residual, found.kkt_residual < KKT_TOLERANCE, active, multipliers)


def _baseline(scenario: Scenario, rows: Rows, x: np.ndarray) -> Baseline:
    """The design of least N D that reaches the law's part of the same loss, with the RL tokens of the policy (or of the optimum)."""
    ln_loss = rows.value(LAW_LOSS, x)
    start = x.copy()
    start[:2] = _chinchilla(scenario, ln_loss)
    found = rows.minimise({PRETRAINING: 1.0}, {LAW_LOSS: ln_loss}, start, free=(0, 1), limits=False, close=True)
    design = _design(scenario, found.x)
    return Baseline(design, _floats(lifecycle_cost(scenario, design)))


def _band(scenario: Scenario, rows: Rows, x: np.ndarray, tolerance: float) -> Band:
    """Both ends of the designs of the same loss, inside the limits, that cost at most 1 + tolerance times the optimum."""
    bounds = {COST: rows.value(COST, x) + math.log1p(tolerance), LOSS: rows.value(LOSS, x)}
    ends = []
    for sign in (1.0, -1.0):
        end = rows.minimise({PARAMS: sign}, bounds, _towards_end(rows, x, tolerance, -sign), close=True)
        # Where a limit on N stops the band, other tokens may do as well: take the cheapest.
        cheapest = rows.minimise({COST: 1.0}, {LOSS: bounds[LOSS]}, end.x, free=range(1, len(x)), close=True)
        ends.append(_design(scenario, cheapest.x))
    return Band(tolerance, *ends)


def _towards_end(rows: Rows, x: np.ndarray, tolerance: float, sign: float) -> np.ndarray:
    """A first guess for an end of the band, from the second-order expansion of cost along the designs of equal loss."""
    _, gradients, hessians = rows.at(x)
    cost, level = rows.names.index(COST), rows.names.index(LOSS)
    price = -gradients[cost][0] / gradients[level][0]
    curvature = hessians[cost] + price * hessians[level]
    size = len(x)
    system = np.zeros((size + 2, size + 2))
    system[:size, :size] = curvature
    system[size, :size] = system[:size, size] = gradients[level]
    system[size + 1, 0] = system[0, size + 1] = 1.0
    step = np.linalg.lstsq(system, np.append(np.zeros(size + 1), 1.0), rcond=None)[0][:size]
    bend = float(step @ curvature @ step)
    return x + sign * math.sqrt(2 * math.log1p(tolerance) / max(bend, 1e-3)) * step


def _extrapolation(scenario: Scenario, design: Design) -> Extrapolation:
    law, (n, d, _) = scenario.law, design
    edges = ((n, law.fitted_max_params), (d, law.fitted_max_tokens), (d / n, law.fitted_max_tokens_per_param))
    return Extrapolation(*(None if edge is None else float(value) / edge for value, edge in edges))


def _no_answer(scenario: Scenario, tolerance: float, error: InfeasibleError) -> Solution:
    nan = math.nan
    design, cost = Design(nan, nan, nan), LifecycleCost(nan, nan, nan, nan, nan)
    return Solution(
        scenario=scenario,
        status=error.status,
        design=design,
        loss=nan,
        unit=scenario.money.unit,
        cost=cost,
        overtraining=Overtraining(nan, nan),
        baseline=Baseline(design, cost),
        band=Band(tolerance, design, design),
        certificate=Certificate(nan, False, (), {}),
        extrapolation=Extrapolation(None, None, None),
        message=str(error),
    )
