"""`overtrain fit`: a scaling law from training runs of one's own."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ._common import AsJson, reporting_errors, show, show_json, write

if TYPE_CHECKING:
    from ..evidence.fitted import Fit

__all__ = ["fit", "plain", "runs_of"]


def fit(
    runs: Annotated[str, typer.Argument(help="CSV file, one finished run a row.", metavar="[RUNS]")] = "",
    form: Annotated[str, typer.Option(help="additive, coupled or both.", metavar="FORM")] = "both",
    tied: Annotated[bool, typer.Option("--tied", help="One exponent for parameters and tokens: alpha = beta.")] = False,
    fix: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Keep a coefficient: E, alpha, beta or gamma. Repeatable."),
    ] = None,
    bootstrap: Annotated[int, typer.Option(help="Fits to runs drawn again; 0 gives no intervals.")] = 1000,
    where: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN=VALUE", help="Read only rows with this value, as train_set=c4. Repeatable."),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(metavar="QUANTITY=COLUMN", help="Name a column, as loss=c4_en. Repeatable."),
    ] = None,
    label: Annotated[str, typer.Option(help="Name of the law in headings; that of the file otherwise.")] = "",
    out: Annotated[
        str, typer.Option(help="Write the recommended law to FILE, for --set law=FILE.", metavar="FILE")
    ] = "",
    example: Annotated[
        str,
        typer.Option(help="Fit published runs that come with the package: sardana, gadre, gemstones.", metavar="NAME"),
    ] = "",
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap.")] = 0,
    json_: AsJson = False,
) -> None:
    """Fit a scaling law to training runs: parameters, tokens and loss of each.

    Example: overtrain fit --example sardana --out law.toml
    """
    with reporting_errors(json_):
        from ..assumptions.problems import InputError
        from ..evidence.fit import fit as fitted
        from ..evidence.fitted import FORMS
        from ..report.files.atomic import check_place, write_atomically
        from ..report.fit_text import fit_text
        from ..report.terminal import progress

        problems: list[str] = []
        table = runs_of(runs, example, problems)
        if form not in (*FORMS, "both"):
            problems.append(f"--form must be {', '.join(FORMS)} or both, got {form!r}.")
        fixed, chosen, columns = (
            _pairs(option, given, problems)
            for option, given in (("--fix", fix), ("--where", where), ("--column", column))
        )
        if out:
            try:
                if not out.endswith(".toml"):
                    raise InputError([f"--out {out} must end in .toml, by which --set law=FILE knows a file."])
                check_place(Path(out))
            except InputError as error:
                problems += error.problems
        if problems:
            raise InputError(problems)
        found = fitted(
            table,
            [*FORMS] if form == "both" else form,
            tied=tied, fixed=fixed, bootstrap=bootstrap, where=chosen, columns=columns, label=label, seed=seed,
            progress=progress("fitting"),
        )  # fmt: skip
        if out:
            write_atomically(Path(out), found.to_toml().encode())
        if json_:
            show_json(plain(found))
            return
        show(fit_text(found))
        if out:
            write(f"The {found.recommended} law is in {out}: overtrain solve --set law={out}\n")


def runs_of(runs: str, example: str, problems: list[str]) -> str | Path:
    """The table of runs; sentences about what names none go to `problems`."""
    from ..assumptions.problems import InputError
    from ..evidence.runs import example_named

    if bool(runs) == bool(example):
        problems.append("give the CSV file of your runs, or --example NAME, and not both.")
    try:
        return example_named(example) if example else runs
    except InputError as error:
        problems += [f"--example {problem}" for problem in error.problems]
        return runs


def plain(found: "Fit") -> dict[str, Any]:
    """A fit as one JSON object."""
    from .. import __version__

    return found.to_dict() | {"law": found.law(), "version": __version__}


def _pairs(option: str, given: Sequence[str] | None, problems: list[str]) -> dict[str, str]:
    """NAME=VALUE pairs of an option; sentences about invalid ones go to `problems`."""
    found: dict[str, str] = {}
    for typed in given or ():
        name, equals, value = (part.strip() for part in typed.partition("="))
        if equals and name and value:
            found[name] = value
        else:
            problems.append(f"{option} {typed!r} is not NAME=VALUE; write both, with = between.")
    return found
