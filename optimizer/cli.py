"""The `overtrain` command. Each command imports what it needs when it runs, so that help does not wait for JAX.

Exit status: 0 solved, 1 infeasible or not converged, 2 bad input, 74 where the answer cannot be written.
"""

import contextlib
import io
import json
import os
import re
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import RenderableType

    from .analysis.grid import SizeTable
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
        "--set",
        metavar="PATH=VALUE",
        help="Replace one assumption, as in traffic.output_tokens=500T; PATH=none leaves it out, "
        'PATH={policy="none"} gives a block. Repeatable.',
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
    from .assumptions.typed import changes_given

    changes = changes_given(settings, problems)
    try:
        found = load(name, changes)
        return found if not problems else None
    except InputError as error:
        problems.extend(error.problems)
        return None


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
            from .evidence.claims import claims as every_claim

            found = every_claim()
            if json_:
                _print_json([claim._asdict() for claim in found])
                return
            from .report.serving_text import claims_text

            _print(claims_text(found))
            return
        from .evidence import lecture

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
        from .analysis.serving import SWEEPS, endless_saving, fast_mode, key_figures, served
        from .assumptions.numbers import parse_number
        from .assumptions.problems import InputError
        from .assumptions.typed import changes_given
        from .model.total import warnings

        problems: list[str] = []
        changes = changes_given(set_ or [], problems)
        if problems:
            raise InputError(problems)
        try:
            params: float | None = parse_number(model, "parameters")
        except ValueError:
            params = None
        name = "" if params is not None else model
        start: dict[str, object] = {"money.serve_chip": {"name": chip, "precision": precision}}
        asked = served(name, params, {**start, **changes})
        tables = {key: sweep(asked) for key, sweep in SWEEPS.items()}
        if json_:
            figures = {key: {"value": value, "unit": unit} for key, (value, unit) in key_figures(asked).items()}
            frames = {key: {"units": f.attrs["units"], "rows": _plain(f, index=False)} for key, f in tables.items()}
            speed, cost = fast_mode(asked)
            modes = {"slow": {"saving": endless_saving(asked)}, "fast": {"speed": speed, "cost": cost}}
            frames["cache"]["cheapest"] = tables["cache"].attrs["cheapest"]
            on = asked.scenario.money.serve_chip
            head = {
                "model": asked.name,
                "chip": on.title,
                "precision": on.precision,
                "figures": figures,
                "modes": modes,
            }
            head["warnings"] = warnings(asked.scenario, quality=False)
            _print_json({**head, **frames})
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
        from .analysis.elasticities import OUTPUTS, elasticities
        from .analysis.tornado import tornado
        from .assumptions.naming import title
        from .assumptions.problems import InputError, near_miss
        from .optimum.solve import InfeasibleError
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
                    "title": title(question),
                    "scenario": question.to_dict(),
                    "version": __version__,
                }
            )
            return
        from .report.sensitivity import sensitivity_text

        _print(sensitivity_text(title(question), slopes, swings))


