"""Operating points of a model on a chip, and how they move with every choice.

Each table is a sweep of one choice over `operating_point`: batch, speed asked for, scale-up domain, pipeline stages, context, attention,
cache tier. Columns carry their unit in `attrs["units"]`.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping
from math import ceil, floor, inf, nan
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..assumptions.deployment import released
from ..assumptions.hardware import CacheTier
from ..assumptions.library import load
from ..assumptions.numbers import amount, human
from ..assumptions.problems import InputError
from ..assumptions.quantity import Numeric
from ..assumptions.scenario import Scenario
from ..assumptions.tables import rows
from ..compiling import compiled
from ..model.cache import cheapest_tier, hbm_tier, tier_drain_seconds, usd_to_keep
from ..model.roofline import (
    balance_batch,
    batch_size,
    cache_bytes,
    drain_seconds,
    longest_context,
    memory_batch,
    replica,
    serving_excess,
    step_time,
    usd_per_prefill_token,
)
from ..model.total import placed, total_params
from ..optimum.program import stand_ins
from ..optimum.solution import Solution, Status

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "SWEEPS",
    "Served",
    "attention_sweep",
    "batch_sweep",
    "cache_tiers",
    "context_sweep",
    "context_wall",
    "domain_sweep",
    "endless_saving",
    "fast_mode",
    "key_figures",
    "operating_point",
    "pipeline_sweep",
    "served",
    "served_optimum",
    "speed_sweep",
]

MILLION = 1e6
ENDLESS = 1e12
GIGA = 1e9
BATCHES = tuple(2.0**i for i in range(0, 17, 2))
SPEEDS = tuple(step * 10.0**power for power in range(4) for step in (1.0, 1.5, 2.0, 3.0, 5.0, 7.0))
FAST = 2.5
"""speed of fast mode over the usual one"""
DOMAINS = (8.0, 72.0, 576.0)
STAGES = (1.0, 2.0, 4.0, 8.0)
CONTEXTS = (1e3, 4e3, 16e3, 64e3, 200e3, 1e6)
KEEP_SECONDS = {"1 s": 1.0, "1 min": 60.0, "5 min": 300.0, "1 h": 3600.0, "1 day": 86400.0, "30 days": 2592000.0}

_UNITS = {
    "batch": "sequences",
    "step_ms": "ms",
    "tokens_per_second_per_user": "tokens/s",
    "tokens_per_second_per_chip": "tokens/s",
    "usd_per_mtok_decode": "USD/Mtok",
    "usd_per_mtok_prefill": "USD/Mtok",
    "memory_share": "1",
}


class Served(NamedTuple):
    """A model on a deployment."""

    name: str
    n_params: float
    scenario: Scenario


def served(
    model: str = "",
    params: float | None = None,
    changes: Mapping[str, object] | None = None,
    base: str = "lecture-2026",
) -> Served:
    """A model of data/models.csv, or one of `params` active parameters with the shape that released models follow.

    Args:
        model: name in data/models.csv; its layers, cache and sparsity are then exact.
        params: active parameters, when no model is named.
        changes: dotted paths to replace, as in `Scenario.update`.
        base: preset or file whose deployment and chip are used.

    Raises:
        InputError: the model is unknown, neither or both of model and params are given, or the model does not fit the deployment.

    """
    if bool(model) == (params is not None):
        raise InputError(
            ["give either a model of data/models.csv or a number of active parameters, not both and not neither."]
        )
    start: dict[str, object] = {"serving.method": "roofline", "money.unit": "usd"}
    n_params, problems = params or 0.0, []
    if params is not None and not 1 <= params < inf:
        problems.append(
            f"the number of active parameters must lie in [1, inf), got {params:g}; give it as 70B, or name a model."
        )
    if model:
        try:
            n_params, shape = released(model)
            start |= {f"deployment.{field}": value for field, value in shape.items()}
            if shape["sparsity"] > 1:
                start["deployment.parallelism"] = "expert"
        except InputError as error:
            problems += error.problems
    try:
        scenario = load(base, {**start, **(changes or {})})
    except InputError as error:
        raise InputError([*problems, *error.problems]) from None
    found = Served(model if problems else _called(model, n_params, scenario), n_params, scenario)
    problems = problems or misfits(found)
    if problems:
        raise InputError(problems)
    return found


def served_optimum(best: Solution, changes: Mapping[str, object] | None = None) -> Served:
    """The optimum of a scenario on the scenario's own deployment and chip, whichever way its serving is billed.

    Args:
        best: an answer.
        changes: dotted paths to replace, as in `Scenario.update`.

    Raises:
        InputError: there is no design, or it does not fit the deployment.

    """
    if best.status is not Status.OPTIMAL:
        raise InputError([f"there is no design to serve: {best.message}"])
    n_params = float(best.design.n_params)
    scenario = best.scenario.update({"serving.method": "roofline", "money.unit": "usd", **(changes or {})})
    found = Served(f"a {human(n_params)} model", n_params, scenario)
    if problems := misfits(found):
        raise InputError(problems)
    return found


def _called(model: str, n_params: float, scenario: Scenario) -> str:
    """A model by its name, with what is not as data/models.csv has it."""
    if not model:
        return f"a {human(n_params)} model"
    own = scenario.deployment
    declared = {path: quantity.unit for path, quantity, _ in own.quantities()}
    now = {field: (float(getattr(own, field)), was) for field, was in released(model)[1].items()}
    changes = [f"{field} = {amount(v, declared[field], was)}" for field, (v, was) in now.items() if v != was]
    return f"{model} (changed: {', '.join(changes)})" if changes else model


def misfits(s: Served) -> list[str]:
    """One sentence for everything the deployment cannot do with this model, with what would fit."""
    excess = {path: float(value) for path, value in serving_excess(s.scenario, s.n_params).items()}
    return [
        _what_fits(s) if path == "deployment.chips" else _what_speed(s, path)
        for path, value in excess.items()
        if value > 0
    ]


def _what_fits(s: Served) -> str:
    """The memory that is missing, and each single change that would do."""
    r, d, chip = replica(s.scenario, s.n_params), s.scenario.deployment, s.scenario.money.serve_chip
    sequences = d.batch_size or 1.0
    weights, cache, room = float(r.weight_bytes / r.stages), float(r.kv_held_bytes) * sequences, float(r.memory_bytes)
    chips = float(d.chips_on(chip))
    per_stage = "" if d.pipeline_stages == 1 else " a stage"
    ways = [f"deployment.chips = {ceil((weights + cache) / room * chips):,}{per_stage} or more"]
    if weights < room:
        longest, most = float(longest_context(s.scenario, s.n_params)), (room - weights) * sequences / cache
        if longest >= 1:
            ways.append(f"deployment.context_tokens = {floor(longest):,} or less")
        if sequences > 1 and most >= 1:
            ways.append(f"deployment.batch_size = {floor(most):,} or less")
    if cache < room:
        ways.append(f"deployment.pipeline_stages = {ceil(float(r.weight_bytes) / (room - cache)):,} or more")
    return (
        f"{s.name} needs {_gigabytes(weights)} for weights and {_gigabytes(cache)} for the cache of "
        f"{human(sequences)} {'sequence' if sequences == 1 else 'sequences'} of {human(d.context_tokens)} tokens; {chips:g} "
        f"{chip.title or 'chips'} hold{'s' if chips == 1 else ''} {_gigabytes(room)} for both. "
        f"Take {', or '.join(ways)}, or fewer bytes a weight."
    )


def _gigabytes(size: float) -> str:
    return f"{size / GIGA:,.0f} GB" if size > 100 * GIGA else f"{human(size / GIGA)} GB"


def _what_speed(s: Served, path: str) -> str:
    """The speed that is reached at most, and what raises it."""
    r, d = replica(s.scenario, s.n_params), s.scenario.deployment
    fastest = float(r.kept_tokens / step_time(r, d.batch_size or 1.0).total)
    asked = s.scenario.deployment.target_tokens_per_second if path.startswith("deployment") else None
    asked = s.scenario.limits.min_tokens_per_second_per_user if asked is None else asked
    layers_allow = float(r.kept_tokens / r.fixed_seconds) if float(r.fixed_seconds) else inf
    raises = (
        "deployment.chips"
        if asked is not None and asked < layers_allow
        else f"deployment.accepted_tokens: the layers' fixed time alone allows {human(layers_allow)} tokens/s whatever the chips"
    )
    return (
        f"{path} asks for more than the {human(fastest)} tokens/s that {s.name} reaches at the smallest batch. Ask for at most "
        f"{human(fastest)}, or raise {raises}."
    )


def operating_point(s: Served, batch: float | None = None) -> dict[str, Any]:
    """Speed, cost and memory of one batch; of the deployment's own batch when none is given.

    Returns:
        batch (sequences), step_ms, tokens_per_second_per_user, tokens_per_second_per_chip, usd_per_mtok_decode, usd_per_mtok_prefill,
        memory_share (of what the chips may fill), waits_for.

    """
    leaves, tree = jax.tree.flatten(s.scenario.model_copy(update=stand_ins(s.scenario)))
    found = _point(tree, np.array(leaves, float), s.n_params, nan if batch is None else batch)
    *numbers, compute, memory, fixed, sequences = np.asarray(found).tolist()
    parts = {"compute": compute, "memory": memory, "layers": fixed, "sequences": sequences}
    return {**dict(zip(_UNITS, numbers, strict=True)), "waits_for": max(parts, key=lambda name: parts[name])}


@compiled(structure=1)
def _point(tree: Hashable, leaves: Float[Array, " leaf"], n_params: Numeric, batch: Numeric) -> Float[Array, " figure"]:
    """The figures of `operating_point` in their order, and the parts of the step; a batch that is NaN is the deployment's own."""
    scenario = jax.tree.unflatten(tree, list(leaves))
    r = replica(scenario, n_params)
    size = jnp.where(jnp.isnan(batch), batch_size(scenario, r), batch)
    step = step_time(r, size)
    rate = size * r.kept_tokens / step.total
    figures = (
        size,
        1e3 * step.total,
        r.kept_tokens / step.total,
        rate / scenario.deployment.chips_on(scenario.money.serve_chip),
        MILLION * r.usd_per_second / rate / scenario.serving.load_factor,
        MILLION * usd_per_prefill_token(scenario, r),
        (r.weight_bytes / r.stages + size * r.kv_held_bytes) / r.memory_bytes,
    )
    return jnp.stack([jnp.asarray(v, float) for v in (*figures, *step)])


