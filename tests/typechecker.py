"""beartype with the numeric tower: an int is a float, as Python's typing says."""

from collections.abc import Callable
from typing import Any

from beartype import BeartypeConf, beartype

from .counts import THOROUGH

_seen: set[object] = set()
_checked = beartype(conf=BeartypeConf(is_pep484_tower=True))


def check(function: Callable[..., Any]) -> Callable[..., Any]:
    """Check what a function takes and returns.

    A function within a function is made anew with every call of the outer one, and making its check takes 3 ms. So it is checked the first
    time it is made, and always in a thorough run.
    """
    if "<locals>" in function.__qualname__ and not THOROUGH:
        what = (function.__module__, function.__qualname__, repr(function.__annotations__))
        if what in _seen:
            return function
        _seen.add(what)
    return _checked(function)
