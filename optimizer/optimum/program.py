"""Solve a convex program in logarithms, and certify the answer.

In x = (ln N, ln D) or, when RL tokens are decided too, (ln N, ln D, ln R), every quantity of interest is a log-sum-exp of affine
functions: convex, so a point that satisfies the Karush-Kuhn-Tucker conditions is the global optimum. Each program here is

    minimise w . f(x)    subject to    f_i(x) <= b_i,

with the rows f of `Rows`, evaluated in one compiled call with exact gradients and Hessians from JAX. scipy finds the active rows
(SLSQP; trust-constr where that fails) and Newton steps then solve the KKT equations of those rows to machine precision.

A cost that is the largest of several smooth ones (the regimes of the serving roofline) is minimised as t subject to every one <= t, so
that an optimum on a kink has its certificate too.

References:
    Boyd, Kim, Vandenberghe, Hassibi 2007, A tutorial on geometric programming, section 2. Nocedal and Wright 2006, chapter 12.

"""

import math
import warnings
from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.optimize import minimize, nnls

from ..assumptions.scenario import Scenario
from ..compiling import compiled
from ..model.cost import (
    Design,
    LifecycleCost,
    design_of,
    fixed_cost,
    lifecycle_cost_by_regime,
    moving_cost,
)
from ..model.largest import largest
from ..model.limits import limit_excess, limit_names, straight_excess
from ..model.quality import ln_reducible_loss, served
from ..model.roofline import regimes
from .figures import Figures, figures_of
from .needs import Needs, expanded, needs_at, serving_alone
from .structure import flattened

__all__ = [
    "COST",
    "LOSS",
    "OutOfRangeError",
    "Point",
    "Rows",
    "design_at",
    "ln_design",
    "row_values",
    "rows_and_cost",
]

COST, LOSS, LAW_LOSS, PRETRAINING, PARAMS = "cost", "loss", "law loss", "pretraining", "params"
USEFUL = ("useful params", "useful tokens")
"""Sizes and runs that are worth their money: rows of laws whose data repeats, bounded by 0"""
_FIXED = (COST, LOSS, LAW_LOSS, PRETRAINING, PARAMS)
_ACTIVE = 1e-8
_SOLVED = 1e-10
_STEEP = 1e-3
_OPTIONS: dict[str, dict[str, float]] = {
    "SLSQP": {"ftol": 1e-12, "maxiter": 200},
    "trust-constr": {"gtol": 1e-12, "xtol": 1e-14, "barrier_tol": 1e-12, "maxiter": 1000},
}
_NEWTON_STEPS, _LONGEST_STEP = 25, 2.0
_LAST_STEP = 1e-10  # Newton steps square the error, so what is left after one this short is rounding


class OutOfRangeError(ArithmeticError):
    """A row that must be finite to begin with is not."""


class Point(NamedTuple):
    """A point with its certificate."""

    x: np.ndarray
    """ln N, ln D and, when it is decided, ln R"""
    multipliers: dict[str, float]
    """of every bounded row, not negative; 0 where the row is slack"""
    kkt_residual: float
    """the largest of stationarity (relative to the objective's gradient) and violation, both in logarithms"""


def design_at(scenario: Scenario, x: Float[Array, " variable"]) -> Design:
    decided = [jnp.exp(x[i]) for i in range(x.shape[0])]
    return design_of(scenario, *decided)


def ln_design(scenario: Scenario, design: Design) -> np.ndarray:
    """The point of a design: (ln N, ln D), and ln R when RL tokens are decided."""
    decided = design if scenario.rl.decided else design[:2]
    return np.log(np.array([float(v) for v in decided]))


