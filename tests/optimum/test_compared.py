"""Placements of many scenarios that share them: against every placement solved, and each part of the comparison for itself."""

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from scipy.spatial import ConvexHull

from optimizer.model.placements import placements
from optimizer.model.quality import target_inner_sum
from optimizer.optimum.batch import solve_batch
from optimizer.optimum.compared import around, compared
from optimizer.optimum.minorants import _least_between, log_convex, standing_for
from optimizer.optimum.prompt_sizes import beaten
from optimizer.optimum.rows import as_batch
from tests.counts import named
from tests.optimum.test_placing import scenarios

ROWS = 200


def table(scenario, draw, **more):
    """Rows that share what moves serving."""
    columns = {"traffic.share": 10 ** draw.uniform(-3, 0, ROWS), "serving.load_factor": draw.uniform(0.2, 0.9, ROWS)}
    columns["money.serve_chip.usd_per_chip_hour"] = draw.uniform(1, 6, ROWS)
    columns["law.alpha"] = scenario.law.alpha * draw.uniform(0.97, 1.03, ROWS)
    return pd.DataFrame(columns | more)


def kinds():
    """Questions whose placements are compared by a table, with rows for each; limits, repeated data and RL tied to D among them."""
    draw = np.random.default_rng(23)
    with_experts, dense = list(scenarios(2))
    few = np.resize([2e3, 1.5e4, 9e4], ROWS)
    shapes = np.resize([15.0, 20.0], ROWS)
    limits = {"limits.max_params": 2e10, "rl.policy": "ratio", "rl.ratio": 0.1, "rl.tokens": None}
    repeats = dense.update(
        {"law": {"name": "muennighoff", "kind": "repetition", "unique_tokens": 1.5e13}, "limits.max_epochs": 16.0}
    )
    data = {"law.unique_tokens": 10 ** draw.uniform(12, 14, ROWS)}
    return {
        "three contexts": (with_experts, table(with_experts, draw, **{"deployment.context_tokens": few})),
        "dense": (dense, table(dense, draw)),
        "a limit": (dense.update(limits), table(dense, draw)),
        "repeated data": (repeats, table(repeats, draw, **data)),
        "two shapes": (with_experts, table(with_experts, draw, **{"deployment.sparsity": shapes})),
    }


@pytest.mark.parametrize("kind", named(kinds(), "three contexts"))
def test_a_table_of_placements_is_brute_force(kind):
    scenario, frame = kinds()[kind]
    found, least = solve_batch(scenario, frame), np.full(ROWS, np.inf)
    for candidate in placements(scenario):
        given = solve_batch(candidate, frame)
        least = np.fmin(least, given["cost_total"])
    served = np.isfinite(least)
    assert (found["status"] == np.where(served, "optimal", "infeasible")).all()
    assert served.sum() > ROWS / 2
    np.testing.assert_allclose(found["cost_total"][served], least[served], rtol=1e-12)


def test_what_is_known_before_a_placement_is_solved(monkeypatch):
    """Amounts of traffic by few chords, so that the least cost lies well above them."""
    for name, value in (("_MANY", 1), ("_AMOUNTS", 4)):
        monkeypatch.setattr(f"optimizer.optimum.compared.{name}", value)
    monkeypatch.setattr("optimizer.optimum.batch.SENTENCES", 0)
    # With more traffic the model is smaller and its prompts fit on fewer chips.
    scenario = next(scenarios(1)).update({"goal.like_params": 9e10})
    amounts = pd.DataFrame({"traffic.share": np.geomspace(1e-3, 1, ROWS)})
    several = table(scenario, np.random.default_rng(5), **{"goal.like_params": np.geomspace(2e9, 4e11, ROWS)})
    both, listed = pd.concat([amounts, several]), placements(scenario)
    every = np.stack([solve_batch(candidate, both)["cost_total"] for candidate in listed], axis=1)
    for frame, costs in ((amounts, every[:ROWS]), (several, every[ROWS:])):
        served, known = ~np.isnan(costs).all(axis=1), ~np.isnan(costs)
        least = np.nanmin(costs[served], axis=1)
        assert len({*np.nanargmin(costs[served], axis=1)}) > 1
        asked = as_batch(scenario, {str(path): values.to_numpy() for path, values in frame.items()}).totalled()
        near, bounds = compared(asked, placements(asked.base)), np.full_like(costs, np.inf)
        bounds[:, near.listed] = near.bounds
        left_out = np.isinf(bounds)
        assert not (known & ~left_out & (bounds > costs * (1 + 1e-12))).any()
        assert not (known & left_out)[served][costs[served] <= least[:, None]].any(), "it has a bound"
        left = (bounds[served] < least[:, None]).sum(axis=1)
        assert frame is amounts or left.mean() < len(listed) / 5
        found = solve_batch(scenario, frame)
        np.testing.assert_allclose(found["cost_total"][served], least, rtol=1e-12)
        law, z = asked.stacked().law.chinchilla, np.asarray(target_inner_sum(asked.stacked()))
        v = np.log(z / (np.asarray(law.A) * found["n_params"].to_numpy() ** -np.asarray(law.alpha)) - 1)
        assert (near.left <= v + 1e-9)[served].all()
        assert (v <= near.right + 1e-9)[served].all()


