import re

import numpy as np
import pytest

from optimizer import InfeasibleError, InputError, draws, frontier, load, presets, solve, tornado

from ..counts import named


def at(value: float, factor: float, least: float, most: float) -> tuple[float, float]:
    low, high = sorted((value / factor, value * factor))
    return max(low, least), min(high, most)


@pytest.mark.parametrize(
    "name", named(presets(), "lecture-2026", "data-limited-lab", "frontier-moe-chat", "open-weights-8b")
)
def test_every_end_is_what_solve_says(name):
    s = load(name)
    frame = tornado(s, law=["besiroglu", "hoffmann"])
    speeds = ("serving.prefill_efficiency", "serving.decode_efficiency")  # the roofline finds them from the deployment
    idle = (*(speeds if s.serving.by_roofline else ("deployment.",)), *(("rl.",) if s.rl.policy == "none" else ()))
    ranged = {p for p, q, value in s.quantities() if q.uncertain and value and not p.startswith(idle)}
    bar = {"law"} if s.law.kind != "moe" else set()
    assert set(frame["assumption"]) == ranged | bar
    assert frame["swing"].is_monotonic_decreasing
    for row in frame[frame["assumption"] != "law"].iloc[::3].to_dict("records"):
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


OWN = {
    "law": {"kind": "chinchilla", "E": 0.7, "A": 90.0, "B": 3e5, "alpha": 0.28, "beta": 0.52},
    "goal": {"kind": "params", "params": 3e9},
    "traffic": {
        "kind": "growth",
        "tokens_per_day": 4e9,
        "growth": 0.0,
        "months": 60,
        "input_share": 0.5,
        "share": 0.02,
    },
    "rl": {"policy": "tokens", "tokens": 7e9, "efficiency": 1.9},
    "money": {"unit": "usd", "train_chip": {"peak_flops": 3e13, "usd_per_chip_hour": 0.2}},
    "serving": {"load_factor": 0.9, "decode_efficiency": 0.01},
}


def test_default_ranges_are_factors_around_the_scenarios_own_values(lecture):
    s = lecture.update(OWN)
    own = {path: (quantity, value) for path, quantity, value in s.quantities()}
    frame = tornado(s, law=["besiroglu"]).set_index("assumption")
    for path, row in frame.drop(index="law").iterrows():
        declared, value = own[path]
        assert declared.uncertain, path
        assert (row["low"], row["high"]) == at(value, declared.uncertain, declared.least, declared.most)
        assert row["value"] == value != 0
        assert row["low"] <= value <= row["high"]
    # What is set on purpose is held: chips and prices, shares, the size asked for, the zero growth; the law is one row.
    assert not [p for p in frame.index if p.startswith(("law.", "goal.", "money.")) or p.endswith("share")]
    assert "traffic.growth" not in frame.index
    assert {"law", "traffic.tokens_per_day", "rl.tokens", "serving.load_factor"} <= set(frame.index)
    notes = " ".join(frame.attrs["notes"])
    assert "money.train_chip.peak_flops" in notes
    assert "Amounts of 0 stay 0: traffic.growth" in notes
    # D = D0 (1 + r)^(1/beta) moves with a price factor f by at most f^(1/beta), whatever the scenario.
    swing = frame.drop(index="law")[["output_low", "output_high"]].div(frame["output_base"].iloc[0])
    assert swing.max().max() <= 3 ** (1 / 0.52) + 1e-9


def test_what_is_held_moves_where_it_is_named(lecture):
    s = lecture.update(OWN)
    chosen = {"money.train_chip.peak_flops": (1e13, 1e14), "traffic.growth": (-0.01, 0.01), "law.beta": (0.5, 0.55)}
    frame = tornado(s, over=chosen).set_index("assumption")
    assert {*chosen} <= set(frame.index)
    assert "law" not in frame.index
    assert "leave the fit" in frame.attrs["notes"][0]


