"""The optimum as a JAX function: what solve finds, with the derivatives of elasticities, under grad, vmap and jit."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from optimizer import InputError, elasticities, load, optimal_design, presets, solve, solve_batch
from optimizer.optimum.optimal import _optimal

from ..counts import some, thorough
from .test_solve_roofline import dense, on_a_kink

OUTPUTS = ["n_params", "train_tokens", "cost_total"]
QUESTIONS = {
    **{name: load(name) for name in presets()},
    "a budget": load("lecture-2026", {"goal": {"kind": "budget", "budget": 1e26}}),
    "a limit that holds": load("lecture-2026", {"limits.max_params": "90B"}),
    "RL decided": load(
        "lecture-2026", {"rl": {"policy": "optimised"}, "goal.like_rl_tokens": "133T", "limits.max_params": "90B"}
    ),
    "a size": load("lecture-2026", {"goal": {"kind": "params", "params": "80B"}}),
    "the roofline": dense(),
}


def outputs(scenario):
    best = optimal_design(scenario)
    return jnp.log(jnp.stack([best.design.n_params, best.design.train_tokens, best.cost.total]))


@pytest.mark.parametrize("name", some(QUESTIONS, [0, -4]))
def test_value_and_slopes_are_those_of_solve_and_elasticities(name):
    """Gradients backwards; elasticities solve the linear system of the KKT conditions of scipy's optimum."""
    s = QUESTIONS[name]
    best, exact = solve(s), elasticities(s)
    slopes, value = jax.jacrev(lambda s: (outputs(s),) * 2, has_aux=True)(s.model_copy(update={"sources": {}}))
    expected = np.log([best.design.n_params, best.design.train_tokens, float(best.cost.total)])
    assert np.asarray(value) == pytest.approx(expected, abs=1e-8)
    slopes = np.stack([np.asarray(v) for v in jax.tree.leaves(slopes)])
    scaled = slopes * exact["value"].to_numpy()[:, None]
    # A slope of 1e-7 is the noise of the sum that it is a small part of; the largest are about 10.
    assert scaled == pytest.approx(exact[OUTPUTS].to_numpy(), rel=1e-6, abs=1e-7)


def test_first_and_second_slopes_are_central_differences_of_solve():
    s, path, at = load("lecture-2026"), "traffic.output_tokens", math.log(2e14)
    slope = jax.grad(lambda t: jnp.log(optimal_design(s, {path: jnp.exp(t)}).design.n_params))
    ends = [solve(s.update({path: math.exp(at + h)})).design.n_params for h in (-1e-4, 1e-4)]
    assert float(slope(at)) == pytest.approx(math.log(ends[1] / ends[0]) / 2e-4, rel=1e-6)
    second = (float(slope(at + 1e-4)) - float(slope(at - 1e-4))) / 2e-4
    assert float(jax.grad(slope)(at)) == pytest.approx(second, rel=1e-5)


def test_vmap_is_solve_batch_and_a_second_call_compiles_nothing():
    s = load("lecture-2026")
    rng = np.random.default_rng(5)
    rows = pd.DataFrame(
        {"traffic.output_tokens": 10 ** rng.uniform(12, 16, 32), "pretraining.overhead": rng.uniform(1, 3, 32)}
    )
    asked = {path: jnp.asarray(rows[path]) for path in rows}
    many = jax.vmap(lambda values: optimal_design(s, values))
    found, batch = many(asked), solve_batch(s, rows)
    assert np.asarray(found.design.n_params) == pytest.approx(batch["n_params"].to_numpy(), rel=1e-10)
    assert np.asarray(found.design.train_tokens) == pytest.approx(batch["train_tokens"].to_numpy(), rel=1e-10)
    assert np.asarray(found.cost.total) == pytest.approx(batch["cost_total"].to_numpy(), rel=1e-12)
    assert float(found.kkt_residual.max()) < 1e-10
    compiled = []
    jax.monitoring.register_event_duration_secs_listener(lambda event, *_, **__: compiled.append(event))
    again = {path: jnp.asarray(1.1 * rows[path]) for path in rows}
    before = _optimal._cache_size()
    compiled.clear()
    many(again)
    assert not [event for event in compiled if "backend_compile" in event]
    assert _optimal._cache_size() == before


def test_no_optimum_is_nan_and_so_is_its_slope():
    s = load("lecture-2026")
    goal = s.update({"goal": {"kind": "loss", "loss": 1.9}})
    for loss in (1.5, 1.9):
        value, slope = jax.value_and_grad(lambda t: optimal_design(goal, {"goal.loss": t}).cost.total)(loss)
        assert math.isnan(value) == math.isnan(slope) == (loss == 1.5)


@thorough
def test_a_kink_has_no_slope():
    s, crossing = on_a_kink()
    size = jax.jit(jax.value_and_grad(lambda t: optimal_design(s, {"traffic.output_tokens": t}).design.n_params))
    value, slope = size(s.traffic.output_tokens)
    assert float(value) == pytest.approx(crossing, rel=1e-9)
    assert math.isnan(slope)
    for factor in (0.1, 10):
        assert float(size(factor * s.traffic.output_tokens)[1]) < 0


def test_what_it_does_not_take_is_refused():
    s = load("lecture-2026")
    with pytest.raises(InputError, match="did you mean"):
        optimal_design(s, {"traffic.output_token": 1.0})
    with pytest.raises(InputError, match="must be a number"):
        optimal_design(s, {"traffic.output_tokens": "many"})
