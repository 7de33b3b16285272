"""The lecture's claims about serving: each computed with its own inputs and with corrected ones, next to evidence."""

import math

import numpy as np

from ..analysis.placement import Placement, operating_point, placement
from ..analysis.serving import (
    attention_points,
    cache_tiers,
    domain_points,
    endless_saving,
    fast_mode,
    key_figures,
    pipeline_points,
)
from ..assumptions.numbers import human, percent
from ..assumptions.tables import rows
from ..model.outputs import quantity_text
from ..model.replica import replica
from ..model.total import total_over_active
from .claim import (
    ACTIVE_PARAMS,
    DRAIN_SECONDS,
    GIVEN,
    PRICE_STEP_CONTEXT,
    SEQUENCES,
    SPARSITY,
    Claim,
    Shown,
    by_key,
    corrected,
    figure,
    lecture,
    median,
    numbers,
    one_operation,
    per_chip,
    span,
)
from .claims_scale import SCALE

__all__ = ["claims"]

USUAL_SPEED = 50.0
"""tokens/s per user of the usual mode in the measured comparison"""


def claims() -> list[Claim]:
    """Every claim of the lecture about serving."""
    own, real = lecture(), corrected()
    rows_of = (*_CLAIMS, *SCALE)
    return [Claim(quantity, formula, said, *shown(own, real)) for quantity, formula, said, shown in rows_of]


def _balance(own: Placement, real: Placement) -> Shown:
    ratios = per_chip("bf16_flops_per_second")
    sparsity = human(float(total_over_active(real.scenario)), 2)
    return (
        f"{figure(own, 'balance batch')} at sparsity {SPARSITY:g}",
        f"{figure(real, 'balance batch')}: 8 of 256 experts and a shared one, {sparsity} by parameters",
        f"F/W of {len(ratios)} chips at bf16: {span(ratios, 'FLOP/B')}, median {median(ratios)}",
    )


def _drain(own: Placement, real: Placement) -> Shown:
    drain = 1e3 * per_chip("hbm_bytes")
    return (
        figure(own, "memory drain time"),
        f"{figure(real, 'memory drain time')} on {real.scenario.money.serve_chip.title}",
        f"{len(drain)} chips: {span(drain, 'ms')}, median {median(drain)} ms",
    )


def _replica_rate(s: Placement, batch: float | None = None) -> str:
    point = operating_point(s, batch)
    rate = point["tokens_per_second_per_chip"] * key_figures(s)["chips of a replica"][0]
    speed = human(point["tokens_per_second_per_user"], 3)
    return f"{human(rate, 3)} tokens/s: {quantity_text(point['batch'], 'sequences')} at {speed} tokens/s"


def _throughput(own: Placement, real: Placement) -> Shown:
    rack = numbers("operating_points", "value", topic="decode", chip="GB200 NVL72")
    return (
        f"{human(SEQUENCES / DRAIN_SECONDS, 3)} tokens/s at a step per drain; {_replica_rate(own, SEQUENCES)}, as they leave "
        f"{percent(1 - operating_point(own, SEQUENCES)['memory_share'], 2)} of memory unread; the claim's 64 steps a second do not agree "
        f"with its {1e3 * DRAIN_SECONDS:g} ms, which are {1 / DRAIN_SECONDS:g}",
        _replica_rate(real),
        f"measured {span(72 * rack, 'tokens/s')} on such a rack of 72",
    )


def _kv_from_price_step(_own: Placement, _real: Placement) -> Shown:
    kv = numbers("models", "kv_bytes_per_token_growing")
    typical = placement(params=ACTIVE_PARAMS, changes={"money.serve_chip": "GB200 NVL72", **GIVEN})
    return (
        f"{one_operation():,.0f} B with 1 operation per parameter",
        f"{2 * one_operation():,.0f} B with 2 FLOP; the power law of released models gives {figure(typical, 'cache per token')} at 100B",
        f"{len(kv)} released models: {kv.min():,.0f} to {kv.max():,.0f} B, median {np.median(kv):,.0f}",
    )


def _decode_over_prefill(s: Placement) -> str:
    point = operating_point(s)
    return f"{human(point['usd_per_mtok_decode'] / point['usd_per_mtok_prefill'], 3)}x per computed prompt token, largest batch"