def test_the_bar_of_the_law_holds_the_laws(lecture):
    names = ["besiroglu", "hoffmann", "muennighoff", "chinchilla-points-coupled"]
    by_law = [solve(lecture.update({"law": name})).overtraining.vs_rule_of_20 for name in names]
    (row,) = tornado(lecture, law=names).query("assumption == 'law'").to_dict("records")
    assert (row["output_low"], row["output_high"]) == pytest.approx((min(by_law), max(by_law)), rel=1e-8)
    assert (row["low"], row["high"], row["unit"]) == (0, 1, "quantile")
    drawn = draws(lecture, 20_000, parts=["law"], law="posterior")["overtraining_vs_rule_of_20"]
    (row,) = tornado(lecture, law="posterior").query("assumption == 'law'").to_dict("records")
    ends = np.quantile(drawn, [0.1, 0.9])
    assert [row["output_low"], row["output_high"]] == pytest.approx(ends, rel=0.02)  # 256 points of a sequence
    assert "law" not in set(tornado(lecture, law=None)["assumption"])


def test_a_loss_of_one_text_asks_other_laws_for_the_same_model(lecture):
    s = lecture.update({"goal": {"kind": "loss", "loss": 2.0}})
    own = s.law
    # The compute-optimal model of that loss under the scenario's law, by brute force over sizes.
    sizes = np.geomspace(1.01 * (own.A / (2.0 - own.E)) ** (1 / own.alpha), 1e12, 200_001)
    tokens = (own.B / (2.0 - own.E - own.A * sizes**-own.alpha)) ** (1 / own.beta)
    least = np.argmin(sizes * tokens)
    like = {"kind": "loss", "like_params": sizes[least], "like_tokens": tokens[least]}
    answer = solve(s.update({"law": "gadre-rpj-additive", "goal": like})).overtraining.vs_rule_of_20
    (row,) = tornado(s, law=["gadre-rpj-additive"]).query("assumption == 'law'").to_dict("records")
    assert row["output_low"] == pytest.approx(answer, rel=1e-4)


def test_units_band_and_swing(lecture):
    frame = tornado(lecture, "n_params")
    best = solve(lecture)
    assert frame.attrs["band"] == best.band.n_params
    assert frame.attrs["units"]["swing"] == "parameters"
    three = frame[["output_low", "output_base", "output_high"]]
    moved = frame["swing"] > 0
    assert frame["swing"][moved].to_numpy() == pytest.approx((three.max(axis=1) - three.min(axis=1))[moved].to_numpy())
    assert {"pretraining.mfu", "serving.prefill_efficiency"} <= set(frame["assumption"][~moved])


def test_over_replaces_adds_and_leaves_alone(lecture):
    frame = tornado(lecture, over={"law": None, "rl.tokens": ("50T", 3e14), "limits.max_params": ("80B", "120B")})
    frame = frame.set_index("assumption")
    assert not any(path.startswith("law") for path in frame.index)
    assert frame.loc["rl.tokens", ["low", "high"]].tolist() == [5e13, 3e14]
    assert np.isnan(frame.loc["limits.max_params", "value"])
    capped = solve(lecture.update({"limits.max_params": 8e10})).overtraining.vs_rule_of_20
    assert frame.loc["limits.max_params", "output_low"] == pytest.approx(capped, rel=1e-8)


def test_training_memory_counts_only_where_it_is_limited(lecture):
    layers = "deployment.layers"
    limited = lecture.update(
        {
            "limits.max_training_bytes_per_chip": 8e10,
            "pretraining.shard_chips": 16,
            "pretraining.recomputation": "full",
            "deployment.sparsity": 1,
        }
    )
    frame = tornado(limited, "n_params").set_index("assumption")
    assert frame.loc[layers, "swing"] > 0
    assert not any(path.startswith("deployment.") for path in set(frame.index) - {layers})
    assert layers not in set(tornado(lecture)["assumption"])
    memory = ("pretraining.shard_chips", "pretraining.state_bytes_per_param", "pretraining.tokens_per_chip")
    assert all(path in " ".join(frame.attrs["notes"]) for path in memory)


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
