"""Choose the placement of a scenario: each listed one is solved, or bounded from below, and the best is taken.

Goal `loss`: `cells` bounds what a placement costs in each of many cells along the designs of the target loss. A placement whose every cell
lies above an optimum that is solved cannot win, and is not solved. Goal `budget`: the least loss of all placements, each solved.

Goals `params` and `tokens` ask for the design that is the cheapest of its own loss. Each placement is solved for the goal; a design that
another placement serves for less is not the cheapest. Of a design that is left, every other placement is solved or bounded for goal `loss`
at its loss: where none is cheaper, no design of that loss is, and this is what is certified. Of several such designs the best is taken.
A decided size may lie where another placement, at another size, reaches its loss for less: the answer then names that.

Derivatives of the answer are those of the placement that is chosen (envelope theorem).
"""

import math
from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple

import numpy as np

from ..assumptions.goal import BudgetGoal, DecidedGoal, LossGoal, ParamsGoal
from ..assumptions.numbers import human, percent
from ..assumptions.quantity import Numeric
from ..assumptions.scenario import Scenario
from ..model.cost import Design, design_of, place_order
from ..model.placements import decides, placed_as, placements
from ..model.quality import as_good_as
from ..model.roofline import can_serve, serving_excess
from .cells import least_in_cells
from .decided import Balance, balance
from .feasibility import SMALLEST_USEFUL
from .program import LOSS, Point, Rows, ln_design
from .prompt_sizes import decoding, prompts_at
from .solution import InfeasibleError, Status

__all__ = ["SAME", "Chosen", "cheapest", "chosen"]

_EDGES = np.concatenate([[-40.0], np.linspace(-12.0, 12.0, 1025), [40.0]])
"""Ends of the cells, as coordinates of `curve`."""
SAME = 1e-9
"""Share by which another placement may be cheaper: rounding."""
_FIRST_TOKEN = "limits.max_seconds_to_first_token"


_Found = Callable[..., tuple[Rows, Point]]


class Chosen(NamedTuple):
    """The placement that was taken, and its optimum."""

    asked: Scenario
    scenario: Scenario
    """with the placement given"""
    rows: Rows
    point: Point
    listed: int
    """placements that were compared"""
    compared: bool = True
    """whether every listed placement was solved or bounded"""
    cheaper: str = ""
    """a design at another placement that reaches the same loss for less, where the goal decides the size or the run"""


def chosen(scenario: Scenario, found: _Found) -> Chosen:
    """The placement with the best optimum; the scenario's own where none is to be chosen.

    Args:
        scenario: the question.
        found: solves a scenario whose placement is given.

    Raises:
        InfeasibleError: no placement has an answer.

    """
    listed = placements(scenario)
    if not decides(scenario):
        return Chosen(scenario, scenario, *found(scenario), listed=1)
    if isinstance(scenario.goal, DecidedGoal):
        return _decided(scenario, listed, found)
    by_budget = isinstance(scenario.goal, BudgetGoal)
    looked = _within_budget(scenario, listed, found) if by_budget else _look(listed, found)
    if looked.best is None:
        raise _none_answers(scenario, listed, found, compared=looked.compared)
    return Chosen(scenario, *looked.best, listed=len(listed), compared=looked.compared)


class _Looked(NamedTuple):
    """What a look through placements found."""

    best: tuple[Scenario, Rows, Point] | None
    """the best that is better than what was to be beaten"""
    merit: float
    """its own, or what was to be beaten"""
    compared: bool
    """whether every placement was solved or bounded"""


