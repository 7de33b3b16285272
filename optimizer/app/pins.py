"""Pins: named scenarios of a session to compare; the link has what differs from their presets, and one JSON file holds them whole."""

import binascii
import json
import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import streamlit as st

from ..assumptions.differences import plain_values
from ..assumptions.library import presets
from ..assumptions.problems import InputError, near_miss, shown
from ..assumptions.record import compact
from ..assumptions.scenario import Scenario
from ..assumptions.version import SCHEMA_VERSION, version_problem
from .link import LONGEST_VALUE, PINS, opened, packed, parameters, refuse_files, unpacked

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "Pin",
    "assumption_table",
    "file_of",
    "link_of",
    "linked",
    "pin",
    "pins",
    "pins_in",
    "remove",
    "rename",
    "suggested",
]

LONGEST_NAME = 60
"""letters"""
_KEYS = ("name", "preset", "scenario")
MOST_BYTES = 1_000_000
MOST_LETTERS = 8_000
"""of the pins in a link; more stay in the session and in the file"""


class Pin(NamedTuple):
    """One pinned scenario, and the preset it started from."""

    preset: str
    scenario: Scenario


def pins() -> dict[str, Pin]:
    """The pins of this session by name, in the order in which they were pinned."""
    return st.session_state.setdefault("pins", {})


def pin(known: dict[str, Pin], name: str, new: Pin) -> None:
    """Pin a scenario under a name.

    Raises:
        InputError: the name is empty, too long or taken.

    """
    problems = _name_problems(known, name)
    if problems:
        raise InputError(problems)
    known[name.strip()] = new


def rename(known: dict[str, Pin], old: str, new: str) -> dict[str, Pin]:
    """The pins with one renamed, in the same order.

    Raises:
        InputError: the new name is empty, too long or taken.

    """
    if new.strip() == old:
        return known
    problems = _name_problems(known, new)
    if problems:
        raise InputError(problems)
    return {new.strip() if name == old else name: value for name, value in known.items()}


def remove(known: dict[str, Pin], name: str) -> None:
    """Remove a pin, if it exists."""
    known.pop(name, None)


def _name_problems(known: dict[str, Pin], name: str) -> list[str]:
    name = name.strip()
    if not name:
        return ["a pin needs a name; type one."]
    if len(name) > LONGEST_NAME:
        return [f"the name has {len(name)} characters, at most {LONGEST_NAME} are kept; shorten it."]
    if name in known:
        return [f"{name!r} is pinned already; take another name, or remove that pin first."]
    return []


def file_of(known: dict[str, Pin]) -> bytes:
    """All pins as one JSON file, with every digit."""
    plain = [{"name": name, "preset": p.preset, "scenario": p.scenario.to_dict()} for name, p in known.items()]
    return json.dumps({"schema_version": SCHEMA_VERSION, "pins": plain}, indent=1).encode()


def pins_in(content: bytes, name: str) -> dict[str, Pin]:
    """The pins in a file of `file_of`.

    Raises:
        InputError: it is too large, not a file of pins, or holds an invalid scenario; one sentence for every problem.

    """
    if len(content) > MOST_BYTES:
        raise InputError([f"{name} has more than {MOST_BYTES:,} bytes, the most a file of pins may have."])
    try:
        given = json.loads(content.decode("utf-8-sig"))
        listed = given["pins"]
        if not isinstance(listed, list) or not all(isinstance(entry, dict) for entry in listed):
            raise TypeError("pins is not a list of blocks")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError([f"{name} is no file of pins ({error}); upload what 'All pins as JSON' wrote."]) from None
    version = given.get("schema_version", 0)
    unknown = version_problem(version)
    if unknown:
        raise InputError([f"{name}: {unknown}"])
    found: dict[str, Pin] = {}
    problems: list[str] = []
    for i, entry in enumerate(listed, 1):
        where = f"{name} pin {i}"
        try:
            _read(entry, version, found)
        except InputError as error:
            problems += [f"{where}: {sentence}" for sentence in error.problems]
        except RecursionError:
            problems.append(f"{where}: it nests too deeply.")
    if problems:
        raise InputError(problems)
    return found


