"""Parses what is typed after --set and --over: changes and axes of a grid, as plain data.

A value is a number, a name, `none` where a number or a block is to be left out, or TOML: {policy = "none"}, [{...}, {...}], "text".
"""

import re
import typing
from collections.abc import Sequence
from typing import Any

from .numbers import parse_number
from .paths import blocks_at, declaration, linked
from .problems import InputError, shown
from .scenario import Scenario
from .toml import plain_toml

__all__ = ["axes_given", "changes_given", "values_given"]

MOST_POINTS = 10_000
LONGEST_PATH = 200
_TOML = ("{", "[", '"')
_NONE = "none"
_THOUSANDS = re.compile(r"(?<![\w.])[0-9]{1,3}(?:,[0-9]{3})+(?!\w)")
"""Commas without spaces between groups of three digits."""


def changes_given(given: Sequence[str], problems: list[str]) -> dict[str, Any]:
    """What `--set PATH=VALUE` asks for, by dotted path; sentences about invalid ones go to `problems`.

    >>> changes_given(["traffic.output_tokens=500T", "limits.max_params=none", 'rl={policy="none"}'], [])
    {'traffic.output_tokens': '500T', 'limits.max_params': None, 'rl': {'policy': 'none'}}

    """
    changes: dict[str, Any] = {}
    for path, value in _pairs("--set", given, problems).items():
        try:
            changes[path] = _toml(value) if value.startswith(_TOML) else _value(path, value)
        except ValueError as error:
            problems.append(f"--set {path}: {error}.")
    return changes


def axes_given(given: Sequence[str]) -> dict[str, list[Any]]:
    """The grid that `--over PATH=VALUES` asks for: values with commas between, `LOW..HIGH:COUNT` spaced evenly in logarithms, or TOML.

    Several paths with commas between are one axis, whose assumptions change together; each of its values has a colon between its parts.

    Raises:
        InputError: one sentence for every axis that cannot be read.

    >>> axes_given(["traffic.output_tokens=1T..100T:3", "law=besiroglu,hoffmann"])
    {'traffic.output_tokens': [1000000000000.0, 10000000000000.0, 100000000000000.0], 'law': ['besiroglu', 'hoffmann']}
    >>> axes_given(["goal.like_params,traffic.output_tokens=7B:1T,13B:2T"])
    {'goal.like_params,traffic.output_tokens': [['7B', '1T'], ['13B', '2T']]}

    """
    grid: dict[str, list[Any]] = {}
    problems: list[str] = []
    for path, values in _pairs("--over", given, problems).items():
        try:
            grid[path] = values_given(path, values)
        except ValueError as error:
            problems.append(f"--over {path}: {error}.")
    if problems:
        raise InputError(problems)
    return grid


_FORMS = {
    "--set": ("PATH=VALUE", "traffic.output_tokens=500T", "keep one"),
    "--over": ("PATH=VALUE,VALUE", "traffic.output_tokens=50T,200T", "put its values together, with commas between"),
}
"""How each option is written, an example, and what to do with a path that is given twice."""


def _pairs(option: str, given: Sequence[str], problems: list[str]) -> dict[str, str]:
    """The text typed after each path; sentences about texts without a path and a value go to `problems`."""
    form, example, once = _FORMS[option]
    pairs: dict[str, str] = {}
    for typed in given:
        path, equals, value = (part.strip() for part in typed.partition("="))
        if not equals or not path:
            problems.append(f"{option} {shown(typed)} is not {form}; write {option} {example}.")
        elif len(path) > LONGEST_PATH:
            problems.append(f"{option} {shown(path)} is not a field of a scenario: it has {len(path):,} characters.")
        elif not _is_text(typed):
            problems.append(f"{option} {shown(typed)} holds bytes that are not UTF-8 text; write it in UTF-8.")
        elif path in pairs:
            problems.append(f"{option} {path} is given twice; {once}.")
        elif not value:
            problems.append(f"{option} {path}= has no value; give one, or {path}=none to leave it out.")
        else:
            pairs[path] = value
    return pairs


def _is_text(text: str) -> bool:
    """Whether it can be written to a file: what a terminal gives for bytes that are no UTF-8 cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def values_given(path: str, text: str) -> list[Any]:
    """The values of an axis as typed: with commas between, `LOW..HIGH:COUNT`, or TOML; of linked paths, parts with colons between.

    Raises:
        ValueError: they cannot be read, or could be read in two ways.

    """
    if any(mark in text for mark in _TOML):
        return _toml(f"[{text}]")
    paths = linked(path)
    if ".." in text and len(paths) == 1:
        return _between(path, text)
    values = [value.strip() for value in text.split(",")]
    if "" in values:
        raise ValueError(
            f"{shown(text)} has an empty value; give one between the commas, or none to leave the field out"
        )
    thousands = _THOUSANDS.search(text)
    if thousands:
        plain = thousands[0].replace(",", "")
        raise ValueError(
            f"{shown(text)} could be one number with thousands or several: write {plain}, or put a space behind each comma"
        )
    if len(paths) == 1:
        return [_value(path, value) for value in values]
    parts = [[part.strip() for part in value.split(":")] for value in values]
    for value, found in zip(values, parts, strict=True):
        if len(found) != len(paths):
            raise ValueError(
                f"{shown(value)} has {len(found)} {'part' if len(found) == 1 else 'parts'}, for {len(paths)} assumptions that change "
                "together; put a colon between the parts of a value and commas between values, as 7B:1T,13B:2T"
            )
    return [[_value(*pair) for pair in zip(paths, found, strict=True)] for found in parts]


def _between(path: str, text: str) -> list[float]:
    """Numbers spaced evenly in logarithms."""
    ends, _, count = text.partition(":")
    declared = declaration(Scenario, path)
    low, high = (parse_number(end, declared.unit if declared else None) for end in ends.split("..", 1))
    points = parse_number(count or 5, "points")
    if not (0 < low < high) or points != int(points) or not 2 <= points <= MOST_POINTS:
        raise ValueError(
            f"{shown(text)} needs 0 < LOW < HIGH and 2 to {MOST_POINTS:,} points, as 1T..1000T:7; list other values"
        )
    steps = int(points) - 1
    between = [float(f"{low * (high / low) ** (i / steps):.12g}") for i in range(1, steps)]
    return [low, *between, high]


def _toml(text: str) -> Any:
    """A value as TOML writes it."""
    try:
        found = plain_toml(f"value = {text}")
        if len(found) > 1:
            raise ValueError("it is more than one value")
    except ValueError as error:
        raise ValueError(f'{shown(text)} is not TOML ({error}); write {{policy = "none"}}') from None
    return found["value"]


def _value(path: str, text: str) -> str | None:
    """The text, or None where it says none and the field has no choice of that name."""
    *parents, field = path.split(".")
    fields = (block.model_fields.get(field) for block in blocks_at(Scenario, parents))
    choices = {choice for info in fields if info for choice in typing.get_args(info.annotation)}
    return None if text == _NONE and _NONE not in choices else text
