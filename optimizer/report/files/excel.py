"""Write a table as an Excel workbook: one sheet with the table, one with the scenario and its sources."""

import datetime
import io
import math
from typing import Any

import pandas as pd
import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from ...assumptions.library import sources
from ...assumptions.paths import paths_of
from ...assumptions.record import HEADINGS, PRINT, REACH, compact, titled
from ...assumptions.scenario import Scenario
from .markup import units_of

__all__ = ["RECORD", "SCENARIO", "TABLE", "workbook"]

TABLE, SCENARIO = "table", "scenario"
RECORD = "record for overtrain table --from"
"""Heading of the cells below which the second sheet holds the record, in pieces that a cell can hold."""

_PIECE = 30_000
_FOOTER = 200
"""Characters of a footer; the format allows 255, marks included."""
_HUMAN = '[>=1000000000000]0.00,,,,"T";[>=1000000]0.00,,"M";#,##0'
_BILLIONS = '[>=1000000000000]0.00,,,,"T";[>=1000000000]0.00,,,"B";0.00,,"M"'
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


class _Book:
    """A workbook under construction, with the formats that its cells use."""

    def __init__(self, day: str, title: str, comments: str) -> None:
        self.bytes = io.BytesIO()
        self.book = xlsxwriter.Workbook(self.bytes, {"in_memory": True})
        made = datetime.datetime.fromisoformat(day)
        self.book.set_properties({"created": made, "title": title, "comments": comments})
        self._formats: dict[tuple[tuple[str, Any], ...], Format] = {}

    def format(self, **how: Any) -> Format:
        key = tuple(sorted(how.items()))
        if key not in self._formats:
            self._formats[key] = self.book.add_format(how)
        return self._formats[key]

    def write(self, sheet: Worksheet, row: int, column: int, value: Any, **how: Any) -> None:
        if isinstance(value, str):
            # The prefix is what a typed apostrophe leaves: the text stays text when the cell is edited or saved as CSV.
            how |= {"quote_prefix": True} if value.startswith(_FORMULA) else {}
            sheet.write_string(row, column, value, self.format(**how))
        elif isinstance(value, bool):
            sheet.write_boolean(row, column, value, self.format(**how))
        elif value is not None and math.isfinite(value):
            sheet.write_number(row, column, value, self.format(**how))
        elif value is not None and value == value:
            sheet.write_string(row, column, str(value), self.format(**how))

    def close(self) -> bytes:
        self.book.close()
        return self.bytes.getvalue()


def workbook(frame: pd.DataFrame, record: dict[str, Any]) -> bytes:
    """The bytes of the workbook. Numbers are stored with 16 digits and displayed with fewer."""
    made = _Book(record["date"], record.get(PRINT, {}).get("caption", record["title"]), titled(record))
    _table(made, frame, record)
    _scenario(made, record)
    return made.close()


def _table(made: _Book, frame: pd.DataFrame, record: dict[str, Any]) -> None:
    sheet = made.book.add_worksheet(TABLE)
    units = units_of(frame)
    for i, (name, unit) in enumerate(zip(frame.columns, units, strict=True)):
        numeric = record["columns"][str(name)] in ("number", "count")
        side = {"align": "right"} if numeric else {"align": "left", "indent": 1}
        made.write(sheet, 0, i, str(name), bold=True, **side)
        made.write(sheet, 1, i, unit, italic=True, bottom=1, font_color="#555555", **side)
        cells = frame.iloc[:, i].tolist()
        shown = {"num_format": _shown(unit, cells)} if numeric else side
        for row, value in enumerate(cells, start=2):
            made.write(sheet, row, i, value, **shown)
        longest = 12 if numeric else max((len(str(v)) for v in cells), default=0)
        sheet.set_column(i, i, min(max(len(str(name)), len(unit), longest) + 2, 60))
    axes = [path for path in paths_of(record.get("table", {}).get("over", {})) if path in frame.columns]
    sheet.freeze_panes(2, len(axes))
    if len(frame):
        sheet.autofilter(1, 0, len(frame) + 1, frame.shape[1] - 1)  # from the units on, so that they are not sorted
    sheet.set_landscape()
    sheet.set_footer("&L" + record["title"].replace("&", "&&")[:_FOOTER])
    sheet.repeat_rows(0, 1)
    if axes:
        sheet.repeat_columns(0, len(axes) - 1)


