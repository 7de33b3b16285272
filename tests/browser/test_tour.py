"""A tour by script: every kind of change and its link, files as people have them, cells pasted from a spreadsheet."""

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Error, Page

from optimizer import Scenario, load
from optimizer.analysis.plans import monthly_tokens
from optimizer.app.forecast import csv_of, read_upload
from optimizer.app.link import TABLE
from optimizer.assumptions.differences import same
from optimizer.assumptions.naming import choice_in_words, preset_in_words
from optimizer.assumptions.published_laws import law_in_words

from ..app.session import MONTHS, SMALL, expected
from .running import metrics, settled
from .test_files import given, unfolded
from .test_plan import CHART, at_first_cell, edited, linked, shows, typed

TRAFFIC = Path(__file__).parents[1] / "data" / "traffic"
SHAPES = (
    "plan-monthly-totals.csv",
    "semicolons-decimal-comma.csv",
    "openai-usage-export.csv",
    "requests-and-lengths.csv",
    "workbook.xlsx",
)


def chosen(page: Page, where: str, option: str) -> None:
    """Choose from a list by typing; a list that is drawn anew meanwhile loses what is typed."""
    box = page.locator(f".st-key-{where} input").first
    for _ in range(10):
        box.click()
        box.fill(option)
        try:
            page.get_by_role("option", name=option, exact=True).click(timeout=5000)
        except Error:
            page.keyboard.press("Escape")
        else:
            return
    raise AssertionError(f"{where} does not offer {option}")


def _slid(page: Page) -> None:
    slider = page.locator(".st-key-slider-traffic-tokens_per_day input[type=range]")
    slider.focus()
    slider.press("ArrowRight")


def _of_group(group: str, where: str, option: str) -> Callable[[Page], None]:
    def change(page: Page) -> None:
        unfolded(page, group)
        chosen(page, where, option)

    return change


def _pinned(page: Page) -> None:
    page.get_by_role("button", name="Pin", exact=True).click()
    page.get_by_role("button", name="Pin this scenario").click()
    page.get_by_text("Compare with", exact=True).wait_for()
    page.keyboard.press("Escape")


def _tabled(page: Page) -> None:
    page.get_by_role("radio", name="Table and CSV").click()
    edited(page, "9.5T")


def _turned(page: Page) -> None:
    page.get_by_test_id("stTopNavLink").filter(has_text="Serving").click()
    page.get_by_role("heading", level=1, name="Serving").wait_for()


CHANGES: dict[str, tuple[Callable[[Page], None], Callable[[Scenario], bool]]] = {
    "preset": (lambda page: chosen(page, "preset", preset_in_words(SMALL)), lambda s: s.name == SMALL),
    "slider": (_slid, lambda s: s.traffic.tokens_per_day > load(SMALL).traffic.tokens_per_day),
    "number box": (lambda page: typed(page, ".st-key-text-traffic-share input", "40%"), lambda s: s.traffic.share == 0.4),
    "law": (_of_group("law", "choice-law-name", law_in_words("hoffmann")), lambda s: s.law.name == "hoffmann"),
    "chip": (_of_group("money", "choice-money-serve_chip-name", "H200 SXM"), lambda s: s.money.serve_chip.name == "H200 SXM"),
    "RL": (_of_group("rl", "choice-rl-policy", choice_in_words("rl.policy", "cost_share")), lambda s: s.rl.policy == "cost_share"),
    "pin": (_pinned, lambda s: True),
    "table": (_tabled, lambda s: s.traffic.kind == "table" and s.traffic.table[0].input_tokens_per_day == 9.5e12),
    "CSV": (
        lambda page: given(page, "traffic_csv", "mine.csv", csv_of(MONTHS).encode(), "text/csv"),
        lambda s: len(s.traffic.table) == len(MONTHS),
    ),
    "page": (_turned, lambda s: True),
}  # fmt: skip


def test_a_link_opens_the_same_after_every_kind_of_change(visit):
    page = visit("/")
    before = page.url
    for kind, (change, holds) in CHANGES.items():
        change(page)
        page.wait_for_url(lambda url, before=before: url != before)
        settled(page)
        if kind not in ("pin", "page"):
            shows(page, expected(linked(page)))
        before = page.url
        assert holds(linked(page)), kind
        other = visit(before)
        assert same(linked(other), linked(page)), kind
        assert urlsplit(other.url) == urlsplit(before), kind
        assert other.get_by_role("heading", level=1).inner_text() == page.get_by_role("heading", level=1).inner_text()
        if kind != "page":
            shows(other, expected(linked(page)))
        assert other.get_by_text("Compare with", exact=True).count() == (kind in ("pin", "table", "CSV", "page")), kind
        other.context.close()
    there = visit(before)
    there.get_by_test_id("stMetric").first.wait_for()
    assert metrics(there) == metrics(page)


def test_cells_are_pasted_into_the_table(visit):
    page = visit(f"/?preset={SMALL}", permissions=["clipboard-read", "clipboard-write"])
    shows(page, expected(load(SMALL)))
    page.locator(CHART).nth(1).locator("path").first.wait_for()
    page.get_by_role("radio", name="Table and CSV").click()
    page.evaluate("navigator.clipboard.writeText('7T\\t1T\\n1,500,000,000,000\\t2e11')")
    at_first_cell(page)
    page.keyboard.press("Control+V")
    page.wait_for_url("**/*traffic.table*")
    rows = monthly_tokens(load(SMALL)).drop(columns="days").to_dict("records")
    for row, (read, wrote) in zip(rows, ((7e12, 1e12), (1.5e12, 2e11)), strict=False):
        row |= {"input_tokens_per_day": read, "output_tokens_per_day": wrote}
    wanted = load(SMALL).update({"traffic.kind": "table", TABLE: rows})
    shows(page, expected(wanted))
    assert same(linked(page), wanted)


def test_forecasts_of_five_shapes_are_uploaded(visit):
    page = visit(f"/?preset={SMALL}")
    shows(page, expected(load(SMALL)))
    page.get_by_role("radio", name="Table and CSV").click()
    for name in SHAPES:
        content = (TRAFFIC / name).read_bytes()
        given(page, "traffic_csv", name, content, "application/octet-stream")
        found = read_upload(content, name)
        page.get_by_text(re.compile(re.escape(found.understood).replace("\\ ", r"\s"))).first.wait_for()
        cached = {} if found.cache_hit_share is None else {"traffic.cache_hit_share": found.cache_hit_share}
        shows(page, expected(linked(page)))
        got = linked(page).traffic
        assert [row.to_dict() for row in got.table] == [pytest.approx(row) for row in found.rows], name
        assert float(got.cache_hit_share) == cached.get("traffic.cache_hit_share", got.cache_hit_share), name