def _read(entry: dict[str, Any], version: int, found: dict[str, Pin]) -> None:
    preset, plain = str(entry.get("preset", presets()[0])), entry.get("scenario")
    unknown = [key for key in entry if key not in _KEYS]
    if unknown:
        raise InputError(
            [f"{shown(key)} is no part of a pin{near_miss(key, _KEYS)} Parts: {', '.join(_KEYS)}." for key in unknown]
        )
    if preset not in presets():
        raise InputError([f"preset {preset[:60]!r} does not exist{near_miss(preset[:60], presets())}"])
    if not isinstance(plain, dict):
        raise InputError(["scenario is missing or no block of assumptions."])
    refuse_files(plain)
    pin(found, str(entry.get("name", "")), Pin(preset, Scenario.from_dict({**plain, "schema_version": version})))


def link_of(known: dict[str, Pin]) -> dict[str, str]:
    """All pins as one query parameter: of each its name, its preset and what differs; none where there are no pins, or more than fit.

    >>> link_of({})
    {}

    """
    if not known:
        return {}
    text = packed(compact([[name, parameters(p.preset, p.scenario)] for name, p in known.items()]))
    return {PINS: text} if len(text) <= MOST_LETTERS else {}


def linked(given: Mapping[str, str]) -> tuple[dict[str, Pin], list[str]]:
    """The pins of a link, and a sentence about each that cannot be read, which is left out."""
    text, found, problems = given.get(PINS, ""), dict[str, Pin](), list[str]()
    if not text or len(text) > LONGEST_VALUE:  # `opened` reports what is too long
        return found, problems
    try:
        listed = [
            (str(name), {str(k): str(v) for k, v in dict(link).items()}) for name, link in json.loads(unpacked(text))
        ]
    except (ValueError, TypeError, RecursionError, zlib.error, binascii.Error):
        return found, [f"{PINS} in the link cannot be read; copy the link again, or upload the file of the pins."]
    for i, (name, link) in enumerate(listed, 1):
        asked = opened(link)
        wrong = [*asked.notice, *asked.problems, *_name_problems(found, name)]
        problems += [f"pin {i} of the link: {sentence}" for sentence in wrong]
        if not wrong:
            found[name.strip()] = Pin(asked.preset, asked.scenario)
    return found, problems


def assumption_table(known: dict[str, Pin]) -> "pd.DataFrame":
    """The assumptions in which pins differ: one row a dotted path, one column a pin, empty where a pin does not have the path.

    What a pin takes from a named row of a table, as a law's coefficients or a chip's price, has the value of that row.
    """
    import pandas as pd

    plain = {name: plain_values(p.scenario) for name, p in known.items()}
    paths = dict.fromkeys(path for values in plain.values() for path in values if path != "name")
    records = []
    for path in paths:
        values = {name: found.get(path, _held(known[name].scenario, path)) for name, found in plain.items()}
        if any(value != next(iter(values.values())) for value in values.values()):
            cells = {
                n: f"{len(v)} months" if isinstance(v, list) else "" if v is None else v for n, v in values.items()
            }
            records.append({"assumption": path, **cells})
    frame = pd.DataFrame.from_records(records, columns=["assumption", *known])
    frame.attrs["units"] = {}
    return frame


def _held(scenario: Scenario, path: str) -> object:
    """The number or text at a dotted path, whichever way it came there; None where the scenario has no such path."""
    value: object = scenario
    for part in path.split("."):
        value = getattr(value, part, None)
    return value if isinstance(value, (str, float)) else None


def suggested(known: dict[str, Pin], name: str) -> str:
    """A name that is free: the one given, or the same with a number."""
    name = name[: LONGEST_NAME - 4] or "scenario"
    return next(t for t in (name, *(f"{name} {i}" for i in range(2, len(known) + 3))) if t not in known)