def _look(listed: Sequence[Scenario], found: _Found, least: float = math.inf) -> _Looked:
    """Solve placements, those of the least bounds first, until the bounds exclude the rest; one of `least` or more is not better.

    Bounds are for goal `loss`. Whenever a better one is found, they are made closer by finer cells where the rest may still be better.
    """
    best, compared, edges = None, True, _EDGES
    bounded = all(isinstance(s.goal, LossGoal) for s in listed)
    cells = least_in_cells(listed, edges) if bounded else np.zeros((len(listed), 1))
    left, close_to = np.arange(len(listed)), math.inf
    while len(left):
        if bounded and least < close_to:
            left, cells, close_to = left[cells.min(axis=1) < least], cells[cells.min(axis=1) < least], least
            if len(left):
                somewhere = np.flatnonzero((cells < least).any(axis=0))
                edges = np.linspace(edges[somewhere[0]], edges[somewhere[-1] + 1], len(_EDGES))
                cells = least_in_cells([listed[i] for i in left], edges, listed[0])
            continue
        first = int(np.argmin(cells.min(axis=1)))
        if cells[first].min() >= least:
            break
        i, left, cells = left[first], np.delete(left, first), np.delete(cells, first, axis=0)
        try:
            rows, point = found(listed[i])
        except InfeasibleError as error:
            compared = compared and error.status is not Status.NOT_CONVERGED
            continue
        if (merit := _merit(rows, point)) < least:
            best, least = (listed[i], rows, point), merit
    return _Looked(best, least, compared)


def _within_budget(scenario: Scenario, listed: Sequence[Scenario], found: _Found) -> _Looked:
    """The least loss of a budget: one placement is better than another where it reaches the loss of that for less than the budget."""
    assert isinstance(scenario.goal, BudgetGoal)
    looked, left = _Looked(None, math.inf, compared=True), list(listed)
    while left:
        own = _look(left[:1], found, looked.merit)
        left, looked = left[1:], looked._replace(compared=looked.compared and own.compared)
        if own.best is None:
            continue
        looked = own._replace(compared=looked.compared)
        goal = as_good_as(scenario, _design(*own.best[1:]))
        bounds = _least_costs([s.model_copy(update={"goal": goal}) for s in left])
        left = [left[i] for i in np.argsort(bounds, kind="stable") if bounds[i] < scenario.goal.budget]
    return looked


def _none_answers(scenario: Scenario, listed: Sequence[Scenario], found: _Found, *, compared: bool) -> InfeasibleError:
    """Why none has an answer: what the largest placement says or, where not even the smallest model is served, what the nearest says."""
    nearest, _ = cheapest(scenario, Design(SMALLEST_USEFUL, SMALLEST_USEFUL, SMALLEST_USEFUL))
    asked, reason = listed[::-1] if can_serve(nearest, SMALLEST_USEFUL) else [nearest], ""
    for s in asked:
        try:
            found(s)
        except InfeasibleError as error:
            place = placed_as(s, math.nan)
            reason = f" On {place.whole if place else 'it'}: {error}"
            break
    status = Status.INFEASIBLE if compared else Status.NOT_CONVERGED
    return InfeasibleError(f"none of {len(listed)} placements has an answer.{reason}", status)


def _design(rows: Rows, at: Point | Balance) -> Design:
    return Design(*(float(v) for v in design_of(rows.scenario, *(math.exp(v) for v in at.x))))


def _cost(rows: Rows, at: Point | Balance) -> float:
    figures = rows.figures(_design(rows, at))
    return float(figures.cost.total) if figures.can_serve else math.inf


def _merit(rows: Rows, point: Point) -> float:
    """What is least for the best placement, above 0: the reducible loss for a budget, else the cost."""
    return math.exp(rows.value(LOSS, point.x)) if isinstance(rows.scenario.goal, BudgetGoal) else _cost(rows, point)


