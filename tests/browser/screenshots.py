"""Pictures of every page of the app for the documentation: `python -m tests.browser.screenshots` writes docs/images.

The pages are those of the running app's navigation, so that a new page is pictured without being listed anywhere.
"""

import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from .running import APP, PATIENCE, ROOT, browsing, chromium_path, serving, settled

IMAGES = ROOT / "docs" / "images"
MOST_BYTES = 250_000
SIZE = {"width": 1280, "height": 900}
LINK = "[data-testid=stTopNavLink]"


def main() -> None:
    """Write one picture a page."""
    path = chromium_path()
    if path is None:
        sys.exit("no Chromium on this machine")
    IMAGES.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(APP, Path(folder) / "log.txt") as address,
        browsing(path) as browser,
    ):
        page = browser.new_context(viewport=SIZE, color_scheme="light").new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(address)
        page.locator(LINK).first.wait_for()
        for i, link in enumerate(page.eval_on_selector_all(LINK, "links => links.map(link => link.href)")):
            page.goto(link)
            page.get_by_role("heading", level=1).first.wait_for()
            settled(page)
            if page.get_by_test_id("stVegaLiteChart").count():
                page.locator("[data-testid=stVegaLiteChart] svg path").last.wait_for(state="attached")
            page.evaluate("document.fonts.ready")
            name = urlsplit(link).path.strip("/") or "plan"
            target = IMAGES / f"{i + 1}-{name}.png"
            content = page.screenshot(path=target)
            if len(content) > MOST_BYTES:
                sys.exit(f"{target.name} has {len(content):,} bytes, more than {MOST_BYTES:,}")


if __name__ == "__main__":
    main()