def rows_and_cost(
    scenario: Scenario, x: Float[Array, " variable"], needs: Needs | None = None
) -> tuple[Float[Array, " row"], LifecycleCost]:
    """The rows at a point, see `Rows`, and the cost there; what serving needs is computed where it is left out."""
    # The row of the cost is the part that the design moves, which a large fixed part would drown in rounding.
    design = design_at(scenario, x)
    by_regime = lifecycle_cost_by_regime(scenario, design, None if needs is None else needs.served)
    limits = limit_excess(scenario, design) if needs is None else straight_excess(scenario, design)
    regimes = jnp.log(moving_cost(scenario, by_regime))
    rows = [
        largest(regimes),
        ln_reducible_loss(scenario, design),
        served(scenario, design, jnp.log(scenario.law.inner(design.n_params, design.train_tokens))),
        x[0] + x[1],
        x[0],
        *limits.values(),
        *(() if needs is None else needs.excess),
    ]
    if scenario.law.repeats:
        rows += [x[0] - scenario.law.ln_useful_params, x[1] - scenario.law.ln_useful_tokens]
    several = regimes[:0] if len(regimes) == 1 else regimes
    cost = LifecycleCost(
        *(largest(jnp.atleast_1d(phase)) for phase in by_regime)
    )  # a slower step makes no phase cheaper
    return jnp.concatenate([jnp.stack([jnp.asarray(r, float) for r in rows]), several]), cost


def row_values(scenario: Scenario, x: Float[Array, " variable"]) -> Float[Array, " row"]:
    """The rows at a point: see `Rows`."""
    return rows_and_cost(scenario, x)[0]


@compiled(structure=1)
def _evaluate(
    tree: Hashable, leaves: Float[Array, " leaf"], x: Float[Array, " variable"], needs: Float[Array, "3 need"]
) -> Float[Array, " row derivative"]:
    """Values, gradients and Hessians of all rows, side by side. The scenario comes flattened: that is done once per solve."""
    scenario = jax.tree.unflatten(tree, list(leaves))

    def values(x: Float[Array, " variable"]) -> tuple[Float[Array, " row"], Float[Array, " row"]]:
        found, _ = rows_and_cost(scenario, x, needs_at(scenario, needs, x[0]))
        return found, found

    def slopes(x: Float[Array, " variable"]) -> tuple[Float[Array, " row variable"], tuple[Array, Array]]:
        slope, found = jax.jacfwd(values, has_aux=True)(x)
        return slope, (found, slope)

    bends, (found, slope) = jax.jacfwd(slopes, has_aux=True)(x)
    return jnp.concatenate([found[:, None], slope, bends.reshape(bends.shape[0], -1)], axis=1)


