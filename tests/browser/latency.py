"""The time from an input to the new answer and the redrawn chart, in a real browser, compared with a minimal app of a slider and a chart.

`python -m tests.browser.latency`. An observer in the page notes the first change of the metric's text and of the chart; the apps are
pressed in turns, so that the ratio belongs to the app and the milliseconds to the machine. Every press asks for an answer that nobody asked
for before: "overtrain" moves one slider on and on, as a planner does, and the app has solved the next notch ahead; "overtrain, unforeseen"
moves two sliders in turns, so that nothing was. A press waits until the app pressed before has ended its run, with all it does ahead.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Page

from .running import browsing, chromium_path, serving, settled

MINIMAL = """
import altair as alt
import pandas as pd
import streamlit as st

k = st.slider("k", 1, 100, 50)
st.metric("k squared", k * k)
frame = pd.DataFrame({"x": range(40), "y": [k * i * i for i in range(40)]})
st.altair_chart(alt.Chart(frame).mark_line().encode(x="x", y=alt.Y("y", scale=alt.Scale(domain=[0, 160_000]))))
"""

MOST = 36
"""Presses, three more to warm up, that a slider has notches for."""
SHARE, PER_DAY = (f".st-key-slider-traffic-{name} input" for name in ("share", "tokens_per_day"))
SLIDERS = {"minimal": ("input[type=range]",), "overtrain": (SHARE,), "overtrain, unforeseen": (SHARE, PER_DAY)}
"""What is pressed, by name, in turns."""

WATCH = """key => {
  const text = () => [...document.querySelectorAll('[data-testid=stMetricValue]')].map(m => m.textContent).join();
  const drawn = () => { const svg = document.querySelector('[data-testid=stVegaLiteChart] svg');
    return svg ? [...svg.querySelectorAll('path')].map(p => p.getAttribute('d')).join() : null; };
  const before = [text(), drawn()], at = [0, 0], start = performance.now();
  window.measured = new Promise((done, fail) => {
    const look = () => {
      const now = [text, drawn].map((read, i) => at[i] ? before[i] : read());
      now.forEach((v, i) => { if (!at[i] && v && v !== before[i]) at[i] = performance.now() - window.pressed; });
      if (at[0] && at[1]) { seen.disconnect(); done(at); } };
    const seen = new MutationObserver(look);
    seen.observe(document.body, {subtree: true, childList: true, characterData: true, attributes: true});
    setTimeout(() => { seen.disconnect(); fail(new Error('nothing changed: ' + at)); }, 30000); });
  window.pressed = start;
  document.addEventListener('keydown', () => { window.pressed = performance.now(); }, {once: true, capture: true}); }"""


def first_visit(page: Page, address: str) -> float:
    """Milliseconds from asking for the page to its drawn chart."""
    start = time.perf_counter()
    page.goto(address)
    page.locator("[data-testid=stVegaLiteChart] svg path").first.wait_for(timeout=90_000)
    return 1000 * (time.perf_counter() - start)


def pressed(page: Page, slider: str, key: str) -> tuple[float, float]:
    """Milliseconds from a key to the metric and to the chart."""
    page.locator(slider).focus()
    page.evaluate(WATCH, None)
    page.keyboard.press(key)
    metric, chart = page.evaluate("() => window.measured")
    settled(page)
    return metric, chart


def _line(name: str, values: list[float]) -> str:
    nine = statistics.quantiles(values, n=10)[-1] if len(values) > 1 else values[0]
    numbers = (min(values), statistics.median(values), nine, max(values))
    return f"{name:44}" + "".join(f"{v:8.0f}" for v in numbers)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "-n", type=int, default=MOST, choices=range(2, MOST + 1), metavar=f"2..{MOST}", help="key presses in each app"
    )
    presses = parser.parse_args().n
    path = chromium_path()
    if path is None:
        sys.exit("no Chromium on this machine")
    with tempfile.TemporaryDirectory() as folder:
        least = Path(folder) / "least.py"
        least.write_text(MINIMAL)
        with (
            browsing(path) as browser,
            serving(least, Path(folder) / "a") as one,
            serving(None, Path(folder) / "b") as two,
        ):
            pages, visits = {}, {}
            for name, address in zip(SLIDERS, (one, two, two), strict=True):
                for which in ("first", "later"):
                    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
                    visits[name, which] = first_visit(page, address)
                    if which == "first":
                        page.context.close()
                settled(page)
                pages[name] = page
            taken: dict[str, list[tuple[float, float]]] = {name: [] for name in SLIDERS}
            for i in range(presses + 3):
                for name, sliders in SLIDERS.items():
                    found = pressed(pages[name], sliders[i % len(sliders)], "ArrowLeft")
                    if i >= 3:  # the first presses compile and fill the caches of the browser
                        taken[name].append(found)
    _say(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, n = {presses}; milliseconds: min, median, 90 %, max")
    for name in SLIDERS:
        for i, what in enumerate(("metric", "chart")):
            _say(_line(f"{name}: key to {what}", [t[i] for t in taken[name]]))
    for name in [*SLIDERS][1:]:
        for i, what in enumerate(("metric", "chart")):
            ours, theirs = (statistics.median(t[i] for t in taken[which]) for which in (name, "minimal"))
            _say(f"ratio of medians, {name}, {what}: {ours / theirs:.2f}")
    for name in [*SLIDERS][:2]:
        for which in ("first", "later"):
            _say(f"{name}: {which} visit to drawn chart {visits[name, which]:.0f}")


if __name__ == "__main__":
    main()
