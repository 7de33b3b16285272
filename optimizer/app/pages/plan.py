"""Page Plan: the optimum with its band, the cost curve, the cost by phase, and the traffic forecast."""

import streamlit as st

from optimizer.analysis.experts import expert_laws
from optimizer.analysis.plans import cost_curve, cost_phases, monthly_tokens
from optimizer.app import show
from optimizer.app.answers import across_laws
from optimizer.app.controls import choice, escaped, fields
from optimizer.app.forecast import csv_of, editor, upload
from optimizer.app.snippets import command_snippet, python_snippet
from optimizer.app.state import Question, question
from optimizer.app.work import worked
from optimizer.assumptions.naming import described, title
from optimizer.assumptions.numbers import human, times
from optimizer.model.outputs import output_of, with_unit, written
from optimizer.optimum.solution import Solution
from optimizer.report.chart import cost_against_params, cost_by_phase, monthly_traffic
from optimizer.report.chart.theme import capital
from optimizer.report.sentences import experts, unspent, verdict


def page() -> None:
    """The whole page."""
    asked = question()
    show.unfaded()
    st.title("How large, trained on how much?")
    st.caption(escaped(described(asked.scenario) or title(asked.scenario)))
    best = asked.answered if show.answered(asked, _design) else None
    show.now()
    if best is not None:
        st.caption(escaped(across_laws(best.scenario.to_toml(), best)))
    _forecast(asked, best)
    _code(asked)


def _design(best: Solution) -> None:
    """The answer first, then why and how sure."""
    curve, phases = show.figure(cost_against_params, cost_curve(best)), show.figure(cost_by_phase, cost_phases(best))
    n, d, r = (float(v) for v in best.design)
    band, ratio, unit = best.band, best.overtraining, best.scenario.money.currency
    st.markdown(f"**{escaped(verdict(best))}**")
    sizes = "below: the sizes that cost at most 5 % more for the same loss"
    chinchilla = "the design of the same loss with the least pre-training compute, with its cost over the same life"
    show.metrics((
        (
            _metric("n_params", n, "parameters", band.n_params, sizes),
            _metric("train_tokens", d, "tokens", band.train_tokens, "below: the training tokens of those sizes"),
            _metric("rl_tokens", r, "tokens"),
            _metric("loss", best.loss, "nat/token", digits=5),
        ),
        (
            _metric("overtraining_vs_rule_of_20", ratio.vs_rule_of_20, "1", band.overtraining_vs_rule_of_20),
            _metric("overtraining_vs_law", ratio.vs_law, "1"),
            _metric("cost_total", float(best.cost.total), unit),
            _metric("savings", best.savings, "1", about=chinchilla),
        ),
    ))  # fmt: skip
    left, right = st.columns([3, 2])
    with left:
        show.put(curve)
    with right:
        show.put(phases)
    st.caption(escaped(f"{best.certificate.sentence} {unspent(best)}".strip()))
    if best.scenario.law.shape:
        spread = worked(best.scenario, "laws of experts", lambda progress: expert_laws(best.scenario, progress))
        st.caption(escaped(experts(spread)))


def _metric(
    column: str,
    value: float,
    unit: str,
    ends: tuple[float, float] | None = None,
    about: str | None = None,
    digits: int = 4,
) -> tuple[str, str, str | None, str | None]:
    """Label, value, range and help of an output; its formula where there is no other help."""
    output = output_of(column)
    below = None if ends is None else " to ".join(written(end, column, 3) for end in ends)
    formula = output.formula if output else ""
    return capital(with_unit(column, unit)), written(value, column, digits), below, about or formula or None


def _forecast(asked: Question, best: Solution | None) -> None:
    st.header("Traffic forecast")
    if best is not None:  # repeated next to the forecast that moves it
        n, d, _ = (float(v) for v in best.design)
        ratio = times(best.overtraining.vs_rule_of_20)
        st.markdown(
            f"Optimum for this forecast: **{human(n, 4)} parameters on {human(d, 4)} tokens**, {ratio} the 20:1 rule."
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
                "A total has no months. Choose growth to generate months, or table to enter them; the total stays the same."
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
