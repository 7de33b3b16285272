"""Part Sources of the page Method: every number in use with its source, and the extrapolation beyond the law's fit."""

import streamlit as st

from optimizer.app import show
from optimizer.app.said import said
from optimizer.app.state import question
from optimizer.app.table import table
from optimizer.assumptions.library import sources
from optimizer.optimum.solution import Solution
from optimizer.report.chart.theme import capital


def _extrapolation(best: Solution) -> None:
    message = st.warning if best.extrapolation.beyond else st.info
    message(said(best.extrapolation.sentence))


def page() -> None:
    """The whole page."""
    asked = question()
    show.answered(asked, _extrapolation)
    found = sources(asked.scenario)
    kinds = sorted({str(kind) for kind in found["kind"]})
    picked = st.multiselect("Kinds of source", kinds, default=kinds, format_func=capital, key="source_kinds")
    kept = found.drop(index=[i for i, kind in enumerate(found["kind"]) if kind not in picked])
    guessed = list(found["kind"]).count("assumption")
    st.caption(f"{len(found)} numbers are in use; {guessed} of them are assumptions without a source.")
    meaning_first = ["about", *(name for name in kept if name != "about")]
    table(kept.reindex(columns=meaning_first), "Every number of the scenario with its source")
    show.download(found, "sources", asked.scenario)
