"""Does an exported table still hold? `read_table` reads any format back; `agreement` makes the table again and compares."""

import importlib
import io
import json
import math
from collections.abc import Callable, Sequence
from html.parser import HTMLParser
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
from ...assumptions.record import KEY, fingerprint
from ...assumptions.scenario import Scenario
from .export import FORMATS, extra
from .markup import as_cell, from_markdown, from_tex

__all__ = ["Agreement", "agreement", "read_table"]

MAX_BYTES = 500_000_000
TOLERANCE = 1e-9
"""Relative difference up to which two numbers agree: what `solve` promises."""


class Agreement(NamedTuple):
    """Whether a file says what the table says today."""

    agrees: bool
    sentences: tuple[str, ...]
    """what differs, one sentence each"""
    largest_difference: float
    """largest relative difference of two numbers"""
    table: SizeTable
    """the table as it comes out today, with the columns of the file"""


@checks(path=PATH)
def read_table(path: str | Path) -> SizeTable:
    """A table that `export` wrote, with units and record in `attrs`.

    Raises:
        DataError: the file cannot be read, is damaged, or was not written by `export`.

    """
    path = Path(path)
    kind = path.suffix.lstrip(".").lower()
    if kind not in _READERS:
        raise DataError(
            [
                f"{path} ends in no known format{near_miss(kind, FORMATS)} Endings: {', '.join('.' + k for k in FORMATS)}."
            ]
        )
    content = _content(path)
    try:
        record, names, rows = _READERS[kind](content)
        kinds = record["columns"]
        if names != list(kinds):
            raise ValueError(f"its columns are not those of its record: {', '.join(names)}")
        if len(rows) != record["rows"]:
            raise ValueError(f"it has {len(rows):,} of {record['rows']:,} rows")
        short = next((row for row in rows if len(row) != len(names)), None)
        if short is not None:
            raise ValueError(f"a row has {len(short)} cells, the header {len(names)}")
        cells = {
            name: column_of([_value(row[i], kinds[name]) for row in rows], kinds[name]) for i, name in enumerate(names)
        }
        table = SizeTable(cells)
        table.attrs["units"] = dict(record["units"])
        table.attrs[KEY] = {k: v for k, v in record.items() if k not in ("columns", "rows", "units")}
    except InputError:
        raise
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, OSError) as error:
        raise DataError(
            [
                f"{path} is not a table that overtrain exported, or it is damaged ({error or type(error).__name__}); export it anew."
            ]
        ) from None
    return table


def agreement(path: str | Path, progress: Progress | None = None) -> Agreement:
    """Make the table of a file again and compare every cell.

    Raises:
        DataError: as `read_table`.
        InputError: the file does not say how its table was made.

    """
    then = read_table(path)
    record = then.attrs[KEY]
    now = rebuilt(record, progress)
    sentences = []
    if fingerprint(Scenario.from_dict(record["scenario"])) != record.get("scenario_sha256"):
        sentences.append(
            "the scenario in the file no longer has the hash it was made with: it was edited, or a sourced number that it names changed."
        )
    gone = [str(name) for name in then.columns if name not in now.columns]
    sentences += [f"column {name} is not in the table of today." for name in gone]
    kept = [name for name in then.columns if name in now.columns]
    largest = 0.0
    if len(then) != len(now):
        sentences.append(f"the file has {len(then):,} rows, the table of today {len(now):,}.")
    else:
        for name in kept:
            differences, furthest = _differences(then.loc[:, name], now.loc[:, name], record.get("numbers") == "human")
            largest = max(largest, furthest)
            if len(differences):
                row = int(differences[0])
                sentences.append(
                    f"{name} differs in {len(differences):,} of {len(then):,} rows, first in row {row + 1}: "
                    f"{_shown(then[name].iloc[row])} in the file, {_shown(now[name].iloc[row])} today."
                )
    result = SizeTable(now[kept])
    units = now.attrs["units"]
    result.attrs = {**now.attrs, "units": {str(name): units[name] for name in kept if name in units}}
    return Agreement(not sentences, tuple(sentences), largest, result)


def _differences(then: pd.Series, now: pd.Series, rounded: bool) -> tuple[np.ndarray, float]:
    """Rows in which two columns differ, and the largest relative difference."""
    if not (pd.api.types.is_float_dtype(then) and pd.api.types.is_float_dtype(now)):
        return np.flatnonzero((then.astype(str) != now.astype(str)).to_numpy()), 0.0
    one, other = then.to_numpy(), now.to_numpy()
    if rounded:
        other = np.array([parse_number(human(v)) if math.isfinite(v) else v for v in other])
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
    """A cell of a text format comes as text; the others know its type."""
    if isinstance(cell, _Text):
        return as_cell(cell, kind)
    if kind == "number":
        return math.nan if cell is None else float(cell)
    return "" if cell is None and kind == "text" else cell


class _Text(str):
    """A cell as a text format holds it."""

    __slots__ = ()


_Read = tuple[dict[str, Any], list[str], Sequence[Sequence[Any]]]


def _marked(text: str, before: str, after: str) -> dict[str, Any]:
    """The record between two marks."""
    begin = text.find(before)
    if begin < 0:
        raise ValueError("it holds no record")
    end = text.index(after, begin)
    return json.loads(text[begin + len(before) : end])


def _texts(row: Sequence[str]) -> list[_Text]:
    return [_Text(cell) for cell in row]


def _csv(content: bytes) -> _Read:
    import csv

    text = content.decode()
    record = _marked(text, f"# {KEY} ", "\n")
    body = text.split("\n", 3)[3]
    lines = list(csv.reader(io.StringIO(body, newline=""), strict=True))
    return record, [as_cell(name, "text") for name in lines[0]], [_texts(line) for line in lines[1:]]


def _markdown(content: bytes) -> _Read:
    text = content.decode()
    lines = [from_markdown(line) for line in text.split("\n") if line.startswith("|")]
    return _marked(text, f"<!-- {KEY} ", " -->"), lines[0], [_texts(line) for line in lines[3:]]


def _tex(content: bytes) -> _Read:
    text = content.decode()
    lines = [from_tex(line) for line in text.split("\n") if line.endswith("\\\\")]
    return _marked(text, f"% {KEY} ", "\n"), lines[0], [_texts(line) for line in lines[2:]]


def _json(content: bytes) -> _Read:
    plain = json.loads(content)
    names = list(plain[KEY]["columns"])
    return plain[KEY], names, [[row[name] for name in names] for row in plain["rows"]]


class _Cells(HTMLParser):
    """The rows of the only table of a page, and the record beside it."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.rows: list[list[str]] = []
        self.record = ""
        self._into = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
            self._into = "cell"
        elif tag == "script" and ("id", KEY) in attrs:
            self._into = "record"

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th", "script"):
            self._into = ""

    def handle_data(self, data: str) -> None:
        if self._into == "cell":
            self.rows[-1][-1] += data
        elif self._into == "record":
            self.record += data


def _html(content: bytes) -> _Read:
    page = _Cells()
    page.feed(content.decode())
    page.close()
    return json.loads(page.record), page.rows[0], [_texts(row) for row in page.rows[2:]]


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


_READERS: dict[str, Callable[[bytes], _Read]] = {
    "csv": _csv,
    "parquet": _parquet,
    "xlsx": _excel,
    "tex": _tex,
    "md": _markdown,
    "json": _json,
    "html": _html,
}
