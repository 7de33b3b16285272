"""Numbers, blocks and nothing at all, typed after --set and --over, in TOML, links and tables: one grammar, the same sentences."""

import pandas as pd
import pytest

from optimizer import InputError, Scenario, load
from optimizer.assumptions.paths import declaration
from optimizer.assumptions.quantity import Assumption, blocks_in
from optimizer.assumptions.toml import plain_toml
from optimizer.assumptions.typed import axes_given, changes_given
from optimizer.optimum.batch import solve_batch

from .links import scenario_of
from .test_bad_input import refused, run

OUTPUT = "traffic.output_tokens"
WRONG = {
    "an exponent alone": ("e5", "must be a number, got 'e5'"),
    "digits of another script": ("\u0661\u0662", "digits are 0 to 9"),
    "two underscores": ("1__000", "must be a number, got '1__000'"),
    "an underscore behind": ("1_", "must be a number, got '1_'"),
    "a percent sign on a count": ("50%", "must be a number in tokens, got '50%'; a percent sign is for shares and rates"),
    "dollars for tokens": ("$5", "a dollar sign is for prices in USD: write the amount in tokens"),
    "a decimal comma": ("1,5", "a comma means decimals to some and thousands to others: write 1.5"),
    "points between thousands": ("1.000.000", "write 1000000 or 1_000_000"),
    "digits without end": ("9" * 5000, "of 5,000 characters"),
    "too small": ("1e-400", "must be 0 or larger than 1e-323, got '1e-400'"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_a_number_is_refused_alike_wherever_it_stands(case):
    text, sentence = WRONG[case]
    refused(["solve", "--set", f"{OUTPUT}={text}"], f"{OUTPUT} ", sentence)
    ways = {
        "library": lambda: load("lecture-2026", {OUTPUT: text}),
        "TOML": lambda: Scenario.from_toml(load("lecture-2026").to_toml().replace("2e14", repr(text)).replace("200000000000000.0", repr(text))),
        "link": lambda: scenario_of({"preset": "lecture-2026", OUTPUT: text}),
        "column of text": lambda: solve_batch(load("lecture-2026"), pd.DataFrame({OUTPUT: [text]})),
        "row of a table": lambda: load("lecture-2026", {"traffic": {"kind": "table", "table": [
            {"month": "2026-01", "input_tokens_per_day": 1, "output_tokens_per_day": text}]}}),
    }  # fmt: skip
    for way in ways.values():
        with pytest.raises(InputError) as caught:
            way()
        assert sentence.replace(" in tokens", " in tokens") in str(caught.value).replace("tokens/day", "tokens")


def test_a_percent_sign_goes_by_the_declared_unit_of_every_number():
    def quantities(block: type[Assumption], prefix: str = ""):
        for name, info in block.model_fields.items():
            if (declared := block.quantity(name)) is not None:
                yield block, name, declared.unit
            for inner in blocks_in(info.annotation):
                yield from quantities(inner, f"{prefix}{name}.")

    seen = set()
    for block, name, unit in quantities(Scenario):
        reader = next(m for m in block.model_fields[name].metadata if hasattr(m, "func"))
        seen.add(unit)
        if unit in ("1", "1/month", "1/year"):
            assert reader.func("50%") == 0.5
        else:
            with pytest.raises(ValueError, match="write the amount in"):
                reader.func("50%")
    assert {"tokens", "1", "1/month", "1/year", "USD/h", "chips"} <= seen


def test_int_of_thousands_of_digits(tmp_path):
    path = tmp_path / "scenario.toml"
    path.write_text(load("lecture-2026").to_toml() + "\n[limits]\nmax_params = " + "9" * 5000)
    refused(["solve", str(path)], "is not valid TOML: it has a whole number of thousands of digits.")
    with pytest.raises(InputError, match="must be a finite number, got a number of thousands of digits"):
        load("lecture-2026", {OUTPUT: 10**5000})


def test_nothing_is_no_value():
    refused(
        ["solve", "--set", f"{OUTPUT}="], f"--set {OUTPUT}= has no value; give one, or {OUTPUT}=none to leave it out."
    )
    refused(["table", "--over", f"{OUTPUT}=1T,,2T"], f"--over {OUTPUT}: '1T,,2T' has an empty value")
    refused(["solve", "--set", f"{OUTPUT}=none"], f"{OUTPUT} is missing")
    found = changes_given(
        ["limits.max_params=none", "rl.policy=none", "deployment.cache_tier=none", "law.name=none"], []
    )
    assert found == {"limits.max_params": None, "rl.policy": "none", "deployment.cache_tier": None, "law.name": None}


def test_blocks_are_typed_alike_after_set_and_over():
    block = '{policy="ratio", ratio="10%"}'
    problems: list[str] = []
    assert [changes_given([f"rl={block}"], problems)["rl"]] == axes_given([f"rl={block}"])["rl"]
    assert problems == []
    assert load("lecture-2026", changes_given([f"rl={block}"], [])).rl.ratio == 0.1
    assert changes_given(['law="hoffmann"'], []) == {"law": "hoffmann"}


DEEP = "{a=" * 3000 + "1" + "}" * 3000
BLOCKS = {
    "open": '{policy="none"',
    "two": '{policy="none"},{policy="none"}',
    "more than a value": "[1]\nother = [2]",
    "deep": DEEP,
    "deep lists": "[" * 3000 + "]" * 3000,
    "a long name": "{" + "a." * 50_000 + "a=1}",
    "thousands of digits": "[" + "9" * 5000 + "]",
}


@pytest.mark.parametrize("case", BLOCKS)
def test_blocks_that_cannot_be_read(case):
    refused(["solve", "--set", f"rl={BLOCKS[case]}"], "--set rl: ", "is not TOML")
    if case != "two":
        refused(["table", "--over", f"rl={BLOCKS[case]}"], "--over rl: ", "is not TOML")


@pytest.mark.parametrize(
    "text",
    [
        ".".join(["a"] * 50_000) + "=1",
        '"a" . ' * 50_000 + "b=1",
        "[" + "a." * 50_000 + "b]",
        "x={" + "'a'." * 50_000 + "b=1}",
    ],
)
def test_a_name_of_a_hundred_kilobytes_is_refused_before_it_is_parsed(text, monkeypatch):
    monkeypatch.setattr("tomllib.loads", lambda _: pytest.fail("it was parsed"))
    with pytest.raises(ValueError, match="a name has more than 20 parts"):
        plain_toml(text)


def test_what_only_looks_deep_is_read():
    text = 'description = "' + "1.2." * 100 + '"\n[sources]\n"traffic.table" = "' + "a" * 100_000 + '"\n'
    assert plain_toml(text)["description"] == "1.2." * 100
    nested = "x = " + "[" * 19 + "]" * 19
    assert "x" in plain_toml(nested)
    with pytest.raises(ValueError, match="more than 20 levels"):
        plain_toml("x = " + "[" * 40 + "]" * 40)


def test_a_long_path_is_not_printed_in_full():
    for option in ("--set", "--over"):
        code, _, err = run("table", option, "a." * 50_000 + "a=1")
        assert code == 2
        assert len(err) < 400
        assert "100,001 characters" in err


def test_declarations():
    assert declaration(Scenario, "traffic.table[2].input_tokens_per_day").unit == "tokens/day"
    assert declaration(Scenario, "law") is None


@pytest.mark.parametrize("text", ["1,000,000", "50,200", "8B,1,000"])
def test_thousands_among_values_are_not_taken_apart(text):
    sentence = "could be one number with thousands or several: write"
    refused(["table", "--over", f"{OUTPUT}={text}"], f"--over {OUTPUT}: ", sentence)
    refused(["table", "--inverse", "--sizes", text], "--sizes ", sentence)
    assert axes_given([f"{OUTPUT}=50, 200, 1_000, 1000,2000"])[OUTPUT] == ["50", "200", "1_000", "1000", "2000"]