def endless_saving(s: Served, batch: float | None = None) -> float:
    """Slow mode: the share of a token's cost that an endless batch would save, against `batch` or the deployment's own."""
    r = replica(s.scenario, s.n_params)
    endless = step_time(r, ENDLESS).total / ENDLESS / r.kept_tokens * r.usd_per_second / s.scenario.serving.load_factor
    return 1 - float(endless) * MILLION / operating_point(s, batch)["usd_per_mtok_decode"]


def _frame(records: list[dict[str, Any]], first: str, unit: str) -> "pd.DataFrame":
    import pandas as pd

    frame = pd.DataFrame.from_records(records)
    frame.attrs["units"] = {first: unit, **{k: v for k, v in _UNITS.items() if k in frame}}
    return frame


def _sweep(
    s: Served, path: str, values: Iterable[object], unit: str, row: Callable[[Served], dict[str, Any]] = operating_point
) -> "pd.DataFrame":
    """One operating point per value of a dotted path; a value that does not fit keeps its row, with the reason."""
    first, records = path.split(".")[-1], []
    for value in values:
        moved, problems = s, []
        try:
            moved = s._replace(scenario=s.scenario.update({path: value}))
            problems = misfits(moved)
        except InputError as error:
            problems = error.problems
        records.append({first: value, **({} if problems else row(moved)), "does_not_fit": " ".join(problems)})
    return _frame(records, first, unit)


