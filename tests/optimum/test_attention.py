"""Optima with attention counted, found another way: geometric programs, a grid, finite differences, one row at a time."""

import cvxpy
import jax
import numpy as np
import pandas as pd
import pytest
from scipy.optimize import brentq

from optimizer import Design, Scenario, elasticities, lifecycle_cost, solve, solve_batch
from optimizer.assumptions.numbers import human
from optimizer.model.cost import design_of, phase_prices
from optimizer.model.limits import limit_excess
from optimizer.model.quality import reducible_loss, target_inner_sum
from optimizer.optimum.batch import optimum

from ..counts import cases

WIDTH, POWER = 152_000.0, 0.695
RL = {
    "tokens": {"policy": "tokens", "tokens": 1e13},
    "cost_share": {"policy": "cost_share", "cost_share": 0.5},
    "optimised": {"policy": "optimised"},
}
DAYS = {"limits.max_training_days": 90.0, "limits.fleet_chips": 16000.0}
GOALS = {
    "loss": {"kind": "loss", "like_params": 3e10, "like_tokens": 4e13},
    "budget": {"kind": "budget", "budget": 3e26},
    "params": {"kind": "params", "params": 3e10},
    "tokens": {"kind": "tokens", "tokens": 6e13},
}
NEITHER = {"pretraining.context_tokens": 0.0, "serving.context_tokens": 0.0}


def attending(policy: str = "tokens", training: float = 8192.0, serving: float = 1e5) -> Scenario:
    goal = {"kind": "loss", "like_params": 3e10, "like_tokens": 4e13}
    return Scenario.from_dict(
        {
            "goal": goal | ({"like_rl_tokens": 1e13} if policy == "optimised" else {}),
            "rl": RL[policy],
            "traffic": {"kind": "total", "input_tokens": 3e14, "output_tokens": 1e14},
            "pretraining": {"context_tokens": training},
            "serving": {"context_tokens": serving},
        }
    )


def as_geometric_program(s: Scenario, scale: Design, unit: float) -> float:
    """The least cost by cvxpy, in units of `scale` and `unit`, with attention as monomials in N^s; nothing of our cost is used."""
    n, d, r = (cvxpy.Variable(pos=True) for _ in range(3))
    c, price = s.law.chinchilla, phase_prices(s)
    training, serving = float(s.pretraining.context_tokens), float(s.serving.context_tokens)

    def tokens_of(amount: float, flops: float, read: float) -> cvxpy.Expression:
        """FLOPs x price of `amount` tokens that read `read` others."""
        by_params = flops * amount * scale.n_params / unit
        by_attention = flops * amount * 2 * WIDTH * (scale.n_params / 1e10) ** POWER * read / unit
        return by_params * n + by_attention * n**POWER

    total = tokens_of(float(scale.train_tokens), 6.0, training / 2) * d
    total += tokens_of(float(s.traffic.input_tokens), 2 * float(price.prefill), serving / 2)
    total += tokens_of(float(s.traffic.output_tokens), 2 * float(price.decode), serving)
    target = float(target_inner_sum(s))
    left = n ** -float(c.alpha) * (float(c.A) * scale.n_params ** -float(c.alpha) / target)
    left += d ** -float(c.beta) * (float(c.B) * scale.train_tokens ** -float(c.beta) / target)
    per_rl = float(price.rl) * (2 + 4 * s.rl.trained_share)
    match s.rl.policy:
        case "tokens":
            total += tokens_of(float(s.rl.tokens), per_rl, serving / 2)
        case "cost_share":
            total += s.rl.cost_share * tokens_of(float(scale.train_tokens), 6.0, training / 2) * d
        case "optimised":
            total += tokens_of(float(scale.rl_tokens), per_rl, serving / 2) * r
            G, gamma = (float(v) for v in s.rl.return_term(s.law))
            left += r**-gamma * (G * scale.rl_tokens**-gamma / target)
    problem = cvxpy.Problem(cvxpy.Minimize(total), [left <= 1])
    problem.solve(gp=True, solver=cvxpy.CLARABEL)
    return float(problem.value) * unit


@pytest.mark.parametrize("policy", RL)
def test_geometric_programs_cost_the_same(policy):
    rng = np.random.default_rng(4)
    for _ in range(cases(3, 20)):
        s = attending(policy, 10 ** rng.uniform(3, 5), 10 ** rng.uniform(3, 6)).update(
            {"traffic.output_tokens": 10 ** rng.uniform(12, 16)}
        )
        best = solve(s)
        assert best.certificate.certified_global
        scale = Design(best.design.n_params * 2, best.design.train_tokens / 3, max(best.design.rl_tokens, 1.0) * 1.5)
        found = as_geometric_program(s, scale, best.cost.total * 1.7)
        assert found == pytest.approx(float(best.cost.total), rel=1e-6)


