"""Where prompts are computed, with the placement open: against every size of their replicas, and against prompts between the steps."""

import numpy as np
import pandas as pd
import pytest

from optimizer.assumptions.library import load
from optimizer.model.limits import limit_excess
from optimizer.model.placements import placed_as, placements
from optimizer.optimum.batch import solve_batch
from optimizer.optimum.placing import _cost, _least_costs
from optimizer.optimum.program import Rows
from optimizer.optimum.solution import InfeasibleError
from optimizer.optimum.solve import _found, solve
from tests.counts import cases

KINDS = {
    "experts": {"deployment.chips": 32, "deployment.pipeline_stages": 1},
    "dense": {
        "law": "besiroglu",
        "deployment.sparsity": 1.0,
        "deployment.expert_share": None,
        "deployment.parallelism": None,
        "deployment.pipeline_stages": 1,
        "money.serve_chip": {"name": "H100 SXM", "precision": "fp8"},
    },
}
TOGETHER = {"deployment.prefill": "together"}


def asked(kind, **changes):
    return load("frontier-moe-rack", {"deployment.placement": "best", **KINDS[kind], **changes})


def brute_force(scenario):
    """The least cost with every placement, and every size for prompts, given."""
    costs = {}
    for s in placements(scenario):
        try:
            costs[s.deployment.chips, s.deployment.prefill_chips] = _cost(*_found(s))
        except InfeasibleError:
            continue
    return costs


@pytest.mark.parametrize("kind", KINDS)
def test_the_chips_of_prompts_against_every_size(kind):
    draw = np.random.default_rng(12)
    for i in range(cases(1, 20)):
        scenario = asked(
            kind,
            **(
                {"traffic.input_share": draw.uniform(0.1, 0.99), "goal.like_params": 10 ** draw.uniform(9.5, 12)}
                if i
                else {}
            ),
        )
        costs, best = brute_force(scenario), solve(scenario)
        place = best.placement
        assert float(best.cost.total) == pytest.approx(min(costs.values()), rel=1e-12)
        assert costs[place.chips, place.prefill_chips] == pytest.approx(float(best.cost.total), rel=1e-12)
        assert place.prefill_chips == best.prompts.chips
        # As many chips as those that decode are never better, and here are worse.
        assert float(best.cost.total) <= min(cost for (chips, own), cost in costs.items() if chips == own) * (1 + 1e-12)
        if not i:
            assert len(costs) > 4
            assert place.prefill_chips < place.chips
            rows = solve_batch(scenario, pd.DataFrame({"traffic.share": [float(scenario.traffic.share)]}))
            assert rows["cost_total"][0] == pytest.approx(float(best.cost.total), rel=1e-12)


def test_what_is_given_of_prompts_is_kept():
    """And where no prompts are served, or they are computed together, there is nothing to choose."""
    for changes, own in (
        ({"deployment.prefill_chips": 4.0}, {4.0}),
        ({"traffic.input_share": 0.0, "traffic.cache_hit_share": 0.0}, {None}),
        (TOGETHER, {None}),
        ({}, {1.0, 2.0, 4.0, 8.0}),
        ({"deployment.chips": 6.0}, {1.0, 2.0, 4.0, 8.0, 6.0}),
    ):
        assert {s.deployment.prefill_chips for s in placements(asked("dense", **changes))} == own, changes


def test_a_batch_chooses_where_some_row_has_prompts():
    scenario = asked("dense", **{"traffic.input_share": 0.0, "traffic.cache_hit_share": 0.0})
    rows = solve_batch(scenario, pd.DataFrame({"traffic.input_share": [0.0, 0.9]}))
    for i, share in enumerate((0.0, 0.9)):
        alone = solve(scenario.update({"traffic.input_share": share}))
        assert rows["cost_total"][i] == pytest.approx(float(alone.cost.total), rel=1e-12)
        assert (alone.placement.prefill_chips is None) == (share == 0)


def test_apart_is_never_more_expensive_than_together():
    """A prompt token costs the chips that compute it as much in both, and together it takes its time from users: so the choice is apart."""
    scenario = asked("dense")
    together = solve(scenario.update(TOGETHER))
    assert float(together.cost.total) == pytest.approx(min(brute_force(together.asked).values()), rel=1e-12)
    assert float(solve(scenario).cost.total) < float(together.cost.total)
    served = 0
    for p in placements(together.asked):
        beside = p.update({"deployment.prefill": "apart", "deployment.prefill_chips": p.deployment.chips})
        apart, own = (Rows(s).figures(together.design) for s in (beside, p))
        served += own.can_serve
        assert not own.can_serve or (apart.can_serve and apart.cost.total <= own.cost.total * (1 + 1e-12))
    assert served > 2


