"""One form of law for one table of runs: its bounds and free directions, its best fit, and its bootstrap."""

import math
from collections.abc import Mapping

import numpy as np

from ..analysis.blocks import Progress
from .fitted import LawFit
from .objective import LANES, Least, Points, minimised, padded_rows
from .runs import Runs

__all__ = ["HIGH", "LOW", "Form", "Work", "unknowns"]

THETA = ("a", "b", "E", "alpha", "beta", "ln_gamma")
LOW = {"a": -60.0, "b": -60.0, "E": 0.0, "alpha": 1e-3, "beta": 1e-3, "gamma": 0.05}
HIGH = {"a": 60.0, "b": 60.0, "alpha": 2.0, "beta": 2.0, "gamma": 2.0}
"""Bounds; those of exponents are those of a law in a scenario."""
CALIBRATION = 0.95
"""Factor on the distance of a bootstrap from the fit. The bootstrap of a fit by absolute errors is a little too wide at tens to hundreds of
runs: on synthetic sweeps (tests/evidence/test_fit.py) its 80 % intervals held the truth 84 % of the time, and hold it 81 % with this
factor (calibration: Efron and Tibshirani 1993, chapter 18)."""
HIGHEST_E = 0.999
"""of the least loss"""


class Work:
    """How far the work is."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._report, self._total, self._done = progress or (lambda _done, _total: None), max(total, 1), 0
        self._report(0, self._total)

    def add(self, count: int) -> None:
        self._done = min(self._done + count, self._total - 1)
        self._report(self._done, self._total)

    def finish(self) -> None:
        self._report(self._total, self._total)


def fixed_and_free(form: str, tied: bool, fixed: Mapping[str, float]) -> tuple[dict[str, float], np.ndarray]:
    """The coefficients of a form that keep a value, and the directions in which theta may move, as columns of which those held are 0."""
    held = {**fixed, "gamma": 1.0} if form == "additive" else {**fixed}
    if tied and (one := held.keys() & {"alpha", "beta"}):
        held |= dict.fromkeys(("alpha", "beta"), held[min(one)])
    free = np.eye(len(THETA))
    for name in held:
        free[:, _place(name)] = 0.0
    if tied and "alpha" not in held:
        free[4, 3], free[4, 4] = 1.0, 0.0
    return held, free


def unknowns(form: str, tied: bool, fixed: Mapping[str, float]) -> int:
    """The coefficients that a fit of this form has to find."""
    return int(fixed_and_free(form, tied, fixed)[1].any(axis=0).sum())


def _place(name: str) -> int:
    return THETA.index("ln_gamma" if name == "gamma" else name)


class Form:
    """One form for one table: its points, bounds and free directions."""

    def __init__(self, runs: Runs, form: str, tied: bool, fixed: Mapping[str, float]) -> None:
        frame = runs.frame
        n, d = np.log(frame["n_params"].to_numpy()), np.log(frame["train_tokens"].to_numpy())
        self.form, self.count, self.rows = form, len(frame), padded_rows(len(frame))
        self.centre = float(n.mean()), float(d.mean())
        self.loss = frame["loss"].to_numpy()
        self.points = Points(*map(self._padded, (n - n.mean(), d - d.mean(), np.log(self.loss))))
        self.fixed, self.free = fixed_and_free(form, tied, fixed)
        self.tied = tied

    def _padded(self, values: np.ndarray) -> np.ndarray:
        return np.concatenate([values, np.zeros((*values.shape[:-1], self.rows - values.shape[-1]))], axis=-1)

    def _bounds(self, used: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        low, high = ({**end} for end in (LOW, HIGH))
        high["E"] = HIGHEST_E * float(self.loss[used].min())
        ends = []
        for end in (low, high):
            end["ln_gamma"] = math.log(end["gamma"])
            ends.append(np.array([end[name] for name in THETA]))
        for name, value in self.fixed.items():
            for end in ends:
                end[_place(name)] = math.log(value) if name == "gamma" else value
        return ends[0], ends[1]

    def starts(self, used: np.ndarray) -> np.ndarray:
        """Spread over irreducible losses, exponents, powers, and shares of the reducible loss that N and D have at the middle run."""
        rng = np.random.default_rng(1)
        low, high = self._bounds(used)
        middle = float(np.median(self.loss[used]))
        theta = np.zeros((LANES, len(THETA)))
        theta[:, 2] = rng.uniform(0.0, 0.95, LANES) * self.loss[used].min()
        gamma = (
            np.exp(rng.uniform(math.log(0.1), math.log(1.2), LANES))
            if "gamma" not in self.fixed
            else self.fixed["gamma"]
        )
        gamma = np.broadcast_to(gamma, LANES)
        exponents = rng.uniform(0.05, 0.8, (LANES, 2)) / gamma[:, None]
        theta[:, 3:5] = exponents[:, :1] if self.tied else exponents
        theta[:, 5] = np.log(gamma)
        theta = np.clip(theta, low, high)
        ln_z = np.log(np.maximum(middle - theta[:, 2], 0.01 * middle)) / gamma
        share = rng.uniform(0.1, 0.9, LANES)
        theta[:, 0], theta[:, 1] = ln_z + np.log(share), ln_z + np.log1p(-share)
        return np.clip(theta, low, high)

    def least(self, starts: np.ndarray, weights: np.ndarray, work: Work) -> Least:
        """The minima from these starts for these weights of the runs."""
        used = weights.sum(axis=0) > 0
        return minimised(self.points, starts, self._padded(weights), self.free, *self._bounds(used), work.add)

    def best(self, work: Work, used: np.ndarray | None = None) -> tuple[np.ndarray, float]:
        """(theta, objective) of the least of all starts, of all runs or of those used."""
        used = np.ones(self.count, bool) if used is None else used
        found = self.least(self.starts(used), np.tile(used.astype(float), (LANES, 1)), work)
        at = int(np.argmin(found.value))
        return found.theta[at], float(found.value[at])

    def coefficients(self, theta: np.ndarray) -> dict[str, np.ndarray]:
        """E, A, B, alpha, beta and, of the coupled form, gamma; for each row of theta."""
        a, b, E, alpha, beta, ln_gamma = theta.T
        named = {
            "E": E,
            "A": np.exp(a + alpha * self.centre[0]),
            "B": np.exp(b + beta * self.centre[1]),
            "alpha": alpha,
            "beta": beta,
        }
        return named | ({"gamma": np.exp(ln_gamma)} if self.form == "coupled" else {})

    def error(self, found: tuple[np.ndarray, float]) -> np.ndarray:
        """ln(predicted loss) - ln(loss) of every run."""
        a, b, E, alpha, beta, ln_gamma = found[0]
        n, d, y = (values[: self.count] for values in self.points)
        return np.log(E + np.exp(math.exp(ln_gamma) * np.logaddexp(a - alpha * n, b - beta * d))) - y

    def fitted(self, draws: np.ndarray, work: Work) -> LawFit:
        """The fit to all runs, with its bootstrap."""
        import pandas as pd

        theta, value = self.best(work)
        point = {name: float(v[0]) for name, v in self.coefficients(theta[None]).items()}
        table = pd.DataFrame({name: [] for name in point}, dtype=float)
        unfinished = 0
        if len(draws):
            found = self.least(np.tile(theta, (len(draws), 1)), draws.astype(float), work)
            table = pd.DataFrame(self.coefficients(theta + CALIBRATION * (found.theta - theta)))
            unfinished = int((found.ended == 0).sum())
        error = float(np.abs(self.error((theta, value))).mean())
        fixed = tuple(name for name in self.fixed if name in point)
        return LawFit(self.form, point, table, value, error, self._on_bounds(theta), fixed, self.tied, unfinished)

    def _on_bounds(self, theta: np.ndarray) -> tuple[str, ...]:
        low, high = self._bounds(np.ones(self.count, bool))
        return tuple(
            name.removeprefix("ln_")
            for i, name in enumerate(THETA)
            if name.removeprefix("ln_") not in self.fixed and (theta[i] <= low[i] or theta[i] >= high[i])
        )
