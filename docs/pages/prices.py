"""Writes docs/prices.md: own model or API, and what list prices imply about a model.

`python -m docs.pages.prices > docs/prices.md` renews it; a test fails when it is stale.
"""

import sys

from optimizer.analysis.against import price_of
from optimizer.analysis.placement import placement
from optimizer.assumptions.numbers import human, times
from optimizer.evidence.prices import (
    kv_bytes_from_long_context,
    kv_bytes_from_storage,
    read_off_open_models,
    speed_premium,
    split_ratio,
    usd_per_mtok_kept,
)

__all__ = ["page"]

_HEAD = """# Prices: own model or API, and what list prices imply about a model

This page is written from code and data: `python -m docs.pages.prices > docs/prices.md`.

## Own model or API

    overtrain prices --model GPT
    overtrain solve frontier-moe-chat --against "GPT-5" --against "gpt-oss-120b at groq"
    overtrain table frontier-moe-chat --over traffic.share=5%,10%,20% --against "GPT-5"

P is the list price of a million tokens in the scenario's mix of fresh input, cached input and output; S what serving one costs, W what it
costs with training and RL. From T* = (pre-training + RL) / (P - S) lifetime tokens on, the own model is cheaper; the margin is 1 - W / P.
78 % input at 1.25 and 22 % output at 10 USD blend to 3.175 USD per million; with 5.334M USD of training and 0.50 USD of serving that is
T* = 1.994T tokens. A fixed 320 USD a month against 3 USD per million breaks even at 106.67M tokens a month.

Costs must be in USD. Where a provider charges for writing its cache and the scenario has cache hits, all input that was not read from the
cache counts as written. `--prompt 300K` takes the prices of long prompts. Nothing here says that the models are equally good, and list
prices are not contracts; the design is held, though with more traffic another one would be best.

## What list prices imply about a model

Each figure follows from one assumption, and all of them hide a margin.
"""


def page() -> str:
    """The page as Markdown."""
    lecture = kv_bytes_from_long_context(100e9, price_of("Gemini 2.5 Pro"), 300)
    wide = kv_bytes_from_long_context(100e9, price_of("Gemini 2.5 Pro"))
    kept = {tier: kv_bytes_from_storage(6.25, 10.0, tier) for tier in ("DDR", "flash")}
    open_price = price_of("Llama-3.3-70B-Instruct-Turbo at deepinfra")
    served = placement(
        "Llama 3.1 70B",
        changes={
            "money.serve_chip": {"name": "B200 SXM", "precision": "fp8"},
            "deployment.placement": "given",
            "deployment.chips": 1,
        },
    )
    parts, hits = split_ratio(open_price, served), split_ratio(open_price, served, 0.8)
    first, later = (
        speed_premium(price_of(f"Claude Opus {v} fast"), price_of(f"Claude Opus {v}"), served) for v in ("4.6", "4.8")
    )
    five, hour = (usd_per_mtok_kept(330e3, seconds) for seconds in (300.0, 3600.0))
    lines = [
        f"- **Cache per token, from a price step.** Twice the price above 200K tokens (Gemini 2.5 Pro), if the step pays for reading the "
        f"cache of a model of 100B active parameters: {lecture.low:,.0f} bytes at the lecture's 300 FLOP/byte and one FLOP per parameter, "
        f"{lecture.high:,.0f} at two; over the chips on record {wide.low:,.0f} to {wide.high:,.0f} bytes ({wide.assumed}). No "
        "model with open weights has such a price, so this cannot be checked.",
        f"- **Cache per token, from storage.** Claude Opus 4.8 charges 3.75 USD/Mtok more for a cache kept an hour than for five "
        f"minutes; if that pays for 55 minutes of memory it holds at most {kept['DDR'] / 1e3:,.0f} KB a token on DDR and "
        f"{kept['flash'] / 1e6:,.0f} MB on flash: 3 to 30,000 times what known models keep (70 KB to 330 KB), so the cost of "
        "storage does not explain the price.",
        "- **Cache prices against tiers.** Keeping 330 KB a token (a dense 70B) and reading it once costs, in USD/Mtok: "
        + "; ".join(
            f"{tier} {human(five[tier], 2)} for five minutes and {human(hour[tier], 2)} for an hour" for tier in five
        )
        + ". Claude Opus 4.8 charges 0.50 to read and, above its input price of 5, 1.25 and 5 to write for so long.",
        f"- **Output over input price, split.** {open_price.name}: {human(open_price.output / open_price.input, 3)} = "
        f"{human(parts.memory, 2)} (decode waits for memory, by the roofline on one B200) x {human(parts.margin, 2)} (margin of output "
        f"over input); with 80 % of billed input cached {human(hits.memory, 2)} x {human(hits.cache, 2)} x {human(hits.margin, 2)}.",
        f"- **Speed premium against the frontier.** Claude Opus 4.6 fast cost {times(first.price)}, 4.8 fast {times(later.price)} the "
        f"usual price for 2.5x the speed; on a dense 70B on one B200 {times(first.speed)} the speed of its usual batch costs "
        f"{times(first.cost)}, which leaves the fast mode {times(first.margin)} and {times(later.margin)} the margin of the usual one, if "
        "those models had that frontier.",
        "- **Active parameters, from the input price,** if prompts are computed at 20 to 60 % of peak on B200 at fp8 and sold at cost, and "
        "**decode over prefill cost, from output over input price,** next to what is true of models whose make is known:",
        "",
        "| price | N implied | N true | implied / true | output / input price | decode / prefill cost by the roofline |",
        "|---|---|---|---|---|---|",
    ]
    for row in read_off_open_models().reset_index().to_dict("records"):
        lines.append(
            f"| {row['price']} | {human(row['n_params'], 2)} ({human(row['n_params_low'], 2)} to {human(row['n_params_high'], 2)}) | "
            f"{human(row['n_params_true'], 3)} | {times(row['implied_over_true'])} | {human(row['price_ratio'], 2)} | "
            f"{human(row['cost_ratio'], 2)} |"
        )
    lines += [
        "",
        "Only the dense model is sold near the cost of computing its prompts. Mixtures of experts are priced several times above it: their "
        "input price is an upper bound on N, not an estimate. Output over input price says little about the cost of decoding: it "
        "lies between 1.5 and 5, while the roofline's ratio depends on the batch and on the size of the model.",
    ]
    return _HEAD + "\n" + "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page())
