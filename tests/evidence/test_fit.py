"""Fits of laws: published coefficients, an independent minimiser, recovery of known laws, and what is refused or left out."""

import itertools
import math
import re
from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import brentq, minimize

from optimizer import DataError, InputError, fit, load, solve
from optimizer.assumptions.posterior import posterior_named
from optimizer.assumptions.published_laws import published
from optimizer.evidence.fitted import Fit
from optimizer.evidence.form import CALIBRATION, Form, Work
from optimizer.evidence.runs import example_runs
from tests.counts import cases, some

CHINCHILLA = {"E": 1.8172, "A": 482.01, "B": 2085.43, "alpha": 0.3478, "beta": 0.3658, "gamma": 1.0}
COUPLED = {"E": 1.757, "A": 2305.0, "B": 9957.0, "alpha": 0.4244, "beta": 0.4305, "gamma": 0.774}
RPJ = {"E": 1.619, "A": 2.47e5, "B": 1.47e6, "alpha": 0.6111, "beta": 0.5983, "gamma": 0.395}


def loss_of(law: dict[str, float], n, d):
    return law["E"] + (law["A"] * n ** -law["alpha"] + law["B"] * d ** -law["beta"]) ** law["gamma"]


def sweep(law: dict[str, float], runs: int, noise: float, seed: int) -> pd.DataFrame:
    """A sweep of a known law: 6 to 12 sizes, 5 to 500 tokens per parameter, log-normal noise."""
    rng = np.random.default_rng(seed)
    sizes = np.geomspace(5e7, 8e9, rng.integers(6, 13))
    n = rng.choice(sizes, runs)
    d = n * np.exp(rng.uniform(math.log(5), math.log(500), runs))
    return pd.DataFrame(
        {"n_params": n, "train_tokens": d, "loss": loss_of(law, n, d) * np.exp(noise * rng.normal(size=runs))}
    )


@pytest.fixture(scope="module")
def sardana() -> Fit:
    return fit(example_runs()["sardana"], bootstrap=256)


@pytest.fixture(scope="module")
def rpj() -> Fit:
    return fit_of("gadre-rpj")


def test_sardanas_47_runs(sardana):
    # Coefficients of the exact minimum of the published objective; data/laws.csv has the two printed digits.
    found = sardana.forms["additive"].coefficients
    assert found["alpha"] == pytest.approx(0.1788, abs=0.0005)
    assert found["beta"] == pytest.approx(0.2316, abs=0.001)
    assert found["E"] == pytest.approx(1.463, abs=0.003)
    assert sardana.forms["additive"].objective * 1e-3 == pytest.approx(0.00062, abs=5e-6)
    coupled = sardana.forms["coupled"].coefficients
    assert [coupled[name] for name in ("E", "alpha", "beta", "gamma")] == pytest.approx(
        [1.241, 1.142, 0.859, 0.171], abs=0.005
    )


def test_gadres_runs_on_redpajama(rpj):
    coupled, additive = (rpj.forms[form].coefficients for form in ("coupled", "additive"))
    assert coupled["gamma"] == pytest.approx(0.395, abs=0.005)
    assert [coupled[name] for name in ("E", "alpha", "beta")] == pytest.approx([1.619, 0.6111, 0.5983], abs=0.005)
    assert [additive[name] for name in ("alpha", "beta")] == pytest.approx([0.2431, 0.2730], abs=0.0005)


def test_the_whole_coupled_law_falls_below_the_additive_one(sardana, rpj):
    for found in (sardana, rpj):
        assert found.forms["coupled"].objective < found.forms["additive"].objective


SETS = [
    ("sardana", {}), *(("gadre", {"train_set": name}) for name in ("c4_original", "rpj", "rw_original")), ("gemstones", {}),
]  # fmt: skip


NAMED = dict(zip(("sardana-runs", "gadre-c4", "gadre-rpj", "gadre-rw", "gemstones"), SETS, strict=True))
"""The sets by their name in data/laws.csv."""


