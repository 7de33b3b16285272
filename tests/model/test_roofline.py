"""The step time, its limits, its kinks, its derivatives; the batch that bounds allow; cache tiers; training memory."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from optimizer import Scenario, load
from optimizer.assumptions.architecture import released
from optimizer.assumptions.deployment import Deployment
from optimizer.assumptions.hardware import Accelerator, CacheTier
from optimizer.assumptions.tables import rows
from optimizer.assumptions.warned import warnings
from optimizer.model.cache import cheapest_tier, hbm_tier, tier_drain_seconds, usd_to_keep
from optimizer.model.cost import Design, design_of, lifecycle_cost, lifecycle_cost_by_regime
from optimizer.model.replica import balance_batch, layers, memory_batch, replica, width
from optimizer.model.roofline import batch_size, decode_seconds, serving_excess, usd_per_prefill_token
from optimizer.model.step import joined, step_time
from optimizer.model.training import training_bytes_per_chip

N = 70e9


def served(**changes: object) -> Scenario:
    start = {
        "money.unit": "usd",
        "serving.method": "roofline",
        "deployment.placement": "given",
        "money.serve_chip": {"name": "H100 SXM", "precision": "fp8"},
    }
    return load("lecture-2026").update({**start, **{k.replace("__", "."): v for k, v in changes.items()}})


def latency(speed: float, **changes: object) -> Scenario:
    return served(deployment__batch="latency", deployment__target_tokens_per_second=speed, **changes)


EXPERTS = {"deployment__sparsity": 18.0, "deployment__expert_share": 1 / 32, "deployment__parallelism": "expert"}


def test_an_endless_batch_costs_compute_and_cache():
    """Products wait for compute alone; attention computes, then reads. Weights and fixed times are shared out."""
    r = replica(served(), N)._replace(sequence_seconds=0.0)
    step = step_time(r, 1e15)
    d = Deployment()
    each = 2 * N / (8 * 1979e12 * d.compute_share * d.fp8_share) + float(
        r.attention_seconds + r.kv_read_bytes / r.bytes_per_second
    )
    assert float(step.total - step.exchange) / 1e15 == pytest.approx(each, rel=1e-6)


def test_a_single_sequence_costs_the_weights_and_the_layers():
    s = served(deployment__chips=1, deployment__context_tokens=1, deployment__seconds_per_sequence=0)
    d = s.deployment
    r = replica(s, 8e9)
    expected = 8e9 * 1.0 / (3.35e12 * float(d.bandwidth_share)) + float(layers(d, 8e9)) * d.seconds_per_layer
    # One token of cache is read with 8e9 weights, and a little of the computing is not hidden by reading.
    assert 0 < float(step_time(r, 1.0).total) / expected - 1 < 2e-3


@pytest.mark.parametrize("changes", [{}, EXPERTS])
def test_without_a_cache_the_times_cross_at_the_balance_batch(changes):
    ideal = dict.fromkeys(("compute_share", "bandwidth_share", "fp8_share", "attention_share"), 1.0)
    ideal |= {"expert_half_width": 0.0, "attention_width": 1e-9, "chips": 1.0}
    s = served(**changes, **{f"deployment__{k}": v for k, v in ideal.items()})
    r = replica(s, N)._replace(kv_read_bytes=0.0)
    balance = float(balance_batch(s.money.serve_chip, s.deployment))
    assert balance == pytest.approx(1979e12 / 3.35e12 * 0.5 * changes.get("deployment__sparsity", 1.0))
    step = step_time(r, balance)
    # Every expert is read at such a batch: (1 - 1/32)^5000 is nothing.
    assert float(step.compute) == pytest.approx(float(step.memory), rel=1e-12)


def test_operations_lie_between_the_longer_time_and_the_sum():
    """At a serial share of 1 an operation takes the sum of its times, near 0 the longer, at equal times 1 + its root times either."""
    for share in (1e-12, 0.07, 0.5, 1.0):
        ratio = np.logspace(-6, 6, 121)
        found = np.asarray(joined(1.0, ratio, share))
        assert (found >= np.maximum(1.0, ratio) * (1 - 1e-12)).all()
        assert (found <= (1 + ratio) * (1 + 1e-12)).all()
        assert float(joined(1.0, 1.0, share)) == pytest.approx(1 + share**0.5)
        assert (np.diff(np.log(found), 2) >= -1e-12).all()  # log-log convex
    assert np.allclose(joined(1.0, ratio, 1.0), 1 + ratio)


def test_data_parallel_attention_holds_and_reads_dense_weights_on_every_chip():
    """DeepSeek-V3 on a rack: 16.6 GB a chip are dense, by parameters (671B in all, 37B active, 8 of 256 routed experts)."""
    n_params, shape = released("DeepSeek-V3")
    changes = {f"deployment__{k}": v for k, v in shape.items()}
    rack = {"money__serve_chip": {"name": "GB200 NVL72", "precision": "fp8"}, "deployment__parallelism": "expert"}
    r = replica(served(**changes, **rack), n_params)
    experts = (671e9 - 37e9) / (1 - 8 / 256)
    assert float(r.dense_bytes) / 72 == pytest.approx(671e9 - experts, rel=1e-9)
    assert float(r.dense_bytes) / 72 == pytest.approx(16.6e9, rel=0.01)
    assert float(r.dense_params * r.dense.read) == pytest.approx(
        (671e9 - experts) / (8e12 * float(r.bytes_per_second) / (72 * 8e12)), rel=1e-9
    )


def test_windows_bound_what_is_held_and_read():
    """Llama 4 Maverick, 2 bytes a number: 196,608 bytes a token below 8K of context, of which a quarter goes on to grow."""
    n_params, shape = released("Llama 4 Maverick")
    held = {}
    for context in (4e3, 8192.0, 1e5):
        s = served(deployment__context_tokens=context, **{f"deployment__{k}": v for k, v in shape.items()})
        held[context] = float(replica(s, n_params).kv_held_bytes)
    assert held[4e3] / 4e3 == pytest.approx(196_608, rel=1e-9)
    assert held[1e5] - held[8192.0] == pytest.approx(49_152 * (1e5 - 8192), rel=1e-9)


def test_chips_beyond_the_heads_of_the_cache_hold_copies():
    one, eight = (replica(served(deployment__kv_heads=h), N) for h in (1.0, 8.0))
    assert float(one.kv_held_bytes) == pytest.approx(8 * float(eight.kv_held_bytes))
    by_rank = replica(served(deployment__kv_heads=1.0, deployment__parallelism="expert"), N)
    assert float(by_rank.kv_held_bytes) == pytest.approx(float(eight.kv_held_bytes))


def test_attention_makes_long_prompts_dearer():
    """Llama 3 70B: attention of a prompt of a million tokens is 9.3 times 2 N (80 layers of 64 heads of 128), of a thousand 0.01 times."""
    n_params, shape = released("Llama 3 70B")
    share = {}
    for context in (1e3, 1e6):
        ideal = {"fp8_share": 0.5, "attention_share": 0.5, "prefill_share": 0.5, "compute_share": 0.5}
        s = served(deployment__context_tokens=context, **{f"deployment__{k}": v for k, v in {**shape, **ideal}.items()})
        r = replica(s, n_params)
        share[context] = float(r.prompt_attention_seconds / (r.dense_params * r.dense.prefill))
    # Products at 8 bits run at 0.5 x 0.5 of a peak that is twice that of 16 bits, at which attention runs.
    assert share[1e6] == pytest.approx(9.3 * 1.0, rel=0.01)
    assert share[1e3] == pytest.approx(0.0093, rel=0.01)


def test_capacity_binds_where_weights_and_cache_fill_the_memory():
    for stages in (1.0, 4.0):
        s = served(deployment__pipeline_stages=stages)
        r = replica(s, N)
        held = r.weight_bytes / stages + memory_batch(r) * r.kv_held_bytes
        assert float(held) == pytest.approx(8 * 80e9 * s.deployment.memory_share, rel=1e-12)
        assert float(batch_size(s, r)) == pytest.approx(float(memory_batch(r)), rel=1e-12)


def test_experts_read_are_those_that_a_batch_reaches():
    r = replica(served(**EXPERTS, deployment__chips=1), 37e9)
    read = np.array([float(step_time(r._replace(kv_read_bytes=0.0), b).memory) for b in (1.0, 64.0, 1e6)]) * float(
        r.bytes_per_second
    )
    assert read[0] == pytest.approx(37e9, rel=1e-9)  # a lone token reads the active parameters
    reached = 1 - (1 - 1 / 32) ** 64
    assert read[1] == pytest.approx(float(r.dense_bytes + r.expert_bytes * reached), rel=1e-12)
    assert read[2] == pytest.approx(37e9 * 18, rel=1e-9)


@pytest.mark.parametrize("changes", [{}, EXPERTS])
@pytest.mark.parametrize("speed", [5.0, 20.0, 45.0])
def test_the_batch_for_a_speed_meets_it_or_fills_the_memory(changes, speed):
    s = latency(speed, **changes)
    r = replica(s, 37e9)
    batch = batch_size(s, r)
    reached = 1 / float(step_time(r, batch).total)
    if float(batch) < float(memory_batch(r)) * (1 - 1e-9):
        assert reached == pytest.approx(speed, rel=1e-10)
    else:
        assert reached > speed


def usd_per_token(scenario, r):
    """Of one decoded token."""
    return decode_seconds(scenario, r) * r.usd_per_second / scenario.serving.load_factor


def test_speculation_trades_compute_for_steps():
    plain, guessed = served(), served(deployment__drafted_tokens=3, deployment__accepted_tokens=2.5)
    a, b = replica(plain, N), replica(guessed, N)
    one, two = step_time(a, 1.0), step_time(b, 1.0)
    assert float(two.compute) == pytest.approx(4 * float(one.compute))
    assert float(two.memory) == pytest.approx(float(one.memory))
    assert float(usd_per_token(guessed, b)) < float(usd_per_token(plain, a))


def test_accepted_drafts_are_those_of_a_simulation_and_cost_their_time():
    """Drafts are kept up to the first that is refused: a drawn mean, and the time of three runs of a draft model before each step."""
    drafted = {"deployment__drafted_tokens": 3, "deployment__accepted_tokens": None, "deployment__acceptance_rate": 0.8}
    free = served(**drafted)
    taken = np.random.default_rng(0).random((400_000, 3)) < 0.8
    kept = 1 + np.mean(np.cumprod(taken, axis=1).sum(axis=1))
    assert float(free.deployment.kept_tokens()) == pytest.approx(kept, rel=2e-3)
    slow = served(**drafted, deployment__draft_share=0.1)
    plain, checked, both = (step_time(replica(s, N), 16.0).total for s in (served(), free, slow))
    assert float(both) == pytest.approx(float(checked) + 0.3 * float(plain), rel=1e-12)
    fast = served(
        **drafted, deployment__draft_share=0.1, deployment__batch="latency", deployment__target_tokens_per_second=60.0
    )
    r = replica(fast, N)
    assert float(r.kept_tokens / step_time(r, batch_size(fast, r)).total) == pytest.approx(60.0, rel=1e-9)
    assert "none is kept" in warnings(served(deployment__drafted_tokens=3))[0]
    assert not warnings(free)


def test_pipelining_saves_memory_not_time():
    one, four = (replica(served(deployment__pipeline_stages=p), N) for p in (1.0, 4.0))
    assert float(memory_batch(four)) > float(memory_batch(one))
    # Every token passes four hops of 50 us, its share of the activations on each of 8 links of 50 GB/s.
    hops = 4 * (5e-5 + 64 * 2 * float(width(served().deployment, N)) / (8 * 50e9))
    assert float(step_time(four, 64.0).total - step_time(one, 64.0).total) == pytest.approx(hops, rel=1e-9)


def test_chips_beyond_the_domain_exchange_over_slower_links():
    inside = replica(served(deployment__parallelism="expert", deployment__chips=8), N)
    outside = replica(served(deployment__parallelism="expert", deployment__chips=16), N)
    exchanged = [float(r.sent_seconds) for r in (inside, outside)]
    # 450 and 50 GB/s; each of n chips exchanges (n - 1) / n of its 1/n of the tokens.
    assert exchanged[1] / exchanged[0] == pytest.approx(9 * (15 / 16 / 16) / (7 / 8 / 8))


def test_latency_of_an_exchange_grows_with_chips_only_where_they_form_sums():
    """Two exchanges a layer: of 5 us for each doubling with tensor parallelism, of one with experts, of 50 us beyond the domain of 72."""
    rack = {"money__serve_chip": {"name": "GB200 NVL72", "precision": "fp8"}}

    def per_layer(chips, **changes):
        s = served(**rack, deployment__chips=chips, **changes)
        return float(replica(s, N).fixed_seconds / layers(s.deployment, N)) - s.deployment.seconds_per_layer

    for chips, seconds in ((1, 0), (2, 5e-6), (8, 3 * 5e-6), (144, 5e-6 * np.log2(72) + 5e-5)):
        assert per_layer(chips) == pytest.approx(2 * seconds, abs=1e-12)
    for chips, latency_seconds in ((8, 5e-6), (72, 5e-6), (144, 5e-5)):
        assert per_layer(chips, deployment__parallelism="expert") == pytest.approx(2 * latency_seconds, abs=1e-12)


def test_a_token_leaves_its_domain_once_for_each_that_holds_its_experts():
    """DeepSeek-V3 routes to 8 experts in at most 4 servers: half the copies beyond a server, all of them inside."""
    n_params, shape = released("DeepSeek-V3")
    sent = {}
    for chips in (8, 144):
        for limited in (shape["domains_per_token"], None):
            changes = {**shape, "parallelism": "expert", "chips": chips, "domains_per_token": limited}
            r = replica(served(**{f"deployment__{k}": v for k, v in changes.items()}), n_params)
            sent[chips, limited] = float(r.sent_seconds)
    assert sent[8, 4.0] == pytest.approx(sent[8, None])
    assert sent[144, 4.0] == pytest.approx(sent[144, None] / 2)


def test_the_regimes_cover_the_cost():
    for s in (
        served(),
        latency(30.0),
        latency(30.0, **EXPERTS),
        served(deployment__batch="fixed", deployment__batch_size=32),
    ):
        design = design_of(s, 20e9, 1e13)
        whole, parts = lifecycle_cost(s, design), lifecycle_cost_by_regime(s, design)
        assert float(whole.total) == pytest.approx(float(parts.total.max()), rel=1e-12)
        r = replica(s, 20e9)
        per_token = step_time(r, batch_size(s, r)).total / batch_size(s, r) * r.usd_per_second
        assert float(whole.decode) == pytest.approx(2e14 * float(per_token), rel=1e-9)


@pytest.mark.parametrize(
    "s",
    [
        served(deployment__chips=4),
        latency(20.0, deployment__chips=4),
        latency(20.0, deployment__chips=48, **{**EXPERTS, "money__serve_chip": "GB200 NVL72"}),
    ],
    ids=["memory", "speed", "experts"],
)
def test_gradients_against_finite_differences(s):
    design = Design(3.7e10, 1e13, 1e13)
    leaves, tree = jax.tree.flatten(s)
    theta = np.array(leaves, float)
    paths = [path for path, _, _ in s.quantities()]

    @jax.jit
    def ln_cost(theta, n_params):
        return jnp.log(lifecycle_cost(jax.tree.unflatten(tree, list(theta)), design._replace(n_params=n_params)).total)

    exact, by_size = jax.grad(ln_cost, argnums=(0, 1))(theta, design.n_params)
    step = 1e-5
    checked = 0
    for i, path in enumerate(paths):
        if not path.startswith(("deployment.", "money.serve_chip.", "serving.")) or theta[i] == 0:
            continue
        if path in ("deployment.pipeline_stages", "deployment.sparsity") and theta[i] == 1:
            continue  # one stage and dense models are edges of their ranges
        ends = []
        for sign in (1, -1):
            moved = theta.copy()
            moved[i] *= 1 + sign * step
            ends.append(float(ln_cost(moved, design.n_params)))
        central = (ends[0] - ends[1]) / (2 * step)
        assert float(exact[i]) * theta[i] == pytest.approx(central, rel=1e-6, abs=1e-9), path
        checked += abs(central) > 1e-6
    assert checked >= 12
    n = design.n_params
    central = (float(ln_cost(theta, n * (1 + step))) - float(ln_cost(theta, n * (1 - step)))) / (2 * step)
    assert float(by_size) * n == pytest.approx(central, rel=1e-6)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"deployment__batch": "latency", "deployment__target_tokens_per_second": 30.0},
        {"deployment__batch": "fixed", "deployment__batch_size": 64.0},
        {**EXPERTS, "money__serve_chip": "GB200 NVL72"},
        {**EXPERTS, "money__serve_chip": "GB200 NVL72", "deployment__attention_exponent": 0.5},
    ],
    ids=["memory", "speed", "fixed", "experts", "sparse"],
)
def test_cost_rises_with_every_price_and_with_context(changes):
    s = served(traffic__input_tokens="1T", traffic__cache_hit_share=0.5, **changes)
    design = design_of(s, 30e9, 1e13)
    prices = (
        "money.serve_chip.usd_per_chip_hour",
        "money.train_chip.usd_per_chip_hour",
        "deployment.cache_tier.usd_per_device_hour",
    )
    for path in (*prices, "deployment.context_tokens", "deployment.seconds_per_layer"):
        costs = [float(lifecycle_cost(s.update({path: _value(s, path) * f}), design).total) for f in (0.5, 1.0, 2.0)]
        assert costs[0] < costs[1] < costs[2], path


def _value(s: Scenario, path: str) -> float:
    return next(value for p, _, value in s.quantities() if p == path)


def test_a_speed_that_no_batch_reaches_is_seen():
    excess = serving_excess(latency(1000.0), N)
    assert float(excess["deployment.target_tokens_per_second"]) > 0
    assert float(excess["deployment.chips"]) < 0


def test_rollouts_are_decoded_where_the_model_is_served():
    s = served(rl={"policy": "tokens", "tokens": 1e13, "trained_share": 0.25})
    design = design_of(s, N, 1e13)
    r = replica(s, N)
    trained = 4 * 0.25 * N * 1e13 * 2.29 / 3600 / (989e12 * 0.4)
    expected = 1e13 * float(usd_per_token(s, r)) + trained
    assert float(lifecycle_cost(s, design).rl) == pytest.approx(expected, rel=1e-9)


def test_prefill_price_by_hand():
    s = served(deployment__chips=1, serving__load_factor=0.5)
    d = s.deployment
    chunk = 2 * N * d.chunk_tokens / (1979e12 * d.prefill_share * d.fp8_share)
    read = N / (3.35e12 * d.bandwidth_share)
    attention = 4 * 8000 / 2 * 152_000 * (N / 1e10) ** 0.695 / (989.5e12 * d.attention_share)
    expected = (float(joined(chunk, read, d.serial_share)) / d.chunk_tokens + attention) * 2.29 / 3600 / 0.5
    assert float(usd_per_prefill_token(s, replica(s, N))) == pytest.approx(expected, rel=1e-12)


def test_cheapest_tier_changes_near_drain_times():
    tiers = {r["tier"]: CacheTier.model_validate(r["tier"]) for r in rows("storage_tiers")}
    tiers["HBM"] = hbm_tier(Accelerator.model_validate("H100 SXM"))
    for name, tier in tiers.items():
        drain = float(tier_drain_seconds(tier))
        assert float(usd_to_keep(tier, 1.0, drain / 10)) == pytest.approx(
            float(usd_to_keep(tier, 1.0, drain)), rel=1e-12
        ), name
        assert float(usd_to_keep(tier, 1.0, drain * 10)) == pytest.approx(
            10 * float(usd_to_keep(tier, 1.0, drain)), rel=1e-12
        )
    assert cheapest_tier(tiers, 300.0) == "flash"
    assert cheapest_tier(tiers, 30 * 86400.0) == "disk"


def test_width_of_released_models():
    # Hidden sizes: Llama 3 70B 8192, DeepSeek-V3 7168 (config files); N = 12 L d^2 is good to a tenth.
    for name, hidden in (("Llama 3 70B", 8192), ("DeepSeek-V3", 7168)):
        n_params, shape = released(name)
        s = served(**{f"deployment__{k}": v for k, v in shape.items()})
        assert float(width(s.deployment, n_params)) == pytest.approx(hidden, rel=0.1)


def test_training_memory_by_hand():
    # ZeRO's own example: 7.5B parameters at 16 bytes of state are 120 GB unsharded (arXiv 1910.02054, figure 1).
    s = load("lecture-2026").update(
        {
            "pretraining.state_bytes_per_param": 16,
            "pretraining.shard_chips": 1,
            "pretraining.tokens_per_chip": 1,
            "pretraining.recomputation": "full",
        }
    )
    assert float(training_bytes_per_chip(s, 7.5e9)) == pytest.approx(120e9, rel=1e-4)
    # Korthikanti et al. 2022, table 2, s b h L (34 + 5 a s / h): GPT-3 175B, L = 96, h = 12288, a = 96, s = 2048, b = 1.
    gpt3 = s.update(
        {
            "pretraining.state_bytes_per_param": 1e-9,
            "pretraining.tokens_per_chip": 2048,
            "deployment.reference_params": 175e9,
            "deployment.layers": 96,
        }
    )
    for kind, per_unit in (("none", 34 + 5 * 96 * 2048 / 12288), ("selective", 34), ("full", 2)):
        held = training_bytes_per_chip(gpt3.update({"pretraining.recomputation": kind}), 175e9)
        assert float(held) == pytest.approx(2048 * 12288 * 96 * per_unit, rel=0.01), kind  # 12 L h^2 = 173.9B
