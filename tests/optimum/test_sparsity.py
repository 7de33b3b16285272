"""Laws of experts with two powers of N, or with granularity: against grids, each other and the papers' own numbers."""

import itertools

import numpy as np
import pandas as pd
import pytest

from optimizer import implied_traffic, load, solve, solve_batch
from optimizer.assumptions.sparsity import of_shape
from optimizer.model.cost import Design, lifecycle_cost
from optimizer.model.limits import limit_excess

from ..conftest import plain_scenario
from ..counts import cases, some

GOALS = {
    "loss": {"kind": "loss", "like_params": 2e10, "like_tokens": 2e13},
    "budget": {"kind": "budget", "budget": 1e26},
    "params": {"kind": "params", "params": 2e10},
    "tokens": {"kind": "tokens", "tokens": 2e14},
}
RL = {
    "tokens": {"policy": "tokens", "tokens": 1e13},
    "optimised": {"policy": "optimised"},
}
EXPERTS = {"sparsity": {"name": "abnar", "sparsity": 0.9}, "granularity": {"name": "krajewski", "granularity": 8}}


def loss_of_paper(n_params, train_tokens, sparsity):
    """Abnar et al. 2025, equation 6, written out with the coefficients of its table 3."""
    every, used = n_params / (1 - sparsity), 1 - sparsity
    powers = 16612.5 * every**-0.5962 + 5455.67 * train_tokens**-0.3954 + 17.26 * used**-0.1603 * every**-0.1595
    return powers + 0.4598 * used**0.1666 + 0.94


def asked(law, goal, rl="tokens", **changes):
    given = dict(GOALS[goal])
    if rl == "optimised" and goal == "loss":
        given["like_rl_tokens"] = 1e13
    return load("lecture-2026", {"law": EXPERTS[law], "goal": given, "rl": RL[rl], **changes})


def test_the_loss_is_that_of_the_paper():
    law = load("lecture-2026", {"law": EXPERTS["sparsity"]}).law
    n, d = np.geomspace(1e7, 1e12, 7)[:, None], np.geomspace(1e9, 1e14, 7)
    assert law.loss(n, d) == pytest.approx(loss_of_paper(n, d, 0.9), rel=1e-13)


@pytest.mark.parametrize("changes", [{}, {"sparsity": 0.0}, {"alpha": 2.0, "gamma": 0.1}, {"alpha": 0.1595}])
def test_the_inverses_of_two_powers(changes):
    law = load("lecture-2026", {"law": {**EXPERTS["sparsity"], **changes}}).law
    n = np.geomspace(1e3, 1e16, 53)
    worth, over = law.ln_params_worth(np.log(law.effective_params(n)))
    assert worth == pytest.approx(np.log(n), rel=1e-12)
    assert (over < 0).all()
    ln_n, ln_d = law.ln_train_optimal(np.log(np.geomspace(1e-3, 10, 20)))
    assert law.reducible(np.exp(ln_n), np.exp(ln_d)) == pytest.approx(np.geomspace(1e-3, 10, 20), rel=1e-12)
    assert law.train_optimal_tokens(np.exp(ln_n)) == pytest.approx(np.exp(ln_d), rel=1e-11)


@pytest.mark.parametrize("limit", [{}, {"limits.max_params": 1.6e10}, {"limits.max_train_tokens": 5e13}], ids=str)
@pytest.mark.parametrize("goal", ["loss", "budget"])
def test_no_point_of_a_grid_is_better(goal, limit):
    s = asked("sparsity", goal, **limit)
    best = solve(s)
    assert best.certificate.certified_global
    assert best.certificate.kkt_residual < 1e-10
    n, d = (np.exp(np.log(v) + np.linspace(-0.5, 0.5, 1001)) for v in best.design[:2])
    design = Design(n[:, None], d, np.full((1001, 1001), 1e13))
    loss, cost = loss_of_paper(n[:, None], d, 0.9), np.asarray(lifecycle_cost(s, design).total)
    level, price = loss_of_paper(*best.design[:2], 0.9), float(best.cost.total)
    allowed = np.ones_like(loss, bool)
    for excess in limit_excess(s, design).values():
        allowed &= np.asarray(excess) <= 1e-12
    if goal == "loss":
        found = np.where(allowed & (loss <= level + 1e-13), cost, np.inf).min() / price
    else:
        found = np.where(allowed & (cost <= price * (1 + 1e-12)), loss, np.inf).min() / level
    assert 1 - 1e-9 < found < 1.002


