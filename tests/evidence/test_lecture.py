import math

import pytest

from optimizer.evidence import lecture


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
