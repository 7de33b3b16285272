"""Long work: its result and its errors arrive, an interaction ends the wait at once, and abandoned work ends."""

import threading

import pytest

from optimizer import load, tornado
from optimizer.app.work import in_thread


class PressedError(Exception):
    """As Streamlit ends a run of the page when somebody presses something."""


def press(_done, _total):
    raise PressedError


def test_the_result_arrives_and_the_page_gets_its_progress():
    reports, go = [], threading.Event()

    def work(report):
        report(1, 4)
        go.wait()
        return "done"

    def report(done, total):
        reports.append((done, total))
        go.set()

    assert in_thread(work, report) == "done"
    assert reports[0] == (1, 4)


def test_short_work_reports_nothing():
    assert in_thread(lambda _: 7, press) == 7


def test_an_error_arrives_as_itself():
    def work(_tell):
        raise ValueError("limits.max_params")

    with pytest.raises(ValueError, match=r"limits\.max_params"):
        in_thread(work, press)


def test_a_press_is_answered_while_the_work_goes_on_and_the_work_ends_where_it_next_reports():
    go, ended = threading.Event(), threading.Event()
    reached = []

    def work(report):
        go.wait()  # as a compilation, which nothing interrupts
        try:
            report(1, 2)
            reached.append("the second part")
        finally:
            ended.set()

    with pytest.raises(PressedError):
        in_thread(work, press)
    assert not ended.is_set()
    go.set()
    assert ended.wait(60)
    assert not reached


def test_an_analysis_reports_its_progress(lecture):
    reports = []
    found = in_thread(
        lambda report: tornado(lecture, progress=lambda *at: (reports.append(at), report(*at))), lambda *_: None
    )
    assert reports[0][0] == 0
    assert reports[-1][0] == reports[-1][1] > 1
    assert found.equals(tornado(load("lecture-2026")))


def test_an_abandoned_analysis_ends(lecture):
    asked, ended, reached = threading.Event(), threading.Event(), []

    def work(report):
        asked.wait()
        try:
            tornado(lecture, progress=lambda *at: (report(*at), reached.append(at)))
        finally:
            ended.set()

    with pytest.raises(PressedError):
        in_thread(work, press)
    asked.set()
    assert ended.wait(60)
    assert not reached
