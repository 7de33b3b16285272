"""Placements: a model on a deployment, what does not fit there, and its operating point."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from math import ceil, floor, inf
from typing import TYPE_CHECKING, Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..assumptions.architecture import released
from ..assumptions.arguments import MAPPING, NUMBER, PATH, TEXT, checks
from ..assumptions.bounds import within
from ..assumptions.library import load
from ..assumptions.numbers import amount, human, in_bytes
from ..assumptions.present import not_discounted
from ..assumptions.problems import InputError
from ..assumptions.quantity import Numeric
from ..assumptions.scenario import Scenario
from ..assumptions.traffic import TotalTraffic
from ..compiling import compiled
from ..model.cost import Design
from ..model.outputs import POINT, units_of
from ..model.placements import Placed, decides, placed_as, placements
from ..model.prompts import own_prompt_chips, prompt_deployment, prompt_replica
from ..model.replica import Replica, longest_context, replica
from ..model.roofline import (
    batch_size,
    batch_within,
    fastest_step,
    serving_excess,
    usd_per_decode_token,
    usd_per_prefill_token,
    user_step,
)
from ..model.step import step_time
from ..optimum.placing import cheapest
from ..optimum.solution import Solution, Status

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "MILLION",
    "Placement",
    "misfits",
    "operating_point",
    "place_of",
    "placement",
    "placement_of",
    "points_frame",
]

MILLION = 1e6
_MORE = (2.0, 4.0, 8.0)
"""Times the chips of a replica that are tried for a speed."""
_PREFILL_CHIPS = "deployment.prefill_chips"
_MOST_CHIPS = 1 << 17
"""Chips tried for a stage."""


class Placement(NamedTuple):
    """A model on a deployment."""

    name: str
    n_params: float
    scenario: Scenario
    """with its placement given"""
    asked: Scenario | None = None
    """with its placement open, where it was chosen"""

    @property
    def placed(self) -> Placed:
        """The placement at the deployment's own batch, as answers have it."""
        listed = 1 if self.asked is None else len(placements(self.asked))
        found = placed_as(self.scenario, operating_point(self)["batch"], listed)
        assert found is not None
        return found

    def update(self, changes: Mapping[str, object]) -> "Placement":
        """The same model with dotted paths replaced; where its placement is open, at the one that is then the cheapest."""
        if self.asked is None:
            return self._replace(scenario=self.scenario.update(changes))
        return _placed(self.name, self.n_params, self.asked.update(changes))

    def fixed(self) -> "Placement":
        """The same, with its placement given for all that is asked of it."""
        return self._replace(asked=None)


