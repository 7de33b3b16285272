"""Write tables as CSV, Parquet, Excel, LaTeX, Markdown, JSON or HTML, by the ending of the file's name.

Every file carries the scenario, its hash, the version and the day, and the recipe of the table, so that `overtrain table --from FILE` can
make it again. Apart from the day (which SOURCE_DATE_EPOCH fixes) the same table gives the same bytes. A file appears whole or not at all.
"""

import importlib
import json
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, TypedDict

import pandas as pd

from ...assumptions.arguments import FRAME, PATH, TEXT, WHOLE, checks
from ...assumptions.bounds import within
from ...assumptions.problems import InputError, near_miss, shown
from ...assumptions.record import KEY, PRINT, compact, stamp, titled
from ...assumptions.scenario import SCENARIO, Scenario
from .atomic import check_place, write_atomically
from .markup import as_text, html_table, markdown_table, printed, tex_table

__all__ = ["FORMATS", "check_writer", "checked", "encoded", "export", "extra", "printing"]

_WRITERS = {"xlsx": ("xlsxwriter", "an Excel file")}
"""Formats that an optional package writes."""
HUMAN_FORMATS = ("csv", "html", "md", "tex")
SHOWN_FORMATS = HUMAN_FORMATS[1:]
"""Formats for people, whose numbers are human unless plain ones are asked for."""
MOST_DIGITS = 15
"""Significant digits of a number; a float has no more that can be relied on."""
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9:._/+-]*")


class Print(TypedDict, total=False):
    """How a file is printed: what `export` was given of these."""

    caption: str
    label: str
    digits: int
    notes: str


@checks(frame=FRAME, path=PATH, scenario=SCENARIO, numbers=TEXT, caption=TEXT, label=TEXT, digits=WHOLE, notes=TEXT)
def export(
    frame: pd.DataFrame,
    path: str | Path,
    *,
    scenario: Scenario | None = None,
    numbers: str = "",
    caption: str = "",
    label: str = "",
    digits: int = 0,
    notes: str = "",
) -> Path:
    """Write a table; the ending of the name decides the format: .csv .parquet .xlsx .tex .md .json .html.

    Args:
        frame: a table of `size_table` or `inverse_table`, or any frame together with `scenario`. A named index becomes columns.
        path: the file; what is there is replaced in one step.
        scenario: what the frame is about, where it does not say so itself.
        numbers: "plain", with every digit, or "human" ("111.4B", four digits; CSV, HTML, Markdown and LaTeX). By default HTML,
            Markdown and LaTeX have human numbers under headings ("active parameters N*"), all others plain numbers under names.
        caption: what the table shows, as text. LaTeX then has a `table` with caption and notes; without it, a bare `tabular`.
        label: what LaTeX refers to the table by, as "tab:sizes" for a reference; needs `caption`.
        digits: significant digits of human numbers, 1 to 15; by default 4, and 3 of ratios and shares.
        notes: your own notes, before those that every table has: what is fixed, how far it holds, sources.

    Returns:
        The path.

    Raises:
        InputError: the ending is unknown, the format has no human numbers or no label, or the frame has no scenario.
        DataError: the file cannot be written; what was there before is still there.

    """
    path = Path(path)
    how = printing(caption, label, digits, notes)
    kind = checked(path, numbers, how)
    write_atomically(path, encoded(frame, kind, scenario=scenario, numbers=numbers, how=how))
    return path


def printing(caption: str = "", label: str = "", digits: int = 0, notes: str = "") -> Print:
    """What was given of how a file is printed, each text on one line."""
    given = {"caption": caption, "label": label, "digits": digits, "notes": notes}
    problems = [
        f"{name} has a character that cannot be printed: {shown(v)}; leave it out."
        for name, v in given.items()
        if isinstance(v, str) and any(unicodedata.category(c) in ("Cc", "Cs") and not c.isspace() for c in v)
    ]
    if problems:
        raise InputError(problems)
    lines = {name: " ".join(v.split()) if isinstance(v, str) else v for name, v in given.items()}
    return Print(**{name: v for name, v in lines.items() if v})  # type: ignore[typeddict-item]


