"""Time value: weights of months, bills and optima with discounting, against sums by hand and dense grids."""

import math

import numpy as np
import pandas as pd
import pytest

from optimizer import InputError, draws, elasticities, implied_traffic, lifecycle_cost, load, regret, solve, solve_batch
from optimizer.analysis.against import against, price_of
from optimizer.analysis.why import staircase
from optimizer.assumptions.months import days_in_months
from optimizer.model.cost import Design
from optimizer.optimum.given import cost, design_from
from optimizer.report.text import _costs

RATES = {"money.discount_rate": 0.12, "money.price_decline": 0.3}
CHAT, OPEN = "frontier-moe-chat", "open-weights-8b"
TABLE = {
    "kind": "table",
    "table": [
        {"month": m, "input_tokens_per_day": a, "output_tokens_per_day": b}
        for m, a, b in (("2026-11", 4e12, 1e12), ("2026-12", 1e12, 3e12), ("2027-01", 0, 5e12))
    ],
}


def question(**changes: object):
    """As good as 8B on 15T tokens, for a table of three months whose mix moves."""
    base = load(OPEN, {"goal": {"kind": "loss", "like_params": 8e9, "like_tokens": 15e12}, "traffic": TABLE})
    return base.update({path.replace("__", "."): value for path, value in changes.items()})


def by_hand(s, n, d):
    """Training in full, and each month of serving with its weight, in FLOP; RL follows D."""
    r, g = s.money.discount_rate, s.money.price_decline
    total = 6 * n * d + (2 + 4 * s.rl.trained_share) / s.rl.efficiency * n * s.rl.ratio * d
    bills = np.zeros_like(total)
    for i, (month, days) in enumerate(zip(s.traffic.table, days_in_months("2026-11", 3), strict=True)):
        read, written = month.input_tokens_per_day * days, month.output_tokens_per_day * days
        read *= 1 - s.traffic.cache_hit_share
        serving = 2 * n * (read / s.serving.prefill_efficiency + written / s.serving.decode_efficiency)
        bills = bills + serving * (1 - g) ** ((i + 0.5) / 12) / (1 + r) ** ((i + 0.5) / 12) / s.serving.load_factor
    return total + bills


def test_the_bill_of_each_month_has_its_weight_and_the_optimum_is_that_of_a_grid():
    s = question(**{path.replace(".", "__"): rate for path, rate in RATES.items()})
    best = solve(s)
    n, d, _ = (float(v) for v in best.design)
    assert float(best.cost.total) == pytest.approx(by_hand(s, n, d), rel=1e-12)
    assert best.certificate.certified_global
    # Brute force over size: tokens from the law at the loss asked for, the bill month by month.
    c = s.law.chinchilla
    sizes = np.exp(np.linspace(math.log(n / 3), math.log(n * 3), 200001))
    left = (best.loss - float(c.E)) - float(c.A) * sizes ** -float(c.alpha)
    tokens = np.where(left > 0, left, np.nan) ** (-1 / float(c.beta)) * float(c.B) ** (1 / float(c.beta))
    bills = by_hand(s, sizes, tokens)
    least = int(np.nanargmin(bills))
    assert float(best.cost.total) == pytest.approx(float(bills[least]), rel=1e-9)
    assert n == pytest.approx(float(sizes[least]), rel=1e-4)


def test_no_rates_give_the_bill_of_before_to_the_last_digit():
    s = question()
    demand, design = s.traffic.demand(), Design(8e9, 15e12, 1e11)
    read, _, written = (float(v) for v in demand)
    hit = {"cache_hit_share": s.traffic.cache_hit_share}
    total = s.update({"traffic": {"kind": "total", "input_tokens": read, "output_tokens": written, **hit}})
    assert lifecycle_cost(s, design) == lifecycle_cost(total, design)
    best, other = solve(s), solve(total)
    assert best.design == other.design
    assert best.cost == other.cost
    assert best.nominal_cost == float(best.cost.total)


def test_more_discount_never_raises_cost_and_rows_are_those_of_solve():
    rates = [0.0, 0.05, 0.2, 1.0, 10.0]
    frame = pd.DataFrame({"money.discount_rate": np.repeat(rates, 3), "money.price_decline": [0.0, 0.3, 0.9] * 5})
    answers = solve_batch(question(), frame)
    assert (answers["status"] == "optimal").all()
    costs = answers["cost_total"].to_numpy().reshape(5, 3)
    assert (np.diff(costs, axis=0) < 0).all()
    assert (np.diff(costs, axis=1) < 0).all()
    for i in (0, 7, 14):
        best = solve(question(money__discount_rate=frame.iloc[i, 0], money__price_decline=frame.iloc[i, 1]))
        numbers = best.numbers()
        for column in ("n_params", "train_tokens", "cost_total", "cost_nominal"):
            assert answers[column].iloc[i] == pytest.approx(numbers[column], rel=1e-9), column
    # What is paid in all: the months at their prices, whatever the discount. A plan is what it is, so compare at one design.
    given = [cost(question(money__discount_rate=rate), design_from(question(), 8e9, 15e12)) for rate in (0.0, 0.2)]
    assert given[1].nominal_cost == pytest.approx(float(given[0].cost.total), rel=1e-12)
    assert float(given[1].cost.total) < given[1].nominal_cost
    assert "cost_nominal" not in solve_batch(question(), pd.DataFrame({"traffic.share": [1.0]}))


