"""Every page shows every preset, with the numbers of the library."""

import sys

import pytest

from optimizer import Design, cost, load, presets, size_table, solve
from optimizer.analysis.placement import operating_point, placement, placement_of
from optimizer.analysis.serving import batch_points, key_figures, pipeline_points, prompts_of
from optimizer.analysis.throughput import throughput
from optimizer.app.pins import Pin
from optimizer.app.said import escaped, said
from optimizer.assumptions.naming import worded
from optimizer.assumptions.numbers import human, percent, times
from optimizer.model import outputs
from optimizer.model.accuracy import serving_error
from optimizer.report.chart.theme import capital
from optimizer.report.table_text import reach

from ..counts import THOROUGH, named
from .session import (
    PAGES,
    SMALL,
    agrees,
    drawn,
    expected_below,
    opened,
    run,
    shown,
    texts_that_are_numbers,
    turned,
    written,
)


@pytest.mark.parametrize("preset", named(presets(), "lecture-2026", "frontier-moe-rack", "data-limited-lab"))
def test_every_page_shows_every_preset(preset):
    at = opened(preset=preset)
    assert agrees(at, load(preset))
    assert expected_below(load(preset)).items() <= shown(at).items()
    assert not at.error
    for page in PAGES[1:]:
        if page == "sensitivity" and preset == "frontier-moe-rack" and not THOROUGH:
            continue  # elasticities of experts on the roofline compile for 12 s
        turned(at, page)
        run(at)
        for button in [b for b in at.button if b.label == "Calculate"]:
            button.click()  # long work is asked for
            run(at)
        assert not at.error, (page, at.error)
        assert not texts_that_are_numbers(at), page
        assert at.dataframe or at.get("vega_lite_chart"), page


def test_every_preset_can_be_compared():
    at = opened("compare")
    at.session_state["pins"] = {preset: Pin(preset, load(preset)) for preset in presets()}
    run(at)
    assert not at.error
    found = at.dataframe[0]
    assert set(presets()) <= set(found.value.columns)
    rack = serving_error(solve(load("frontier-moe-rack")).scenario)
    assert any(rack in caption.value for caption in at.caption)
    assert not texts_that_are_numbers(at)
    ratio = written(found).loc[found.value["output"].str.startswith("over-training"), presets()]
    assert ratio.map(lambda text: text.endswith("x")).to_numpy().all()
    assert (
        written(found)
        .loc[found.value["output"] == "savings against the Chinchilla plan", presets()[0]]
        .item()
        .endswith(" %")
    )


def test_the_lecture_shows_its_published_answer():
    found = shown(opened())
    assert found["Active parameters N*"] == "111.4B"
    assert found["Over-training D*/20N*"] == "52.4x"


def test_the_cost_without_discounting_is_shown_where_a_rate_discounts():
    discounted = {"money.discount_rate": 0.1}
    unit = load(SMALL).money.currency
    label = capital(outputs.with_unit("cost_nominal", unit))
    at = opened("plan", preset=SMALL, **{path: str(rate) for path, rate in discounted.items()})
    best = solve(load(SMALL, discounted))
    assert best.nominal_cost > 1.01 * float(best.cost.total)
    assert shown(at)[label] == outputs.written(best.nominal_cost, "cost_nominal")
    run(turned(at, "design"))
    s = load(SMALL, discounted)
    given = outputs.written(cost(s, Design(8e9, 15e12, s.rl.ratio * 15e12)).nominal_cost, "cost_nominal")
    assert f"{outputs.heading('cost_nominal')}: {given} {unit}" in "\n".join(m.value for m in at.markdown)
    assert label not in shown(opened("plan", preset=SMALL))


def test_the_size_table_is_the_librarys():
    at = opened("sizes")
    table = size_table(load("lecture-2026"))
    assert len(at.dataframe[0].value) == len(table)
    found = at.dataframe[0]
    assert found.value["active parameters N"].tolist() == table["n_params"].tolist()
    assert written(found)["active parameters N"].tolist() == [human(n, 4) for n in table["n_params"]]
    assert written(found)["savings against the Chinchilla plan"].tolist() == [percent(n) for n in table["savings"]]
    assert written(found)["over-training D/D0"].tolist() == [times(n) for n in table["overtraining_vs_law"]]
    assert escaped(" ".join(reach(table))) in [caption.value for caption in at.caption]
    at.text_input(key="grid.law").set_value("besiroglu, no-such-law")
    run(at)
    assert "no-such-law" in at.error[0].value.replace("\\", "")
    at.text_input(key="grid.law").set_value("besiroglu")
    at.text_input(key="grid.traffic.output_tokens").set_value("1,000,000")
    run(at)
    assert "could be one number with thousands or several: write 1000000" in at.error[0].value.replace("\\", "")


