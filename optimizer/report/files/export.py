"""Write tables as CSV, Parquet, Excel, LaTeX, Markdown, JSON or HTML, by the ending of the file's name.

Every file carries the scenario, its hash, the version and the day, and the recipe of the table, so that `overtrain table --from FILE` can
make it again. Apart from the day (which SOURCE_DATE_EPOCH fixes) the same table gives the same bytes. A file appears whole or not at all.
"""

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd

from ...assumptions.arguments import FRAME, PATH, TEXT, checks
from ...assumptions.problems import InputError, near_miss
from ...assumptions.record import KEY, caption, compact, stamp
from ...assumptions.scenario import SCENARIO, Scenario
from .atomic import check_place, write_atomically
from .markup import as_text, cited, html_table, markdown_table, tex_table

__all__ = ["FORMATS", "check_writer", "checked", "encoded", "export", "extra"]

_WRITERS = {"xlsx": ("xlsxwriter", "an Excel file")}
"""Formats that an optional package writes."""
HUMAN_FORMATS = ("csv", "html", "md", "tex")
SHOWN_FORMATS = HUMAN_FORMATS[1:]
"""Formats for people, whose numbers are human unless plain ones are asked for."""


@checks(frame=FRAME, path=PATH, scenario=SCENARIO, numbers=TEXT)
def export(frame: pd.DataFrame, path: str | Path, *, scenario: Scenario | None = None, numbers: str = "") -> Path:
    """Write a table; the ending of the name decides the format: .csv .parquet .xlsx .tex .md .json .html.

    Args:
        frame: a table of `size_table` or `inverse_table`, or any frame together with `scenario`. A named index becomes columns.
        path: the file; what is there is replaced in one step.
        scenario: what the frame is about, where it does not say so itself.
        numbers: "plain", with every digit, or "human" ("111.4B", four digits; CSV, HTML, Markdown and LaTeX). By default HTML,
            Markdown and LaTeX have human numbers under headings ("active parameters N*"), all others plain numbers under names.

    Returns:
        The path.

    Raises:
        InputError: the ending is unknown, the format has no human numbers, or the frame has no scenario.
        DataError: the file cannot be written; what was there before is still there.

    """
    path = Path(path)
    write_atomically(path, encoded(frame, checked(path, numbers), scenario=scenario, numbers=numbers))
    return path


def checked(path: str | Path, numbers: str = "") -> str:
    """The format that the name of a file asks for, known before the table is solved; arguments and errors as `export`."""
    path = Path(path)
    kind = path.suffix.lstrip(".").lower()
    if kind not in FORMATS:
        raise InputError(
            [
                f"{path.name} ends in no known format{near_miss(kind, FORMATS)} Endings: {', '.join('.' + name for name in FORMATS)}."
            ]
        )
    _check_numbers(kind, numbers)
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


def encoded(frame: pd.DataFrame, kind: str, *, scenario: Scenario | None = None, numbers: str = "") -> bytes:
    """The content of the file that `export` writes; arguments and errors as there."""
    _check_numbers(kind, numbers)
    numbers = numbers or ("human" if kind in SHOWN_FORMATS else "plain")
    if not isinstance(frame.index, pd.RangeIndex):
        frame = frame.reset_index(drop=frame.index.names == [None])
    twice = sorted({str(name) for name in frame.columns[frame.columns.duplicated()]})
    if twice:
        raise InputError([f"the table has column {', '.join(twice)} more than once; keep one."])
    record = stamp(frame, scenario) | ({"numbers": "human"} if numbers == "human" else {})
    return FORMATS[kind](frame, record, numbers)


def _check_numbers(kind: str, numbers: str) -> None:
    if numbers not in ("", "plain", "human"):
        raise InputError([f"numbers must be plain or human, got {numbers!r}."])
    if numbers == "human" and kind not in HUMAN_FORMATS:
        raise InputError(
            [
                f"{kind} holds plain numbers only; leave human numbers out, or write {', '.join('.' + k for k in HUMAN_FORMATS)}."
            ]
        )


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

    def cell(value: Any) -> str:
        text = as_text(value, numbers)
        return '"' + text.replace('"', '""') + '"' if isinstance(value, str) else text

    columns = [frame.iloc[:, i].tolist() for i in range(frame.shape[1])]
    lines = [
        f"# {caption(record)}. Read with: pandas.read_csv(FILE, comment='#')".replace("\n", " ").replace("\r", " "),
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
    held = {KEY.encode(): compact(record).encode(), b"caption": caption(record).encode()}
    schema = pa.schema(fields, metadata={**(table.schema.metadata or {}), **held})
    sink = pa.BufferOutputStream()
    pq.write_table(table.cast(schema), sink)
    return sink.getvalue().to_pybytes()


def _excel(frame: pd.DataFrame, record: dict[str, Any], _: str) -> bytes:
    check_writer("xlsx")
    from .excel import workbook

    return workbook(frame, record)


def _tex(frame: pd.DataFrame, record: dict[str, Any], numbers: str) -> bytes:
    head = f"% {caption(record)}. Needs \\usepackage{{booktabs}}.".replace("\n", " ").replace("\r", " ")
    return f"{head}\n% {cited(record)}\n% {KEY} {compact(record)}\n{tex_table(frame, numbers)}".encode()


def _markdown(frame: pd.DataFrame, record: dict[str, Any], numbers: str) -> bytes:
    # A comment ends at its first -->, which JSON can say otherwise.
    held = compact(record).replace("--", "-\\u002d").replace(">", "\\u003e").replace("<", "\\u003c")
    title = " ".join(caption(record).split())
    origin = f"{title}.\n\n{cited(record)}".strip()
    return f"{markdown_table(frame, numbers)}\n{origin}\n\n<!-- {KEY} {held} -->\n".encode()


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
    title = "".join(c if c not in "<>&" else " " for c in caption(record))
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{title}</title>\n<style>{_STYLE}</style>\n'
        f'<script type="application/json" id="{KEY}">{held}</script>\n</head>\n<body>\n'
        f"{html_table(frame, numbers=numbers, record=record)}\n</body>\n</html>\n"
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
