"""Answers found another way: closed forms, cvxpy's geometric programs, brute-force grids, finite differences."""

import math
from collections.abc import Iterator

import cvxpy
import jax
import numpy as np
import pytest

from optimizer import Scenario, lifecycle_cost, solve
from optimizer.assumptions.published_laws import law_names
from optimizer.assumptions.rl import OptimisedRL
from optimizer.model.cost import Design, design_of, phase_prices
from optimizer.model.limits import limit_excess
from optimizer.model.quality import reducible_loss, target_inner_sum

from .conftest import CHINCHILLA_POINTS, LONG_RUNS, plain_scenario

COUPLED = {"coupled": CHINCHILLA_POINTS, "coupled, long runs": LONG_RUNS}
ALL_LAWS = [*law_names("ensemble", "moe", "stress"), *COUPLED]


@pytest.mark.parametrize("name", [name for name in ALL_LAWS if name != "abnar"])  # two powers of N have no closed form
def test_closed_form_without_traffic(name):
    # Hoffmann et al. 2022, equation 4: N = G (C/6)^a, D = (C/6)^b / G with G = (alpha A / (beta B))^(1/(alpha+beta)).
    law = COUPLED.get(name, name)
    s = plain_scenario(law=law, goal={"kind": "budget", "budget": 1e24}, traffic__output_tokens=0)
    best = solve(s)
    c = s.law.chinchilla
    A, B, alpha, beta = (float(v) for v in (c.A, c.B, c.alpha, c.beta))
    g = (alpha * A / (beta * B)) ** (1 / (alpha + beta))
    assert best.design.n_params == pytest.approx(g * (1e24 / 6) ** (beta / (alpha + beta)), rel=1e-9)
    assert best.design.train_tokens == pytest.approx((1e24 / 6) ** (alpha / (alpha + beta)) / g, rel=1e-9)
    assert best.overtraining.vs_law == pytest.approx(1, rel=1e-9)
    assert best.savings == pytest.approx(0, abs=1e-12)
    again = solve(s.update({"goal": {"kind": "loss", "loss": best.loss}}))
    assert again.baseline.design.n_params == pytest.approx(best.design.n_params, rel=1e-7)  # loss - E costs digits


@pytest.mark.parametrize("name", ALL_LAWS)
@pytest.mark.parametrize("goal", ["loss", "params", "tokens", "budget"])
def test_identity_of_the_first_order_condition(lecture, name, goal):
    # D*/D0(N*) = (1 + r)^(1/beta), r = cost that scales with N alone over cost that scales with N D.
    goals = {
        "loss": {"kind": "loss", "like_params": 3e10, "like_tokens": 4e13},
        "params": {"kind": "params", "params": 3e10},
        "tokens": {"kind": "tokens", "tokens": 1e15},
        "budget": {"kind": "budget", "budget": 1e26},
    }
    best = solve(lecture.update({"law": COUPLED.get(name, name), "goal": goals[goal]}))
    r = float(best.cost.rl + best.cost.decode) / float(best.cost.pretraining)
    beta = float(best.scenario.law.chinchilla.beta)
    assert best.overtraining.vs_law == pytest.approx((1 + r) ** (1 / beta), rel=1e-9)


@pytest.mark.parametrize("name", ["besiroglu", "hoffmann", "coupled"])
def test_shadow_price(lecture, name):
    # d ln C* / d ln l = -1 / eN, which is also the multiplier of the loss.
    best = solve(lecture.update({"law": COUPLED.get(name, name)}))
    n, d = best.design.n_params, best.design.train_tokens
    c, gamma = best.scenario.law.chinchilla, getattr(best.scenario.law, "gamma", 1.0)
    eN = gamma * c.alpha * c.A * n**-c.alpha / (c.A * n**-c.alpha + c.B * d**-c.beta)
    assert best.certificate.multipliers["reducible_loss"] == pytest.approx(1 / eN, rel=1e-9)


@pytest.mark.parametrize("policy", ["none", "tokens", "ratio", "flops", "cost_share"])
def test_rl_policy_pushes_as_the_mathematics_says(lecture, policy):
    values = {
        "none": {},
        "tokens": {"tokens": 1e14},
        "ratio": {"ratio": 1.0},
        "flops": {"flops": 1e26},
        "cost_share": {"cost_share": 1.0},
    }
    goal = {"goal": {"kind": "params", "params": 1e11}}
    without = solve(lecture.update({"rl": {"policy": "none"}, **goal})).design.train_tokens
    with_rl = solve(lecture.update({"rl": {"policy": policy, **values[policy]}, **goal})).design.train_tokens
    change = with_rl / without - 1
    if policy in ("none", "flops"):
        assert abs(change) < 1e-9
    else:
        assert (change > 0) == (policy == "tokens")


