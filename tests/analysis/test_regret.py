import numpy as np
import pytest

from optimizer import InputError, lifecycle_cost, load, presets, regret, robust_plans, solve
from optimizer.analysis.ranges import lifetime_tokens

from ..counts import named


def brute_force(s, plans, futures):
    """Costs and regrets by one solve a plan and a future, and the model's cost of each pair."""

    def serving(tokens):
        factor = tokens / lifetime_tokens(s)
        return s.update(
            {f"traffic.{way}_tokens": getattr(s.traffic, f"{way}_tokens") * factor for way in ("input", "output")}
        )

    designs = [solve(serving(plan)).design for plan in plans]
    costs = np.array([[float(lifecycle_cost(serving(future), d).total) for future in futures] for d in designs])
    best = np.array([float(solve(serving(future)).cost.total) for future in futures])
    return costs, costs / best - 1


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"traffic.input_tokens": "600T"},
        {"limits.max_params": "100B"},
        {"rl.policy": "optimised", "goal.like_rl_tokens": 1.3e14},
        {"money.unit": "usd", "law": "hoffmann"},
    ],
)
def test_regret_against_brute_force(lecture, changes):
    s = lecture.update(changes)
    plans, futures = [2e13, 3e14, 2e15], [2e13, 2e15]
    frame = regret(s, plans, futures)
    costs, regrets = brute_force(s, plans, futures)
    assert frame["cost"].to_numpy() == pytest.approx(costs.ravel(), rel=1e-8)
    assert frame["regret"].to_numpy() == pytest.approx(regrets.ravel(), abs=1e-8)
    assert (frame["regret"] > -1e-9).all()
    assert (frame["in_band"] == (frame["regret"] <= 0.05)).all()


@pytest.mark.parametrize(
    "name", named(presets(), "lecture-2026", "data-limited-lab", "frontier-moe-chat", "open-weights-8b")
)
def test_the_plan_for_what_arrives_has_no_regret(name):
    s = load(name)
    tokens = lifetime_tokens(s)
    frame = regret(s, [tokens, 2 * tokens], [tokens, 2 * tokens])
    assert frame["regret"].iloc[[0, 3]].to_numpy() == pytest.approx(0, abs=1e-9)
    assert frame["n_params"].iloc[0] == pytest.approx(float(solve(s).design.n_params), rel=1e-7)


def test_regret_of_the_lecture_is_kept(lecture):
    # Regression values: planned for 200T when 20T or 2000T arrive, RL tokens as in the preset.
    frame = regret(lecture, ["200T"], ["20T", "200T", "2000T"])
    assert frame["regret"].tolist() == pytest.approx([0.02274, 0.0, 0.10686], abs=1e-5)


def test_all_plans_are_as_good(lecture):
    s = lecture.update({"goal": {"kind": "budget", "budget": 3e26}})
    frame = regret(s, ["20T", "200T"], ["200T"])
    wanted = solve(s).loss
    for n, d in frame[["n_params", "train_tokens"]].to_numpy():
        assert float(s.law.loss(n, d)) == pytest.approx(wanted, rel=1e-10)


def test_plans_that_minimise_expected_cost_and_maximum_regret(lecture):
    futures, chances = [2e13, 2e14, 2e15], [0.2, 0.5, 0.3]
    plans = np.geomspace(2e13, 2e15, 81)
    mean = float(np.dot(chances, futures))
    plans = np.sort(np.append(plans, mean))
    table = robust_plans(regret(lecture, plans, futures, probabilities=[2, 5, 3]))
    costs, regrets = brute_force(lecture, plans[::8], futures)
    assert table["expected_cost"].to_numpy()[::8] == pytest.approx(costs @ chances, rel=1e-8)
    assert table["max_regret"].to_numpy()[::8] == pytest.approx(regrets.max(axis=1), abs=1e-8)
    # Cost is linear in traffic: the plan of least expected cost is the plan for the expected traffic.
    assert table.loc[table["least_expected_cost"], "plan_tokens"].tolist() == [mean]
    # The plan of least maximum regret is as wrong about the least as about the most traffic.
    safest = regret(lecture, table.loc[table["least_max_regret"], "plan_tokens"].tolist(), futures)["regret"]
    assert safest.iloc[0] == pytest.approx(safest.iloc[2], abs=0.01)
    assert table["max_regret"].min() == table.loc[table["least_max_regret"], "max_regret"].iloc[0]
    best = np.array([float(solve(lecture.update({"traffic.output_tokens": f})).cost.total) for f in futures])
    assert table.attrs["value_of_knowing"] == pytest.approx(table["expected_cost"].min() - best @ chances, rel=1e-6)
    assert 0 < table.attrs["value_of_knowing_share"] < 0.2


def test_plans_left_out_are_the_futures_and_their_mean(lecture):
    assert regret(lecture, None, ["100T", "300T"])["plan_tokens"].unique().tolist() == [1e14, 2e14, 3e14]


def test_a_sure_future_is_worth_no_forecast(lecture):
    table = robust_plans(regret(lecture, None, ["200T"]))
    assert table.attrs["value_of_knowing_share"] == pytest.approx(0, abs=1e-12)


def test_what_cannot_be_asked(lecture):
    for arguments, part in (
        ((None, []), "futures are missing"),
        ((["-1"], ["1T"]), "counts of 0 or more"),
    ):
        with pytest.raises(InputError, match=part):
            regret(lecture, *arguments)
    with pytest.raises(InputError, match="one a future"):
        regret(lecture, None, ["1T", "2T"], probabilities=[1])