COLUMNS = {"sparsity": ("law.sparsity", 0, 0.98), "granularity": ("law.granularity", 1, 16)}
SEARCHED = [
    (goal, rl, law)
    for goal, rl in itertools.product(GOALS, RL)
    for law in (COLUMNS if goal == "budget" else ["sparsity"])
]


# Each compiles a search. Both laws, a loss and a budget, R decided and not: the other goals search like one of them.
@pytest.mark.parametrize(("goal", "rl", "law"), some(SEARCHED, [0, 5]))
def test_a_batch_is_a_loop_of_solve(goal, rl, law):
    (path, *ends), count, rng = COLUMNS[law], cases(6, 40), np.random.default_rng(7)
    s = asked(law, goal, rl)
    frame = pd.DataFrame({"traffic.output_tokens": 10 ** rng.uniform(11, 16, count), path: rng.uniform(*ends, count)})
    answers = solve_batch(s, frame, detail=True)
    assert (answers["status"] == "optimal").all()
    for i, row in frame.iterrows():
        one = solve(s.update(row.to_dict())).to_frame().iloc[0]
        for name in ("n_params", "train_tokens", "loss", "cost_total", "overtraining_vs_law", "baseline_n_params"):
            assert answers.loc[i, name] == pytest.approx(one[name], rel=1e-8), name


@pytest.mark.parametrize("law", EXPERTS)
def test_implied_traffic_is_the_inverse(law):
    s = asked(law, "loss")
    best = solve(s)
    found = implied_traffic(s, *best.design[:2])
    assert found.tokens == pytest.approx(float(s.traffic.demand().output_tokens), rel=1e-8)


def test_krajewski_counts_all_parameters():
    """Table 2 of arXiv 2402.07871 names models as 64 x active and gives loss to 3 decimals; section 6.1 has (8 E + 4) width^2 against 12.

    With that count the law gives the losses of the table within 1 %: its coefficients are printed to 2 or 3 digits, and alpha to half a
    unit of its last digit moves the loss by 1 %. Counted as 64 times the active parameters they lie up to 2.9 % too low.
    """
    table = [
        (100e6, 4.37e9, 8, 3.133),
        (1e9, 28.94e9, 16, 2.491),
        (3e9, 72.90e9, 16, 2.245),
        (7e9, 137.60e9, 32, 2.076),
        (70e9, 941.07e9, 32, 1.694),
        (300e9, 2.96e12, 64, 1.503),
        (1e12, 7.94e12, 64, 1.367),
    ]
    for n, d, granularity, loss in table:
        law = load("lecture-2026", {"law": {"name": "krajewski", "granularity": granularity}}).law
        assert float(law.loss(n, d)) == pytest.approx(loss, rel=0.009)
        assert abs(float(law.loss(n * 64 * 3 / 129, d)) / loss - 1) > 0.02


@pytest.mark.parametrize(
    ("law", "n", "d"),
    [
        ({"name": "ludziejewski", "experts": 8}, 55.4e9, 301e9),
        ({"name": "ludziejewski", "experts": 16}, 53.7e9, 311e9),
        ({"name": "ludziejewski", "experts": 64}, 51.5e9, 324e9),
        ({"name": "krajewski", "experts": 95.5}, 27e9, 626e9),  # total is 64 times active
        ({"name": "krajewski", "experts": 64}, 31.7e9, 526e9),
        (of_shape("abnar", 129 / 16), 43.5e9, 383e9),
    ],
    ids=str,
)
def test_optimum_at_1e23_flop(law, n, d):
    """Without traffic: N is least loss over a grid of the law itself, and the numbers of docs/laws.md."""
    s = plain_scenario(law=law, goal={"kind": "budget", "budget": 1e23}, traffic__output_tokens=0)
    best = solve(s)
    sizes = np.geomspace(1e10, 1e11, 100_001)
    assert best.design.n_params == pytest.approx(sizes[s.law.loss(sizes, 1e23 / 6 / sizes).argmin()], rel=1e-3)
    assert best.design.n_params == pytest.approx(n, rel=0.02)
    assert best.design.train_tokens == pytest.approx(d, rel=0.02)
