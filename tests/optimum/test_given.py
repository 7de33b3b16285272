"""A design that is given: published runs, the best design next to it, and what its limits say."""

import json
import math

import numpy as np
import pytest

from optimizer import Design, InputError, Status, cost, design_from, lifecycle_cost, load, solve
from optimizer.model.cost import pretraining_flops
from optimizer.model.fleet import serving_chips
from optimizer.model.limits import limit_excess

from ..conftest import plain_scenario

LLAMA = {
    "money": {"unit": "usd", "train_chip": {"peak_flops": 989e12, "usd_per_chip_hour": 2.0}},
    "pretraining.mfu": 0.345,
    "limits.fleet_chips": 16384,
}


def test_llama_405b_as_its_card_has_it(lecture):
    """30.84M chip-hours on the model card; 6 N D at the utilisation and the peak that the authors report gives 30.93M."""
    found = cost(lecture.update(LLAMA), Design(405.85e9, 15.6e12, 0.0))
    assert float(pretraining_flops(lecture, 405.85e9, 15.6e12)) == pytest.approx(3.799e25, rel=5e-4)
    assert found.fleet.chip_hours == pytest.approx(30.84e6, rel=5e-3)
    assert found.fleet.training_days == pytest.approx(78.6, abs=0.06)
    assert float(found.cost.pretraining) == pytest.approx(2.0 * found.fleet.chip_hours, rel=1e-12)
    assert math.isnan(found.fleet.training_mwh)  # a chip of one's own has the power that is given
    lit = cost(lecture.update({**LLAMA, "money.train_chip.watts": 700}), Design(405.85e9, 15.6e12, 0.0))
    assert lit.fleet.training_mwh == pytest.approx(30.93e6 * 700 / 1e6, rel=1e-3)


def test_energy_of_serving_is_that_of_the_chips_that_are_paid_for():
    # A month of 30 days at constant traffic: chips of the month, all drawing their power, over its tokens.
    month = {"month": "2026-11", "input_tokens_per_day": 8e13, "output_tokens_per_day": 2e13}
    changes = {"traffic": {"kind": "table", "table": [month]}, "money.unit": "usd", "serving.load_factor": 0.5}
    found = cost(load("open-weights-8b", changes), Design(8e9, 15e12, 1.5e11))
    needs = found.needs()
    assert needs["serving_kw"] == pytest.approx(
        1.73 * found.fleet.serving_chips_at_peak, rel=1e-12
    )  # data/hardware.csv
    kwh = needs["serving_kw"] * 24 / 100e6
    assert needs["kwh_per_mtok"] == pytest.approx(kwh, rel=1 / found.fleet.serving_chips_at_peak)  # whole chips
    assert needs["energy_usd_per_mtok"] == pytest.approx(0.08 * needs["kwh_per_mtok"], rel=1e-12)
    # Electricity is in the price of a chip-hour: at 1.73 kW and 0.08 USD/kWh it is 6 % of 2.29 USD.
    share = needs["energy_usd_per_mtok"] / needs["own_serving_usd_per_mtok"]
    assert share == pytest.approx(1.73 * 0.08 / 2.29, rel=1e-9)


def test_a_published_loss():
    found = cost(plain_scenario(), Design(13e9, 1e12, 0.0))
    assert found.loss == pytest.approx(2.01745, abs=5e-6)  # De Vries' coefficients, as printed
    assert found.status is Status.GIVEN


