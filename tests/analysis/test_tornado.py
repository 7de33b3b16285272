import re

import numpy as np
import pytest

from optimizer import InfeasibleError, InputError, frontier, load, presets, solve, tornado


@pytest.mark.parametrize("name", presets())
def test_every_end_is_what_solve_says(name):
    s = load(name)
    frame = tornado(s)
    idle = ("pretraining.state", "pretraining.shard", "pretraining.tokens")
    if s.serving.method == "efficiency":
        idle += ("deployment.",)
    ranged = {p for p, q, _ in s.quantities() if q.low is not None and q.high is not None and not p.startswith(idle)}
    assert set(frame["assumption"]) == ranged
    assert frame["swing"].is_monotonic_decreasing
    for row in frame.iloc[::4].to_dict("records"):
        for end in ("low", "high"):
            if row[f"status_{end}"] == "bad_input":  # the end of one range need not go with the other numbers
                with pytest.raises(InputError, match=re.escape(row["message"])):
                    s.update({row["assumption"]: row[end]})
                continue
            best = solve(s.update({row["assumption"]: row[end]}), throw=False)
            assert row[f"status_{end}"] == best.status.name.lower()
            if row[f"status_{end}"] == "optimal":
                assert row[f"output_{end}"] == pytest.approx(best.overtraining.vs_rule_of_20, rel=1e-8)
            else:
                assert np.isnan(row[f"output_{end}"])
                assert row["message"]
    assert frame["output_base"].unique() == pytest.approx(solve(s).overtraining.vs_rule_of_20, rel=1e-9)


def test_units_band_and_swing(lecture):
    frame = tornado(lecture, "n_params")
    best = solve(lecture)
    assert frame.attrs["band"] == best.band.n_params
    assert frame.attrs["units"]["swing"] == "parameters"
    three = frame[["output_low", "output_base", "output_high"]]
    moved = frame["swing"] > 0
    assert frame["swing"][moved].to_numpy() == pytest.approx((three.max(axis=1) - three.min(axis=1))[moved].to_numpy())
    still = set(frame["assumption"][~moved])
    assert {"money.train_chip.usd_per_chip_hour", "pretraining.mfu", "law.E"} <= still


def test_over_replaces_adds_and_leaves_alone(lecture):
    frame = tornado(lecture, over={"law": None, "rl.tokens": ("50T", 3e14), "limits.max_params": ("80B", "120B")})
    frame = frame.set_index("assumption")
    assert not any(path.startswith("law.") for path in frame.index)
    assert frame.loc["rl.tokens", ["low", "high"]].tolist() == [5e13, 3e14]
    assert np.isnan(frame.loc["limits.max_params", "value"])
    capped = solve(lecture.update({"limits.max_params": 8e10})).overtraining.vs_rule_of_20
    assert frame.loc["limits.max_params", "output_low"] == pytest.approx(capped, rel=1e-8)


def test_training_memory_counts_only_where_it_is_limited(lecture):
    memory = {"pretraining.shard_chips", "pretraining.state_bytes_per_param", "pretraining.tokens_per_chip"}
    shape = {"deployment.layers", "deployment.sparsity"}
    limited = lecture.update(
        {
            "limits.max_training_bytes_per_chip": 8e10,
            "pretraining.shard_chips": 16,
            "pretraining.recomputation": "full",
            "deployment.sparsity": 1,
        }
    )
    frame = tornado(limited, "n_params").set_index("assumption")
    assert memory | shape <= set(frame.index)
    assert (frame.loc[list(memory), "swing"] > 0).all()
    assert not any(path.startswith("deployment.") for path in set(frame.index) - shape)
    assert not (memory | shape) & set(tornado(lecture)["assumption"])


def test_every_problem_of_over_at_once(lecture):
    with pytest.raises(InputError) as caught:
        tornado(lecture, over={"rl.tokns": (1, 2), "lawn": None, "rl.tokens": ("3T", "1T"), "traffic.share": (0.1,)})
    text = str(caught.value)
    for part in ("'rl.tokns'", "did you mean 'rl.tokens'", "'lawn'", "needs low < high", "must be a pair"):
        assert part in text
    with pytest.raises(InputError, match="did you mean 'n_params'"):
        tornado(lecture, "nparams")


def test_a_question_without_answer_is_refused(lecture):
    with pytest.raises(InfeasibleError, match="irreducible"):
        tornado(lecture.update({"goal": {"kind": "loss", "loss": 1.0}}))


@pytest.mark.parametrize(
    "goal", [{}, {"goal": {"kind": "budget", "budget": 3e26}}, {"goal": {"kind": "params", "params": 1e11}}]
)
def test_the_frontier_passes_through_the_answer_with_the_shadow_price_as_slope(lecture, goal):
    s = lecture.update(goal)
    best, frame = solve(s), frontier(s)
    (today,) = np.flatnonzero(frame["today"])
    assert frame["n_params"][today] == pytest.approx(float(best.design.n_params), rel=1e-8)
    assert frame["cost_vs_today"][today] == pytest.approx(1, rel=1e-9)
    # d ln C / d ln l = -1 / eN: the derivative at the middle of a short chord.
    step = 1e-4
    reducible = best.loss - s.law.E
    near = frontier(s, [s.law.E + reducible * np.exp(step), s.law.E + reducible * np.exp(-step)])
    slope = np.diff(np.log(near["cost_total"]))[0] / (-2 * step)
    n = float(best.design.n_params)
    assert slope == pytest.approx(-reducible / (s.law.alpha * s.law.A * n**-s.law.alpha), rel=1e-6)


def test_better_quality_costs_more_up_to_where_none_is_left(lecture):
    frame = frontier(lecture, [1.7, 1.85, 1.9, 2.0])
    assert frame["loss"].tolist() == [2.0, 1.9, 1.85, 1.7]
    assert frame["status"].tolist() == ["optimal"] * 3 + ["infeasible"]
    assert frame["cost_total"][:3].is_monotonic_increasing
    with pytest.raises(InputError, match="nat/token"):
        frontier(lecture, [])
