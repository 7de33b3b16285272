"""What does the lecture say about serving, and does it hold? Each claim computed with its own inputs, with corrected ones, beside evidence.

The lecture counts one operation per parameter and token and sets F/W = 300 in those units; this project counts 2 FLOP. "Own inputs" are the
lecture's, in its units; "corrected" is a real deployment, DeepSeek-V3 at fp8 on GB200 NVL72 unless the row says otherwise.
"""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..assumptions.numbers import human
from ..assumptions.tables import rows
from ..model.roofline import balance_batch, drain_seconds, replica, step_time, usd_per_prefill_token
from .serving import (
    MILLION,
    Served,
    attention_sweep,
    cache_tiers,
    context_wall,
    domain_sweep,
    operating_point,
    pipeline_sweep,
    served,
)

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Claim", "claims"]

OPS_PER_BYTE = 300.0
SPARSITY = 256 / 32
ACTIVE_PARAMS = 100e9
ON_DIE = 1e10
"""bytes of memory below which a chip keeps everything on the die"""
PRICE_STEP_CONTEXT = 200e3
STEPS_PER_SECOND = 64.0
SEQUENCES = 2000.0
FAST = 2.5
"""speed of fast mode over the usual one"""
USUAL_SPEED = 50.0
"""tokens/s per user of the usual mode in the measured comparison"""


class Claim(NamedTuple):
    """One claim about serving."""

    quantity: str
    formula: str
    lecture: str
    own_inputs: str
    corrected: str
    evidence: str


def claims() -> list[Claim]:
    """Every claim of the lecture about serving, in its order."""
    chip = {"money.serve_chip": {"name": "GB200 NVL72", "precision": "fp8"}}
    real = served("DeepSeek-V3", changes=chip)
    return [
        _balance(real),
        _drain(real),
        _throughput(real),
        _kv_from_price_step(),
        _price_ratio(real),
        _fast_mode(),
        _slow_mode(real),
        _domains(real),
        _pipelining(real),
        _memory_wall(real),
        _context_wall(real),
        _sparse_attention(real),
        _cache(real),
    ]


def _numbers(name: str, column: str, **where: str) -> np.ndarray:
    """The numbers on record in a column of a table, of the rows that agree with `where`."""
    chosen = [r for r in rows(name) if all(r[k] == v for k, v in where.items())]
    return np.array([float(r[column]) for r in chosen if r[column]])


def _per_chip(numerator: str) -> np.ndarray:
    """A figure over memory bandwidth, of every chip with memory of its own beside the die."""
    chips = [r for r in rows("hardware") if r[numerator] and float(r["hbm_bytes"]) > ON_DIE]
    return np.array([float(r[numerator]) / float(r["hbm_bytes_per_second"]) for r in chips])


def _span(values: np.ndarray, unit: str) -> str:
    return f"{human(float(values.min()), 3)} to {human(float(values.max()), 3)} {unit}"


def _median(values: np.ndarray) -> str:
    return human(float(np.median(values)), 3)


def _by(frame: "pd.DataFrame", key: str, column: str) -> dict[float, float]:
    return dict(zip(frame[key].tolist(), frame[column].tolist(), strict=True))


def _balance(real: Served) -> Claim:
    ratios = _per_chip("bf16_flops_per_second")
    own = float(balance_batch(real.scenario.money.serve_chip, real.scenario.deployment))
    return Claim(
        "balance batch",
        "F/W x p/2 x M/N",
        "300 x sparsity; 2000-3000 at 32 of 256 experts",
        f"{human(OPS_PER_BYTE * SPARSITY)} sequences at sparsity {SPARSITY:g}",
        f"{human(own)} sequences: 8 of 256 experts and a shared one make {human(real.scenario.deployment.sparsity, 2)} by parameters",
        f"F/W of {len(ratios)} chips at bf16: {_span(ratios, 'FLOP/B')}, median {_median(ratios)}",
    )


def _drain(real: Served) -> Claim:
    drain, chip = 1e3 * _per_chip("hbm_bytes"), real.scenario.money.serve_chip
    return Claim(
        "memory drain time",
        "Q / W",
        "20 ms; worst wait two of them",
        "20 ms",
        f"{human(1e3 * float(drain_seconds(chip)), 3)} ms on {chip.name}",
        f"{len(drain)} chips: {_span(drain, 'ms')}, median {_median(drain)} ms",
    )


