"""Cached answers: one solve for each scenario, for all sessions of a server."""

import gc
from typing import TYPE_CHECKING, Any

import jax
import streamlit as st

from ..analysis.laws import expert_laws, with_laws
from ..assumptions.scenario import Scenario
from ..optimum.solution import Solution
from ..optimum.solve import solve
from .work import in_thread, waiting

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["across_laws", "answer", "by_expert_law", "curve", "known", "spared", "text_of", "warm"]


_KNOWN: set[Any] = set()
"""Kinds of scenario that this server has solved, so that their programs are compiled."""
MOST_TEXTS = 100
_TEXTS: dict[int, tuple[Scenario, str]] = {}
"""The last scenarios with their text, by identity: a scenario has no hash. Kept with it, so that no other takes its identity."""


def known(scenario: Scenario) -> bool:
    """Whether a scenario of this kind was solved before, so that its answer takes no compiling."""
    return jax.tree.structure(scenario) in _KNOWN


def answer(scenario: Scenario) -> Solution:
    """The optimum, or a Solution that says why it does not exist."""
    if known(scenario):
        return _solved(text_of(scenario), scenario)
    with waiting("Solving (the first answer of a kind takes some seconds) ...") as progress:
        first = in_thread(lambda _: solve(scenario, throw=False), progress)
    _KNOWN.add(jax.tree.structure(scenario))
    return _solved(text_of(scenario), scenario, first)


def text_of(scenario: Scenario) -> str:
    """The scenario as text, the key of every cache; written once, as a run asks for it several times."""
    written = _TEXTS.get(id(scenario))
    if written is None or written[0] is not scenario:
        written = _TEXTS[id(scenario)] = scenario, scenario.to_toml()
        while len(_TEXTS) > MOST_TEXTS:
            _TEXTS.pop(next(iter(_TEXTS)), None)
    return written[1]


# The text is the key: a Scenario has no hash. A resource, not data: a Solution is frozen, and copying it for each rerun would cost as much
# as drawing it. No spinner: the browser would draw it for a few milliseconds.
@st.cache_resource(max_entries=500, show_spinner=False)
def _solved(toml: str, _scenario: Scenario, _found: Solution | None = None) -> Solution:  # noqa: ARG001
    return _found or solve(_scenario, throw=False)


@st.cache_data(max_entries=500, show_spinner=False)
def across_laws(toml: str, _best: Solution) -> str:
    """How far the law's error moves the answer, in words; for after the answer is shown."""
    found = with_laws(_best, by_expert_law(toml, _best)).across_laws
    return found.sentence if found else ""


@st.cache_resource(max_entries=500, show_spinner=False)
def by_expert_law(toml: str, _best: Solution) -> dict[str, Solution]:  # noqa: ARG001
    """The optimum under each law of experts, solved once for the line below the answer and for the tab Cost; none for dense laws."""
    return expert_laws(_best)


def curve(best: Solution, near: float) -> "pd.DataFrame":
    """The cost curve of an answer that many questions are compared with."""
    return _curve(text_of(best.asked), near, best)


@st.cache_resource(max_entries=100, show_spinner=False)
def _curve(toml: str, near: float, _best: Solution) -> "pd.DataFrame":  # noqa: ARG001
    from ..analysis.plans import cost_curve

    return cost_curve(_best, near)


def warm() -> None:
    """Load and compile what the first page needs; for a thread that runs while the browser loads the page."""
    from ..analysis.plans import cost_curve
    from ..assumptions.library import load
    from ..report import chart
    from ..report.chart.plan import NEAR
    from .state import OPENING

    found = cost_curve(solve(load(OPENING)), NEAR)
    chart.cost_against_params.drawing(found, found, wide=False).spec()


@st.cache_resource(show_spinner=False)
def spared() -> None:
    """Exclude all objects that are loaded by now from garbage collection, once on a server.

    Streamlit runs a full collection after every run of a page. With JAX and its libraries that takes a tenth of a second, during which the
    server answers no session; without them it takes a few milliseconds.
    """
    gc.collect()
    gc.freeze()
