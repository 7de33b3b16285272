"""Models whose size is decided: how long to train them, and the traffic that would justify the size."""

import math
from collections.abc import Iterable

from ..assumptions.arguments import AXES, PROGRESS, Check, Names, Numbers, as_values, checks, names
from ..assumptions.bounds import within
from ..assumptions.numbers import human, parse_number
from ..assumptions.paths import paths_of
from ..assumptions.problems import InputError
from ..assumptions.scenario import SCENARIO, Scenario
from ..model.cost import Design, lifecycle_cost
from ..model.outputs import INVERSE, units_of
from ..model.quality import loss
from ..optimum.solution import InfeasibleError
from ..optimum.solve import solve
from .blocks import Progress
from .grid import Over, Row, SizeTable, Units, axes_of, bounded, check_columns, chosen, over_grid
from .implied import ImpliedTraffic, design_of_size, implied_traffic, with_traffic

__all__ = ["SIZES", "inverse_columns", "inverse_table"]

SIZES = (1e9, 3e9, 8e9, 30e9, 70e9, 400e9)
"""Parameters of the inverse table by default: common sizes of open models."""


_SIZES = Check(
    "a number or a list of numbers of parameters", "write '8B' or ['8B', '70B']", lambda given, _: _sizes(given)
)


@checks(scenario=SCENARIO, n_params=_SIZES, over=AXES, columns=names("implied_tokens"), progress=PROGRESS)
def inverse_table(
    scenario: Scenario,
    n_params: Numbers = SIZES,
    over: Over | None = None,
    *,
    columns: Names | None = None,
    progress: Progress | None = None,
) -> SizeTable:
    """For model sizes that are decided: how long to train them for the scenario's quality, and which traffic justifies the size.

    Args:
        scenario: the question. Its goal gives the quality, its traffic the mix of input and output; limits have no effect.
        n_params: sizes in active parameters, as numbers or "8B".
        over: further assumptions to vary, as in `size_table`.
        columns: names of the columns to keep; all when left out.
        progress: called with (combinations of `over` done, combinations in all).

    Returns:
        One row a size (for every combination): D, R, tokens per parameter, both over-training ratios, loss; `implied_*`, the expected
        lifetime tokens for which the size is optimal, also per training token and as a multiple of the scenario's traffic;
        `solve_difference`, how far N* of `solve` at that traffic lies from the size, relatively; cost at the scenario's own traffic and its
        excess over the cost of the best size. Status is justified, no_demand (the implied traffic is negative: training alone asks for
        a smaller model), unreachable (no training brings the size to that loss) or not_converged.

    Raises:
        InputError: as `size_table`, or a size is not a positive number.

    """
    grid, sizes = axes_of(over or {}), _sizes(n_params)
    bounded(grid, len(sizes))
    check_columns(inverse_columns(grid), columns)
    recipe = {"kind": "inverse", "over": grid, "n_params": sizes}

    def solved(at: Scenario) -> tuple[list[Row], Units]:
        return [_inverse(at, size) for size in sizes], units_of(INVERSE, at.money.currency)

    return chosen(over_grid(scenario, grid, recipe, solved, progress), columns)


def inverse_columns(grid: Iterable[str]) -> list[str]:
    """The columns of an `inverse_table`, known before it is solved."""
    return list(dict.fromkeys([*paths_of(grid), *_row(math.nan), "message"]))


def _sizes(n_params: Numbers) -> list[float]:
    sizes, problems = [], []
    for given in as_values(n_params):
        try:
            size = parse_number(given, "parameters")
            if size <= 0:
                raise ValueError(f"must be {within(0, above=True)}, got {human(size)} parameters")
            sizes.append(size)
        except ValueError as error:
            problems.append(f"a size {error}.")
    if problems or not sizes:
        raise InputError(problems or ["the inverse table needs at least one size; give sizes such as 8B."])
    return sizes


def _row(size: float) -> Row:
    """A row before it is answered, so that every table has every column."""
    return {"n_params": size, "status": "", **dict.fromkeys(INVERSE[1:], math.nan)}


def _inverse(scenario: Scenario, size: float) -> Row:
    row = _row(size)
    try:
        design = design_of_size(scenario, size)
    except InfeasibleError as error:
        return {**row, "status": "unreachable", "message": str(error)}
    implied = implied_traffic(scenario, size, float(design.train_tokens))
    n, d, r = (float(v) for v in design)
    cost = float(lifecycle_cost(scenario, design).total)
    row |= {
        "status": "justified" if implied.justified else "no_demand",
        "train_tokens": d,
        "rl_tokens": r,
        "tokens_per_param": d / n,
        "overtraining_vs_rule_of_20": d / (20 * n),
        "overtraining_vs_law": d / float(scenario.law.train_optimal_tokens(n)),
        "loss": float(loss(scenario, design)),
        "implied_tokens": implied.tokens,
        "implied_input_tokens": implied.input_tokens,
        "implied_output_tokens": implied.output_tokens,
        "implied_per_train_token": implied.per_train_token,
        "implied_scale": implied.scale,
        "cost_total": cost,
        "message": "",
    }
    alike = _alike(scenario, design)
    try:
        row["excess_cost"] = cost / float(solve(alike).cost.total) - 1
        if implied.justified:
            row["solve_difference"] = float(solve(with_traffic(alike, implied)).design.n_params) / n - 1
    except InfeasibleError as error:
        return {**row, "status": error.status.name.lower(), "message": str(error)}
    return row if implied.justified else {**row, "message": _no_demand(scenario, design, implied)}


def _no_demand(scenario: Scenario, design: Design, implied: ImpliedTraffic) -> str:
    size, worth = float(design.n_params), scenario.law.effective_tokens
    if implied.scale != implied.scale:
        if float(worth(2 * design.train_tokens)) == float(worth(design.train_tokens)):
            return "Repeated data is exhausted at this many training tokens: more add nothing, so no amount of traffic makes them the best."
        return "The cost of serving does not grow with the model, so no amount of traffic decides its size."
    return (
        f"No demand justifies {human(size)} parameters at this loss: the first-order condition asks for {human(implied.tokens)} served "
        "tokens. Pre-training and RL alone already favour a smaller model, trained longer."
    )


def _alike(scenario: Scenario, design: Design) -> Scenario:
    """The question for the cheapest design as good as this one, without limits."""
    goal: Row = {"kind": "loss", "like_params": design.n_params, "like_tokens": design.train_tokens}
    if scenario.rl.decided:
        goal["like_rl_tokens"] = design.rl_tokens
    return scenario.update({"goal": goal, "limits": {}})
