"""Answers that are kept: one solve for each scenario, whoever asks."""

import streamlit as st

from ..assumptions.scenario import Scenario
from ..optimum.solution import Solution
from ..optimum.solve import solve

__all__ = ["answer"]


def answer(scenario: Scenario) -> Solution:
    """The optimum, or a Solution that says why there is none."""
    return _solved(scenario.to_toml())


# A resource, not data: a Solution is frozen, and copying it for each rerun would cost as much as drawing it.
@st.cache_resource(max_entries=500, show_spinner="Solving (the first answer of a kind takes some seconds) ...")
def _solved(toml: str) -> Solution:
    return solve(Scenario.from_toml(toml), throw=False)
