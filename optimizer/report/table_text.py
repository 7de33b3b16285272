"""Print tables of sizes, and the result of comparing a file with its table."""

from collections.abc import Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from ..analysis.grid import SizeTable, on_a_page
from ..assumptions.numbers import percent
from ..assumptions.paths import paths_of
from ..assumptions.record import HEADINGS, KEY, REACH
from ..model.outputs import short, written
from .files.agreement import Agreement
from .terminal import Blocks, Column

__all__ = ["agreement_text", "reach", "table_text", "unanswered"]


def table_text(table: SizeTable, columns: Sequence[str] | None) -> RenderableType:
    """The table with human numbers, in as many blocks as the terminal's width asks for, so that no number is broken.

    Without `columns`: those of `NARROW` and `IMPLIED` that have numbers, and below them what they mean and how far they reach.
    """
    record, units = table.attrs[KEY], table.attrs["units"]
    recipe = record["table"]
    names = [str(name) for name in table.columns]
    axes = [name for name in paths_of(recipe["over"]) if name in names]
    labels = {name: _label(name) for name in names}
    notes = []
    if columns is None and not recipe.get("wide"):
        found = on_a_page(table)
        known = [name for name in found if name != "status"]
        left_out = len(names) - len(axes) - len(found)
        names = [*axes, *found]
        axes += ["n_params"] if recipe["kind"] == "inverse" else []
        labels |= {name: short(name) for name in known}
        more = f"{left_out} more columns: --columns NAMES shows them, --out FILE.csv keeps all."
        notes = [*_meaning(recipe), *reach(table), more] if known else [more]
    shown = [Column(labels[n], units.get(n, ""), [_cell(v, n) for v in table[n].tolist()], n in units) for n in names]
    given = "; ".join(f"{HEADINGS.get(what, what)} {said}" for what, said in record["fixed"].items())
    kind = "sizes and the traffic that justifies them" if recipe["kind"] == "inverse" else "optimal model sizes"
    head = (Text(f"{record['title']}: {kind}", style="bold"), Text(f"Taken as given: {given}."))
    return Group(*head, Blocks(shown, len(axes)), *(Text(note) for note in notes))


def _label(name: str) -> str:
    """A column as it is asked for; of one that holds an output at a value of an axis, the output's symbol: "N*: hoffmann"."""
    output, colon, value = name.partition(": ")
    return f"{short(output)}: {value}" if colon else name


def _meaning(recipe: dict[str, Any]) -> list[str]:
    """What the short headings stand for."""
    ratios = ", ".join(short(name) for name in ("overtraining_vs_rule_of_20", "overtraining_vs_law"))
    ratios += ": over-training against 20 tokens per parameter and against the law's own optimum at that N."
    if recipe["kind"] == "inverse":
        return [
            ratios,
            "Implied T: served tokens over the life for which the size is the best one; x own traffic: the same over the scenario's.",
            "Extra cost: beyond the best size of the same loss at the scenario's own traffic.",
        ]
    band = ", ".join(short(f"band_n_params_{end}") for end in ("low", "high"))
    return [f"{band}: designs of the same loss that cost at most {percent(recipe['band'])} more.", ratios]


def reach(table: SizeTable) -> list[str]:
    """How far the rows lie outside the runs of their laws, whether each is certified, and the error of the law."""
    return [f"{name.capitalize()}: {said}." for name in REACH if (said := table.attrs[KEY].get(name))]


def _cell(value: Any, column: str) -> str:
    return written(value, column) if isinstance(value, float) else str(value)


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
