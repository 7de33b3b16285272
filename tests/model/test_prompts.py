"""Prompts on the chips that decode or on their own: against the closed loop, tokens and chips counted by hand, and finite differences."""

import math

import pandas as pd
import pytest

from optimizer import InfeasibleError, InputError, load, placement, solve, solve_batch, throughput
from optimizer.analysis.placement import operating_point, placement_of
from optimizer.analysis.serving import prompts_of
from optimizer.assumptions.numbers import SECONDS_PER_HOUR, human
from optimizer.model.cost import design_of, lifecycle_cost
from optimizer.model.loop import first_token
from optimizer.model.prompts import with_prompts
from optimizer.model.replica import memory_batch, replica
from optimizer.model.roofline import batch_size
from optimizer.model.step import prompt_seconds, step_time
from optimizer.optimum.best_of import is_convex
from tests.conftest import DENSE

LLAMA = "Llama 3 70B"
READ, WROTE = 6000.0, 400.0
MIX = {"traffic.input_tokens": 2e14 * READ / WROTE, "traffic.output_tokens": 2e14}
TOGETHER = {"deployment.prefill": "together"}
FAST = {"deployment.batch": "latency", "deployment.target_tokens_per_second": 25.0}


def dense(*changes):
    return load("lecture-2026", {k: v for block in (DENSE, MIX, *changes) for k, v in block.items()})


def test_decoding_with_prompts_is_the_closed_loop():
    """The same traffic as requests in flight on one replica: the speed of every user and the cost of an answer, to rounding.

    Without attention, as a scenario has one context and the loop one for prompts and another for decoding.
    """
    context = {"deployment.context_tokens": READ + WROTE / 2, "deployment.attention_width": 1e-9}
    s = placement(LLAMA, changes={**MIX, **TOGETHER, **context})
    loop = throughput(s, READ, WROTE, users=[4, 16, 64])
    for users, speed, usd in zip(
        loop["batch"], loop["tokens_per_second_per_user"], loop["usd_per_mtok_answer"], strict=True
    ):
        point = operating_point(s, users)
        assert point["tokens_per_second_per_user"] == pytest.approx(speed, rel=1e-9)
        assert point["usd_per_mtok_decode"] + READ / WROTE * point["usd_per_mtok_prefill"] == pytest.approx(
            usd, rel=1e-9
        )
    # The batch that keeps a speed is the number of users at which the loop has it.
    asked = {
        "deployment.batch": "latency",
        "deployment.target_tokens_per_second": float(loop["tokens_per_second_per_user"][1]),
    }
    at_speed = s._replace(scenario=s.scenario.update(asked))
    assert operating_point(at_speed)["batch"] == pytest.approx(16, rel=1e-9)
    apart = s._replace(scenario=at_speed.scenario.update({"deployment.prefill": "apart"}))
    assert operating_point(apart)["batch"] > 2 * 16


@pytest.mark.parametrize(
    "drafts", [{}, {"deployment.drafted_tokens": 3, "deployment.acceptance_rate": 0.7, "deployment.draft_share": 0.1}]
)
def test_every_kept_token_brings_its_prompts(drafts):
    """tau(B) = t(B) / g + B a t_prefill, drafts or none, cached prompts left out."""
    s = dense(TOGETHER, drafts, {"traffic.cache_hit_share": 0.25})
    r = replica(s, 3e10)
    tau = float(step_time(with_prompts(s, r), 20.0).total / r.kept_tokens)
    apart = float(step_time(r, 20.0).total / r.kept_tokens)
    assert tau - apart == pytest.approx(20 * 0.75 * READ / WROTE * float(prompt_seconds(r)), rel=1e-9)
    assert with_prompts(dense(), r) is r


def test_a_speed_costs_more_where_prompts_delay_it():
    """Certified; where the speed holds the batch a token of an answer, its prompt included, costs the replica's time 1 / (v B)."""
    apart, together = solve(dense(FAST)), solve(dense(FAST, TOGETHER))
    assert is_convex(together.scenario)
    assert together.certificate.certified_global
    assert together.design.n_params < apart.design.n_params
    assert together.cost.total > apart.cost.total
    s = together.scenario
    r = replica(s, together.design.n_params)
    batch = float(batch_size(s, r))
    assert batch < 0.99 * float(memory_batch(r))
    tokens, usd = 2e14, float(r.usd_per_second) / s.serving.load_factor
    served = float(together.cost.prefill + together.cost.decode)
    assert served == pytest.approx(tokens * usd / (25.0 * batch), rel=1e-9)
    prompts = together.prompts
    assert prompts.prefill == "together"
    assert math.isnan(prompts.per_decode_replica)
    assert prompts.per_decode_chip == pytest.approx(float(together.cost.prefill / together.cost.decode), rel=1e-9)
    assert (
        f"between their steps, for {100 * float(together.cost.prefill) / served:.3g} % of their work"
        in prompts.sentence
    )
    shown = prompts_of(placement_of(together))
    assert shown.sentence == prompts.sentence, "the page of the deployment says what the answer says"
    assert shown.per_decode_chip == pytest.approx(prompts.per_decode_chip, rel=1e-9)


def test_rows_of_a_batch_have_their_own_mix():
    s = dense(FAST, TOGETHER)
    frame = pd.DataFrame({"traffic.input_tokens": [1e14, 1e15, 3e15], "traffic.output_tokens": [2e14, 1e14, 3e14]})
    rows = solve_batch(s, frame)
    for i, row in enumerate(frame.to_dict("records")):
        alone = solve(s.update(row))
        assert rows["n_params"][i] == pytest.approx(float(alone.design.n_params), rel=1e-9)
        assert rows["cost_total"][i] == pytest.approx(float(alone.cost.total), rel=1e-9)


