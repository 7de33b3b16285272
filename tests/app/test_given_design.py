"""The part Given design: the bill of a decided design and of a released model is what `cost` says."""

from optimizer import Design, cost, load
from optimizer.assumptions.tables import row
from optimizer.report.sentences import excess

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
