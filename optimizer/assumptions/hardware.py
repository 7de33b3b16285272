"""Accelerator chips: what one computes and moves per second, and what an hour of it costs.

Facts are in `data/hardware.csv` (vendor figures, dense, without sparsity) and `data/hardware_prices.csv` (dated offers).
"""

from math import nan
from typing import Any, Literal, get_args

from .named import Citation, NamedAssumption, unknown_name
from .quantity import choice, quantity
from .quantity import label as text
from .tables import row, rows

__all__ = ["PRECISIONS", "Accelerator", "CacheTier", "Precision"]

Precision = Literal["bf16", "fp8", "fp4", "int8"]
PRECISIONS: tuple[str, ...] = get_args(Precision)
_FROM_TABLE = (
    "usd_per_chip_hour",
    "hbm_bytes",
    "hbm_bytes_per_second",
    "scaleup_domain_chips",
    "scaleup_bytes_per_second",
    "scaleout_bytes_per_second",
)


BY_NUMBERS = (
    'Give a chip of your own by its numbers: {label = "my card", peak_flops = 165e12, usd_per_chip_hour = 0.5, hbm_bytes = 24e9, '
    "hbm_bytes_per_second = 1.008e12}."
)


class Accelerator(NamedAssumption):
    """One accelerator chip at one precision. A name fills in the rest; values given with the name replace the table's.

    A chip of one's own has no name but its numbers, and a `label` for headings.

    >>> chip = Accelerator.model_validate({"name": "H100 SXM", "precision": "fp8"})
    >>> chip.peak_flops, chip.hbm_bytes
    (1979000000000000.0, 80000000000.0)
    """

    label: str = text("name of a chip of one's own, in headings")
    precision: Precision = choice(
        {"bf16": "BF16", "fp8": "FP8", "fp4": "FP4", "int8": "INT8"},
        "number format of weights and products",
        default="bf16",
    )
    peak_flops: float = quantity("FLOP/s", "dense peak of one chip at this precision", gt=0, low=1e14, high=1e16)
    usd_per_chip_hour: float = quantity("USD/h", "price of one chip for one hour", gt=0, low=1, high=6)
    hbm_bytes: float | None = quantity("bytes", "memory of one chip", gt=0, default=None)
    hbm_bytes_per_second: float | None = quantity("bytes/s", "memory bandwidth of one chip", gt=0, default=None)
    scaleup_domain_chips: float | None = quantity(
        "chips", "scale-up domain: chips that reach each other at scale-up bandwidth", ge=1, default=None
    )
    scaleup_bytes_per_second: float | None = quantity(
        "bytes/s", "one-way scale-up bandwidth of one chip", gt=0, default=None
    )
    scaleout_bytes_per_second: float | None = quantity(
        "bytes/s", "one-way scale-out bandwidth of one chip: beyond the scale-up domain", gt=0, default=None
    )

    watts: float | None = quantity(
        "W",
        "power of one chip: with its share of host, network and cooling; energy is reported and no part of the cost",
        gt=0,
        default=None,
        low=500,
        high=3000,
    )

    @property
    def title(self) -> str:
        return self.label or super().title or "own chip"

    @property
    def kw(self) -> float:
        """Power of one chip, kW; NaN where `watts` is not on record."""
        return nan if self.watts is None else self.watts / 1e3

    @classmethod
    def named(cls, given: dict[str, Any]) -> dict[str, Any]:
        name, precision = given["name"], given.get("precision", "bf16")
        chip = row("hardware", "chip", name)
        if chip is None:
            raise unknown_name("chip", name, [r["chip"] for r in rows("hardware")], BY_NUMBERS)
        values = {k: chip[k] for k in _FROM_TABLE} | {"watts": chip["all_in_power_watts"]}
        # An unknown precision is refused by its own field; bf16 here keeps that the only complaint.
        values["peak_flops"] = chip[f"{precision if precision in PRECISIONS else 'bf16'}_flops_per_second"]
        has = [p for p in PRECISIONS if chip[f"{p}_flops_per_second"]]
        if precision in PRECISIONS and precision not in has and "peak_flops" not in given:
            raise ValueError(
                f"names {name}, which has no published {precision} peak; take {' or '.join(has)}, or give peak_flops in FLOP/s"
            )
        if not chip["usd_per_chip_hour"] and "usd_per_chip_hour" not in given:
            raise ValueError(f"names {name}, which has no published price; give usd_per_chip_hour in USD/h")
        return {k: float(v) for k, v in values.items() if v}

    @classmethod
    def _cited(cls, name: str, field: str) -> Citation | None:
        chip = row("hardware", "chip", name)
        if chip is None:
            return None
        if field == "usd_per_chip_hour":
            return Citation("list price", chip["price_source"], chip["price_as_of"])
        return Citation(chip["kind"], chip["source"], chip["as_of"])


class CacheTier(NamedAssumption):
    """One kind of device that keeps prefixes for later requests. A name fills in the rest from data/storage_tiers.csv.

    >>> CacheTier.model_validate("flash").capacity_bytes
    1000000000000.0
    """

    capacity_bytes: float = quantity("bytes", "what one device holds", gt=0, low=1e11, high=1e14)
    bytes_per_second: float = quantity("bytes/s", "read rate of one device", gt=0, low=1e8, high=1e12)
    usd_per_device_hour: float = quantity("USD/h", "price of one device for one hour", gt=0, low=1e-3, high=10)

    @classmethod
    def named(cls, given: dict[str, Any]) -> dict[str, Any]:
        tier = row("storage_tiers", "tier", given["name"])
        if tier is None:
            raise unknown_name("cache tier", given["name"], [r["tier"] for r in rows("storage_tiers")])
        return {k: float(tier[k]) for k in ("capacity_bytes", "bytes_per_second", "usd_per_device_hour")}

    @classmethod
    def _cited(cls, name: str, field: str) -> Citation | None:
        tier = row("storage_tiers", "tier", name)
        return Citation(tier["kind"], tier["source"], tier["as_of"]) if tier and tier[field] else None
