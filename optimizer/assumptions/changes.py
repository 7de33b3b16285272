"""Dotted changes, applied to a scenario as plain data.

`changed(plain, {"law.beta": 0.3}, Scenario)` works before validation, so that a change may supply what a file leaves out. It reads
the declarations of the blocks only: the tag of a union, alternatives by `either`, defaults of what is left out. `load`, `update`, --set,
links and the app all use it, so a change has the same meaning in each.
"""

import functools
import re
from collections.abc import Mapping
from typing import Any

from .paths import schema_paths
from .problems import InputError, near_miss
from .quantity import Assumption, blocks_in

__all__ = ["changed", "without_none"]

_ROW = re.compile(r"(\w+)\[(\d{1,6})\]")
_DEEPEST = 8
"""levels of nesting that are looked into; a scenario has four"""


def without_none(plain: Any, depth: int = _DEEPEST) -> Any:
    """A copy of plain data in which what is None is left out."""
    if isinstance(plain, Mapping) and depth:
        return {key: without_none(value, depth - 1) for key, value in plain.items() if value is not None}
    if isinstance(plain, list | tuple) and depth:
        return [without_none(value, depth - 1) for value in plain]
    return plain


def changed(plain: Mapping[str, Any], changes: Mapping[str, object], root: type[Assumption]) -> dict[str, Any]:
    """Plain data with dotted paths replaced; None takes a path out, a new kind drops what only the old one had.

    A block that the data leaves out starts from its default: one field of it can be changed without giving the others. The order of the
    changes does not matter: blocks come before what is in them, and kinds before their fields.

    Raises:
        InputError: a path does not exist; all such paths at once.

    """
    result, problems = without_none(plain), []
    tags = _tags(root)

    ranked = sorted((path.count("."), path.rpartition(".")[2] not in tags, path) for path in changes)
    for _, _, path in ranked:
        try:
            _replace(result, path, without_none(changes[path]), changes, root)
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(problems)
    return result


@functools.cache
def _tags(root: type[Assumption]) -> frozenset[str]:
    inner = [block for info in root.model_fields.values() for block in blocks_in(info.annotation)]
    return frozenset({root.tag} - {""}).union(*map(_tags, inner))


def _replace(
    plain: dict[str, Any], path: str, value: object, changes: Mapping[str, object], root: type[Assumption]
) -> None:
    *blocks, field = path.split(".")
    inside: Any = plain
    kinds: tuple[type[Assumption], ...] = (root,)
    for block in blocks:
        row = _ROW.fullmatch(block)
        name = row[1] if row else block
        owners = [k for k in kinds if name in k.model_fields]
        kinds = tuple(c for k in owners for c in blocks_in(k.model_fields[name].annotation))
        if not kinds:
            known = schema_paths(root)
            raise InputError([f"{path} is not a field of a scenario{near_miss(path, known)}"])
        if row:
            rows = inside.get(name)
            if not isinstance(rows, list) or not 1 <= int(row[2]) <= len(rows):
                raise InputError([f"{path} names a row that is not there; rows of {name} count from 1."])
            inside = rows[int(row[2]) - 1]
        else:
            given = inside[name] if name in inside else _default(owners[0], name)
            inside[name] = {"name": given} if isinstance(given, str) else given
            inside = inside[name]
        if not isinstance(inside, dict):
            raise InputError([f"{path} cannot be set: {block} is {inside!r}, not a block of fields."])
    if field and field == kinds[0].tag and inside.get(field) != value:
        for old in _of_other_kinds(kinds, field, value, inside.get(field)) & inside.keys():
            del inside[old]
    if value is None:
        inside.pop(field, None)
        return
    inside[field] = value
    for kind in kinds:
        for group in kind.either:
            if field not in group and any(field in other for other in kind.either):
                for old in group:
                    if ".".join([*blocks, old]) not in changes:
                        inside.pop(old, None)
        for pair in kind.instead.items():
            if field in pair:
                (old,) = {*pair} - {field}
                if ".".join([*blocks, old]) not in changes:
                    inside.pop(old, None)


def _default(owner: type[Assumption], name: str) -> Any:
    """What a block of `owner` is when it is left out, as plain data."""
    default = owner.model_fields[name].get_default()
    return default.to_dict() if isinstance(default, Assumption) else default if isinstance(default, str) else {}


def _of_other_kinds(kinds: tuple[type[Assumption], ...], tag: str, new: object, old: object) -> set[str]:
    """Fields that go when a kind is chosen: those that it does not have. Without a kind, those that only the old one has."""
    fields = {k.model_fields[tag].default: {*k.model_fields, *k.also_reads} for k in kinds}
    if new is None:
        return fields.get(old, set()).difference(*(has for kind, has in fields.items() if kind != old)) - {tag}
    every: set[str] = set().union(*fields.values())
    return every - fields[new] if isinstance(new, str) and new in fields else set()
