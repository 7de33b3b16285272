"""Every test runs with the shapes of arrays checked, 64-bit floats, no silent broadcasting, and warnings as errors.

What is compiled is kept in `build/`, for the next run and for the processes that tests start. Tests run side by side, each file in one
process.
"""

import gc
import os
import sys
from functools import cache
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[1]
# Bytecode is kept also where the environment forbids it: compiling every module and test anew takes half of the time of collection.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
os.environ.pop("COLUMNS", None)  # what a command prints does not depend on the terminal that runs the tests
os.environ.setdefault("OVERTRAIN_CACHE", str(ROOT / "build" / "programs"))
# JAX finds a program by what it computes, so it is found again after a change of the source that does not change it.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(ROOT / "build" / "jax"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.05")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
# What tests compute beside the package's own programs, operation by operation, runs once: it is compiled without optimisation. An option
# that XLA does not know ends the process, and the oldest versions know fewer.
if tuple(int(part) for part in version("jaxlib").split(".")[:2]) >= (0, 8):
    os.environ.setdefault(
        "XLA_FLAGS",
        "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false "
        "--xla_cpu_parallel_codegen_split_count=1",
    )

from jaxtyping import install_import_hook  # noqa: E402

from . import typechecker  # noqa: E402  the hook looks it up by its dotted name

# The modules that compute with arrays. The others are left to pyright: their functions within functions would be checked anew with every
# call, which takes two fifths of a run, and names and units of outputs are looked up more often than anything is computed.
install_import_hook(
    [
        "optimizer.analysis",
        "optimizer.assumptions.posterior",
        "optimizer.assumptions.traffic",
        "optimizer.evidence",
        *(
            f"optimizer.model.{path.stem}"
            for path in (ROOT / "optimizer/model").glob("[!_]*.py")
            if path.stem != "outputs"
        ),
        *(
            f"optimizer.optimum.{name}"
            for name in ("base", "batch", "certificate", "curve", "equation", "search", "totals")
        ),
    ],
    "tests.typechecker.check",
)

import jax  # noqa: E402
import pytest  # noqa: E402
import typer.testing  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402

from optimizer import Scenario, load  # noqa: E402

jax.config.update("jax_numpy_rank_promotion", "raise")
settings.register_profile(
    "repeatable", deadline=None, derandomize=True, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("repeatable")
# A process makes the parser of the command once; the test runner would make it for every command, which takes half of a short one.
typer.testing._get_command = cache(typer.testing._get_command)

CHINCHILLA_POINTS = {
    "kind": "coupled",
    "E": 1.757,
    "A": 2305,
    "B": 9957,
    "alpha": 0.4244,
    "beta": 0.4305,
    "gamma": 0.774,
}
"""Coupled fit to the 240 points of Hoffmann et al. 2022 that Besiroglu et al. 2024 digitised."""
LONG_RUNS = {"kind": "coupled", "E": 1.241, "A": 8.47e10, "B": 1.083e10, "alpha": 1.142, "beta": 0.859, "gamma": 0.171}
"""Coupled fit to the 47 runs of Sardana et al. 2024."""


LONGEST = (
    "browser/",
    "test_site",
    "test_wheel",
    "test_engines",
    "test_compiling",
    "app/test_pages",
    "test_fuzz",
    "test_chart",
    "test_fit",
    "test_open_placement",
    "test_placing",
    "test_tabulated",
    "test_batch",
    "test_solve_roofline",
    "test_tornado",
    "test_elasticities",
    "test_roofline",
    "test_properties",
    "test_cli_sensitivity",
    "test_between",
    "test_notebooks",
    "app/test_pins",
    "test_switch",
    "app/test_controls",
    "test_same_scenario",
    "test_hostile",
    "test_band",
    "test_sparsity",
)
"""Files that start first, so that no process ends a run alone with one of them."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def rank(item: pytest.Item) -> int:
        return next((i for i, name in enumerate(LONGEST) if name in item.nodeid), len(LONGEST))

    items.sort(key=rank)


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()  # what is imported stays to the end: to look at it again and again takes a twentieth of a run


@pytest.fixture(scope="module", autouse=True)
def _checked() -> None:
    typechecker.begin()


@pytest.fixture
def lecture() -> Scenario:
    return load("lecture-2026")


@pytest.fixture
def plain() -> Scenario:
    """6 N D + 2 N T with nothing else: the problem of the literature."""
    return plain_scenario()


DENSE = {
    "money.unit": "usd",
    "serving.method": "roofline",
    "deployment.placement": "given",
    "money.serve_chip": {"name": "H100 SXM", "precision": "fp8"},
    "goal": {"kind": "loss", "like_params": 3e10, "like_tokens": 2e13},
}
"""A dense model that is served by the roofline, its placement given; changes to `lecture-2026`."""


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
