"""Answers that are kept: one solve for each scenario, whoever asks."""

import streamlit as st

from ..assumptions.scenario import Scenario
from ..optimum.solution import Solution
from ..optimum.solve import solve

__all__ = ["answer", "warm"]


def answer(scenario: Scenario) -> Solution:
    """The optimum, or a Solution that says why there is none."""
    return _solved(scenario.to_toml(), scenario)


# The text is the key: a Scenario has no hash. A resource, not data: a Solution is frozen, and copying it for each rerun would cost as much
# as drawing it.
@st.cache_resource(max_entries=500, show_spinner="Solving (the first answer of a kind takes some seconds) ...")
def _solved(toml: str, _scenario: Scenario) -> Solution:  # noqa: ARG001
    return solve(_scenario, throw=False)


def warm() -> None:
    """Load and compile what the first page needs; meant for a thread, while the browser still loads the page itself."""
    from ..assumptions.library import load, presets
    from ..report import chart
    from ..report.plan import cost_curve

    chart.cost_against_params.drawing(cost_curve(solve(load(presets()[0])))).spec()
