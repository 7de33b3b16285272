"""The placements that a scenario's deployment may choose from: chips per replica, what they exchange, pipeline stages.

With deployment.placement = "best" the cost of a token is the lowest over this list. Each entry is a deployment with a given placement,
whose cost is convex in logarithms where `optimum.best_of.is_convex` says so; the lowest of several is not, so each is solved for itself.

    tensor    1, 2, 4 and 8 chips, of at most one scale-up domain
    expert    8, 16, 32, .. chips and the whole domain, at most one chip per expert; for models with experts
    stages    2 and 4 of the largest replica of each kind, for models that one stage does not hold

With prompts computed apart, each comes with every size that its kind lists for the chips of prompts' own replicas, and the same stages.

The batch is not listed: every entry takes the best one that memory and speed allow. Precision is the chip's, as it changes what the model
is worth. What is given of chips, parallelism, pipeline stages and prefill_chips is kept. Prompts between the steps of decoding are not
listed: a prompt token costs the chips that compute it as much as apart, and takes its time from the users of the batch.

"""

from collections.abc import Callable, Hashable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from ..assumptions.quantity import Numeric, numpy_for
from ..assumptions.scenario import Scenario
from .accuracy import error_of, serving_error
from .prompts import chooses_prompt_chips, prompts_delay
from .total import placed

__all__ = [
    "LISTED_BY",
    "Placed",
    "Places",
    "at_place",
    "decides",
    "moves_serving",
    "over_places",
    "placed_as",
    "placements",
    "places",
]

_Of = tuple[Array, tuple[Array, ...]]
_TENSOR = (1.0, 2.0, 4.0, 8.0)
_EXPERT = tuple(2.0**i for i in range(3, 20))
_STAGES = (2.0, 4.0)
LISTED_BY = frozenset(
    {
        "money.serve_chip.scaleup_domain_chips",
        "deployment.chips",
        "deployment.pipeline_stages",
        "deployment.sparsity",
        "deployment.expert_share",
        "deployment.experts_per_token",
        "law.experts",
        "law.sparsity",
    }
)
"""Numbers that the list depends on, by dotted path."""
_MIX = ("traffic.", "money.discount_rate", "money.price_decline")
_MOVE_SERVING = ("deployment.", "money.serve_chip.")
_MOVE_SERVING_TOO = ("serving.flops_per_param_token", "limits.min_tokens_per_second_per_user")
_PRICES_ONLY = (
    "money.serve_chip.usd_per_chip_hour",
    "deployment.cache_keep_seconds",
    "deployment.cache_tier.",
    "deployment.prompt_tokens",
)


class Placed(NamedTuple):
    """Where a model is served."""

    chips: float
    """of one pipeline stage"""
    parallelism: str
    stages: float
    precision: str
    batch: float
    """sequences per step"""
    listed: int
    """placements that were compared; 1 where it is given"""
    error: str
    """how far measurements of such a deployment lie from the roofline"""
    within: float
    """factor on the cost of serving within which 80 % of them lie"""
    prefill_chips: float | None
    """of a pipeline stage that computes prompts; None where those decode too, or are as many"""

    @property
    def where(self) -> str:
        """Chips, parallelism and stages in words."""
        many = f"{self.chips:g} chips, {self.parallelism} parallelism" if self.chips > 1 else "1 chip"
        return f"{self.stages:g} pipeline stages of {many}" if self.stages > 1 else many

    @property
    def whole(self) -> str:
        """The same, with the chips of prompts where they are others: by which it differs from the rest of the list."""
        own = self.prefill_chips
        return self.where if own is None or own == self.chips else f"{self.where} (prompts on {own:g})"

    @property
    def sentence(self) -> str:
        """The placement in words, and the settings that fix it where it was chosen."""
        said = f"Placement: {self.where}, {self.precision}, {self.batch:,.0f} sequences a step"
        if self.listed == 1:
            return f"{said}, as given."
        fix = ", ".join(f"deployment.{field} = {value}" for field, value in self.settings.items())
        return f"{said}: the cheapest of {self.listed}. To fix it: {fix}."

    @property
    def settings(self) -> dict[str, str]:
        """Fields of the deployment that fix this placement."""
        return {
            "placement": "given",
            "chips": f"{self.chips:g}",
            "parallelism": self.parallelism,
            "pipeline_stages": f"{self.stages:g}",
            **({} if self.prefill_chips is None else {"prefill_chips": f"{self.prefill_chips:g}"}),
        }