@app.command()
def table(
    scenario: _Scenario = "lecture-2026",
    set_: _Set = None,
    over: Annotated[
        list[str] | None,
        typer.Option(
            "--over",
            metavar="PATH=VALUES",
            help="An axis, as in law=besiroglu,hoffmann or traffic.output_tokens=1T..1000T:7 (7 points). Repeatable.",
        ),
    ] = None,
    inverse: Annotated[
        bool, typer.Option("--inverse", help="Fixed sizes: tokens to train, traffic that justifies.")
    ] = False,
    sizes: Annotated[str, typer.Option(help="Sizes of the inverse table, as 1B,8B,70B.", metavar="SIZES")] = "",
    columns: Annotated[str, typer.Option(help="Columns to keep beside the axes, with commas.", metavar="NAMES")] = "",
    wide: Annotated[str, typer.Option(help="Turn this axis into columns.", metavar="PATH")] = "",
    value: Annotated[str, typer.Option(help="What to spread over --wide, with commas.", metavar="NAMES")] = "n_params",
    band: Annotated[str, typer.Option(help="Tolerance of the near-optimal band, as 0.05 or 5%.")] = "5%",
    out: Annotated[
        str, typer.Option(help="Write to FILE: .csv .parquet .xlsx .tex .md .json .html.", metavar="FILE")
    ] = "",
    human: Annotated[bool, typer.Option("--human", help="Write human numbers (111.4B) to --out.")] = False,
    from_: Annotated[
        str, typer.Option("--from", help="Make the table of FILE again and say whether it agrees.", metavar="FILE")
    ] = "",
    json_: _Json = False,
) -> None:
    """Tabulate optimal sizes over a grid of assumptions, or fixed sizes with the traffic that justifies them."""
    with _told():
        from .assumptions.problems import InputError
        from .report import table_text

        problems: list[str] = []
        if human and not out:
            problems.append(
                "--human says how to write --out FILE; give a file too. A terminal shows human numbers anyway."
            )
        if wide and columns:
            problems.append("--columns and --wide exclude each other; with --wide, --value names what is kept.")
        if from_:
            options = {"SCENARIO": scenario != "lecture-2026", "--set": set_, "--over": over, "--inverse": inverse}
            options |= {
                "--sizes": sizes,
                "--columns": columns,
                "--wide": wide,
                "--value": value != "n_params",
                "--band": band != "5%",
            }
            given = [name for name, there in options.items() if there]
            if given:
                problems.append(f"--from FILE makes the table that the file describes; leave {', '.join(given)} out.")
        if out:
            from .report.files.export import checked

            try:
                checked(out, "human" if human else "plain")
            except InputError as error:
                problems += error.problems
        if problems:
            raise InputError(problems)
        agrees = True
        if from_:
            from .report.files.agreement import agreement
            from .report.progress import progress

            found = agreement(from_, progress("solving"))
            made, agrees = found.table, found.agrees
            verdict = table_text.agreement_text(from_, found)
            typer.echo(verdict, nl=False, err=True) if json_ else _write(verdict)
        else:
            made = _tabulated(scenario, set_, over, inverse, sizes, columns, wide, value, band)
        if out:
            from .report.files.export import export

            export(made, out, numbers="human" if human else "plain")
        if json_:
            from .report.files.export import encoded

            _write(encoded(made, "json").decode())
        elif not (out or from_):
            _print(table_text.table_text(made, columns.split(",") if columns else None))
        if not from_:
            for sentence in table_text.unanswered(made):
                typer.echo(f"  - {sentence}", err=True)
            agrees = "status" not in made or bool({"optimal", "justified"} & set(made["status"]))
        if not agrees:
            raise typer.Exit(1)


def _tabulated(
    scenario: str,
    set_: Sequence[str] | None,
    over: Sequence[str] | None,
    inverse: bool,
    sizes: str,
    columns: str,
    wide: str,
    value: str,
    band: str,
) -> "SizeTable":
    """The table that the options ask for, every problem of theirs told at once."""
    from .analysis.grid import check_wide
    from .analysis.grid import wide as spread
    from .analysis.inverse import SIZES, inverse_columns, inverse_table
    from .analysis.sizes import default_grid, size_columns, size_table
    from .assumptions.problems import InputError
    from .assumptions.typed import axes_given, values_given
    from .report.progress import progress

    problems: list[str] = []
    grid, tolerance = None, 0.05
    try:
        grid = axes_given(over) if over else None
    except InputError as error:
        problems += error.problems
    tolerance = _tolerance(band, problems)
    if sizes and not inverse:
        problems.append(
            "--sizes belongs to --inverse; give both, or --over goal.params=... for sizes that are decided."
        )
    fixed: Sequence[float | str] = SIZES
    try:
        fixed = values_given("goal.params", sizes) if sizes else SIZES
    except ValueError as error:
        problems.append(f"--sizes {error}.")
    question = _scenario(scenario, set_ or [], problems)
    if question is None:
        raise InputError(problems)
    named = [name.strip() for name in columns.split(",")] if columns else None
    values = [name.strip() for name in value.split(",")]
    if wide and inverse:
        check_wide([*(grid or {}), "n_params"], inverse_columns(grid or {}), wide, values)
    elif wide:
        grid = default_grid(question) if grid is None else grid
        check_wide([*grid], size_columns(question, grid), wide, values)
    how: dict[str, Any] = {"columns": named, "progress": progress("solving")}
    made = inverse_table(question, fixed, grid, **how) if inverse else size_table(question, grid, band=tolerance, **how)
    return spread(made, wide, values) if wide else made


def _tolerance(band: str, problems: list[str]) -> float:
    from .assumptions.numbers import parse_number

    try:
        tolerance = parse_number(band)
        if 0 < tolerance <= 1:
            return tolerance
        raise ValueError(f"must lie in (0, 1], got {band}; for 5 % write 0.05 or 5%")
    except ValueError as error:
        problems.append(f"--band {error}.")
        return 0.05


