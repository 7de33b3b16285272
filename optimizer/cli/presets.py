"""`overtrain presets`: the scenarios of the package."""

from typing import Annotated

import typer

from ._common import reporting_errors, show, write

__all__ = ["presets"]


def presets(name: Annotated[str, typer.Argument(help="A preset to print as TOML.", metavar="[NAME]")] = "") -> None:
    """List the scenarios that come with the package, or print one as TOML to start your own.

    Example: overtrain presets on-device
    """
    with reporting_errors():
        from ..assumptions.library import load, preset_text
        from ..assumptions.library import presets as names

        if name:
            write(preset_text(name))
            return
        from ..report.terminal import grid

        found = [load(preset) for preset in names()]
        show(grid(["preset", "what it stands for"], [(s.name, s.description) for s in found], text_columns=2))
        write("Solve one with: overtrain solve NAME. Start your own with: overtrain presets NAME > my.toml\n")
