"""`overtrain solve`: the optimal design of a scenario."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer

from ._common import (
    BAND,
    LECTURE,
    Against,
    AsJson,
    Band,
    ScenarioName,
    Settings,
    complain,
    quickly,
    records,
    reporting_errors,
    scenario_with,
    show,
    show_json,
    tolerance,
)

if TYPE_CHECKING:
    from ..analysis.against import Against as Compared
    from ..assumptions.scenario import Scenario
    from ..optimum.solution import Solution

__all__ = ["answer", "plain", "printed", "solve"]


def solve(
    scenario: ScenarioName = LECTURE,
    set_: Settings = None,
    band: Band = BAND,
    against: Against = None,
    json_: AsJson = False,
) -> None:
    """Find the optimal design of a scenario.

    Example: overtrain solve --set traffic.output_tokens=500T --band 10%
    """
    with quickly(), reporting_errors(json_):
        problems: list[str] = []
        within = tolerance(band, problems)
        best, spread, found = answer(scenario_with(scenario, set_, problems), within, against)
        solved = best.status.name == "OPTIMAL"
        if json_:
            show_json(plain(best, spread, found))
        elif solved:
            printed(best, spread, found)
        if not solved:
            if not json_:
                complain(best.status.name.lower().replace("_", " "), [best.message])
            raise typer.Exit(1)


def answer(
    question: "Scenario", band: float, against: Sequence[str] | None = None
) -> "tuple[Solution, dict[str, Solution], list[Compared] | None]":
    """The solution, that of every law of experts, and the comparison with each list price.

    No laws: one of dense models, or no solution. No comparison: None where none was asked for, [] where there is no solution.
    """
    from ..analysis.against import against as compare
    from ..analysis.against import prices_for
    from ..analysis.laws import expert_laws, with_laws
    from ..optimum.solve import Status
    from ..optimum.solve import solve as solve_scenario

    offers = prices_for(question, against or [])
    best = solve_scenario(question, band=band, throw=False)
    solved = best.status is Status.OPTIMAL
    spread = expert_laws(best) if solved else {}
    best = with_laws(best, spread)
    return best, spread, ([compare(best, price) for price in offers] if solved else []) if offers else None


def printed(best: "Solution", spread: "Mapping[str, Solution]", compared: "list[Compared] | None" = None) -> None:
    """Print a solution and what is shown with it."""
    from ..report.text import solution_text

    show(solution_text(best))
    if spread:
        from ..report.sentences import experts

        show(experts(spread))
    if compared:
        from ..report.prices_text import against_text

        show(against_text(compared))


def plain(
    best: "Solution", spread: "Mapping[str, Solution]", compared: "list[Compared] | None" = None
) -> dict[str, Any]:
    """A solution and what is shown with it as one JSON object."""
    found: dict[str, Any] = best.to_dict()
    if best.message:
        found["message"] = best.message
    if spread:
        from ..analysis.laws import laws_frame

        found["expert_laws"] = records(laws_frame(spread))
    if compared is not None:
        found["against"] = [offer.to_dict() for offer in compared]
    return found
