"""The optimum under every credible scaling law, and the law's error as an interval of each answer."""

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from ..assumptions.arguments import MAPPING, NUMBER, PROGRESS, WHOLE, as_numbers, checks
from ..assumptions.goal import LossGoal
from ..assumptions.law_file import is_law_file
from ..assumptions.problems import InputError, near_miss
from ..assumptions.published_laws import law_in_words, law_names
from ..assumptions.scenario import SCENARIO, Scenario
from ..assumptions.tables import rows
from ..model.outputs import NARROW, units_of
from ..model.quality import target_reducible_loss
from ..optimum.across import AcrossLaws
from ..optimum.batch import solve_columns
from ..optimum.solution import Solution, Status
from ..optimum.solve import solve
from .blocks import Progress, reported
from .experts import under_expert_laws

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "COEFFICIENTS",
    "LAWS",
    "drawn_laws",
    "ensemble",
    "expert_laws",
    "geometric_mean",
    "in_band",
    "laws",
    "laws_frame",
    "optima",
    "under_any_law",
    "under_law",
    "with_laws",
]

COLUMNS = (*NARROW, *(f"band_overtraining_vs_rule_of_20_{end}" for end in ("low", "high")))
_NO_MEAN = ("loss", "savings")
"""Losses of two laws are on two texts, and savings may be negative: neither has a geometric mean."""


def under_law(scenario: Scenario, law: str) -> Scenario:
    """The same question under another law; repeated data stays as it is."""
    kept = scenario.law.kept
    return scenario.update({"law": {"name": law, "kind": scenario.law.kind, **kept} if kept else law})


@checks(scenario=SCENARIO, weights=MAPPING, band=NUMBER, progress=PROGRESS)
def ensemble(
    scenario: Scenario,
    weights: Mapping[str, float | str] | None = None,
    *,
    band: float = 0.05,
    progress: Progress | None = None,
) -> "pd.DataFrame":
    """The optimum under every credible law, with the spread between them.

    Args:
        scenario: the question; its own law is replaced.
        weights: law, or file of a law -> weight in the mean; only the laws it names are asked. Left out: every credible law of dense
            training, alike. Two readings of one fit may count as one: {"besiroglu": 1, "hoffmann": 0.5, "de-vries": 0.5, "muennighoff": 1}.
        band: tolerance of the near-optimal band.
        progress: called with (laws done, laws in all).

    Returns:
        One row a law, index `law`, columns kind ("law"), weight (share of all), status, the optimum and its band; then rows of kind
        "summary": weighted geometric mean, lowest, highest, and highest / lowest. A law without an answer has its status and NaN and no
        part in the summary. `attrs["units"]` gives the units.

    Raises:
        InputError: a law is unknown, or weights are negative or all 0.

    A loss goal in nat/token means another quality under each law, as the laws were fitted on different text; "as good as" does not. The
    spread between laws shows more of the law's error than the posterior of one fit.

    >>> from optimizer.assumptions.library import load
    >>> frame = ensemble(load("lecture-2026"))
    >>> [f"{ratio:.0f}" for ratio in frame["overtraining_vs_rule_of_20"]]
    ['52', '120', '118', '57', '81', '52', '120', '2']

    """
    import pandas as pd

    given = dict.fromkeys(law_names("ensemble"), 1.0)
    if weights is not None:
        heavy = as_numbers([*weights.values()], "weights", "1")
        given = dict(zip(weights, heavy, strict=True))
    problems = [
        f"law {law!r} is unknown{near_miss(law, law_names())} A file of a law ends in .toml."
        for law in given
        if law not in law_names() and not is_law_file(law)
    ]
    if not given or any(not w >= 0 for w in given.values()) or not sum(given.values()) > 0:
        problems.append(f"weights must be 0 or more and not all 0, got {given}.")
    if problems:
        raise InputError(problems)
    asked = [under_law(scenario, law) for law in given]
    titles = [s.law.title if is_law_file(law) else law for law, s in zip(given, asked, strict=True)]
    frame = optima(dict(zip(titles, asked, strict=True)), band=band, progress=progress)
    total = sum(given.values())
    frame.insert(1, "weight", [weight / total for weight in given.values()])
    units = frame.attrs["units"] | units_of(["weight"], "")
    solved = [r for r in frame.to_dict("records") if r["status"] == Status.OPTIMAL.name.lower()]
    if solved:
        rows = _summary(solved)
        frame = pd.concat([frame, pd.DataFrame.from_records(rows, index="law")])
    frame.attrs["units"] = units
    return frame


