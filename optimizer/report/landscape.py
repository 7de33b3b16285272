"""Where does the optimum lie among all designs? Curves of equal loss and of equal cost in the plane of N and D, and the way to the optimum.

Equal loss is `A N^-alpha + B D^-beta = l`, walked by the share of l that is left to the data; equal cost is affine in D at each N. Limits
of the scenario are not drawn.
"""

from typing import TYPE_CHECKING

import jax
import numpy as np

from ..assumptions.numbers import human
from ..assumptions.rl import OptimisedRL
from ..model.cost import Design, design_of, lifecycle_cost
from ..optimum.solution import Solution
from .plan import needs_answer, of_equal_loss, reducible_at, tokens_for

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["landscape"]

POINTS = 150
WALK = 24
LEVELS = 7
"""curves of equal loss, or one fewer"""
COSTS = (0.01, 0.1, 0.3, 1.0, 3.0, 10.0)
"""costs that a curve is drawn for, as multiples of the least"""
MARGIN = 4.0
"""Factor by which the window reaches beyond the designs and the edge of the fit."""

_total = jax.jit(lambda scenario, design: lifecycle_cost(scenario, design).total)


def landscape(best: Solution) -> "pd.DataFrame":
    """Curves of equal loss and equal cost around an optimum, the path of equal quality to it, and the range that the law was fitted on.

    Returns:
        One row a point: `kind` ("loss", "cost", "path", "fitted", "optimum" or "Chinchilla plan"), `level` (loss in nat/token, or cost),
        `label`, n_params and train_tokens. Rows of "fitted" are the upper edge of the fitted range; they are missing where it is not on
        record. Where RL tokens are decided too, curves hold them as at the optimum. `attrs["units"]` gives the units, `attrs["window"]` the
        ends of N and of D.

    Raises:
        InputError: the solution has no design.

    """
    import pandas as pd

    needs_answer(best)
    law = best.scenario.law
    start, end = ((float(p.n_params), float(p.train_tokens)) for p in (best.baseline.design, best.design))
    longest = (law.fitted_max_params or 0.0) * (law.fitted_max_tokens_per_param or 0.0)
    edges = (law.fitted_max_params, law.fitted_max_tokens or longest)
    known = [[v for v in (start[i], end[i], edges[i]) if v] for i in (0, 1)]
    window = [(min(values) / MARGIN, max(values) * MARGIN) for values in known]
    unit = "FLOP" if best.unit == "flops" else "USD"
    rows: list[tuple[str, float, str, float, float]] = []
    for level, n, d in _equal_loss(best, window):
        rows += [("loss", level, f"{level:.2f} nat/token", *point) for point in zip(n, d, strict=True)]
    for level, n, d in _equal_cost(best, window):
        rows += [("cost", level, f"{human(level, 3)} {unit}", *point) for point in zip(n, d, strict=True)]
    sizes = np.geomspace(start[0], end[0], WALK)
    tokens, _ = of_equal_loss(best, sizes)
    walk = [*zip(sizes.tolist(), tokens.tolist(), strict=True)]
    rows += [("path", best.loss, "equal quality", n, d) for n, d in (start, *walk[1:-1], end)]
    rows += [("fitted", np.nan, "fitted range", *point) for point in _fitted(best, window)]
    rows += [
        ("Chinchilla plan", float(best.baseline.cost.total), "Chinchilla plan", *start),
        ("optimum", float(best.cost.total), "optimum", *end),
    ]
    frame = pd.DataFrame.from_records(rows, columns=["kind", "level", "label", "n_params", "train_tokens"])
    frame = frame.dropna(subset=["n_params", "train_tokens"]).reset_index(drop=True)
    frame.attrs = {
        "units": {"level": f"nat/token or {unit}", "n_params": "parameters", "train_tokens": "tokens"},
        "window": tuple(window),
        "law": law.name or "own numbers",
        "loss": best.loss,
    }
    return frame


def _equal_loss(best: Solution, window: list[tuple[float, float]]) -> list[tuple[float, list[float], list[float]]]:
    """(loss, N, D) of each curve, the optimum's own among them."""
    s, law = best.scenario, best.scenario.law
    c, here = law.chinchilla, reducible_at(best)
    fixed = float(s.rl.reducible(law, best.design.rl_tokens))
    worst, least = (fixed + float(law.reducible(*corner)) for corner in zip(*window, strict=True))
    step = (worst / least) ** (1 / LEVELS)
    found = []
    share = 1 / (1 + np.exp(-np.linspace(-8, 8, POINTS)))
    for i in range(-LEVELS, LEVELS + 1):
        level = here * step**i
        left = level - fixed
        if not least <= level <= worst or left <= 0:
            continue
        n = (float(c.A) / (left * (1 - share))) ** (1 / float(c.alpha))
        d = tokens_for(s, left * share)
        kept = _inside(n, d, window)
        if kept.any():
            found.append((best.loss + level - here, n[kept].tolist(), d[kept].tolist()))
    return found


def _equal_cost(best: Solution, window: list[tuple[float, float]]) -> list[tuple[float, list[float], list[float]]]:
    """(cost, N, D) of each curve; D from two costs at each N, as the cost is affine in D."""
    (low, high), (_, far) = window
    s = best.scenario
    decided = (float(best.design.rl_tokens),) if isinstance(s.rl, OptimisedRL) else ()

    def total(n: np.ndarray, d: float) -> np.ndarray:
        rl = np.broadcast_to(decided[0], n.shape) if decided else None
        design = design_of(s, n, np.full(n.shape, d), *(() if rl is None else (rl,)))
        return np.asarray(_total(s, Design(*(np.broadcast_to(np.asarray(v, float), n.shape) for v in design))), float)

    def tokens(n: np.ndarray, level: float) -> np.ndarray:
        base = total(n, 0.0)
        return (level - base) / (total(n, far) - base) * far

    found = []
    scan = np.geomspace(low, high, 600)
    for factor in COSTS:
        level = factor * float(best.cost.total)
        reached = scan[np.isfinite(d := tokens(scan, level)) & (d >= window[1][0])]
        if not len(reached):
            continue
        # The curve falls steeply where serving alone costs all of it, so points gather there.
        n = reached[-1] * (1 - np.append(np.geomspace(1 - low / reached[-1] + 1e-12, 1e-4, 120), 0.0))
        d = tokens(n, level)
        kept = np.isfinite(d) & _inside(n, d, window)
        if np.count_nonzero(kept) > 1:
            found.append((level, n[kept].tolist(), d[kept].tolist()))
    return found


def _inside(n: np.ndarray, d: np.ndarray, window: list[tuple[float, float]]) -> np.ndarray:
    (n_low, n_high), (d_low, d_high) = window
    return (n >= n_low) & (n <= n_high) & (d >= d_low) & (d <= d_high)


def _fitted(best: Solution, window: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Upper edge of the runs that the law was fitted on, cut to the window; none where no edge is on record."""
    law = best.scenario.law
    if not (law.fitted_max_params or law.fitted_max_tokens or law.fitted_max_tokens_per_param):
        return []
    (low, high), (_, most) = window
    sizes = np.geomspace(low, min(law.fitted_max_params or high, high), WALK)
    ratio = law.fitted_max_tokens_per_param or np.inf
    tokens = np.minimum(np.minimum(sizes * ratio, law.fitted_max_tokens or np.inf), most)
    return [*zip(sizes.tolist(), tokens.tolist(), strict=True)]