@pytest.mark.parametrize(
    ("rl", "changes"),
    [
        ({"policy": "tokens", "tokens": 1.3e14}, {}),
        ({"policy": "optimised"}, {"limits.max_params": 9e10}),
    ],
)
def test_the_excess_is_over_the_best_design_of_the_same_loss(lecture, rl, changes):
    s = lecture.update({"goal": {"kind": "budget", "budget": 1e26}, "rl": rl, **changes})
    design = design_from(s, 8e10, 3e14, rl_tokens=1e14 if rl["policy"] == "optimised" else None)
    found = cost(s, design)
    like = {"like_params": 8e10, "like_tokens": 3e14}
    like |= {"like_rl_tokens": 1e14} if rl["policy"] == "optimised" else {}
    best = solve(s.update({"goal": {"kind": "loss", **like}}))
    assert float(found.cost.total) == pytest.approx(float(lifecycle_cost(s, design).total), rel=1e-12)
    assert found.loss == pytest.approx(best.loss, rel=1e-12)
    assert found.excess_cost == pytest.approx(float(found.cost.total) / float(best.cost.total) - 1, rel=1e-9)
    assert found.band == best.band
    assert float(found.baseline.cost.total) == pytest.approx(float(best.baseline.cost.total), rel=0.5)
    again = cost(s, best.design)
    assert again.excess_cost == pytest.approx(0, abs=1e-9)
    assert again.baseline.design.n_params == pytest.approx(best.baseline.design.n_params, rel=1e-9)


def test_the_excess_by_brute_force(lecture):
    found = cost(lecture, Design(100e9, 200e12, 200e12 / 1.5))
    c = lecture.law.chinchilla
    reducible = c.A * 100e9**-c.alpha + c.B * 200e12**-c.beta
    n = np.exp(np.linspace(24, 27, 1_000_001))
    with np.errstate(invalid="ignore"):
        d = ((reducible - c.A * n**-c.alpha) / c.B) ** (-1 / c.beta)
    least = np.nanmin(n * (6 * d + 9 * 200e12 / 1.5 + 6 * 200e12))
    assert found.excess_cost == pytest.approx(
        100e9 * (6 * 200e12 + 9 * 200e12 / 1.5 + 6 * 200e12) / least - 1, rel=1e-6
    )


def test_two_of_size_tokens_and_compute_give_the_third(lecture):
    assert design_from(lecture, 7e9, flops=1e23).train_tokens == pytest.approx(2.381e12, rel=2e-4)
    assert design_from(lecture, train_tokens=2e12, flops=1.2e23).n_params == pytest.approx(1e10, rel=1e-12)
    assert design_from(lecture, 7e9, 2e12).rl_tokens == pytest.approx(lecture.rl.tokens, rel=1e-15)
    for given in ({}, {"n_params": 7e9}, {"n_params": 7e9, "train_tokens": 1e12, "flops": 1e23}):
        with pytest.raises(InputError, match="give two of parameters, training tokens and compute"):
            design_from(lecture, **given)
    with pytest.raises(InputError, match=r"RL tokens follow from rl\.policy = 'tokens'"):
        design_from(lecture, 7e9, 2e12, rl_tokens=1e12)
    with pytest.raises(InputError, match="RL tokens are missing"):
        design_from(lecture.update({"rl.policy": "optimised", "goal.like_rl_tokens": 1e14}), 7e9, 2e12)
    with pytest.raises(InputError, match=r"N must be more than 0, got -1"):
        cost(lecture, Design(-1.0, 1e12, 0.0))


def test_every_limit_has_its_value_and_bound(lecture):
    bounds = {
        "limits.min_params": 2e10, "limits.max_params": 5e10, "limits.max_train_tokens": 1e13, "limits.fleet_chips": 1e5,
        "limits.max_training_days": 100, "limits.max_bytes": 1e11, "limits.bytes_per_param": 1, "deployment.sparsity": 1.5,
    }  # fmt: skip
    s, design = lecture.update(bounds), Design(1e11, 2e13, 1.3e14)
    found = {at.path: at for at in cost(s, design).limits}
    days = 6 * 1e11 * 2e13 / (86400 * 1e5 * s.money.train_chip.peak_flops * s.pretraining.mfu)
    values = {
        "limits.min_params": 1e11, "limits.max_params": 1e11, "limits.max_train_tokens": 2e13,
        "limits.max_training_days": days, "limits.max_bytes": 1.5e11,
    }  # fmt: skip
    assert {path: at.value for path, at in found.items()} == pytest.approx(values, rel=1e-12)
    assert {path: at.bound for path, at in found.items()} == {path: bounds[path] for path in found}
    assert {path for path, at in found.items() if at.kept} == {"limits.min_params", "limits.max_training_days"}
    assert {path: float(over) <= 0 for path, over in limit_excess(s, design).items()} == {
        p: a.kept for p, a in found.items()
    }
    assert all(at.kept for at in solve(lecture.update({"limits.max_params": 1e11})).limits), (
        "an optimum keeps its limits"
    )


