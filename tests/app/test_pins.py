"""Pins: named, renamed, removed, carried in a file; the comparison shows the library's numbers."""

import json
import math

import pytest

from optimizer import InputError, load, presets, solve
from optimizer.analysis.compare import bills, difference_table, valleys
from optimizer.app.link import PINS, packed
from optimizer.app.pins import Pin, assumption_table, file_of, link_of, linked, pin, pins_in, remove, rename, suggested
from optimizer.assumptions.differences import same
from optimizer.assumptions.naming import worded
from optimizer.report.chart import bills as draw_bills
from optimizer.report.chart import valleys as draw_valleys
from optimizer.report.sentences import headline

from .session import SMALL, drawn, opened, run, turned

LECTURE = "lecture-2026"
TITLE = "Open weights 8B"
"""of the preset SMALL"""


def pinned(*names: str) -> dict[str, Pin]:
    return {name: Pin(name, load(name)) for name in names}


def test_pins_are_named_renamed_and_removed():
    known: dict[str, Pin] = {}
    pin(known, " one ", Pin(LECTURE, load(LECTURE)))
    pin(known, "two", Pin(SMALL, load(SMALL)))
    with pytest.raises(InputError, match="'one' is pinned already"):
        pin(known, "one", Pin(SMALL, load(SMALL)))
    with pytest.raises(InputError, match="needs a name"):
        pin(known, "  ", Pin(SMALL, load(SMALL)))
    with pytest.raises(InputError, match="'two' is pinned already"):
        rename(known, "one", "two")
    known = rename(known, "one", "first")
    assert list(known) == ["first", "two"]
    assert suggested(known, "two") == "two 2"
    remove(known, "first")
    assert list(known) == ["two"]


def test_the_file_holds_every_preset_whole():
    known = pinned(*presets())
    back = pins_in(file_of(known), "pins.json")
    assert list(back) == list(known)
    assert all(same(back[name].scenario, known[name].scenario) for name in known)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"{", "is no file of pins"),
        (b"[1]", "is no file of pins"),
        (b'{"pins": [1]}', "is no file of pins"),
        (b'{"pins": [{"name": "a", "scenaro": {}}]}', "'scenaro' is no part of a pin, did you mean 'scenario'?"),
        (b'{"pins": ' + b"9" * 5000 + b"}", "is no file of pins"),
        (b"\xff\xfe", "is no file of pins"),
        (b"[" * 100_000, "is no file of pins"),
        (b" " * 1_000_001, "more than 1,000,000 bytes"),
        (b'{"pins": [{"name": "a"}]}', "pin 1: scenario is missing"),
        (b'{"pins": [{"name": "a", "preset": "x", "scenario": {}}]}', "preset 'x' does not exist"),
        (b'{"pins": [{"name": "a", "scenario": {"traffic": {"file": "/etc/passwd"}}}]}', "does not read"),
        (b'{"pins": [{"name": "a", "scenario": {"law": "/etc/law.toml"}}]}', "law names a file on the machine"),
        (b'{"pins": [{"name": "a", "scenario": {"law": {"name": "law.toml"}}}]}', "law names a file on the machine"),
        (b'{"pins": [{"name": "a", "scenario": {"nonsense": 1}}]}', "nonsense"),
        (b'{"schema_version": 3, "pins": []}', "schema_version is 3, .* Update Overtrain"),
    ],
)
def test_a_bad_file_is_reported(content, sentence):
    with pytest.raises(InputError, match=sentence):
        pins_in(content, "pins.json")


def test_the_link_holds_what_differs():
    known = pinned(*presets()) | {f"{n}, more & more %": Pin(n, load(n, {"traffic.share": 0.3})) for n in presets()}
    back, problems = linked(link_of(known))
    assert not problems
    assert list(back) == list(known)
    assert all(
        same(back[name].scenario, known[name].scenario) and back[name].preset == known[name].preset for name in known
    )
    assert len(link_of(pinned(*presets()))[PINS]) < 50 * len(presets()), "a preset costs its name only"
    many = {f"{i}": Pin(LECTURE, load(LECTURE, {"traffic.output_tokens": 1e14 * (1 + i / 7919)})) for i in range(600)}
    assert link_of(many) == {}, "no address is that long"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("eNozMj", "cannot be read"),
        (packed("[1]"), "cannot be read"),
        (packed('[["a", 1]]'), "cannot be read"),
        (packed('{"a": 1}'), "cannot be read"),
        (packed('[["", {"preset": "lecture-2026"}]]'), "pin 1 of the link: a pin needs a name"),
        (packed('[["a", {"preset": "lecture"}]]'), "pin 1 of the link: preset 'lecture' does not exist"),
        (
            packed('[["a", {"pretraining.mfu": "38"}]]'),
            "pin 1 of the link: pretraining.mfu must be more than 0 and at most 1, got 38",
        ),
        (packed('[["a", {"traffic.file": "/etc/passwd"}]]'), "pin 1 of the link: traffic.file names a file"),
        (packed('[["a", {"pins": "eNozMj"}]]'), ""),
    ],
)
def test_a_bad_pin_of_a_link_is_reported(text, sentence):
    known, problems = linked({PINS: text})
    assert sentence in " ".join(problems)
    assert list(known) == ([] if sentence else ["a"])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("eNozMj", "cannot be read"),
        (
            packed('[["a", {"pretraining.mfu": "38"}]]'),
            "pin 1 of the link: pretraining.mfu must be more than 0 and at most 1, got 38",
        ),
        (packed('[["a", {"pins": "eNozMj"}]]'), ""),
    ],
)
def test_a_bad_pin_of_a_link_is_shown_and_the_rest_taken(text, sentence):
    at = opened("compare", preset=SMALL, pins=text)
    said = " ".join(block.value.replace("\\", "") for block in at.warning)
    assert worded(sentence) in said
    assert same(at.session_state["question"].scenario, load(SMALL))
    assert list(at.session_state["pins"]) == ([] if sentence else ["a"])


