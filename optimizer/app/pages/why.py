"""Page: the lecture's arithmetic beside the scenario's, every law, the map of designs, and the lecture's claims."""

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from optimizer.app import show
from optimizer.app.answers import answer
from optimizer.app.state import Question, question
from optimizer.app.work import worked
from optimizer.optimum.solution import Solution, Status
from optimizer.report.chart import band_against_law, contours
from optimizer.report.claims import claims
from optimizer.report.landscape import landscape
from optimizer.report.lecture import CLAIM, arithmetic, waterfall
from optimizer.report.why import laws_beside, reasoning, steps_frame

if TYPE_CHECKING:
    from optimizer.optimum.blocks import Progress

LAWS = [
    "law", "status", "overtraining_vs_rule_of_20", "band_overtraining_vs_rule_of_20_low", "band_overtraining_vs_rule_of_20_high",
    "posterior_low", "posterior_high", "overtraining_vs_law", "n_params", "train_tokens", "message",
]  # fmt: skip


@st.cache_data(show_spinner="Solving the lecture under every law ...")
def stairs() -> pd.DataFrame:
    """How the lecture's ratio builds up, step by step."""
    frame = waterfall()
    return frame.reset_index()


@st.cache_data(show_spinner="Working out the lecture's claims ...")
def claims_frame() -> pd.DataFrame:
    """The lecture's claims about serving, as a table."""
    frame = pd.DataFrame.from_records([claim._asdict() for claim in claims()])
    frame.attrs["units"] = {}
    return frame


def page() -> None:
    """The whole page."""
    asked = question()
    st.title("Why 100x?")
    best = show_last(asked)
    if best is not None:
        _steps(best)
        _laws(best)
        _map(best)
    _claims(asked)


def show_last(asked: Question) -> Solution | None:
    """The answer, or the last one with the library's sentences above it; None where there never was one."""
    best = answer(asked.scenario)
    sentences = [*asked.problems, *([] if best.status is Status.OPTIMAL else [best.message])]
    if best.status is Status.OPTIMAL:
        asked.answered = best
    if sentences:
        show.problems(sentences)
        if asked.answered is not None:
            st.caption("Below: the last answer, before this change.")
    return asked.answered


def _steps(best: Solution) -> None:
    st.header("The arithmetic")
    st.caption(
        "Traffic becomes compute, compute becomes a bill, and equal bills give a ratio. A ratio from equal bills is a rule of thumb; the "
        "exact one below it minimises the whole bill under the scaling law."
    )
    left, right = st.columns(2)
    with left:
        st.subheader("This scenario")
        mine = steps_frame(reasoning(best))
        show.table(mine, "The arithmetic of this scenario, step by step")
        show.download(mine, "arithmetic", best.scenario)
    with right:
        st.subheader("The lecture")
        show.table(steps_frame(arithmetic()), "The arithmetic of the lecture, step by step")
        st.caption("D / (20 N) with N held at 100B, as each part of the bill is added; exact under each law.")
        show.table(stairs(), "How the lecture's over-training builds up under each law")


def _laws(best: Solution) -> None:
    st.header("Every law")
    st.caption(
        "The same question under every credible law. The spread between laws says more about how sure the answer is than the band or the "
        "posterior of any one of them: all of them are extrapolated here if the map below says so."
    )
    s = best.scenario

    def work(progress: "Progress") -> pd.DataFrame:
        return laws_beside(s, progress=progress)

    frame = worked(s, "every law", work)
    if frame is None:
        return
    if "optimal" not in frame["status"].tolist():
        show.problems([str(message) for message in frame["message"].unique() if message])
        return
    show.chart(band_against_law, frame, reference=CLAIM)
    told = frame.reset_index()
    units = frame.attrs["units"]
    told = told.drop(columns=[name for name in told if name not in LAWS])
    told.attrs["units"] = units
    show.table(told, "The optimum under each law, with its band and the interval of its posterior")
    st.caption(
        "posterior: 80 % of the draws from the law's published fit lie between low and high, in D / (20 N); empty where no fit with its "
        "scatter is published."
    )
    show.download(told, "every-law", s)


def _map(best: Solution) -> None:
    st.header("The map of designs")
    frame = landscape(best)
    show.chart(contours, frame)
    st.caption(
        "Following the thick path costs no quality and lowers the bill until it only touches a dashed curve. Where the path leaves the "
        "shaded range, the law is a guess."
    )
    show.numbers(frame, "map-of-designs", best.scenario)


def _claims(asked: Question) -> None:
    st.header("The lecture's claims about serving")
    st.caption(
        "Each claim computed with the lecture's own inputs and with corrected ones, beside evidence. `overtrain reproduce --claims` prints "
        "the same table; measured evidence covers few models and chips."
    )
    frame = claims_frame()
    show.table(frame, "The lecture's claims about serving, each computed twice, beside evidence")
    show.download(frame, "claims", asked.scenario)


if __name__ == "__main__":
    page()