@cache
def fit_of(law: str) -> Fit:
    name, where = NAMED[law]
    return fit(example_runs()[name], where=where, bootstrap=0)


@pytest.mark.parametrize("law", some(NAMED, [0, 1]))
def test_the_fitted_laws_in_the_data_are_what_fit_makes_of_the_runs(law):
    for form, fitted in fit_of(law).forms.items():
        kept = published(f"{law}-{form}")
        assert {c: kept[c] for c in fitted.coefficients if c in kept} == pytest.approx(
            {c: v for c, v in fitted.coefficients.items() if c in kept}, rel=1e-3
        )
        assert {"E", "A", "B", "alpha", "beta"} <= kept.keys()
        assert posterior_named(f"{law}-{form}") is not None


@pytest.mark.parametrize("law", some(NAMED, [0, 1]))
def test_the_additive_form_promises_too_low_a_loss_for_long_runs(law):
    held = fit_of(law).held_out
    assert held.tokens_per_param == 100
    bias = held.frame.set_index("form")["bias"]
    assert bias["additive"] < 0 < bias["coupled"]


def objective(theta: np.ndarray, n, d, y, gamma: float | None) -> float:
    """Hoffmann's objective, written from the paper and not from this package."""
    a, b, e, alpha, beta = theta[:5]
    power = gamma if gamma is not None else math.exp(theta[5])
    r = np.logaddexp(e, power * np.logaddexp(a - alpha * n, b - beta * d)) - y
    size = np.abs(r)
    return float(np.where(size <= 1e-3, r * r / 2, 1e-3 * (size - 5e-4)).sum())


@pytest.mark.parametrize("form", ["additive", "coupled"])
def test_no_other_minimiser_finds_less(sardana, form):
    frame, law = sardana.runs.frame, sardana.forms[form]
    n, d, y = (np.log(frame[c].to_numpy()) for c in ("n_params", "train_tokens", "loss"))
    gamma = 1.0 if form == "additive" else None
    c = law.coefficients
    at = [
        math.log(c["A"]),
        math.log(c["B"]),
        math.log(c["E"]),
        c["alpha"],
        c["beta"],
        *([] if gamma else [math.log(c["gamma"])]),
    ]
    mine = objective(np.array(at), n, d, y, gamma)
    assert mine == pytest.approx(1e-3 * law.objective, rel=1e-9)
    rng = np.random.default_rng(0)
    for _ in range(cases(6, 40)):
        start = np.array(at) * rng.uniform(0.8, 1.2, len(at))
        other = minimize(
            objective, start, (n, d, y, gamma), method="Nelder-Mead", options={"maxiter": 4000, "fatol": 1e-12}
        )
        assert other.fun >= mine * (1 - 1e-9)


def test_a_bootstrap_is_a_fit_to_the_runs_drawn(sardana):
    # The same draws of runs, by another minimiser: none stops early. Their distance from the fit is the calibrated one.
    form, draws = Form(sardana.runs, "additive", False, {}), sardana.forms["additive"].draws
    count = form.count
    drawn = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), 256).astype(float)
    work = Work(None, 1)
    theta, _ = form.best(work)
    found = form.least(np.tile(theta, (256, 1)), drawn, work)
    assert draws["alpha"].to_numpy() == pytest.approx(theta[3] + CALIBRATION * (found.theta[:, 3] - theta[3]), rel=1e-9)
    for i in range(cases(5, 40)):
        part = sardana.runs.frame.loc[np.repeat(np.arange(count), drawn[i].astype(int))]
        n, d, y = (np.log(part[c].to_numpy()) for c in ("n_params", "train_tokens", "loss"))
        c = {name: float(v[0]) for name, v in form.coefficients(found.theta[i : i + 1]).items()}
        at = np.array([math.log(c["A"]), math.log(c["B"]), math.log(max(c["E"], 1e-12)), c["alpha"], c["beta"]])
        mine = objective(at, n, d, y, 1.0)
        assert mine == pytest.approx(1e-3 * found.value[i], rel=1e-6)
        other = minimize(objective, at, (n, d, y, 1.0), method="Nelder-Mead", options={"maxiter": 2000, "fatol": 1e-13})
        assert other.fun >= mine * (1 - 1e-6)


