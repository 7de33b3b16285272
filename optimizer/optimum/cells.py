"""A cost below which no placement serves any design of a loss: of each placement, cell by cell along those designs.

A cell runs from (N_i, D_i) to (N_i+1, D_i+1), N rising and D falling. A placement's cost rises with N and with D, so no design in the cell
costs less than C(N_i, D_i+1). Where RL tokens are decided it has all designs of the loss from N_i to N_i+1: D and R cost what they do at
N_i, and leave as much of the loss to reach as at N_i+1.

All placements of a kind are computed side by side in NumPy. Only the designs and the batch within a speed are compiled programs: small
ones, of which the second is the same for nearly all scenarios.
"""

from collections.abc import Callable, Hashable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped

from ..assumptions.quantisation import quantised
from ..assumptions.quantity import Numeric
from ..assumptions.scenario import Scenario
from ..compiling import compiled
from ..model.cost import Design, Served, design_of, lifecycle_cost_served
from ..model.loop import first_token_excess
from ..model.placements import at_place
from ..model.prompts import own_prompt_chips
from ..model.quality import target_inner_sum
from ..model.replica import Replica, replica
from ..model.roofline import SERVED, batch_size, batch_within, can_serve
from ..model.step import decoded_seconds, prompt_seconds
from .curve import curve
from .dual import least_training
from .prompt_sizes import alike, beaten, prompts_at
from .structure import general

__all__ = ["least_in_cells"]

_CostOf = Callable[[Served], Float[np.ndarray, "placement cell"]]


def least_in_cells(
    listed: Sequence[Scenario], edges: Float[np.ndarray, " edge"], along: Scenario | None = None
) -> Float[np.ndarray, "placement cell"]:
    """The bound of each placement in each cell between two edges; infinite where nothing fits, 0 where nothing is known.

    Of placements that differ in the chips of prompts alone, in each cell only the one counts whose prompts cost least at both of its ends.

    Args:
        listed: placements of one scenario, of goal `loss`.
        edges: coordinates of `curve`; where RL tokens are decided, logits of the share of z that N leaves to D and R.
        along: the placement whose curve has them; the first one listed where it is left out.

    """
    if not listed:
        return np.empty((0, len(edges) - 1))
    first = listed[0] if along is None else along
    if first.rl.decided:
        n, cost = _with_rl(first, edges)
        if not (np.diff(n) >= 0).all():
            return np.zeros((len(listed), len(edges) - 1))
    else:
        ln_n, ln_d = _designs(first, edges)
        if not ((np.diff(ln_n) >= 0).all() and (np.diff(ln_d) <= 0).all()):
            return np.zeros((len(listed), len(edges) - 1))
        n = np.exp(ln_n)
        cost = _at_corners(first, design_of(first, n[:-1], np.exp(ln_d[1:])))
    found = np.empty((len(listed), len(edges) - 1))
    kinds = [s.deployment.parallelism for s in listed]
    for kind in dict.fromkeys(kinds):
        some = [i for i, other in enumerate(kinds) if other == kind]
        with np.errstate(all="ignore"):  # a size far beyond any replica leaves the range of 64-bit floats
            found[some] = _of_a_kind([listed[i] for i in some], n[:-1], cost)
    return found


def _at_corners(first: Scenario, corners: Design) -> _CostOf:
    """What the designs at the corners of the cells cost."""
    return lambda served: np.asarray(lifecycle_cost_served(first, corners, served).total)


def _with_rl(first: Scenario, edges: Float[np.ndarray, " edge"]) -> tuple[Float[np.ndarray, " edge"], _CostOf]:
    """N at the edges, and what D, R and serving cost in each cell at least. Repetition is left out: it makes no token worth more."""
    law, z = first.law.chinchilla, np.asarray(target_inner_sum(first))
    with np.errstate(all="ignore"):
        n = (law.A / z * (1 + np.exp(edges))) ** (1 / law.alpha)
        left = z / (1 + np.exp(-edges[1:]))

    def cost(served: Served) -> Float[np.ndarray, "placement cell"]:
        one = lifecycle_cost_served(first, Design(n[:-1], 1.0, 1.0), served)
        prices = np.asarray(one.pretraining), np.asarray(one.rl)
        training = least_training(*prices, left, (law.B, law.beta), first.rl.return_term(first.law))
        return np.asarray(training + one.prefill + one.decode)

    return np.asarray(n), cost


