"""`overtrain sensitivity` as a stranger runs it."""

import json

import pytest
from typer.testing import CliRunner

from optimizer import Scenario, elasticities, load, presets, tornado
from optimizer.cli import main

from .counts import named


def run(*arguments: str, status: int = 0):
    done = CliRunner().invoke(main, ["sensitivity", *arguments])
    assert done.exit_code == status, done.output + repr(done.exception)
    return done


def test_without_arguments_it_is_the_lecture():
    out = run().stdout
    for text in (
        "lecture-2026: what moves the optimum",
        "-10.13",
        "from 24.5x to 106x",
        "leaves the fit",
        "Facts and choices are held",
    ):
        assert text in out
    assert "20,012x" not in out
    assert "law       " in out.partition("Each assumption at its low")[2]


def test_the_law_is_chosen():
    out = run("--law", "besiroglu,hoffmann").stdout
    assert "The law is one input: Besiroglu et al. 2024" in out
    assert "Hoffmann et al. 2022" in out
    assert "120x" in out
    assert "The law is held." in run("--law", "none").stdout
    assert "did you mean 'hoffmann'" in run("--law", "hofmann", status=2).output


@pytest.mark.parametrize("name", named(presets(), "lecture-2026", "open-weights-8b"))
def test_json_is_what_the_library_says(name):
    plain = json.loads(run(name, "--json", "--output", "train_tokens").stdout)
    s = load(name)
    slopes, swings = elasticities(s), tornado(s, "train_tokens")
    assert [row["path"] for row in plain["elasticities"]] == list(slopes.index)
    assert [row["train_tokens"] for row in plain["elasticities"]] == slopes["train_tokens"].tolist()
    assert [row["assumption"] for row in plain["tornado"]] == swings["assumption"].tolist()
    assert plain["units"]["swing"] == "tokens"
    assert Scenario.from_dict(plain["scenario"]) == s


def test_limits_and_ends_without_answers_are_reported():
    out = run("on-device", "--output", "n_params", "--law", "none").stdout
    assert "limits.max_bytes *" in out
    assert "Held by limits.max_bytes" in out
    days = (
        "--set",
        "limits.max_training_days=100",
        "--set",
        "limits.fleet_chips=6980",
    )  # enough at MFU 0.4, too few at 0.267
    out += run(*days, "--law", "none").stdout
    assert "infeasible" in out
    assert "nan" not in out.lower()


def test_overrides_reach_it():
    assert "limits.max_params *" in run("--set", "limits.max_params=100B").stdout


def test_every_problem_at_once():
    done = run("lectur-2026", "--output", "params", "--set", "x", status=2)
    for text in ("3 problems", "--output 'params' is unknown", "is not PATH=VALUE", "did you mean 'lecture-2026'"):
        assert text in done.output


def test_a_question_without_an_answer():
    setting = ("--set", "goal.kind=loss", "--set", "goal.loss=1.0")
    done = run(*setting, status=1)
    assert done.stdout == ""
    assert "irreducible loss" in done.output
    plain = json.loads(run(*setting, "--json", status=1).stdout)
    assert plain["status"] == "infeasible"
    assert "irreducible loss" in plain["message"]
