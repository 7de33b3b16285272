"""The app: what it shows is what the library gives, links carry the question, and bad input costs nothing.

Streamlit's own test runner runs the pages without a browser. What a browser alone can show (layout, canvas edits, the address bar) is not here.
"""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from optimizer import InputError, load, presets, solve
from optimizer.app.forecast import csv_of, rows_of_csv
from optimizer.app.link import TABLE, parameters, same, scenario_of, uploaded_scenario
from optimizer.app.snippets import command_snippet, python_snippet
from optimizer.app.switch import start_of
from optimizer.assumptions.numbers import human
from optimizer.report.plan import cost_curve, cost_phases, monthly_tokens, verdict
from optimizer.report.text import times

ROOT = Path(__file__).parents[1]
PAGES = ["plan", "sensitivity", "sizes", "sources"]
SMALL = "open-weights-8b"
MONTHS = [
    {"month": "2026-12", "input_tokens_per_day": 1e12 / 3, "output_tokens_per_day": 2e11},
    {"month": "2027-01", "input_tokens_per_day": 5e11, "output_tokens_per_day": 0.0},
]


@pytest.fixture(autouse=True)
def main_kept(monkeypatch):
    """Streamlit's runner puts the app in the place of `__main__`; a process spawned by a later test would import it."""
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])


def opened(page: str = "plan", **link: str) -> AppTest:
    at = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=120)
    for path, value in link.items():
        at.query_params[path.replace("__", ".")] = value
    at.run()
    if page != "plan":
        at.switch_page(str(ROOT / "optimizer" / "app" / "pages" / f"{page}.py")).run()
    assert not at.exception, at.exception
    return at


def shown(at: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in at.metric}


def expected(scenario) -> dict[str, str]:
    best = solve(scenario)
    unit = "FLOP" if best.unit == "flops" else "USD"
    return {
        "N*, active parameters": human(float(best.design.n_params), 4),
        "D*, training tokens": human(float(best.design.train_tokens), 4),
        "R*, RL tokens": human(float(best.design.rl_tokens), 4),
        "Loss, nat/token": f"{best.loss:.4f}",
        "Over-training against 20:1": times(best.overtraining.vs_rule_of_20),
        "Over-training against the law": times(best.overtraining.vs_law),
        f"Cost over the life, {unit}": human(float(best.cost.total), 4),
    }


def agrees(at: AppTest, scenario) -> bool:
    found = shown(at)
    return all(found[label] == value for label, value in expected(scenario).items())


def run(at: AppTest) -> AppTest:
    at.run()
    assert not at.exception, at.exception
    return at


def unfold(at: AppTest, *groups: str) -> AppTest:
    """A run with groups open; the test runner forgets after each run what is open, a browser does not."""
    for name in groups:
        at.session_state[f"open.{name}.Plan"] = True
    return run(at)


@pytest.mark.parametrize("preset", presets())
def test_every_page_shows_every_preset(preset):
    at = opened(preset=preset)
    assert agrees(at, load(preset))
    assert not at.error
    for page in PAGES[1:]:
        if (preset, page) == ("frontier-moe-rack", "sizes"):
            continue  # twelve roofline optima take half a minute; the page does nothing else for this preset
        at.switch_page(str(ROOT / "optimizer" / "app" / "pages" / f"{page}.py"))
        run(at)
        assert not at.error, (page, at.error)
        assert at.dataframe or at.get("vega_lite_chart"), page


def test_the_lecture_shows_its_published_answer():
    found = shown(opened())
    assert found["N*, active parameters"] == "111.4B"
    assert found["Over-training against 20:1"] == "52.4x"


def test_an_input_moves_the_answer_to_what_the_library_gives():
    at = opened()
    at.text_input(key="text.traffic.output_tokens").set_value("500T")
    run(at)
    changed = load("lecture-2026", {"traffic.output_tokens": "500T"})
    assert agrees(at, changed)
    assert dict(at.query_params) == {"preset": "lecture-2026", "traffic.output_tokens": "500000000000000.0"}
    again = opened(**{path.replace(".", "__"): value for path, value in at.query_params.items()})
    assert shown(again) == shown(at)


def test_a_slider_moves_only_what_it_is_for():
    at = opened()
    unfold(at, "pretraining")
    at.slider(key="slider.pretraining.mfu").set_value(0.5)
    unfold(at, "pretraining")
    assert dict(at.query_params) == {"preset": "lecture-2026", "pretraining.mfu": "0.5"}
    options = at.select_slider(key="slider.pretraining.tokens_per_chip").options
    assert len(set(options)) == len(options), "two notches with one label are one notch for the browser"


