"""The first screen of the Plan page: the optimum with its band, the cost valley and the traffic.

All of it is worked out before any of it is sent: what arrives in one go, the browser draws in one pass.
"""

import math
from typing import NamedTuple

import streamlit as st

from ..analysis.plans import cost_curve, cost_phases, monthly_tokens
from ..assumptions.differences import same
from ..assumptions.numbers import in_unit
from ..assumptions.problems import InputError
from ..model.outputs import output_of, units_of, with_unit, written
from ..optimum.solution import Solution, Status
from ..report.chart import cost_against_params, cost_by_phase, monthly_traffic
from ..report.chart.plan import NEAR
from ..report.chart.scales import Kept
from ..report.chart.theme import capital
from ..report.sentences import headline, nearby
from . import show
from .answers import across_laws, answer, curve, known, text_of
from .frame import Frame
from .said import escaped, said
from .sidebar import baseline
from .state import Question
from .work import in_thread

__all__ = ["axes", "error_of_laws", "first_screen", "metric", "prepared", "solved_ahead"]

SHORT = 290
"""pixels; the height of the charts"""
MOST_KEPT = 4
"""First screens that a session keeps: of the last questions, and of the next one."""
NO_CHANGE = "no change"
ABOUT = {
    "savings": "against the design of the same loss with the least pre-training compute, with its cost over the same life",
    "serving_chips_at_peak": "chips that serve the busiest time of the busiest month, in whole replicas",
}


class Screen(NamedTuple):
    """What the first screen shows."""

    best: Solution
    before: Solution
    """the answer to the baseline"""
    charts: tuple[show.Figure, show.Figure] | None
    """the cost valley and the traffic; None as long as no question had an answer"""
    ends: Kept
    """of the axes of these charts"""


def prepared(asked: Question) -> None:
    """Work the first screen out before the run sends anything, where that takes no compiling, which shows a sign of waiting."""
    if known(asked.scenario) and known(baseline(asked)):
        _screen(asked)


def first_screen(place: Frame, asked: Question) -> None:
    """Show the answer and its charts."""
    _, before, charts, ends = _screen(asked)
    axes().update(ends)
    with place.head:
        fresh = show.answered(asked, _verdict)
        if asked.answered is None:
            st.title("There is no plan yet", anchor=False)
    if asked.answered is not None:
        with place.figures.container(key="fresh-figures" if fresh else "stale-figures"):
            _figures(asked.answered, before)
    with place.body.container(key="charts" if fresh else "stale-charts"):
        if charts is not None:
            _charts(*charts)


def error_of_laws(place: Frame, asked: Question) -> None:
    """Below the answer, how far the law's error moves it: after the controls, as its first time compiles for some seconds."""
    best = asked.answered
    if best is not None:
        slot = place.line.container(key="laws" if show.is_fresh(asked) else "stale-laws").empty()
        laws = in_thread(lambda _: across_laws(text_of(best.asked), best), lambda _done, _all: slot.empty())
        slot.caption(said(laws))


def solved_ahead(asked: Question) -> None:
    """At the end of a run that a slider began, the first screen of its next notch, which is most often what is asked for next."""
    ahead, asked.ahead = asked.ahead, None
    if ahead is None or asked.problems:
        return
    try:
        scenario = asked.scenario.update(dict([ahead]))
    except InputError:  # the notch breaks a rule; or the slider moved on another page, and its field is gone since
        return
    if known(scenario):
        _worked_out(answer(scenario), asked)


def axes() -> Kept:
    """Ends of the axes in this session: a chart whose axes stay is updated by the browser, not drawn anew."""
    return st.session_state.setdefault("axes", {})


def metric(column: str, value: float, unit: str, below: str | None = None) -> tuple[str, str, str | None, str | None]:
    """Label, value, change and help of an output; its formula where there is no other help."""
    output = output_of(column)
    about = ABOUT.get(column) or (output.formula if output else "")
    text, said = in_unit(written(value, column), unit)
    return capital(with_unit(column, said)), text, below, about or None