def checked(path: str | Path, numbers: str = "", how: Print | None = None) -> str:
    """The format that the name of a file asks for, known before the table is solved; arguments and errors as `export`."""
    path = Path(path)
    kind = path.suffix.lstrip(".").lower()
    if kind not in FORMATS:
        raise InputError(
            [
                f"{path.name} ends in no known format{near_miss(kind, FORMATS)} Endings: {', '.join('.' + name for name in FORMATS)}."
            ]
        )
    _check_look(kind, numbers, how or {})
    check_writer(kind)
    check_place(path)
    return kind


def check_writer(kind: str) -> None:
    """Whether the package that writes a format is installed, known before there is anything to write.

    Raises:
        InputError: as `extra`.

    """
    if kind in _WRITERS:
        extra(*_WRITERS[kind])


def encoded(
    frame: pd.DataFrame, kind: str, *, scenario: Scenario | None = None, numbers: str = "", how: Print | None = None
) -> bytes:
    """The content of the file that `export` writes; arguments and errors as there."""
    _check_look(kind, numbers, how or {})
    numbers = numbers or ("human" if kind in SHOWN_FORMATS else "plain")
    if not isinstance(frame.index, pd.RangeIndex):
        frame = frame.reset_index(drop=frame.index.names == [None])
    twice = sorted({str(name) for name in frame.columns[frame.columns.duplicated()]})
    if twice:
        raise InputError([f"the table has column {', '.join(twice)} more than once; keep one."])
    record = {name: part for name, part in stamp(frame, scenario).items() if name not in ("numbers", PRINT)}
    record |= {"numbers": "human"} if numbers == "human" else {}
    record |= {PRINT: how} if how else {}
    return FORMATS[kind](frame, record, numbers)


def _check_look(kind: str, numbers: str, how: Print) -> None:
    """Whether a format can be printed so; all problems at once."""
    problems = []
    if numbers not in ("", "plain", "human"):
        problems.append(f"numbers must be plain or human, got {shown(numbers)}.")
    if numbers == "human" and kind not in HUMAN_FORMATS:
        problems.append(
            f"{kind} holds plain numbers only; leave human numbers out, or write {', '.join('.' + k for k in HUMAN_FORMATS)}."
        )
    digits, label = how.get("digits", 0), how.get("label", "")
    if digits and not 1 <= digits <= MOST_DIGITS:
        problems.append(f"digits must be {within(1, MOST_DIGITS)}, got {digits}.")
    if digits and not (numbers == "human" or (kind in SHOWN_FORMATS and not numbers)):
        problems.append(
            f"digits are those of human numbers, and this .{kind} has plain ones; leave digits out, or write human numbers to "
            f"{', '.join('.' + k for k in HUMAN_FORMATS)}."
        )
    if label and kind != "tex":
        problems.append(f"label is what LaTeX refers to a table by, and .{kind} has none; leave it out, or write .tex.")
    if label and "caption" not in how:
        problems.append("label needs caption: without one LaTeX gives the table no number to refer to.")
    if label and not _LABEL.fullmatch(label):
        problems.append(f"label must be letters, digits and :._/+- as in tab:sizes, got {shown(label)}.")
    if problems:
        raise InputError(problems)


