"""Read exported tables back, and compare a file with the table that its record describes.

`agreement` makes the table of a file again. CSV, Parquet, JSON and Excel are compared as numbers, column by column; LaTeX, Markdown and
HTML are written again and compared line by line.
"""

import contextlib
import importlib
import io
import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ...analysis.blocks import Progress
from ...analysis.grid import SizeTable, column_of
from ...analysis.sizes import rebuilt
from ...assumptions.arguments import PATH, checks
from ...assumptions.numbers import human, parse_number
from ...assumptions.problems import DataError, InputError, near_miss
from ...assumptions.record import KEY, PRINT, fingerprint
from ...assumptions.scenario import Scenario
from .export import FORMATS, extra

__all__ = ["Agreement", "agreement", "read_table"]

MAX_BYTES = 500_000_000
TOLERANCE = 1e-9
"""Relative difference up to which two numbers agree: what `solve` promises."""


class Agreement(NamedTuple):
    """Whether a file agrees with the table as it is computed today."""

    agrees: bool
    sentences: tuple[str, ...]
    """what differs, one sentence each"""
    largest_difference: float
    """largest relative difference of two numbers; NaN where text was compared"""
    table: SizeTable
    """the table as it is computed today, with the columns of the file"""


@checks(path=PATH)
def read_table(path: str | Path) -> SizeTable:
    """A CSV, Parquet, JSON or Excel file that `export` wrote, with units and record in `attrs`.

    Raises:
        DataError: the file has another format, cannot be read, is damaged, or was not written by `export`.

    """
    path = Path(path)
    kind = _kind(path)
    if kind not in _READERS:
        raise DataError(
            [
                f"{path} is written for people and is not read back. Export {', '.join('.' + k for k in _READERS)} as well, or make "
                f"it again with: overtrain table --from {path} --out FILE.csv."
            ]
        )
    return _table(path, kind, _content(path))


def agreement(path: str | Path, progress: Progress | None = None) -> Agreement:
    """Make the table of a file again and compare.

    Raises:
        DataError: the file cannot be read, is damaged, or was not written by `export`.
        InputError: the file does not say how its table was made.

    """
    path = Path(path)
    kind, content = _kind(path), _content(path)
    if kind in _READERS:
        then = _table(path, kind, content)
        record, columns = then.attrs[KEY], list(then.columns)
    else:
        then = None
        with _damage(path):
            record = _marked(content.decode(), *_MARKS[kind])
            columns, found = list(record["columns"]), len(_lines(kind, content)) - _head_lines(kind, record)
            if found != record["rows"]:
                raise ValueError(f"it has {max(found, 0):,} of {record['rows']:,} rows")
    now = rebuilt(record, progress)
    kept = [name for name in columns if name in now.columns]
    result = SizeTable(now[kept])
    units = now.attrs["units"]
    result.attrs = {**now.attrs, "units": {str(name): units[name] for name in kept if name in units}}
    how = record.get(PRINT, {})
    result.attrs[KEY] = now.attrs[KEY] | ({PRINT: how} if how else {})
    digits = how.get("digits", 0)
    sentences = []
    if fingerprint(Scenario.from_dict(record["scenario"])) != record.get("scenario_sha256"):
        sentences.append(
            "the scenario in the file no longer has the hash it was made with: it was edited, or a sourced number that it names changed."
        )
    sentences += [f"column {name} is not in the table of today." for name in columns if name not in now.columns]
    if then is not None:
        differing, largest = _cells_compared(then, result, (digits or 4) if record.get("numbers") == "human" else 0)
    else:
        numbers = str(record.get("numbers", "plain"))
        today = FORMATS[kind](result, record, numbers)
        differing, largest = _lines_compared(_lines(kind, content), _lines(kind, today), numbers)
    sentences += differing
    return Agreement(not sentences, tuple(sentences), largest, result)


def _kind(path: Path) -> str:
    kind = path.suffix.lstrip(".").lower()
    if kind not in FORMATS:
        raise DataError(
            [
                f"{path} ends in no known format{near_miss(kind, FORMATS)} Endings: {', '.join('.' + k for k in FORMATS)}."
            ]
        )
    return kind


@contextlib.contextmanager
def _damage(path: Path) -> Iterator[None]:
    """Raises DataError where reading fails because of what is in the file."""
    try:
        yield
    except InputError:
        raise
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, OSError) as error:
        raise DataError(
            [
                f"{path} is not a table that overtrain exported, or it is damaged ({error or type(error).__name__}); export it anew."
            ]
        ) from None


