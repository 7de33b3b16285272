"""The error of a law between sweeps: what a bootstrap within one sweep of runs cannot show.

On runs longer than those of the fit the additive form promises too low a loss in each of the nine annealed sweeps of docs/laws.md, and the
coupled form too high a one in six. A third form, MIDDLE, is the coupled one with the root of the fitted gamma, halfway between them in
ln gamma.

A bootstrap draws the runs of one sweep again. Sweeps differ by more than that, so three terms are added to the draws, and every draw stays
an ordinary law:

    scale    alpha and beta of a draw are both multiplied by exp(SCALE_SD z), z standard normal, around the middle of the runs:
             A' = A N_m^(alpha' - alpha), B' = B D_m^(beta' - beta), so that the loss there stays, and moves beyond
    ratio    ln(alpha / beta): how far the exponents of N and D may lie apart, which decides how D*/N moves with N
    level    ln(D / 20 N) where eN = LEVEL_K eD at LEVEL_N parameters: where a law stops asking for more tokens when what scales with N
             costs LEVEL_K - 1 times what scales with N D

Draws are taken again with weight exp(-(t_ratio^2 + t_level^2) / 2), t in standard deviations of what other sweeps say (`spreads`). A
sweep that determines both keeps its draws; one of twenty runs, whose draws of the level spread over a factor of hundreds, loses the tails
that no sweep has.

References:
    Gelman et al. 2013, Bayesian Data Analysis, chapter 5 (random effects between groups), and section 10.4 (resampling by importance).
    Bates and Granger 1969 (weights of forecasts by the inverse of their mean square error).

"""

import math
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ..assumptions.published_laws import law_names, published
from ..assumptions.tables import rows

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MIDDLE", "SCALE_SD", "SHARES", "between_sweeps", "form_weights", "level", "spreads"]

SCALE_SD = 0.15
"""The least of 0, 0.05, 0.1, ... at which the middle 80 % of the draws hold 80 % of the long runs of each annealed sweep (docs/laws.md)."""
LEVEL_K, LEVEL_N = 4.0, 1e10
CANDIDATES = 8
"""Draws to choose from, for each bootstrap."""

MIDDLE = "middle"
"""The form between the additive and the coupled one."""
SHARES = {"additive": 1.0, MIDDLE: 2.0, "coupled": 1.0}
"""Weights of the forms for one's own runs: held-back runs of one sweep, often five, are too few to weigh forms by."""


def level(law: Any) -> Any:
    """ln(D / 20 N) where eN = LEVEL_K eD, at N = LEVEL_N; elementwise.

    >>> round(math.exp(level({"A": 482.01, "alpha": 0.3478, "B": 2085.43, "beta": 0.3658})), 1)
    44.8

    """
    slopes = (
        np.log(LEVEL_K * law["beta"] * law["B"]) - np.log(law["alpha"] * law["A"]) + law["alpha"] * math.log(LEVEL_N)
    )
    return slopes / law["beta"] - math.log(20 * LEVEL_N)


def ratio(law: Any) -> Any:
    """ln(alpha / beta), elementwise."""
    return np.log(law["alpha"] / law["beta"])


@cache
def spreads(without: str = "") -> dict[str, tuple[float, float]]:
    """Mean and standard deviation of ratio and level over annealed sweeps, as a prediction for the next group of sweeps.

    Both forms of the fits to public runs in data/laws.csv and of those in data/law_sweeps.csv count; groups count alike. The variance is
    that between the means of groups, times 1 + 1 / groups, and the mean of those within.

    Args:
        without: a group to leave out.

    """
    laws: dict[str, list[Mapping[str, float]]] = {}
    groups = {r["law"]: r["group"] for r in rows("law_weights")}
    for name in law_names("fitted"):
        laws.setdefault(groups[name], []).append(published(name))
    for r in rows("law_sweeps"):
        laws.setdefault(r["group"], []).append({name: float(r[name]) for name in ("A", "B", "alpha", "beta")})
    kept = [members for group, members in laws.items() if group not in ("gemstones", without)]
    found = {}
    for name, measure in (("ratio", ratio), ("level", level)):
        values = [np.array([measure(law) for law in members]) for members in kept]
        means = np.array([v.mean() for v in values])
        within = float(np.mean([v.var(ddof=1) for v in values]))
        between = float(means.var(ddof=1)) * (1 + 1 / len(means))
        found[name] = float(means.mean()), math.sqrt(between + within)
    return found


def form_weights(errors: Mapping[str, float]) -> dict[str, float]:
    """Weight of each form by the inverse square of its mean error on held-back long runs.

    >>> form_weights({"additive": 0.02, "coupled": 0.01})
    {'additive': 0.2, 'coupled': 0.8}

    """
    inverse = {form: error**-2 for form, error in errors.items()}
    return {form: value / sum(inverse.values()) for form, value in inverse.items()}


def between_sweeps(
    draws: "pd.DataFrame", middle: tuple[float, float], count: int, rng: np.random.Generator, without: str = ""
) -> "pd.DataFrame":
    """Draws of a fit with the error between sweeps.

    Args:
        draws: one row a bootstrap within the sweep: E, A, B, alpha, beta and perhaps gamma.
        middle: N_m and D_m (counts), geometric means over the runs.
        count: draws to return.
        rng: of the draws.
        without: the group of sweeps that the draws belong to, where its part in `spreads` is to be left out.

    Returns:
        As many rows of the same columns, each a law of the same form.

    """
    many = draws.iloc[rng.integers(0, len(draws), CANDIDATES * len(draws))].reset_index(drop=True)
    scale = np.exp(SCALE_SD * rng.standard_normal(len(many)))
    for amount, exponent, at in (("A", "alpha", middle[0]), ("B", "beta", middle[1])):
        old = many[exponent].to_numpy()
        many[exponent] = old * scale
        many[amount] = many[amount] * np.exp((many[exponent] - old) * math.log(at))
    measures = zip((ratio, level), spreads(without).values(), strict=True)
    far = np.sum([((measure(many).to_numpy() - mean) / sd) ** 2 for measure, (mean, sd) in measures], axis=0)
    weight = np.exp((far.min() - far) / 2)
    return many.iloc[rng.choice(len(many), count, p=weight / weight.sum())].reset_index(drop=True)
