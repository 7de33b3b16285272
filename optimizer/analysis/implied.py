"""Implied traffic: the traffic that makes a given design the best one; the inverse of `solve`.

The cost of a design is linear in lifetime traffic, so the first-order condition of the optimum is one linear equation in it. With m the
traffic as a multiple of the scenario's own, C1 the cost that no request causes and C2 the cost of serving the scenario's traffic,

    d(C1 + m C2)/dn = (eN / eD) d(C1 + m C2)/dd,        n = ln N, d = ln D.

For plain 6 N D + 2 N T it reads T / D = 3 (eN / eD - 1). Below zero no traffic justifies the design: training alone already asks for a
smaller model trained longer.

References:
    Sardana et al. 2024, arXiv 2401.00448, section 2 (the same condition, solved for N and D).

"""

import math
from collections.abc import Callable, Hashable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..assumptions.arguments import NUMBER, checks
from ..assumptions.bounds import within
from ..assumptions.goal import LossGoal
from ..assumptions.numbers import human, parse_number
from ..assumptions.present import paid_demand, undiscounted
from ..assumptions.problems import InputError
from ..assumptions.scenario import SCENARIO, Scenario
from ..compiling import compiled
from ..model.cost import Design, lifecycle_cost
from ..model.placements import decides
from ..model.quality import ln_reducible_loss, reducible_loss, target_reducible_loss
from ..optimum.pairing import design_of_loss, ln_rl_tokens
from ..optimum.program import design_at
from ..optimum.solution import InfeasibleError
from ..optimum.solve import solve
from ..optimum.structure import flattened, general

__all__ = ["ImpliedTraffic", "design_of_size", "implied_scales", "implied_traffic", "with_traffic"]

_ROUNDS, _SETTLED = 8, 1e-9
"""Times that an open placement is chosen again for the traffic that is implied, and when that stays."""


class ImpliedTraffic(NamedTuple):
    """The lifetime traffic for which a design is optimal, in the scenario's own mix of input and output."""

    input_tokens: float
    """expected input tokens over the life, cached ones included; negative where no traffic justifies the design"""
    output_tokens: float
    """expected output tokens over the life; negative where no traffic justifies the design"""
    scale: float
    """the same as a multiple of the scenario's expected traffic"""
    per_train_token: float
    """T / D, served tokens per training token"""
    rl_tokens: float
    """RL tokens that go with the design"""

    @property
    def tokens(self) -> float:
        """T: expected input and output tokens over the life."""
        return self.input_tokens + self.output_tokens

    @property
    def justified(self) -> bool:
        """Whether some traffic, zero included, makes the design optimal."""
        return self.scale >= 0


