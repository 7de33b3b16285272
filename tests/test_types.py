"""Types of the public functions, as mypy sees them in a project of a user."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import optimizer

from .counts import thorough

PROJECT = Path(__file__).parent / "data" / "typed_project" / "plan.py"


def checked(path: Path, cache: Path) -> subprocess.CompletedProcess[str]:
    """What mypy says of a file under --strict. Of an installed package it reads the types and reports no errors, which is
    `follow-imports=silent` in a checkout. pandas ships its types in a package of its own, which users may lack.
    """
    options = ["--strict", "--follow-imports=silent", "--disable-error-code=import-untyped", "--cache-dir", str(cache)]
    command = [sys.executable, "-m", "mypy", *options, str(path)]
    return subprocess.run(command, capture_output=True, text=True, cwd=PROJECT.parents[3])


def test_the_project_uses_every_public_name():
    words = set(re.findall(r"\w+", PROJECT.read_text()))
    assert not set(optimizer.__all__) - words


@thorough
def test_a_project_that_uses_the_library_passes_mypy_and_a_wrong_type_does_not(tmp_path):
    pytest.importorskip("mypy", reason="types are checked with mypy")
    right = checked(PROJECT, tmp_path / "cache")
    assert right.returncode == 0, right.stdout
    wrong = tmp_path / "wrong.py"
    wrong.write_text(PROJECT.read_text().replace("assert_type(best, Solution)", "assert_type(best, str)"))
    found = checked(wrong, tmp_path / "cache")
    assert found.returncode == 1
    assert found.stdout.count("error:") == 1
    assert 'Expression is of type "Solution", not "str"' in found.stdout
