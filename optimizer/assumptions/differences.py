"""The differences between two scenarios: every dotted path with its plain value, and the changes that lead from one to the other."""

from typing import Any

from .quantity import Assumption

__all__ = ["differences", "plain_values", "same"]

_BESIDE = ("sources", "description", "traffic.read_as")
"""Text that says nothing about the problem."""


def plain_values(scenario: Assumption) -> dict[str, Any]:
    """Every dotted path of a scenario with its plain value; a name that stands for a block is `block.name`."""
    return {path: value for path, value in _flat(scenario.to_dict(), scenario).items() if path not in _BESIDE}


def _flat(plain: dict[str, Any], block: Assumption, prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in plain.items():
        inner = getattr(block, key)
        if not isinstance(inner, Assumption):
            found[f"{prefix}{key}"] = value
        elif isinstance(value, str):
            found[f"{prefix}{key}.name"] = value
        else:
            found |= _flat(value, inner, f"{prefix}{key}.")
    return found


def differences(start: Assumption, scenario: Assumption) -> dict[str, Any]:
    """What `update` needs to make `scenario` of `start`: dotted path to value, None for what is taken out."""
    before, after = plain_values(start), plain_values(scenario)
    gone = {path: None for path in before if path not in after}
    return {path: value for path, value in after.items() if path not in before or before[path] != value} | gone


def same(one: Assumption, other: Assumption) -> bool:
    """Whether two scenarios ask the same question; descriptions and sources may differ."""
    return plain_values(one) == plain_values(other)