@checks(scenario=SCENARIO, n_params=NUMBER, train_tokens=NUMBER)
def implied_traffic(scenario: Scenario, n_params: float | str, train_tokens: float | str) -> ImpliedTraffic:
    """The lifetime traffic for which (N, D) is the cheapest design of its own loss: T / D = 3 (eN/eD - 1) for 6 N D + 2 N T.

    Args:
        scenario: law, RL policy and prices. Its traffic gives the mix of input, cached and output tokens; goal and limits have no effect.
        n_params: active parameters N (count).
        train_tokens: pre-training tokens D (count).

    Returns:
        Expected tokens (after share and probability of shipping). Negative where no traffic justifies the design, NaN where serving
        does not grow with the model, where more data buys nothing (repetition is exhausted, or few bits take more), and where the numbers
        leave the range of 64-bit floats.

    Raises:
        InputError: N or D is not a positive number, or the scenario serves nothing and so has no mix to scale.

    Limiting cases: the law's own train-optimal design and no RL give 0; RL of a fixed number of tokens lowers the answer by what it costs.
    Where R is decided, it takes the value that buys as much loss per cost as D does.

    >>> from optimizer.assumptions.scenario import Scenario
    >>> plain = Scenario.from_dict({"goal": {"kind": "params", "params": "8B"}, "serving": {"decode_efficiency": 1.0},
    ...                             "traffic": {"kind": "total", "output_tokens": "1T"}})
    >>> round(implied_traffic(plain, 8e9, 15e12).per_train_token, 1)
    12.7

    """
    size, tokens = parse_number(n_params, "parameters"), parse_number(train_tokens, "tokens")
    for name, value, unit in (("n_params", size, "parameters"), ("train_tokens", tokens, "tokens")):
        if not 0 < value < math.inf:
            raise InputError([f"{name} must be {within(0, above=True)}, got {human(value)} {unit}."])
    demand = [float(v) for v in scenario.traffic.demand()]
    if demand[0] + demand[2] <= 0:
        raise InputError(
            [
                "the scenario serves 0 tokens, so there is no mix of input and output to scale; give it any traffic, such as "
                "traffic.output_tokens = 1T."
            ]
        )
    tree, leaves = flattened(scenario)
    at = np.log([size, tokens])
    rl_tokens = float(_slopes(tree, leaves, at)[1])
    scale = float(_multiple(scenario, leaves, lambda moved: _slopes(tree, moved, at)[0]))
    return ImpliedTraffic(
        input_tokens=scale * demand[0] + 0.0,
        output_tokens=scale * demand[2] + 0.0,
        scale=scale,
        per_train_token=scale * (demand[0] + demand[2]) / tokens,
        rl_tokens=rl_tokens,
    )


def implied_scales(
    scenario: Scenario, n_params: float, train_tokens: float, laws: Mapping[str, np.ndarray]
) -> np.ndarray:
    """The implied traffic as a multiple of the scenario's, under many laws of one kind.

    Args:
        scenario: as `implied_traffic`.
        n_params: active parameters N (count), above 0.
        train_tokens: pre-training tokens D (count), above 0.
        laws: dotted path of a coefficient -> its value in each law.

    Returns:
        One number a law; NaN as `implied_traffic`.

    """
    tree, leaves = flattened(scenario)
    paths = [path for path, _, _ in general(scenario).quantities()]
    many = np.tile(leaves, (len(next(iter(laws.values()))), 1))
    for path, values in laws.items():
        many[:, paths.index(path)] = values
    at = np.log([n_params, train_tokens])
    return _multiple(scenario, many, lambda moved: _slopes_of_laws(tree, moved, at))


def _multiple(
    scenario: Scenario,
    leaves: Float[np.ndarray, "*law leaf"],
    slopes: Callable[[Float[np.ndarray, "*law leaf"]], Float[Array, "*law 3 variable"]],
) -> np.ndarray:
    """The implied traffic as a multiple of the scenario's.

    An open placement is the cheapest for some traffic: for the scenario's own first, then for what that implies, until it stays.
    """
    found = _scale(np.asarray(slopes(leaves)))
    if not decides(scenario):
        return found
    paths = [path for path, _, _ in general(scenario).quantities()]
    tokens = [paths.index(f"traffic.{name}") for name in ("input_tokens", "output_tokens")]
    for _ in range(_ROUNDS):
        known = np.where(found > 0, found, 1.0)
        moved = leaves.copy()
        moved[..., tokens] *= known[..., None]
        more = _scale(np.asarray(slopes(moved)))
        found = np.where(found > 0, found * more, found)
        if not np.any(np.abs(np.where(found > 0, more, 1.0) - 1) > _SETTLED):
            break
    return found


def _scale(slopes: np.ndarray) -> np.ndarray:
    """m of d(C1 + m C2)/dn = (eN / eD) d(C1 + m C2)/dd, from `_slopes`; NaN where traffic does not make a smaller model better."""
    by_loss, by_training, by_serving = np.moveaxis(slopes, -2, 0)
    with np.errstate(all="ignore"):
        ratio = by_loss[..., 0] / by_loss[..., 1]
        asked = ratio * by_training[..., 1] - by_training[..., 0]
        gained = by_serving[..., 0] - ratio * by_serving[..., 1]
        return np.where((gained > 0) & ~(by_loss[..., 1] > 0), asked / gained, math.nan)


