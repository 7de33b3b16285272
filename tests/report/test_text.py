"""Sentences about an answer are true of it."""

import io
from html import unescape

import jax
import pandas as pd
import pydantic
import pytest
from rich.console import Console

import optimizer
from optimizer import load, presets, solve, sources
from optimizer.analysis.law_input import ACROSS, law_input
from optimizer.assumptions.numbers import human, percent
from optimizer.assumptions.question import taken_as_given
from optimizer.assumptions.warned import warnings
from optimizer.model.accuracy import serving_error
from optimizer.model.outputs import units_of
from optimizer.report.sentences import saving, uncounted, unspent
from optimizer.report.serving_text import frame_grid
from optimizer.report.text import solution_text

HELD = {"goal": {"kind": "budget", "budget": 1e30}, "limits.max_params": "100B"}


def test_a_budget_that_more_repeats_cannot_use_says_so():
    best = solve(load("data-limited-lab", HELD))
    said = unspent(best)
    assert f"{human(1e30 - float(best.cost.total))} FLOP of the budget of 1e30 FLOP" in said
    assert "limits.max_params" in said
    assert solve(load("data-limited-lab", HELD | {"goal.budget": 1e31})).loss == pytest.approx(best.loss, rel=1e-12)


@pytest.mark.parametrize("changes", [{}, {"goal": {"kind": "budget", "budget": 1e26}}])
def test_nothing_is_said_where_all_is_spent_or_there_is_no_budget(changes):
    assert unspent(solve(load("lecture-2026", changes))) == ""


UNSERVED = {"serving.method": "roofline", "money.unit": "usd", "deployment.placement": "given"}


def test_a_chinchilla_plan_that_cannot_be_served_is_reported_without_a_cost():
    """435B parameters of 2 bytes, 870 GB, in 90 % of 8 x 80 GB: 576 GB."""
    best, said = solve(load("lecture-2026", UNSERVED)), io.StringIO()
    Console(file=said, width=400).print(solution_text(best))
    for text in (saving(best), said.getvalue()):
        assert "does not fit the memory of the replica and so has no cost: it needs 869.6 GB for weights" in text
        assert "hold 576 GB for both. Take deployment.chips = 13 or more" in text
        assert "nan" not in text
        assert "saves" not in text
    slow = solve(
        load(
            "lecture-2026",
            UNSERVED
            | {
                "deployment.pipeline_stages": 2,
                "deployment.batch": "latency",
                "deployment.target_tokens_per_second": 30,
            },
        )
    )
    assert "is too slow for this deployment and so has no cost: deployment.target_tokens_per_second asks" in saving(
        slow
    )


def test_a_column_of_the_terminal_is_in_the_unit_of_its_largest_number():
    frame = pd.DataFrame(
        {"pipeline_stages": [1.0, 4.0], "weight_bytes_per_stage": [1.32e12, 3.3e11], "step_ms": [2.5e4, 9.0]}
    )
    frame.attrs["units"] = units_of([*frame], "")
    shown = io.StringIO()
    Console(file=shown, width=100).print(frame_grid(frame, "Stages"))
    lines = [line.split() for line in shown.getvalue().splitlines()]
    assert ["TB", "s"] in lines
    assert ["1", "1.32", "25"] in lines
    assert ["4", "0.33", "0.009"] in lines


def test_numbers_at_the_point_values_say_which_errors_they_leave_out(lecture):
    rack = load("frontier-moe-rack")
    assert uncounted(lecture) == "The error of the law is not in these numbers."
    assert serving_error(rack) in uncounted(rack)
    note = law_input(rack, ACROSS)[1]
    assert note.startswith("The law of Ludziejewski et al. 2025 is held, and its error is not in these numbers")
    assert "of experts" in note


def test_what_the_optimum_saves(lecture):
    best = solve(lecture)
    assert saving(best).endswith(f"tokens saves {percent(best.savings)} of the Chinchilla plan's cost.")
    larger = solve(lecture.update({"limits.max_params": "70B"}))
    assert f" adds {percent(-larger.savings)} of the" in saving(larger)


