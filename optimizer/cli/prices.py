"""`overtrain prices`: list prices of models behind an API."""

from typing import Annotated

import typer

from ._common import AsJson, ScenarioName, Settings, records, reporting_errors, scenario_with, show, show_json

__all__ = ["prices"]

CHAT = "frontier-moe-chat"


def prices(
    scenario: ScenarioName = CHAT,
    set_: Settings = None,
    model: Annotated[str, typer.Option(help="Only names that contain this text.", metavar="TEXT")] = "",
    prompt: Annotated[
        str, typer.Option(help="Length of a prompt, for prices of long ones, as 300K.", metavar="TOKENS")
    ] = "0",
    json_: AsJson = False,
) -> None:
    """List prices per million tokens, and what the scenario's mix of fresh, cached and output tokens costs at each.

    Example: overtrain prices --model "Claude Opus"
    """
    with reporting_errors(json_):
        from ..analysis.against import list_prices
        from ..assumptions.problems import InputError

        frame = list_prices(scenario_with(scenario, set_, []), prompt)
        kept = frame.loc[[name for name in frame.index if model.casefold() in str(name).casefold()]]
        if not len(kept):
            raise InputError([f"--model {model!r} is in no name; overtrain prices lists all."])
        if json_:
            show_json({"units": frame.attrs["units"], "rows": records(kept)})
            return
        from ..report.prices_text import prices_text

        show(prices_text(kept))