def _decided(scenario: Scenario, listed: Sequence[Scenario], found: _Found) -> Chosen:
    """The design with N or D decided: the best one of those that are the cheapest of their own loss, or the one that misses least."""
    balanced, compared = [], True
    goal = scenario.goal
    asked = _prompts_for_least(listed, goal.params) if isinstance(goal, ParamsGoal) else range(len(listed))
    for i in asked:
        s = listed[i]
        try:
            at = balance(s)
        except InfeasibleError as error:
            compared = compared and error.status is not Status.NOT_CONVERGED
            continue
        if _cost(at.rows, at) < math.inf:
            design = _design(at.rows, at)
            own, *orders = _orders([s, *(listed[k] for k in _prompts_for_least(listed, design.n_params))], design)
            excess = own - min(orders)
            balanced.append((excess if excess > SAME else 0.0, at.rows.value(LOSS, at.x), i, at))
    balanced.sort(key=lambda answer: answer[:3])
    first: Chosen | None = None
    for excess, _, i, at in balanced:
        if first is not None and excess > 0:
            break
        try:
            rows, point = found(listed[i], at)
        except InfeasibleError as error:
            compared = compared and error.status is not Status.NOT_CONVERGED
            continue
        checked = _at_its_loss(scenario, i, rows, point, found)
        if checked.compared and not checked.cheaper:
            return checked
        first = first or checked
    if first is None:
        raise _none_answers(scenario, listed, found, compared=compared)
    return first


def _at_its_loss(scenario: Scenario, own: int, rows: Rows, point: Point, found: _Found) -> Chosen:
    """An answer, with every other placement solved or bounded for goal `loss` at its loss."""
    goal = as_good_as(scenario, _design(rows, point))
    listed = placements(scenario.model_copy(update={"goal": goal}))
    first, cheaper = _cost(rows, point), ""
    looked = _look([s for i, s in enumerate(listed) if i != own], found, first * (1 - SAME))
    if looked.best is not None:
        other, at = looked.best[0], _design(*looked.best[1:])
        place = placed_as(other, math.nan)
        assert place is not None
        share = percent(1 - looked.merit / first)
        cheaper = f"{human(float(at.n_params))} parameters on {place.whole} reach its loss for {share} less"
    return Chosen(scenario, rows.scenario, rows, point, len(listed), looked.compared, cheaper)


def _orders(listed: Sequence[Scenario], design: Design) -> list[float]:
    """`place_order` of each placement."""
    found, x = [Rows(s) for s in listed], ln_design(listed[0], design)
    figures = [rows.figures(design) for rows in found]
    late = [rows.value(_FIRST_TOKEN, x) if _FIRST_TOKEN in rows.limits else -math.inf for rows in found]
    missing = [0.0] * len(found)
    if not any(f.can_serve for f in figures):
        with np.errstate(all="ignore"):  # a size far beyond any replica leaves the range of 64-bit floats
            missing = [max(float(e) for e in serving_excess(s, design.n_params).values()) for s in listed]
    every = zip(figures, late, missing, strict=True)
    return [float(place_order(float(f.cost.total), f.can_serve, over, gap)) for f, over, gap in every]


def cheapest(scenario: Scenario, design: Design) -> tuple[Scenario, int]:
    """The placement that serves a given design for the least cost, and how many were compared; where none does, the one that misses
    least.
    """
    listed = placements(scenario)
    if not decides(scenario):
        return scenario, 1
    some = [listed[i] for i in _prompts_for_least(listed, design.n_params)]
    return some[int(np.argmin(_orders(some, design)))], len(listed)


def _prompts_for_least(listed: Sequence[Scenario], n_params: Numeric) -> list[int]:
    """Of placements that differ in the chips of prompts alone, the one whose prompts cost least at a size, of those that hold it.

    All of them where a time to the first token is asked for: it depends on both kinds of replica.
    """
    if listed[0].limits.max_seconds_to_first_token is not None:
        return [*range(len(listed))]
    best: dict[Hashable, tuple[float, float, int]] = {}
    for i, (s, seconds, passed) in enumerate(zip(listed, *prompts_at(listed, n_params), strict=True)):
        merit = float(passed), float(seconds), i
        best[decoding(s)] = min(best.get(decoding(s), merit), merit)
    return sorted(i for *_, i in best.values())


def _least_costs(listed: Sequence[Scenario]) -> np.ndarray:
    """A cost below which no design of the target loss can be served, of each placement; infinite where nothing fits, or another with as
    many chips to decode costs less everywhere.
    """
    return least_in_cells(listed, _EDGES).min(axis=1, initial=math.inf)