def test_serving_shows_the_librarys_operating_points():
    at = opened("serving")
    at.selectbox(key="serving_model").set_value("Llama 3.1 8B")
    run(at)
    s = placement("Llama 3.1 8B", changes={"money.serve_chip": {"name": "H100 SXM", "precision": "bf16"}})
    assert shown(at)["Context wall (tokens)"] == human(key_figures(s)["context wall"][0], 3)
    found = at.dataframe[0].value["decode cost (USD/Mtok)"].tolist()
    assert found == batch_points(s)["usd_per_mtok_decode"].tolist()
    about = f"{s.placed.sentence} {prompts_of(s).sentence} {serving_error(s.scenario)}"
    assert said(about) in [c.value for c in at.caption]
    at.selectbox(key="serving_table").set_value("loop")
    run(at)
    at.number_input(key="serving_prompt").set_value(2000)
    run(at)
    found = at.dataframe[0].value["cost of answers, prompts included (USD/Mtok)"].tolist()
    assert found == throughput(s, 2000, 500)["usd_per_mtok_answer"].tolist()
    at.selectbox(key="serving_model").set_value("DeepSeek-V3")
    at.selectbox(key="serving_chip.H100 SXM").set_value("L4")
    run(at)
    assert worded("Take deployment.chips = ") in at.error[0].value.replace("\\", "")


@pytest.mark.parametrize("page", PAGES)
def test_a_refused_value_has_its_sentence_on_every_page(page):
    at = opened(page)
    at.session_state["question"].change({"pretraining.mfu": "abc"})
    run(at)
    assert worded("pretraining.mfu must be")[1:] in at.error[0].value.replace("\\", "")
    assert page == "sources" or "the last answer, before this change" in " ".join(c.value for c in at.caption)
    assert at.dataframe or at.get("vega_lite_chart"), "the last answer stays"


@pytest.mark.parametrize("page", ["plan", "serving", "sources"])
def test_a_question_without_an_answer_keeps_the_last_one(page):
    at = opened(page)
    at.session_state["question"].change({"limits.max_params": "1B"})
    run(at)
    assert worded("limits.max_params") in at.error[0].value.replace("\\", "")
    assert "the last answer, before this change" in " ".join(c.value for c in at.caption)


def test_a_page_that_waits_to_be_asked_has_its_link_already():
    at = opened("sensitivity", preset="data-limited-lab")
    at.session_state["question"].change({"pretraining.mfu": 0.3125})  # not cached
    run(at)
    assert [b for b in at.button if b.label == "Calculate"]
    assert at.query_params["pretraining.mfu"] in ("0.3125", ["0.3125"])


def test_serving_starts_with_the_precision_of_the_scenario():
    at = opened("serving", preset="frontier-moe-chat")
    assert [box.value for box in at.selectbox if box.label == "Precision"] == ["fp8"]


@pytest.mark.parametrize(
    ("page", "names"), [("plan", ["cost-against-params", "cost-by-phase"]), ("why", ["staircase"])]
)
def test_the_numbers_of_a_chart_are_numbers(page, names):
    at = opened(page)
    for name in names:
        at.session_state[f"open.chart.{name}"] = True
    run(at)
    assert len(at.dataframe) == len(names)
    assert not texts_that_are_numbers(at)
    tables = [written(table) for table in at.dataframe]
    assert not [v for table in tables for v in table.to_numpy().ravel() if str(v) in ("None", "nan", "n/a")]
    if page == "plan":
        assert tables[1]["share"].str.endswith(" %").all()
        assert tables[0]["cost over the least cost"].str.endswith("x").all()
    else:
        assert tables[0]["over-training D/20N"].str.endswith("x").all()


def test_serving_is_that_of_the_scenario_whatever_its_chip_and_experts():
    """Weights of every expert of the law, 65 / 3 for 32; a price of one's own is kept."""
    at = opened(
        "serving", preset="frontier-moe-chat", money__serve_chip__usd_per_chip_hour="1", deployment__placement="given",
        deployment__chips="16",
    )  # fmt: skip
    given = {"money.serve_chip.usd_per_chip_hour": 1, "deployment.placement": "given", "deployment.chips": 16}
    best = solve(load("frontier-moe-chat", given))
    weights = float(best.design.n_params) * 65 / 3
    assert shown(at)["Weights per stage (GB)"] == human(weights / 1e9, 3)
    room = key_figures(placement_of(best))["memory left for cache"][0]
    assert room > 1e3
    assert shown(at)["Memory left for cache (TB)"] == f"{room / 1e3:.3g}"
    s = placement_of(best)
    assert s.scenario.money.serve_chip.usd_per_chip_hour == 1
    assert s.scenario.serving.load_factor == 0.6
    assert at.dataframe[0].value["decode cost (USD/Mtok)"].tolist() == batch_points(s)["usd_per_mtok_decode"].tolist()
    at.selectbox(key="serving_table").set_value("pipeline")
    run(at)
    stages = at.dataframe[0].value["weights per stage (GB)"].tolist()
    assert stages == pytest.approx((pipeline_points(s)["weight_bytes_per_stage"] / 1e9).tolist())
    at.session_state["question"].change({"deployment.sparsity": 2})
    run(at)
    assert worded("deployment.sparsity = 2 disagrees with law.experts = 32")[1:] in at.warning[0].value.replace(
        "\\", ""
    )


