"""Long work in a thread, so that the page stays responsive, with a progress bar and a button that stops it."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from typing import Any, TypeVar

import streamlit as st

from ..analysis.blocks import Progress
from ..assumptions.scenario import Scenario

__all__ = ["in_thread", "kept", "waiting", "worked"]

T = TypeVar("T")
MOST_KEPT = 100
PERIOD = 0.1
"""seconds between two updates of the progress bar"""
SHORT = 0.3
"""seconds; shorter work shows no bar"""
_GREY = "<span></span><style>[data-testid=stApp] [data-stale=true] {opacity: 0.4 !important}</style>"
"""Without the span Streamlit would treat it as a style of the page and keep it."""

kept: dict[tuple[str, str], Any] = {}
"""Results of this server, by scenario and name."""


class _AbandonedError(Exception):
    """The page that waited for this work has ended."""


def in_thread(work: Callable[[Progress], T], progress: Progress) -> T:
    """The result of `work`, computed in a thread while this one shows its progress.

    When the user changes something, Streamlit ends this run of the page at its next call of Streamlit: at once, even while JAX compiles,
    which cannot be interrupted. The work then ends at its next report.

    Args:
        work: takes a function to call with (parts done, parts in all).
        progress: called in this thread with the latest of these, a few times a second, once the work has taken longer than `SHORT`.

    """
    far, left, found = (0, 1), threading.Event(), Future[T]()

    def report(done: int, total: int) -> None:
        nonlocal far
        if left.is_set():
            raise _AbandonedError
        far = (done, total)

    def run() -> None:
        try:
            found.set_result(work(report))
        except BaseException as error:  # raised again where the result is asked for
            found.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    try:
        wait([found], SHORT)
        while not found.done():
            progress(*far)
            wait([found], PERIOD)
        return found.result()
    finally:
        left.set()


@contextmanager
def waiting(text: str) -> Iterator[Progress]:
    """Progress for `in_thread`: a spinner, and the previous content of the page in grey."""
    place = st.empty()
    place.html(_GREY)
    with st.spinner(text):
        yield lambda _done, _total: place.html(_GREY)
    place.empty()


def worked(s: Scenario | None, name: str, work: Callable[[Progress], T], *, ask: bool = False) -> T:
    """The result of an analysis of a scenario. Where a button starts it, or after a stop, the page ends here until it is pressed.

    Args:
        s: the scenario, if the analysis is of one.
        name: of the analysis, different for different settings.
        work: computes the result; takes a function to call with (parts done, parts in all).
        ask: whether a button starts it.

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

        def progress(done: int, total: int) -> None:
            nonlocal bar
            if bar is None:
                box = place.container()
                bar = box.progress(0.0)
                box.button("Stop", key=f"stop.{name}", on_click=_stop, args=(key,), help="earlier results are kept")
            bar.progress(done / max(total, 1), f"Solving ... {done:,} of {total:,}" if total > 1 else "Solving ...")

        kept[key] = in_thread(work, progress)
        while len(kept) > MOST_KEPT:
            kept.pop(next(iter(kept)), None)
        place.empty()
    return kept[key]


def _stop(key: tuple[str, str]) -> None:
    """Start this analysis again only when a button is pressed."""
    st.session_state["stopped"] = key
