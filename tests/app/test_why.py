"""Why 100x and the shares of the spread: what is shown is what the library and the published numbers say."""

import numpy as np
import pytest

from optimizer import draws, load, sobol, solve
from optimizer.analysis.why import every_law, reasoning, staircase
from optimizer.app.said import said
from optimizer.app.work import kept
from optimizer.assumptions.naming import worded
from optimizer.assumptions.numbers import percent, times
from optimizer.assumptions.published_laws import law_in_words, law_names
from optimizer.evidence.claims import claims
from optimizer.report.sentences import uncounted

from .session import opened, run

RATIO = "overtraining_vs_rule_of_20"


def test_the_arithmetic_of_the_lecture_is_the_scenarios_own(lecture):
    steps = {step.quantity: step.result for step in reasoning(solve(lecture))}
    assert steps["tokens this model serves"] == "200T tokens"
    assert steps["exact over-training"] == "52.4x"


VIEWS = {
    "Step by step": lambda s: times(staircase(s)[RATIO].iloc[-1]),
    "Every law": lambda s: times(every_law(s).loc["hoffmann", RATIO]),
    "Map of designs": lambda s: percent(solve(s).savings),
}


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("preset", ["lecture-2026", "data-limited-lab"])
def test_each_view_says_what_the_library_finds(view, preset):
    at = opened("why", preset=preset)
    at.segmented_control(key="why_view").set_value(view)
    run(at)
    assert not at.error
    said = " ".join(text.value for text in at.markdown).replace("\\", "").replace("\N{NO-BREAK SPACE}", " ")
    assert VIEWS[view](load(preset)) in said + charts(at)
    at.session_state["question"].change({"limits.max_params": "1M"})
    run(at)
    assert worded("limits.max_params") in at.error[0].value.replace("\\", "")
    assert charts(at), "the last answer stays"


def charts(at) -> str:
    return " ".join(str(chart.proto) for chart in at.get("vega_lite_chart"))


def test_every_law_is_drawn_and_only_credible_ones_are_counted(lecture):
    at = opened("why")
    at.segmented_control(key="why_view").set_value("Every law")
    run(at)
    assert all(law_in_words(law) in charts(at) for law in law_names("ensemble", "stress"))
    ratios = every_law(lecture).query("kind == 'law'")[RATIO]
    said = " ".join(block.value for block in at.markdown).replace("\\", "")
    assert f"between {times(ratios.min())} and {times(ratios.max())}" in said


def test_the_claims_are_those_of_the_command():
    at = opened("why")
    at.segmented_control(key="why_view").set_value("Claims about serving")
    run(at)
    assert at.table[0].value["quantity"].tolist() == [claim.quantity for claim in claims()]


def test_shares_of_the_spread_are_the_librarys(lecture):
    at = opened("sensitivity")
    at.segmented_control(key="sensitivity_view").set_value("Sobol indices")
    run(at)
    assert not at.get("vega_lite_chart")
    at.select_slider(key="sobol_samples").set_value(32)
    run(at)
    at.button(key="start.sobol 32").click()
    run(at)
    made = kept[lecture.to_toml(), "sobol 32"]
    assert made.attrs["n"] == 32
    own = sobol(lecture, ["overtraining_vs_rule_of_20"], 32, over={"deployment": None})
    found = made[made["output"] == "overtraining_vs_rule_of_20"]
    assert found["assumption"].tolist() == own["assumption"].tolist()
    assert np.allclose(found["total"], own["total"])
    assert at.get("vega_lite_chart")
    assert "negative" in " ".join(box.value for box in at.caption)


def test_the_spread_is_that_of_the_librarys_draws(lecture):
    at = opened("sensitivity")
    assert said(uncounted(lecture)) in at.caption[-1].value, "elasticities are at the point values"
    at.segmented_control(key="sensitivity_view").set_value("Monte Carlo")
    run(at)
    reached = percent((draws(lecture, 2000)[RATIO].dropna() >= 100).mean())
    assert f"dashed: 100x, which {reached} of the draws reach" in charts(at) + " ".join(
        box.proto.body for box in at.get("html")
    )
