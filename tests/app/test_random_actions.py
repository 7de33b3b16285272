"""People press anything in any order: no page fails, and no session sees another."""

import random

import pytest
from streamlit.testing.v1 import AppTest

from optimizer import presets, solve
from optimizer.app.controls import GROUPS
from optimizer.assumptions.numbers import parse_number
from optimizer.optimum.solution import Status

from ..counts import cases
from .session import PAGES, agrees, opened, run, turned

SESSIONS, ACTIONS = cases(2, 10), cases(8, 60)
TYPED = [
    "",
    "abc",
    "-5",
    "0",
    "1",
    "38%",
    "1/3",
    "2.5T",
    "1e13",
    "1e400",
    "nan",
    "none",
    "=1+1",
    "![x](y)",
    "100B",
    "7",
]
LONG = ("start.", "stop.")
"""Beginnings of the keys of buttons that start work of minutes."""


def moved(at: AppTest, rng: random.Random) -> str:
    """Move one control of the page at random, without the run that follows."""
    controls = [c for kind in (at.text_input, at.selectbox, at.slider, at.select_slider, at.toggle, at.button, at.segmented_control)
                for c in kind if not c.proto.disabled and c.key and not c.key.startswith(LONG)]  # fmt: skip
    kinds = sorted({type(c).__name__ for c in controls})
    kind = rng.choice(kinds)
    control = rng.choice([c for c in controls if type(c).__name__ == kind])
    match kind:
        case "TextInput":
            value = rng.choice(TYPED)
        case "Selectbox" | "ButtonGroup" | "SegmentedControl":
            value = rng.choice(control.options)
        case "Slider":
            value = rng.choice([control.min, control.max, control.value])
        case "SelectSlider":
            value = parse_number(rng.choice(control.options))
        case "Toggle":
            value = not control.value
        case _:
            control.click()
            return f"press {control.key}"
    control.set_value(value)
    return f"{control.key} = {value!r}"


def test_random_actions_fail_nowhere_and_stay_in_their_session():
    rng = random.Random("random actions")
    start = cases(2, len(presets()))  # few kinds of scenario, which compile once
    sessions = [opened(preset=rng.choice(presets()[:start])) for _ in range(SESSIONS)]
    done: list[list[str]] = [[] for _ in sessions]
    unfolded: list[set[str]] = [set() for _ in sessions]

    def kept(at: AppTest) -> tuple[object, ...]:
        asked = at.session_state["question"]
        return asked.preset, asked.scenario, dict(asked.pending), dict(at.session_state["pins"]), dict(at.query_params)

    for _ in range(ACTIONS):
        for i, at in enumerate(sessions):
            others = [kept(other) for other in sessions if other is not at]
            what = rng.choice(["page", "group", *["control"] * 4])
            if what == "page":
                page = rng.choice([*PAGES, "compare"])
                turned(at, page)
                done[i].append(f"page {page}")
            elif what == "group":
                name = rng.choice([*GROUPS, "search", "file", "pins"])
                unfolded[i] ^= {name}
                done[i].append(f"group {name}")
            else:
                done[i].append(moved(at, rng))
            for name in unfolded[i]:
                at.session_state[f"open.{name}"] = True
            at.run()
            assert not at.exception, (done[i], at.exception)
            assert [kept(other) for other in sessions if other is not at] == others, done[i]
    for i, at in enumerate(sessions):
        asked = at.session_state["question"]
        if asked.problems:
            asked.undo()
        run(turned(at, "plan"))
        assert not asked.problems, done[i]
        if solve(asked.scenario, throw=False).status is Status.OPTIMAL:
            assert agrees(at, asked.scenario), done[i]


def test_a_failure_of_a_page_is_seen(monkeypatch):
    monkeypatch.setattr("optimizer.app.sidebar.described", lambda _: 1 / 0)
    with pytest.raises(AssertionError, match="division by zero"):
        opened()
