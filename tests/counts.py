"""Number of cases of a test run: a part in `make test`, all with OVERTRAIN_THOROUGH=1.

A quick run drops cases and no assertion. It keeps a case of each kind: every law, goal, policy of RL, limit, method of serving and page, each
in at least one test, not every pair of them. What costs most is the program that each new pair compiles, so the pairs it keeps share programs.
"""

import os
from collections.abc import Iterable
from typing import TypeVar

import pytest

T = TypeVar("T")

THOROUGH = os.environ.get("OVERTRAIN_THOROUGH") == "1"

thorough = pytest.mark.skipif(not THOROUGH, reason="takes long; runs with OVERTRAIN_THOROUGH=1")
"""A test of which a shorter one tries the same kind."""


def cases(quick: int, thorough: int) -> int:
    """The number of random cases of this run."""
    return thorough if THOROUGH else quick


def named(values: Iterable[str], *quick: str) -> list[str]:
    """The cases of a parametrised test with a name: those in `quick`, or all."""
    every = list(values)
    assert {*quick} <= {*every}
    return every if THOROUGH else [*quick]


def some(values: Iterable[T], quick: Iterable[int]) -> list[T]:
    """The cases of a parametrised test: those at the positions `quick`, or all."""
    every = list(values)
    return every if THOROUGH else [every[i] for i in quick]
