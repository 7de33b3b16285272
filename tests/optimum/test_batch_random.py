"""A batch is a loop of `solve`: random scenarios over wide ranges, of every goal, RL policy and kind of law, limited and not, both ways of serving."""

import importlib
import itertools

import numpy as np
import pandas as pd
import pytest

from optimizer import solve, solve_batch
from optimizer.model.cost import Design, LifecycleCost
from optimizer.optimum import batch
from optimizer.optimum.solution import Band, Baseline

from ..conftest import CHINCHILLA_POINTS
from ..counts import cases, some
from .test_batch import GOALS, POLICIES

LAWS = ("besiroglu", "hoffmann", "muennighoff", "sardana-all")
KINDS = [(goal, policy, i) for i, (goal, policy) in enumerate(itertools.product(GOALS, POLICIES))]
"""Goal, policy and a number that spreads kinds of law, limits and methods of serving over the pairs."""


def scattered(goal: str, policy: str, i: int, count: int) -> tuple[dict, pd.DataFrame]:
    """Random scenarios of one structure over wide ranges: what is shared, and the rows."""
    rng = np.random.default_rng(100 + i)
    shared = {"goal": dict(GOALS[goal]), "rl": {**POLICIES[policy], "efficiency": 0.5}}
    columns = {f"traffic.{way}_tokens": 10 ** rng.uniform(9, 16, count) for way in ("input", "output")}
    columns["pretraining.overhead"] = rng.uniform(1, 4, count)
    match goal:
        case "loss":
            columns["goal.like_params"] = 10 ** rng.uniform(9, 12, count)
            columns["goal.like_tokens"] = 10 ** rng.uniform(11, 14.5, count)
            if policy == "optimised":
                shared["goal"]["like_rl_tokens"] = 3e13
        case "budget":
            columns["goal.budget"] = 10 ** rng.uniform(23, 28, count)
        case "tokens":
            columns["goal.tokens"] = 10 ** rng.uniform(12, 14.5, count)
        case _:
            columns["goal.params"] = 10 ** rng.uniform(9, 12, count)
    match (i + i // 6) % 4:
        case 0:
            columns["law"] = np.array(LAWS)[rng.integers(len(LAWS), size=count)]
        case 1:
            shared["law"] = {"kind": "moe", "name": "ludziejewski"}
            columns["law.experts"] = rng.uniform(1, 32, count)
        case 2:
            shared["law"] = dict(CHINCHILLA_POINTS)
            columns["law.gamma"] = rng.uniform(0.5, 1.1, count)
        case _:
            shared["law"] = {"kind": "repetition", "name": "hoffmann", "unique_tokens": 5e12}
            columns["law.unique_tokens"] = 10 ** rng.uniform(11.5, 14.5, count)
            columns["law.gamma"] = rng.uniform(0.7, 1.0, count)
    if i % 3 == 1 and goal == "tokens":
        columns["limits.max_params"] = 10 ** rng.uniform(9, 11, count)
    elif i % 3 == 1:
        columns["limits.max_train_tokens"] = 10 ** rng.uniform(12, 15, count)
    if i % 5 == 2:
        shared |= {"money.unit": "usd", "serving.method": "roofline", "deployment.placement": "given"}
        if goal == "budget":
            columns["goal.budget"] = 10 ** rng.uniform(5, 10, count)
    return shared, pd.DataFrame(columns)


@pytest.mark.parametrize(("goal", "policy", "i"), some(KINDS, [1, 6, 12, 16, 22]))
def test_two_thousand_random_rows_are_a_loop_of_solve(lecture, goal, policy, i, monkeypatch):
    """Up to 112 rows of each of 24 kinds; `solve` is stripped of its band and baseline, which are programs of their own."""
    shared, frame = scattered(goal, policy, i, cases(24, 112))
    s = lecture.update(shared)
    # Rows without an answer are solved alone for their sentence, which would hide what the batch missed.
    monkeypatch.setattr(batch, "SENTENCES", 0)
    answers = solve_batch(s, frame)
    alone = importlib.import_module("optimizer.optimum.solve")
    monkeypatch.setattr(
        alone, "near_optimal", lambda *_, **__: Band(0.05, *[Design(0.0, 0.0, 0.0)] * 2, (0.0, 0.0), (0.0, 0.0))
    )
    monkeypatch.setattr(alone, "baseline_of", lambda *_: Baseline(Design(0.0, 0.0, 0.0), LifecycleCost(1.0, 0, 0, 0)))
    assert (answers["status"] == "optimal").sum() > cases(4, 20)
    for row, asked in enumerate(frame.to_dict("records")):
        one = solve(s.update(asked), throw=False)
        assert answers["status"][row] == one.status.name.lower(), asked
        if one.status.name == "OPTIMAL":
            expected = {**one.design._asdict(), "cost_total": one.cost.total, "loss": one.loss}
            assert {name: answers[name][row] for name in expected} == pytest.approx(expected, rel=1e-9), asked
