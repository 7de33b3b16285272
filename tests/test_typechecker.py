"""The first calls of every function in each file are checked, and all in a thorough run."""

import pytest
from jaxtyping import TypeCheckError

from optimizer.model.replica import layers

from . import typechecker
from .counts import THOROUGH


def test_the_first_calls_of_a_file_are_checked(lecture):
    def refused() -> None:
        with pytest.raises(TypeCheckError, match="n_params"):
            layers(lecture.deployment, "8B")

    refused()
    for _ in range(typechecker.CHECKS):
        assert layers(lecture.deployment, 8e9) > 1
    if THOROUGH:
        refused()
    else:
        with pytest.raises(TypeError, match="unsupported operand"):
            layers(lecture.deployment, "8B")
        typechecker.begin()
        refused()
