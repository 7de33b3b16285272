import numpy as np
import pytest
from scipy.stats import sobol_indices

from optimizer import InputError, sobol, solve
from optimizer.analysis.ranges import Range
from optimizer.analysis.sobol import _resampled, factors, variance_shares


def ishigami(cube: np.ndarray) -> np.ndarray:
    x = np.pi * (2 * cube - 1)
    return (np.sin(x[:, 0]) + 7 * np.sin(x[:, 1]) ** 2 + 0.1 * x[:, 2] ** 4 * np.sin(x[:, 0]))[:, None]


def test_ishigami_against_published_indices():
    # Ishigami and Homma 1990 with a = 7, b = 0.1; values as printed by Saltelli et al. 2008, section 4.6, and exact from
    # V = a^2/8 + b pi^4/5 + b^2 pi^8/18 + 1/2.
    shares = variance_shares(ishigami, [1, 1, 1], 2**14)
    first, total = [0.3139, 0.4424, 0.0], [0.5576, 0.4424, 0.2437]
    assert shares.first[0] == pytest.approx(first, abs=0.005)
    assert shares.total[0] == pytest.approx(total, abs=0.005)
    for interval, truth in ((shares.first_interval, first), (shares.total_interval, total)):
        assert (interval[0, 0] <= np.array(truth) + 1e-3).all()
        assert (interval[1, 0] >= np.array(truth) - 1e-3).all()
    assert shares.answered == 1


def test_intervals_narrow_with_the_square_root_of_the_samples():
    narrow, wide = (variance_shares(ishigami, [1, 1, 1], n).total_interval for n in (2**13, 2**9))
    widths = [(ends[1] - ends[0])[0] for ends in (narrow, wide)]
    assert (widths[0] < widths[1] / 2).all()


def test_a_resample_is_scipy_on_the_samples_drawn():
    rng = np.random.default_rng(1)
    found, rows = rng.normal(3, 2, (5, 256)), rng.integers(0, 256, 256)
    drawn = found[:, rows]
    theirs = sobol_indices(func={"f_A": drawn[:1], "f_B": drawn[1:2], "f_AB": drawn[2:, None]}, n=256)
    first, total = _resampled(found, [np.bincount(rows, minlength=256)])
    assert first[0] == pytest.approx(theirs.first_order.ravel(), rel=1e-10)
    assert total[0] == pytest.approx(theirs.total_order.ravel(), rel=1e-10)
    assert not _resampled(np.ones((5, 256)), [np.ones(256)]).any()  # a constant has no variance to share


def test_a_group_is_one_input():
    # Y = x0 + x1 + x2 with independent uniforms: a group of two of them has two thirds of the variance, and no interactions.
    shares = variance_shares(lambda cube: cube.sum(axis=1)[:, None], [2, 1], 2**12)
    assert shares.first[0] == pytest.approx([2 / 3, 1 / 3], abs=0.01)
    assert shares.total[0] == pytest.approx([2 / 3, 1 / 3], abs=0.01)


def test_points_without_an_answer_leave_the_indices_of_the_rest():
    # Only x0 < 3/4 has answers, so Var(x0) = (3/4)^2 / 12 and Var(x1) = 1/12.
    def partial(cube: np.ndarray) -> np.ndarray:
        return np.where(cube[:, :1] < 0.75, cube.sum(axis=1, keepdims=True), np.nan)

    shares = variance_shares(partial, [1, 1], 2**12)
    assert shares.first[0] == pytest.approx([0.36, 0.64], abs=0.02)
    assert shares.answered == pytest.approx(0.75**2, abs=0.02)
    with pytest.raises(InputError, match="narrow the ranges"):
        variance_shares(lambda cube: np.where(cube[:, :1] < 0.2, 1.0, np.nan), [1, 1], 2**8)


def test_what_cannot_be_asked_is_refused_at_once():
    with pytest.raises(InputError) as caught:
        variance_shares(ishigami, [3], 1000, confidence=1.5)
    assert len(caught.value.problems) == 3
    assert "take 1024" in str(caught.value)


def test_equal_partners_get_equal_shares(lecture):
    twins = {"traffic.share": (0.3, 1), "traffic.ship_probability": (0.3, 1)}
    alone = dict.fromkeys(
        ["law", "rl", "serving", "pretraining", "money", "traffic.cache_hit_share", "traffic.output_tokens"]
    )
    frame = sobol(lecture, ["train_tokens"], 2**11, over=alone | twins).set_index("assumption")
    assert frame.index.tolist() in (list(twins), list(twins)[::-1])
    assert frame["first"].iloc[0] == pytest.approx(frame["first"].iloc[1], abs=0.01)
    assert frame["first"].sum() <= 1 <= frame["total"].sum()  # what is left between them is their interaction


