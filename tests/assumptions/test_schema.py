"""The JSON Schema of a scenario, asked by another program: what it takes and refuses is what `Scenario.from_dict` does."""

import json
import math
import random
import re
import tomllib

import jsonschema
import pytest

from optimizer import InputError, Scenario, load, presets
from optimizer.assumptions.library import preset_text
from optimizer.assumptions.numbers import human, parse_number
from optimizer.assumptions.quantity import Assumption
from optimizer.assumptions.schema import schema_of

from ..counts import cases

SCHEMA = Scenario.model_json_schema()
CHECK = jsonschema.Draft202012Validator(SCHEMA)
GOOD = {
    "goal": {"kind": "params", "params": "8B"},
    "traffic": {"kind": "total", "output_tokens": "10T"},
}


def taken(plain):
    """Whether from_dict takes it, and what it says where it does not."""
    try:
        Scenario.from_dict(plain)
    except InputError as error:
        return False, error.problems
    return True, ()


def changed(**blocks):
    return {**GOOD, **blocks}


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert json.loads(json.dumps(SCHEMA, allow_nan=False)) == SCHEMA


@pytest.mark.parametrize("name", presets())
def test_presets_are_scenarios(name):
    CHECK.validate(tomllib.loads(preset_text(name)))
    CHECK.validate(load(name).to_dict())
    CHECK.validate(tomllib.loads(load(name).to_toml()))