def _table(path: Path, kind: str, content: bytes) -> SizeTable:
    with _damage(path):
        record, names, rows = _READERS[kind](content)
        kinds = record["columns"]
        if names != list(kinds):
            raise ValueError(f"its columns are not those of its record: {', '.join(names)}")
        if len(rows) != record["rows"]:
            raise ValueError(f"it has {len(rows):,} of {record['rows']:,} rows")
        short = next((row for row in rows if len(row) != len(names)), None)
        if short is not None:
            raise ValueError(f"a row has {len(short)} cells, the header {len(names)}")
        value = _csv_value if kind == "csv" else _value
        cells = {
            name: column_of([value(row[i], kinds[name]) for row in rows], kinds[name]) for i, name in enumerate(names)
        }
        table = SizeTable(cells)
        table.attrs["units"] = dict(record["units"])
        table.attrs[KEY] = {k: v for k, v in record.items() if k not in ("columns", "rows", "units")}
    return table


def _cells_compared(then: pd.DataFrame, now: pd.DataFrame, digits: int) -> tuple[list[str], float]:
    """A sentence for each column of `now` that differs, and the largest relative difference; `digits` of a file that is rounded, else 0."""
    if len(then) != len(now):
        return [f"the file has {len(then):,} rows, the table of today {len(now):,}."], 0.0
    sentences, largest = [], 0.0
    for name in now:
        differences, furthest = _differences(then.loc[:, name], now.loc[:, name], digits)
        largest = max(largest, furthest)
        if len(differences):
            row = int(differences[0])
            sentences.append(
                f"{name} differs in {len(differences):,} of {len(then):,} rows, first in row {row + 1}: "
                f"{_shown(then[name].iloc[row])} in the file, {_shown(now[name].iloc[row])} today."
            )
    return sentences, largest


_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")
_WORD = re.compile(rf"{_NUMBER.pattern}\w*")
"""A number with its suffix, such as 111.4B."""


def _form(line: str) -> str:
    """A line without its digits and without the padding, which goes with how many there are."""
    return re.sub(r" +", " ", _NUMBER.sub("0", line))


def _lines_compared(then: dict[int, str], now: dict[int, str], numbers: str) -> tuple[list[str], float]:
    """A sentence that names the first line that differs, and the largest relative difference where numbers have all digits."""
    if len(then) != len(now):
        return [f"the file has {len(then):,} lines of the table, the table of today {len(now):,}."], math.nan
    differing, largest = [], 0.0
    for (at, one), other in zip(then.items(), now.values(), strict=True):
        if one == other:
            continue
        mine, others = _WORD.findall(one), _WORD.findall(other)
        first = next(((a, b) for a, b in zip(mine, others, strict=False) if a != b), (one, other))
        mine, others = _NUMBER.findall(one), _NUMBER.findall(other)
        same = False
        if numbers == "plain" and _form(one) == _form(other):
            differences, furthest = _differences(pd.Series(map(float, mine)), pd.Series(map(float, others)), digits=0)
            largest, same = max(largest, furthest), not len(differences)
            first = (mine[differences[0]], others[differences[0]]) if len(differences) else first
        if not same:
            differing.append((at, *first))
    if not differing:
        return [], largest if numbers == "plain" else math.nan
    at, mine, others = differing[0]
    return [
        f"{len(differing):,} of {len(then):,} lines of the table differ, first line {at} of the file: {mine} in the file, {others} today."
    ], largest if numbers == "plain" else math.nan


def _lines(kind: str, content: bytes) -> dict[int, str]:
    """The lines that hold the table, with their numbers from 1; a row of HTML is one line, without its tags."""
    lines = content.decode().split("\n")
    if kind != "html":
        kept = (lambda line: line.endswith("\\\\")) if kind == "tex" else (lambda line: line.startswith("|"))
        return {number: line for number, line in enumerate(lines, start=1) if kept(line)}
    found, begin, cells = {}, 0, list[str]()
    for number, line in enumerate(lines, start=1):
        if line.strip() == "<tr>":
            begin, cells = number, []
        elif line.strip() == "</tr>":
            found[begin] = "".join(cells)
        else:
            cells.append(re.sub(r"<[^>]*>", "|", line.strip()))
    return found


def _head_lines(kind: str, record: dict[str, Any]) -> int:
    """Lines of names, places on the axes and units above the rows."""
    grouped = kind != "md" and record.get("numbers") == "human"
    return _HEADS[kind] + (len(record.get("table", {}).get("wide", {}).get("labels", [])) if grouped else 0)


_MARKS = {
    "tex": (f"% {KEY} ", "\n"),
    "md": (f"<!-- {KEY} ", " -->"),
    "html": (f'<script type="application/json" id="{KEY}">', "</script>"),
}
"""What is before and after the record in the formats that are not read back."""
_HEADS = {"tex": 2, "md": 3, "html": 2}
"""Lines of names and units above the rows."""


