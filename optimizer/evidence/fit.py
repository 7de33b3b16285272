"""Fits a scaling law to training runs of one's own: coefficients with intervals, a test on the longest runs, and a law to plan with.

    L = E + A N^-alpha + B D^-beta                 additive
    L = E + (A N^-alpha + B D^-beta)^gamma         coupled

minimise the sum over runs of Huber(1e-3) of ln(predicted loss) - ln(loss), from 128 starts (`objective`). Intervals come from a bootstrap:
runs are drawn again with replacement and the law is fitted to each draw. They hold the error of the runs, not that of the form: for that
the law is fitted to the shorter runs and asked about the longest.

References:
    Hoffmann et al. 2022, arXiv 2203.15556, approach 3. Besiroglu et al. 2024, arXiv 2404.10102 (sum instead of mean, 4000 bootstraps).
    Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 13 (percentile intervals).

"""

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..analysis.blocks import Progress
from ..assumptions.arguments import FLAG, MAPPING, PROGRESS, SEED, TEXT, WHOLE, Check, Names, as_names, checks, names
from ..assumptions.bounds import within
from ..assumptions.numbers import human, parse_number
from ..assumptions.problems import DataError, InputError, near_miss
from .fitted import FORMS, Fit, HeldOut, LawFit
from .form import HIGH, LOW, Form, Work, unknowns
from .isoflop import profiles_of
from .objective import LANES
from .runs import Runs, read_runs

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["fit"]

SPARE_RUNS = 2
"""Runs beyond the number of coefficients that a fit asks for."""
THIN = 0.1
"""Spread of the runs across their own line, in ln N and ln D, below which they lie along it."""
LONG_RUN = 100.0
"""Tokens per parameter that the shorter runs of the test have at most"""
FEWEST_HELD, LONGEST_SHARE = 3, 0.2
"""Runs that a test asks for, and the share of the runs that it takes where too few are longer than that."""
FAR, FAR_ERRORS = math.log(1.2), 10.0
"""A run that lies off the fit by more than 20 % and by ten robust standard errors was no run of the sweep."""
BITS, BITS_WITHIN = -math.log(math.log(2)), 0.03
"""ln of a loss in bits over one in nats, and how near to it counts."""
FIXED = ("E", "alpha", "beta", "gamma")

_GIVEN = Check(
    "a DataFrame of runs or the path of a CSV file", "write fit('runs.csv')", lambda value, _name: _table(value)
)


def _table(value: Any) -> Any:
    import pandas as pd

    if not isinstance(value, (str, os.PathLike, pd.DataFrame)):
        raise TypeError
    return value


@checks(
    runs=_GIVEN, forms=names("additive"), tied=FLAG, fixed=MAPPING, where=MAPPING, columns=MAPPING, label=TEXT,
    bootstrap=WHOLE, seed=SEED, progress=PROGRESS,
)  # fmt: skip
def fit(
    runs: "pd.DataFrame | str | Path",
    forms: Names = tuple(FORMS),
    *,
    tied: bool = False,
    fixed: Mapping[str, float | str] | None = None,
    bootstrap: int = 1000,
    where: Mapping[str, object] | None = None,
    columns: Mapping[str, str] | None = None,
    label: str = "",
    seed: int = 0,
    progress: Progress | None = None,
) -> Fit:
    """The scaling law of a table of training runs.

    Args:
        runs: one run a row with N, D and loss, or the path of such a CSV file; `optimizer.evidence.runs` lists the columns.
        forms: "additive", "coupled" or both.
        tied: whether alpha = beta.
        fixed: coefficients that keep a value: {"alpha": 0.34}; of E, alpha, beta and gamma.
        bootstrap: fits to runs drawn again; 0 gives no intervals.
        where: column -> value, to choose one data set of a table of several: {"train_set": "c4"}.
        columns: quantity -> column, for names of one's own: {"loss": "c4_en"}.
        label: name of the law in headings; the name of the file when left out.
        seed: of the bootstrap.
        progress: called with (minimisations done, minimisations in all).

    Returns:
        A `Fit`: `.forms["additive"]`, `.recommended`, `.held_out`, `.profiles`, `.runs.excluded`, `.notes`, `.to_frame()`, `.to_toml()`.

    Raises:
        DataError: the table cannot be read, has too few runs, or runs along one line.
        InputError: an option cannot be used.

    Runs far off the fit (20 % and ten robust standard errors) are left out and listed: a diverged run, or a loss in bits.

    >>> from optimizer.evidence.runs import example_runs
    >>> found = fit(example_runs()["sardana"], "additive", bootstrap=0)
    >>> {name: round(value, 3) for name, value in found.forms["additive"].coefficients.items() if name in ("E", "alpha", "beta")}
    {'E': 1.463, 'alpha': 0.179, 'beta': 0.232}

    """
    wanted = as_names(forms, "forms")
    held = _checked(wanted, fixed or {}, bootstrap)
    table = read_runs(runs, where=where, columns=columns)
    _refuse_what_says_too_little(table, wanted, tied, held)
    work = Work(progress, (len(wanted) + (len(wanted) > 1)) * (2 * LANES + bootstrap) + LANES)

    flexible = Form(table, "coupled", tied, held)
    off = _far_off(table, flexible.error(flexible.best(work)))
    if off:
        table = table.without(off)
        _refuse_what_says_too_little(table, wanted, tied, held)
    rng = np.random.default_rng(seed)
    draws = rng.multinomial(len(table.frame), np.full(len(table.frame), 1 / len(table.frame)), bootstrap)
    questions = {form: Form(table, form, tied, held) for form in FORMS if form in wanted}
    found = {form: question.fitted(draws, work) for form, question in questions.items()}
    middle = None
    if bootstrap and questions.keys() == FORMS.keys() and "gamma" not in held:
        middle = _halfway(table, questions["coupled"], found["coupled"].coefficients["gamma"]).fitted(draws, work)
    held_out = _held_out(table, questions, work)
    work.finish()
    name = label or ("" if table.name == "the table" else Path(table.name).stem.removeprefix("example ")) or "own runs"
    if where and not label:
        name += f" {', '.join(map(str, where.values()))}"
    return Fit(name, table, found, held_out, profiles_of(table.frame), _notes(table, found, off), middle)