def extra(module: str, what: str, name: str = "export") -> ModuleType:
    """An optional package.

    Raises:
        InputError: it is not installed; the sentence says how to install it.

    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError:
        raise InputError(
            [f"{what} needs {module.split('.')[0]}; install it with: pip install 'overtrain[{name}]'."]
        ) from None


def _csv(frame: pd.DataFrame, record: dict[str, Any], numbers: str) -> bytes:
    """Three comment lines, then names, then rows; text is quoted, so that a # in it is no comment."""
    digits = record.get(PRINT, {}).get("digits", 0)

    def cell(value: Any) -> str:
        text = as_text(value, numbers, digits)
        return '"' + text.replace('"', '""') + '"' if isinstance(value, str) else text

    columns = [frame.iloc[:, i].tolist() for i in range(frame.shape[1])]
    lines = [
        f"# {titled(record)}. Read with: pandas.read_csv(FILE, comment='#')".replace("\n", " ").replace("\r", " "),
        f"# {KEY} {compact(record)}",
        f"# units: {', '.join(f'{name} ({unit})' for name, unit in record['units'].items())}".replace(
            "\n", " "
        ).replace("\r", " "),
        ",".join(cell(str(name)) for name in frame.columns),
        *(",".join(cell(value) for value in row) for row in zip(*columns, strict=True)),
    ]
    return ("\n".join(lines) + "\n").encode()


def _parquet(frame: pd.DataFrame, record: dict[str, Any], _: str) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(frame, preserve_index=False)
    units = record["units"]
    fields = [f.with_metadata({"unit": units[f.name]}) if f.name in units else f for f in table.schema]
    held = {KEY.encode(): compact(record).encode(), b"caption": titled(record).encode()}
    schema = pa.schema(fields, metadata={**(table.schema.metadata or {}), **held})
    sink = pa.BufferOutputStream()
    pq.write_table(table.cast(schema), sink)
    return sink.getvalue().to_pybytes()


def _excel(frame: pd.DataFrame, record: dict[str, Any], _: str) -> bytes:
    check_writer("xlsx")
    from .excel import workbook

    return workbook(frame, record)


def _tex(frame: pd.DataFrame, record: dict[str, Any], numbers: str) -> bytes:
    notes = [] if "caption" in record.get(PRINT, {}) else printed(record)  # which the table itself then has
    head = "\n".join(f"% {' '.join(line.split())}" for line in (*notes, "Needs \\usepackage{booktabs}."))
    return f"{head}\n% {KEY} {compact(record)}\n{tex_table(frame, numbers, record)}".encode()


def _markdown(frame: pd.DataFrame, record: dict[str, Any], numbers: str) -> bytes:
    # A comment ends at its first -->, which JSON can say otherwise.
    held = compact(record).replace("--", "-\\u002d").replace(">", "\\u003e").replace("<", "\\u003c")
    return f"{markdown_table(frame, numbers, record)}\n<!-- {KEY} {held} -->\n".encode()


def _json(frame: pd.DataFrame, record: dict[str, Any], _: str) -> bytes:
    def plain(value: Any) -> Any:
        if not isinstance(value, float):
            return value
        return None if value != value else value if abs(value) != float("inf") else str(value)

    names = [str(name) for name in frame.columns]
    columns = [[plain(v) for v in frame.iloc[:, i].tolist()] for i in range(frame.shape[1])]
    rows = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
    return (json.dumps({KEY: record, "rows": rows}, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


_STYLE = (
    "body{font:14px/1.5 system-ui,sans-serif;margin:2em}table{border-collapse:collapse;font-variant-numeric:tabular-nums}"
    "caption{caption-side:bottom;text-align:left;padding:.5em 0;color:#555}th,td{padding:.2em .8em;vertical-align:top}"
    "thead tr:last-child th{font-weight:normal;color:#555;border-bottom:1px solid #888}tbody tr:nth-child(even){background:#f4f4f4}"
)


def _html(frame: pd.DataFrame, record: dict[str, Any], numbers: str) -> bytes:
    held = compact(record).replace("<", "\\u003c")
    title = "".join(c if c not in "<>&" else " " for c in titled(record))
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{title}</title>\n<style>{_STYLE}</style>\n'
        f'<script type="application/json" id="{KEY}">{held}</script>\n</head>\n<body>\n'
        f"{html_table(frame, numbers, record)}\n</body>\n</html>\n"
    ).encode()


FORMATS: dict[str, Callable[[pd.DataFrame, dict[str, Any], str], bytes]] = {
    "csv": _csv,
    "parquet": _parquet,
    "xlsx": _excel,
    "tex": _tex,
    "md": _markdown,
    "json": _json,
    "html": _html,
}