class Places(NamedTuple):
    """Placements of one kind of parallelism, on a leading axis: of fixed length where a number that the list depends on is traced."""

    chips: Float[Array, " place"]
    stages: Float[Array, " place"]
    allowed: Bool[Array, " place"]
    """which of them the list has"""
    prompts: Float[Array, " prompt"] | None = None
    """chips that compute prompts for any of them; None where they are not chosen"""
    prompts_allowed: Bool[Array, " prompt"] | None = None

    def pairs(self) -> "Places":
        """Each place with each size for prompts, all on one axis."""
        if self.prompts is None or self.prompts_allowed is None:
            return self
        xp, many, each = numpy_for(self.chips, self.prompts), len(self.chips), len(self.prompts)
        chips, stages, allowed = (xp.repeat(v, each) for v in self[:3])
        prompts, too = (xp.tile(v, many) for v in self[3:])
        return Places(chips, stages, allowed & too, prompts, too)


def decides(scenario: Scenario) -> bool:
    """Whether the placement is to be chosen."""
    return scenario.serving.by_roofline and scenario.deployment.placement == "best"


def moves_serving(scenario: Scenario, path: str) -> bool:
    """Whether the number at a dotted path moves the list of placements, or what a model needs of a placement (`cost.Served`)."""
    shape = scenario.law.shape
    if prompts_delay(scenario) and path.startswith(_MIX):
        return True
    if path in _MOVE_SERVING_TOO or (shape is not None and path == f"law.{shape.field}"):
        return True
    return path.startswith(_MOVE_SERVING) and not path.startswith(_PRICES_ONLY)


def places(scenario: Scenario) -> dict[str, Places]:
    """The placements of each kind of parallelism that a scenario may choose from; pure JAX."""
    given, chip, model = scenario.deployment, scenario.money.serve_chip, placed(scenario)
    domain = 1.0 if chip.scaleup_domain_chips is None else chip.scaleup_domain_chips
    sparsity = 1.0 if model.sparsity is None else model.sparsity
    share = 1 / sparsity if model.expert_share is None else model.expert_share
    xp = numpy_for(domain, sparsity, share, model.experts_per_token, given.chips, given.pipeline_stages)
    has_experts = (sparsity > 1) | (given.parallelism == "expert")
    most = xp.minimum(domain, xp.maximum(model.experts_per_token / share, 1.0))
    found = {}
    for kind, sizes in (("tensor", _TENSOR), ("expert", _EXPERT)):
        if given.parallelism not in (None, kind):
            continue
        powers = xp.array(sizes)
        if kind == "tensor":
            chips, allowed = powers, powers <= domain
        else:
            fits = (powers <= most) & has_experts
            # The whole domain is listed too, and is what is left where experts are asked for and no power of 2 fits.
            whole = has_experts & (domain > 1) & (domain <= most) & ~(powers == domain).any()
            chips = xp.append(powers, domain)
            allowed = xp.append(fits, whole | ((given.parallelism == "expert") & ~fits.any()))
        prompts = chips, allowed
        if given.chips is not None:
            chips, allowed = xp.array([given.chips]), xp.array([True if kind == "tensor" else has_experts])
            prompts = (
                xp.append(prompts[0], given.chips),
                xp.append(prompts[1], allowed & ~(prompts[0] == given.chips).any()),
            )
        stages = xp.ones(len(chips)) * given.stages
        if given.pipeline_stages is None:
            largest = xp.where(allowed, chips, 0.0).max()
            chips = xp.concatenate([chips, largest * xp.ones(len(_STAGES))])
            stages = xp.concatenate([stages, xp.array(_STAGES)])
            allowed = xp.concatenate([allowed, allowed.any() & xp.ones(len(_STAGES), bool)])
        if xp is np:
            chips, stages, allowed = chips[allowed], stages[allowed], allowed[allowed]
            prompts = tuple(v[prompts[1]] for v in prompts)
        # One that is not listed stands for a single chip, so that no number of it is out of range.
        found[kind] = Places(xp.where(allowed, chips, 1.0), stages, allowed)
        if chooses_prompt_chips(scenario):
            found[kind] = found[kind]._replace(
                prompts=xp.where(prompts[1], prompts[0], 1.0), prompts_allowed=prompts[1]
            )
    return {kind: some for kind, some in found.items() if len(some.chips)}


