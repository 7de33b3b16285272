"""Files in and out, refused questions and long work, in a real browser."""

import io
import json
import re

import numpy as np
import openpyxl
import pandas as pd
from playwright.sync_api import Page, expect

from optimizer import load, size_table, solve
from optimizer.analysis.sobol import factors
from optimizer.app.forecast import csv_of
from optimizer.app.link import TABLE
from optimizer.app.pages.sensitivity import SOBOL_SIZES
from optimizer.assumptions.differences import same
from optimizer.assumptions.naming import worded

from ..app.session import MONTHS, SMALL, expected
from .running import metrics, settled
from .test_plan import HOME, downloaded, linked, shows, typed

LECTURE = "lecture-2026"


def unfolded(page: Page, group: str) -> None:
    """Open a group of the sidebar or of the page."""
    page.locator(f".st-key-open-{group} summary").click()
    settled(page)


def given(page: Page, where: str, name: str, content: bytes, kind: str) -> None:
    page.locator(f".st-key-{where} input[type=file]").set_input_files(
        {"name": name, "mimeType": kind, "buffer": content}
    )


def warns(page: Page, words: str) -> None:
    page.get_by_test_id("stAlert").filter(has_text=re.compile(words)).first.wait_for()


def test_an_impossible_question_says_why_and_greys_the_last_answer(visit):
    page = visit(HOME)
    wanted = expected(load(LECTURE))
    shows(page, wanted)
    unfolded(page, "limits")
    typed(page, ".st-key-text-limits-max_params input", "1B")
    best = solve(load(LECTURE, {"limits.max_params": "1B"}), throw=False)
    warns(page, re.escape(worded(best.message)))
    expect(page.locator(".st-key-stale")).to_have_css("opacity", "0.4")
    shows(page, wanted)
    grey = page.evaluate(
        "() => [...document.querySelectorAll('[data-testid=stMetric], [data-testid=stVegaLiteChart]')].map(m => !!m.closest('[class*=st-key-stale]'))"
    )
    assert len(grey) >= len(metrics(page)) + 2 > 7
    assert all(grey)
    page.locator(".st-key-undo button").click()
    expect(page.locator(".st-key-stale")).to_have_count(0)
    shows(page, wanted)
    page.wait_for_url(lambda url: "limits" not in url)


def test_undo_and_reset_lead_back_in_the_address_too(visit):
    page = visit(HOME)
    shows(page, expected(load(LECTURE)))
    for tokens in ("300T", "400T"):
        typed(page, ".st-key-text-traffic-output_tokens input", tokens)
        shows(page, expected(load(LECTURE, {"traffic.output_tokens": tokens})))
        settled(page)
    page.get_by_text("1 value differs from the preset, marked ●: traffic.").wait_for()
    page.locator(".st-key-undo button").click()
    shows(page, expected(load(LECTURE, {"traffic.output_tokens": "300T"})))
    settled(page)
    page.locator(".st-key-reset-traffic-output_tokens button").first.click()
    shows(page, expected(load(LECTURE)))
    page.wait_for_url(lambda url: "output_tokens" not in url)
    assert same(linked(page), load(LECTURE))


def test_a_scenario_file_is_read_and_a_hostile_one_is_refused(visit):
    page = visit(HOME)
    shows(page, expected(load(LECTURE)))
    unfolded(page, "file")
    changed = load(SMALL, {"traffic.growth": 0.08})
    given(page, "scenario_toml", "mine.toml", changed.to_toml().encode(), "application/toml")
    shows(page, expected(changed))
    page.wait_for_url("**/*goal*")
    assert same(linked(page), changed)
    for content, words in (
        (b"law = [", "not valid TOML"),
        (b'[traffic]\nkind = "table"\nfile = "/etc/passwd"\n', "does not read"),
        (b"[pretraining]\nmfu = 38\n", r"must be more than 0 and at most 1"),
    ):
        given(page, "scenario_toml", "bad.toml", content, "application/toml")
        warns(page, words)
        shows(page, expected(changed))
    given(page, "scenario_toml", "large.toml", b"#" * 2_000_000, "application/toml")
    page.get_by_text(re.compile("must be 1(.0)?MB or smaller")).first.wait_for()
    shows(page, expected(changed))


