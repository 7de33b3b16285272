"""The state of a session: the scenario, typed values that were refused, and the steps that can be undone.

The scenario is always valid. A change that the library refuses is kept as pending, with the library's sentences, until it is corrected,
undone, or completed by another change.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from ..assumptions.differences import plain_values, same
from ..assumptions.library import load
from ..assumptions.paths import blocks_at
from ..assumptions.problems import InputError
from ..assumptions.scenario import Scenario
from ..assumptions.traffic import GrowthTraffic
from ..optimum.solution import Solution
from .link import PINS, PRESET, opened, parameters
from .pins import Pin, link_of, linked, pins

__all__ = ["LECTURE", "OPENING", "Question", "followed", "question", "write_link"]

MOST_STEPS = 50
OPENING, LECTURE = "frontier-moe-chat", "lecture-2026"
"""Presets: what the app opens on, and the lecture, which a link without a preset means."""


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
    link: dict[str, str] | None = None
    """the parameters of a link that was not taken as it is, until something is changed"""
    written: dict[str, str] | None = None
    """the parameters that the address got last; others are a step back or forward in the browser"""
    pinned: tuple[list[tuple[str, Pin]], dict[str, str]] = field(default_factory=lambda: ([], {}))
    """the pins that were written last, and the parameter they were written as, which is not made again for every run"""
    moved: bool = False
    """whether this run began with a change"""
    placed: set[str] = field(default_factory=set)
    """problems that are shown below their field in this run"""
    answered: Solution | None = None
    """the last answer that was one"""
    slid: tuple[str, bool] | None = None
    """the slider that began this run, by its dotted path, and whether it went up"""
    ahead: tuple[str, float] | None = None
    """the dotted path of that slider and its next notch in the same direction"""

    _changed: tuple[str, Scenario, dict[str, Any]] | None = None

    def changed(self) -> dict[str, Any]:
        """Dotted paths that differ from the preset, with the preset's value (None where it has none)."""
        known = self._changed
        if known is None or known[0] != self.preset or known[1] is not self.scenario:  # called for every control
            before, now = plain_values(load(self.preset)), plain_values(self.scenario)
            found = {path: before.get(path) for path in [*now, *before] if before.get(path) != now.get(path)}
            self._changed = known = (self.preset, self.scenario, found)
        return known[2]

    def change(self, changes: Mapping[str, Any], *, instead_of: str = "") -> None:
        """Replace dotted paths, together with what is pending, except what is pending below `instead_of`."""
        self.notice, self.moved = (), True
        kept = {p: v for p, v in self.pending.items() if not instead_of or not p.startswith(instead_of)}
        wanted = {**kept, **changes}
        try:
            found = self.scenario.update(wanted)
        except InputError as error:
            self.pending, self.problems = wanted, error.problems
            return
        self._keep(self.preset, found)

    def generator(self) -> GrowthTraffic | None:
        """The last generated forecast of this preset among the steps."""
        left = (s.traffic for preset, s in reversed(self.steps) if preset == self.preset)
        return next((traffic for traffic in left if isinstance(traffic, GrowthTraffic)), None)

    def reset(self, path: str) -> None:
        """One path back to the preset's value; a kind or a name together with the block that it stands for."""
        start = load(self.preset)
        around, _, field = path.rpartition(".")
        block: Any = start
        for part in around.split(".") if around else ():
            block = getattr(block, part)
        if around and field in (block.tag, "name"):
            self.change({around: block.to_dict()}, instead_of=f"{around}.")
        else:
            self.pending.pop(path, None)
            self.change({path: plain_values(start).get(path)})

    def emptied(self, path: str) -> None:
        """A box that was emptied: not set where that means something, else the preset's value."""
        blocks, field = blocks_at(Scenario, path.split(".")[:-1]), path.rpartition(".")[2]
        info = next(block.model_fields[field] for block in blocks if field in block.model_fields)
        if info.default is None:
            self.change({path: None})
        else:
            self.reset(path)

    def choose(self, preset: str, scenario: Scenario | None = None) -> None:
        """A preset as it comes, or a scenario of one's own that differs from it."""
        self.notice, self.moved = (), True
        self._keep(preset, load(preset) if scenario is None else scenario)

    def undo(self) -> None:
        """Take back what was not accepted, or else the last step."""
        self.notice, self.moved = (), True
        self.link = None
        if self.problems:
            self.pending, self.problems = {}, ()
        elif self.steps:
            self.preset, self.scenario = self.steps.pop()

    def _keep(self, preset: str, scenario: Scenario) -> None:
        if preset != self.preset or not same(scenario, self.scenario):
            self.steps = [*self.steps, (self.preset, self.scenario)][-MOST_STEPS:]
        self.preset, self.scenario, self.pending, self.problems, self.link = preset, scenario, {}, (), None


def question() -> Question:
    """The question of this session; on the first run the one that the URL names."""
    if "question" not in st.session_state:
        given = st.query_params.to_dict()
        st.session_state["question"] = _opened(given or {PRESET: OPENING})
        _pinned(st.session_state["question"], given)
    return st.session_state["question"]


def followed() -> Question:
    """The question at the start of a run. Where the browser went back or forward to another link, it is the one that this link names."""
    asked, given = question(), st.query_params.to_dict()
    if asked.written is not None and not asked.moved and PRESET in given and given != asked.written:
        found = _opened(given)
        asked.steps = [*asked.steps, (asked.preset, asked.scenario)][-MOST_STEPS:]
        asked.preset, asked.scenario, asked.pending, asked.problems = (
            *(found.preset, found.scenario, found.pending, found.problems),
        )
        asked.notice, asked.link = found.notice, found.link
        if given.get(PINS) != asked.written.get(PINS):  # pins that are too many for a link stay
            _pinned(asked, given)
    asked.moved = False
    return asked


def _opened(given: dict[str, str]) -> Question:
    found = opened(given)
    whole = not (found.notice or found.refused)
    return Question(
        found.preset, found.scenario, found.refused, found.problems, notice=found.notice, link=None if whole else given
    )


def _pinned(asked: Question, given: Mapping[str, str]) -> None:
    """Take the pins of a link."""
    known, problems = linked(given)
    pins().clear()
    pins().update(known)
    asked.notice = (*asked.notice, *problems)


def write_link(asked: Question) -> None:
    """Write the scenario and the pins into the URL; a link with refused parts is kept, so that it can be corrected there too."""
    known = [*pins().items()]
    if known != asked.pinned[0]:
        asked.pinned = known, link_of(pins())
    wanted = parameters(asked.preset, asked.scenario) | asked.pinned[1] if asked.link is None else asked.link
    if st.query_params.to_dict() != wanted:
        st.query_params.from_dict(wanted)  # may end the run before anything is sent
    asked.written = wanted
