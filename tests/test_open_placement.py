"""Every public function answers where the placement is open: as where the chosen one is fixed, or for less."""

import inspect
from functools import cache, reduce

import jax
import numpy as np
import pandas as pd
import pytest

import optimizer
from optimizer import Design, InputError, lifecycle_cost, load, placement, solve
from optimizer.analysis.capacity import capacity_points
from optimizer.analysis.chips import chip_comparison
from optimizer.analysis.plans import cost_curve
from optimizer.analysis.serving import POINTS, batch_points, fast_mode, key_figures, prompts_of, speed_points
from optimizer.model.limits import limit_excess
from optimizer.model.placements import placements, places
from optimizer.model.roofline import can_serve, serving_excess
from optimizer.optimum.placing import _least_costs
from optimizer.optimum.solution import InfeasibleError, Status

from .counts import named, some, thorough

OPEN = {"deployment.placement": "best", "deployment.parallelism": None}
DENSE = {
    "law": "besiroglu",
    "deployment.sparsity": 1.0,
    "deployment.expert_share": None,
    "money.serve_chip": {"name": "H100 SXM", "precision": "fp8"},
}


@cache
def asked(kind):
    return load("frontier-moe-rack", OPEN | (DENSE if kind == "dense" else {}))


@cache
def best(kind):
    return solve(asked(kind))


def column(name):
    return lambda frame: frame[name].to_numpy()


TOTAL, COST = lambda found: float(found.cost.total), column("cost_total")
SHARES = pd.DataFrame({"traffic.share": [0.001, 0.1, 0.3]})
OVER = {"traffic.share": [0.001, 0.3]}
# The call, what to compare, and how it goes with the answer where the chosen placement is fixed.
ASKED = {
    "solve": (lambda s, d: optimizer.solve(s), TOTAL, "same"),
    "cost": (lambda s, d: optimizer.cost(s, d), TOTAL, "same"),
    "lifecycle_cost": (lifecycle_cost, lambda found: float(found.total), "same"),
    "elasticities": (lambda s, d: optimizer.elasticities(s), lambda f: f.filter(regex="^(traffic|law)", axis=0)["cost_total"], "same"),
    "implied_traffic": (lambda s, d: optimizer.implied_traffic(s, *map(float, d[:2])), lambda found: found.scale, "same"),
    "optimal_design": (lambda s, d: optimizer.optimal_design(s), TOTAL, "same"),
    "solve_batch": (lambda s, d: optimizer.solve_batch(s, SHARES), COST, "at most"),
    "inverse_table": (lambda s, d: optimizer.inverse_table(s, [1.3 * float(d.n_params)]), COST, "at most"),
    "regret": (lambda s, d: optimizer.regret(s, None, ["100T", "9000T"]), column("best_cost"), "at most"),
    "frontier": (lambda s, d: optimizer.frontier(s, [1.9, 1.95]), COST, "at most"),
    "laws": (lambda s, d: optimizer.laws(s), COST, "at most"),
    "size_table": (lambda s, d: optimizer.size_table(s, OVER), COST, "at most"),
    "monte_carlo": (lambda s, d: optimizer.monte_carlo(s, 16, parts=["traffic"], outputs=["cost_total"]), column("value"), "at most"),
    "draws": (lambda s, d: optimizer.draws(s, 16, parts=["traffic"]), COST, "at most"),
    "ensemble": (lambda s, d: optimizer.ensemble(s), column("n_params"), "answers"),
    "tornado": (lambda s, d: optimizer.tornado(s, "cost_total", over={"traffic.share": [0.05, 0.2]}), column("low"), "at most"),
    "sobol": (lambda s, d: optimizer.sobol(s, ["cost_total"], 8, over={"traffic.share": [0.05, 0.2]}), column("first"), "answers"),
    "sources": (lambda s, d: optimizer.sources(s), len, "answers"),
    "design_from": (lambda s, d: optimizer.design_from(s, *map(float, d[:2])), lambda found: float(found.n_params), "same"),
}  # fmt: skip
ELSEWHERE = {"sweep_parquet": "solves as `solve_batch`", "export": "writes the scenario down"}


def test_every_function_of_a_scenario_is_asked():
    functions = {n for n in optimizer.__all__ if inspect.isfunction(getattr(optimizer, n))}
    assert {n for n in functions if "scenario" in inspect.signature(getattr(optimizer, n)).parameters} == {
        *ASKED,
        *ELSEWHERE,
    }


@pytest.mark.parametrize("name", named(ASKED, "solve", "cost", "lifecycle_cost", "implied_traffic", "inverse_table"))
@pytest.mark.parametrize("kind", named(("experts", "dense"), "experts"))
def test_an_open_placement_answers(name, kind):
    call, of, how = ASKED[name]
    found, fixed = (np.asarray(of(call(s, best(kind).design)), float) for s in (asked(kind), best(kind).scenario))
    assert np.isfinite(found).all()
    if how == "same":
        np.testing.assert_allclose(found, fixed, rtol=1e-9)
    if how == "at most":
        assert (found <= fixed * (1 + 1e-9)).all() | (~np.isfinite(fixed)).any()


