import math

import numpy as np
import pytest

from optimizer import elasticities, load, solve
from optimizer.evidence.lecture import carries

from ..counts import some

CASES = {
    "loss": {},
    "budget": {"goal": {"kind": "budget", "budget": 3e26}},
    "params": {"goal": {"kind": "params", "params": 1e11}},
    "tokens": {"goal": {"kind": "tokens", "tokens": 1e14}},
    "a limit holds the size": {"goal": {"kind": "tokens", "tokens": 1e14}, "limits.max_params": 1e10},
    "a limit holds": {"limits.max_params": 1e11},
    "a limit holds the budget": {"goal": {"kind": "budget", "budget": 3e26}, "limits.max_train_tokens": 5e13},
    "RL decided too": {"rl.policy": "optimised", "goal.like_rl_tokens": 1.3e14},
    "experts": {"law": {"name": "ludziejewski", "experts": 16}},
    "experts by sparsity": {"law": {"name": "abnar", "sparsity": 0.9}},
    "fine-grained experts": {"law": "krajewski", "goal": {"kind": "budget", "budget": 3e26}},
    "repetition": {"law": {"name": "besiroglu", "kind": "repetition", "unique_tokens": 5e13}},
    "coupled": {"law": {"name": "besiroglu", "kind": "coupled", "gamma": 0.8}},
}
READ = {
    "n_params": lambda best: best.design.n_params,
    "train_tokens": lambda best: best.design.train_tokens,
    "rl_tokens": lambda best: best.design.rl_tokens,
    "cost_total": lambda best: best.cost.total,
    "overtraining_vs_rule_of_20": lambda best: best.overtraining.vs_rule_of_20,
    "overtraining_vs_law": lambda best: best.overtraining.vs_law,
}


@pytest.mark.parametrize("case", some(CASES, [0, 1, 2, 3, 6, 7, 9, 11]))
def test_elasticities_against_central_differences_of_solves(lecture, case):
    s = lecture.update(CASES[case])
    frame = elasticities(s)
    assert list(frame.index) == [path for path, _, _ in s.quantities()]
    step = 1e-5
    for path, value in frame["value"].items():
        if value == 0:
            assert (frame.loc[path, list(READ)] == 0).all()
            continue
        if path.startswith("deployment."):
            assert (frame.loc[path, list(READ)] == 0).all(), path  # it prices nothing here
            continue
        if path.startswith("money.") or path in (
            "traffic.share",
            "traffic.ship_probability",
            "serving.load_factor",
            "pretraining.overhead",
            "pretraining.state_bytes_per_param",
            "pretraining.shard_chips",
            "pretraining.tokens_per_chip",
        ):
            continue  # unused here, or at a bound
        up, down = (solve(s.update({path: value * f})) for f in (1 + step, 1 - step))
        for output, read in READ.items():
            expected = (math.log(read(up)) - math.log(read(down))) / (math.log1p(step) - math.log1p(-step))
            assert frame.loc[path, output] == pytest.approx(expected, rel=1e-6, abs=1e-6), (path, output)


def test_the_envelope_theorem(lecture):
    # To first order a price moves the cost by the share of its phase and by nothing else.
    best, frame = solve(lecture), elasticities(lecture)
    total = float(best.cost.total)
    assert frame.loc["rl.efficiency", "cost_total"] == pytest.approx(-float(best.cost.rl) / total, rel=1e-9)
    assert frame.loc["serving.decode_efficiency", "cost_total"] == pytest.approx(
        -float(best.cost.decode) / total, rel=1e-9
    )
    assert frame.loc["traffic.output_tokens", "cost_total"] == pytest.approx(float(best.cost.decode) / total, rel=1e-9)


def test_pinned_to_a_limit_nothing_moves_the_size(lecture):
    frame = elasticities(lecture.update({"limits.max_params": 1e11}))
    assert frame.attrs["active_limits"] == ("limits.max_params",)
    assert frame.index[frame["active_limit"]].tolist() == ["limits.max_params"]
    others = frame.drop(index="limits.max_params")["n_params"]
    assert np.abs(others).max() < 1e-12
    assert frame.loc["limits.max_params", "n_params"] == pytest.approx(1, rel=1e-12)


def test_no_rl_has_no_elasticity_of_rl(lecture):
    assert elasticities(lecture.update({"rl": {"policy": "none"}}))["rl_tokens"].isna().all()


def test_what_the_lecture_rests_on_is_the_same_number(lecture):
    found, _ = carries()
    frame = elasticities(lecture.update({"goal": {"kind": "params", "params": 1e11}}))
    for path, value in found.items():
        assert frame.loc[path, "overtraining_vs_rule_of_20"] == pytest.approx(value, rel=1e-6)


def test_elasticities_of_the_lecture_are_kept():
    # Regression values: elasticities(load("lecture-2026")), N free at equal quality; the differences of re-solves above confirm them.
    column = elasticities(load("lecture-2026"))["overtraining_vs_rule_of_20"]
    assert column["law.beta"] == pytest.approx(-10.1332, abs=1e-4)
    assert column["traffic.output_tokens"] == pytest.approx(0.38941, abs=1e-5)
    assert column["rl.tokens"] == pytest.approx(0.38941, abs=1e-5)  # RL and inference cost the same there
    assert column["serving.decode_efficiency"] == pytest.approx(-column["traffic.output_tokens"], rel=1e-9)


def test_a_budget_that_limits_leave_unspent(lecture):
    s = lecture.update(
        {"goal": {"kind": "budget", "budget": 1e29}, "limits.max_params": 1e10, "limits.max_train_tokens": 1e13}
    )
    frame = elasticities(s)
    assert frame.loc["goal.budget", "n_params"] == 0
    assert frame.loc["limits.max_params", "n_params"] == pytest.approx(1)
    assert frame.loc["limits.max_train_tokens", "train_tokens"] == pytest.approx(1)
    assert frame.loc["traffic.output_tokens", "cost_total"] > 0
