"""FLOPs of attention against a loop over the products of a transformer, and the limits they go to."""

import math

import numpy as np
import pytest

from optimizer import Design, InputError, lifecycle_cost
from optimizer.assumptions.architecture import released
from optimizer.assumptions.attention import FITTED_AT, FITTED_EXPONENT, FITTED_WIDTH, attention_params
from optimizer.assumptions.deployment import Deployment
from optimizer.assumptions.speed import utilisation
from optimizer.evidence.shapes import power_law
from optimizer.model.cost import design_of
from optimizer.model.fleet import chip_hours, chip_seconds_per_token
from optimizer.optimum.given import design_from

from ..conftest import plain_scenario

LLAMA = {"deployment.reference_params": 70.55e9, "deployment.attention_width": 80 * 8192.0}
"""Llama 3 70B: 80 layers, 64 query heads of 128, 8 of keys and values."""
AT = Design(70.55e9, 15e12, 0.0)


def forward_flops(layers: int, heads: int, width: int, reads: list[int]) -> int:
    """FLOPs of scores and of the weighted sum of values, multiplication and addition counted, over the tokens of a sequence."""
    return sum(layers * heads * (2 * width * read + 2 * read * width) for read in reads)


def test_training_and_prefill_read_half_the_context_and_decoding_all_of_it():
    # A sequence of 4096 tokens through Llama 3 70B, token by token; the mean of 1..S is (S + 1) / 2.
    length = 4096
    s = plain_scenario(traffic__input_tokens=1e12).update(
        LLAMA | {"pretraining.context_tokens": length, "serving.context_tokens": length}
    )
    whole = forward_flops(80, 64, 128, list(range(1, length + 1))) / length
    last = forward_flops(80, 64, 128, [length])
    with_attention, without = lifecycle_cost(s, AT), lifecycle_cost(plain_scenario(traffic__input_tokens=1e12), AT)
    half = whole * length / (length + 1)
    assert float(with_attention.pretraining - without.pretraining) == pytest.approx(3 * half * 15e12, rel=1e-9)
    assert float(with_attention.prefill - without.prefill) == pytest.approx(half * 1e12, rel=1e-9)
    assert float(with_attention.decode - without.decode) == pytest.approx(last * 2e12, rel=1e-9)


def test_a_hundred_thousand_tokens_about_double_the_bill_of_a_70b_model():
    s = plain_scenario(traffic__input_tokens=8e12, traffic__output_tokens=2e12)
    short, long = (lifecycle_cost(s.update(LLAMA | {"serving.context_tokens": c}), AT) for c in (0, 1e5))
    assert float(long.prefill / short.prefill) == pytest.approx(1 + 80 * 8192 * 1e5 / 70.55e9, rel=1e-12)
    served = [float(c.prefill + c.decode) for c in (short, long)]
    assert 1.9 < served[1] / served[0] < 2.2
    fitted = lifecycle_cost(s.update({"serving.context_tokens": 1e5}), AT)  # the same without its shape
    assert float(fitted.prefill / short.prefill) == pytest.approx(float(long.prefill / short.prefill), rel=0.06)


def test_no_context_costs_what_it_cost_to_the_last_digit():
    for rl in (
        {"policy": "tokens", "tokens": 1e13},
        {"policy": "cost_share", "cost_share": 0.4},
        {"policy": "flops", "flops": 1e24},
    ):
        s = plain_scenario(traffic__input_tokens=3e12, rl=rl)
        zero = s.update({"pretraining.context_tokens": 0, "serving.context_tokens": 0})
        for phase, other in zip(
            lifecycle_cost(s, design_of(s, 3e10, 1e13)), lifecycle_cost(zero, design_of(zero, 3e10, 1e13)), strict=True
        ):
            assert float(phase) == float(other)


@pytest.mark.parametrize("bound", [None, 2048.0])
@pytest.mark.parametrize("power", [1.0, 0.5, 0.0])
def test_sparse_and_windowed_attention_read_what_the_deployment_says(power, bound):
    shape = Deployment(attention_exponent=power, attention_bound_tokens=bound)
    for context in (512.0, 131072.0):
        read = np.minimum(np.linspace(0, context, 400_001) ** power, math.inf if bound is None else bound)
        mean = float(attention_params(shape, 1e10, context, causal=True)) / (2 * FITTED_WIDTH)
        assert mean == pytest.approx(float(np.trapezoid(read, dx=1 / 400_000)), rel=1e-5)
        assert float(attention_params(shape, 1e10, context, causal=False)) == pytest.approx(
            2 * FITTED_WIDTH * read[-1], rel=1e-12
        )
    assert float(attention_params(shape, 1e10, 0.0, causal=True)) == (0 if power else 2 * FITTED_WIDTH)