def optima(
    scenarios: Mapping[str, Scenario], *, band: float = 0.05, progress: Progress | None = None
) -> "pd.DataFrame":
    """The optimum of each scenario and its band, one row each, as in `ensemble` but without weights and summary; index `law`."""
    asked = reported([*scenarios.items()], progress)
    return laws_frame({law: solve(scenario, band=band, throw=False) for law, scenario in asked})


def laws_frame(found: Mapping[str, Solution]) -> "pd.DataFrame":
    """Answers of one question by law as a table, with the columns of `optima`."""
    import pandas as pd

    records, currency = [], ""
    for law, best in found.items():
        numbers, currency = best.numbers(), best.scenario.money.currency
        head = {"law": law, "kind": "law", "status": best.status.name.lower()}
        records.append({**head, **{c: numbers[c] for c in COLUMNS}, "message": best.message})
    frame = pd.DataFrame.from_records(records, index="law")
    frame.attrs["units"] = units_of(COLUMNS, currency)
    return frame


def expert_laws(best: Solution, progress: Progress | None = None) -> dict[str, Solution]:
    """The answer to a question under every law of experts, by name, its own law's first; {} for a law of dense models.

    Args:
        best: the answer under its own law.
        progress: called with (laws done, laws in all).

    >>> from optimizer.assumptions.library import load
    >>> s = load("frontier-moe-chat", {"goal": {"kind": "budget", "budget": 1e9}})
    >>> {law: found.status.name for law, found in expert_laws(solve(s)).items()}
    {'ludziejewski': 'OPTIMAL', 'abnar': 'OPTIMAL', 'krajewski': 'OPTIMAL'}

    """
    asked, band = under_expert_laws(best.asked), best.band.tolerance
    own = next(iter(asked), "")
    return {
        law: best if law == own else solve(scenario, band=band, throw=False)
        for law, scenario in reported([*asked.items()], progress)
    }


def in_band(frame: "pd.DataFrame", over_rule_of_20: float) -> "pd.Series":
    """Whether the near-optimal band of each row holds an over-training ratio D/(20 N); false for rows without a band.

    >>> from optimizer.assumptions.library import load
    >>> frame = ensemble(load("lecture-2026"))
    >>> in_band(frame[frame["kind"] == "law"], 100.0).to_dict()
    {'besiroglu': True, 'hoffmann': True, 'de-vries': True, 'muennighoff': True}

    """
    import pandas as pd

    low, high = (frame[f"band_overtraining_vs_rule_of_20_{end}"].to_numpy(float) for end in ("low", "high"))
    return pd.Series((low <= over_rule_of_20) & (high >= over_rule_of_20), frame.index)


def _summary(solved: list[dict[str, object]]) -> list[dict[str, object]]:
    values = {c: np.array([r[c] for r in solved], float) for c in COLUMNS}
    weights = np.array([r["weight"] for r in solved], float)
    head = {"kind": "summary", "weight": math.nan, "status": "", "message": ""}
    means = {c: geometric_mean(v, weights) if c not in _NO_MEAN else math.nan for c, v in values.items()}
    lowest, highest = ({c: float(end(v)) for c, v in values.items()} for end in (np.min, np.max))
    ratio = {c: highest[c] / lowest[c] if c not in _NO_MEAN and lowest[c] > 0 else math.nan for c in COLUMNS}
    named = {"geometric mean": means, "lowest": lowest, "highest": highest, "highest / lowest": ratio}
    return [{"law": name, **head, **row} for name, row in named.items()]


