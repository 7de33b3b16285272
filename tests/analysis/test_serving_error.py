"""The measured error of serving: what is drawn for it, and what an answer says of its cost."""

import numpy as np
import pytest
from rich.console import Console

from optimizer import draws, export, load, size_table, solve
from optimizer.analysis.ranges import held, ranges
from optimizer.assumptions.numbers import human
from optimizer.assumptions.record import KEY, caption
from optimizer.model.accuracy import SERVING_ERRORS
from optimizer.report.sentences import served
from optimizer.report.table_text import table_text

ROOFLINE = {
    "money.unit": "usd",
    "serving.method": "roofline",
    "deployment.placement": "given",
}
"""On eight chips of the lecture's own."""


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, "dense model, tensor parallelism"),
        ({"deployment.chips": 1}, "dense model, one chip"),
        ({"deployment.parallelism": "expert", "deployment.sparsity": 8}, "experts"),
        ({"deployment.sparsity": 8}, "experts"),
        ({"law": {"kind": "moe", "name": "ludziejewski", "experts": 8}}, "experts"),
        ({"deployment.engine": "community"}, "community server"),
        ({"deployment.engine": "tuned"}, "tuned software"),
    ],
)
def test_the_range_of_the_engine_s_speed_is_the_error_of_its_class(changes, name):
    s = load("lecture-2026", {**ROOFLINE, **changes})
    (moved,) = [r for r in ranges(s) if r.path == "deployment.engine_speed"]
    assert (moved.low, moved.high) == pytest.approx((1 / SERVING_ERRORS[name].within, SERVING_ERRORS[name].within))
    assert any("deployment.bandwidth_share" in sentence for sentence in held(s))


def test_without_the_roofline_nothing_is_drawn_for_it():
    assert "deployment.engine_speed" not in [r.path for r in ranges(load("lecture-2026"))]


def test_an_answer_says_between_which_costs_it_lies():
    best = solve(load("lecture-2026", ROOFLINE))
    within = SERVING_ERRORS["dense model, tensor parallelism"].within
    serving = float(best.cost.prefill) + float(best.cost.decode)
    rest = float(best.cost.total) - serving
    money = best.scenario.money
    said = f"{human(rest + serving / within, 3)} to {human(rest + serving * within, 3)} {money.currency}"
    assert served(best).endswith(f"The cost over the life is then {said}.")
    assert best.to_dict()["placement"]["within"] == within
    assert served(solve(load("lecture-2026"))) == ""


def test_serving_costs_as_much_more_as_the_engine_is_slower():
    """On one chip every time of a step but the host's is in proportion, so that one measured run scales the prediction."""
    one_chip = {"deployment.chips": 1, "deployment.seconds_per_sequence": 0, "goal": {"kind": "params", "params": 30e9}}
    s = load("lecture-2026", {**ROOFLINE, **one_chip})
    one, half = solve(s), solve(s.update({"deployment.engine_speed": 0.5}))
    assert float(half.cost.decode) == pytest.approx(2 * float(one.cost.decode), rel=1e-9)


def test_draws_lie_within_the_error_as_often_as_measured_points():
    s = load("lecture-2026", ROOFLINE)
    frame = draws(s, 400, parts="prices", over=dict.fromkeys(("pretraining", "rl", "serving")))
    assert [c for c in frame if c.startswith("deployment.")] == ["deployment.engine_speed"]
    speed = np.abs(np.log(frame["deployment.engine_speed"].to_numpy()))
    inside = np.mean(speed <= np.log(SERVING_ERRORS["dense model, tensor parallelism"].within))
    assert inside == pytest.approx(0.8, abs=0.06)
    assert np.corrcoef(np.log(frame["deployment.engine_speed"]), np.log(frame["cost_total"]))[0, 1] < -0.99


def test_a_table_says_the_error_of_each_class_in_it(tmp_path):
    """In the terminal, a notebook and every file that is read: what measured serving is off by, once a class; nothing without the roofline."""
    s = load("lecture-2026", ROOFLINE)
    table = size_table(s, {"deployment.chips": [1, 8]})
    console = Console(width=400)
    with console.capture() as printed:
        console.print(table_text(table, None))
    texts = [printed.get(), table._repr_html_()]
    texts += [
        export(table, tmp_path / f"t.{kind}").read_text(encoding="utf-8") for kind in ("csv", "md", "tex", "html")
    ]
    for name in ("dense model, one chip", "dense model, tensor parallelism"):
        for text in texts:
            assert f"{SERVING_ERRORS[name].within:.2f} for 80" in text
            assert f"({name})" in text
    assert "serving error" not in caption(size_table(load("lecture-2026"), {"goal.like_params": [1e10]}).attrs[KEY])
