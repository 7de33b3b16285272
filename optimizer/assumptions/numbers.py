"""How are numbers written and read by people?

`parse_number("100B")` gives 1e11 and `human(1e11)` gives "100B". Everything that reads a number from a file, a flag or a
field, and everything that prints one, goes through these two, so that 100B means the same everywhere.
"""

import math
import re
from decimal import Decimal
from fractions import Fraction

__all__ = [
    "DAYS_PER_YEAR",
    "MONTHS_PER_YEAR",
    "SECONDS_PER_DAY",
    "SECONDS_PER_HOUR",
    "human",
    "parse_number",
    "percent",
]

SECONDS_PER_HOUR = 3600.0
SECONDS_PER_DAY = 86400.0
DAYS_PER_YEAR = 365.2425
MONTHS_PER_YEAR = 12

_SUFFIXES = {"k": 3, "m": 6, "b": 9, "g": 9, "t": 12, "p": 15}
_DECIMAL = re.compile(r"([+-]?(?:\d[\d_]*)?(?:\.\d[\d_]*)?(?:[eE][+-]?\d{1,4})?)\s*([kKmMbBgGtTpP%]?)")
_FRACTION = re.compile(r"([+-]?\d{1,18})\s*/\s*(\d{1,18})")
_HUMAN = ((1e15, "P"), (1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K"))
_HOW = "write a plain count or a human number such as 100B, 150T, 1.3e15, 1_000, 38% or 1/3"


def parse_number(value: object) -> float:
    """The float meant by `value`: a number, or text such as "100B", "150T", "1.3e15", "1_000", "38%" or "1/3".

    Suffixes are decimal and case does not matter: K 1e3, M 1e6, B or G 1e9, T 1e12, P 1e15, % 1e-2. The decimal value is
    rounded once, so "1.3T" equals 1.3e12 exactly.

    Raises:
        ValueError: `value` is not a finite number; the sentence says how to write one.

    >>> parse_number("100B"), parse_number("1_000"), parse_number("0.3%")
    (100000000000.0, 1000.0, 0.003)

    """
    if getattr(value, "ndim", None) == 0:
        value = getattr(value, "item", lambda: value)()  # numpy and JAX scalars
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(f"must be a number, got {_shown(value)}; {_HOW}")
    if isinstance(value, str):
        number = _from_text(value)
    else:
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"must be a finite number, got {_shown(value)}; {_HOW}")
    return number


def _from_text(text: str) -> float:
    stripped = text.strip()
    if stripped.lower().lstrip("+-") in {"nan", "inf", "infinity"}:
        return math.nan
    fraction = _FRACTION.fullmatch(stripped)
    if fraction and int(fraction[2]):
        return float(Fraction(int(fraction[1]), int(fraction[2])))
    decimal = _DECIMAL.fullmatch(stripped)
    if decimal is None or not any(c.isdigit() for c in decimal[1]):
        raise ValueError(f"must be a number, got {_shown(text)}; {_HOW}")
    mantissa, suffix = decimal[1].replace("_", ""), decimal[2].lower()
    return float(Decimal(mantissa).scaleb(-2 if suffix == "%" else _SUFFIXES.get(suffix, 0)))


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def human(value: float, digits: int = 4) -> str:
    """`value` with `digits` significant digits and the suffix people read: 1.114e11 -> "111.4B".

    Counts up to 1e18 get a suffix (K, M, B, T, P); larger and very small numbers are written with an exponent.

    >>> human(111.4e9), human(2e14), human(1.6e22), human(0.25)
    ('111.4B', '200T', '1.6e22', '0.25')
    """
    if not math.isfinite(value):
        return "unlimited" if value == math.inf else "n/a" if math.isnan(value) else "-unlimited"
    rounded = float(f"{value:.{digits}g}")
    size = abs(rounded)
    if rounded == 0:
        return "0"
    if size >= 1e18 or size < 1e-4:
        mantissa, exponent = f"{rounded:.{digits - 1}e}".split("e")
        if "." in mantissa:
            mantissa = mantissa.rstrip("0").rstrip(".")
        return f"{mantissa}e{int(exponent)}"
    scale, suffix = next(((s, x) for s, x in _HUMAN if size >= s), (1.0, ""))
    scaled = f"{float(f'{rounded / scale:.{digits}g}'):.{digits + 4}f}"
    return scaled.rstrip("0").rstrip(".") + suffix


def percent(share: float, digits: int = 3) -> str:
    """`share` in percent: 0.1745 -> "17.4 %".

    >>> percent(0.5), percent(-0.0123), percent(math.nan)
    ('50 %', '-1.23 %', 'n/a')
    """
    if not math.isfinite(share):
        return human(share)
    return f"{float(f'{100 * share:.{digits}g}'):.{digits + 3}f}".rstrip("0").rstrip(".") + " %"
