"""The JSON Schema of a scenario file (draft 2020-12), for editors and other programs.

It is made from the declarations that validation reads: numbers may be text in the grammar of `numbers`, a name may stand for a whole
block, and a law's kind follows from its name. What it accepts, `Scenario.from_dict` accepts, apart from what a schema cannot say: bounds
of numbers that are written as text, `Assumption.rules` between numbers, months that follow each other and that a discount rate needs,
whether `traffic.file` or the file of a law can be read, and what a covariance is.
"""

import sys
import typing
from typing import Any

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from pydantic.fields import FieldInfo

from .bills import Pretraining, Serving
from .deployment import Deployment
from .goal import LossGoal
from .hardware import PRECISIONS, Accelerator
from .joint import NAMES
from .law import ChinchillaLaw, Law
from .limits import Limits
from .named import NamedAssumption
from .paths import schema_paths
from .published_laws import law_kind, law_names
from .quantity import Assumption, blocks_in
from .scenario import Scenario
from .tables import rows
from .traffic import GrowthTraffic
from .version import SCHEMA_VERSION

__all__ = ["schema_of"]

Schema = dict[str, Any]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_DIGITS = "[0-9]+(_[0-9]+)*"
_GROUPS = "[1-9][0-9]{0,2}((,[0-9]{3}){2,}|( [0-9]{3})+|('[0-9]{3})+)"
_MANTISSA = rf"(({_GROUPS}|{_DIGITS})(\.{_DIGITS})?|\.{_DIGITS})"
_FRACTION = "[0-9]{1,18} ?/ ?0*[1-9][0-9]{0,17}"
_BOUNDS = {Gt: "exclusiveMinimum", Ge: "minimum", Lt: "exclusiveMaximum", Le: "maximum"}


def schema_of(block: type[Assumption]) -> Schema:
    """The schema of a block of a scenario, or of the whole of it.

    >>> from optimizer.assumptions.scenario import Scenario
    >>> schema_of(Scenario)["$defs"]["Pretraining"]["properties"]["mfu"]["description"]
    'model FLOPs utilisation of pre-training (no unit); plausible from 0.2 to 0.6'

    """
    defs: dict[str, Schema] = {}
    top = _block(block, defs)
    return {"$schema": _DIALECT, **top, "$defs": {name: defs[name] for name in sorted(defs)}}


_FILE: Schema = {
    "description": "path of a CSV, TSV or Excel file, alone or with what the file leaves open",
    "anyOf": [
        {"type": "string", "minLength": 1},
        {
            "type": "object",
            "properties": {
                "path": {"type": "string", "minLength": 1},
                "amounts": {"enum": ["per day", "per month"]},
                "cached": {"enum": ["inside", "outside"]},
                "decimal": {"enum": [",", "."]},
                "input_share": {"type": "number", "minimum": 0, "maximum": 1},
            },
            "required": ["path"],
            "additionalProperties": False,
        },
    ],
}


def _block(block: type[Assumption], defs: dict[str, Schema]) -> Schema:
    """The schema of one class of blocks, given field by field."""
    properties = {name: _field(block, name, info, defs) for name, info in block.model_fields.items()}
    properties |= dict.fromkeys(block.also_reads, _FILE)
    chosen = {field for group in block.either for field in group}
    required = [n for n, info in block.model_fields.items() if info.is_required() and n not in chosen]
    conditions = [*_ALSO.get(block, ())]
    if block.tag:
        required.insert(0, block.tag)
    if issubclass(block, NamedAssumption):
        known = _names(block)
        properties["name"] |= {"enum": ["", *known]}
        from_row = [field for field in required if field in block.named({"name": known[0]})]
        required = [field for field in required if field not in from_row]
        conditions.append({"if": _has("name", {"minLength": 1}), "else": {"required": from_row}})
    if block.either:
        others = [[f for group in block.either if group is not mine for f in group] for mine in block.either]
        conditions.append(
            {
                "oneOf": [
                    {"anyOf": [{"required": [f]} for f in mine], "not": {"anyOf": [{"required": [f]} for f in rest]}}
                    for mine, rest in zip(block.either, others, strict=True)
                ]
            }
        )
    if block.instead:
        conditions += [{"not": {"required": [*pair]}} for pair in block.instead.items()]
        if "measured_params" in block.model_fields:
            conditions.append({"dependentRequired": {speed: ["measured_params"] for speed in block.instead.values()}})
    if block is Scenario:
        properties = {"schema_version": {"type": "integer", "minimum": 0, "maximum": SCHEMA_VERSION}, **properties}
    made: Schema = {
        "type": "object",
        "title": block.__name__,
        "description": " ".join((block.__doc__ or "").partition("\n\n")[0].split()),
        "properties": properties,
        "additionalProperties": False,
    }
    return made | ({"required": required} if required else {}) | ({"allOf": conditions} if conditions else {})


