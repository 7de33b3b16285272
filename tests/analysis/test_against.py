"""Own model or API: blended list prices, break-even and margin, against arithmetic by hand; and what list prices imply about a model."""

import math

import pytest

from optimizer import InputError, load, size_table, solve
from optimizer.analysis.against import (
    AGAINST,
    against,
    blended,
    break_even_tokens,
    list_prices,
    price_of,
    prices_for,
)
from optimizer.analysis.placement import operating_point, placement
from optimizer.evidence.prices import (
    UTILISATION,
    active_params_at_cost,
    kv_bytes_from_long_context,
    kv_bytes_from_storage,
    read_off_open_models,
    speed_premium,
    split_ratio,
    usd_per_mtok_kept,
)

CHAT = "frontier-moe-chat"
SHARES = {"traffic": {"kind": "total", "input_tokens": 78e12, "output_tokens": 22e12}}


def test_published_break_evens():
    assert break_even_tokens(320, 3.0) == pytest.approx(106.67e6, rel=1e-4)
    assert blended(load(CHAT, SHARES), price_of("GPT-5")) == pytest.approx(0.78 * 1.25 + 0.22 * 10, rel=1e-12)
    assert break_even_tokens(5.334e6, 3.175, 0.50) == pytest.approx(1.994e12, rel=2e-4)
    assert break_even_tokens(1.0, 1.0, 1.0) == math.inf


def test_cached_input_and_long_prompts_have_their_prices():
    half = {"traffic": {**SHARES["traffic"], "cache_hit_share": 0.5}}
    assert blended(load(CHAT, half), price_of("GPT-5")) == pytest.approx(0.39 * 1.25 + 0.39 * 0.125 + 2.2, rel=1e-12)
    opus = price_of("claude opus 4.8")
    assert blended(load(CHAT, half), opus) == pytest.approx(0.39 * 6.25 + 0.39 * 0.5 + 0.22 * 25, rel=1e-12)
    assert blended(load(CHAT, SHARES), opus) == pytest.approx(0.78 * 5 + 0.22 * 25, rel=1e-12)  # no hits, no writes
    gemini = price_of("Gemini 2.5 Pro")
    assert blended(load(CHAT, SHARES), gemini, 300e3) == pytest.approx(0.78 * 2.5 + 0.22 * 15, rel=1e-12)
    assert blended(load(CHAT, SHARES), gemini, 200e3) == pytest.approx(0.78 * 1.25 + 0.22 * 10, rel=1e-12)


def test_a_plan_against_a_price():
    best = solve(load(CHAT))
    found = against(best, price_of("GPT-5"))
    demand, cost = best.scenario.traffic.demand(), best.cost
    served = float(demand.input_tokens + demand.output_tokens) / 1e6
    # At break-even the API's bill and one's own are the same.
    tokens = found.break_even_tokens / 1e6
    serving = float(cost.prefill + cost.decode) / served
    assert float(cost.pretraining + cost.rl) + serving * tokens == pytest.approx(
        found.api_usd_per_mtok * tokens, rel=1e-9
    )
    assert found.margin == pytest.approx(1 - float(cost.total) / (found.api_usd_per_mtok * served), rel=1e-9)
    assert found.break_even_tokens_per_month == pytest.approx(found.break_even_tokens / 12, rel=1e-12)
    assert found.to_dict()["price"] == "GPT-5"
    costly = against(solve(load(CHAT, {"money.serve_chip.usd_per_chip_hour": 1e4})), price_of("GPT-5"))
    assert costly.break_even_tokens == math.inf
    assert costly.to_dict()["break_even_tokens"] is None


def test_a_table_against_a_price():
    table = size_table(load(CHAT), {"traffic.share": [0.05, 0.2]}, against="gpt-5")
    for share, row in zip((0.05, 0.2), table.to_dict("records"), strict=True):
        alone = against(solve(load(CHAT, {"traffic.share": share})), price_of("GPT-5"))
        assert [row[c] for c in AGAINST] == pytest.approx(list(alone.numbers().values()), rel=1e-9)
    assert {table.attrs["units"][c] for c in AGAINST} == {"USD/Mtok", "tokens", "tokens/month", "1"}


def test_list_prices_come_cheapest_first():
    frame = list_prices(load(CHAT, SHARES))
    assert frame["api_usd_per_mtok"].is_monotonic_increasing
    assert frame.loc["GPT-5", "api_usd_per_mtok"] == pytest.approx(3.175)
    assert set(frame.attrs["units"].values()) == {"USD/Mtok"}
    assert frame.index.is_unique


