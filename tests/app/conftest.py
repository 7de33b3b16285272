"""The test runner leaves no trace in the process and waits for nothing."""

import sys
from functools import cache

import pytest
from streamlit.components.v2 import manifest_scanner

from optimizer.app import show


@pytest.fixture(autouse=True)
def main_kept(monkeypatch):
    """Streamlit's runner puts the app in the place of `__main__`; a process spawned by a later test would import it."""
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])


@pytest.fixture(autouse=True, scope="session")
def without_waiting():
    """What takes time in the runner and shows nothing: metadata of all installed packages, read anew for every session (0.5 s, five
    sixths of what opening a page takes), and the pause in which a browser draws.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", cache(manifest_scanner.scan_component_manifests))
        patch.setattr(show, "PAUSE", 0.0)
        yield
