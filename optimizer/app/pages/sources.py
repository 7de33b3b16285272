"""Page: every number in use with its source, and how far the answer lies outside what its law was fitted on."""

import streamlit as st

from optimizer.app import show
from optimizer.app.controls import escaped
from optimizer.app.state import question
from optimizer.assumptions.library import sources
from optimizer.optimum.solution import Solution


def _reach(best: Solution) -> None:
    tell = st.warning if best.extrapolation.outside else st.info
    tell(escaped(best.extrapolation.sentence))


def page() -> None:
    """The whole page."""
    asked = question()
    st.title("Where the numbers come from")
    show.answered(asked, _reach)
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
