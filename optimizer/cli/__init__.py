"""The `overtrain` command, one file for each of its commands.

A command imports what it needs when it runs, so that help needs no JAX.
"""

from typing import Annotated

import typer

from .app import app
from .cost import cost
from .fit import fit
from .implied import implied
from .mcp import mcp
from .presets import presets
from .prices import prices
from .reproduce import reproduce
from .roofline import roofline
from .schema import schema
from .sensitivity import sensitivity
from .solve import solve
from .sources import sources
from .sweep import sweep
from .table import table

__all__ = ["main"]

main = typer.Typer(
    name="overtrain",
    help="How many parameters, and how many training tokens, for the traffic that a language model will serve?",
    epilog="Exit status: 0 solved, 1 no answer (infeasible or not converged), 2 bad input. "
    'With --json an error is {"error": {"kind", "messages", "paths"}} on standard output.',
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for command in (
    solve,
    cost,
    reproduce,
    roofline,
    presets,
    sources,
    schema,
    sensitivity,
    table,
    sweep,
    fit,
    implied,
    prices,
    app,
    mcp,
):
    main.command()(command)


@main.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:
    if version:
        from .. import __version__

        typer.echo(__version__)
        raise typer.Exit
