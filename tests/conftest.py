"""Every test runs with shapes and types checked, 64-bit floats, no silent broadcasting, and warnings as errors."""

from jaxtyping import install_import_hook

from . import typechecker  # noqa: F401  the hook looks it up by its dotted name

install_import_hook("optimizer", "tests.typechecker.check")

import jax  # noqa: E402
import pytest  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402

from optimizer import Scenario, load  # noqa: E402

jax.config.update("jax_numpy_rank_promotion", "raise")
settings.register_profile(
    "repeatable", deadline=None, derandomize=True, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("repeatable")


@pytest.fixture
def lecture() -> Scenario:
    return load("lecture-2026")


@pytest.fixture
def plain() -> Scenario:
    """6 N D + 2 N T with nothing else: the problem of the literature."""
    return plain_scenario()


def plain_scenario(**changes: object) -> Scenario:
    base = Scenario.from_dict(
        {
            "law": "de-vries",
            "goal": {"kind": "loss", "loss": 1.947},
            "traffic": {"kind": "total", "output_tokens": 2e12},
            "serving": {"decode_efficiency": 1.0},
        }
    )
    return base.update({path.replace("__", "."): value for path, value in changes.items()})
