"""Page 1: the forecast, the optimum, why, and how sure."""

from collections.abc import Iterable

import streamlit as st

from optimizer.analysis.plans import cost_curve, cost_phases, monthly_tokens
from optimizer.app import show
from optimizer.app.controls import choice, escaped, fields
from optimizer.app.forecast import csv_of, editor, upload
from optimizer.app.snippets import command_snippet, python_snippet
from optimizer.app.state import Question, question
from optimizer.assumptions.naming import described, title
from optimizer.assumptions.numbers import human, percent, times
from optimizer.optimum.solution import Solution
from optimizer.report.chart import cost_against_params, cost_by_phase, monthly_traffic
from optimizer.report.sentences import unspent, verdict


def page() -> None:
    """The whole page."""
    asked = question()
    show.unfaded()
    st.title("How large, trained on how much?")
    st.caption(escaped(described(asked.scenario) or title(asked.scenario)))
    best = asked.answered if show.answered(asked, _design) else None
    show.now()
    _forecast(asked, best)
    _code(asked)


def _design(best: Solution) -> None:
    """The answer first, then why and how sure."""
    curve, phases = show.figure(cost_against_params, cost_curve(best)), show.figure(cost_by_phase, cost_phases(best))
    unit = best.scenario.money.currency
    n, d, r = (float(v) for v in best.design)
    band, ratio = best.band, best.overtraining
    st.markdown(f"**{escaped(verdict(best))}**")
    show.metrics((
        (
            ("N*, active parameters", human(n, 4), _range(map(_short, band.n_params)),
             "below: the sizes that cost at most 5 % more for the same loss"),
            ("D*, training tokens", human(d, 4), _range(map(_short, band.train_tokens)), "below: the tokens of those sizes"),
            ("R*, RL tokens", human(r, 4), None, None),
            ("Loss, nat/token", f"{best.loss:.4f}", None, None),
        ),
        (
            ("Over-training against 20:1", times(ratio.vs_rule_of_20), _range(map(times, band.overtraining_vs_rule_of_20)), "D / 20 N"),
            ("Over-training against the law", times(ratio.vs_law), None, "D / D0(N), D0 for training alone"),
            (f"Cost over the life, {unit}", human(float(best.cost.total), 4), None, None),
            ("Savings against Chinchilla", percent(best.savings), None,
             "against the design of the same loss with the least pre-training compute, billed for the same life"),
        ),
    ))  # fmt: skip
    left, right = st.columns([3, 2])
    with left:
        show.put(curve)
    with right:
        show.put(phases)
    proof = (
        "certified global optimum"
        if best.certificate.certified_global
        else "best of several starts, not certified as global"
    )
    held = f"; held by {', '.join(best.certificate.active_limits)}" if best.certificate.active_limits else ""
    st.caption(
        escaped(
            f"Certificate: {proof}, KKT residual {best.certificate.kkt_residual:.0e}{held}. {unspent(best)}".strip()
        )
    )


def _short(value: float) -> str:
    return human(value, 3)


def _range(ends: Iterable[str]) -> str:
    return " to ".join(ends)


def _forecast(asked: Question, best: Solution | None) -> None:
    st.header("Traffic forecast")
    if best is not None:  # said again where the forecast is moved
        n, d, _ = (float(v) for v in best.design)
        st.markdown(
            f"Optimum for it: **{human(n, 4)} parameters on {human(d, 4)} tokens**, {times(best.overtraining.vs_rule_of_20)} the 20:1 rule."
        )
    kind = asked.scenario.traffic.kind
    left, right = st.columns([2, 3])
    with left:
        choice("traffic.kind", ["total", "growth", "table"], kind, "forecast as", asked)
        with st.container(height="content" if kind == "table" else 560):
            fields(asked.scenario.traffic, "traffic.")
    months = monthly_tokens(asked.scenario)
    with right:
        if kind == "total":
            st.info(
                "A total has no months. Choose growth to generate them, or table to enter them; the total stays the same."
            )
        else:
            editor(asked)
        box = st.expander("Forecast as a CSV file", key="open.csv", on_change="rerun")
        if box.open:
            with box:
                if kind != "total":
                    rows = months.drop(columns="days").to_dict("records")
                    st.download_button("Forecast as CSV", csv_of(rows), "traffic.csv", "text/csv", on_click="ignore")
                upload(asked)
    read, written = (float(v) for v in asked.scenario.traffic.stated())
    expected = asked.scenario.traffic.demand()
    st.caption(
        f"Over the life, as stated: {human(read)} input and {human(written)} output tokens; this model, after share and probability of "
        f"shipping: {human(float(expected.input_tokens))} and {human(float(expected.output_tokens))}."
    )
    if len(months):
        show.chart(monthly_traffic, months)


def _code(asked: Question) -> None:
    box = st.expander("The same numbers in Python and on the command line", key="open.code", on_change="rerun")
    if box.open:
        with box:
            st.code(python_snippet(asked.preset, asked.scenario), language="python")
            st.code(command_snippet(asked.preset, asked.scenario), language="bash")


if __name__ == "__main__":
    page()
