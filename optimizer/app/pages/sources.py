"""Page: every number in use with its source, and how far the answer lies outside what its law was fitted on."""

import streamlit as st

from optimizer.app import show
from optimizer.app.answers import answer
from optimizer.app.controls import escaped
from optimizer.app.state import question
from optimizer.assumptions.library import sources
from optimizer.optimum.solution import Status
from optimizer.report.text import reach


def page() -> None:
    """The whole page."""
    asked = question()
    st.title("Where the numbers come from")
    best = answer(asked.scenario)
    if best.status is not Status.OPTIMAL:
        show.problems([best.message])
    elif best.extrapolation.outside:
        st.warning(escaped(reach(best.extrapolation)))
    else:
        st.info(escaped(reach(best.extrapolation)))
    found = sources(asked.scenario)
    kinds = sorted({str(kind) for kind in found["kind"]})
    picked = st.multiselect("Kinds of source", kinds, default=kinds, key="source_kinds")
    kept = found.drop(index=[i for i, kind in enumerate(found["kind"]) if kind not in picked])
    guessed = list(found["kind"]).count("assumption")
    st.caption(f"{len(found)} numbers are in use; {guessed} of them are assumptions that nobody names a source for.")
    show.table(kept, "Every number of the scenario with its source")
    show.download(found, "sources", asked.scenario)


if __name__ == "__main__":
    page()
