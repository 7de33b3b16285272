"""Dotted paths: `pretraining.mfu` names a field in the same way for every kind of block that may stand there.

A path names no kind: `law.beta` is the field `beta` of whichever law has one. `root` is the class that the path starts from.
"""

import functools
from collections.abc import Iterable, Mapping, Sequence

from .quantity import Assumption, Quantity, blocks_in

__all__ = ["blocks_at", "declaration", "is_touched", "linked", "number_paths", "owner", "paths_of", "schema_paths"]


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


def linked(axis: str) -> tuple[str, ...]:
    """The paths of an axis of a grid: one, or several with commas between that change together.

    >>> linked("law"), linked("goal.like_params, traffic.output_tokens")
    (('law',), ('goal.like_params', 'traffic.output_tokens'))

    """
    return tuple(path.strip() for path in axis.split(","))


def paths_of(grid: Iterable[str]) -> list[str]:
    """Every path of the axes of a grid, in order: the columns that say where a row stands."""
    return [path for axis in grid for path in linked(axis)]


def blocks_at(root: type[Assumption], parents: Sequence[str]) -> tuple[type[Assumption], ...]:
    """The classes of block that may stand at a path, over all kinds; a row of a table, `table[2]`, is a block of the table."""
    blocks: tuple[type[Assumption], ...] = (root,)
    for name in (parent.partition("[")[0] for parent in parents):
        blocks = tuple(c for b in blocks if name in b.model_fields for c in blocks_in(b.model_fields[name].annotation))
    return blocks


def owner(root: type[Assumption], path: str) -> tuple[type[Assumption], str] | None:
    """The block and the field that declare the number at a path, in the first kind that has it; None where none does."""
    *parents, field = path.split(".")
    return next(((block, field) for block in blocks_at(root, parents) if block.quantity(field) is not None), None)


def declaration(root: type[Assumption], path: str) -> Quantity | None:
    """The declaration of the number at a path, whatever kind of block has it; None where none does."""
    found = owner(root, path)
    return found[0].quantity(found[1]) if found else None
