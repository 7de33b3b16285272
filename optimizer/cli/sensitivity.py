"""`overtrain sensitivity`: elasticities and the tornado."""

from typing import Annotated

import typer

from ._common import (
    LECTURE,
    AsJson,
    ScenarioName,
    Settings,
    complain,
    records,
    reporting_errors,
    scenario_with,
    show,
    show_json,
)

__all__ = ["sensitivity"]


def sensitivity(
    scenario: ScenarioName = LECTURE,
    set_: Settings = None,
    output: Annotated[
        str,
        typer.Option(
            help="The output: n_params, train_tokens, rl_tokens, cost_total, overtraining_vs_rule_of_20 or overtraining_vs_law."
        ),
    ] = "overtraining_vs_rule_of_20",
    law: Annotated[
        str,
        typer.Option(
            help="Laws of the law's bar: across (a sample over data sets and forms), posterior (the scenario's own fit), none, or names "
            "and files of laws with commas between."
        ),
    ] = "across",
    json_: AsJson = False,
) -> None:
    """Show what moves the optimum: exact elasticities, every uncertain number at its low and at its high, and the law as one input.

    Example: overtrain sensitivity --output n_params
    """
    with reporting_errors(json_):
        from .. import __version__
        from ..analysis.elasticities import elasticities
        from ..analysis.law_input import as_law
        from ..analysis.tornado import tornado
        from ..assumptions.naming import title
        from ..assumptions.problems import near_miss
        from ..model.outputs import ELASTIC
        from ..optimum.solve import InfeasibleError
        from ..report.terminal import progress

        problems = []
        if output not in ELASTIC:
            problems.append(
                f"--output {output!r} is unknown{near_miss(output, ELASTIC)} Outputs: {', '.join(ELASTIC)}."
            )
        question = scenario_with(scenario, set_, problems)
        try:
            slopes = elasticities(question)
            swings = tornado(question, output, law=as_law(law), progress=progress("solving"))
        except InfeasibleError as error:
            status = error.status.name.lower()
            if json_:
                show_json({"status": status, "message": str(error), "version": __version__})
            else:
                complain(status.replace("_", " "), [str(error)])
            raise typer.Exit(1) from None
        if json_:
            show_json(
                {
                    "status": "optimal",
                    "output": output,
                    "band": swings.attrs["band"],
                    "notes": swings.attrs["notes"],
                    "active_limits": slopes.attrs["active_limits"],
                    "elasticities": records(slopes),
                    "tornado": records(swings.set_index("assumption")),
                    "units": swings.attrs["units"],
                    "title": title(question),
                    "scenario": question.to_dict(),
                    "version": __version__,
                }
            )
            return
        from ..report.sensitivity import sensitivity_text

        show(sensitivity_text(title(question), slopes, swings))