def _price_ratio(own: Placement, real: Placement) -> Shown:
    priced = [r for r in rows("api_prices") if r["output_usd_per_mtok"] and float(r["input_usd_per_mtok"] or 0)]
    ratio = np.array([float(r["output_usd_per_mtok"]) / float(r["input_usd_per_mtok"]) for r in priced])
    low, high = np.quantile(ratio, [0.25, 0.75]).tolist()
    return (
        _decode_over_prefill(own),
        _decode_over_prefill(real),
        f"{len(ratio)} list prices: median {median(ratio)}x, middle half {human(low, 3)} to {human(high, 3)}x; cache hits count as input",
    )


def _fast_mode(own: Placement, _real: Placement) -> Shown:
    eight = {"money.serve_chip": {"name": "B200 SXM", "precision": "fp4"}, **GIVEN}
    slow, tuned = (
        human(
            fast_mode(placement("DeepSeek-V3", changes={**eight, "deployment.seconds_per_layer": t}), USUAL_SPEED)[1], 3
        )
        for t in (1e-4, 5e-5)
    )
    costs = [r for r in rows("operating_points") if r["unit"] == "USD/Mtok" and r["chip"] == "B200 SXM"]
    measured = {float(r["tokens_per_second_per_user"]): float(r["value"]) for r in costs}
    prices = numbers("api_prices", "fast_price_multiplier")
    full, balanced = (
        operating_point(own, b)["tokens_per_second_per_user"] for b in (None, key_figures(own)["balance batch"][0])
    )
    from_full, from_balance = (human(fast_mode(own, usual)[1], 3) for usual in (full, balanced))
    return (
        f"{from_full}x for 2.5x from {human(full, 3)} tokens/s, memory full; {from_balance}x from {human(balanced, 3)}, the balance batch",
        f"{slow}x for 2.5x from 50 tokens/s at 100 us per layer, {tuned}x at 50 us: 8 B200 at fp4, no speculation",
        f"measured {human(measured[125.0] / measured[50.0], 2)}x for 2.5x (DeepSeek-R1, B200); list multipliers "
        f"{human(float(prices.min()), 2)} to {human(float(prices.max()), 2)}x",
    )


def _slow_mode(own: Placement, real: Placement) -> Shown:
    balance = key_figures(own)["balance batch"][0]
    return (
        f"saves {percent(endless_saving(own, balance), 2)} against the balance batch",
        f"saves {percent(endless_saving(real), 2)} against the batch that memory holds",
        "batch tiers list 0.5x, which fills idle hours rather than larger batches",
    )


def _domain_costs(s: Placement) -> str:
    cost = by_key(domain_points(s), "chips", "usd_per_mtok_decode")
    each = (f"{human(c, 3)} on {n:g}" if math.isfinite(c) else f"too large for {n:g}" for n, c in cost.items())
    return f"{', '.join(each)} chips, USD/Mtok"


def _domains(own: Placement, real: Placement) -> Shown:
    rack, server = (
        float(numbers("operating_points", "value", topic="comparison", model="DeepSeek-R1-0528", chip=name)[0])
        for name in ("GB200 NVL72", "B200 SXM")
    )
    chip = real.scenario.money.serve_chip
    slower = float(chip.scaleup_bytes_per_second or 0) / float(chip.scaleout_bytes_per_second or 1)
    return (
        _domain_costs(own),
        f"{_domain_costs(real)}; links {human(slower, 3)}x slower outside",
        f"measured: a chip in a rack of 72 gives {human(rack / server, 2)}x one in a server of 8 at 125 tokens/s (DeepSeek-R1, fp4)",
    )


def _four_stages(s: Placement) -> str:
    columns = ("weight_bytes_per_stage", "batch", "step_ms")
    weights, batch, step = (by_key(pipeline_points(s), "pipeline_stages", column) for column in columns)
    fewer, larger, longer = weights[1.0] / weights[4.0], batch[4.0] / batch[1.0], step[4.0] / step[1.0]
    return f"4 stages: weights {human(fewer, 2)}x fewer per stage, batch {human(larger, 3)}x, step {human(longer, 3)}x"


