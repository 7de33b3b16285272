"""The design where one of N and D is decided: the other one for which it is the best of its own quality.

With eN and eD the elasticities of reducible loss, a design is the cheapest of its quality where

    imbalance = ln(eN / eD) - ln((dC/d ln N) / (dC/d ln D)) = 0.

It rises with D at given N. With N at given D it falls where serving costs as much for every parameter. By the roofline small models cost
more for each, so that they are trained longer, and D may be the best run of several sizes, each for its own loss: the largest of them is
taken, whose loss is the lowest.

A limit that comes first takes the place of the root, and the KKT conditions decide whether the decided number is then still the best.
"""

import math
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq

from ..assumptions.goal import ParamsGoal, TokensGoal
from ..assumptions.numbers import human
from ..assumptions.scenario import Scenario
from .best_of import best_of, is_convex
from .feasibility import SMALLEST_USEFUL, Room, check
from .pairing import paired
from .program import COST, LAW_LOSS, LOSS, OutOfRangeError, Point, Rows
from .solution import KKT_TOLERANCE, InfeasibleError

__all__ = ["Balance", "balance", "best_there"]

_PARAMS, _TOKENS = 0, 1
_WORDS = (
    ("goal.params", "size", "parameters", "training tokens", "", "smaller model"),
    ("goal.tokens", "run", "training tokens", "parameters", " on so many tokens", "shorter run"),
)
"""Of N and D decided: its path, what it is of, its unit and that of the other one, what goes with that one, and what to plan instead."""
_SAME = 1e-9
_LN_LARGEST = 600.0
"""ln of the largest count whose products 64-bit floats hold."""
_LN_SCANNED, _SCANNED = math.log(1e14), 60
"""Sizes that are tried for a turn, to the largest: steps of about a third."""


class Balance(NamedTuple):
    """The design that balances the number decided, or that a limit holds before it does. `best_there` says whether it is the cheapest."""

    rows: Rows
    limits: Room
    x: np.ndarray
    given: int
    """which of N and D is decided"""
    cap: float
    """ln of the most of the other one that limits allow"""
    beyond: bool
    """whether that limit holds it"""


def balance(scenario: Scenario) -> Balance:
    """Where N or D that is decided is in balance with the other one.

    Raises:
        InfeasibleError: nothing within the limits is.

    """
    rows = Rows(scenario)
    limits = check(scenario, rows)
    if isinstance(scenario.goal, ParamsGoal):
        return _at_params(rows, scenario, math.log(scenario.goal.params), limits)
    assert isinstance(scenario.goal, TokensGoal)
    return _at_tokens(rows, scenario, math.log(scenario.goal.tokens), limits)


def _at_params(rows: Rows, scenario: Scenario, ln_params: float, limits: Room) -> Balance:
    start = math.log(float(scenario.law.train_optimal_tokens(math.exp(ln_params))))
    ln_tokens, x = _balanced(rows, scenario, _PARAMS, ln_params, start, math.inf)
    cap = limits.tokens_at(ln_params)
    if ln_tokens > cap:
        shared = limits.compute_at(ln_params) <= limits.most_tokens
        x = _held(rows, scenario, limits, np.where(np.arange(rows.size) == _TOKENS, cap, x), shared=shared, tokens=True)
    return Balance(rows, limits, x, _PARAMS, cap, ln_tokens > cap)


def _at_tokens(rows: Rows, scenario: Scenario, ln_tokens: float, limits: Room) -> Balance:
    law = scenario.law.chinchilla
    start = (math.log(law.alpha * law.A / (law.beta * law.B)) + law.beta * ln_tokens) / law.alpha
    by_compute = limits.params_at(ln_tokens)
    cap = min(limits.most_params, by_compute)
    ln_params, x = _balanced(rows, scenario, _TOKENS, ln_tokens, start, cap)
    if not limits.least_params <= ln_params <= cap:
        x[0] = min(max(ln_params, limits.least_params), cap)
        x = _held(rows, scenario, limits, x, shared=ln_params > cap and by_compute <= limits.most_params, tokens=False)
    return Balance(rows, limits, x, _TOKENS, cap, ln_params > cap)


def best_there(at: Balance) -> Point:
    """The optimum for the loss of a balance: the design itself.

    Raises:
        InfeasibleError: another design reaches that loss for less.

    """
    rows, scenario, x = at.rows, at.rows.scenario, at.x
    found = best_of(rows, scenario, {COST: 1.0}, {LOSS: rows.value(LOSS, x)}, x, at.limits)
    missed = abs(found.x[at.given] - x[at.given])
    if not found.kkt_residual < KKT_TOLERANCE or missed <= _SAME:
        return found
    sentence = _not_the_best(at, found)
    if sentence is None:
        raise ArithmeticError(f"what is found differs from what is decided by {missed:.1e}")
    raise InfeasibleError(sentence)


def _not_the_best(at: Balance, found: Point) -> str | None:
    """Why another design reaches the loss for less; None where nothing explains it."""
    goal, kind, this, other, on, shorter = _WORDS[at.given]
    asked, least = human(math.exp(at.x[at.given])), human(math.exp(found.x[at.given]))
    if at.beyond:
        most = human(math.exp(at.cap))
        limit = at.limits.compute_by or (at.limits.tokens_by, at.limits.params_by)[at.given]
        return (
            f"{goal} = {asked} is not the best {kind} for any quality within the limits: with at most {most} {other}{on}, "
            f"{least} {this} reach the same loss for less. Raise {limit}, or plan a {shorter}."
        )
    if not is_convex(at.rows.scenario):
        return (
            f"{goal} = {asked} is not the best {kind} for any quality: its cost is least among {kind}s near it for "
            f"{human(math.exp(at.x[1 - at.given]))} {other}, but {least} {this} reach the same loss for less. Set {goal} near "
            f"{least}, or fix the batch with deployment.batch_size."
        )
    return None