def _throughput(real: Served) -> Claim:
    point = operating_point(real)
    rate = point["tokens_per_second_per_chip"] * float(
        real.scenario.deployment.chips_on(real.scenario.money.serve_chip)
    )
    rack = _numbers("operating_points", "value", topic="decode", chip="GB200 NVL72")
    return Claim(
        "replica throughput",
        "B / t",
        "2000 x 64 = 128k tokens/s",
        f"{human(SEQUENCES * STEPS_PER_SECOND)} tokens/s",
        f"{human(rate)} tokens/s from {human(point['batch'])} sequences at {human(point['tokens_per_second_per_user'], 3)} tokens/s each",
        f"measured {_span(rack, 'tokens/s')} per chip of such a rack of 72",
    )


def _kv_from_price_step() -> Claim:
    one_op = ACTIVE_PARAMS / (OPS_PER_BYTE * PRICE_STEP_CONTEXT)
    kv = _numbers("models", "kv_bytes_per_token_growing")
    shaped = served(params=ACTIVE_PARAMS, changes={"money.serve_chip": "GB200 NVL72"})
    fitted = replica(shaped.scenario, ACTIVE_PARAMS)
    return Claim(
        "KV bytes per token from a price step at 200k",
        "N / (F/W x S), weights shared out",
        "1.6-2 KB at 100B",
        f"{human(one_op)} B with 1 operation per parameter",
        f"{human(2 * one_op)} B with 2 FLOP; the power law of released models gives "
        f"{human(float(fitted.kv_held_bytes) / shaped.scenario.deployment.context_tokens, 3)} B at 100B",
        f"{len(kv)} released models: {_span(kv, 'B')}, median {_median(kv)}",
    )


def _price_ratio(real: Served) -> Claim:
    r = replica(real.scenario, real.n_params)
    point = operating_point(real)
    priced = [r for r in rows("api_prices") if r["output_usd_per_mtok"] and float(r["input_usd_per_mtok"] or 0)]
    ratio = np.array([float(r["output_usd_per_mtok"]) / float(r["input_usd_per_mtok"]) for r in priced])
    low, high = np.quantile(ratio, [0.25, 0.75]).tolist()
    cost = point["usd_per_mtok_decode"] / (MILLION * float(usd_per_prefill_token(real.scenario, r)))
    shared = real.scenario.traffic.demand()
    del shared
    return Claim(
        "output over input price",
        "memory time over compute time",
        "5x",
        "5x, read off list prices",
        f"{human(cost, 3)}x per computed prompt token at the largest batch",
        f"{len(ratio)} list prices: median {_median(ratio)}x, middle half "
        f"{human(low, 3)} to {human(high, 3)}x; input is billed at cache hits too",
    )


def _at_speed(s: Served, speed: float) -> dict[str, float]:
    changes = {"deployment.batch": "latency", "deployment.target_tokens_per_second": speed}
    return operating_point(s._replace(scenario=s.scenario.update(changes)))


def _fast_over_usual(seconds_per_layer: float) -> float:
    """Cost of a token at 2.5 times the usual speed over its cost at the usual one: DeepSeek-V3 on 8 B200 at fp4."""
    chip = {"name": "B200 SXM", "precision": "fp4"}
    eight = served("DeepSeek-V3", changes={"money.serve_chip": chip, "deployment.seconds_per_layer": seconds_per_layer})
    usual, fast = (_at_speed(eight, USUAL_SPEED * factor)["usd_per_mtok_decode"] for factor in (1.0, FAST))
    return fast / usual


def _fast_mode() -> Claim:
    costs = [r for r in rows("operating_points") if r["unit"] == "USD/Mtok" and r["chip"] == "B200 SXM"]
    measured = {float(r["tokens_per_second_per_user"]): float(r["value"]) for r in costs}
    prices = _numbers("api_prices", "fast_price_multiplier")
    return Claim(
        "fast mode",
        "cost at 2.5x the speed, smaller batch",
        "6x price for 2.5x speed",
        "6x for 2.5x",
        f"{human(_fast_over_usual(1e-4), 3)}x for 2.5x from 50 tokens/s at 100 us per layer, {human(_fast_over_usual(5e-5), 3)}x at 50 us: "
        "8 B200 at fp4, no speculation",
        f"measured {human(measured[125.0] / measured[50.0], 2)}x for 2.5x (DeepSeek-R1, B200); list multipliers "
        f"{human(float(prices.min()), 2)} to {human(float(prices.max()), 2)}x",
    )


def _slow_mode(real: Served) -> Claim:
    r = replica(real.scenario, real.n_params)
    point = operating_point(real)
    endless = step_time(r, 1e12).total / 1e12 / r.kept_tokens * r.usd_per_second * MILLION
    saved = 1 - float(endless) / point["usd_per_mtok_decode"]
    return Claim(
        "slow mode",
        "B to infinity: compute and cache stay",
        "saves little",
        "saves little",
        f"saves {human(100 * saved, 2)} % against the batch that memory holds",
        "batch tiers list 0.5x, which fills idle hours rather than larger batches",
    )


