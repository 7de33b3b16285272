import jax
import numpy as np
import pytest

from optimizer import Design, lifecycle_cost, load
from optimizer.model.cost import design_of, phase_prices, research_cost

from ..conftest import plain_scenario

DESIGN = Design(7e10, 1.5e13, 0.0)


def test_plain_problem_is_6nd_plus_2nt(plain):
    cost = lifecycle_cost(plain, DESIGN)
    assert float(cost.pretraining) == 6 * 7e10 * 1.5e13
    assert float(cost.decode) == pytest.approx(2 * 7e10 * 2e12, rel=1e-15)
    assert float(cost.rl) == float(cost.prefill) == float(research_cost(plain, cost)) == 0


def test_a_third_of_the_efficiency_costs_three_times_as_much():
    slow = plain_scenario(serving__decode_efficiency=1 / 3)
    assert float(lifecycle_cost(slow, DESIGN).decode) == pytest.approx(3 * 2 * 7e10 * 2e12, rel=1e-15)


def test_rollouts_cost_2_to_6():
    for share, per_token in ((0.0, 2), (0.25, 3), (1.0, 6)):
        s = plain_scenario(rl={"policy": "tokens", "tokens": 1e12, "trained_share": share, "efficiency": 1.0})
        assert float(lifecycle_cost(s, design_of(s, 7e10, 1.5e13)).rl) == per_token * 7e10 * 1e12


def test_research_multiplies_training_only():
    one, three = plain_scenario(), plain_scenario(pretraining__overhead=3)
    cheap, dear = lifecycle_cost(one, DESIGN), lifecycle_cost(three, DESIGN)
    assert float(dear.pretraining) == 3 * float(cheap.pretraining)
    assert float(dear.decode) == float(cheap.decode)
    assert float(research_cost(three, dear)) == pytest.approx(2 * float(cheap.pretraining), rel=1e-15)


RESEARCH = [
    {"rl": {"policy": "tokens", "tokens": 1e12}},
    {"rl": {"policy": "flops", "flops": 1e24}},
    {
        "rl": {"policy": "tokens", "tokens": 1e12},
        "serving__method": "roofline",
        "money__unit": "usd",
        "deployment__placement": "given",
    },
]


@pytest.mark.parametrize("changes", RESEARCH)
def test_research_on_rl_has_a_multiplier_of_its_own(changes):
    def parts(**more):
        s = plain_scenario(**changes).update({path.replace("__", "."): value for path, value in more.items()})
        cost = lifecycle_cost(s, design_of(s, 7e10, 1.5e13))
        return np.array([float(cost.pretraining), float(cost.rl)]), float(research_cost(s, cost))

    (pre, rl), none = parts()
    assert none == 0
    both, research = parts(pretraining__overhead=3)
    assert both == pytest.approx([3 * pre, 3 * rl], rel=1e-15), "left out, it is that of pre-training"
    assert research == pytest.approx(2 * (pre + rl), rel=1e-14)
    apart, research = parts(pretraining__overhead=3, rl__overhead=2)
    assert apart == pytest.approx([3 * pre, 2 * rl], rel=1e-14)
    assert research == pytest.approx(2 * pre + rl, rel=1e-14)


def test_cached_input_is_not_computed_again():
    s = plain_scenario(traffic__input_tokens=1e13, traffic__cache_hit_share=0.6)
    assert float(lifecycle_cost(s, DESIGN).prefill) == pytest.approx(2 * 7e10 * 4e12, rel=1e-15)


def test_idle_serving_is_paid():
    s = plain_scenario(serving__load_factor=0.5)
    assert float(lifecycle_cost(s, DESIGN).decode) == pytest.approx(2 * 2 * 7e10 * 2e12, rel=1e-15)


def test_dollars_by_hand():
    # H100 at 2.29 USD/h, 9.89e14 FLOP/s, 40 % MFU: 2.29 / (3600 x 9.89e14 x 0.4) USD per FLOP.
    s = plain_scenario(money__unit="usd")
    per_flop = 2.29 / (3600 * 9.89e14 * 0.4)
    assert float(phase_prices(s).pretraining) == pytest.approx(per_flop, rel=1e-15)
    assert float(lifecycle_cost(s, DESIGN).total) == pytest.approx(
        per_flop * (6 * 7e10 * 1.5e13 + 2 * 7e10 * 2e12), rel=1e-14
    )


