"""Rows that share a table of what their deployment needs, against rows that are searched one by one."""

import jax
import numpy as np
import pandas as pd
import pytest

from optimizer.assumptions.library import load
from optimizer.model.cost import served_by_regime
from optimizer.model.roofline import can_serve
from optimizer.optimum import batch
from optimizer.optimum.batch import solve_batch
from optimizer.optimum.needs import expanded_at, serving_alone
from optimizer.optimum.solve import solve
from optimizer.optimum.tabulated import by_table, tabulated
from tests.conftest import DENSE
from tests.counts import thorough

TARGETS = (30.0, 90.0)
ROWS = len(TARGETS) * 600


@pytest.fixture(scope="module")
def scenario():
    """Its placement written out, as those are that a batch chooses among."""
    given = {"placement": "given", "chips": 72, "parallelism": "expert", "pipeline_stages": 1, "prefill_chips": 72}
    return load("frontier-moe-rack", {f"deployment.{name}": value for name, value in given.items()})


@pytest.fixture(scope="module")
def frame(scenario):
    """Sizes from small ones to those that no batch serves, many of them at the largest that is served or at a kink of the cost."""
    draw = np.random.default_rng(5)
    return pd.DataFrame(
        {
            "traffic.share": 10 ** draw.uniform(-4, 0, ROWS),
            "goal.like_params": 10 ** draw.uniform(9.5, 12, ROWS),
            "law.alpha": scenario.law.alpha * draw.uniform(0.97, 1.03, ROWS),
            "pretraining.overhead": draw.uniform(1, 3, ROWS),
            "deployment.target_tokens_per_second": np.resize(TARGETS, ROWS),
        }
    )


def answers(scenario, frame, tabulated):
    """The answer of a batch, and how many rows each search had with and without a table."""
    rows, plain = {True: [], False: []}, batch.in_blocks

    def in_blocks(rounds, asked, block, table, near, by):
        rows[by is not None].append(len(asked.rows))
        return plain(rounds, asked, block, table, near, by)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch, "in_blocks", in_blocks)
        patch.setattr(batch, "SENTENCES", 0)
        patch.setattr(batch, "TABULATED", tabulated)
        return solve_batch(scenario, frame), rows


@pytest.fixture(scope="module")
def found(scenario, frame):
    answer, rows = answers(scenario, frame, batch.TABULATED)
    assert rows[True][0] == ROWS / len(TARGETS)
    assert sum(rows[False]) < ROWS / 100, "rows at a limit, and those that no size serves, take no other search"
    return answer


def test_rows_by_a_table_are_rows_without(scenario, frame, found):
    without, rows = answers(scenario, frame, ROWS)
    assert not rows[True]
    assert (found["status"] == without["status"]).all()
    assert (found["active_limits"] == without["active_limits"]).all()
    solved = found["status"] == "optimal"
    assert ROWS / 10 < solved.sum() < 0.98 * ROWS
    # Beyond a loss that is nearly all that the largest size can reach, the loss hardly knows D.
    known = solved & (found["train_tokens"] < 1e16)
    for column, within in {"n_params": 1e-10, "train_tokens": 1e-9, "cost_total": 1e-11}.items():
        np.testing.assert_allclose(found[column][known], without[column][known], rtol=within, err_msg=column)
    # Some lie where the bound on the batch changes.
    at_kinks = 0
    for target in TARGETS:
        some = known & (frame["deployment.target_tokens_per_second"] == target)
        asked = scenario.update({"deployment.target_tokens_per_second": target})
        bounds = np.asarray(served_by_regime(asked, found["n_params"][some].to_numpy()).decode)
        at_kinks += (np.abs(bounds[0] / bounds[1] - 1) < 1e-9).sum()
    assert at_kinks > ROWS / 100


FIXED = {"batch": "fixed", "batch_size": 64.0, "target_tokens_per_second": None, "placement": "given"}
LIMITED = {
    "law": {"kind": "repetition", "name": "hoffmann", "unique_tokens": 5e12},
    "deployment.batch": "latency",
    "deployment.target_tokens_per_second": 40.0,
    "limits.max_train_tokens": 1e14,
    "limits.max_params": 1e11,
}
KINDS = {
    "dense": ("lecture-2026", DENSE, {}),
    "limits and repeated data": (
        "lecture-2026",
        DENSE | LIMITED,
        {"limits.max_train_tokens": (13, 15), "law.unique_tokens": (12.5, 14), "limits.max_params": (9.5, 11.5)},
    ),
    "a fixed batch": ("frontier-moe-rack", {f"deployment.{k}": v for k, v in FIXED.items()}, {}),
    "prompts beside decoding": (
        "frontier-moe-rack",
        {"deployment.placement": "given", "deployment.prefill": "together"},
        {},
    ),
}


@thorough
@pytest.mark.parametrize("kind", KINDS)
def test_other_kinds_by_a_table(kind):
    preset, changes, decades = KINDS[kind]
    draw, rows = np.random.default_rng(3), batch.TABULATED
    decades = {"goal.like_params": (9.3, 11.8), "goal.like_tokens": (12, 14), **decades}
    frame = pd.DataFrame({path: 10 ** draw.uniform(low, high, rows) for path, (low, high) in decades.items()})
    frame["pretraining.overhead"] = draw.uniform(1, 3, rows)
    scenario = load(preset, changes)
    found, calls = answers(scenario, frame, rows)
    without, _ = answers(scenario, frame, 2 * rows)
    assert calls[True][0] == rows
    for column in ("status", "active_limits"):
        assert found[column].tolist() == without[column].tolist()
    solved = np.asarray(found["status"] == "optimal")
    assert solved.sum() > rows / 3
    for column in ("n_params", "train_tokens", "cost_total"):
        np.testing.assert_allclose(found[column][solved], without[column][solved], rtol=1e-9, err_msg=column)


def test_rows_by_a_table_are_a_loop_of_solve(scenario, frame, found):
    for i in (0, 1):
        one = solve(scenario.update(frame.iloc[i].to_dict()), throw=False)
        assert found["status"][i] == one.status.name.lower()
        assert found["n_params"][i] == pytest.approx(one.design.n_params, rel=1e-9, nan_ok=True)
        assert found["cost_total"][i] == pytest.approx(one.cost.total, rel=1e-12, nan_ok=True)


def test_a_table_is_what_it_tabulates(scenario):
    """Up to the largest size that is served, where the batch ends."""
    table = tabulated(scenario)
    assert table is not None
    end = float(table.end)
    assert can_serve(scenario, np.exp(end - 2.5e-3))
    assert not can_serve(scenario, np.exp(end))
    ln_n = np.linspace(14.0, end - 2.5e-3, 128)
    read = jax.jit(lambda table, x: by_table(scenario, table)(x))(table, ln_n)
    leaves, tree = jax.tree.flatten(serving_alone(scenario))
    exact = np.asarray(expanded_at(tree, np.array(leaves, float), ln_n))[0]
    served = np.stack([*read.served.decode, read.served.prefill, read.served.held_bytes])
    np.testing.assert_allclose(served, exact[: len(served)], rtol=1e-9)
    np.testing.assert_allclose(served[:, :-1], exact[: len(served), :-1], rtol=1e-12)
    np.testing.assert_allclose(read.excess, exact[-len(read.excess) :], rtol=0, atol=1e-12)
