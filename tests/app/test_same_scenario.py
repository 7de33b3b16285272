"""A scenario is the same on every way: changes, TOML, link, --set and the code on the page. Nothing here is solved."""

import contextlib
import itertools
import random
import shlex
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import jax
import jaxtyping
import pytest

from optimizer import InputError, Scenario, load, presets
from optimizer.app.link import PRESET, VERSION, parameters
from optimizer.app.snippets import command_snippet, python_snippet
from optimizer.assumptions.library import preset_text
from optimizer.cli._common import scenario_with

from ..counts import THOROUGH, named
from ..links import scenario_of
from .session import MONTHS

OWN_CHIP = {"peak_flops": 1.2e15, "usd_per_chip_hour": 2.75, "hbm_bytes": 1.41e11, "hbm_bytes_per_second": 4.1e12}
OWN_TIER = {"capacity_bytes": 2e12, "bytes_per_second": 5e9, "usd_per_device_hour": 0.07}
LETTERS = {"E": 1.7, "A": 400.0, "B": 410.0, "alpha": 0.34, "beta": 0.28}
MOE = {"kind": "moe", "a": 38.0, "alpha": -0.2, "delta": 0.2, "gamma": -0.006, "b": 26.6, "beta": -0.14, "omega": -0.1,
       "zeta": 0.0098, "c": 1.35, "E_start": 2.0, "E_max": 300.0}  # fmt: skip

CHIPS: list[Any] = [
    {},
    {"": "H100 SXM"},
    {"": {"name": "GB200 NVL72", "precision": "fp4"}},
    {"": OWN_CHIP},
    {"": {"name": "A100-80GB SXM", "precision": "fp8", "peak_flops": 6e14}},
    {"": {"name": "H200 SXM", "hbm_bytes": None}},
    {".usd_per_chip_hour": "3.5"},
    {".precision": "fp8"},
    {".precision": "int8", ".hbm_bytes": "100B"},
]
AXES: dict[str, list[dict[str, Any]]] = {
    "law": [
        {},
        {"law": "hoffmann"},
        {"law": {"name": "ludziejewski", "experts": 16}},
        {"law": {"name": "abnar", "sparsity": 0.9}},
        {"law": {"name": "krajewski", "granularity": 4}},
        {"law": {"name": "besiroglu", "kind": "repetition", "unique_tokens": 2e13}},
        {"law": LETTERS},
        {"law": {**LETTERS, "kind": "repetition", "unique_tokens": "30T"}},
        {"law": MOE},
        {"law.kind": "chinchilla"},
        {"law.kind": "repetition", "law.unique_tokens": 2e13, "law.name": "de-vries"},
        {"law.kind": None},
    ],
    "goal": [
        {},
        {"goal": {"kind": "loss", "loss": 1.95}},
        {"goal": {"kind": "budget", "budget": "1e26"}},
        {"goal.kind": "params", "goal.params": "70B"},
        {"goal": {"kind": "loss", "like_params": 1e10, "like_tokens": 1e13}},
    ],
    "rl": [
        {},
        {"rl": {"policy": "none"}},
        {"rl.policy": "tokens", "rl.tokens": "20T"},
        {"rl.policy": "ratio", "rl.ratio": "1/3", "rl.trained_share": 1},
        {"rl": {"policy": "flops", "flops": 1e25}},
        {"rl": {"policy": "cost_share", "cost_share": "50%"}},
        {"rl": {"policy": "optimised", "gamma": 0.4}, "goal": {"kind": "loss", "loss": 2.0}},
    ],
    "traffic": [
        {},
        {"traffic": {"kind": "total", "output_tokens": "500T"}},
        {"traffic": {"kind": "growth", "tokens_per_day": 3e11, "growth": "7%", "start": "2027-02"}},
        {"traffic": {"kind": "growth", "name": "google-all-surfaces-2026-05-19", "share": 0.1}},
        {"traffic": {"kind": "table", "table": MONTHS}},
    ],
    "money": [{}, {"money.unit": "usd"}, {"money.unit": "usd", "serving.method": "roofline"}, {"serving.method": "efficiency"}],
    "batch": [
        {},
        {"deployment.batch": "fixed", "deployment.batch_size": 64, "deployment.target_tokens_per_second": None},
        {"deployment.batch": "optimal", "deployment.batch_size": None, "deployment.target_tokens_per_second": None},
        {"deployment": {"sparsity": 4}},
    ],
    "train_chip": [{f"money.train_chip{k}": v for k, v in chip.items()} for chip in CHIPS],
    "serve_chip": [{f"money.serve_chip{k}": v for k, v in chip.items()} for chip in CHIPS],
    "cache_tier": [
        {},
        {"deployment.cache_tier": "disk"},
        {"deployment.cache_tier": OWN_TIER},
        {"deployment.cache_tier.usd_per_device_hour": 0.05},
        {"deployment.cache_tier": {"name": "DDR", "capacity_bytes": 1e12}},
    ],
    "limits": [{}, {"limits.max_params": "9B"}, {"limits": {"max_training_days": 90, "fleet_chips": 20000}}, {"limits": None}],
    "text": [{}, {"name": " mine & yours = 100 % "}, {"name": None}, {"name": "{a = 1}"}, {"description": "Zeile\nü"}],
}  # fmt: skip
SINGLE = [change for changes in AXES.values() for change in changes if change]
PAIRS = [
    {**first, **second}
    for one, other in itertools.combinations(AXES, 2)
    for first, second in itertools.product(AXES[one], AXES[other])
]


