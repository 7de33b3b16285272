"""The base of every block of assumptions: a frozen pydantic model that is also a JAX pytree.

Every number is declared once, as a field made by `quantity(unit, about, ...)`; validation, units, ranges, documentation and
widgets are read from that declaration. The float fields are the leaves of the tree, so that

- `jax.grad(f)(scenario)` is a Scenario of derivatives,
- `jax.vmap(f)(scenarios)` takes a Scenario whose leaves have a leading axis.

Text and choices are static; labels (names, descriptions, sources) are kept outside the tree: they neither take part in it nor
survive a transformation. Unflattening does not validate, so tracers and batches pass.
"""

import math
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic.fields import FieldInfo

from .numbers import parse_number
from .problems import InputError

__all__ = [
    "Assumption",
    "Numeric",
    "Quantity",
    "Rule",
    "blocks_in",
    "choice",
    "edge",
    "label",
    "numpy_for",
    "quantity",
]

Numeric = Float[Array, "..."] | Float[np.ndarray, "..."] | float | int
"""A plain number, an array, or a number under a JAX transformation. Functions of these are elementwise."""


def numpy_for(*values: Any) -> Any:
    """NumPy for plain numbers, `jax.numpy` as soon as one of them is JAX's: a plain answer needs no compiled operation."""
    return jnp if any(isinstance(value, jax.Array) for value in values) else np


def _reading(unit: str) -> BeforeValidator:
    return BeforeValidator(lambda value: None if value is None else parse_number(value, unit))


class Quantity(NamedTuple):
    """What the declaration of one number says about it."""

    unit: str
    about: str
    low: float | None
    high: float | None
    source: str
    uncertain: float | None = None
    """factor within which the true value lies around what is set; None for a fact or a choice"""
    least: float = -math.inf
    """smallest value allowed"""
    most: float = math.inf
    """largest value allowed"""

    def around(self, value: float) -> tuple[float, float]:
        """The range of an uncertain number: value / factor to value * factor, within its bounds; the value itself for all others.

        >>> share = Quantity("1", "a share", None, None, "", 1.5, 0.0, 1.0)
        >>> [round(end, 3) for end in share.around(0.9)], share.around(0.0)
        ([0.6, 1.0], (0.0, 0.0))

        """
        if self.uncertain is None or value == 0:
            return value, value
        low, high = sorted((value / self.uncertain, value * self.uncertain))
        return max(low, self.least), min(high, self.most)


def quantity(
    unit: str,
    about: str,
    *,
    default: Any = ...,
    gt: float | None = None,
    ge: float | None = None,
    lt: float | None = None,
    le: float | None = None,
    low: float | None = None,
    high: float | None = None,
    uncertain: float | None = None,
    source: str = "",
) -> Any:
    """Declare a number: its unit ("1" for none), its meaning in one line, its bounds, its plausible range, and how uncertain it is.

    Args:
        unit: unit of the stored value, the same in files, tables, widgets and URLs.
        about: what the number is, without the unit.
        default: value when it is left out; without one it must be given.
        gt: lower bound, excluded.
        ge: lower bound, allowed.
        lt: upper bound, excluded.
        le: upper bound, allowed.
        low: lower end of the plausible range, for sliders and the reference.
        high: its upper end.
        uncertain: factor within which sensitivity analysis moves the number around the scenario's own value. Left out for a fact or a
            choice, which stays as it is unless the caller names it.
        source: where the default comes from.

    """
    least = -math.inf if ge is None else float(ge)
    most = math.inf if le is None else float(le)
    least = least if gt is None else float(np.nextafter(gt, math.inf))
    most = most if lt is None else float(np.nextafter(lt, -math.inf))
    field: FieldInfo = Field(
        default,
        gt=gt,
        ge=ge,
        lt=lt,
        le=le,
        allow_inf_nan=False,
        description=about,
        json_schema_extra={
            "unit": unit,
            "low": low,
            "high": high,
            "source": source,
            "uncertain": uncertain,
            "least": least,
            "most": most,
        },
    )
    field.metadata.append(_reading(unit))
    return field


def label(about: str, *, default: Any = "") -> Any:
    """Declare text that describes a block without being part of the problem (a name, a source)."""
    return Field(default, description=about, json_schema_extra={"label": True})


