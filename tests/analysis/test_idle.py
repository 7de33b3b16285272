"""What an analysis and the app call unused moves no output; what they do not call unused may."""

import pytest

from optimizer import load, solve
from optimizer.analysis.idle import why_idle

from ..counts import some

CASES = {
    "lecture-2026": {},
    "frontier-moe-chat": {},
    "on-device": {},
    "open-weights-8b": {"rl": {"policy": "none"}},
}


def outputs(scenario):
    """Every output of the optimum; the name and the residual of the solver are none."""
    return solve(scenario).to_frame().drop(columns=["scenario", "kkt_residual"]).fillna(-1).iloc[0].to_dict()


@pytest.mark.parametrize("preset", some([*CASES], [0, 1]))
def test_an_unused_number_moves_no_output(preset):
    s = load(preset, CASES[preset])
    idle = [(path, value) for path, _, value in s.quantities() if why_idle(s, path) and value]
    before = outputs(s)
    assert idle
    for path, value in idle:
        for factor in (0.7, 1.3):
            try:
                moved = s.update({path: value * factor})
            except ValueError:
                continue  # outside its bounds
            after = outputs(moved)
            assert after == before, path


def test_what_a_method_uses_is_not_called_unused(lecture):
    def idle(changes, *paths):
        return [bool(why_idle(lecture.update(changes), path)) for path in paths]

    width = "deployment.attention_width_exponent"
    assert idle({}, width, "pretraining.shard_chips", "deployment.layers") == [True, True, True]
    assert idle({"pretraining.context_tokens": 8192}, width) == [False]
    share, first = "limits.first_token_percentile", {"limits.max_seconds_to_first_token": 2}
    assert idle({}, share) == idle({"money.unit": "usd", "serving.method": "roofline"}, share) == [True]
    assert idle({"money.unit": "usd", "serving.method": "roofline", **first}, share) == [False]
    memory = {"limits.max_training_bytes_per_chip": 80e9}
    assert idle(memory, "pretraining.shard_chips", "deployment.layers", "deployment.chips") == [False, False, True]
    assert idle({"rl": {"policy": "none"}}, "rl.efficiency", "rl.policy") == [True, False]
    usd = {"money.unit": "usd"}
    price = "money.serve_chip.usd_per_chip_hour"
    assert idle({}, price) == [True]
    assert idle(usd, price, "deployment.kv_bytes_per_token", "serving.decode_efficiency") == [False, True, False]
    assert idle(usd | {"serving.method": "roofline"}, "deployment.kv_bytes_per_token", "serving.decode_efficiency") == [
        False,
        True,
    ]
