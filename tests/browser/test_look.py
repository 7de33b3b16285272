"""What every page of the app must keep on a phone and in the dark."""

import pytest
from playwright.sync_api import Page

from optimizer.evidence.claim import Claim

from ..counts import some
from .running import PATIENCE, settled

PHONE = {"width": 390, "height": 844}
LEAST_CONTRAST = 4.5
"""of text, WCAG 2.1, success criterion 1.4.3"""

CONTRAST = """() => {
  const parts = colour => { const v = colour.match(/[\\d.]+/g).map(Number); return v.length < 4 ? [...v, 1] : v; };
  const light = ([r, g, b]) => { const f = [r, g, b].map(c => c / 255).map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * f[0] + 0.7152 * f[1] + 0.0722 * f[2]; };
  const over = (top, below) => [0, 1, 2].map(i => top[i] * top[3] + below[i] * (1 - top[3]));
  const behind = node => { const layers = [];
    for (let n = node; n; n = n.parentElement) layers.push(parts(getComputedStyle(n).backgroundColor));
    return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255]); };
  const found = [];
  for (const node of document.querySelectorAll('h1, h2, [data-testid=stMetricValue], [data-testid=stMetricLabel] p, ' +
      '[data-testid=stMarkdownContainer] p, [data-testid=stCaptionContainer] p, [data-testid=stVegaLiteChart] svg text, summary p')) {
    const box = node.getBoundingClientRect();
    if (!node.textContent.trim() || !box.width || node.closest('[disabled], [aria-hidden=true]:not(svg *)')) continue;
    // The value of a slider is inside its thumb and stands above it.
    const style = getComputedStyle(node), page = behind(node.closest('[data-testid=stSlider]') ?? node);
    const ink = parts(node.closest('svg') ? style.fill : style.color);
    const a = light(over(ink, page)), b = light(page);
    found.push([(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), node.textContent.trim().slice(0, 60)]);
  }
  return found; }"""