def equal(one: Scenario, other: Scenario) -> bool:
    trees = [jax.tree.flatten(s) for s in (one, other)]
    return one == other and trees[0] == trees[1] and one.to_dict() == other.to_dict()


def code_of(snippet: str) -> Scenario:
    names: dict[str, Any] = {}
    exec(snippet.partition("best = ")[0], names)
    return names["s"]


def command_of(snippet: str) -> Scenario:
    if snippet.startswith("cat >"):
        return Scenario.from_toml(snippet.partition("\n")[2].rpartition("SCENARIO\n")[0])
    words = shlex.split(snippet.replace("\\\n", ""))
    assert words[:2] == ["overtrain", "solve"]
    assert set(words[3::2]) <= {"--set"}
    return by_settings(words[2], words[4::2])


def by_settings(name: str, settings: list[str]) -> Scenario:
    return scenario_with(name, settings, [])


def nameless(s: Scenario) -> Scenario:
    return s.model_copy(update={"description": ""})


def travels(preset: str, s: Scenario) -> None:
    """The scenario comes back the same from all that it is written as."""
    assert equal(Scenario.from_toml(s.to_toml()), s)
    assert equal(Scenario.from_dict(s.to_dict()), s)
    s = nameless(s)  # a link starts from a preset, whose description stays where nothing was changed
    link = dict(parse_qsl(urlencode(parameters(preset, s)), keep_blank_values=True))
    back = scenario_of(link)
    assert back[0] == preset
    assert equal(nameless(back[1]), s)
    assert equal(nameless(code_of(python_snippet(preset, s))), s)
    assert equal(nameless(command_of(command_snippet(preset, s))), s)


def outcome(made) -> Scenario | tuple[str, ...]:
    try:
        return made()
    except InputError as error:
        return error.problems


def same_on_every_way(preset: str, changes: dict[str, Any], folder: Path) -> Scenario | None:
    """The scenario that changes make of a preset, the same by every entry; None where they are refused, with the same sentences."""
    wanted = outcome(lambda: load(preset).update(changes))
    ways = {
        "load": lambda: load(preset, changes),
        "file": lambda: load(folder / f"{preset}.toml", changes),
        "text": lambda: Scenario.from_toml(preset_text(preset), changes),
        "the other order": lambda: load(preset, dict(reversed(changes.items()))),
    }
    if all(
        value is None or (isinstance(value, str | float | int) and str(value).strip("{ ") == str(value))
        for value in changes.values()
    ):
        ways["--set"] = lambda: by_settings(
            preset, [f"{path}={'none' if v is None else v}" for path, v in changes.items()]
        )
    for way, made in ways.items():
        found = outcome(made)
        if isinstance(wanted, Scenario):
            assert isinstance(found, Scenario), (way, found)
            assert equal(found, wanted), way
        else:
            assert not isinstance(found, Scenario), (way, wanted)
            assert sorted(found) == sorted(wanted), way
    return wanted if isinstance(wanted, Scenario) else None


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Every preset as a file of its own."""
    path = tmp_path_factory.mktemp("presets")
    for name in presets():
        (path / f"{name}.toml").write_text(preset_text(name), encoding="utf-8")
    return path


@pytest.fixture(scope="module", autouse=True)
def unchecked():
    """Types are checked by every other test; here they would take most of the time of thousands of small calls."""
    before = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", before)


@contextlib.contextmanager
def noted(preset: str, changes: object):
    try:
        yield
    except Exception as error:
        error.add_note(f"preset {preset}, changes {changes}")
        raise


@pytest.mark.parametrize("preset", named(presets(), "frontier-moe-rack", "lecture-2026", "data-limited-lab"))
def test_every_pair_of_kinds_is_the_same_scenario_on_every_way(preset, folder):
    if THOROUGH:
        every = [*SINGLE, *PAIRS]
    else:
        every = [*SINGLE[presets().index(preset) % 2 :: 2], *random.Random(f"pairs of {preset}").sample(PAIRS, 12)]
    made = 0
    for changes in every:
        with noted(preset, changes):
            s = same_on_every_way(preset, changes, folder)
            if s is not None:
                made += 1
                travels(preset, s)
    assert made > len(every) / 3


@pytest.mark.parametrize("preset", named(presets(), "frontier-moe-rack", "lecture-2026", "data-limited-lab"))
def test_every_number_is_the_same_on_every_way(preset, folder):
    start = load(preset)
    every = {}
    for path, _, value in start.quantities():
        changes = {path: value * (1 + 2**-20) if value > 1 else value * (1 - 2**-20)}
        with noted(preset, changes):
            s = outcome(lambda changes=changes: start.update(changes))
            if not isinstance(s, Scenario):
                continue  # tied to another number
            every |= changes
            assert equal(load(folder / f"{preset}.toml", changes), s)
            assert dict(s._values())[path] == changes[path]
            link = parameters(preset, s)
            assert set(link) <= {PRESET, VERSION, path, path.rpartition(".")[0] + ".precision"}
            assert equal(scenario_of(link)[1], s)
            if THOROUGH:
                same_on_every_way(preset, changes, folder)
                travels(preset, s)
    s = same_on_every_way(preset, every, folder)
    assert s is not None
    assert len(every) > 50
    travels(preset, s)
