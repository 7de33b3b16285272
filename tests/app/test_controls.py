"""A control moves what it is for; bad input keeps the last answer."""

import itertools

import pytest

from optimizer import InputError, Scenario, load, presets, solve
from optimizer.app.sliders import DECADE, notches
from optimizer.app.state import Question
from optimizer.app.switch import start_of
from optimizer.assumptions.differences import same
from optimizer.assumptions.naming import worded
from optimizer.assumptions.numbers import human, parse_number
from optimizer.assumptions.paths import schema_paths

from .session import SMALL, agrees, opened, run, shown, unfold


def test_an_input_moves_the_answer_to_what_the_library_gives():
    at = opened()
    at.text_input(key="text.traffic.output_tokens").set_value("500T")
    run(at)
    changed = load("lecture-2026", {"traffic.output_tokens": "500T"})
    assert agrees(at, changed)
    assert dict(at.query_params) == {"preset": "lecture-2026", "v": "2", "traffic.output_tokens": "500000000000000.0"}
    again = opened(**{path.replace(".", "__"): value for path, value in at.query_params.items()})
    assert shown(again) == shown(at)


def test_a_slider_moves_only_what_it_is_for():
    at = opened()
    unfold(at, "pretraining")
    at.slider(key="slider.pretraining.mfu").set_value(0.5)
    unfold(at, "pretraining")
    assert dict(at.query_params) == {"preset": "lecture-2026", "v": "2", "pretraining.mfu": "0.5"}
    options = at.select_slider(key="slider.traffic.output_tokens").options
    assert len(set(options)) == len(options), "two notches with one label are one notch for the browser"


def test_rates_and_shares_are_written_in_one_way_on_sliders():
    at = opened(preset="frontier-moe-chat")
    for name in ("growth", "share"):
        options = at.select_slider(key=f"slider.traffic.{name}").options
        assert "10 %" in options
        assert all(option.endswith(" %") for option in options)
    at.select_slider(key="slider.traffic.growth").set_value(0.2)
    run(at)
    assert at.text_input(key="text.traffic.growth").value == "20%"
    assert float(at.query_params["traffic.growth"]) == pytest.approx(0.2)


def test_changes_against_the_baseline_are_hidden_where_there_are_none():
    at = opened()
    hidden = "[data-testid=stMetricDelta] {visibility: hidden}"
    assert any(hidden in html.proto.body for html in at.get("html"))
    at.text_input(key="text.traffic.output_tokens").set_value("500T")
    run(at)
    assert not any(hidden in html.proto.body for html in at.get("html"))
    at.text_input(key="text.traffic.output_tokens").set_value("200T")
    at.text_input(key="text.traffic.share").set_value("100%")
    run(at)
    assert any(hidden in html.proto.body for html in at.get("html"))


@pytest.mark.parametrize("start", [1e-3, 0.07, 0.5, 1.0, 7.77, 106.7e12, 9.99e15])
@pytest.mark.parametrize("factor", [0.11, 0.5, 1.0, 1.037, 4.2, 9.9])
def test_a_slider_runs_in_logarithms_from_a_tenth_to_ten_times(start, factor):
    value = start * factor
    found = notches(value, start)
    assert found == sorted(set(found))
    assert {value, start} <= set(found), "the value, and the start it goes back to"
    for wanted in (2 * value, value / 2):
        if start / DECADE <= wanted <= DECADE * start:
            assert any(human(v, 3) == human(wanted, 3) for v in found), "twice and half are a press away"
    assert (found[0], found[-1]) == (pytest.approx(start / DECADE, rel=0.1), pytest.approx(start * DECADE, rel=0.11))
    assert max(b / a for a, b in itertools.pairwise(found)) < 1.21, "steps in proportion"
    assert len({human(v, 3) for v in found}) == len(found), "two notches with one label are one notch for the browser"
    assert max(notches(min(value, 1.0), min(start, 1.0), most=1.0)) <= 1.0, "no share above one"


def test_every_number_of_every_block_can_be_reached():
    at = opened()
    s = load("lecture-2026")
    unfold(at, "traffic", "goal", "law", "pretraining", "rl", "serving", "deployment", "money", "limits")
    keys = {box.key for box in at.text_input}
    assert {f"text.{path}" for path, _, _ in s.quantities()} <= keys
    assert {f"text.limits.{name}" for name in type(s.limits).model_fields} <= keys


def test_bad_input_says_the_librarys_sentence_and_keeps_the_last_answer():
    at = opened()
    before = shown(at)
    at.text_input(key="text.traffic.output_tokens").set_value("-5T")
    run(at)
    with pytest.raises(InputError) as caught:
        load("lecture-2026", {"traffic.output_tokens": "-5T"})
    sentence = caught.value.problems[0].removeprefix("traffic.output_tokens")
    assert at.error[0].value.replace("\\", "") == f"Output tokens in all{sentence}", "below its field, in its words"
    assert len(at.error) == 1
    assert shown(at) == before
    assert at.text_input(key="text.traffic.output_tokens").value == "-5T"
    assert dict(at.query_params) == {"preset": "lecture-2026"}
    at.text_input(key="text.traffic.output_tokens").set_value("300T")
    run(at)
    assert not at.error
    assert agrees(at, load("lecture-2026", {"traffic.output_tokens": "300T"}))


def test_an_infeasible_question_says_why_and_keeps_the_last_answer():
    at = opened()
    before = shown(at)
    unfold(at, "limits")
    at.text_input(key="text.limits.max_params").set_value("1B")
    run(at)
    best = solve(load("lecture-2026", {"limits.max_params": "1B"}), throw=False)
    assert best.message
    assert at.error[0].value.replace("\\", "") == worded(best.message)
    assert shown(at) == before


