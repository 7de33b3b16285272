"""What does `overtrain table` read and print? Axes as people type them, a table for the terminal, the verdict on a file."""

import math
import tomllib
from collections.abc import Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from ..assumptions.numbers import human, parse_number
from ..assumptions.problems import InputError
from .grid import SizeTable
from .provenance import KEY
from .reading import Agreement
from .text import grid

__all__ = ["agreement_text", "axes_given", "table_text", "unanswered"]

_SHORT = {
    "n_params": "N", "band_n_params_low": "N from", "band_n_params_high": "N to", "train_tokens": "D",
    "overtraining_vs_rule_of_20": "D/20N", "overtraining_vs_law": "D/D0", "loss": "loss", "implied_tokens": "implied T",
    "implied_per_train_token": "T/D", "implied_scale": "x own traffic", "cost_total": "cost", "savings": "savings",
    "excess_cost": "extra cost",
}  # fmt: skip
"""Columns for a terminal where none are chosen, and what to call them there."""

MOST_POINTS = 10_000


def axes_given(given: Sequence[str]) -> dict[str, list[Any]]:
    """The grid that `--over PATH=VALUES` asks for: values with commas between, `LOW..HIGH:COUNT` spaced evenly in logarithms, or blocks.

    Raises:
        InputError: one sentence for every axis that cannot be read.

    >>> axes_given(["traffic.output_tokens=1T..100T:3", "law=besiroglu,hoffmann"])
    {'traffic.output_tokens': [1000000000000.0, 10000000000000.0, 100000000000000.0], 'law': ['besiroglu', 'hoffmann']}

    """
    grid: dict[str, list[Any]] = {}
    problems = []
    for axis in given:
        path, equals, values = (part.strip() for part in axis.partition("="))
        if not equals or not path or not values:
            problems.append(f"--over {axis!r} is not PATH=VALUE,VALUE; write --over traffic.output_tokens=50T,200T.")
        elif path in grid:
            problems.append(f"--over {path} is given twice; put its values together, with commas between.")
        else:
            try:
                grid[path] = _values(values)
            except ValueError as error:
                problems.append(f"--over {path}: {error}.")
    if problems:
        raise InputError(problems)
    return grid


def _values(text: str) -> list[Any]:
    if "{" in text:
        try:
            return tomllib.loads(f"values = [{text}]")["values"]
        except tomllib.TOMLDecodeError as error:
            raise ValueError(
                f'{text!r} is not a list of blocks ({error}); write {{policy = "none"}}, {{...}}'
            ) from None
    if ".." in text:
        ends, _, count = text.partition(":")
        low, high = (parse_number(end) for end in ends.split("..", 1))
        points = parse_number(count or 5)
        if not (0 < low < high) or points != int(points) or not 2 <= points <= MOST_POINTS:
            raise ValueError(
                f"{text!r} needs 0 < LOW < HIGH and 2 to {MOST_POINTS:,} points, as 1T..1000T:7; list other values"
            )
        steps = int(points) - 1
        between = [float(f"{low * (high / low) ** (i / steps):.12g}") for i in range(1, steps)]
        return [low, *between, high]
    values = [value.strip() for value in text.split(",")]
    return [None if value == "" else value for value in values]


def table_text(table: SizeTable, columns: Sequence[str] | None) -> RenderableType:
    """The table with human numbers; without `columns`, those that fit a terminal and that not every row leaves empty."""
    record, units = table.attrs[KEY], table.attrs["units"]
    recipe = record["table"]
    names = [str(name) for name in table.columns]
    labels = {name: name for name in names}
    if columns is None and not recipe.get("wide"):
        status = ["status"] if set(table["status"]) - {"optimal"} else []
        known = [name for name in _SHORT if name in names and bool(table[name].notna().any())]
        names = [*recipe["over"], *known, *status]
        labels |= _SHORT
    header = [f"{labels[name]}\n{units.get(name, '')}" for name in names]
    cells = [[_cell(v) for v in table[name].tolist()] for name in names]
    shown = grid(header, zip(*cells, strict=True), text_columns=0)
    for name, column in zip(names, shown.columns, strict=True):
        column.justify, column.no_wrap = "right" if name in units else "left", name not in units
    title = record["scenario"].get("name") or "scenario"
    kind = "sizes and the traffic that justifies them" if recipe["kind"] == "inverse" else "optimal model sizes"
    return Group(Text(f"{title}: {kind}", style="bold"), shown)


def _cell(value: Any) -> str:
    return str(value) if not isinstance(value, float) else "" if math.isnan(value) else human(value)


def unanswered(table: SizeTable) -> list[str]:
    """One sentence for each reason that rows have no answer."""
    if "message" not in table or "status" not in table:
        return []
    found: dict[str, int] = {}
    for message in table["message"]:
        if message:
            found[message] = found.get(message, 0) + 1
    return [f"{count} of {len(table)} rows: {message}" for message, count in found.items()]


def agreement_text(path: str, found: Agreement) -> str:
    """The verdict on a file, one sentence a line."""
    record = found.table.attrs[KEY]
    size = f"{len(found.table):,} rows, {found.table.shape[1]} columns"
    if found.agrees:
        return f"{path} agrees with overtrain {record['version']}: {size}, largest relative difference {found.largest_difference:.0e}.\n"
    return f"{path} no longer agrees with overtrain {record['version']} ({size}):\n" + "".join(
        f"  - {s}\n" for s in found.sentences
    )
