"""Numbers as people write and read them.

`parse_number("100B")` gives 1e11 and `human(1e11)` gives "100B". Everything that reads a number from a file, an option, a link or a field,
and everything that prints one, goes through these two, so that 100B means the same everywhere. The grammar:

    number   = ["'"] ["$"] (decimal | fraction)
    decimal  = [sign] mantissa [exponent] [" "] [suffix]
    mantissa = whole ["." digits] | "." digits
    whole    = digits | digits of three with one separator throughout: 1,000,000 or 1 000 000 or 1'000'000
    exponent = ("e" | "E") [sign] digits
    suffix   = K 1e3 | M 1e6 | B or G 1e9 | T 1e12 | P or Q 1e15 | % 1e-2, in either case
    fraction = [sign] digits "/" digits
    digits   = 0 to 9, with single underscores between them: 1_000

Spaces around a number are ignored, as are a byte order mark and the apostrophe by which spreadsheets mark text; a space is any of those
that separate thousands in print (no-break, thin, narrow). % is for numbers without a unit and for rates per month, $ for prices in USD.
One comma ("1,5", "1,000") and several points ("1.000.000") mean decimals to some and thousands to others, and are refused.
"""

import math
import re
from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction

from .problems import shown

__all__ = [
    "SECONDS_PER_DAY",
    "SECONDS_PER_HOUR",
    "amount",
    "human",
    "in_bytes",
    "in_unit",
    "parse_number",
    "percent",
    "times",
    "unit_for",
]

SECONDS_PER_HOUR = 3600.0
SECONDS_PER_DAY = 86400.0

LONGEST = 400
"""Characters of a number: the largest float written out has 309."""

_SUFFIXES = {"": 0, "%": -2, "k": 3, "m": 6, "b": 9, "g": 9, "t": 12, "p": 15, "q": 15}
_DIGITS = r"[0-9]+(?:_[0-9]+)*"
_GROUPS = r"[1-9][0-9]{0,2}(?P<mark>[, '])[0-9]{3}(?:(?P=mark)[0-9]{3})*"
_DECIMAL = re.compile(
    rf"(?P<sign>[+-]?)(?P<whole>{_GROUPS}|{_DIGITS}|(?=\.))(?P<part>(?:\.{_DIGITS})?)"
    r"(?:[eE](?P<exponent>[+-]?[0-9]+))? ?(?P<suffix>[kKmMbBgGtTpPqQ%]?)"
)
_FRACTION = re.compile(r"([+-]?[0-9]{1,18}) ?/ ?([0-9]{1,18})")
_COMMAS = re.compile(r"(?P<sign>[+-]?)(?P<whole>[0-9]{1,3}(?:[. '][0-9]{3})*|[0-9]+),(?P<part>[0-9]+)(?P<rest>\D*)")
_POINTS = re.compile(r"[+-]?[0-9]{1,3}(?:\.[0-9]{3}){2,}\D*")
_SAME = str.maketrans("\u00a0\u2007\u2009\u202f\u2019\u2212", "    '-")
"""What print uses for a space, an apostrophe and a minus sign."""
_HUMAN = ((12, "T"), (9, "B"), (6, "M"), (3, "K"))
_POWERS = {suffix: power for power, suffix in _HUMAN} | {"": 0}
_LADDERS = (
    {"bytes": 0, "KB": 3, "MB": 6, "GB": 9, "TB": 12, "PB": 15, "EB": 18},
    {"W": 0, "kW": 3, "MW": 6, "GW": 9, "TW": 12},
    {"Wh": 0, "kWh": 3, "MWh": 6, "GWh": 9, "TWh": 12},
    {"ms": -3, "s": 0},
)
"""Units of one quantity, with the power of ten of each."""
_HOW = "write a plain count or a human number such as 100B, 150T, 1.3e15, 1_000, 38% or 1/3"


