"""What prompts take on placements that differ in the chips of prompts alone, and which placements another one beats."""

from collections.abc import Hashable, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from ..assumptions.quantity import Numeric
from ..assumptions.scenario import Scenario
from ..model.prompts import prompt_deployment
from ..model.replica import replica_of
from ..model.roofline import SERVED, prompts_excess
from ..model.step import prompt_seconds

__all__ = ["alike", "beaten", "decoding", "prompts_at"]


def decoding(scenario: Scenario) -> tuple[str | None, float | None, float | None]:
    """What placements of decoding differ in."""
    d = scenario.deployment
    return d.parallelism, d.chips, d.pipeline_stages


def alike(listed: Sequence[Scenario]) -> tuple[list[Scenario], Int[np.ndarray, " placement"]]:
    """The first placement of each that decode alike, and which of these each placement decodes as."""
    first: dict[Hashable, Scenario] = {}
    for s in listed:
        first.setdefault(decoding(s), s)
    return [*first.values()], np.array([[*first].index(decoding(s)) for s in listed])


def prompts_at(
    listed: Sequence[Scenario], n_params: Numeric
) -> tuple[Float[np.ndarray, "placement ..."], Float[np.ndarray, "placement ..."]]:
    """Chip-seconds of a prompt token at each placement, and the excess of memory where it is passed; zeros where prompts have no chips of
    their own.
    """
    known: dict[Hashable, tuple[np.ndarray, np.ndarray]] = {}
    nothing = np.zeros(np.shape(n_params))
    keys = []
    with np.errstate(all="ignore"):  # a size far beyond any replica leaves the range of 64-bit floats
        for s in listed:
            d = s.deployment
            keys.append((d.parallelism, d.pipeline_stages, d.prefill_chips))
            if d.prefill_chips is None:
                known[keys[-1]] = nothing, nothing
            elif keys[-1] not in known:
                r = replica_of(prompt_deployment(s), s.money.serve_chip, n_params, s.serving.flops_per_param_token)
                passed = np.asarray(prompts_excess(r))
                known[keys[-1]] = np.asarray(r.chips * prompt_seconds(r)), np.where(passed > SERVED, passed, 0.0)
    seconds, excess = zip(*(known[key] for key in keys), strict=True)
    return np.stack(seconds), np.stack(excess)


def beaten(
    needs: Float[np.ndarray, "need placement node"], keeps: Bool[np.ndarray, "placement node"]
) -> Bool[np.ndarray, "placement cell"]:
    """By placement and cell between two nodes: another placement serves all of the cell and needs no more, or the same and comes first.

    What is needed costs something or nothing, so a placement that is beaten in all cells where an optimum may lie is the best in none of
    them, whatever the prices are. What needs more at both ends of a narrow cell does so within: two needs are taken to cross there once at
    most.
    """
    no_more = np.ones((needs.shape[1], *needs.shape[1:]), bool)
    for need in np.where(keeps, needs, np.inf):
        no_more &= need[:, None] <= need[None]
    no_more, served = no_more[..., :-1] & no_more[..., 1:], keeps[:, :-1] & keeps[:, 1:]
    first = np.tri(needs.shape[1], k=-1, dtype=bool).T[..., None]
    return np.any(served[:, None] & no_more & (first | ~no_more.swapaxes(0, 1)), axis=0)
