"""The near-optimal band: the range of N, D and D / N over designs of the optimum's own loss that keep the limits and cost at most
1 + tolerance times as much.

    R follows from N and D    designs of equal loss are a curve, D = d(N) falling with N; an end is the first N on each side at which
                              the cost passes its bound or a limit is reached: one root for each side
    R is decided too          they are a surface; each end is a program of its own, solved from several starts; where no start gives a
                              point that satisfies the KKT conditions the ends in N are roots too, with the cheapest D and R at each N

The loss, cost and limits of every end are checked, and the KKT residual of a program. An end that fails is NaN.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq

from ..assumptions.scenario import Scenario
from ..model.cost import Design, design_of
from .program import COST, LOSS, PARAMS, PRETRAINING, Point, Rows
from .solution import KKT_TOLERANCE, Band

__all__ = ["near_optimal"]

_KEPT = 1e-9
"""Logarithm by which loss, cost and limits of an end may pass their bounds: rounding."""
_LONGEST = 40.0
"""Ln N from the optimum, either way, beyond which no end is looked for."""
_BACK = -0.25
"""Step in ln D where more data raises the loss."""
_UNREACHABLE = 1e3
"""Excess of a size that reaches the loss with no amount of data."""


def near_optimal(scenario: Scenario, rows: Rows, x: np.ndarray, tolerance: float, *, convex: bool) -> Band:
    """The band around the optimum x = (ln N, ln D) or (ln N, ln D, ln R).

    Where few bits give two D of one N the same loss, the band counts the smaller one, which costs less. A goal `budget` bounds the
    optimum, not its band: the band's designs may cost up to (1 + tolerance) times what the optimum costs.
    Where the cost is not convex the band is the piece that holds the optimum.
    """
    sides = _Sides(rows, x, tolerance, convex)
    decided = scenario.rl.decided
    found = [sides.end_on_surface(sign) if decided else sides.end_on_curve(sign) for sign in (-1.0, 1.0)]
    small, large = found
    fewest, longest, least, most = large[1], small[1], large[1] - large[0], small[1] - small[0]
    if decided:  # each quantity has ends of its own
        least, most = (_ratio(sides.end({PRETRAINING: sign, PARAMS: -2.0 * sign})) for sign in (1.0, -1.0))
        fewest, longest = (sides.end({PRETRAINING: sign, PARAMS: -sign})[1] for sign in (1.0, -1.0))
    return Band(
        tolerance,
        smallest=_design(scenario, small),
        largest=_design(scenario, large),
        train_tokens=(math.exp(fewest), math.exp(longest)),
        overtraining_vs_rule_of_20=(math.exp(least) / 20, math.exp(most) / 20),
    )


def _ratio(x: np.ndarray) -> float:
    return float(x[1] - x[0])


def _design(scenario: Scenario, x: np.ndarray) -> Design:
    if not np.isfinite(x).all():
        return Design(math.nan, math.nan, math.nan)
    return Design(*(float(v) for v in design_of(scenario, *(math.exp(v) for v in x))))


class _OnCurve(NamedTuple):
    x: np.ndarray
    excess: float
    """the most by which cost or a limit passes its bound"""


class _Sides:
    """The designs around one optimum."""

    def __init__(self, rows: Rows, x: np.ndarray, tolerance: float, convex: bool) -> None:
        self.rows, self.x, self.tolerance, self.convex = rows, x, tolerance, convex
        total = math.exp(rows.value(COST, x)) + rows.fixed_cost
        self.bounds = {COST: rows.ln_moving(total * (1 + tolerance)), LOSS: rows.value(LOSS, x)}
        self.unknown = np.full(len(x), math.nan)
        # The optimum itself may pass a limit by rounding, and is in its band all the same.
        self.slack = {name: max(rows.value(name, x), 0.0) + 1e-13 for name in rows.limits}

    def excess(self, x: np.ndarray) -> float:
        over = [self.rows.value(COST, x) - self.bounds[COST]]
        over += [self.rows.value(name, x) - slack for name, slack in self.slack.items()]
        return max(over) if np.isfinite(over).all() else _UNREACHABLE

    def keeps(self, x: np.ndarray, *, equal: bool = True) -> bool:
        """Whether a design is in the band; with `equal` at the optimum's loss, else at that or a lower one, for which there is a
        design of equal loss with the same D, and with the same D / N, that costs less.
        """
        worse = self.rows.value(LOSS, x) - self.bounds[LOSS]
        return self.excess(x) <= _KEPT and (abs(worse) if equal else worse) <= _KEPT

    # The curve

    def end_on_curve(self, sign: float) -> np.ndarray:
        near = [self.x]

        def at(distance: float) -> _OnCurve:
            x = self._of_equal_loss(self.x[0] + sign * distance, near[0])
            if x is None:
                return _OnCurve(self.unknown, _UNREACHABLE)
            near[0] = x
            return _OnCurve(x, self.excess(x))

        return self._first_outside(at)

    def _of_equal_loss(self, ln_params: float, near: np.ndarray) -> np.ndarray | None:
        """The point with N given at the optimum's loss. Loss is convex in ln D and falls there, so Newton steps close in from the left."""
        slopes = self.rows.gradient(LOSS, near)
        moved = slopes[0] / slopes[1] * (ln_params - near[0]) if slopes[1] < -_KEPT else 0.0
        x = np.array([ln_params, near[1] - min(max(moved, -2.0), 2.0)])
        for _ in range(60):
            miss, slope = self.rows.value(LOSS, x) - self.bounds[LOSS], self.rows.gradient(LOSS, x)[1]
            if not (math.isfinite(miss) and (slope < -1e-300 or slope > 0)):
                return None
            step = -miss / slope if slope < 0 else _BACK  # beyond the D of least loss, which few bits make
            x[1] += min(max(step, -2.0), 2.0)
            if abs(step) < 1e-13 * abs(x[1]) or abs(miss) < 4e-16:
                return x
            if x[1] > 300:
                return None
        return x if abs(self.rows.value(LOSS, x) - self.bounds[LOSS]) < _KEPT else None

    def _first_outside(self, at: Callable[[float], _OnCurve]) -> np.ndarray:
        """The last point of the band, searched outwards from the optimum; NaN where there is none."""
        seen: dict[float, float] = {}  # where the loss is flat, another first guess would give another D
        last = _OnCurve(self.x, -math.inf)

        def excess(distance: float) -> float:
            nonlocal last
            if distance not in seen:
                found = at(distance)
                seen[distance] = found.excess
                last = found if found.excess <= 0 else last
            return seen[distance]

        inside, outside = 0.0, math.sqrt(self.tolerance) / 4
        step, growth = outside, 1.5 if self.convex else 1.0  # small steps where the cost may rise and fall again
        while excess(outside) <= 0:
            step *= growth
            inside, outside = outside, outside + step
            if outside > _LONGEST:
                return self.unknown
        if not excess(inside) <= 0:
            return self.unknown
        brentq(excess, inside, outside, xtol=1e-14, rtol=np.float64(1e-14))  # pyright: ignore[reportArgumentType]
        if (
            abs(last.x[0] - self.x[0]) < _KEPT
        ):  # held by a limit: D, which a flat loss leaves undetermined, is the optimum's
            return self.x
        return last.x if self.keeps(last.x) else self.unknown

    # The surface

    def end_on_surface(self, sign: float) -> np.ndarray:
        for point in self._solved({PARAMS: -sign}):
            # Where a limit on N stops the band, other D and R may do as well: take the cheapest.
            cheapest = self._cheapest(point.x)
            if cheapest is not None and self.keeps(cheapest):
                return cheapest
        return self._first_outside(lambda distance: self._cheapest_at(self.x[0] + sign * distance))

    def end(self, objective: Mapping[str, float]) -> np.ndarray:
        return next((point.x for point in self._solved(objective)), self.unknown)

    def _solved(self, objective: Mapping[str, float]) -> Iterator[Point]:
        """The program's solutions from several starts, those that are one."""
        towards = -math.copysign(1.0, objective.get(PARAMS, 0.0))
        guess = _towards_end(self.rows, self.x, self.tolerance, towards)
        for start in (guess, (guess + self.x) / 2, self.x):
            point = self.rows.minimise(objective, self.bounds, start, close=True)
            if point.kkt_residual < KKT_TOLERANCE and self.keeps(point.x, equal=False):
                yield point

    def _cheapest_at(self, ln_params: float) -> _OnCurve:
        x = self._cheapest(np.array([ln_params, *self.x[1:]]))
        return _OnCurve(self.unknown, _UNREACHABLE) if x is None else _OnCurve(x, self.excess(x))

    def _cheapest(self, x: np.ndarray) -> np.ndarray | None:
        """The cheapest design of the optimum's loss with the N of x."""
        found = self.rows.minimise({COST: 1.0}, {LOSS: self.bounds[LOSS]}, x, free=range(1, len(x)), close=True)
        return found.x if found.kkt_residual < KKT_TOLERANCE else None


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
    if not np.isfinite(system).all():
        return x
    step = np.linalg.lstsq(system, np.append(np.zeros(size + 1), 1.0), rcond=None)[0][:size]
    bend = float(step @ curvature @ step)
    guess = x + sign * math.sqrt(2 * math.log1p(tolerance) / max(bend, 1e-3)) * step
    return guess if np.abs(guess - x).max() < 10 else x