@pytest.mark.parametrize("goal", ["loss", "budget"])
def test_a_limit_on_compute_against_a_grid(goal):
    s = attending().update(DAYS | ({"limits.fleet_chips": 1000.0} if goal == "loss" else {"goal": GOALS[goal]}))
    best = solve(s)
    assert best.certificate.certified_global
    assert best.certificate.active_limits == ("limits.max_training_days",)
    n, d = (np.exp(np.log(v) + np.linspace(-0.7, 0.7, 1401)) for v in best.design[:2])
    n, d = np.broadcast_arrays(n[:, None], d[None, :])
    design = Design(n, d, np.full_like(n, s.rl.tokens))
    cost, reducible = np.asarray(lifecycle_cost(s, design).total), np.asarray(reducible_loss(s, design))
    allowed = np.asarray(limit_excess(s, design)["limits.max_training_days"]) <= 1e-12
    reached = float(reducible_loss(s, best.design))
    if goal == "loss":
        found = np.where(allowed & (reducible <= reached * (1 + 1e-12)), cost, np.inf).min() / float(best.cost.total)
    else:
        found = np.where(allowed & (cost <= 3e26 * (1 + 1e-12)), reducible, np.inf).min() / reached
    assert 1 - 1e-9 < found < 1.003


@pytest.mark.parametrize("goal", GOALS)
def test_batches_answer_as_solve_does(goal):
    s = attending().update({"goal": GOALS[goal]})
    frame = pd.DataFrame(
        {"serving.context_tokens": [0.0, 1e3, 1e5, 2e5], "pretraining.context_tokens": [0.0, 1e5, 8192.0, 1e3]}
    )
    answers = solve_batch(s, frame)
    assert (answers["status"] == "optimal").all()
    for changes, row in zip(frame.to_dict("records"), answers.to_dict("records"), strict=True):
        alone = solve(s.update(changes))
        for name, value in (("n_params", alone.design.n_params), ("train_tokens", alone.design.train_tokens)):
            assert row[name] == pytest.approx(float(value), rel=1e-8)
        assert row["cost_total"] == pytest.approx(float(alone.cost.total), rel=1e-11)
    plain = solve(s.update(dict.fromkeys(NEITHER)))
    assert answers["n_params"][0] == pytest.approx(float(plain.design.n_params), rel=1e-8)


def test_a_batch_with_decided_rl_answers_as_solve_does():
    s = attending("optimised")
    answers = solve_batch(s, pd.DataFrame({"serving.context_tokens": [1e3, 3e5]}))
    for context, n_params, status in zip((1e3, 3e5), answers["n_params"], answers["status"], strict=True):
        assert status == "optimal"
        alone = solve(s.update({"serving.context_tokens": context}))
        assert n_params == pytest.approx(float(alone.design.n_params), rel=1e-7)


def test_data_that_is_decided_within_a_limit_on_compute():
    # The limit, k N D with attention, caps the size: N + 2 A(N) c = days of the fleet / (k D), by hand.
    s = attending().update({"goal": GOALS["tokens"], **DAYS})
    assert not solve(s).certificate.active_limits
    left = 90 * 700 * 86400 * 9.89e14 * 0.4 / (6 * 6e13)
    cap = brentq(lambda n: n + 2 * WIDTH * (n / 1e10) ** POWER * 4096 - left, 1e8, 1e11)
    refused = solve(s.update({"limits.fleet_chips": 700}), throw=False)
    assert f"with at most {human(cap)} parameters on so many tokens" in refused.message


def test_longer_contexts_never_cost_less_and_none_is_the_plain_problem():
    s = attending()
    contexts = np.concatenate([[0.0], np.geomspace(1, 1e6, 40)])
    for path in NEITHER:
        cost = solve_batch(s.update(NEITHER), pd.DataFrame({path: contexts}))["cost_total"].to_numpy()
        assert (np.diff(cost) > 0).all()
        assert cost[1] / cost[0] == pytest.approx(1, abs=1e-4)
    plain = s.update(dict.fromkeys(NEITHER))
    assert solve(s.update(NEITHER)).design == solve(plain).design


def test_elasticities_against_solving_again():
    s = attending().update({"deployment.attention_exponent": 0.9})
    frame, step = elasticities(s), 1e-4
    for path in ("serving.context_tokens", "pretraining.context_tokens", "deployment.attention_exponent"):
        value = float(frame.loc[path, "value"])
        up, down = (solve(s.update({path: value * (1 + h)})) for h in (step, -step))
        for name, high, low in (
            ("n_params", up.design.n_params, down.design.n_params),
            ("train_tokens", up.design.train_tokens, down.design.train_tokens),
            ("cost_total", up.cost.total, down.cost.total),
        ):
            found = np.log(float(high) / float(low)) / (2 * step)
            assert float(frame.loc[path, name]) == pytest.approx(found, rel=1e-4, abs=1e-7), (path, name)


def test_derivatives_are_finite_without_a_context():
    s = attending().update(NEITHER | {"deployment.attention_bound_tokens": 2048.0})
    slopes = jax.grad(lambda t: jax.numpy.log(lifecycle_cost(t, design_of(t, 3e10, 1e13)).total))(s)
    assert all(np.isfinite(np.asarray(leaf)).all() for leaf in jax.tree.leaves(slopes))


def test_the_scalar_equation_refuses_what_it_does_not_hold_for():
    with pytest.raises(TypeError, match="attention and the roofline make a cost that is not N"):
        optimum(attending())
