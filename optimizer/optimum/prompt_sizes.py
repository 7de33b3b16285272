"""Placements that differ in the chips of prompts alone: what prompts take on each of them, and which of them count."""

from collections.abc import Hashable, Sequence

import numpy as np
from jaxtyping import Bool, Float

from ..assumptions.quantity import Numeric
from ..assumptions.scenario import Scenario
from ..model.prompts import prompt_deployment
from ..model.replica import replica_of
from ..model.roofline import SERVED, prompts_excess
from ..model.step import prompt_seconds

__all__ = ["beaten", "decoding", "prompts_at"]


def decoding(scenario: Scenario) -> Hashable:
    """What placements of decoding differ in."""
    d = scenario.deployment
    return d.parallelism, d.chips, d.pipeline_stages


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
    prefill: Float[np.ndarray, "size cell"], keeps: Bool[np.ndarray, "size cell"]
) -> Bool[np.ndarray, "size cell"]:
    """By size for prompts and cell: another size serves all of the cell and its prompts cost less, or the same and it comes first.

    Numbers are those of the least N of a cell, the next cell's of its largest; of the last cell nothing is known. What is more expensive at
    both ends of a narrow cell is so within: two costs of prompts are taken to cross there once at most.
    """
    ends = np.stack([prefill, np.append(prefill[:, 1:], np.full((len(prefill), 1), np.nan), axis=1)])
    everywhere = keeps & np.append(keeps[:, 1:], np.zeros((len(keeps), 1), bool), axis=1)
    found = np.zeros(keeps.shape, bool)
    for i, other in enumerate(ends.swapaxes(0, 1)):
        less = (other[:, None] < ends).all(axis=0)
        same = (other[:, None] <= ends).all(axis=0) & (np.arange(len(prefill)) > i)[:, None]
        found |= everywhere[i] & (less | same)
    return found
