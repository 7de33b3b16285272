"""Sentences about an answer are true of it."""

import pytest

from optimizer import load, solve
from optimizer.assumptions.numbers import human
from optimizer.report.text import unspent

HELD = {"goal": {"kind": "budget", "budget": 1e30}, "limits.max_params": "100B"}


def test_a_budget_that_more_repeats_cannot_use_says_so():
    best = solve(load("data-limited-lab", HELD))
    said = unspent(best)
    assert f"{human(1e30 - float(best.cost.total))} FLOP of the budget of 1e30 FLOP" in said
    assert "limits.max_params" in said
    assert solve(load("data-limited-lab", HELD | {"goal.budget": 1e31})).loss == pytest.approx(best.loss, rel=1e-12)


@pytest.mark.parametrize("changes", [{}, {"goal": {"kind": "budget", "budget": 1e26}}])
def test_nothing_is_said_where_all_is_spent_or_there_is_no_budget(changes):
    assert unspent(solve(load("lecture-2026", changes))) == ""
