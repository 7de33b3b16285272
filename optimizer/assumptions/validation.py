"""Sentences for bad input.

pydantic finds all problems at once; this file turns each into one sentence: the dotted path, the value with its unit, what is
allowed, what to do. Library, command and app show these same sentences.
"""

import math
import typing
from typing import Any, TypeVar

from annotated_types import Ge, Gt, Le, Lt
from pydantic import ValidationError

from .bounds import within
from .numbers import human
from .problems import InputError, near_miss, shown
from .quantity import Assumption, blocks_in

__all__ = ["allowed", "field_at", "refused", "validated"]

Block = TypeVar("Block", bound=Assumption)


def validated(block: type[Block], given: Any) -> Block:
    """`block` made of plain data.

    Raises:
        InputError: with one sentence for every problem found.

    """
    try:
        return block.model_validate(given)
    except ValidationError as error:
        raise InputError(refused(block, error)) from None


def refused(block: type[Assumption], error: ValidationError) -> list[str]:
    """One sentence for every problem that pydantic found."""
    errors = error.errors(include_url=False)
    inside = {e["loc"][:i] for e in errors for i in range(len(e["loc"]))}
    sentences = [s for e in errors for s in _sentences(block, e) if e["type"] != "too_short" or e["loc"] not in inside]
    return list(dict.fromkeys(sentences))


def allowed(block: type[Assumption], name: str) -> str:
    """The bounds of a number in words: "more than 0 and at most 1"."""
    low, high, above, below = -math.inf, math.inf, False, False
    for bound in block.model_fields[name].metadata:
        match bound:
            case Gt(gt=float() | int() as b):
                low, above = b, True
            case Ge(ge=float() | int() as b):
                low = b
            case Lt(lt=float() | int() as b):
                high, below = b, True
            case Le(le=float() | int() as b):
                high = b
    return within(low, high, above=above, below=below)


def field_at(root: type[Assumption], loc: tuple[int | str, ...]) -> tuple[str, type[Assumption] | None, str]:
    """(dotted path, block, field) at a pydantic error location, which names union members that the path leaves out."""
    path, candidates, block, field = "", (root,), None, ""
    for part in loc:
        if isinstance(part, int):
            path += f"[{part + 1}]"
            continue
        tagged = [c for c in candidates if c.tag and part in _tags(c)]
        if len(candidates) > 1 and tagged:
            candidates = (tagged[0],)
            continue
        path += f".{part}" if path else part
        block = candidates[0] if candidates else None
        field = part
        info = block.model_fields.get(part) if block else None
        candidates = blocks_in(info.annotation) if info else ()
    return path, block, field


def _tags(block: type[Assumption]) -> tuple[str, ...]:
    return typing.get_args(block.model_fields[block.tag].annotation)


def _sentences(root: type[Assumption], error: Any) -> tuple[str, ...]:
    cause = error.get("ctx", {}).get("error")
    return cause.problems if isinstance(cause, InputError) else (_sentence(root, error),)


def _sentence(root: type[Assumption], error: Any) -> str:
    path, block, field = field_at(root, error["loc"])
    value, kind, context = error["input"], error["type"], error.get("ctx", {})
    declared = block.quantity(field) if block else None
    unit = f" {declared.unit}" if declared and declared.unit != "1" else ""
    where = path or "the scenario"
    if kind in {"greater_than", "greater_than_equal", "less_than", "less_than_equal"} and block:
        return f"{where} must be {allowed(block, field)}, got {human(value)}{unit}.{_percent_hint(context, value)}"
    if kind == "value_error":
        return f"{where} {context['error']}."
    if kind == "extra_forbidden":
        owner = _owner(root, error["loc"])
        known = [*owner.model_fields, *owner.also_reads] if owner else list(root.model_fields)
        names = ", ".join(known)
        elsewhere = _kinds_with(root, error["loc"], field)
        if owner and owner.tag and elsewhere:
            tag_path = f"{where.rpartition('.')[0]}.{owner.tag}"
            return f"{where} belongs to {tag_path} = {' or '.join(map(repr, elsewhere))}; set {tag_path} too, or remove it."
        case = f" with {owner.tag} = {owner.model_fields[owner.tag].default!r}" if owner and owner.tag else ""
        return f"{where} is not a field{case}{near_miss(field, known)} Fields here: {names}."
    if kind == "missing":
        meaning = f" ({declared.about}{f', in{unit}' if unit else ''})" if declared else ""
        return f"{where} is missing{meaning}; it has no default, so give its value."
    if kind in {"union_tag_invalid", "union_tag_not_found"}:
        tag = context["discriminator"].strip("'")
        if kind == "union_tag_not_found":
            return f"{where}.{tag} is missing; give one of {', '.join(_choices(root, error['loc']))}."
        got = context["tag"]
        if (tag, got) == ("policy", "free"):
            return (
                f"{where}.policy = 'free' has no answer: no published loss law has a term in RL tokens, so a free R would "
                "optimise to zero. Fix R (policy tokens, ratio, flops or cost_share), or take policy 'optimised', which adds "
                "the return term G R^-gamma as your own assumption."
            )
        known = _choices(root, error["loc"])
        return f"{where}.{tag} must be one of {', '.join(known)}, got {shown(got)}{near_miss(got, known)}"
    if kind == "literal_error":
        return f"{where} must be one of {context['expected'].replace(chr(39), '')}, got {shown(value)}."
    if kind in {"too_short", "too_long"}:
        bound = f"at least {context['min_length']}" if kind == "too_short" else f"at most {context['max_length']}"
        return f"{where} must have {bound} rows, got {context['actual_length']}; give one row a month."
    if kind == "string_type":
        return f"{where} must be text, got {shown(value)}."
    if kind in {"tuple_type", "list_type"}:
        return f"{where} must be a list of rows, one a month, got {shown(value)}."
    if kind in {"model_type", "model_attributes_type", "dict_type"}:
        return f"{where} must be a block of fields ({_fields_of(root, error['loc'])}), got {shown(value)}."
    return f"{where}: {error['msg']}, got {shown(value)}."


def _percent_hint(context: dict[str, Any], value: float) -> str:
    if context.get("le", context.get("lt")) == 1 and 1 < value <= 100:
        return f" If you meant {value:g} %, write {value / 100:g}."
    return ""


def _owner(root: type[Assumption], loc: tuple[int | str, ...]) -> type[Assumption] | None:
    return field_at(root, loc)[1]


def _candidates(root: type[Assumption], loc: tuple[int | str, ...]) -> tuple[type[Assumption], ...]:
    _, block, field = field_at(root, loc)
    if block is None:
        return (root,)
    info = block.model_fields.get(field)
    return blocks_in(info.annotation) if info else ()


def _choices(root: type[Assumption], loc: tuple[int | str, ...]) -> list[str]:
    return [t for c in _candidates(root, loc) for t in _tags(c)]


def _kinds_with(root: type[Assumption], loc: tuple[int | str, ...], field: str) -> list[str]:
    """The kinds of the union at `loc` that have a field of this name."""
    owner = _owner(root, loc)
    if owner is None or not owner.tag:
        return []
    _, above, name = field_at(root, loc[:-2])
    info = above.model_fields.get(name) if above else None
    members = blocks_in(info.annotation) if info else ()
    return [t for member in members if field in (*member.model_fields, *member.also_reads) for t in _tags(member)]


def _fields_of(root: type[Assumption], loc: tuple[int | str, ...]) -> str:
    blocks = _candidates(root, loc)
    return ", ".join(blocks[0].model_fields) if blocks else ", ".join(root.model_fields)
