"""What the tests of the app share: open a page, read what it shows, and what the library says it should show.

Streamlit's own test runner runs the pages without a browser. What a browser alone can show (layout, canvas edits, the address bar) is not here.
"""

import json
import re
from pathlib import Path

import pandas as pd
import pyarrow as pa
from streamlit.testing.v1 import AppTest

from optimizer import solve
from optimizer.assumptions.numbers import human, times

ROOT = Path(__file__).parents[2]
PAGES = ["plan", "why", "sensitivity", "serving", "sizes", "sources"]
PARTS = {
    "why": ("method", "Why 100x"),
    "sources": ("method", "Sources"),
    "sizes": ("tables", "Model-size table"),
    "compare": ("tables", "Compare"),
    "design": ("tables", "Given design"),
}
"""Parts of a page, by the name of their file."""
SMALL = "open-weights-8b"
MONTHS = [
    {"month": "2026-12", "input_tokens_per_day": 1e12 / 3, "output_tokens_per_day": 2e11},
    {"month": "2027-01", "input_tokens_per_day": 5e11, "output_tokens_per_day": 0.0},
]


def opened(page: str = "plan", **link: str) -> AppTest:
    at = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=600)
    for path, value in (link or {"preset": "lecture-2026"}).items():
        at.query_params[path.replace("__", ".")] = value
    at.run()
    if page != "plan":
        run(turned(at, page))
    assert not at.exception, at.exception
    return at


def turned(at: AppTest, page: str) -> AppTest:
    """The app on another page, not run yet."""
    file, part = PARTS.get(page, (page, ""))
    if part:
        at.session_state[f"{file}_part"] = part
    return at.switch_page(str(ROOT / "optimizer" / "app" / "pages" / f"{file}.py"))


def shown(at: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in at.metric}


def expected(scenario) -> dict[str, str]:
    """The metrics of the first screen."""
    best = solve(scenario)
    unit = "FLOP" if best.unit == "flops" else "USD"
    return {
        "Active parameters N*": human(float(best.design.n_params), 4),
        "Training tokens D*": human(float(best.design.train_tokens), 4),
        "Over-training D*/20N*": times(best.overtraining.vs_rule_of_20),
        f"Cost over the life ({unit})": human(float(best.cost.total), 4),
    }


def expected_below(scenario) -> dict[str, str]:
    """The metrics of the tab Where the cost goes."""
    best = solve(scenario)
    return {
        "RL tokens R*": human(float(best.design.rl_tokens), 4),
        "Loss (nat/token)": human(best.loss, 5),
        "Over-training D*/D0": times(best.overtraining.vs_law),
    }


def agrees(at: AppTest, scenario) -> bool:
    found = shown(at)
    return all(found[label] == value for label, value in expected(scenario).items())


def run(at: AppTest) -> AppTest:
    at.run()
    assert not at.exception, at.exception
    return at


NUMBER = re.compile(r"[-+]?[\d,.]+(e-?\d+)?[KMBTP]?( ?%|x)?")


def texts_that_are_numbers(at: AppTest) -> list[str]:
    """Columns of the page's tables that hold numbers as text, which a browser sorts by their first digit."""
    found = []
    for table in at.dataframe:
        for name in table.value:
            texts = [str(v) for v in table.value[name] if v is not None and v == v and v != ""]
            if table.value[name].dtype.kind not in "iufb" and texts and all(map(NUMBER.fullmatch, texts)):
                found.append(f"{name}: {texts[:3]}")
    return found


def written(table) -> pd.DataFrame:
    """A table as the browser writes it."""
    raw = table.proto.arrow_data.styler.display_values
    return pa.ipc.open_stream(raw).read_pandas().set_axis(table.value.columns, axis=1)


def unfold(at: AppTest, *groups: str) -> AppTest:
    """A run with groups open; the test runner forgets after each run what is open, a browser does not."""
    for name in groups:
        at.session_state[f"open.{name}"] = True
    return run(at)


def drawn(at: AppTest) -> dict[str, list[dict]]:
    """The rows that each chart of the page draws, by the title of the chart."""
    return {
        json.loads(element.proto.spec)["description"]: [
            row for part in element.proto.datasets for row in pa.ipc.open_stream(part.data.data).read_all().to_pylist()
        ]
        for element in at.get("vega_lite_chart")
    }
