"""The code on the page gives the numbers of the page."""

import json
import subprocess

import pytest
from typer.testing import CliRunner

from optimizer import load, solve
from optimizer.app.snippets import command_snippet, python_snippet
from optimizer.cli import main

from .session import MONTHS, SMALL, opened, run, unfold

SAID = {
    "a preset": ("lecture-2026", {}),
    "numbers": (SMALL, {"traffic.growth": 0.07, "limits.max_params": 9e9}),
    "another law and traffic": ("lecture-2026", {"law": "hoffmann", "traffic": {"kind": "table", "table": MONTHS}}),
    "another policy": ("lecture-2026", {"rl": {"policy": "cost_share", "cost_share": 0.5}, "goal": {"kind": "budget", "budget": 1e26}}),
    "coefficients": ("data-limited-lab", {"law": {"kind": "chinchilla", "E": 1.7, "A": 400.0, "B": 410.0, "alpha": 0.34, "beta": 0.28}, "limits.max_epochs": None}),
}  # fmt: skip


@pytest.mark.parametrize("what", SAID)
def test_the_snippets_give_the_numbers_of_the_page(what, tmp_path, monkeypatch):
    preset, changes = SAID[what]
    s = load(preset, changes)
    best = solve(s)
    said: list[object] = []
    exec(python_snippet(preset, s), {"print": lambda *values: said.extend(values)})
    assert said == [best.design.n_params, best.design.train_tokens, best.cost.total]
    if what == "a preset":
        assert command_snippet(preset, s) == "overtrain solve lecture-2026\n"
        return  # tests of the command run it
    # A shell reads the command; what it would call is called here.
    monkeypatch.chdir(tmp_path)
    shell = "overtrain() { printf '%s\\0' \"$@\"; }\n" + command_snippet(preset, s)
    words = subprocess.run(["bash", "-ec", shell], capture_output=True, text=True, check=True).stdout.split("\0")[:-1]
    done = CliRunner().invoke(main, [*words, "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["design"] == best.to_dict()["design"]


def test_the_snippets_are_on_the_page():
    at = opened()
    at.session_state["plan_tab"] = "Code"
    run(at)
    assert [block.value for block in at.code] == [
        python_snippet("lecture-2026", load("lecture-2026")).strip(),
        command_snippet("lecture-2026", load("lecture-2026")).strip(),
    ]


def test_one_number_of_a_chip_or_a_tier_leaves_the_code_and_the_address_whole():
    at = opened(preset="frontier-moe-rack")  # its bill reads both
    unfold(at, "money", "deployment")
    at.text_input(key="text.money.serve_chip.usd_per_chip_hour").set_value("3")
    unfold(at, "money", "deployment")
    at.text_input(key="text.deployment.cache_tier.usd_per_device_hour").set_value("0.05")
    at.session_state["plan_tab"] = "Code"
    run(at)
    wanted = load(
        "frontier-moe-rack",
        {"money.serve_chip.usd_per_chip_hour": 3, "deployment.cache_tier.usd_per_device_hour": 0.05},
    )
    assert [block.value for block in at.code] == [
        python_snippet("frontier-moe-rack", wanted).strip(),
        command_snippet("frontier-moe-rack", wanted).strip(),
    ]
    again = opened(**{path.replace(".", "__"): value for path, value in at.query_params.items()})
    assert not [*again.warning, *again.error]
    assert again.session_state["question"].scenario == wanted
