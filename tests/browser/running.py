"""The app as its own server process and a real browser, each ended by the one who started it."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).parents[2]
APP = ROOT / "streamlit_app.py"
PATIENCE = 180_000
"""milliseconds; how long a page may take before a test gives up, never what it must keep to"""

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
]


def chromium_path() -> str | None:
    """The Chromium of this machine."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@contextlib.contextmanager
def serving(script: Path | None, log: Path) -> Iterator[str]:
    """A Streamlit script, or without one `overtrain app`, on a free port of this machine; its address. What it prints goes to `log`."""
    port = _free_port()
    options = {
        "server.address": "127.0.0.1",
        "server.port": port,
        "server.headless": "true",
        "server.fileWatcherType": "none",
        "browser.gatherUsageStats": "false",
        "client.toolbarMode": "minimal",
    }
    # A path put in front of the environment's: the server shows this checkout, whichever one is installed.
    env = os.environ | {"PYTHONPATH": str(ROOT), "NO_PROXY": "*"}
    if script is None:
        command = [
            sys.executable,
            "-c",
            "from optimizer.cli import main; main()",
            "app",
            "--no-browser",
            "--port",
            str(port),
        ]
    else:
        flags = [f"--{name}={value}" for name, value in options.items()]
        command = [sys.executable, "-m", "streamlit", "run", str(script), *flags]
    with log.open("w") as out:
        server = subprocess.Popen(command, cwd=ROOT, env=env, stdout=out, stderr=subprocess.STDOUT)
        try:
            address = f"http://{'localhost' if script is None else '127.0.0.1'}:{port}"
            _healthy(server, address, log)
            yield address
        finally:
            server.terminate()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _healthy(server: subprocess.Popen[bytes], address: str, log: Path) -> None:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    end = time.monotonic() + PATIENCE / 1000
    while time.monotonic() < end:
        if server.poll() is not None:
            raise RuntimeError(f"the server ended with status {server.returncode}:\n{log.read_text()}")
        with contextlib.suppress(urllib.error.URLError, OSError):
            if direct.open(f"{address}/_stcore/health", timeout=5).status == 200:
                return
        time.sleep(0.05)
    raise RuntimeError(f"the server did not answer:\n{log.read_text()}")


@contextlib.contextmanager
def browsing(path: str) -> Iterator[Browser]:
    """A browser. While it lives, an asyncio loop runs in this thread; leaving ends both."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


def settled(page: Page) -> None:
    """Wait until the script has run and the page is drawn: the browser loads the code of each kind of control when it first needs it."""
    page.get_by_test_id("stApp").and_(page.locator("[data-test-script-state='notRunning']")).wait_for(timeout=PATIENCE)
    page.wait_for_function("!document.querySelector('[data-testid=stSkeleton]')", timeout=PATIENCE)


def metrics(page: Page) -> dict[str, str]:
    """Label and value of every metric of the page."""
    return page.evaluate(
        """() => Object.fromEntries([...document.querySelectorAll('[data-testid=stMetric]')].map(m => [
            m.querySelector('[data-testid=stMetricLabel]').innerText.trim(),
            m.querySelector('[data-testid=stMetricValue]').innerText.trim()]))"""
    )
