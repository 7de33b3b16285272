"""Measured speeds stand in for utilisations: what was measured costs what it cost, and other sizes do as many FLOP/s."""

import pandas as pd
import pytest

from optimizer import Design, InputError, Scenario, lifecycle_cost, solve, solve_batch
from optimizer.assumptions.speed import efficiencies, utilisation
from optimizer.model.limits import limit_excess

from ..conftest import plain_scenario

SERVED = {
    "money.unit": "usd",
    "money.serve_chip": {"name": "H100 SXM", "usd_per_chip_hour": 2.5},
    "serving.decode_tokens_per_second_per_chip": 700,
    "serving.measured_params": 70e9,
}
TRAINED = {
    "money.unit": "usd",
    "pretraining.tokens_per_second_per_chip": 14_000,
    "pretraining.measured_params": 3.08e9,
}


@pytest.mark.parametrize(("busy", "published"), [(1.0, 0.992), (0.1, 9.92)])
def test_serving_costs_the_hour_over_the_tokens_of_an_hour(busy, published):
    # 2.50 USD/h at 700 tokens/s: the arithmetic of every page that compares self-hosting with an API.
    s = plain_scenario().update(SERVED | {"serving.load_factor": busy})
    cost = lifecycle_cost(s, Design(70e9, 1.5e13, 0.0))
    per_mtok = float(cost.decode) / s.traffic.output_tokens * 1e6
    assert per_mtok == pytest.approx(2.5 / (700 * 3600) * 1e6 / busy, rel=1e-14)
    assert per_mtok == pytest.approx(published, rel=5e-4)
    half = lifecycle_cost(s, Design(35e9, 1.5e13, 0.0))  # half the size at twice the speed
    assert float(half.decode) == pytest.approx(float(cost.decode) / 2, rel=1e-14)


def test_smollm3_takes_the_hours_of_its_log():
    # 3.08B on 11T tokens at 14,000 tokens/s per H100: 218,254 GPU-hours (its authors report about 220,000).
    s = plain_scenario().update(TRAINED)
    cost = lifecycle_cost(s, Design(3.08e9, 11e12, 0.0))
    hours = float(cost.pretraining) / s.money.train_chip.usd_per_chip_hour
    assert hours == pytest.approx(11e12 / 14_000 / 3600, rel=1e-13)
    assert hours == pytest.approx(218_254, abs=1)
    limited = s.update({"limits.max_training_days": hours / 24 / 384, "limits.fleet_chips": 384})
    assert float(limit_excess(limited, Design(3.08e9, 11e12, 0.0))["limits.max_training_days"]) == pytest.approx(
        0, abs=1e-12
    )


@pytest.mark.parametrize("unit", ["usd", "flops"])
def test_a_speed_is_the_utilisation_that_it_implies(unit):
    by_speed = plain_scenario(traffic__input_tokens=3e13).update(
        TRAINED
        | SERVED
        | {
            "money.unit": unit,
            "serving.prefill_tokens_per_second_per_chip": 5000,
            "rl": {"policy": "tokens", "tokens": 1e12},
        }
    )
    by_share = by_speed.update(
        {
            "pretraining.mfu": float(utilisation(by_speed)),
            "serving.prefill_efficiency": float(efficiencies(by_speed).prefill),
            "serving.decode_efficiency": float(efficiencies(by_speed).decode),
        }
    )
    assert by_share.serving.decode_tokens_per_second_per_chip is None
    peak = by_speed.money.train_chip.peak_flops
    assert float(utilisation(by_speed)) == pytest.approx(6 * 3.08e9 * 14_000 / peak, rel=1e-14)
    at = Design(2e10, 1e13, 1e12)
    for one, other in zip(lifecycle_cost(by_speed, at), lifecycle_cost(by_share, at), strict=True):
        assert float(one) == pytest.approx(float(other), rel=1e-13)


def test_batches_solve_measured_speeds_row_by_row():
    s = plain_scenario().update(SERVED | TRAINED)
    frame = pd.DataFrame({"serving.decode_tokens_per_second_per_chip": [350.0, 700.0, 1400.0]})
    answers = solve_batch(s, frame)
    for speed, n_params in zip(frame.iloc[:, 0], answers["n_params"], strict=True):
        alone = solve(s.update({"serving.decode_tokens_per_second_per_chip": float(speed)}))
        assert n_params == pytest.approx(float(alone.design.n_params), rel=1e-8)
    assert answers["cost_total"].is_monotonic_decreasing
    assert answers["n_params"].is_monotonic_increasing  # cheaper serving allows a larger model


def test_a_speed_replaces_the_share_and_the_share_the_speed():
    s = plain_scenario().update(TRAINED)
    assert s.pretraining.mfu is None
    assert "mfu" not in s.to_dict()["pretraining"]
    assert Scenario.from_toml(s.to_toml()) == s
    again = s.update({"pretraining.mfu": 0.3})
    assert (again.pretraining.mfu, again.pretraining.tokens_per_second_per_chip) == (0.3, None)
    default = s.update({"pretraining.tokens_per_second_per_chip": None})
    assert default.pretraining.mfu == plain_scenario().pretraining.mfu


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({**TRAINED, "pretraining.mfu": 0.4}, "pretraining takes mfu or tokens_per_second_per_chip, not both; remove one."),
        (
            {"serving.decode_tokens_per_second_per_chip": 700},
            "serving has decode_tokens_per_second_per_chip without measured_params; give the size that was measured.",
        ),
        (
            {**TRAINED, "pretraining.measured_params": 3.08e12},
            "pretraining.tokens_per_second_per_chip = 14K tokens/s at pretraining.measured_params = 3.08T is 262 times the peak of "
            "its chip",
        ),
        ({**SERVED, "serving.decode_tokens_per_second_per_chip": 7e4}, "is 9.91 times the peak of its chip"),
        (
            {**SERVED, "serving.method": "roofline"},
            "serving.decode_tokens_per_second_per_chip is used only with serving.method = 'efficiency'",
        ),
    ],
)  # fmt: skip
def test_what_no_speed_can_be_is_refused(changes, sentence):
    with pytest.raises(InputError) as caught:
        plain_scenario().update(changes)
    assert len(caught.value.problems) == 1, caught.value.problems
    assert sentence in caught.value.problems[0]
