"""The code that gives the numbers on the page, in Python and on the command line."""

import shlex
from typing import Any

from ..assumptions.library import load
from ..assumptions.scenario import Scenario
from .link import TABLE, differences, same

__all__ = ["command_snippet", "python_snippet"]


def python_snippet(preset: str, scenario: Scenario) -> str:
    """Python that solves the scenario."""
    changes = differences(load(preset), scenario)
    if not changes:
        made = f"s = load({preset!r})"
    elif _reached(preset, scenario, changes):
        lines = "".join(f"    {path!r}: {value!r},\n" for path, value in changes.items())
        made = f"s = load({preset!r}, {{\n{lines}}})"
    else:
        made = f"s = Scenario.from_dict({scenario.to_dict()!r})"
    return (
        f"from optimizer import Scenario, load, solve\n\n{made}\nbest = solve(s)\n"
        "print(best.design.n_params, best.design.train_tokens, best.cost.total)\n"
    )


def command_snippet(preset: str, scenario: Scenario) -> str:
    """Shell commands that solve the scenario; where --set cannot say it, the scenario is written to a file first."""
    changes = differences(load(preset), scenario)
    if TABLE in changes or not _reached(preset, scenario, changes):
        return f"cat > scenario.toml <<'SCENARIO'\n{scenario.to_toml()}SCENARIO\novertrain solve scenario.toml\n"
    settings = [f"--set {shlex.quote(f'{path}={_written(value)}')}" for path, value in changes.items()]
    return " \\\n  ".join([f"overtrain solve {preset}", *settings]) + "\n"


def _written(value: Any) -> str:
    return "none" if value is None else repr(value) if isinstance(value, float) else str(value)


def _reached(preset: str, scenario: Scenario, changes: dict[str, Any]) -> bool:
    return same(load(preset, changes), scenario)
