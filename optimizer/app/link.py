"""A scenario as a URL: the preset that it started from, and one query parameter for every dotted path that differs.

    ?preset=lecture-2026&v=2&traffic.output_tokens=5e%2B14&law.name=hoffmann

`v` is the schema_version of the scenario; a link that names a preset and nothing else has none, and means the preset as it is now. A
traffic table is one parameter: month,
input and output of each row, compressed and in URL-safe base64. An empty value takes a path out. `pins` is one parameter too (`app.pins`).
Links and uploads are not trusted: their size is limited, and neither may name a file of the machine that the app runs on.
"""

import base64
import binascii
import json
import re
import zlib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ..assumptions.differences import differences
from ..assumptions.law_file import is_law_file
from ..assumptions.library import MAX_TOML_BYTES, load, presets
from ..assumptions.paths import schema_paths
from ..assumptions.problems import InputError, near_miss
from ..assumptions.record import compact
from ..assumptions.scenario import Scenario
from ..assumptions.toml import plain_toml
from ..assumptions.traffic_file import MAX_BYTES
from ..assumptions.version import SCHEMA_VERSION, is_newer, said_before, version_problem

__all__ = [
    "LONGEST_VALUE",
    "PINS",
    "PRESET",
    "TABLE",
    "VERSION",
    "Opened",
    "opened",
    "packed",
    "parameters",
    "refuse_files",
    "unpacked",
    "uploaded_scenario",
]

PRESET, VERSION, TABLE, POSTERIOR, PINS = "preset", "v", "traffic.table", "law.posterior", "pins"
MOST_PARAMETERS = 200
LONGEST_VALUE = 20_000
_VERSION = f"{VERSION} (the schema_version of the link)"
_BARE = re.compile(r"\[\d+\]")
_FILE = (
    "traffic.file names a file on the machine that the app runs on, which the app does not read; "
    "upload the file on the Plan page, or write its rows as traffic.table."
)

_LAW_FILE = (
    "law names a file on the machine that the app runs on, which the app does not read; "
    "write the [law] block of that file into the scenario."
)


def parameters(preset: str, scenario: Scenario) -> dict[str, str]:
    """The query parameters of a scenario."""
    changes = differences(load(preset), scenario)
    version = {VERSION: str(SCHEMA_VERSION)} if changes else {}
    return {PRESET: preset} | version | {path: _text(path, value) for path, value in changes.items()}


def _text(path: str, value: Any) -> str:
    if value is None:
        return ""
    if path == TABLE:
        lines = (f"{m['month']},{m['input_tokens_per_day']!r},{m['output_tokens_per_day']!r}" for m in value)
        return packed("\n".join(lines))
    if path == POSTERIOR:
        return packed(compact(value))
    return repr(value) if isinstance(value, float) else str(value)


def packed(text: str) -> str:
    return base64.urlsafe_b64encode(zlib.compress(text.encode(), 9)).decode().rstrip("=")


def unpacked(text: str) -> str:
    """The text of a parameter that `packed` made; raises ValueError, zlib.error or binascii.Error where it made none."""
    content = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    unpack = zlib.decompressobj()
    found = unpack.decompress(content, MAX_BYTES).decode()
    if not unpack.eof:
        raise ValueError("it is cut short or too long")
    return found


class Opened(NamedTuple):
    """The scenario of a link, without the parts that are refused."""

    preset: str
    scenario: Scenario
    refused: dict[str, Any]
    """changes of the link that the scenario does not take as it is, by dotted path"""
    problems: tuple[str, ...]
    """what is wrong with them"""
    notice: tuple[str, ...]
    """what is wrong with the rest of the link, which is left out"""


def opened(given: Mapping[str, str]) -> Opened:
    """What query parameters name, without those that cannot be taken; nothing but the preset where the link is not of a known form."""
    try:
        preset, wanted, notice = _read(given)
    except InputError as error:
        asked = given.get(PRESET, "")
        preset = asked if asked in presets() else presets()[0]
        return Opened(preset, load(preset), {}, (), error.problems)
    known = schema_paths(Scenario)
    for path in list(wanted):
        if not any(_BARE.sub("", path) == k or k.startswith(f"{path}.") for k in known):
            notice += _sentences(load(preset), {path: wanted.pop(path)})
    taken = dict(wanted)
    while taken and (sentences := _sentences(load(preset), taken)):
        taken = _without_named(taken, sentences)
    scenario = load(preset, taken)
    refused = {path: value for path, value in wanted.items() if path not in taken}
    problems = _sentences(scenario, refused)
    if refused and not problems:  # refused one by one, and whole together
        scenario, refused = scenario.update(refused), {}
    return Opened(preset, scenario, refused, tuple(problems), tuple(notice))


