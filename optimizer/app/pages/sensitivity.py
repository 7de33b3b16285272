"""Page: which assumption carries the result, and what a wrong forecast costs."""

import streamlit as st

from optimizer.analysis.elasticities import elasticities
from optimizer.analysis.ranges import lifetime_tokens
from optimizer.analysis.regret import regret
from optimizer.analysis.sobol import factors, sobol
from optimizer.analysis.tornado import tornado
from optimizer.analysis.uncertainty import draws, monte_carlo
from optimizer.app import show
from optimizer.app.controls import escaped
from optimizer.app.state import question
from optimizer.app.work import worked
from optimizer.assumptions.numbers import human, percent
from optimizer.assumptions.problems import InputError
from optimizer.assumptions.scenario import Scenario
from optimizer.evidence import lecture
from optimizer.model.outputs import heading
from optimizer.optimum.base import in_base_class
from optimizer.optimum.solution import InfeasibleError
from optimizer.report import chart

OUTPUTS = ["overtraining_vs_rule_of_20", "n_params", "train_tokens", "cost_total", "overtraining_vs_law"]
FACTORS = (0.1, 0.3, 1.0, 3.0, 10.0)
DRAWS = 400
MANY = 2000
# Width of an interval of a share, in shares of the whole, above which an order of bars says little. Streamlit would print a docstring here.
WIDE = 0.2
SOBOL_SIZES = [2**k for k in range(5, 13)]
VIEWS = [
    "One per cent more",
    "Low and high ends",
    "A wrong forecast",
    "Fan over traffic",
    "Spread of the draws",
    "Shares of the spread",
]


def page() -> None:
    """The whole page."""
    asked = question()
    st.title("What carries the result")
    show.answered(asked, lambda best: _look(best.scenario))


def _look(s: Scenario) -> None:
    view = st.segmented_control(
        "Look at", VIEWS, default=VIEWS[0], key="sensitivity_view", required=True, persist_state="session"
    )
    output = OUTPUTS[0]
    if view != VIEWS[2]:
        output = st.selectbox("Output", OUTPUTS, format_func=heading, key="sensitivity_output", persist_state="session")
    slow = not in_base_class(s)
    served = [lifetime_tokens(s) * factor for factor in FACTORS]
    try:
        if view == VIEWS[0]:
            frame = worked(s, "elasticities", lambda _: elasticities(s), ask=slow)
            show.chart(chart.elasticity_bars, frame, output, scenario=s)
        elif view == VIEWS[1]:
            frame = worked(s, f"tornado {output}", lambda tell: tornado(s, output, progress=tell), ask=slow)
            show.chart(chart.tornado, frame, scenario=s)
            if any(str(path).startswith("law.") for path in frame["assumption"]):
                st.caption("A law's coefficients belong together: moved one at a time they leave their fit.")
        elif view == VIEWS[2]:
            frame = worked(s, "regret", lambda tell: regret(s, served, served, progress=tell), ask=slow)
            show.chart(chart.regret_heat_map, frame, scenario=s)
        elif view == VIEWS[4]:
            frame = worked(s, "draws", lambda tell: draws(s, MANY, progress=tell), ask=slow)
            claim = lecture.CLAIM if output == OUTPUTS[0] else None
            show.chart(chart.draws, frame, output, scenario=s, reference=claim)
            st.caption(escaped(" ".join(frame.attrs["notes"])))
        elif view == VIEWS[5]:
            _sobol(s, output)
        else:
            frame = worked(
                s,
                "fan",
                lambda tell: monte_carlo(s, DRAWS, served=served, outputs=OUTPUTS, progress=tell),
                ask=slow,
            )
            show.chart(chart.fan, frame, output, scenario=s)
            st.caption(escaped(" ".join(frame.attrs["notes"])))
    except (InputError, InfeasibleError) as error:
        show.problems(str(error).split("\n"))


def _sobol(s: Scenario, output: str) -> None:
    """Which uncertain assumptions explain the spread, all moved at once."""
    inputs, _ = factors(s, {})
    n = st.select_slider(
        "Base samples n", SOBOL_SIZES, 256, key="sobol_samples",
        help="a power of two; twice as many narrow the intervals by about a third",
    )  # fmt: skip
    st.caption(f"{len(inputs)} independent inputs, so (inputs + 2) n = {(len(inputs) + 2) * n:,} optima.")
    frame = worked(s, f"sobol {n}", lambda tell: sobol(s, OUTPUTS, n, progress=tell), ask=True)
    here = frame.drop(index=[i for i, name in enumerate(frame["output"]) if name != output]).reset_index(drop=True)
    here.attrs = frame.attrs
    show.chart(chart.sobol_bars, here, output, scenario=s)
    rest = [row for row in here.to_dict("records") if row["first_low"] < 0]
    st.caption(
        "First: the share of the variance that goes away once this assumption alone is known. Total: the share that stays while it "
        "alone is unknown; total above first means that it acts together with others. Both are estimates: a first-order index may "
        "come out slightly negative within its interval, which means none."
        + (f" Here {len(rest)} intervals reach below 0." if rest else "")
    )
    width = max(row["total_high"] - row["total_low"] for row in here.to_dict("records"))
    st.caption(
        f"Convergence: the widest {percent(frame.attrs['confidence'])} interval of a total index spans {human(width, 2)}; "
        + (
            "read the order of the bars with care, or take more samples."
            if width > WIDE
            else "narrow enough to rank the bars."
        )
        + f" {percent(frame.attrs['answered'])} of the samples had answers everywhere."
    )
    st.caption(escaped(" ".join(frame.attrs["notes"])))


if __name__ == "__main__":
    page()
