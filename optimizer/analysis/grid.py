"""Tables over a grid of assumptions: a row or more for every combination of values, units, and a record.

`over_grid` solves every combination of a grid by whatever function it is given; `chosen` keeps some columns, `wide` turns one axis into
columns. An invalid combination is a row with the reason; a value that is invalid in every combination is refused.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from ..assumptions.arguments import FRAME, Names, as_names, as_values, checks, names
from ..assumptions.law_file import is_law_file, law_block
from ..assumptions.numbers import human, parse_number, times
from ..assumptions.paths import linked, paths_of
from ..assumptions.problems import InputError, near_miss, shown
from ..assumptions.record import KEY, caption, provenance
from ..assumptions.scenario import Scenario
from ..model.accuracy import serving_errors
from ..model.outputs import IMPLIED, NARROW
from ..optimum.reach import Extrapolation
from .blocks import Progress, reported

__all__ = ["Axis", "Over", "Row", "SizeTable", "Units", "axes_of", "bounded", "check_columns", "check_wide", "chosen",
           "column_of", "over_grid", "wide"]  # fmt: skip

MOST_SHOWN = 60
"""Rows that a notebook shows."""
MOST_ROWS = 100_000
"""Rows that a table may have: what is solved one by one and held in memory."""

Axis = Iterable[object] | str | float | int | None
"""Values that an assumption takes in turn; a single value counts as one."""
Over = Mapping[str, Axis] | Mapping[tuple[str, ...], Axis] | Mapping[str | tuple[str, ...], Axis]
"""A grid: each axis is a dotted path with its values, or a tuple of paths that change together with a tuple for each value."""
Row = dict[str, Any]
Units = dict[str, str]


class SizeTable(pd.DataFrame):
    """A DataFrame with units and the record of how it was made in `attrs`; a notebook shows it with human numbers and units."""

    @property
    def _constructor(self) -> "type[SizeTable]":
        return SizeTable

    def _repr_html_(self) -> str:
        units, record = self.attrs.get("units", {}), self.attrs.get(KEY)
        shown = pd.DataFrame(self.head(MOST_SHOWN))
        for name in shown.select_dtypes("number"):
            shown[name] = [human(v) if v == v else "" for v in shown[name].tolist()]
        shown.columns = pd.MultiIndex.from_tuples([(name, units.get(name, "")) for name in shown.columns])
        more = f"<p>{len(self) - len(shown):,} more rows</p>" if len(self) > len(shown) else ""
        return (
            f"<p>{escape(caption(record))}</p>{shown.to_html(index=False)}{more}"
            if record
            else f"{shown.to_html(index=False)}{more}"
        )


def over_grid(
    scenario: Scenario,
    grid: dict[str, list[Any]],
    recipe: Row,
    solved: Callable[[Scenario], tuple[list[Row], Units]],
    progress: Progress | None,
) -> SizeTable:
    """Every combination of the grid, solved; an invalid one is a row with the reason."""
    _refuse_what_fits_nowhere(scenario, grid)
    combinations = list(itertools.product(*(range(len(values)) for values in grid.values())))
    records: list[Row] = []
    units: Units = {}
    reached: list[Extrapolation] = []
    served: list[Scenario] = []
    bad: dict[tuple[int, ...], tuple[str, ...]] = {}
    for at in reported(combinations, progress):
        changes = _changes(grid, at)
        try:
            here = scenario.update(changes)
            declared = {path: (value, quantity.unit) for path, quantity, value in here.quantities()}
            axes = {path: declared[path][0] if path in declared else _shown(v) for path, v in changes.items()}
            rows, found = solved(here)
            found = found | {path: declared[path][1] for path in changes if path in declared}
            units = found | {name: _either(unit, found.get(name, unit)) for name, unit in units.items()}
            records += [{**axes, **row} for row in rows]
            designs = [(row["n_params"], row.get("train_tokens", math.nan)) for row in rows]
            served.append(here)
            reached += [Extrapolation.of(here.law, n, d) for n, d in designs if d == d]
        except InputError as error:
            bad[at] = error.problems
            axes = {path: _read(v) for path, v in changes.items()}
            records.append({**axes, "status": "bad_input", "message": " ".join(error.problems)})
    _raise_where_nothing_fits(grid, combinations, bad)
    names = list(
        dict.fromkeys([*paths_of(grid), *(name for row in records for name in row if name != "message"), "message"])
    )
    columns = {}
    for name in names:
        cells = [row.get(name) for row in records]
        yes_or_no = all(isinstance(v, bool) for v in cells if v is not None)
        if yes_or_no:
            cells = [bool(v) for v in cells]
        columns[name] = column_of(cells, "number" if name in units else "yes or no" if yes_or_no else "text")
    table = SizeTable(columns)
    table.attrs["units"] = {name: units[name] for name in names if name in units}
    table.attrs[KEY] = provenance(scenario, recipe) | {
        "extrapolation": _farthest(reached),
        "certificate": _certified(records),
        "law error": "80 % of a sample of laws lie between the ends of the columns across laws"
        if recipe.get("across_laws")
        else "not counted, each row holds under the law that it names",
        "serving error": serving_errors(served).removesuffix("."),
    }
    return table


def _certified(records: Sequence[Row]) -> str:
    """How many optima are certified, "" in a table without certificates."""
    solved = [
        bool(row["certified_global"]) for row in records if row.get("status") == "optimal" and "certified_global" in row
    ]
    others = "" if all(solved) else ", the rest are the best of several starts"
    return f"certified as the global optimum: {sum(solved)} of {len(solved)}{others}" if solved else ""


def _farthest(reached: Sequence[Extrapolation]) -> str:
    """The farthest that any row lies outside the runs of its law."""
    by_edge = [[factor for factor in edge if factor is not None] for edge in zip(*reached, strict=True)]
    if not any(by_edge):
        return "the range of the law's fit is not on record" if reached else ""
    most = Extrapolation(*(max(edge) if edge else None for edge in by_edge))
    outside = [f"{what} up to {times(factor)}" for what, factor in most.beyond.items()]
    found = f"{', '.join(outside)} the largest of the law's fit" if outside else "inside the range of the law's fit"
    unknown = any(all(factor is None for factor in row) for row in reached)
    return f"{found}; in rows whose law's fit has no range on record the answer is a guess" if unknown else found


@checks(table=FRAME, across=names("law"), values=names("n_params"))
def wide(table: pd.DataFrame, across: Names, values: Names = ("n_params",)) -> SizeTable:
    """Axes of a table as columns: "n_params: besiroglu", "n_params: hoffmann", one row for every combination of the other axes.

    Args:
        table: a table of `size_table` or `inverse_table`.
        across: one axis, or several ("n_params: besiroglu, 20T"); paths that change together are one: "goal.like_params,law".
        values: names of the columns to spread.

    Raises:
        InputError: `across` names no axis of the table, or a value is no column of it.

    """
    record = table.attrs.get(KEY, {})
    recipe = record.get("table", {})
    axes = [*recipe.get("over", {}), *(["n_params"] if recipe.get("kind") == "inverse" else [])]
    across, values = list(dict.fromkeys(as_names(across))), list(dict.fromkeys(as_names(values)))
    check_wide(axes, [str(name) for name in table.columns], across, values)
    units = table.attrs.get("units", {})
    others = paths_of(axis for axis in axes if axis not in across)
    at = {axis: list(dict.fromkeys(_places(table, axis))) for axis in across}
    labels = [_labels(places) for places in at.values()]
    spots = zip(*([places.index(place) for place in _places(table, axis)] for axis, places in at.items()), strict=True)
    heads = {
        spot: ", ".join(label[i] for label, i in zip(labels, spot, strict=True))
        for spot in itertools.product(*map(range, map(len, labels)))
    }
    rows: dict[tuple[object, ...], Row] = {}
    for record_row, spot in zip(table.to_dict("records"), spots, strict=True):
        key = tuple(record_row[axis] for axis in others)
        row = rows.setdefault(tuple(None if v != v else v for v in key), {axis: record_row[axis] for axis in others})
        row.update({f"{name}: {heads[spot]}": record_row[name] for name in values})
    names = [*others, *(f"{name}: {head}" for name in values for head in heads.values())]
    result = SizeTable(pd.DataFrame.from_records(list(rows.values()), columns=names))
    result.attrs["units"] = {name: unit for name in names if (unit := units.get(name.partition(": ")[0])) is not None}
    spread = {"across": across, "values": values, "labels": labels}
    result.attrs[KEY] = {**record, "table": {**recipe, "wide": spread}}
    return result


def _places(table: pd.DataFrame, axis: str) -> list[tuple[object, ...]]:
    """Where each row stands on an axis; what is left out is None, so that it is one place."""
    cells = (table[path].tolist() for path in linked(axis))
    return [tuple(None if v != v else v for v in place) for place in zip(*cells, strict=True)]


def check_wide(axes: Sequence[str], columns: Sequence[str], across: Sequence[str], values: Sequence[str]) -> None:
    """Whether a table with these axes and columns can be spread; known before it is solved.

    Raises:
        InputError: as `wide`.

    """
    problems = [
        f"{shown(axis)} is not an axis of the table{near_miss(axis, axes)} Axes: {', '.join(axes) or 'none'}."
        for axis in across
        if axis not in axes
    ]
    problems += [
        f"{shown(name)} is not a column to spread over {' and '.join(across)}{near_miss(name, columns)}"
        for name in values
        if name not in columns or name in paths_of(axes)
    ]
    if problems:
        raise InputError(problems)


def check_columns(known: Sequence[str], wanted: Names | None) -> None:
    """Whether a table with these columns has those wanted; known before it is solved.

    Raises:
        InputError: as `chosen`.

    """
    unknown = [name for name in as_names(wanted or ()) if name not in known]
    if unknown:
        raise InputError(
            [
                f"{shown(name)} is not a column of the table{near_miss(name, known)} Columns: {', '.join(known)}."
                for name in unknown
            ]
        )


def bounded(grid: Mapping[str, Sequence[object]], times: int = 1) -> None:
    """Whether a grid, `times` rows for every combination, may be solved.

    Raises:
        InputError: it has too many rows; the sentence says how many are allowed, and what to do for more.

    """
    counts = [*map(len, grid.values()), *([times] if times > 1 else [])]
    if math.prod(counts) > MOST_ROWS:
        raise InputError(
            [
                f"the grid has {' x '.join(f'{n:,}' for n in counts)} = {math.prod(counts):,} rows, at most {MOST_ROWS:,} are solved into "
                "one table. Take fewer values, or write the rows to a Parquet file and solve them with overtrain sweep."
            ]
        )


def chosen(table: SizeTable, columns: Names | None) -> SizeTable:
    """The table with the columns of its grid and those named, in the order named.

    Raises:
        InputError: a column is unknown; all of them at once.

    """
    if columns is None:
        return table
    known = [str(name) for name in table.columns]
    check_columns(known, columns)
    axes = [path for path in paths_of(table.attrs[KEY]["table"]["over"]) if path in known]
    kept = list(dict.fromkeys([*axes, *as_names(columns)]))
    result = SizeTable(table[kept])
    units = {name: unit for name, unit in table.attrs["units"].items() if name in kept}
    result.attrs = {**table.attrs, "units": units}
    return result


def on_a_page(table: SizeTable) -> list[str]:
    """The columns that fit on a page: outputs of `NARROW` and `IMPLIED` that have numbers, and the status where a row has no answer."""
    known = [name for name in (*NARROW, *IMPLIED) if name in table and bool(table[name].notna().any())]
    return [*known, *(["status"] if set(table["status"]) - {"optimal"} else [])]


def axes_of(over: Over) -> dict[str, list[Any]]:
    """The axes as lists of plain data; paths that change together have commas between, and each of their values is a list.

    Raises:
        InputError: an axis has no values, a value too few or too many parts, or a path is on two axes.

    """
    grid: dict[str, list[Any]] = {}
    problems: list[str] = []
    for key, values in over.items():
        paths = linked(key if isinstance(key, str) else ",".join(key))
        found, axis = as_values(values, MOST_ROWS + 1), ",".join(paths)
        if len(paths) == 1:
            grid[axis] = [_plain(v) for v in found]
        else:
            grid[axis] = [[_plain(part) for part in as_values(v)] for v in found]
            problems += [
                f"{axis} change together, so each value has {len(paths)} parts, got {shown(', '.join(map(str, v)))}; "
                "write one for each path."
                for v in grid[axis]
                if len(v) != len(paths)
            ]
        if not found:
            problems.append(f"{axis} has no values to go over; give at least one.")
    paths = paths_of(grid)
    problems += [
        f"{path} is on the grid twice; keep it on one axis." for path in dict.fromkeys(paths) if paths.count(path) > 1
    ]
    if problems:
        raise InputError(problems)
    return grid


def _plain(value: Any) -> Any:
    """A value of an axis as plain data that the record of a table can keep: what a file of a law says, not its path."""
    if is_law_file(value):
        return law_block(value)
    return value.item() if isinstance(value, np.generic) else value


def _changes(grid: Mapping[str, Sequence[Any]], at: Sequence[int]) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    for (axis, values), i in zip(grid.items(), at, strict=True):
        paths = linked(axis)
        changes |= zip(paths, values[i] if len(paths) > 1 else [values[i]], strict=True)
    return changes


def _refuse_what_fits_nowhere(scenario: Scenario, grid: dict[str, list[Any]]) -> None:
    """Refuse, before any row is solved, an unknown path and a value that is invalid in every combination."""
    bad: dict[tuple[int, ...], tuple[str, ...]] = {}
    good: set[tuple[int, int]] = set()
    problems: dict[str, None] = {}
    for axis, values in enumerate(grid.values()):
        for i in range(len(values)):
            others = [[i] if other == axis else range(len(v)) for other, v in enumerate(grid.values())]
            for at in itertools.product(*others):
                if (axis, i) in good:
                    break
                if at not in bad:
                    try:
                        scenario.update(_changes(grid, at))
                        good.update(enumerate(at))
                    except InputError as error:
                        bad[at] = error.problems
            if (axis, i) not in good:
                problems.update(dict.fromkeys(s for at in itertools.product(*others) for s in bad[at]))
    if problems:
        raise InputError(list(problems))


def _raise_where_nothing_fits(
    grid: dict[str, list[Any]], combinations: list[tuple[int, ...]], bad: dict[tuple[int, ...], tuple[str, ...]]
) -> None:
    """Refuse values that are invalid in every row they occur in; rows where other values forbid them keep the reason."""
    problems: dict[str, None] = {}
    good = {(axis, i) for at in combinations if at not in bad for axis, i in enumerate(at)}
    for at, sentences in bad.items():
        if any((axis, i) not in good for axis, i in enumerate(at)):
            problems.update(dict.fromkeys(sentences))
    if not grid and bad:
        problems.update(dict.fromkeys(bad[()]))
    if problems:
        raise InputError(list(problems))


def _either(one: str, other: str) -> str:
    return one if one == other or other in one.split(" or ") else f"{one} or {other}"


def column_of(values: Sequence[Any], kind: str) -> pd.Series:
    """Cells of one column with the one type it has: number (NaN where there is none), count, yes or no, text ("" for none)."""
    if kind == "number":
        return pd.Series([v if isinstance(v, (int, float)) else float("nan") for v in values], dtype=float)
    if kind == "count":
        return pd.Series(values, dtype="int64")
    if kind == "yes or no":
        return pd.Series(values, dtype=bool)
    return pd.Series(["" if v is None or v != v else str(v) for v in values], dtype=str)


def _shown(value: object) -> object:
    """A value of an axis as a cell: text, or NaN where a field is left out."""
    if isinstance(value, Mapping):
        if value.get("label"):
            return str(value["label"])
        return ", ".join(f"{k} = {v:g}" if isinstance(v, float) else f"{k} = {v}" for k, v in value.items())
    return float("nan") if value is None else value


def _read(value: object) -> object:
    """A value of an axis in a row that is no scenario: the number it would be, or its text."""
    try:
        return parse_number(value)
    except ValueError:
        return _shown(value)


def _labels(places: Sequence[tuple[object, ...]]) -> list[str]:
    """What the places on an axis are called: with so many digits that no two are called alike."""
    for show in (human, lambda v: human(v, 8), repr):
        labels = [
            ", ".join(show(v) if isinstance(v, float) else "none" if v is None else str(v) for v in place)
            for place in places
        ]
        if len(set(labels)) == len(places):
            break
    return labels
