"""Choosing another kind always leads to a scenario, from every kind to every other; where it can, it keeps the answer."""

import itertools

import pytest

from optimizer import load, presets, solve
from optimizer.app.switch import SHAPE, start_of
from optimizer.assumptions.differences import same

from ..counts import some
from .session import opened, run

KINDS = {
    "goal.kind": ["loss", "budget", "params", "tokens"],
    "law.kind": ["chinchilla", "coupled", "repetition", "moe", "moe-sparsity", "moe-granularity"],
    "rl.policy": ["none", "tokens", "ratio", "flops", "cost_share", "optimised"],
    "traffic.kind": ["total", "growth", "table"],
}


def chosen(scenario, path, choice):
    return scenario.update(start_of(scenario, path, choice, solve(scenario, throw=False)))


@pytest.mark.parametrize("path", KINDS)
@pytest.mark.parametrize("preset", some([p for p in presets() if p != "frontier-moe-rack"], [0, 1]))
def test_every_kind_leads_to_every_other(preset, path):
    block, field = path.split(".")
    for first, second in itertools.permutations(KINDS[path], 2):
        once = chosen(load(preset), path, first)
        twice = chosen(once, path, second)
        assert [getattr(getattr(s, block), field) for s in (once, twice)] == [first, second]


def test_a_loss_of_few_bits_begins_with_a_calibration_and_gives_way_to_rl_that_is_decided():
    start, best = load("lecture-2026"), solve(load("lecture-2026"))
    s = start.update(start_of(start, "serving.quantisation", "calibrated", best))
    assert (s.serving.calibration_params, s.serving.calibration_tokens) == best.design[:2]
    again = s.update({"serving.quantisation": "w4a16", "serving.calibration_loss": 0.02})
    assert again.update(start_of(again, "serving.quantisation", "calibrated", best)).serving.calibration_loss == 0.02
    decided = again.update(start_of(again, "rl.policy", "optimised", best))
    assert (decided.rl.policy, decided.serving.quantisation) == ("optimised", "none")


def test_a_forecast_keeps_its_total_through_every_kind():
    s = load("lecture-2026")
    for kind in ("growth", "table", "total"):
        s = chosen(s, "traffic.kind", kind)
    assert same(s, load("lecture-2026"))


def test_a_generator_comes_back_with_its_shape_at_the_total_of_now():
    at = opened(preset="frontier-moe-chat")
    start = at.session_state["question"].scenario
    for kind in ("table", "growth"):
        at.segmented_control(key="choice.traffic.kind").set_value(kind)
        run(at)
    assert same(at.session_state["question"].scenario, start)
    at.segmented_control(key="choice.traffic.kind").set_value("table")
    run(at)
    table = at.session_state["question"].scenario
    doubled = [
        {
            **month,
            "input_tokens_per_day": 2 * month["input_tokens_per_day"],
            "output_tokens_per_day": 2 * month["output_tokens_per_day"],
        }
        for month in table.to_dict()["traffic"]["table"]
    ]
    at.session_state["question"].change({"traffic.table": doubled})
    run(at)
    at.segmented_control(key="choice.traffic.kind").set_value("growth")
    run(at)
    found = at.session_state["question"].scenario
    assert found.traffic.tokens_per_day == pytest.approx(2 * start.traffic.tokens_per_day)
    assert [getattr(found.traffic, name) for name in SHAPE] == [getattr(start.traffic, name) for name in SHAPE]
