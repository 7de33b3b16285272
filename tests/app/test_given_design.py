"""The part Given design: the bill of a decided design and of a released model is what `cost` says."""

from optimizer import Design, cost, load
from optimizer.app.said import said
from optimizer.assumptions.tables import row
from optimizer.optimum.given import design_from
from optimizer.report.sentences import excess, served

from .session import SMALL, opened, run


def markdown(at) -> str:
    return "\n".join(m.value for m in at.markdown).replace("\\", "").replace("\xa0", " ")


def test_the_bill_of_a_given_design_and_of_a_released_model():
    s = load(SMALL)
    at = opened("design", preset=SMALL)
    found = cost(s, Design(8e9, 15e12, s.rl.ratio * 15e12))
    assert excess(found) in markdown(at)
    assert f"{found.fleet.chip_hours / 1e3:.4g}K chip-hours" in markdown(at)
    name = "Llama 3.1 70B"
    model = row("models", "name", name)
    at.selectbox(key="design_model").select(name)
    run(at)
    n, d = float(model["active_params"]), float(model["pretrain_tokens"])
    assert excess(cost(s, Design(n, d, s.rl.ratio * d))) in markdown(at)
    at.text_input(key=f"design.{name}.pretrain_tokens").set_value("many")
    run(at)
    assert "Training tokens D" in at.error[0].value


def test_a_design_says_where_it_is_served_and_how_well_that_is_known():
    at = opened("design", preset="frontier-moe-rack")
    s = load("frontier-moe-rack")
    found = cost(s, design_from(s, 8e9, 15e12))
    assert "measured points of its class" in served(found)
    assert said(served(found)) in [caption.value for caption in at.caption]
