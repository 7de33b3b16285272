"""`overtrain sweep`: scenarios in Parquet files."""

import re
from typing import Annotated

import typer

from ._common import (
    LECTURE,
    AsJson,
    ScenarioName,
    Settings,
    complain,
    names_of,
    reporting_errors,
    scenario_with,
    show_json,
    write,
)

__all__ = ["sweep"]

_INTERRUPTED = 130


def sweep(
    scenario: ScenarioName = LECTURE,
    set_: Settings = None,
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
    json_: AsJson = False,
) -> None:
    """Solve every row of Parquet files that need not fit into memory; run it again to go on after an interruption.

    Example: overtrain sweep --in scenarios.parquet --out results/
    """
    with reporting_errors(json_):
        problems = [f"{name} is missing; give {what}." for name, given, what in (
            ("--in", in_, "a Parquet file with one scenario a row, or a folder of them"),
            ("--out", out, "the folder of the answers"),
        ) if not given]  # fmt: skip
        if scheduler and engine != "dask":
            problems.append("--scheduler belongs to --engine dask.")
        part_of = _slice(slice_, problems) if slice_ else None
        question = scenario_with(scenario, set_, problems)
        from ..parquet_sweep.folder import sweep_parquet
        from ..report.terminal import progress

        try:
            found = sweep_parquet(
                question,
                in_,
                out,
                keep=names_of(keep) or (),
                engine=engine,
                scheduler=scheduler,
                slice_of=part_of,
                progress=progress("rows"),
            )
        except KeyboardInterrupt:
            complain("interrupted", [f"the parts in {out} are whole; the same command goes on from there."])
            raise typer.Exit(_INTERRUPTED) from None
        if json_:
            show_json(
                {
                    "folder": str(found.folder),
                    "rows": found.rows,
                    "parts": found.parts,
                    "statuses": found.statuses,
                    "missing": found.missing,
                }
            )
        else:
            write(f'{found}\nRead it with: pandas.read_parquet("{out}")\n')
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