def batch_sweep(s: Served, batches: Iterable[float] = BATCHES) -> "pd.DataFrame":
    """Operating points at growing batches, up to the one that memory holds, which ends the table."""
    largest = float(memory_batch(replica(s.scenario, s.n_params)))
    sizes = [b for b in batches if b < largest]
    return _frame([operating_point(s, b) for b in [*sizes, largest]], "batch", "sequences")


def _for_speed(s: Served, tokens_per_second: float) -> Served:
    """The same model and chips at the batch that gives every user a speed."""
    asked = {"deployment.batch": "latency", "deployment.target_tokens_per_second": tokens_per_second}
    return s._replace(scenario=s.scenario.update({**asked, "deployment.batch_size": None}))


def speed_sweep(s: Served, speeds: Iterable[float] | None = None) -> "pd.DataFrame":
    """Latency against cost: the cheapest operating point at which every user sees a speed (tokens/s).

    Without `speeds`, round ones from the speed at the batch that memory holds to the first that no batch reaches.
    """
    free = _for_speed(s, 1e-3)
    if speeds is None:
        slowest, fastest = (operating_point(free, b)["tokens_per_second_per_user"] for b in (None, 1.0))
        below, above = [v for v in SPEEDS if v <= slowest], [v for v in SPEEDS if v > fastest]
        speeds = [*below[-1:], *(v for v in SPEEDS if slowest < v <= fastest), *above[:1]]
    return _sweep(free, "deployment.target_tokens_per_second", speeds, "tokens/s")


