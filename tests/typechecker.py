"""beartype with the numeric tower: an int is a float, as Python's typing says."""

import inspect
import sys
from collections import Counter
from collections.abc import Callable
from functools import wraps
from typing import Any

from beartype import BeartypeConf, beartype

from .counts import THOROUGH

CHECKS = 40
"""How often what a function takes or returns is checked in each file of tests. A check takes as long as many a call; a thorough run makes all."""

_seen: set[object] = set()
_made: Counter[tuple[str, str]] = Counter()
_trusted: list[Any] = []
_checked = beartype(conf=BeartypeConf(is_pep484_tower=True))


def check(function: Callable[..., Any]) -> Callable[..., Any]:
    """Check what a function takes and returns.

    A function within a function is made anew with every call of the outer one, and making its check takes 3 ms. So it is checked the first
    time it is made, and always in a thorough run.
    """
    if THOROUGH:
        return _checked(function)
    what = (function.__module__, function.__qualname__)
    if "<locals>" in function.__qualname__:
        annotated = (*what, repr(function.__annotations__))
        if annotated in _seen:
            return function
        _seen.add(annotated)
        return _checked(function)
    checked = _checked(function)

    @wraps(function)
    def counted(*args: Any, **kwargs: Any) -> Any:
        _made[what] += 1
        if _made[what] == CHECKS:
            _trust(*what)
        return checked(*args, **kwargs)

    return counted


def _trust(module: str, qualname: str) -> None:
    """Leave a function unchecked: jaxtyping asks it for the attribute that `typing.no_type_check` sets."""
    found: Any = sys.modules[module]
    for part in qualname.split("."):
        found = inspect.getattr_static(found, part)
    found = getattr(found, "fget", getattr(found, "__func__", found))
    inner = inspect.unwrap(found)
    inner.__no_type_check__ = True
    _trusted.append(inner)


def begin() -> None:
    """Check every function again."""
    _made.clear()
    while _trusted:
        del _trusted.pop().__no_type_check__
