import html
import math

import numpy as np
import pytest

from optimizer import (
    InputError,
    draws,
    elasticities,
    load,
    monte_carlo,
    presets,
    probability_above,
    quantiles,
    solve,
    table,
)
from optimizer.analysis.uncertainty import NORMAL_90


@pytest.fixture(scope="module")
def posterior():
    return draws(load("lecture-2026"), 20_000, parts=["law"], law="posterior")


def test_a_draw_is_what_solve_says(lecture):
    frame = draws(lecture, 40, seed=3, law="posterior")
    paths = [c for c in frame if "." in c]
    assert {"law.A", "law.beta", "traffic.output_tokens", "serving.decode_efficiency", "rl.efficiency"} <= set(paths)
    for row in frame.iloc[:5].to_dict("records"):
        best = solve(lecture.update({path: row[path] for path in paths}))
        assert row["n_params"] == pytest.approx(float(best.design.n_params), rel=1e-9)
        assert row["cost_total"] == pytest.approx(float(best.cost.total), rel=1e-9)


def test_the_posterior_interval_of_the_lecture_is_kept(posterior):
    # Regression values: draws(load("lecture-2026"), 20_000, parts=["law"], law="posterior"), 10 %, 50 % and 90 % of D*/(20 N*).
    found = quantiles(posterior, ["overtraining_vs_rule_of_20"], [0.1, 0.5, 0.9])["value"]
    assert found.tolist() == pytest.approx([39.84, 51.62, 69.31], rel=1e-3)
    assert probability_above(posterior, 100) == pytest.approx(0.004, abs=2e-4)


def test_the_spread_is_that_of_the_elasticities_to_first_order(posterior, lecture):
    frame = table("law_posterior").query("law == 'besiroglu' and statistic == 'covariance'")
    names = ["ln A", "ln B", "ln E", "alpha", "beta"]
    covariance = np.zeros((5, 5))
    for r in frame.to_dict("records"):
        i, j = names.index(r["row"]), names.index(r["column"])
        covariance[i, j] = covariance[j, i] = r["value"]
    slopes = elasticities(lecture).loc[["law.A", "law.B", "law.E", "law.alpha", "law.beta"]]
    g = slopes["overtraining_vs_rule_of_20"].to_numpy() / [1, 1, 1, lecture.law.alpha, lecture.law.beta]
    simulated = np.log(posterior["overtraining_vs_rule_of_20"]).std()
    assert simulated == pytest.approx(math.sqrt(g @ covariance @ g), rel=0.03)  # second order, and 20,000 draws


def test_traffic_is_log_normal_around_its_median(lecture):
    frame = draws(lecture, 20_000, parts=["traffic"], traffic_factor=3)
    logs = np.log(frame["traffic.output_tokens"] / 2e14)
    error = 5 / math.sqrt(len(frame))
    assert logs.median() == pytest.approx(0, abs=1.3 * error)
    assert logs.std() == pytest.approx(math.log(3) / NORMAL_90, rel=error)
    assert ((logs.abs() < math.log(3)).mean()) == pytest.approx(0.8, abs=error)
    assert [c for c in frame if "." in c] == ["traffic.output_tokens"]


def test_growth_is_drawn_with_the_level(lecture):
    s = load("open-weights-8b")
    frame = draws(s, 5000, parts=["traffic"], growth_points=0.03)
    inside = (np.log1p(frame["traffic.growth"]) - math.log(1.05)).abs() < math.log1p(0.03 / 1.05)
    assert inside.mean() == pytest.approx(0.8, abs=0.03)
    assert frame["traffic.growth"].corr(np.log(frame["traffic.tokens_per_day"])) == pytest.approx(0, abs=0.06)


def test_efficiencies_are_drawn_and_list_prices_held():
    s = load("frontier-moe-chat")
    frame = draws(s, 200, parts=["prices"])
    assert not [c for c in frame if c.startswith("money.")]
    load_factor = frame["serving.load_factor"]
    assert load_factor.between(s.serving.load_factor / 1.5, min(s.serving.load_factor * 1.5, 1)).all()
    named = draws(s, 200, parts=["prices"], over={"money.serve_chip.usd_per_chip_hour": (1, 6)})
    assert named["money.serve_chip.usd_per_chip_hour"].between(1, 6).all()
    held = draws(s, 10, parts=["prices"], over={"rl": None, "serving.load_factor": None})
    assert not [c for c in held if c.startswith("rl.") or c == "serving.load_factor"]


def test_a_draw_of_the_law_is_a_law(lecture):
    frame = draws(lecture, 60, parts=["law"], law=["besiroglu", "chinchilla-points-coupled"])
    by_law = {name: solve(lecture.update({"law": name})) for name in ("besiroglu", "chinchilla-points-coupled")}
    assert set(frame["law.gamma"]) == {1.0, by_law["chinchilla-points-coupled"].scenario.law.gamma}
    for gamma, group in frame.groupby("law.gamma"):
        best = by_law["besiroglu" if gamma == 1 else "chinchilla-points-coupled"]
        assert group["train_tokens"].to_numpy() == pytest.approx(float(best.design.train_tokens), rel=1e-8)
    with pytest.raises(InputError, match="did you mean 'besiroglu'"):
        draws(lecture, 8, law=["besirogly"])
    with pytest.raises(InputError, match="no laws of dense training"):
        draws(lecture, 8, law=["ludziejewski"])


