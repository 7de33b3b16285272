"""Why 100x and the shares of the spread: what is shown is what the library and the published numbers say."""

import jax
import numpy as np
import pytest

from optimizer import draws, load, presets, quantiles, sobol, solve
from optimizer.model.cost import design_of, lifecycle_cost
from optimizer.report.chart import contours
from optimizer.report.claims import claims
from optimizer.report.landscape import landscape
from optimizer.report.why import laws_beside, reasoning

from .session import opened, run

TOTAL = jax.jit(lambda scenario, design: lifecycle_cost(scenario, design).total)


@pytest.mark.parametrize("preset", presets())
def test_every_curve_holds_what_it_says(preset):
    s = load(preset)
    best = solve(s)
    frame = landscape(best)
    assert len(frame) <= 2000
    assert contours(frame).to_dict()["description"].startswith("Map of designs")
    path = frame[frame["kind"] == "path"]
    n, d = (path[c].to_numpy() for c in ("n_params", "train_tokens"))
    curves = frame[frame["kind"] == "loss"]
    loss = np.asarray(s.law.loss(curves["n_params"].to_numpy(), curves["train_tokens"].to_numpy()), float)
    assert np.allclose(loss, curves["level"], rtol=1e-9)
    assert np.isclose(curves["level"], best.loss, rtol=1e-12).any()
    assert np.allclose(np.asarray(s.law.loss(n, d), float), best.loss, rtol=1e-6)
    ends = path[["n_params", "train_tokens"]].to_numpy()
    assert ends[0] == pytest.approx([float(v) for v in best.baseline.design[:2]])
    assert ends[-1] == pytest.approx([float(v) for v in best.design[:2]])
    equal = frame[frame["kind"] == "cost"].iloc[::97]
    for row in equal.to_dict("records"):
        assert float(TOTAL(s, design_of(s, row["n_params"], row["train_tokens"]))) == pytest.approx(
            row["level"], rel=1e-6
        )


def test_the_arithmetic_of_the_lecture_is_the_scenarios_own(lecture):
    steps = {step.quantity: step.result for step in reasoning(solve(lecture))}
    assert steps["tokens this model serves"] == "200T tokens"
    assert steps["exact over-training"] == "52.4x"


def test_laws_stand_beside_their_posterior(lecture):
    frame = laws_beside(lecture, n=100)
    ends = quantiles(draws(lecture, 100, parts=["law"]), ["overtraining_vs_rule_of_20"], [0.1, 0.9])["value"]
    assert frame.loc["besiroglu", ["posterior_low", "posterior_high"]].tolist() == ends.tolist()
    assert np.isnan(frame.loc["de-vries", "posterior_low"])
    assert frame.loc["besiroglu", "overtraining_vs_rule_of_20"] == pytest.approx(52.4, abs=0.05)


def test_the_page_shows_them():
    at = opened("why")
    assert not at.error
    assert at.dataframe[-1].value["quantity"].tolist() == [claim.quantity for claim in claims()]
    at.session_state["question"].change({"limits.max_params": "1B"})
    run(at)
    assert "limits.max_params" in at.error[0].value.replace("\\", "")
    assert len(at.dataframe) == 5


def test_shares_of_the_spread_are_the_librarys(lecture):
    at = opened("sensitivity")
    at.segmented_control(key="sensitivity_view").set_value("Shares of the spread")
    run(at)
    assert not at.get("vega_lite_chart")
    at.select_slider(key="sobol_samples").set_value(32)
    run(at)
    at.button(key="start.sobol 32").click()
    run(at)
    (kept,) = [frame for key, frame in at.session_state["analyses"].items() if key[1] == "sobol 32"]
    assert kept.attrs["n"] == 32
    own = sobol(lecture, ["overtraining_vs_rule_of_20"], 32, over={"deployment": None})
    found = kept[kept["output"] == "overtraining_vs_rule_of_20"]
    assert found["assumption"].tolist() == own["assumption"].tolist()
    assert np.allclose(found["total"], own["total"])
    assert at.get("vega_lite_chart")
    assert "negative" in " ".join(box.value for box in at.caption)
