"""IsoFLOP profiles (approach 2): the best size at each of several budgets, and the power law through them.

At one budget C the loss is a parabola in ln N; its lowest point is the best size N*, with D* = C / (6 N*). Over budgets,

    N* = G C^a,        D* = C^(1 - a) / (6 G).

It assumes no form of L(N, D), and gives no irreducible loss. An additive or coupled law has D* ~ C^(alpha / (alpha + beta)); where the two
estimates of that exponent differ by more than their errors, no law of these forms describes the sweep.

References:
    Hoffmann et al. 2022, arXiv 2203.15556, section 3.2.

"""

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..model.outputs import units_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Profiles", "minima_sentence", "profiles_of"]

FEWEST_SIZES, FEWEST_BUDGETS = 4, 3
"""Sizes at one budget, and budgets."""
APART, WIDEST = 0.08, 0.25
"""Gap in ln C between two budgets, and the most that the runs of one may spread."""


class Profiles(NamedTuple):
    """The lowest point of each profile, and the power law through them."""

    frame: "pd.DataFrame"
    """one row a budget: flops, runs, n_params, train_tokens, loss"""
    size_exponent: float
    """a"""
    tokens_exponent: float
    """1 - a"""
    standard_error: float
    """of either exponent, from the scatter of the profiles"""
    ln_size: float
    """ln G"""

    def design(self, flops: float) -> tuple[float, float]:
        """(N, D) of the power law at a budget C (FLOP)."""
        n_params = math.exp(self.ln_size + self.size_exponent * math.log(flops))
        return n_params, flops / (6 * n_params)


def profiles_of(frame: "pd.DataFrame") -> Profiles | None:
    """The profiles in a table of runs; None where it has fewer than three budgets with four sizes around a lowest point.

    Args:
        frame: n_params, train_tokens, loss; runs whose 6 N D agree within a few per cent are one budget.

    """
    import pandas as pd

    n = np.log(frame["n_params"].to_numpy())
    c = np.log(6.0) + n + np.log(frame["train_tokens"].to_numpy())
    loss = frame["loss"].to_numpy()
    order = np.argsort(c, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(c[order]) > APART) + 1)
    records = []
    for group in groups:
        if len({*np.round(n[group], 3)}) < FEWEST_SIZES or np.ptp(c[group]) > WIDEST:
            continue
        middle = n[group].mean()
        bend, slope, level = np.polyfit(n[group] - middle, loss[group], 2)
        lowest = middle - slope / (2 * bend) if bend > 0 else math.inf
        if not n[group].min() < lowest < n[group].max():
            continue  # the profile has no lowest point among its sizes
        flops, size = math.exp(c[group].mean()), math.exp(lowest)
        least = level - slope * slope / (4 * bend)
        records.append(
            {"flops": flops, "runs": len(group), "n_params": size, "train_tokens": flops / (6 * size), "loss": least}
        )
    if len(records) < FEWEST_BUDGETS:
        return None
    found = pd.DataFrame(records)
    found.attrs["units"] = {"flops": "FLOP", **units_of(found, "")}
    exponent, ln_size, error = _power_law(np.log(found["flops"].to_numpy()), np.log(found["n_params"].to_numpy()))
    return Profiles(found, exponent, 1 - exponent, error, ln_size)


def minima_sentence(flops: np.ndarray, n_params: np.ndarray) -> str:
    """What best sizes alone say, one a budget, without losses; "" where they are no such minima.

    Args:
        flops: budgets C (FLOP).
        n_params: the best size at each.

    >>> minima_sentence(np.array([1e18, 1e20, 1e22]), np.array([1e8, 1e9, 1e10]))
    'It looks like best sizes, one for each of 3 budgets: these alone give N* ~ C^0.500 and D* ~ C^0.500 (error 0.000), and no law.'

    """
    order = np.argsort(flops, kind="stable")
    x, y = np.log(flops[order]), np.log(n_params[order])
    if len(x) < FEWEST_BUDGETS or np.diff(x).min() <= APART or np.diff(y).min() <= 0:
        return ""
    exponent, _, error = _power_law(x, y)
    return (
        f"It looks like best sizes, one for each of {len(x)} budgets: these alone give N* ~ C^{exponent:.3f} and "
        f"D* ~ C^{1 - exponent:.3f} (error {error:.3f}), and no law."
    )


def _power_law(x: np.ndarray, y: np.ndarray) -> tuple[float, float, float]:
    """(a, ln G, standard error of a) of ln N* = ln G + a ln C."""
    exponent, ln_size = np.polyfit(x, y, 1)
    scatter = y - exponent * x - ln_size
    error = math.sqrt(float(scatter @ scatter) / max(len(x) - 2, 1) / float(((x - x.mean()) ** 2).sum()))
    return float(exponent), float(ln_size), error
