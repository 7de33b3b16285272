"""The architecture of the model that is served: its layers, experts, attention and cache.

Layers and key-value bytes grow with the model as power laws of active parameters, fitted to the models of data/models.csv released since
2024 (docs/serving.md shows the fit); `released` gives those of one model exactly.
"""

from typing import ClassVar

from .problems import InputError, near_miss
from .quantity import Assumption, Rule, quantity
from .tables import row, rows

__all__ = ["Architecture", "released"]

_FIT = "fit to data/models.csv, released since 2024; docs/serving.md"
_LATENT_DECODE_FACTOR = 3.4


class Architecture(Assumption):
    """What a model of any size looks like inside."""

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

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            lambda d: (d.window_ratio <= 0) | (d.window_tokens is not None),
            lambda d: f"has window_ratio = {d.window_ratio:g} without window_tokens; give window_tokens",
        ),
        Rule(
            lambda d: d.expert_share is None or d.sparsity is None or d.expert_share * d.sparsity <= 1,
            lambda d: (
                f"has expert_share = {d.expert_share:g} times sparsity = {d.sparsity:g} above 1: the experts alone would use more "
                "than the active parameters; lower one"
            ),
        ),
    )


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
