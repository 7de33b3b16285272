import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from optimizer import InputError, compiling, load, solve, solve_batch
from optimizer.model.accuracy import serving_error
from optimizer.optimum import batch, curve
from optimizer.optimum.equation import reduced_optimum, softplus_root
from optimizer.optimum.search import optimum_on_curve

from ..conftest import DENSE
from ..counts import cases, some

GOALS = {
    "loss": {"kind": "loss", "like_params": 3e10, "like_tokens": 3e13},
    "params": {"kind": "params", "params": 3e10},
    "budget": {"kind": "budget", "budget": 3e26},
    "tokens": {"kind": "tokens", "tokens": 3e15},
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
    laws = ["besiroglu", "hoffmann", "muennighoff", "sardana-all"]
    frame = draws(3 if policy == "optimised" else cases(len(laws), 12), 1)
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
    assert moe.attrs["error"] == "", "nothing is served by the roofline"
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
    assert "goal.like_params must be more than 0, got -1." in answers.loc["b", "message"]
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


@pytest.mark.parametrize("changes", [{}, {"limits.max_train_tokens": 3e14}], ids=["equation", "search"])
def test_a_new_number_of_rows_compiles_nothing(lecture, changes, monkeypatch):
    s, made = lecture.update(changes), []
    loaded = compiling._loaded
    monkeypatch.setattr(compiling, "_loaded", lambda *key: made.append(key[0].__name__) or loaded(*key))
    compiling.forget()
    solve_batch(s, draws(50, 2))
    assert made.count("_by_search" if changes else "_by_equation") == 1
    made.clear()
    for count in (1, 3, 17, 1000, 1025, 5000):
        solve_batch(s, draws(count, 2))
    assert made == []


def test_columns_that_are_none(lecture):
    for column in ("traffic.outputs", "nothing", "law"):
        with pytest.raises(InputError, match="is not a number of a scenario"):
            solve_batch(lecture, pd.DataFrame({column: [1.0]}))
    with pytest.raises(InputError, match="unknown scaling law 'besiroglou'"):
        solve_batch(lecture, pd.DataFrame({"law": ["besiroglou"]}))


@pytest.mark.parametrize("column", ["traffic.output_tokens", "law.A", "rl.tokens"])
def test_columns_of_another_kind(column):
    sentence = f"{column} belongs to {column.partition('.')[0]}"
    with pytest.raises(InputError, match=sentence):
        solve_batch(load("frontier-moe-rack"), pd.DataFrame({column: [1e14, 2e14]}))


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


def test_no_demand_is_chinchilla(lecture):
    s = lecture.update({"rl": {"policy": "none"}})
    answers = solve_batch(s, pd.DataFrame({"traffic.output_tokens": [0.0, 1e-5]}))
    assert answers["overtraining_vs_law"].tolist() == pytest.approx([1, 1], rel=1e-12)


def wide_problems(count: int) -> dict[str, tuple[np.ndarray, ...]]:
    """Arguments of the kernel by goal: laws with exponents 0.03 to 1.5, demand over 40 decades, a third of the rows each.

    A budget has one optimum for alpha below 1. Rows of goal 'params' (1 in 400) whose best D is no 64-bit number are left out: at
    D = 1e308 more data still gains more than it costs.
    """
    rng = np.random.default_rng(7)
    alpha, beta = rng.uniform(0.03, 1.5, (2, count))
    params, tokens = 10 ** rng.uniform(8, 13, count), 10 ** rng.uniform(8, 15, count)
    A, B, ratio = 10 ** rng.uniform(0, 3, count), 10 ** rng.uniform(0, 4, count), 10 ** rng.uniform(-20, 20, count)
    asked = {
        "loss": A * params**-alpha + B * tokens**-beta,
        "budget": params * (tokens + ratio),
        "params": params,
    }
    found = {}
    for i, (goal, amount) in enumerate(asked.items()):
        a = np.minimum(alpha, 0.99) if goal == "budget" else alpha
        found[goal] = tuple(v[i::3] for v in (A, B, a, beta, amount, ratio))
    A, B, alpha, beta, params, _ = found["params"]
    held = beta * B * 1e308**-beta < alpha * A * params**-alpha
    found["params"] = tuple(v[held] for v in found["params"])
    return found


def test_a_million_random_scenarios_all_converge():
    for goal, arguments in wide_problems(1_000_000).items():
        best = jax.jit(reduced_optimum, static_argnums=0)(goal, *arguments)
        worst = float(np.max(np.asarray(best.kkt_residual)))  # a maximum in JAX may pass over NaN
        print(f"{goal}: worst KKT residual of {len(arguments[0]):,} scenarios {worst:.1e}")  # noqa: T201
        assert worst < 1e-12
        assert len(arguments[0]) > 332_000


LIMITED = {
    "loss, tokens": ({"goal": GOALS["loss"]}, {"limits.max_train_tokens": (13.0, 14.5)}),
    "budget, tokens and size": (
        {"goal": GOALS["budget"]},
        {"limits.max_train_tokens": (12.0, 14.5), "limits.max_params": (10.0, 12.0)},
    ),
    "budget, days": (
        {"goal": GOALS["budget"], "rl": POLICIES["flops"], "limits.fleet_chips": 3e4, "limits.max_training_days": 90},
        {"limits.max_training_days": (0.0, 2.5)},
    ),
    "params, tokens": ({"goal": GOALS["params"], "rl": POLICIES["ratio"]}, {"limits.max_train_tokens": (12.0, 14.5)}),
    "tokens, size": (
        {"goal": {"kind": "tokens", "tokens": 3e14}, "rl": POLICIES["ratio"], "limits.min_params": 1e10},
        {"limits.max_params": (10.5, 13.0), "limits.min_params": (9.0, 10.4)},
    ),
    "loss, repeated data": (
        {"law": {"kind": "repetition", "name": "hoffmann", "unique_tokens": 5e12}, "goal": GOALS["loss"]},
        {"law.unique_tokens": (12.3, 14.0), "limits.max_epochs": (0.3, 1.0)},
    ),
    "budget, R decided": (
        {"goal": GOALS["budget"], "rl": POLICIES["optimised"]},
        {"goal.budget": (25.0, 28.0), "limits.max_params": (9.5, 12.0)},
    ),
}


@pytest.mark.parametrize("name", some(LIMITED, [0, 4, 5]))
def test_a_search_is_a_loop_of_solve(lecture, name, monkeypatch):
    changes, decades = LIMITED[name]
    s, rng = lecture.update(changes), np.random.default_rng(8)
    count = cases(24, 60)
    frame = pd.DataFrame({path: 10 ** rng.uniform(*ends, count) for path, ends in decades.items()})
    frame["traffic.output_tokens"] = 10 ** rng.uniform(12, 16, count)
    alone = []
    monkeypatch.setattr("optimizer.optimum.batch._solve_alone", lambda batch, i, table: alone.append(batch.rows[i]))
    answers = solve_batch(s, frame)
    assert (answers["active_limits"] != "").sum() > count / 12
    for i, row in frame.drop(index=alone).iterrows():
        one = solve(s.update(row.to_dict()), throw=False)
        assert answers.loc[i, "status"] == one.status.name.lower()
        assert answers.loc[i, "n_params"] == pytest.approx(one.design.n_params, rel=1e-9)
        assert answers.loc[i, "train_tokens"] == pytest.approx(one.design.train_tokens, rel=1e-9)
        assert answers.loc[i, "active_limits"] == ", ".join(one.certificate.active_limits)
    for i in alone:  # only questions without an answer are passed on
        assert solve(s.update(frame.loc[i].to_dict()), throw=False).status.name != "OPTIMAL"


def test_a_search_finds_the_best_of_a_cost_with_steps_and_kinks(lecture, monkeypatch):
    # Serving gets more expensive by half above 20B and falls in steps of a sawtooth: neither convex nor smooth.
    plain = curve.lifecycle_cost

    def stepped(scenario, design):
        cost, ln_n = plain(scenario, design), jnp.log(design.n_params)
        wave = 1 + 0.5 * jnp.abs(jnp.sin(1.3 * ln_n)) + jnp.maximum(0, ln_n - jnp.log(1.5e11))
        return cost._replace(decode=cost.decode * wave)

    monkeypatch.setattr(curve, "lifecycle_cost", stepped)
    s = lecture.model_copy(update={"sources": {}})
    law, target = s.law.chinchilla, s.law.reducible(1e11, 2e14)
    for tokens in (2e12, 2e13, 2e14, 2e15):
        asked = s.update({"traffic.output_tokens": tokens})
        best = jax.jit(lambda t: optimum_on_curve(t))(asked.model_copy(update={"sources": {}}))
        n = np.exp(np.linspace(np.log((law.A / target) ** (1 / law.alpha)) + 1e-9, 32, 2_000_001))
        d = ((target - law.A * n**-law.alpha) / law.B) ** (-1 / law.beta)
        design = curve.design_of(asked, n, d)
        assert float(stepped(asked, best.design).total) <= float(jnp.min(stepped(asked, design).total)) * (1 + 1e-12)


def test_a_stack_of_scenarios_is_a_frame(lecture):
    frame = draws(5, 9)
    rows = [
        lecture.update(row.to_dict()).model_copy(update={"sources": {}})
        for row in frame.to_dict("records")
        for row in [pd.Series(row)]
    ]
    stacked = jax.tree.map(lambda *v: jnp.stack([jnp.asarray(x) for x in v]), *rows)
    pd.testing.assert_frame_equal(solve_batch(stacked), solve_batch(lecture, frame), rtol=1e-12)
    with pytest.raises(InputError, match="one leading axis"):
        solve_batch(lecture)


def test_a_budget_is_not_spent_on_data_that_adds_nothing(lecture):
    changes = {"law": {"kind": "repetition", "name": "hoffmann", "unique_tokens": 1e11}, "limits.max_params": 1e10}
    s = lecture.update({**changes, "goal": {"kind": "budget", "budget": 1e28}})
    answers = solve_batch(s, pd.DataFrame({"goal.budget": [2.5e25, 1e27, 1e30]}))
    for budget, d in zip((2.5e25, 1e27, 1e30), answers["train_tokens"], strict=True):
        best = solve(s.update({"goal.budget": budget}))
        assert d == pytest.approx(best.design.train_tokens, rel=1e-9)
    # All that repeated data is worth, (1 + R_D) U, to 1e-12; a tenth less data is short of that.
    worth = s.law.unique_tokens * (1 + s.law.R_D)
    assert float(s.law.effective_tokens(d)) == pytest.approx(worth, rel=1e-12)
    assert float(s.law.effective_tokens(0.9 * d)) < worth * (1 - 2e-12)
    assert best.certificate.multipliers["goal.budget"] == 0
    assert answers["train_tokens"].iloc[1] == pytest.approx(d, rel=1e-12)
    assert answers["cost_total"].iloc[0] == pytest.approx(2.5e25, rel=1e-9)


def test_a_row_lifted_by_a_limit(lecture):
    s = lecture.update({"goal": {"kind": "loss", "loss": 9.0}})
    frame = pd.DataFrame({"limits.min_params": [np.nan, 1e9]})
    answers = solve_batch(s, frame)
    assert answers.loc[0, "status"] == solve(s, throw=False).status.name.lower()
    one = solve(s.update({"limits.min_params": 1e9}), throw=False)
    assert answers.loc[1, "status"] == one.status.name.lower()


def test_detail_is_what_solve_says(lecture):
    frame = draws(3, 10)
    answers = solve_batch(lecture, frame, detail=True)
    for i, row in frame.iterrows():
        one = solve(lecture.update(row.to_dict())).to_frame().iloc[0]
        for column in ("baseline_n_params", "baseline_cost_total", "savings"):
            assert answers.loc[i, column] == pytest.approx(one[column], rel=1e-9), column


def test_how_far_a_fit_reaches_is_known_in_a_batch_too(lecture):
    """Published coefficients, by name or by number, have the range of their fit; others have no range."""
    law = lecture.law
    by_number = pd.DataFrame({"law.beta": [0.3, law.beta], "law.E": [law.E, law.E]})
    by_name = pd.DataFrame({"law": ["hoffmann", "besiroglu"]})
    for s in (lecture, lecture.update({"law.E": 1.6}), lecture.update({"law.fitted_max_tokens": "1T"})):
        for frame in (by_number, by_name):
            answers = solve_batch(s, frame, detail=True)
            known = []
            for i, row in frame.iterrows():
                far = solve(s.update(row.to_dict())).extrapolation
                for name, factor in far._asdict().items():
                    expected = np.nan if factor is None else factor
                    assert answers.loc[i, f"extrapolation_{name}"] == pytest.approx(expected, rel=1e-9, nan_ok=True), (
                        i,
                        name,
                    )
                known.append(far.n_params is not None)
            assert any(known)


LATENCY = {"deployment.batch": "latency", "deployment.target_tokens_per_second": 40.0}


@pytest.mark.parametrize("changes", some([{}, LATENCY, LATENCY | {"deployment.prefill": "together"}], [2]))
def test_the_roofline_is_solved_together(lecture, changes, monkeypatch):
    """The same answers as `solve`, without calling it for any row."""
    s = lecture.update(DENSE | {"traffic.input_tokens": 1e15} | changes)
    frame = pd.DataFrame({"traffic.share": [0.05, 0.3, 1.0], "deployment.context_tokens": [2000.0, 8000.0, 5000.0]})
    monkeypatch.setattr(batch, "_solve_alone", lambda *_: pytest.fail("a row was solved alone"))
    answers = solve_batch(s, frame)
    assert answers.attrs["error"] == serving_error(s)
    for i, row in enumerate(frame.to_dict("records")):
        best = solve(s.update(row))
        assert answers["n_params"][i] == pytest.approx(best.design.n_params, rel=1e-9)
        assert answers["cost_total"][i] == pytest.approx(best.cost.total, rel=1e-9)
