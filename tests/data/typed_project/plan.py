"""A project that uses the library as its reader would, and asks a type checker to agree with every type written here."""

from collections.abc import Callable
from pathlib import Path
from typing import assert_type

import jax
import pandas as pd

from optimizer import (
    DataError,
    Design,
    Fit,
    ImpliedTraffic,
    InfeasibleError,
    InputError,
    LifecycleCost,
    OptimalDesign,
    Placement,
    Scenario,
    SizeTable,
    Solution,
    Status,
    Sweep,
    chart,
    cost,
    design_from,
    draws,
    elasticities,
    ensemble,
    export,
    fit,
    frontier,
    implied_traffic,
    inverse_table,
    laws,
    lifecycle_cost,
    load,
    monte_carlo,
    optimal_design,
    placement,
    presets,
    probability_above,
    progress,
    quantiles,
    read_table,
    regret,
    robust_plans,
    size_table,
    sobol,
    solve,
    solve_batch,
    sources,
    sweep_parquet,
    table,
    throughput,
    tornado,
    wide,
)


def planned(tokens: str) -> Scenario:
    """The scenario of a forecast."""
    scenario = load("lecture-2026", {"traffic.output_tokens": tokens})
    assert_type(scenario, Scenario)
    assert_type(presets(), list[str])
    return scenario.update({"limits.max_params": "200B"})


def answered(scenario: Scenario) -> float | None:
    """The cost of the optimum, and nothing where there is none."""
    try:
        best = solve(scenario)
    except InfeasibleError as error:
        assert_type(error.status, Status)
        return None
    except InputError as error:
        assert_type("".join(error.problems), str)
        return None
    assert_type(best, Solution)
    assert_type(best.status, Status)
    assert_type(best.design, Design)
    assert_type(best.cost, LifecycleCost)
    return float(best.cost.total)


def given(scenario: Scenario) -> float:
    """What a design that is decided costs more than the best one."""
    bill = cost(scenario, design_from(scenario, 405.85e9, 15.6e12))
    assert_type(bill, Solution)
    return float(bill.cost.total)


def tables(scenario: Scenario) -> pd.DataFrame:
    """Tables are frames of pandas."""
    grid = size_table(scenario, {"law": ["besiroglu", "hoffmann"]})
    assert_type(grid, SizeTable)
    rows = pd.DataFrame({"traffic.output_tokens": [1e14, 2e14]})
    assert_type(solve_batch(scenario, rows), pd.DataFrame)
    for frame in (
        draws(scenario, 100),
        elasticities(scenario),
        ensemble(scenario, {"besiroglu": 1, "hoffmann": 1}),
        frontier(scenario, [1.9, 2.0]),
        laws(scenario),
        monte_carlo(scenario, 100, law=None),
        sobol(scenario, "n_params", 64),
        sources(scenario),
        table("hardware"),
        tornado(scenario),
    ):
        assert_type(frame, pd.DataFrame)
    return grid


def published(grid: SizeTable, folder: Path, say: Callable[[int, int], object]) -> Path:
    """Tables as files, and sweeps that no frame holds."""
    assert_type(wide(grid, "law", ["n_params"]), SizeTable)
    assert_type(inverse_table(planned("300T"), ["8B", "70B"]), SizeTable)
    assert_type(read_table(export(grid, folder / "sizes.csv")), SizeTable)
    swept = sweep_parquet(planned("300T"), folder / "rows.parquet", folder / "answers", progress=say)
    assert_type(swept, Sweep)
    assert_type(swept.to_frame("n_params"), SizeTable)
    try:
        return export(grid, folder / "sizes.tex", caption="Sizes", label="tab:sizes", digits=3)
    except DataError as error:
        assert_type(error.problems, tuple[str, ...])
        raise


def uncertain(scenario: Scenario) -> float:
    """Plans under futures that are not known, drawn and judged."""
    frame = draws(scenario, 100)
    assert_type(quantiles(frame, "n_params"), pd.DataFrame)
    judged = regret(scenario, ["70B", "100B"], ["100T", "300T"], progress=progress("planning"))
    assert_type(robust_plans(judged), pd.DataFrame)
    chart.regret_heat_map(judged)
    implied = implied_traffic(scenario, "8B", "15T")
    assert_type(implied, ImpliedTraffic)
    assert_type(implied.tokens, float)
    return probability_above(frame, 100.0)


def served() -> pd.DataFrame:
    """A released model on chips of its own."""
    placed = placement("Llama 3 70B", changes={"deployment.chips": 8})
    assert_type(placed, Placement)
    return throughput(placed, 1000, 500, users=[64])


def slope(scenario: Scenario, tokens: float) -> jax.Array:
    """The optimal size by the traffic, differentiated."""

    def size(at: jax.Array) -> jax.Array:
        found = optimal_design(scenario, {"traffic.output_tokens": at})
        assert_type(found, OptimalDesign)
        return jax.numpy.asarray(found.design.n_params)

    found: jax.Array = jax.grad(size)(tokens)
    return found


def own_law(runs: pd.DataFrame) -> Scenario:
    """A law of one's own runs, in a scenario."""
    own = fit(runs, bootstrap=200)
    assert_type(own, Fit)
    assert_type(own.residuals(), pd.DataFrame)
    return load("lecture-2026", {"law": own.law()})


assert_type(lifecycle_cost(planned("300T"), Design(1e11, 1e13, 0.0)), LifecycleCost)