def _balanced(
    rows: Rows, scenario: Scenario, given: int, ln_given: float, start: float, cap: float
) -> tuple[float, np.ndarray]:
    """The logarithm that balances the one given, and the point; `start` is a first guess, `cap` the largest that limits allow.

    Raises:
        InfeasibleError: the training tokens given are too few for every size of use.

    """
    asked, sign = 1 - given, 1.0 if given == _PARAMS else -1.0

    def at(ln_asked: float) -> np.ndarray:
        x = np.empty(rows.size)
        x[given], x[asked] = ln_given, ln_asked
        x[2:] = x[1]
        return x

    def imbalance(ln_asked: float) -> float:
        x = at(ln_asked)
        falls = rows.gradient(LOSS, x) < 0
        if not falls[asked]:
            return (
                math.inf
            )  # more of it buys nothing: repetition is exhausted, or few bits take more than the data gives
        if not falls[given]:
            return -math.inf  # the same of what is given: more of the other makes it worth something
        x = _with_paired_rl(rows, scenario, x)
        by_loss, by_cost = rows.gradient(LOSS, x), rows.gradient(COST, x)
        return sign * (math.log(by_loss[0] / by_loss[1]) - math.log(by_cost[0] / by_cost[1]))

    smallest = math.log(SMALLEST_USEFUL)
    too_small = given == _PARAMS or imbalance(smallest) <= 0
    if given == _TOKENS and scenario.serving.by_roofline:
        start = max(min(_LN_SCANNED, cap), smallest)
        too_small = imbalance(start) < 0  # even the largest size that is allowed
        sizes = [] if too_small else np.linspace(start, smallest, _SCANNED).tolist()
        turns = ((low, high) for high, low in pairwise(sizes) if imbalance(low) < 0 <= imbalance(high))
        if turn := next(turns, None):
            root = _root_between(imbalance, *turn)
            return root, _with_paired_rl(rows, scenario, at(root))
    if not too_small:
        raise InfeasibleError(
            f"goal.tokens = {human(math.exp(ln_given))} is not the best run for any size from {human(SMALLEST_USEFUL)} parameters on: so "
            "much is served that a smaller model on more tokens always costs less for the same loss. Raise goal.tokens, or plan for less "
            "traffic or RL."
        )
    root = _rising_root(imbalance, start)
    return root, _with_paired_rl(rows, scenario, at(root))


def _held(rows: Rows, scenario: Scenario, limits: Room, x: np.ndarray, *, shared: bool, tokens: bool) -> np.ndarray:
    """The point x, which a limit holds, with the R that goes with it: that limit prices D where it caps D (`tokens`) or N D (`shared`)."""
    x = _with_paired_rl(rows, scenario, x)
    if scenario.rl.decided and (tokens or shared):
        # N's power in compute is 1, or less where attention is counted.
        capped = _capped_rl(rows, x, float(rows.gradient(limits.compute_by, x)[0]) if shared else 0.0)
        x[2] = x[2] if capped is None else capped
    return x


def _rising_root(function: Callable[[float], float], start: float) -> float:
    """The root of an increasing function, searched outwards from `start`, a logarithm."""
    low = high = start
    step = 1.0
    while function(low) > 0:
        low, step = _within_floats(low - step), step * 2
    step = 1.0
    while function(high) < 0:
        high, step = _within_floats(high + step), step * 2
    return _root_between(function, low, high)


def _root_between(function: Callable[[float], float], low: float, high: float) -> float:
    """The root between two logarithms, where the function rises from below 0 to above."""
    while math.isinf(function(high)) and high - low > 1e-12:  # come back to where the function has a value
        middle = (low + high) / 2
        low, high = (middle, high) if function(middle) < 0 else (low, middle)
    if high - low <= 1e-12:
        return high
    return float(brentq(function, low, high, xtol=1e-15, rtol=np.float64(1e-15)))  # pyright: ignore[reportArgumentType]


def _within_floats(ln_count: float) -> float:
    if not abs(ln_count) < _LN_LARGEST:
        raise OutOfRangeError(f"counts are searched as far as e^{ln_count:.0f}")
    return ln_count


def _with_paired_rl(rows: Rows, scenario: Scenario, x: np.ndarray) -> np.ndarray:
    """x with the R in balance with its D, where R is decided."""
    if not scenario.rl.decided:
        return x
    (_, *by_loss), (_, *by_cost) = rows.gradient(LOSS, x), rows.gradient(COST, x)
    (tokens, rl), gamma = zip(by_loss, by_cost, strict=True), float(scenario.rl.return_term(scenario.law)[1])
    return np.append(x[:2], float(paired(x[2], tokens, rl, gamma)))


def _capped_rl(rows: Rows, x: np.ndarray, shared: float) -> float | None:
    """ln R for which N is the best size when a limit holds D: a cap on D alone (`shared` 0), or on N D (N's power in it), whose multiplier
    then prices N too.

    None where a cap on N D leaves N with less to gain than D, which R does not change: a smaller N is better at any R.
    """
    by_law = rows.gradient(LAW_LOSS, x)
    if shared * by_law[1] - by_law[0] <= 0:
        return None

    def imbalance(ln_rl: float) -> float:
        at = np.array([x[0], x[1], ln_rl])
        by_loss, by_cost = rows.gradient(LOSS, at), rows.gradient(COST, at)
        gained, paid = shared * by_loss[1] - by_loss[0], by_cost[0] - shared * by_cost[1]
        return math.log(gained / -by_loss[2]) - math.log(paid / by_cost[2])

    return _rising_root(imbalance, x[1])