def test_a_design_that_breaks_limits_or_memory_still_has_an_answer(lecture):
    beyond = cost(
        lecture.update({"limits.max_params": 1e10, "limits.max_train_tokens": 1e13}), Design(1e11, 2e14, 1.3e14)
    )
    assert beyond.best is not None
    assert "cannot be reached" in beyond.best.message
    assert np.isnan(beyond.excess_cost)
    eight = lecture.update({"serving.method": "roofline", "money.unit": "usd", "deployment.placement": "given"})
    large = cost(eight, Design(2e12, 2e14, 1.3e14))
    assert np.isnan(float(large.cost.total))
    assert [at.kept for at in large.limits if at.path == "deployment.chips"] == [False]
    for found in (beyond, large):
        plain = json.loads(json.dumps(found.to_dict(), allow_nan=False))
        assert plain["status"] == "given"
        assert plain["excess_cost"] is None
        assert set(plain) == set(solve(lecture).to_dict())


def test_serving_chips_are_demand_over_throughput():
    s = load("open-weights-8b")
    best = solve(s)
    seconds = 2 * float(best.design.n_params) / (s.money.serve_chip.peak_flops * s.pretraining.mfu)
    for month, at in zip(s.traffic.by_month(), best.fleet.months, strict=True):
        read = month.input_tokens_per_day * (1 - s.traffic.cache_hit_share) / s.serving.prefill_efficiency
        wrote = month.output_tokens_per_day / s.serving.decode_efficiency
        chips = s.traffic.share * (read + wrote) * seconds / 86400
        assert at.chips == np.ceil(chips - 1e-6)
        assert at.chips_at_peak >= at.chips


@pytest.mark.parametrize(
    ("changes", "chips", "prompts"),
    [
        # 100 busy chips for prompts and 1,000 for decoding, of which 0.6 are busy at the mean: 167 and 1,667 at the peak.
        ({}, (14 * 72 + 13 * 8, 24 * 72 + 21 * 8), (13 * 8, 21 * 8)),
        ({"deployment.prefill_chips": None}, (14 * 72 + 2 * 72, 24 * 72 + 3 * 72), (2 * 72, 3 * 72)),
        ({"deployment.pipeline_stages": 2}, (7 * 144 + 7 * 16, 12 * 144 + 11 * 16), (7 * 16, 11 * 16)),
        ({"deployment.prefill": "together", "deployment.prefill_chips": None}, (16 * 72, 26 * 72), (0, 0)),
    ],
)
def test_serving_chips_are_whole_replicas_of_either_kind(changes, chips, prompts):
    month = {"month": "2026-11", "input_tokens_per_day": 8e13, "output_tokens_per_day": 2e13}
    traffic = {"kind": "table", "table": [month], "share": 1.0, "cache_hit_share": 0.5}
    given = {"placement": "given", "chips": 72, "parallelism": "expert", "pipeline_stages": 1, "prefill_chips": 8}
    fixed = {f"deployment.{field}": value for field, value in given.items()}
    s = load("frontier-moe-rack", {"traffic": traffic, "serving.load_factor": 0.6, **fixed, **changes})
    (found,) = serving_chips(s, (100 * 86400 / 4e13, 1000 * 86400 / 2e13))
    assert (found.chips, found.chips_at_peak) == chips
    assert (found.prefill_chips, found.prefill_chips_at_peak) == prompts
