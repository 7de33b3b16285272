"""The placement that is chosen, against brute force over all of them."""

import importlib
import math
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from optimizer.analysis.elasticities import elasticities
from optimizer.analysis.placement import placement
from optimizer.assumptions.library import load
from optimizer.assumptions.numbers import percent
from optimizer.assumptions.problems import InputError
from optimizer.model.cost import Design, lifecycle_cost, served_by
from optimizer.model.placements import moves_serving, placements
from optimizer.model.replica import replica
from optimizer.optimum.batch import solve_batch
from optimizer.optimum.given import cost
from optimizer.optimum.optimal import optimal_design
from optimizer.optimum.placing import _cost, _least_costs, cheapest
from optimizer.optimum.program import Rows
from optimizer.optimum.prompt_sizes import decoding
from optimizer.optimum.solution import InfeasibleError, Status
from optimizer.optimum.solve import _found, solve
from tests.counts import THOROUGH, cases, some, thorough

ROOT = Path(__file__).parents[2]
BEST = {"deployment.placement": "best", "deployment.parallelism": None}


def scenarios(count: int):
    """Chips, traffic, context, size, speed and goal drawn at random, half with experts, of many a third with RL tokens decided."""
    draw = np.random.default_rng(17)
    for i in range(count):
        changes = {
            **BEST,
            "money.serve_chip": {"name": str(draw.choice(["H100 SXM", "GB200 NVL72"])), "precision": "fp8"},
            "deployment.context_tokens": float(10 ** draw.uniform(3, 5)),
            "deployment.target_tokens_per_second": float(draw.uniform(10, 60)),
            "goal": {"kind": "loss", "like_params": float(10 ** draw.uniform(9.5, 11)), "like_tokens": 3e13},
            "serving.load_factor": float(draw.uniform(0.2, 0.9)),
        }
        if not THOROUGH:
            changes |= {"deployment.pipeline_stages": 1}
        if i % 2:
            changes |= {"law": "besiroglu", "deployment.sparsity": 1.0, "deployment.expert_share": None}
        if i % 3 == 2:
            changes |= {"rl.policy": "optimised", "goal.like_rl_tokens": 1e13}
        yield load("frontier-moe-rack", changes)


def brute_force(scenario) -> dict[int, float]:
    """The least cost of every placement, each solved with all of it given."""
    costs = {}
    for i, candidate in enumerate(placements(scenario)):
        try:
            costs[i] = _cost(*_found(candidate))
        except InfeasibleError:
            costs[i] = math.inf
    return costs


def test_against_every_placement():
    seen = set()
    for scenario in scenarios(cases(2, 50)):
        costs, best = brute_force(scenario), solve(scenario, throw=False)
        least = min(costs.values())
        if least == math.inf:
            assert best.message
            continue
        assert float(best.cost.total) == pytest.approx(least, rel=1e-12)
        assert best.placement.listed == len(costs)
        seen.add((best.placement.chips, best.placement.parallelism))
        # What is not solved is bounded: no placement costs less than its bound, which is near enough to exclude some, or another with as
        # many chips to decode costs less.
        listed, bounds = placements(scenario), _least_costs(placements(scenario))
        for i, (bound, found) in enumerate(zip(bounds, costs.values(), strict=True)):
            beside = [costs[k] for k, s in enumerate(listed) if decoding(s) == decoding(listed[i]) and k != i]
            assert bound <= found * (1 + 1e-12) or min(beside) < found
            assert found == math.inf or bound > 0.8 * found
    assert len(seen) > 1


def test_the_settings_of_an_answer_fix_it():
    scenario = next(scenarios(1))
    best = solve(scenario)
    fixed = solve(scenario.update({f"deployment.{k}": v for k, v in typed(best.placement.settings).items()}))
    assert float(fixed.cost.total) == pytest.approx(float(best.cost.total), rel=1e-12)
    assert best.placement.sentence.count("deployment.") == 5
    assert "best of" in best.certificate.sentence
    assert fixed.placement.sentence.endswith("as given.")


def typed(settings):
    return {k: v if k in ("placement", "parallelism") else float(v) for k, v in settings.items()}


