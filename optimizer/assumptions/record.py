"""The record that a table carries so that it can be made again: scenario, hash, version, date and the recipe of the table."""

import datetime
import functools
import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .naming import described, title
from .paths import paths_of
from .problems import InputError
from .question import taken_as_given
from .scenario import Scenario
from .tables import rows, table_names

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from pandas.api.extensions import ExtensionDtype

__all__ = [
    "HEADINGS",
    "KEY",
    "PRINT",
    "REACH",
    "caption",
    "compact",
    "fingerprint",
    "made_by",
    "made_on",
    "provenance",
    "stamp",
    "titled",
]

KEY = "overtrain"
"""Where a frame's attrs and every file hold the record."""

HEADINGS = {"rl": "RL"}
"""What parts of the record are called where their names are no words."""
REACH = ("extrapolation", "certificate", "law error", "serving error")
"""Parts of a table's record that say how far its numbers hold."""
PRINT = "print"
"""Part of a file's record: caption, label, digits and notes that whoever exported it gave."""


def compact(plain: Any, *, sort_keys: bool = False) -> str:
    """Plain data as one line of JSON. Records keep the order of keys (axes, columns); hashes sort them."""
    return json.dumps(plain, sort_keys=sort_keys, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def fingerprint(scenario: Scenario) -> str:
    """SHA-256 of a scenario: of its text and of every number that its names stand for, so that a corrected table changes it."""
    numbers = {path: value for path, _, value in scenario.quantities()}
    return hashlib.sha256(compact([scenario.to_dict(), numbers], sort_keys=True).encode()).hexdigest()


@functools.cache
def made_by() -> Mapping[str, str]:
    """Version, SHA-256 of the source that computes answers, and of the tables that names stand for.

    A version alone says too little: a table may be corrected, or a checkout changed, under the same one.
    """
    from .. import __version__

    code = hashlib.sha256()
    package = Path(__file__).parents[1]
    for path in sorted(file for room in ("assumptions", "model", "optimum") for file in (package / room).rglob("*.py")):
        code.update(f"{path.relative_to(package).as_posix()}\0{path.stat().st_size}\0".encode() + path.read_bytes())
    held = {name: [dict(row) for row in rows(name)] for name in table_names()}
    tables = hashlib.sha256(compact(held, sort_keys=True).encode())
    return {"version": __version__, "code_sha256": code.hexdigest(), "tables_sha256": tables.hexdigest()}


def made_on() -> str:
    """Today in UTC as 2026-05-31, or the day that SOURCE_DATE_EPOCH (seconds since 1970) names.

    Raises:
        InputError: SOURCE_DATE_EPOCH is not a number of seconds.

    References:
        reproducible-builds.org, specification of SOURCE_DATE_EPOCH.

    """
    given = os.environ.get("SOURCE_DATE_EPOCH")
    try:
        now = (
            datetime.datetime.now(datetime.UTC)
            if not given
            else datetime.datetime.fromtimestamp(int(given), datetime.UTC)
        )
    except (ValueError, OverflowError, OSError):
        raise InputError(
            [f"SOURCE_DATE_EPOCH must be a whole number of seconds since 1970, got {given!r}; correct or unset it."]
        ) from None
    return now.date().isoformat()


def provenance(
    scenario: Scenario, table: Mapping[str, Any] | None = None, *, varied: Iterable[str] = ()
) -> dict[str, Any]:
    """The record that a table carries in `attrs["overtrain"]`: title, what is fixed, version, hash, scenario and the table's recipe.

    `varied` names the columns in which rows have values of their own; by default the axes of the recipe.
    """
    from .. import __version__

    if not described(scenario):
        scenario = scenario.model_copy(update={"description": ""})  # it described what the scenario no longer is
    varied = [*varied, *paths_of((table or {}).get("over", ()))]
    record = {
        "title": title(scenario, varied=varied),
        "fixed": taken_as_given(scenario, varied),
        "version": __version__,
        "scenario_sha256": fingerprint(scenario),
        "scenario": scenario.to_dict(),
    }
    return record | ({"table": dict(table)} if table else {})


def stamp(frame: "pd.DataFrame", scenario: Scenario | None = None) -> dict[str, Any]:
    """The record of a frame as a file holds it: with the day, the units, and the columns with their types.

    Args:
        frame: a table with its record in attrs.
        scenario: the scenario of a frame without a record; it replaces the record of a frame that has one.

    Raises:
        InputError: neither the frame nor the caller names a scenario.

    """
    record = provenance(scenario) if scenario is not None else frame.attrs.get(KEY)
    if record is None:
        raise InputError(
            ["the frame does not say which scenario it is about; give scenario=, so that the file can carry it."]
        )
    return {
        **{name: value for name, value in record.items() if name not in ("columns", "rows", "units")},
        "date": made_on(),
        "rows": len(frame),
        "units": dict(frame.attrs.get("units", {})),
        "columns": {str(name): _kind(kind) for name, kind in frame.dtypes.items()},
    }


def _kind(kind: "np.dtype | ExtensionDtype") -> str:
    import pandas as pd

    if pd.api.types.is_bool_dtype(kind):
        return "yes or no"
    if pd.api.types.is_integer_dtype(kind):
        return "count"
    return "number" if pd.api.types.is_numeric_dtype(kind) else "text"


def caption(record: dict[str, Any]) -> str:
    """What a table is, what holds in all of its rows, and where it comes from, on one line."""
    day = f", {record['date']}" if record.get("date") else ""
    digest = str(record.get("scenario_sha256", ""))
    fixed = {**record.get("fixed", {}), **{name: record.get(name, "") for name in REACH}}
    given = "".join(f" {HEADINGS.get(name, name)}: {said}." for name, said in fixed.items() if said)
    made = f"overtrain {record.get('version', '')}{day}, sha256 of the scenario {digest[:12]}"
    return f"Scenario {record.get('title') or 'without a name'}.{given} Made by {made}"


def titled(record: dict[str, Any]) -> str:
    """The caption with the caption and the notes that were given for the file in front, on one line."""
    given = record.get(PRINT, {})
    own = {"Table": given.get("caption"), "Note": given.get("notes")}
    return " ".join([*(f"{name}: {said.rstrip('.')}." for name, said in own.items() if said), caption(record)])
