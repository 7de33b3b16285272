"""The test runner must leave no trace in the process, and looks once for components of Streamlit among what is installed."""

import sys
from functools import cache

import pytest
from streamlit.components.v2 import manifest_scanner


@pytest.fixture(autouse=True)
def main_kept(monkeypatch):
    """Streamlit's runner puts the app in the place of `__main__`; a process spawned by a later test would import it."""
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])


@pytest.fixture(autouse=True, scope="session")
def components_found_once():
    """Every session of the runner reads the metadata of all installed packages: 0.5 s, five sixths of what opening a page takes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", cache(manifest_scanner.scan_component_manifests))
        yield
