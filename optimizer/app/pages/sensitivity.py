"""Page Uncertainty: elasticities, tornado, regret, fan chart, Monte Carlo and Sobol indices."""

from typing import TYPE_CHECKING

import streamlit as st

from optimizer.analysis.elasticities import elasticities
from optimizer.analysis.ranges import lifetime_tokens
from optimizer.analysis.regret import regret
from optimizer.analysis.sobol import factors, sobol
from optimizer.analysis.tornado import tornado
from optimizer.analysis.uncertainty import draws, monte_carlo
from optimizer.app import show
from optimizer.app.said import escaped, problems, said
from optimizer.app.state import question
from optimizer.app.work import worked
from optimizer.assumptions.numbers import human, percent
from optimizer.assumptions.problems import InputError
from optimizer.assumptions.scenario import Scenario
from optimizer.evidence import lecture
from optimizer.model.outputs import SENSITIVE, heading
from optimizer.optimum.base import in_base_class
from optimizer.optimum.solution import InfeasibleError
from optimizer.report import chart
from optimizer.report.sensitivity import TOGETHER
from optimizer.report.sentences import carried, carried_variance, uncounted

if TYPE_CHECKING:
    import pandas as pd

FACTORS = (0.1, 0.3, 1.0, 3.0, 10.0)
DRAWS = 400
MANY = 2000
# Width of an interval above which the order of the bars is uncertain. Streamlit would print a docstring here.
WIDE = 0.2
# Letters from which on a note is folded.
LONG = 500
SOBOL_SIZES = [2**k for k in range(5, 13)]
ELASTICITIES, TORNADO, REGRET, FAN, DRAWN, SOBOL = VIEWS = (
    *("Elasticities", "Tornado", "Regret", "Fan chart", "Monte Carlo", "Sobol indices"),
)

ABOUT = {
    ELASTICITIES: "By how many per cent the output changes when one assumption grows by one per cent.",
    TORNADO: "How far the output moves when one assumption at a time goes to either end of its range.",
    REGRET: "What a plan made for one forecast costs more than the best plan, when another forecast comes true.",
    FAN: "The output against the lifetime tokens served, with the spread of many draws of the uncertain assumptions.",
    DRAWN: "The output over many draws of all uncertain assumptions at once.",
    SOBOL: "Which share of the output's variance each uncertain assumption carries, alone and with the others.",
}


def page() -> None:
    """The whole page."""
    asked = question()
    st.title("Uncertainty")
    show.answered(asked, lambda best: _look(best.asked))


def _look(s: Scenario) -> None:
    view = st.segmented_control(
        "View", VIEWS, default=ELASTICITIES, key="sensitivity_view", required=True, persist_state="session"
    )
    output = SENSITIVE[0]
    if view != REGRET:
        output = st.selectbox(
            "Output", SENSITIVE, format_func=heading, key="sensitivity_output", persist_state="session"
        )
    st.caption(ABOUT[view or ELASTICITIES])
    slow = not in_base_class(s)
    served = [lifetime_tokens(s) * factor for factor in FACTORS]
    try:
        if view == ELASTICITIES:
            frame = worked(s, "elasticities", lambda _: elasticities(s), ask=slow)
            show.chart(chart.elasticity_bars, frame, output, scenario=s)
            st.caption(said(f"{TOGETHER} {uncounted(s)}"))
        elif view == TORNADO:
            frame = worked(s, f"tornado {output}", lambda progress: tornado(s, output, progress=progress), ask=slow)
            st.markdown(escaped(carried(frame)))
            show.chart(chart.tornado, frame, scenario=s)
            _notes(frame)
        elif view == REGRET:
            wrong_forecast(s)
        elif view == DRAWN:
            frame = worked(s, "draws", lambda progress: draws(s, MANY, progress=progress), ask=slow)
            claim = lecture.CLAIM if output == SENSITIVE[0] else None
            show.chart(chart.draws, frame, output, scenario=s, reference=claim)
            _notes(frame)
        elif view == SOBOL:
            _sobol(s, output)
        else:
            frame = worked(
                s,
                "fan",
                lambda progress: monte_carlo(s, DRAWS, served=served, outputs=SENSITIVE, progress=progress),
                ask=slow,
            )
            show.chart(chart.fan, frame, output, scenario=s)
            _notes(frame)
    except (InputError, InfeasibleError) as error:
        problems(str(error).split("\n"))


def wrong_forecast(s: Scenario) -> None:
    """Regret: what a plan for one forecast costs more when another one comes true."""
    served = [lifetime_tokens(s) * factor for factor in FACTORS]
    slow = not in_base_class(s)
    frame = worked(s, "regret", lambda progress: regret(s, served, served, progress=progress), ask=slow)
    show.chart(chart.regret_heat_map, frame, scenario=s)
    st.caption(said(uncounted(s)))


def _sobol(s: Scenario, output: str) -> None:
    """Sobol indices: the share of the variance that each uncertain assumption explains."""
    inputs = factors(s).factors
    n = st.select_slider(
        "Base samples n", SOBOL_SIZES, 256, key="sobol_samples",
        help="a power of two; twice as many make the intervals about a third narrower",
    )  # fmt: skip
    st.caption(f"{len(inputs)} independent inputs, so (inputs + 2) n = {(len(inputs) + 2) * n:,} optima.")
    frame = worked(s, f"sobol {n}", lambda progress: sobol(s, SENSITIVE, n, progress=progress), ask=True)
    here = frame.drop(index=[i for i, name in enumerate(frame["output"]) if name != output]).reset_index(drop=True)
    here.attrs = frame.attrs
    st.markdown(escaped(carried_variance(here, output)))
    show.chart(chart.sobol_bars, here, output, scenario=s)
    rest = [row for row in here.to_dict("records") if row["first_low"] < 0]
    st.caption(
        "First order: the share of the variance that disappears when this assumption alone is known. Total: the share that remains when "
        "it alone is unknown; a total above the first order means interaction with others. Both are estimates: a first-order index may "
        "be slightly negative within its interval, which means zero."
        + (f" Here {len(rest)} intervals include 0." if rest else "")
    )
    width = max(row["total_high"] - row["total_low"] for row in here.to_dict("records"))
    st.caption(
        f"Convergence: the widest {percent(frame.attrs['confidence'])} interval of a total index spans {human(width, 2)}; "
        + (
            "the order of the bars is uncertain; take more samples."
            if width > WIDE
            else "narrow enough to tell large shares from small ones."
        )
        + f" {percent(frame.attrs['answered'])} of the samples had answers everywhere."
    )
    _notes(frame)


def _notes(frame: "pd.DataFrame") -> None:
    """What was drawn and held; lists of many assumptions are folded, as they fill a screen."""
    notes: tuple[str, ...] = frame.attrs["notes"]
    short, long = ([note for note in notes if (len(note) > LONG) is is_long] for is_long in (False, True))
    st.caption(said(" ".join(short)))
    if long:
        with st.expander("Held at the scenario's own values"):
            st.caption(said(" ".join(long)))


if __name__ == "__main__":
    page()
