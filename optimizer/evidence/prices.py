"""What list prices imply about a model, under stated assumptions: intervals, checked on models whose architecture is published.

| from | follows | if |
|---|---|---|
| a price step for long prompts | KV bytes per token = (m - 1) k N / (F/W x c) | the step pays for reading the cache |
| the price of an input token | active parameters N = p 3600 F u / (s c) | prompts are computed at cost |
| output price over input price | the decode cost over the prefill cost | both have one margin |
| output price over input price | decode over prefill cost x 1 / (1 - h) x a ratio of margins | h of the input is cached, billed as input |
| the price of a fast mode | its margin over that of the usual mode | it runs at the largest batch that is as fast |
| prices of writing a cache for 5 minutes and for an hour | KV bytes per token = p Q / c' | the difference pays for 55 minutes of a tier |

m times the price above c tokens; k FLOPs per parameter against which the cache is read (1 by the lecture's count, 2 by the usual one); F
FLOP/s, W bytes/s and c USD per hour of a chip, u the share of its peak; s = 2 FLOPs per parameter and token; Q bytes and c' USD per hour
of a tier. A margin enters every one of them, and a price sheet does not show it: what follows is an upper bound where prices are above
cost, as `read_off_open_models` shows.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..analysis.against import Price, price_of
from ..analysis.placement import Placement, operating_point, placement
from ..analysis.serving import fast_mode
from ..assumptions.bounds import within
from ..assumptions.hardware import Accelerator, CacheTier
from ..assumptions.numbers import SECONDS_PER_HOUR
from ..assumptions.problems import InputError
from ..assumptions.tables import rows
from ..model.cache import usd_to_keep
from ..model.outputs import units_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "OPEN_MODELS",
    "Interval",
    "RatioParts",
    "SpeedPremium",
    "active_params_at_cost",
    "kv_bytes_from_long_context",
    "kv_bytes_from_storage",
    "output_over_input",
    "read_off_open_models",
    "speed_premium",
    "split_ratio",
    "usd_per_mtok_kept",
]

_MTOK = 1e6
UTILISATION = (0.2, 0.4, 0.6)
"""Share of peak at which prompts are computed: low, middle, high."""
OPEN_MODELS = {
    "Llama-3.3-70B-Instruct-Turbo at deepinfra": ("Llama 3.1 70B", 1),
    "DeepSeek-V3.2 at deepinfra": ("DeepSeek-V3", 8),
    "Kimi K2": ("Kimi K2", 8),
    "gpt-oss-120b at deepinfra": ("gpt-oss-120b", 1),
}
"""Price -> model of known architecture, and the chips of a replica that holds it."""


class Interval(NamedTuple):
    """A figure between the ends of what is assumed."""

    low: float
    middle: float
    high: float
    unit: str
    assumed: str
    """what the ends are"""


def kv_bytes_from_long_context(active_params: float, price: Price, ops_per_byte: float | None = None) -> Interval:
    """KV-cache bytes per token of a model with a price step for long prompts: (m - 1) k N / (F/W x c).

    Args:
        active_params: N (count).
        price: with a long-context threshold c and an input multiple m.
        ops_per_byte: F/W of the serving chip (FLOP/byte); the chips on record from their 10 % to their 90 % quantile when left out.

    Raises:
        InputError: the price has no step.

    The low end counts one FLOP per parameter and the highest F/W, the high end two and the lowest; the middle is the lecture's count of one
    at the middle F/W. 100B parameters, 300 FLOP/byte, 200K tokens and twice the price give 1,667 bytes.

    """
    threshold, times, _ = price.long_context
    if not threshold < float("inf"):
        raise InputError([f"{price.name} has no price for long prompts on record, so nothing follows about its cache."])
    if ops_per_byte is None:
        chips = [
            r
            for r in rows("hardware")
            if r["bf16_flops_per_second"] and r["hbm_bytes_per_second"] and r["status"] == "shipping"
        ]
        ratios = [float(r["bf16_flops_per_second"]) / float(r["hbm_bytes_per_second"]) for r in chips]
        low, middle, high = (float(v) for v in np.quantile(ratios, (0.1, 0.5, 0.9)))
    else:
        low = middle = high = ops_per_byte
    base = (times - 1) * active_params / threshold
    return Interval(
        base / high,
        base / middle,
        2 * base / low,
        "bytes/token",
        f"{low:,.0f} to {high:,.0f} FLOP/byte, 1 or 2 FLOPs per parameter",
    )


def active_params_at_cost(price: Price, chip: str = "B200 SXM", precision: str = "fp8") -> Interval:
    """Active parameters of a model whose input tokens are sold at what computing them costs: p 3600 F u / (2 c).

    Args:
        price: its input price.
        chip: name in data/hardware.csv; gives F and c.
        precision: at which it computes.

    """
    serves = Accelerator.model_validate({"name": chip, "precision": precision})
    at_peak = price.input / _MTOK * SECONDS_PER_HOUR * serves.peak_flops / (2 * serves.usd_per_chip_hour)
    low, middle, high = (at_peak * u for u in UTILISATION)
    return Interval(low, middle, high, "parameters", "computed at 20 to 60 % of peak, sold at cost")


def output_over_input(price: Price) -> float:
    """Output price over input price: the decode cost over the prefill cost where both have one margin and no input is cached."""
    return price.output / price.input


class RatioParts(NamedTuple):
    """Output price over input price as a product."""

    memory: float
    """cost of a decoded token over that of a computed prompt token, which take the same FLOPs: above 1 where decoding waits for memory"""
    cache: float
    """1 / (1 - h): of the input that is billed only 1 - h is computed"""
    margin: float
    """margin of output over that of input: what the other two leave"""


def split_ratio(price: Price, served: Placement, cached_share: float = 0.0) -> RatioParts:
    """Output price over input price, split into waiting for memory, cache hits that are billed as input, and margin.

    Args:
        price: a list price.
        served: the model with the deployment that serves it, at its batch.
        cached_share: h, the share of billed input that is read from a cache; 0 where cached input has a price of its own.

    Raises:
        InputError: h does not lie in [0, 1).

    """
    if not 0 <= cached_share < 1:
        raise InputError(
            [f"cached_share must be {within(0, 1, below=True)}, got {cached_share:g}. For 80 % write 0.8."]
        )
    point = operating_point(served)
    memory, cache = point["usd_per_mtok_decode"] / point["usd_per_mtok_prefill"], 1 / (1 - cached_share)
    return RatioParts(memory, cache, output_over_input(price) / (memory * cache))


class SpeedPremium(NamedTuple):
    """A fast mode against the usual one of the same model."""

    speed: float
    """times as fast for a user, on the deployment"""
    price: float
    """output price over that of the usual mode"""
    cost: float
    """cost of a decoded token over that of the usual mode, on the deployment's frontier of cost against speed"""

    @property
    def margin(self) -> float:
        """Margin of the fast mode over that of the usual one."""
        return self.price / self.cost


