"""The ratio bill by bill, law by law, and on the map: each number is what `solve`, the law or a closed form says."""

import numpy as np
import pytest

from optimizer import InfeasibleError, InputError, ensemble, lifecycle_cost, load, presets, solve
from optimizer.analysis.why import design_map, every_law, reasoning, staircase
from optimizer.assumptions.numbers import human, parse_number, times
from optimizer.assumptions.published_laws import law_names
from optimizer.evidence.lecture import pinned
from optimizer.evidence.reproduction import waterfall
from optimizer.model.cost import Design, design_of
from optimizer.model.quality import loss
from optimizer.report import chart
from optimizer.report.sentences import held, spread, verdict

RATIO = "overtraining_vs_rule_of_20"


def test_the_staircase_of_the_lecture_lies_in_the_waterfall_of_all_laws(lecture):
    """One law of the reproduction's waterfall, step by step."""
    found, asked = staircase(pinned(lecture)), waterfall()
    ratios = found[RATIO].to_numpy()
    assert (asked["lowest"].to_numpy() * (1 - 1e-9) <= ratios).all()
    assert (ratios <= asked["highest"].to_numpy() * (1 + 1e-9)).all()
    assert ratios[-1] == pytest.approx(solve(pinned(lecture)).overtraining.vs_rule_of_20, rel=1e-9)
    assert found["factor"][1:].prod() == pytest.approx(found[RATIO].iloc[-1] / found[RATIO].iloc[0], rel=1e-12)


@pytest.mark.parametrize("name", presets())
def test_the_last_step_is_the_optimum_and_no_bill_is_counted_that_is_not_there(name):
    s = load(name)
    found = staircase(s)
    assert found[RATIO].iloc[-1] == pytest.approx(solve(s).overtraining.vs_rule_of_20, rel=1e-9)
    assert ("+ reinforcement learning" in set(found["step"])) == (s.rl.policy not in ("none", "optimised"))
    assert (found["status"] == "optimal").all()


def test_where_a_limit_sets_the_answer_no_bill_is_said_to(lecture):
    found = staircase(load("on-device"))
    assert set(found["held_by"]) == {"limits.max_bytes"}
    assert held(found).startswith("limits.max_bytes sets the answer, ")
    spec = chart.staircase(found).to_dict()
    assert "(x 1)" not in str(spec)
    assert "held by limits.max_bytes" in str(spec)
    free = staircase(lecture)
    assert not any(free["held_by"])
    assert held(free) == ""
    # Held from the step on that reaches the limit.
    part = free.assign(held_by=["", "", "", "limits.min_params"])
    assert "from the step '+ reinforcement learning' on" in held(part)


def test_a_step_without_an_answer_says_why(lecture):
    found = staircase(lecture.update({"limits.max_params": "50B"}))
    assert found["status"].tolist() == ["infeasible"] * 4
    assert found[RATIO].isna().all()
    assert found["message"].str.contains("limits.max_params").all()


def test_posterior_is_there_for_the_law_that_publishes_one(lecture):
    found = every_law(lecture)
    low, high = found[f"posterior_{RATIO}_low"], found[f"posterior_{RATIO}_high"]
    assert low.notna()[low.notna()].index.tolist() == ["besiroglu"]
    # The optimum at the point estimate lies inside the middle 80 % of what its own fit allows.
    assert low["besiroglu"] < found[RATIO]["besiroglu"] < high["besiroglu"]


def test_every_law_is_asked_the_same_question(lecture):
    found, credible = every_law(lecture), ensemble(lecture)
    assert found.index.tolist() == [*law_names("ensemble"), *law_names("stress")]
    assert found["kind"].tolist() == ["law"] * 4 + ["stress test"] * 5
    for column in (RATIO, "n_params", f"band_{RATIO}_high"):
        assert found.loc[law_names("ensemble"), column].tolist() == credible.loc[law_names("ensemble"), column].tolist()
        assert found.loc["sardana-100", column] == ensemble(lecture, {"sardana-100": 1}).loc["sardana-100", column]


def test_a_law_of_its_own_comes_first(lecture):
    s = lecture.update({"law.alpha": 0.35})
    found = every_law(s)
    assert found["kind"].tolist() == ["own"] + ["law"] * 4 + ["stress test"] * 5
    assert found[RATIO].iloc[0] == solve(s).overtraining.vs_rule_of_20


