"""The first screen is worked out before it is sent, once for a question, and for the next notch of a slider before it is asked for."""

import pytest
from streamlit.runtime.scriptrunner import get_script_run_ctx

from optimizer import load, solve
from optimizer.app import answers, screen, state
from optimizer.app.sliders import _foreseen, notches
from optimizer.assumptions.numbers import parse_number

from .session import SMALL, agrees, opened, run, shown, turned

SLIDER = "slider.traffic.share"
HALF = {"traffic.share": "0.5"}


def moved(at, by: int):
    """A run that begins with the slider `by` notches further, and the share it leads to."""
    slider = at.select_slider(key=SLIDER)
    options = notches(slider.value, float(load(SMALL).traffic.share), most=1.0)
    value = options[options.index(slider.value) + by]
    slider.set_value(value)
    run(at)
    assert agrees(at, load(SMALL, {"traffic.share": value})), "what is shown is the library's"
    return value


@pytest.fixture
def solved(monkeypatch):
    """The shares for which the app has solved, in order."""
    answers._solved.clear()
    found = []

    def counted(scenario, **how):
        found.append(float(scenario.traffic.share))
        return solve(scenario, **how)

    monkeypatch.setattr(answers, "solve", counted)
    return found


def test_the_next_notch_of_a_slider_is_solved_before_it_is_asked_for(solved):
    at = opened("plan", preset=SMALL, **HALF)
    assert {*solved} <= {0.5, load(SMALL).traffic.share}, "nothing is solved ahead before something moves"
    first = moved(at, -1)
    ahead = solved[-1]
    assert ahead < first
    del solved[:]
    assert moved(at, -1) == ahead
    assert len(solved) == 1, "the answer was there; only the notch after it was solved"
    assert solved[0] < ahead
    del solved[:]
    moved(at, 3)
    assert solved[0] > first, "another way is solved when it is asked for"
    assert solved[1] > solved[0], "and then the notch that follows on it"
    del solved[:]
    at.button(key="undo").click()
    run(at)
    assert not solved, "a step back was solved before and leads to no slider"


@pytest.mark.parametrize(
    ("value", "up", "ahead"), [(0.2, True, 0.3), (0.2, False, 0.1), (0.3, True, None), (0.1, False, None)]
)
def test_the_next_notch_lies_in_the_direction_of_the_last_move(value, up, ahead):
    asked = state.Question(SMALL, load(SMALL), slid=("traffic.share", up))
    options = [0.1, 0.2, 0.3]
    assert _foreseen("traffic.growth", value, options, asked) == options
    assert asked.ahead is None, "another slider"
    assert _foreseen("traffic.share", value, options, asked) == options
    assert asked.ahead == (None if ahead is None else ("traffic.share", ahead))


def test_nothing_is_sent_before_the_first_screen_is_worked_out(monkeypatch):
    at = opened("plan", preset=SMALL, **HALF)
    begun = []

    def watched(*given, **how):
        begun.append(bool(get_script_run_ctx().cursors))
        return figures(*given, **how)

    figures = screen._drawn
    monkeypatch.setattr(screen, "_drawn", watched)
    moved(at, -1)
    assert begun[0] is False


def test_a_run_that_asks_nothing_new_works_nothing_out(monkeypatch):
    at = opened("plan", preset=SMALL, **HALF)
    before = shown(at)
    monkeypatch.setattr(screen, "_drawn", lambda *_, **__: pytest.fail("the figures were there"))
    at.segmented_control(key="plan_tab").set_value("Code")
    run(at)
    assert shown(at).items() <= before.items()
    assert len(at.get("vega_lite_chart")) == 2


def test_a_link_that_was_not_sent_is_not_taken_for_a_step_back(monkeypatch):
    class CutShort(dict):
        def to_dict(self):
            return {}

        def from_dict(self, _):
            raise InterruptedError

    asked = state.Question(SMALL, load(SMALL, {"traffic.share": 0.5}), written={"preset": SMALL})
    monkeypatch.setattr(state.st, "query_params", CutShort())
    with pytest.raises(InterruptedError):
        state.write_link(asked)
    assert asked.written == {"preset": SMALL}, "the browser still has this one"


@pytest.mark.parametrize(
    "ahead", [("traffic.months", 13.0), ("traffic.share", 2.0)], ids=["of another forecast", "out of bounds"]
)
def test_a_notch_that_cannot_be_solved_ahead_is_left_alone(ahead):
    at = opened()
    at.session_state["question"].ahead = ahead
    run(at)
    assert at.session_state["question"].ahead is None


def test_a_slider_of_another_page_is_forgotten_with_its_field():
    at = opened("sensitivity", preset=SMALL)
    slider = at.select_slider(key="slider.traffic.months")
    slider.set_value(parse_number(slider.options[len(slider.options) // 2 + 2]))
    run(at)
    at.session_state["question"].change(
        {"traffic.kind": "total", "traffic.input_tokens": 1e13, "traffic.output_tokens": 1e13}
    )
    run(turned(at, "plan"))
    assert not at.session_state["question"].problems