def test_rl_given_in_compute_or_as_a_share_counts_attention():
    context = {"pretraining.context_tokens": 8192.0, "serving.context_tokens": 65536.0}
    given = plain_scenario(rl={"policy": "flops", "flops": 1e24, "efficiency": 0.5}).update(context)
    assert float(lifecycle_cost(given, design_of(given, 3e10, 1e13)).rl) == pytest.approx(2e24, rel=1e-13)
    share = plain_scenario(rl={"policy": "cost_share", "cost_share": 0.3, "efficiency": 0.5}).update(context)
    cost = lifecycle_cost(share, design_of(share, 3e10, 1e13))
    assert float(cost.rl) == pytest.approx(0.3 * float(cost.pretraining), rel=1e-13)
    tokens = plain_scenario(rl={"policy": "tokens", "tokens": 1e13, "trained_share": 1.0, "efficiency": 1.0}).update(
        context
    )
    per_token = 6 * (3e10 + 2 * FITTED_WIDTH * (3e10 / FITTED_AT) ** FITTED_EXPONENT * 32768)
    assert float(lifecycle_cost(tokens, design_of(tokens, 3e10, 1e13)).rl) == pytest.approx(per_token * 1e13, rel=1e-12)


def test_what_is_given_or_needed_counts_attention_too():
    context = {"pretraining.context_tokens": 32768.0, "serving.context_tokens": 1e5, "money.unit": "usd"}
    s = plain_scenario(traffic__input_tokens=1e13).update(LLAMA | context)
    multiplied = 70.55e9 + 80 * 8192 * 32768
    by_size = design_from(s, n_params=70.55e9, flops=6 * multiplied * 15e12)
    by_tokens = design_from(s, train_tokens=15e12, flops=6 * multiplied * 15e12)
    for found in (by_size, by_tokens):
        assert tuple(found) == (pytest.approx(70.55e9, rel=1e-12), pytest.approx(15e12, rel=1e-12), 0)
    cost, price = lifecycle_cost(s, AT), s.money.serve_chip.usd_per_chip_hour / 3600
    assert float(chip_hours(s, 70.55e9, 15e12)) * 3600 * price == pytest.approx(float(cost.pretraining), rel=1e-12)
    read, written = (float(v) for v in chip_seconds_per_token(s, 70.55e9))
    assert (read * price * 1e13, written * price * 2e12) == (
        pytest.approx(float(cost.prefill), rel=1e-12),
        pytest.approx(float(cost.decode), rel=1e-12),
    )


def test_what_a_utilisation_counts_is_said_by_one_field():
    # SmolLM3, 36 layers with 16 query heads of 128, sequences of 4096: its 29.4 % read as 6 N D is 11 % off its log of 218,254 hours.
    s = plain_scenario().update(
        {
            "money.unit": "usd",
            "pretraining.mfu": 0.294,
            "pretraining.measured_params": 3.08e9,
            "deployment.reference_params": 3.08e9,
            "deployment.attention_width": 36 * 16 * 128.0,
        }
    )
    at = Design(3.08e9, 11e12, 0.0)

    def hours(**changes: object) -> float:
        asked = s.update({f"pretraining.{k}": v for k, v in changes.items()})
        return float(lifecycle_cost(asked, at).pretraining) / asked.money.train_chip.usd_per_chip_hour

    assert hours() == pytest.approx(194_200, rel=1e-3)
    # The authors' count has the vocabulary too: attention explains nine of the eleven per cent.
    assert hours(context_tokens=4096) == pytest.approx(218_254, rel=0.025)
    # A utilisation of 6 N D at the measured model costs 6 N D, whatever the context; other sizes pay for their own attention.
    assert hours(context_tokens=4096, mfu_counts="parameters") == pytest.approx(hours(), rel=1e-13)
    counted = s.update({"pretraining.context_tokens": 4096, "pretraining.mfu_counts": "parameters"})
    assert float(utilisation(counted)) == pytest.approx(0.294 * (1 + 36 * 2048 * 4096 / 3.08e9), rel=1e-12)
    speed = counted.update({"pretraining.tokens_per_second_per_chip": 14_000})
    assert float(lifecycle_cost(speed, at).pretraining) == pytest.approx(
        speed.money.train_chip.usd_per_chip_hour * 11e12 / 14_000 / 3600, rel=1e-13
    )


def test_the_default_width_is_the_fit_to_released_models():
    fit = power_law("attention_width_growing")
    assert (fit.at_reference, fit.exponent) == (
        pytest.approx(FITTED_WIDTH, rel=5e-3),
        pytest.approx(FITTED_EXPONENT, abs=5e-4),
    )
    n_params, shape = released("Llama 3.1 70B")
    assert (n_params, shape["attention_width"]) == (70.55e9, 80 * 8192)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"pretraining.mfu_counts": "parameters", "pretraining.context_tokens": 4096},
            "pretraining has mfu_counts = 'parameters' and context_tokens without measured_params; give the size that was measured.",
        ),
        (
            {"serving.context_tokens": 4096, "serving.method": "roofline", "money.unit": "usd"},
            "serving.context_tokens is used only with serving.method = 'efficiency'; the roofline takes deployment.context_tokens.",
        ),
    ],
)  # fmt: skip
def test_what_has_no_meaning_is_refused(changes, sentence):
    with pytest.raises(InputError) as caught:
        plain_scenario().update(changes)
    assert len(caught.value.problems) == 1
    assert sentence in caught.value.problems[0]
