"""Long work: its result and its errors arrive, a press leaves it at once, and what nobody waits for ends."""

import threading

import pytest

from optimizer import load, tornado
from optimizer.app.work import beside


class PressedError(Exception):
    """As Streamlit ends a run of the page when somebody presses something."""


def press(_done, _total):
    raise PressedError


def test_the_result_arrives_and_the_page_hears_how_far_the_work_is():
    heard, go = [], threading.Event()

    def work(tell):
        tell(1, 4)
        go.wait()
        return "done"

    def tell(done, total):
        heard.append((done, total))
        go.set()

    assert beside(work, tell) == "done"
    assert heard[0] == (1, 4)


def test_short_work_tells_nothing():
    assert beside(lambda _: 7, press) == 7


def test_an_error_arrives_as_itself():
    def work(_tell):
        raise ValueError("limits.max_params")

    with pytest.raises(ValueError, match=r"limits\.max_params"):
        beside(work, press)


def test_a_press_is_answered_while_the_work_goes_on_and_the_work_ends_where_it_next_reports():
    go, ended = threading.Event(), threading.Event()
    reached = []

    def work(tell):
        go.wait()  # as a compilation, which nothing interrupts
        try:
            tell(1, 2)
            reached.append("the second part")
        finally:
            ended.set()

    with pytest.raises(PressedError):
        beside(work, press)
    assert not ended.is_set()
    go.set()
    assert ended.wait(60)
    assert not reached


def test_an_analysis_takes_what_the_page_hears_with(lecture):
    heard = []
    found = beside(lambda tell: tornado(lecture, progress=lambda *at: (heard.append(at), tell(*at))), lambda *_: None)
    assert heard[0][0] == 0
    assert heard[-1][0] == heard[-1][1] > 1
    assert found.equals(tornado(load("lecture-2026")))


def test_an_analysis_that_nobody_waits_for_ends(lecture):
    asked, ended, reached = threading.Event(), threading.Event(), []

    def work(tell):
        asked.wait()
        try:
            tornado(lecture, progress=lambda *at: (tell(*at), reached.append(at)))
        finally:
            ended.set()

    with pytest.raises(PressedError):
        beside(work, press)
    asked.set()
    assert ended.wait(60)
    assert not reached
