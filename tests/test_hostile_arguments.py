"""Every argument of every command with what is no argument: a sentence and a status, never a traceback, however the work would go."""

import importlib
import pkgutil

import pandas as pd
import pytest
from typer.testing import CliRunner

import optimizer
from optimizer.cli import main
from optimizer.optimum.solution import InfeasibleError
from optimizer.optimum.solve import no_answer

HOSTILE = {
    "nothing": "", "a space": " ", "a NUL": "\0", "a NUL inside": "a\0b", "too long": "x" * 5000, "long in two bytes": "ü" * 300,
    "no UTF-8": "\udcff", "half a pair": "\ud800", "negative": "-1", "zero": "0", "tiny": "1e-300", "huge": "1e308", "NaN": "nan",
    "infinite": "inf", "another script": "\u0661", "a device that is full": "/dev/full", "a device without end": "/dev/zero",
    "a folder": ".", "no such file": "good.parquet/x", "commas": ",,", "an equals sign": "=",
    "a name alone": "a=", "an open block": "{", "deep": "law=" + "{a=" * 2000, "dots": "a." * 5000 + "a=1", "escapes": "\x1b[31m",
    "an emoji": "\U0001f600", "a format": "%s{}", "markup": "[red]",
}  # fmt: skip
ONE = ["--over", "law=hoffmann"]
COMMANDS = {
    "solve": [[], ["--set"], ["--band"]],
    "sources": [[], ["--table"]],
    "presets": [[]],
    "roofline": [[], ["--chip"], ["--precision"]],
    "sensitivity": [[], ["--output"]],
    "table": [[], ["--over"], *([*ONE, option] for option in ("--columns", "--wide", "--band", "--out", "--from")),
              [*ONE, "--wide", "law", "--value"], ["--inverse", "--sizes"]],
    "sweep": [["--in", "good.parquet", "--out", "out"], ["--out", "out", "--in"], ["--in", "good.parquet", "--out"], ["--keep"],
              ["--engine"], ["--slice"]],
}  # fmt: skip
WITHIN = [
    "law=",
    "name=",
    "traffic.output_tokens=",
    "traffic.kind=",
    "goal=",
    "rl=",
    "money.serve_chip=",
    "pretraining.recomputation=",
]


@pytest.fixture
def quick(monkeypatch, tmp_path):
    """No optimum is looked for: what remains is reading, refusing and printing."""
    monkeypatch.chdir(tmp_path)
    pd.DataFrame({"traffic.output_tokens": [1e14]}).to_parquet("good.parquet")

    def infeasible(scenario, *_: object, band: float = 0.05, throw: bool = True, **__: object):
        error = InfeasibleError("no optimum is looked for")
        if throw:
            raise error
        return no_answer(scenario, band, error)

    for module in pkgutil.walk_packages(optimizer.__path__, "optimizer."):
        if not module.name.startswith(("optimizer.app", "optimizer.cli.__main__")):
            importlib.import_module(module.name)  # one that is first imported now would keep what is put in place below
    for name in ("optimum.solve.solve", "analysis.sizes.solve", "analysis.inverse.solve", "analysis.inverse.design_of_size",
                 "analysis.elasticities.elasticities", "evidence.claims.claims"):  # fmt: skip
        monkeypatch.setattr(f"optimizer.{name}", infeasible)
    monkeypatch.setattr("optimizer.analysis.serving.POINTS", {})
    monkeypatch.setattr("optimizer.report.serving_text.serving_text", lambda *_: "")
    monkeypatch.setattr("optimizer.analysis.placement.misfits", lambda *_: [])


def answer_to(arguments: list[str]) -> str:
    """What is wrong with the way a command ended, or nothing."""
    done = CliRunner().invoke(main, arguments)
    shown = [a[:40] for a in arguments]
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        return f"{shown}: {done.exception!r}"
    if done.exit_code not in (0, 1, 2) or "Traceback" in done.output:
        return f"{shown}: status {done.exit_code}"
    if done.exit_code and not done.stderr and not done.stdout:
        return f"{shown}: no sentence"
    return f"{shown}: {len(done.stderr)} characters" if len(done.stderr) > 3000 else ""


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.usefixtures("quick")
def test_no_argument_ends_in_a_traceback(command):
    found = [answer_to([command, *before, bad]) for before in COMMANDS[command] for bad in HOSTILE.values()]
    assert [f for f in found if f] == []


@pytest.mark.usefixtures("quick")
def test_no_value_of_a_field_ends_in_a_traceback():
    found = [answer_to(["solve", "--set", within + bad]) for within in WITHIN for bad in HOSTILE.values()]
    found += [
        answer_to(["solve", "--set", "traffic.kind=table", "--set", f"traffic.file={bad}"]) for bad in HOSTILE.values()
    ]
    assert [f for f in found if f] == []


PATHS = (
    "a NUL",
    "too long",
    "long in two bytes",
    "no UTF-8",
    "half a pair",
    "no such file",
    "escapes",
)


@pytest.mark.usefixtures("quick")
def test_no_path_ends_in_a_traceback():
    found = [
        answer_to(["table", "--over", "law=hoffmann", "--out", HOSTILE[bad] + end])
        for bad in PATHS
        for end in (".csv", ".xlsx")
    ]
    found += [answer_to(["table", "--from", HOSTILE[bad] + end]) for bad in PATHS for end in (".csv", ".parquet")]
    assert [f for f in found if f] == []


@pytest.mark.parametrize("size", ["1e-300", "0", "-8B", "1e-10"])
def test_a_model_without_parameters(size):
    done = CliRunner().invoke(main, ["roofline", "--", size])
    assert done.exit_code == 2
    assert "the number of active parameters must be 1 or more" in done.stderr
