"""How is long work done? Beside the page, so that every press is answered, with a bar and a button that stops it and loses nothing."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from typing import Any, TypeVar

import streamlit as st

from ..analysis.blocks import Progress
from ..assumptions.scenario import Scenario

__all__ = ["beside", "kept", "waiting", "worked"]

T = TypeVar("T")
MOST_KEPT = 100
PERIOD = 0.1
"""seconds between two looks at how far the work is"""
SHORT = 0.3
"""seconds of work that are not worth a bar"""
_GREY = "<span></span><style>[data-testid=stApp] [data-stale=true] {opacity: 0.4 !important}</style>"
"""Without the span Streamlit would take it for a style of the page, which stays."""

kept: dict[tuple[str, str], Any] = {}
"""What was worked out on this server, by scenario and name."""


class _AbandonedError(Exception):
    """Nobody waits for this work any more."""


def beside(work: Callable[[Progress], T], tell: Progress) -> T:
    """What `work` gives, worked out in a thread of its own while this one tells how far it is.

    A press ends this run of the page where it next tells Streamlit something: at once, even while JAX compiles, which nothing can
    interrupt. Work that nobody waits for any more ends where it next reports.

    Args:
        work: takes what it is to call with (parts done, parts in all).
        tell: called here with the same, some times a second, once the work is not short.

    """
    far, left, found = (0, 1), threading.Event(), Future[T]()

    def heard(done: int, total: int) -> None:
        nonlocal far
        if left.is_set():
            raise _AbandonedError
        far = (done, total)

    def run() -> None:
        try:
            found.set_result(work(heard))
        except BaseException as error:  # raised again where the result is asked for
            found.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    try:
        wait([found], SHORT)
        while not found.done():
            tell(*far)
            wait([found], PERIOD)
        return found.result()
    finally:
        left.set()


@contextmanager
def waiting(text: str) -> Iterator[Progress]:
    """For `beside`: a spinner, and what the page showed before in grey."""
    place = st.empty()
    place.html(_GREY)
    with st.spinner(text):
        yield lambda _done, _total: place.html(_GREY)
    place.empty()


def worked(s: Scenario | None, name: str, work: Callable[[Progress], T], *, ask: bool = False) -> T:
    """The result of an analysis of a scenario. The page ends here while nobody has asked for it, and where it was stopped.

    Args:
        s: the scenario, if the analysis is of one.
        name: of the analysis, different for different settings.
        work: what makes the result; it takes what it is to call with (parts done, parts in all).
        ask: whether it starts with a button only.

    """
    key = (s.to_toml() if s else "", name)
    if key not in kept:
        place = st.empty()
        if ask or st.session_state.get("stopped") == key:
            with place.container():
                if not st.button("Calculate", key=f"start.{name}", help="solves many optima"):
                    st.info(
                        "This solves many optima, which takes from some seconds to some minutes; it can be stopped."
                    )
                    st.stop()
        st.session_state.pop("stopped", None)
        place.empty()
        bar = None

        def tell(done: int, total: int) -> None:
            nonlocal bar
            if bar is None:
                box = place.container()
                bar = box.progress(0.0)
                box.button("Stop", key=f"stop.{name}", on_click=_stop, args=(key,), help="what was there before stays")
            bar.progress(done / max(total, 1), f"Solving ... {done:,} of {total:,}" if total > 1 else "Solving ...")

        kept[key] = beside(work, tell)
        while len(kept) > MOST_KEPT:
            kept.pop(next(iter(kept)), None)
        place.empty()
    return kept[key]


def _stop(key: tuple[str, str]) -> None:
    """Ask before this analysis is begun again."""
    st.session_state["stopped"] = key