def test_prompts_on_chips_of_their_own():
    """Their cost, their share of chips, their memory and their first token, with the cache sent after it."""
    free, own = dense(), dense({"deployment.prefill_chips": 2})
    n, chip = 3e10, free.money.serve_chip
    two = free.update({"deployment.chips": 2})
    cost = {name: lifecycle_cost(s, design_of(s, n, 1e13)) for name, s in (("free", free), ("own", own), ("two", two))}
    assert cost["own"].prefill == pytest.approx(float(cost["two"].prefill), rel=1e-12)
    assert cost["own"].decode == pytest.approx(float(cost["free"].decode), rel=1e-12)
    found = solve(own)
    best = replica(two, found.design.n_params)
    usd = 2 * chip.usd_per_chip_hour / SECONDS_PER_HOUR * float(prompt_seconds(best)) / own.serving.load_factor
    assert float(found.cost.prefill) == pytest.approx(MIX["traffic.input_tokens"] * usd, rel=1e-9)
    assert found.prompts.per_decode_chip == pytest.approx(float(found.cost.prefill / found.cost.decode), rel=1e-9)
    assert "on replicas of 2 chips of their own" in found.prompts.sentence
    # A replica that decodes ends so many requests a second, and one that computes prompts begins so many.
    ended = operating_point(placement_of(found))["tokens_per_second_per_chip"] * found.placement.chips / WROTE
    begun = 1 / (READ * float(prompt_seconds(best)))
    each = found.prompts.per_decode_replica
    assert each == pytest.approx(ended / begun, rel=1e-9)
    assert each == pytest.approx(4 * found.prompts.per_decode_chip, rel=1e-12), "8 chips decode and 2 compute prompts"
    assert f"{human(each, 3)} for each replica that decodes" in found.prompts.sentence
    staged = found.prompts._replace(stages=4.0).sentence
    assert "on replicas of 4 pipeline stages of 2 chips of their own" in staged
    # The first token: of the two chips' own, and 8K tokens of cache over two links of 50 GB/s.
    at = {"limits.first_token_percentile": 0.0, "limits.max_seconds_to_first_token": 9.0}
    sent = 2 * [0.0]
    for i, s in enumerate((two, own)):
        linked = float(first_token(s.update(at), n))
        without = {"money.serve_chip.scaleout_bytes_per_second": 1e30}
        sent[i] = linked - float(first_token(s.update({**at, **without}), n))
    cache = float(replica(two, n).kv_held_bytes)
    assert sent == pytest.approx(2 * [cache / (2 * chip.scaleout_bytes_per_second)], rel=1e-6)


def test_the_memory_of_prompts_chips_is_a_limit():
    one = {"deployment.prefill_chips": 1}
    goal = {"kind": "loss", "like_params": 3e11, "like_tokens": 6e12}
    held = solve(dense(one, {"goal": goal, "traffic.input_tokens": 1e12, "traffic.output_tokens": 1e11}))
    assert held.certificate.active_limits == ("deployment.prefill_chips",)
    assert held.certificate.certified_global
    r = replica(held.scenario.update({"deployment.chips": 1}), held.design.n_params)
    assert float(r.weight_bytes + r.kv_held_bytes) == pytest.approx(float(r.memory_bytes), rel=1e-9)
    assert {limit.path: limit.value for limit in held.limits}["deployment.prefill_chips"] == pytest.approx(
        float(r.memory_bytes), rel=1e-9
    )
    with pytest.raises(InputError, match=r"Where prompts are computed, .* Take deployment\.prefill_chips = 2 or more"):
        placement(LLAMA, changes=one | {k: DENSE[k] for k in ("money.serve_chip", "deployment.placement")})
    with pytest.raises(InfeasibleError, match=r"deployment\.prefill_chips = 1 do not hold the cache of a prompt"):
        solve(dense(one, {"deployment.context_tokens": 1e8, "deployment.chips": 5000}))


def test_the_first_token_between_steps():
    """Together each chunk waits for a step, whose time is bounded by the speed or by a fixed batch; where nothing bounds it, a sentence."""
    limit = {"limits.max_seconds_to_first_token": 20.0, "serving.load_factor": 0.5, "deployment.chunk_tokens": 2000.0}
    n, waits = 3e10, 1 + 0.5
    fast, fixed = (
        dense(TOGETHER, FAST, limit),
        dense(TOGETHER, limit, {"deployment.batch": "fixed", "deployment.batch_size": 40}),
    )
    r = replica(fixed, n)
    own = 8000 * float(prompt_seconds(r)) + float(r.fixed_seconds)
    assert float(first_token(fast, n)) == pytest.approx(waits * (own + 4 / 25.0), rel=1e-9)
    assert float(first_token(fixed, n)) == pytest.approx(waits * (own + 4 * float(step_time(r, 40.0).total)), rel=1e-9)
    bound = float(first_token(fast, 0.95 * solve(fast).design.n_params))
    found = solve(fast.update({"limits.max_seconds_to_first_token": bound}))
    assert found.certificate.active_limits == ("limits.max_seconds_to_first_token",)
    assert found.certificate.certified_global
    assert found.prompts.queued_first_token_seconds <= bound
    assert math.isnan(solve(dense()).prompts.queued_first_token_seconds)
    with pytest.raises(InputError, match="needs a bound on the steps that come between the parts of a prompt"):
        dense(TOGETHER, limit)
