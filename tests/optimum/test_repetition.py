"""Repeated data, whole: the authors' own numbers, a dense grid over the law written out here, and where nothing more is to gain."""

import math

import numpy as np
import pandas as pd
import pytest

from optimizer import InfeasibleError, Scenario, elasticities, implied_traffic, solve, solve_batch
from optimizer.analysis.implied import design_of_size
from optimizer.analysis.plans import cost_curve
from optimizer.model.cost import lifecycle_cost
from optimizer.model.quality import loss

from ..counts import some

U = 25e9
MUENNIGHOFF = {
    "ln E": 0.6254804,
    "ln A": 6.255414,
    "ln B": 7.3049974,
    "alpha": 0.3526596,
    "R_D": 15.387756,
    "R_N": 5.309743,
}
"""Muennighoff et al. 2023, appendix A; beta is alpha."""
BUDGET = {"kind": "budget", "budget": 1e22}


def asked(goal: dict, served: float = 0.0, **law: float) -> Scenario:
    """6 N D + 2 N T on 25B unique tokens."""
    return Scenario.from_dict(
        {
            "law": {"name": "muennighoff", "kind": "repetition", "unique_tokens": U, **law},
            "goal": goal,
            "traffic": {"kind": "total", "output_tokens": served},
            "serving": {"decode_efficiency": 1.0},
        }
    )


def by_hand(n: np.ndarray, d: np.ndarray, unique: float = U) -> np.ndarray:
    """The loss as the paper states it."""
    E, A, B = (math.exp(MUENNIGHOFF[f"ln {name}"]) for name in "EAB")
    alpha, R_D, R_N = (MUENNIGHOFF[name] for name in ("alpha", "R_D", "R_N"))
    G = (A / B) ** (1 / (2 * alpha))
    size = np.minimum(n, unique * G * G)
    fresh = np.minimum(d, unique)
    params = size + size * R_N * (1 - np.exp(-(n / size - 1) / R_N))
    tokens = fresh + fresh * R_D * (1 - np.exp(-(d / fresh - 1) / R_D))
    return E + A * params**-alpha + B * tokens**-alpha


def test_the_authors_own_example():
    # The README of their code: two losses, and the best of a grid for 1e22 FLOP on 25B unique tokens.
    law = asked(BUDGET).law
    assert float(law.loss(6.34e9, 242e9)) == pytest.approx(2.2256440889984477, rel=1e-12)
    assert float(law.loss(8.67e9, 178e9)) == pytest.approx(2.2269634075087867, rel=1e-12)
    best = solve(asked(BUDGET))
    assert float(best.design.n_params) == pytest.approx(7.026e9, rel=1e-4)
    assert float(best.design.train_tokens) == pytest.approx(237.2e9, rel=1e-4)
    assert float(best.design.train_tokens) / U == pytest.approx(9.49, rel=1e-3)
    assert best.loss == pytest.approx(2.22213, abs=1e-5)
    assert best.certificate.certified_global
    # Repetition is the better use of compute: fewer parameters and more tokens than with as much fresh data as one likes.
    fresh = solve(asked(BUDGET).update({"law": "muennighoff"}))
    assert best.design.n_params < fresh.design.n_params


@pytest.mark.parametrize("served", some([0.0, 1e12, 1e14], [1]))
@pytest.mark.parametrize("spent", some([1e21, 1e22, 1e23, 1e24], [1, 3]))
def test_a_budget_against_a_dense_grid(spent, served):
    best = solve(asked({**BUDGET, "budget": spent}, served))
    n = float(best.design.n_params) * np.exp(np.linspace(-1.5, 1.5, 200_001))
    d = (spent / (2 * n) - served) / 3
    n, d = n[d > 1e6], d[d > 1e6]
    assert best.loss <= by_hand(n, d).min() * (1 + 1e-14)
    assert best.loss == pytest.approx(by_hand(*(float(v) for v in best.design[:2])), rel=1e-13)
    again = solve(asked({"kind": "loss", "loss": best.loss}, served))
    assert float(again.cost.total) == pytest.approx(spent, rel=1e-6)  # loss - E costs digits
    pinned = solve(asked({"kind": "params", "params": float(best.design.n_params)}, served))
    assert float(pinned.design.train_tokens) == pytest.approx(float(best.design.train_tokens), rel=1e-9)


def test_the_law_is_convex_in_logarithms():
    ln_n, ln_d = np.linspace(math.log(1e7), math.log(3e11), 301), np.linspace(math.log(1e8), math.log(3e13), 301)
    law = asked(BUDGET, gamma=0.7).law
    for slope in (0.0, 0.3, 1.0, -0.5, -1.0, math.inf):
        along = (ln_n, ln_n * 0 + ln_d[200]) if slope == 0 else (ln_n * 0 + ln_n[200], ln_d)
        if 0 != slope != math.inf:
            along = (ln_n, ln_d[150] + slope * (ln_n - ln_n[150]))
        ln_l = np.log(np.asarray(law.reducible(*(np.exp(v) for v in along))))
        assert np.diff(ln_l, 2).min() > -1e-12