def at_place(
    scenario: Scenario, kind: str, chips: Numeric, stages: Numeric, prompts: Numeric | None = None
) -> Scenario:
    """The scenario with its placement given."""
    settings = {"placement": "given", "chips": chips, "parallelism": kind, "pipeline_stages": stages}
    if prompts is not None:
        settings["prefill_chips"] = prompts
    return scenario.model_copy(update={"deployment": scenario.deployment.model_copy(update=settings)})


def placements(scenario: Scenario, *, decoding: bool = False) -> list[Scenario]:
    """The scenario at each placement it may choose from, or itself where none is chosen; those with more stages last.

    Args:
        scenario: the question.
        decoding: list what decodes alone, prompts as it is.

    >>> from optimizer.assumptions.library import load
    >>> rack = load("frontier-moe-rack", {"deployment.placement": "best", "deployment.parallelism": None})
    >>> [f"{s.deployment.chips:g} {s.deployment.parallelism}" for s in placements(rack, decoding=True)][:6]
    ['1 tensor', '2 tensor', '4 tensor', '8 tensor', '8 expert', '16 expert']
    >>> [f"{s.deployment.prefill_chips:g}" for s in placements(rack)][:4]
    ['1', '2', '4', '8']

    """
    if not decides(scenario):
        return [scenario]
    found = []
    for kind, some in places(scenario).items():
        listed = some._replace(prompts=None) if decoding else some.pairs()
        prompts = [None] * len(listed.chips) if listed.prompts is None else map(float, listed.prompts)
        for chips, stages, own in zip(listed.chips, listed.stages, prompts, strict=True):
            found.append(at_place(scenario, kind, float(chips), float(stages), own))
    return sorted(found, key=lambda s: float(s.deployment.stages))


def over_places(of: Callable[..., _Of], scenario: Scenario, *args: Any) -> tuple[Array, ...]:
    """What a function is at the placement with the least merit, elementwise; pure JAX.

    Derivatives are those of the placement that is taken (envelope theorem).

    Args:
        of: (merit, values) of a scenario whose placement is given and of `args`, all of one shape; a function of a module.
        scenario: with its placement open.
        args: numbers, or tuples of them.

    """
    leaves, tree = jax.tree.flatten(scenario)
    merits, values = [], []
    for kind, some in places(scenario).items():
        merit, found = _at_places(of, tree, kind, leaves, args, some.chips, some.stages, some.prompts)
        left_out = ~jnp.asarray(some.pairs().allowed).reshape(-1, *[1] * (merit.ndim - 1))
        merits.append(jnp.where(left_out | jnp.isnan(merit), jnp.inf, merit))
        values.append(found)
    best = jnp.argmin(jnp.concatenate(merits), axis=0)[None]
    return tuple(jnp.take_along_axis(jnp.concatenate(parts), best, axis=0)[0] for parts in zip(*values, strict=True))


@partial(jax.jit, static_argnums=(0, 1, 2))  # not `compiled`, whose programs are no part of a transformation
def _at_places(
    of: Callable[..., _Of],
    tree: Hashable,
    kind: str,
    leaves: Sequence[Numeric],
    args: tuple[Any, ...],
    chips: Float[Array, " place"],
    stages: Float[Array, " place"],
    prompts: Float[Array, " prompt"] | None,
) -> _Of:
    scenario = jax.tree.unflatten(tree, leaves)
    if prompts is None:
        return jax.vmap(lambda n, p: of(at_place(scenario, kind, n, p), *args))(chips, stages)
    # One axis in the other, so that decoding is computed once a place.
    found = jax.vmap(lambda n, p: jax.vmap(lambda q: of(at_place(scenario, kind, n, p, q), *args))(prompts))(
        chips, stages
    )
    return jax.tree.map(lambda v: v.reshape(-1, *v.shape[2:]), found)


def placed_as(scenario: Scenario, batch: float, listed: int = 1) -> Placed | None:
    """The placement of a scenario whose deployment is given, with the sequences of a step; None without the roofline."""
    if not scenario.serving.by_roofline:
        return None
    d, chip = scenario.deployment, scenario.money.serve_chip
    written = d.written_out(chip)
    return Placed(
        float(written["chips"]),
        written["parallelism"],
        float(written["pipeline_stages"]),
        chip.precision,
        batch,
        listed,
        serving_error(scenario),
        error_of(scenario).within,
        None if d.prefill == "together" or d.prefill_chips is None else float(d.prefill_chips),
    )