def test_undo_and_reset_lead_back():
    at = opened(preset=SMALL)
    start = shown(at)
    at.text_input(key="text.traffic.growth").set_value("8%")
    run(at)
    first = shown(at)
    at.text_input(key="text.traffic.months").set_value("36")
    run(at)
    assert len({str(start), str(first), str(shown(at))}) == 3
    at.button(key="undo").click()
    run(at)
    assert shown(at) == first
    at.text_input(key="text.traffic.months").set_value("36")
    run(at)
    at.button(key="reset.traffic.growth").click()
    run(at)
    assert set(at.query_params) == {"preset", "v", "traffic.months"}
    at.button(key="reset_all").click()
    run(at)
    assert shown(at) == start
    assert dict(at.query_params) == {"preset": SMALL}


def test_a_new_kind_of_goal_keeps_the_design():
    at = opened()
    before = shown(at)
    unfold(at, "goal")
    for kind in ("budget", "params", "tokens", "loss"):
        at.selectbox(key="choice.goal.kind").set_value(kind)
        unfold(at, "goal")
        assert at.query_params.get("goal.kind", "loss") == kind
        assert shown(at) == before


def test_every_choice_can_be_put_back():
    # A kind stands for its block: without what the preset has in it, the preset's kind would not be whole.
    choices = {
        "goal.kind": "budget", "rl.policy": "ratio", "law.kind": "repetition", "law.name": "ludziejewski", "traffic.kind": "growth",
        "money.serve_chip.name": "GB200 NVL72", "deployment.cache_tier.name": "disk",
    }  # fmt: skip
    for preset in presets():
        for path, choice in choices.items():
            asked = Question(preset, load(preset))
            asked.change(start_of(asked.scenario, path, choice, None))
            if path == "law.name":
                asked.change({"law.experts": 4.0})
            assert not asked.problems, (preset, path, asked.problems)
            changed = path in asked.changed()
            asked.pending = {f"{path.rpartition('.')[0]}.nonsense": "x"} if changed else {}
            if changed:
                asked.reset(path)
                assert not asked.problems, (preset, path, asked.problems)
                assert path not in asked.changed()


def test_sessions_are_separate():
    one, other = opened(), opened()
    one.text_input(key="text.traffic.output_tokens").set_value("500T")
    run(one)
    assert agrees(run(other), load("lecture-2026"))
    assert shown(one) != shown(other)


def test_what_the_method_does_not_use_is_greyed_with_the_reason():
    at = opened()
    unfold(at, "deployment", "pretraining")
    assert at.text_input(key="text.deployment.kv_bytes_per_token").disabled
    assert not at.text_input(key="text.pretraining.mfu").disabled
    said = " ".join(caption.value.replace("\\", "") for caption in at.caption)
    assert "used only with method of serving = Roofline" in said
    assert "used only with memory of one chip that pre-training may fill" in said
    at = opened(preset="frontier-moe-chat", serving__method="roofline")
    unfold(at, "deployment", "serving")
    assert at.session_state["question"].scenario.serving.by_roofline
    assert not at.text_input(key="text.deployment.kv_bytes_per_token").disabled
    assert at.text_input(key="text.serving.decode_efficiency").disabled


def test_a_hit_of_the_search_is_a_control():
    at = opened()
    for path, value in (("pretraining.mfu", "50%"), ("law.alpha", "0.35"), ("traffic.output_tokens", "500T")):
        at.session_state["open.search"] = True
        run(at)
        at.selectbox(key="search").set_value(path)
        at.session_state["open.search"] = True
        run(at)
        at.text_input(key=f"found.text.{path}").set_value(value)
        at.session_state["open.search"] = True
        run(at)
    wanted = {"pretraining.mfu": 0.5, "law.alpha": 0.35, "traffic.output_tokens": 5e14}
    assert agrees(at, load("lecture-2026", wanted))
    assert (
        at.text_input(key="found.text.traffic.output_tokens").value
        == at.text_input(key="text.traffic.output_tokens").value
    )


@pytest.mark.parametrize("preset", presets())
def test_every_value_has_a_way_back(preset):
    start = load(preset)
    for path in (p for p in schema_paths(Scenario) if "." in p and "table" not in p):
        block = start
        for part in path.split(".")[:-1]:
            block = getattr(block, part)
        if path.rpartition(".")[2] in type(block).model_fields:
            asked = Question(preset, start)
            asked.reset(path)
            assert not asked.problems, path
            assert same(asked.scenario, start), path


def test_a_limit_is_taken_back_by_its_button():
    at = opened()
    for path, typed in (("limits.max_params", "50B"), ("limits.max_train_tokens", "90T")):
        unfold(at, "limits")
        at.text_input(key=f"text.{path}").set_value(typed)
        unfold(at, "limits")
        assert path in at.session_state["question"].changed()
        at.button(key=f"reset.{path}").click()
        unfold(at, "limits")
        assert path not in at.session_state["question"].changed()


def test_a_coefficient_that_is_not_set_shows_what_is_used_for_it():
    at = opened(preset="lecture-2026", rl__policy="optimised", goal__like_rl_tokens="133.3T")
    unfold(at, "rl")
    s = at.session_state["question"].scenario
    # The lecture's point: G = B (R/D)^beta, gamma = beta.
    wanted = {"G": s.law.B * (133.3 / 200) ** s.law.beta, "gamma": s.law.beta}
    for name, value in wanted.items():
        said = at.text_input(key=f"text.rl.{name}").placeholder
        assert parse_number(said.split()[2]) == pytest.approx(float(value), rel=1e-3)
