"""What all commands share: the scenario with --set, --band, and the printer of text, JSON and errors.

Exit status: 0 solved, 1 infeasible or not converged, 2 bad input, 74 where the answer cannot be written.
With --json an error is one JSON object on standard output too: {"error": {"kind", "messages", "paths"}}.
"""

import atexit
import contextlib
import gc
import io
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import RenderableType

    from ..assumptions.scenario import Scenario

__all__ = [
    "BAND",
    "LECTURE",
    "Against",
    "AsJson",
    "Band",
    "ScenarioName",
    "Settings",
    "complain",
    "error_object",
    "names_of",
    "number",
    "quickly",
    "records",
    "reporting_errors",
    "scenario_with",
    "show",
    "show_json",
    "tolerance",
    "write",
]

LECTURE = "lecture-2026"
"""The scenario of a command without one."""
BAND = "5%"

ScenarioName = Annotated[str, typer.Argument(help="Preset name or path of a TOML file.", metavar="[SCENARIO]")]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="PATH=VALUE",
        help="Replace one assumption, as in traffic.output_tokens=500T; PATH=none leaves it out, "
        'PATH={policy="none"} gives a block. Repeatable.',
    ),
]
Band = Annotated[str, typer.Option(help="Tolerance of the near-optimal band, as 0.05 or 5%.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]

Against = Annotated[
    list[str] | None,
    typer.Option(metavar="MODEL", help='Compare with the list price of an API, as in --against "GPT-5". Repeatable.'),
]

_BROKEN_PIPE = 141
_CANNOT_WRITE = 74


def scenario_with(
    name: str | dict[str, Any], settings: Sequence[str] | Mapping[str, Any] | None, problems: list[str]
) -> "Scenario":
    """The scenario of a name, or that plain data describes, with --set applied: as typed, or as plain data by dotted path.

    Raises:
        InputError: `problems`, which earlier options left, and those of the name and of --set.

    """
    from ..assumptions.library import load
    from ..assumptions.problems import InputError
    from ..assumptions.scenario import Scenario
    from ..assumptions.typed import changes_given

    problems = [*problems]
    changes = settings if isinstance(settings, Mapping) else changes_given(settings or [], problems)
    try:
        found = load(name, changes) if isinstance(name, str) else Scenario.from_dict(name, changes)
    except InputError as error:
        raise InputError([*problems, *error.problems]) from None
    if problems:
        raise InputError(problems)
    return found


def tolerance(band: str, problems: list[str]) -> float:
    """The value of --band; a sentence is added to `problems` where it is invalid."""
    from ..assumptions.bounds import within
    from ..assumptions.numbers import parse_number

    try:
        found = parse_number(band)
        if not 0 < found <= 1:
            raise ValueError(f"must be {within(0, 1, above=True)}, got {band}; for 5 % write 0.05 or 5%")
    except ValueError as error:
        problems.append(f"--band {error}.")
        return 0.05
    return found


def number(option: str, given: str | float | None, unit: str, problems: list[str]) -> float | None:
    """The number of an option, None where none is given; a sentence is added to `problems` where it cannot be read."""
    from ..assumptions.numbers import parse_number

    try:
        return None if given in ("", None) else parse_number(given, unit)
    except ValueError as error:
        problems.append(f"{option} {error}.")
        return None


def names_of(text: str) -> list[str] | None:
    """Names with commas between them; None if there is no text."""
    return [name.strip() for name in text.split(",")] if text else None


def records(frame: "pd.DataFrame", *, index: bool = True) -> list[dict[str, Any]]:
    """Rows of a frame for JSON; NaN becomes null."""
    rows = (frame.reset_index() if index else frame).to_dict("records")
    return [{k: None if v != v else v for k, v in row.items()} for row in rows]


@contextlib.contextmanager
def reporting_errors(json_: bool = False) -> Iterator[None]:
    """Print bad input as one block of sentences on standard error, with --json as an object on standard output too; exit status 2."""
    from ..assumptions.problems import InputError

    try:
        yield
    except InputError as error:
        complain("bad input", error.problems)
        if json_:
            show_json(error_object("bad input", error.problems))
        raise typer.Exit(2) from None


@contextlib.contextmanager
def quickly() -> Iterator[None]:
    """Collect no garbage meanwhile and at the exit: it would take a tenth of a command of seconds, whose memory ends with it."""
    collected = gc.isenabled()
    gc.disable()
    atexit.register(gc.disable)
    try:
        yield
    finally:
        if collected:
            gc.enable()


def error_object(kind: str, sentences: Sequence[str]) -> dict[str, dict[str, object]]:
    """An error for programs: its kind, its sentences, and the dotted paths that they name, of scenarios only."""
    from ..assumptions.paths import schema_paths
    from ..assumptions.scenario import Scenario

    known = {*schema_paths(Scenario), *Scenario.model_fields}
    named = (word.rstrip(".") for sentence in sentences for word in re.findall(r"[a-z_]+(?:\.[\w]+)*", sentence))
    paths = [word for word in dict.fromkeys(named) if "." in word and word in known]
    return {"error": {"kind": kind, "messages": [*sentences], "paths": paths}}


def complain(what: str, sentences: Sequence[str]) -> None:
    """Sentences on standard error."""
    count = f" ({len(sentences)} problems)" if len(sentences) > 1 else ""
    typer.echo(f"overtrain: {what}{count}", err=True)
    for sentence in sentences:
        typer.echo(f"  - {sentence}", err=True)


def show(what: "RenderableType") -> None:
    """Print text or a table of rich."""
    from rich.console import Console

    # A pipe has no width of its own: wide enough for every table, unless COLUMNS says otherwise.
    wide = None if "COLUMNS" in os.environ or (sys.stdout and sys.stdout.isatty()) else 140
    console = Console(
        width=wide, highlight=False, file=io.StringIO(), force_terminal=bool(sys.stdout and sys.stdout.isatty())
    )
    with console.capture() as captured:
        console.print(what)
    write("\n".join(line.rstrip() for line in captured.get().splitlines()) + "\n")


def show_json(plain: object) -> None:
    """Print one JSON object."""
    write(json.dumps(plain, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write(text: str) -> None:
    """Print text; exit without a traceback if standard output is closed or cannot be written."""
    encoding = (sys.stdout and sys.stdout.encoding) or "utf-8"
    try:
        typer.echo(text.encode(encoding, "backslashreplace").decode(encoding), nl=False)
        if sys.stdout:
            sys.stdout.flush()
    except BrokenPipeError:
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(_BROKEN_PIPE) from None
    except OSError as error:
        complain("the answer cannot be written", [f"standard output: {error.strerror}; write to another place."])
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(_CANNOT_WRITE) from None
