"""Presets, scenario files and the sources of their numbers."""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .arguments import MAPPING, PATH, checks
from .named import Citation, NamedAssumption
from .problems import DataError, near_miss, read_text
from .scenario import SCENARIO, Scenario
from .tables import data_folder

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["load", "preset_text", "presets", "sources"]

MAX_TOML_BYTES = 1_000_000


def presets() -> list[str]:
    """Names of the scenarios that come with the package, the lecture first."""
    found = sorted(f.name.removesuffix(".toml") for f in data_folder().joinpath("scenarios").iterdir())
    return sorted(found, key=lambda name: name != "lecture-2026")


def preset_text(name: str) -> str:
    """The TOML of a preset as it was written, to start one's own from.

    Raises:
        DataError: there is no such preset.

    """
    if name not in presets():
        raise DataError([f"{name!r} is not a preset{near_miss(name, presets())} Presets: {', '.join(presets())}."])
    return data_folder().joinpath("scenarios", f"{name}.toml").read_text(encoding="utf-8")


_PRESET = PATH._replace(
    what="the name of a preset or the path of a TOML file", how="write load('lecture-2026'); presets() lists the names"
)


@checks(name=_PRESET, changes=MAPPING)
def load(name: str | Path, changes: Mapping[str, object] | None = None) -> Scenario:
    """A scenario by preset name, or from a TOML file.

    Args:
        name: one of `presets()`, or the path of a TOML file. A `traffic.file` in it is looked up in the folder of that file.
        changes: dotted paths to replace, as in `Scenario.update`; they may supply what the file leaves out.

    Raises:
        DataError: there is no such preset or file, or the file is not readable.
        InputError: the file's content is not a scenario; one sentence for every problem.

    >>> load("lecture-2026").traffic.output_tokens
    200000000000000.0

    """
    if str(name) in presets():
        preset = _preset(str(name))
        return preset.update(changes) if changes else preset
    path = Path(name)
    if not str(name).strip():
        raise DataError(
            [
                f"the scenario has an empty name; give a preset or the path of a TOML file. Presets: {', '.join(presets())}."
            ]
        )
    if path.suffix != ".toml" and not _exists(path):
        hint = near_miss(str(name), presets())
        raise DataError([f"{str(name)!r} is neither a preset nor a file{hint} Presets: {', '.join(presets())}."])
    text = read_text(path, MAX_TOML_BYTES, "scenario TOML file")
    return Scenario.from_toml(text, changes, where=str(path), folder=path.parent)


@functools.cache
def _preset(name: str) -> Scenario:
    return Scenario.from_toml(preset_text(name), where=f"preset {name}")


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return True  # let reading it say what is wrong


@checks(scenario=SCENARIO)
def sources(scenario: Scenario) -> "pd.DataFrame":
    """Every number of a scenario with its source: one row a number.

    Returns:
        columns path, value, unit, kind, source, as_of, about. `kind` is the table's (reported, derived, list price, ...) for numbers
        of a named law, chip or published traffic; "scenario" where the scenario gives its own source; "default" for a
        sourced default; "assumption" where none is named.

    """
    import pandas as pd

    records = []
    for path, declared, value in scenario.quantities():
        cited = _origin(scenario, path, value)
        records.append(
            {"path": path, "value": value, "unit": declared.unit, **cited._asdict(), "about": declared.about}
        )
    origin = Citation(
        "assumption", "gamma = beta, and D and R cost the same at the lecture's point; none is published", ""
    )
    for name, value in scenario.rl.assumed(scenario.law).items():
        declared = scenario.rl.quantity(name)
        assert declared is not None
        row = {"path": f"rl.{name}", "value": float(value), "unit": declared.unit, **origin._asdict()}
        records.append({**row, "about": declared.about})
    return pd.DataFrame.from_records(records)


def _origin(scenario: Scenario, path: str, value: float) -> Citation:
    table, bracket, _ = path.partition("[")
    for named in (path, table):
        if named in scenario.sources:
            return Citation("scenario", scenario.sources[named], "")
    if bracket:
        return Citation("assumption", "", "")
    *parents, field = path.split(".")
    block: Any = scenario
    for name in parents:
        block = getattr(block, name)
    cited = block.citation(field) if isinstance(block, NamedAssumption) else None
    if cited:
        return cited
    declared = block.quantity(field)
    if declared and declared.source and type(block).model_fields[field].default == value:
        return Citation("default", declared.source, "")
    return Citation("assumption", "", "")
