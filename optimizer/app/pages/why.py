"""Part Why 100x of the page Method: why the optimum has many more tokens per parameter than Chinchilla, and the lecture's claim of 100x."""

from typing import TYPE_CHECKING

import streamlit as st

from optimizer.analysis import why
from optimizer.app import show
from optimizer.app.said import escaped, problems, said
from optimizer.app.state import question
from optimizer.app.work import worked
from optimizer.assumptions.numbers import times
from optimizer.assumptions.published_laws import law_in_words
from optimizer.evidence import lecture, reproduction
from optimizer.evidence.claims import Claim, claims
from optimizer.optimum.solution import Solution
from optimizer.report import chart
from optimizer.report.chart.theme import capital
from optimizer.report.reproduction_text import ACCOUNTING_HEAD, accounting_rows
from optimizer.report.sentences import held, saving, spread

if TYPE_CHECKING:
    import pandas as pd

STEPS, LAWS, MAP, CLAIMS = VIEWS = ("Step by step", "Every law", "Map of designs", "Claims about serving")
OUTPUT = "overtraining_vs_rule_of_20"


def _lecture() -> "pd.DataFrame":
    import pandas as pd

    mean = reproduction.waterfall()
    found = pd.DataFrame({"step": mean.index, OUTPUT: mean["mean"].to_numpy(), "factor": mean["factor"].to_numpy()})
    found.attrs["units"] = {OUTPUT: "1", "factor": "1"}
    return found


def _reproduced() -> tuple[list[reproduction.Accounting], dict[str, str]]:
    laws, cells = reproduction.by_law(), reproduction.by_accounting()
    return cells, reproduction.verdict(laws, cells, reproduction.revealed())


def page() -> None:
    """The whole page."""
    asked = question()
    view = st.segmented_control("View", VIEWS, default=STEPS, key="why_view", required=True, persist_state="session")
    if view == CLAIMS:
        _serving()
        return
    show.answered(asked, lambda best: _view(view, best))
    if asked.answered is None and view == STEPS:
        _board()


def _view(view: str, best: Solution) -> None:
    {STEPS: _steps, LAWS: laws, MAP: _map}[view](best)


def _steps(best: Solution) -> None:
    s = best.asked
    found = worked(s, "step by step", lambda _: why.staircase(s))
    solved = found.dropna(subset=[OUTPUT])
    costs = (
        f"With the cost of training alone, the optimum of this scenario has {times(solved[OUTPUT].iloc[0])} Chinchilla's 20 tokens per "
        f"parameter; with every cost included it has {times(solved[OUTPUT].iloc[-1])}."
    )
    st.markdown(f"**{escaped(held(found)) or costs}** Each step is an optimum, at the law's point values.")
    show.chart(chart.staircase, found)
    for step, sentence in zip(found["step"], found["message"], strict=True):
        if sentence:
            st.caption(said(f"{step}: {sentence}"))
    st.header("The arithmetic of this scenario")
    st.table([step._asdict() for step in why.reasoning(best)], border="horizontal")
    _board()


def _board() -> None:
    st.header("The lecture's own arithmetic")
    st.markdown(
        "With pre-training, RL and inference at equal cost, a frontier model with 100B active parameters is trained on about 100 times the "
        "tokens of Chinchilla's 20 per parameter."
    )
    st.table([step._asdict() for step in lecture.arithmetic()], border="horizontal")
    found = worked(None, "lecture", lambda _: _lecture())
    st.markdown(
        f"Solved exactly, with N held at 100B, 200T tokens served as output and RL a fixed 133T tokens, the geometric mean over data sets "
        f"is **{times(found[OUTPUT].iloc[-1])}**. What of it stands under other laws and other ways to count the bills:"
    )
    cells, verdict = worked(None, "reproduction", lambda _: _reproduced())
    for name, sentence in verdict.items():
        st.markdown(f"**{escaped(capital(name))}**: {escaped(sentence)}")
    st.caption(
        "D*/20N* at the quality of 100B on 200T: mean over data sets (lowest to highest law), and laws whose 5 % band holds 100x. "
        "On the command line: `overtrain reproduce`."
    )
    show.blocks([dict(zip(ACCOUNTING_HEAD, row, strict=True)) for row in accounting_rows(cells)], "accountings")
    s = lecture.pinned(lecture.lecture())
    show.chart(chart.staircase, found, scenario=s, name="lecture")


def laws(best: Solution) -> None:
    """The optimum under every law."""
    s = best.asked
    found = worked(s, "every law", lambda progress: why.every_law(s, progress))
    experts = s.law.shape is not None
    solved = found.query("status == 'optimal' and " + ("kind != 'stress test'" if experts else "kind == 'law'"))
    if not len(solved):
        problems([f"{law_in_words(str(law))}: {sentence}" for law, sentence in found["message"].items()])
        return
    bold, plain = spread(solved, lecture.CLAIM, experts=experts)
    st.markdown(f"**{escaped(bold)}** {escaped(plain)}")
    show.chart(chart.band_against_law, found, OUTPUT, reference=lecture.CLAIM)
    for law, sentence in zip(found.index, found["message"].tolist(), strict=True):
        if sentence:
            st.caption(said(f"{law_in_words(str(law))}: {sentence}"))


def _map(best: Solution) -> None:
    found = worked(best.asked, "map", lambda _: why.design_map(best))
    st.markdown(
        f"**{escaped(saving(best))}** Along a line of equal loss size is traded for data; its cheapest point touches a line "
        "of equal cost."
    )
    show.chart(chart.design_map, found)
    if best.extrapolation.beyond:
        st.caption(said(best.extrapolation.sentence))


def _serving() -> None:
    st.markdown(
        "The lecture's claims about serving, computed with its own inputs and with corrected ones, next to the evidence. "
        "On the command line: `overtrain reproduce --claims`."
    )
    found = worked(None, "claims", lambda _: claims())
    show.blocks([dict(zip(Claim.headings(), claim, strict=True)) for claim in found], "claims")
