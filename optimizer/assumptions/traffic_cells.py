"""The cells of a traffic file: CSV in any of its dialects, or the first sheet of an Excel workbook that holds traffic.

Cells are separated by commas, semicolons or tabs, whichever gives the header most known columns; a line sep=; as spreadsheets write it
decides. Lines above the header are passed over. A table with months across is turned, so that months always run down.
"""

import csv
import datetime
import io
import re
from pathlib import Path
from typing import NamedTuple
from zipfile import ZipFile

from .months import month_of
from .problems import DataError, read_bytes, text_of
from .traffic_columns import Column, column_of

__all__ = ["MAX_BYTES", "Cells", "read_cells"]

MAX_BYTES = 1_000_000
MOST_UNPACKED = 50_000_000
_WHAT = "traffic file (CSV, TSV or Excel)"
_ABOVE = 10
"""Lines in which the header is looked for."""
_LONGEST = 100_000
_MARKS = {",": "commas", ";": "semicolons", "\t": "tabs"}
Cell = str | float | datetime.date | None


class Cells(NamedTuple):
    """The table of a file."""

    path: str
    mark: str
    """that separates cells; empty for a workbook"""
    columns: tuple[Column, ...]
    lines: tuple[tuple[int, tuple[Cell, ...]], ...]
    """number of the row in the file, and its cells; empty rows are left out"""


def read_cells(path: Path) -> Cells:
    """The table of a file.

    Raises:
        DataError: the file cannot be read, is no table, or no line names the month or the date and tokens.

    """
    content = read_bytes(path, MAX_BYTES, _WHAT)
    grids = _sheets(path, content) if content[:4] == b"PK\x03\x04" else _dialects(path, content)
    tables = {mark: _table(str(path), mark, grid) for mark, grid in grids.items()}
    return max(
        tables.values(),
        key=lambda table: (sum(c.what not in ("", "remark") for c in table.columns), len(table.columns)),
    )


def _table(path: str, mark: str, grid: list[list[Cell]]) -> Cells:
    rows = [(i, tuple(row)) for i, row in enumerate(grid, start=1) if any(_full(cell) for cell in row)]
    if rows and sum(_is_month(cell) for cell in rows[0][1][1:]) >= 2:
        width = max(len(row) for _, row in rows)
        across = [tuple(row[j] if j < len(row) else None for _, row in rows) for j in range(width)]
        rows = [(j + 1, row) for j, row in enumerate(across) if any(_full(cell) for cell in row)]
        head = rows[0][1]
        rows[0] = (rows[0][0], (head[0] if _full(head[0]) else "month", *head[1:]))

    def known(cells: tuple[Cell, ...]) -> int:
        what = {column_of(cell).what for cell in cells if isinstance(cell, str)}
        return len(what - {"", "remark", "label"}) + 2 * ("when" in what)

    top = max(range(min(_ABOVE, len(rows))), key=lambda i: (known(rows[i][1]), -i), default=0)
    head = list(rows[top][1]) if rows else []
    while head and not _full(head[-1]):
        head.pop()
    names = ["" if cell is None else str(cell).strip().strip("\ufeff").strip() for cell in head]
    below = tuple(rows[top + 1 :])
    unnamed = {
        i for i, name in enumerate(names) if not name and not any(_full(line[i]) for _, line in below if i < len(line))
    }
    columns = tuple(Column("", "remark") if i in unnamed else column_of(name) for i, name in enumerate(names))
    return Cells(path, mark, columns, below)


def _dialects(path: Path, content: bytes) -> dict[str, list[list[Cell]]]:
    text = text_of(path, content, _WHAT)
    named = re.match(r"(?i)sep=([,;\t])\r?\n", text)
    text = text[named.end() :] if named else text
    grids: dict[str, list[list[Cell]]] = {}
    problem = "it is empty"
    for mark in named[1] if named else _MARKS:
        if mark != "," and mark not in text:
            continue
        try:
            grids[mark] = [[*line] for line in csv.reader(io.StringIO(text, newline=""), delimiter=mark, strict=True)]
        except csv.Error as error:
            problem = str(error)
    if not grids:
        raise DataError([f"{path} is not a CSV file ({problem}); save it as CSV, or as an Excel workbook."])
    return grids


def _sheets(path: Path, content: bytes) -> dict[str, list[list[Cell]]]:
    """Cells of the workbook's sheets, by name; dates stay dates."""
    try:
        from openpyxl import load_workbook
    except ImportError:
        raise DataError(
            [f"{path} is an Excel workbook, which needs openpyxl: pip install 'overtrain[export]', or save it as CSV."]
        ) from None
    try:
        if sum(part.file_size for part in ZipFile(io.BytesIO(content)).infolist()) > MOST_UNPACKED:
            raise DataError([f"{path} unpacks to more than {MOST_UNPACKED:,} bytes; keep the traffic alone in it."])
        book = load_workbook(io.BytesIO(content), read_only=True, data_only=True)
        sheets = {
            sheet.title: [
                [_plain(cell) for cell in row[:64]] for row in sheet.iter_rows(max_row=_LONGEST, values_only=True)
            ]
            for sheet in book.worksheets
        }
    except DataError:
        raise
    except Exception as error:  # a damaged workbook raises whatever its reader stumbled over
        raise DataError(
            [f"{path} is not an Excel workbook that can be read ({type(error).__name__}); save it as CSV."]
        ) from None
    filled = {
        name: grid
        for name, grid in sheets.items()
        if any("when" in {column_of(c).what for c in row if isinstance(c, str)} for row in grid[:_ABOVE])
        or any(sum(_is_month(c) for c in row[1:]) >= 2 for row in grid[:1])
    }
    if len(filled) > 1:
        raise DataError([f"{path} has traffic in sheets {', '.join(filled)}; keep it in one of them."])
    return {"": next(iter((filled or sheets).values()), [])}


def _plain(cell: object) -> Cell:
    if isinstance(cell, datetime.datetime):
        return cell.date()
    if isinstance(cell, bool) or cell is None:
        return None if cell is None else str(cell)
    return (
        cell if isinstance(cell, (str, datetime.date)) else float(cell) if isinstance(cell, (int, float)) else str(cell)
    )


def _full(cell: Cell) -> bool:
    return cell is not None and bool(str(cell).strip().strip("\ufeff").strip())


def _is_month(cell: Cell) -> bool:
    try:
        return bool(month_of(cell))
    except ValueError:
        return False