def fast_mode(s: Served, usual: float | None = None) -> tuple[float, float]:
    """Speed and cost of fast mode over the usual ones: 2.5 times the speed, or as much as a lone sequence reaches.

    Args:
        s: model and deployment.
        usual: tokens/s of a user in the usual mode; that of the deployment's own batch when left out.

    """
    normal = operating_point(s if usual is None else _for_speed(s, usual))
    fastest = operating_point(s, 1.0)["tokens_per_second_per_user"]
    speed = min(FAST * normal["tokens_per_second_per_user"], fastest)
    cost = operating_point(_for_speed(s, speed))["usd_per_mtok_decode"]
    return speed / normal["tokens_per_second_per_user"], cost / normal["usd_per_mtok_decode"]


def domain_sweep(s: Served, domains: Iterable[float] = DOMAINS) -> "pd.DataFrame":
    """The same model on scale-up domains of different size: all chips of one domain, at scale-up bandwidth throughout."""
    records = []
    for chips in domains:
        frame = _sweep(
            s._replace(scenario=s.scenario.update({"money.serve_chip.scaleup_domain_chips": chips})),
            "deployment.chips",
            [chips],
            "chips",
        )
        records += frame.to_dict("records")
    return _frame(records, "chips", "chips")


def chip_comparison(s: Served) -> "pd.DataFrame":
    """The same model on every chip of data/hardware.csv that has a price, at the same precision, each in its own scale-up domain.

    Returns:
        As the sweeps, first column `chip`, cheapest decode first; a chip without the precision or the memory has the reason instead.

    """
    names = [r["chip"] for r in rows("hardware") if r["usd_per_chip_hour"]]
    precision = s.scenario.money.serve_chip.precision
    frame = _sweep(s, "money.serve_chip", [{"name": name, "precision": precision} for name in names], "")
    units = {name: unit for name, unit in frame.attrs["units"].items() if unit}
    frame = frame.drop(columns="serve_chip")
    frame.insert(0, "chip", names)
    frame = frame.sort_values("usd_per_mtok_decode", ignore_index=True, kind="stable")
    frame.attrs["units"] = units
    return frame


def pipeline_sweep(s: Served, stages: Iterable[float] = STAGES) -> "pd.DataFrame":
    """Pipeline stages: fewer weights per stage leave more memory for the cache; a token still passes every layer, plus the hops."""

    def row(moved: Served) -> dict[str, Any]:
        r = replica(moved.scenario, moved.n_params)
        return {"weight_bytes_per_stage": float(r.weight_bytes / r.stages), **operating_point(moved)}

    frame = _sweep(s, "deployment.pipeline_stages", stages, "stages", row)
    frame.attrs["units"]["weight_bytes_per_stage"] = "bytes"
    return frame


