"""Chips for users at once, and for the months of a forecast at their peak: against divisions by hand."""

import math

import numpy as np
import pandas as pd
import pytest

from optimizer import InputError, elasticities, load, solve, solve_batch
from optimizer.analysis.capacity import capacity_points
from optimizer.analysis.placement import operating_point, placement
from optimizer.assumptions.warned import warnings
from optimizer.model.replica import replica
from optimizer.model.step import prompt_seconds

LLAMA = "Llama 3.1 70B"
TWO_H100 = {
    "money.serve_chip": {"name": "H100 SXM", "precision": "fp8"},
    "deployment.placement": "given",
    "deployment.chips": 2,
    "deployment.context_tokens": 700,
}


def test_four_replicas_at_the_peak_of_800_users():
    """70B in fp8 on two H100, 700 tokens of context: 256 sequences at 25.2 tokens/s each, so 1 replica for 200 users and 4 for 800."""
    s = placement(LLAMA, changes=TWO_H100)
    speed = operating_point(s, 256)["tokens_per_second_per_user"]
    assert speed == pytest.approx(25.2, abs=0.05)
    found = capacity_points(s, [200, 800, 1024, 1025], speed * (1 - 1e-12), prompt_tokens=500, answer_tokens=200)
    assert found["batch"].tolist() == [256] * 4
    assert found["replicas"].tolist() == [1, 4, 4, 5]
    assert found["chips"].tolist() == [2, 8, 8, 10]
    assert (found["tokens_per_second_per_user"] >= speed * (1 - 1e-9)).all()
    assert found["tokens_per_second_per_user"][2] == pytest.approx(speed, rel=1e-9), "1,024 users fill four replicas"
    assert found["requests_per_second"][1] == pytest.approx(
        800 * found["tokens_per_second_per_user"][1] / 200, rel=1e-12
    )
    busy = 200 / (found["replicas"][1] * found["batch"][1])
    assert busy == pytest.approx(0.195, abs=5e-4), (
        "the load factor of 200 users on average on what 800 at the peak need"
    )
    assert found["serving_kw"].tolist() == pytest.approx([2 * 1.73, 8 * 1.73, 8 * 1.73, 10 * 1.73])  # data/hardware.csv
    chip, d = s.scenario.money.serve_chip, s.scenario.deployment
    compute = 500 * 2 * s.n_params / (2 * chip.peak_flops * d.prefill_share)
    assert found["first_token_seconds"][0] >= compute
    assert (found["fewest_chips"] <= found["chips"]).all()


def test_the_smallest_number_of_chips_by_hand():
    """bf16, 12 users of 32,768 tokens: (memory share x 80 GB n - weights) / (327,680 B x 32,768) sequences; 3 chips hold 6, 4 hold 13."""
    s = placement(
        LLAMA,
        changes={
            "money.serve_chip": {"name": "H100 SXM", "precision": "bf16"},
            "deployment.context_tokens": 32768,
            "deployment.placement": "given",
            "deployment.chips": 8,
        },
    )
    share = s.scenario.deployment.memory_share
    held = {n: math.floor((80e9 * share * n - 2 * s.n_params) / (327_680 * 32_768)) for n in range(1, 9)}
    by_hand = min(n * math.ceil(12 / b) for n, b in held.items() if b >= 1)
    found = capacity_points(s, [12], 1.0).iloc[0]
    assert found["fewest_chips"] == by_hand == 4
    assert found["fewest_chips_replica"] == 4
    assert found["batch"] == held[8]


@pytest.mark.parametrize(
    ("own", "chips"), [({}, 2), ({"deployment.prefill_chips": 4}, 4), ({"deployment.prefill": "together"}, 2)]
)
def test_the_first_token_comes_from_the_chips_that_compute_prompts(own, chips):
    """Products of 500 tokens on those chips and a layer's fixed times, and apart the cache sent over the links of the two that decode."""
    s = placement(LLAMA, changes={**TWO_H100, **own})
    found = capacity_points(s, [200], 20.0, prompt_tokens=500)["first_token_seconds"][0]
    apart = s.scenario.deployment.prefill == "apart"
    at = {"deployment.chips": chips, "deployment.context_tokens": 500, "deployment.prefill_chips": None}
    r = replica(s.scenario.update(at | ({"deployment.chunk_tokens": 500} if apart else {})), s.n_params)
    sent = float(r.kv_held_bytes) / (2 * s.scenario.money.serve_chip.scaleout_bytes_per_second) if apart else 0.0
    assert found == pytest.approx(500 * float(prompt_seconds(r)) + float(r.fixed_seconds) + sent, rel=1e-12)


def test_what_cannot_be_asked_is_refused():
    s = placement(LLAMA, changes=TWO_H100)
    with pytest.raises(InputError, match="users must be 1 or more, got 0"):
        capacity_points(s, [0], 20.0)
    with pytest.raises(InputError, match=r"tokens/s that .* reaches at the smallest batch"):
        capacity_points(s, [10], 1e6)


def test_a_peak_gives_the_load_factor_and_the_chips():
    s = load("open-weights-8b")
    plain, peak = solve(s), solve(s.update({"traffic.peak_to_mean": 4}))
    asked = solve(s.update({"serving.load_factor": 0.25}))
    assert peak.design == asked.design
    assert float(peak.cost.total) == float(asked.cost.total)
    for mean, top in zip(peak.fleet.months, asked.fleet.months, strict=True):
        assert (mean.chips, mean.chips_at_peak) == (top.chips, top.chips_at_peak)
        assert 4 * (mean.chips - 1) < mean.chips_at_peak <= 4 * mean.chips
    assert warnings(peak.scenario) == warnings(plain.scenario) == []
    both = s.update({"traffic.peak_to_mean": 4, "serving.load_factor": 0.5})
    assert float(solve(both).cost.total) == float(peak.cost.total), "at most 1 / peak_to_mean"
    assert (
        "serving.load_factor = 0.5 is given next to traffic.peak_to_mean = 4, from which it is at most 0.25"
        in warnings(both)[0]
    )
    assert plain.fleet.months[0].chips == plain.fleet.months[0].chips_at_peak, "load factor 1 leaves nothing idle"


def test_a_peak_in_batches_and_elasticities():
    s = load("open-weights-8b").update({"traffic.peak_to_mean": 2})
    answers = solve_batch(
        s, pd.DataFrame({"traffic.peak_to_mean": [1.0, 2.0, 5.0], "traffic.growth": [0.0, 0.02, 0.05]})
    )
    for row, peak, growth in zip(answers.to_dict("records"), (1.0, 2.0, 5.0), (0.0, 0.02, 0.05), strict=True):
        one = solve(s.update({"traffic.peak_to_mean": peak, "traffic.growth": growth}))
        assert row["cost_total"] == pytest.approx(float(one.cost.total), rel=1e-9)
    slope = elasticities(s).loc["traffic.peak_to_mean", "cost_total"]
    ends = [np.log(float(solve(s.update({"traffic.peak_to_mean": 2 * f})).cost.total)) for f in (1 - 1e-5, 1 + 1e-5)]
    assert slope == pytest.approx((ends[1] - ends[0]) / 2e-5, rel=1e-5)
