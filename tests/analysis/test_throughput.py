"""Requests in a closed loop: against the times of their parts, Little's law, a simulation of the queue, and measured rows."""

import numpy as np
import pytest

from optimizer import InputError, placement, throughput
from optimizer.analysis.placement import operating_point
from optimizer.evidence.throughput import calibrate, predictions
from optimizer.model.accuracy import SERVING_ERRORS
from optimizer.model.replica import replica_of
from optimizer.model.step import prompt_seconds, step_time

LLAMA = "Llama 3 70B"


@pytest.fixture(scope="module")
def llama():
    return placement(LLAMA, changes={"deployment.placement": "given"})


@pytest.fixture(scope="module")
def found(llama):
    return throughput(llama, 1000, 500)


def test_long_answers_cost_what_decoding_does(llama):
    """With hardly a prompt, every token of an answer takes one step of the batch: `operating_point` at the same batch and context."""
    loop = throughput(llama, 1, 8000, users=[64])
    point = operating_point(llama._replace(scenario=llama.scenario.update({"deployment.context_tokens": 4001.0})), 64.0)
    assert loop["tokens_per_second_per_user"][0] == pytest.approx(point["tokens_per_second_per_user"], rel=1e-3)
    assert loop["usd_per_mtok_answer"][0] == pytest.approx(point["usd_per_mtok_decode"], rel=1e-3)


def test_users_and_rates_agree(found, llama):
    """B requests in flight, each for as long as its tokens take: Little's law."""
    seconds = 500 / found["tokens_per_second_per_user"]
    assert found["requests_per_second"].to_numpy() == pytest.approx((found["batch"] / seconds).to_numpy(), rel=1e-12)
    chips = float(llama.scenario.deployment.chips_on(llama.scenario.money.serve_chip))
    rate = found["requests_per_second"] * 500
    assert (found["tokens_per_second_per_chip"] * chips).to_numpy() == pytest.approx(rate.to_numpy(), rel=1e-12)
    assert (found["joules_per_token"] * rate).to_numpy() == pytest.approx(
        chips * 1e3 * llama.scenario.money.serve_chip.kw, rel=1e-12
    )


def test_more_users_are_slower_and_cheaper_each(found):
    for column in ("first_token_seconds", "late_first_token_seconds", "request_seconds", "tokens_per_second_per_chip"):
        assert np.all(np.diff(found[column]) > 0), column
    for column in ("usd_per_mtok_answer", "joules_per_token", "tokens_per_second_per_user"):
        assert np.all(np.diff(found[column]) < 0), column


def paused(users: int, prompt: float, answer: float, chunk: float, step: float, token: float) -> float:
    """The 99th percentile of the time between two steps that answers see, simulated: prompts in their order, at most a chunk a step."""
    random = np.random.default_rng(0)
    left = random.geometric(1 / answer, users) * random.random(users)
    line: list[list[float]] = []
    times, seen = [], []
    for _ in range(8000):
        room, decoding = chunk, left > 0
        done = []
        while line and room > 0:
            computed = min(line[0][1], room)
            room, line[0][1] = room - computed, line[0][1] - computed
            if line[0][1] == 0:
                done.append(int(line.pop(0)[0]))
        times.append(step + (chunk - room) * token)
        seen.append(np.count_nonzero(decoding))
        left[decoding] -= 1
        line += [[user, prompt] for user in np.flatnonzero(decoding & (left <= 0))]
        left[done] = random.geometric(1 / answer, len(done))
    return float(np.repeat(times, seen)[np.argsort(np.repeat(times, seen))][int(0.99 * sum(seen))])


