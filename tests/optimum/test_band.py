"""The ends of the band: against a grid of the cost at equal loss, judged before they are shown, unknown where none was found."""

import io
import json
import math

import numpy as np
import pytest

from optimizer import load, solve
from optimizer.analysis.plans import cost_curve
from optimizer.model.cost import Design, design_of, lifecycle_cost
from optimizer.model.limits import limit_excess
from optimizer.model.quality import reducible_loss
from optimizer.optimum.program import Point, Rows
from optimizer.report.chart import cost_against_params
from optimizer.report.sentences import verdict

from ..conftest import CHINCHILLA_POINTS, plain_scenario
from ..counts import some
from .test_solve_roofline import EXPERTS, LATENCY, dense

SPARSE = {**EXPERTS, **LATENCY}
REPEATED = {"law": {"kind": "repetition", "name": "hoffmann", "unique_tokens": 1e12}, "limits.max_params": 1e11}
CAPS = {"limits.max_params": 1.6e11, "limits.max_train_tokens": 1e14}


def budget(amount: float) -> dict:
    return {"goal": {"kind": "budget", "budget": amount}}


SCENARIOS = {
    "plain": lambda: plain_scenario(),
    "a limit on N within the band": lambda: plain_scenario(limits__max_params=2.45e10),
    "a budget with caps": lambda: load("lecture-2026").update({**budget(5e26), **CAPS}),
    "a decided size with caps": lambda: load("lecture-2026").update(
        {"goal": {"kind": "params", "params": 1e11}, **CAPS}
    ),
    "repeated data, a cap on N": lambda: load("lecture-2026").update({**REPEATED, **budget(1e26)}),
    "repeated data, N held by its cap": lambda: load("lecture-2026").update({**REPEATED, **budget(3e27)}),
    "a coupled law": lambda: load("lecture-2026").update({"law": CHINCHILLA_POINTS}),
    "experts at a speed": lambda: dense(**SPARSE),
    "experts at a speed, a small budget": lambda: dense(**SPARSE, **budget(1e7)),
    "experts at a speed, a large budget": lambda: dense(**SPARSE, **budget(3e9)),
    "experts at a speed that holds N": lambda: dense(
        **{**SPARSE, "deployment__target_tokens_per_second": 150.0}, **budget(3e10)
    ),
}


def tokens_at(scenario, level: float, sizes: np.ndarray) -> np.ndarray:
    """D at which each size has a reducible loss, by bisection of the law alone; NaN where no D does."""
    low, high = np.full(sizes.shape, 10.0), np.full(sizes.shape, 60.0)
    reached = np.asarray(scenario.law.reducible(sizes, np.exp(high))) < level
    for _ in range(60):
        middle = (low + high) / 2
        above = np.asarray(scenario.law.reducible(sizes, np.exp(middle))) > level
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return np.where(reached, np.exp(high), np.nan)


@pytest.mark.parametrize("name", some(SCENARIOS, [0, 1, 2, 3, 4, 6, 7, 10]))
def test_the_band_against_a_grid_of_the_cost_at_equal_loss(name):
    s = SCENARIOS[name]()
    best = solve(s, band=0.05)
    level, total = float(reducible_loss(s, best.design)), float(best.cost.total)
    sizes = float(best.design.n_params) * np.exp(np.linspace(-1.0, 1.0, 401))
    tokens = tokens_at(s, level, sizes)
    sizes, tokens = sizes[np.isfinite(tokens)], tokens[np.isfinite(tokens)]
    grid = design_of(s, sizes, tokens)
    inside = np.asarray(lifecycle_cost(s, grid).total) <= 1.05 * total
    for excess in limit_excess(s, grid).values():
        inside &= np.broadcast_to(np.asarray(excess) <= 1e-9, sizes.shape)
    low, high = best.band.n_params
    near, step = float(best.design.n_params), math.exp(2 / 400)
    if inside.any():  # the optimum may be all there is where a limit holds N and the data is used up
        assert low <= sizes[inside].min() * (1 + 1e-9) < low * step
        assert high >= sizes[inside].max() * (1 - 1e-9) > high / step
    assert low / step < sizes[inside].min(initial=near)
    assert high * step > sizes[inside].max(initial=near)
    for end in (best.band.smallest, best.band.largest):
        assert float(lifecycle_cost(s, end).total) <= 1.05 * total * (1 + 1e-9)
        assert float(reducible_loss(s, end)) == pytest.approx(level, rel=1e-9)
        assert max([float(e) for e in limit_excess(s, end).values()], default=0.0) <= 1e-9
    # On a curve D and D / N fall as N rises, so their ends are those of N.
    small, large = best.band.smallest, best.band.largest
    assert best.band.train_tokens == pytest.approx((float(large.train_tokens), float(small.train_tokens)), rel=1e-12)
    assert best.band.overtraining_vs_rule_of_20 == pytest.approx(
        [float(e.train_tokens) / float(e.n_params) / 20 for e in (large, small)], rel=1e-12
    )
    assert best.band.unknown == ""