def _checked(forms: Sequence[str], fixed: Mapping[str, float | str], bootstrap: int) -> dict[str, float]:
    """The fixed coefficients as numbers.

    Raises:
        InputError: an option cannot be used.

    """
    problems = [
        f"form {form!r} is unknown{near_miss(form, FORMS)} Forms: {', '.join(FORMS)}."
        for form in forms
        if form not in FORMS
    ]
    if not forms:
        problems.append(f"forms is empty; give at least one of {', '.join(FORMS)}.")
    if bootstrap < 0 or bootstrap == 1:
        problems.append(
            f"bootstrap must be 0, or 2 fits or more, got {bootstrap}; 1000 gives intervals to a few per cent."
        )
    found: dict[str, float] = {}
    for name, value in fixed.items():
        if name not in FIXED:
            problems.append(
                f"fixed names {name!r}, which is none of the coefficients that can be fixed: {', '.join(FIXED)}."
            )
            continue
        try:
            found[name] = parse_number(value)
        except ValueError as error:
            problems.append(f"fixed {name} {error}.")
            continue
        low, high = LOW[name], HIGH.get(name, math.inf)
        if not low <= found[name] <= high:
            problems.append(f"fixed {name} must be {within(low, high)}, got {found[name]:g}.")
    if problems:
        raise InputError(problems)
    return found


def _refuse_what_says_too_little(runs: Runs, forms: Sequence[str], tied: bool, fixed: Mapping[str, float]) -> None:
    """Refuse a table that does not determine the coefficients.

    Raises:
        DataError: too few runs, or runs along one line.

    """
    frame, problems = runs.frame, []
    unknown = {form: unknowns(form, tied, fixed) for form in forms}
    most = max(unknown.values())
    if len(frame) < most + SPARE_RUNS:
        form, out = max(unknown, key=lambda form: unknown[form]), runs.excluded
        ways = [f"--form additive needs {unknown['additive'] + SPARE_RUNS}"] if len(unknown) > 1 else []
        ways += [] if tied else ["--tied (alpha = beta) needs one fewer"]
        first = (
            f" Rows left out: {len(out)}, the first is row {out['row'].iloc[0]}: {out['reason'].iloc[0]}"
            if len(out)
            else ""
        )
        problems.append(
            f"{runs.name} has {len(frame)} usable runs; the {form} law has {most} coefficients and needs {most + SPARE_RUNS} or "
            f"more{''.join(f', {way}' for way in ways)}.{first}"
        )
    elif (line := _line(frame)) is not None:
        problems.append(
            f"{runs.name} has runs along one line only, {line}: the effects of N and of D on the loss cannot be separated. Add runs "
            "of other sizes and lengths, off that line."
        )
    if problems:
        raise DataError(problems)