def test_a_forecast_comes_in_as_csv_and_goes_out_the_same(visit):
    page = visit(f"/?preset={SMALL}")
    shows(page, expected(load(SMALL)))
    page.get_by_role("radio", name="Table and CSV").click()
    given(page, "traffic_csv", "traffic.csv", csv_of(MONTHS).encode(), "text/csv")
    wanted = load(SMALL).update({"traffic.kind": "table", TABLE: MONTHS})
    shows(page, expected(wanted))
    with page.expect_download() as out:
        page.get_by_role("button", name="Forecast as CSV").click()
    assert out.value.path().read_text() == csv_of(MONTHS)
    given(page, "traffic_csv", "bad.csv", b'month,input_tokens_per_day,output_tokens_per_day\n"=1+1",1,2\n', "text/csv")
    warns(page, "bad.csv row 2 column month")
    shows(page, expected(wanted))


def test_the_size_table_leaves_as_the_library_makes_it(visit):
    page = visit("/tables?preset=lecture-2026")
    page.get_by_role("button", name="Parquet").wait_for()
    table = size_table(load(LECTURE))
    for kind, read in (
        ("csv", lambda content: pd.read_csv(io.BytesIO(content), comment="#")),
        ("parquet", lambda content: pd.read_parquet(io.BytesIO(content))),
        ("xlsx", None),
        ("md", None),
        ("tex", None),
        ("json", None),
    ):
        name, content = downloaded(page, f".st-key-{kind}-model-sizes")
        assert name == f"model-sizes.{kind}"
        if read is not None:
            found = read(content)
            assert len(found) == len(table)
            for column in ("n_params", "train_tokens", "cost_total", "savings"):
                np.testing.assert_array_equal(found[column].to_numpy(float), table[column].to_numpy(float))
        elif kind == "xlsx":
            book = openpyxl.load_workbook(io.BytesIO(content))
            names, _units, *rows = book["table"].iter_rows(values_only=True)
            held = pd.DataFrame(rows, columns=[*names])
            stored = [float(f"{n:.16g}") for n in table["n_params"]]  # a workbook keeps 16 digits
            assert held["n_params"].tolist() == stored
        elif kind == "json":
            assert repr(float(table["n_params"].iloc[0])) in json.dumps(json.loads(content))
        else:
            assert b"muennighoff" in content


def test_long_work_is_asked_for_shows_its_progress_and_can_be_stopped(visit):
    page = visit("/uncertainty?preset=lecture-2026")
    page.get_by_text("Sobol indices").click()
    settled(page)
    slider = page.locator(".st-key-sobol_samples input[type=range]")
    slider.focus()
    slider.press("End")
    optima = (len(factors(load(LECTURE)).factors) + 2) * SOBOL_SIZES[-1]
    page.get_by_text(f"= {optima:,} optima").wait_for()
    settled(page)
    assert not page.get_by_test_id("stProgress").count(), "nothing runs before it is asked for"
    page.get_by_role("button", name="Calculate").click()
    page.get_by_text("Solving ...").wait_for()
    page.get_by_role("button", name="Stop", exact=True).click()
    settled(page)
    page.get_by_role("button", name="Calculate").wait_for()
    assert page.locator("[data-testid=stException], [data-testid=stVegaLiteChart]").count() == 0
    page.get_by_text("Elasticities").click()
    page.locator("[data-testid=stVegaLiteChart] svg path").first.wait_for()


def test_what_compiles_is_left_at_once_and_taken_up_again(visit):
    """JAX compiles the derivatives of a roofline for some seconds, which nothing can interrupt; the page does not wait for it."""
    page = visit("/uncertainty?preset=frontier-moe-rack")
    page.get_by_role("button", name="Calculate").click()
    page.get_by_role("button", name="Stop", exact=True).click()
    settled(page)
    page.get_by_role("button", name="Calculate").wait_for()
    page.get_by_role("button", name="Calculate").click()
    page.locator("[data-testid=stVegaLiteChart] svg path").first.wait_for()
    settled(page)
    assert page.locator("[data-testid=stException], [data-testid=stAlert]").count() == 0
