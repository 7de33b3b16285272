"""`overtrain implied`: the traffic that justifies a design that was built, or is planned."""

from pathlib import Path
from typing import Annotated, Any

import typer

from ._common import AsJson, Settings, records, reporting_errors, scenario_with, show, show_json

__all__ = ["implied"]


def implied(
    model: Annotated[str, typer.Argument(help="Model of data/models.csv, as in 'Llama 3 8B'.", metavar="[MODEL]")] = "",
    scenario: Annotated[
        str,
        typer.Argument(
            help="Preset name or path of a TOML file, for RL, prices and the mix of traffic; 6 N D + 2 N T without one.",
            metavar="[SCENARIO]",
        ),
    ] = "",
    params: Annotated[str, typer.Option(help="Active parameters of a design of one's own.", metavar="N")] = "",
    tokens: Annotated[str, typer.Option(help="Its training tokens.", metavar="D")] = "",
    total: Annotated[
        str, typer.Option(help="All its parameters, where a token uses only some of them.", metavar="M")
    ] = "",
    law: Annotated[
        list[str] | None,
        typer.Option(help="Law, or file of a law; all credible and fitted ones without it. Repeatable.", metavar="LAW"),
    ] = None,
    set_: Settings = None,
    json_: AsJson = False,
) -> None:
    """The lifetime traffic for which a design is the best one, per law; without a design, that of every released model.

    Example: overtrain implied "Llama 3 8B"
    """
    with reporting_errors(json_):
        from ..analysis.laws import under_law
        from ..analysis.released import implied_by_law, model_named, plain_question, released_models
        from ..assumptions.library import presets
        from ..assumptions.numbers import parse_number
        from ..report.implied_text import by_law_text, released_text

        if model and not scenario and (model in presets() or Path(model).suffix == ".toml"):
            model, scenario = "", model
        problems: list[str] = []
        own = {"--params": params, "--tokens": tokens}
        if any(own.values()) and not all(own.values()):
            problems.append("--params and --tokens belong together; give both, or the name of a model.")
        if model and any((*own.values(), total)):
            problems.append(
                f"give the name of a model or a design of one's own, and not both: got {model!r} and --params."
            )
        if total and not params:
            problems.append("--total is the size of a design of one's own; give --params and --tokens too.")
        read: dict[str, float] = {}
        for name, text in {**own, "--total": total}.items():
            try:
                if text:
                    read[name] = parse_number(text, "tokens" if name == "--tokens" else "parameters")
            except ValueError as error:
                problems.append(f"{name} {error}.")
        if read.get("--total", 0) and not read["--total"] >= read.get("--params", 0):
            problems.append("--total counts all parameters, active ones included: it is at least --params.")
        if not (model or params) and len(law or []) > 1:
            problems.append(
                "the table of released models takes one --law; name a model, or give --params and --tokens."
            )
        asked = scenario_with(scenario, set_, problems) if scenario else _changed(plain_question(), set_, problems)
        if not (model or params):
            asked = under_law(asked, law[0]) if law else asked
            frame = released_models(asked)
            if json_:
                show_json(_plain(frame) | {"law": asked.law.title})
            else:
                show(released_text(frame, asked))
            return
        design = (
            model_named(model)
            if model
            else {
                "name": "this design",
                "n_params": read["--params"],
                "train_tokens": read["--tokens"],
                "total_over_active": read.get("--total", read["--params"]) / read["--params"],
            }
        )
        frame = implied_by_law(
            asked, design["n_params"], design["train_tokens"], law, total_over_active=design["total_over_active"]
        )
        if json_:
            show_json(_plain(frame) | {"design": design})
        else:
            show(by_law_text(frame, design, asked))


def _changed(asked: Any, settings: list[str] | None, problems: list[str]) -> Any:
    from ..assumptions.problems import InputError
    from ..assumptions.typed import changes_given

    changes = changes_given(settings or [], problems)
    if problems:
        raise InputError(problems)
    return asked.update(changes) if changes else asked


def _plain(frame: Any) -> dict[str, Any]:
    return {"days": frame.attrs["days"], "units": frame.attrs["units"], "rows": records(frame)}
