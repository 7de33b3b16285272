"""Ways through the app: Back and Forward, old addresses, the tab key, names for screen readers, and what survives another page."""

import itertools
import re
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect

from optimizer import load
from optimizer.assumptions.differences import same

from ..app.session import SMALL, expected
from .running import settled
from .test_look import addresses
from .test_plan import HOME, OUTPUT, linked, shows, typed

LECTURE = "lecture-2026"
ROLES = "button|link|textbox|slider|combobox|switch|checkbox|radio|spinbutton|tab"


def test_back_and_forward_follow_the_link(visit):
    page = visit(HOME)
    shows(page, expected(load(LECTURE)))
    steps = [load(LECTURE, {"traffic.output_tokens": tokens}) for tokens in ("300T", "400T")]
    for tokens, step in zip(("300T", "400T"), steps, strict=True):
        typed(page, OUTPUT, tokens)
        shows(page, expected(step))
        page.wait_for_url(lambda url, step=step: f"={step.traffic.output_tokens!r}" in url)
    page.get_by_role("button", name="Pin", exact=True).click()
    page.get_by_role("button", name="Pin this scenario").click()
    page.wait_for_url("**/*pins=*")
    page.get_by_text("Compare with", exact=True).wait_for()
    settled(page)
    page.go_back()
    page.get_by_text("Compare with", exact=True).wait_for(state="hidden")
    shows(page, expected(steps[1]))
    page.go_back()
    shows(page, expected(steps[0]))
    assert same(linked(page), steps[0])
    page.go_forward()
    shows(page, expected(steps[1]))
    page.go_forward()
    page.get_by_text("Compare with", exact=True).wait_for()
    shows(page, expected(steps[1]))
    assert same(linked(page), steps[1])
    other = visit(page.url)
    other.get_by_text("Compare with", exact=True).wait_for()


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        ("why", "method", "Why 100x"),
        ("sources", "method", "Sources"),
        ("sizes", "tables", "Model-size table"),
        ("compare", "tables", "Compare"),
        ("sensitivity", "uncertainty", "Elasticities"),
    ],
)
def test_an_old_address_leads_to_the_page_and_keeps_the_scenario(visit, old, new, part):
    page = visit(f"/{old}?preset={SMALL}&v=2&traffic.share=0.5")
    page.wait_for_url(lambda url: urlsplit(url).path == f"/{new}")
    expect(page.get_by_role("radio", name=part)).to_be_checked()
    settled(page)
    assert parse_qs(urlsplit(page.url).query)["traffic.share"] == ["0.5"]
    assert same(linked(page), load(SMALL, {"traffic.share": 0.5}))


def test_every_control_has_a_name_and_the_tab_key_goes_downwards(visit):
    for address in addresses(visit()):
        page = visit(address)
        page.locator(".st-key-open-file summary").wait_for()
        settled(page)
        if page.get_by_test_id("stVegaLiteChart").count():
            page.locator("[data-testid=stVegaLiteChart] svg path").last.wait_for(state="attached")
        for _ in range(50):  # labels of some controls are drawn after the controls
            named = re.findall(rf'- ({ROLES})\b(?: "([^"]*)")?', page.locator("body").aria_snapshot())
            nameless = [role for role, name in named if not re.search(r"[^\W_]", name)]
            if len(named) > 20 and not nameless:
                break
            page.wait_for_timeout(200)
        assert len(named) > 20
        assert not nameless, address
        order = page.evaluate(
            """() => [...document.querySelectorAll('.st-key-side :is(a[href], button, input, textarea, summary)')]
                .filter(n => n.tabIndex >= 0 && n.getBoundingClientRect().width)
                .map(n => [n.tabIndex, n.getBoundingClientRect().y + n.getBoundingClientRect().height / 2])"""
        )
        assert len(order) > 10
        assert {index for index, _ in order} == {0}, "the order is that of the page"
        assert all(after > before - 40 for (_, before), (_, after) in itertools.pairwise(order)), address


def test_open_groups_survive_another_page(visit):
    page = visit(f"/?preset={SMALL}")
    shows(page, expected(load(SMALL)))
    page.locator(".st-key-open-pretraining summary").click()
    page.locator(".st-key-text-pretraining-mfu input").wait_for()
    settled(page)
    for name in ("Method", "Serving", "Plan"):
        page.get_by_test_id("stTopNavLink").filter(has_text=name).click()
        page.wait_for_url(lambda url, name=name: urlsplit(url).path == f"/{name.lower() if name != 'Plan' else ''}")
        settled(page)
        page.locator(".st-key-text-pretraining-mfu input").wait_for()
