"""Optima with the loss of few bits, found another way: grids of N and D, closed forms, finite differences, one row at a time."""

import math

import jax
import numpy as np
import pandas as pd
import pytest

from optimizer import (
    Design,
    InfeasibleError,
    InputError,
    Scenario,
    cost,
    elasticities,
    implied_traffic,
    load,
    optimal_design,
    size_table,
    solve,
    solve_batch,
)
from optimizer.assumptions.question import taken_as_given
from optimizer.model.quality import reducible_loss

from ..counts import cases, named

TERMS = {
    "w4a16": (0.2522 * math.log2(128) ** 0.3533, 0.1610, 0.3589),
    "w4a4": (0.1582 * math.log2(128) ** 0.7779, 0.0745, 0.2186),
    "calibrated": (0.004 * 8e9**0.2261 / 15e12**0.5251 * (4 / 5) ** 5.4967, 0.5251, 0.2261),
}
"""c, g and h of c D^g N^-h, from the papers."""
POINT = {
    "quantisation_bits": 5.0,
    "calibration_loss": 0.004,
    "calibration_params": 8e9,
    "calibration_tokens": 15e12,
}
LAWS = {
    "additive": "besiroglu",
    "coupled": {"kind": "coupled", "E": 1.757, "A": 2305, "B": 9957, "alpha": 0.4244, "beta": 0.4305, "gamma": 0.774},
    "repetition": {"kind": "repetition", "name": "muennighoff", "unique_tokens": 3e12},
    "sparsity": "abnar",
}
GOALS = {
    "loss": {"kind": "loss", "like_params": 3e10, "like_tokens": 4e12},
    "budget": {"kind": "budget", "budget": 3e25},
    "params": {"kind": "params", "params": 3e10},
    "tokens": {"kind": "tokens", "tokens": 6e12},
}
SERVED = 2e14
PAIRS = {
    f"{law} {bits}": (law, bits)
    for law, bits in (
        ("additive", "w4a16"),
        ("additive", "w4a4"),
        ("additive", "calibrated"),
        ("coupled", "calibrated"),
        ("coupled", "w4a16"),
        ("repetition", "calibrated"),
        ("sparsity", "w4a16"),
    )
}


def few_bits(law: str = "additive", bits: str = "w4a16", goal: str = "loss", **changes: object) -> Scenario:
    """6 N D + 2 N T and a loss of few bits."""
    return Scenario.from_dict(
        {
            "law": LAWS[law],
            "goal": GOALS[goal],
            "traffic": {"kind": "total", "output_tokens": SERVED},
            "serving": {"decode_efficiency": 1.0, "quantisation": bits, **POINT},
        },
        {path.replace("__", "."): value for path, value in changes.items()},
    )


def bill(n, d):
    return 6 * n * d + 2 * n * SERVED


def lost(s: Scenario, n, d):
    """l = z^gamma + c D^g N^-h."""
    c, g, h = TERMS[s.serving.quantisation]
    gamma = getattr(s.law, "gamma", 1.0) if s.law.kind in ("coupled", "repetition") else 1.0
    return (s.law.params_term(n) + s.law.tokens_term(d)) ** gamma + c * d**g / n**h


def size_at(s: Scenario, d: np.ndarray, target: float) -> np.ndarray:
    """N of a loss on D tokens, by halving: the loss falls with N."""
    low, high = np.full_like(d, math.log(1e6)), np.full_like(d, math.log(1e16))
    for _ in range(60):
        middle = (low + high) / 2
        above = lost(s, np.exp(middle), d) > target
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return np.where(high < math.log(9e15), np.exp(high), np.nan)


def cheapest(s: Scenario, target: float) -> tuple[float, float]:
    """N and D of least cost at a loss, on a grid that is made finer around its best point."""
    low, high = math.log(1e8), math.log(1e17)
    for _ in range(12):
        d = np.exp(np.linspace(low, high, 801))
        n = size_at(s, d, target)
        best, step = int(np.nanargmin(bill(n, d))), (high - low) / 800
        low, high = math.log(d[best]) - 2 * step, math.log(d[best]) + 2 * step
    return float(n[best]), float(d[best])


def lowest(s: Scenario, budget: float) -> float:
    """The lowest loss for a budget, on a grid of N that is made finer."""
    low, high = math.log(1e7), math.log(1e15)
    for _ in range(12):
        n = np.exp(np.linspace(low, high, 801))
        d = (budget / n - 2 * SERVED) / 6
        found = np.where(d > 1e6, lost(s, n, np.maximum(d, 1e6)), np.inf)
        best, step = int(np.argmin(found)), (high - low) / 800
        low, high = math.log(n[best]) - 2 * step, math.log(n[best]) + 2 * step
    return float(found[best])