def test_a_budget_and_a_given_design():
    scenario = next(scenarios(1))
    best = solve(scenario)
    spent = solve(scenario.update({"goal": {"kind": "budget", "budget": float(best.cost.total)}}))
    assert spent.loss == pytest.approx(best.loss, rel=1e-8)
    assert spent.placement[:3] == best.placement[:3]
    same = cost(scenario, Design(*(float(v) for v in best.design)))
    assert abs(same.excess_cost) < 1e-9
    assert same.placement[:3] == best.placement[:3]


def test_a_batch_is_the_loop():
    scenario = next(scenarios(1)).update({"deployment.parallelism": "expert"})
    frame = pd.DataFrame({"traffic.share": [0.01, 0.1, 0.1], "deployment.context_tokens": [2e3, 2e4, 1e5]})
    rows = solve_batch(scenario, frame, detail=True)
    own = 0
    for i, row in frame.iterrows():
        best = solve(scenario.update(row.to_dict()))
        alone = best.to_frame().iloc[0]
        # A baseline is served where it is cheapest itself.
        for column in ("cost_total", "baseline_n_params", "baseline_cost_total", "savings"):
            assert rows[column][i] == pytest.approx(alone[column], rel=1e-9), column
        there = cost(best.scenario, best.baseline.design).cost.total
        own += not there <= alone["baseline_cost_total"] * (1 + 1e-9)
    assert own


CHOSEN = ("deployment.chips", "deployment.pipeline_stages", "deployment.prefill_chips")


def test_what_moves_serving():
    for scenario in scenarios(2):
        paths = [path for path, _, _ in scenario.quantities()]
        fixed = [path for path in paths if not moves_serving(scenario, path)]
        for candidate in (placements(scenario)[0], placements(scenario)[-1]):
            given = candidate.update({path: getattr(scenario.deployment, path.split(".")[1]) for path in CHOSEN})
            moved = {path for path, used in zip(paths, used_by(given), strict=True) if used}
            assert not moved & {*fixed}
            assert len(moved) > 15
        leaves, tree = jax.tree.flatten(scenario)
        for path in fixed:
            again = [v * 0.9 if p == path else v for p, v in zip(paths, leaves, strict=True)]
            assert places(jax.tree.unflatten(tree, again)) == places(scenario), path


def used_by(scenario):
    """Of every number, whether what a model needs of a deployment is computed from it."""
    program = jax.make_jaxpr(lambda s: served_by(s, 3e10))(jax.tree.map(jnp.asarray, scenario)).jaxpr
    used = {*program.outvars}
    for equation in reversed(program.eqns):
        if used & {*equation.outvars}:
            used |= {v for v in equation.invars if not hasattr(v, "val")}
    return [v in used for v in program.invars]


def places(scenario):
    return [(s.deployment.chips, s.deployment.parallelism, s.deployment.pipeline_stages) for s in placements(scenario)]


@pytest.mark.parametrize(
    ("model", "chip", "read", "best", "overcharged"),
    [
        ("Llama 3.1 8B", "H100 SXM", 0.0, 2.0, "12 %"),
        ("Llama 3.1 8B", "H100 SXM", 8e14, 2.0, "36 %"),
        ("Llama 3 70B", "H200 SXM", 0.0, 4.0, "7 %"),
        ("Llama 3 70B", "H200 SXM", 8e14, 4.0, "41 %"),
    ],
)
def test_what_eight_chips_overcharge(model, chip, read, best, overcharged):
    # Of 2e14 tokens that are written; the page of serving says so too.
    changes = {"money.serve_chip": {"name": chip, "precision": "fp8"}, "traffic.input_tokens": read}
    found = placement(model, changes={**changes, "deployment.placement": "given"})
    design = Design(found.n_params, 15e12, 0.0)
    given, chosen = (cost(found.scenario.update({"deployment.placement": how}), design) for how in ("given", "best"))
    assert (given.placement.chips, chosen.placement.chips) == (8, best)
    bills = [float(answer.cost.prefill + answer.cost.decode) for answer in (given, chosen)]
    assert f"{100 * (bills[0] / bills[1] - 1):.0f} %" == overcharged
    line = next(
        text for text in (ROOT / "docs/serving.md").read_text().splitlines() if text.startswith(f"| {model} | {chip}")
    )
    assert f" {overcharged} (" in line


