"""`overtrain roofline`: one model served on one chip."""

from typing import Annotated

import typer

from ._common import AsJson, Settings, names_of, number, records, reporting_errors, show, show_json

__all__ = ["roofline"]


def roofline(
    model: Annotated[
        str,
        typer.Argument(
            help="A model of data/models.csv, or a number of active parameters, as 100B.", metavar="[MODEL]"
        ),
    ] = "Llama 3 70B",
    chip: Annotated[str, typer.Option(help="A chip of data/hardware.csv.")] = "H100 SXM",
    precision: Annotated[str, typer.Option(help="bf16, fp8, fp4 or int8.")] = "fp8",
    users: Annotated[
        str,
        typer.Option(
            help="Users that decode at once, as 200 or 200,800 for mean and peak: how many chips they need.",
            metavar="N,...",
        ),
    ] = "",
    speed: Annotated[str, typer.Option(help="Tokens per second that each of --users must see.")] = "",
    context: Annotated[str, typer.Option(help="Tokens of context of a sequence, as 32K.")] = "",
    prompt: Annotated[
        str, typer.Option(help="Tokens of a prompt; with --answer, what a replica answers per second.")
    ] = "",
    answer: Annotated[str, typer.Option(help="Tokens of an answer.")] = "",
    set_: Settings = None,
    json_: AsJson = False,
) -> None:
    """Serve a model on a chip: step time, speed and cost over batch, speed asked for, domain, pipeline, context and cache tier.

    With --users and --speed it starts with the replicas and chips that these users need; with --prompt and --answer with the throughput of
    a closed loop of such requests.

    Example: overtrain roofline 100B --chip "H100 SXM" --precision bf16
    """
    with reporting_errors(json_):
        from ..analysis.capacity import capacity_points
        from ..analysis.placement import placement
        from ..analysis.serving import POINTS, endless_saving, fast_mode, key_figures, prompts_of
        from ..analysis.throughput import throughput
        from ..assumptions.numbers import parse_number
        from ..assumptions.problems import InputError
        from ..assumptions.typed import changes_given
        from ..assumptions.warned import warnings
        from ..model.accuracy import serving_error

        problems: list[str] = []
        changes = changes_given(set_ or [], problems)

        at_once = [
            n for part in names_of(users) or [] if (n := number("--users", part, "tokens", problems)) is not None
        ]
        rate, window, read, wrote = (
            number(option, text.strip(), "tokens", problems)
            for option, text in (("--speed", speed), ("--context", context), ("--prompt", prompt), ("--answer", answer))
        )
        if bool(users) != bool(speed):
            problems.append("--users and --speed go together; give both, or neither.")
        if not users and bool(prompt) != bool(answer):
            problems.append("--prompt and --answer go together without --users; give both, or neither.")
        if problems:
            raise InputError(problems)
        try:
            params: float | None = parse_number(model, "parameters")
        except ValueError:
            params = None
        name = "" if params is not None else model
        start: dict[str, object] = {"money.serve_chip": {"name": chip, "precision": precision}}
        if window is not None:
            start["deployment.context_tokens"] = window
        asked = placement(name, params, {**start, **changes})
        tables = {}
        if rate is not None:
            tables["capacity"] = capacity_points(asked, at_once, rate, prompt_tokens=read, answer_tokens=wrote)
        if read is not None and wrote is not None:
            tables["loop"] = throughput(asked, read, wrote)
        tables |= {key: sweep(asked) for key, sweep in POINTS.items()}
        if json_:
            figures = {key: {"value": value, "unit": unit} for key, (value, unit) in key_figures(asked).items()}
            frames = {key: {"units": f.attrs["units"], "rows": records(f, index=False)} for key, f in tables.items()}
            faster, price = fast_mode(asked)
            modes = {"slow": {"saving": endless_saving(asked)}, "fast": {"speed": faster, "cost": price}}
            frames["cache"]["cheapest"] = tables["cache"].attrs["cheapest"]
            on, prompts = asked.scenario.money.serve_chip, prompts_of(asked)
            head = {
                "model": asked.name,
                "chip": on.title,
                "precision": on.precision,
                "placement": asked.placed._asdict(),
                "prompts": prompts and {k: None if v != v else v for k, v in prompts._asdict().items()},
                "figures": figures,
                "modes": modes,
                "error": serving_error(asked.scenario),
            }
            head["warnings"] = warnings(asked.scenario, quality=False)
            show_json({**head, **frames})
            return
        from ..report.serving_text import serving_text

        show(serving_text(asked, tables))