def test_exact_data_gives_the_law_back():
    for law in some((CHINCHILLA, COUPLED, RPJ), [0, 2]):
        found = fit(sweep(law, 60, 0.0, 1), bootstrap=0).forms["coupled"].coefficients
        assert [found[name] for name in ("E", "alpha", "beta", "gamma")] == pytest.approx(
            [law[name] for name in ("E", "alpha", "beta", "gamma")], rel=1e-4
        )


def test_tied_and_fixed_exponents():
    runs = sweep(CHINCHILLA, 60, 0.003, 2)
    tied = fit(runs, bootstrap=64, tied=True)
    for law in tied.forms.values():
        assert law.coefficients["alpha"] == law.coefficients["beta"]
        assert (law.draws["alpha"] == law.draws["beta"]).all()
    fixed = fit(runs, bootstrap=64, fixed={"alpha": 0.34, "gamma": "0.5", "E": 1.8})
    assert fixed.forms["coupled"].coefficients["gamma"] == pytest.approx(0.5, rel=1e-12)
    for law in fixed.forms.values():
        assert (law.coefficients["alpha"], law.coefficients["E"]) == (0.34, 1.8)
        assert (law.draws["alpha"] == 0.34).all()
    both = fit(runs, "additive", bootstrap=0, tied=True, fixed={"beta": 0.35}).forms["additive"].coefficients
    assert both["alpha"] == both["beta"] == 0.35
    free = fit(runs, "additive", bootstrap=0).forms["additive"]
    assert free.objective <= min(law.forms["additive"].objective for law in (tied, fixed))


def test_isoflop_profiles_of_a_known_law():
    # For an additive law D* ~ C^(alpha / (alpha + beta)); a parabola over a factor of nine in N is a little off it.
    alpha, beta = CHINCHILLA["alpha"], CHINCHILLA["beta"]
    g = (alpha * CHINCHILLA["A"] / (beta * CHINCHILLA["B"])) ** (1 / (alpha + beta))
    rows = []
    for c in np.geomspace(1e18, 1e21, 6):
        best = g * (c / 6) ** (beta / (alpha + beta))
        for n in best * np.geomspace(1 / 3, 3, 9):
            rows.append((n, c / (6 * n), loss_of(CHINCHILLA, n, c / (6 * n))))
    found = fit(pd.DataFrame(rows, columns=["n_params", "train_tokens", "loss"]), "additive", bootstrap=0).profiles
    assert len(found.frame) == 6
    assert found.tokens_exponent == pytest.approx(alpha / (alpha + beta), abs=0.002)
    n, d = found.design(1e20)
    assert 6 * n * d == pytest.approx(1e20)
    assert n == pytest.approx(g * (1e20 / 6) ** (beta / (alpha + beta)), rel=0.03)


def test_a_sweep_without_budgets_has_no_profiles(sardana, rpj):
    assert sardana.profiles is None
    assert rpj.profiles is None


def test_a_diverged_run_and_a_loss_in_bits_are_left_out():
    runs = sweep(CHINCHILLA, 60, 0.002, 3)
    clean = fit(runs, "additive", bootstrap=0)
    bad = runs.copy()
    bad.loc[7, "loss"] *= 1.6
    bad.loc[20, "loss"] /= math.log(2)
    bad.loc[33, "loss"] *= 0.7
    found = fit(bad, "additive", bootstrap=0)
    reasons = found.runs.excluded.set_index("row")["reason"]
    assert [*reasons.index] == [8, 21, 34]
    assert re.search(r"is 1\.[56]\d* times what the other runs lead to expect", reasons[8])
    assert "the run diverged" in reasons[8]
    assert "1 / ln 2: this loss looks like bits per token" in reasons[21]
    assert "measured on the training data" in reasons[34]
    assert found.forms["additive"].coefficients["alpha"] == pytest.approx(
        clean.forms["additive"].coefficients["alpha"], abs=0.01
    )


