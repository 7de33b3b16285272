"""Sobol indices: the shares of the variance of the optimum that each uncertain assumption explains.

For independent inputs X and an output Y the first-order index S and the total index S_T of input i are

    S_i = Var(E[Y | X_i]) / Var(Y),        S_Ti = E[Var(Y | X_not i)] / Var(Y),

the share of the variance that knowing X_i alone removes, and the share that stays when everything but X_i is known. Y is the logarithm of
an output, since optima spread over decades. An input may be a group that moves together: the law is one input, of which each draw takes a
whole law.

References:
    Sobol' 2001, Mathematics and Computers in Simulation 55, 271. Saltelli et al. 2010, Computer Physics Communications 181, 259 (the
    estimators, `scipy.stats.sobol_indices`).

"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.stats import qmc, sobol_indices

from ..assumptions.arguments import MAPPING, NUMBER, PROGRESS, SEED, WHOLE, Names, checks, names
from ..assumptions.bounds import within
from ..assumptions.problems import InputError
from ..assumptions.scenario import SCENARIO, Scenario
from ..model.outputs import SENSITIVE
from .blocks import Progress, checked_outputs, solve_rows
from .law_input import ACROSS, LAW, law_input
from .ranges import Over, held, ranges

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Factor", "Inputs", "factors", "sobol", "variance_shares"]

MOST_TRIED = 4
"""Base samples tried for each one wanted; a space that answers less often than one in four is refused."""

RESAMPLES, TOGETHER = 200, 25
"""Resamples of the bootstrap, and how many of them are taken in one product."""


class Factor(NamedTuple):
    """One independent input: the columns it sets, from points of the unit cube."""

    name: str
    width: int
    """dimensions of the cube it takes"""
    columns: Callable[[Float[np.ndarray, "draw width"]], dict[str, Float[np.ndarray, " draw"]]]


class Shares(NamedTuple):
    """Variance shares of each output (first axis) by each input (second axis), with the ends of their intervals."""

    first: Float[np.ndarray, "output input"]
    first_interval: Float[np.ndarray, "2 output input"]
    total: Float[np.ndarray, "output input"]
    total_interval: Float[np.ndarray, "2 output input"]
    answered: float
    """share of the base samples tried for which every row had an answer"""


class Inputs(NamedTuple):
    """What is uncertain in a scenario."""

    question: Scenario
    """the scenario in the form that the columns set"""
    factors: tuple[Factor, ...]
    notes: tuple[str, ...]
    """sentences that say what the law is drawn from, and what is held and why"""


def factors(scenario: Scenario, over: Over | None = None, law: Names | None = ACROSS) -> Inputs:
    """What is uncertain in a scenario, as independent inputs: the law, and every number that `ranges` moves.

    The law is one input, drawn from `law` (`law_input`); where `over` names one of its coefficients, only those named move.
    """
    laws, note = law_input(scenario, law, over)
    found = [Factor("law", laws.width, laws.columns)] if laws else []
    found += [Factor(r.path, 1, lambda cube, r=r: {r.path: r.at(cube[:, 0])}) for r in ranges(scenario, over)]
    return Inputs(laws.question if laws else scenario, tuple(found), (note, *held(scenario, over)))


@checks(
    scenario=SCENARIO,
    outputs=names("n_params"),
    n=WHOLE,
    law=LAW,
    over=MAPPING,
    seed=SEED,
    confidence=NUMBER,
    progress=PROGRESS,
)
def sobol(
    scenario: Scenario,
    outputs: Names = SENSITIVE,
    n: int = 1024,
    *,
    law: Names | None = ACROSS,
    over: Over | None = None,
    seed: int = 0,
    confidence: float = 0.95,
    progress: Progress | None = None,
) -> "pd.DataFrame":
    """First-order and total Sobol indices of the optimum, of the logarithm of each output.

    Args:
        scenario: the question.
        outputs: numeric columns of `solve_batch`.
        n: base samples, a power of two; (inputs + 2) n optima are found.
        law: what the law is drawn from: "across" (the sample over data sets and forms), "posterior" (the scenario's own fit), names or
            files of laws, or None, which holds it.
        over: ranges by dotted path that replace or add to the declared ones; None leaves a path or a block alone. Declared factors, and
            ranges above 0 that span a decade or more, are drawn uniformly in the logarithm, others uniformly. `factors` says what moves.
        seed: of the scrambled Sobol sequence and of the bootstrap.
        confidence: level of the bootstrap intervals.
        progress: called with (optima found, optima in all) as the work goes on; samples that are drawn anew come on top.

    Returns:
        One row an output and input: output, assumption, first, first_low, first_high, total, total_low, total_high, largest total first
        within each output. `attrs["answered"]` is the share of base samples that had answers everywhere: a sample with a row without
        answer is drawn anew, so the indices describe the part of the ranges that has answers, where inputs are no longer quite
        independent. `attrs["notes"]` says what was decided.

    Raises:
        InputError: n is no power of two, fewer than two inputs move, an output or a path is unknown, or fewer than a quarter of the
            samples have answers.

    Small indices may come out slightly negative, and indices of one input may differ from 0 or 1 by sampling: read the interval.

    >>> from optimizer.assumptions.library import load
    >>> frame = sobol(load("lecture-2026"), ["n_params"], 64, law=None, over={"rl": None, "serving": None})
    >>> frame["assumption"].iloc[0]
    'traffic.output_tokens'

    """
    import pandas as pd

    asked = checked_outputs(outputs)
    question, inputs, notes = factors(scenario, over, law)
    before = 0

    def report(done: int, total: int) -> None:
        if progress and (done or not before):
            progress(before + done, before + total)

    def ln_outputs(cube: Float[np.ndarray, "row dimension"]) -> Float[np.ndarray, "row output"]:
        nonlocal before
        starts = np.cumsum([0, *(f.width for f in inputs)])
        columns: dict[str, np.ndarray] = {}
        for factor, begin in zip(inputs, starts, strict=False):
            columns |= factor.columns(cube[:, begin : begin + factor.width])
        answers = solve_rows(question, pd.DataFrame(columns), report if progress else None)[asked].to_numpy()
        before += len(cube)
        return np.log(np.where(answers > 0, answers, np.nan))

    shares = variance_shares(ln_outputs, [f.width for f in inputs], n, seed=seed, confidence=confidence)
    records = [
        {
            "output": output,
            "assumption": factor.name,
            "first": shares.first[i, j],
            "first_low": shares.first_interval[0, i, j],
            "first_high": shares.first_interval[1, i, j],
            "total": shares.total[i, j],
            "total_low": shares.total_interval[0, i, j],
            "total_high": shares.total_interval[1, i, j],
        }
        for i, output in enumerate(asked)
        for j, factor in sorted(enumerate(inputs), key=lambda item, i=i: -shares.total[i, item[0]])
    ]
    frame = pd.DataFrame.from_records(records)
    frame.attrs["units"] = dict.fromkeys([c for c in frame if c not in ("output", "assumption")], "1")
    frame.attrs |= {"answered": shares.answered, "confidence": confidence, "n": n, "seed": seed, "notes": notes}
    return frame


def variance_shares(
    function: Callable[[Float[np.ndarray, "row dimension"]], Float[np.ndarray, "row output"]],
    widths: Sequence[int],
    n: int,
    *,
    seed: int = 0,
    confidence: float = 0.95,
) -> Shares:
    """Sobol indices of any function of the unit cube whose dimensions come in groups.

    Args:
        function: outputs of many points at once; NaN where a point has none.
        widths: dimensions of each group, in order.
        n: base samples, a power of two.
        seed: of the points and of the bootstrap.
        confidence: level of the intervals, from resampling the base samples (percentiles).

    Raises:
        InputError: n is no power of two, there are fewer than two groups, or too few points have outputs.

    """
    problems = []
    if n < 2 or n & (n - 1):
        problems.append(f"n must be a power of two, got {n}; take {1 << max(n - 1, 1).bit_length()}.")
    if len(widths) < 2:
        problems.append(f"variance is shared between at least two inputs, got {len(widths)}; leave more of them free.")
    if not 0 < confidence < 1:
        problems.append(
            f"confidence must be {within(0, 1, above=True, below=True)}, got {confidence}; for 95 % write 0.95."
        )
    if problems:
        raise InputError(problems)
    rng = np.random.default_rng(seed)
    size = sum(widths)
    points = qmc.Sobol(2 * size, rng=rng)
    kept: list[np.ndarray] = []
    tried = complete = 0
    while complete < n and tried < MOST_TRIED * n:
        both = np.clip(points.random(n), 2.0**-53, 1 - 2.0**-53)  # the ends of a normal distribution lie at infinity
        found = _saltelli(function, both[:, :size], both[:, size:], widths)
        whole = np.isfinite(found).all(axis=(0, 2))
        kept.append(found[:, whole])
        tried, complete = tried + n, complete + int(whole.sum())
    if complete < n:
        raise InputError(
            [
                f"only {complete} of {tried} samples have answers everywhere; narrow the ranges with over={{path: (low, high)}}, "
                "or loosen the goal or the limits."
            ]
        )
    found = np.concatenate(kept, axis=1)[:, :n]
    outputs, groups = found.shape[2], len(widths)

    values = np.moveaxis(found, 2, 1)
    result = sobol_indices(func={"f_A": values[0], "f_B": values[1], "f_AB": values[2:]}, n=n)
    first, total = np.array([result.first_order, result.total_order]).reshape(2, outputs, groups)
    counts = [np.bincount(rng.integers(0, n, n), minlength=n).astype(np.uint8) for _ in range(RESAMPLES)]
    drawn = np.stack([_resampled(found[:, :, i], counts) for i in range(outputs)], axis=2)
    ends = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2], axis=1)
    return Shares(first, ends[:, 0], total, ends[:, 1], complete / tried)


def _resampled(
    found: Float[np.ndarray, "matrix base"], counts: Sequence[np.ndarray]
) -> Float[np.ndarray, "2 resample input"]:
    """First and total indices of one output for each resample, by the estimators of `scipy.stats.sobol_indices`.

    A resample counts how often each base sample was drawn, so the means of many resamples are one matrix product.
    """
    a, b, mixed = found[0], found[1], found[2:]
    middle = (a.mean() + b.mean()) / 2
    a, b, mixed = a - middle, b - middle, mixed - middle
    over, groups = mixed - a, len(mixed)
    parts = np.concatenate([[a + b, a * a + b * b], over, b * over, over * over]) / len(a)
    blocks = (np.array(counts[i : i + TOGETHER], float) for i in range(0, len(counts), TOGETHER))
    means = np.concatenate([(parts @ block.T).T for block in blocks])
    mean = means[:, :1] / 2
    moved, joint, squares = np.split(means[:, 2:], [groups, 2 * groups], axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = np.array([joint - mean * moved, squares / 2]) / (means[:, 1:2] / 2 - mean * mean)
    return np.where(np.isfinite(shares), shares, 0.0)


def _saltelli(
    function: Callable[[np.ndarray], np.ndarray], a: np.ndarray, b: np.ndarray, widths: Sequence[int]
) -> Float[np.ndarray, "matrix base output"]:
    """Outputs at A, at B, and at A with each group of columns taken from B in turn."""
    matrices, begin = [a, b], 0
    for width in widths:
        mixed = a.copy()
        mixed[:, begin : begin + width] = b[:, begin : begin + width]
        matrices.append(mixed)
        begin += width
    values = function(np.concatenate(matrices))
    return values.reshape(len(matrices), len(a), -1)
