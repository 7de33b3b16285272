"""The traffic forecast as a table that can be edited, uploaded and downloaded."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from ..analysis.plans import monthly_tokens
from ..assumptions.months import month_after, month_of
from ..assumptions.numbers import human, parse_number
from ..assumptions.problems import InputError
from ..assumptions.traffic_file import MAX_BYTES, TEMPLATE, TrafficFile, read_traffic
from ..report.chart.theme import capital
from .link import TABLE
from .said import escaped
from .state import Question

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["COLUMNS", "csv_of", "editor", "read_upload", "upload"]

COLUMNS = ("month", "input_tokens_per_day", "output_tokens_per_day")
_DIGITS = 5


def csv_of(rows: list[dict[str, Any]]) -> str:
    """The forecast as CSV with every digit; `upload` and traffic.file read it back."""
    lines = [",".join(COLUMNS)]
    lines += [f"{r['month']},{r['input_tokens_per_day']!r},{r['output_tokens_per_day']!r}" for r in rows]
    return "\n".join(lines) + "\n"


def read_upload(content: bytes, name: str, options: Mapping[str, object] | None = None) -> TrafficFile:
    """What an uploaded traffic file says; `options` as in `traffic_file`.

    Raises:
        InputError: it is too large or is no traffic table; every bad cell is named.

    """
    if len(content) > MAX_BYTES:
        raise InputError([f"{name} has more than {MAX_BYTES:,} bytes, the most a traffic file may have."])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "traffic.csv"
        path.write_bytes(content)
        try:
            return read_traffic({"path": path, **(options or {})})
        except InputError as error:
            raise InputError([p.replace(str(path), name) for p in error.problems]) from None


def upload(asked: Question) -> None:
    """A CSV, TSV or Excel file as the forecast, what it was read as, and a template to begin with."""
    file = st.file_uploader(
        "Forecast from a file", type=["csv", "tsv", "txt", "xlsx"], key="traffic_csv", max_upload_size=1,
        help="one row a month or a day, with input and output tokens; or requests and tokens per request; or a provider's usage export",
    )  # fmt: skip
    st.download_button("Template", TEMPLATE, "traffic-template.csv", "text/csv", on_click="ignore")
    left, right = st.columns(2)
    amounts = left.selectbox(
        "Amounts of a month are",
        ["as the file says", "per day", "per month"],
        format_func=capital,
        key="traffic_amounts",
    )
    cached = right.selectbox("Cached tokens are", ["as the file says", "inside", "outside"], format_func=capital, key="traffic_cached",
                             help="OpenAI and Gemini count cached tokens inside the input, Anthropic and Bedrock do not")  # fmt: skip
    if understood := getattr(asked.scenario.traffic, "read_as", ""):
        st.caption(escaped(f"The file was understood as: {understood}."))
    options = {"amounts": amounts, "cached": cached}
    options = {name: value for name, value in options.items() if value != "as the file says"}
    if file is None or st.session_state.get("traffic_csv_read") == (file.file_id, options):
        return
    st.session_state["traffic_csv_read"] = (file.file_id, options)
    try:
        found = read_upload(file.getvalue(), file.name, options)
        cache = {} if found.cache_hit_share is None else {"traffic.cache_hit_share": found.cache_hit_share}
        asked.change({"traffic.kind": "table", TABLE: found.rows, "traffic.read_as": found.understood, **cache})
    except InputError as error:
        asked.notice = tuple(error.problems)
    st.rerun()


def editor(asked: Question) -> None:
    """The months as a table. Editing a generated forecast makes it a table of its own; cells take 8.9B, 1.2T or 1e13.

    The widget keeps its first frame while cells are edited, because with a frame that changes at every edit Streamlit loses every second
    edit. It gets a new frame when the forecast changes elsewhere, and after another page was shown.
    """
    rows: list[dict[str, Any]] = monthly_tokens(asked.scenario).drop(columns="days").to_dict("records")
    pending = asked.pending.get(TABLE)
    now = rows if pending is None else pending
    held = st.session_state.get("forecast")
    if held is None or held["now"] != now or held["key"] not in st.session_state:
        version = held["version"] + 1 if held else 0
        held = {"start": now, "now": now, "version": version, "key": f"forecast.{version}"}
        st.session_state["forecast"] = held
    base = _shown(held["start"])
    unit = "tokens a day; write 8.9B, 1.2T or 1e13"
    found = st.data_editor(
        base,
        key=held["key"],
        num_rows="dynamic",
        hide_index=True,
        height=320,
        alt="Tokens a day by month, input and output",
        column_config={
            "month": st.column_config.TextColumn("month", help="2026-05 or May 2026", max_chars=20),
            "input_tokens_per_day": st.column_config.TextColumn("input (tokens/day)", help=unit, max_chars=30),
            "output_tokens_per_day": st.column_config.TextColumn("output (tokens/day)", help=unit, max_chars=30),
        },
    )
    edited, problems = _edited(held["start"], base, found)
    if problems:
        st.error("\n\n".join(problems))
    elif edited != now:
        held["now"] = edited
        asked.change({"traffic.kind": "table", TABLE: edited})
        st.rerun()


def _shown(rows: list[dict[str, Any]]) -> "pd.DataFrame":
    import pandas as pd

    cells = [{c: _cell(row[c]) for c in COLUMNS} for row in rows]
    return pd.DataFrame(cells, columns=[*COLUMNS], dtype=str)


def _cell(value: Any) -> str:
    return human(value, _DIGITS) if isinstance(value, float) else str(value)


def _edited(
    start: list[dict[str, Any]], base: "pd.DataFrame", found: "pd.DataFrame"
) -> tuple[list[dict[str, Any]], list[str]]:
    """The rows as edited: a cell that was not touched keeps all its digits. Sentences about cells that are no numbers."""
    rows: list[dict[str, Any]] = []
    problems: list[str] = []
    for label, cells in zip(found.index, found.to_dict("records"), strict=True):
        old = start[label] if label in base.index else None
        row: dict[str, Any] = {}
        for column in COLUMNS:
            cell = cells[column]
            if old is not None and cell == base.loc[label, column]:
                row[column] = old[column]
            else:
                try:
                    row[column] = _month(cell, rows) if column == "month" else _tokens(cell)
                except ValueError as error:
                    problems.append(f"Row {len(rows) + 1}, {column} {error}.")
        rows.append(row)
    return rows, problems


def _month(cell: object, before: list[dict[str, Any]]) -> str:
    """The month meant by a cell; an empty one continues the rows before it."""
    if _is_empty(cell) and before and "month" in before[-1]:
        return month_after(before[-1]["month"], 1)
    return month_of(cell)


def _tokens(cell: object) -> float:
    """The tokens a day meant by a cell."""
    if _is_empty(cell):
        raise ValueError("is empty; write tokens/day, 0 for no traffic")
    return parse_number(cell, "tokens/day")


def _is_empty(cell: object) -> bool:
    return cell is None or cell != cell or not str(cell).strip()