def parse_number(value: object, unit: str | None = None) -> float:
    """The float meant by `value`: a number, or text in the grammar above, such as "100B", "1.3e15", "1_000", "38%" or "1/3".

    The decimal value is rounded once, so "1.3T" equals 1.3e12 exactly.

    Args:
        value: what was given.
        unit: of the number, where one is declared: "38%" is refused where a count is asked for, "$3.50" where the unit is not USD.

    Raises:
        ValueError: `value` is not a finite number; the sentence says how to write one.

    >>> parse_number("100B"), parse_number("1_000"), parse_number("0.3%"), parse_number("1,000,000"), parse_number("$3.50", "USD/h")
    (100000000000.0, 1000.0, 0.003, 1000000.0, 3.5)

    """
    if getattr(value, "ndim", None) == 0:
        value = getattr(value, "item", lambda: value)()  # numpy and JAX scalars
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(f"must be a number, got {shown(value)}; {_HOW}")
    if isinstance(value, str):
        number = _from_text(value, unit)
    else:
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"must be a finite number, got {shown(value)}; {_HOW}")
    return number


def _from_text(text: str, unit: str | None) -> float:
    if len(text) > LONGEST:
        raise ValueError(f"must be a number, got {shown(text)} of {len(text):,} characters; {_HOW}")
    written = text.strip().strip("\ufeff").translate(_SAME).strip()
    if written.lower().lstrip("+-") in {"nan", "inf", "infinity"}:
        return math.nan
    written = written.removeprefix("'")
    if written.startswith("$") and (unit or "").startswith("USD"):
        written = written[1:].lstrip()
    fraction = _FRACTION.fullmatch(written)
    if fraction and int(fraction[2]):
        return float(Fraction(int(fraction[1]), int(fraction[2])))
    decimal = _DECIMAL.fullmatch(written)
    if decimal is None or (decimal["whole"].count(",") == 1 and not decimal["part"]):
        raise ValueError(f"must be a number, got {shown(text)}; {_instead(written, unit)}")
    if decimal["suffix"] == "%" and unit is not None and unit.partition("/")[0] != "1":
        raise ValueError(
            f"must be a number in {unit}, got {shown(text)}; a percent sign is for shares and rates: write the amount in {unit}"
        )
    digits = re.sub("[_, ']", "", decimal["sign"] + decimal["whole"] + decimal["part"])
    number = float(f"{digits}e{int(decimal['exponent'] or 0) + _SUFFIXES[decimal['suffix'].lower()]}")
    if number == 0 and digits.strip("+-0."):
        raise ValueError(f"must be 0 or larger than 1e-323, got {shown(text)}; write 0 where you mean none")
    return number


def _instead(written: str, unit: str | None) -> str:
    """How to write what has no or more than one meaning."""
    comma = _COMMAS.fullmatch(written)
    if comma:
        sign, rest, whole = comma["sign"], comma["rest"], re.sub("[. ']", "", comma["whole"])
        thousands = (
            "" if whole != comma["whole"] or len(comma["part"]) != 3 else f" or {sign}{whole}{comma['part']}{rest}"
        )
        return f"a comma means decimals to some and thousands to others: write {sign}{whole}.{comma['part']}{rest}{thousands}"
    if _POINTS.fullmatch(written):
        return f"a point separates decimals, not thousands: write {written.replace('.', '')} or {written.replace('.', '_')}"
    if written.startswith("$"):
        return "a dollar sign is for prices in USD: write the amount" + (f" in {unit}" if unit else "")
    return f"{_HOW}; digits are 0 to 9" if any(c.isdigit() and not c.isascii() for c in written) else _HOW


def human(value: float, digits: int = 4) -> str:
    """`value` with `digits` significant digits and the suffix people read: 1.114e11 -> "111.4B".

    Counts up to 1e17 get a suffix (K, M, B, T); larger and very small numbers are written with an exponent. Thousands of T have no
    separator, so that what is written can be typed again: a comma could be read as a decimal mark.

    >>> human(111.4e9), human(2e14), human(2e15), human(1.6e22), human(0.25)
    ('111.4B', '200T', '2000T', '1.6e22', '0.25')
    """
    if not math.isfinite(value):
        return "unlimited" if value == math.inf else "n/a" if math.isnan(value) else "-unlimited"
    rounded = f"{value:.{digits - 1}e}"
    size = abs(float(rounded))
    if size == 0:
        return "0"
    if size >= 1e17 or size < 1e-4:
        mantissa, exponent = rounded.split("e")
        return f"{_short(mantissa)}e{int(exponent)}"
    power, suffix = next(((p, x) for p, x in _HUMAN if size >= 10.0**p), (0, ""))
    return _short(f"{Decimal(rounded).scaleb(-power):f}") + suffix


