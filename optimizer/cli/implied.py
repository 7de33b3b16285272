"""`overtrain implied`: the traffic that justifies a design that was built, or is planned."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ._common import AsJson, Settings, number, records, reporting_errors, scenario_with, show, show_json

if TYPE_CHECKING:
    import pandas as pd

    from ..assumptions.scenario import Scenario

__all__ = ["design_asked", "implied", "plain", "traffic"]


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
        from ..analysis.released import plain_question
        from ..assumptions.library import presets
        from ..report.implied_text import by_law_text, released_text

        if model and not scenario and (model in presets() or Path(model).suffix == ".toml"):
            model, scenario = "", model
        problems: list[str] = []
        design = design_asked(model, params, tokens, total, law, problems)
        asked = scenario_with(scenario or plain_question().to_dict(), set_, problems)
        frame = traffic(asked, design, law)
        if json_:
            show_json(plain(frame, asked, design))
        else:
            show(by_law_text(frame, design, asked) if design else released_text(frame, asked))


def design_asked(
    model: str,
    params: str | float | None,
    tokens: str | float | None,
    total: str | float | None,
    laws: list[str] | None,
    problems: list[str],
    dashes: str = "--",
) -> dict[str, Any] | None:
    """A model of the table, a design of one's own, or None where neither is given; sentences about what cannot be go to `problems`."""
    from ..analysis.released import model_named
    from ..assumptions.problems import InputError

    n, d, m = (
        number(f"{dashes}{name}", given, unit, problems)
        for name, given, unit in (
            ("params", params, "parameters"),
            ("tokens", tokens, "tokens"),
            ("total", total, "parameters"),
        )
    )
    own = [given not in ("", None) for given in (params, tokens, total)]
    both = f"{dashes}params and {dashes}tokens"
    if own[0] != own[1]:
        problems.append(f"{both} belong together; give both, or the name of a model.")
    if model and any(own):
        problems.append(
            f"give the name of a model or a design of one's own, and not both: got {model!r} and {dashes}params."
        )
    if own[2] and not own[0]:
        problems.append(f"{dashes}total is the size of a design of one's own; give {both} too.")
    if m is not None and not m >= (n or 0):
        problems.append(f"{dashes}total counts all parameters, active ones included: it is at least {dashes}params.")
    if not (model or any(own)) and len(laws or []) > 1:
        problems.append(f"the table of released models takes one {dashes}law; name a model, or give {both}.")
    if model:
        try:
            return model_named(model)
        except InputError as error:
            problems += error.problems
    if n is None or d is None:
        return None
    return {"name": "this design", "n_params": n, "train_tokens": d, "total_over_active": m / n if m and n else 1.0}


def traffic(asked: "Scenario", design: dict[str, Any] | None, laws: list[str] | None) -> "pd.DataFrame":
    """What `implied_by_law` says of a design; without one, `released_models` under the first law."""
    from ..analysis.laws import under_law
    from ..analysis.released import implied_by_law, released_models

    if design is None:
        return released_models(under_law(asked, laws[0]) if laws else asked)
    n, d, over = (design[name] for name in ("n_params", "train_tokens", "total_over_active"))
    return implied_by_law(asked, n, d, laws, total_over_active=over)


def plain(frame: "pd.DataFrame", asked: "Scenario", design: dict[str, Any] | None) -> dict[str, Any]:
    """The answer as one JSON object."""
    found = {"days": frame.attrs["days"], "units": frame.attrs["units"], "rows": records(frame)}
    return found | ({"design": design} if design else {"law": asked.law.title})