@checks(model=TEXT, params=NUMBER, changes=MAPPING, base=PATH)
def placement(
    model: str = "",
    params: float | None = None,
    changes: Mapping[str, object] | None = None,
    base: str = "lecture-2026",
) -> Placement:
    """A model of data/models.csv, or one of `params` active parameters with the shape that released models follow.

    Args:
        model: name in data/models.csv; its layers, cache and sparsity are then exact.
        params: active parameters, when no model is named.
        changes: dotted paths to replace, as in `Scenario.update`.
        base: preset or file whose deployment and chip are used.

    Where deployment.placement is "best" it is the one that serves the scenario's mix of tokens for the least cost at its context and
    speed; for a scenario that serves none, the one that decodes for least.

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
            f"the number of active parameters must be {within(1)}, got {params:g}; give it as 70B, or name a model."
        )
    if model:
        try:
            n_params, shape = released(model)
            start |= {f"deployment.{field}": value for field, value in shape.items()}
        except InputError as error:
            problems += error.problems
    try:
        scenario = load(base, {**start, **(changes or {})})
    except InputError as error:
        raise InputError([*problems, *error.problems]) from None
    if problems:
        raise InputError(problems)
    own = scenario.deployment
    if not decides(scenario) and own.parallelism is None and float(own.sparsity or 1.0) > 1:
        scenario = scenario.update({"deployment.parallelism": "expert"})
    found = _placed(_called(model, n_params, scenario), n_params, scenario)
    if problems := misfits(found):
        raise InputError(problems)
    return found


def placement_of(best: Solution, changes: Mapping[str, object] | None = None) -> Placement:
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
    scenario = best.asked.update({"serving.method": "roofline", "money.unit": "usd", **(changes or {})})
    found = _placed(f"a {human(n_params)} model", n_params, scenario, best.design)
    if problems := misfits(found):
        raise InputError(problems)
    return found


def _placed(name: str, n_params: float, scenario: Scenario, design: Design | None = None) -> Placement:
    """A model at the cheapest placement of a scenario; that of a whole design counts the decoding of its RL."""
    if not decides(scenario):
        return Placement(name, n_params, scenario)
    asked = scenario
    if not float(sum(scenario.traffic.demand())) > 0:
        total = TotalTraffic(output_tokens=1.0)
        asked = not_discounted(scenario).model_copy(update={"traffic": total})
    given = cheapest(asked, design or Design(n_params, 1.0, 0.0))[0].deployment
    return Placement(name, n_params, scenario.model_copy(update={"deployment": given}), scenario)


def _called(model: str, n_params: float, scenario: Scenario) -> str:
    """The name of a model, with what differs from its row in data/models.csv."""
    if not model:
        return f"a {human(n_params)} model"
    own = scenario.deployment
    declared = {path: quantity.unit for path, quantity, _ in own.quantities()}
    now = {field: (float(getattr(own, field)), was) for field, was in released(model)[1].items()}
    changes = [f"{field} = {amount(v, declared[field], was)}" for field, (v, was) in now.items() if v != was]
    return f"{model} (changed: {', '.join(changes)})" if changes else model


def misfits(s: Placement) -> list[str]:
    """One sentence for everything the deployment cannot do with this model, with what would fit."""
    said = {"deployment.chips": _what_fits, _PREFILL_CHIPS: _what_fits_prompts}
    with np.errstate(all="ignore"):  # a size far beyond any replica leaves the range of 64-bit floats
        excess = {path: float(value) for path, value in serving_excess(s.scenario, s.n_params).items()}
        return [said[path](s) if path in said else _what_speed(s, path) for path, value in excess.items() if value > 0]


def _what_fits_prompts(s: Placement) -> str:
    """What is missing where prompts are computed, each needing room for the cache of one."""
    changes = {
        "deployment.chips": s.scenario.deployment.prefill_chips,
        _PREFILL_CHIPS: None,
        "deployment.batch": "optimal",
    }
    gone = {"deployment.batch_size": None, "deployment.target_tokens_per_second": None}
    alone = s._replace(scenario=s.scenario.update({**changes, **gone}))
    return f"Where prompts are computed, {_what_fits(alone)}".replace("deployment.chips", _PREFILL_CHIPS)


def _what_fits(s: Placement) -> str:
    """The memory that is missing, and each single change that would do."""
    r, d, chip = replica(s.scenario, s.n_params), s.scenario.deployment, s.scenario.money.serve_chip
    sequences = d.batch_size or 1.0
    weights, cache, room = float(r.weight_bytes / r.stages), float(r.kv_held_bytes) * sequences, float(r.memory_bytes)
    chips, needed = float(d.chips_on(chip)), _chips_needed(s)
    per_stage = "" if d.stages == 1 else " a stage"
    ways = [] if needed is None else [f"deployment.chips = {needed:,}{per_stage} or more"]
    if weights < room:
        longest, most = float(longest_context(s.scenario, s.n_params)), (room - weights) * sequences / cache
        if longest >= 1:
            ways.append(f"deployment.context_tokens = {floor(longest):,} or less")
        if sequences > 1 and most >= 1:
            ways.append(f"deployment.batch_size = {floor(most):,} or less")
    if cache < room:
        ways.append(f"deployment.pipeline_stages = {ceil(float(r.weight_bytes) / (room - cache)):,} or more")
    return (
        f"{s.name} needs {in_bytes(weights)} for weights and {in_bytes(cache)} for the cache of "
        f"{human(sequences)} {'sequence' if sequences == 1 else 'sequences'} of {human(d.context_tokens)} tokens; {chips:g} "
        f"{chip.title or 'chips'} hold{'s' if chips == 1 else ''} {in_bytes(room)} for both. "
        f"Take {', or '.join([*ways, 'fewer bytes a weight'])}."
    )


def _chips_needed(s: Placement) -> int | None:
    """The smallest number of chips of a stage that hold the model; None where copies of weights and cache fill whatever is added."""

    def fits(chips: int) -> bool:
        moved = s.scenario.model_copy(
            update={"deployment": s.scenario.deployment.model_copy(update={"chips": float(chips)})}
        )
        return float(serving_excess(moved, s.n_params)["deployment.chips"]) <= 0

    return bisect_left(range(1, _MOST_CHIPS), True, key=fits) + 1 if fits(_MOST_CHIPS) else None


def _what_speed(s: Placement, path: str) -> str:
    """The speed that is reached at most, and what raises it."""
    r, d = replica(s.scenario, s.n_params), s.scenario.deployment
    fastest = float(r.kept_tokens / fastest_step(s.scenario, r))
    asked = s.scenario.deployment.target_tokens_per_second if path.startswith("deployment") else None
    asked = s.scenario.limits.min_tokens_per_second_per_user if asked is None else asked
    layers_allow = float(r.kept_tokens / r.fixed_seconds) if float(r.fixed_seconds) else inf
    own, path_of_chips = float(d.chips_on(s.scenario.money.serve_chip)), "deployment.chips"
    more = (s.scenario.update({path_of_chips: own * factor}) for factor in _MORE)
    raises = (
        path_of_chips
        if asked is not None and any(float(serving_excess(m, s.n_params)[path]) <= 0 for m in more)
        else f"deployment.acceptance_rate: more chips alone do not reach it, and the layers' fixed time allows {human(layers_allow)} "
        "tokens/s"
    )
    return (
        f"{path} asks for more than the {human(fastest)} tokens/s that {s.name} reaches at the smallest batch. Ask for at most "
        f"{human(fastest)}, or raise {raises}."
    )


def operating_point(s: Placement, batch: float | None = None) -> dict[str, Any]:
    """Speed, cost and memory of one batch; of the deployment's own batch when none is given.

    Returns:
        batch (sequences), step_ms, tokens_per_second_per_user, tokens_per_second_per_chip, usd_per_mtok_decode, usd_per_mtok_prefill,
        memory_share (of what the chips may fill), waits_for.

    """
    scenario, r = s.scenario, replica(s.scenario, s.n_params)
    size = batch_size(scenario, r, lambda *given: float(_batch_within(*given))) if batch is None else batch
    step, seen = step_time(r, size), user_step(scenario, r, size)
    rate = size * r.kept_tokens / seen
    figures = (
        size,
        1e3 * step.total,
        r.kept_tokens / seen,
        rate / scenario.deployment.chips_on(scenario.money.serve_chip),
        MILLION * usd_per_decode_token(scenario, r, size),
        MILLION * usd_per_prefill_token(scenario, prompt_replica(scenario, s.n_params, r)),
        (r.weight_bytes / r.stages + size * r.kv_held_bytes) / r.memory_bytes,
    )
    parts = {
        "compute": step.compute,
        "memory": step.memory,
        "exchange": step.exchange,
        "layers": step.fixed,
        "sequences": step.sequences,
    }
    longest = max(parts, key=lambda name: float(parts[name]))
    return {**{name: float(v) for name, v in zip(POINT, figures, strict=True)}, "waits_for": longest}


@compiled(structure=0)
def _batch_within(r: Replica, seconds: Numeric) -> Float[Array, ""]:
    return jnp.asarray(batch_within(r, seconds))


def place_of(scenario: Scenario) -> dict[str, Any]:
    """The columns that name a placement, with the chips of a stage that computes prompts where those are a number of their own."""
    written = scenario.deployment.written_out(scenario.money.serve_chip)
    if own_prompt_chips(scenario):
        written["prefill_chips"] = prompt_deployment(scenario).chips
    return {name: value if name == "parallelism" else float(value) for name, value in written.items()}


def points_frame(records: Sequence[Mapping[str, Any]]) -> "pd.DataFrame":
    """Operating points as a table, one row each, with the unit of each column in `attrs["units"]`."""
    import pandas as pd

    frame = pd.DataFrame.from_records([*records])
    frame.attrs["units"] = units_of(frame, "USD")
    return frame
