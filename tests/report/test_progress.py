import io

import pytest
from rich.console import Console

from optimizer import draws, load
from optimizer.report.progress import progress


def test_a_bar_is_drawn_where_somebody_watches():
    screen = io.StringIO()
    watched = Console(file=screen, force_terminal=True, width=80)
    assert list(progress("counting", console=watched)([1, 2, 3])) == [1, 2, 3]
    assert "counting" in screen.getvalue()


def test_nothing_is_drawn_into_a_pipe_or_for_one_block():
    for console_of, blocks in ((False, [1, 2, 3]), (True, [1])):
        screen = io.StringIO()
        assert list(progress(console=Console(file=screen, force_terminal=console_of))(blocks)) == blocks
        assert "solving" not in screen.getvalue()


def test_long_work_is_the_same_with_a_bar():
    s, screen = load("lecture-2026"), io.StringIO()
    bar = progress("Monte Carlo", console=Console(file=screen, force_terminal=True, width=80))
    assert draws(s, 9000, progress=bar).equals(draws(s, 9000))
    assert "Monte Carlo" in screen.getvalue()


def test_an_interruption_ends_the_bar():
    screen = io.StringIO()
    blocks = progress(console=Console(file=screen, force_terminal=True, width=80))([1, 2, 3])
    assert next(blocks) == 1
    with pytest.raises(KeyboardInterrupt):
        blocks.throw(KeyboardInterrupt)
    assert list(blocks) == []
    assert screen.getvalue().rstrip().endswith("\x1b[2K")  # the line of the bar is wiped