def _sentences(scenario: Scenario, changes: Mapping[str, Any]) -> list[str]:
    try:
        scenario.update(changes)
    except InputError as error:
        return list(error.problems)
    return []


def _without_named(changes: dict[str, Any], sentences: Iterable[str]) -> dict[str, Any]:
    """Changes without those that the sentences are about: the paths they name, or else all in the block they begin with, or else all."""
    words = [re.findall(r"[\w.\[\]]+", sentence) for sentence in sentences]
    named = {path for path in changes if any(path in found for found in words)}
    if not named:
        blocks = {found[0].partition(".")[0] for found in words if found}
        named = {path for path in changes if path.partition(".")[0] in blocks}
    return {path: value for path, value in changes.items() if named and path not in named}


def _read(given: Mapping[str, str]) -> tuple[str, dict[str, Any], list[str]]:
    """(preset, changes, sentences about parameters that cannot be read, and are not among the changes).

    Raises:
        InputError: nothing can be made of the link: its preset is unknown, a newer version wrote it, or it has too many parameters.

    """
    preset, text = given.get(PRESET, presets()[0]), given.get(VERSION, "0")
    version = int(text) if re.fullmatch(r"\d{1,9}", text) else text
    problems, unread = [], {}
    if preset not in presets():
        problems.append(
            f"preset {preset[:60]!r} does not exist{near_miss(preset[:60], presets())} Presets: {', '.join(presets())}."
        )
    if is_newer(version):
        problems.append(version_problem(version, _VERSION))
    elif version_problem(version):
        unread[VERSION] = version_problem(version, _VERSION)
    if len(given) > MOST_PARAMETERS:
        problems.append(f"the link has {len(given)} parameters, at most {MOST_PARAMETERS} are read.")
    if problems:
        raise InputError(problems)
    unread |= {
        path: f"{path[:60]} has {len(value):,} characters, at most {LONGEST_VALUE:,} are read."
        for path, value in given.items()
        if len(value) > LONGEST_VALUE
    }
    if "traffic.file" in given:
        unread["traffic.file"] = _FILE
    if given.get("traffic", "").strip():
        unread["traffic"] = "traffic is a block; give its fields, as traffic.growth."
    changes: dict[str, Any] = {
        path: value or None for path, value in given.items() if path not in (PRESET, VERSION, PINS, *unread)
    }
    if changes.get(TABLE):
        try:
            changes[TABLE] = _table(changes[TABLE])
        except InputError as error:
            unread[TABLE] = error.problems[0]
            del changes[TABLE]
    if changes.get(POSTERIOR):
        try:
            changes[POSTERIOR] = json.loads(unpacked(changes[POSTERIOR]))
        except (ValueError, RecursionError, zlib.error, binascii.Error):
            unread[POSTERIOR] = (
                "law.posterior in the link cannot be read; copy the link again, or load the file of the law."
            )
            del changes[POSTERIOR]
    if changes:
        changes = said_before(version) | changes
    for path in ("law", "law.name"):
        if is_law_file(changes.get(path)):
            unread[path] = _LAW_FILE
            del changes[path]
    return preset, changes, list(unread.values())


def _table(text: str) -> list[dict[str, Any]]:
    try:
        cells = [line.split(",") for line in unpacked(text).split("\n")]
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
        plain = plain_toml(text)
    except ValueError:
        plain = {}  # from_toml says what is wrong
    refuse_files(plain)
    return Scenario.from_toml(text, where=name)


def refuse_files(plain: Mapping[str, Any]) -> None:
    """Refuse a scenario from elsewhere that names a file on this machine.

    Raises:
        InputError: traffic.file is given, or the law is a file.

    """
    traffic, law = plain.get("traffic"), plain.get("law")
    if isinstance(traffic, dict) and "file" in traffic:
        raise InputError([_FILE])
    if is_law_file(law.get("name") if isinstance(law, dict) else law):
        raise InputError([_LAW_FILE])
