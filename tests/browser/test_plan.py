"""The plan in a real browser: what is shown is what the library gives, and the address bar is the scenario."""

import io
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Error, Page

from optimizer import Scenario, load, solve
from optimizer.analysis.plans import cost_curve, cost_phases, monthly_tokens
from optimizer.app.link import TABLE

from ..app.session import SMALL, expected
from ..counts import some
from ..links import scenario_of
from .running import metrics, settled

CHART = "[data-testid=stVegaLiteChart] svg"
HOME = "/?preset=lecture-2026"
OUTPUT = ".st-key-text-traffic-output_tokens input"


def shows(page: Page, wanted: Mapping[str, str]) -> None:
    """Wait until the page shows these metrics and is drawn to its end: buttons and links below follow the metrics."""
    try:
        page.wait_for_function(
            """wanted => { const now = Object.fromEntries([...document.querySelectorAll('[data-testid=stMetric]')].map(m => [
                 m.querySelector('[data-testid=stMetricLabel]').innerText.trim(),
                 m.querySelector('[data-testid=stMetricValue]').innerText.trim()]));
               return Object.entries(wanted).every(([label, value]) => now[label] === value); }""",
            arg=dict(wanted),
        )
    except Error:
        assert {label: metrics(page).get(label) for label in wanted} == dict(wanted)
    settled(page)


def typed(page: Page, where: str, text: str) -> None:
    box = page.locator(where)
    box.fill(text)
    box.press("Enter")


def linked(page: Page) -> Scenario:
    """The scenario that the address bar names."""
    return scenario_of(dict(parse_qsl(urlsplit(page.url).query, keep_blank_values=True)))[1]


def downloaded(page: Page, where: str) -> tuple[str, bytes]:
    with page.expect_download() as saved:
        page.locator(f"{where} button").first.click()
    return saved.value.suggested_filename, saved.value.path().read_bytes()


def at_first_cell(page: Page) -> None:
    """Put the cursor of the table into the first month's input tokens."""
    grid = page.get_by_test_id("stDataFrame").locator("canvas").first
    grid.evaluate("node => node.scrollIntoView({block: 'center'})")
    settled(page)
    box = grid.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 60, box["y"] + 52)
    page.keyboard.press("ArrowRight")


def edited(page: Page, value: str) -> None:
    """Type into the first month's input tokens until the link has a table; a grid that is drawn anew meanwhile loses what is typed."""
    cell = page.locator("input.gdg-input, textarea.gdg-input")
    for _ in range(10):
        at_first_cell(page)
        page.keyboard.press("Enter")
        try:
            cell.fill(value, timeout=5000)
            cell.press("Enter", timeout=5000)
            page.wait_for_url("**/*traffic.table*", timeout=15000)
        except Error:
            page.keyboard.press("Escape")
        else:
            return
    raise AssertionError("no cell of the table takes a value")


def test_the_first_paint_is_the_published_answer(visit):
    page = visit(HOME)
    shows(page, {"Active parameters N*": "111.4B", "Over-training D*/20N*": "52.4x"})
    shows(page, expected(load("lecture-2026")))
    page.locator(CHART).nth(1).wait_for()
    assert page.locator(CHART).count() == 2
    for i in range(2):
        assert page.locator(CHART).nth(i).locator("path").count() > 5
    assert page.locator("[data-testid=stException]").count() == 0


def test_an_input_moves_the_answer_the_chart_and_the_link(visit):
    page = visit(HOME)
    shows(page, expected(load("lecture-2026")))
    page.locator(f"{CHART} path").first.wait_for(state="attached")
    drawn = (
        "[...document.querySelectorAll('[data-testid=stVegaLiteChart] svg path')].map(p => p.getAttribute('d')).join()"
    )
    before = page.evaluate(drawn)
    page.locator(CHART).nth(1).wait_for()
    first = ticks(page, 1)
    page.evaluate(f"document.querySelectorAll('{CHART}').forEach(svg => {{ svg.dataset.first = 'yes' }})")
    typed(page, OUTPUT, "5000T")
    wanted = expected(load("lecture-2026", {"traffic.output_tokens": "5000T"}))
    shows(page, wanted)
    page.wait_for_function(f"old => {drawn} !== old", arg=before)
    page.wait_for_url("**/*traffic.output_tokens=*")
    assert page.title() == "Overtrain"
    assert page.get_by_test_id("stMainBlockContainer").bounding_box()["width"] > 1000, (
        "wide, as it was set in the first run"
    )
    other = visit(page.url)
    shows(other, wanted)
    assert metrics(other) == metrics(page)
    for i in range(2):
        assert page.locator(CHART).nth(i).get_attribute("data-first") == "yes", "other axes are no other chart"
    other.locator(CHART).nth(1).wait_for()
    assert ticks(page, 1) == ticks(other, 1) != first


def ticks(page: Page, chart: int) -> list[str]:
    """What is written along the axes of a chart."""
    return sorted(page.locator(CHART).nth(chart).locator(".role-axis-label text").all_text_contents())


