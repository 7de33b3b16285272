"""The test runner must leave no trace in the process."""

import sys

import pytest


@pytest.fixture(autouse=True)
def main_kept(monkeypatch):
    """Streamlit's runner puts the app in the place of `__main__`; a process spawned by a later test would import it."""
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
