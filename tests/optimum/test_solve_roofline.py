"""Optima under the serving roofline: against a fine grid, on kinks, under its limits, and what is said where nothing certifies them."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize_scalar

from optimizer import InfeasibleError, InputError, Scenario, load, solve, solve_batch
from optimizer.model.cost import design_of, lifecycle_cost
from optimizer.model.limits import limit_excess
from optimizer.model.loop import first_token
from optimizer.model.replica import memory_batch, replica
from optimizer.model.roofline import batch_size, serving_excess
from optimizer.model.step import step_time
from optimizer.model.training import training_bytes_per_chip
from optimizer.optimum.best_of import is_convex
from optimizer.optimum.program import Rows

from ..conftest import DENSE
from ..counts import cases, some


def dense(**changes: object) -> Scenario:
    return load("lecture-2026").update({**DENSE, **{k.replace("__", "."): v for k, v in changes.items()}})


EIGHT = {"serving.method": "roofline", "money.unit": "usd", "deployment.placement": "given"}
LATENCY = {"deployment__batch": "latency", "deployment__target_tokens_per_second": 40.0}
EXPERTS = {
    "deployment__sparsity": 18.0,
    "deployment__expert_share": 1 / 32,
    "deployment__parallelism": "expert",
    "money__serve_chip": "GB200 NVL72",
}


@jax.jit
def costs_on_curve(s: Scenario, target: jax.Array, ln_params: jax.Array) -> jax.Array:
    """Cost of the designs of many sizes that reach a loss, from the closed form of the law alone; infinite where a limit is broken."""

    def one(x):
        law, n = s.law.chinchilla, jnp.exp(x)
        left = target - law.E - law.A * n**-law.alpha
        design = design_of(s, n, (law.B / jnp.maximum(left, 1e-12)) ** (1 / law.beta))
        broken = jnp.stack([e > 0 for e in limit_excess(s, design).values()]).any()
        return jnp.where(broken | (left <= 0), jnp.inf, lifecycle_cost(s, design).total)

    return jax.vmap(one)(ln_params)


@pytest.mark.parametrize(
    "changes",
    [{}, LATENCY, {"deployment__batch": "fixed", "deployment__batch_size": 48}, {**EXPERTS, **LATENCY}],
    ids=str,
)
def test_against_a_grid(changes):
    s = dense(**changes)
    best = solve(s)
    bare = s.model_copy(update={"sources": {}})
    target = jnp.asarray(best.loss)
    grid = np.linspace(math.log(5e9), math.log(2e11), 4096)
    at = int(np.argmin(np.concatenate([costs_on_curve(bare, target, part) for part in np.split(grid, 64)])))

    def cost(x: float) -> float:
        return float(costs_on_curve(bare, target, np.full(64, x))[0])

    ends = (grid[at - 1], grid[at + 1])
    polished = minimize_scalar(cost, bounds=ends, method="bounded", options={"xatol": 1e-10})
    assert best.cost.total == pytest.approx(polished.fun, rel=1e-8)
    assert math.log(best.design.n_params) == pytest.approx(polished.x, abs=1e-4)
    assert best.certificate.kkt_residual < 1e-8
    assert best.certificate.certified_global == ("sparsity" not in str(changes))


def test_what_is_certified_is_convex():
    """Second differences of ln cost along random lines in (ln N, ln D) are not negative where `is_convex` says so."""
    rng = np.random.default_rng(3)

    @jax.jit
    def ln_costs(s, points):
        return jax.vmap(lambda p: jnp.log(lifecycle_cost(s, design_of(s, jnp.exp(p[0]), jnp.exp(p[1]))).total))(points)

    together = {"deployment__prefill": "together", "traffic__input_tokens": 1e15}
    fixed = {"deployment__batch": "fixed", "deployment__batch_size": 300}
    for changes in ({}, LATENCY, {**LATENCY, **together}, {**fixed, **EXPERTS}):
        s = dense(**changes).model_copy(update={"sources": {}})
        assert is_convex(s)
        x = np.column_stack([rng.uniform(math.log(1e9), math.log(6e10), 2000), rng.uniform(27, 33, 2000)])
        line = rng.normal(size=x.shape) * 0.2
        low, middle, high = (np.asarray(ln_costs(s, p)) for p in (x - line, x, x + line))
        assert (low - 2 * middle + high).min() > -1e-12
    assert not is_convex(dense(**EXPERTS))


def on_a_kink() -> tuple[Scenario, float]:
    """A question whose optimum rests on a kink of the cost, and the size there.

    At one size the batch that memory holds is the one that keeps a speed; some traffic puts the optimum there.
    """
    crossing, free = 3e10, dense(rl={"policy": "none"})
    r = replica(free, crossing)
    speed = float(1 / step_time(r, memory_batch(r)).total)
    s = free.update({"deployment.batch": "latency", "deployment.target_tokens_per_second": speed})
    at_crossing = s.update({"goal": {"kind": "loss", "like_params": crossing, "like_tokens": 3e13}})
    low, high = math.log(1e11), math.log(1e18)  # the optimum falls with traffic, and rests on the kink for a while
    for _ in range(40):
        middle = (low + high) / 2
        found = at_crossing.update({"traffic.output_tokens": math.exp(middle)})
        distance = math.log(solve(found).design.n_params / crossing)
        if abs(distance) < 1e-9:
            return found, crossing
        low, high = (middle, high) if distance > 0 else (low, middle)
    raise AssertionError("no traffic puts the optimum on the crossing")


def test_an_optimum_on_a_kink_is_certified():
    s, crossing = on_a_kink()
    assert solve(s).certificate.certified_global
    nearby = solve(s.update({"traffic.output_tokens": s.traffic.output_tokens * 1.001}))
    assert math.log(nearby.design.n_params / crossing) == pytest.approx(
        0.0, abs=1e-9
    )  # 1e-4 away if it were smooth there


def test_a_speed_for_every_user_lowers_the_size():
    free, fast = solve(dense()), solve(dense(limits__min_tokens_per_second_per_user=60.0))
    assert fast.design.n_params < free.design.n_params
    s = fast.scenario
    r = replica(s, fast.design.n_params)
    assert float(1 / step_time(r, batch_size(s, r)).total) >= 60 * (1 - 1e-9)


def test_the_memory_of_a_training_run_is_a_limit():
    free = solve(dense())
    used = float(training_bytes_per_chip(free.scenario, free.design.n_params))
    held = solve(dense(limits__max_training_bytes_per_chip=0.8 * used))
    assert held.certificate.active_limits == ("limits.max_training_bytes_per_chip",)
    assert float(training_bytes_per_chip(held.scenario, held.design.n_params)) == pytest.approx(0.8 * used, rel=1e-9)
    assert held.certificate.certified_global


def test_the_time_to_the_first_token_is_a_limit():
    """It binds where the formula of one prompt gives the limit, costs more than the free optimum, and a batch agrees."""
    alone = {"limits__first_token_percentile": 0.0}
    free = solve(dense(**alone))
    taken = float(first_token(free.scenario, free.design.n_params))
    bounds = [0.9 * taken, 0.8 * taken]
    for bound in bounds:
        s = dense(**alone, limits__max_seconds_to_first_token=bound)
        held = solve(s)
        assert held.certificate.active_limits == ("limits.max_seconds_to_first_token",)
        assert held.certificate.certified_global
        assert float(first_token(s, held.design.n_params)) == pytest.approx(bound, rel=1e-9)
        assert float(held.cost.total) > float(free.cost.total)
    rows = solve_batch(s, pd.DataFrame({"limits.max_seconds_to_first_token": bounds}))
    assert rows["n_params"].iloc[1] == pytest.approx(float(held.design.n_params), rel=1e-9)
    assert rows["n_params"].is_monotonic_decreasing
    short = dense(**alone, limits__max_seconds_to_first_token=0.8 * taken, deployment__prompt_tokens=1000)
    assert solve(short).design.n_params == pytest.approx(float(free.design.n_params), rel=1e-9)
    with pytest.raises(
        InfeasibleError, match=r"to the first token of a prompt of 8K tokens, above limits\.max_seconds"
    ):
        solve(dense(**alone, limits__max_seconds_to_first_token=1e-6))


def test_the_limit_on_the_first_token_counts_the_prompts_before_it():
    """A prompt that waits w times as long as it takes keeps the limit as one that waits for none keeps 1 / (1 + w) of it."""
    load = 0.6
    chip = {"name": "H100 SXM", "precision": "fp8", "scaleout_bytes_per_second": 1e30}  # sends the cache in no time
    busy = {"serving__load_factor": load, "money__serve_chip": chip}
    free = solve(dense(**busy, limits__first_token_percentile=0.0))
    bound = 0.9 * float(first_token(free.scenario, free.design.n_params))
    asked = {**busy, "limits__max_seconds_to_first_token": bound}
    at_idle = solve(dense(**asked, limits__first_token_percentile=0.0))
    # rho / (2 (1 - rho)) = 0.75 on average; 99 % wait no longer than 4.5297 times (Erlang's series in 200 digits)
    for percentile, waits in ((None, 0.75), (0.99, 4.5297)):
        held = {**asked, "limits__max_seconds_to_first_token": bound * (1 + waits)}
        queued = solve(dense(**held, limits__first_token_percentile=percentile))
        assert queued.certificate.active_limits == ("limits.max_seconds_to_first_token",)
        assert queued.certificate.certified_global
        assert float(queued.design.n_params) == pytest.approx(
            float(at_idle.design.n_params), rel=1e-3 if percentile else 1e-9
        )
    loads = pd.DataFrame({"serving.load_factor": [0.3, load, 0.62, 1.0]})
    rows = solve_batch(queued.scenario, loads)
    assert rows["n_params"].iloc[1] == pytest.approx(float(queued.design.n_params), rel=1e-9)
    assert rows["n_params"].iloc[:3].is_monotonic_decreasing
    assert rows["status"].tolist() == ["optimal"] * 3 + ["infeasible"]
    assert "Set serving.load_factor below 1, or limits.first_token_percentile = 0" in rows["message"].iloc[3]


def test_goals_agree_under_the_roofline():
    by_loss = solve(dense(**LATENCY))
    budget = dense(**LATENCY, goal={"kind": "budget", "budget": float(by_loss.cost.total)})
    params = dense(**LATENCY, goal={"kind": "params", "params": float(by_loss.design.n_params)})
    for s in (budget, params):
        best = solve(s)
        assert best.design.n_params == pytest.approx(by_loss.design.n_params, rel=1e-6)
        assert best.design.train_tokens == pytest.approx(by_loss.design.train_tokens, rel=1e-6)


@pytest.mark.parametrize("kind", ["loss", "budget", "params"])
def test_where_nothing_certifies_every_goal_has_several_starts(kind, monkeypatch):
    goals = {
        "loss": {"kind": "loss", "like_params": 3e10, "like_tokens": 2e13},
        "budget": {"kind": "budget", "budget": 1e8},
        "params": {"kind": "params", "params": 2e10},
    }
    s, minimise, starts = dense(**EXPERTS, **LATENCY, goal=goals[kind]), Rows.minimise, set()

    def seen(self, objective, bounds, start, *, free=None, limits=True, **options):
        if limits and free is None and set(objective) <= {"cost", "loss"}:
            starts.add(round(float(start[0]), 3))
        return minimise(self, objective, bounds, start, free=free, limits=limits, **options)

    monkeypatch.setattr(Rows, "minimise", seen)
    solve(s)
    assert len(starts) >= 4


def test_a_size_that_is_best_only_among_sizes_near_it_is_refused(monkeypatch):
    s, minimise = dense(**EXPERTS, **LATENCY, goal={"kind": "params", "params": 2e10}), Rows.minimise

    def another_valley(self, objective, bounds, start, **options):
        found = minimise(self, objective, bounds, start, **options)
        if set(objective) == {"cost"} and abs(start[0] - math.log(2e10)) > 1:
            # cheaper and of the same loss, as far as the solver can know
            return found._replace(x=found.x - np.array([0.5, 0.1]))
        return found

    monkeypatch.setattr(Rows, "minimise", another_valley)
    with pytest.raises(InfeasibleError, match=r"12\.13B parameters reach the same loss for less"):
        solve(s)


def test_sparse_rooflines_have_one_valley():
    """`solve` tries several sizes where nothing certifies the answer, `solve_batch` one: both are right while no curve has a second valley."""
    rng, base, valleys = np.random.default_rng(20), dense(**EXPERTS, **LATENCY), []
    while len(valleys) < cases(60, 1000):
        changes = {
            "deployment.sparsity": 10 ** rng.uniform(0.2, 2),
            "deployment.expert_share": 10 ** rng.uniform(-2.5, -0.3),
            "deployment.target_tokens_per_second": 10 ** rng.uniform(0.5, 2.6),
            "deployment.context_tokens": 10 ** rng.uniform(2.5, 5.5),
            "deployment.chips": float(rng.integers(1, 72)),
            "traffic.share": 10 ** rng.uniform(-2, 0),
        }
        ln_like = rng.uniform(18, 26.5)
        if changes["deployment.sparsity"] * changes["deployment.expert_share"] > 1:
            continue  # more is active than there is
        s = base.update({k: float(v) for k, v in changes.items()})
        target = s.law.loss(math.exp(ln_like), math.exp(ln_like) * 10 ** rng.uniform(1, 3.5))
        costs = np.asarray(costs_on_curve(s, jnp.asarray(target), jnp.linspace(ln_like - 6, ln_like + 4, 1500)))
        slopes = np.sign(np.diff(np.log(costs[np.isfinite(costs)])))
        if slopes.size > 10:
            rises = np.flatnonzero(slopes > 0)
            valleys.append(rises.size == 0 or bool(np.all(slopes[rises[0] :] > 0)))
    assert all(valleys)


def test_the_band_costs_what_it_says():
    best = solve(dense(**LATENCY))
    for end in (best.band.smallest, best.band.largest):
        assert float(lifecycle_cost(best.scenario, end).total) == pytest.approx(1.05 * float(best.cost.total), rel=1e-8)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"deployment__context_tokens": 1e9}, "do not fit: their cache takes"),
        ({"deployment__batch": "fixed", "deployment__batch_size": 1e9}, "do not fit: their cache takes"),
        ({"deployment__batch": "latency", "deployment__target_tokens_per_second": 1e6}, "Ask for at most"),
        ({"deployment__chips": 1}, "the memory of 1 chips"),
        ({"limits__max_training_bytes_per_chip": 1e5}, "pretraining.recomputation = 'full'"),
    ],
)
def test_what_does_not_fit_says_what_would(changes, said):
    with pytest.raises(InfeasibleError, match=said.replace("(", r"\(")):
        solve(dense(**changes, goal={"kind": "loss", "like_params": 9e11, "like_tokens": 2e14}))


def test_the_context_that_is_offered_is_the_longest():
    goal = {"kind": "params", "params": 1e6}
    with pytest.raises(InfeasibleError) as error:
        solve(dense(deployment__context_tokens=1e9, goal=goal))
    offered = int(str(error.value).split("Take a context of ")[1].split(" tokens")[0].replace(",", ""))
    for context, fits in ((offered, True), (offered + 1, False)):
        excess = serving_excess(dense(deployment__context_tokens=context), 1e6)
        assert (float(excess["deployment.chips"]) <= 0) == fits


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"money__unit": "flops"}, "set money.unit = 'usd'"),
        ({"deployment__batch": "fixed"}, "without batch_size; give batch_size"),
        ({"deployment__batch_size": 8}, "set batch = 'fixed', or remove batch_size"),
        ({"deployment__batch": "fixed", "deployment__batch_size": 0}, "got 0 sequences"),
        ({"deployment__accepted_tokens": 2}, "raise drafted_tokens"),
        ({"deployment__sparsity": 8, "deployment__expert_share": 0.5}, "lower one"),
        ({"money__serve_chip": {"name": "H100 SXM", "precision": "fp4"}}, "no published fp4 peak"),
        ({"money__serve_chip": "H1000"}, "did you mean"),
        ({"deployment__cache_tier": "tape"}, "names an unknown cache tier 'tape'"),
        ({"money__serve_chip": {"peak_flops": 1e15, "usd_per_chip_hour": 2}}, "needs money.serve_chip.hbm_bytes"),
        ({"serving__method": "efficiency", "limits__min_tokens_per_second_per_user": 20}, "is used only with"),
        ({"serving__method": "efficiency", "limits__max_seconds_to_first_token": 2}, "is used only with"),
    ],
)
def test_bad_input_says_what_to_do(changes, said):
    with pytest.raises(InputError) as error:
        dense(**changes)
    assert said in " ".join(error.value.problems)


@pytest.mark.parametrize(
    ("changes", "priced"),
    some(
        [
            ({}, False),  # 435B parameters of 2 bytes in 90 % of 8 x 80 GB
            ({"deployment.pipeline_stages": 2}, True),
            ({"deployment.batch": "fixed", "deployment.batch_size": 1}, False),
            (
                {
                    "deployment.pipeline_stages": 2,
                    "deployment.target_tokens_per_second": 30,
                    "deployment.batch": "latency",
                },
                False,
            ),
        ],
        [0, 1],
    ),
)
def test_a_chinchilla_plan_that_cannot_be_served_has_no_cost(changes, priced):
    best = solve(load("lecture-2026", {**EIGHT, **changes}))
    plan, d = best.baseline.design, best.scenario.deployment
    assert float(plan.n_params) == pytest.approx(4.348e11, rel=1e-3)
    assert math.isfinite(best.baseline.cost.total) == math.isfinite(best.savings) == priced
    if not d.target_tokens_per_second:
        assert priced == (2 * float(plan.n_params) < 0.9 * 8 * 80e9 * float(d.stages))
    if priced:
        assert float(best.baseline.cost.total) == float(lifecycle_cost(best.scenario, plan).total)
    else:
        assert best.to_dict()["savings"] is None
    together = solve_batch(best.scenario, pd.DataFrame({"traffic.share": [1.0]}), detail=True).iloc[0]
    assert together["savings"] == pytest.approx(best.savings, rel=1e-9, nan_ok=True)
    assert together["baseline_n_params"] == pytest.approx(float(plan.n_params), rel=1e-9)