@pytest.mark.parametrize("goal", GOALS)
@pytest.mark.parametrize(
    "pair", named(PAIRS, "additive w4a16", "additive calibrated", "coupled calibrated", "repetition calibrated")
)
def test_the_optimum_is_that_of_a_grid(pair, goal):
    law, bits = PAIRS[pair]
    s = few_bits(law, bits, goal)
    best = solve(s)
    n, d, _ = (float(v) for v in best.design)
    reached = lost(s, n, d)
    assert best.certificate.certified_global
    assert reached == pytest.approx(reducible_loss(s, best.design), rel=1e-12)
    assert float(best.cost.total) == pytest.approx(bill(n, d), rel=1e-12)
    size, tokens = cheapest(s, reached)
    # A grid finds the least cost to 1e-12 and so, as the valley is flat, its place to 1e-6.
    assert float(best.cost.total) <= bill(size, tokens) * (1 + 1e-12)
    assert [n, d] == pytest.approx([size, tokens], rel=1e-6)
    if goal == "loss":
        assert reached == pytest.approx(s.law.reducible(3e10, 4e12), rel=1e-12)  # served without loss
    if goal == "budget":
        assert reached == pytest.approx(lowest(s, 3e25), rel=1e-11)
        assert bill(n, d) == pytest.approx(3e25, rel=1e-9)
    if goal in ("params", "tokens"):
        assert {"params": n, "tokens": d}[goal] == pytest.approx(GOALS[goal][goal], rel=1e-9)


@pytest.mark.parametrize("goal", GOALS)
def test_a_loss_of_zero_gives_the_answer_without_it(goal):
    with_term = few_bits(bits="calibrated", goal=goal, serving__calibration_loss=0.0)
    without = few_bits(bits="none", goal=goal)
    a, b = solve(with_term), solve(without)
    assert (a.design, a.cost, a.loss, a.band) == (b.design, b.cost, b.loss, b.band)


LIMITS = {
    "none": {},
    "params": {"limits.max_params": 2.5e10},
    "tokens": {"limits.max_train_tokens": 3e12},
    "days": {"limits.max_training_days": 7.0, "limits.fleet_chips": 4000.0},
}


BATCHES = {f"{limit}, {pair}, {goal}": (limit, pair, goal) for limit in LIMITS for pair in PAIRS for goal in GOALS}


@pytest.mark.parametrize(
    "case",
    named(
        BATCHES,
        "none, additive calibrated, loss",
        "days, additive calibrated, loss",
        "params, additive calibrated, budget",
    ),
)
def test_a_batch_agrees_with_solve(case):
    limit, pair, goal = BATCHES[case]
    law, bits = PAIRS[pair]
    s = few_bits(law, bits, goal).update(LIMITS[limit])
    rng = np.random.default_rng(7)
    count = cases(4, 12)
    frame = pd.DataFrame({"traffic.output_tokens": np.exp(rng.uniform(np.log(1e12), np.log(1e15), count))})
    if bits == "calibrated":
        frame["serving.calibration_loss"] = np.exp(rng.uniform(np.log(1e-5), np.log(0.02), count))
    found = solve_batch(s, frame, detail=True)
    for i, row in frame.iterrows():
        one = solve(s.update({str(path): float(v) for path, v in row.items()}), throw=False)
        assert found.loc[i, "status"] == one.status.name.lower()
        alone = one.to_frame().iloc[0]
        names = ["n_params", "train_tokens", "loss", "cost_total", "baseline_n_params", "baseline_cost_total"]
        if law == "repetition":  # its baseline is left out where it repeats data
            names = names[:4]
        assert found.loc[i, names].tolist() == pytest.approx(alone[names].tolist(), rel=1e-8, nan_ok=True)


def test_derivatives_are_those_of_the_optimum():
    s = few_bits(bits="calibrated")
    values = {path: float(value) for path, _, value in s.quantities()}
    paths = ("traffic.output_tokens", "serving.calibration_loss", "serving.quantisation_bits", "law.alpha")
    at = {path: values[path] for path in paths}
    slopes = elasticities(s)["n_params"]
    by_path = jax.grad(lambda at: jax.numpy.log(optimal_design(s, at).design.n_params))(at)
    for path in paths:
        ends = [math.log(solve(s.update({path: at[path] * (1 + end)})).design.n_params) for end in (1e-5, -1e-5)]
        assert slopes[path] == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-5), path
        assert at[path] * float(by_path[path]) == pytest.approx(slopes[path], rel=1e-9), path


def test_a_budget_is_not_spent_beyond_the_tokens_that_lower_the_loss():
    s = few_bits(bits="calibrated", goal="budget", goal__budget=1e29, limits__max_params=1e9)
    best = solve(s)
    law, (c, g, h) = s.law.chinchilla, TERMS["calibrated"]
    # d l / d ln D = 0: beta B D^-beta = g c D^g N^-h.
    most = (law.beta * law.B * 1e9**h / (g * c)) ** (1 / (law.beta + g))
    assert best.design.train_tokens == pytest.approx(most, rel=1e-7)
    assert best.design.n_params == pytest.approx(1e9, rel=1e-9)
    assert float(best.cost.total) < 1e29
    assert solve_batch(s, pd.DataFrame({"traffic.output_tokens": [SERVED]})).loc[0, "train_tokens"] == pytest.approx(
        most, rel=1e-7
    )