def test_the_repr_of_an_answer_is_one_screen(lecture):
    best = solve(lecture)
    lines = repr(best).splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 130
    assert lines[0] == f"lecture-2026: {best.status.value}"
    assert " ".join(lines[4].split()) == "active parameters N* 111.4B parameters 99.14B to 130.4B"
    shown = " ".join(repr(best).split())
    assert best.certificate.sentence in shown
    assert best.extrapolation.sentence in shown
    for cell in ("111.4B", "99.14B to 130.4B", "52.4x"):
        assert f">{cell}</td>" in best._repr_html_()
    refused = repr(solve(lecture.update({"limits.max_params": "1M"}), throw=False))
    assert "cannot be reached within limits.max_params = 1M parameters" in " ".join(refused.split())


@pytest.mark.parametrize("name", presets())
def test_the_repr_of_a_scenario_is_one_screen(name):
    s = load(name)
    lines = repr(s).splitlines()
    assert len(lines) <= 30
    assert max(map(len, lines)) <= 130
    text, page = " ".join(repr(s).split()), unescape(s._repr_html_())
    rows = sources(s)
    guessed = sum(kind in ("assumption", "default") for kind in rows["kind"])
    for said in (
        s.description,
        *taken_as_given(s).values(),
        f"{guessed} of {len(rows)} numbers are assumptions or defaults",
    ):
        assert " ".join(said.split()) in text
        assert said in page
    largest = s.law.fitted_max_params
    assert (f"fitted to runs of at most {human(largest or 0)} parameters" in text) == (largest is not None)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("frontier-moe-rack", {"deployment.sparsity": 2}),
        ("lecture-2026", {"traffic.peak_to_mean": 3, "serving.load_factor": 0.5}),
        ("lecture-2026", UNSERVED | {"deployment.drafted_tokens": 3}),
        ("on-device", {"serving.quantisation": "w4a16", "limits.bytes_per_param": 0.25}),
    ],
)
def test_a_scenario_and_its_answer_show_the_same_contradictions(name, changes):
    s = load(name, changes)
    found = warnings(s)
    assert found
    for said in found:
        assert " ".join(said.split()) in " ".join(repr(s).split())
        assert said in unescape(s._repr_html_())
        assert said in unescape(solve(s)._repr_html_())


def test_the_repr_of_a_changed_scenario_names_the_change(lecture):
    changed = lecture.update({"traffic.output_tokens": "500T"})
    assert "changed: traffic.output_tokens = 500T" in repr(changed).replace("\n", " ")
    assert lecture.description not in changed._repr_html_()
    assert "<b>" not in lecture.update({"name": "<b>"})._repr_html_()
    assert str(changed) == repr(changed)
    shown = []
    jax.vmap(lambda s: shown.append(repr(s)) or 0.0)(jax.tree.map(lambda v: jax.numpy.full(2, v), lecture))
    assert "output_tokens=" in shown[0]  # traced numbers have no text of their own


def test_completion_shows_public_names_only(lecture):
    assert set(dir(optimizer)) == {*optimizer.__all__, "__version__"}
    for block in (lecture, lecture.law, lecture.traffic, lecture.money.serve_chip):
        shown = {name for name in dir(block) if not name.startswith("_")}
        assert {*type(block).model_fields, "to_dict", "quantities"} <= shown
        assert not shown & {*dir(pydantic.BaseModel), "rules", "agrees", "broken", "tag", "either", "instead"}
        assert all(hasattr(block, name) for name in shown)
    assert {"update", "from_dict", "from_toml", "to_toml"} <= set(dir(lecture))
    best = solve(lecture)
    fields = {*type(best).__dataclass_fields__}
    assert fields <= set(dir(best))
    public = {name for name in dir(best) if not name.startswith("_")}
    assert not [name for name in public - fields if not getattr(type(best), name).__doc__]