def addresses(page: Page) -> list[str]:
    """Every page of the navigation, as the running app has it."""
    page.locator("[data-testid=stTopNavLink]").first.wait_for()
    return page.eval_on_selector_all("[data-testid=stTopNavLink]", "links => links.map(link => link.href)")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out(visit, scheme):
    for address in addresses(visit()):
        page = visit(address, color_scheme=scheme)
        page.get_by_role("heading", level=1).first.wait_for()
        settled(page)
        found = page.evaluate(CONTRAST)
        assert len(found) > 5
        weak = [(round(ratio, 2), text) for ratio, text in found if ratio < LEAST_CONTRAST]
        assert not weak, address
    assert (page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")) == (scheme == "dark")


def test_charts_are_dark_on_a_dark_page(visit):
    page = visit(color_scheme="dark")
    page.locator("[data-testid=stVegaLiteChart] svg text").first.wait_for()
    found = page.evaluate(CONTRAST)
    assert any(text.startswith("active parameters N") for _, text in found), "the axis of the chart is among the texts"
    ink = page.evaluate("getComputedStyle(document.querySelector('h1')).color")
    assert min(int(v) for v in ink.removeprefix("rgb(").rstrip(")").split(",")) > 180, "light ink"


def test_charts_follow_a_page_that_turns_dark_while_it_is_open(visit):
    page = visit(color_scheme="light")
    page.locator("[data-testid=stVegaLiteChart] svg text").first.wait_for()
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        page.wait_for_function(
            "dark => (getComputedStyle(document.querySelector('h1')).color.match(/\\d+/g)[0] > 127) === dark",
            arg=scheme == "dark",
        )
        found = page.evaluate(CONTRAST)
        assert len(found) > 20
        assert not [(round(ratio, 2), text) for ratio, text in found if ratio < LEAST_CONTRAST], scheme


def test_a_phone_needs_no_sideways_scroll(visit):
    tables = 0
    for address in addresses(visit()):
        page = visit(address, viewport=PHONE, is_mobile=True, has_touch=True)
        page.get_by_role("heading", level=1).first.wait_for()
        settled(page)
        wide = page.evaluate(
            """() => [document.documentElement, document.querySelector('[data-testid=stMain]')].map(n => n.scrollWidth - n.clientWidth)"""
        )
        assert max(wide) <= 0, address
        # A table of text that is wider than the page scrolls by itself, and hides its last columns.
        ends = page.evaluate(
            "() => [...document.querySelectorAll('[data-testid=stTable] table')].map(t => t.getBoundingClientRect().right)"
        )
        assert all(end <= PHONE["width"] for end in ends), (address, ends)
        tables += len(ends)
    assert tables >= 3, "the arithmetic and the accountings of the page Method"


def test_a_phone_shows_a_claim_as_lines_with_the_names_of_its_columns(visit):
    page = visit("/method", viewport=PHONE, is_mobile=True, has_touch=True)
    page.get_by_test_id("stButtonGroup").get_by_text("Claims about serving", exact=True).click()
    table = page.locator(".st-key-claims [data-testid=stTable]")
    table.wait_for()
    settled(page)
    assert table.evaluate("n => n.scrollWidth - n.clientWidth") <= 0, "nothing is cut off"
    cells = table.evaluate(
        """n => [...n.querySelectorAll('tr')].pop().querySelectorAll('td').values()
        .map(td => [td.clientWidth, getComputedStyle(td, '::before').content]).toArray()"""
    )
    assert min(wide for wide, _ in cells) > 300
    assert [name.strip('"').removesuffix(": ") for _, name in cells[1:]] == Claim.headings()[1:]


def test_a_phone_shows_the_answer_first_and_reaches_the_controls(visit):
    page = visit(viewport=PHONE, is_mobile=True, has_touch=True)
    # While the first answer compiles, parts of the page below come first: what counts is where the answer comes to stand.
    page.locator(".st-key-figures [data-testid=stMetricValue]").first.wait_for(timeout=PATIENCE)
    page.get_by_test_id("stVegaLiteChart").first.wait_for(state="attached")
    settled(page)
    places = {
        "links": ".st-key-phone-links", "verdict": "h1", "traffic": ".st-key-traffic", "lever": ".st-key-slider-traffic-share",
        "metrics": ".st-key-metrics", "chart": "[data-testid=stVegaLiteChart]", "scenario": ".st-key-scenario", "groups": ".st-key-groups",
    }  # fmt: skip
    box = {name: page.locator(where).first.bounding_box() for name, where in places.items()}
    assert all(box.values()), box
    tops = [found["y"] for found in box.values() if found]
    assert tops == sorted(tops), (
        "links, verdict, the traffic with its levers, then what a lever moves, then the other controls"
    )
    assert box["lever"]["y"] + box["lever"]["height"] <= box["metrics"]["y"]
    last = page.locator(".st-key-head p").last.bounding_box()
    assert last is not None
    assert 0 <= box["traffic"]["y"] - (last["y"] + last["height"]) < 40, "nothing between the verdict and the traffic"
    assert box["verdict"]["y"] + box["verdict"]["height"] < PHONE["height"]
    links = page.locator(".st-key-phone-links").get_by_role("link").all()
    seen = [link.bounding_box() for link in links]
    assert len(seen) == 5
    for link in seen:
        assert link is not None
        assert link["x"] >= 0
        assert link["x"] + link["width"] <= PHONE["width"]
        assert link["y"] + link["height"] <= box["verdict"]["y"], "the way to every page is in sight above the answer"
    page.locator(".st-key-phone-links").get_by_role("link", name="Method").tap()
    page.get_by_role("heading", level=1, name="Method").wait_for()


@pytest.mark.parametrize(
    ("size", "preset"),
    some(
        [((1440, 900), "frontier-moe-chat"), ((1280, 720), "frontier-moe-chat"), ((1280, 720), "lecture-2026")],
        quick=[1],
    ),
)
def test_the_first_screen_needs_no_scrolling(visit, size, preset):
    """Verdict, five metrics, both charts and the traffic levers lie inside the window."""
    page = visit(f"/?preset={preset}", viewport={"width": size[0], "height": size[1]})
    page.locator("[data-testid=stVegaLiteChart] svg").nth(1).wait_for()
    page.locator(".st-key-slider-traffic-share input").wait_for()
    seen = {
        "h1": 1,
        ".st-key-metrics [data-testid=stMetric]": 5,
        "[data-testid=stVegaLiteChart]": 2,
        "[class*=st-key-text-traffic] input": 3,
    }
    for where, least in seen.items():
        found = [node.bounding_box() for node in page.locator(where).all()]
        inside = [
            b
            for b in found
            if b and b["x"] >= 0 and b["y"] >= 0 and b["x"] + b["width"] <= size[0] and b["y"] + b["height"] <= size[1]
        ]
        assert len(inside) >= least, (where, found)