def _short(decimal: str) -> str:
    return decimal.rstrip("0").rstrip(".") if "." in decimal else decimal


def amount(value: float, unit: str = "", was: float | None = None) -> str:
    """A number as a heading names it: short where that is exact, and never written like the number `was` that it replaced.

    >>> amount(5e14, "tokens"), amount(2.4e10, "bytes"), amount(1.6, "nat/token"), amount(1.81721, was=1.8172)
    ('500T', '24 GB', '1.6', '1.81721')
    """

    def short(number: float, digits: int) -> str:
        text = human(number, digits)
        written, said = in_unit(text, unit)
        return f"{written} {said}" if said != unit else text

    for digits in range(4, 17):
        text = short(value, digits)
        if (was is None or text != short(was, digits)) and (digits >= 6 or float(f"{value:.{digits}g}") == value):
            return text
    return repr(value)


def in_bytes(size: float) -> str:
    """A number of bytes to four digits: 1.3243e12 -> "1.324 TB"."""
    return " ".join(in_unit(human(size), "bytes"))


def in_unit(text: str, unit: str) -> tuple[str, str]:
    """A number that `human` wrote, and its unit: a letter (K, M, B, T) before a unit of bytes, power, energy or time goes into the unit.

    >>> in_unit("401B", "bytes"), in_unit("11.4K", "GB"), in_unit("1.2K", "kWh/Mtok"), in_unit("23.2", "ms"), in_unit("3K", "USD")
    (('401', 'GB'), ('11.4', 'TB'), ('1.2', 'MWh/Mtok'), ('23.2', 'ms'), ('3K', 'USD'))

    """
    first, per, rest = unit.partition("/")
    ladder, letter = _ladder(first), text[-1:] if text[-1:] in _POWERS else ""
    if not ladder or not letter:
        return text, unit
    power = ladder[first] + _POWERS[letter]
    name = max((name for name in ladder if ladder[name] <= power), key=ladder.__getitem__)
    left = next(suffix for suffix, at in _POWERS.items() if at == power - ladder[name])
    return text[:-1] + left, name + per + rest


def unit_for(values: Iterable[float], unit: str) -> tuple[str, float]:
    """The unit in which the largest of several numbers has no letter, and the factor to divide them by.

    >>> unit_for([2.1e9, 1.32e12], "bytes"), unit_for([8.0, 151.0], "kW"), unit_for([1e6], "tokens")
    (('TB', 1000000000000.0), ('kW', 1.0), ('tokens', 1.0))

    """
    if not _ladder(unit.partition("/")[0]):
        return unit, 1.0
    text = human(max((abs(v) for v in values if math.isfinite(v)), default=0.0))
    written, name = in_unit(text, unit)
    return name, 10.0 ** (_POWERS.get(text[-1:], 0) - _POWERS.get(written[-1:], 0))


def _ladder(unit: str) -> dict[str, int]:
    return next((names for names in _LADDERS if unit in names), {})


def percent(share: float, digits: int = 3) -> str:
    """`share` in percent: 0.1745 -> "17.4 %".

    >>> percent(0.5), percent(-0.0123), percent(math.nan)
    ('50 %', '-1.23 %', 'n/a')
    """
    if not math.isfinite(share):
        return human(share)
    return f"{float(f'{100 * share:.{digits}g}'):.{digits + 3}f}".rstrip("0").rstrip(".") + " %"


def times(ratio: float, digits: int = 3) -> str:
    """A ratio as people say it: 52.43 -> "52.4x"."""
    return f"{ratio:,.0f}x" if 1e3 <= ratio < 1e9 else f"{human(ratio, digits)}x"