def random_scenarios(seed: int, count: int) -> Iterator[Scenario]:
    rng = np.random.default_rng(seed)
    laws = ["besiroglu", "hoffmann", "de-vries", "muennighoff", *law_names("moe"), CHINCHILLA_POINTS]
    rl = [
        {"policy": "none"},
        {"policy": "tokens", "tokens": 1e13},
        {"policy": "ratio", "ratio": 0.2},
        {"policy": "flops", "flops": 1e24},
        {"policy": "cost_share", "cost_share": 0.5},
        {"policy": "optimised"},
    ]
    for i in range(count):
        served = 10 ** rng.uniform(11, 16)
        n0, policy = 10 ** rng.uniform(9, 12), rl[i % len(rl)]
        goal = {"kind": "loss", "like_params": n0, "like_tokens": n0 * 10 ** rng.uniform(1, 3.5)}
        if policy["policy"] == "optimised":
            goal["like_rl_tokens"] = n0 * 10 ** rng.uniform(1, 3.5)
        yield Scenario.from_dict(
            {
                "law": laws[rng.integers(len(laws))],
                "goal": goal,
                "rl": {**policy, "efficiency": rng.uniform(0.2, 1)},
                "traffic": {"kind": "total", "input_tokens": served, "output_tokens": served * rng.uniform()},
                "serving": {"decode_efficiency": rng.uniform(0.1, 1)},
            }
        )


def powers_of_n(law) -> list[tuple[float, float]]:
    """(A, alpha) of every power A N^-alpha in the law, N active parameters."""
    if law.kind != "moe-sparsity":
        return [(float(law.chinchilla.A), float(law.chinchilla.alpha))]
    used = 1 - law.sparsity  # Abnar et al. 2025, equation 6, M = N / (1 - S)
    return [(law.a * used**law.alpha, law.alpha), (law.d * used**-law.delta * used**law.gamma, law.gamma)]


def as_geometric_program(s: Scenario, scale: Design, cost_scale: float) -> float:
    """The least cost by cvxpy, with N, D and R in units of `scale`; nothing of our solver or gradients is used."""
    n, d, r = (cvxpy.Variable(pos=True) for _ in range(3))
    c, price, demand = s.law.chinchilla, phase_prices(s), s.traffic.demand()
    optimised = isinstance(s.rl, OptimisedRL)
    fixed = float(
        price.prefill * 2 * (demand.input_tokens - demand.cached_tokens) + price.decode * 2 * demand.output_tokens
    )
    per_rl = float(price.rl) * (2 + 4 * s.rl.trained_share)
    total = 6 * n * d * (scale.n_params * scale.train_tokens / cost_scale) + n * (fixed * scale.n_params / cost_scale)
    if optimised:
        total += n * r * (per_rl * scale.n_params * scale.rl_tokens / cost_scale)
    else:
        rl = s.rl
        extra = {
            "none": 0,
            "tokens": per_rl * getattr(rl, "tokens", 0) * n * scale.n_params / cost_scale,
            "ratio": per_rl * getattr(rl, "ratio", 0) * n * d * scale.n_params * scale.train_tokens / cost_scale,
            "flops": getattr(rl, "flops", 0) * float(price.rl) / cost_scale,
            "cost_share": getattr(rl, "cost_share", 0) * 6 * n * d * scale.n_params * scale.train_tokens / cost_scale,
        }[rl.policy]
        total = total + extra if rl.policy != "none" else total
    target = float(target_inner_sum(s))
    missing = d ** -float(c.beta) * (float(c.B) * scale.train_tokens ** -float(c.beta) / target)
    for A, alpha in powers_of_n(s.law):
        missing += n**-alpha * (A * scale.n_params**-alpha / target)
    if optimised:
        G, gamma = (float(v) for v in s.rl.return_term(s.law))
        missing += r**-gamma * (G * scale.rl_tokens**-gamma / target)
    problem = cvxpy.Problem(cvxpy.Minimize(total), [missing <= 1])
    problem.solve(gp=True, solver=cvxpy.CLARABEL)
    return float(problem.value) * cost_scale


def test_cvxpy_geometric_programs_cost_the_same():
    worst = 0.0
    for s in random_scenarios(1, 36):
        best = solve(s)
        # Scales near, but not at, the answer keep cvxpy's numbers in range.
        scale = Design(best.design.n_params * 2, best.design.train_tokens / 3, max(best.design.rl_tokens, 1.0) * 1.5)
        worst = max(worst, abs(as_geometric_program(s, scale, best.cost.total * 1.7) / float(best.cost.total) - 1))
    assert worst < 1e-6


LIMITS = {
    "limits.min_params": {"limits.min_params": 2e11},
    "limits.max_params": {"limits.max_params": 6e10},
    "limits.max_bytes": {"limits.max_bytes": 1.6e11, "limits.bytes_per_param": 2.0},
    "limits.max_train_tokens": {"limits.max_train_tokens": 5e13},
    "limits.max_epochs": {"limits.max_epochs": 4.0, "limits.unique_tokens": 1e13},
    "limits.max_training_days": {"limits.max_training_days": 90.0, "limits.fleet_chips": 15000.0},
}