def speed_premium(fast: Price, usual: Price, served: Placement) -> SpeedPremium:
    """The list premium of a fast mode against what speed costs: 2.5 times the speed, or as much as the deployment reaches.

    Args:
        fast: price of the fast mode.
        usual: price of the usual mode.
        served: a model with a deployment; the usual mode runs at its batch.

    """
    speed, cost = fast_mode(served)
    return SpeedPremium(speed, fast.output / usual.output, cost)


def usd_per_mtok_kept(kv_bytes_per_token: float, keep_seconds: float) -> Mapping[str, float]:
    """USD to keep the cache of a million tokens so long and read it once, by tier of data/storage_tiers.csv.

    Where a price of reading or of writing lies far above all of them, storage does not explain it; where it lies below one, another tier
    is used, or the cache is smaller.

    Args:
        kv_bytes_per_token: of the model.
        keep_seconds: how long a cache is kept, 300 for the usual five minutes.

    """
    tiers = {r["tier"]: CacheTier.model_validate(r["tier"]) for r in rows("storage_tiers")}
    return {name: _MTOK * float(usd_to_keep(tier, kv_bytes_per_token, keep_seconds)) for name, tier in tiers.items()}


def kv_bytes_from_storage(price_5_min: float, price_1_hour: float, tier: str = "DDR") -> float:
    """KV bytes per token that a tier holds for 55 minutes at the difference of two prices for writing a cache: an upper bound.

    Args:
        price_5_min: USD/Mtok to write a cache that is kept 5 minutes.
        price_1_hour: USD/Mtok to write one that is kept an hour.
        tier: name in data/storage_tiers.csv.

    """
    kept = CacheTier.model_validate(tier)
    per_hour = (price_1_hour - price_5_min) / (55 / 60) / _MTOK
    return per_hour * kept.capacity_bytes / kept.usd_per_device_hour


def read_off_open_models() -> "pd.DataFrame":
    """Estimates from the list prices of models with a published architecture, and the true values; one row a model.

    Returns:
        Index `price`: active parameters implied (low, middle, high) and true, the ratio of middle to true, output price over input price,
        and the same ratio of costs by the roofline on B200 at fp8.

    """
    import pandas as pd

    known = {r["name"]: r for r in rows("models")}
    records = []
    for name, (model, chips) in OPEN_MODELS.items():
        price = price_of(name)
        implied = active_params_at_cost(price)
        true = float(known[model]["active_params"])
        changes = {
            "money.serve_chip": {"name": "B200 SXM", "precision": "fp8"},
            "deployment.placement": "given",
            "deployment.chips": chips,
            "deployment.parallelism": "expert" if known[model]["routed_experts"] else "tensor",
        }
        point = operating_point(placement(model, changes=changes))
        records.append(
            {
                "price": name,
                "n_params_low": implied.low,
                "n_params": implied.middle,
                "n_params_high": implied.high,
                "n_params_true": true,
                "implied_over_true": implied.middle / true,
                "price_ratio": output_over_input(price),
                "cost_ratio": point["usd_per_mtok_decode"] / point["usd_per_mtok_prefill"],
            }
        )
    frame = pd.DataFrame.from_records(records, index="price")
    frame.attrs["units"] = units_of([str(c) for c in frame.columns], "USD")
    return frame
