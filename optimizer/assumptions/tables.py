"""The sourced tables (CSV) and the presets in the package's data folder.

Each row of a table carries `source`, `as_of` and `kind` (measured, list price, reported, derived, assumption); blank is unknown.
`columns.csv` gives unit, meaning and range of every numeric column.
"""

import csv
import io
from collections.abc import Mapping
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import TYPE_CHECKING

from .arguments import TEXT, checks
from .problems import InputError, near_miss

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["data_folder", "row", "rows", "table", "table_names"]


@cache
def data_folder() -> Traversable:
    """The folder of data: inside the installed package, or next to it in a checkout."""
    package = resources.files("optimizer")
    installed = package.joinpath("_data")
    return installed if installed.is_dir() else package.joinpath("..", "data")


def table_names() -> list[str]:
    """The names of all tables, in alphabetical order."""
    return sorted(f.name.removesuffix(".csv") for f in data_folder().iterdir() if f.name.endswith(".csv"))


@cache
def rows(name: str) -> tuple[Mapping[str, str], ...]:
    """The rows of table `name` as text, read once.

    Raises:
        InputError: there is no such table.

    """
    return tuple(MappingProxyType(r) for r in csv.DictReader(_text(name)))


def row(name: str, key: str, value: str) -> Mapping[str, str] | None:
    """The first row of table `name` whose column `key` is `value`, or None."""
    return next((r for r in rows(name) if r[key] == value), None)


@checks(name=TEXT)
def table(name: str) -> "pd.DataFrame":
    """Table `name` as a DataFrame; `attrs["units"]` maps its numeric columns to their units."""
    import pandas as pd

    units = {c["column"]: c["unit"] for c in rows("columns") if c["table"] == name}
    frame = pd.read_csv(_text(name))
    frame.attrs["units"] = units
    return frame


def _text(name: str) -> io.StringIO:
    if name not in table_names():
        raise InputError(
            [f"table {name!r} is unknown{near_miss(name, table_names())} Tables: {', '.join(table_names())}."]
        )
    return io.StringIO(data_folder().joinpath(f"{name}.csv").read_text(encoding="utf-8"))