def _shown(unit: str, cells: list[Any]) -> str:
    """The number format of a column, chosen by its unit and the range of its numbers."""
    if unit in ("tokens", "parameters") and any(isinstance(v, (int, float)) and v < 0 for v in cells):
        return "0.000E+00"  # a format has no room for billions of both signs
    known = [abs(v) for v in cells if isinstance(v, (int, float)) and math.isfinite(v) and v]
    if not known:
        return "0"
    if unit in ("tokens", "parameters") and max(known) < 1e17:
        return _BILLIONS if min(known) >= 1e6 else _HUMAN
    if min(known) < 1e-3 or max(known) >= 1e15:
        return "0.000E+00"
    return "#,##0" if min(known) >= 1e4 else "#,##0.00" if min(known) >= 100 else "0.0000"


def _scenario(made: _Book, record: dict[str, Any]) -> None:
    sheet = made.book.add_worksheet(SCENARIO)
    scenario = Scenario.from_dict(record["scenario"])
    top = [
        ("scenario", record["title"]),
        *record.get(PRINT, {}).items(),
        ("what it stands for", scenario.description),
        *((HEADINGS.get(name, name), said) for name, said in record["fixed"].items()),
        *((name, record.get(name, "")) for name in REACH),
        ("made by", f"overtrain {record['version']}"),
        ("day", record["date"]),
        ("sha256 of the scenario", record["scenario_sha256"]),
        ("recipe of the table", compact(record.get("table", {}))),
    ]
    row = 0
    for label, text in top:
        made.write(sheet, row, 0, label, bold=True)
        made.write(sheet, row, 1, text)
        row += 1
    row = _block(made, sheet, row + 1, ("assumption", "choice"), _choices(record["scenario"]))
    rows = [
        (r["path"], r["value"], r["unit"], r["kind"], r["source"], r["as_of"], r["about"])
        for r in sources(scenario).to_dict("records")
    ]
    header = ("assumption", "value", "unit", "kind", "source", "as of", "meaning")
    row = _block(made, sheet, row + 1, header, rows)
    text = compact(record)
    pieces = [(text[i : i + _PIECE],) for i in range(0, len(text), _PIECE)]
    row = _block(made, sheet, row + 1, (RECORD,), pieces)
    widths = (38, 24, 18, 14, 60, 12, 60)
    for column, width in enumerate(widths):
        sheet.set_column(column, column, width)
    sheet.print_area(0, 0, row, len(widths) - 1)  # a record runs far to the right
    sheet.set_landscape()
    sheet.fit_to_pages(1, 0)


def _block(made: _Book, sheet: Worksheet, row: int, header: tuple[str, ...], rows: list[tuple[Any, ...]]) -> int:
    """Write a header and rows; return the next free row."""
    for column, name in enumerate(header):
        made.write(sheet, row, column, name, bold=True, bottom=1)
    for i, cells in enumerate(rows, start=row + 1):
        for column, value in enumerate(cells):
            made.write(
                sheet, i, column, value, **({"align": "left"} | _plainly(value) if not isinstance(value, str) else {})
            )
    return row + 1 + len(rows)


def _plainly(value: Any) -> dict[str, str]:
    """The number format of a single number: thousands separators for large integers, Excel's general format for others."""
    return (
        {"num_format": "#,##0"} if isinstance(value, float) and 1e4 <= abs(value) < 1e15 and value == int(value) else {}
    )


def _choices(plain: Any, prefix: str = "") -> list[tuple[str, str]]:
    """The dotted path and value of every text choice: laws, kinds, policies, chips."""
    found: list[tuple[str, str]] = []
    for name, value in plain.items():
        if f"{prefix}{name}" in ("name", "description", "sources"):
            continue
        if isinstance(value, dict):
            found += _choices(value, f"{prefix}{name}.")
        elif isinstance(value, str):
            found.append((f"{prefix}{name}", value))
    return found
