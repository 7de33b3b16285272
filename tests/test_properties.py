"""What must hold for every scenario, on random ones."""

import math

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer import InfeasibleError, Scenario, lifecycle_cost, load, presets, solve
from optimizer.model.cost import design_of, research_cost
from optimizer.model.quality import loss
from optimizer.optimum.best_of import is_convex

from .counts import cases

LAWS = ["besiroglu", "hoffmann", "hoffmann-rounded", "de-vries", "muennighoff", "sardana-all", "ludziejewski"]


def logarithmic(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(math.log(low), math.log(high)).map(math.exp)


laws = st.one_of(
    st.sampled_from(LAWS),
    st.builds(
        lambda name, unique: {"name": name, "kind": "repetition", "unique_tokens": unique},
        st.sampled_from(LAWS[:5]),
        logarithmic(1e13, 1e15),
    ),
)
rl_policies = st.one_of(
    st.just({"policy": "none"}),
    st.builds(lambda v: {"policy": "tokens", "tokens": v}, logarithmic(1e11, 1e15)),
    st.builds(lambda v: {"policy": "ratio", "ratio": v}, logarithmic(1e-3, 3)),
    st.builds(lambda v: {"policy": "flops", "flops": v}, logarithmic(1e20, 1e25)),
    st.builds(lambda v: {"policy": "cost_share", "cost_share": v}, logarithmic(1e-2, 2)),
    st.just({"policy": "optimised"}),
)


@st.composite
def scenarios(draw: st.DrawFn, goal: str | None = None, unit: str | None = None) -> Scenario:
    """Plausible scenarios: traffic over 6 orders of magnitude, every law, goal, RL policy and unit."""
    rl, kind = draw(rl_policies), goal or draw(st.sampled_from(["loss", "params", "budget"]))
    n0 = draw(logarithmic(1e9, 1e12))
    asked: dict[str, object] = {"kind": kind}
    if kind == "loss":
        asked |= {"like_params": n0, "like_tokens": n0 * draw(logarithmic(5, 500))}
        if rl["policy"] == "optimised":
            asked["like_rl_tokens"] = n0 * draw(logarithmic(5, 500))
    elif kind == "params":
        asked["params"] = n0
    money = unit or draw(st.sampled_from(["flops", "usd"]))
    if kind == "budget":
        asked["budget"] = draw(logarithmic(1e25, 1e28)) * (1 if money == "flops" else 1e-18)
    served = draw(logarithmic(1e11, 1e17))
    return Scenario.from_dict(
        {
            "law": draw(laws),
            "goal": asked,
            "rl": rl | {"trained_share": draw(st.floats(0, 1)), "efficiency": draw(st.floats(0.1, 1))},
            "traffic": {
                "kind": "total",
                "input_tokens": served,
                "output_tokens": served * draw(st.floats(0, 1)),
                "cache_hit_share": draw(st.floats(0, 0.9)),
                "ship_probability": draw(st.floats(0.1, 1)),
            },
            "serving": {"decode_efficiency": draw(st.floats(0.1, 1)), "load_factor": draw(st.floats(0.3, 1))},
            "pretraining": {"overhead": draw(st.floats(1, 4))},
            "money": {"unit": money},
        }
    )


def check_one(s: Scenario) -> bool:
    """Whether the scenario was solved, with everything an answer must keep."""
    try:
        best = solve(s)
    except InfeasibleError as error:
        # A budget may be too small for the traffic, and repetition may run dry; nothing else is impossible here.
        reasons = ("cheapest useful run", "repetition", "no scaling law says anything")
        assert any(reason in str(error) for reason in reasons), str(error)  # noqa: PT017
        return False
    assert best.certificate.kkt_residual < 1e-8
    assert best.certificate.certified_global
    low, high = best.band.n_params
    assert low <= best.design.n_params * (1 + 1e-9)
    assert high >= best.design.n_params * (1 - 1e-9)
    for end in (best.band.smallest, best.band.largest):
        assert float(lifecycle_cost(s, end).total) <= float(best.cost.total) * (1 + best.band.tolerance) * (1 + 1e-9)
        assert float(loss(s, end)) == pytest.approx(best.loss, rel=1e-9)
    assert best.savings >= -1e-9
    return True


def test_500_plausible_scenarios_are_solved_and_certified():
    solved = []

    @settings(max_examples=cases(60, 560))
    @given(scenarios())
    def count(s: Scenario) -> None:
        solved.append(check_one(s))

    count()
    assert sum(solved) >= cases(50, 500)


@settings(max_examples=cases(40, 120))
@given(
    scenarios(),
    st.sampled_from(["max_params", "min_params", "max_train_tokens", "max_training_days"]),
    st.floats(0.5, 2),
)
def test_limits_near_the_optimum_keep_the_certificate(s, limit, factor):
    free = solve(s, throw=False)
    if free.status.name != "OPTIMAL" or s.goal.kind == "params":
        return
    n, d = free.design.n_params, free.design.train_tokens
    if limit == "max_training_days":
        days = 6 * n * d * factor / (86400 * 1e4 * 9.89e14 * 0.4)
        held = s.update({"limits.max_training_days": days, "limits.fleet_chips": 1e4})
    else:
        held = s.update({f"limits.{limit}": (d if "tokens" in limit else n) * factor})
    best = solve(held, throw=False)
    if best.status.name == "INFEASIBLE":
        return
    assert best.certificate.kkt_residual < 1e-8
    assert best.design.n_params <= (held.limits.max_params or math.inf) * (1 + 1e-9)
    assert best.design.n_params >= (held.limits.min_params or 0) * (1 - 1e-9)
    assert best.design.train_tokens <= (held.limits.max_train_tokens or math.inf) * (1 + 1e-9)
    if s.goal.kind == "loss":
        assert float(best.cost.total) >= float(free.cost.total) * (1 - 1e-9)
    else:
        assert best.loss >= free.loss * (1 - 1e-12)


@settings(max_examples=cases(20, 60))
@given(scenarios(), logarithmic(1e8, 1e13), logarithmic(1e10, 1e16), logarithmic(1e10, 1e16))
def test_cost_is_a_sum_of_parts_that_are_not_negative(s, n, d, r):
    design = design_of(s, n, d, r) if s.rl.policy == "optimised" else design_of(s, n, d)
    cost = lifecycle_cost(s, design)
    parts = [float(v) for v in (cost.pretraining, cost.rl, cost.prefill, cost.decode)]
    assert min(parts) >= 0
    assert float(cost.total) == pytest.approx(sum(parts), rel=1e-15)
    assert float(cost.total) == pytest.approx(float(sum(cost)), rel=1e-15)
    assert 0 <= float(research_cost(s, cost)) <= parts[0] + parts[1]


@settings(max_examples=cases(20, 60))
@given(scenarios(), logarithmic(1e8, 1e13), logarithmic(1e10, 1e16), st.floats(1.01, 10))
def test_loss_falls_in_parameters_and_tokens(s, n, d, factor):
    law = s.law
    assert float(law.reducible(n * factor, d)) < float(law.reducible(n, d))
    more = float(law.reducible(n, d * factor))
    assert more <= float(law.reducible(n, d))  # equal where repeated data is exhausted
    if float(law.effective_tokens(d)) == d:
        assert more < float(law.reducible(n, d))


PRICES = ("money.train_chip.usd_per_chip_hour", "money.serve_chip.usd_per_chip_hour", "pretraining.overhead")
RELIEFS = (
    "pretraining.mfu",
    "rl.efficiency",
    "serving.prefill_efficiency",
    "serving.decode_efficiency",
    "serving.load_factor",
)


@settings(max_examples=cases(15, 40))
@given(scenarios(unit="usd"), st.floats(1.01, 3))
def test_cost_is_monotone_in_every_price_and_efficiency(s, factor):
    design = design_of(s, 1e10, 1e13, 1e12) if s.rl.policy == "optimised" else design_of(s, 1e10, 1e13)
    cost = float(lifecycle_cost(s, design).total)
    values = {path: value for path, _, value in s.quantities()}
    for path in PRICES:
        assert float(lifecycle_cost(s.update({path: values[path] * factor}), design).total) > cost
    for path in RELIEFS:
        cheaper = float(lifecycle_cost(s.update({path: min(values[path] * factor, 1.0)}), design).total)
        assert cheaper <= cost * (1 + 1e-12)


@settings(max_examples=cases(12, 30))
@given(scenarios(goal="loss", unit="usd"), st.floats(0.1, 10))
def test_doubling_all_prices_doubles_the_bill_and_moves_nothing(s, factor):
    paths = PRICES[:2]
    values = {path: value for path, _, value in s.quantities()}
    dear = s.update({path: values[path] * factor for path in paths})
    one, other = solve(s, throw=False), solve(dear, throw=False)
    assert one.status is other.status
    if one.status.name == "OPTIMAL":
        assert float(other.cost.total) == pytest.approx(factor * float(one.cost.total), rel=1e-9)
        assert other.design.n_params == pytest.approx(one.design.n_params, rel=1e-8)


@settings(max_examples=cases(15, 40))
@given(scenarios(goal="loss"), st.floats(1.1, 100))
def test_more_demand_never_makes_the_model_larger(s, factor):
    more = {
        "traffic.input_tokens": s.traffic.input_tokens * factor,
        "traffic.output_tokens": s.traffic.output_tokens * factor,
    }
    little, much = solve(s, throw=False), solve(s.update(more), throw=False)
    if little.status.name == "OPTIMAL":
        assert much.design.n_params <= little.design.n_params * (1 + 1e-9)
        assert much.cost.total >= little.cost.total


@settings(max_examples=cases(20, 60))
@given(scenarios())
def test_save_then_load_is_the_same(s):
    assert Scenario.from_toml(s.to_toml()) == s
    assert Scenario.from_dict(s.to_dict()) == s
    assert s.update({}) == s


@pytest.mark.parametrize("name", presets())
def test_every_preset_solves_and_survives_a_round_trip(name):
    s = load(name)
    assert Scenario.from_toml(s.to_toml()) == s
    best = solve(s)
    assert best.certificate.kkt_residual < 1e-12
    assert best.certificate.certified_global == is_convex(best.scenario)


def test_a_batch_of_scenarios_is_a_loop(lecture):
    # The cost is pure JAX: a Scenario whose leaves have a leading axis maps like any tree.
    rng = np.random.default_rng(3)
    many = [
        lecture.update(
            {
                "traffic.output_tokens": rng.uniform(1e12, 1e15),
                "law.beta": rng.uniform(0.25, 0.4),
                "rl.tokens": rng.uniform(1e12, 1e14),
            }
        )
        for _ in range(7)
    ]
    stacked = jax.tree.map(lambda *leaves: np.array(leaves), *many)
    assert stacked.law.beta.shape == (7,)

    def outputs(s: Scenario) -> tuple[object, object]:
        design = design_of(s, 1e11, 1e14)
        return lifecycle_cost(s, design).total, loss(s, design)

    cost, nat = jax.vmap(outputs)(stacked)
    for i, s in enumerate(many):
        one_cost, one_nat = outputs(s)
        assert float(cost[i]) == pytest.approx(float(one_cost), rel=1e-14)
        assert float(nat[i]) == pytest.approx(float(one_nat), rel=1e-14)


def test_the_optimum_of_the_budget_goal_is_the_optimum_of_its_own_loss(lecture):
    by_loss = solve(lecture)
    by_budget = solve(lecture.update({"goal": {"kind": "budget", "budget": by_loss.cost.total}}))
    by_params = solve(lecture.update({"goal": {"kind": "params", "params": by_loss.design.n_params}}))
    for other in (by_budget, by_params):
        assert other.design.n_params == pytest.approx(by_loss.design.n_params, rel=1e-9)
        assert other.design.train_tokens == pytest.approx(by_loss.design.train_tokens, rel=1e-9)
        assert other.loss == pytest.approx(by_loss.loss, rel=1e-12)