@pytest.mark.parametrize("kind", named(["experts", "dense"], "dense"))
def test_the_cost_of_designs_is_that_of_the_cheapest_placement_that_serves_each(kind):
    s, sizes = asked(kind), np.geomspace(1e9, 3e12, 13)
    design = Design(sizes, 1e14 + 0 * sizes, 5e12 + 0 * sizes)
    found = np.asarray(lifecycle_cost(s, design).total)
    every = np.array([np.where(can_serve(p, sizes), lifecycle_cost(p, design).total, np.inf) for p in placements(s)])
    served = np.isfinite(every.min(axis=0))
    assert np.asarray(can_serve(s, sizes)).tolist() == served.tolist()
    assert 5 < served.sum() < len(sizes)
    assert len({*every.argmin(axis=0)[served]}) > 2
    np.testing.assert_allclose(found[served], every.min(axis=0)[served], rtol=1e-12)
    excess = np.max([np.asarray(e) for e in serving_excess(s, sizes).values()], axis=0)
    assert ((excess <= 1e-9) == served).all()


@thorough
@pytest.mark.parametrize("kind", ["experts", "dense"])
def test_its_derivatives_are_those_of_that_placement(kind):
    s, design = asked(kind), best(kind).design
    slopes = jax.grad(lambda s: lifecycle_cost(s, design).total)(s)
    at_best = jax.grad(lambda s: lifecycle_cost(s, design).total)(best(kind).scenario)
    for path in ("deployment.context_tokens", "money.serve_chip.usd_per_chip_hour", "traffic.growth"):
        found, expected = (float(reduce(getattr, path.split("."), g)) for g in (slopes, at_best))
        assert found == pytest.approx(expected, rel=1e-9), path


def test_what_is_given_of_a_placement_is_kept():
    s = asked("experts")
    for changes in (
        {"chips": 16.0},
        {"parallelism": "expert"},
        {"parallelism": "tensor", "pipeline_stages": 3.0},
        {"chips": 4.0, "pipeline_stages": 1.0},
    ):
        listed = placements(s.update({f"deployment.{k}": v for k, v in changes.items()}))
        assert listed
        assert all(getattr(p.deployment, k) == v for p in listed for k, v in changes.items())
    # Experts that are asked for have a placement on any chip, and of any model.
    for changes in (
        DENSE,
        {"money.serve_chip.scaleup_domain_chips": 4.0},
        {"money.serve_chip.scaleup_domain_chips": 1.0},
    ):
        assert placements(s.update({**changes, "deployment.parallelism": "expert"}))


def test_the_list_is_the_same_where_its_numbers_are_traced():
    for kind in ("experts", "dense"):
        s = asked(kind)
        traced = jax.jit(lambda s: places(s))(s)
        listed = {
            (name, float(n), float(p), float(q))
            for name, some in traced.items()
            for n, p, allowed, q, _ in zip(*map(np.asarray, some.pairs()), strict=True)
            if allowed
        }
        assert listed == {
            (d.parallelism, d.chips, d.pipeline_stages, d.prefill_chips) for d in (p.deployment for p in placements(s))
        }


def test_a_limit_on_the_first_token_chooses_among_the_placements_that_keep_it():
    s = asked("dense").update({"deployment.target_tokens_per_second": None, "deployment.batch": "optimal"})
    design = Design(7e10, 1e14, 5e12)

    def limited(seconds):
        return s.update({"limits.max_seconds_to_first_token": seconds, "deployment.prompt_tokens": 1e4})

    times = [float(limit_excess(p, design)["limits.max_seconds_to_first_token"]) for p in placements(limited(1.0))]
    costs = np.array([float(lifecycle_cost(p, design).total) for p in placements(limited(1.0))])
    bound = float(np.exp(np.median(times)))
    kept = np.array(times) <= np.log(bound) + 1e-9
    assert 0 < kept.sum() < len(kept)
    assert costs.min() < costs[kept].min(), "the cheapest of all is too late"
    for found in (lifecycle_cost(limited(bound), design), optimizer.cost(limited(bound), design).cost):
        assert float(found.total) == pytest.approx(costs[kept].min(), rel=1e-9)
    assert max(float(e) for e in limit_excess(limited(bound), design).values()) <= 1e-9


