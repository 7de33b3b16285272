"""How the operating point of a placement moves with every choice.

Each table goes over one choice: batch, speed asked for, scale-up domain, pipeline stages, context, attention,
cache tier. Columns carry their unit in `attrs["units"]`.
"""

from collections.abc import Callable, Iterable
from math import inf
from typing import TYPE_CHECKING, Any

from ..assumptions.hardware import CacheTier
from ..assumptions.numbers import SECONDS_PER_HOUR
from ..assumptions.problems import InputError
from ..assumptions.tables import rows
from ..model.cache import KEEP_SECONDS, cheapest_tier, hbm_tier, tier_drain_seconds, usd_to_keep
from ..model.placements import placements
from ..model.prompted import Prompted, prompted
from ..model.prompts import prompt_deployment, prompt_replica
from ..model.replica import balance_batch, cache_bytes, cache_copies, drain_seconds, memory_batch, replica
from ..model.roofline import usd_per_decode_token
from ..model.step import decoded_seconds, prompt_seconds
from ..model.total import placed, total_params
from .chips import chip_comparison
from .placement import MILLION, Placement, misfits, operating_point, place_of, points_frame

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "POINTS",
    "attention_points",
    "batch_points",
    "cache_tiers",
    "context_points",
    "context_wall",
    "domain_points",
    "endless_saving",
    "fast_mode",
    "key_figures",
    "pipeline_points",
    "prompts_of",
    "speed_points",
]

ENDLESS = 1e12
BATCHES = tuple(2.0**i for i in range(0, 17, 2))
SPEEDS = tuple(step * 10.0**power for power in range(4) for step in (1.0, 1.5, 2.0, 3.0, 5.0, 7.0))
FAST = 2.5
"""speed of fast mode over the usual one"""
DOMAINS = (8.0, 72.0, 576.0)
STAGES = (1.0, 2.0, 4.0, 8.0)
CONTEXTS = (1e3, 4e3, 16e3, 64e3, 200e3, 1e6)


def endless_saving(s: Placement, batch: float | None = None) -> float:
    """Slow mode: the share of a token's cost that an endless batch would save, against `batch` or the deployment's own."""
    r = replica(s.scenario, s.n_params)
    endless = float(usd_per_decode_token(s.scenario, r, ENDLESS))
    return 1 - endless * MILLION / operating_point(s, batch)["usd_per_mtok_decode"]


def _sweep(
    s: Placement, path: str, values: Iterable[object], row: Callable[[Placement], dict[str, Any]] = operating_point
) -> "pd.DataFrame":
    """One operating point per value of a dotted path; a value that does not fit keeps its row, with the reason.

    Where the placement is open each row is at the one that is cheapest for it, which the row names.
    """
    first, records = path.split(".")[-1], []
    for value in values:
        moved, problems = s, []
        try:
            moved = s.update({path: value})
            problems = misfits(moved)
        except InputError as error:
            problems = error.problems
        place = {} if s.asked is None else {**place_of(moved.scenario), first: value}
        found = {} if problems else {**row(moved), **place}
        records.append({first: value, **found, "does_not_fit": " ".join(problems)})
    return points_frame(records)


def batch_points(s: Placement, batches: Iterable[float] = BATCHES) -> "pd.DataFrame":
    """Operating points at growing batches, up to the one that memory holds, which ends the table."""
    largest = float(memory_batch(replica(s.scenario, s.n_params)))
    sizes = [b for b in batches if b < largest]
    return points_frame([operating_point(s, b) for b in [*sizes, largest]])


def _for_speed(s: Placement, tokens_per_second: float) -> Placement:
    """The same model and chips at the batch that gives every user a speed."""
    asked = {"deployment.batch": "latency", "deployment.target_tokens_per_second": tokens_per_second}
    return s.update({**asked, "deployment.batch_size": None})


def _fastest(s: Placement) -> float:
    """Tokens per second that a lone sequence reaches; the most of all placements where it is open."""
    some = (
        [s] if s.asked is None else [s._replace(scenario=at, asked=None) for at in placements(s.asked, decoding=True)]
    )
    return max(operating_point(p, 1.0)["tokens_per_second_per_user"] for p in some if p is s or _holds(p))


