"""The version of the form that scenarios are written in: TOML, links and files of pins carry it; it rises when the form changes.

`to_dict` does not carry it: plain data in a program, and a TOML text without it, is of the version of the program. The app writes it into
every link with changes and into files of pins, so that those without it are of version 0, which reads as 1.

    2    deployment.placement is "best" where nothing is said of it; before it was "given"
"""

from collections.abc import Mapping
from typing import Any

__all__ = ["SCHEMA_VERSION", "as_now", "is_newer", "said_before", "version_problem"]

SCHEMA_VERSION = 2
_MEANT = {"deployment.placement": (2, "given")}
"""What it meant to leave a path out, and the first version in which it means something else."""


def is_newer(version: object) -> bool:
    """Whether a newer version of Overtrain wrote the text; the rest of it may then have another meaning."""
    return isinstance(version, int) and version > SCHEMA_VERSION


def said_before(version: object) -> dict[str, Any]:
    """What a text of a version says by leaving paths out that have another default now."""
    return {path: value for path, (since, value) in _MEANT.items() if isinstance(version, int) and version < since}


def as_now(plain: Mapping[str, Any], version: object) -> dict[str, Any]:
    """The plain data of a scenario of a version as this version writes it."""
    found = dict(plain)
    for path, value in said_before(version).items():
        block, field = path.split(".")
        if isinstance(found.get(block, {}), dict):
            found[block] = {field: value, **found.get(block, {})}
    return found


def version_problem(version: object, where: str = "schema_version") -> str:
    """The sentence about a version that cannot be read, "" where it can."""
    if is_newer(version):
        return (
            f"{where} is {version}, and this version of Overtrain reads up to {SCHEMA_VERSION}: a newer one wrote the scenario. "
            f"Update Overtrain to open it, or write the scenario anew with {where} = {SCHEMA_VERSION}."
        )
    if isinstance(version, bool) or not isinstance(version, int) or version < 0:
        shown = repr(version)[:60]
        return (
            f"{where} must be a whole number from 0 to {SCHEMA_VERSION}, got {shown}; leave it out where none is known."
        )
    return ""
