"""The code that gives the numbers on the page, in Python and on the command line."""

import shlex

import tomli_w

from ..assumptions.differences import differences
from ..assumptions.library import load
from ..assumptions.scenario import Scenario
from ..assumptions.typed import changes_given
from .link import TABLE

__all__ = ["command_snippet", "python_snippet"]


def python_snippet(preset: str, scenario: Scenario) -> str:
    """Python that solves the scenario."""
    changes = differences(load(preset), scenario)
    lines = "".join(f"    {path!r}: {value!r},\n" for path, value in changes.items())
    made = f"load({preset!r}, {{\n{lines}}})" if changes else f"load({preset!r})"
    return (
        f"from optimizer import load, solve\n\ns = {made}\nbest = solve(s)\n"
        "print(best.design.n_params, best.design.train_tokens, best.cost.total)\n"
    )


def command_snippet(preset: str, scenario: Scenario) -> str:
    """Shell commands that solve the scenario; one with a traffic table is written to a file first."""
    changes = differences(load(preset), scenario)
    if TABLE in changes:
        return f"cat > scenario.toml <<'SCENARIO'\n{scenario.to_toml()}SCENARIO\novertrain solve scenario.toml\n"
    settings = [f"--set {shlex.quote(f'{path}={_written(path, value)}')}" for path, value in changes.items()]
    return " \\\n  ".join([f"overtrain solve {preset}", *settings]) + "\n"


def _written(path: str, value: float | str | None) -> str:
    """The value as --set reads it; text that would be read as something else, in TOML's quotes."""
    if value is None:
        return "none"
    if isinstance(value, str) and changes_given([f"{path}={value}"], []) != {path: value}:
        return tomli_w.dumps({"text": value}).removeprefix("text = ").strip()
    return str(value)