@pytest.mark.parametrize("which", some([0, 1], [1]))
def test_elasticities_are_those_of_the_placement_that_is_chosen(which):
    scenario = [*scenarios(2)][which]
    best = solve(scenario)
    fixed = elasticities(best.scenario)
    found = elasticities(scenario)
    assert [*found.index] == [path for path, _, _ in scenario.quantities()]
    assert found["cost_total"].abs().max() > 0.1
    np.testing.assert_array_equal(found[["n_params", "cost_total"]], fixed.loc[found.index, ["n_params", "cost_total"]])
    # Solved again beside it, the placement chosen anew, the cost moves by as much.
    path, step = "deployment.context_tokens", 1e-4
    costs = [
        float(solve(scenario.update({path: scenario.deployment.context_tokens * (1 + h)})).cost.total)
        for h in (-step, step)
    ]
    assert np.log(costs[1] / costs[0]) / (2 * step) == pytest.approx(found.loc[path, "cost_total"], rel=1e-6)


@thorough
@pytest.mark.parametrize("which", [0, 1])
def test_the_optimum_as_a_function_chooses_a_placement(which):
    scenario, path = [*scenarios(2)][which], "deployment.context_tokens"

    def cost_at(value):
        return optimal_design(scenario, {path: value}).cost.total

    given = scenario.deployment.context_tokens
    # Placements that hold no such model have no derivative, which does not reach that of the chosen one.
    (value, _), slopes = jax.vmap(jax.value_and_grad(cost_at))(jnp.array([given, 2 * given]))
    best, expected = solve(scenario), elasticities(scenario).loc[path, "cost_total"]
    assert float(value) == pytest.approx(float(best.cost.total), rel=1e-9)
    assert float(slopes[0]) * given / float(value) == pytest.approx(expected, rel=1e-6)
    assert np.isfinite(slopes).all()


@thorough
def test_what_the_list_depends_on_may_be_traced():
    scenario, path = next(scenarios(1)), "deployment.experts_per_token"
    value, slope = jax.value_and_grad(lambda v: optimal_design(scenario, {path: v}).cost.total)(8.0)
    best, expected = solve(scenario), elasticities(scenario).loc[path, "cost_total"]
    assert float(value) == pytest.approx(float(best.cost.total), rel=1e-9)
    assert float(slope) * 8 / float(value) == pytest.approx(expected, rel=1e-6, abs=1e-12)


@thorough
def test_a_size_that_is_decided_as_a_function():
    scenario = next(scenarios(1)).update({"goal": {"kind": "params", "params": 3e10}})
    assert float(optimal_design(scenario).cost.total) == pytest.approx(float(solve(scenario).cost.total), rel=1e-9)


@thorough
def test_a_function_has_no_answer_that_is_not_the_cheapest_of_its_loss():
    """The cost at this size is the least there is for it, and another size reaches the same loss for less."""
    scenario = just_below_two_chips()
    assert solve(scenario).certificate.cheaper
    assert np.isnan(jax.tree.leaves(optimal_design(scenario))).all()
    certified = scenario.update({"goal.params": 3e10})
    assert not solve(certified).certificate.cheaper
    assert np.isfinite(jax.tree.leaves(optimal_design(certified))).all()


def test_a_replica_has_a_placement():
    with pytest.raises(InputError, match="is chosen for a design or a model, and a replica has one"):
        replica(next(scenarios(1)), 1e10)


SIZE = {"goal": {"kind": "params", "params": 3e10}}
RUN = {"goal": {"kind": "tokens", "tokens": 5.33e13}}


def least_at_its_loss(best):
    """The least cost of an answer's loss, each placement solved for itself."""
    like = {"kind": "loss", "like_params": float(best.design.n_params), "like_tokens": float(best.design.train_tokens)}
    return min(brute_force(best.asked.update({"goal": like})).values())