def context_wall(s: Served) -> float:
    """The context, tokens, at which reading a sequence's cache takes as long as computing its token; beyond it cost grows with context.

    S such that k S^x / (n W eta_m) = 2 N / (n F eta_c).
    """
    r, d = replica(s.scenario, s.n_params), s.scenario.deployment
    if d.attention_exponent == 0:
        return inf
    growing, constant = map(float, cache_bytes(d, s.n_params))
    room = float(r.sequence_flops / r.decode_flops_per_second * r.bytes_per_second) - constant
    return (max(room, 0.0) / growing) ** (1 / d.attention_exponent)


def context_sweep(s: Served, contexts: Iterable[float] = CONTEXTS) -> "pd.DataFrame":
    """Operating points at growing contexts."""
    return _sweep(s, "deployment.context_tokens", contexts, "tokens")


def attention_sweep(s: Served, exponents: Iterable[float] = (1.0, 0.75, 0.5)) -> "pd.DataFrame":
    """Attention that reads a power of the context: 1 is all of it, 0.5 its square root."""
    return _sweep(s, "deployment.attention_exponent", exponents, "1")


def cache_tiers(s: Served, keep: Mapping[str, float] = KEEP_SECONDS) -> "pd.DataFrame":
    """What keeping a million tokens for a time and reading them once costs in each tier of memory, and the cheapest tier.

    Returns:
        One row a tier: drain_seconds, usd_per_mtok_hour of storage, and USD per million tokens for each keep time. `attrs["cheapest"]` maps
        keep times to tiers.

    """
    import pandas as pd

    r = replica(s.scenario, s.n_params)
    token_bytes = MILLION * float(r.kv_held_bytes) / s.scenario.deployment.context_tokens
    tiers = {"HBM": hbm_tier(s.scenario.money.serve_chip)}
    tiers |= {t["tier"]: CacheTier.model_validate(t["tier"]) for t in rows("storage_tiers")}
    records = []
    for name, tier in tiers.items():
        costs = {
            f"usd_per_mtok_{time}": float(usd_to_keep(tier, token_bytes, seconds)) for time, seconds in keep.items()
        }
        hour = token_bytes / float(tier.capacity_bytes) * float(tier.usd_per_device_hour)
        records.append(
            {"tier": name, "drain_seconds": float(tier_drain_seconds(tier)), "usd_per_mtok_hour": hour, **costs}
        )
    frame = pd.DataFrame.from_records(records)
    frame.attrs["units"] = {"drain_seconds": "s", "usd_per_mtok_hour": "USD/(Mtok h)"} | {
        f"usd_per_mtok_{time}": "USD/Mtok" for time in keep
    }
    frame.attrs["cheapest"] = {time: cheapest_tier(tiers, seconds) for time, seconds in keep.items()}
    return frame


def key_figures(s: Served) -> dict[str, tuple[float, str]]:
    """The figures that place a model on a chip: name to (value, unit)."""
    r, chip, d = replica(s.scenario, s.n_params), s.scenario.money.serve_chip, s.scenario.deployment
    weights = float(r.weight_bytes / r.stages)
    return {
        "balance batch": (float(balance_batch(chip, placed(s.scenario))), "sequences"),
        "memory drain time": (1e3 * float(drain_seconds(chip)), "ms"),
        "parameters in all": (float(total_params(s.scenario, s.n_params)), "parameters"),
        "chips of a replica": (float(d.chips_on(chip) * d.pipeline_stages), "chips"),
        "weights per stage": (weights / GIGA, "GB"),
        "cache per token": (float(r.kv_held_bytes) / d.context_tokens / 1e3, "KB"),
        "memory left for cache": ((float(r.memory_bytes) - weights) / GIGA, "GB"),
        "largest batch in memory": (float(memory_batch(r)), "sequences"),
        "context wall": (context_wall(s), "tokens"),
    }


SWEEPS: dict[str, Callable[[Served], "pd.DataFrame"]] = {
    "batch": batch_sweep,
    "speed": speed_sweep,
    "chips": chip_comparison,
    "domain": domain_sweep,
    "pipeline": pipeline_sweep,
    "context": context_sweep,
    "attention": attention_sweep,
    "cache": cache_tiers,
}
"""Every table of serving, by name."""