def test_what_is_paid_in_all_is_no_share_of_the_present_value():
    best = solve(question(money__discount_rate=0.2))
    lines = {name: (amount, share) for name, amount, share in _costs(best)}
    assert lines["paid in all, without discounting"] == (best.scenario.money.figure(best.nominal_cost), "")
    shares = [float(share.rstrip(" %")) for _, share in lines.values() if share]
    assert max(shares) == 100


def test_a_total_has_no_months_to_discount():
    with pytest.raises(
        InputError, match=r"traffic\.kind = 'total' has none; set both to 0, or give the traffic by month"
    ):
        load("lecture-2026", RATES)
    frame = pd.DataFrame({"money.discount_rate": [0.0, 0.1]})
    answers = solve_batch(load("lecture-2026"), frame)
    assert answers["status"].tolist() == ["optimal", "bad_input"]


def test_elasticities_of_the_rates_and_of_the_forecast_under_them():
    s = question(**{path.replace(".", "__"): rate for path, rate in RATES.items()})
    frame = elasticities(s)
    paths = (*RATES, "traffic.table[2].output_tokens_per_day", "traffic.cache_hit_share")
    for path in paths:
        value, step = float(frame.loc[path, "value"]), 1e-5
        if not value:
            continue
        up, down = (solve(s.update({path: value * f})) if path in RATES or "table" not in path
                    else solve(_month(s, value * f)) for f in (1 + step, 1 - step))  # fmt: skip
        for output, read in {
            "cost_total": lambda b: b.cost.total,
            "train_tokens": lambda b: b.design.train_tokens,
        }.items():
            slope = (math.log(float(read(up))) - math.log(float(read(down)))) / (2 * step)
            assert frame.loc[path, output] == pytest.approx(slope, rel=1e-4, abs=1e-9), (path, output)
    assert frame.loc["money.discount_rate", "cost_total"] < 0


def _month(s, value):
    rows = [m.to_dict() for m in s.traffic.table]
    rows[1]["output_tokens_per_day"] = value
    return s.update({"traffic.table": rows})


def test_reported_tokens_are_served_ones_and_bills_are_weighted_in_every_analysis():
    s = load(OPEN, {"money.discount_rate": 0.5})
    best = solve(s)
    served = s.traffic.demand()
    tokens = float(served.input_tokens + served.output_tokens)
    assert best.fleet == solve(load(OPEN)).fleet or best.fleet.months == cost(load(OPEN), best.design).fleet.months
    # The traffic for which the optimum is the best design is the scenario's own.
    implied = implied_traffic(s, float(best.design.n_params), float(best.design.train_tokens))
    assert implied.tokens == pytest.approx(tokens, rel=1e-6)
    stated = sum(float(v) for v in s.traffic.stated())
    drawn = draws(s, 2, parts=[], served=[stated, 2 * stated])
    assert drawn["train_tokens"].iloc[0] == pytest.approx(float(best.design.train_tokens), rel=1e-9)
    assert drawn["train_tokens"].iloc[2] == pytest.approx(
        float(
            solve(
                s.update({"traffic.share": 1.0, "traffic.tokens_per_day": 2 * s.traffic.tokens_per_day})
            ).design.train_tokens
        ),
        rel=1e-9,
    )
    found = regret(s, [stated], [stated])
    assert found["cost"].iloc[0] == pytest.approx(float(best.cost.total), rel=1e-9)
    assert staircase(s)["overtraining_vs_rule_of_20"].iloc[-1] == pytest.approx(best.overtraining.vs_rule_of_20)


def test_own_price_per_token_pays_the_bills_at_present_value():
    s = load(CHAT, {"money.discount_rate": 0.2, "money.price_decline": 0.2})
    best = solve(s)
    found = against(best, price_of("GPT-5"))
    own, months = best.usd_per_mtok[0], s.traffic.by_month()
    worth = sum(
        (m.input_tokens_per_day + m.output_tokens_per_day) * m.days / 1e6 * own * 1.2 ** (-(i + 0.5) / 12)
        for i, m in enumerate(months)
    )
    expected = s.traffic.share * s.traffic.ship_probability
    assert worth * expected == pytest.approx(float(best.cost.total), rel=1e-9)
    # Ten times the tokens at break-even would be ten times the life: at break-even both pay the same present value.
    demand = s.traffic.demand()
    scale = found.break_even_tokens / float(demand.input_tokens + demand.output_tokens)
    training, serving = float(best.cost.pretraining + best.cost.rl), float(best.cost.prefill + best.cost.decode)
    api = worth * expected / own * found.api_usd_per_mtok
    assert training + scale * serving == pytest.approx(scale * api, rel=1e-9)
