"""The engine: the software that serves, and the shares of the hardware that it reaches, fitted to data/throughput.csv."""

from typing import Literal

from .quantity import Assumption, Numeric, choice, quantity

__all__ = ["Engine"]

_MEASURED = "fit to data/throughput.csv; docs/serving.md"
_SPEEDS = {"vendor": 1.0, "community": 0.402, "tuned": 1.0}
_HALF_WIDTHS = {"vendor": (19800.0, 6590.0), "community": (19800.0, 6590.0), "tuned": (2810.0, 0.0)}
"""In decoding and in prefill."""


class Engine(Assumption):
    """How much of the hardware's peak a step of serving reaches, and the times that no hardware shortens."""

    engine: Literal["vendor", "community", "tuned"] = choice(
        {"vendor": "Chip vendor's engine", "community": "Community server", "tuned": "Tuned to one model"},
        "the software: a chip vendor's engine, a community server, which is slower, or one tuned to one model "
        "with experts across many chips, as DeepSeek's own",
        default="vendor",
    )
    engine_speed: float = quantity(
        "1",
        "speed of the software over what is fitted for its class; measured over predicted tokens/s of one run of your own. Its uncertainty "
        "is the error of the class, docs/serving.md",
        gt=0,
        le=10,
        default=1.0,
        low=0.5,
        high=2,
        uncertain=1.25,
    )
    compute_share: float = quantity(
        "1",
        "share of peak FLOP/s that dense products of a decode step reach, at 16 bits",
        gt=0,
        le=1,
        default=0.723,
        low=0.2,
        high=0.8,
        source="that of prefill, as data/throughput.csv shows no lower one; docs/serving.md",
    )
    prefill_share: float = quantity(
        "1",
        "share of peak FLOP/s that dense products of prefill reach, at 16 bits",
        gt=0,
        le=1,
        default=0.723,
        low=0.25,
        high=0.8,
        source=_MEASURED,
    )
    fp8_share: float = quantity(
        "1",
        "of that share, what products at 8 bits reach",
        gt=0,
        le=1,
        default=0.924,
        low=0.7,
        high=1,
        source=_MEASURED,
    )
    fp4_share: float = quantity(
        "1",
        "of that share, what products at 4 bits reach",
        gt=0,
        le=1,
        default=0.657,
        low=0.5,
        high=1,
        source=_MEASURED,
    )
    attention_share: float = quantity(
        "1",
        "share of peak FLOP/s at 16 bits that attention reaches",
        gt=0,
        le=1,
        default=0.437,
        low=0.2,
        high=0.8,
        source=_MEASURED,
    )
    expert_half_width: float | None = quantity(
        "1",
        "inner width of an expert at which its products reach half the share of peak of dense ones, in decoding; by default 19,800, and "
        "2,810 where engine = 'tuned' (fitted)",
        ge=0,
        default=None,
        low=3000,
        high=20000,
        source=_MEASURED,
    )
    expert_prefill_half_width: float | None = quantity(
        "1",
        "that width in prefill; by default 6,590, and 0 where engine = 'tuned' (fitted)",
        ge=0,
        default=None,
        low=500,
        high=10000,
        source=_MEASURED,
    )
    serial_share: float = quantity(
        "1",
        "how little computing and reading overlap within an operation: near 0 the longer one counts, at 1 their sum",
        gt=0,
        le=1,
        default=0.474,
        low=0.1,
        high=1,
        source=_MEASURED,
    )
    bandwidth_share: float = quantity(
        "1",
        "share of memory bandwidth that a decode step reaches",
        gt=0,
        le=1,
        default=0.933,
        low=0.5,
        high=0.95,
        source=_MEASURED,
    )
    link_share: float | None = quantity(
        "1",
        "share of link bandwidth that an exchange reaches; by default 0.599 with tensor parallelism (fitted), 0.9 with expert parallelism",
        gt=0,
        le=1,
        default=None,
        low=0.1,
        high=0.95,
        source=f"{_MEASURED}; https://github.com/deepseek-ai/DeepEP, 43 to 47 of 50 GB/s",
    )
    seconds_per_layer: float = quantity(
        "s",
        "time of a layer that nothing shortens",
        ge=0,
        le=0.01,
        default=5e-05,
        low=1e-5,
        high=1e-4,
        source=_MEASURED,
    )
    seconds_per_collective: float = quantity(
        "s",
        "latency of one exchange between chips of a scale-up domain, two in a layer; with tensor parallelism times the base-2 logarithm of "
        "their number",
        ge=0,
        le=0.01,
        default=5e-06,
        low=2e-6,
        high=5e-5,
        source=_MEASURED,
    )
    seconds_per_sequence: float = quantity(
        "s",
        "time a step spends on each sequence outside the chips' work",
        ge=0,
        le=0.01,
        default=4.81e-06,
        low=0,
        high=5e-5,
        source=_MEASURED,
    )
    chunk_tokens: float = quantity(
        "tokens", "prompt tokens that are computed together", ge=1, default=8192.0, low=1024, high=65536
    )
    seconds_per_hop: float = quantity(
        "s",
        "time from one pipeline stage to the next, and latency of an exchange that leaves the scale-up domain",
        ge=0,
        le=0.1,
        default=5e-5,
        low=1e-5,
        high=1e-3,
        uncertain=3,
    )
    memory_share: float = quantity(
        "1", "share of memory that weights and cache may fill", gt=0, le=1, default=0.9, low=0.8, high=0.95
    )

    def half_widths_used(self) -> tuple[Numeric, Numeric]:
        """The widths of experts at which products lose half, in decoding and in prefill: as given, or those of the class of engine."""
        decode, prefill = _HALF_WIDTHS[self.engine]
        return (
            decode if self.expert_half_width is None else self.expert_half_width,
            prefill if self.expert_prefill_half_width is None else self.expert_prefill_half_width,
        )

    def engine_speed_used(self) -> Numeric:
        """Speed over that of a vendor's engine: of the class, times engine_speed."""
        return _SPEEDS[self.engine] * self.engine_speed