def test_growth_of_0_stays_0(lecture):
    s = load("open-weights-8b").update({"traffic.growth": 0.0})
    assert "traffic.growth" not in draws(s, 8, parts=["traffic"])


def test_a_range_of_traffic_takes_the_place_of_its_distribution(lecture):
    frame = draws(lecture, 200, over={"traffic.output_tokens": ("20T", "2000T")})
    assert frame["traffic.output_tokens"].between(2e13, 2e15).all()
    assert not any("log-normal" in note for note in frame.attrs["notes"])


@pytest.mark.parametrize("name", presets())
def test_every_preset_can_be_drawn(name):
    frame = draws(load(name), 20)
    # The laws of the sample differ: under more than half of them no model within the limits of a device is as good as asked.
    assert (frame["status"] == "optimal").mean() > (0.2 if name == "on-device" else 0.5)
    failed = frame[frame["status"] != "optimal"]
    assert failed["n_params"].isna().all()
    assert (failed["message"] != "").all()
    assert len(failed) == 0 or any("no answer" in note for note in frame.attrs["notes"])
    assert set(frame.columns) - set(frame.attrs["units"]) == {"draw", "status", "message", "active_limits"}


def test_a_monthly_table_is_drawn_by_its_totals(lecture):
    months = [{"month": "2026-06", "input_tokens_per_day": 1e12, "output_tokens_per_day": 2e12}]
    s = lecture.update({"traffic": {"kind": "table", "table": months}})
    frame = draws(s, 50, parts=["traffic"])
    ratio = frame["traffic.output_tokens"] / frame["traffic.input_tokens"]
    assert ratio.to_numpy() == pytest.approx(2)
    assert frame["traffic.input_tokens"].median() == pytest.approx(30e12, rel=0.5)


def test_the_same_draws_are_answered_at_each_traffic(lecture):
    frame = draws(lecture, 30, parts=["law"], served=["20T", "200T"])
    assert frame["served_tokens"].tolist() == [2e13] * 30 + [2e14] * 30
    assert frame["law.beta"][:30].tolist() == frame["law.beta"][30:].tolist()
    alone = draws(lecture, 30, parts=["law"])
    assert frame["n_params"][30:].to_numpy() == pytest.approx(alone["n_params"].to_numpy(), rel=1e-12)


def test_quantiles_are_those_of_the_answered_draws(lecture):
    frame = draws(lecture, 101, parts=["law"], law="posterior")
    said = quantiles(frame, ["n_params"], [0.0, 0.5, 1.0])["value"].tolist()
    values = sorted(frame["n_params"])
    assert said == [values[0], values[50], values[100]]
    frame["status"] = frame["status"].astype(object)
    frame.loc[:9, ["status", "n_params"]] = ["infeasible", np.nan]
    some = quantiles(frame, ["n_params"], [0.5])
    assert some["answered"].tolist() == [91 / 101]
    assert some["value"].iloc[0] == frame["n_params"].median()
    with pytest.raises(InputError, match="levels"):
        quantiles(frame, levels=[50])


def test_monte_carlo_gives_the_optimum_and_its_band(lecture):
    frame = monte_carlo(lecture, 200, served=["200T"], outputs=["n_params", "overtraining_vs_law"], levels=[0.1, 0.9])
    best = solve(lecture)
    by = frame.set_index("output")
    assert by.loc["n_params", "optimum"].unique() == pytest.approx([float(best.design.n_params)], rel=1e-9)
    assert by.loc["n_params", "band_low"].iloc[0] == pytest.approx(best.band.n_params[0], rel=1e-7)
    assert by.loc["overtraining_vs_law", "band_low"].isna().all()


def test_every_problem_at_once(lecture):
    with pytest.raises(InputError) as caught:
        draws(lecture, 0, parts=["laws"], traffic_factor=0.5, growth_points=2)
    assert len(caught.value.problems) == 4
    with pytest.raises(InputError, match="no traffic to scale"):
        draws(lecture.update({"traffic.output_tokens": 0}), 5, served=["1T"])


def test_one_coefficient_of_a_law_is_not_drawn_apart_from_the_others(lecture):
    with pytest.raises(InputError, match=r"over names law\.beta, while the law's other coefficients"):
        draws(lecture, 8, over={"law.beta": (0.3, 0.4)})
    with pytest.raises(InputError, match="drawn together"):
        monte_carlo(lecture, n=8, over={"law.alpha": (0.3, 0.4), "law.beta": (0.3, 0.4)})
    alone = draws(lecture, 8, parts=["traffic"], over={"law.beta": (0.3, 0.4)})
    assert alone["law.beta"].between(0.3, 0.4).all()
    assert "law.alpha" not in alone


def test_draws_and_notebooks_say_how_far_beyond_the_fit_they_are(lecture):
    best = solve(lecture)
    said = best.extrapolation.sentence
    assert said.startswith("Extrapolation: parameters")
    assert said in html.unescape(best._repr_html_())
    assert any(
        note.startswith("At the median of the draws: Extrapolation: parameters")
        for note in draws(lecture, 8).attrs["notes"]
    )
