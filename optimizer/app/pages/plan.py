"""Page Plan below its first screen (`app.screen`): behind tabs all that follows from the plan."""

import math

import streamlit as st

from optimizer.analysis.plans import cost_phases, monthly_tokens
from optimizer.app import show
from optimizer.app.answers import by_expert_law, text_of
from optimizer.app.forecast import csv_of, editor, upload
from optimizer.app.pages import sensitivity, why
from optimizer.app.said import said
from optimizer.app.screen import axes, metric
from optimizer.app.snippets import command_snippet, python_snippet
from optimizer.app.state import Question, question
from optimizer.assumptions.numbers import human
from optimizer.model.outputs import with_unit, written
from optimizer.optimum.solution import Solution
from optimizer.report.chart import cost_by_phase
from optimizer.report.chart.theme import capital
from optimizer.report.sentences import experts, few_bits, served, unspent

COST, WRONG, LAWS, TABLE, CODE = TABS = (
    *("Where the cost goes", "If the forecast is wrong", "Other laws", "Table and CSV", "Code"),
)


def page() -> None:
    """One of the tabs; the first screen is above it."""
    asked = question()
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
        with st.container(key="follows" if show.is_fresh(asked) else "stale-follows"):
            if view == COST:
                _cost(best)
            elif view == WRONG:
                st.caption(sensitivity.ABOUT[sensitivity.REGRET])
                sensitivity.wrong_forecast(best.asked)
            else:
                why.laws(best)


def _cost(best: Solution) -> None:
    values, unit, money = best.numbers(), "nat/token", best.scenario.money
    show.metrics(
        [
            metric("rl_tokens", values["rl_tokens"], "tokens"),
            (capital(with_unit("loss", unit)), written(best.loss, "loss", 5), None, None),
            metric("overtraining_vs_law", values["overtraining_vs_law"], "1"),
            *(
                [metric("savings", values["savings"], "1")]
                if best.fleet.months and math.isfinite(values["savings"])
                else []
            ),
            *([metric("cost_nominal", values["cost_nominal"], money.currency)] if money.discount_rate else []),
        ],
        key="more",
    )
    if len(monthly_tokens(best.scenario)):  # without months this chart is above
        show.chart(cost_by_phase, cost_phases(best), kept=axes())
    reservations = (best.certificate.sentence, few_bits(best), unspent(best), served(best))
    st.caption(said(" ".join(filter(None, reservations))))
    if best.scenario.law.shape:
        st.caption(said(experts(by_expert_law(text_of(best.asked), best))))


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
