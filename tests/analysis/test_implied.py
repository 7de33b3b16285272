"""The traffic that rationalises a design: published ratios, and `solve` asked back."""

import itertools
import math

import pytest

from optimizer import InfeasibleError, InputError, implied_traffic, load, presets, solve
from optimizer.analysis.implied import design_of_size, with_traffic

from ..conftest import plain_scenario

# Besiroglu et al. 2024 and Hoffmann et al. 2022 (full precision), Llama-3 sizes and tokens, 6 N D + 2 N T; two digits are published.
PUBLISHED = [
    ("besiroglu", 8e9, 15e12, 12.7),
    ("besiroglu", 70e9, 15e12, 4.4),
    ("besiroglu", 405e9, 15.6e12, 1.1),
    ("hoffmann", 8e9, 15e12, 5.8),
    ("hoffmann", 70e9, 15e12, 1.2),
    ("hoffmann", 405e9, 15.6e12, -0.7),
]


@pytest.mark.parametrize(("law", "n", "d", "ratio"), PUBLISHED)
def test_published_ratios_of_llama_3(law, n, d, ratio):
    found = implied_traffic(plain_scenario(law=law), n, d)
    assert round(found.per_train_token, 1) == ratio
    assert found.justified == (ratio > 0)


def test_the_closed_form(plain):
    # T / D = 3 (eN / eD - 1), by hand.
    law, n, d = plain.law, 8e9, 15e12
    elasticities = law.alpha * law.A * n**-law.alpha / (law.beta * law.B * d**-law.beta)
    assert implied_traffic(plain, n, d).per_train_token == pytest.approx(3 * (elasticities - 1), rel=1e-12)


@pytest.mark.parametrize(("share", "overhead"), [(0.5, 0.208), (0.3, 1.056), (0.25, 1.889)])
def test_published_overhead_of_a_smaller_model_at_equal_loss(plain, share, overhead):
    # De Vries 2023, De Vries constants: training compute of a smaller model relative to the train-optimal one of the same loss.
    best = solve(plain.update({"traffic.output_tokens": 0.0})).design
    small = design_of_size(plain, share * float(best.n_params))
    ratio = small.n_params * small.train_tokens / (best.n_params * best.train_tokens)
    assert ratio - 1 == pytest.approx(overhead, abs=6e-4)


@pytest.mark.parametrize("name", presets())
def test_the_traffic_of_every_preset_comes_back(name):
    s = load(name).update({"limits": {}})
    best = solve(s)
    found = implied_traffic(s, float(best.design.n_params), float(best.design.train_tokens))
    demand = s.traffic.demand()
    assert found.scale == pytest.approx(1, rel=1e-9)
    assert found.tokens == pytest.approx(float(demand.input_tokens + demand.output_tokens), rel=1e-9)
    assert found.rl_tokens == pytest.approx(float(best.design.rl_tokens), rel=1e-9)


POLICIES = [
    {"policy": "none"},
    {"policy": "tokens", "tokens": 1e12},
    {"policy": "ratio", "ratio": 0.2},
    {"policy": "flops", "flops": 1e24},
    {"policy": "cost_share", "cost_share": 0.4},
    {"policy": "optimised"},
]


@pytest.mark.parametrize(("policy", "unit"), list(itertools.product(POLICIES, ["flops", "usd"])))
def test_solve_at_that_traffic_gives_the_size_back(lecture, policy, unit):
    like = {"kind": "loss", "like_params": 3e10, "like_tokens": 1e13}
    like |= {"like_rl_tokens": 1e13} if policy["policy"] == "optimised" else {}
    s = lecture.update({"goal": like, "rl": policy, "money.unit": unit, "traffic.input_tokens": 5e14})
    design = design_of_size(s, 2.5e10)
    found = implied_traffic(s, design.n_params, design.train_tokens)
    assert found.justified
    best = solve(with_traffic(s, found))
    assert best.design.n_params == pytest.approx(2.5e10, rel=1e-9)
    assert best.design.train_tokens == pytest.approx(design.train_tokens, rel=1e-8)
    assert best.design.rl_tokens == pytest.approx(design.rl_tokens, rel=1e-8)


@pytest.mark.parametrize("goal", [{"kind": "budget", "budget": 1e26}, {"kind": "params", "params": 5e10}])
def test_other_goals_stand_for_the_loss_of_their_optimum(lecture, goal):
    s = lecture.update({"goal": goal})
    best = solve(s)
    same = design_of_size(s, float(best.design.n_params))
    assert same.train_tokens == pytest.approx(float(best.design.train_tokens), rel=1e-9)


def test_train_optimal_without_rl_implies_no_traffic(plain):
    n = 1e10
    found = implied_traffic(plain, n, float(plain.law.train_optimal_tokens(n)))
    assert found.scale == pytest.approx(0, abs=1e-12)


def test_repeated_data_has_an_end():
    s = load("data-limited-lab")
    with pytest.raises(InfeasibleError, match="do not reach the loss asked for, however many tokens"):
        design_of_size(s, 1e8)
    assert math.isnan(implied_traffic(s, 1e9, 1e18).scale)  # data that is exhausted buys nothing, at any traffic


def test_repeated_data_has_an_end_where_rl_is_decided_too():
    s = load("data-limited-lab").update({"rl.policy": "optimised", "goal.like_rl_tokens": 1e13})
    best = solve(s.update({"limits": {}}))
    same = design_of_size(s, float(best.design.n_params))
    assert [float(v) for v in same] == pytest.approx([float(v) for v in best.design], rel=1e-7)
    with pytest.raises(InfeasibleError, match="do not reach the loss asked for, however many tokens"):
        design_of_size(s, 1e8)
    assert math.isnan(implied_traffic(s, 1e9, 1e18).scale)


@pytest.mark.parametrize("policy", ["tokens", "optimised"])
def test_sizes_beyond_what_floats_hold_have_no_traffic(lecture, policy):
    s = lecture.update({"rl.policy": "optimised", "goal.like_rl_tokens": 1e13} if policy == "optimised" else {})
    for n in (1e300, 1e-300):
        assert math.isnan(implied_traffic(s, n, 1e12).scale)


def test_what_cannot_be_asked(plain):
    with pytest.raises(InputError, match="serves 0 tokens"):
        implied_traffic(plain.update({"traffic.output_tokens": 0.0}), 1e9, 1e12)
    with pytest.raises(InputError, match=r"n_params must be more than 0, got -1"):
        implied_traffic(plain, -1.0, 1e12)
    with pytest.raises(InfeasibleError, match="does not lie above the irreducible loss"):
        design_of_size(plain.update({"goal.loss": 1.0}), 1e9)
