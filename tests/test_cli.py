"""The command as a stranger runs it."""

import inspect
import json
import re
import shlex
from pathlib import Path

import pytest
import typer
import typer.core
from typer.testing import CliRunner

from optimizer import Scenario, cost, design_from, load, presets, solve
from optimizer.analysis.laws import with_laws
from optimizer.assumptions.published_laws import law_names
from optimizer.cli import main


def run(*arguments: str, status: int = 0) -> str:
    done = CliRunner().invoke(main, list(arguments))
    assert done.exit_code == status, done.output + repr(done.exception)
    return done.stdout


def test_solve_without_arguments_is_the_lecture():
    out = run("solve")
    assert "lecture-2026: least cost, as good as 100B parameters on 200T tokens" in out
    for text in ("111.4B", "116.9T", "99.14B to 130.4B", "52.4x", "certified global optimum", "Extrapolation"):
        assert text in out


@pytest.mark.parametrize("name", presets())
def test_json_is_what_the_library_says(name):
    plain = json.loads(run("solve", name, "--json"))
    spread = plain.pop("expert_laws", [])
    assert [row["law"] for row in spread] == (law_names("moe") if load(name).law.shape else [])
    assert plain == json.loads(json.dumps(with_laws(solve(load(name))).to_dict()))
    assert Scenario.from_dict(plain["scenario"]) == load(name)


@pytest.mark.parametrize("name", presets())
def test_text_of_every_preset(name):
    out = run("solve", name)
    assert "nan" not in out.lower()
    assert "same loss, at most 5 % more expensive" in out


def test_overrides_reach_the_answer():
    plain = json.loads(
        run("solve", "--json", "--set", "traffic.output_tokens=500T", "--set", "law=hoffmann", "--band", "10%")
    )
    best = solve(load("lecture-2026").update({"traffic.output_tokens": 5e14, "law": "hoffmann"}), band=0.1)
    assert plain["design"]["n_params"] == best.design.n_params
    assert plain["band"]["tolerance"] == 0.1


def test_cost_prints_a_given_design_and_what_the_best_would_save():
    given = ("cost", "--params", "405.85B", "--tokens", "15.6T", "--set", "limits.max_params=500B")
    out = " ".join(run(*given).split())
    for text in (
        "a given design, 405.8B parameters on 15.6T tokens",
        "more than the best design of the same loss within the limits",
        "limits.max_params: kept (406B parameters, bound 500B parameters)",
    ):
        assert text in out
    plain = json.loads(run(*given, "--json"))
    assert plain["status"] == "given"
    s = load("lecture-2026", {"limits.max_params": "500B"})
    assert plain == json.loads(json.dumps(cost(s, design_from(s, 405.85e9, 15.6e12)).to_dict()))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--params", "7B", "--flops", "lots"), "--flops"),
        (("--params", "7B"), "give two of parameters, training tokens and compute"),
        (("--params", "7B", "--tokens", "1T", "--rl-tokens", "1T"), "RL tokens follow from rl.policy = 'tokens'"),
    ],
)
def test_cost_refuses_half_a_design(options, sentence):
    done = CliRunner().invoke(main, ["cost", *options])
    assert done.exit_code == 2
    assert sentence in done.output


def test_infeasible_is_status_1():
    done = CliRunner().invoke(main, ["solve", "--set", "goal.loss=1.0"])
    assert done.exit_code == 1
    assert done.stdout == ""
    assert "overtrain: infeasible" in done.stderr
    assert "no compute reaches it" in done.stderr
    plain = json.loads(run("solve", "--json", "--set", "goal.loss=1.0", status=1))
    assert plain["status"] == "infeasible"
    assert plain["design"]["n_params"] is None
    assert "no compute reaches it" in plain["message"]


def test_reproduce_prints_the_lecture_and_the_answer():
    out = run("reproduce")
    for text in ("259.2T", "quoted as 200T", "2T tokens", "100x", "150T and 75x", "D = 1.5 R = T"):
        assert text in out
    plain = json.loads(run("reproduce", "--json"))
    for text in ("What carries the result", *plain["verdict"].values()):
        assert text in " ".join(out.split())
    assert not re.search(r"(\d+) of \1 laws", out)  # a count of all laws would need its conditions
    assert len(plain["laws"]) == 18
    assert {cell["rl"] for cell in plain["accounting"]} == {
        "fixed tokens, 133T", "as much as pre-training", "fixed compute, 4e25 FLOP", "none"
    }  # fmt: skip


def test_a_preset_printed_is_a_scenario_to_start_from(tmp_path):
    path = tmp_path / "my.toml"
    path.write_text(run("presets", "on-device"))
    assert load(path) == load("on-device")
    assert run("solve", str(path)) == run("solve", "on-device")
    for name in presets():
        assert name in run("presets")


def test_sources():
    out = run("sources", "open-weights-8b")
    for text in ("law.alpha", "arxiv.org/abs/2404.10102", "list price", "goal.params"):
        assert text in out
    rows = json.loads(run("sources", "--json"))
    assert {"path", "value", "unit", "kind", "source", "as_of", "about"} == set(rows[0])
    assert "H100 SXM" in run("sources", "--table", "hardware")
    assert len(json.loads(run("sources", "--table", "laws", "--json"))) > 60


def test_version_and_help():
    import optimizer

    assert run("--version").strip() == optimizer.__version__
    for command in ("solve", "reproduce", "presets", "sources"):
        assert command in run("--help")
        run(command, "--help")


def test_every_help_ends_in_an_example_that_parses():
    group = typer.main.get_command(main)
    assert isinstance(group, typer.core.TyperGroup)
    for name, command in group.commands.items():
        text = inspect.cleandoc(command.callback.__doc__ or "")
        words = shlex.split(text.splitlines()[-1].removeprefix("Example: "))
        assert words[:2] == ["overtrain", name]
        command.make_context(name, words[2:])
        assert " ".join(words[:2]) in " ".join(run(name, "--help").split())


def test_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run("solve")
    assert list(Path.cwd().iterdir()) == []


def test_roofline_says_how_many_chips_users_need():
    asked = (
        "roofline",
        "Llama 3.1 70B",
        "--users",
        "200,800",
        "--speed",
        "24.9",
        "--context",
        "700",
        "--set",
        "deployment.chips=2",
    )
    plain = json.loads(run(*asked, "--json"))
    assert [row["replicas"] for row in plain["capacity"]["rows"]] == [1, 4]
    out = " ".join(run(*asked).split())
    assert "Capacity: replicas and chips for users who decode at once" in out
    assert "--users and --speed go together" in CliRunner().invoke(main, ["roofline", "--users", "200"]).output
