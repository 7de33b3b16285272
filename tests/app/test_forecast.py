"""The forecast is edited as a table, goes out and comes in."""

import datetime

import pytest
from streamlit.testing.v1 import AppTest

from optimizer import InputError, load
from optimizer.analysis.plans import monthly_tokens
from optimizer.app.forecast import csv_of, read_upload
from optimizer.app.link import TABLE
from optimizer.assumptions.months import month_after

from .session import MONTHS, SMALL, agrees, opened, run, shown, turned


def table_of(preset: str) -> AppTest:
    at = opened(preset=preset)
    at.session_state["plan_tab"] = "Table and CSV"
    return run(at)


def edit(at: AppTest, **edits: object) -> AppTest:
    at.session_state[at.session_state["forecast"]["key"]] = {
        "edited_rows": {},
        "added_rows": [],
        "deleted_rows": [],
        **edits,
    }
    return run(at)


def test_the_forecast_is_edited_as_a_table():
    at = table_of(SMALL)
    before = monthly_tokens(load(SMALL)).drop(columns="days").to_dict("records")
    edit(at, edited_rows={0: {"output_tokens_per_day": "5T"}})
    first = [{**before[0], "output_tokens_per_day": 5e12}, *before[1:]]
    assert agrees(at, load(SMALL, {"traffic.kind": "table", TABLE: first, **_gone(SMALL)}))
    edit(
        at,
        edited_rows={0: {"output_tokens_per_day": "5T"}, 1: {"input_tokens_per_day": "1e12"}},
        added_rows=[{"month": None, "input_tokens_per_day": "1.2T", "output_tokens_per_day": "0"}],
    )
    rows = at.session_state["question"].scenario.to_dict()["traffic"]["table"]
    assert rows[:2] == [first[0], {**before[1], "input_tokens_per_day": 1e12}]
    assert rows[2:-1] == before[2:]
    assert (rows[-1]["input_tokens_per_day"], rows[-1]["output_tokens_per_day"]) == (1.2e12, 0.0)
    opened_again = opened(**{path.replace(".", "__"): value for path, value in at.query_params.items()})
    assert agrees(opened_again, at.session_state["question"].scenario)
    assert agrees(at, at.session_state["question"].scenario)
    at.button(key="undo").click()
    run(at)
    assert at.session_state["question"].scenario.to_dict()["traffic"]["table"] == first


def _gone(preset: str) -> dict[str, None]:
    growth = load(preset).to_dict()["traffic"]
    return {
        f"traffic.{name}": None
        for name in growth
        if name not in ("kind", "share", "ship_probability", "cache_hit_share")
    }


@pytest.mark.parametrize(
    ("cell", "sentence"),
    [
        ("-5", "must be 0 or more, got -5"),
        ("many", "must be a number"),
        (None, "Row 3, input_tokens_per_day is empty; write tokens/day, 0 for no traffic"),
    ],
)
def test_a_bad_cell_is_reported_and_the_answer_kept(cell, sentence):
    at = table_of(SMALL)
    before = shown(at)
    edit(at, edited_rows={2: {"input_tokens_per_day": cell}})
    assert any(sentence in box.value.replace("\\", "") for box in at.error)
    assert shown(at) == before


def test_months_are_typed_as_people_write_them():
    at = table_of(SMALL)
    before = monthly_tokens(load(SMALL)).drop(columns="days").to_dict("records")
    first = month_name(before[0]["month"])
    new = {"input_tokens_per_day": "1,000,000", "output_tokens_per_day": "5T"}
    edit(at, edited_rows={0: {"month": first, "output_tokens_per_day": "5T"}}, added_rows=[{"month": None, **new}])
    rows = at.session_state["question"].scenario.to_dict()["traffic"]["table"]
    assert rows[0]["month"] == before[0]["month"]
    assert rows[-1] == {
        "month": month_after(before[-1]["month"], 1),
        "input_tokens_per_day": 1e6,
        "output_tokens_per_day": 5e12,
    }
    found = shown(at)
    edit(at, edited_rows={0: {"month": "5/26", "input_tokens_per_day": "50%"}, 1: {"month": "\0"}})
    said = at.error[0].value.replace("\\", "")
    assert "Row 1, month must look like 2026-05, got '5/26'" in said
    assert "Row 1, input_tokens_per_day must be a number in tokens/day, got '50%'" in said
    assert "Row 2, month must look like 2026-05" in said
    assert shown(at) == found


def month_name(month: str) -> str:
    return f"{datetime.date.fromisoformat(f'{month}-01'):%B %Y}"


def test_edits_survive_a_visit_to_another_page():
    at = table_of(SMALL)
    edit(at, edited_rows={0: {"output_tokens_per_day": "5T"}})
    found = shown(at)
    turned(at, "sources")
    run(at)
    turned(at, "plan")
    run(at)
    assert shown(at) == found
    assert at.data_editor[0].value.loc[0, "output_tokens_per_day"] == "5T"


def test_a_forecast_goes_out_and_comes_in_as_csv():
    assert read_upload(csv_of(MONTHS).encode(), "my.csv").rows == MONTHS
    with pytest.raises(InputError, match=r"^my.csv row 2 column month must look like"):
        read_upload(b"month,input_tokens_per_day,output_tokens_per_day\nMay,1,2\n", "my.csv")
    with pytest.raises(InputError, match="more than 1,000,000 bytes"):
        read_upload(b"0" * 1_000_001, "my.csv")


def test_the_months_sum_to_the_forecast():
    for preset in (SMALL, "frontier-moe-chat"):
        s = load(preset)
        months = monthly_tokens(s)
        for column, stated in zip(("input_tokens_per_day", "output_tokens_per_day"), s.traffic.stated(), strict=True):
            assert (months["days"] * months[column]).sum() == pytest.approx(float(stated), rel=1e-12)