def _field(block: type[Assumption], name: str, info: FieldInfo, defs: dict[str, Schema]) -> Schema:
    about = {"description": info.description} if info.description else {}
    declared, inner = block.quantity(name), blocks_in(info.annotation)
    choices = [*block.in_words(name)] or [c for c in typing.get_args(info.annotation) if isinstance(c, str)]
    if declared:
        span = (
            ""
            if declared.low is None or declared.high is None
            else f"; plausible from {declared.low:g} to {declared.high:g}"
        )
        unit = "no unit" if declared.unit == "1" else declared.unit
        source = {"source": declared.source} if declared.source else {}
        about = {"description": f"{declared.about} ({unit}){span}", "unit": declared.unit, **source}
        made = _number(info, declared.unit)
    elif any(isinstance(bound, Gt) for bound in info.metadata):
        made = _number(info, "")
    elif typing.get_origin(info.annotation) is tuple:
        least = next(m.min_length for m in info.metadata if isinstance(m, MinLen))
        most = next(m.max_length for m in info.metadata if isinstance(m, MaxLen))
        made = {"type": "array", "items": _ref(inner[0], defs), "minItems": least, "maxItems": most}
    elif inner:
        made = _blocks(inner, defs)
    elif choices:
        made = {"enum": choices}
    elif name == "posterior":
        made = _POSTERIOR
    elif typing.get_origin(info.annotation) is dict:
        made = {
            "type": "object",
            "propertyNames": {"enum": [*schema_paths(block), "traffic.table"]},
            "additionalProperties": {"type": "string"},
        }
    else:
        pattern = next((p for m in info.metadata if (p := getattr(m, "pattern", None))), None)
        made = {"type": "string"} | ({"pattern": pattern} if pattern else {})
    plain = isinstance(info.default, str | int | float) and info.default != ""
    return made | about | ({"default": info.default} if plain else {})


_LAW_FILE: Schema = {
    "type": "string",
    "pattern": r"\.toml$",
    "description": "path of a file that overtrain fit --out wrote",
}
_NUMBERS: Schema = {"type": "array", "items": {"type": "number"}}
_POSTERIOR: Schema = {
    "type": "object",
    "properties": {
        "coefficients": {"type": "array", "items": {"enum": [*NAMES]}},
        "mean": _NUMBERS,
        "covariance": {"type": "array", "items": _NUMBERS},
    },
    "required": ["coefficients", "mean", "covariance"],
    "additionalProperties": False,
}


def _number(info: FieldInfo, unit: str) -> Schema:
    """A number in its bounds, or the text of one."""
    bounds: dict[str, float] = {"minimum": -sys.float_info.max, "maximum": sys.float_info.max}
    for bound in info.metadata:
        for kind, keyword in _BOUNDS.items():
            if isinstance(bound, kind):
                del bounds["minimum" if kind in (Gt, Ge) else "maximum"]
                bounds[keyword] = getattr(bound, kind.__name__.lower())
    least = bounds.get("minimum", bounds.get("exclusiveMinimum", 0))
    most = bounds.get("maximum", bounds.get("exclusiveMaximum", 0))
    sign = r"\+?" if least >= 0 else "-" if most <= 0 else "[+-]?"
    percent = "%" if unit.partition("/")[0] == "1" else ""
    dollar = r"(\$ ?)?" if unit.startswith("USD") else ""
    decimal = rf"{sign}{_MANTISSA}([eE][+-]?[0-9]{{1,3}})? ?[kKmMbBgGtTpPqQ{percent}]?"
    text = {"type": "string", "pattern": f"^ *'?{dollar}({decimal}|{sign}{_FRACTION}) *$"}
    return {"anyOf": [{"type": "number", **bounds}, text]}


