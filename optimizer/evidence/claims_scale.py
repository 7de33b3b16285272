"""The lecture's claims about batches beyond balance, shares of traffic, domains, long contexts and cache hits."""

import numpy as np

from ..analysis.placement import Placement, operating_point
from ..analysis.serving import cache_tiers, context_points, endless_saving, key_figures
from ..assumptions.deployment import WEIGHT_BYTES
from ..assumptions.numbers import SECONDS_PER_DAY, human, percent
from ..assumptions.tables import rows
from ..model.outputs import quantity_text
from ..model.replica import replica
from ..model.step import step_time
from .claim import DRAIN_SECONDS, SEQUENCES, Shown, by_key, median, numbers, span

__all__ = ["SCALE"]

TRILLION = 1e12
LONG_CONTEXTS = (1e6, 1e8)
THRICE = 3.0


def _floor(own: Placement, real: Placement) -> Shown:
    fastest = [
        f"{human(1 / float(step_time(replica(s.scenario, s.n_params), 1.0).total), 3)} tokens/s for one sequence"
        for s in (own, real)
    ]
    measured = numbers("operating_points", "tokens_per_second_per_user")
    return (
        f"{human(1 / DRAIN_SECONDS, 3)} tokens/s while a step reads all of memory; {fastest[0]}, which reads the weights it uses",
        f"{fastest[1]}: the layers' fixed times, not memory, set it",
        f"operating points on record reach {human(float(measured.max()), 3)} tokens/s for a user",
    )


def _beyond_balance(own: Placement, real: Placement) -> Shown:
    def above_endless(s: Placement) -> str:
        balance = key_figures(s)["balance batch"][0]
        at = (human(1 / (1 - endless_saving(s, k * balance)), 3) for k in (1.0, THRICE))
        return "{}x the cost of an endless batch at balance, {}x at three times".format(*at)

    return above_endless(own), above_endless(real), "no measurement on record here"


def _share(_own: Placement, real: Placement) -> Shown:
    def tokens_per_day(s: Placement, batch: float | None) -> float:
        rate = operating_point(s, batch)["tokens_per_second_per_chip"] * key_figures(s)["chips of a replica"][0]
        return rate * SECONDS_PER_DAY

    published = sorted(
        (r for r in rows("traffic") if r["tokens_per_day"] and r["entity"] == "Google"), key=lambda r: r["period_end"]
    )[-1]
    total = float(published["tokens_per_day"])
    per_day = SEQUENCES / DRAIN_SECONDS * SECONDS_PER_DAY, tokens_per_day(real, None)
    shares = [f"{quantity_text(n, 'tokens')} a day, 1/{human(total / n, 2)} of it" for n in per_day]
    return (
        shares[0],
        shares[1],
        f"{published['entity']}, {published['scope']}, {published['period_end']}: {quantity_text(total, 'tokens')} a day",
    )


def _domain_bandwidth(_own: Placement, real: Placement) -> Shown:
    domains = {
        r["chip"]: float(r["scaleup_domain_chips"]) * float(r["hbm_bytes_per_second"])
        for r in rows("hardware")
        if r["scaleup_domain_chips"] and r["hbm_bytes_per_second"]
    }
    server, rack = domains["H100 SXM"], domains["GB200 NVL72"]
    chips = float(real.scenario.deployment.chips_on(real.scenario.money.serve_chip))
    return (
        f"72 / 8 = {72 / 8:g}x, 576 / 72 = {576 / 72:g}x at the same chip",
        f"{human(rack / server, 3)}x from 8 H100 to {chips:g} GB200, {chips / 8:g}x of it from the number of chips",
        f"domains of {len(domains)} chips on record: {min(domains.values()) / 1e12:,.1f} to {max(domains.values()) / 1e12:,.0f} TB/s",
    )


def _trillion(own: Placement, real: Placement) -> Shown:
    def held(s: Placement) -> str:
        chip, chips = s.scenario.money.serve_chip, key_figures(s)["chips of a replica"][0]
        room = chips * float(chip.hbm_bytes or 0)
        return ", ".join(f"{percent(TRILLION * WEIGHT_BYTES[p] / room, 2)} at {p}" for p in ("bf16", "fp8", "fp4"))

    largest = max((r for r in rows("models") if r["total_params"]), key=lambda r: float(r["total_params"]))
    return (
        f"of {key_figures(own)['chips of a replica'][0]:g} chips' memory: {held(own)}",
        f"{held(real)}, once; with data-parallel attention every chip holds the dense part",
        f"largest model on record: {largest['name']}, {quantity_text(float(largest['total_params']), 'parameters')}",
    )


def _long_contexts(own: Placement, real: Placement) -> Shown:
    def of(s: Placement) -> str:
        r = replica(s.scenario, s.n_params)
        token = float(r.kv_held_bytes) / s.scenario.deployment.context_tokens
        room = float(r.memory_bytes - r.weight_bytes / r.stages)
        each = (
            f"{quantity_text(n, 'tokens')} take {quantity_text(n * token, 'bytes')}, {human(room / (n * token), 2)} sequences fit"
            for n in LONG_CONTEXTS
        )
        cost = by_key(context_points(s, [1e5, 1e6]), "context_tokens", "usd_per_mtok_decode")
        return f"{'; '.join(each)}; decode at 1M costs {human(cost[1e6] / cost[1e5], 3)}x that at 100k"

    longest = numbers("models", "max_context")
    return of(own), of(real), f"released models allow {span(longest, 'tokens')}"


def _hit(own: Placement, real: Placement) -> Shown:
    def of(s: Placement) -> str:
        kept = min(cache_tiers(s)["usd_per_mtok_5 min"].tolist())
        miss = operating_point(s)["usd_per_mtok_prefill"]
        return f"a hit within 5 minutes costs {human(kept / miss, 2)} of a computed token ({human(miss, 2)} USD/Mtok)"

    priced = [r for r in rows("api_prices") if r["cache_read_usd_per_mtok"] and float(r["input_usd_per_mtok"] or 0)]
    ratio = np.array([float(r["cache_read_usd_per_mtok"]) / float(r["input_usd_per_mtok"]) for r in priced])
    return (
        f"{of(own)}: storage alone does not explain a tenth",
        of(real),
        f"{len(ratio)} list prices: reads at {human(float(ratio.min()), 2)} to {human(float(ratio.max()), 2)} of input, median "
        f"{median(ratio)}",
    )


SCALE = (
    ("latency floor of fast mode", "weights that one sequence uses / (n W)", "one read of memory", _floor),
    ("batch at three times balance", "cost at 3 B* over cost at B to infinity", "most of what batching gives", _beyond_balance),
    ("a replica's share of traffic", "tokens of a replica a day / published tokens a day", "1/1000", _share),
    ("aggregate bandwidth of a domain", "n W", "8x from domain to domain", _domain_bandwidth),
    ("a trillion parameters", "p M / (n Q)", "a tenth of a rack", _trillion),
    ("contexts of 1M and 100M", "k S against memory left", "far beyond the wall", _long_contexts),
    ("cache hit over miss", "keeping and reading a token / computing it", "a tenth", _hit),
)  # fmt: skip
"""As `claims` has them."""
