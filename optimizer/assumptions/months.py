"""Calendar months: `month_of("May 2026")` gives "2026-05"; files, TOML, links and the app read months with it."""

import calendar
import datetime
import re
from functools import cache

import numpy as np

from .problems import shown

__all__ = ["MONTH", "date_of", "days_in_months", "month_after", "month_of"]

MONTH = r"^[12][0-9]{3}-(0[1-9]|1[0-2])$"
"""A month as it is stored."""

_YEAR, _NUMBER, _MIDNIGHT = (
    r"(?P<year>[12][0-9]{3})",
    r"(?P<month>0?[1-9]|1[0-2])",
    r"(?:[T ]0?0:00(?::00(?:\.0+)?)?Z?)?",
)
_NAMES = {name.lower(): i for i, name in enumerate(calendar.month_name) if name}
_NAMES |= {name[:3]: i for name, i in _NAMES.items()} | {"sept": 9}
_NAME = r"(?P<name>[A-Za-z]{3,9})\.?"
_DATE = re.compile(rf"{_YEAR}(?P<mark>[-/.]){_NUMBER}(?P=mark)(?P<day>0?[1-9]|[12][0-9]|3[01]){_MIDNIGHT}")
_WRITTEN = tuple(
    re.compile(form)
    for form in (
        rf"{_YEAR}[-/. ]{_NUMBER}",
        rf"{_NUMBER}[-/. ]{_YEAR}",
        rf"{_NAME}[- ,]+{_YEAR}",
        rf"{_YEAR}[- ]{_NAME}",
    )
)


def month_of(value: object) -> str:
    """The month meant, as "2026-05": year and month in figures or with an English name, or the first day of a month.

    Raises:
        ValueError: it is no month, or could be several (two-digit years, days in the middle of a month).

    >>> month_of("2026-5"), month_of("05/2026"), month_of("May 2026"), month_of("2026-05-01")
    ('2026-05', '2026-05', '2026-05', '2026-05')

    """
    text = _plain(value)
    for form in _WRITTEN:
        found = form.fullmatch(text)
        number = found and (int(found["month"]) if "month" in form.groupindex else _NAMES.get(found["name"].lower()))
        if found and number:
            return f"{found['year']}-{number:02d}"
    date = _date(text)
    if date and date.day == 1:
        return f"{date:%Y-%m}"
    way = (
        "is a day within a month; write the month, or give a table of days with a column date"
        if date
        else "write 2026-05 or May 2026"
    )
    raise ValueError(f"must look like 2026-05, got {shown(value)}{', which ' if date else '; '}{way}")


def date_of(value: object) -> datetime.date:
    """The day meant: 2026-05-31, or with / or . between.

    Raises:
        ValueError: it is no day, or could be two (days before months).

    """
    found = _date(_plain(value))
    if found is None:
        raise ValueError(f"must look like 2026-05-31, got {shown(value)}; write year, month, day")
    return found


def _plain(value: object) -> str:
    if isinstance(value, datetime.date):
        return value.isoformat()
    return (
        value.strip().strip("\ufeff").strip().removeprefix("'") if isinstance(value, str) and len(value) < 100 else ""
    )


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
