"""`overtrain cost`: what a design that is given costs, and how far it is from the best."""

from typing import Annotated

import typer

from ._common import (
    BAND,
    LECTURE,
    Against,
    AsJson,
    Band,
    ScenarioName,
    Settings,
    number,
    quickly,
    reporting_errors,
    scenario_with,
    show_json,
    tolerance,
)
from .solve import plain, printed

__all__ = ["amounts", "cost"]


def cost(
    scenario: ScenarioName = LECTURE,
    params: Annotated[str, typer.Option(help="Active parameters N, as 405.85B.", metavar="N")] = "",
    tokens: Annotated[str, typer.Option(help="Pre-training tokens D, as 15.6T.", metavar="D")] = "",
    flops: Annotated[str, typer.Option(help="Pre-training compute in FLOP, in place of one of the two.")] = "",
    rl_tokens: Annotated[str, typer.Option(help="RL tokens R, where rl.policy = 'optimised'.", metavar="R")] = "",
    set_: Settings = None,
    band: Band = BAND,
    against: Against = None,
    json_: AsJson = False,
) -> None:
    """Show what a given design costs, how good it is, what it needs, which limits it keeps, and what the best of its loss would save.

    Two of --params, --tokens and --flops give the design; --rl-tokens goes with rl.policy = 'optimised'.

    Example: overtrain cost --params 405.85B --tokens 15.6T
    """
    with quickly(), reporting_errors(json_):
        from ..analysis.against import against as compare
        from ..analysis.against import prices_for
        from ..assumptions.problems import InputError
        from ..optimum.given import cost as cost_of
        from ..optimum.given import design_from

        problems: list[str] = []
        within = tolerance(band, problems)
        given = amounts(params, tokens, flops, rl_tokens, problems)
        question = scenario_with(scenario, set_, problems)
        try:
            design = design_from(question, *given)
        except InputError as error:
            raise InputError([*problems, *error.problems]) from None
        offers = prices_for(question, against or [])
        found = cost_of(question, design, band=within)
        offered = [compare(found, price) for price in offers] or None
        if json_:
            show_json(plain(found, {}, offered))
        else:
            printed(found, {}, offered)


def amounts(
    params: str | float,
    tokens: str | float,
    flops: str | float,
    rl_tokens: str | float,
    problems: list[str],
    *,
    dashes: bool = True,
) -> list[float | None]:
    """N, D, pre-training compute and R, None where one is not given; sentences about what is no number go to `problems`."""
    given = (
        ("params", params, "parameters"),
        ("tokens", tokens, "tokens"),
        ("flops", flops, "FLOP"),
        ("rl_tokens", rl_tokens, "tokens"),
    )
    return [
        number(f"--{name.replace('_', '-')}" if dashes else name, value, unit, problems) for name, value, unit in given
    ]
