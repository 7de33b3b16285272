"""The arguments of public functions, checked before any work.

`checks` names a check for each argument. A wrong or missing one is refused in a sentence that says what is wanted and how to make one, all
of them at once; a check also reads what people write for short: one name for a list of names, "20T" for a list of numbers.
"""

import functools
import inspect
import itertools
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, ParamSpec, TypeGuard, TypeVar

from .numbers import parse_number
from .problems import InputError, shown

__all__ = [
    "AXES",
    "FLAG",
    "FRAME",
    "MAPPING",
    "NUMBER",
    "PATH",
    "PROGRESS",
    "SEED",
    "TEXT",
    "WHOLE",
    "Check",
    "Names",
    "Numbers",
    "as_names",
    "as_numbers",
    "as_values",
    "checks",
    "described",
    "frame_of",
    "instance_of",
    "names",
    "needs_columns",
    "numbers",
]

P = ParamSpec("P")
T = TypeVar("T")

Names = str | Iterable[str]
"""Names, or one name."""
Numbers = float | str | Iterable[float | str]
"""Numbers, or one number, each plain or human ("20T")."""


class Check(NamedTuple):
    """What an argument must be."""

    what: str
    """it, with its article"""
    how: str
    """to make one"""
    read: Callable[[Any, str], Any]
    """of the value and the argument's name: what to use; raises TypeError where it is something else, InputError for a bad value"""