def _blocks(inner: tuple[type[Assumption], ...], defs: dict[str, Schema]) -> Schema:
    """One block, or one of a union by its tag; a name alone where the name says everything."""
    found: list[Schema] = [_ref(block, defs) for block in dict.fromkeys(inner)]
    if ChinchillaLaw in inner:
        return {"anyOf": [{"enum": law_names()}, _LAW_FILE, *found]}
    if len(found) > 1:
        return {"oneOf": found}
    only = inner[0]
    return {"anyOf": [{"enum": _whole(only)}, found[0]]} if issubclass(only, NamedAssumption) else found[0]


def _ref(block: type[Assumption], defs: dict[str, Schema]) -> Schema:
    if block.__name__ not in defs:
        defs[block.__name__] = {}
        made = _block(block, defs)
        if issubclass(block, Law) and (own := _names_of_kind(block)):
            # The kind follows from the name; without either the law is a Chinchilla law.
            made["required"] = [field for field in made.get("required", ()) if field != "kind"]
            if block is not ChinchillaLaw:
                made["anyOf"] = [{"required": ["kind"]}, _has("name", {"enum": own})]
        defs[block.__name__] = made
    return {"$ref": f"#/$defs/{block.__name__}"}


def _names(block: type[NamedAssumption]) -> list[str]:
    """The names that a block may have."""
    if issubclass(block, Law):
        return [name for name in law_names() if law_kind(name) in block.based_on]
    if block is GrowthTraffic:
        return [r["key"] for r in rows("traffic") if r["tokens_per_day"] and r["counts"] == "input+output"]
    return [r["chip"] for r in rows("hardware")] if block is Accelerator else [r["tier"] for r in rows("storage_tiers")]


def _names_of_kind(block: type[Law]) -> list[str]:
    """The names that say by themselves that a law is of this kind."""
    return [name for name in law_names() if law_kind(name) == block.model_fields["kind"].default]


def _whole(block: type[NamedAssumption]) -> list[str]:
    """The names that stand for a whole block: the table has all that it needs."""
    lacking = {name for names in _lacking()["bf16"] for name in names} if block is Accelerator else set()
    return [name for name in _names(block) if name not in lacking]


def _lacking() -> dict[str, tuple[list[str], list[str]]]:
    """By precision: the chips without a published peak at it, which bf16 is unless another is named; and those without a price."""
    chips = rows("hardware")
    priceless = [r["chip"] for r in chips if not r["usd_per_chip_hour"]]
    return {p: ([r["chip"] for r in chips if not r[f"{p}_flops_per_second"]], priceless) for p in PRECISIONS}


def _has(field: str, value: Schema) -> Schema:
    return {"required": [field], "properties": {field: value}}


def _chips() -> list[Schema]:
    """What a named chip must be given, where its row has no price or no peak at the precision."""
    conditions: list[Schema] = []
    for precision, (peakless, priceless) in _lacking().items():
        at = _has("precision", {"const": precision})
        if precision == "bf16":
            at = {"properties": {"precision": {"const": precision}}}
            conditions.append({"if": _has("name", {"enum": priceless}), "then": {"required": ["usd_per_chip_hour"]}})
        wanted = {"allOf": [at, _has("name", {"enum": peakless})]}
        conditions.append({"if": wanted, "then": {"required": ["peak_flops"]}})
    return conditions


def _without(*fields: str) -> Schema:
    return {"not": {"anyOf": [{"required": [field]} for field in fields]}}


