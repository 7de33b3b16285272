import math

import pandas as pd
import pytest

from optimizer.evidence import lecture


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return lecture.ensemble()


def test_arithmetic_line_by_line():
    results = [step.result for step in lecture.arithmetic()]
    assert results == [
        "50M tokens/s",
        "259.2T tokens, quoted as 200T",
        "2T tokens",
        "100x",
        "150T and 75x",
        "D = 1.5 R = T",
    ]


def test_the_claim_lies_in_every_band(frame):
    assert list(frame.index) == ["besiroglu", "hoffmann", "de-vries", "muennighoff"]
    assert frame["claim_in_band"].all()
    assert set(frame.attrs["units"]) == set(frame.columns) - {"claim_in_band"}


def test_geometric_means(frame):
    for column, all_four, once in (("pinned_vs_rule_of_20", 82, 74), ("pinned_exact_vs_rule_of_20", 98, 88)):
        assert round(lecture.geometric_mean(frame[column].to_dict())) == all_four
        assert round(lecture.geometric_mean(frame[column].to_dict(), same_fit_once=True)) == once


def test_waterfall_multiplies_up_to_the_answer(frame):
    stairs = lecture.waterfall()
    laws = list(frame.index)
    assert stairs["factor"].iloc[1:].prod() * stairs["geometric_mean"].iloc[0] == pytest.approx(
        stairs["geometric_mean"].iloc[-1]
    )
    assert stairs.iloc[-1][laws].tolist() == pytest.approx(frame["pinned_vs_rule_of_20"].tolist(), rel=1e-9)
    assert stairs.iloc[0][laws].tolist() == pytest.approx((frame["D0_100B"] / 2e12).tolist(), rel=1e-9)
    for law in laws:
        assert stairs[law].is_monotonic_increasing


def test_what_carries_the_result():
    found, sentence = lecture.carries()
    # With N pinned, D = D0 (1 + K / 6D)^(1/beta): d ln D / d ln K = r / (beta (1 + r) + r), split by the shares of RL and inference.
    r = 3.5369
    beta = 0.3658
    by_demand = r / (beta * (1 + r) + r)
    assert found["traffic.output_tokens"] + found["rl.tokens"] == pytest.approx(by_demand, abs=1e-3)
    assert found["serving.decode_efficiency"] == pytest.approx(-found["traffic.output_tokens"], rel=1e-5)
    assert max(found, key=lambda path: abs(found[path])) == "law.beta"
    assert f"{-found['law.beta']:.1f} %" in sentence
    assert math.isfinite(sum(found.values()))