@pytest.mark.parametrize("goal", ["loss", "budget"])
@pytest.mark.parametrize("limit", LIMITS)
def test_limits_against_a_grid(lecture, limit, goal):
    s = lecture.update(LIMITS[limit])
    if goal == "loss":
        s = s.update({"goal": {"kind": "loss", "like_params": 1e11, "like_tokens": 1e14}})
    else:
        s = s.update({"goal": {"kind": "budget", "budget": 1e27 if limit != "limits.min_params" else 6e26}})
    best = solve(s)
    assert best.certificate.active_limits == (limit,)
    assert best.certificate.certified_global

    ln_n, ln_d = (math.log(v) + np.linspace(-0.7, 0.7, 1401) for v in best.design[:2])
    n, d = np.exp(ln_n)[:, None], np.exp(ln_d)[None, :]
    n, d = np.broadcast_arrays(n, d)
    design = Design(n, d, np.full_like(n, s.rl.tokens))
    cost, reducible = np.asarray(lifecycle_cost(s, design).total), np.asarray(reducible_loss(s, design))
    allowed = np.asarray(limit_excess(s, design)[limit]) <= 1e-12
    best_reducible = float(reducible_loss(s, best.design))
    if goal == "loss":
        found = np.where(allowed & (reducible <= best_reducible * (1 + 1e-12)), cost, np.inf).min() / float(
            best.cost.total
        )
    else:
        found = np.where(allowed & (cost <= s.goal.budget * (1 + 1e-12)), reducible, np.inf).min() / best_reducible
    # no grid point is better, and the best one is as close as the grid is fine
    assert found > 1 - 1e-9
    assert found < 1.003


@pytest.mark.parametrize(
    "preset", ["lecture-2026", "frontier-moe-chat", "data-limited-lab", "open-weights-8b", "on-device"]
)
def test_gradients_by_every_assumption_against_finite_differences(preset):
    from optimizer import load

    s = load(preset)
    design = Design(3e10, 2e13, 1e13)

    def outputs(scenario):
        made = (
            design
            if isinstance(scenario.rl, OptimisedRL)
            else design_of(scenario, design.n_params, design.train_tokens)
        )
        return jax.numpy.log(lifecycle_cost(scenario, made).total), jax.numpy.log(reducible_loss(scenario, made))

    leaves, tree = jax.tree.flatten(s)
    jacobian = jax.jit(jax.jacfwd(lambda v: outputs(jax.tree.unflatten(tree, list(v)))))
    exact = np.array(jacobian(np.array(leaves, float)))
    value = jax.jit(lambda v: outputs(jax.tree.unflatten(tree, list(v))))
    paths = [path for path, _, _ in s.quantities()]
    assert len(paths) == len(leaves)
    for i, leaf in enumerate(leaves):
        step = 1e-5 * max(abs(leaf), 1e-3)
        up, down = (np.array(leaves, float) for _ in range(2))
        up[i] += step
        down[i] -= step
        differences = (np.array(value(up)) - np.array(value(down))) / (2 * step)
        if paths[i] in ("traffic.months", "traffic.ramp_months", "traffic.decay_from"):
            # Whole months are corners: the derivative there is that from the left.
            if paths[i] != "traffic.months":
                continue
            differences = (np.array(value(np.array(leaves, float))) - np.array(value(down))) / step
        assert exact[:, i] * max(abs(leaf), 1e-3) == pytest.approx(
            differences * max(abs(leaf), 1e-3), rel=1e-4, abs=1e-8
        ), paths[i]


def test_fifty_digits_agree():
    # The first-order condition solved with 50 digits, at the lecture's inputs with N pinned.
    import mpmath

    from optimizer import load

    s = load("lecture-2026").update({"goal": {"kind": "params", "params": 1e11}})
    best = solve(s)
    with mpmath.workdps(50):
        A, B, alpha, beta = (mpmath.mpf(v) for v in (s.law.A, s.law.B, s.law.alpha, s.law.beta))
        K = mpmath.mpf(s.rl.tokens) * (2 + 4 * mpmath.mpf(s.rl.trained_share)) / mpmath.mpf(s.rl.efficiency)
        K += 2 * mpmath.mpf(s.traffic.output_tokens) / mpmath.mpf(s.serving.decode_efficiency)
        n = mpmath.mpf(1e11)
        exact = mpmath.findroot(lambda d: alpha * A * n**-alpha * 6 * d - beta * B * d**-beta * (6 * d + K), 1.1e14)
        assert abs(mpmath.mpf(best.design.train_tokens) / exact - 1) < mpmath.mpf("1e-12")
