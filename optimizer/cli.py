"""The `overtrain` command. Each command imports what it needs when it runs, so that help does not wait for JAX.

Exit status: 0 solved, 1 infeasible or not converged, 2 bad input, 74 where the answer cannot be written.
"""

import contextlib
import io
import json
import os
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import RenderableType

    from .assumptions.scenario import Scenario
    from .optimum.solution import Solution

__all__ = ["app"]

app = typer.Typer(
    name="overtrain",
    help="How many parameters, and how many training tokens, for the traffic a language model will serve?",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

_Scenario = Annotated[str, typer.Argument(help="Preset name or path of a TOML file.", metavar="[SCENARIO]")]
_Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="PATH=VALUE", help="Replace one assumption, as in traffic.output_tokens=500T. Repeatable."
    ),
]
_Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


@app.callback(invoke_without_command=True)
def _main(version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:
    if version:
        from . import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.command()
def solve(
    scenario: _Scenario = "lecture-2026",
    set_: _Set = None,
    band: Annotated[str, typer.Option(help="Tolerance of the near-optimal band, as 0.05 or 5%.")] = "5%",
    json_: _Json = False,
) -> None:
    """Find the optimal design of a scenario."""
    with _told():
        from .assumptions.numbers import parse_number
        from .assumptions.problems import InputError
        from .optimum.solve import Status
        from .optimum.solve import solve as solve_scenario

        problems = []
        try:
            tolerance = parse_number(band)
            if not 0 < tolerance <= 1:
                raise ValueError(f"must lie in (0, 1], got {band}; for 5 % write 0.05 or 5%")
        except ValueError as error:
            problems.append(f"--band {error}.")
            tolerance = 0.05
        question = _scenario(scenario, set_ or [], problems)
        if question is None:
            raise InputError(problems)
        best = solve_scenario(question, band=tolerance, throw=False)
        if json_:
            _print_json(_as_json(best))
        elif best.status is Status.OPTIMAL:
            from .report.text import solution_text

            _print(solution_text(best))
        if best.status is not Status.OPTIMAL:
            if not json_:
                _complain(best.status.name.lower().replace("_", " "), [best.message])
            raise typer.Exit(1)


def _as_json(best: "Solution") -> dict[str, Any]:
    return best.to_dict() | ({"message": best.message} if best.message else {})


def _scenario(name: str, settings: Sequence[str], problems: list[str]) -> "Scenario | None":
    """The scenario with --set applied; None, with the sentences added to `problems`, where anything is wrong."""
    from .assumptions.library import load
    from .assumptions.problems import InputError

    changes = _changes(settings, problems)
    try:
        found = load(name, changes)
        return found if not problems else None
    except InputError as error:
        problems.extend(error.problems)
        return None


def _changes(settings: Sequence[str], problems: list[str]) -> dict[str, str | None]:
    """What --set asks for, by dotted path; sentences about what it cannot mean go to `problems`."""
    changes: dict[str, str | None] = {}
    for setting in settings:
        path, equals, value = setting.partition("=")
        if not equals or not path.strip():
            problems.append(f"--set {setting!r} is not PATH=VALUE; write --set traffic.output_tokens=500T.")
        elif path.strip() in changes:
            problems.append(f"--set {path.strip()} is given twice; keep one.")
        else:
            changes[path.strip()] = value.strip() or None
    return changes


@app.command()
def reproduce(
    claims: Annotated[
        bool, typer.Option("--claims", help="Check what the lecture says about serving instead.")
    ] = False,
    json_: _Json = False,
) -> None:
    """Check the lecture's "100x over-trained": its arithmetic, the exact optimum under every law, and what carries the result."""
    with _told():
        if claims:
            from .report.claims import claims as every_claim

            found = every_claim()
            if json_:
                _print_json([claim._asdict() for claim in found])
                return
            from .report.serving_text import claims_text

            _print(claims_text(found))
            return
        from .report import lecture

        steps, frame, waterfall = lecture.arithmetic(), lecture.ensemble(), lecture.waterfall()
        elasticities, sentence = lecture.carries()
        means = {
            tokens: {
                name: lecture.geometric_mean(frame[column].to_dict(), same_fit_once=once)
                for name, once in (("all", False), ("same_fit_once", True))
            }
            for tokens, column in (("200T", "pinned_vs_rule_of_20"), ("259.2T", "pinned_exact_vs_rule_of_20"))
        }
        if json_:
            laws = _plain(frame)
            stairs = _plain(waterfall)
            _print_json(
                {
                    "arithmetic": [step._asdict() for step in steps],
                    "laws": laws,
                    "units": frame.attrs["units"],
                    "geometric_mean": means,
                    "waterfall": stairs,
                    "elasticities": elasticities,
                    "sentence": sentence,
                }
            )
            return
        from .report.text import reproduction_text

        _print(reproduction_text(steps, frame, waterfall, means, sentence))


@app.command()
def roofline(
    model: Annotated[
        str,
        typer.Argument(
            help="A model of data/models.csv, or a number of active parameters, as 100B.", metavar="[MODEL]"
        ),
    ] = "Llama 3 70B",
    chip: Annotated[str, typer.Option(help="A chip of data/hardware.csv.")] = "H100 SXM",
    precision: Annotated[str, typer.Option(help="bf16, fp8, fp4 or int8.")] = "fp8",
    set_: _Set = None,
    json_: _Json = False,
) -> None:
    """Serve a model on a chip: step time, speed and cost over batch, speed asked for, domain, pipeline, context and cache tier."""
    with _told():
        from .assumptions.numbers import parse_number
        from .assumptions.problems import InputError
        from .report.serving import SWEEPS, key_figures, served

        problems: list[str] = []
        changes = _changes(set_ or [], problems)
        if problems:
            raise InputError(problems)
        try:
            params: float | None = parse_number(model)
        except ValueError:
            params = None
        name = "" if params is not None else model
        start: dict[str, object] = {"money.serve_chip": {"name": chip, "precision": precision}}
        asked = served(name, params, {**start, **changes})
        tables = {key: sweep(asked) for key, sweep in SWEEPS.items()}
        if json_:
            figures = {key: {"value": value, "unit": unit} for key, (value, unit) in key_figures(asked).items()}
            frames = {key: {"units": f.attrs["units"], "rows": _plain(f, index=False)} for key, f in tables.items()}
            _print_json({"model": asked.name, "chip": chip, "precision": precision, "figures": figures, **frames})
            return
        from .report.serving_text import serving_text

        _print(serving_text(asked, tables))


@app.command()
def presets(name: Annotated[str, typer.Argument(help="A preset to print as TOML.", metavar="[NAME]")] = "") -> None:
    """List the scenarios that come with the package, or print one as TOML to start your own."""
    with _told():
        from .assumptions.library import load, preset_text
        from .assumptions.library import presets as names

        if name:
            _write(preset_text(name))
            return
        from .report.text import grid

        found = [load(preset) for preset in names()]
        _print(grid(["preset", "what it stands for"], [(s.name, s.description) for s in found], text_columns=2))
        _write("Solve one with: overtrain solve NAME. Start your own with: overtrain presets NAME > my.toml\n")


@app.command()
def sources(
    scenario: _Scenario = "lecture-2026",
    set_: _Set = None,
    table: Annotated[str, typer.Option(help="Print this table of sourced data instead.", metavar="TABLE")] = "",
    json_: _Json = False,
) -> None:
    """Show where every number of a scenario comes from, or print a table of sourced data."""
    with _told():
        from .assumptions.library import sources as sources_of
        from .assumptions.problems import InputError
        from .assumptions.tables import rows, table_names
        from .report.text import grid, source_rows

        if table:
            numeric = {c["column"] for c in rows("columns") if c["table"] == table}
            records = [{k: float(v) if v and k in numeric else v or None for k, v in r.items()} for r in rows(table)]
        else:
            problems: list[str] = []
            question = _scenario(scenario, set_ or [], problems)
            if question is None:
                raise InputError(problems)
            frame = sources_of(question)
            records = frame.to_dict("records")
        if json_:
            _print_json(records)
            return
        if table:
            _write("".join("; ".join(f"{k} {v}" for k, v in record.items() if v) + "\n" for record in records))
        else:
            _print(grid(["assumption", "value", "unit", "kind", "source"], source_rows(records), text_columns=1))
            _write(f"Tables, with overtrain sources --table NAME: {', '.join(table_names())}.\n")


@app.command()
def sensitivity(
    scenario: _Scenario = "lecture-2026",
    set_: _Set = None,
    output: Annotated[
        str,
        typer.Option(
            help="What to follow: n_params, train_tokens, rl_tokens, cost_total, overtraining_vs_rule_of_20 or overtraining_vs_law."
        ),
    ] = "overtraining_vs_rule_of_20",
    json_: _Json = False,
) -> None:
    """Show what moves the optimum: exact elasticities, and every assumption at its low and at its high."""
    with _told():
        from . import __version__
        from .assumptions.problems import InputError, near_miss
        from .optimum.sensitivity import OUTPUTS, elasticities
        from .optimum.solve import InfeasibleError
        from .optimum.tornado import tornado
        from .report.progress import progress

        problems = []
        if output not in OUTPUTS:
            problems.append(
                f"--output {output!r} is unknown{near_miss(output, OUTPUTS)} Outputs: {', '.join(OUTPUTS)}."
            )
        question = _scenario(scenario, set_ or [], problems)
        if question is None:
            raise InputError(problems)
        try:
            slopes, swings = elasticities(question), tornado(question, output, progress=progress("solving"))
        except InfeasibleError as error:
            status = error.status.name.lower()
            if json_:
                _print_json({"status": status, "message": str(error), "version": __version__})
            else:
                _complain(status.replace("_", " "), [str(error)])
            raise typer.Exit(1) from None
        if json_:
            _print_json(
                {
                    "status": "optimal",
                    "output": output,
                    "band": swings.attrs["band"],
                    "active_limits": slopes.attrs["active_limits"],
                    "elasticities": _plain(slopes),
                    "tornado": _plain(swings.set_index("assumption")),
                    "units": swings.attrs["units"],
                    "scenario": question.to_dict(),
                    "version": __version__,
                }
            )
            return
        from .report.sensitivity import sensitivity_text

        _print(sensitivity_text(question.name, slopes, swings))


def _plain(frame: "pd.DataFrame", *, index: bool = True) -> list[dict[str, Any]]:
    """Rows of a frame that JSON can hold: what is not a number becomes null."""
    rows = (frame.reset_index() if index else frame).to_dict("records")
    return [{k: None if v != v else v for k, v in row.items()} for row in rows]


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Bad input as one block of sentences on standard error and exit status 2."""
    from .assumptions.problems import InputError

    try:
        yield
    except InputError as error:
        _complain("bad input", error.problems)
        raise typer.Exit(2) from None


def _complain(what: str, sentences: Sequence[str]) -> None:
    count = f" ({len(sentences)} problems)" if len(sentences) > 1 else ""
    typer.echo(f"overtrain: {what}{count}", err=True)
    for sentence in sentences:
        typer.echo(f"  - {sentence}", err=True)


def _print(what: "RenderableType") -> None:
    from rich.console import Console

    # A pipe has no width of its own: wide enough for every table, unless COLUMNS says otherwise.
    wide = None if "COLUMNS" in os.environ or (sys.stdout and sys.stdout.isatty()) else 140
    console = Console(
        width=wide, highlight=False, file=io.StringIO(), force_terminal=bool(sys.stdout and sys.stdout.isatty())
    )
    with console.capture() as captured:
        console.print(what)
    _write("\n".join(line.rstrip() for line in captured.get().splitlines()) + "\n")


def _print_json(plain: object) -> None:
    _write(json.dumps(plain, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def _write(text: str) -> None:
    """Text on standard output; where nobody reads it or it cannot be written, an end without a traceback."""
    try:
        typer.echo(text, nl=False)
        if sys.stdout:
            sys.stdout.flush()
    except BrokenPipeError:
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(_BROKEN_PIPE) from None
    except OSError as error:
        _complain("the answer cannot be written", [f"standard output: {error.strerror}; write to another place."])
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(_CANNOT_WRITE) from None


_BROKEN_PIPE = 141
_CANNOT_WRITE = 74


if __name__ == "__main__":
    app()