@pytest.mark.parametrize(("prompt", "answer"), [(1000, 500), (20000, 1000)])
def test_an_answer_pauses_while_prompts_are_computed(llama, prompt, answer):
    """The late time between two steps is that of a simulated loop, for prompts of less than a chunk and of more."""
    d, chip = llama.scenario.deployment, llama.scenario.money.serve_chip
    mean, alone = (
        replica_of(d.model_copy(update={"context_tokens": float(n)}), chip, llama.n_params)
        for n in (prompt + answer / 2, prompt)
    )
    loop = throughput(llama, prompt, answer, users=[4, 16])
    for users, late in zip((4, 16), loop["late_step_seconds"], strict=True):
        step, token = float(step_time(mean, float(users)).total), float(prompt_seconds(alone))
        assert late == pytest.approx(paused(users, prompt, answer, float(d.chunk_tokens), step, token), rel=0.02)


def test_an_answer_alone_pauses_for_no_prompt(found):
    assert found["late_step_seconds"][0] == pytest.approx(1 / found["tokens_per_second_per_user"][0], rel=0.3)
    assert np.all(found["late_step_seconds"] >= 0.9 / found["tokens_per_second_per_user"])


def test_memory_and_time_bound_what_is_in_flight(llama, found):
    most = found["batch"].max()
    assert throughput(llama, 1000, 500, users=[10 * most])["batch"][0] == pytest.approx(most, rel=1e-9)
    limited = throughput(llama, 1000, 500, users=[10 * most], seconds_per_token=0.03)
    assert 1 / limited["tokens_per_second_per_user"][0] == pytest.approx(0.03, rel=1e-6)
    assert limited["batch"][0] < most


def test_what_cannot_be_served_is_refused(llama):
    with pytest.raises(InputError, match=r"seconds_per_token = 0\.001 is less than .* allow"):
        throughput(llama, 1000, 500, seconds_per_token=1e-3)
    with pytest.raises(InputError, match="prompt_tokens must lie above 0"):
        throughput(llama, 0, 500)
    with pytest.raises(InputError, match="users must be 1 or more"):
        throughput(llama, 10, 500, users=[0])
    with pytest.raises(InputError, match="Take "):
        throughput(llama, 1e9, 500)


def test_stages_keep_as_many_batches_in_flight(llama):
    """Two stages hold two batches; with no time between stages each chip does as much as alone at the same batch."""
    alone = {"deployment.chips": 4, "deployment.seconds_per_hop": 0}
    one = throughput(llama._replace(scenario=llama.scenario.update(alone)), 1000, 500, users=[64])
    two = throughput(
        llama._replace(scenario=llama.scenario.update({**alone, "deployment.pipeline_stages": 2})),
        1000,
        500,
        users=[128],
    )
    assert two["batch"][0] == 128
    single = throughput(
        llama._replace(scenario=llama.scenario.update({**alone, "deployment.pipeline_stages": 2})), 1000, 500, users=[1]
    )
    assert single["batch"][0] == 1
    assert single["requests_per_second"][0] * 500 == pytest.approx(single["tokens_per_second_per_user"][0], rel=1e-12)
    assert two["tokens_per_second_per_chip"][0] == pytest.approx(one["tokens_per_second_per_chip"][0], rel=1e-2)


def test_it_is_what_the_calibration_predicts_with(llama):
    """A measured row of one engine, asked for as people ask, is what the table of errors was made from."""
    rows = predictions(calibrate())
    free = rows["engine"].eq("vendor") & rows["seconds_per_token_limit"].isna() & rows["bytes_per_weight"].isna()
    row = rows[free & rows["model"].eq("Llama-3.3-70B") & rows["chips"].gt(1)].iloc[0]
    s = placement(
        row["architecture"],
        changes={
            "money.serve_chip": {"name": row["chip"], "precision": row["precision"]},
            "deployment.placement": "given",
            "deployment.chips": row["chips"],
            "deployment.kv_bytes_per_value": row["kv_bytes_per_value"],
        },
    )
    found = throughput(s, row["input_tokens"], row["output_tokens"], users=[row["batch"]])
    assert found["tokens_per_second_per_chip"][0] * row["chips"] == pytest.approx(row["predicted"], rel=0.01)
    assert (
        str(SERVING_ERRORS["dense model, tensor parallelism"].rows)
        in throughput(s, 1000, 500, users=[8]).attrs["error"]
    )
