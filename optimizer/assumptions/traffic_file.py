"""Reads traffic files: tokens of each month, or an export of usage by day, as spreadsheets and bills write them.

`traffic_columns` says what headings mean and `traffic_cells` which files are read. Rows are months, or days: those of one month are added
up over the days from the first of the file to its last; a day that is left out had no traffic. What has one meaning is read, whatever has
several is asked, and the answer is given in the file or as

    traffic.file = {path = "usage.csv", amounts = "per month", input_share = 0.78, cached = "inside", decimal = ","}

amounts ("per day" or "per month") for months whose headings do not say; input_share for one column of tokens; cached ("inside" or
"outside" the input) for cached tokens; decimal ("," or ".") for numbers such as 1.234.
"""

import datetime
import math
import re
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from .bounds import within
from .decimals import decimal_mark, plain
from .months import date_of, days_in_months, month_after, month_of, order_of_days
from .numbers import human, parse_number, percent
from .problems import DataError, near_miss, shown
from .traffic_cells import MAX_BYTES, Cells, read_cells
from .traffic_columns import PER_WORD, Column, columns_used

__all__ = ["MAX_BYTES", "TEMPLATE", "TrafficFile", "read_traffic", "summary"]

TEMPLATE = """month,input_tokens_per_month,output_tokens_per_month,remark
2026-06,1.5T,300B,launch
2026-07,1.7T,340B,
2026-08,1.9T,380B,
"""
"""A file to begin with."""

MOST_PROBLEMS = 5
_OPTIONS: dict[str, tuple[object, ...]] = {
    "amounts": ("per day", "per month"),
    "cached": ("inside", "outside"),
    "decimal": (",", "."),
}
_INPUT = ("input", "uncached", "cached", "written_to_cache")
_TOTAL = re.compile(r"(?i)(grand )?totals?|sum|all|average|mean")
Row = dict[str, Any]


class TrafficFile(NamedTuple):
    """What a traffic file says."""

    rows: list[Row]
    """month, input_tokens_per_day, output_tokens_per_day"""
    cache_hit_share: float | None
    """cached tokens over input tokens of the whole file; None where it does not say"""
    understood: str
    """one sentence: months, tokens, share of output, and how the file was read"""


def read_traffic(given: object) -> TrafficFile:
    """The months of a traffic file.

    Args:
        given: path of the file, or a mapping of path and the answers to what the file leaves open (see above).

    Raises:
        DataError: the file cannot be read, a column is missing, unknown or there twice, a cell is not what it should be, or something has
            two meanings: at most five problems, then a count.

    """
    path, options = _options(given)
    cells = read_cells(path)
    problems: list[str] = []
    used = columns_used(cells.path, cells.columns, options, problems)
    if problems:
        raise DataError(_counted(problems))
    rows, monthly, notes = _rows(cells, used, options, problems)
    read = {i for i, _ in used.values()}
    unread = [shown(c.heading) for i, c in enumerate(cells.columns) if i not in read and c.what != "remark"]
    if unread:
        notes.append(f"without column{'s' * (len(unread) > 1)} {', '.join(unread)}")
    if problems:
        raise DataError(_counted(problems))
    return _summed(path, rows, used, options, monthly, notes)


def summary(months: Iterable[tuple[str, float, float]]) -> str:
    """Months, tokens and share of output of a table, such as "24 months from 2026-05, 3900T tokens, 22 % output".

    Args:
        months: month, input and output tokens per day, in order.

    >>> summary([("2026-05", 6e12, 2e12)])
    '1 month from 2026-05, 248T tokens, 25 % output'

    """
    rows = [(month, float(days_in_months(month, 1)[0]), read, written) for month, read, written in months]
    read, written = sum(row[1] * row[2] for row in rows), sum(row[1] * row[3] for row in rows)
    total = read + written
    tokens = human(total)
    share = f", {percent(written / total, 2)} output" if total else ""
    return f"{len(rows)} month{'s' * (len(rows) != 1)} from {rows[0][0]}, {tokens} tokens{share}"


def _options(given: object) -> tuple[Path, Mapping[str, Any]]:
    options = dict(given) if isinstance(given, Mapping) else {"path": given}
    path = options.pop("path", None)
    if not isinstance(path, (str, Path)):
        raise DataError([f"file must be the path of a CSV, TSV or Excel file, got {shown(path)}"])
    problems = [
        f"file has an unknown option {shown(name)}{near_miss(str(name), [*_OPTIONS, 'input_share'])}"
        for name in options
        if name not in _OPTIONS and name != "input_share"
    ]
    for name, allowed in _OPTIONS.items():
        if options.get(name) not in (None, *allowed):
            problems.append(f"file.{name} must be one of {', '.join(map(shown, allowed))}, got {shown(options[name])}.")
    try:
        if options.get("input_share") is not None:
            options["input_share"] = parse_number(options["input_share"], "1")
            if not 0 <= options["input_share"] <= 1:
                problems.append(f"file.input_share must be {within(0, 1)}, got {options['input_share']:g}.")
    except ValueError as error:
        problems.append(f"file.input_share {error}")
    if problems:
        raise DataError(problems)
    return Path(path), {name: value for name, value in options.items() if value is not None}


