"""Calendar months and days: `month_of("May 2026")` gives "2026-05"; files, TOML, links and the app read months with it."""

import calendar
import datetime
import re
from collections.abc import Iterable
from functools import cache

import numpy as np

from .problems import shown

__all__ = ["MONTH", "date_of", "days_in_months", "month_after", "month_of", "order_of_days"]

MONTH = r"^[12][0-9]{3}-(0[1-9]|1[0-2])$"
"""A month as it is stored."""

_YEAR, _NUMBER, _TIME = (
    r"(?P<year>[12][0-9]{3})",
    r"(?P<month>0?[1-9]|1[0-2])",
    r"(?:[T ]+[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?(?: ?[AaPp][Mm])?(?:Z|[+-]00:?00)?)?",
)
_NAMES = {name.lower(): i for i, name in enumerate(calendar.month_name) if name}
_NAMES |= {name[:3]: i for name, i in _NAMES.items()} | {"sept": 9}
_NAME = r"(?P<name>[A-Za-z]{3,9})\.?"
_DATE = re.compile(rf"{_YEAR}(?P<mark>[-/.]){_NUMBER}(?P=mark)(?P<day>0?[1-9]|[12][0-9]|3[01]){_TIME}")
_SHORT = re.compile(rf"(?P<first>[0-9]{{1,2}})(?P<mark>[-/.])(?P<second>[0-9]{{1,2}})(?P=mark){_YEAR}{_TIME}")
"""Day and month in either order."""
_HOUR = re.compile(r"[1-9].?:|:.?[1-9]")
"""A time of day other than midnight."""
_SERIAL = range(36_526, 73_051)
"""Days since 1899-12-30, as spreadsheets count: 2000 to 2099."""
_WRITTEN = tuple(
    re.compile(form)
    for form in (
        rf"{_YEAR}[-/. ]{_NUMBER}",
        rf"{_NUMBER}[-/. ]{_YEAR}",
        rf"{_NAME}[- ,]+{_YEAR}",
        rf"{_YEAR}[- ]{_NAME}",
        rf"{_NAME}[- ]+'?(?P<short>[0-9]{{2}})",
    )
)


def month_of(value: object) -> str:
    """The month meant, as "2026-05": year and month in figures or with an English name, or the first day of a month.

    Raises:
        ValueError: it is no month, or could be several (two numbers of two digits, days in the middle of a month).

    >>> month_of("2026-5"), month_of("05/2026"), month_of("May-26"), month_of("2026-05-01")
    ('2026-05', '2026-05', '2026-05', '2026-05')

    """
    text = _plain(value)
    for form in _WRITTEN:
        found = form.fullmatch(text)
        number = found and (int(found["month"]) if "month" in form.groupindex else _NAMES.get(found["name"].lower()))
        if found and number:
            return f"{found['year'] if 'year' in form.groupindex else '20' + found['short']}-{number:02d}"
    date = _date(text)
    if date and date.day == 1 and not _HOUR.search(text):
        return f"{date:%Y-%m}"
    way = (
        "is a day within a month; write the month, or give a table of days with a column date"
        if date
        else "write 2026-05 or May 2026"
    )
    raise ValueError(f"must look like 2026-05, got {shown(value)}{', which ' if date else '; '}{way}")


def date_of(value: object, order: str = "") -> datetime.date:
    """The day meant: 2026-05-31, with / or . between, with a time of day, or the number by which spreadsheets keep a day.

    Args:
        value: what was given.
        order: "dmy" or "mdy", which 31/05/2026 or 05/31/2026 need; `order_of_days` finds it in a column.

    Raises:
        ValueError: it is no day, or could be two.

    >>> date_of("2026-05-31"), date_of("31/05/2026", "dmy"), date_of("46173")
    (datetime.date(2026, 5, 31), datetime.date(2026, 5, 31), datetime.date(2026, 5, 31))

    """
    text = _plain(value)
    found, short = _date(text), _SHORT.fullmatch(text)
    number = (
        float(value) if isinstance(value, (int, float)) else float(text) if re.fullmatch(r"[0-9]{5}", text) else 0.0
    )
    if number in _SERIAL:
        return datetime.date(1899, 12, 30) + datetime.timedelta(days=int(number))
    if found is None and short and order:
        day, month = (short["first"], short["second"]) if order == "dmy" else (short["second"], short["first"])
        found = _date(f"{short['year']}-{month}-{day}")
    if found is None:
        raise ValueError(f"must look like 2026-05-31, got {shown(value)}; write year, month, day")
    return found


def order_of_days(values: Iterable[object]) -> str:
    """The order "dmy" or "mdy" of days written like 31/05/2026, by those of which only one reading is a day; points mean days first.

    Raises:
        ValueError: days have both orders, or none of them decides.

    """
    short = [(value, found) for value in values if (found := _SHORT.fullmatch(_plain(value)))]
    days = [value for value, found in short if int(found["first"]) > 12 or found["mark"] == "."]
    months = [value for value, found in short if int(found["second"]) > 12]
    if days and months:
        raise ValueError(
            f"has the day first in {shown(days[0])} and the month first in {shown(months[0])}; write year, month, day"
        )
    if short and not days and not months:
        raise ValueError(
            f"could have the day or the month first, got {shown(short[0][0])}; write year, month, day, as 2026-05-31"
        )
    return "dmy" if days else "mdy" if months else ""


def _plain(value: object) -> str:
    if isinstance(value, datetime.date):
        return value.isoformat()
    if not isinstance(value, str) or len(value) >= 100:
        return ""
    return value.strip().strip("\ufeff").strip().removeprefix("'")


def _date(text: str) -> datetime.date | None:
    found = _DATE.fullmatch(text)
    try:
        return datetime.date(int(found["year"]), int(found["month"]), int(found["day"])) if found else None
    except ValueError:  # 31 February
        return None


@cache
def days_in_months(start: str, months: int) -> np.ndarray:
    """Days of `months` consecutive calendar months from `start` ("2026-05"); leap years counted. Shape (months,)."""
    year, month = int(start[:4]), int(start[5:])
    following = (divmod(year * 12 + month - 1 + i, 12) for i in range(months))
    return np.array([float(calendar.monthrange(y, m + 1)[1]) for y, m in following])


def month_after(start: str, months: int) -> str:
    """The month `months` after `start`: ("2026-12", 1) gives "2027-01"."""
    year, month = divmod(int(start[:4]) * 12 + int(start[5:]) - 1 + months, 12)
    return f"{year:04d}-{month + 1:02d}"
