"""Every number of the serving step carries its declared unit through the formulas."""

import re
import subprocess
import sys

from optimizer.model.outputs import _BY_COLUMN, units_of, with_unit

UNITS_ON_THE_TREE = """
import math
import pint
from optimizer import load
from optimizer.model import roofline
from optimizer.model import replica, step

unit = pint.UnitRegistry()
unit.define("flop = [work]")
unit.define("usd = [money]")
NAMED = {
    "1": "", "chips": "", "stages": "", "tokens": "", "experts": "", "sequences": "", "layers": "", "parameters": "",
    "bytes": "byte", "bytes/token": "byte", "bytes/s": "byte/s", "s": "s", "tokens/s": "1/s", "FLOP": "flop", "FLOP/s": "flop/s", "USD/h": "usd/hour", "W": "W",
}


class Plain:
    inf, minimum, maximum = math.inf, min, max
    where = staticmethod(lambda test, yes, no: yes if test else no)
    sqrt = staticmethod(lambda x: x**0.5)
    log1p = staticmethod(lambda x: math.log1p(float(x)))
    expm1 = staticmethod(lambda x: math.expm1(float(x)))
    # float() of a quantity with a unit raises: what is raised to a power that varies has none.
    log = staticmethod(lambda x: math.log(float(x)))
    exp = staticmethod(lambda x: math.exp(float(x)))


def with_units(block):
    fields = {name: getattr(block, name) for name in type(block).model_fields}
    for name, value in fields.items():
        declared = block.quantity(name)
        if declared is not None and value is not None:
            fields[name] = unit.Quantity(value, NAMED[declared.unit])
    return type(block).model_construct(**fields)


roofline.jnp = replica.jnp = step.jnp = Plain
replica.ACTIVATION_BYTES = 2 * unit.byte
import optimizer.assumptions.deployment as deployment
deployment.jnp = Plain
deployment.WEIGHT_BYTES = {"fp8": 1 * unit.byte}
replica.SECONDS_PER_HOUR = 3600 * unit.second / unit.hour

s = load("frontier-moe-rack")
d, chip = with_units(s.deployment), with_units(s.money.serve_chip)
for changes in ({}, {"parallelism": "tensor", "chips": unit.Quantity(8, "")}, {"pipeline_stages": unit.Quantity(4, "")}):
    r = replica.replica_of(d.model_copy(update=changes), chip, unit.Quantity(3e10, ""), 2 * unit.flop)
    parts = step.step_time(r, unit.Quantity(64, ""))
    for part in (*parts, step.prompt_seconds(r)):
        assert part.check("[time]"), part
    assert replica.memory_batch(r).check("[]")
    assert r.usd_per_second.check("[money]/[time]")
    assert (r.usd_per_second * parts.memory).check("[money]")
assert replica.drain_seconds(chip).check("[time]")
mixed = r._replace(kv_read_bytes=r.kv_read_bytes * unit.second)
try:
    step.step_time(mixed, unit.Quantity(64, ""))
except pint.DimensionalityError:
    print("units hold")
"""


def test_units_hold_with_pint_on_the_tree():
    """Every field carries its declared unit through the formulas; a wrong unit is noticed. Without the type checks, which know no pint."""
    done = subprocess.run([sys.executable, "-c", UNITS_ON_THE_TREE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "units hold"


def test_the_unit_of_a_heading_is_a_word_of_it():
    # "s" is a letter of "time of a request", and no unit there.
    units = units_of(_BY_COLUMN, "USD")
    assert len(units) > 80
    for column, unit in units.items():
        words = re.split(r"[\s()]+", with_unit(column, unit))
        assert unit in ("1", "") or unit in words or f"({unit})" in with_unit(column, unit), column
    assert with_unit("request_seconds", "s") == "time of a request (s)"
    assert with_unit("train_tokens", "tokens") == "training tokens D*"
