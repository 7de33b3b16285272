"""People press anything in any order: no page fails, and no session sees another."""

import random
from typing import Any

import pytest

from optimizer import presets, solve
from optimizer.app.controls import GROUPS
from optimizer.assumptions.numbers import parse_number
from optimizer.optimum.solution import Status

from ..counts import cases
from .session import PAGES, agrees, drawn, opened, run, shown, turned

SESSIONS, ACTIONS, ALONE = cases(2, 10), cases(8, 60), cases(1, 10)
"""Sessions and actions of each, and how many of the sessions are repeated alone."""
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
KINDS = (
    *("text_input", "selectbox", "slider", "select_slider", "toggle", "button", "segmented_control"),
    *("multiselect", "number_input", "radio"),
)

Action = tuple[str, ...] | tuple[str, str, str, Any]


class Session:
    """One visitor: the app, the groups that are open, and the links that the address had."""

    def __init__(self, preset: str) -> None:
        self.preset, self.at = preset, opened(preset=preset)
        self.open = set[str]()
        self.links = [dict(self.at.query_params)]
        self.done = list[Action]()

    def kept(self) -> tuple[object, ...]:
        """What another session must not change."""
        at, asked = self.at, self.at.session_state["question"]
        return asked.preset, asked.scenario, dict(asked.pending), dict(at.session_state["pins"]), dict(at.query_params)

    def does(self, action: Action) -> None:
        """One action and the run that follows it."""
        self.done.append(action)
        match action:
            case ("page", page):
                turned(self.at, page)
            case ("group", name):
                self.open ^= {name}
            case ("link", place):
                for name in list(self.at.query_params):
                    del self.at.query_params[name]
                for name, value in self.links[int(place)].items():
                    self.at.query_params[name] = value
            case ("control", "button", key, _):
                self.at.button(key=key).click()
            case ("control", kind, key, value):
                next(c for c in getattr(self.at, kind) if c.key == key).set_value(value)
        for name in self.open:
            self.at.session_state[f"open.{name}"] = True
        self.at.run()
        assert not self.at.exception, (self.done, self.at.exception)
        if dict(self.at.query_params) != self.links[-1]:
            self.links.append(dict(self.at.query_params))


def chosen(session: Session, rng: random.Random) -> Action:
    """An action at random."""
    match rng.choice(["page", "group", "link", *["control"] * 7]):
        case "page":
            return "page", rng.choice([*PAGES, "compare", "design"])
        case "group":
            return "group", rng.choice([*GROUPS, "search", "file", "pins"])
        case "link":
            return "link", str(rng.randrange(len(session.links)))
    controls = [
        (kind, c)
        for kind in KINDS
        for c in getattr(session.at, kind)
        if not c.proto.disabled and c.key and not c.key.startswith(LONG)
    ]
    kind = rng.choice(sorted({kind for kind, _ in controls}))
    control = rng.choice([c for other, c in controls if other == kind])
    match kind:
        case "text_input":
            value = rng.choice(TYPED)
        case "selectbox" | "segmented_control" | "radio":
            value = rng.choice(control.options)
        case "slider":
            value = rng.choice([control.min, control.max, control.value])
        case "select_slider":
            value = parse_number(rng.choice(control.options))
        case "multiselect":
            value = control.value[: rng.randrange(len(control.value) + 1)]
        case "number_input":
            value = rng.choice([control.min, control.max, control.value])
        case "toggle":
            value = not control.value
        case _:
            value = None
    return "control", kind, control.key, value


def test_random_actions_fail_nowhere_and_stay_in_their_session():
    rng = random.Random("random actions")
    start = cases(2, len(presets()))  # few kinds of scenario, which compile once
    sessions = [Session(rng.choice(presets()[:start])) for _ in range(SESSIONS)]
    for _ in range(ACTIONS):
        for session in sessions:
            others = [other.kept() for other in sessions if other is not session]
            session.does(chosen(session, rng))
            assert [other.kept() for other in sessions if other is not session] == others, session.done
    for session in sessions[:ALONE]:
        alone = Session(session.preset)
        for action in session.done:
            alone.does(action)
        assert alone.kept() == session.kept(), session.done
        assert shown(alone.at) == shown(session.at), session.done
        assert drawn(alone.at) == drawn(session.at), session.done
    for session in sessions:
        asked = session.at.session_state["question"]
        if asked.problems:
            asked.undo()
        run(turned(session.at, "plan"))
        assert not asked.problems, session.done
        if solve(asked.scenario, throw=False).status is Status.OPTIMAL:
            assert agrees(session.at, asked.scenario), session.done


def test_a_failure_of_a_page_is_seen(monkeypatch):
    monkeypatch.setattr("optimizer.app.sidebar.described", lambda _: 1 / 0)
    with pytest.raises(AssertionError, match="division by zero"):
        opened()