def test_amounts_and_their_worth_are_inverse_and_the_size_that_data_supports_is_its_optimum():
    law = asked(BUDGET, gamma=0.7).law
    supported = float(law.effective_params(np.inf)) / (1 + law.R_N)
    assert float(law.train_optimal_tokens(supported)) == pytest.approx(U, rel=1e-12)
    assert supported == pytest.approx(1.275e9, rel=1e-3)
    # Of 765B parameters upwards on 15T tokens: the preset of the lab with little data stays below.
    assert float(law.model_copy(update={"unique_tokens": 15e12}).effective_params(7.64e11)) == 7.64e11
    for amount, worth, back in (
        (np.array([1e8, 1e9, 2e9, 1e10, 1e11]), law.effective_params, law.ln_params_worth),
        (np.array([1e9, 2e10, 3e10, 1e12, 5e12]), law.effective_tokens, law.ln_tokens_worth),
    ):
        found, over = back(np.log(np.asarray(worth(amount))))
        assert np.exp(found) == pytest.approx(amount, rel=1e-6)  # what is nearly used up has few digits left
        assert (np.asarray(over) < 0).all()
    assert float(law.ln_params_worth(math.log(6.4 * supported))[1]) > 0


def test_a_batch_is_a_loop_of_solve_up_to_where_all_is_used_up():
    budgets = [1e21, 1e22, 1e23, 1e24, 1e25, 1.19e25, 1.21e25, 1e27]
    answers = solve_batch(asked(BUDGET), pd.DataFrame({"goal.budget": budgets}))
    for i, budget in enumerate(budgets):
        one = solve(asked({**BUDGET, "budget": budget}))
        assert one.certificate.kkt_residual < 1e-12
        assert answers.loc[i, ["n_params", "train_tokens"]].tolist() == pytest.approx(
            [float(v) for v in one.design[:2]], rel=1e-9
        )
        assert (
            (float(one.cost.total) < 0.999 * budget)
            == (budget > 1.2e25)
            == (one.certificate.multipliers["goal.budget"] == 0)
        )
    # Both stop where more adds less than 1e-12 of what there is to gain.
    n, d, law = float(one.design.n_params), float(one.design.train_tokens), one.scenario.law
    assert float(law.effective_params(n)) == pytest.approx(float(law.effective_params(np.inf)), rel=2e-12)
    assert float(law.effective_tokens(d)) == pytest.approx(float(law.effective_tokens(np.inf)), rel=2e-12)
    assert float(law.effective_params(0.9 * n)) < float(law.effective_params(np.inf)) * (1 - 5e-12)
    # There the design follows from the data alone: U moves D in proportion, and N through the size that the data supports.
    frame = elasticities(one.scenario)
    assert frame.loc["law.unique_tokens", ["n_params", "train_tokens"]].tolist() == pytest.approx([1.0, 1.0], rel=1e-9)
    assert frame.loc["goal.budget", ["n_params", "train_tokens"]].tolist() == [0.0, 0.0]


def test_what_no_size_and_no_repetition_reaches_is_said():
    best = float(asked(BUDGET).law.loss(np.inf, np.inf))
    with pytest.raises(
        InfeasibleError,
        match=r"25B unique tokens are never worth .* 1.275B .* never more than 6.31 times .* above 2.1559",
    ):
        solve(asked({"kind": "loss", "loss": best - 1e-3}))
    assert solve(asked({"kind": "loss", "loss": best + 1e-6})).certificate.certified_global
    with pytest.raises(InfeasibleError, match=r"goal.params = 190B is not the best size .* 188.3B reach all of it"):
        solve(asked({"kind": "params", "params": 190e9}))
    sizes = pd.DataFrame({"goal.params": [1.88e11, 1.9e11]})
    assert solve_batch(asked({"kind": "params", "params": 1e9}), sizes)["status"].tolist() == ["optimal", "infeasible"]


@pytest.mark.parametrize("policy", ["none", "optimised"])
def test_traffic_comes_back_and_designs_of_equal_loss_have_it(policy):
    s = asked({**BUDGET, "budget": 1e23}, 1e12).update({"rl": {"policy": policy}})
    best = solve(s)
    n, d, _ = (float(v) for v in best.design)
    assert n > 3 * 1.275e9
    assert implied_traffic(s, n, d).scale == pytest.approx(1, rel=1e-8)
    frame = cost_curve(best)
    along = frame[(frame["design"] == "") & np.isfinite(frame["train_tokens"])]
    for _, row in along.iloc[::9].iterrows():
        design = best.design._replace(
            n_params=row["n_params"], train_tokens=row["train_tokens"], rl_tokens=row["rl_tokens"]
        )
        assert float(loss(s, design)) == pytest.approx(best.loss, rel=1e-9)
        assert float(lifecycle_cost(s, design).total) >= float(best.cost.total) * (1 - 1e-9)
    assert along["cost_vs_optimum"].min() == pytest.approx(
        1, rel=1e-6
    )  # the split between data and RL is the cheapest one
    other = design_of_size(s, 0.9 * n)
    assert float(loss(s, other)) == pytest.approx(best.loss, rel=1e-9)
