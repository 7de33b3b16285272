"""One claim of the lecture about serving, the two deployments it is computed on, and the figures that its evidence is made of.

The lecture counts one operation per parameter and token; this project counts 2 FLOP. Its deployment here has 300 FLOP/B, so its price step
means 3333 bytes of cache per token where the lecture's units give 1667; it reaches every peak and has no fixed times. "Corrected" is
DeepSeek-V3 at fp8 on GB200 NVL72 under software tuned to it, as calibrated, unless the row says otherwise.
"""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..analysis.placement import Placement, placement
from ..analysis.serving import key_figures
from ..assumptions.numbers import human
from ..assumptions.tables import rows
from ..model.outputs import quantity_text

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "ACTIVE_PARAMS",
    "DRAIN_SECONDS",
    "GIVEN",
    "PRICE_STEP_CONTEXT",
    "SEQUENCES",
    "SPARSITY",
    "Claim",
    "Shown",
    "by_key",
    "corrected",
    "figure",
    "lecture",
    "median",
    "numbers",
    "one_operation",
    "per_chip",
    "span",
]

OPS_PER_BYTE = 300.0
SPARSITY = 256 / 32
DRAIN_SECONDS = 0.02
ACTIVE_PARAMS = 100e9
ON_DIE = 1e10
"""bytes of memory below which a chip keeps everything on the die"""
PRICE_STEP_CONTEXT = 200e3
SEQUENCES = 2000.0
GIVEN: dict[str, object] = {"deployment.placement": "given"}
"""The claims are about a deployment as it is, the whole scale-up domain where none is named; none is chosen."""


class Claim(NamedTuple):
    """One claim about serving."""

    quantity: str
    formula: str
    lecture: str
    own_inputs: str
    corrected: str
    evidence: str

    @classmethod
    def headings(cls) -> list[str]:
        """What the parts of a claim are called in tables."""
        return ["quantity", "formula", "lecture", "computed, its inputs", "computed, corrected", "evidence"]


Shown = tuple[str, str, str]
"""A claim computed with its own inputs, with corrected ones, and the evidence."""


def lecture() -> Placement:
    """The lecture's deployment: 100B active of 800B, 300 FLOP/B, a memory read in 20 ms, half of the price step's context."""
    bandwidth = 8e12
    chip = {
        "peak_flops": OPS_PER_BYTE * bandwidth,
        "hbm_bytes_per_second": bandwidth,
        "hbm_bytes": DRAIN_SECONDS * bandwidth,
        "usd_per_chip_hour": 5.0,
        "precision": "bf16",
    }
    ideal = {"compute_share": 1, "prefill_share": 1, "bandwidth_share": 1, "memory_share": 1}
    ideal |= {"serial_share": 1e-9, "expert_half_width": 0, "expert_prefill_half_width": 0, "attention_width": 1e-9}
    free = dict.fromkeys(("seconds_per_layer", "seconds_per_collective", "seconds_per_sequence", "seconds_per_hop"), 0)
    shape = {"reference_params": ACTIVE_PARAMS, "sparsity": SPARSITY, "chips": 72, "parallelism": "expert"}
    cache = {"kv_bytes_per_token": 2 * one_operation(), "context_tokens": PRICE_STEP_CONTEXT / 2}
    return placement(
        params=ACTIVE_PARAMS,
        changes={"money.serve_chip": chip, "deployment": {**ideal, **free, **shape, **cache, "placement": "given"}},
    )


def corrected() -> Placement:
    """DeepSeek-V3 on a rack under software tuned to it."""
    return placement(
        "DeepSeek-V3",
        changes={
            "money.serve_chip": {"name": "GB200 NVL72", "precision": "fp8"},
            "deployment.engine": "tuned",
            **GIVEN,
        },
    )


def one_operation() -> float:
    """Cache bytes per token for which reading 200k of them takes as long as computing one, at one operation per parameter."""
    return ACTIVE_PARAMS / (OPS_PER_BYTE * PRICE_STEP_CONTEXT)


def numbers(name: str, column: str, **where: str) -> np.ndarray:
    """The numbers on record in a column of a table, of the rows that agree with `where`."""
    chosen = [r for r in rows(name) if all(r[k] == v for k, v in where.items())]
    return np.array([float(r[column]) for r in chosen if r[column]])


def per_chip(numerator: str) -> np.ndarray:
    """A figure over memory bandwidth, of every chip with HBM: cards on PCIe have other memory."""
    chips = [
        r
        for r in rows("hardware")
        if r[numerator] and float(r["hbm_bytes"]) > ON_DIE and not r["scaleup_topology"].startswith("PCIe")
    ]
    return np.array([float(r[numerator]) / float(r["hbm_bytes_per_second"]) for r in chips])


def span(values: np.ndarray, unit: str) -> str:
    return f"{human(float(values.min()), 3)} to {human(float(values.max()), 3)} {unit}"


def median(values: np.ndarray) -> str:
    return human(float(np.median(values)), 3)


def by_key(frame: "pd.DataFrame", key: str, column: str) -> dict[float, float]:
    return dict(zip(frame[key].tolist(), frame[column].tolist(), strict=True))


def figure(s: Placement, name: str) -> str:
    value, unit = key_figures(s)[name]
    return quantity_text(value, unit)
