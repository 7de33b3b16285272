"""A project that uses the library as its reader would, and asks a type checker to agree with every type written here."""

from typing import assert_type

import jax
import pandas as pd

from optimizer import (
    Design,
    Fit,
    InfeasibleError,
    InputError,
    LifecycleCost,
    OptimalDesign,
    Scenario,
    SizeTable,
    Solution,
    Status,
    cost,
    design_from,
    draws,
    elasticities,
    fit,
    laws,
    lifecycle_cost,
    load,
    optimal_design,
    presets,
    size_table,
    solve,
    solve_batch,
    tornado,
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
    columns: dict[str, object] = {"traffic.output_tokens": [1e14, 2e14]}
    assert_type(solve_batch(scenario, columns), pd.DataFrame)
    for frame in (draws(scenario, 100), elasticities(scenario), tornado(scenario)):
        assert_type(frame, pd.DataFrame)
    return grid


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
    return load("lecture-2026", {"law": own.law})


assert_type(lifecycle_cost(planned("300T"), Design(1e11, 1e13, 0.0)), LifecycleCost)
spread = laws(planned("300T"))
