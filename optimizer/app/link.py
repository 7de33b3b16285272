"""How does a scenario travel in a URL? As the preset it started from and one query parameter for every dotted path that differs.

    ?preset=lecture-2026&traffic.output_tokens=5e%2B14&law.name=hoffmann

A traffic table is one parameter: month, input and output of each row, compressed and in URL-safe base64. An empty value takes a path out.
Links and uploads come from strangers: their size is limited, and neither may name a file of the machine that the app runs on.
"""

import base64
import binascii
import zlib
from collections.abc import Mapping
from typing import Any

from ..assumptions.library import MAX_TOML_BYTES, load, presets
from ..assumptions.problems import InputError, near_miss
from ..assumptions.scenario import Scenario
from ..assumptions.toml import plain_toml
from ..assumptions.traffic_file import MAX_CSV_BYTES

__all__ = ["PRESET", "TABLE", "differences", "parameters", "plain_values", "same", "scenario_of", "uploaded_scenario"]

PRESET, TABLE = "preset", "traffic.table"
MOST_PARAMETERS = 200
LONGEST_VALUE = 20_000
_BESIDE = ("sources", "description")
"""Text that says nothing about the problem and stays out of links."""
_FILE = (
    "traffic.file names a file on the machine that the app runs on, which the app does not read; "
    "upload the CSV file on the Plan page, or write its rows as traffic.table."
)


def plain_values(scenario: Scenario) -> dict[str, Any]:
    """Every dotted path of a scenario with its plain value; a name that stands for a block is `block.name`."""
    return _flat(scenario.to_dict())


def _flat(plain: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in plain.items():
        path = f"{prefix}{key}"
        if path in _BESIDE:
            continue
        if path in ("law", "money.train_chip", "money.serve_chip", "deployment.cache_tier") and isinstance(value, str):
            found[f"{path}.name"] = value
        elif isinstance(value, Mapping):
            found |= _flat(value, f"{path}.")
        else:
            found[path] = value
    return found


def differences(start: Scenario, scenario: Scenario) -> dict[str, Any]:
    """What `update` needs to make `scenario` of `start`: dotted path to value, None for what is taken out."""
    before, after = plain_values(start), plain_values(scenario)
    gone = {path: None for path in before if path not in after}
    return {path: value for path, value in after.items() if path not in before or before[path] != value} | gone


def same(one: Scenario, other: Scenario) -> bool:
    """Whether two scenarios ask the same question; descriptions and sources may differ."""
    return plain_values(one) == plain_values(other)


def parameters(preset: str, scenario: Scenario) -> dict[str, str]:
    """The query parameters of a scenario."""
    changes = differences(load(preset), scenario)
    return {PRESET: preset} | {path: _text(path, value) for path, value in changes.items()}


def _text(path: str, value: Any) -> str:
    if value is None:
        return ""
    if path == TABLE:
        lines = (f"{m['month']},{m['input_tokens_per_day']!r},{m['output_tokens_per_day']!r}" for m in value)
        return base64.urlsafe_b64encode(zlib.compress("\n".join(lines).encode(), 9)).decode().rstrip("=")
    return repr(value) if isinstance(value, float) else str(value)


def scenario_of(given: Mapping[str, str]) -> tuple[str, Scenario]:
    """(preset, scenario) that query parameters name.

    Raises:
        InputError: they name no scenario; one sentence for every problem.

    """
    problems = []
    preset = given.get(PRESET, presets()[0])
    if preset not in presets():
        problems.append(
            f"preset {preset[:60]!r} does not exist{near_miss(preset[:60], presets())} Presets: {', '.join(presets())}."
        )
    if len(given) > MOST_PARAMETERS:
        problems.append(f"the link has {len(given)} parameters, at most {MOST_PARAMETERS} are read.")
    problems += [
        f"{path[:60]} has {len(value):,} characters, at most {LONGEST_VALUE:,} are read."
        for path, value in given.items()
        if len(value) > LONGEST_VALUE
    ]
    if "traffic.file" in given or given.get("traffic", "").strip():
        problems.append(_FILE if "traffic.file" in given else "traffic is a block; give its fields, as traffic.growth.")
    if problems:
        raise InputError(problems)
    changes: dict[str, Any] = {path: value or None for path, value in given.items() if path != PRESET}
    if changes.get(TABLE):
        changes[TABLE] = _table(changes[TABLE])
    return preset, load(preset, changes)


def _table(text: str) -> list[dict[str, Any]]:
    try:
        packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        unpack = zlib.decompressobj()
        lines = unpack.decompress(packed, MAX_CSV_BYTES).decode()
        if not unpack.eof:
            raise ValueError("it is cut short or too long")
        cells = [line.split(",") for line in lines.split("\n")]
        return [
            {"month": month, "input_tokens_per_day": read, "output_tokens_per_day": written}
            for month, read, written in cells
        ]
    except (ValueError, zlib.error, binascii.Error) as error:
        raise InputError(
            [f"traffic.table in the link cannot be read ({error}); copy the link again, or enter the months anew."]
        ) from None


def uploaded_scenario(content: bytes, name: str) -> Scenario:
    """The scenario in an uploaded TOML file.

    Raises:
        InputError: the file is too large, not text, not TOML, no scenario, or it names another file.

    """
    if len(content) > MAX_TOML_BYTES:
        raise InputError([f"{name} has more than {MAX_TOML_BYTES:,} bytes, the most a scenario TOML file may have."])
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError([f"{name} is not UTF-8 text (byte {error.start}); is it a scenario TOML file?"]) from None
    try:
        traffic = plain_toml(text).get("traffic")
    except ValueError:
        traffic = None  # from_toml says what is wrong
    if isinstance(traffic, dict) and "file" in traffic:
        raise InputError([_FILE])
    return Scenario.from_toml(text, where=name)
