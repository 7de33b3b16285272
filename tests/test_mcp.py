"""The tools of `overtrain mcp`, called by the SDK's own client over standard input and output."""

import asyncio
import json
import os
import shlex
import sys

import pytest
from mcp import StdioServerParameters
from mcp.client.client import Client
from mcp.client.stdio import stdio_client
from typer.testing import CliRunner

from optimizer import Scenario, load
from optimizer.assumptions.problems import InputError
from optimizer.cli import main

OVER = {"law": ["besiroglu", "hoffmann"], "traffic.output_tokens": ["20T", "200T"]}
CALLS = {
    "solve": (("solve", {}), "solve"),
    "solve a preset, changed": (
        ("solve", {"scenario": "frontier-moe-chat", "changes": {"traffic.growth": "10%"}, "band": 0.1, "against": ["GPT-5"]}),
        "solve frontier-moe-chat --set traffic.growth=10% --band 10% --against GPT-5",
    ),
    "solve without an answer": (("solve", {"changes": {"goal.loss": 1.0}}), "solve --set goal.loss=1.0"),
    "solve an object": (("solve", {"scenario": load("on-device").to_dict()}), "solve on-device"),
    "cost": (("cost", {"params": 405.85e9, "tokens": "15.6T"}), "cost --params 405.85B --tokens 15.6T"),
    "table": (
        ("table", {"over": OVER, "columns": ["n_params", "overtraining_vs_rule_of_20"]}),
        "table --over law=besiroglu,hoffmann --over traffic.output_tokens=20T,200T --columns n_params,overtraining_vs_rule_of_20",
    ),
    "table of fixed sizes": (("table", {"sizes": ["8B", 7e10]}), "table --inverse --sizes 8B,70B"),
    "fit": (("fit", {"example": "sardana", "form": "additive", "bootstrap": 0}), "fit --example sardana --form additive --bootstrap 0"),
    "implied": (("implied", {"model": "Llama 3 8B", "law": ["hoffmann"]}), "implied 'Llama 3 8B' --law hoffmann"),
    "implied by a design": (
        ("implied", {"params": 8e9, "tokens": "15T", "law": ["hoffmann"], "scenario": "on-device"}),
        "implied on-device --params 8B --tokens 15T --law hoffmann",
    ),
    "presets": (("presets", {}), "presets"),
    "a preset": (("presets", {"name": "on-device"}), "presets on-device"),
    "schema": (("schema", {}), "schema"),
}  # fmt: skip
BAD = {
    "several problems": ("solve", {"changes": {"pretraining.mfu": 38, "traffic.nothing": 1}}),
    "a preset that is none": ("solve", {"scenario": "lecture"}),
    "no number": ("cost", {"params": "lots", "tokens": "1T", "changes": {"pretraining.mfu": 38}}),
    "half a design": ("cost", {"params": "7B"}),
    "half an implied design": ("implied", {"params": "7B"}),
    "a column that is none": ("table", {"columns": ["nothing"]}),
    "an example that is none": ("fit", {"example": "sardanna"}),
    "an argument of another type": ("solve", {"band": 3}),
    "an object that is none": ("solve", {"scenario": {"goal": {"kind": "loss"}}}),
}


@pytest.fixture(scope="module")
def heard() -> dict[str, tuple[bool, dict, str]]:
    """What one server answers to every call: whether it is an error, the object, the text."""

    async def talk() -> dict[str, tuple[bool, dict, str]]:
        place = StdioServerParameters(command=sys.executable, args=["-m", "optimizer.cli", "mcp"], env={**os.environ})
        async with Client(stdio_client(place)) as client:
            answers = {"": (False, {t.name: t for t in (await client.list_tools()).tools}, "")}
            for name, (tool, given) in [(n, call) for n, (call, _) in CALLS.items()] + [*BAD.items()]:
                found = await client.call_tool(tool, given)
                answers[name] = (bool(found.is_error), found.structured_content or {}, found.content[0].text)
            return answers

    return asyncio.run(talk())


@pytest.mark.parametrize("name", CALLS)
def test_a_tool_returns_what_its_command_prints(heard, name):
    line = shlex.split(CALLS[name][1])
    printed = CliRunner().invoke(main, line if line[0] == "schema" else [*line, "--json"]).stdout
    error, found, text = heard[name]
    assert not error
    assert found == json.loads(printed)
    assert json.loads(text) == found


def test_a_law_that_was_fitted_is_a_change(heard):
    assert load("lecture-2026", {"law": heard["fit"][1]["law"]}).law.alpha == heard["fit"][1]["additive"]["alpha"]


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_an_error_of_the_tool(heard, name):
    error, _, text = heard[name]
    assert error
    assert BAD[name][0] in text.splitlines()[0]


def test_errors_are_the_sentences_of_the_library(heard):
    with pytest.raises(InputError) as caught:
        load("lecture-2026", BAD["several problems"][1]["changes"])
    assert len(caught.value.problems) == 2
    assert heard["several problems"][2] == f"Error executing tool solve: {caught.value}"
    assert heard["no number"][2].count("\n") == 1
    assert "params must be a number" in heard["no number"][2]
    assert "params and tokens belong together" in heard["half an implied design"][2]


def test_every_tool_says_what_it_takes(heard):
    tools = heard[""][1]
    assert set(tools) == {"solve", "cost", "table", "fit", "implied", "presets", "schema"}
    assert all(tool.description and tool.input_schema["type"] == "object" for tool in tools.values())
    assert heard["schema"][1] == json.loads(json.dumps(Scenario.model_json_schema()))


def test_without_the_sdk_the_error_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "mcp.server.mcpserver", None)
    done = CliRunner().invoke(main, ["mcp"])
    assert done.exit_code == 2
    assert "pip install 'overtrain[mcp]'" in done.stderr