def test_no_published_run_is_left_out(sardana, rpj):
    assert sardana.runs.excluded.empty
    assert rpj.runs.excluded.empty


LINES = {
    "C = 6 N D = 1e20 FLOP": lambda t: (1e9 * t, 1e20 / 6 / (1e9 * t)),
    "20 tokens per parameter": lambda t: (1e9 * t, 2e10 * t),
    "N = 1B": lambda t: (1e9, 2e10 * t),
    "D = 20B": lambda t: (1e9 * t, 2e10),
}


@pytest.mark.parametrize("line", LINES)
def test_runs_along_one_line_are_refused(line):
    designs = [LINES[line](t) for t in np.geomspace(0.1, 10, 12)]
    frame = pd.DataFrame([(n, d, loss_of(CHINCHILLA, n, d)) for n, d in designs], columns=["N", "D", "loss"])
    with pytest.raises(DataError, match="has runs along one line only, that of") as caught:
        fit(frame)
    assert line in str(caught.value)


def test_too_few_runs_are_refused_with_the_ways_out():
    frame = sweep(CHINCHILLA, 7, 0.0, 4)
    with pytest.raises(DataError) as caught:
        fit(frame)
    assert "has 7 usable runs; the coupled law has 6 coefficients and needs 8 or more" in str(caught.value)
    assert "--form additive needs 7" in str(caught.value)
    assert "--tied" in str(caught.value)
    assert set(fit(frame, "additive", bootstrap=0).forms) == {"additive"}
    assert len(fit(frame.head(6), "additive", bootstrap=0, tied=True).runs.frame) == 6
    frame.loc[0, "loss"] = -1
    with pytest.raises(DataError, match="Rows left out: 1, the first is row 1: column loss must be above 0"):
        fit(frame, "additive")


def test_without_long_runs_nothing_is_held_back_and_the_reason_says_so():
    found = fit(sweep(CHINCHILLA, 8, 0.0, 5), bootstrap=0)
    assert found.held_out is None
    assert found.recommended == "additive"
    assert "is not tested" in found.reason


def test_a_coefficient_on_its_bound_is_reported():
    below = fit(
        sweep(dict(CHINCHILLA, E=-0.3, A=20.0, alpha=0.1, B=30.0, beta=0.12), 60, 0.0, 6), "additive", bootstrap=0
    )
    assert below.forms["additive"].coefficients["E"] == 0
    assert any("E lies on its bound" in note for note in below.notes)
    steep = fit(sweep(dict(CHINCHILLA, A=1e20, alpha=2.3), 60, 0.0, 7), "additive", bootstrap=0)
    assert steep.forms["additive"].coefficients["alpha"] == 2
    assert any("alpha lies on its bound of 0.001 to 2" in note for note in steep.notes)


OPTIONS = [
    ({"forms": "adaptive"}, "form 'adaptive' is unknown, did you mean 'additive'?"),
    ({"forms": []}, "forms is empty; give at least one of additive, coupled."),
    ({"bootstrap": -3}, "bootstrap must be 0, or 2 fits or more, got -3"),
    (
        {"fixed": {"A": 400}},
        "fixed names 'A', which is none of the coefficients that can be fixed: E, alpha, beta, gamma.",
    ),
    ({"fixed": {"alpha": "much"}}, "fixed alpha must be a number, got 'much'"),
    ({"fixed": {"alpha": 3}}, "fixed alpha must be between 0.001 and 2, got 3."),
]