def test_what_cannot_be_compared_is_refused_before_work():
    with pytest.raises(InputError) as caught:
        prices_for(load("lecture-2026"), ["GPT 5", "gpt-oss-120b"])
    sentences = " ".join(caught.value.problems)
    assert "no list price of 'GPT 5' is on record, did you mean 'GPT-5'?" in sentences
    assert "offered at several hosts: gpt-oss-120b at deepinfra" in sentences
    assert "list prices are in USD: set money.unit = 'usd'" in sentences
    nothing = {"traffic": {"kind": "total", "output_tokens": 0}}
    with pytest.raises(InputError, match="serves 0 tokens"):
        prices_for(load(CHAT, nothing), ["GPT-5"])


def test_what_a_price_sheet_leaks():
    step = kv_bytes_from_long_context(100e9, price_of("Gemini 2.5 Pro"), 300)
    assert (step.low, step.high) == (
        pytest.approx(1666.7, abs=0.1),
        pytest.approx(3333.3, abs=0.1),
    )  # the lecture's 1,667
    with pytest.raises(InputError, match="GPT-5 has no price for long prompts"):
        kv_bytes_from_long_context(100e9, price_of("GPT-5"))
    low, middle, high = active_params_at_cost(price_of("GPT-5"))[:3]
    assert (low / middle, high / middle) == (
        UTILISATION[0] / UTILISATION[1],
        pytest.approx(UTILISATION[2] / UTILISATION[1]),
    )
    # Sold at cost: an input token of the implied size takes 2 N FLOPs of a chip at 40 % of its peak.
    assert 2 * middle / (4.5e15 * 0.4) * 4.89 / 3600 * 1e6 == pytest.approx(1.25, rel=1e-9)
    # 55 minutes of a device hold its capacity at its price.
    assert kv_bytes_from_storage(6.25, 10.0) == pytest.approx(3.75 / 1e6 / (55 / 60) * 7.68e11 / 3.254, rel=1e-9)
    frame = read_off_open_models()
    dense = frame.loc["Llama-3.3-70B-Instruct-Turbo at deepinfra"]
    assert dense["n_params_low"] < dense["n_params_true"] < dense["n_params_high"]
    experts = frame.drop(index=dense.name)
    assert (experts["n_params_low"] > experts["n_params_true"]).all()


def test_the_parts_of_a_price_and_what_keeping_a_cache_costs():
    served = placement(
        "Llama 3.1 70B",
        changes={"money.serve_chip": {"name": "H100 SXM", "precision": "fp8"}, "deployment.placement": "given"},
    )
    price = price_of("GPT-5")
    alone, cached = split_ratio(price, served), split_ratio(price, served, 0.8)
    assert alone.memory * alone.cache * alone.margin == pytest.approx(10 / 1.25, rel=1e-12)
    assert cached.cache == pytest.approx(5)
    assert cached.margin == pytest.approx(alone.margin / 5, rel=1e-12)
    point = operating_point(served)
    assert alone.memory * point["usd_per_mtok_prefill"] == pytest.approx(point["usd_per_mtok_decode"], rel=1e-12)
    with pytest.raises(InputError, match=r"cached_share must be 0 or more and less than 1, got 80"):
        split_ratio(price, served, 80)
    # The lecture's pair: 6 times the price for 2.5 times the speed; half a year later twice the price.
    first, later = (
        speed_premium(price_of(f"Claude Opus {v} fast"), price_of(f"Claude Opus {v}"), served) for v in ("4.6", "4.8")
    )
    assert (first.price, later.price) == (6.0, 2.0)
    assert 1 < first.speed <= 2.5
    assert first.margin == pytest.approx(6 / first.cost)
    # 70 KB a token on DDR: 3.254 USD/h hold 768 GB, so an hour of a million tokens costs 0.30 USD.
    kept = usd_per_mtok_kept(70e3, 3600.0)
    assert kept["DDR"] == pytest.approx(70e3 * 1e6 / 7.68e11 * 3.254, rel=1e-9)
    assert kept["flash"] < kept["DDR"]
    # Below its drain time a device is bought for what it reads: a keep time of 1 s on flash costs what one of 134 s does.
    assert usd_per_mtok_kept(70e3, 1.0)["flash"] == pytest.approx(
        usd_per_mtok_kept(70e3, 1e12 / 7.45e9)["flash"], rel=1e-9
    )
