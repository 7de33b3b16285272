"""The cost of keeping a prefix and reading it again, and the tier of memory that is cheapest.

    cost = k c max(tau / Q, 1 / W)

for k bytes kept tau seconds until they are read once, on devices of Q bytes and W bytes per second that cost c per second. A device is
bought for what it holds or for what it reads, whichever needs more of it: below its drain time Q / W it is bound by reading, above by
holding, so the tier to choose is about the one whose drain time is the keep time.
"""

from collections.abc import Mapping

from ..assumptions.hardware import Accelerator, CacheTier
from ..assumptions.numbers import SECONDS_PER_HOUR
from ..assumptions.quantity import Numeric, numpy_for

__all__ = ["KEEP_SECONDS", "cheapest_tier", "hbm_tier", "tier_drain_seconds", "usd_to_keep"]

KEEP_SECONDS = {"1 s": 1.0, "1 min": 60.0, "5 min": 300.0, "1 h": 3600.0, "1 day": 86400.0, "30 days": 2592000.0}
"""Times for which a prefix may be kept, by their name in tables."""


def usd_to_keep(tier: CacheTier, kept_bytes: Numeric, keep_seconds: Numeric) -> Numeric:
    """USD to hold `kept_bytes` for `keep_seconds` and read them once. Kink: at the tier's drain time."""
    held, read = keep_seconds / tier.capacity_bytes, 1 / tier.bytes_per_second
    shares = numpy_for(held, read).maximum(held, read)
    return kept_bytes * shares * tier.usd_per_device_hour / SECONDS_PER_HOUR


def tier_drain_seconds(tier: CacheTier) -> Numeric:
    """Q / W: the time to read all of a device once, s."""
    return tier.capacity_bytes / tier.bytes_per_second


def hbm_tier(chip: Accelerator) -> CacheTier:
    """A chip's own memory as a tier, at the whole price of the chip."""
    return CacheTier.model_construct(
        name="",
        capacity_bytes=chip.hbm_bytes,
        bytes_per_second=chip.hbm_bytes_per_second,
        usd_per_device_hour=chip.usd_per_chip_hour,
    )


def cheapest_tier(tiers: Mapping[str, CacheTier], keep_seconds: float) -> str:
    """The name of the tier that keeps a byte for `keep_seconds` and reads it once for the least."""
    return min(tiers, key=lambda name: float(usd_to_keep(tiers[name], 1.0, keep_seconds)))