def test_every_number_of_every_block_can_be_reached():
    at = opened()
    s = load("lecture-2026")
    unfold(at, "goal", "law", "pretraining", "rl", "serving", "deployment", "money", "limits")
    keys = {box.key for box in at.text_input}
    assert {f"text.{path}" for path, _, _ in s.quantities()} <= keys
    assert {f"text.limits.{name}" for name in type(s.limits).model_fields} <= keys


def test_bad_input_says_the_librarys_sentence_and_keeps_the_last_answer():
    at = opened()
    before = shown(at)
    at.text_input(key="text.traffic.output_tokens").set_value("-5T")
    run(at)
    with pytest.raises(InputError) as caught:
        load("lecture-2026", {"traffic.output_tokens": "-5T"})
    assert caught.value.problems[0].split()[0] in at.error[0].value.replace("\\", "")
    assert "got -5T tokens" in at.error[0].value.replace("\\", "")
    assert shown(at) == before
    assert at.text_input(key="text.traffic.output_tokens").value == "-5T"
    assert dict(at.query_params) == {"preset": "lecture-2026"}
    at.text_input(key="text.traffic.output_tokens").set_value("300T")
    run(at)
    assert not at.error
    assert agrees(at, load("lecture-2026", {"traffic.output_tokens": "300T"}))


def test_an_infeasible_question_says_why_and_keeps_the_last_answer():
    at = opened()
    before = shown(at)
    unfold(at, "limits")
    at.text_input(key="text.limits.max_params").set_value("1B")
    run(at)
    best = solve(load("lecture-2026", {"limits.max_params": "1B"}), throw=False)
    assert best.message
    assert at.error[0].value.replace("\\", "") == best.message
    assert shown(at) == before


def test_undo_and_reset_lead_back():
    at = opened(preset=SMALL)
    start = shown(at)
    at.text_input(key="text.traffic.growth").set_value("8%")
    run(at)
    first = shown(at)
    at.text_input(key="text.traffic.months").set_value("36")
    run(at)
    assert len({str(start), str(first), str(shown(at))}) == 3
    at.button(key="undo").click()
    run(at)
    assert shown(at) == first
    at.text_input(key="text.traffic.months").set_value("36")
    run(at)
    at.button(key="reset.traffic.growth").click()
    run(at)
    assert set(at.query_params) == {"preset", "traffic.months"}
    at.button(key="reset_all").click()
    run(at)
    assert shown(at) == start
    assert dict(at.query_params) == {"preset": SMALL}


def test_a_new_kind_of_goal_keeps_the_design():
    at = opened()
    before = shown(at)
    unfold(at, "goal")
    for kind in ("budget", "params", "loss"):
        at.selectbox(key="choice.goal.kind").set_value(kind)
        unfold(at, "goal")
        assert at.query_params.get("goal.kind", "loss") == kind
        assert shown(at) == before


@pytest.mark.parametrize("policy", ["none", "ratio", "flops", "cost_share", "optimised"])
@pytest.mark.parametrize("kind", ["growth", "table"])
def test_every_kind_can_be_chosen_and_travels(lecture, policy, kind):
    s = lecture.update(start_of(lecture, "rl.policy", policy, None))
    s = s.update(start_of(s, "traffic.kind", kind, None))
    assert (s.rl.policy, s.traffic.kind) == (policy, kind)
    assert float(sum(s.traffic.stated())) == pytest.approx(float(sum(lecture.traffic.stated())), rel=1e-12)
    preset, back = scenario_of(parameters("lecture-2026", s))
    assert (preset, same(back, s)) == ("lecture-2026", True)


@pytest.mark.parametrize("preset", presets())
@pytest.mark.parametrize("other", presets())
def test_any_scenario_travels_as_a_difference_from_any_preset(preset, other):
    link = parameters(preset, load(other))
    assert same(scenario_of(link)[1], load(other))
    assert scenario_of(link)[0] == preset


def test_a_link_keeps_every_digit_of_the_forecast(lecture):
    s = lecture.update({"traffic": {"kind": "table", "table": MONTHS}})
    link = parameters("lecture-2026", s)
    assert len(link[TABLE]) < 120
    assert scenario_of(link)[1].traffic == s.traffic