def _holds(s: Placement) -> bool:
    """Whether the memory of a replica holds the model and a sequence."""
    return float(memory_batch(replica(s.scenario, s.n_params))) >= 1


def speed_points(s: Placement, speeds: Iterable[float] | None = None) -> "pd.DataFrame":
    """Latency against cost: the cheapest operating point at which every user sees a speed (tokens/s).

    Without `speeds`, round ones from the speed at the batch that memory holds to the first that no batch reaches.
    """
    free = _for_speed(s, 1e-3)
    if speeds is None:
        slowest, fastest = operating_point(free)["tokens_per_second_per_user"], _fastest(free)
        below, above = [v for v in SPEEDS if v <= slowest], [v for v in SPEEDS if v > fastest]
        speeds = [*below[-1:], *(v for v in SPEEDS if slowest < v <= fastest), *above[:1]]
    return _sweep(free, "deployment.target_tokens_per_second", speeds)


def fast_mode(s: Placement, usual: float | None = None) -> tuple[float, float]:
    """Speed and cost of fast mode over the usual ones: 2.5 times the speed, or as much as a lone sequence reaches.

    Args:
        s: model and deployment.
        usual: tokens/s of a user in the usual mode; that of the deployment's own batch when left out.

    """
    normal = operating_point(s if usual is None else _for_speed(s, usual))
    speed = min(FAST * normal["tokens_per_second_per_user"], _fastest(s))
    cost = operating_point(_for_speed(s, speed))["usd_per_mtok_decode"]
    return speed / normal["tokens_per_second_per_user"], cost / normal["usd_per_mtok_decode"]


def domain_points(s: Placement, domains: Iterable[float] = DOMAINS) -> "pd.DataFrame":
    """The same model on scale-up domains of different size: all chips of one domain, at scale-up bandwidth throughout."""
    records = []
    for chips in domains:
        domain = s.update({"money.serve_chip.scaleup_domain_chips": chips})
        records += _sweep(domain, "deployment.chips", [chips]).to_dict("records")
    return points_frame(records)


def pipeline_points(s: Placement, stages: Iterable[float] = STAGES) -> "pd.DataFrame":
    """Pipeline stages: fewer weights per stage leave more memory for the cache; a token still passes every layer, plus the hops.

    The placement is otherwise that of `s`.
    """

    def row(moved: Placement) -> dict[str, Any]:
        r = replica(moved.scenario, moved.n_params)
        return {"weight_bytes_per_stage": float(r.weight_bytes / r.stages), **operating_point(moved)}

    return _sweep(s.fixed(), "deployment.pipeline_stages", stages, row)


def context_wall(s: Placement) -> float:
    """The context, tokens, at which reading a sequence's cache takes as long as computing its token; beyond it cost grows with context.

    S such that the products of one token, at an endless batch, take c k (S^x + window) / (n W eta_m), c being copies of the cache.
    """
    r, d = replica(s.scenario, s.n_params), s.scenario.deployment
    if d.attention_exponent == 0:
        return inf
    growing, constant = map(float, cache_bytes(d, s.n_params))
    products = r.tokens_per_step * (r.dense_params * r.dense.decode + r.expert_params * r.experts.decode)
    read = float(products * r.bytes_per_second / cache_copies(d, s.scenario.money.serve_chip)) - constant
    tokens = max(read, 0.0) / growing
    if d.window_tokens is not None:
        tokens = max(tokens / (1 + d.window_ratio), tokens - d.window_ratio * d.window_tokens)
    return tokens ** (1 / d.attention_exponent)


def context_points(s: Placement, contexts: Iterable[float] = CONTEXTS) -> "pd.DataFrame":
    """Operating points at growing contexts."""
    return _sweep(s, "deployment.context_tokens", contexts)


def attention_points(s: Placement, exponents: Iterable[float] = (1.0, 0.75, 0.5)) -> "pd.DataFrame":
    """Attention that reads a power of the context: 1 is all of it, 0.5 its square root."""
    return _sweep(s, "deployment.attention_exponent", exponents)