def geometric_mean(values: np.ndarray, weights: np.ndarray) -> float:
    """Weighted geometric mean of positive numbers; 0 where one of them is 0, NaN where none has weight.

    >>> round(geometric_mean(np.array([2.0, 8.0]), np.array([1.0, 1.0])), 12)
    4.0

    """
    if not weights.sum() > 0:
        return math.nan
    if (values[weights > 0] <= 0).any():
        return 0.0
    used = weights > 0
    return float(np.exp(weights[used] @ np.log(values[used]) / weights[used].sum()))


SHARE = 0.8
LAWS = 200
"""Laws that a mixture takes: its interval moves by a few per cent with other draws."""
COEFFICIENTS = ("E", "A", "B", "alpha", "beta", "gamma")
ACROSS = ("n_params", "train_tokens", "overtraining_vs_rule_of_20", "overtraining_vs_law", "cost_total")
"""Outputs that have an interval across laws."""


@cache
def drawn_laws(count: int = LAWS) -> dict[str, np.ndarray]:
    """A sample of laws over data sets, forms and posteriors, by weight: `law` (names) and law.E, A, B, alpha, beta, gamma (1: additive).

    The weights of data/law_weights.csv say how many of the draws of each fit in data/law_draws.csv are taken, from the first on; the rest
    goes to the largest remainders. The draws hold the error within a sweep and between sweeps (`optimizer.evidence.between`).
    """
    weights = {r["law"]: float(r["weight"]) for r in rows("law_weights") if float(r["weight"])}
    total = sum(weights.values())
    exact = {law: count * weight / total for law, weight in weights.items()}
    taken = {law: int(share) for law, share in exact.items()}
    by_rest = sorted(exact, key=lambda law: taken[law] - exact[law])
    for law in by_rest[: count - sum(taken.values())]:
        taken[law] += 1
    names, values = [], []
    for r in rows("law_draws"):
        if taken.get(r["law"], 0) > 0:
            taken[r["law"]] -= 1
            names.append(r["law"])
            values.append([float(r[name]) for name in COEFFICIENTS])
    columns = np.array(values).T
    return {
        "law": np.array(names),
        **{f"law.{name}": column for name, column in zip(COEFFICIENTS, columns, strict=True)},
    }


@checks(scenario=SCENARIO, count=WHOLE)
def laws(scenario: Scenario, count: int = LAWS) -> "pd.DataFrame":
    """The same question under a sample of laws that carries the law's whole error: data set, form, posterior, and between sweeps.

    Args:
        scenario: the question; its own law is replaced. A goal in nat/token becomes the compute-optimal model of that loss under its own
            law, since the losses of two texts differ; repeated data keeps U, R_D and R_N. A mixture of experts is asked under the laws
            of experts, which have no posterior: three rows.
        count: laws, up to a few hundred.

    Returns:
        One row a law: `law`, the fit it is a draw of, then N*, D*, D/20N, D/D0 and cost; NaN where it has no answer.
        `attrs["units"]` gives the units, `attrs["across"]` the `AcrossLaws` that answers show.

    Raises:
        InfeasibleError: the scenario itself has no answer.

    >>> from optimizer.assumptions.library import load
    >>> found = laws(load("lecture-2026")).attrs["across"]
    >>> low, high = found.intervals["overtraining_vs_rule_of_20"]
    >>> bool(20 < low < 50 < high < 150)
    True

    """
    import pandas as pd

    best = solve(scenario)
    across, numbers = _across(best, count)
    named = drawn_laws(count)["law"] if scenario.law.shape is None else [*under_expert_laws(scenario)]
    frame = pd.DataFrame({"law": named, **numbers})
    frame.attrs = {"units": units_of(numbers, scenario.money.currency), "across": across}
    return frame


