"""Print the reproduction of the lecture: its arithmetic, the optimum under every law and accounting, released models, and what stands."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.text import Text

from ..analysis.why import Step
from ..assumptions.numbers import human, percent, times
from ..evidence.reproduction import MIXES, Accounting
from ..model.outputs import range_text, short, written
from .terminal import grid

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ACCOUNTING_HEAD", "accounting_rows", "reproduction_text"]

RATIO = "overtraining_vs_rule_of_20"
ACCOUNTING_HEAD = ("RL", "research", "load", *MIXES)
_MADE_OF = ("own_vs_rule_of_20", "pinned_vs_law", "pinned_vs_rule_of_20", "pinned_exact_vs_rule_of_20")


def reproduction_text(
    steps: Sequence[Step],
    laws: "pd.DataFrame",
    waterfall: "pd.DataFrame",
    cells: Sequence[Accounting],
    models: "pd.DataFrame",
    law: str,
    verdict: Mapping[str, str],
    carries: str,
) -> RenderableType:
    """Everything that `overtrain reproduce` shows, in the order of the questions it answers."""
    return Group(
        grid(["quantity", "working", "result"], steps, title="1. The lecture's arithmetic", text_columns=3),
        grid(
            [
                "law",
                *map(short, ("n_params", "train_tokens", RATIO)),
                "N within 5 %",
                "D/20N within 5 %",
                "100x in",
                "extra",
            ],
            _optima(laws),
            title="2. Exact, at the quality of 100B on 200T, RL a fixed 133T tokens: optimum, 5 % band, extra cost of the lecture's point",
        ),
        Text(
            "besiroglu, hoffmann, de-vries and chinchilla-points are one data set, gadre's three corpora one group's runs. The runs of "
            "gemstones are not annealed: no part in means and counts.\n"
        ),
        grid(
            ACCOUNTING_HEAD,
            accounting_rows(cells),
            title=f"3. {short(RATIO)} under other accountings: mean over data sets (lowest to highest law), laws whose 5 % band holds 100x",
            text_columns=2,
        ),
        Text(
            "200T tokens served, at the quality of 100B on 200T. research: multiplier on training and RL for all runs but the last. load: "
            "share of paid serving time that does work.\n"
        ),
        grid(
            ["law", "D0/20N", "D*/D0", "D*/20N", "D*/20N, 259.2T"],
            ((row["law"], *(times(row[c]) for c in _MADE_OF)) for row in laws.reset_index().to_dict("records")),
            title="4. What the ratio is made of, N at 100B: the law's own optimum over 20:1, times over-training proper",
        ),
        grid(
            ["D*/20N, N at 100B", "mean", "lowest", "highest", "factor"],
            (
                (row["step"], *(times(row[c]) for c in ("mean", "lowest", "highest")), _factor(row["factor"]))
                for row in waterfall.reset_index().to_dict("records")
            ),
            title="How it builds up over the laws",
        ),
        grid(
            ["year", "size", "models", "D/20N, median", "lowest to highest", "implied T/D", "80 %", "implied T"],
            _models(models),
            title="5. Released models, medians: D/20N, and the lifetime traffic T that would make the design the cheapest of its loss",
            text_columns=2,
        ),
        Text(
            f"Cost 6 N D + 2 N T, law {law}, 80 % of its posterior. Negative: fewer tokens than training alone asks for, so no serving "
            "demand rationalises the design.\n"
        ),
        Text("6. What stands, what does not, what is not known", style="bold"),
        Text("\n".join([*(f"{name[0].upper()}{name[1:]}: {said}" for name, said in verdict.items()), carries])),
    )


def _factor(factor: float) -> str:
    return "" if math.isnan(factor) else f"x {human(factor, 3)}"


def _optima(laws: "pd.DataFrame") -> Iterable[tuple[str, ...]]:
    for row in laws.reset_index().to_dict("records"):
        yield (
            row["law"],
            *(
                written(row[c], output)
                for c, output in (("n_params", "n_params"), ("train_tokens", "train_tokens"), ("vs_rule_of_20", RATIO))
            ),
            range_text(row["band_n_params_low"], row["band_n_params_high"], "1", "n_params"),
            range_text(row["band_vs_rule_of_20_low"], row["band_vs_rule_of_20_high"], "1", RATIO),
            "yes" if row["claim_in_band"] else "no",
            f"+{percent(row['lecture_point_excess_cost'], 2)}",
        )


def accounting_rows(cells: Sequence[Accounting]) -> Iterable[tuple[str, ...]]:
    """The accountings as a table: one row an RL policy, research multiplier and load, one column a mix."""
    rows: dict[tuple[str, str, str], list[str]] = {}
    for cell in cells:
        said = f"{cell.mean:.0f}x ({cell.lowest:.0f}-{cell.highest:.0f}), {cell.inside} of {cell.laws}"
        rows.setdefault((cell.rl, f"x{cell.overhead:g}", percent(cell.load)), []).append(said)
    return ((*where, *said) for where, said in rows.items())


def _models(models: "pd.DataFrame") -> Iterable[tuple[str, ...]]:
    rows: list[dict[str, Any]] = models.to_dict("records")
    for row in rows:
        per = "implied_per_train_token"
        yield (
            str(row["year"]),
            row["size"],
            str(row["models"]),
            times(row[RATIO]),
            f"{times(row['lowest'])} to {times(row['highest'])}",
            f"{row[per]:.1f}",
            f"{row[f'{per}_low']:.1f} to {row[f'{per}_high']:.1f}",
            human(row["implied_tokens"], 2),
        )