TAKEN = {
    "least": GOOD,
    "a version": changed(schema_version=1),
    "law by name": changed(law="hoffmann"),
    "law by name in a block": changed(law={"name": "hoffmann", "beta": 0.3}),
    "law by coefficients": changed(law={"E": 1.8, "A": 480, "B": 2100, "alpha": 0.35, "beta": "0.37"}),
    "coupled by coefficients": changed(law={"kind": "coupled", "E": 1.7, "A": 2300, "B": 9950, "alpha": 0.42, "beta": 0.43, "gamma": 0.77}),
    "coupled repetition": changed(law={"kind": "repetition", "name": "besiroglu", "unique_tokens": "5T", "gamma": 0.8}),
    "experts by name": changed(law={"name": "ludziejewski", "experts": 4}),
    "experts by sparsity": changed(law={"name": "abnar", "sparsity": 0.9}),
    "fine-grained experts": changed(law={"kind": "moe-granularity", "name": "krajewski", "granularity": 4}),
    "repeated data": changed(law={"kind": "repetition", "name": "besiroglu", "unique_tokens": "5T"}, limits={"max_epochs": 4}),
    "chip by name": changed(money={"serve_chip": "H100 SXM"}),
    "chip with another precision": changed(money={"unit": "usd", "serve_chip": {"name": "H100 SXM", "precision": "fp8"}}),
    "chip by numbers": changed(money={"train_chip": {"peak_flops": 1e15, "usd_per_chip_hour": "$2.50"}}),
    "chip without a price": changed(money={"train_chip": {"name": "TPU7x Ironwood", "usd_per_chip_hour": 3}}),
    "chip without a peak at bf16": changed(
        money={"train_chip": {"name": "A100-80GB SXM", "precision": "fp8", "peak_flops": 1e15}}
    ),
    "named tier": changed(deployment={"cache_tier": "flash"}),
    "a table of months": changed(
        traffic={"kind": "table", "table": [{"month": "2026-01", "input_tokens_per_day": "1B", "output_tokens_per_day": 0}]}
    ),
    "published traffic": changed(traffic={"kind": "growth", "name": "google-all-surfaces-2025-07", "share": "38%"}),
    "as good as": changed(goal={"kind": "loss", "like_params": "100B", "like_tokens": "200T"}),
    "as good as a compute-optimal model": changed(goal={"kind": "loss", "like_params": "100B"}),
    "a run decided": changed(goal={"kind": "tokens", "tokens": "1.4T"}),
    "as good as, RL decided": changed(
        goal={"kind": "loss", "like_params": "100B", "like_tokens": "200T", "like_rl_tokens": "1T"},
        rl={"policy": "optimised"},
    ),
    "a loss, RL decided": changed(goal={"kind": "loss", "loss": 1.95}, rl={"policy": "optimised"}),
    "roofline": changed(
        serving={"method": "roofline"}, money={"unit": "usd"}, deployment={"batch": "fixed", "batch_size": 64},
        limits={"min_tokens_per_second_per_user": 20},
    ),
    "sources": changed(sources={"traffic.output_tokens": "my forecast", "pretraining.mfu": "a run"}),
}  # fmt: skip
REFUSED = {
    "nothing": {},
    "no goal": {"traffic": GOOD["traffic"]},
    "no kind of goal": changed(goal={"params": "8B"}),
    "wrong kind": changed(goal={"kind": "size", "params": "8B"}),
    "a field of another kind": changed(goal={"kind": "params", "params": "8B", "loss": 1.9}),
    "unknown field": changed(pretraining={"mfuu": 0.4}),
    "unknown block": changed(trafic={}),
    "above its bound": changed(pretraining={"mfu": 38}),
    "at an excluded bound": changed(pretraining={"mfu": 0}),
    "negative text": changed(traffic={"kind": "total", "output_tokens": "-5T"}),
    "text that is no number": changed(pretraining={"mfu": "fast"}),
    "one comma": changed(traffic={"kind": "total", "output_tokens": "1,000"}),
    "percent of a count": changed(traffic={"kind": "total", "output_tokens": "50%"}),
    "dollars of a count": changed(traffic={"kind": "total", "output_tokens": "$50"}),
    "true for a number": changed(pretraining={"mfu": True}),
    "a list for a number": changed(pretraining={"mfu": [0.4]}),
    "a number for a block": changed(pretraining=0.4),
    "a number for text": changed(name=5),
    "more than a float holds": changed(traffic={"kind": "total", "output_tokens": 10**400}),
    "unknown law": changed(law="chinchila"),
    "unknown law in a block": changed(law={"name": "chinchila"}),
    "experts of another kind": changed(law={"kind": "chinchilla", "name": "ludziejewski"}),
    "sparsity of every parameter": changed(law={"name": "abnar", "sparsity": 1}),
    "sparsity as a ratio": changed(law={"name": "abnar", "sparsity": 8}),
    "granularity of another law of experts": changed(law={"name": "ludziejewski", "granularity": 4}),
    "a law without its coefficients": changed(law={"beta": 0.3}),
    "a coupled law without its power": changed(
        law={"kind": "coupled", "E": 1.7, "A": 2300, "B": 9950, "alpha": 0.42, "beta": 0.43}
    ),
    "a power without its kind": changed(law={"name": "besiroglu", "gamma": 0.8}),
    "a power beyond its bound": changed(law={"name": "besiroglu", "kind": "coupled", "gamma": 2.5}),
    "repeated data without its amount": changed(law={"kind": "repetition", "name": "besiroglu"}),
    "unknown chip": changed(money={"serve_chip": "H100 SMX"}),
    "chip without a price": changed(money={"train_chip": "TPU7x Ironwood"}),
    "chip without that peak": changed(money={"serve_chip": {"name": "A100-80GB SXM", "precision": "fp8"}}),
    "unknown precision": changed(money={"serve_chip": {"name": "H100 SXM", "precision": "fp16"}}),
    "half a chip": changed(money={"serve_chip": {"peak_flops": 1e15}}),
    "unknown policy": changed(rl={"policy": "free"}),
    "a month that is none": changed(
        traffic={
            "kind": "table",
            "table": [{"month": "2026-13", "input_tokens_per_day": 1, "output_tokens_per_day": 1}],
        }
    ),
    "no months": changed(traffic={"kind": "table", "table": []}),
    "a table and a file": changed(
        traffic={
            "kind": "table",
            "file": "x.csv",
            "table": [{"month": "2026-01", "input_tokens_per_day": 1, "output_tokens_per_day": 1}],
        }
    ),
    "two losses": changed(goal={"kind": "loss", "loss": 1.9, "like_params": "8B", "like_tokens": "1T"}),
    "half a like": changed(goal={"kind": "loss", "like_tokens": "1T"}),
    "compute-optimal, RL decided": changed(goal={"kind": "loss", "like_params": "8B"}, rl={"policy": "optimised"}),
    "like without RL, which is decided": changed(
        goal={"kind": "loss", "like_params": "8B", "like_tokens": "1T"}, rl={"policy": "optimised"}
    ),
    "like with RL, which is not decided": changed(
        goal={"kind": "loss", "like_params": "8B", "like_tokens": "1T", "like_rl_tokens": "1T"}
    ),
    "a day limit without a fleet": changed(limits={"max_training_days": 90}),
    "epochs of nothing": changed(limits={"max_epochs": 4}),
    "unique tokens without epochs": changed(limits={"unique_tokens": "5T"}),
    "a fixed batch without its size": changed(
        serving={"method": "roofline"}, money={"unit": "usd"}, deployment={"batch": "fixed"}
    ),
    "a batch size that is not used": changed(deployment={"batch_size": 8}),
    "roofline in FLOPs": changed(serving={"method": "roofline"}),
    "roofline without memory": changed(
        serving={"method": "roofline"},
        money={"unit": "usd", "serve_chip": {"peak_flops": 1e15, "usd_per_chip_hour": 2}},
    ),
    "a batch without a roofline": changed(deployment={"batch": "fixed", "batch_size": 8}),
    "a speed without a roofline": changed(limits={"min_tokens_per_second_per_user": 20}),
    "sources of nothing": changed(sources={"trafic.output_tokens": "x"}),
    "sources of another kind": changed(sources={"traffic.table": "x"}),
    "a newer version": changed(schema_version=99),
}


