"""Tables of optimal model sizes over a grid of assumptions.

`size_table(s, over={"traffic.output_tokens": ["50T", "200T"], "law": ["besiroglu", "hoffmann"]})` solves every combination, one a row.
Each table carries the recipe it is made by, so that `rebuilt` can make it again.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from ..assumptions.arguments import AXES, FLAG, NUMBER, PROGRESS, TEXT, Names, checks, names
from ..assumptions.paths import paths_of
from ..assumptions.problems import InputError
from ..assumptions.published_laws import law_names
from ..assumptions.scenario import SCENARIO, Scenario
from ..model.outputs import ACROSS, units_of
from ..optimum.solution import InfeasibleError, Solution, Status
from ..optimum.solve import no_answer, solve
from .against import AGAINST, prices_for
from .against import against as compared
from .blocks import Progress
from .grid import Over, Row, SizeTable, Units, axes_of, bounded, check_columns, chosen, over_grid, wide
from .inverse import inverse_table
from .laws import with_laws

__all__ = ["default_grid", "rebuilt", "size_columns", "size_table"]


@checks(
    scenario=SCENARIO, over=AXES, columns=names("n_params"), band=NUMBER, against=TEXT, across_laws=FLAG, progress=PROGRESS
)  # fmt: skip
def size_table(
    scenario: Scenario,
    over: Over | None = None,
    *,
    columns: Names | None = None,
    band: float = 0.05,
    against: str = "",
    across_laws: bool = False,
    progress: Progress | None = None,
) -> SizeTable:
    """The optimum over a grid of assumptions, one combination a row.

    Args:
        scenario: the question that all rows share.
        over: dotted paths, each with its values: numbers, human numbers ("200T", "38%"), names, blocks as plain data, or None to leave
            an optional field out. Every combination is solved; the last path varies fastest. Paths that change together are one axis:
            {("goal.like_params", "traffic.output_tokens"): [("7B", "1T"), ("13B", "2T")]} has two rows. `default_grid` when left out.
        columns: names of the columns to keep in addition to those of the grid; all when left out.
        band: tolerance of the near-optimal band, as a share of the optimal cost.
        against: a list price to compare each row with, such as "GPT-5": six more columns, as in `optimizer.analysis.against`.
        across_laws: also the interval of N* and D/20N across laws, four more columns; it takes a batch of 200 laws a row.
        progress: called with (combinations done, combinations in all).

    Returns:
        Columns of the grid, then status, N*, D*, R*, tokens per parameter, both over-training ratios, loss (nat/token), cost by phase,
        Chinchilla baseline and savings, ends of the band, extrapolation factors, KKT residual, certificate, active limits, message.
        `attrs["units"]` names the unit of every number. A row without an answer keeps its status, a sentence, and NaN.

    Raises:
        InputError: a path or value cannot be used in any row that has it, or a column is unknown.

    A row takes as long as a `solve`, some milliseconds; for millions of rows see `sweep`.

    >>> from optimizer.assumptions.library import load
    >>> table = size_table(load("lecture-2026"), {"law": ["besiroglu", "hoffmann"]})
    >>> [f"{n / 1e9:.0f}B" for n in table["n_params"]], table.attrs["units"]["n_params"]
    (['111B', '95B'], 'parameters')

    """
    grid = axes_of(default_grid(scenario) if over is None else over)
    bounded(grid)
    check_columns(
        [*size_columns(scenario, grid), *(AGAINST if against else ()), *(ACROSS if across_laws else ())], columns
    )
    recipe = {"kind": "sizes", "over": grid, "band": band}
    offers = prices_for(scenario, [against]) if against else []
    if offers:
        recipe["against"] = offers[0].name
    if across_laws:
        recipe["across_laws"] = True

    def solved(at: Scenario) -> tuple[list[Row], Units]:
        best = solve(at, band=band, throw=False)
        row, units = _answer(best), best.to_frame().attrs["units"]
        if offers and best.status is Status.OPTIMAL:
            row |= compared(best, prices_for(at, [against])[0]).numbers()
        if across_laws:
            row |= _across(best)
        return [row], units | (units_of(AGAINST, "USD") if offers else {}) | (
            units_of(ACROSS, "") if across_laws else {}
        )

    table = over_grid(scenario, grid, recipe, solved, progress)
    if " or " not in table.attrs["units"]["cost_total"]:
        del table["cost_unit"]
    return chosen(table, columns)


def size_columns(scenario: Scenario, grid: Iterable[str]) -> list[str]:
    """The columns of a `size_table`, known before it is solved."""
    row = _answer(no_answer(scenario, math.nan, InfeasibleError("")))
    return list(dict.fromkeys([*paths_of(grid), *(name for name in row if name != "message"), "message"]))


def default_grid(scenario: Scenario) -> dict[str, list[object]]:
    """A grid to start with: a tenth, one and ten times the traffic, under every credible law of the scenario's kind."""
    grid: dict[str, list[object]] = {}
    traffic = scenario.traffic
    if traffic.level:
        grid[f"traffic.{traffic.level}"] = [getattr(traffic, traffic.level) * factor for factor in (0.1, 1.0, 10.0)]
    if scenario.to_dict()["law"] in law_names("ensemble"):  # the name and nothing else
        grid["law"] = list(law_names("ensemble"))
    return grid


def rebuilt(record: Mapping[str, Any], progress: Progress | None = None) -> SizeTable:
    """The table that a record asks for, solved anew.

    Raises:
        InputError: the record has no scenario or no recipe, or one that this version does not understand.

    """
    recipe, plain = record.get("table"), record.get("scenario")
    if not isinstance(recipe, dict) or not isinstance(plain, dict) or recipe.get("kind") not in ("sizes", "inverse"):
        raise InputError(["the file does not say how its table was made, so it cannot be made again; export it anew."])
    scenario = Scenario.from_dict(plain)
    try:
        if recipe["kind"] == "sizes":
            table = size_table(
                scenario, recipe["over"], band=recipe["band"], against=recipe.get("against", ""),
                across_laws=recipe.get("across_laws", False), progress=progress,
            )  # fmt: skip
        else:
            table = inverse_table(scenario, recipe["n_params"], recipe["over"], progress=progress)
        spread = recipe.get("wide")
        return wide(table, spread["across"], spread["values"]) if spread else table
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError([f"the recipe of the file is not whole ({error!r}); export the table anew."]) from None


def _across(best: Solution) -> Row:
    found = with_laws(best).across_laws
    intervals = found.intervals if found else {}
    unknown = math.nan, math.nan
    ends = [intervals.get(name, unknown) for name in ("n_params", "overtraining_vs_rule_of_20")]
    return dict(zip(ACROSS, (end for pair in ends for end in pair), strict=True))


def _answer(best: Solution) -> Row:
    row: Row = {str(name): value for name, value in best.to_frame().iloc[0].to_dict().items() if name != "scenario"}
    row["cost_unit"] = best.scenario.money.currency
    row["certified_global"] = best.certificate.certified_global
    row["active_limits"] = ", ".join(best.certificate.active_limits)
    return {**row, "message": best.message}
