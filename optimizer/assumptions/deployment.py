"""The deployment: the shape of the model, the replica it runs on, the batch, and the share of the hardware it reaches.

The chip itself is `money.serve_chip`. Layers and key-value bytes grow with the model as power laws of active parameters, fitted to the
models of data/models.csv released since 2024 (docs/serving.md shows the fit); the shares of peak are fitted to data/throughput.csv.
"""

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from .hardware import Accelerator, CacheTier
from .problems import InputError, near_miss
from .quantity import Assumption, Numeric, Rule, numpy_for, quantity
from .tables import row, rows

__all__ = ["WEIGHT_BYTES", "Deployment", "released"]

_FIT = "fit to data/models.csv, released since 2024; docs/serving.md"
_MEASURED = "fit to data/throughput.csv; docs/serving.md"
_TENSOR_CHIPS = 8.0
_LINK_SHARES = {"tensor": 0.599, "expert": 0.9}
_ENGINE_SHARES = {"vendor": 1.0, "community": 0.402, "tuned": 1.0}
_HALF_WIDTHS = {"vendor": (19800.0, 6590.0), "community": (19800.0, 6590.0), "tuned": (3150.0, 0.0)}
"""In decoding and in prefill."""
_LATENT_DECODE_FACTOR = 3.4
WEIGHT_BYTES = {"bf16": 2.0, "fp8": 1.0, "int8": 1.0, "fp4": 0.5}
"""Bytes of one weight at each precision, without scales."""