def _domains(real: Served) -> Claim:
    cost = _by(domain_sweep(real), "chips", "usd_per_mtok_decode")
    chip = real.scenario.money.serve_chip
    assert chip.scaleup_bytes_per_second is not None
    assert chip.scaleout_bytes_per_second is not None
    rack, server = (
        float(_numbers("operating_points", "value", topic="frontier", model="DeepSeek-R1-0528", chip=name)[0])
        for name in ("GB200 NVL72", "B200 SXM")
    )
    slower = chip.scaleup_bytes_per_second / chip.scaleout_bytes_per_second
    return Claim(
        "scale-up domain",
        "exchange inside the domain",
        "8 to 72 to 500+; outside about 8x slower",
        "8x slower outside",
        f"{', '.join(f'{human(c, 3)} USD/Mtok on {n:g}' for n, c in cost.items())} chips; {human(slower, 3)}x slower outside",
        f"measured: a chip in a rack of 72 gives {human(rack / server, 2)}x one in a server of 8 at 125 tokens/s (DeepSeek-R1, fp4)",
    )


def _pipelining(real: Served) -> Claim:
    columns = ("weight_bytes_per_stage", "batch", "usd_per_mtok_decode")
    weights, batch, cost = (_by(pipeline_sweep(real), "pipeline_stages", column) for column in columns)
    return Claim(
        "pipelining",
        "weights / P; cache unchanged; a hop per stage",
        "saves capacity, not time",
        "saves capacity, not time",
        f"4 stages: weights {human(weights[1.0] / weights[4.0], 2)}x fewer per stage, batch {human(batch[4.0] / batch[1.0], 3)}x, cost "
        f"{human(cost[4.0] / cost[1.0], 3)}x",
        "follows from the formula; no measurement on record here",
    )


def _memory_wall(real: Served) -> Claim:
    r = replica(real.scenario, real.n_params)
    left = float((r.memory_bytes - r.weight_bytes) / r.memory_bytes)
    return Claim(
        "memory wall",
        "n Q - p M is left for the cache",
        "capacity goes to the cache",
        "capacity goes to the cache",
        f"{human(100 * left, 3)} % of a rack's memory is left for the cache",
        "DeepSeek-R1 at 131k context: 24 requests per GB200, 40 per GB300, in proportion to memory left",
    )


def _context_wall(real: Served) -> Claim:
    own = ACTIVE_PARAMS / (OPS_PER_BYTE * 1667)
    dense = served("Llama 3.1 405B", changes={"money.serve_chip": {"name": "GB200 NVL72", "precision": "fp8"}})
    return Claim(
        "context wall",
        "S where cache time = compute time",
        "200k",
        f"{human(own, 3)} tokens at 1667 B per token",
        f"{human(context_wall(real), 3)} tokens for DeepSeek-V3, {human(context_wall(dense), 3)} for Llama 3.1 405B",
        "long-context list prices step at 128k to 272k",
    )


def _sparse_attention(real: Served) -> Claim:
    long = real._replace(scenario=real.scenario.update({"deployment.context_tokens": PRICE_STEP_CONTEXT}))
    cost = _by(attention_sweep(long), "attention_exponent", "usd_per_mtok_decode")
    return Claim(
        "sparse attention",
        "k S becomes k S^0.5",
        "square root",
        f"{human(PRICE_STEP_CONTEXT**0.5, 3)}x less to read at 200k",
        f"{human(cost[1.0] / cost[0.5], 3)}x cheaper decode at 200k",
        "memory must still hold k S; released sparse models keep the whole cache",
    )


def _cache(real: Served) -> Claim:
    frame = cache_tiers(real)
    cheapest, hourly = (
        frame.attrs["cheapest"],
        dict(zip(frame["tier"], frame["usd_per_mtok_hour"].tolist(), strict=True)),
    )
    drain = dict(zip(frame["tier"], frame["drain_seconds"].tolist(), strict=True))
    return Claim(
        "cache tiers",
        "drain time against keep time",
        "5 min flash, 1 h disk",
        "5 min flash, 1 h disk",
        f"drain: {', '.join(f'{tier} {human(s, 2)} s' for tier, s in drain.items())}; cheapest for 5 min {cheapest['5 min']}, "
        f"1 h {cheapest['1 h']}, 1 day {cheapest['1 day']}",
        f"list: storage 4.50 USD/(Mtok h), HBM costs {human(hourly['HBM'], 3)} here; reads 0.05-0.1x input",
    )
