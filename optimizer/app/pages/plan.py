"""Page Plan: the optimum with its band, the cost valley and the traffic, and behind tabs all that follows from them."""

import math

import streamlit as st

from optimizer.analysis.plans import cost_curve, cost_phases, monthly_tokens
from optimizer.app import show
from optimizer.app.answers import across_laws, answer, by_expert_law, curve
from optimizer.app.controls import escaped
from optimizer.app.forecast import csv_of, editor, upload
from optimizer.app.frame import filled, framed
from optimizer.app.look import unfaded
from optimizer.app.pages import sensitivity, why
from optimizer.app.sidebar import baseline
from optimizer.app.snippets import command_snippet, python_snippet
from optimizer.app.state import Question, question
from optimizer.app.work import in_thread
from optimizer.assumptions.differences import same
from optimizer.assumptions.numbers import human
from optimizer.model.outputs import output_of, units_of, with_unit, written
from optimizer.optimum.solution import Solution, Status
from optimizer.report.chart import cost_against_params, cost_by_phase, monthly_traffic
from optimizer.report.chart.plan import NEAR
from optimizer.report.chart.scales import Kept
from optimizer.report.chart.theme import capital
from optimizer.report.sentences import experts, few_bits, headline, nearby, served, unspent

SHORT = 290
COST, WRONG, LAWS, TABLE, CODE = TABS = (
    *("Where the cost goes", "If the forecast is wrong", "Other laws", "Table and CSV", "Code"),
)

NO_CHANGE = "no change"

ABOUT = {
    "savings": "against the design of the same loss with the least pre-training compute, with its cost over the same life",
    "serving_chips_at_peak": "chips that serve the busiest time of the busiest month, in whole replicas",
}


def page() -> None:
    """The whole page."""
    asked = question()
    unfaded()
    place = framed(first=True)
    before = answer(baseline(asked))
    with place.head:
        fresh = show.answered(asked, lambda best: _head(best, before))
        if asked.answered is None:
            st.title("There is no plan yet", anchor=False)
    with place.body.container(key="charts" if fresh else "stale-charts"):
        if asked.answered is not None:
            _charts(asked.answered, before)
    show.now()
    filled(place, asked)
    best = asked.answered
    if best is not None:  # its first time compiles for some seconds
        slot = place.line.container(key="laws" if fresh else "stale-laws").empty()
        laws = in_thread(lambda _: across_laws(best.scenario.to_toml(), best), lambda _done, _all: slot.empty())
        slot.caption(escaped(laws))
    with place.body:
        _tabs(asked, fresh=fresh)


def _head(best: Solution, before: Solution) -> None:
    """The answer first, then how sure, with the change against the baseline."""
    st.title(escaped(f"{headline(best)}."), anchor=False)
    st.caption(escaped(f"{capital(nearby(best))} {best.extrapolation.sentence}"))
    unit = best.scenario.money.currency
    values, was = best.numbers(), before.numbers() if before.status is Status.OPTIMAL else {}
    known = was if before.unit == best.unit else was | {"cost_total": math.nan}
    last = "serving_chips_at_peak" if best.fleet.months else "savings"  # a total has no busiest month
    units = units_of(("n_params", "train_tokens", "cost_total", "overtraining_vs_rule_of_20", last), unit)
    changes = {name: _change(name, values[name], known.get(name)) for name in units}
    # The changes of the baseline against itself are hidden and keep their room, so that the charts below stay where they are.
    idle = set(changes.values()) == {NO_CHANGE} and same(best.scenario, before.scenario)
    st.html(
        f"<style>.st-key-metrics [data-testid=stMetricDelta] {{visibility: {'hidden' if idle else 'visible'}}}</style>"
    )
    show.metrics(([_metric(name, values[name], u, changes[name]) for name, u in units.items()],))


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