def test_a_first_token_that_only_more_chips_for_prompts_bring_in_time():
    scenario = asked("dense", **{"deployment.prompt_tokens": 3e4})
    free = solve(scenario)
    limit = "limits.max_seconds_to_first_token"

    def excess(s):
        return float(limit_excess(s.update({limit: 1.0}), free.design)[limit])

    times = {
        own: float(np.exp(excess(free.scenario.update({"deployment.prefill_chips": own})))) for own in (1, 2, 4, 8)
    }
    assert times[1] > times[2] > times[4]
    bound = float(np.sqrt(times[1] * times[2]))
    kept = solve(scenario.update({limit: bound}))
    assert free.placement.prefill_chips == 1
    assert kept.placement.prefill_chips == 2
    assert float(kept.cost.total) == pytest.approx(min(brute_force(kept.asked).values()), rel=1e-12)
    assert kept.prompts.queued_first_token_seconds <= bound * (1 + 1e-9)


def test_a_budget_is_spent_where_the_loss_is_least():
    scenario = asked("dense")
    best = solve(scenario)
    spent = scenario.update({"goal": {"kind": "budget", "budget": float(best.cost.total)}})
    found = solve(spent)
    assert found.loss == pytest.approx(best.loss, rel=1e-9)
    assert found.placement[:3] == best.placement[:3]
    assert found.placement.prefill_chips == best.placement.prefill_chips


@pytest.mark.parametrize("goal", [{"kind": "params", "params": 3e10}, {"kind": "tokens", "tokens": 1e14}])
def test_where_one_placement_is_left_it_is_the_answer(goal):
    only = {"deployment.chips": 2, "deployment.parallelism": "tensor", "deployment.prefill_chips": 1}
    scenario = asked("dense", **only, goal=goal)
    assert len(placements(scenario)) == 1
    best, given = (solve(scenario.update({"deployment.placement": how})) for how in ("best", "given"))
    assert float(best.cost.total) == pytest.approx(float(given.cost.total), rel=1e-12)
    assert best.certificate.certified_global == given.certificate.certified_global


def test_a_placement_is_told_from_every_other_of_its_list():
    """Sentences that name one placement among others: no two have the same words, and chips of prompts stand where they are others."""
    for kind in KINDS:
        listed = [placed_as(s, 1.0) for s in placements(asked(kind))]
        assert len({place.whole for place in listed}) == len(listed) > 4
        for place in listed:
            assert (f"(prompts on {place.prefill_chips:g})" in place.whole) == (place.prefill_chips != place.chips)


def test_where_rl_tokens_are_decided_few_placements_are_solved(monkeypatch):
    """The optimum of a loss is found by every goal, and bounds are close enough to exclude most placements."""
    scenario = asked(
        "dense", **{"rl.policy": "optimised", "goal.like_rl_tokens": 1e13, "deployment.parallelism": "tensor"}
    )
    listed, costs, best = placements(scenario), brute_force(scenario), solve(scenario)
    bounds = {
        (s.deployment.chips, s.deployment.prefill_chips): b for s, b in zip(listed, _least_costs(listed), strict=True)
    }
    for chips in {chips for chips, _ in costs}:
        # With as many chips to decode, the chips for prompts that cost least are bounded.
        found, place = min((cost, place) for place, cost in costs.items() if place[0] == chips)
        assert 0.97 * found < bounds[place] <= found * (1 + 1e-12)
    assert float(best.cost.total) == pytest.approx(min(costs.values()), rel=1e-12)

    solved = []

    def counted(s, *known):
        solved.append(s)
        return _found(s, *known)

    monkeypatch.setattr("optimizer.optimum.solve._found", counted)
    for goal in (
        scenario.goal,
        {"kind": "params", "params": float(best.design.n_params)},
        {"kind": "tokens", "tokens": float(best.design.train_tokens)},
        {"kind": "budget", "budget": float(best.cost.total)},
    ):
        solved.clear()
        again = solve(scenario.update({"goal": goal}))
        if again.scenario.goal.kind == "tokens":  # a larger size may have the same run for its best
            assert again.design.train_tokens == pytest.approx(best.design.train_tokens, rel=1e-7)
            assert again.design.n_params >= best.design.n_params * (1 - 1e-7)
        else:
            np.testing.assert_allclose(again.design, best.design, rtol=1e-7)
        assert again.certificate.certified_global
        assert 1 <= len(solved) < len(listed) / 2, goal