def with_laws(best: Solution, experts: Mapping[str, Solution] | None = None) -> Solution:
    """The answer with its interval across laws; as it is where there is no answer.

    Args:
        best: what `solve` returns.
        experts: its `expert_laws`, where they are known already.

    """
    if best.status is not Status.OPTIMAL:
        return best
    return replace(best, across_laws=_across(best, LAWS, experts)[0])


def _across(
    best: Solution, count: int, experts: Mapping[str, Solution] | None = None
) -> tuple[AcrossLaws, dict[str, np.ndarray]]:
    if best.scenario.law.shape is not None:
        return _across_experts(experts or expert_laws(best))
    question = under_any_law(best.asked, best)
    drawn = drawn_laws(count)
    found = solve_columns(question, {path: values for path, values in drawn.items() if path != "law"})
    numbers = {name: found[name] for name in ACROSS}
    good = np.isfinite(numbers["n_params"])
    groups = len({r["group"] for r in rows("law_weights") if float(r["weight"])})
    about = f"{count} draws over {groups} data sets, two forms, and between sweeps"
    if not good.any():
        return AcrossLaws(SHARE, {}, count, 0, "no law of the sample has an answer"), numbers
    ends = [(1 - SHARE) / 2, (1 + SHARE) / 2]
    intervals = {
        name: (float(low), float(high))
        for name, values in numbers.items()
        for low, high in [np.quantile(values[good], ends)]
    }
    return AcrossLaws(SHARE, intervals, count, int(good.sum()), about), numbers


def _across_experts(found: Mapping[str, Solution]) -> tuple[AcrossLaws, dict[str, np.ndarray]]:
    """The whole range over the laws of experts, which have no posterior."""
    every, names = [best.numbers() for best in found.values()], [*found]
    numbers = {name: np.array([values[name] for values in every]) for name in ACROSS}
    good = np.isfinite(numbers["n_params"])
    authors = [law_in_words(name).partition(" et al.")[0] for name in names]  # without the year it is a line of a page
    intervals = {name: (float(v[good].min()), float(v[good].max())) for name, v in numbers.items() if good.any()}
    return AcrossLaws(
        1.0,
        intervals,
        len(names),
        int(good.sum()),
        f"{len(names)} laws of experts: {', '.join(authors)}",
    ), numbers


def under_any_law(
    scenario: Scenario, best: Solution | None = None, coefficients: Mapping[str, float] | None = None
) -> Scenario:
    """The question in a form that every law of dense training fits: all coefficients written out, and a goal that means the same.

    Args:
        scenario: with a law of dense training; repeated data keeps U, R_D and R_N.
        best: its answer, which a decided R needs; found where it is left out.
        coefficients: E, A, B, alpha, beta and gamma to begin with; those of the first drawn law when left out.

    A loss goal in nat/token becomes "as good as the compute-optimal model of that loss" under the scenario's own law, since the losses of
    two texts differ; a target that no training reaches stays.

    """
    law, goal = scenario.law, scenario.goal
    first = coefficients or {name: float(drawn_laws()[f"law.{name}"][0]) for name in COEFFICIENTS}
    changes: dict[str, object] = {"law": {"kind": "repetition" if law.repeats else "coupled", **law.kept, **first}}
    if (
        isinstance(goal, LossGoal)
        and goal.loss is not None
        and (reducible := float(target_reducible_loss(scenario))) > 0
    ):
        rl: dict[str, float] = {}
        if scenario.rl.decided:
            n, d, r = (float(v) for v in (best or solve(scenario)).baseline.design)
            rl = {"like_rl_tokens": r}
        else:
            n, d = (float(np.exp(v)) for v in law.ln_train_optimal(np.log(reducible)))
        changes["goal"] = {"kind": "loss", "like_params": n, "like_tokens": d, **rl}
    return scenario.update(changes)
