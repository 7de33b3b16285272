"""`overtrain table`: optimal sizes over a grid of assumptions."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ._common import (
    BAND,
    LECTURE,
    AsJson,
    Band,
    ScenarioName,
    Settings,
    names_of,
    reporting_errors,
    scenario_with,
    show,
    tolerance,
    write,
)

if TYPE_CHECKING:
    from ..analysis.grid import SizeTable

__all__ = ["table"]

ALL = "all"
"""What --columns takes for every column."""


def table(
    scenario: ScenarioName = LECTURE,
    set_: Settings = None,
    over: Annotated[
        list[str] | None,
        typer.Option(
            "--over",
            metavar="PATH=VALUES",
            help="An axis, as in law=besiroglu,hoffmann or traffic.output_tokens=1T..1000T:7 (7 points). Paths with commas between change "
            "together: goal.like_params,traffic.output_tokens=7B:1T,13B:2T. Repeatable.",
        ),
    ] = None,
    inverse: Annotated[
        bool, typer.Option("--inverse", help="Fixed sizes: tokens to train, traffic that justifies.")
    ] = False,
    sizes: Annotated[str, typer.Option(help="Sizes of the inverse table, as 1B,8B,70B.", metavar="SIZES")] = "",
    columns: Annotated[
        str,
        typer.Option(
            help="Columns to keep in addition to the axes, with commas, or all. Left out: those that fit on a page, and all of them in "
            ".csv, .parquet, .xlsx and .json.",
            metavar="NAMES",
        ),
    ] = "",
    wide: Annotated[
        list[str] | None, typer.Option("--wide", help="Turn this axis into columns. Repeatable.", metavar="PATH")
    ] = None,
    value: Annotated[
        str, typer.Option(help="Columns to spread over --wide, with commas.", metavar="NAMES")
    ] = "n_params",
    band: Band = BAND,
    against: Annotated[str, typer.Option(help='Compare each row with a list price, as "GPT-5".', metavar="MODEL")] = "",
    across_laws: Annotated[
        bool, typer.Option("--across-laws", help="Also the interval of N* and D/20N across laws.")
    ] = False,
    out: Annotated[
        str, typer.Option(help="Write to FILE: .csv .parquet .xlsx .tex .md .json .html.", metavar="FILE")
    ] = "",
    human: Annotated[bool, typer.Option("--human", help="Write human numbers (111.4B) to --out FILE.csv.")] = False,
    exact: Annotated[bool, typer.Option("--exact", help="Write every digit to --out FILE.tex, .md or .html.")] = False,
    caption: Annotated[str, typer.Option(help="What the table in FILE shows.", metavar="TEXT")] = "",
    label: Annotated[
        str, typer.Option(help="What LaTeX refers to it by, as tab:sizes; needs --caption.", metavar="LABEL")
    ] = "",
    digits: Annotated[
        int, typer.Option(help="Significant digits of human numbers in FILE, 1 to 15; 0: as usual.", metavar="COUNT")
    ] = 0,
    notes: Annotated[str, typer.Option(help="A note of your own below the table in FILE.", metavar="TEXT")] = "",
    from_: Annotated[
        str, typer.Option("--from", help="Make the table of FILE again and compare.", metavar="FILE")
    ] = "",
    json_: AsJson = False,
) -> None:
    """Tabulate optimal sizes over a grid of assumptions, or fixed sizes with the traffic that justifies them.

    Example: overtrain table --over law=besiroglu,hoffmann --out sizes.csv
    """
    with reporting_errors(json_):
        from ..assumptions.problems import InputError
        from ..report import table_text
        from ..report.files.export import printing

        problems: list[str] = []
        kind = ""
        numbers = "human" if human else "plain" if exact else ""
        if human and not out:
            problems.append(
                "--human says how to write --out FILE; give a file too. A terminal shows human numbers anyway."
            )
        if exact and (human or not out):
            problems.append("--exact says how to write --out FILE; give a file, and leave --human out.")
        if wide and columns:
            problems.append("--columns and --wide exclude each other; with --wide, --value names what is kept.")
        if from_:
            options = {"SCENARIO": scenario != LECTURE, "--set": set_, "--over": over, "--inverse": inverse}
            options |= {
                "--sizes": sizes,
                "--columns": columns,
                "--wide": wide,
                "--value": value != "n_params",
                "--band": band != BAND,
                "--against": against,
                "--across-laws": across_laws,
            }
            given = [name for name, there in options.items() if there]
            if given:
                problems.append(f"--from FILE makes the table that the file describes; leave {', '.join(given)} out.")
        look = {"--caption": caption, "--label": label, "--digits": digits, "--notes": notes}
        if any(look.values()) and not out:
            problems.append(
                f"{', '.join(k for k, v in look.items() if v)} says how to print --out FILE; give a file too."
            )
        if out:
            from ..report.files.export import checked

            try:
                kind = checked(out, numbers, printing(caption, label, digits, notes))
            except InputError as error:
                problems += error.problems
        if problems:
            raise InputError(problems)
        agrees = True
        if from_:
            from ..report.files.agreement import agreement
            from ..report.terminal import progress

            found = agreement(from_, progress("solving"))
            made, agrees = found.table, found.agrees
            verdict = table_text.agreement_text(from_, found)
            typer.echo(verdict, nl=False, err=True) if json_ else write(verdict)
        else:
            kept = None if columns == ALL else names_of(columns)
            made = _tabulated(scenario, set_, over, inverse, sizes, kept, wide, value, band, against, across_laws)
        if out:
            from ..analysis.grid import chosen, on_a_page
            from ..assumptions.record import KEY, PRINT
            from ..report.files.export import SHOWN_FORMATS, export

            same = from_.rpartition(".")[2] == out.rpartition(".")[2]  # then it is printed as the file was
            how = made.attrs[KEY].get(PRINT, {}) if from_ and same and not exact else {}
            fits = kind in SHOWN_FORMATS and not (from_ or columns or wide)
            shown = chosen(made, on_a_page(made)) if fits else made
            export(shown, out, numbers=numbers, **{**how, **printing(caption, label, digits, notes)})
            typer.echo(f"{out} has {len(shown):,} rows and {shown.shape[1]} columns.", err=True)
        if json_:
            from ..report.files.export import encoded

            write(encoded(made, "json").decode())
        elif not (out or from_):
            show(table_text.table_text(made, [*made.columns] if columns == ALL else names_of(columns)))
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
    columns: Sequence[str] | None,
    wide: Sequence[str] | None,
    value: str,
    band: str,
    against: str,
    across_laws: bool,
) -> "SizeTable":
    """The table that the options ask for, with all of their problems reported at once."""
    from ..analysis.grid import check_wide
    from ..analysis.grid import wide as spread
    from ..analysis.inverse import SIZES, inverse_columns, inverse_table
    from ..analysis.sizes import default_grid, size_columns, size_table
    from ..assumptions.problems import InputError
    from ..assumptions.typed import axes_given, values_given
    from ..report.terminal import progress

    problems: list[str] = []
    grid = None
    try:
        grid = axes_given(over) if over else None
    except InputError as error:
        problems += error.problems
    within = tolerance(band, problems)
    if sizes and not inverse:
        problems.append(
            "--sizes belongs to --inverse; give both, or --over goal.params=... for sizes that are decided."
        )
    fixed: Sequence[float | str] = SIZES
    try:
        fixed = values_given("goal.params", sizes) if sizes else SIZES
    except ValueError as error:
        problems.append(f"--sizes {error}.")
    if against and inverse:
        problems.append("--against compares the optimum of each row; leave --inverse out.")
    if across_laws and inverse:
        problems.append("--across-laws asks for the optimum under other laws; leave --inverse out.")
    question = scenario_with(scenario, set_, problems)
    values = names_of(value) or []
    if wide and inverse:
        check_wide([*(grid or {}), "n_params"], inverse_columns(grid or {}), wide, values)
    elif wide:
        grid = default_grid(question) if grid is None else grid
        check_wide([*grid], size_columns(question, grid), wide, values)
    how: dict[str, Any] = {"columns": columns, "progress": progress("solving")}
    made = (
        inverse_table(question, fixed, grid, **how)
        if inverse
        else size_table(question, grid, band=within, against=against, across_laws=across_laws, **how)
    )
    return spread(made, wide, values) if wide else made