@pytest.mark.parametrize(("which", "goal"), [(0, SIZE), (1, RUN)], ids=["experts", "dense"])
def test_a_size_or_a_run_that_is_decided_is_the_cheapest_of_its_loss(which, goal):
    best = solve([*scenarios(2)][which].update(goal))
    assert float(best.cost.total) == pytest.approx(least_at_its_loss(best), rel=1e-9)
    same = cost(best.asked, Design(*(float(v) for v in best.design)))
    assert same.placement[:3] == best.placement[:3]
    assert best.certificate.certified_global == bool(which)
    assert "placements, each solved or bounded" in best.certificate.sentence


def test_a_run_is_the_best_of_several_sizes_and_the_largest_is_taken():
    """Small models cost more for each parameter, so that they are trained longer: with N the best run rises, falls and rises."""
    dense = [*scenarios(2)][1]
    largest = solve(dense.update(RUN))
    n = float(largest.design.n_params)
    tokens = [
        float(solve(dense.update({"goal": {"kind": "params", "params": size}})).design.train_tokens)
        for size in (3e8, 1e9, n, 2 * n, 8 * n)
    ]
    assert tokens[2] == pytest.approx(5.33e13, rel=1e-9)
    assert tokens[0] > 5.33e13 > tokens[1]  # a second size, smaller than both, has the same best run
    assert tokens[4] > tokens[3] > 5.33e13


def just_below_two_chips():
    """A size just below the one from which two chips are cheaper than one: a larger model on two reaches its loss for less."""
    dense, sizes = [*scenarios(2)][1], [5e10, 7.4e10]
    chips = [float(solve(dense.update({"goal": {"kind": "params", "params": n}})).placement.chips) for n in sizes]
    assert chips == [1, 2]
    for _ in range(12):
        middle = math.sqrt(sizes[0] * sizes[1])
        sizes[cheapest(dense, Design(middle, 1.2e14, 6e12))[0].deployment.chips > 1] = middle
    return dense.update({"goal": {"kind": "params", "params": 0.999 * sizes[0]}})


def test_a_size_that_no_loss_has_for_the_best_names_what_is_cheaper():
    best = solve(just_below_two_chips())
    least, own = least_at_its_loss(best), float(best.cost.total)
    assert least < own * (1 - 1e-6)
    assert not best.certificate.certified_global
    assert best.certificate.cheaper.endswith(
        f"on 2 chips, tensor parallelism (prompts on 1) reach its loss for {percent(1 - least / own)} less"
    )
    assert best.certificate.cheaper in best.certificate.sentence


@pytest.mark.parametrize("longest", [2.0, 1e-6])
def test_one_order_of_placements(longest):
    """In time on some, late on all, and beyond all of them: the cost of a design is that of the placement that is named."""
    changes = {
        "limits.max_seconds_to_first_token": longest,
        "money.serve_chip": {"name": "H100 SXM", "precision": "fp8"},
    }
    scenario, taken = [*scenarios(2)][1].update(changes), set()
    for n in (7e10, 4e11, 1e14):
        design = Design(n, 2e13, 0.0)
        place, _ = cheapest(scenario, design)
        taken.add(place.deployment.chips)
        own = float(Rows(place).figures(design).cost.total)
        assert float(lifecycle_cost(scenario, design).total) == pytest.approx(own, rel=1e-12)
    assert len(taken) > 1


def test_no_certificate_where_a_placement_is_neither_solved_nor_bounded(monkeypatch):
    """Of the size that `test_a_run_is_the_best_of_several_sizes` takes, certified where all placements are."""
    found = importlib.import_module("optimizer.optimum.solve")._found

    def fails(scenario, *known):
        if scenario.goal.kind == "loss" and scenario.deployment.chips == 8:
            raise InfeasibleError("it stopped", Status.NOT_CONVERGED)
        return found(scenario, *known)

    monkeypatch.setattr("optimizer.optimum.solve._found", fails)
    monkeypatch.setattr("optimizer.optimum.placing.least_in_cells", lambda listed, *_: np.zeros((len(listed), 1)))
    best = solve([*scenarios(2)][1].update(RUN))
    assert not best.certificate.certified_global
    assert "not all are solved or bounded at others" in best.certificate.sentence
