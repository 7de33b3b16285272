"""Page: why the optimum lies so far beyond Chinchilla, and whether the lecture's 100x holds."""

import math
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from optimizer.analysis import why
from optimizer.app import show
from optimizer.app.controls import escaped
from optimizer.app.state import question
from optimizer.app.work import worked
from optimizer.assumptions.numbers import times
from optimizer.evidence import lecture
from optimizer.evidence.claims import claims
from optimizer.optimum.solution import Solution
from optimizer.report import chart
from optimizer.report.sentences import held, saving

if TYPE_CHECKING:
    import pandas as pd

VIEWS = ["Bill by bill", "Every law", "Map of designs", "Claims about serving"]
OUTPUT = "overtraining_vs_rule_of_20"
CLAIMS = ["quantity", "formula", "lecture", "computed, its inputs", "computed, corrected", "evidence"]


def _lecture() -> "pd.DataFrame":
    import pandas as pd

    mean = lecture.waterfall()
    found = pd.DataFrame(
        {"step": mean.index, OUTPUT: mean["geometric_mean"].to_numpy(), "factor": mean["factor"].to_numpy()}
    )
    found.attrs["units"] = {OUTPUT: "1", "factor": "1"}
    return found


def page() -> None:
    """The whole page."""
    asked = question()
    st.title("Why 100x")
    view = st.segmented_control(
        "Look at", VIEWS, default=VIEWS[0], key="why_view", required=True, persist_state="session"
    )
    if view == VIEWS[3]:
        _serving()
        return
    show.answered(asked, lambda best: _view(view, best))
    if asked.answered is None and view == VIEWS[0]:
        _board()


def _view(view: str, best: Solution) -> None:
    {VIEWS[0]: _bills, VIEWS[1]: _laws, VIEWS[2]: _map}[view](best)


def _bills(best: Solution) -> None:
    s = best.scenario
    found = worked(s, "bill by bill", lambda _: why.staircase(s))
    solved = found.dropna(subset=[OUTPUT])
    bills = (
        f"Training alone would give this scenario {times(solved[OUTPUT].iloc[0])} Chinchilla's 20 tokens per parameter; with every bill "
        f"paid the optimum is {times(solved[OUTPUT].iloc[-1])}."
    )
    st.markdown(f"**{escaped(held(found)) or bills}** Each step is an optimum of its own, at the law's point values.")
    show.chart(chart.staircase, found)
    for step, sentence in zip(found["step"], found["message"], strict=True):
        if sentence:
            st.caption(escaped(f"{step}: {sentence}"))
    st.header("The arithmetic of this scenario")
    st.table([step._asdict() for step in why.reasoning(best)], border="horizontal")
    _board()


def _board() -> None:
    st.header("The lecture's own arithmetic")
    st.markdown(
        "With pre-training, RL and inference at equal cost, a frontier model with 100B active parameters sees about 100 times more tokens "
        "than Chinchilla's 20 per parameter."
    )
    st.table([step._asdict() for step in lecture.arithmetic()], border="horizontal")
    found = worked(None, "lecture", lambda _: _lecture())
    st.markdown(
        f"Solved exactly, with N held at 100B and 200T tokens served, the geometric mean of the credible laws is "
        f"**{times(found[OUTPUT].iloc[-1])}**."
    )
    s = lecture.pinned(lecture.lecture())
    show.chart(chart.staircase, found, scenario=s, name="lecture")


def _laws(best: Solution) -> None:
    s = best.scenario
    found = worked(s, "every law", lambda tell: why.every_law(s, tell))
    laws = found[(found["kind"] == "law") & (found["status"] == "optimal")]
    if not len(laws):
        show.problems([f"{law}: {sentence}" for law, sentence in found["message"].items()])
        return
    point, least, most = (np.array(laws[c], float) for c in (OUTPUT, f"band_{OUTPUT}_low", f"band_{OUTPUT}_high"))
    inside = int(((least <= lecture.CLAIM) & (most >= lecture.CLAIM)).sum())
    st.markdown(
        f"**The credible laws of dense training put this scenario's optimum between {times(float(min(point)))} and "
        f"{times(float(max(point)))}; 100x lies within the 5 % band of {inside} of {len(laws)}.** A posterior holds the error of one fit, "
        "not that of going beyond it: the spread between laws says more."
    )
    show.chart(chart.band_against_law, found, OUTPUT, reference=lecture.CLAIM)
    for law, sentence in zip(found.index, found["message"].tolist(), strict=True):
        if sentence:
            st.caption(escaped(f"{law}: {sentence}"))


def _map(best: Solution) -> None:
    found = worked(best.scenario, "map", lambda _: why.design_map(best))
    st.markdown(
        f"**{escaped(saving(best))}** A line of equal loss is a choice between size and data; the cheapest point touches a line of "
        "equal cost."
    )
    show.chart(chart.design_map, found)
    far = best.extrapolation
    outside = [
        f"{times(factor)} the largest {what}"
        for what, factor in (("model", far.n_params), ("ratio of tokens to parameters", far.tokens_per_param))
        if factor and factor > 1 and math.isfinite(factor)
    ]
    if outside:
        st.caption(f"The optimum lies at {' and '.join(outside)} of the law's fit: the lines are extrapolated there.")


def _serving() -> None:
    st.markdown(
        "What the lecture says about serving, computed with its own inputs and with corrected ones, beside the evidence. "
        "The same table: `overtrain reproduce --claims`."
    )
    st.table(
        [dict(zip(CLAIMS, claim, strict=True)) for claim in worked(None, "claims", lambda _: claims())],
        border="horizontal",
    )


if __name__ == "__main__":
    page()