def _screen(asked: Question) -> Screen:
    return _worked_out(answer(asked.scenario), asked)


def _worked_out(best: Solution, asked: Question) -> Screen:
    """The first screen with an answer; the last ones of the session are kept."""
    before = answer(baseline(asked))
    wide = bool(st.session_state.get("chinchilla"))
    shown = best if best.status is Status.OPTIMAL else asked.answered
    kept: list[tuple[tuple[object, ...], Screen]] = st.session_state.setdefault("screens", [])
    key = (best, before, shown, wide, show.dark())
    for known_key, screen in kept:
        if all(a is b for a, b in zip(known_key, key, strict=True)):
            return screen
    ends = axes().copy()
    screen = Screen(best, before, None if shown is None else _drawn(shown, before, ends, wide=wide), ends)
    kept[MOST_KEPT - 1 :] = []
    kept.insert(0, (key, screen))
    return screen


def _verdict(best: Solution) -> None:
    """The answer first, then how sure."""
    st.title(escaped(f"{headline(best)}."), anchor=False)
    st.caption(said(f"{capital(nearby(best))} {best.extrapolation.sentence}"))


def _figures(best: Solution, before: Solution) -> None:
    """The five numbers of the answer, each with its change against the baseline."""
    unit = best.scenario.money.currency
    values, was = best.numbers(), before.numbers() if before.status is Status.OPTIMAL else {}
    known = was if before.unit == best.unit else was | {"cost_total": math.nan}
    last = "serving_chips_at_peak" if best.fleet.months else "savings"  # a total has no busiest month
    units = units_of(("n_params", "train_tokens", "cost_total", "overtraining_vs_rule_of_20", last), unit)
    changes = {name: _change(name, values[name], known.get(name)) for name in units}
    # The changes of the baseline against itself are hidden and keep their room, so that the charts below stay where they are.
    idle = set(changes.values()) == {NO_CHANGE} and same(best.asked, before.asked)
    st.html(
        f"<style>.st-key-metrics [data-testid=stMetricDelta] {{visibility: {'hidden' if idle else 'visible'}}}</style>"
    )
    show.metrics(metric(name, values[name], u, changes[name]) for name, u in units.items())


def _change(column: str, value: float, before: float | None) -> str | None:
    """The change against the baseline, None without a baseline."""
    if before is None:
        return None
    if math.isnan(before) or math.isnan(value) or not before:
        return "no comparison"
    if column == "savings":
        points = 100 * (value - before)
        return NO_CHANGE if abs(points) < 0.05 else f"{points:+.1f} points"
    factor = value / before
    if abs(factor - 1) < 5e-5:
        return NO_CHANGE
    return f"{factor:.3g} times" if factor >= 2 else f"{100 * (factor - 1):+.3g} %".replace("-", "\N{MINUS SIGN}")


def _drawn(best: Solution, before: Solution, ends: Kept, *, wide: bool) -> tuple[show.Figure, show.Figure]:
    ghost = curve(before, NEAR) if before.status is Status.OPTIMAL else None
    valley = show.height(
        show.figure(cost_against_params, cost_curve(best, None if wide else NEAR), ghost, wide=wide, kept=ends),
        SHORT,
    )
    months = monthly_tokens(best.scenario)
    if not len(months):
        return valley, show.figure(cost_by_phase, cost_phases(best), kept=ends)
    traffic = best.scenario.traffic
    share, chips = float(traffic.share * traffic.ship_probability), [m.chips_at_peak for m in best.fleet.months]
    return valley, show.height(show.figure(monthly_traffic, months, share=share, chips=chips), SHORT)


def _switch() -> None:
    st.toggle(
        "Chinchilla plan",
        key="chinchilla",
        help="show the design of the same loss with the least pre-training compute",
    )


def _charts(valley: show.Figure, second: show.Figure) -> None:
    left, right = st.columns([3, 2])
    with left:
        show.put(valley, beside=_switch)
    with right:
        show.put(second)
