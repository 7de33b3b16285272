import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from optimizer import InputError, load, solve, solve_batch
from optimizer.optimum.batch import optimum
from optimizer.optimum.reduced import softplus_root

GOALS = {
    "loss": {"kind": "loss", "like_params": 3e10, "like_tokens": 3e13},
    "params": {"kind": "params", "params": 3e10},
    "budget": {"kind": "budget", "budget": 3e26},
}
POLICIES = {
    "none": {"policy": "none"},
    "tokens": {"policy": "tokens", "tokens": 3e12},
    "ratio": {"policy": "ratio", "ratio": 0.3},
    "flops": {"policy": "flops", "flops": 1e24},
    "cost_share": {"policy": "cost_share", "cost_share": 0.5},
    "optimised": {"policy": "optimised"},
}
COLUMNS = (
    "n_params",
    "train_tokens",
    "rl_tokens",
    "overtraining_vs_law",
    "loss",
    "cost_pretraining",
    "cost_rl",
    "cost_decode",
    "cost_total",
)


def draws(count: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "traffic.output_tokens": 10 ** rng.uniform(11, 16, count),
            "traffic.input_tokens": 10 ** rng.uniform(11, 16, count),
            "serving.decode_efficiency": rng.uniform(0.1, 1, count),
            "pretraining.overhead": rng.uniform(1, 4, count),
        }
    )


@pytest.mark.parametrize(("goal", "policy"), list(itertools.product(GOALS, POLICIES)))
def test_a_batch_is_a_loop_of_solve(lecture, goal, policy):
    asked = dict(GOALS[goal])
    if policy == "optimised" and goal == "loss":
        asked["like_rl_tokens"] = 3e13
    s = lecture.update({"goal": asked, "rl": {**POLICIES[policy], "efficiency": 0.5}})
    frame = draws(3 if policy == "optimised" else 12, 1)
    laws = ["besiroglu", "hoffmann", "muennighoff", "sardana-all"]
    frame["law"] = [laws[i % len(laws)] for i in range(len(frame))]
    answers = solve_batch(s, frame)
    assert (answers["status"] == "optimal").all()
    assert answers["kkt_residual"].max() < 1e-12
    for i, row in frame.iterrows():
        one = solve(s.update(row.to_dict())).to_frame().iloc[0]
        for column in COLUMNS:
            assert answers.loc[i, column] == pytest.approx(one[column], rel=1e-9), column


def test_experts_repetition_and_limits_agree_too():
    s = load("data-limited-lab")
    frame = pd.DataFrame({"law.unique_tokens": [1e13, 1.5e13, 1e15], "limits.max_epochs": [16.0, 1.1, 16.0]})
    answers = solve_batch(s, frame)
    for i, row in frame.iterrows():
        one = solve(s.update(row.to_dict()))
        assert answers.loc[i, "n_params"] == pytest.approx(one.design.n_params, rel=1e-9)
        assert answers.loc[i, "active_limits"] == ", ".join(one.certificate.active_limits)
    assert answers["active_limits"].tolist() == ["", "limits.max_epochs", ""]
    moe = solve_batch(load("frontier-moe-chat"), pd.DataFrame({"law.experts": [1.0, 8.0, 32.0]}))
    assert moe.attrs["units"]["cost_total"] == "USD"
    assert moe.loc[2, "n_params"] == pytest.approx(solve(load("frontier-moe-chat")).design.n_params, rel=1e-9)


def test_rows_that_cannot_be_solved_never_stop_the_others(lecture):
    frame = pd.DataFrame(
        {
            "goal.like_params": [1e11, -1.0, np.inf, 1e11, 1e11],
            "limits.max_params": [np.nan, np.nan, np.nan, 1e9, 1e11],
        },
        index=list("abcde"),
    )
    answers = solve_batch(lecture, frame)
    assert answers["status"].tolist() == ["optimal", "bad_input", "bad_input", "infeasible", "optimal"]
    assert "goal.like_params must lie in (0, inf), got -1." in answers.loc["b", "message"]
    assert "cannot be reached within limits.max_params = 1B" in answers.loc["d", "message"]
    assert answers.loc[["b", "c", "d"], "n_params"].isna().all()
    assert answers.loc["e", "active_limits"] == "limits.max_params"
    below = solve_batch(lecture, pd.DataFrame({"goal.loss": [1.0, 1.9]}))
    assert below["status"].tolist() == ["infeasible", "optimal"]
    poor = solve_batch(lecture.update({"goal": GOALS["budget"]}), pd.DataFrame({"goal.budget": [1e20, 1e26]}))
    assert poor["status"].tolist() == ["infeasible", "optimal"]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 70_000])
def test_any_number_of_rows(lecture, count):
    answers = solve_batch(lecture, draws(count, 2))
    assert len(answers) == count
    assert (answers["status"] == "optimal").all()
    assert solve_batch(lecture, draws(0, 2).drop(columns=draws(0, 2).columns)).empty


def test_columns_that_are_none(lecture):
    for column in ("traffic.outputs", "nothing", "law"):
        with pytest.raises(InputError, match="is not a number of a scenario"):
            solve_batch(lecture, pd.DataFrame({column: [1.0]}))
    with pytest.raises(InputError, match="unknown scaling law 'besiroglou'"):
        solve_batch(lecture, pd.DataFrame({"law": ["besiroglou"]}))


def test_a_million_random_roots_all_converge():
    # Laws with exponents 0.03 to 1.5, demand over 45 decades, all three goals.
    rng = np.random.default_rng(4)
    n = 1_000_000
    alpha, beta = rng.uniform(0.03, 1.5, (2, n))
    ln_ratio = np.log(10) * rng.uniform(-25, 20, n)
    budget = alpha < 1
    p = np.where(budget & (np.arange(n) % 2 == 0), (1 - alpha) / (alpha + beta), 1 / beta)
    q = ln_ratio + rng.normal(0, 30, n)
    u = np.asarray(jax.jit(softplus_root)(p, q))
    residual = np.abs(u + p * np.logaddexp(u, 0) - q) / np.maximum(1, np.maximum(np.abs(q), p * np.logaddexp(u, 0)))
    assert residual.max() < 1e-14


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


def test_no_demand_is_chinchilla(lecture):
    s = lecture.update({"rl": {"policy": "none"}})
    answers = solve_batch(s, pd.DataFrame({"traffic.output_tokens": [0.0, 1e-5]}))
    assert answers["overtraining_vs_law"].tolist() == pytest.approx([1, 1], rel=1e-12)
