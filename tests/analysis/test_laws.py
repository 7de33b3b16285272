import math

import numpy as np
import pytest

from optimizer import InputError, ensemble, load, solve
from optimizer.analysis.experts import under_expert_laws
from optimizer.analysis.laws import expert_laws, laws, laws_frame
from optimizer.assumptions.numbers import human
from optimizer.report.sentences import experts


def test_every_credible_law_with_its_band(lecture):
    frame = ensemble(lecture)
    laws = frame[frame["kind"] == "law"]
    assert laws.index.tolist() == ["besiroglu", "hoffmann", "de-vries", "muennighoff"]
    for law, row in laws.iterrows():
        best = solve(lecture.update({"law": law}))
        assert row["n_params"] == pytest.approx(float(best.design.n_params), rel=1e-12)
        assert (row["band_n_params_low"], row["band_n_params_high"]) == pytest.approx(best.band.n_params)
    ratios = laws["overtraining_vs_rule_of_20"].to_numpy()
    assert frame.loc["geometric mean", "overtraining_vs_rule_of_20"] == pytest.approx(np.prod(ratios) ** 0.25)
    assert frame.loc["highest / lowest", "overtraining_vs_rule_of_20"] == pytest.approx(ratios.max() / ratios.min())
    assert set(frame.attrs["units"]) == set(frame.columns) - {"kind", "status", "message"}


def test_the_lecture_against_two_laws_as_published(lecture):
    # The four optima to the digits of the table in the README.
    frame = ensemble(lecture)
    sizes = [f"{frame.loc[law, 'n_params'] / 1e9:.1f}B" for law in ("besiroglu", "muennighoff", "de-vries", "hoffmann")]
    assert sizes == ["111.4B", "110.6B", "95.6B", "95.1B"]


def test_two_readings_of_one_fit_may_count_once(lecture):
    weights = {"besiroglu": 2, "hoffmann": 1, "de-vries": 1, "muennighoff": 2}
    frame = ensemble(lecture, weights)
    assert frame["weight"].iloc[:4].tolist() == pytest.approx([1 / 3, 1 / 6, 1 / 6, 1 / 3])
    logs = np.log(frame["train_tokens"].iloc[:4])
    expected = math.exp((logs.iloc[0] + (logs.iloc[1] + logs.iloc[2]) / 2 + logs.iloc[3]) / 3)
    assert frame.loc["geometric mean", "train_tokens"] == pytest.approx(expected)


def test_a_law_without_an_answer_has_no_part_in_the_mean(lecture):
    frame = ensemble(lecture.update({"goal": {"kind": "loss", "loss": 1.78}}))
    assert frame.loc["besiroglu", "status"] == "infeasible"
    assert "irreducible" in frame.loc["besiroglu", "message"]
    assert np.isnan(frame.loc["besiroglu", "n_params"])
    solved = frame.loc[["hoffmann", "de-vries"], "n_params"]
    assert frame.loc["geometric mean", "n_params"] == pytest.approx(math.sqrt(solved.prod()))
    unreachable = ensemble(lecture.update({"goal": {"kind": "loss", "loss": 1.0}}))
    assert (unreachable["kind"] == "law").all()


def test_repeated_data_stays_repeated():
    s = load("data-limited-lab")
    frame = ensemble(s, {"besiroglu": 1})
    law = {"name": "besiroglu", "kind": "repetition", "unique_tokens": s.law.unique_tokens}
    expected = solve(s.update({"law": law}))
    assert frame.loc["besiroglu", "train_tokens"] == pytest.approx(float(expected.design.train_tokens), rel=1e-9)


def test_no_rl_has_no_mean_of_rl_tokens(lecture):
    frame = ensemble(lecture.update({"rl": {"policy": "none"}}))
    assert frame.loc["geometric mean", "rl_tokens"] == 0
    assert np.isnan(frame.loc["highest / lowest", "rl_tokens"])


def test_what_cannot_be_asked(lecture):
    with pytest.raises(InputError) as caught:
        ensemble(lecture, {"hofmann": 1, "besiroglu": -1})
    assert "did you mean 'hoffmann'" in str(caught.value)
    assert "weights must be" in str(caught.value)


def test_laws_of_experts_answer_the_same_question():
    """Models of one ratio of all to active parameters, as good as one size compute-optimal under the scenario's own law."""
    dense = load("lecture-2026")
    assert under_expert_laws(dense) == {}
    assert expert_laws(solve(dense)) == {}
    assert experts({}) == ""
    own = {"kind": "moe", "name": "ludziejewski", "experts": 16, "a": 36.0, "label": "ours"}
    s = dense.update({"law": own, "goal": {"kind": "loss", "loss": 1.8}, "rl": {"policy": "none"}})
    asked = under_expert_laws(s)
    assert list(asked) == ["ours", "abnar", "krajewski"]
    assert [float(other.law.total_over_active) for other in asked.values()] == pytest.approx([11, 11, 11])
    # 6 N D at the loss of the goal is least at N0: a grid over sizes on its line of equal loss.
    sizes = np.geomspace(1e9, 1e13, 100_001)
    least = sizes[np.nanargmin(sizes * s.law.tokens_for(sizes, 1.8 - s.law.c))]
    assert [asked[law].goal.like_params for law in ("abnar", "krajewski")] == pytest.approx([least] * 2, rel=2e-4)
    best = solve(s)
    answers = expert_laws(best)
    assert answers["ours"] is best
    frame = laws_frame(answers)
    assert frame.loc["abnar", "n_params"] == solve(asked["abnar"]).design.n_params
    found = laws(s)
    assert found["law"].tolist() == ["ours", "abnar", "krajewski"]
    assert found["n_params"].tolist() == frame["n_params"].tolist()
    across = found.attrs["across"]
    assert across.intervals["n_params"] == (frame["n_params"].min(), frame["n_params"].max())
    assert across.sentence.startswith("Across laws: range ")
    assert "(3 laws of experts: ours, Abnar, Krajewski)" in across.sentence
    assert f"{human(frame.loc['abnar', 'n_params'], 3)} on " in experts(answers)
    assert " tokens under Abnar et al. 2025; " in experts(answers)
