"""How is long work done? At once where it is quick, else on a button, with a bar and a button that stops it and loses nothing."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import streamlit as st

from ..assumptions.scenario import Scenario
from ..optimum.base import in_base_class
from ..optimum.blocks import Progress

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["waiting", "worked"]

MOST_KEPT = 20
_GREY = "<span></span><style>[data-testid=stApp] [data-stale=true] {opacity: 0.4 !important}</style>"
"""Without the span Streamlit would take it for a style of the page, which stays."""


@contextmanager
def waiting(text: str) -> Iterator[None]:
    """Work of some seconds that nobody can foresee: it says so, with what the page showed before in grey."""
    place = st.empty()
    place.html(_GREY)
    with st.spinner(text):
        yield
    place.empty()


def worked(
    s: Scenario,
    name: str,
    work: Callable[[Progress], "pd.DataFrame"],
    *,
    always_ask: bool = False,
) -> "pd.DataFrame | None":
    """The frame of an analysis of a scenario; None while nobody has asked for it.

    Args:
        s: the scenario.
        name: of the analysis, different for different settings.
        work: what makes the frame.
        always_ask: whether a button comes first even for a scenario whose optima are quick.

    """
    key = (s.to_toml(), name)
    kept = st.session_state.setdefault("analyses", {})
    if key not in kept:
        slow, place = not in_base_class(s), st.empty()
        if slow or always_ask or st.session_state.get("stopped") == key:
            with place.container():
                started = st.button("Calculate", key=f"start.{name}", help="solves many optima")
                if not started:
                    st.info("This takes a while for this scenario." if slow else "This takes some seconds.")
                    return None
        st.session_state.pop("stopped", None)
        box = place.container()
        bar = box.progress(0.0, "Solving ...")
        # Any press runs the page anew, which ends this run where it next says how far it is.
        box.button("Stop", key=f"stop.{name}", on_click=_stop, args=(key,), help="what was there before stays")

        def progress(blocks: Sequence[Any]) -> Iterable[Any]:
            for done, block in enumerate(blocks):
                bar.progress(done / len(blocks), f"Solving ... {done} of {len(blocks)} parts")
                yield block

        kept[key] = work(progress)
        while len(kept) > MOST_KEPT:
            kept.pop(next(iter(kept)))
        place.empty()
    return kept[key]


def _stop(key: tuple[str, str]) -> None:
    """Ask before this analysis is begun again."""
    st.session_state["stopped"] = key