def cache_tiers(s: Placement) -> "pd.DataFrame":
    """What keeping a million tokens for a time and reading them once costs in each tier of memory, and the cheapest tier.

    Returns:
        One row a tier: drain_seconds, usd_per_mtok_hour of storage, and USD per million tokens for each keep time. `attrs["cheapest"]` maps
        keep times to tiers.

    """
    r = replica(s.scenario, s.n_params)
    token_bytes = MILLION * float(r.kv_held_bytes) / s.scenario.deployment.context_tokens
    tiers = {"HBM": hbm_tier(s.scenario.money.serve_chip)}
    tiers |= {t["tier"]: CacheTier.model_validate(t["tier"]) for t in rows("storage_tiers")}
    records = []
    for name, tier in tiers.items():
        costs = {
            f"usd_per_mtok_{time}": float(usd_to_keep(tier, token_bytes, seconds))
            for time, seconds in KEEP_SECONDS.items()
        }
        hour = token_bytes / float(tier.capacity_bytes) * float(tier.usd_per_device_hour)
        records.append(
            {"tier": name, "drain_seconds": float(tier_drain_seconds(tier)), "usd_per_mtok_hour": hour, **costs}
        )
    frame = points_frame(records)
    frame.attrs["cheapest"] = {time: cheapest_tier(tiers, seconds) for time, seconds in KEEP_SECONDS.items()}
    return frame


def key_figures(s: Placement) -> dict[str, tuple[float, str]]:
    """The figures that place a model on a chip: name to (value, unit)."""
    r, chip, d = replica(s.scenario, s.n_params), s.scenario.money.serve_chip, s.scenario.deployment
    weights = float(r.weight_bytes / r.stages)
    decoding, prompts = (float(at.chips_on(chip) * at.stages) for at in (d, prompt_deployment(s.scenario)))
    return {
        "balance batch": (float(balance_batch(chip, placed(s.scenario))), "sequences"),
        "memory drain time": (1e3 * float(drain_seconds(chip)), "ms"),
        "parameters in all": (float(total_params(s.scenario, s.n_params)), "parameters"),
        "chips of a replica": (decoding, "chips"),
        **({} if prompts == decoding else {"chips of a replica for prompts": (prompts, "chips")}),
        "weights per stage": (weights / 1e9, "GB"),
        "cache per token": (float(r.kv_held_bytes) / d.context_tokens / 1e3, "KB"),
        "memory left for cache": ((float(r.memory_bytes) - weights) / 1e9, "GB"),
        "largest batch in memory": (float(memory_batch(r)), "sequences"),
        "context wall": (context_wall(s), "tokens"),
    } | _energy(s)


def prompts_of(s: Placement) -> Prompted | None:
    """How the prompts of the scenario's traffic are computed next to decoding at the deployment's own batch; None without the roofline."""
    if not s.scenario.serving.by_roofline:
        return None
    r, batch = replica(s.scenario, s.n_params), operating_point(s)["batch"]
    prompts = prompt_replica(s.scenario, s.n_params, r)
    per_output = float(r.chips * decoded_seconds(r, batch))
    return prompted(s.scenario, s.n_params, batch, (float(prompts.chips * prompt_seconds(prompts)), per_output))


def _energy(s: Placement) -> dict[str, tuple[float, str]]:
    """Power of a replica and the electricity of a decoded token at the deployment's own batch; nothing without the power of the chip."""
    money = s.scenario.money
    if money.serve_chip.watts is None:
        return {}
    point = operating_point(s)
    kwh = MILLION * money.serve_chip.kw / point["tokens_per_second_per_chip"] / SECONDS_PER_HOUR
    chips = s.scenario.deployment.chips_on(money.serve_chip) * s.scenario.deployment.stages
    return {
        "power of a replica": (float(chips) * money.serve_chip.kw, "kW"),
        "energy of decoding": (kwh, "kWh/Mtok"),
        "electricity of decoding": (kwh * money.usd_per_kwh, "USD/Mtok"),
    }


POINTS: dict[str, Callable[[Placement], "pd.DataFrame"]] = {
    "batch": batch_points,
    "speed": speed_points,
    "chips": chip_comparison,
    "domain": domain_points,
    "pipeline": pipeline_points,
    "context": context_points,
    "attention": attention_points,
    "cache": cache_tiers,
}
"""Every table of serving, by name."""