class Deployment(Assumption):
    """How the model is served when serving.method = "roofline", and the shape it has in training memory."""

    batch: Literal["optimal", "latency", "fixed"] = Field(
        default="optimal",
        description="sequences per step: as many as memory holds, as many as keep target_tokens_per_second, or batch_size",
    )
    batch_size: float | None = quantity(
        "sequences", "sequences per step, for batch = 'fixed'", ge=1, default=None, low=1, high=4096
    )
    target_tokens_per_second: float | None = quantity(
        "tokens/s", "speed that every user sees, for batch = 'latency'", gt=0, default=None, low=10, high=200
    )
    placement: Literal["given", "best"] = Field(
        default="given",
        description="where a replica runs: as chips, parallelism and pipeline_stages say, or the cheapest placement of one scale-up domain",
    )
    chips: float | None = quantity(
        "chips",
        "chips of one replica and pipeline stage; by default the chip's scale-up domain, at most 8 of it with tensor parallelism",
        ge=1,
        default=None,
        low=1,
        high=576,
    )
    pipeline_stages: float = quantity("stages", "stages that share the layers", ge=1, default=1.0, low=1, high=16)
    parallelism: Literal["tensor", "expert"] = Field(
        default="tensor",
        description="what the chips exchange in every layer: sums over all of them, or each token with its experts",
    )
    context_tokens: float = quantity(
        "tokens",
        "tokens in the context of a sequence, on average",
        ge=1,
        default=8000.0,
        low=1000,
        high=200000,
        uncertain=2,
    )
    sparsity: float | None = quantity(
        "1",
        "total over active parameters; what the experts of the law imply when left out, 1 for dense models",
        ge=1,
        default=None,
        low=1,
        high=40,
    )
    expert_share: float | None = quantity(
        "1",
        "share of experts that a token uses; active over total when left out",
        gt=0,
        lt=1,
        default=None,
        low=0.01,
        high=0.25,
    )
    experts_per_token: float = quantity(
        "experts", "experts that a token is sent to, for parallelism = 'expert'", ge=1, default=8.0, low=1, high=16
    )
    domains_per_token: float | None = quantity(
        "1",
        "scale-up domains at most that the experts of a token lie in, where routing limits them; 4 for DeepSeek-V3",
        ge=1,
        default=None,
        low=2,
        high=8,
        source="arXiv 2412.19437, section 3.2.2",
    )
    reference_params: float = quantity(
        "parameters", "active parameters of the model that layers and KV bytes are given for", gt=0, default=1e10
    )
    layers: float = quantity(
        "layers",
        "layers of the reference model",
        ge=1,
        default=44.5,
        low=30,
        high=60,
        uncertain=1.2,
        source=_FIT,
    )
    layers_exponent: float = quantity(
        "1", "power of active parameters that layers grow with; 0 keeps them", ge=0, le=1, default=0.275, source=_FIT
    )
    attention_width: float | None = quantity(
        "1",
        "query heads times their width, summed over the layers whose attention grows with context, of the reference model; "
        "fitted to released models when left out, 152,000 at 10B",
        gt=0,
        default=None,
        low=2e4,
        high=2e6,
        uncertain=2,
        source=_FIT,
    )
    attention_width_exponent: float | None = quantity(
        "1", "power of active parameters that it grows with; 0.695 when left out", ge=0, le=1, default=None, source=_FIT
    )
    attention_decode_factor: float | None = quantity(
        "1",
        "FLOPs of attention in decoding over those in prefill at the same context; 1 when left out, 3.4 for latent attention, which "
        "decodes in the compressed space",
        gt=0,
        le=100,
        default=None,
        low=1,
        high=3.4,
        source="(2 x 512 + 64) / (128 + 64 + 128), DeepSeek-V3, data/models.csv",
    )
    attention_bound_tokens: float | None = quantity(
        "tokens",
        "most tokens that a token reads: a window, or what sparse attention selects; all of the context when left out",
        ge=1,
        default=None,
        low=128,
        high=8192,
    )
    kv_bytes_per_token: float = quantity(
        "bytes/token",
        "key-value cache of one token of the reference model, at 2 bytes a number",
        gt=0,
        default=80900.0,
        low=2e4,
        high=3e5,
        uncertain=2,
        source=_FIT,
    )
    kv_exponent: float = quantity(
        "1", "power of active parameters that the cache grows with; 0 keeps it", ge=0, le=1, default=0.365, source=_FIT
    )
    window_ratio: float = quantity(
        "1",
        "layers that attend within a window, for every layer whose attention grows with context",
        ge=0,
        default=0.0,
        low=0,
        high=9,
    )
    window_tokens: float | None = quantity(
        "tokens", "tokens of that window; needed where window_ratio is above 0", ge=1, default=None, low=128, high=8192
    )
    kv_heads: float | None = quantity(
        "1",
        "heads of the cache, of which tensor parallelism puts one on a chip at least, so that more chips hold copies; 1 for latent "
        "attention, no copies when left out",
        ge=1,
        default=None,
        low=1,
        high=16,
    )
    kv_constant_bytes: float = quantity(
        "bytes",
        "part of a sequence's cache that does not grow with context: windows and states",
        ge=0,
        default=0.0,
        low=0,
        high=1e9,
    )
    kv_bytes_per_value: float = quantity(
        "bytes", "bytes of one number in the cache", gt=0, le=4, default=2.0, low=1, high=2
    )
    attention_exponent: float = quantity(
        "1",
        "power of the context that a token reads: 1 all of it, 0.5 its square root",
        ge=0,
        le=1,
        default=1.0,
        low=0.5,
        high=1,
    )
    bytes_per_weight: float | None = quantity(
        "bytes",
        "bytes of one weight; those of the chip's precision when left out",
        gt=0,
        le=4,
        default=None,
        low=0.5,
        high=2,
    )
    engine: Literal["vendor", "community", "tuned"] = Field(
        default="vendor",
        description="the software: a chip vendor's engine, a community server, which is slower, or one tuned to one model "
        "with experts across many chips, as DeepSeek's own",
    )
    engine_share: float | None = quantity(
        "1",
        "share of a vendor's engine's speed that this one reaches; by default 1, and 0.402 for a community server (fitted)",
        gt=0,
        le=1,
        default=None,
        low=0.4,
        high=1,
        uncertain=1.25,
        source=_MEASURED,
    )
    compute_share: float = quantity(
        "1",
        "share of peak FLOP/s that dense products of a decode step reach, at 16 bits",
        gt=0,
        le=1,
        default=0.723,
        low=0.2,
        high=0.8,
        uncertain=1.25,
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
        uncertain=1.25,
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
        uncertain=1.5,
        source=_MEASURED,
    )
    expert_half_width: float | None = quantity(
        "1",
        "inner width of an expert at which its products reach half the share of peak of dense ones, in decoding; by default 19,800, and "
        "3,150 where engine = 'tuned' (fitted)",
        ge=0,
        default=None,
        low=3000,
        high=20000,
        uncertain=1.5,
        source=_MEASURED,
    )
    expert_prefill_half_width: float | None = quantity(
        "1",
        "that width in prefill; by default 6,590, and 0 where engine = 'tuned' (fitted)",
        ge=0,
        default=None,
        low=500,
        high=10000,
        uncertain=1.5,
        source=_MEASURED,
    )
    serial_share: float = quantity(
        "1",
        "how little computing and reading overlap within an operation: near 0 the longer one counts, at 1 their sum",
        gt=0,
        le=1,
        default=0.454,
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
        uncertain=1.1,
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
        uncertain=1.5,
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
        uncertain=1.5,
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
        uncertain=2,
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
        uncertain=2,
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
    drafted_tokens: float = quantity(
        "tokens",
        "speculative decoding: tokens drafted and checked with the next one, per step",
        ge=0,
        default=0.0,
        low=0,
        high=7,
    )
    accepted_tokens: float = quantity("tokens", "tokens that a step adds to a sequence", ge=1, default=1.0)
    cache_tier: CacheTier = Field(default="flash", description="where prefixes wait to be used again")  # type: ignore[assignment]
    cache_keep_seconds: float = quantity(
        "s", "time that a prefix is kept for its next use", ge=0, default=300.0, low=60, high=86400
    )

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            lambda d: (d.window_ratio <= 0) | (d.window_tokens is not None),
            lambda d: f"has window_ratio = {d.window_ratio:g} without window_tokens; give window_tokens",
        ),
        Rule(
            lambda d: d.accepted_tokens <= 1 + d.drafted_tokens,
            lambda d: (
                f"has accepted_tokens = {d.accepted_tokens:g}, more than 1 + drafted_tokens = {1 + d.drafted_tokens:g}; "
                "raise drafted_tokens"
            ),
        ),
        Rule(
            lambda d: d.expert_share is None or d.sparsity is None or d.expert_share * d.sparsity <= 1,
            lambda d: (
                f"has expert_share = {d.expert_share:g} times sparsity = {d.sparsity:g} above 1: the experts alone would use more "
                "than the active parameters; lower one"
            ),
        ),
    )

    @model_validator(mode="after")
    def _batch_has_its_number(self) -> "Deployment":
        given = {"fixed": self.batch_size, "latency": self.target_tokens_per_second}
        named = {"fixed": "batch_size", "latency": "target_tokens_per_second"}
        for policy, value in given.items():
            if (self.batch == policy) != (value is not None):
                raise ValueError(
                    f"has batch = {self.batch!r} {'without' if value is None else 'and'} {named[policy]}; "
                    + (
                        f"give {named[policy]}"
                        if value is None
                        else f"set batch = {policy!r}, or remove {named[policy]}"
                    )
                )
        return self

    def weight_bytes(self, chip: Accelerator) -> Numeric:
        """Bytes of one weight: as given, or those of the chip's precision."""
        return WEIGHT_BYTES[chip.precision] if self.bytes_per_weight is None else self.bytes_per_weight

    def link_share_used(self) -> Numeric:
        """Share of link bandwidth: as given, or that of the kind of parallelism."""
        return _LINK_SHARES[self.parallelism] if self.link_share is None else self.link_share

    def half_widths_used(self) -> tuple[Numeric, Numeric]:
        """The widths of experts at which products lose half, in decoding and in prefill: as given, or those of the class of engine."""
        decode, prefill = _HALF_WIDTHS[self.engine]
        return (
            decode if self.expert_half_width is None else self.expert_half_width,
            prefill if self.expert_prefill_half_width is None else self.expert_prefill_half_width,
        )

    def engine_share_used(self) -> Numeric:
        """Share of a vendor's engine's speed: as given, or that of the class of engine."""
        return _ENGINE_SHARES[self.engine] if self.engine_share is None else self.engine_share

    def chips_on(self, chip: Accelerator) -> Numeric:
        """Chips of one replica and stage: as given, or the chip's scale-up domain, of which tensor parallelism takes at most 8."""
        if self.chips is not None:
            return self.chips
        domain = 1.0 if chip.scaleup_domain_chips is None else chip.scaleup_domain_chips
        return domain if self.parallelism == "expert" else numpy_for(domain).minimum(domain, _TENSOR_CHIPS)


