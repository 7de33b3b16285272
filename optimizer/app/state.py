"""What does one visitor's session hold? The question, what was typed and not accepted, and the steps that can be undone.

The scenario kept here is always a valid one. A change that the library refuses stays beside it, with the library's sentences, until it is
corrected, taken back or joined by the change that makes it whole.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from ..assumptions.library import load, presets
from ..assumptions.problems import InputError
from ..assumptions.scenario import Scenario
from ..assumptions.traffic import GrowthTraffic
from ..optimum.solution import Solution
from .link import PRESET, parameters, plain_values, same, scenario_of

__all__ = ["Question", "question", "write_link"]

MOST_STEPS = 50


@dataclass
class Question:
    """The question of one session."""

    preset: str
    scenario: Scenario
    pending: dict[str, Any] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    steps: list[tuple[str, Scenario]] = field(default_factory=list)
    notice: tuple[str, ...] = ()
    """what was wrong with the link or the upload"""
    answered: Solution | None = None
    """the last answer that was one"""

    _changed: tuple[str, Scenario, dict[str, Any]] | None = None

    def changed(self) -> dict[str, Any]:
        """Dotted paths that differ from the preset, with the preset's value (None where it has none)."""
        known = self._changed
        if known is None or known[0] != self.preset or known[1] is not self.scenario:  # every control asks
            before, now = plain_values(load(self.preset)), plain_values(self.scenario)
            found = {path: before.get(path) for path in [*now, *before] if before.get(path) != now.get(path)}
            self._changed = known = (self.preset, self.scenario, found)
        return known[2]

    def change(self, changes: Mapping[str, Any], *, instead_of: str = "") -> None:
        """Replace dotted paths, together with what is pending, except what is pending below `instead_of`."""
        self.notice = ()
        kept = {p: v for p, v in self.pending.items() if not instead_of or not p.startswith(instead_of)}
        wanted = {**kept, **changes}
        try:
            found = self.scenario.update(wanted)
        except InputError as error:
            self.pending, self.problems = wanted, error.problems
            return
        self._keep(self.preset, found)

    def generator(self) -> GrowthTraffic | None:
        """The last generated forecast of this preset that a step left behind."""
        left = (s.traffic for preset, s in reversed(self.steps) if preset == self.preset)
        return next((traffic for traffic in left if isinstance(traffic, GrowthTraffic)), None)

    def reset(self, path: str) -> None:
        """One path back to the preset's value."""
        self.pending.pop(path, None)
        self.change({path: plain_values(load(self.preset)).get(path)})

    def choose(self, preset: str, scenario: Scenario | None = None) -> None:
        """A preset as it comes, or a scenario of one's own that differs from it."""
        self.notice = ()
        self._keep(preset, load(preset) if scenario is None else scenario)

    def undo(self) -> None:
        """Take back what was not accepted, or else the last step."""
        self.notice = ()
        if self.problems:
            self.pending, self.problems = {}, ()
        elif self.steps:
            self.preset, self.scenario = self.steps.pop()

    def _keep(self, preset: str, scenario: Scenario) -> None:
        if preset != self.preset or not same(scenario, self.scenario):
            self.steps = [*self.steps, (self.preset, self.scenario)][-MOST_STEPS:]
        self.preset, self.scenario, self.pending, self.problems = preset, scenario, {}, ()


def question() -> Question:
    """The question of this session; on the first run the one that the URL names."""
    if "question" not in st.session_state:
        st.session_state["question"] = _opened(st.query_params.to_dict())
    return st.session_state["question"]


def _opened(given: dict[str, str]) -> Question:
    try:
        return Question(*scenario_of(given))
    except InputError as error:
        asked = given.get(PRESET, "")
        preset = asked if asked in presets() else presets()[0]
        return Question(preset, load(preset), notice=error.problems)


def write_link(asked: Question) -> None:
    """Make the URL say what the session asks."""
    wanted = parameters(asked.preset, asked.scenario)
    if st.query_params.to_dict() != wanted:
        st.query_params.from_dict(wanted)
