"""Reads traffic files: tokens per day by month, or an export of usage by day, as spreadsheets and bills write them.

| columns | meaning |
|---|---|
| month, input_tokens_per_day, output_tokens_per_day | mean tokens a day in each month |
| month, requests_per_day, input_tokens_per_request, output_tokens_per_request | the same as requests times tokens |
| date, input_tokens, output_tokens (and requests, which is not needed) | usage by day; rows of one day are added |
| date, requests, input_tokens_per_request, output_tokens_per_request | the same as requests times tokens |

Columns come in any order, in any case, with spaces or underscores. A column remark, note or comment is for people. Days become the mean of
their month, from the first day of the file to its last; a day that is left out had no traffic. Cells are separated by commas, semicolons or
tabs, whichever gives the header known columns; a line sep=; as spreadsheets write it decides.
"""

import csv
import datetime
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .months import date_of, month_of
from .numbers import parse_number
from .problems import DataError, near_miss, read_text, shown

__all__ = ["MAX_CSV_BYTES", "read_traffic"]

MAX_CSV_BYTES = 1_000_000
MOST_NAMED = 20
"""Columns of a file that a sentence lists."""

_PER_REQUEST = ("input_tokens_per_request", "output_tokens_per_request")
_FORMS = (
    ("month", "input_tokens_per_day", "output_tokens_per_day"),
    ("month", "requests_per_day", *_PER_REQUEST),
    ("date", "input_tokens", "output_tokens"),
    ("date", "requests", *_PER_REQUEST),
)
_UNITS = {
    "input_tokens_per_day": "tokens/day", "output_tokens_per_day": "tokens/day", "requests_per_day": "requests/day",
    "input_tokens": "tokens", "output_tokens": "tokens", "requests": "requests",
    **dict.fromkeys(_PER_REQUEST, "tokens/request"),
}  # fmt: skip
_KNOWN = ("month", "date", *_UNITS)
_REMARKS = frozenset(("remark", "remarks", "note", "notes", "comment", "comments"))
_WHOLE_LIFE = ("share", "ship_probability", "cache_hit_share")
_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}


def read_traffic(path: object) -> list[dict[str, Any]]:
    """The rows of a traffic file as month, input_tokens_per_day, output_tokens_per_day; the module says which files are read.

    Raises:
        DataError: the file cannot be read, a column is missing, unknown or there twice, or a cell is not what it should be; all at once.

    """
    if not isinstance(path, (str, Path)):
        raise DataError([f"file must be the path of a CSV file, got {shown(path)}"])
    written, lines = _cells(path, read_text(Path(path), MAX_CSV_BYTES, "traffic CSV file"))
    header = [_name(cell) for cell in written]
    columns = _form(path, header, written)
    problems: list[str] = []
    found: list[dict[str, Any]] = []
    for number, line in enumerate(lines, start=2):
        if not any(cell.strip() for cell in line):
            continue
        if any(cell.strip() for cell in line[len(header) :]):
            problems.append(
                f"{path} row {number} has {len(line)} cells, the header has {len(header)}; write numbers without thousands separators."
            )
            continue
        cells = dict(zip(header, line, strict=False))
        row: dict[str, Any] = {}
        for column in columns:
            try:
                row[column] = _READ.get(column, parse_number)(cells.get(column, "").strip(), *_units(column))
            except ValueError as error:
                problems.append(f"{path} row {number} column {column} {error}")
        found.append(row)
    if not found and not problems:
        problems.append(f"{path} has a header but no rows; add one row a {columns[0].replace('date', 'day')}")
    if problems:
        raise DataError(problems)
    rows = [_tokens(row) for row in found]
    return rows if columns[0] == "month" else _by_month(rows)


_READ: dict[str, Callable[..., Any]] = {"month": month_of, "date": date_of}


def _units(column: str) -> tuple[str, ...]:
    return (_UNITS[column],) if column in _UNITS else ()


