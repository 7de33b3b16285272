"""The bounds of a number in words."""

import math

from .numbers import human

__all__ = ["within"]

LARGE = 1e5
"""From here on a number is written with a suffix."""


def within(low: float = -math.inf, high: float = math.inf, *, above: bool = False, below: bool = False) -> str:
    """What a number may be, to follow "must be" and "allowed:".

    Args:
        low: smallest number, or the end that numbers lie above.
        high: largest number, or the end that numbers lie below.
        above: whether `low` itself is excluded.
        below: whether `high` itself is excluded.

    >>> within(), within(0), within(0, above=True), within(high=3)
    ('a finite number', '0 or more', 'more than 0', 'at most 3')
    >>> within(0, 1), within(-1, 1, above=True), within(0, 1, below=True)
    ('between 0 and 1', 'more than -1 and at most 1', '0 or more and less than 1')

    """
    if math.isfinite(low) and math.isfinite(high) and not above and not below:
        return f"between {_number(low)} and {_number(high)}"
    ends = []
    if math.isfinite(low):
        ends.append(f"more than {_number(low)}" if above else f"{_number(low)} or more")
    if math.isfinite(high):
        ends.append(f"less than {_number(high)}" if below else f"at most {_number(high)}")
    return " and ".join(ends) or "a finite number"


def _number(end: float) -> str:
    return f"{end:g}" if abs(end) < LARGE else human(end)