BAD_LINKS = {
    "an unknown preset": ({"preset": "lecture-2027"}, "did you mean 'lecture-2026'"),
    "an unknown path": ({"trafic.growth": "1"}, "trafic.growth"),
    "no number": ({"pretraining.mfu": "fast"}, "must be a number"),
    "out of range": ({"pretraining.mfu": "38"}, "must lie in (0, 1]"),
    "a broken table": (
        {"traffic.kind": "table", "traffic.table": "eNozMj%%"},
        "traffic.table in the link cannot be read",
    ),
    "a table cut short": (
        {"traffic.kind": "table", "traffic.table": "eNozMj"},
        "traffic.table in the link cannot be read",
    ),
    "a file of the server": ({"traffic.kind": "table", "traffic.file": "/etc/passwd"}, "does not read"),
    "a whole block": ({"traffic": "x"}, "traffic is a block"),
    "endless text": ({"name": "x" * 30_000}, "at most 20,000"),
}


@pytest.mark.parametrize("what", BAD_LINKS)
def test_a_bad_link_is_told_and_the_preset_shown(what):
    link, sentence = BAD_LINKS[what]
    at = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=120)
    for path, value in link.items():
        at.query_params[path] = value
    run(at)
    assert sentence in at.warning[0].value.replace("\\", "")
    assert agrees(at, load("lecture-2026"))
    assert dict(at.query_params) == {"preset": "lecture-2026"}


def test_a_table_in_a_link_cannot_fill_the_memory():
    import base64
    import zlib

    bomb = base64.urlsafe_b64encode(zlib.compress(b"0" * 50_000_000, 9)).decode()
    with pytest.raises(InputError, match="at most 20,000"):
        scenario_of({"traffic.kind": "table", TABLE: bomb})
    short = base64.urlsafe_b64encode(zlib.compress(b"0" * 5_000_000, 9)).decode()
    assert len(short) < 20_000
    with pytest.raises(InputError, match="cut short or too long"):
        scenario_of({"traffic.kind": "table", TABLE: short})


def edit(at: AppTest, **edits: object) -> AppTest:
    at.session_state[at.session_state["forecast"]["key"]] = {
        "edited_rows": {},
        "added_rows": [],
        "deleted_rows": [],
        **edits,
    }
    return run(at)


def test_the_forecast_is_edited_as_a_table():
    at = opened(preset=SMALL)
    before = monthly_tokens(load(SMALL)).drop(columns="days").to_dict("records")
    edit(at, edited_rows={0: {"output_tokens_per_day": "5T"}})
    first = [{**before[0], "output_tokens_per_day": 5e12}, *before[1:]]
    assert agrees(at, load(SMALL, {"traffic.kind": "table", TABLE: first, **_gone(SMALL)}))
    edit(
        at,
        edited_rows={0: {"output_tokens_per_day": "5T"}, 1: {"input_tokens_per_day": "1e12"}},
        added_rows=[{"month": None, "input_tokens_per_day": "1.2T", "output_tokens_per_day": None}],
    )
    rows = at.session_state["question"].scenario.to_dict()["traffic"]["table"]
    assert rows[:2] == [first[0], {**before[1], "input_tokens_per_day": 1e12}]
    assert rows[2:-1] == before[2:]
    assert (rows[-1]["input_tokens_per_day"], rows[-1]["output_tokens_per_day"]) == (1.2e12, 0.0)
    opened_again = opened(**{path.replace(".", "__"): value for path, value in at.query_params.items()})
    assert shown(opened_again) == shown(at)
    at.button(key="undo").click()
    run(at)
    assert at.session_state["question"].scenario.to_dict()["traffic"]["table"] == first


def _gone(preset: str) -> dict[str, None]:
    growth = load(preset).to_dict()["traffic"]
    return {
        f"traffic.{name}": None
        for name in growth
        if name not in ("kind", "share", "ship_probability", "cache_hit_share")
    }


@pytest.mark.parametrize(
    ("cell", "sentence"),
    [("-5", "must lie in [0, inf) tokens/day, got -5"), ("many", "must be a number")],
)
def test_a_bad_cell_is_told_and_the_answer_kept(cell, sentence):
    at = opened(preset=SMALL)
    before = shown(at)
    edit(at, edited_rows={2: {"input_tokens_per_day": cell}})
    assert any(sentence in box.value.replace("\\", "") for box in at.error)
    assert shown(at) == before


def test_edits_survive_a_visit_to_another_page():
    at = opened(preset=SMALL)
    edit(at, edited_rows={0: {"output_tokens_per_day": "5T"}})
    found = shown(at)
    at.switch_page(str(ROOT / "optimizer" / "app" / "pages" / "sources.py"))
    run(at)
    at.switch_page(str(ROOT / "optimizer" / "app" / "pages" / "plan.py"))
    run(at)
    assert shown(at) == found
    assert at.data_editor[0].value.loc[0, "output_tokens_per_day"] == "5T"