def test_a_table_edited_by_hand_travels_in_the_link(visit):
    page = visit(f"/?preset={SMALL}")
    shows(page, expected(load(SMALL)))
    page.locator(CHART).nth(1).locator("path").first.wait_for()
    page.get_by_role("radio", name="Table and CSV").click()
    edited(page, "9.5T")
    rows = monthly_tokens(load(SMALL)).drop(columns="days").to_dict("records")
    rows[0]["input_tokens_per_day"] = 9.5e12
    wanted = expected(load(SMALL).update({"traffic.kind": "table", TABLE: rows}))
    assert wanted != expected(load(SMALL))
    shows(page, wanted)
    assert linked(page).traffic.kind == "table"
    other = visit(page.url)
    shows(other, wanted)
    assert metrics(page).items() <= metrics(other).items(), "the other opens on a tab with more of them"


@pytest.mark.parametrize(("query", "sentence"), some([
    ("preset=nonsense", "preset 'nonsense' does not exist"),
    ("traffic.output_tokens=many", "Output tokens in all must be a number"),
    ("no.such.path=1", "no.such.path is not a field of a scenario"),
], quick=[1]))  # fmt: skip
def test_a_broken_link_is_reported_and_a_preset_shown(visit, query, sentence):
    page = visit(f"/?{query}")
    page.get_by_text(sentence).wait_for()
    shows(page, expected(load("lecture-2026")))
    assert urlsplit(page.url).query == query, "the link can be corrected where it is"


def test_what_the_charts_show_can_be_taken_away(visit):
    page = visit("/?v=2&traffic.output_tokens=500T")
    best = solve(load("lecture-2026", {"traffic.output_tokens": "500T"}))
    shows(page, expected(best.scenario))
    for chart, frame in (("cost-against-params", cost_curve(best, near=3)), ("cost-by-phase", cost_phases(best))):
        page.locator(f".st-key-open-chart-{chart} summary").click()
        name, content = downloaded(page, f".st-key-csv-{chart}")
        assert name == f"{chart}.csv"
        found = pd.read_csv(io.BytesIO(content), comment="#", keep_default_na=True)
        assert [*found.columns] == [*frame.columns]
        assert len(found) == len(frame) > 3
        for column in frame.select_dtypes("number"):
            np.testing.assert_array_equal(found[column].to_numpy(float), frame[column].to_numpy(float))
        name, content = downloaded(page, f".st-key-png-{chart}")
        assert name == f"{chart}.png"
        assert content.startswith(b"\x89PNG\r\n\x1a\n")
        assert int.from_bytes(content[16:20], "big") > 1000, "pixels across"
        name, content = downloaded(page, f".st-key-svg-{chart}")
        root = ET.fromstring(content)
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert len(root.findall(".//{http://www.w3.org/2000/svg}path")) > 5


def test_the_scenario_leaves_as_a_file(visit):
    page = visit("/?v=2&traffic.output_tokens=500T")
    shows(page, expected(load("lecture-2026", {"traffic.output_tokens": "500T"})))
    page.locator(".st-key-open-file summary").click()
    with page.expect_download() as saved:
        page.get_by_role("button", name="Scenario as TOML").click()
    found = Scenario.from_toml(saved.value.path().read_text())
    assert found.to_dict() == load("lecture-2026", {"traffic.output_tokens": "500T"}).to_dict()


def test_the_keyboard_is_enough(visit):
    page = visit(HOME)
    shows(page, expected(load("lecture-2026")))

    def tab_to(where: str) -> None:
        for _ in range(120):
            page.keyboard.press("Tab")
            if page.evaluate("where => document.activeElement.matches(where)", where):
                return
        raise AssertionError(f"{where} is not reached with the tab key")

    tab_to(".st-key-open-pretraining summary")
    page.keyboard.press("Enter")
    page.locator(".st-key-text-pretraining-overhead input").wait_for()
    tab_to(".st-key-text-pretraining-overhead input")
    page.keyboard.press("Control+A")
    page.keyboard.type("1.5")
    page.keyboard.press("Enter")
    changed = {"pretraining.overhead": 1.5}
    shows(page, expected(load("lecture-2026", changed)))
    tab_to(".st-key-slider-traffic-share input")
    page.keyboard.press("ArrowLeft")
    page.wait_for_url("**/*traffic.share=*")
    settled(page)
    share = float(linked(page).traffic.share)
    assert 0 < share < 1
    shows(page, expected(load("lecture-2026", changed | {"traffic.share": share})))


def test_ten_people_at_once_each_see_their_own(visit):
    pages = [visit(f"/?traffic.output_tokens={k}0T") for k in range(1, 11)]
    for k, page in enumerate(pages, 1):
        typed(page, OUTPUT, f"{k}5T")
    answers = [expected(load("lecture-2026", {"traffic.output_tokens": f"{k}5T"})) for k in range(1, 11)]
    for page, wanted in zip(pages, answers, strict=True):
        shows(page, wanted)
    assert len({str(metrics(page)) for page in pages}) == 10