def test_the_plan_is_drawn_over_the_curve_of_the_scenario_it_is_compared_with():
    def least(at) -> tuple[float, float]:
        """The least cost of the curve, and of the pale curve below it."""
        rows = drawn(at)["Cost against size, at the same quality"]
        pale = [r["cost_total"] for r in rows if set(r) == {"n_params", "cost_total"}]
        return min(r["cost_total"] for r in rows if r.get("kind") == "optimum"), min(pale)

    def cost(share: float) -> float:
        return float(solve(load("open-weights-8b", {"traffic.share": share})).cost.total)

    at = opened(preset="open-weights-8b")
    start = cost(1.0)
    assert least(at) == pytest.approx((start, start), rel=1e-3)
    at.session_state["question"].change({"traffic.share": 0.5})
    run(at)
    assert least(at) == pytest.approx((cost(0.5), start), rel=1e-3), "the preset stays in sight"
    at.session_state["pins"] = {"half": Pin("open-weights-8b", at.session_state["question"].scenario)}
    at.session_state["question"].change({"traffic.share": 0.25})
    run(at)
    at.selectbox(key="baseline").set_value("half")
    run(at)
    assert least(at) == pytest.approx((cost(0.25), cost(0.5)), rel=1e-3), "a pin in the place of the preset"


def test_serving_marks_the_point_of_the_scenario():
    at = opened("serving", preset="frontier-moe-chat")
    rows = drawn(at)["Decode cost against speed per user"]
    own = operating_point(placement_of(solve(load("frontier-moe-chat"))))
    price = float(own["usd_per_mtok_decode"])
    assert [r["price"] for r in rows].count(price) >= 1, "a ring at what the scenario pays"
    assert rows[-1]["price"] == price


def test_what_was_typed_and_chosen_survives_a_visit_to_another_page():
    at = opened("sizes", preset="frontier-moe-chat")
    at.text_input(key="grid.traffic.tokens_per_day").set_value("50T, 70T")
    run(at)
    run(turned(at, "serving"))
    chip = next(box for box in at.selectbox if box.label == "Chip")
    chip.set_value("H200 SXM")
    run(at)
    for page in ("plan", "sizes"):
        run(turned(at, page))
    assert at.text_input(key="grid.traffic.tokens_per_day").value == "50T, 70T"
    assert len(at.dataframe[0].value) == 2
    run(turned(at, "serving"))
    assert next(box for box in at.selectbox if box.label == "Chip").value == "H200 SXM"


def test_numbers_that_a_browser_takes_for_errors_are_divided_by_a_power_of_ten():
    """A number cell of Streamlit shows integers beyond 2^53 as an error."""
    at = opened("sizes")
    cost = size_table(load("lecture-2026"))["cost_total"]
    found = at.dataframe[0].value["cost over the life (1e24 FLOP)"]  # that of the middle row
    assert found.tolist() == pytest.approx((cost / 1e24).tolist())
    assert 1e24 <= cost.median() < 1e27
    at = opened("compare")
    at.session_state["pins"] = {preset: Pin(preset, load(preset)) for preset in ("lecture-2026", "open-weights-8b")}
    run(at)
    rows = at.dataframe[0].value.set_index("output")
    total = rows.loc[["cost over the life"]]
    best = solve(load("lecture-2026"))
    assert total.loc[total["unit"] == "1e24 FLOP", "lecture-2026"].item() == pytest.approx(best.cost.total / 1e24)
    assert rows.loc["over-training D/20N", "unit"] == ""
    assert rows.select_dtypes("number").max().max() < 2**53


def test_elasticities_are_plain_numbers():
    at = opened("sensitivity")
    at.session_state["open.chart.elasticity-bars"] = True
    run(at)
    assert not written(at.dataframe[0]).map(lambda text: str(text).endswith("x")).to_numpy().any()


def test_a_download_without_its_package_is_disabled_and_says_why(monkeypatch):
    monkeypatch.setitem(sys.modules, "xlsxwriter", None)
    buttons = {b.proto.label: b.proto for b in opened("sizes").get("download_button")}
    assert buttons["Excel"].disabled
    assert "needs xlsxwriter; install it with" in buttons["Excel"].help
    assert not buttons["CSV"].disabled