@pytest.mark.parametrize(("options", "sentence"), OPTIONS)
def test_options_that_cannot_be_used_are_refused(options, sentence):
    with pytest.raises(InputError) as caught:
        fit(example_runs()["sardana"], **options)
    assert sentence in str(caught.value)


def test_something_else_than_a_table_is_refused():
    with pytest.raises(TypeError, match="runs must be a DataFrame of runs or the path of a CSV file"):
        fit(7)


def test_progress_begins_at_0_and_ends_at_the_total():
    seen = []
    fit(example_runs()["sardana"], "additive", bootstrap=130, progress=lambda done, total: seen.append((done, total)))
    assert seen[0][0] == 0
    assert seen[-1][0] == seen[-1][1]
    assert all(a[0] <= b[0] for a, b in itertools.pairwise(seen))


def test_frames_of_a_fit(sardana):
    frame = sardana.to_frame()
    assert len(frame) == 5 + 6
    assert (frame["low"] < frame["high"]).all()
    left = sardana.residuals()
    assert len(left) == 2 * 47
    assert left["predicted"].to_numpy() * (1 + left["residual"].to_numpy()) == pytest.approx(left["loss"].to_numpy())
    lines = sardana.isoloss("coupled")
    drawn = lines[lines["kind"] == "line"]
    c = sardana.forms["coupled"].coefficients
    assert loss_of(c, drawn["n_params"], drawn["train_tokens"]).to_numpy() == pytest.approx(drawn["loss"].to_numpy())
    assert (lines["kind"] == "run").sum() == 47


def test_a_fit_stands_wherever_a_law_does(sardana):
    best = solve(load("lecture-2026").update({"law": sardana.law()}))
    assert best.scenario.law.kind == sardana.recommended == "coupled"
    assert best.scenario.law.title == "sardana"


def tokens_pinned(law: dict[str, float]) -> float:
    """D*/20N of 100B parameters at the lecture's inputs: eN / eD = 1 + 2 T / D."""
    n, served = 1e11, 2e14

    def condition(ln_d: float) -> float:
        d = math.exp(ln_d)
        slopes = law["alpha"] * law["A"] * n ** -law["alpha"] / (law["beta"] * law["B"] * d ** -law["beta"])
        return math.log(slopes) - math.log1p(2 * served / d)

    return math.exp(brentq(condition, 5, 70)) / 20 / n


POINTS = ((1e9, 2e10), (8e9, 8e11), (7e10, 1.5e13))


def test_intervals_hold_what_is_identified():
    """Pooled over data sets of known laws: the middle 80 % of the bootstraps hold the truth in about 80 %.

    With 800 answers the pooled share has a standard deviation of 1.4 %, were they independent; four quantities of one data set are correlated, so about 2.5 %.
    """
    hits = []
    rng = np.random.default_rng(8)
    for i in range(cases(4, 200)):
        law = (CHINCHILLA, COUPLED, RPJ, dict(CHINCHILLA, E=1.62, A=122.6, B=242.6, alpha=0.2526, beta=0.2622))[i % 4]
        form = "additive" if law["gamma"] == 1 else "coupled"
        runs = int(rng.integers(40, 65)) if i % 2 else 128
        noise = math.exp(rng.uniform(math.log(0.002), math.log(0.02)))
        found = fit(sweep(law, runs, noise, 1000 + i), form, bootstrap=256).forms[form]
        answers = [(found.loss_draws(n, d), loss_of(law, n, d)) for n, d in POINTS]
        drawn = [{"gamma": 1.0, **row} for row in found.draws.to_dict("records")]
        answers.append((np.array([tokens_pinned(c) for c in drawn]), tokens_pinned(law)))
        hits += [np.quantile(values, 0.1) <= truth <= np.quantile(values, 0.9) for values, truth in answers]
    assert np.mean(hits) == pytest.approx(0.8, abs=0.06 if len(hits) > 400 else 0.25)