@pytest.mark.parametrize("name", TAKEN)
def test_what_is_a_scenario_is_taken(name):
    assert taken(TAKEN[name]) == (True, ())
    CHECK.validate(TAKEN[name])


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_none_is_refused(name):
    assert not taken(REFUSED[name])[0]
    assert not CHECK.is_valid(REFUSED[name])


# What a schema cannot say; see its module.
BEYOND = re.compile(
    r"is a utilisation above 1|more than 1 \+ drafted_tokens|experts alone would use more|E_start < E_max|both must be negative|no 64-bit float holds"
    r"|row \d+ (repeats|jumps|\(.*comes before)|does not exist|law\.posterior (must|has)|is given for|a law of kind"
    r"|without window_tokens|traffic\.kind = 'total' has none"
)


def sample(schema, rng):
    """Data after a schema, by its structure alone; conditions between fields are left to the schema to refuse."""
    if "$ref" in schema:
        return sample(SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]], rng)
    if "const" in schema or "enum" in schema:
        return rng.choice([schema["const"]] if "const" in schema else schema["enum"])
    for choice in ("anyOf", "oneOf"):
        if choice in schema and "properties" not in schema:
            numeric = schema[choice][0].get("type") == "number"
            return number(schema, rng) if numeric else sample(rng.choice(schema[choice]), rng)
    match schema["type"]:
        case "object" if "properties" in schema:
            fields = [n for n in schema["properties"] if n in schema.get("required", ()) or rng.random() < 0.2]
            return {n: sample(schema["properties"][n], rng) for n in fields}
        case "object":
            return {rng.choice(schema["propertyNames"]["enum"]): "somewhere"}
        case "array":
            return [sample(schema["items"], rng) for _ in range(rng.choice([1, 1, 2]))]
        case "number":
            return rng.uniform(0.1, 2.0)
        case "integer":
            return rng.randint(schema["minimum"], schema["maximum"])
        case "string":
            return rng.choice(["2026-01", "2026-02", "1999-12"]) if "pattern" in schema else rng.choice(["", "text"])
    raise AssertionError(schema)


def number(schema, rng):
    """A number of a plausible size, mostly inside its bounds, sometimes as people write it."""
    bounds = schema["anyOf"][0]
    least = bounds.get("minimum", bounds.get("exclusiveMinimum", -2.0))
    most = bounds.get("maximum", bounds.get("exclusiveMaximum", 1e15))
    low, high = max(least, -2.0), min(most, 1e15)
    value = math.exp(rng.uniform(math.log(max(low, 1e-3)), math.log(high))) if high > 1 else rng.uniform(low, high)
    value = rng.choice([value, value, value, low, high])
    written = human(value)
    back = parse_number(written)
    inside = jsonschema.Draft202012Validator(bounds).is_valid(back)
    return written if inside and rng.random() < 0.3 else rng.choice([value, value, int(value)])


