"""What does `overtrain table` print? A table for the terminal, the verdict on a file."""

import math
import re
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from ..analysis.grid import SizeTable
from ..assumptions.numbers import human, percent
from ..assumptions.record import HEADINGS, KEY
from .files.agreement import Agreement

__all__ = ["agreement_text", "table_text", "unanswered"]

_SHORT = {
    "n_params": "N", "band_n_params_low": "N from", "band_n_params_high": "N to", "train_tokens": "D",
    "overtraining_vs_rule_of_20": "D/20N", "overtraining_vs_law": "D/D0", "loss": "loss", "implied_tokens": "implied T",
    "implied_per_train_token": "T/D", "implied_scale": "x own traffic", "cost_total": "cost", "savings": "savings",
    "excess_cost": "extra cost",
}  # fmt: skip
"""Columns for a terminal where none are chosen, and what to call them there."""

_GAP, _HEADING, _TEXT = 2, 14, 40
"""Characters between columns, that a heading may take where its cells are narrower, and that a column of text takes at most."""


def table_text(table: SizeTable, columns: Sequence[str] | None) -> RenderableType:
    """The table with human numbers, in as many blocks as the terminal's width asks for, so that no number is broken.

    Without `columns`: those that not every row leaves empty of a short list, and below them what they mean and how far they reach.
    """
    record, units = table.attrs[KEY], table.attrs["units"]
    recipe = record["table"]
    names = [str(name) for name in table.columns]
    axes = [name for name in recipe["over"] if name in names]
    labels = {name: name for name in names}
    notes = []
    if columns is None and not recipe.get("wide"):
        status = ["status"] if set(table["status"]) - {"optimal"} else []
        known = [name for name in _SHORT if name in names and bool(table[name].notna().any())]
        left_out = len(names) - len(axes) - len(known)
        names = [*axes, *known, *status]
        axes += ["n_params"] if recipe["kind"] == "inverse" else []
        labels |= _SHORT
        more = f"{left_out} more columns: --columns NAMES shows them, --out FILE keeps all."
        notes = [*_meaning(recipe), *_reach(table), more] if known else [more]
    shown = [_Column(labels[n], units.get(n, ""), [_cell(v) for v in table[n].tolist()], n in units) for n in names]
    given = "; ".join(f"{HEADINGS.get(what, what)} {said}" for what, said in record["fixed"].items())
    kind = "sizes and the traffic that justifies them" if recipe["kind"] == "inverse" else "optimal model sizes"
    head = (Text(f"{record['title']}: {kind}", style="bold"), Text(f"Taken as given: {given}."))
    return Group(*head, _Blocks(shown, len(axes)), *(Text(note) for note in notes))


def _meaning(recipe: dict[str, Any]) -> list[str]:
    """What the short headings stand for."""
    ratios = "D/20N, D/D0: over-training against 20 tokens per parameter and against the law's own optimum at that N."
    if recipe["kind"] == "inverse":
        return [
            ratios,
            "Implied T: served tokens over the life for which the size is the best one; x own traffic: the same over the scenario's.",
            "Extra cost: beyond the best size of the same loss at the scenario's own traffic.",
        ]
    return [f"N from, N to: designs of the same loss that cost at most {percent(recipe['band'])} more.", ratios]


def _reach(table: SizeTable) -> list[str]:
    """How far the rows lie outside the runs of their laws, and whether each is certified."""
    sentences = []
    if table.attrs[KEY].get("extrapolation"):
        sentences.append(f"Extrapolation: {table.attrs[KEY]['extrapolation']}.")
    if "certified_global" in table:
        rows = zip(table["status"].tolist(), table["certified_global"].tolist(), strict=True)
        solved = [certified for status, certified in rows if status == "optimal"]
        others = "" if all(solved) else "; the rest are the best of several starts"
        sentences.append(f"Certified as the global optimum: {sum(solved)} of {len(solved)}{others}.")
    return sentences


class _Column(NamedTuple):
    heading: str
    unit: str
    cells: list[str]
    number: bool

    def lines(self) -> list[str]:
        """The heading in lines hardly wider than what stands below it, broken where words end."""
        room = max(_HEADING, len(self.unit), *(len(cell) for cell in self.cells), 0)
        lines: list[str] = []
        for part in [self.heading] if len(self.heading) <= room else re.findall(r"[^. ]+[. ]*", self.heading):
            lines.append("")
            for word in re.findall(r"[^_]*_*", part):
                if lines[-1] and len((lines[-1] + word).rstrip()) > room:
                    lines.append("")
                lines[-1] += word
        return [line.rstrip() for line in lines]

    def width(self) -> int:
        widest = max(map(len, [*self.lines(), self.unit, *self.cells]))
        return widest if self.number else min(widest, _TEXT)


class _Blocks:
    """Columns side by side as far as the width goes, then the rest below them; every block repeats the axes."""

    def __init__(self, columns: Sequence[_Column], axes: int) -> None:
        self._axes, self._others = columns[:axes], columns[axes:]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Table]:
        room = options.max_width - sum(column.width() + _GAP for column in self._axes)
        blocks: list[list[_Column]] = [[]]
        for column in self._others:
            if blocks[-1] and sum(c.width() + _GAP for c in [*blocks[-1], column]) > room:
                blocks.append([])
            blocks[-1].append(column)
        for block in blocks:
            yield _side_by_side([*self._axes, *block])


def _side_by_side(columns: Sequence[_Column]) -> Table:
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    tallest = max((len(column.lines()) for column in columns), default=0)
    for column in columns:
        lines = column.lines()
        heading = "\n".join([*[""] * (tallest - len(lines)), *lines, column.unit])
        side: Literal["left", "right"] = "right" if column.number else "left"
        shown.add_column(escape(heading), justify=side, overflow="fold", width=column.width())
    for cells in zip(*(column.cells for column in columns), strict=True):
        shown.add_row(*(escape(cell) for cell in cells))
    return shown


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
        largest = found.largest_difference
        how = "digit by digit" if largest != largest else f"largest relative difference {largest:.0e}"
        return f"{path} agrees with overtrain {record['version']}: {size}, {how}.\n"
    return f"{path} no longer agrees with overtrain {record['version']} ({size}):\n" + "".join(
        f"  - {s}\n" for s in found.sentences
    )
