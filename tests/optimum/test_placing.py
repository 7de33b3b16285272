"""The placement that is chosen, against brute force over all of them."""

import math

import numpy as np
import pandas as pd
import pytest

from optimizer.analysis.elasticities import elasticities
from optimizer.analysis.placement import placement
from optimizer.assumptions.library import load
from optimizer.assumptions.problems import InputError
from optimizer.model.cost import Design
from optimizer.model.placements import placements
from optimizer.optimum.batch import solve_batch
from optimizer.optimum.given import cost
from optimizer.optimum.placing import _least_costs
from optimizer.optimum.solve import solve
from tests.counts import cases

BEST = {"deployment.placement": "best"}


def scenarios(count: int):
    """Chips, traffic, context, size, speed and goal drawn at random, half with experts."""
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
        if i % 2:
            changes |= {"law": "besiroglu", "deployment.sparsity": 1.0, "deployment.expert_share": None}
        yield load("frontier-moe-rack", changes)


def brute_force(scenario) -> dict[int, float]:
    costs = {}
    for i, candidate in enumerate(placements(scenario)):
        best = solve(candidate, throw=False)
        costs[i] = float(best.cost.total) if not best.message else math.inf
    return costs


def test_against_every_placement():
    seen = set()
    for scenario in scenarios(cases(4, 50)):
        costs, best = brute_force(scenario), solve(scenario, throw=False)
        least = min(costs.values())
        if least == math.inf:
            assert best.message
            continue
        assert float(best.cost.total) == pytest.approx(least, rel=1e-12)
        assert best.placement.listed == len(costs)
        seen.add((best.placement.chips, best.placement.parallelism))
        # What is not solved is bounded: no placement costs less than its bound, which is near enough to exclude some.
        for bound, found in zip(_least_costs(placements(scenario)), costs.values(), strict=True):
            assert bound <= found * (1 + 1e-12)
            assert found == math.inf or bound > 0.8 * found
    assert len(seen) > 1


def test_the_settings_of_an_answer_fix_it():
    scenario = next(scenarios(1))
    best = solve(scenario)
    fixed = solve(scenario.update({f"deployment.{k}": v for k, v in typed(best.placement.settings).items()}))
    assert float(fixed.cost.total) == pytest.approx(float(best.cost.total), rel=1e-12)
    assert best.placement.sentence.count("--set") == 4
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
    scenario = next(scenarios(1))
    frame = pd.DataFrame({"traffic.share": [0.01, 0.1, 0.1], "deployment.context_tokens": [2e3, 2e4, 1e5]})
    rows = solve_batch(scenario, frame)
    for i, row in frame.iterrows():
        alone = solve(scenario.update(row.to_dict()))
        assert rows["cost_total"][i] == pytest.approx(float(alone.cost.total), rel=1e-9)


@pytest.mark.parametrize(
    ("model", "chip", "best", "overcharged"),
    [("Llama 3.1 8B", "H100 SXM", 2.0, 0.12), ("Llama 3 70B", "H200 SXM", 4.0, 0.07)],
)
def test_what_eight_chips_overcharge(model, chip, best, overcharged):
    # Decoding alone: the preset serves no input. Prefill favours fewer chips still.
    found = placement(model, changes={"money.serve_chip": {"name": chip, "precision": "fp8"}})
    design = Design(found.n_params, 15e12, 1e11)
    given, chosen = (cost(found.scenario.update({"deployment.placement": how}), design) for how in ("given", "best"))
    assert (given.placement.chips, chosen.placement.chips) == (8, best)
    assert float(given.cost.decode / chosen.cost.decode) - 1 == pytest.approx(overcharged, abs=0.01)


def test_other_questions_say_that_the_placement_is_open():
    with pytest.raises(InputError, match="is chosen by solve, cost and solve_batch"):
        elasticities(next(scenarios(1)))


def test_a_size_that_is_decided_takes_the_cheapest_placement_and_is_not_certified():
    scenario = next(scenarios(1)).update({"goal": {"kind": "params", "params": 3e10}})
    best = solve(scenario)
    same = cost(scenario, Design(*(float(v) for v in best.design)))
    assert same.placement[:3] == best.placement[:3]
    assert not best.certificate.certified_global
    assert "not all are solved or bounded" in best.certificate.sentence