def _together(*fields: str) -> dict[str, list[str]]:
    return {field: [other for other in fields if other != field] for field in fields}


def _roofline() -> list[Schema]:
    """What serving.method = "roofline" needs, and what nothing else may have."""
    roofline = _has("serving", _has("method", {"const": "roofline"}))
    memory = ("hbm_bytes", "hbm_bytes_per_second")
    unknown = [r["chip"] for r in rows("hardware") if not all(r[field] for field in memory)]
    unnamed = {"not": _has("name", {"minLength": 1})}
    lacks = {"type": "object", "anyOf": [unnamed, _has("name", {"enum": unknown})]}
    chip = {"not": {"enum": unknown}, "if": lacks, "then": {"required": [*memory]}}
    usd = _has("money", {"required": ["unit"], "properties": {"unit": {"const": "usd"}, "serve_chip": chip}})
    only_there = {
        "properties": {
            "limits": _without("min_tokens_per_second_per_user", "max_seconds_to_first_token"),
            "deployment": {"properties": {"batch": {"const": "optimal"}}},
        }
    }
    together = _has("deployment", _has("prefill", {"const": "together"}))
    in_time = _has("limits", {"required": ["max_seconds_to_first_token"]})
    batch = {"properties": {"batch": {"const": "optimal"}}}
    bounded = {
        "anyOf": [
            _has("limits", {"required": ["min_tokens_per_second_per_user"]}),
            _has("deployment", {"not": batch}),
        ]
    }
    return [
        {"if": roofline, "then": usd, "else": only_there},
        {"if": {"allOf": [together, in_time]}, "then": bounded},
    ]


_REPEATS = _has("law", {"type": "object", **_has("kind", {"const": "repetition"})})
_LIKE = _has("goal", {"not": {"required": ["loss"]}, **_has("kind", {"const": "loss"})})
_OPTIMISED = _has("rl", _has("policy", {"const": "optimised"}))

_ALSO: dict[type[Assumption], list[Schema]] = {
    Accelerator: _chips(),
    LossGoal: [
        {
            "dependentRequired": {
                "like_tokens": ["like_params"],
                "like_rl_tokens": ["like_params", "like_tokens"],
            }
        }
    ],
    Limits: [
        {
            "dependentRequired": {
                "max_training_days": ["fleet_chips"],
                **_together("max_bytes", "bytes_per_param"),
                "unique_tokens": ["max_epochs"],
            }
        }
    ],
    Deployment: [
        {
            "if": _has("batch", {"const": policy}),
            "then": {"required": [field]},
            "else": _without(field),
        }
        for policy, field in (("fixed", "batch_size"), ("latency", "target_tokens_per_second"))
    ],
    Pretraining: [
        {
            "if": {"allOf": [{"required": ["context_tokens"]}, _has("mfu_counts", {"const": "parameters"})]},
            "then": {"required": ["measured_params"]},
        }
    ],
    Serving: [
        {
            "if": _has("quantisation", {"const": "calibrated"}),
            "then": {"required": ["calibration_loss", "calibration_params", "calibration_tokens"]},
        }
    ],
    Scenario: [
        *_roofline(),
        {
            "if": _OPTIMISED,
            "then": {"properties": {"serving": {"properties": {"quantisation": {"const": "none"}}}}},
        },
        {
            "if": _has("sources", {"required": ["traffic.table"]}),
            "then": _has("traffic", _has("kind", {"const": "table"})),
        },
        {
            "if": {"allOf": [_OPTIMISED, _LIKE]},
            "then": {"properties": {"goal": {"required": ["like_rl_tokens"]}}},
            "else": {"properties": {"goal": _without("like_rl_tokens")}},
        },
        {
            "if": {"allOf": [{"not": _REPEATS}, _has("limits", {"required": ["max_epochs"]})]},
            "then": {"properties": {"limits": {"required": ["unique_tokens"]}}},
        },
    ],
}
"""What the validators of a block ask for between its fields, by block."""