def _designs(along: Scenario, edges: Float[np.ndarray, " edge"]) -> Float[np.ndarray, "2 edge"]:
    """ln N and ln D at the edges."""
    if not quantised(along):
        return np.array(curve(along).place(edges)[:2])
    leaves, tree = jax.tree.flatten(general(along).model_copy(update={"goal": along.goal}))
    return np.asarray(_few_bits(tree, np.array(leaves, float), edges))


@compiled(structure=1)
def _few_bits(tree: Hashable, leaves: Float[Array, " leaf"], edges: Float[Array, " edge"]) -> Float[Array, "2 edge"]:
    """`_designs` where few bits add to the loss: N is a root."""
    places = jax.vmap(curve(jax.tree.unflatten(tree, list(leaves))).place)(edges)
    return jnp.stack([places.ln_n, places.ln_d])


def _of_a_kind(
    listed: Sequence[Scenario], n: Float[np.ndarray, " cell"], cost_of: _CostOf
) -> Float[np.ndarray, "placement cell"]:
    """Bounds of placements with one kind of parallelism, from the least N of each cell and what a model costs there at least."""
    first, (places, row) = listed[0], alike(listed)
    decode, prefill, held, keeps = (part[row] for part in _decoding(places, n))
    if own_prompt_chips(first):
        prefill, excess = prompts_at(listed, n)
        keeps = np.logical_and(keeps, excess == 0)
    if first.limits.max_seconds_to_first_token is not None:
        keeps = np.logical_and(keeps, first_token_excess(_side_by_side(listed), n) <= SERVED)
    cost = cost_of(Served(decode, prefill, held))
    known = ~np.isnan(np.where(keeps, cost, 0.0)).any(axis=1, keepdims=True)
    bounds = np.where(known, np.where(keeps, cost, np.inf), 0.0)
    counts = np.logical_and(keeps, known)
    for k in range(len(places)):
        some = row == k
        # What the last cell ends with is not known.
        out = np.pad(beaten(prefill[None, some], counts[some]), ((0, 0), (0, 1)))
        bounds[some] = np.where(out, np.inf, bounds[some])
    return bounds


def _decoding(listed: Sequence[Scenario], n: Float[np.ndarray, " cell"]) -> list[Shaped[np.ndarray, "placement cell"]]:
    """Of placements and sizes: `Served`, with prompts computed by the chips that decode, and whether any batch serves it."""
    s = _side_by_side(listed)
    s = s.model_copy(update={"deployment": s.deployment.model_copy(update={"prefill_chips": None})})
    r = replica(s, n)
    batch = batch_size(s, r, _batches)
    # Of the regimes the one of the smallest batch takes longest.
    decode = r.chips * decoded_seconds(r, batch)
    parts = (decode, r.chips * prompt_seconds(r), r.kv_held_bytes, can_serve(s, n))
    return [np.broadcast_to(np.asarray(part), (len(listed), len(n))) for part in parts]


def _side_by_side(listed: Sequence[Scenario]) -> Scenario:
    """Placements of one kind as one scenario, whose chips and stages are columns."""
    fields = ("chips", "pipeline_stages", "prefill_chips")
    columns = [[getattr(s.deployment, field) for s in listed] for field in fields]
    chips, stages, prompts = (None if None in column else np.array(column, float)[:, None] for column in columns)
    assert chips is not None
    assert stages is not None
    return at_place(listed[0], listed[0].deployment.parallelism or "tensor", chips, stages, prompts)


def _batches(r: Replica, seconds: Numeric) -> Float[np.ndarray, "placement cell"]:
    """`batch_within` of every placement."""
    leaves, tree = jax.tree.flatten((r, seconds))
    shape = np.broadcast_shapes(*map(np.shape, leaves))
    rows = zip(*(np.broadcast_to(leaf, shape) for leaf in leaves), strict=True)
    return np.stack([np.asarray(_batch_within(*jax.tree.unflatten(tree, row))) for row in rows])


@compiled(structure=0)
def _batch_within(r: Replica, seconds: Numeric) -> Float[Array, " cell"]:
    return jnp.asarray(batch_within(r, seconds))