def choice(named: Mapping[str, str], about: str = "", *, default: str | None) -> Any:
    """Declare a choice: each value that files hold, with the words for it that pages show, and what is chosen.

    Args:
        named: value -> its name in words.
        about: what is chosen; left out for the field that tells kinds of a block apart.
        default: value when it is left out.

    """
    return Field(default, description=about or None, json_schema_extra={"named": dict(named)})


def edge(unit: str, about: str) -> Any:
    """Declare an edge of what a block is known to hold for: a positive number outside the tree, None where it is not on record."""
    field: Any = Field(
        default=None, gt=0, allow_inf_nan=False, description=f"{about}, {unit}", json_schema_extra={"label": True}
    )
    field.metadata.append(_reading(unit))
    return field


def _extra(info: FieldInfo) -> dict[str, Any]:
    return info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}


def blocks_in(annotation: Any) -> tuple[type["Assumption"], ...]:
    """The Assumption classes that an annotation mentions, in order: `A | B` gives (A, B)."""
    if isinstance(annotation, type) and issubclass(annotation, Assumption):
        return (annotation,)
    found: tuple[type[Assumption], ...] = ()
    for part in typing.get_args(annotation):
        found += blocks_in(part)
    return found


class Rule(NamedTuple):
    """What must hold between numbers, each in its own bounds."""

    holds: Callable[[Any], Any]
    """of a block: whether it holds; elementwise where numbers are arrays"""
    sentence: Callable[[Any], str]
    """of a block that breaks it: what is wrong and what to do, to follow the path of the block"""

    def problem(self, block: Any) -> str:
        """The sentence where the rule does not hold of the plain numbers of a block, "" where it does."""
        try:
            return "" if self.holds(block) else self.sentence(block)
        except ArithmeticError:
            return "has numbers that no 64-bit float holds once they are combined; look for exponents and amounts far from plausible ones"


