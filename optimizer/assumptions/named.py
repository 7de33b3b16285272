"""Blocks filled in from a row of a sourced table, by name: a law, a chip, a tier of storage, a published traffic total."""

from abc import abstractmethod
from typing import Any, NamedTuple

from pydantic import model_validator

from .numbers import amount
from .problems import near_miss
from .quantity import Assumption, label

__all__ = ["Citation", "NamedAssumption", "unknown_name"]


class Citation(NamedTuple):
    """Where a number comes from."""

    kind: str
    source: str
    as_of: str


class NamedAssumption(Assumption):
    """A block filled in from a row of a sourced table, by name; values given with the name replace the table's."""

    name: str = label("name of the row this block is based on")

    @classmethod
    @abstractmethod
    def named(cls, given: dict[str, Any]) -> dict[str, Any]:
        """The table's values for `given["name"]`; raises ValueError with the closest matches for an unknown name."""

    @model_validator(mode="before")
    @classmethod
    def _fill_from_table(cls, given: Any) -> Any:
        given = {"name": given} if isinstance(given, str) else given
        if isinstance(given, dict) and given.get("name"):
            if not isinstance(given["name"], str):
                raise ValueError(f"name must be text, got {given['name']!r}")
            return {**cls.named(given), **given}
        return given

    @classmethod
    @abstractmethod
    def _cited(cls, name: str, field: str) -> Citation | None:
        """The citation of one number of a named row."""

    def citation(self, field: str) -> Citation | None:
        """The source of `field`, or None when the block has no name or the field differs from its row."""
        if not self.name or self.named(self.model_dump()).get(field) != getattr(self, field):
            return None
        return self._cited(self.name, field)

    def changed(self) -> dict[str, float]:
        """The numbers that differ from those of the row that the name stands for."""
        row = self.named(super().to_dict()) if self.name else {}
        return {k: v for k, v in row.items() if self.quantity(k) is not None and getattr(self, k) != v}

    @property
    def changes(self) -> str:
        """What differs from the row of that name: "changed: E = 1.6"; "" where nothing does."""
        found = []
        for field, was in self.changed().items():
            declared, value = self.quantity(field), getattr(self, field)
            unit = declared.unit if declared else ""
            found.append(f"{field} = {'none' if value is None else amount(float(value), unit, float(was))}")
        return f"changed: {', '.join(found)}" if found else ""

    @property
    def title(self) -> str:
        """The name, with what differs from its row: "besiroglu (changed: E = 1.6)"; "" without a name."""
        return f"{self.name} ({self.changes})" if self.changes else self.name

    def _name_implies_tag(self) -> bool:
        """Whether the name alone says what kind of block this is, so that it can stand for the whole block."""
        return not self.tag

    def to_dict(self) -> Any:
        """The name alone, or the name with the fields that differ from its row."""
        mine = super().to_dict()
        if not self.name:
            return mine
        row = self.named(mine)
        own = {k: v for k, v in mine.items() if k not in row or row[k] != v}
        if self._name_implies_tag():
            own.pop(self.tag, None)
            fields = type(self).model_fields
            if all(fields[k].default == v for k, v in own.items() if k != "name"):
                return self.name
        return own


def unknown_name(what: str, name: str, known: list[str], otherwise: str = "") -> ValueError:
    """The error for a name that no table has: what it is, the closest match, the names there are, and what else may be given."""
    names = f"Known: {', '.join(known)}{f'. {otherwise}' if otherwise else ''}"
    return ValueError(f"names an unknown {what} {name!r}{near_miss(name, known)} {names}")
