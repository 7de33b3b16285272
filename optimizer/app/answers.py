"""Answers that are kept: one solve for each scenario, whoever asks."""

import gc
from typing import Any

import jax
import streamlit as st

from ..assumptions.scenario import Scenario
from ..optimum.solution import Solution
from ..optimum.solve import solve
from .work import beside, waiting

__all__ = ["answer", "spared", "warm"]


_KNOWN: set[Any] = set()
"""Kinds of scenario that this server has answered, and so compiled."""


def answer(scenario: Scenario) -> Solution:
    """The optimum, or a Solution that says why there is none."""
    kind = jax.tree.structure(scenario)
    if kind not in _KNOWN:
        with waiting("Solving (the first answer of a kind takes some seconds) ...") as tell:
            beside(lambda _: solve(scenario, throw=False), tell)
        _KNOWN.add(kind)
    return _solved(scenario.to_toml(), scenario)


# The text is the key: a Scenario has no hash. A resource, not data: a Solution is frozen, and copying it for each rerun would cost as much
# as drawing it. No spinner of the cache's own: to the browser it is one more thing to draw, for a few milliseconds.
@st.cache_resource(max_entries=500, show_spinner=False)
def _solved(toml: str, _scenario: Scenario) -> Solution:  # noqa: ARG001
    return solve(_scenario, throw=False)


def warm() -> None:
    """Load and compile what the first page needs; meant for a thread, while the browser still loads the page itself."""
    from ..analysis.plans import cost_curve
    from ..assumptions.library import load, presets
    from ..report import chart

    chart.cost_against_params.drawing(cost_curve(solve(load(presets()[0])))).spec()


@st.cache_resource(show_spinner=False)
def spared() -> None:
    """Take all that is loaded by now out of garbage collection, once on a server.

    Streamlit collects in full after every run of a page. With JAX and its libraries that takes a tenth of a second, in which no press of
    anybody is answered; without them it takes a few milliseconds.
    """
    gc.collect()
    gc.freeze()
