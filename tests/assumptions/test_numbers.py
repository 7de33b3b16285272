import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.assumptions.numbers import human, parse_number, percent


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("100B", 100e9),
        ("150T", 150e12),
        ("1.3e15", 1.3e15),
        ("1_000", 1000.0),
        (" 7 B ", 7e9),
        ("0.5k", 500.0),
        ("2P", 2e15),
        ("38%", 0.38),
        ("1/3", 1 / 3),
        ("-2/4", -0.5),
        (".5", 0.5),
        ("5.", None),
        (7, 7.0),
        ("1.3T", 1.3e12),
        ("0.7B", 0.7e9),
        ("4.35G", 4.35e9),
    ],
)
def test_parsing_rounds_once(text, value):
    if value is None:
        with pytest.raises(ValueError, match="must be a number"):
            parse_number(text)
    else:
        assert parse_number(text) == value


@pytest.mark.parametrize(
    "bad", ["", "B", "1e", "1,000", "0x10", "1..2", "12Q", "one", "--1", "1/0", None, True, [1], "1e5 tokens"]
)
def test_what_is_no_number(bad):
    with pytest.raises(ValueError, match="must be a number"):
        parse_number(bad)


@pytest.mark.parametrize("bad", ["nan", "inf", "-Infinity", "1e999", math.nan, math.inf, 10**400])
def test_what_is_not_finite(bad):
    with pytest.raises(ValueError, match="must be a finite number"):
        parse_number(bad)


@given(st.floats(min_value=1e-3, max_value=1e17))
def test_human_keeps_four_digits_and_can_be_read_back(value):
    text = human(value)
    assert parse_number(text) == pytest.approx(value, rel=6e-4)
    assert len(text) <= 9


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_what_python_prints_is_read_exactly(value):
    assert parse_number(repr(value)) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (999.96, "1K"),
        (1e3, "1K"),
        (1.2345e22, "1.234e22"),
        (-5e12, "-5T"),
        (1e18, "1e18"),
        (3e-7, "3e-7"),
        (999.94e9, "999.9B"),
    ],
)
def test_human_at_its_edges(value, text):
    assert human(value) == text


def test_percent():
    assert percent(0.17447) == "17.4 %"
    assert percent(1e-5) == "0.001 %"
