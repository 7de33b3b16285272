"""Questions without an answer, and those at the edge of it: each ends in a certified answer or in a sentence."""

import json
import math

import pytest

from optimizer import InfeasibleError, Status, solve
from optimizer.optimum.solve import KKT_TOLERANCE

from ..conftest import plain_scenario

IMPOSSIBLE = {
    "below E": (
        {"goal.loss": 1.0},
        "target loss 1 nat/token does not lie above the irreducible loss E = 1.8172; no compute reaches it.",
    ),
    "at E": ({"goal.loss": 1.8172}, "does not lie above the irreducible loss"),
    "few parameters": (
        {"limits.max_params": "1B"},
        "cannot be reached within limits.max_params = 1B parameters: the best loss there is",
    ),
    "few tokens": ({"limits.max_train_tokens": "1T"}, "cannot be reached within limits.max_train_tokens = 1T tokens"),
    "few days": (
        {"limits.max_training_days": 1, "limits.fleet_chips": 100},
        "cannot be reached within limits.max_training_days",
    ),
    "little memory": (
        {"limits.max_bytes": 1e9, "limits.bytes_per_param": 1},
        "limits.max_bytes = 1 GB (1B parameters)",
    ),
    "few epochs": (
        {"limits.max_epochs": 2, "limits.unique_tokens": "0.5T"},
        "limits.max_epochs = 2 epochs (1T tokens)",
    ),
    "few unique tokens": (
        {"law": {"name": "besiroglu", "kind": "repetition", "unique_tokens": 1e11}, "goal.loss": 1.85},
        "unique tokens are never worth more than 16.4 times as many",
    ),
    "a budget too small": (
        {"goal": {"kind": "budget", "budget": 1e20}},
        "lies below the cheapest useful run: 1M parameters on 1M tokens cost",
    ),
    "limits that contradict": (
        {"limits.min_params": "20B", "limits.max_params": "10B"},
        "limits.min_params = 20B contradicts limits.max_params, which allows at most 10B",
    ),
    "memory that contradicts": (
        {"limits.min_params": "20B", "limits.max_bytes": 1e10, "limits.bytes_per_param": 1},
        "contradicts limits.max_bytes",
    ),
    "a size above its limit": (
        {"goal": {"kind": "params", "params": 1e11}, "limits.max_params": 1e10},
        "goal.params = 100B contradicts limits.max_params",
    ),
    "a size below its limit": (
        {"goal": {"kind": "params", "params": 1e9}, "limits.min_params": 1e10},
        "goal.params = 1B contradicts limits.min_params",
    ),
    "a run above its limit": (
        {"goal": {"kind": "tokens", "tokens": 1e14}, "limits.max_train_tokens": 1e13},
        "goal.tokens = 100T contradicts limits.max_train_tokens, which allows at most 10T",
    ),
    "a run too short for the traffic": (
        {"goal": {"kind": "tokens", "tokens": 1e11}},
        "goal.tokens = 100B is not the best run for any size from 1M parameters on",
    ),
    "a run no fleet can justify": (
        {"goal": {"kind": "tokens", "tokens": 1e14}, "limits.max_training_days": 10, "limits.fleet_chips": 1000},
        "goal.tokens = 100T is not the best run for any quality within the limits",
    ),
    "a run too long for the smallest size": (
        {
            "goal": {"kind": "tokens", "tokens": 1e14},
            "limits.min_params": 1e11,
            "limits.max_training_days": 10,
            "limits.fleet_chips": 1000,
        },
        "goal.tokens = 100T and limits.min_params = 100B contradict limits.max_training_days",
    ),
    "data that repetition cannot give": (
        {
            "goal": {"kind": "tokens", "tokens": 1e16},
            "law": {"kind": "repetition", "name": "hoffmann", "unique_tokens": 1e12},
        },
        "goal.tokens = 10000T is not the best run for any quality",
    ),
    "a size no fleet can justify": (
        {"goal": {"kind": "params", "params": 1e12}, "limits.max_training_days": 10, "limits.fleet_chips": 1000},
        "is not the best size for any quality within the limits",
    ),
    "a size no fleet can justify, with RL decided too": (
        {
            "goal": {"kind": "params", "params": 1e11},
            "rl.policy": "optimised",
            "limits.max_training_days": 30,
            "limits.fleet_chips": 1000,
        },
        "parameters reach the same loss for less. Raise limits.max_training_days",
    ),
}