def failing(monkeypatch, rows: tuple[str, ...]) -> None:
    """Make every program whose objective is made of `rows` end far from its solution, as a search that fails does."""
    minimise = Rows.minimise

    def stopped(self, objective, bounds, start, **options):
        if set(objective) == set(rows):
            return Point(np.asarray(start) + 3.0, {}, 0.5)
        return minimise(self, objective, bounds, start, **options)

    monkeypatch.setattr(Rows, "minimise", stopped)


def decided() -> object:
    return load("lecture-2026").update({"rl.policy": "optimised", "goal.like_rl_tokens": 1.33e14})


def test_an_end_that_no_program_finds_is_found_along_equal_loss(monkeypatch):
    expected = solve(decided()).band
    failing(monkeypatch, ("params",))
    found = solve(decided()).band
    assert found.n_params == pytest.approx(expected.n_params, rel=1e-9)
    assert float(found.largest.rl_tokens) == pytest.approx(float(expected.largest.rl_tokens), rel=1e-6)
    assert found.unknown == ""


def test_an_end_that_is_not_found_is_unknown_everywhere(monkeypatch):
    failing(monkeypatch, ("pretraining", "params"))
    best = solve(decided())
    assert all(math.isfinite(n) for n in best.band.n_params)
    assert all(math.isnan(v) for v in (*best.band.train_tokens, *best.band.overtraining_vs_rule_of_20))
    assert "fewest training tokens, most training tokens, fewest tokens per parameter" in best.band.unknown
    assert json.loads(json.dumps(best.to_dict(), allow_nan=False))["band"]["overtraining_vs_rule_of_20"] == [None, None]
    assert math.isnan(best.to_frame()["band_train_tokens_low"].item())
    for said in (best._repr_html_(), verdict(best), _printed(best)):
        assert best.band.unknown in " ".join(said.split())


def test_a_band_without_a_smallest_size_is_drawn_as_far_as_it_is_known(lecture):
    best = solve(lecture)
    nan = Design(math.nan, math.nan, math.nan)
    half = best.__class__(**{**best.__dict__, "band": best.band._replace(smallest=nan)})
    frame = cost_curve(half)
    assert not frame["design"].str.contains("smallest").any()
    assert frame["design"].str.contains("largest").any()
    assert "fewest parameters" in verdict(half)
    low, high = (float(v) for v in (best.design.n_params, best.band.n_params[1]))
    (drawn,) = cost_against_params(frame).to_dict()["datasets"]["band"]
    assert (drawn["low"], drawn["high"]) == (low, high)


def _printed(best) -> str:
    from rich.console import Console

    from optimizer.report.text import solution_text

    console = Console(width=400, record=True, file=io.StringIO())
    console.print(solution_text(best))
    return console.export_text()


def test_data_that_adds_a_trillionth_is_not_paid_for(lecture):
    # A tenth more tokens buy less than 1e-12 of the loss; a tenth fewer cost more than 1e-13 of it.
    s = lecture.update({**REPEATED, **budget(1e29)})
    best = solve(s)
    more = Design(best.design.n_params, 1.1 * best.design.train_tokens, best.design.rl_tokens)
    fewer = Design(best.design.n_params, 0.9 * best.design.train_tokens, best.design.rl_tokens)
    level = float(reducible_loss(s, best.design))
    assert 1 - float(reducible_loss(s, more)) / level < 1e-12
    assert 1 - float(reducible_loss(s, best.design)) / float(reducible_loss(s, fewer)) > 1e-13
    # A budget that would pay for more tokens than those, but not for many more, is not spent on them either.
    spent = float(lifecycle_cost(s, more).total)
    again = solve(s.update({"goal.budget": spent}))
    assert float(again.cost.total) == pytest.approx(float(best.cost.total), rel=1e-9)