def _counted(problems: list[str]) -> list[str]:
    more = len(problems) - MOST_PROBLEMS
    return problems[:MOST_PROBLEMS] + (
        [f"and {more} more problem{'s' * (more > 1)} of this kind in the file."] if more > 0 else []
    )


def _rows(
    cells: Cells, used: dict[str, tuple[int, Column]], options: Mapping[str, Any], problems: list[str]
) -> tuple[list[Row], bool, list[str]]:
    """The rows with numbers, each with `when` as a month or a day; whether they are months; what else was noticed."""
    path, at, notes = cells.path, used["when"][0], []
    width = len(cells.columns)
    lines = []
    for number, line in cells.lines:
        when = line[at] if at < len(line) else None
        if isinstance(when, str) and _TOTAL.fullmatch(when.strip()):
            notes.append(f"row {number} ({when.strip()}) left out")
        elif any(cell not in (None, "") and str(cell).strip() for cell in line[width:]):
            more = f"{path} row {number} has {len(line)} cells, the header has {width}"
            problems.append(f"{more}; write numbers without thousands separators.")
        else:
            lines.append((number, line))
    if not lines and not problems:
        problems.append(f"{path} has a header but no rows; add one row a month or a day.")
    try:
        order = order_of_days(line[at] for _, line in lines if at < len(line))
    except ValueError as error:
        problems.append(f"{path} column {used['when'][1].heading} {error}")
        return [], False, notes
    texts = [line[i] for _, line in lines for i, _ in used.values() if i != at and i < len(line)]
    mark = options.get("decimal", ".")
    if "decimal" not in options:
        try:
            # Where commas separate cells, decimals have points.
            otherwise = "." if cells.mark == "," else ""
            mark = decimal_mark((cell for cell in texts if isinstance(cell, str)), otherwise)
        except ValueError as error:
            problems.append(f'{path} {error}, or give traffic.file = {{path = "...", decimal = ","}}, or ".".')
    rows = []
    for number, line in lines:
        row: Row = {"number": number}
        for what, (i, column) in used.items():
            cell = line[i] if i < len(line) else ""
            try:
                row[what] = _when(cell, order) if what == "when" else _number(cell, mark, column)
            except ValueError as error:
                problems.append(f"{path} row {number} column {column.heading} {error}")
        rows.append(row)
    if problems:
        return [], False, notes
    return rows, _are_months(path, used["when"][1], rows, problems), notes


def _when(cell: object, order: str) -> str | datetime.date:
    try:
        return date_of(cell, order)
    except ValueError:
        return month_of(cell)


def _are_months(path: str, column: Column, rows: list[Row], problems: list[str]) -> bool:
    """Whether each row is a month; days that begin or end every month are months too."""
    days = [row["when"] for row in rows if isinstance(row["when"], datetime.date)]
    if not days:
        return True
    firsts = all(day.day == 1 for day in days)
    lasts = all((day + datetime.timedelta(days=1)).day == 1 for day in days)
    apart = len({f"{day:%Y-%m}" for day in days}) == len({*days})
    if len(days) < len(rows) or (
        (firsts or lasts) and apart and (len({*days}) > 1 or "month" in column.heading.lower())
    ):
        inside = not (firsts or lasts)
        wrong = [row for row in rows if inside and isinstance(row["when"], datetime.date)]
        problems += [
            f"{path} row {row['number']} column {column.heading} must look like 2026-05, got '{row['when']}', which is a day within a "
            "month, while other rows are months"
            for row in wrong
        ]
        for row in rows:
            if isinstance(row["when"], datetime.date):
                row["when"] = f"{row['when']:%Y-%m}"
        return True
    gaps = {(b - a).days for a, b in pairwise(sorted({*days}))}
    if gaps and min(gaps) >= 7:
        problems.append(
            f"{path} column {column.heading} has rows {min(gaps)} to {max(gaps)} days apart: write one row a month, or one a day."
        )
    elif not gaps and "month" in column.heading.lower():
        problems.append(
            f"{path} column {column.heading} must look like 2026-05, got '{days[0]}', which is a day within a month; write the month."
        )
    return False


def _number(cell: object, mark: str, column: Column) -> float:
    """The amount in a cell, times the factor of its column."""
    unit = (
        "1"
        if column.what.endswith("share")
        else f"{'requests' if column.what == 'requests' else 'tokens'}{_SLASH[column.per]}"
    )
    cell = plain(cell, mark) if isinstance(cell, str) else cell
    value = parse_number(cell, unit) * column.scale
    if value < 0 or (unit == "1" and value > 1):
        most = 1.0 if unit == "1" else math.inf
        raise ValueError(f"must be {within(0, most)}, got {human(value)}{'' if unit == '1' else f' {unit}'}")
    return value


