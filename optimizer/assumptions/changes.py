"""How are dotted changes applied to a scenario that is still plain data?

`changed(plain, {"law.beta": 0.3}, Scenario)` works before validation, so that a change may supply what a file leaves out. It knows the
blocks only by their declarations: unions by their tag, alternatives by `either`.
"""

import copy
import functools
import re
from collections.abc import Mapping
from typing import Any

from .problems import InputError, near_miss
from .quantity import Assumption, blocks_in

__all__ = ["changed", "is_touched", "number_paths", "schema_paths"]

_ROW = re.compile(r"(\w+)\[(\d+)\]")


@functools.cache
def schema_paths(root: type[Assumption], prefix: str = "") -> tuple[str, ...]:
    """Every dotted path that some scenario has, over all kinds and policies, in order of declaration."""
    found: dict[str, None] = {}
    for name, info in root.model_fields.items():
        inner = blocks_in(info.annotation)
        if root.quantity(name) is not None or len({*inner}) != 1 or not inner:
            found[f"{prefix}{name}"] = None
        for block in inner:
            found.update(dict.fromkeys(schema_paths(block, f"{prefix}{name}.")))
    return tuple(found)


@functools.cache
def number_paths(root: type[Assumption], prefix: str = "") -> frozenset[str]:
    """The dotted paths at which some scenario has a number, over all kinds and policies."""
    own = {f"{prefix}{name}" for name in root.model_fields if root.quantity(name) is not None}
    inner = ((name, block) for name, info in root.model_fields.items() for block in blocks_in(info.annotation))
    return frozenset(own).union(*(number_paths(block, f"{prefix}{name}.") for name, block in inner))


def is_touched(path: str, changes: Mapping[str, object]) -> bool:
    """Whether a change names this path or a block around it."""
    return any(path == c or path.startswith((f"{c}.", f"{c}[")) for c in changes)


def changed(plain: Mapping[str, Any], changes: Mapping[str, object], root: type[Assumption]) -> dict[str, Any]:
    """Plain data with dotted paths replaced; None takes a path out, a new kind drops what only the old one had.

    Raises:
        InputError: a path leads nowhere; all such paths at once.

    """
    result, problems = copy.deepcopy(dict(plain)), []
    tags = {block.tag for block in _all_blocks(root) if block.tag}

    def rank(path: str) -> int:  # whole blocks first, then kinds, then what they contain
        return 0 if "." not in path else 1 if path.rsplit(".", 1)[1] in tags else 2

    for path in sorted(changes, key=rank):
        try:
            _replace(result, path, changes[path], changes, root)
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(problems)
    return result


def _all_blocks(root: type[Assumption]) -> list[type[Assumption]]:
    inner = [block for info in root.model_fields.values() for block in blocks_in(info.annotation)]
    return [root, *(found for block in inner for found in _all_blocks(block))]


def _replace(
    plain: dict[str, Any], path: str, value: object, changes: Mapping[str, object], root: type[Assumption]
) -> None:
    *blocks, field = path.split(".")
    inside: Any = plain
    kinds: tuple[type[Assumption], ...] = (root,)
    for block in blocks:
        row = _ROW.fullmatch(block)
        name = row[1] if row else block
        kinds = tuple(c for k in kinds if name in k.model_fields for c in blocks_in(k.model_fields[name].annotation))
        if not kinds:
            known = schema_paths(root)
            raise InputError([f"{path} is not a field of a scenario{near_miss(path, known)}"])
        if row:
            rows = inside.get(name)
            if not isinstance(rows, list) or not 1 <= int(row[2]) <= len(rows):
                raise InputError([f"{path} names a row that is not there; rows of {name} count from 1."])
            inside = rows[int(row[2]) - 1]
        else:
            if isinstance(inside.get(name), str):
                inside[name] = {"name": inside[name]}
            inside = inside.setdefault(name, {})
        if not isinstance(inside, dict):
            raise InputError([f"{path} cannot be set: {block} is {inside!r}, not a block of fields."])
    if kinds[0].tag == field and inside.get(field) != value:
        known = {f for k in kinds if k.model_fields[field].default == value for f in [*k.model_fields, *k.also_reads]}
        for old in [f for f in inside if f not in known]:
            del inside[old]
    for group in (
        ()
        if value is None
        else (g for k in kinds for g in k.either if field not in g and any(field in h for h in k.either))
    ):
        for old in group:
            if ".".join([*blocks, old]) not in changes:
                inside.pop(old, None)
    if value is None:
        inside.pop(field, None)
    else:
        inside[field] = value