def test_a_forecast_goes_out_and_comes_in_as_csv():
    assert rows_of_csv(csv_of(MONTHS).encode(), "my.csv") == MONTHS
    with pytest.raises(InputError, match=r"^my.csv row 2 column month must look like"):
        rows_of_csv(b"month,input_tokens_per_day,output_tokens_per_day\nMay,1,2\n", "my.csv")
    with pytest.raises(InputError, match="more than 1,000,000 bytes"):
        rows_of_csv(b"0" * 1_000_001, "my.csv")


def test_uploads_are_checked():
    s = load(SMALL)
    assert uploaded_scenario(s.to_toml().encode(), "a.toml") == s
    with pytest.raises(InputError, match="more than 1,000,000 bytes"):
        uploaded_scenario(b"#" * 1_000_001, "a.toml")
    with pytest.raises(InputError, match="not valid TOML"):
        uploaded_scenario(b"import os; os.remove('x')", "a.toml")
    with pytest.raises(InputError, match="not UTF-8 text"):
        uploaded_scenario(b"\xff\xfe\x00", "a.toml")
    with pytest.raises(InputError, match="does not read"):
        uploaded_scenario(b'[traffic]\nkind = "table"\nfile = "/etc/passwd"\n', "a.toml")
    with pytest.raises(InputError, match="nests too deeply"):
        uploaded_scenario(b"a = " + b"[" * 100_000, "a.toml")


def test_an_upload_becomes_the_question():
    at = opened()
    at.file_uploader(key="scenario_toml").upload("mine.toml", load(SMALL).to_toml().encode(), "application/toml")
    run(at)
    assert agrees(at, load(SMALL))
    at.file_uploader(key="scenario_toml").upload("bad.toml", b"law = [", "application/toml")
    run(at)
    assert "not valid TOML" in at.warning[0].value.replace("\\", "")
    assert agrees(at, load(SMALL))


SAID = {
    "a preset": ("lecture-2026", {}),
    "numbers": (SMALL, {"traffic.growth": 0.07, "limits.max_params": 9e9}),
    "another law and traffic": ("lecture-2026", {"law": "hoffmann", "traffic": {"kind": "table", "table": MONTHS}}),
    "another policy": ("lecture-2026", {"rl": {"policy": "cost_share", "cost_share": 0.5}, "goal": {"kind": "budget", "budget": 1e26}}),
    "coefficients": ("data-limited-lab", {"law": {"kind": "chinchilla", "E": 1.7, "A": 400.0, "B": 410.0, "alpha": 0.34, "beta": 0.28}, "limits.max_epochs": None}),
}  # fmt: skip