@pytest.mark.parametrize(
    ("rl", "tokens"),
    [
        ({"policy": "none"}, 0),
        ({"policy": "tokens", "tokens": 3e12}, 3e12),
        ({"policy": "ratio", "ratio": 0.2}, 3e12),
        ({"policy": "flops", "flops": 3 * 7e10 * 3e12}, 3e12),
        ({"policy": "cost_share", "cost_share": 0.3, "efficiency": 0.5}, 0.3 * 0.5 * 6 * 1.5e13 / 3),
    ],
)
def test_policies_give_rl_tokens(rl, tokens):
    s = plain_scenario(rl=rl)
    design = design_of(s, 7e10, 1.5e13)
    assert float(design.rl_tokens) == pytest.approx(tokens, rel=1e-14)
    if rl["policy"] == "cost_share":
        cost = lifecycle_cost(s, design)
        assert float(cost.rl) == pytest.approx(0.3 * float(cost.pretraining), rel=1e-14)


def test_decided_rl_tokens_must_be_given():
    s = plain_scenario(rl={"policy": "optimised"}, goal={"kind": "params", "params": 1e10})
    with pytest.raises(ValueError, match=r"rl_tokens is given for rl\.policy = 'optimised' and for no other"):
        design_of(s, 1e10, 1e12)
    with pytest.raises(ValueError, match="the policy is 'none'"):
        design_of(plain_scenario(), 1e10, 1e12, 1e12)


def test_default_return_term_is_first_order_optimal_at_the_lectures_point(lecture):
    # beta B D^-beta / (cost share of D) = gamma G R^-gamma / (cost share of R); 6 N D and 9 N R are equal at D = 1.5 R.
    s = lecture.update({"rl.policy": "optimised", "goal": {"kind": "params", "params": 1e11}})
    G, gamma = (float(v) for v in s.rl.return_term(s.law))
    beta, B = s.law.beta, s.law.B
    d, r = 200e12, 200e12 / 1.5
    assert beta * B * d**-beta == pytest.approx(gamma * G * r**-gamma, rel=1e-12)
    assert pytest.approx(float(lifecycle_cost(s, Design(1e11, d, r)).pretraining)) == float(
        lifecycle_cost(s, Design(1e11, d, r)).rl
    )


def test_a_gradient_is_a_scenario():
    slope = jax.jit(jax.grad(lambda s: lifecycle_cost(s, DESIGN).total))(load("frontier-moe-chat"))
    assert float(slope.traffic.growth) > 0
    assert float(slope.money.train_chip.peak_flops) < 0
    assert float(slope.law.alpha) == 0
    assert all(np.isfinite(v) for v in jax.tree.leaves(slope))


def test_dollars_of_every_phase_by_hand():
    # Pre-training and RL on an H100 at 2.29 USD/h, serving on an A100 at 1.29 USD/h; research triples training; load 0.5.
    s = plain_scenario(
        money={"unit": "usd", "train_chip": "H100 SXM", "serve_chip": "A100-80GB SXM"},
        pretraining={"mfu": 0.5, "overhead": 3},
        rl={"policy": "tokens", "tokens": 4e12, "trained_share": 0.5, "efficiency": 0.25},
        traffic__input_tokens=8e12,
        serving={"prefill_efficiency": 0.8, "decode_efficiency": 0.4, "load_factor": 0.5},
    )
    cost = lifecycle_cost(s, design_of(s, 7e10, 1.5e13))
    train, serve = 2.29 / (3600 * 9.89e14 * 0.5), 1.29 / (3600 * 3.12e14 * 0.5)
    assert float(cost.pretraining) == pytest.approx(3 * 6 * 7e10 * 1.5e13 * train, rel=1e-14)
    assert float(cost.rl) == pytest.approx(3 * 4 * 7e10 * 4e12 / 0.25 * train, rel=1e-14)
    assert float(cost.prefill) == pytest.approx(2 * 7e10 * 8e12 / (0.8 * 0.5) * serve, rel=1e-14)
    assert float(cost.decode) == pytest.approx(2 * 7e10 * 2e12 / (0.4 * 0.5) * serve, rel=1e-14)
    assert float(research_cost(s, cost)) == pytest.approx(2 / 3 * float(cost.pretraining + cost.rl), rel=1e-14)