def design_of_size(scenario: Scenario, n_params: float) -> Design:
    """The design with N given that is as good as the scenario's goal asks: D on the curve of equal loss.

    The quality is that of a goal `loss`; for `budget` and `params` that of the scenario's own optimum.

    Args:
        scenario: the question; limits do not bind the design, except through the optimum that gives the quality.
        n_params: active parameters N (count).

    Raises:
        InfeasibleError: no amount of training brings N parameters to that loss, or the scenario itself has no optimum.

    """
    design = design_of_loss(scenario, np.array([float(n_params)]), _target(scenario))
    n, d, r = (float(np.asarray(v)[0]) for v in design)
    if not math.isfinite(d):
        raise InfeasibleError(
            f"{human(n_params)} parameters do not reach the loss asked for, however many tokens they are trained on; take a larger model "
            "or a higher loss."
        )
    return Design(n, d, r)


def with_traffic(scenario: Scenario, implied: ImpliedTraffic) -> Scenario:
    """The scenario with the implied traffic in place of its own, as lifetime totals of expected tokens as they are paid."""
    read, cached, written = (float(v) for v in paid_demand(scenario))
    return scenario.update(
        {
            "traffic": {
                "kind": "total",
                "input_tokens": implied.scale * read,
                "output_tokens": implied.scale * written,
                "cache_hit_share": cached / read if read else 0.0,
            },
            **undiscounted(scenario),
        }
    )


def _target(scenario: Scenario) -> float:
    """l that the goal stands for (nat/token)."""
    if not isinstance(scenario.goal, LossGoal):
        return float(reducible_loss(scenario, solve(scenario).design))
    target = float(target_reducible_loss(scenario))
    if not target > 0:
        raise InfeasibleError(
            f"target loss {human(float(scenario.goal.loss or math.nan), 6)} nat/token does not lie above the irreducible loss E = "
            f"{human(float(scenario.law.chinchilla.E), 6)} nat/token; no training reaches it. Raise goal.loss."
        )
    return target


@compiled(structure=1)
def _slopes(
    tree: Hashable, leaves: Float[Array, " leaf"], x: Float[Array, "2"]
) -> tuple[Float[Array, "3 variable"], Float[Array, ""]]:
    return _slopes_at(tree, leaves, x)


@compiled(structure=1)
def _slopes_of_laws(
    tree: Hashable, leaves: Float[Array, " law leaf"], x: Float[Array, "2"]
) -> Float[Array, " law 3 variable"]:
    return jax.vmap(lambda one: _slopes_at(tree, one, x)[0])(leaves)


def _slopes_at(
    tree: Hashable, leaves: Float[Array, " leaf"], x: Float[Array, "2"]
) -> tuple[Float[Array, "3 variable"], Float[Array, ""]]:
    """Derivatives by ln N, ln D (and ln R) of ln l and of both parts of the cost in units of their sum; and R (count).

    Where R is decided it is in balance with D: both bills are proportional to N, so traffic has no say in it. NaN where more data buys
    nothing, as then nothing balances R.
    """
    scenario = jax.tree.unflatten(tree, list(leaves))
    if scenario.rl.decided:
        x = jnp.append(x, ln_rl_tokens(scenario, jnp.exp(x[0]))(x[1]))

    def parts(x: Float[Array, " variable"]) -> Float[Array, " part"]:
        design = design_at(scenario, x)
        cost = lifecycle_cost(scenario, design)
        amounts = jnp.stack([cost.pretraining + cost.rl, cost.total - cost.pretraining - cost.rl])
        ln_loss = ln_reducible_loss(scenario, design)
        return jnp.append(ln_loss, amounts / jax.lax.stop_gradient(cost.total))

    slopes = jax.jacfwd(parts)(x)
    balanced = (slopes[0, 1] < 0) | (not scenario.rl.decided)
    return slopes, jnp.where(balanced, design_at(scenario, x).rl_tokens, jnp.nan)
