"""Page: which assumption carries the result, and what a wrong forecast costs."""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from optimizer.app import show
from optimizer.app.answers import answer
from optimizer.app.controls import escaped
from optimizer.app.state import question
from optimizer.assumptions.problems import InputError
from optimizer.assumptions.scenario import Scenario
from optimizer.optimum.blocks import Progress
from optimizer.optimum.ranges import lifetime_tokens
from optimizer.optimum.regret import regret
from optimizer.optimum.sensitivity import elasticities
from optimizer.optimum.solution import InfeasibleError, Status
from optimizer.optimum.tornado import tornado
from optimizer.optimum.uncertainty import monte_carlo
from optimizer.report import chart
from optimizer.report.theme import named

if TYPE_CHECKING:
    import pandas as pd

OUTPUTS = ["overtraining_vs_rule_of_20", "n_params", "train_tokens", "cost_total", "overtraining_vs_law"]
FACTORS = (0.1, 0.3, 1.0, 3.0, 10.0)
DRAWS = 400
MOST_KEPT = 20
VIEWS = ["One per cent more", "Each assumption at its ends", "A wrong forecast", "Uncertainty along traffic"]


@st.cache_data(max_entries=100, show_spinner="Differentiating the optimum ...")
def slopes(toml: str) -> "pd.DataFrame":
    """The elasticities of a scenario."""
    return elasticities(Scenario.from_toml(toml))


def quick(s: Scenario) -> bool:
    """Whether hundreds of optima take no longer than one: nothing but N and D is decided, by the scalar equation."""
    limited = any(path.startswith("limits.") for path, _, _ in s.quantities())
    return (
        not limited and s.serving.method == "efficiency" and s.law.kind != "repetition" and s.rl.policy != "optimised"
    )


def _alone(s: Scenario) -> dict[str, None]:
    """What the tornado leaves as it is: a deployment that no cost depends on, or tokens accepted beyond those drafted."""
    return {"deployment" if s.serving.method == "efficiency" else "deployment.accepted_tokens": None}


def page() -> None:
    """The whole page."""
    asked = question()
    s = asked.scenario
    st.title("What carries the result")
    best = answer(s)
    if best.status is not Status.OPTIMAL:
        show.problems([best.message])
        st.stop()
    view = st.segmented_control("Look at", VIEWS, default=VIEWS[0], key="sensitivity_view", required=True)
    output = OUTPUTS[0]
    if view != VIEWS[2]:
        output = st.selectbox("Output", OUTPUTS, format_func=named, key="sensitivity_output")
    served = [lifetime_tokens(s) * factor for factor in FACTORS]
    try:
        if view == VIEWS[0]:
            _both(chart.elasticity_bars, slopes(s.to_toml()), "elasticities", s, output)
        elif view == VIEWS[1]:
            frame = _worked(
                s, f"tornado {output}", lambda progress: tornado(s, output, over=_alone(s), progress=progress)
            )
            _both(chart.tornado, frame, "tornado", s)
            st.caption("A law's coefficients belong together: moved one at a time they leave their fit.")
        elif view == VIEWS[2]:
            frame = _worked(s, "regret", lambda progress: regret(s, served, served, progress=progress))
            _both(chart.regret_heat_map, frame, "regret", s)
        else:
            frame = _worked(
                s, "fan", lambda progress: monte_carlo(s, DRAWS, served=served, outputs=OUTPUTS, progress=progress)
            )
            _both(chart.fan, frame, "fan", s, output)
            st.caption(escaped(" ".join(frame.attrs["notes"])))
    except (InputError, InfeasibleError) as error:
        show.problems(str(error).split("\n"))


def _both(draw: Callable[..., Any], frame: "pd.DataFrame", name: str, scenario: Scenario, *more: Any) -> None:
    show.chart(draw, frame, *more)
    show.numbers(frame, name, scenario)


def _worked(s: Scenario, name: str, work: Callable[[Progress], "pd.DataFrame"]) -> "pd.DataFrame":
    """The frame of an analysis: at once where that is quick, else on a button, with a bar; the browser's stop button ends it."""
    key = (s.to_toml(), name)
    kept = st.session_state.setdefault("analyses", {})
    if key not in kept:
        if not quick(s) and not st.button("Calculate", key=f"start.{name}", help="solves many optima one by one"):
            st.info("This takes a while for this scenario.")
            st.stop()
        bar = st.progress(0.0, "Solving ...")

        def progress(blocks: Sequence[Any]) -> Iterable[Any]:
            for done, block in enumerate(blocks):
                bar.progress(done / len(blocks), "Solving ...")
                yield block

        kept[key] = work(progress)
        while len(kept) > MOST_KEPT:
            kept.pop(next(iter(kept)))
        bar.empty()
    return kept[key]


if __name__ == "__main__":
    page()
