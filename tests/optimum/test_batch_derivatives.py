"""Derivatives of the optimum, by the equation and by the search: forwards, backwards and against differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from optimizer import solve
from optimizer.optimum.batch import optimum
from optimizer.optimum.equation import softplus_root
from optimizer.optimum.search import optimum_on_curve

from ..counts import some
from .test_batch import GOALS, LIMITED, POLICIES


def test_derivatives_of_the_root_forwards_and_backwards():
    for p, q in ((2.7, 3.0), (0.5, -8.0), (30.0, 100.0), (2.0, 0.0)):
        step = 1e-6
        by_p = (softplus_root(p + step, q) - softplus_root(p - step, q)) / (2 * step)
        by_q = (softplus_root(p, q + step) - softplus_root(p, q - step)) / (2 * step)
        assert [float(v) for v in jax.grad(softplus_root, (0, 1))(p, q)] == pytest.approx(
            [float(by_p), float(by_q)], rel=1e-6, abs=1e-9
        )
        assert float(jax.jacfwd(softplus_root)(p, q)) == pytest.approx(float(by_p), rel=1e-6, abs=1e-9)


def test_the_optimum_differentiates_forwards_and_backwards(lecture):
    def ratio(s):
        best = optimum(s)
        return jnp.log(best.design.train_tokens / best.design.n_params)

    backwards = jax.tree.leaves(jax.jit(jax.grad(ratio))(lecture))
    leaves, tree = jax.tree.flatten(lecture)
    forwards = jax.jit(jax.jacfwd(lambda v: ratio(jax.tree.unflatten(tree, list(v)))))(np.array(leaves))
    assert np.asarray(forwards) == pytest.approx(np.array([float(v) for v in backwards]), rel=1e-9, abs=1e-300)


@pytest.mark.parametrize(
    "name", some(["loss, tokens", "budget, tokens and size", "loss, repeated data", "budget, R decided"], [0])
)
def test_the_search_differentiates_forwards_and_backwards(lecture, name):
    changes, decades = LIMITED[name]
    middle = {path: 10 ** (0.6 * low + 0.4 * high) for path, (low, high) in decades.items()}
    s = lecture.update({**changes, **middle}).model_copy(update={"sources": {}})
    leaves, tree = jax.tree.flatten(s)
    theta = np.array(leaves, float)

    def answer(theta):
        best = optimum_on_curve(jax.tree.unflatten(tree, list(theta)))
        return jnp.log(jnp.stack([best.design.n_params, best.design.train_tokens]))

    forwards = np.asarray(jax.jit(jax.jacfwd(answer))(theta)) * theta
    backwards = np.asarray(jax.jit(jax.jacrev(answer))(theta)) * theta
    assert backwards == pytest.approx(forwards, rel=1e-7, abs=1e-9)
    compiled = jax.jit(answer)
    for i in np.flatnonzero(theta):
        step = 1e-5 * theta[i] * np.eye(len(theta))[i]
        central = np.asarray(compiled(theta + step) - compiled(theta - step)) / 2e-5
        assert forwards[:, i] == pytest.approx(central, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(
    ("goal", "policy"),
    some([("loss", "tokens"), ("budget", "ratio"), ("params", "flops"), ("tokens", "tokens")], [1, 3]),
)
def test_derivatives_of_the_optimum_are_central_differences_of_solves(lecture, goal, policy):
    s = lecture.update({"goal": GOALS[goal], "rl": POLICIES[policy]})
    slopes = jax.jit(jax.grad(lambda t: jnp.log(optimum(t).design.train_tokens)))(s)
    leaves, tree = jax.tree.flatten(s)
    for i, ((path, _, value), slope) in enumerate(zip(s.quantities(), jax.tree.leaves(slopes), strict=True)):
        if value:
            moved = ([*leaves[:i], value * f, *leaves[i + 1 :]] for f in (1 - 1e-4, 1 + 1e-4))
            ends = np.log([solve(jax.tree.unflatten(tree, m)).design.train_tokens for m in moved])
            assert float(slope) * value == pytest.approx((ends[1] - ends[0]) / 2e-4, rel=1e-6, abs=1e-7), path
