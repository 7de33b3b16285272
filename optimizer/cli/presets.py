"""`overtrain presets`: the scenarios of the package."""

from typing import Annotated, Any

import typer

from ._common import AsJson, reporting_errors, show, show_json, write

__all__ = ["plain", "presets"]


def presets(
    name: Annotated[str, typer.Argument(help="A preset to print as TOML.", metavar="[NAME]")] = "",
    json_: AsJson = False,
) -> None:
    """List the scenarios that come with the package, or print one as TOML to start your own.

    With --json the list is an object of descriptions by name, and one preset is the object that solve --json has as "scenario".

    Example: overtrain presets on-device
    """
    with reporting_errors(json_):
        from ..assumptions.library import load, preset_text
        from ..assumptions.library import presets as names

        if json_:
            show_json(plain(name))
            return
        if name:
            write(preset_text(name))
            return
        from ..report.terminal import grid

        found = [load(preset) for preset in names()]
        show(grid(["preset", "what it stands for"], [(s.name, s.description) for s in found], text_columns=2))
        write("Solve one with: overtrain solve NAME. Start your own with: overtrain presets NAME > my.toml\n")


def plain(name: str = "") -> dict[str, Any]:
    """A preset as one JSON object; without a name, what each stands for."""
    from ..assumptions.library import load
    from ..assumptions.library import presets as names

    return load(name).to_dict() if name else {preset: load(preset).description for preset in names()}
