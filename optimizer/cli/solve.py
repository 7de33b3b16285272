"""`overtrain solve`: the optimal design of a scenario."""

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
    records,
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
    against: Against = None,
    json_: AsJson = False,
) -> None:
    """Find the optimal design of a scenario.

    Example: overtrain solve --set traffic.output_tokens=500T --band 10%
    """
    with reporting_errors(json_):
        from ..analysis.against import against as compare
        from ..analysis.against import prices_for
        from ..analysis.laws import expert_laws, with_laws
        from ..optimum.solve import Status
        from ..optimum.solve import solve as solve_scenario

        problems: list[str] = []
        within = tolerance(band, problems)
        question = scenario_with(scenario, set_, problems)
        offers = prices_for(question, against or [])
        best = solve_scenario(question, band=within, throw=False)
        solved = best.status is Status.OPTIMAL
        spread = expert_laws(question) if solved else None
        best = with_laws(best, spread)
        found = [compare(best, price) for price in offers] if solved else []
        if json_:
            also: dict[str, object] = {"message": best.message} if best.message else {}
            if spread is not None:
                also["expert_laws"] = records(spread)
            show_json(best.to_dict() | also | ({"against": [offer.to_dict() for offer in found]} if offers else {}))
        elif solved:
            from ..report.text import solution_text

            show(solution_text(best))
            if spread is not None:
                from ..report.sentences import experts

                show(experts(spread))
            if found:
                from ..report.prices_text import against_text

                show(against_text(found))
        if not solved:
            if not json_:
                complain(best.status.name.lower().replace("_", " "), [best.message])
            raise typer.Exit(1)