def test_two_pins_of_one_name_in_a_file_are_reported():
    twice = json.loads(file_of(pinned(SMALL)))
    twice["pins"] *= 2
    with pytest.raises(InputError, match=r"pin 2: .* is pinned already"):
        pins_in(json.dumps(twice).encode(), "pins.json")


def test_ratios_are_those_of_two_solves():
    more = load(LECTURE, {"traffic.output_tokens": "500T"})
    plans = {
        "base": solve(load(LECTURE)),
        "more": solve(more),
        "none": solve(load(LECTURE, {"limits.max_params": "1B"}), throw=False),
    }
    frame = difference_table(plans, "base").set_index("output")
    assert frame.loc["n_params", "more / reference"] == pytest.approx(
        float(plans["more"].design.n_params) / float(plans["base"].design.n_params)
    )
    assert frame.loc["cost_total", "more"] == float(plans["more"].cost.total)
    assert math.isnan(frame.loc["n_params", "none"])
    with pytest.raises(InputError, match="'bass' is not among the plans"):
        difference_table(plans, "bass")
    parts = bills(plans)
    assert parts.groupby("plan")["cost"].sum()["more"] == pytest.approx(float(plans["more"].cost.total))
    for draw, found in ((draw_valleys, valleys(plans)), (draw_bills, parts)):
        spec = draw(found).to_dict()
        assert "more" in spec["description"]
        assert "none" not in spec["description"]


def test_costs_in_two_units_and_losses_of_two_laws_have_no_ratio():
    plans = {"flops": solve(load(LECTURE)), "usd": solve(load("frontier-moe-chat"))}
    frame = difference_table(plans, "flops").set_index(["output", "unit"])
    for unit in ("FLOP", "USD"):
        assert math.isnan(frame.loc[("cost_total", unit), "usd / reference"])
    assert math.isnan(frame.loc[("loss", "nat/token"), "usd / reference"])
    assert frame.loc[("n_params", "parameters"), "usd / reference"] > 0
    assert not valleys(plans).attrs["same_unit"]
    assert "different units" in str(draw_valleys(valleys(plans)).to_dict()["title"]["subtitle"])


def test_only_what_differs_is_a_cause():
    known = {"a": Pin(LECTURE, load(LECTURE)), "b": Pin(LECTURE, load(LECTURE, {"pretraining.mfu": 0.5}))}
    assert assumption_table(known).to_dict("records") == [{"assumption": "pretraining.mfu", "a": 0.4, "b": 0.5}]


def test_the_value_of_a_named_row_is_shown_with_the_value_that_replaces_it():
    changed = {"name": "H100 SXM", "precision": "fp8", "usd_per_chip_hour": 1.5}
    changes = {"law.alpha": 0.35, "money.serve_chip": changed}
    known = {"a": Pin(LECTURE, load(LECTURE)), "b": Pin(LECTURE, load(LECTURE, changes))}
    found = assumption_table(known).set_index("assumption")
    chip = load(LECTURE).money.serve_chip
    assert found.loc["law.alpha"].tolist() == [load(LECTURE).law.alpha, 0.35]
    assert found.loc["money.serve_chip.usd_per_chip_hour"].tolist() == [chip.usd_per_chip_hour, 1.5]
    assert found.loc["money.serve_chip.precision"].tolist() == ["bf16", "fp8"]
    assert not (found == "").to_numpy().any()
    other = assumption_table(known | {"c": Pin(SMALL, load(SMALL))}).set_index("assumption")
    assert other.loc["goal.params"].tolist() == ["", "", 8.03e9], "what a pin does not have stays empty"


def test_a_pin_is_no_formula_where_a_table_is_saved_by_the_browser():
    at = opened("compare")
    at.session_state["pins"] = {name: Pin(LECTURE, load(LECTURE)) for name in ("=1+1", "@SUM(A1)", "plain")}
    run(at)
    heads = [str(name) for name in at.dataframe[0].value.columns]
    assert {"'=1+1", "'@SUM(A1)", "plain"} <= set(heads)
    assert not [name for name in heads if name[0] in "=+-@"]