def test_a_sobol_frame(lecture):
    frame = sobol(lecture, ["n_params", "cost_total"], 256, over={"traffic.output_tokens": ("20T", "2000T")})
    _, inputs, notes = factors(lecture, {"traffic.output_tokens": ("20T", "2000T")})
    assert len(frame) == 2 * len(inputs)
    assert frame.attrs["notes"] == notes
    for _, group in frame.groupby("output"):
        assert group["total"].is_monotonic_decreasing
    assert (frame["total_low"] <= frame["total_high"]).all()
    idle = frame[frame["assumption"] == "pretraining.mfu"]
    assert (idle["total"] == 0).all()
    again = sobol(lecture, ["n_params", "cost_total"], 256, over={"traffic.output_tokens": ("20T", "2000T")})
    assert again.equals(frame)


def test_what_moves_by_itself(lecture):
    def names(over=None, s=lecture, law="across"):
        return [f.name for f in factors(s, over, law).factors]

    assert names()[0] == "law"
    assert not [
        n for n in names() if n.startswith(("goal.", "limits.", "law.", "money.")) or n == "traffic.input_tokens"
    ]
    assert "traffic.input_tokens" in names({"traffic.input_tokens": ("1T", "10T")})
    assert "goal.like_params" in names({"goal.like_params": ("50B", "200B")})
    assert "law" not in names({"law.beta": (0.3, 0.4)})
    assert "law.beta" in names({"law.beta": (0.3, 0.4)})
    assert "law" not in names({"law": None})
    assert "law" not in names(law=None)
    hoffmann = lecture.update({"law": "hoffmann"})
    assert not [n for n in names(s=hoffmann, law="posterior") if n.startswith("law")]
    assert "no published posterior" in factors(hoffmann, law="posterior").notes[0]


def test_the_law_is_one_input_as_counted_by_hand(lecture):
    # Two laws and one uncertain number: Var(E[ln D/20N | law]) over Var, by Gauss-Legendre in the number and a sum over the laws.
    laws, span = ["besiroglu", "hoffmann"], (1e14, 4e14)
    nodes, weights = np.polynomial.legendre.leggauss(12)
    tokens = span[0] * (span[1] / span[0]) ** ((nodes + 1) / 2)
    found = np.log(
        [
            [solve(lecture.update({"law": law, "traffic.output_tokens": t})).overtraining.vs_rule_of_20 for t in tokens]
            for law in laws
        ]
    )
    by_law, by_tokens, weights = found @ weights / 2, found.mean(axis=0), weights / 2
    mean = by_law.mean()
    whole = (((found - mean) ** 2) @ weights).mean()
    exact = {
        "law": ((by_law - mean) ** 2).mean() / whole,
        "traffic.output_tokens": weights @ (by_tokens - mean) ** 2 / whole,
    }
    alone = dict.fromkeys(["rl", "serving", "pretraining"])
    frame = sobol(lecture, ["overtraining_vs_rule_of_20"], 2**11, law=laws, over=alone).set_index("assumption")
    for path, share in exact.items():
        assert frame.loc[path, "first"] == pytest.approx(share, abs=0.02)
        assert frame.loc[path, "total"] == pytest.approx(1 - sum(exact.values()) + share, abs=0.02)


def test_sobol_where_limits_refuse_part_of_the_space(lecture):
    s = lecture.update({"limits.max_params": "100B"})
    alone = dict.fromkeys(["serving", "rl", "money", "law", "pretraining", "traffic"])
    frame = sobol(
        s,
        ["train_tokens"],
        16,
        over=alone | {"goal.like_params": ("50B", "180B"), "goal.like_tokens": ("100T", "300T")},
    )
    # No tokens make 100B as good as a design whose l lies below A (100B)^-alpha; a sample needs answers at all four of its corners.
    rng = np.random.default_rng(0)
    n, d = rng.uniform(5e10, 18e10, (2, 1, 4000)), rng.uniform(1e14, 3e14, (1, 2, 4000))
    reachable = s.law.A * 1e11**-s.law.alpha < s.law.A * n**-s.law.alpha + s.law.B * d**-s.law.beta
    assert frame.attrs["answered"] == pytest.approx(reachable.all(axis=(0, 1)).mean(), abs=0.15)
    assert frame["assumption"].iloc[0] == "goal.like_params"


def test_ranges_over_a_decade_are_logarithmic():
    assert Range("a", "1", 1.0, 0.1, 1.0).logarithmic
    assert not Range("a", "1", 1.0, 0.0, 1e9).logarithmic
    assert not Range("a", "1", 1.0, 0.3, 1.0).logarithmic
    around = Range("a", "1", 2.0, 1.0, 4.0, declared=True)
    assert around.at(np.array([0.5])).tolist() == [2.0]  # the median of a declared factor is the scenario's own value