@pytest.mark.parametrize(("model", "chip"), some([("Llama 3.1 8B", "H100 SXM"), ("DeepSeek-V3", "GB200 NVL72")], [0]))
def test_a_model_is_placed_where_its_tokens_cost_least(model, chip):
    changes = {
        **OPEN,
        "money.serve_chip": {"name": chip, "precision": "fp8"},
        "traffic.input_tokens": 8e14,
        "deployment.batch": "latency",
        "deployment.target_tokens_per_second": 30.0,
    }
    s = placement(model, changes=changes)
    design = Design(s.n_params, 1.0, 0.0)
    costs = {
        (p.deployment.chips, p.deployment.parallelism, p.deployment.pipeline_stages, p.deployment.prefill_chips): float(
            lifecycle_cost(p, design).total
        )
        for p in placements(s.asked)
        if can_serve(p, s.n_params)
    }
    d = s.scenario.deployment
    assert (d.chips, d.parallelism, d.pipeline_stages, d.prefill_chips) == min(costs, key=costs.get)
    assert (d.placement, s.asked.deployment.placement) == ("given", "best")
    assert f"the cheapest of {len(placements(s.asked))}" in s.placed.sentence
    # Prompts are computed on chips of their own, which every figure and table of the deployment names.
    assert d.prefill_chips < d.chips
    assert key_figures(s)["chips of a replica for prompts"] == (d.prefill_chips * d.stages, "chips")
    assert s.placed.prefill_chips == prompts_of(s).chips == d.prefill_chips
    # Each speed is served by the placement that is the cheapest for it.
    found = speed_points(s).query("does_not_fit == ''")
    assert found.attrs["units"]["prefill_chips"] == "chips"
    assert found["chips"].nunique() > 1
    for row in found.iloc[[0, -1]].to_dict("records"):
        at_speed = s.asked.update({"deployment.target_tokens_per_second": row["target_tokens_per_second"]})
        own = {f"deployment.{field}": row[field] for field in ("chips", "parallelism", "pipeline_stages")}
        alone = {p.deployment.prefill_chips: p for p in placements(at_speed.update(own)) if can_serve(p, s.n_params)}
        each = {size: float(lifecycle_cost(p, design).total) for size, p in alone.items()}
        assert min(each.values()) == pytest.approx(float(lifecycle_cost(at_speed, design).total), rel=1e-12)
        assert row["prefill_chips"] == min(each, key=each.get)


def test_tables_of_serving_answer():
    s = placement("Llama 3.1 8B", changes={**OPEN, "money.serve_chip": {"name": "H100 SXM", "precision": "fp8"}})
    for name, sweep in POINTS.items():
        frame = sweep(s)
        assert len(frame)
        assert frame.attrs["units"], name
    assert chip_comparison(s).set_index("chip").loc["H100 SXM", "chips"] == s.scenario.deployment.chips
    speed, price = fast_mode(s)
    assert speed > 1
    assert price > 1
    assert len(batch_points(s)) > 2
    assert capacity_points(s, [100], 30.0)["chips"][0] > 0


def test_a_model_that_fits_nowhere_says_so():
    chip = {"name": "H100 SXM", "precision": "bf16", "scaleup_domain_chips": 2.0}
    with pytest.raises(InputError, match="GPT-3 needs"):
        placement("GPT-3", changes={**OPEN, "money.serve_chip": chip, "deployment.pipeline_stages": 1.0})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {"deployment.target_tokens_per_second": 1e5},
            r"On 1 chip: even 1M parameters decode at most 5\.\d+K tokens/s",
        ),
        (
            {"goal.like_params": 1e17, "goal.like_tokens": 1e17},
            "On 4 pipeline stages of 72 chips, expert parallelism: target loss .* cannot be reached within deployment",
        ),
    ],
)
def test_where_no_placement_has_an_answer_the_nearest_says_why(changes, reason):
    """The one that is fastest where the speed is out of reach, the largest where the size is; bounds alone exclude all of them."""
    scenario = load("frontier-moe-rack", OPEN | changes)
    assert np.isinf(_least_costs(placements(scenario))).all()
    with pytest.raises(InfeasibleError, match=rf"none of 59 placements has an answer\. {reason}") as error:
        solve(scenario)
    assert error.value.status is Status.INFEASIBLE


def test_the_cost_curve_serves_every_size_at_its_own_placement():
    open_, fixed = (cost_curve(b) for b in (best("dense"), solve(best("dense").scenario)))
    both = open_.merge(fixed, on="n_params", suffixes=("", "_fixed"))
    assert len(both) > 30
    paid = both.dropna(subset="cost_total_fixed")
    assert (paid["cost_total"] <= paid["cost_total_fixed"] * (1 + 1e-9)).all()
    assert (both["cost_total"] < 0.99 * both["cost_total_fixed"]).any()
    marks = open_.set_index("design")["cost_total"]
    assert marks["Chinchilla plan"] == pytest.approx(float(best("dense").baseline.cost.total), rel=1e-9)