def test_each_kind_of_law_is_asked_and_called_by_its_own_name(lecture):
    """Experts under laws of experts, dense models under laws of dense training, in the table and in the sentence."""
    experts = load("frontier-moe-chat")
    changed = experts.update({"law.a": 20})
    for s, kinds in ((experts, ["law"] * 3), (changed, ["own", "law", "law"])):
        found = every_law(s)
        assert found["kind"].tolist() == kinds
        assert found[RATIO].iloc[0] == solve(s).overtraining.vs_rule_of_20
        assert found.index[1:].tolist() == ["abnar", "krajewski"]
        said = " ".join(spread(found, 100, experts=True))
        assert said.startswith("The laws of experts put")
        assert "of 3." in said
        assert "dense" not in said
    assert found.index[0] == "ludziejewski (changed: a = 20) (this scenario's)"
    found = every_law(lecture).query("kind == 'law'")
    said = " ".join(spread(found, 100, experts=False))
    assert said.startswith("The credible laws of dense training put this scenario's optimum between 52.4x and 120x")
    assert "within the 5 % band of 4 of 4." in said
    assert "experts" not in said


OPTIMISED = {"rl": {"policy": "optimised"}, "goal.like_rl_tokens": "133T"}


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        *(
            (name, {})
            for name in ["lecture-2026", "open-weights-8b", "data-limited-lab", "on-device", "frontier-moe-chat"]
        ),
        ("lecture-2026", OPTIMISED),
    ],
)
def test_lines_of_the_map_are_what_the_law_and_the_cost_say(name, changes):
    best = solve(load(name, changes))
    s, found = best.scenario, design_map(best)
    for row in found[found["kind"].isin(["equal loss", "same loss"])].iloc[::7].to_dict("records"):
        r = (
            design_of(s, row["n_params"], row["train_tokens"]).rl_tokens
            if s.rl.policy != "optimised"
            else best.design.rl_tokens
        )
        own = float(loss(s, Design(row["n_params"], row["train_tokens"], r)))
        assert own == pytest.approx(row["loss"], rel=1e-6)
    for row in found[found["kind"] == "equal cost"].iloc[::7].to_dict("records"):
        kept = best.design.rl_tokens if s.rl.policy == "optimised" else None
        cost = float(lifecycle_cost(s, design_of(s, row["n_params"], row["train_tokens"], kept)).total)
        assert cost == pytest.approx(row["cost_total"], rel=5e-3)
    way = found[found["kind"] == "same loss"]
    assert np.ptp(way["n_params"]) > 0
    for end in (best.design, best.baseline.design):
        near = way.iloc[np.abs(way["n_params"] - float(end.n_params)).to_numpy().argmin()]
        assert near["train_tokens"] == pytest.approx(float(end.train_tokens), rel=1e-5), "the way ends at the marks"
    marks = found.set_index("kind")
    assert marks.loc["optimum", "n_params"] == float(best.design.n_params)
    assert marks.loc["Chinchilla plan", "train_tokens"] == float(best.baseline.design.train_tokens)
    assert np.isfinite(found[["n_params", "train_tokens"]].to_numpy()).all()


def test_no_map_without_a_design(lecture):
    nowhere = lecture.update({"goal": {"kind": "loss", "loss": 1.0}})
    with pytest.raises(InputError):
        design_map(solve(nowhere, throw=False))
    with pytest.raises(InfeasibleError):
        solve(nowhere)


def test_what_a_prefix_cache_holds_is_not_computed():
    """With all efficiencies at 1 and FLOP as the unit, the bill of inference is its compute."""
    s = load(
        "frontier-moe-chat",
        {
            "money.unit": "flops",
            "serving": {"method": "efficiency", "decode_efficiency": 1, "prefill_efficiency": 1, "load_factor": 1},
        },
    )
    best = solve(s)
    hits = float(s.traffic.demand().cached_tokens)
    assert hits > 0
    steps = {step.quantity: step for step in reasoning(best)}
    assert f"- {human(hits)} found in a prefix cache" in steps["tokens that are computed"].working
    paid = float(best.cost.prefill) + float(best.cost.decode)
    assert steps["compute of inference"].result == f"{human(paid)} FLOP"
    assert parse_number(steps["tokens that are computed"].result.split()[0]) == pytest.approx(
        paid / (2 * float(best.design.n_params)), rel=1e-3
    )
    assert "tokens that are computed" not in {step.quantity for step in reasoning(solve(load("lecture-2026")))}


def test_the_verdict_says_what_the_fit_covers(lecture):
    """341 tokens per parameter is the largest ratio of the fit; the largest run of 16B had far fewer."""
    best = solve(lecture)
    size, ratio = float(best.design.n_params) / 16e9, float(best.design.train_tokens / best.design.n_params) / 341
    assert f"parameters {times(size)} the largest of the fit" in verdict(best)
    assert f"tokens per parameter {times(ratio)} the largest of the fit" in verdict(best)