class Assumption(BaseModel):
    """Base of every block of a scenario. See the module docstring."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    if not typing.TYPE_CHECKING:  # the fields are the arguments that a type checker sees

        def __init__(self, /, *given: Any, **fields: Any) -> None:
            """Validate the fields; raises InputError with one sentence for every problem."""
            from .validation import refused

            if given:
                known = ", ".join(type(self).model_fields)
                raise TypeError(
                    f"{type(self).__name__} takes its fields by name ({known}), got {given[0]!r}; a scenario is made with "
                    "load('lecture-2026') or Scenario.from_dict({...})."
                )
            try:
                super().__init__(**fields)
            except ValidationError as error:
                raise InputError(refused(type(self), error)) from None

        __init__.__pydantic_base_init__ = True  # validation of blocks inside does not come through here

        def __setattr__(self, name: str, value: Any) -> None:
            if name in self.__private_attributes__:
                return super().__setattr__(name, value)
            said = f"{name} cannot be set: a {type(self).__name__} is frozen; make a new scenario with s.update({{'dotted.path': value}})."
            raise InputError([said])

    tag: ClassVar[str] = ""
    """Name of the field that distinguishes the members of a union (`kind`, `policy`), if this block is one."""

    either: ClassVar[tuple[tuple[str, ...], ...]] = ()
    """Groups of fields of which exactly one group is given; setting one replaces the other."""

    instead: ClassVar[dict[str, str]] = {}
    """Fields with a default, and the field that may be given instead of each; then the one with the default is None."""

    also_reads: ClassVar[tuple[str, ...]] = ()
    """Keys that input may hold and that are turned into fields (a file to read)."""

    rules: ClassVar[tuple["Rule", ...]] = ()
    """What must hold between the numbers of this block"""

    _children: ClassVar[tuple[str, ...]] = ()
    _static: ClassVar[tuple[str, ...]] = ()
    _declared: ClassVar[dict[str, Quantity]] = {}
    _order: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        children, static = [], []
        for name, info in cls.model_fields.items():
            extra = _extra(info)
            if "unit" in extra:
                said = {name: extra[name] for name in Quantity._fields if name != "about"}
                declared = Quantity(about=info.description or "", **said)
                cls._declared = {**cls._declared, name: declared}
            if "unit" in extra or blocks_in(info.annotation):
                children.append(name)
            elif not extra.get("label"):
                static.append(name)
        cls._children, cls._static = tuple(children), tuple(static)
        cls._order = tuple(sorted(cls.model_fields, key=lambda k: k not in ("name", cls.tag)))
        jax.tree_util.register_pytree_with_keys(
            cls, cls._flatten_with_keys, lambda static, children: cls._unflatten(static, tuple(children)), cls._flatten
        )

    @staticmethod
    def _flatten(block: "Assumption") -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        values = block.__dict__
        return tuple(values[k] for k in block._children), tuple(values[k] for k in block._static)

    @staticmethod
    def _flatten_with_keys(block: "Assumption") -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        children, static = Assumption._flatten(block)
        keys = (jax.tree_util.GetAttrKey(k) for k in block._children)
        return tuple(zip(keys, children, strict=True)), static

    @classmethod
    def _unflatten(cls, static: tuple[Any, ...], children: tuple[Any, ...]) -> "Assumption":
        values = dict(zip(cls._static, static, strict=True)) | dict(zip(cls._children, children, strict=True))
        return cls.model_construct(**values)

    @classmethod
    def quantity(cls, name: str) -> Quantity | None:
        """The declaration of field `name`, or None if it is not a number."""
        return cls._declared.get(name)

    @classmethod
    def in_words(cls, name: str) -> Mapping[str, str]:
        """The values of choice `name`, each with its name in words; empty for a field that is no choice."""
        info = cls.model_fields.get(name)
        return _extra(info).get("named", {}) if info else {}

    def quantities(self, prefix: str = "") -> Iterator[tuple[str, Quantity, float]]:
        """(dotted path, declaration, value) of every number that is set, in the order of the tree's leaves."""
        for name in self._children:
            value, path = getattr(self, name), f"{prefix}{name}"
            declared = self.quantity(name)
            if declared is not None:
                if value is not None:
                    yield path, declared, value
            elif isinstance(value, tuple):
                for i, item in enumerate(value):
                    yield from item.quantities(f"{path}[{i + 1}].")
            elif value is not None:
                yield from value.quantities(f"{path}.")

    def agrees(self) -> Any:
        """Whether every rule holds, here and in the blocks inside; elementwise where numbers are arrays."""
        found: Any = True
        for _, block, rule in self._rules():
            found = found & rule.holds(block)
        return found

    def broken(self) -> list[str]:
        """One sentence for every rule that does not hold, as validation says it."""
        return [f"{path} {said}.".lstrip() for path, block, rule in self._rules() if (said := rule.problem(block))]

    def _rules(self, path: str = "") -> Iterator[tuple[str, "Assumption", Rule]]:
        yield from ((path, self, rule) for rule in self.rules)
        for name in self._children:
            block = getattr(self, name)
            if isinstance(block, Assumption):
                yield from block._rules(f"{path}.{name}" if path else name)

    def __dir__(self) -> list[str]:
        """Fields and what the block's own class offers, without the machinery of every block: for completion."""
        hidden = {name for name in dir(Assumption) if not name.startswith("_")} - {"quantities", "to_dict"}
        return sorted({*super().__dir__()} - hidden | {*type(self).model_fields})

    @model_validator(mode="after")
    def _agreement(self) -> "Assumption":
        for rule in self.rules:
            if said := rule.problem(self):
                raise ValueError(said)
        return self

    @model_validator(mode="before")
    @classmethod
    def _one_of_each_choice(cls, given: Any) -> Any:
        if cls.either and isinstance(given, dict):
            groups = [[k for k in group if given.get(k) is not None] for group in cls.either]
            if sum(map(bool, groups)) != 1:
                choices = " or ".join(" and ".join(group) for group in cls.either)
                got = ", ".join(k for group in groups for k in group) or "none of them"
                raise ValueError(f"needs exactly one of {choices}, got {got}")
        for field, other in cls.instead.items() if isinstance(given, dict) else ():
            if given.get(field) is not None and given.get(other) is not None:
                raise ValueError(f"takes {field} or {other}, not both; remove one")
            given = given if given.get(other) is None else {**given, field: None}
        return given

    @classmethod
    def model_json_schema(cls, *_: Any, **__: Any) -> dict[str, Any]:
        """The JSON Schema (draft 2020-12) of what `from_dict` and TOML files take; of the whole scenario for a Scenario."""
        from .schema import schema_of

        return schema_of(cls)

    def to_dict(self) -> Any:
        """The block as plain dicts, lists, text and numbers; what is not set is left out."""
        plain = {}
        for name in self._order:
            value = getattr(self, name)
            if isinstance(value, Assumption):
                value = value.to_dict()
            elif isinstance(value, tuple):
                value = [item.to_dict() for item in value]
            elif isinstance(value, dict):
                value = dict(value)
            if value is not None and value != "" and value != {}:
                plain[name] = value
        return plain