def checks(**by_name: Check) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Check the arguments of these names. A default passes as it is, and so does an argument that no check is named for.

    Raises:
        TypeError: when called, where an argument is of another kind, missing or unknown.
        InputError: when called, where a value cannot be used.

    """

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        signature = inspect.signature(function)
        parameters = signature.parameters

        @functools.wraps(function)
        def checked(*args: P.args, **options: P.kwargs) -> T:
            name = getattr(function, "__name__", "this function")
            try:
                bound = signature.bind_partial(*args, **options)
            except TypeError as error:
                call = ", ".join(parameters)
                raise TypeError(f"{name}: {error}; it is called as {name}({call}).") from None
            given, problems, kind = bound.arguments, [], InputError
            for argument, check in by_name.items():
                default = parameters[argument].default
                if argument in given and given[argument] is not default:
                    try:
                        given[argument] = check.read(given[argument], argument)
                    except InputError as error:
                        problems += error.problems
                    except TypeError:
                        kind = TypeError
                        problems.append(
                            f"{argument} must be {check.what}, got {described(given[argument])}; {check.how}."
                        )
                elif argument not in given and default is inspect.Parameter.empty:
                    kind = TypeError
                    problems.append(f"{argument} is missing; give {check.what}: {check.how}.")
            if problems:
                raise InputError(problems) if kind is InputError else TypeError(f"{name}: " + "\n".join(problems))
            return function(*bound.args, **bound.kwargs)

        return checked

    return decorate


def described(value: object) -> str:
    """A value as a sentence names it: itself where it is plain data, its class otherwise."""
    plain = isinstance(value, str | int | float | list | tuple | dict | type(None))
    return shown(value) if plain else f"a {type(value).__name__}"


def instance_of(kind: type, how: str, what: str = "") -> Check:
    """An object of one class."""

    def read(value: Any, _name: str) -> Any:
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise TypeError
        return value

    return Check(what or f"a {kind.__name__}", how, read)


def frame_of(maker: str, *columns: str) -> Check:
    """The frame that a function returns, known by these columns."""

    def read(value: Any, name: str) -> Any:
        FRAME.read(value, name)
        needs_columns(value, columns, maker, name)
        if not len(value):
            raise InputError([f"{name} has no rows; give it the frame that {maker} returns."])
        return value

    return Check(f"the DataFrame that {maker} returns", f"make one with {maker}(...)", read)


def needs_columns(frame: Any, columns: Iterable[str], maker: str, name: str = "frame") -> None:
    """Refuse a frame without these columns.

    Raises:
        InputError: one is missing.

    """
    missing = [column for column in columns if column not in frame]
    if missing:
        raise InputError([f"{name} has no column {', '.join(missing)}; give it the frame that {maker} returns."])


def as_names(given: Names, name: str = "the names") -> list[str]:
    """The names as a list, of a single one too.

    >>> as_names("n_params"), as_names(("n_params", "loss"))
    (['n_params'], ['n_params', 'loss'])

    """
    if isinstance(given, str):
        return [given]
    if not _is_list(given):
        raise TypeError(f"{name} must be a name or a list of names, got {described(given)}.")
    found = [*given]
    if not all(isinstance(each, str) for each in found):
        raise TypeError(f"{name} must be a name or a list of names, got {described(found)}.")
    return found


def as_numbers(given: Numbers, name: str = "the numbers", unit: str | None = None) -> list[float]:
    """The numbers as floats, of a single one too.

    Raises:
        InputError: one of them is no number.

    >>> as_numbers("20T"), as_numbers([2e13, "50%"])
    ([20000000000000.0], [20000000000000.0, 0.5])

    """
    one = isinstance(given, str | float | int) or getattr(given, "ndim", None) == 0
    if not one and not _is_list(given):
        raise TypeError(f"{name} must be a number or a list of numbers, got {described(given)}.")
    found, problems = [], []
    for number in [given] if one else given:  # pyright: ignore[reportGeneralTypeIssues]
        try:
            found.append(parse_number(number, unit))
        except ValueError as error:
            problems.append(f"{name} {error}.")
    if problems:
        raise InputError(list(dict.fromkeys(problems)))
    return found


def _is_list(given: object) -> TypeGuard[Iterable[Any]]:
    """Whether this is one thing after another; a mapping, a block and a table iterate over their names."""
    block = hasattr(type(given), "model_fields")
    return isinstance(given, Iterable) and not (isinstance(given, Mapping) or block or getattr(given, "ndim", 1) != 1)


def as_values(given: object, most: int | None = None) -> list[Any]:
    """Values of any kind as a list, of at most so many; text, a number, None and a block count as one.

    >>> as_values("besiroglu"), as_values(None), as_values(("20T", 2e14)), as_values({"kind": "moe"})
    (['besiroglu'], [None], ['20T', 200000000000000.0], [{'kind': 'moe'}])

    """
    if isinstance(given, str) or not _is_list(given):
        return [given]
    return [*itertools.islice(given, most)]


def names(example: str) -> Check:
    """Names, or one name."""
    return Check("a name or a list of names", f"write {example!r} or [{example!r}]", as_names)


def numbers(example: str, unit: str, *, optional: bool = False) -> Check:
    """Numbers of a unit, or one number; None where they are optional."""

    def read(value: Any, name: str) -> list[float] | None:
        return None if optional and value is None else as_numbers(value, name, unit)

    return Check("a number or a list of numbers", f"write {example!r} or [{example!r}]", read)


def _frame(value: Any, _name: str) -> Any:
    import pandas as pd

    if not isinstance(value, pd.DataFrame):
        raise TypeError
    return value


def _whole(value: Any, name: str) -> int:
    number = _number(value, name)
    if number != int(number):
        raise InputError([f"{name} must be a whole number, got {described(value)}."])
    return int(number)


def _seed(value: Any, name: str) -> int:
    number = _whole(value, name)
    if number < 0:
        raise InputError([f"{name} must be 0 or more, got {number}."])
    return number


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool) or not (isinstance(value, str | int | float) or getattr(value, "ndim", None) == 0):
        raise TypeError
    try:
        return parse_number(value)
    except ValueError as error:
        raise InputError([f"{name} {error}."]) from None


def _path(value: Any, _name: str) -> Any:
    if not isinstance(value, str | os.PathLike):
        raise TypeError
    return value


def _mapping(value: Any, _name: str) -> Any:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise TypeError
    return value


def _axes(value: Any, _name: str) -> Any:
    if not isinstance(value, Mapping):
        raise TypeError
    for key in value:
        if not isinstance(key, str) and not (isinstance(key, tuple) and all(isinstance(path, str) for path in key)):
            raise TypeError
    return value


def _callable(value: Any, _name: str) -> Any:
    if not callable(value):
        raise TypeError
    return value


FRAME = Check("a DataFrame", "make one with pandas or with a function of this package", _frame)
WHOLE = Check("a whole number", "write 1024", _whole)
SEED = Check("a whole number of 0 or more", "write 0", _seed)
NUMBER = Check("a number", "write 0.05, 5% or 100B", _number)
MAPPING = Check("a mapping", "write {'dotted.path': ...}, as in {'traffic.output_tokens': '200T'}", _mapping)
AXES = Check(
    "a mapping of dotted paths, or of tuples of them that change together",
    "write {'dotted.path': [...]}, as in {'traffic.output_tokens': ['20T', '200T']}",
    _axes,
)
PATH = Check("a path", "write 'folder/file'", _path)
TEXT = instance_of(str, "write it in quotes", "text")
FLAG = instance_of(bool, "write True or False", "True or False")
PROGRESS = Check(
    "a function of (done, total)",
    "take progress('solving') of optimizer.report.terminal, or leave it out",
    _callable,
)