@pytest.mark.parametrize("what", SAID)
def test_the_snippets_give_the_numbers_of_the_page(what, tmp_path):
    preset, changes = SAID[what]
    s = load(preset, changes)
    best = solve(s)
    told: list[object] = []
    exec(python_snippet(preset, s), {"print": lambda *values: told.extend(values)})
    assert told == [best.design.n_params, best.design.train_tokens, best.cost.total]
    if what == "a preset":
        assert command_snippet(preset, s) == "overtrain solve lecture-2026\n"
        return  # tests of the command run it
    command = command_snippet(preset, s).rstrip("\n")
    overtrain = f"{shlex.quote(sys.executable)} -m optimizer.cli solve"
    done = subprocess.run(
        ["bash", "-c", command.replace("overtrain solve", overtrain) + " --json"],
        capture_output=True, text=True, cwd=tmp_path, check=False, env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["design"] == best.to_dict()["design"]


def test_the_snippets_are_on_the_page():
    at = opened()
    at.session_state["open.code"] = True
    run(at)
    assert [block.value for block in at.code] == [
        python_snippet("lecture-2026", load("lecture-2026")).strip(),
        command_snippet("lecture-2026", load("lecture-2026")).strip(),
    ]


def test_text_from_strangers_is_no_markdown():
    at = opened(name="![x](http://example.org/a.png)", pretraining__mfu="![y](http://example.org/b.png)")
    assert at.warning
    assert not [block for block in [*at.markdown, *at.caption, *at.warning] if "](http" in block.value]


@pytest.mark.parametrize(
    "changes", [{}, {"rl": {"policy": "optimised"}, "goal.like_rl_tokens": "133T"}, {"limits.max_params": "105B"}]
)
def test_the_curve_is_the_valley_that_the_band_measures(lecture, changes):
    best = solve(lecture.update(changes))
    curve = cost_curve(best).set_index("design")
    total = float(best.cost.total)
    assert float(curve.loc["optimum", "cost_total"]) == pytest.approx(total, rel=1e-9)
    assert float(curve.loc["Chinchilla plan", "cost_total"]) == pytest.approx(float(best.baseline.cost.total), rel=1e-9)
    if not changes.get("limits.max_params"):
        assert float(curve["cost_vs_optimum"].min()) == pytest.approx(1, abs=1e-9)
        assert np.allclose(curve.loc[["smallest within 5 %", "largest within 5 %"], "cost_vs_optimum"], 1.05, rtol=1e-5)
    else:
        assert not curve.loc["Chinchilla plan", "allowed"]
        assert curve.loc["optimum", "allowed"]


def test_a_size_on_the_curve_costs_what_solving_at_that_size_says(lecture):
    best = solve(lecture)
    row = cost_curve(best).iloc[30]
    pinned = {"goal": {"kind": "loss", "loss": best.loss}, "limits.min_params": row["n_params"]}
    assert row["n_params"] > float(best.design.n_params)
    assert row["cost_total"] == pytest.approx(float(solve(lecture.update(pinned)).cost.total), rel=1e-7)


def test_repeated_data_is_on_the_curve():
    s = load("data-limited-lab")
    best = solve(s)
    curve = cost_curve(best)
    assert np.allclose(
        s.law.loss(curve["n_params"].to_numpy(), curve["train_tokens"].to_numpy()), best.loss, rtol=1e-10
    )
    assert (curve["train_tokens"] > s.law.unique_tokens).any()


def test_phases_sum_to_the_plans(lecture):
    best = solve(lecture)
    sums = cost_phases(best).groupby("plan")["cost"].sum()
    assert sums["optimum"] == pytest.approx(float(best.cost.total))
    assert sums["Chinchilla plan"] == pytest.approx(float(best.baseline.cost.total))


def test_the_months_sum_to_the_forecast():
    for preset in (SMALL, "frontier-moe-chat"):
        s = load(preset)
        months = monthly_tokens(s)
        for column, stated in zip(("input_tokens_per_day", "output_tokens_per_day"), s.traffic.stated(), strict=True):
            assert (months["days"] * months[column]).sum() == pytest.approx(float(stated), rel=1e-12)


def test_the_verdict_says_band_and_reach(lecture):
    said = verdict(solve(lecture))
    assert "111B active parameters" in said
    assert "99.1B to 130B" in said
    assert "7 times the parameters" in said
    with pytest.raises(InputError, match="no design to show"):
        verdict(solve(lecture.update({"limits.max_params": "1B"}), throw=False))


def test_the_size_table_is_the_librarys():
    from optimizer import size_table

    at = opened("sizes")
    table = size_table(load("lecture-2026"))
    assert len(at.dataframe[0].value) == len(table)
    assert at.dataframe[0].value["n_params (parameters)"].tolist() == [human(n, 4) for n in table["n_params"]]
    at.text_input(key="grid.law").set_value("besiroglu, no-such-law")
    run(at)
    assert "no-such-law" in at.error[0].value.replace("\\", "")


def test_sessions_are_separate():
    one, other = opened(), opened()
    one.text_input(key="text.traffic.output_tokens").set_value("500T")
    run(one)
    assert shown(run(other)) == expected(load("lecture-2026")) | {
        k: v for k, v in shown(other).items() if "Savings" in k
    }
    assert shown(one) != shown(other)


def test_serving_shows_the_librarys_operating_points():
    from optimizer.report.serving import batch_sweep, key_figures, served

    at = opened("serving")
    at.selectbox(key="serving_model").set_value("Llama 3.1 8B")
    run(at)
    s = served("Llama 3.1 8B", changes={"money.serve_chip": {"name": "H100 SXM", "precision": "bf16"}})
    assert shown(at)["Context wall, tokens"] == human(key_figures(s)["context wall"][0], 3)
    found = at.dataframe[0].value["usd_per_mtok_decode (USD/Mtok)"].tolist()
    assert found == [human(v, 4) for v in batch_sweep(s)["usd_per_mtok_decode"]]
    at.selectbox(key="serving_model").set_value("DeepSeek-V3")
    run(at)
    assert "Take deployment.chips = 19 or more" in at.error[0].value.replace("\\", "")
