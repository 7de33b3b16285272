"""Print the traffic that justifies designs: of one design per law, and of released models."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.text import Text

from ..assumptions.naming import title
from ..assumptions.numbers import human, percent
from ..assumptions.question import rl_line
from ..assumptions.scenario import Scenario
from ..model.outputs import short, written
from .terminal import grid

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["by_law_text", "released_text"]

NEGATIVE = "Negative: no serving demand rationalises the design: it has fewer tokens than training alone asks for."


def by_law_text(frame: "pd.DataFrame", design: Mapping[str, Any], asked: Scenario) -> RenderableType:
    """One design, a row a law."""
    header = ["law", short("overtraining_vs_law"), *_HEADER, "T a day", "P(T > 0)"]
    rows = [
        (law, written(row["overtraining_vs_law"], "overtraining_vs_law", 3), *_cells(row), _per_day(row), _share(row))
        for law, row in _rows(frame)
    ]
    n, d = float(design["n_params"]), float(design["train_tokens"])
    ratio = written(d / (20 * n), "overtraining_vs_rule_of_20", 3)
    head = f"{design['name']}: {human(n)} active parameters on {human(d)} tokens, D/20N = {ratio}"
    return Group(
        Text(head, style="bold"),
        grid(header, rows, title="Served tokens for which it is the cheapest design of its loss"),
        Text(" ".join(_notes(frame, asked))),
    )


def released_text(frame: "pd.DataFrame", asked: Scenario) -> RenderableType:
    """Released models, a row a model."""
    header = ["model", "released", "N", "D", "D/20N", *_HEADER, "P(T > 0)"]
    rows = [
        (
            model,
            row["released"],
            human(row["n_params"], 3),
            human(row["train_tokens"], 3),
            written(row["overtraining_vs_rule_of_20"], "overtraining_vs_rule_of_20", 3),
            *_cells(row),
            _share(row),
        )
        for model, row in _rows(frame)
    ]
    mixtures = (
        "Mixtures of experts are asked as dense models of their active parameters."
        if asked.law.shape is None
        else f"Every model is asked as a mixture with {asked.law.chosen}."
    )
    return Group(
        grid(header, rows, title=f"Traffic that justifies released models, law {asked.law.title}", text_columns=2),
        Text(" ".join([*_notes(frame, asked), mixtures])),
    )


_HEADER = ("T/D", "80 % of the fit", "T over the life", "80 % of it")


def _rows(frame: "pd.DataFrame") -> list[tuple[str, dict[str, Any]]]:
    return [(str(name), row) for name, row in zip(frame.index, frame.to_dict("records"), strict=True)]


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    cells: list[str] = []
    for column in ("implied_per_train_token", "implied_tokens"):
        low, high = (written(row[f"{column}_{end}"], column, 3) for end in ("low", "high"))
        cells += [written(row[column], column, 3) or "-", f"{low} to {high}" if low and high else "-"]
    return tuple(cells)


def _per_day(row: Mapping[str, Any]) -> str:
    return written(row["implied_tokens_per_day"], "implied_tokens_per_day", 3) or "-"


def _share(row: Mapping[str, Any]) -> str:
    return "-" if row["probability"] != row["probability"] else percent(row["probability"])


def _notes(frame: "pd.DataFrame", asked: Scenario) -> list[str]:
    days = frame.attrs["days"]
    notes = [
        f"Question: {title(asked)}, RL {rl_line(asked)}; a day is one of {days:g}"
        + (" of the life." if len(asked.traffic.by_month()) else ", as the traffic is a total without months."),
        "The interval is that of the law's posterior, the error of one fit; the spread between laws says more. - where a law has none.",
    ]
    return [*notes, *([NEGATIVE] if bool((frame["implied_per_train_token"] < 0).any()) else [])]