def test_the_lowest_loss_within_limits_is_known():
    s = few_bits(bits="calibrated", limits__max_params=1e9)
    d = np.geomspace(1e9, 1e16, 200_001)
    least = s.law.chinchilla.E + float(lost(s, np.full_like(d, 1e9), d).min())
    with pytest.raises(InfeasibleError, match=f"the best loss there is {least:.6g}"):
        solve(s.update({"goal": {"kind": "loss", "loss": least - 0.01}}))
    assert solve(s.update({"goal": {"kind": "loss", "loss": least + 1e-4}})).loss == pytest.approx(least + 1e-4)


def test_the_band_holds_designs_of_equal_loss():
    # Where a size that is only just able to reach the loss lies within the band, the band ends there.
    for loss in (0.004, 0.2):
        s = few_bits(bits="calibrated", serving__calibration_loss=loss)
        best = solve(s)
        level, most = float(reducible_loss(s, best.design)), 1.05 * float(best.cost.total)
        scale = loss / POINT["calibration_loss"]
        for end in (best.band.smallest, best.band.largest):
            n, d = float(end.n_params), float(end.train_tokens)
            plain = s.law.params_term(n) + s.law.tokens_term(d)
            assert plain + scale * (lost(s, n, d) - plain) == pytest.approx(level, rel=1e-8)
            assert bill(n, d) <= most * (1 + 1e-8)
        d = np.geomspace(best.band.train_tokens[0] / 10, best.band.train_tokens[1] * 10, 200_001)
        smaller = float(best.band.smallest.n_params) * (1 - 1e-6)
        plain = s.law.params_term(smaller) + s.law.tokens_term(d)
        reached = plain + scale * (lost(s, np.full_like(d, smaller), d) - plain) <= level
        assert not (reached & (bill(smaller, d) <= most)).any()


def test_more_loss_never_lowers_cost_and_shortens_training():
    found = [solve(few_bits(bits="calibrated", serving__calibration_loss=v)) for v in (0.0, 0.001, 0.01, 0.1)]
    assert sorted(costs := [float(b.cost.total) for b in found]) == costs
    assert sorted((ratios := [b.overtraining.vs_rule_of_20 for b in found]), reverse=True) == ratios


def test_fewer_bits_in_a_table():
    s = few_bits(bits="calibrated")
    table = size_table(s, {"serving.quantisation": ["none", "w4a16", "w4a4"]})
    assert table["cost_total"].is_monotonic_increasing
    bits = size_table(s, {"serving.quantisation_bits": [8.0, 6.0, 5.0, 4.0]})
    assert bits["cost_total"].is_monotonic_increasing
    assert taken_as_given(s)["law"] == "besiroglu (chinchilla) and what 5 bits lose (calibrated)"
    assert taken_as_given(s, ["serving.quantisation_bits"])["law"] == (
        "besiroglu (chinchilla), but each row its own serving.quantisation_bits"
    )
    assert bits["overtraining_vs_rule_of_20"].is_monotonic_decreasing


def test_a_design_that_is_given_pays_for_its_own_loss():
    s = few_bits(bits="calibrated")
    best = solve(s)
    given = cost(s, best.design)
    assert given.loss == pytest.approx(best.loss, rel=1e-14)
    assert given.excess_cost == pytest.approx(0.0, abs=1e-9)
    implied = implied_traffic(s, float(best.design.n_params), float(best.design.train_tokens))
    assert implied.output_tokens == pytest.approx(SERVED, rel=1e-7)
    # Beyond the tokens of least loss no traffic justifies a design.
    law, (c, g, h) = s.law.chinchilla, TERMS["calibrated"]
    most = (law.beta * law.B * 1e10**h / (g * c)) ** (1 / (law.beta + g))
    assert math.isfinite(implied_traffic(s, 1e10, 0.9 * most).scale)
    assert math.isnan(implied_traffic(s, 1e10, 1.1 * most).scale)
    assert cost(s, Design(1e10, 1.1 * most, 0.0)).excess_cost > 0


def test_what_is_refused_says_what_is_allowed():
    with pytest.raises(InputError, match=r"set rl\.policy to 'none', 'tokens', 'ratio', 'flops' or 'cost_share'"):
        load(
            "lecture-2026",
            {"serving.quantisation": "w4a16", "rl": {"policy": "optimised"}, "goal.like_rl_tokens": 1e13},
        )
    with pytest.raises(InputError, match=r"give calibration_loss .* or take quantisation = 'w4a16' or 'w4a4'"):
        load("lecture-2026", {"serving.quantisation": "calibrated"})
