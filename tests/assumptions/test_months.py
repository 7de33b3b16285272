import datetime

import pytest

from optimizer import InputError, load
from optimizer.assumptions.months import date_of, month_of

MAY = [
    "2026-05", "2026-5", "2026/05", "2026/5", "2026.05", "05.2026", "5.2026", "05/2026", "05-2026", "May 2026", "may 2026", "MAY-2026",
    "May, 2026", "2026 May", "May-26", "May '26", "2026-05-01", "2026/5/1", "2026-05-01 00:00:00", "2026-05-01T00:00:00Z", " '2026-05 ", "\ufeff2026-05",
    datetime.date(2026, 5, 1), datetime.datetime(2026, 5, 1),
]  # fmt: skip
NOT = [
    "", "May", "2026", "2026-13", "2026-00", "05/26", "2026-05-17", "01/05/2026", "202605", "5 May 2026", "Maj 2026", "26-05",
    "2026-05-01 12:00", "2026-02-31", "\u0662\u0660\u0662\u0666-05", "0026-05", 202605, None, "2026-05" * 1000, "2026-05\x00", True,
    datetime.date(2026, 5, 17),
]  # fmt: skip


@pytest.mark.parametrize("written", MAY, ids=str)
def test_ways_to_write_a_month(written):
    assert month_of(written) == "2026-05"


@pytest.mark.parametrize("month", range(1, 13))
def test_every_name_of_a_month(month):
    day = datetime.date(2026, month, 1)
    assert month_of(f"{day:%B %Y}") == month_of(f"{day:%b %Y}") == month_of(f"{day:%b. %Y}") == f"2026-{month:02d}"


@pytest.mark.parametrize("written", NOT, ids=lambda v: repr(v)[:20])
def test_what_is_no_month(written):
    with pytest.raises(ValueError, match="must look like 2026-05, got") as caught:
        month_of(written)
    assert len(str(caught.value)) < 250


def test_days():
    assert date_of("2026-05-17") == date_of("2026/5/17 00:00:00") == datetime.date(2026, 5, 17)
    for bad in ("17/05/2026", "2026-05", "2026-02-30", ""):
        with pytest.raises(ValueError, match="must look like 2026-05-31, got"):
            date_of(bad)


def test_months_of_a_scenario_are_read_alike():
    table = [{"month": m, "input_tokens_per_day": 1, "output_tokens_per_day": 1} for m in ("May 2026", "06/2026")]
    found = load("lecture-2026", {"traffic": {"kind": "table", "table": table}})
    assert [m.month for m in found.traffic.table] == ["2026-05", "2026-06"]
    growth = {"traffic.kind": "growth", "traffic.tokens_per_day": "1T"}
    assert load("lecture-2026", {**growth, "traffic.start": "2026-5"}).traffic.start == "2026-05"
    with pytest.raises(
        InputError, match=r"traffic.start must look like 2026-05, got '05/26'; write 2026-05 or May 2026"
    ):
        load("lecture-2026", {**growth, "traffic.start": "05/26"})
