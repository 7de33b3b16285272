"""The frames behind the plan agree with what solving says."""

import numpy as np
import pytest

from optimizer import InputError, load, solve
from optimizer.report.plan import cost_curve, cost_phases, verdict


@pytest.mark.parametrize(
    "changes", [{}, {"rl": {"policy": "optimised"}, "goal.like_rl_tokens": "133T"}, {"limits.max_params": "105B"}]
)
def test_the_curve_is_the_valley_that_the_band_measures(lecture, changes):
    best = solve(lecture.update(changes))
    curve = cost_curve(best).set_index("design")
    total = float(best.cost.total)
    assert float(curve.loc["optimum", "cost_total"]) == pytest.approx(total, rel=1e-9)
    assert float(curve.loc["Chinchilla plan", "cost_total"]) == pytest.approx(float(best.baseline.cost.total), rel=1e-9)
    if not changes.get("limits.max_params"):
        assert float(curve["cost_vs_optimum"].min()) == pytest.approx(1, abs=1e-9)
        assert np.allclose(curve.loc[["smallest within 5 %", "largest within 5 %"], "cost_vs_optimum"], 1.05, rtol=1e-5)
    else:
        assert not curve.loc["Chinchilla plan", "allowed"]
        assert curve.loc["optimum", "allowed"]


def test_a_size_on_the_curve_costs_what_solving_at_that_size_says(lecture):
    best = solve(lecture)
    row = cost_curve(best).iloc[30]
    pinned = {"goal": {"kind": "loss", "loss": best.loss}, "limits.min_params": row["n_params"]}
    assert row["n_params"] > float(best.design.n_params)
    assert row["cost_total"] == pytest.approx(float(solve(lecture.update(pinned)).cost.total), rel=1e-7)


def test_repeated_data_is_on_the_curve():
    s = load("data-limited-lab")
    best = solve(s)
    curve = cost_curve(best)
    assert np.allclose(
        s.law.loss(curve["n_params"].to_numpy(), curve["train_tokens"].to_numpy()), best.loss, rtol=1e-10
    )
    assert (curve["train_tokens"] > s.law.unique_tokens).any()


def test_phases_sum_to_the_plans(lecture):
    best = solve(lecture)
    sums = cost_phases(best).groupby("plan")["cost"].sum()
    assert sums["optimum"] == pytest.approx(float(best.cost.total))
    assert sums["Chinchilla plan"] == pytest.approx(float(best.baseline.cost.total))


def test_the_verdict_says_band_and_reach(lecture):
    said = verdict(solve(lecture))
    assert "111B active parameters" in said
    assert "99.1B to 130B" in said
    assert "7 times the largest model" in said
    with pytest.raises(InputError, match="no design to show"):
        verdict(solve(lecture.update({"limits.max_params": "1B"}), throw=False))