class Rows:
    """The rows of one scenario: ln cost, ln reducible loss (with and without the RL term), ln N D, ln N, every limit, and `USEFUL`.

    `names` gives their order; limits carry their dotted path and are bounded by 0.
    """

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.limits = limit_names(scenario)
        pieces = regimes(scenario)
        self.regimes = [f"{COST} in regime {i + 1}" for i in range(pieces)] if pieces > 1 else []
        """rows of which the cost is the largest; none where the cost is smooth"""
        self.useful = USEFUL if scenario.law.repeats else ()
        self.names = [*_FIXED, *self.limits, *self.useful, *self.regimes]
        self.fixed_cost = float(fixed_cost(scenario))
        self._tree, self._leaves = flattened(scenario)
        self._served = flattened(serving_alone(scenario)) if scenario.serving.by_roofline else None
        self.size = 3 if scenario.rl.decided else 2
        """how many decisions there are: ln N, ln D and, when it is decided, ln R"""
        self._last: tuple[bytes, tuple[np.ndarray, np.ndarray, np.ndarray]] | None = None
        self._last_needs = math.nan, np.empty((3, 0))

    def at(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(values, gradients, Hessians) of all rows at x."""
        key = x.tobytes()
        if self._last is None or self._last[0] != key:
            all_parts = np.asarray(_evaluate(self._tree, self._leaves, x, self._needs(float(x[0]))))
            rows, size = all_parts.shape[0], x.size
            hessians = all_parts[:, 1 + size :].reshape(rows, size, size)
            self._last = key, (all_parts[:, 0], all_parts[:, 1 : 1 + size], hessians)
        return self._last[1]

    def figures(self, design: Design) -> Figures:
        """What a design is worth."""
        return figures_of(self._tree, self._leaves, design, self._needs(math.log(design.n_params)))

    def _needs(self, ln_n: float) -> np.ndarray:
        if self._served is None:
            return np.empty((3, 0))
        if self._last_needs[0] != ln_n:  # searches move D alone
            self._last_needs = ln_n, np.asarray(expanded(*self._served, ln_n))
        return self._last_needs[1]

    def ln_moving(self, total_cost: float) -> float:
        """The cost row's value at which the whole cost is `total_cost`."""
        return math.log(total_cost - self.fixed_cost)

    def value(self, row: str, x: np.ndarray) -> float:
        """One row at x."""
        return float(self.at(x)[0][self.names.index(row)])

    def gradient(self, row: str, x: np.ndarray) -> np.ndarray:
        """The gradient of one row at x."""
        return self.at(x)[1][self.names.index(row)]

    def minimise(
        self,
        objective: Mapping[str, float],
        bounds: Mapping[str, float],
        start: np.ndarray,
        *,
        free: Sequence[int] | None = None,
        limits: bool = True,
        useful: bool = False,
        close: bool = False,
    ) -> Point:
        """The point that minimises the weighted rows of `objective` below `bounds`.

        Args:
            objective: weight of each row in the objective.
            bounds: upper bound of rows, expected to be active.
            start: where to begin; the answer does not depend on it.
            free: indices of the variables that move; all by default.
            limits: whether the scenario's limits are bounds too.
            useful: whether repetition is bounded where more of it adds nothing.
            close: the start is a good guess, so Newton steps alone are tried before scipy searches.

        Returns:
            The point with its multipliers and KKT residual. The caller judges the residual.

        """
        index = np.arange(len(start)) if free is None else np.array(free)
        zero = (*(self.limits if limits else ()), *(self.useful if useful else ()))
        upper = {**bounds, **dict.fromkeys(zero, 0.0)}
        if not all(np.isfinite(part).all() for part in (start, *self.at(np.array(start, float)))):
            raise OutOfRangeError(f"ln N, ln D start at {np.array2string(np.asarray(start), precision=4)}")
        if self.regimes and COST in upper:
            upper |= dict.fromkeys(self.regimes, upper.pop(COST))
        program = _Program(self, objective, upper, np.array(start, float), index)
        best: Point | None = None
        expected, none = tuple(bounds), ()
        rounds = [("start", (expected,))] if close else []
        for method, holding in [*rounds, *((method, (none, expected)) for method in _OPTIONS)]:
            found = program.start if method == "start" else program.search(method)
            for rows in (*holding, None):  # Newton steps with different guesses of the rows that hold it, and as it is
                point = program.certify(found if rows is None else program.newton(found, rows))
                if best is None or not best.kkt_residual <= point.kkt_residual:
                    best = point
                if best.kkt_residual < _SOLVED:
                    return best
        assert best is not None
        return best


class _Program:
    """One program: an objective and bounded rows, in the variables that are free.

    Where the cost has regimes and is to be minimised, its bound t is the last variable and every regime is a row below it.
    """

    def __init__(
        self,
        rows: Rows,
        objective: Mapping[str, float],
        upper: Mapping[str, float],
        start: np.ndarray,
        free: np.ndarray,
    ) -> None:
        self.rows, self.free, self.base = rows, free, start
        self.bounded = bool(rows.regimes) and COST in objective
        self.names = [*upper, *(rows.regimes if self.bounded else ())]
        self.weights = np.array([objective.get(n, 0.0) for n in rows.names])
        self.index = np.array([rows.names.index(n) for n in self.names], int)
        self.bounds = np.array([upper.get(n, 0.0) for n in self.names])
        self.below_t = np.array([float(self.bounded and n in rows.regimes) for n in self.names])
        self.start = np.append(start[free], rows.value(COST, start)) if self.bounded else start[free]

    def full(self, z: np.ndarray) -> np.ndarray:
        whole = self.base.copy()
        whole[self.free] = z[: len(self.free)]
        return whole

    def objective(self, z: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        if self.bounded:
            return float(z[-1]), np.eye(len(z))[-1], np.zeros((len(z), len(z)))
        values, gradients, hessians = self.rows.at(self.full(z))
        hessian = np.tensordot(self.weights, hessians, 1)
        return (
            float(self.weights @ values),
            (self.weights @ gradients)[self.free],
            hessian[np.ix_(self.free, self.free)],
        )

    def excess(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        values, gradients, hessians = (part[self.index] for part in self.rows.at(self.full(z)))
        values, gradients, hessians = (
            values - self.bounds,
            gradients[:, self.free],
            hessians[:, self.free][:, :, self.free],
        )
        if self.bounded:
            values = values - self.below_t * z[-1]
            gradients = np.column_stack([gradients, -self.below_t])
            hessians = np.pad(hessians, ((0, 0), (0, 1), (0, 1)))
        return values, gradients, hessians

    def scale(self, z: np.ndarray) -> float:
        """What brings the objective's slope to 1 where it is tiny: a loss that is nearly all it can be has slopes of 1e-9."""
        steepest = float(np.abs(self.objective(z)[1]).max())
        return 1 / max(steepest, 1e-300) if steepest < _STEEP else 1.0

    def search(self, method: str) -> np.ndarray:
        """Where a method of scipy ends."""
        scale = self.scale(self.start)
        constraint = {
            "type": "ineq",
            "fun": lambda x: -self.excess(x)[0],
            "jac": lambda x: -self.excess(x)[1],
            "hess": lambda x, v: -np.tensordot(v, self.excess(x)[2], 1),
        }
        curvature = {"hess": lambda x: scale * self.objective(x)[2]} if method == "trust-constr" else {}
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # parallel constraint gradients, which the KKT residual judges
            return minimize(
                lambda x: tuple(scale * part for part in self.objective(x)[:2]),
                self.start,
                jac=True,
                method=method,
                constraints=[constraint],
                options=_OPTIONS[method],
                **curvature,
            ).x

    def multipliers(self, x: np.ndarray, near: np.ndarray) -> np.ndarray:
        """The non-negative multipliers of the rows in `near` that bring the gradient of the Lagrangian closest to zero."""
        _, gradients, _ = self.excess(x)
        _, gradient, _ = self.objective(x)
        found = np.zeros(len(self.names))
        if not (np.isfinite(gradients).all() and np.isfinite(gradient).all()):
            return found
        if near.any():
            found[near] = nnls(gradients[near].T, -gradient)[0]
        return found

    def newton(self, z: np.ndarray, expected: Collection[str]) -> np.ndarray:
        """z moved by Newton steps on the KKT equations of the rows that hold it, and of those that are expected to."""
        wanted = np.array([n in expected for n in self.names])
        excess, _, _ = self.excess(z)
        if COST in expected or self.bounded:  # of the regimes, expect the dearest
            regimes = np.array([n in self.rows.regimes for n in self.names])
            wanted[np.where(regimes, excess, -np.inf).argmax()] |= regimes.any()
        multipliers = self.multipliers(z, wanted | (excess > -1e-5))
        scale = self.scale(z)
        active = np.flatnonzero(wanted | (multipliers * scale > _ACTIVE))[: len(z)]
        size = len(z)
        both = np.concatenate([z, multipliers[active] * scale])
        for _ in range(_NEWTON_STEPS):
            slope, curvature = (scale * part for part in self.objective(both[:size])[1:])
            values, gradients, hessians = (part[active] for part in self.excess(both[:size]))
            matrix = np.zeros((len(both), len(both)))
            matrix[:size, :size] = curvature + np.tensordot(both[size:], hessians, 1)
            matrix[size:, :size] = gradients
            matrix[:size, size:] = gradients.T
            residual = np.concatenate([slope + both[size:] @ gradients, values])
            if not (np.isfinite(matrix).all() and np.isfinite(residual).all()):
                return z
            step = np.linalg.lstsq(matrix, -residual, rcond=None)[0]
            both += step * min(1.0, _LONGEST_STEP / max(np.abs(step[:size]).max(), 1e-300))
            if np.abs(step[:size]).max() < _LAST_STEP:
                break
        return both[:size]

    def certify(self, z: np.ndarray) -> Point:
        excess, gradients, _ = self.excess(z)
        _, gradient, _ = self.objective(z)
        multipliers = self.multipliers(z, excess > -_ACTIVE)
        stationarity = np.abs(gradient + multipliers @ gradients).max() / max(np.abs(gradient).max(), 1e-300)
        residual = max(float(stationarity), float(excess.max(initial=0.0)))
        residual = residual if np.isfinite(residual) else np.inf
        found = dict(zip(self.names, multipliers.tolist(), strict=True))
        regimes = [found.pop(n) for n in self.rows.regimes if n in found]
        if regimes and not self.bounded:
            found[COST] = sum(regimes)
        return Point(self.full(z), found, residual)