def _charts(best: Solution, before: Solution) -> None:
    wide = bool(st.session_state.get("chinchilla"))
    ghost = curve(before, NEAR) if before.status is Status.OPTIMAL else None
    valley = show.height(
        show.figure(cost_against_params, cost_curve(best, None if wide else NEAR), ghost, wide=wide, kept=_axes()),
        SHORT,
    )
    traffic = best.scenario.traffic
    months = monthly_tokens(best.scenario)
    if len(months):
        share = float(traffic.share * traffic.ship_probability)
        second = show.height(
            show.figure(monthly_traffic, months, share=share, chips=[m.chips_at_peak for m in best.fleet.months]), SHORT
        )
    else:
        second = show.figure(cost_by_phase, cost_phases(best), kept=_axes())
    left, right = st.columns([3, 2])
    with left:
        show.put(valley)
        st.toggle(
            "Show the Chinchilla plan",
            key="chinchilla",
            help="the design of the same loss with the least pre-training compute",
        )
    with right:
        show.put(second)


def _axes() -> Kept:
    """Ends of the axes in this session: a chart whose axes stay is updated by the browser, not drawn anew."""
    return st.session_state.setdefault("axes", {})


def _metric(column: str, value: float, unit: str, below: str | None = None) -> tuple[str, str, str | None, str | None]:
    """Label, value, change and help of an output; its formula where there is no other help."""
    output = output_of(column)
    about = ABOUT.get(column) or (output.formula if output else "")
    return capital(with_unit(column, unit)), written(value, column), below, about or None


def _tabs(asked: Question, *, fresh: bool) -> None:
    view = st.segmented_control(
        "More about this plan", TABS, default=COST, key="plan_tab", required=True, persist_state="session", label_visibility="collapsed",
    )  # fmt: skip
    best = asked.answered
    if view == TABLE:
        _forecast(asked)
    elif view == CODE:
        st.code(python_snippet(asked.preset, asked.scenario), language="python")
        st.code(command_snippet(asked.preset, asked.scenario), language="bash")
    elif best is None:
        return
    else:
        with st.container(key="follows" if fresh else "stale-follows"):
            if view == COST:
                _cost(best)
            elif view == WRONG:
                sensitivity.wrong_forecast(best.scenario)
            else:
                why.laws(best)


def _cost(best: Solution) -> None:
    values, unit, money = best.numbers(), "nat/token", best.scenario.money
    show.metrics((
        [
            _metric("rl_tokens", values["rl_tokens"], "tokens"),
            (capital(with_unit("loss", unit)), written(best.loss, "loss", 5), None, None),
            _metric("overtraining_vs_law", values["overtraining_vs_law"], "1"),
            *([_metric("savings", values["savings"], "1")] if best.fleet.months else []),
            *([_metric("cost_nominal", values["cost_nominal"], money.currency)] if money.discount_rate else []),
        ],
    ), key="more")  # fmt: skip
    if len(monthly_tokens(best.scenario)):  # without months this chart is above
        show.chart(cost_by_phase, cost_phases(best), kept=_axes())
    said = (best.certificate.sentence, few_bits(best), unspent(best), served(best))
    st.caption(escaped(" ".join(filter(None, said))))
    if best.scenario.law.shape:
        st.caption(escaped(experts(by_expert_law(best.scenario.to_toml(), best))))


def _forecast(asked: Question) -> None:
    kind = asked.scenario.traffic.kind
    months = monthly_tokens(asked.scenario)
    left, right = st.columns([3, 2])
    with left:
        if kind == "total":
            st.info(
                "A total has no months. Choose Growth to generate months, or Table / CSV to enter them; the total stays the same."
            )
        else:
            editor(asked)
    with right:
        if kind != "total":
            rows = months.drop(columns="days").to_dict("records")
            st.download_button("Forecast as CSV", csv_of(rows), "traffic.csv", "text/csv", on_click="ignore")
        upload(asked)
    read, wrote = (float(v) for v in asked.scenario.traffic.stated())
    expected = asked.scenario.traffic.demand()
    st.caption(
        f"Over the life, as stated: {human(read)} input and {human(wrote)} output tokens; this model, after share and probability of "
        f"shipping: {human(float(expected.input_tokens))} and {human(float(expected.output_tokens))}."
    )


if __name__ == "__main__":
    page()