def _differences(then: pd.Series, now: pd.Series, digits: int) -> tuple[np.ndarray, float]:
    """Rows in which two columns differ, and the largest relative difference."""
    if not (pd.api.types.is_float_dtype(then) and pd.api.types.is_float_dtype(now)):
        return np.flatnonzero((then.astype(str) != now.astype(str)).to_numpy()), 0.0
    one, other = then.to_numpy(), now.to_numpy()
    if digits:
        other = np.array([parse_number(human(v, digits)) if math.isfinite(v) else v for v in other])
    size = np.maximum(np.abs(one), np.abs(other))
    with np.errstate(invalid="ignore"):
        gap = np.where(one == other, 0.0, np.abs(one - other))
        same = (gap <= TOLERANCE * size) | (np.isnan(one) & np.isnan(other)) | (size < 10 * TOLERANCE)
        relative = np.where(size < 10 * TOLERANCE, 0.0, gap / np.where(size > 0, size, 1.0))
    return np.flatnonzero(~same), float(np.nanmax(relative, initial=0.0))


def _shown(value: object) -> str:
    return human(value, 10) if isinstance(value, float) else repr(value)


def _content(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise DataError([f"{path} is a directory; give the path of a file that overtrain exported."])
        if path.stat().st_size > MAX_BYTES:
            raise DataError([f"{path} has more than {MAX_BYTES:,} bytes; is it a table that overtrain exported?"])
        return path.read_bytes()
    except FileNotFoundError:
        raise DataError([f"{path} does not exist; give the path of a file that overtrain exported."]) from None
    except ValueError as error:
        raise (
            error if isinstance(error, DataError) else DataError([f"{str(path)!r} is not a path ({error})."])
        ) from None
    except OSError as error:
        raise DataError(
            [f"{path} cannot be read ({error.strerror}); give the path of a file that overtrain exported."]
        ) from None


def _value(cell: Any, kind: str) -> Any:
    if kind == "number":
        return math.nan if cell is None else float(cell)
    return "" if cell is None and kind == "text" else cell


def _csv_value(cell: str, kind: str) -> Any:
    """The value of a cell that `as_text` wrote."""
    if kind == "text":
        return re.sub(r"^'(?='*[=+\-@\t\r\n])", "", cell)
    if kind == "yes or no":
        return {"True": True, "False": False}[cell]
    if kind == "count":
        return int(cell)
    if cell in ("", "inf", "-inf", "unlimited", "-unlimited"):
        return float(cell.replace("unlimited", "inf") or "nan")
    return parse_number(cell)


_Read = tuple[dict[str, Any], list[str], Sequence[Sequence[Any]]]


def _marked(text: str, before: str, after: str) -> dict[str, Any]:
    """The record between two marks, the first of which begins a line: a caption may hold it too."""
    begin = f"\n{text}".find(f"\n{before}")
    if begin < 0:
        raise ValueError("it holds no record")
    end = text.index(after, begin)
    return json.loads(text[begin + len(before) : end])


def _csv(content: bytes) -> _Read:
    import csv

    text = content.decode()
    record = _marked(text, f"# {KEY} ", "\n")
    body = text.split("\n", 3)[3]
    lines = list(csv.reader(io.StringIO(body, newline=""), strict=True))
    return record, [_csv_value(name, "text") for name in lines[0]], lines[1:]


def _json(content: bytes) -> _Read:
    plain = json.loads(content)
    names = list(plain[KEY]["columns"])
    return plain[KEY], names, [[row[name] for name in names] for row in plain["rows"]]


def _parquet(content: bytes) -> _Read:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(pa.BufferReader(content))
    record = json.loads((table.schema.metadata or {})[KEY.encode()])
    columns = [column.to_pylist() for column in table.columns]
    return record, table.column_names, list(zip(*columns, strict=True))


def _excel(content: bytes) -> _Read:
    import zipfile

    openpyxl = extra("openpyxl", "reading an Excel file")
    from .excel import RECORD, SCENARIO, TABLE

    try:
        book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
    except zipfile.BadZipFile as error:
        raise ValueError(str(error)) from None
    firsts = [row[0] for row in book[SCENARIO].iter_rows(values_only=True)]
    pieces = firsts[firsts.index(RECORD) + 1 :]
    unescaped = importlib.import_module(
        "openpyxl.utils.escape"
    ).unescape  # _x000D_ is how the format writes a carriage return
    lines = [
        [unescaped(cell) if isinstance(cell, str) else cell for cell in row]
        for row in book[TABLE].iter_rows(values_only=True)
    ]
    return json.loads(unescaped("".join(pieces))), lines[0], lines[2:]


_READERS: dict[str, Callable[[bytes], _Read]] = {"csv": _csv, "parquet": _parquet, "xlsx": _excel, "json": _json}