@pytest.mark.parametrize("case", IMPOSSIBLE)
def test_impossibilities_are_reported_with_their_fix(lecture, case):
    changes, sentence = IMPOSSIBLE[case]
    s = lecture.update(changes)
    with pytest.raises(InfeasibleError) as caught:
        solve(s)
    assert sentence in str(caught.value)
    assert caught.value.status is Status.INFEASIBLE
    assert any(word in str(caught.value) for word in ("Raise", "Set", "Lower", "Change"))
    quiet = solve(s, throw=False)
    assert quiet.status is Status.INFEASIBLE
    assert quiet.message == str(caught.value)
    assert math.isnan(quiet.design.n_params)
    json.dumps(quiet.to_dict(), allow_nan=False)


def test_the_edge_of_the_possible_is_solved(lecture):
    # Just above the best reachable loss, where the limits leave almost no room.
    s = lecture.update({"limits.max_params": 1e10, "limits.max_train_tokens": 1e13})
    best_loss = float(s.law.loss(1e10, 1e13))
    best = solve(s.update({"goal": {"kind": "loss", "loss": best_loss * (1 + 1e-9)}}))
    assert best.design.n_params == pytest.approx(1e10, rel=1e-6)
    with pytest.raises(InfeasibleError, match="cannot be reached"):
        solve(s.update({"goal": {"kind": "loss", "loss": best_loss * (1 - 1e-9)}}))


def test_no_traffic_at_all():
    best = solve(plain_scenario(traffic__output_tokens=0))
    assert best.overtraining.vs_law == pytest.approx(1, rel=1e-9)
    assert best.savings == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("served", [1e-3, 1e3, 1e9, 1e20, 1e30])
def test_absurd_traffic_is_still_certified(served):
    best = solve(plain_scenario(traffic__output_tokens=served))
    assert best.certificate.kkt_residual < KKT_TOLERANCE


def test_a_goal_at_the_corner_of_the_limits_is_answered(lecture):
    best = solve(lecture.update({"limits.max_params": 1e11, "limits.max_train_tokens": 2e14}))
    assert best.design.n_params == pytest.approx(1e11, rel=1e-9)
    assert best.design.train_tokens == pytest.approx(2e14, rel=1e-9)


@pytest.mark.parametrize(
    "changes",
    [
        {"traffic.output_tokens": 1e40},
        {"rl.tokens": 1e45},
        {"traffic.output_tokens": 1e300},
        {"goal": {"kind": "budget", "budget": 1e300}},
        {"goal": {"kind": "params", "params": 1e300}},
        {"law.beta": 2},
        {"law.alpha": 0.001},
        {"law.beta": 0.001, "goal": {"kind": "params", "params": 1e11}},
        {"goal": {"kind": "budget", "budget": 1e27}, "limits.max_params": 10},
        {"law.alpha": 2, "limits.max_training_days": 10, "limits.fleet_chips": 10},
        {"rl.policy": "optimised", "rl.G": 1e300, "goal": {"kind": "params", "params": 1e11}},
        {"goal.loss": 19},
        {"goal.loss": 1900},
    ],
)
def test_extremes_end_in_an_answer_or_a_sentence(lecture, changes):
    quiet = solve(lecture.update(changes), throw=False)
    assert quiet.status in Status
    assert (quiet.message == "") == (quiet.status is Status.OPTIMAL)
    if quiet.status is Status.OPTIMAL:
        assert quiet.certificate.kkt_residual < KKT_TOLERANCE


@pytest.mark.parametrize("unique", [1e12, 15e12])
@pytest.mark.parametrize("params", [1e9, 1e11])
def test_a_decided_size_when_data_runs_dry(lecture, unique, params):
    law = {"name": "muennighoff", "kind": "repetition", "unique_tokens": unique}
    for rl in ({"policy": "optimised"}, {"policy": "none"}):
        s = lecture.update(
            {"law": law, "rl": rl, "goal": {"kind": "params", "params": params}, "traffic.output_tokens": 1e16}
        )
        best = solve(s)
        assert best.design.n_params == pytest.approx(params, rel=1e-9)
        assert best.certificate.certified_global


def test_tokens_beyond_what_floats_hold_are_named(lecture):
    with pytest.raises(InfeasibleError, match=r"leave the range .* \(counts are searched as far as e\^") as caught:
        solve(lecture.update({"law.beta": 0.01, "goal": {"kind": "params", "params": 1e11}}))
    assert caught.value.status is Status.NOT_CONVERGED