def _pipelining(own: Placement, real: Placement) -> Shown:
    return (
        _four_stages(own),
        _four_stages(real),
        "no measurement on record here",
    )


def _left_for_cache(s: Placement) -> str:
    r = replica(s.scenario, s.n_params)
    return (
        f"{percent(float((r.memory_bytes - r.weight_bytes) / r.memory_bytes), 3)} of the memory is left for the cache"
    )


def _memory_wall(own: Placement, real: Placement) -> Shown:
    return (
        _left_for_cache(own),
        _left_for_cache(real),
        "DeepSeek-R1 at 131k context: 24 requests per GB200, 40 per GB300, in proportion to memory left",
    )


def _context_wall(own: Placement, real: Placement) -> Shown:
    rack = {"money.serve_chip": {"name": "GB200 NVL72", "precision": "fp8"}}
    dense = placement("Llama 3.1 405B", changes={**rack, **GIVEN})
    return (
        f"{figure(own, 'context wall')}, circular: the cache per token was taken from a price step there",
        f"{figure(real, 'context wall')} for DeepSeek-V3, {figure(dense, 'context wall')} for Llama 3.1 405B",
        "long-context list prices step at 128k to 272k",
    )


def _sparser(s: Placement) -> str:
    long = s.update({"deployment.context_tokens": PRICE_STEP_CONTEXT})
    cost = by_key(attention_points(long), "attention_exponent", "usd_per_mtok_decode")
    return f"decode {human(cost[1.0] / cost[0.5], 3)}x cheaper at 200k, where {human(PRICE_STEP_CONTEXT**0.5, 3)}x less is read"


def _sparse_attention(own: Placement, real: Placement) -> Shown:
    return (
        _sparser(own),
        _sparser(real),
        "memory must still hold k S",
    )


def _drains(s: Placement) -> str:
    frame = cache_tiers(s)
    return ", ".join(
        f"{tier} {human(drain, 2)} s"
        for tier, drain in zip(frame["tier"], frame["drain_seconds"].tolist(), strict=True)
    )


def _cache(_own: Placement, real: Placement) -> Shown:
    frame = cache_tiers(real)
    cheapest, hbm = frame.attrs["cheapest"], frame["usd_per_mtok_hour"].tolist()[0]
    return (
        "no device is named; our drain times next to it",
        f"drain: {_drains(real)}; cheapest for 5 min {cheapest['5 min']}, 1 h {cheapest['1 h']}, 1 day {cheapest['1 day']}",
        f"list: storage 4.50 USD/(Mtok h), HBM costs {human(hbm, 3)} here; reads 0.05-0.1x input",
    )


_CLAIMS = (
    ("balance batch", "F/W x p/2 x M/N", "300 x sparsity; 2000-3000 at 32 of 256 experts", _balance),
    ("memory drain time", "Q / W", "20 ms; worst wait two of them", _drain),
    ("replica throughput", "B / t", "2000 x 64 = 128k tokens/s", _throughput),
    ("KV bytes per token from a price step at 200k", "N / (F/W x S), weights shared out", "1.6-2 KB at 100B", _kv_from_price_step),
    ("output over input price", "memory time over compute time", "5x", _price_ratio),
    ("fast mode", "cost at 2.5x the speed, smaller batch", "6x price for 2.5x speed", _fast_mode),
    ("slow mode", "B to infinity: compute and cache stay", "saves little", _slow_mode),
    ("scale-up domain", "exchange inside the domain", "8 to 72 to 500+; outside about 8x slower", _domains),
    ("pipelining", "weights / P; cache unchanged; a hop per stage", "saves capacity, not time", _pipelining),
    ("memory wall", "n Q - p M is left for the cache", "capacity goes to the cache", _memory_wall),
    ("context wall", "S where cache time = compute time", "200k", _context_wall),
    ("sparse attention", "k S becomes k S^0.5", "square root", _sparse_attention),
    ("cache tiers", "drain time against keep time", "5 min flash, 1 h disk", _cache),
)  # fmt: skip
"""Quantity, formula and the lecture's figure of each claim, and what computes the rest of its row."""