@app.command()
def sweep(
    scenario: _Scenario = "lecture-2026",
    set_: _Set = None,
    in_: Annotated[
        str, typer.Option("--in", help="Parquet file, or a folder of them: one scenario a row.", metavar="FILE")
    ] = "",
    out: Annotated[
        str, typer.Option(help="Folder of the answers; the same command goes on with it.", metavar="FOLDER")
    ] = "",
    keep: Annotated[str, typer.Option(help="Columns to carry along, such as an identifier.", metavar="NAMES")] = "",
    engine: Annotated[str, typer.Option(help="local or dask.")] = "local",
    scheduler: Annotated[str, typer.Option(help="Address of the Dask scheduler.", metavar="ADDRESS")] = "",
    slice_: Annotated[
        str, typer.Option("--slice", help="Solve slice I of N only, as 3/16; start one process each.", metavar="I/N")
    ] = "",
    json_: _Json = False,
) -> None:
    """Solve every row of Parquet files that need not fit into memory; run it again to go on after an interruption."""
    with _told():
        from .assumptions.problems import InputError

        problems = [f"{name} is missing; give {what}." for name, given, what in (
            ("--in", in_, "a Parquet file with one scenario a row, or a folder of them"),
            ("--out", out, "the folder of the answers"),
        ) if not given]  # fmt: skip
        if scheduler and engine != "dask":
            problems.append("--scheduler belongs to --engine dask.")
        part_of = _slice(slice_, problems) if slice_ else None
        question = _scenario(scenario, set_ or [], problems)
        if question is None:
            raise InputError(problems)
        from .parquet_sweep.folder import sweep_parquet
        from .report.progress import progress

        named = [name.strip() for name in keep.split(",")] if keep else []
        try:
            found = sweep_parquet(
                question,
                in_,
                out,
                keep=named,
                engine=engine,
                scheduler=scheduler,
                slice_of=part_of,
                progress=progress("rows"),
            )
        except KeyboardInterrupt:
            _complain("interrupted", [f"the parts in {out} are whole; the same command goes on from there."])
            raise typer.Exit(_INTERRUPTED) from None
        if json_:
            _print_json(
                {
                    "folder": str(found.folder),
                    "rows": found.rows,
                    "parts": found.parts,
                    "statuses": found.statuses,
                    "missing": found.missing,
                }
            )
        else:
            _write(f'{found}\nRead it with: pandas.read_parquet("{out}")\n')
        for status, sentence in found.reasons().items():
            typer.echo(f"  - {found.statuses[status]:,} {status.replace('_', ' ')}, the first: {sentence}", err=True)
        if found.rows and "optimal" not in found.statuses:
            raise typer.Exit(1)


def _slice(text: str, problems: list[str]) -> tuple[int, int] | None:
    found = re.fullmatch(r"(\d+)/(\d+)", text.strip(), re.ASCII)
    if found and 1 <= int(found[1]) <= int(found[2]):
        return int(found[1]), int(found[2])
    problems.append(
        f"--slice must be I/N with 1 <= I <= N, such as 3/16 for the third of sixteen slices, got {text!r}."
    )
    return None


@app.command(name="app")
def app_(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on this machine.")] = 8501,
    browser: Annotated[bool, typer.Option(help="Open a browser.")] = True,
) -> None:
    """Open the app in a browser: move the traffic forecast and watch the optimum move. It listens on this machine only."""
    from pathlib import Path

    from streamlit.web.bootstrap import load_config_options, run

    script = Path(__file__).parents[1] / "streamlit_app.py"
    options: dict[str, Any] = {
        "server.address": "localhost",
        "server.port": port,
        "server.headless": not browser,
        "server.fileWatcherType": "none",
        "server.maxUploadSize": 2,
        "browser.gatherUsageStats": False,
        "client.toolbarMode": "minimal",
        "client.showErrorLinks": False,
        "runner.magicEnabled": False,
        "theme.light.primaryColor": "#1f6aa5",
        "theme.dark.primaryColor": "#5aa9e6",
        "global.developmentMode": False,
    }
    flags = {name.replace(".", "_"): value for name, value in options.items()}
    load_config_options(flags)
    threading.Thread(target=_warm, daemon=True).start()
    run(str(script), False, [], flags)


def _warm() -> None:
    from .app.answers import warm

    warm()


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
        _complain("the answer cannot be written", [f"standard output: {error.strerror}; write to another place."])
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(_CANNOT_WRITE) from None


_INTERRUPTED = 130
_BROKEN_PIPE = 141
_CANNOT_WRITE = 74


if __name__ == "__main__":
    app()