def _cells(path: object, text: str) -> tuple[list[str], list[list[str]]]:
    """The header and the rows below it."""
    named = re.match(r"(?i)sep=([,;\t])\r?\n", text)
    text = text[named.end() :] if named else text
    first = text.partition("\n")[0]
    found: dict[str, tuple[list[str], list[list[str]]]] = {}
    problem = "no cells"
    for mark in named[1] if named else _SEPARATORS:
        if mark != "," and mark not in first:
            continue
        try:
            lines = list(csv.reader(io.StringIO(text, newline=""), delimiter=mark, strict=True))
        except csv.Error as error:
            problem = str(error)
            continue
        header = [name.strip().strip("\ufeff").strip() for name in (lines or [[]])[0]]
        while header and not header[-1]:
            header.pop()
        found[mark] = (header, lines[1:])
    if not found:
        raise DataError([f"{path} is not a CSV file ({problem}); columns: {', '.join(_FORMS[0])}"])
    best = max(found, key=lambda mark: (len({_name(cell) for cell in found[mark][0]} & {*_KNOWN}), len(found[mark][0])))
    return found[best]


def _name(cell: str) -> str:
    """The column that a heading means: "Input tokens" is input_tokens."""
    return re.sub(r"[\s_-]+", "_", cell.lower())


def _form(path: object, header: list[str], written: list[str]) -> tuple[str, ...]:
    """Which of the columns to read.

    Raises:
        DataError: the header names no form, or more than one.

    """
    form = max(_FORMS, key=lambda form: len({*form} & {*header}))
    problems = []
    twice = sorted({name for name in header if header.count(name) > 1 and name in _KNOWN})
    if twice:
        problems.append(f"{path} has column {', '.join(twice)} more than once; keep one.")
    missing = [name for name in form if name not in header]
    if missing:
        has = (
            f" It has {', '.join(map(shown, written[:MOST_NAMED]))}{', ...' if len(written) > MOST_NAMED else ''}."
            if written
            else ""
        )
        problems.append(f"{path} has no column {', '.join(missing)}; its header must name {', '.join(form)}.{has}")
    needless = {"requests"} if form == _FORMS[2] else set()
    for name, cell in zip(header, written, strict=True):
        if name in form or name in needless or name in _REMARKS:
            continue
        if name in _WHOLE_LIFE:
            problems.append(
                f"{path} has a column {name}, which is one number for all months: remove it and set traffic.{name}."
            )
        elif name in _KNOWN and not missing:
            problems.append(
                f"{path} has a column {name} besides {', '.join(form)}; keep one of the two ways to give traffic."
            )
        elif name not in _KNOWN:
            problems.append(
                f"{path} has an unknown column {shown(cell)}{near_miss(name, _KNOWN)} Remove it, or name it remark."
            )
    if problems:
        raise DataError(problems)
    return form


def _tokens(row: dict[str, Any]) -> dict[str, Any]:
    """A row with its tokens, requests multiplied out."""
    when = "month" if "month" in row else "date"
    requests = row.get("requests_per_day", row.get("requests", 1.0))
    read, written = (v for k, v in row.items() if k.startswith(("input_tokens", "output_tokens")))
    return {when: row[when], "input_tokens_per_day": requests * read, "output_tokens_per_day": requests * written}


def _by_month(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Mean tokens a day of each month, over the days between the first and the last of all."""
    first, last = min(row["date"] for row in rows), max(row["date"] for row in rows)
    sums: dict[str, list[float]] = {}
    for row in sorted(rows, key=lambda row: row["date"]):
        each = sums.setdefault(f"{row['date']:%Y-%m}", [0.0, 0.0])
        each[0] += row["input_tokens_per_day"]
        each[1] += row["output_tokens_per_day"]
    result = []
    for month, (read, written) in sums.items():
        begin = datetime.date.fromisoformat(f"{month}-01")
        following = (begin.replace(day=28) + datetime.timedelta(days=4)).replace(day=1)
        days = (min(following - datetime.timedelta(days=1), last) - max(begin, first)).days + 1
        result.append({"month": month, "input_tokens_per_day": read / days, "output_tokens_per_day": written / days})
    return result