_SLASH = {"": "", "day": "/day", "month": "/month", "request": "/request"}


def _summed(
    path: Path,
    rows: list[Row],
    used: dict[str, tuple[int, Column]],
    options: Mapping[str, Any],
    monthly: bool,
    notes: list[str],
) -> TrafficFile:
    rate_of_input = used["input"][1].per if "input" in used else ""
    amounts = [
        c for what, (_, c) in used.items() if what in (*_INPUT, "output", "tokens", "requests") and c.per != "request"
    ]
    unsaid = [c for c in amounts if not c.per and not (c.what == "cached" and rate_of_input)]
    if monthly and unsaid and "amounts" not in options:
        named = ", ".join(shown(c.heading) for c in unsaid) + (" is" if len(unsaid) == 1 else " are")
        raise DataError(
            [
                f"{path} has one row a month and does not say whether {named} per day or the total of the month: "
                "name the column so (input_tokens_per_month), or give "
                'traffic.file = {path = "...", amounts = "per month"}, or "per day".'
            ]
        )
    if not monthly and any(c.per == "month" for c in amounts):
        raise DataError(
            [f"{path} has one row a day and amounts per month; write the amounts of each day, or one row a month."]
        )
    default = str(options.get("amounts", "per day")).removeprefix("per ") if monthly else "day"
    inside = options.get("cached") or ("cached" in used and used["cached"][1].cached) or "outside"
    sums: dict[str, list[float]] = {}
    for row in rows:
        month = row["when"] if monthly else f"{row['when']:%Y-%m}"
        days = float(days_in_months(month, 1)[0])

        def per_day(what: str, row: Row = row, days: float = days) -> float:
            if what not in used:
                return 0.0
            per = used[what][1].per or (rate_of_input if what == "cached" else "")
            if per == "request":
                return row[what] * per_day("requests")
            return row[what] / (days if (per or default) == "month" else 1.0)

        share = row.get(
            "input_share", 1 - row["output_share"] if "output_share" in row else options.get("input_share", 0.0)
        )
        read = per_day("input") + per_day("uncached") + per_day("written_to_cache") + per_day("tokens") * share
        cached = per_day("cached")
        read += cached if inside == "outside" or "input" not in used else 0.0
        cached = row["cache_hit_share"] * read if "cache_hit_share" in row else cached
        if cached > read:
            raise DataError(
                [
                    f"{path} row {row['number']} has more cached tokens ({human(cached)}) than input ({human(read)}); is the input "
                    'without them? Then give traffic.file = {path = "...", cached = "outside"}.'
                ]
            )
        written = per_day("output") + per_day("tokens") * (1 - share)
        total = sums.setdefault(month, [0.0, 0.0, 0.0])
        for i, value in enumerate((read, written, cached)):
            total[i] += value
    months = sorted(sums)
    covered = _days_covered(rows) if not monthly else dict.fromkeys(months, 1)
    table = [
        {"month": m, "input_tokens_per_day": sums[m][0] / covered[m], "output_tokens_per_day": sums[m][1] / covered[m]}
        for m in months
    ]
    _no_gaps(path, months)
    weight = {m: float(days_in_months(m, 1)[0]) / covered[m] for m in months}
    everything, found = (sum(weight[m] * sums[m][i] for m in months) for i in (0, 2))
    has_cache = bool({"cached", "cache_hit_share"} & {*used})
    hit = (found / everything if everything else 0.0) if has_cache else None
    kinds = {c.per or default for c in amounts} if monthly else set()
    how = [
        " and ".join(PER_WORD[k] for k in sorted(kinds))
        if monthly
        else f"usage by day, {len({r['when'] for r in rows})} days"
    ]
    if "requests" in used:
        how.append("requests times tokens per request")
    if hit is not None:
        how.append(
            f"{percent(hit, 2)} of input cached{'' if 'cache_hit_share' in used or 'uncached' in used else f', counted {inside} the input'}"
        )
    return TrafficFile(
        table, hit, f"{summary(tuple(row.values()) for row in table)}, read as {', '.join([*how, *notes])}"
    )


def _days_covered(rows: list[Row]) -> dict[str, int]:
    """Days of each month between the first and the last day of the file."""
    first, last = min(row["when"] for row in rows), max(row["when"] for row in rows)
    covered: dict[str, int] = {}
    for i in range((last - first).days + 1):
        month = f"{first + datetime.timedelta(days=i):%Y-%m}"
        covered[month] = covered.get(month, 0) + 1
    return covered


def _no_gaps(path: Path, months: list[str]) -> None:
    gaps = [f"{month_after(a, 1)}" for a, b in pairwise(months) if b != month_after(a, 1)]
    if gaps:
        raise DataError(
            [
                f"{path} has no row for {', '.join(gaps[:MOST_PROBLEMS])}; add the months between, with 0 tokens if there are none."
            ]
        )
