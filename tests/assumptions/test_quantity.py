import re
from dataclasses import astuple
from pathlib import Path

import jax
import numpy as np
import pint
import pytest
from annotated_types import Ge, Gt, Le, Lt

import optimizer
from optimizer import Scenario, load, presets
from optimizer.assumptions.numbers import parse_number
from optimizer.assumptions.quantity import Assumption, label, quantity
from optimizer.assumptions.validation import allowed

REGISTRY = pint.UnitRegistry()
REGISTRY.define("FLOP = [computation]")
REGISTRY.define("USD = [money]")
REGISTRY.define("token = [token] = tokens")
REGISTRY.define("parameter = [parameter] = parameters")
REGISTRY.define("nat_ = [information_of_text]")
REGISTRY.define("chip = [chip] = chips")
REGISTRY.define("expert = [expert] = experts")
REGISTRY.define("epoch = [epoch] = epochs")
for counted in ("weight", "sequence", "stage", "layer"):
    REGISTRY.define(f"{counted} = [{counted}] = _ = {counted}s")


class Inner(Assumption):
    x: float = quantity("1", "a number", gt=0, le=1, default=0.5)
    y: float | None = quantity("tokens", "another", default=None)
    name: str = label("a name")


class Outer(Assumption):
    inner: Inner = Inner()
    choice: str = "a"
    many: tuple[Inner, ...] = ()


def test_floats_are_leaves_text_is_static_and_labels_are_neither():
    outer = Outer(inner=Inner(x=0.25, y=3, name="it"), many=(Inner(), Inner(y=1.0)))
    leaves, tree = jax.tree.flatten(outer)
    assert leaves == [0.25, 3.0, 0.5, 0.5, 1.0]
    again = jax.tree.unflatten(tree, leaves)
    assert again.inner.name == ""
    assert again.inner.x == 0.25
    assert tree == jax.tree.structure(Outer(inner=Inner(x=0.1, y=9, name="else"), many=(Inner(), Inner(y=2.0))))
    assert tree != jax.tree.structure(Outer(inner=Inner(x=0.1, y=9), choice="b", many=(Inner(), Inner(y=2.0))))


def test_transformations_pass_unchecked():
    f = jax.jit(lambda o: o.inner.x * 10)
    assert float(f(Outer(inner=Inner(x=0.5)))) == 5
    gradient = jax.grad(f)(Outer(inner=Inner(x=0.5)))
    assert isinstance(gradient, Outer)
    assert float(gradient.inner.x) == 10
    batch = jax.tree.map(lambda v: np.array([v, -v]), Outer())
    assert jax.vmap(f)(batch).tolist() == [5, -5]


def test_values_keep_still():
    with pytest.raises(ValueError, match="frozen"):
        Inner().x = 0.1  # type: ignore[misc]


@pytest.mark.parametrize("name", presets())
def test_dotted_paths_are_the_leaves_of_the_tree(name):
    s = load(name)
    paths = [path for path, _, _ in s.quantities()]
    assert len(set(paths)) == len(paths)
    assert [value for _, _, value in s.quantities()] == jax.tree.leaves(s)


def every_block(block: type[Assumption]) -> set[type[Assumption]]:
    from optimizer.assumptions.quantity import blocks_in

    found = {block}
    for info in block.model_fields.values():
        for inner in blocks_in(info.annotation):
            found |= every_block(inner)
    return found


def within(metadata: list[object], value: float) -> bool:
    tests = {
        Gt: lambda b: value > b.gt,
        Ge: lambda b: value >= b.ge,
        Lt: lambda b: value < b.lt,
        Le: lambda b: value <= b.le,
    }
    return all(tests[type(bound)](bound) for bound in metadata if type(bound) in tests)


def test_every_number_is_declared_with_unit_meaning_and_a_range_that_its_bounds_allow():
    blocks = every_block(Scenario)
    assert len(blocks) > 18
    for block in blocks:
        for name in block.model_fields:
            declared = block.quantity(name)
            if declared is None:
                continue
            assert declared.about, f"{block.__name__}.{name}"
            unit = declared.unit.split(",")[0].split(" or ")[0].replace("nat/", "nat_/")
            assert REGISTRY.Unit(unit) is not None
            if declared.low is not None:
                assert declared.high is not None
                assert declared.low < declared.high
                for end in (declared.low, declared.high):
                    assert within(block.model_fields[name].metadata, end), f"{block.__name__}.{name}: {end}"


def test_defaults_lie_in_their_plausible_range():
    for block in every_block(Scenario):
        for name, info in block.model_fields.items():
            declared = block.quantity(name)
            if declared and declared.low is not None and isinstance(info.default, float):
                assert declared.low <= info.default <= declared.high, f"{block.__name__}.{name}"


def test_uncertain_numbers_are_factors_within_their_bounds():
    found = [
        (f"{block.__name__}.{name}", declared, info)
        for block in every_block(Scenario)
        for name, info in block.model_fields.items()
        if (declared := block.quantity(name)) and declared.uncertain
    ]
    assert len(found) > 20
    for path, declared, info in found:
        assert 1 < declared.uncertain <= 3, path
        assert not path.endswith(("Goal.loss", "share")) or path.startswith("Deployment"), path
        assert declared.around(0.0) == (0.0, 0.0)
        for value in (1e-3, 0.9, 1.0):
            if within(info.metadata, value):
                assert all(within(info.metadata, end) for end in declared.around(value)), path


def test_bounds_in_words():
    assert allowed(Inner, "x") == "more than 0 and at most 1"
    assert allowed(Inner, "y") == "a finite number"


def test_the_words_of_every_bound_mean_the_bound():
    means = {"more than": Gt, "or more": Ge, "less than": Lt, "at most": Le}
    read = re.compile(r"(?P<word>more than|less than|at most) (?P<n>\S+)|(?P<m>\S+) (?P<more>or more)")
    seen = set[str]()
    for block in sorted(every_block(Scenario), key=lambda b: b.__name__):
        for name, info in block.model_fields.items():
            bounds = [b for b in info.metadata if isinstance(b, (Gt, Ge, Lt, Le))]
            if block.quantity(name) is None:
                continue
            words = allowed(block, name)
            between = re.fullmatch(r"between (\S+) and (\S+)", words)
            if between:
                said = {(Ge, parse_number(between[1])), (Le, parse_number(between[2]))}
            else:
                said = {(means[m["word"] or m["more"]], parse_number(m["n"] or m["m"])) for m in read.finditer(words)}
            declared = {(type(b), float(astuple(b)[0])) for b in bounds}
            assert said == declared, (block.__name__, name, words)
            seen |= {kind.__name__ for kind, _ in said}
    assert seen == {"Gt", "Ge", "Lt", "Le"}


def test_no_sentence_has_bounds_in_brackets():
    for path in Path(optimizer.__file__).parent.rglob("*.py"):
        assert "must lie in" not in path.read_text(), path


def test_units_of_the_cost_multiply_out():
    # 6 FLOP per parameter and token x parameters x tokens; USD/h over s/h x FLOP/s.
    u = REGISTRY
    flops = 6 * u("FLOP/parameter/token") * 1e9 * u.parameter * 1e12 * u.token
    assert flops.check("[computation]")
    price = 2.29 * u("USD/hour") / (3600 * u("s/hour") * 9.89e14 * u("FLOP/s") * 0.4)
    assert (flops * price).check("[money]")
    from optimizer.model.cost import usd_per_flop

    chip = load("frontier-moe-chat").money.train_chip
    assert usd_per_flop(chip, 0.4) == pytest.approx(price.to("USD/FLOP").magnitude, rel=1e-12)