def test_pins_on_the_page_survive_other_pages():
    at = opened("compare")
    assert "Nothing is pinned yet" in at.info[0].value
    at.session_state["open.pins"] = True
    run(at)
    at.text_input(key="pin_name").set_value("mine")
    next(b for b in at.button if b.label == "Pin this scenario").click()
    run(at)
    at.selectbox(key="preset_to_pin").set_value(SMALL)
    at.button(key="pin_preset").click()
    run(at)
    assert list(at.session_state["pins"]) == ["mine", TITLE]
    other = opened("compare", **{path.replace(".", "__"): value for path, value in at.query_params.items()})
    assert list(other.session_state["pins"]) == ["mine", TITLE], "the link holds the pins"
    best = solve(load(SMALL))
    assert float(best.design.n_params) in at.dataframe[0].value[TITLE].tolist()
    at.text_input(key="pin_rename.0").set_value(TITLE)
    run(at)
    assert "is pinned already" in at.error[0].value.replace("\\", "")
    at.text_input(key="pin_rename.0").set_value("renamed")
    run(at)
    assert not at.error
    at.button(key="pin_open.1").click()
    run(at)
    assert same(at.session_state["question"].scenario, load(SMALL))
    for page in ("sources", "compare"):
        turned(at, page)
        run(at)
    assert list(at.session_state["pins"]) == ["renamed", TITLE]
    at.button(key="pin_remove.1").click()
    run(at)
    assert list(at.session_state["pins"]) == ["renamed"]
    impossible = load(LECTURE, {"limits.max_params": "1B"})
    at.session_state["pins"]["impossible"] = Pin(LECTURE, impossible)
    run(at)
    assert worded(solve(impossible, throw=False).message) in at.error[0].value.replace("\\", "")
    assert at.dataframe


def test_many_pins_are_all_compared_and_a_dozen_drawn(lecture):
    at = opened("compare")
    at.session_state["pins"] = {
        f"{share} %": Pin("lecture-2026", lecture.update({"traffic.share": share / 100})) for share in range(10, 40)
    }
    run(at)
    assert not at.error
    pins = [*at.session_state["pins"]]
    assert [name for name in at.dataframe[0].value.columns if name in pins] == pins
    assert len(at.multiselect(key="compare_drawn").value) == 12
    at.session_state["pins"] = {
        ("renamed" if n == "10 %" else n): pinned for n, pinned in at.session_state["pins"].items()
    }
    run(at)
    assert not at.error
    assert len(at.multiselect(key="compare_drawn").value) == 11
    assert at.get("vega_lite_chart")


CHARTS = ("valleys", "bills", "maps", "tornados")


def test_two_pins_are_drawn_on_shared_axes_with_the_numbers_of_the_library():
    more = load(LECTURE, {"traffic.output_tokens": "500T"})
    at = opened("compare")
    at.session_state["pins"] = {"base": Pin(LECTURE, load(LECTURE)), "more": Pin(LECTURE, more)}
    run(at)
    plans = {"base": solve(load(LECTURE)), "more": solve(more)}
    assert not at.error
    results = next(block.value for block in at.markdown if block.value.startswith("- **base**"))
    for best in plans.values():
        assert headline(best) in results.replace("\\", "")
    charts = drawn(at)
    assert len(charts) == len(CHARTS)
    for title, rows in charts.items():
        assert {r["plan"] for r in rows if "plan" in r} == set(plans), title
    optima = {
        r["plan"]: r["n"] for r in charts["Designs of equal loss and of equal cost"] if r.get("kind") == "optimum"
    }
    assert optima == {name: float(best.design.n_params) for name, best in plans.items()}
    bases = {r["plan"]: r["base"] for r in charts["Tornado of over-training D*/20N*"] if "base" in r}
    assert bases == pytest.approx({name: best.overtraining.vs_rule_of_20 for name, best in plans.items()})
    heads = [str(header.value) for header in at.header]
    assert heads.index("Cost curves and cost by phase") < heads.index("Outputs") < heads.index("Pins"), "results first"
    at.selectbox(key="compare_reference").set_value("more")
    at.selectbox(key="compare_output").set_value("n_params")
    run(at)
    assert at.selectbox(key="compare_other").value == "base"
    assert "base / more" in at.dataframe[0].value.columns
    assert any(title.startswith("Tornado of active parameters") for title in drawn(at))
    turned(at, "sources")
    run(at)
    turned(at, "compare")
    run(at)
    assert at.selectbox(key="compare_output").value == "n_params", "what was chosen survives a visit to another page"
    assert at.selectbox(key="compare_reference").value == "more"


def test_a_tornado_that_waits_to_be_asked_for_hides_nothing():
    at = opened("compare")
    at.session_state["pins"] = pinned(LECTURE, "data-limited-lab")
    run(at)
    assert [b.label for b in at.button if b.label == "Calculate"]
    assert {"Outputs", "Pins", "Map and tornado of two"} <= {str(header.value) for header in at.header}
    assert at.button(key="pin_remove.1")
    assert at.selectbox(key="preset_to_pin")