def released(name: str) -> tuple[float, dict[str, float]]:
    """Active parameters of a model of data/models.csv, and the fields of a deployment that give its shape exactly.

    Raises:
        InputError: there is no such model, or its layers or cache are not on record.

    >>> n_params, shape = released("DeepSeek-V3")
    >>> n_params, shape["kv_bytes_per_token"], round(shape["sparsity"], 1)
    (37000000000.0, 70272.0, 18.1)

    """
    model, known = row("models", "name", name), [r["name"] for r in rows("models")]
    if model is None:
        raise InputError(
            [
                f"{name!r} is not a model of data/models.csv{near_miss(name, known)} overtrain sources --table models lists them."
            ]
        )
    needed = ("active_params", "total_params", "n_layers", "kv_bytes_per_token_growing")
    missing = [column for column in needed if not model[column]]
    if missing:
        whole = [r["name"] for r in rows("models") if all(r[c] for c in needed)]
        raise InputError(
            [
                f"{name} has no {' and no '.join(missing)} on record; give the numbers by hand, or take a model that has: "
                f"{', '.join(whole)}."
            ]
        )
    n_params = float(model["active_params"])
    shape = {
        "reference_params": n_params,
        "layers": float(model["n_layers"]),
        "kv_bytes_per_token": float(model["kv_bytes_per_token_growing"]),
        "sparsity": float(model["total_params"]) / n_params,
    }
    if model["attention_width_growing"]:
        shape["attention_width"] = float(model["attention_width_growing"])
    if model["mla_kv_lora_rank"]:
        shape |= {"kv_heads": 1.0, "attention_decode_factor": _LATENT_DECODE_FACTOR}
    elif model["kv_heads"]:
        shape["kv_heads"] = float(model["kv_heads"])
    if model["window_tokens"] and model["n_full_attn_layers"]:
        full = float(model["n_full_attn_layers"])
        shape |= {"window_tokens": float(model["window_tokens"]), "window_ratio": shape["layers"] / full - 1}
    if model["routed_experts"] and model["experts_per_token"]:
        shape["experts_per_token"] = float(model["experts_per_token"])
        if model["domains_per_token"]:
            shape["domains_per_token"] = float(model["domains_per_token"])
        share = shape["experts_per_token"] / float(model["routed_experts"])
        if share * shape["sparsity"] <= 1:
            shape["expert_share"] = share
    return n_params, shape
