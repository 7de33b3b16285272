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
        ("1Q", 1e15),
        ("1.5E+12", 1.5e12),
        ("+5", 5.0),
        ("\N{MINUS SIGN}5", -5.0),
        ("1,000,000", 1e6),
        ("1,234.5", 1234.5),
        ("1 000 000", 1e6),
        ("1\N{NO-BREAK SPACE}000\N{NO-BREAK SPACE}000.25", 1000000.25),
        ("1\N{NARROW NO-BREAK SPACE}000", 1000.0),
        ("12\N{THIN SPACE}500 B", 12.5e12),
        ("1'000'000", 1e6),
        ("1\N{RIGHT SINGLE QUOTATION MARK}000", 1000.0),
        ("'5e11", 5e11),
        ("\ufeff7B \t", 7e9),
        ("17.4 %", 0.174),
        ("0e-999", 0.0),
        ("1" + "0" * 300, 1e300),
    ],
)
def test_parsing_rounds_once(text, value):
    if value is None:
        with pytest.raises(ValueError, match="must be a number"):
            parse_number(text)
    else:
        assert parse_number(text) == value


@pytest.mark.parametrize(
    "bad", ["", "B", "1e", "1,000", "0x10", "1..2", "12X", "one", "--1", "1/0", None, True, [1], "1e5 tokens"]
)
def test_what_is_no_number(bad):
    with pytest.raises(ValueError, match="must be a number"):
        parse_number(bad)


@pytest.mark.parametrize(
    "bad",
    [
        "e5", "E", "+", ".e5", "1__000", "1_", "_1", "1_.5", "1._5", "1 00", "1 0000", "1,00,000", "1,000 000", "0,000,000",
        "\N{ARABIC-INDIC DIGIT ONE}\N{ARABIC-INDIC DIGIT TWO}", "\N{FULLWIDTH DIGIT FIVE}", "1\N{SUPERSCRIPT TWO}",
        "5\N{KELVIN SIGN}", "9" * 5000, "1e5e5", "--5", "5%%", "''5", "1/2/3", "1\x00",
    ],
)  # fmt: skip
def test_what_is_nearly_a_number(bad):
    with pytest.raises(ValueError, match="must be a number, got") as caught:
        parse_number(bad)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("text", "how"),
    [
        ("1,5", "write 1.5$"),
        ("-0,25 %", "write -0.25 %$"),
        ("1,000", "write 1.000 or 1000$"),
        ("2,000T", "write 2.000T or 2000T$"),
        ("1.000.000", "write 1000000 or 1_000_000$"),
        ("1.000.000,5", "write 1000000.5$"),
        ("1 000,5", "write 1000.5$"),
    ],
)
def test_two_meanings_are_refused_with_both_ways_to_write_them(text, how):
    with pytest.raises(ValueError, match=how):
        parse_number(text)


def test_percent_and_currency_need_their_unit():
    for unit in ("1", "1/month", None):
        assert parse_number("50%", unit) == 0.5
    assert parse_number("$3.50", "USD/h") == parse_number("$ 3.50 ", "USD/h") == 3.5
    for unit in ("tokens", "USD/h", "parameters", "months"):
        with pytest.raises(ValueError, match=f"must be a number in {unit}, got '50%'; .* write the amount in {unit}"):
            parse_number("50%", unit)
    for unit in ("tokens", "1", "FLOP or USD, as money.unit", None):
        with pytest.raises(ValueError, match=r"must be a number, got '\$5'; a dollar sign is for prices in USD"):
            parse_number("$5", unit)


@pytest.mark.parametrize("tiny", ["1e-400", "0.1e-400", "1e-99999999999", "-1e-999%"])
def test_what_would_become_nothing(tiny):
    with pytest.raises(ValueError, match=r"write 0 where you mean none"):
        parse_number(tiny)


@pytest.mark.parametrize(
    "bad",
    [
        "nan",
        "inf",
        "-Infinity",
        "1e999",
        "1e99999999999",
        math.nan,
        math.inf,
        10**400,
        pytest.param(-(10**9999), id="thousands of digits"),
    ],
)
def test_what_is_not_finite(bad):
    with pytest.raises(ValueError, match="must be a finite number"):
        parse_number(bad)


@given(st.floats(min_value=1e-3, max_value=1e17))
def test_human_keeps_four_digits_and_can_be_read_back(value):
    text = human(value)
    assert parse_number(text) == pytest.approx(value, rel=6e-4)
    assert len(text) <= 9


@given(st.floats(-1e308, 1e308, allow_subnormal=False), st.integers(1, 17))
def test_what_is_printed_is_read_as_the_rounded_number(value, digits):
    assert parse_number(human(value, digits)) == float(f"{value:.{digits}g}")


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
        (2e15, "2000T"),
        (9.9994e16, "99990T"),
        (9.9996e16, "1e17"),
        (3e-7, "3e-7"),
        (999.94e9, "999.9B"),
    ],
)
def test_human_at_its_edges(value, text):
    assert human(value) == text


def test_percent():
    assert percent(0.17447) == "17.4 %"
    assert percent(1e-5) == "0.001 %"