def test_what_the_schema_takes_is_a_scenario():
    rng = random.Random(7)
    count, accepted = cases(150, 3000), 0
    for _ in range(count):
        plain = sample(SCHEMA, rng)
        if CHECK.is_valid(plain):
            good, problems = taken(plain)
            assert good or all(BEYOND.search(p) for p in problems), (plain, problems)
            accepted += good
    assert accepted > count / 30, accepted


def test_what_is_a_scenario_is_still_one_as_it_is_written():
    rng = random.Random(11)
    for _ in range(cases(150, 3000)):
        plain = sample(SCHEMA, rng)
        if taken(plain)[0]:
            CHECK.validate(Scenario.from_dict(plain).to_dict())


def test_a_field_that_stands_in_for_another_is_taken():
    """Every block that has such fields: a speed that was measured in place of a share, an acceptance rate in place of accepted tokens."""
    blocks = [name for name, field in Scenario.model_fields.items() if getattr(field.annotation, "instead", None)]
    assert sorted(blocks) == ["deployment", "pretraining", "serving"]
    for name in blocks:
        block = Scenario.model_fields[name].annotation
        sized = {"measured_params": 7e9} if "measured_params" in block.model_fields else {}
        for default, other in block.instead.items():
            value = 0.5 if block.quantity(other).unit == "1" else 20.0
            changes = {**sized, default: None, other: value}
            made = load("lecture-2026", {f"{name}.{field}": v for field, v in changes.items()})
            CHECK.validate(made.to_dict())


def test_a_choice_is_one_of_its_values_where_it_may_be_left_out_too():
    found = {}
    for block in every(Assumption):
        for field in block.model_fields if block.__name__ in SCHEMA["$defs"] else ():
            if values := [*block.in_words(field)]:
                found[block.__name__, field] = SCHEMA["$defs"][block.__name__]["properties"][field].get("enum"), values
    assert {"Deployment", "Pretraining", "Serving"} < {name for name, _ in found}
    assert {place: listed for place, (listed, values) in found.items() if listed != values} == {}


def every(block):
    return [block, *(other for kind in block.__subclasses__() for other in every(kind))]


TEXTS = [
    "100B", "1.3e15", "1_000", "38%", "1/3", " 5 ", "1,000,000", "1 000 000", "1'000", "$3.50", "$ 3", "+5", "-5", ".5", "5.",
    "'5", "1e3K", "5 T", "5  T", "1,5", "1,000", "1.000.000", "0x10", "five", "", "5TT", "٥", "1__0", "_1", "1_", "1/0", "1 / 3",
    "nan", "inf", "1e", "e5", "5%%", "--5", "12,3456", "0,000,000", "1/2/3", "5K%", "1e-3", "1E+5", "5q", "5Q", "5x",
]  # fmt: skip


@pytest.mark.parametrize(
    ("field", "unit"),
    [("law.E", "nat/token"), ("pretraining.mfu", "1"), ("money.train_chip.usd_per_chip_hour", "USD/h")],
)
def test_text_is_read_by_one_grammar(field, unit):
    names = {"law": "ChinchillaLaw", "pretraining": "Pretraining", "money": "Accelerator"}
    declared = SCHEMA["$defs"][names[field.split(".")[0]]]["properties"][field.rpartition(".")[2]]
    check = jsonschema.Draft202012Validator(declared["anyOf"][1])
    for text in TEXTS:
        try:
            value = parse_number(text, unit)
        except ValueError:
            assert not check.is_valid(text), text
        else:
            assert check.is_valid(text) == (value >= 0), text


def test_every_number_says_what_it_is_and_in_which_unit():
    for name, block in SCHEMA["$defs"].items():
        for field, schema in block["properties"].items():
            assert schema.get("description") or field in ("kind", "policy", "precision"), f"{name}.{field}"
            if "unit" in schema:
                unit = "no unit" if schema["unit"] == "1" else schema["unit"]
                assert f"({unit})" in schema["description"]


def test_a_block_has_a_schema_of_its_own():
    block = type(load("lecture-2026").money)
    jsonschema.Draft202012Validator(schema_of(block)).validate({"unit": "usd", "serve_chip": "H100 SXM"})
    assert block.model_json_schema() == schema_of(block)