def test_rows_that_differ_in_traffic_alone_are_searched_between_chords(monkeypatch):
    """With a placement that is given."""
    monkeypatch.setattr("optimizer.optimum.batch.TABULATED", 1)
    scenario = placements(next(scenarios(1)))[4]
    frame, found = pd.DataFrame({"traffic.share": np.geomspace(1e-4, 1, ROWS)}), []
    for many in (ROWS + 1, 1):
        monkeypatch.setattr("optimizer.optimum.compared._MANY_GIVEN", many)
        rows = as_batch(scenario, {"traffic.share": frame["traffic.share"].to_numpy()}).totalled()
        found.append((solve_batch(scenario, frame), around(rows)))
    (scanned, none), (between, near) = found
    assert none is None
    assert (scanned["status"] == "optimal").all()
    assert (between["status"] == "optimal").all()
    # At a kink of the cost a bracket holds N.
    for column, within in {"n_params": 1e-10, "train_tokens": 1e-9, "cost_total": 1e-12}.items():
        np.testing.assert_allclose(between[column], scanned[column], rtol=within, err_msg=column)
    assert ((near.right - near.left) < 0.5).all()


def test_lines_meet_below_convex_functions():
    """Sums of powers with a kink, from where they begin to where they end; between all inner nodes."""
    draw = np.random.default_rng(3)
    x, fine = np.linspace(-2, 2, 33), np.linspace(0, 1, 1001)
    gaps = []
    for i in range(200):
        falls, rises, at, steep = draw.uniform(0.2, 3), draw.uniform(0.2, 3), draw.uniform(-2, 2), draw.uniform(0, 5)
        begin, end = (-9.0, 9.0) if i % 2 else np.sort(draw.uniform(-2.2, 2.2, 2))

        def f(x, falls=falls, rises=rises, at=at, steep=steep):
            return np.exp(-falls * x) + np.exp(rises * x) + steep * np.maximum(x - at, 0)

        reached, serves = (x >= begin)[:, None], (x <= end)[:, None]
        nodes = np.where(reached, f(x)[:, None], standing_for(reached)) + np.where(serves, 0, standing_for(serves))
        bounds = np.asarray(_least_between(jnp.asarray(nodes)))[:, 0]
        for bound, a, b in zip(bounds, x[1:-2], x[2:-1], strict=True):
            inside = a + fine * (b - a)
            inside = inside[(inside >= begin) & (inside <= end)]
            if b < begin or a > end:
                assert bound > 1e50, "no design"
            elif len(inside):
                least = f(inside).min()
                assert bound <= least * (1 + 1e-12)
                if begin <= 2 * a - b and 2 * b - a <= end and not a - 0.2 < at < b + 0.2:
                    gaps.append(1 - bound / least)
    assert len(gaps) > 1000
    # A line through two nodes lies 3/8 h^2 f'' below, half of their distance h further on; f'' is at most 3^2 f.
    assert max(gaps) < 3 / 8 / 8**2 * 3**2


def test_below_in_logarithms_is_the_lower_convex_hull():
    draw = np.random.default_rng(4)
    needs = np.exp(draw.uniform(-1, 1, (3, 2, 40)))
    needs[1, 0] = np.exp(np.linspace(-1, 1, 40) ** 2)
    needs[0, 1, 25:] = 0.0
    found = log_convex(needs)
    np.testing.assert_array_equal(found[1, 0], needs[1, 0])
    np.testing.assert_array_equal(found[0, 1, 25:], 0.0)
    for values, below in zip(needs.reshape(6, 40), found.reshape(6, 40), strict=True):
        some = values > 0
        points = np.column_stack([np.flatnonzero(some), np.log(values[some])])
        hull = ConvexHull(points)
        lower = np.unique(hull.simplices[hull.equations[:, 1] < 0])
        expected = np.exp(np.interp(points[:, 0], *points[lower].T))
        np.testing.assert_allclose(below[some], expected, rtol=1e-12)


def test_what_another_placement_beats_is_never_the_best():
    """Whole numbers, so that many needs are the same."""
    draw = np.random.default_rng(6)
    for _ in range(50):
        needs, keeps = draw.integers(1, 3, (3, 6, 9)).astype(float), draw.uniform(size=(6, 9)) < 0.8
        out = beaten(needs, keeps)
        at_both = keeps[:, :-1] & keeps[:, 1:]
        assert (at_both.any(axis=0) == (at_both & ~out).any(axis=0)).all(), "one of them is left"
        same = (needs[:, :, None] == needs[:, None]).all(axis=0)
        same = same[..., :-1] & same[..., 1:] & at_both[:, None] & at_both[None]
        assert (out | ~(same & np.tri(6, k=-1, dtype=bool)[..., None]).any(axis=1)).all(), "the first of those alike"
        for price in draw.uniform(0.1, 1, (20, 3)):
            cost = np.where(keeps, np.tensordot(price, needs, 1), np.inf)
            for side in (cost[:, :-1], cost[:, 1:]):
                best = side.min(axis=0)
                only = (side == best) & ((side <= best * (1 + 1e-12)).sum(axis=0) == 1) & np.isfinite(best)
                assert not (out & only).any()