def _line(frame: "pd.DataFrame") -> str | None:
    """The line in ln N and ln D along which all runs lie, in words; None where they spread over the plane."""
    both = np.log(frame[["n_params", "train_tokens"]].to_numpy())
    centred = both - both.mean(axis=0)
    _, spreads, axes = np.linalg.svd(centred, full_matrices=False)
    if spreads[1] / math.sqrt(len(both)) >= THIN:
        return None
    across = axes[1] * np.sign(axes[1][np.argmax(np.abs(axes[1]))])
    lines: dict[str, tuple[float, float]] = {
        f"that of C = 6 N D = {human(6 * math.exp(both.mean(axis=0).sum()), 3)} FLOP": (math.sqrt(0.5), math.sqrt(0.5)),
        f"that of {human(math.exp(both[:, 1].mean() - both[:, 0].mean()), 3)} tokens per parameter": (
            math.sqrt(0.5),
            -math.sqrt(0.5),
        ),
        f"that of N = {human(math.exp(both[:, 0].mean()), 3)}": (1.0, 0.0),
        f"that of D = {human(math.exp(both[:, 1].mean()), 3)}": (0.0, 1.0),
    }
    near = {name: abs(float(across @ np.array(normal))) for name, normal in lines.items()}
    best = max(near, key=lambda name: near[name])
    return best if near[best] > 0.99 else "in ln N and ln D"


def _far_off(runs: Runs, error: np.ndarray) -> dict[int, str]:
    """Rows that the most flexible fit misses by far, with the reason of each."""
    above = -error  # ln(loss) - ln(predicted)
    spread = 1.4826 * float(np.median(np.abs(above - np.median(above))))
    found = {}
    for i in np.flatnonzero(np.abs(above) > max(FAR, FAR_ERRORS * spread)):
        ratio = math.exp(above[i])
        if abs(above[i] - BITS) < BITS_WITHIN:
            why = "that is 1 / ln 2: this loss looks like bits per token; multiply it by 0.6931."
        elif ratio > 1:
            why = "the run diverged or did not finish, or its loss is on another text."
        else:
            why = "its loss is on another text, or was measured on the training data."
        loss = float(runs.frame["loss"].iloc[i])
        found[int(i)] = (
            f"loss {human(loss)} is {ratio:.3g} times what the other runs lead to expect ({human(loss / ratio)}): {why}"
        )
    return found


def _halfway(runs: Runs, coupled: Form, gamma: float) -> Form:
    """The form halfway, in ln gamma, between the additive one and a coupled one."""
    return Form(runs, "coupled", coupled.tied, {**coupled.fixed, "gamma": math.sqrt(gamma)})


def _held_out(runs: Runs, questions: Mapping[str, Form], work: Work) -> HeldOut | None:
    """Each form, fitted to the shorter runs and asked about the longest; None where there are too few of either."""
    import pandas as pd

    ratio = (runs.frame["train_tokens"] / runs.frame["n_params"]).to_numpy()
    fewest = max(unknowns(form, q.tied, q.fixed) for form, q in questions.items()) + SPARE_RUNS
    for edge in (LONG_RUN, float(np.quantile(ratio, 1 - LONGEST_SHARE))):
        short = ratio <= edge * (1 + 1e-6)
        thin = _line(runs.frame.loc[short]) is not None if short.sum() > 1 else True
        if (~short).sum() >= FEWEST_HELD and short.sum() >= fewest and not thin:
            break
    else:
        return None

    records = []
    for form, question in questions.items():
        error = np.expm1(question.error(question.best(work, short))[~short])
        records.append({"form": form, "bias": float(error.mean()), "error": float(np.abs(error).mean())})
    frame = pd.DataFrame(records)
    frame.attrs["units"] = {"bias": "1", "error": "1"}
    return HeldOut(frame, edge, int(short.sum()), int((~short).sum()))


def _notes(runs: Runs, found: Mapping[str, LawFit], off: Mapping[int, str]) -> tuple[str, ...]:
    notes = [*runs.notes]
    for form, law in found.items():
        notes += [f"{form}: {_BOUND[name]}" for name in law.on_bounds if name in _BOUND]
        if law.unfinished:
            notes.append(
                f"{form}: {law.unfinished} of {len(law.draws)} bootstraps did not end at a minimum within 600 steps."
            )
    if len(off) > 0.1 * len(runs.frame):
        notes.append(f"{len(off)} runs lie far off the fit and were left out: look at them before the law is used.")
    return tuple(notes)


_BOUND = {
    "E": "E lies on its bound, 0 or the least loss: the runs do not show where the loss levels off; longer or larger runs would.",
    **{
        name: f"{name} lies on its bound of {LOW[name]:g} to {HIGH[name]:g}: the runs do not determine {what}."
        for name, what in {
            "alpha": "the exponent of N; add sizes, or try --tied",
            "beta": "the exponent of D; add lengths, or try --tied",
            "gamma": "the coupled law; take the additive one",
        }.items()
    },
}
