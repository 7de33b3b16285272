"""Monte Carlo: the distribution of the optimum over what is not known.

Three parts, drawn independently of each other:

    law       one law a draw, from a sample of laws or from the posterior of one fit
    traffic   level exp(s z) times the forecast, growth (1 + g) exp(s_g z'), z and z' standard normal
    prices    efficiencies over their declared factors, which set the price of a token; list prices are facts

The forecast is the median of the traffic; its mean is exp(s^2 / 2) times as much. `draws` finds the optimum of each draw, `quantiles` and
`probability_above` read them.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr, ndtri

from ..assumptions.arguments import (
    MAPPING,
    NUMBER,
    PROGRESS,
    SEED,
    TEXT,
    WHOLE,
    Names,
    Numbers,
    as_names,
    as_numbers,
    checks,
    frame_of,
    names,
    needs_columns,
    numbers,
)
from ..assumptions.bounds import within
from ..assumptions.problems import InputError
from ..assumptions.scenario import SCENARIO, Scenario
from ..assumptions.traffic import GrowthTraffic
from ..model.outputs import SENSITIVE, units_of
from ..optimum.reach import Extrapolation
from ..optimum.solve import solve
from .blocks import Progress, checked_outputs, solve_rows
from .law_input import ACROSS, LAW, law_input
from .ranges import Over, lifetime_tokens, ranges, total_traffic, traffic_of
from .tornado import band_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LEVELS", "PARTS", "draws", "monte_carlo", "probability_above", "quantiles"]

PARTS = ("law", "traffic", "prices")

LEVELS = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)

NORMAL_90 = 1.2815515655446004
"""Standard normal quantile of 90 %: 80 % of draws lie within it on either side."""

_UNCERTAIN = ("efficiency", "mfu", "load_factor", "engine_speed")
_WIDTH = 5
"""Numbers that the law takes of each draw where it has no posterior, so that other parts are drawn alike."""


_GIVEN = {
    "scenario": SCENARIO,
    "n": WHOLE,
    "seed": SEED,
    "parts": names("law"),
    "law": LAW,
    "traffic_factor": NUMBER,
    "growth_points": NUMBER,
    "over": MAPPING,
    "served": numbers("200T", "tokens"),
    "progress": PROGRESS,
}
_READ = {"outputs": names("n_params"), "levels": numbers("0.5", "1")}


@checks(**_GIVEN)
def draws(
    scenario: Scenario,
    n: int = 10_000,
    seed: int = 0,
    *,
    parts: Names = PARTS,
    law: Names | None = ACROSS,
    traffic_factor: float = 2.0,
    growth_points: float = 0.02,
    over: Over | None = None,
    served: Numbers | None = None,
    progress: Progress | None = None,
) -> "pd.DataFrame":
    """The optimum of each of `n` draws of what is not known.

    Args:
        scenario: the question; its numbers are the centre.
        n: draws.
        seed: of the draws.
        parts: which parts are drawn: "law", "traffic", "prices".
        law: what the law is drawn from: "across" (the sample over data sets and forms), "posterior" (the scenario's own fit), names or
            files of laws, or None, which holds it.
        traffic_factor: 80 % of draws have traffic within this factor of the forecast.
        growth_points: where traffic grows or shrinks, 80 % of draws have growth within this much of the forecast (0.02 is two points a
            month).
        over: ranges by dotted path that replace or add to the declared ones of efficiencies (utilisation, efficiencies, load, and under
            the roofline the engine's speed: log-normal, 80 % within the measured error of the deployment's class); None leaves a path or
            a block alone. A range of traffic replaces its log-normal distribution. Coefficients of a law that is drawn
            are named all together or not at all.
        served: lifetime tokens, input and output; the same draws are answered at each of them, and traffic is not drawn.
        progress: called with (optima found, optima in all) as the work goes on.

    Returns:
        One row a draw (and value of `served`): `draw`, `served_tokens` if given, what was drawn, then the columns of `solve_batch`. Rows
        without an answer keep their status, a sentence and NaN. `attrs["notes"]` says what was decided, `attrs["units"]` gives units.

    Raises:
        InputError: a part, path or number is invalid; all problems at once.

    With law = "posterior" a law without one keeps its point values, and the law's error beyond the runs it was fitted on is not in it.

    """
    import pandas as pd

    over = dict(over or {})
    _check(n, as_names(parts), traffic_factor, growth_points)
    rng = np.random.default_rng(seed)
    columns: dict[str, np.ndarray] = {}
    notes: list[str] = []
    named = [path for path, span in over.items() if span is not None]

    laws, note = law_input(scenario, law if "law" in parts else None, {k: v for k, v in over.items() if v is None})
    normal = rng.standard_normal((n, laws.width if laws else _WIDTH))
    if "law" in parts:
        notes.append(note)
    if laws is not None:
        _check_coefficients(named, laws.paths)
        columns |= laws.columns(ndtr(normal))
    question, tokens = laws.question if laws else scenario, None

    level, growth = rng.standard_normal(n), rng.standard_normal(n)
    if served is not None:
        question = total_traffic(question)
        tokens = np.array(as_numbers(served, "served", "tokens"))
        traffic_of(scenario, tokens)
    elif "traffic" in parts and not any(path.startswith("traffic.") for path in named):
        question, moved = _traffic(question, level, growth, traffic_factor, growth_points)
        columns |= moved
        notes.append(
            f"Traffic is log-normal around the forecast as its median, 80 % of it within a factor of {traffic_factor:g}"
            + (f", growth within {growth_points:g} a month." if "traffic.growth" in moved else ".")
        )

    for r in ranges(question, over):
        name = r.path.rpartition(".")[2]
        share = rng.random(n)
        if r.path in named or ("prices" in parts and name.endswith(_UNCERTAIN)):
            measured = r.path == "deployment.engine_speed" and r.path not in named
            columns[r.path] = r.value * (r.high / r.value) ** (ndtri(share) / NORMAL_90) if measured else r.at(share)
    others = [path for path in columns if not path.startswith("law.")]
    drawn_too = f"Drawn too: {', '.join(others)}. " if others else ""
    notes.append(f"{drawn_too}Every other number is held at the scenario's own value.")

    frame = pd.DataFrame(columns, index=pd.RangeIndex(n))
    if tokens is not None:
        frame = pd.concat([frame.assign(**traffic_of(scenario, np.full(n, t))) for t in tokens], ignore_index=True)
    answers = solve_rows(question, frame, progress)
    drawn = frame.drop(columns=["traffic.input_tokens", "traffic.output_tokens"]) if tokens is not None else frame
    result = pd.concat([drawn, answers], axis=1)
    result.insert(0, "draw", np.tile(np.arange(n), 1 if tokens is None else len(tokens)))
    units = {path: quantity.unit for path, quantity, _ in question.quantities() if path in columns}
    if tokens is not None:
        result.insert(1, "served_tokens", np.repeat(tokens, n))
        units["served_tokens"] = "tokens"
    failed = int(np.count_nonzero(answers["status"] != "optimal"))
    if failed:
        notes.append(f"{failed} of {len(answers)} draws have no answer; quantiles are those of the others.")
    if failed < len(answers):
        middle = answers[["n_params", "train_tokens", "tokens_per_param"]].median()
        fit = scenario.law
        edges = (fit.fitted_max_params, fit.fitted_max_tokens, fit.fitted_max_tokens_per_param)
        far = (None if edge is None else float(v) / edge for v, edge in zip(middle, edges, strict=True))
        notes.append(f"At the median of the draws: {Extrapolation(*far).sentence}")
    result.attrs = {"units": units | answers.attrs["units"], "notes": tuple(notes), "seed": seed}
    return result


def _check_coefficients(named: Sequence[str], drawn: Sequence[str]) -> None:
    """Refuse some coefficients of a law next to `law`: a coefficient drawn alone, the others with their law, gives a law that fits no data.

    Raises:
        InputError: `over` names some of the coefficients that a draw of the law sets.

    """
    own = sorted(set(drawn).intersection(named))
    if own and len(own) < len(drawn):
        raise InputError(
            [
                f"over names {', '.join(own)}, while the law's other coefficients are drawn together, with which it is correlated. "
                f"Leave 'law' out of parts to hold the others, or name all of {', '.join(sorted(drawn))}."
            ]
        )


def _check(n: int, parts: Sequence[str], traffic_factor: float, growth_points: float) -> None:
    problems = [f"part {part!r} is unknown; parts are {', '.join(PARTS)}." for part in parts if part not in PARTS]
    if n < 1:
        problems.append(f"n must be at least 1 draw, got {n}.")
    if not 1 <= traffic_factor < math.inf:
        problems.append(f"traffic_factor must be 1 or more, got {traffic_factor:g}; 2 is a factor of two either way.")
    if not 0 <= growth_points < 1:
        problems.append(
            f"growth_points must be {within(0, 1, below=True)}, got {growth_points:g}; two points a month are 0.02."
        )
    if problems:
        raise InputError(problems)


def _traffic(
    scenario: Scenario, level: np.ndarray, growth: np.ndarray, factor: float, points: float
) -> tuple[Scenario, dict[str, np.ndarray]]:
    """The question, and columns that make its traffic log-normal."""
    levels = np.exp(math.log(factor) / NORMAL_90 * level)
    if isinstance(scenario.traffic, GrowthTraffic):
        moved = {"traffic.tokens_per_day": scenario.traffic.tokens_per_day * levels}
        if scenario.traffic.growth != 0:
            steady = 1 + scenario.traffic.growth
            moved["traffic.growth"] = steady * np.exp(math.log1p(points / steady) / NORMAL_90 * growth) - 1
        return scenario, moved
    question = total_traffic(scenario)
    stated = lifetime_tokens(scenario)
    if stated == 0:
        return question, {}
    moved = traffic_of(scenario, stated * levels)
    return question, {path: values for path, values in moved.items() if values.any()}


@checks(frame=frame_of("draws", "status"), **_READ)
def quantiles(
    frame: "pd.DataFrame",
    outputs: Names = SENSITIVE,
    levels: Numbers = LEVELS,
) -> "pd.DataFrame":
    """Quantiles of the optimum over draws.

    Args:
        frame: what `draws` returns.
        outputs: numeric columns of it.
        levels: of the quantiles, in [0, 1].

    Returns:
        One row an output and level (and value of `served_tokens`): output, unit, quantile, value, and `answered`, the share of draws that
        have an answer; quantiles are those of the answered draws.

    """
    import pandas as pd

    asked = checked_outputs(outputs)
    needs_columns(frame, asked, "draws")
    shares = as_numbers(levels, "levels", "1")
    if not shares or not all(0 <= level <= 1 for level in shares):
        raise InputError([f"levels must be {within(0, 1)}, got {shares}; the median is 0.5."])
    groups = list(frame.groupby("served_tokens", sort=True)) if "served_tokens" in frame else [(None, frame)]
    units = frame.attrs.get("units", {})
    records = []
    for tokens, group in groups:
        good = group[group["status"] == "optimal"]
        for name in asked:
            values = np.quantile(good[name], shares) if len(good) else np.full(len(shares), np.nan)
            for level, value in zip(shares, values, strict=True):
                key = {} if tokens is None else {"served_tokens": tokens}
                about = {"output": name, "unit": units.get(name, ""), "quantile": level, "value": value}
                records.append({**key, **about, "answered": len(good) / len(group)})
    result = pd.DataFrame.from_records(records)
    result.attrs = {"units": units_of(result, ""), "notes": frame.attrs.get("notes", ())}
    return result


@checks(**_GIVEN, **_READ)
def monte_carlo(
    scenario: Scenario,
    n: int = 10_000,
    seed: int = 0,
    *,
    parts: Names = PARTS,
    law: Names | None = ACROSS,
    traffic_factor: float = 2.0,
    growth_points: float = 0.02,
    over: Over | None = None,
    served: Numbers | None = None,
    outputs: Names = SENSITIVE,
    levels: Numbers = LEVELS,
    progress: Progress | None = None,
) -> "pd.DataFrame":
    """Quantiles of the optimum over what is not known: `quantiles` of `draws`, whose arguments these are.

    Returns:
        As `quantiles`, and `optimum`, `band_low` and `band_high`: the scenario's own optimum and the range of designs of the same loss
        that cost at most 5 % more. Where the quantiles lie inside it, the uncertainty costs less than 5 %. With `served` they are those
        of each traffic.

    >>> from optimizer.assumptions.library import load
    >>> frame = monte_carlo(load("lecture-2026"), 500, parts=["law"], outputs=["overtraining_vs_rule_of_20"], levels=[0.5])
    >>> bool(45 < frame["value"].iloc[0] < 60)
    True

    """
    found = draws(
        scenario,
        n,
        seed,
        parts=parts,
        law=law,
        traffic_factor=traffic_factor,
        growth_points=growth_points,
        over=over,
        served=served,
        progress=progress,
    )
    result = quantiles(found, outputs, levels)
    base = total_traffic(scenario) if served is not None else scenario
    for key, rows in result.groupby("served_tokens") if "served_tokens" in result else [(None, result)]:
        changes = {} if key is None else {p: float(v[0]) for p, v in traffic_of(scenario, np.array([key])).items()}
        best = solve(base.update(changes), throw=False)
        point, band = best.to_frame().iloc[0], band_of(best)
        for output in as_names(outputs):
            low, high = band.get(output, (math.nan, math.nan))
            here = rows.index[(rows["output"] == output).to_numpy()]
            result.loc[here, ["optimum", "band_low", "band_high"]] = [float(point[output]), low, high]
    return result


@checks(frame=frame_of("draws", "status"), value=NUMBER, output=TEXT)
def probability_above(frame: "pd.DataFrame", value: float, output: str = "overtraining_vs_rule_of_20") -> float:
    """The share of the answered draws whose output exceeds `value`.

    Args:
        frame: what `draws` returns.
        value: in the unit of the output (100 for 100x).
        output: a numeric column of the frame.

    >>> from optimizer.assumptions.library import load
    >>> found = draws(load("lecture-2026"), 500, parts=["law"])
    >>> probability_above(found, 0), probability_above(found, 1e9)
    (1.0, 0.0)

    """
    needs_columns(frame, checked_outputs([output]), "draws")
    good = frame.loc[frame["status"] == "optimal", output]
    return float((good > value).mean()) if len(good) else math.nan
