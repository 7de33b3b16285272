"""One server and one browser for the tests of this folder; every page is watched for errors, warnings and requests that leave the machine."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

pytest.importorskip("playwright.sync_api", reason="the browser tests need the package playwright")

from playwright.sync_api import Browser, BrowserContext, Page

from ..counts import thorough
from .running import APP, PATIENCE, ROOT, browsing, chromium_path, serving, settled

HERE = Path(__file__).parent
FAILURES = ROOT / "build" / "browser"
BENIGN = (
    ("/_stcore/health", "404"),  # the page asks below its own address first, then at the root
    ("/_stcore/host-config", "404"),
)


QUICK = (
    "test_the_first_paint_is_the_published_answer",
    "test_an_input_moves_the_answer_the_chart_and_the_link",
    "test_a_broken_link_is_reported_and_a_preset_shown",
    "test_a_forecast_comes_in_as_csv_and_goes_out_the_same",
    "test_a_phone_shows_the_answer_first_and_reaches_the_controls",
    "test_charts_are_dark_on_a_dark_page",
    "test_the_first_screen_needs_no_scrolling",
)
"""Tests that every run makes; a browser waits more than it works, so the others are part of the thorough run."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)
            if getattr(item, "originalname", item.name) not in QUICK:
                item.add_marker(thorough)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    report = yield
    if report.when == "call":
        item.stash[FAILED] = report.failed
    return report


FAILED = pytest.StashKey[bool]()


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Ended with the package, because its asyncio loop would break later tests that start their own."""
    path = chromium_path()
    if path is None:
        said = "no Chromium on this machine; the browser tests need one, for example Debian's package chromium"
        if os.environ.get("OVERTRAIN_REQUIRE_BROWSER") == "1":
            pytest.fail(said)
        pytest.skip(said)
    with browsing(path) as started:
        yield started


@pytest.fixture(scope="package")
def address(browser, tmp_path_factory) -> Iterator[str]:
    with serving(APP, tmp_path_factory.mktemp("server") / "log.txt") as url:
        yield url


@pytest.fixture
def visit(browser, address, request) -> Iterator[Callable[..., Page]]:
    """Open a path of the app in a profile of its own; when the test ends, no page may have had an error or a warning or asked another machine."""
    contexts: list[BrowserContext] = []
    wrong: list[str] = []

    def opened(path: str = "/", **how: object) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, "accept_downloads": True, **how})
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        page = context.new_page()

        def said(message) -> None:
            at = urlsplit(message.location.get("url", "")).path
            if message.type in ("error", "warning") and not any(
                at.endswith(end) and code in message.text for end, code in BENIGN
            ):
                wrong.append(f"console, {message.type}: {message.text[:300]} ({at})")

        def asked(sent) -> None:
            parts = urlsplit(sent.url)
            if parts.scheme not in ("data", "blob") and parts.hostname != "127.0.0.1":
                wrong.append(f"request to {sent.url[:200]}")

        page.on("console", said)
        page.on("pageerror", lambda error: wrong.append(f"script: {error}"))
        context.on("request", asked)
        page.goto(path if path.startswith("http") else address + path)
        page.get_by_role("heading", level=1).first.wait_for()
        settled(page)
        return page

    yield opened
    if request.node.stash.get(FAILED, False) or wrong:
        FAILURES.mkdir(parents=True, exist_ok=True)
        for i, context in enumerate(contexts):
            for j, page in enumerate(context.pages):
                page.screenshot(path=FAILURES / f"{request.node.name}-{i}-{j}.png", full_page=True)
    for context in contexts:
        context.close()
    assert not wrong, "\n".join(wrong)
