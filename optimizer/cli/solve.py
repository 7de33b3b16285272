"""`overtrain solve`: the optimal design of a scenario."""

import typer

from ._common import (
    BAND,
    LECTURE,
    AsJson,
    Band,
    ScenarioName,
    Settings,
    complain,
    reporting_errors,
    scenario_with,
    show,
    show_json,
    tolerance,
)

__all__ = ["solve"]


def solve(
    scenario: ScenarioName = LECTURE,
    set_: Settings = None,
    band: Band = BAND,
    json_: AsJson = False,
) -> None:
    """Find the optimal design of a scenario.

    Example: overtrain solve --set traffic.output_tokens=500T --band 10%
    """
    with reporting_errors():
        from ..optimum.solve import Status
        from ..optimum.solve import solve as solve_scenario

        problems: list[str] = []
        within = tolerance(band, problems)
        question = scenario_with(scenario, set_, problems)
        best = solve_scenario(question, band=within, throw=False)
        if json_:
            show_json(best.to_dict() | ({"message": best.message} if best.message else {}))
        elif best.status is Status.OPTIMAL:
            from ..report.text import solution_text

            show(solution_text(best))
        if best.status is not Status.OPTIMAL:
            if not json_:
                complain(best.status.name.lower().replace("_", " "), [best.message])
            raise typer.Exit(1)
