"""One protocol for long work, `progress(done, total)`, and one bar that follows it."""

import inspect
import io

import nbformat
import pandas as pd
import pytest
from nbclient import NotebookClient
from rich.console import Console

import optimizer
from optimizer import (
    draws,
    ensemble,
    fit,
    frontier,
    inverse_table,
    monte_carlo,
    regret,
    size_table,
    sobol,
    sweep_parquet,
    tornado,
)
from optimizer.analysis import blocks
from optimizer.analysis.why import every_law
from optimizer.evidence.runs import example_runs
from optimizer.report.terminal import progress

OVER = {"law": None, "rl": None, "serving": None, "pretraining": None, "money": None}


def parquet_sweep(s, folder, heard):
    pd.DataFrame({"traffic.output_tokens": [1e13, 2e13, 3e13]}).to_parquet(folder / "in.parquet", row_group_size=1)
    return sweep_parquet(s, folder / "in.parquet", folder / "out", progress=heard)


WORK = {
    "draws": lambda s, _, heard: draws(s, 40, progress=heard),
    "ensemble": lambda s, _, heard: ensemble(s, progress=heard),
    "every_law": lambda s, _, heard: every_law(s, heard),
    "fit": lambda s, _, heard: fit(example_runs()["sardana"], bootstrap=16, progress=heard),
    "frontier": lambda s, _, heard: frontier(s, [1.8, 1.9], progress=heard),
    "inverse_table": lambda s, _, heard: inverse_table(s, ["8B"], {"law": ["besiroglu", "hoffmann"]}, progress=heard),
    "monte_carlo": lambda s, _, heard: monte_carlo(s, 40, progress=heard),
    "regret": lambda s, _, heard: regret(s, ["20T"], ["20T", "200T"], progress=heard),
    "size_table": lambda s, _, heard: size_table(s, {"law": ["besiroglu", "hoffmann"]}, progress=heard),
    "sobol": lambda s, _, heard: sobol(
        s, ["n_params"], 8, over={k: v for k, v in OVER.items() if k != "law"}, progress=heard
    ),
    "sweep_parquet": parquet_sweep,
    "tornado": lambda s, _, heard: tornado(s, over=OVER, progress=heard),
}


def bar_on(screen: io.StringIO, about: str = "solving", **how: object):
    return progress(about, console=Console(file=screen, width=100, **({"force_terminal": True} | how)))


def test_every_function_that_takes_progress_is_asked_below():
    public = {n for n in optimizer.__all__ if callable(f := getattr(optimizer, n)) and not inspect.isclass(f)}
    takes = {n for n in public if "progress" in inspect.signature(getattr(optimizer, n)).parameters}
    assert takes | {"every_law"} == WORK.keys()


@pytest.mark.parametrize("name", WORK)
def test_reports_count_from_nothing_to_everything(name, lecture, tmp_path, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK_ROWS", 16)
    heard: list[tuple[int, int]] = []
    WORK[name](lecture, tmp_path, lambda done, total: heard.append((done, total)))
    done, totals = zip(*heard, strict=True)
    assert done[0] == 0
    assert len(set(done)) > 1
    assert list(done) == sorted(done)
    assert list(totals) == sorted(totals)
    assert done[-1] == totals[-1]


@pytest.mark.parametrize("name", WORK)
def test_what_progress_raises_ends_the_work(name, lecture, tmp_path):
    class StoppedError(Exception):
        pass

    heard = []

    def stop(done, total):
        heard.append(done)
        raise StoppedError

    with pytest.raises(StoppedError):
        WORK[name](lecture, tmp_path, stop)
    assert heard == [0]


def test_the_reports_end_between_blocks(lecture, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK_ROWS", 16)
    heard = []

    def interrupted(done, total):
        heard.append((done, total))
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        draws(lecture, 40, parts=["law"], progress=interrupted)
    assert heard == [(0, 40), (16, 40)]


@pytest.mark.parametrize("name", WORK)
def test_the_bar_is_taken_by_every_function(name, lecture, tmp_path):
    screen = io.StringIO()
    WORK[name](lecture, tmp_path, bar_on(screen, f"work of {name}"))
    assert f"work of {name}" in screen.getvalue()
    assert screen.getvalue().endswith("\x1b[1A\x1b[2K")  # the line of the bar is wiped


def test_a_bar_counts():
    screen = io.StringIO()
    bar = bar_on(screen, "[counting]")
    bar(0, 3)
    assert "[counting]" in screen.getvalue()
    assert "0/3" in screen.getvalue()


def test_nothing_is_drawn_into_a_pipe_or_for_one_part_or_for_none():
    for how, total in (({"force_terminal": False}, 3), ({}, 1), ({}, 0)):
        screen = io.StringIO()
        bar = bar_on(screen, **how)
        for done in range(total + 1):
            bar(done, total)
        assert screen.getvalue() == ""


def test_an_interruption_leaves_a_whole_line_and_the_terminal_as_it_was():
    screen = io.StringIO()
    bar_on(screen)(0, 3)
    assert screen.getvalue().endswith("\n")
    assert "\x1b[?25l" not in screen.getvalue()  # the cursor is never hidden


def test_a_bar_serves_again():
    screen = io.StringIO()
    bar = bar_on(screen, "twice")
    for _ in range(2):
        bar(0, 2)
        bar(2, 2)
    assert screen.getvalue().count("twice") == 2


def test_a_bar_is_drawn_in_a_notebook():
    start = "from optimizer.report.terminal import progress\nbar = progress('<counting>')\nbar(0, 3)"
    both = "bar = progress('<counting>')\nbar(0, 3)\nbar(3, 3)"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in (start, both)])
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    begun, ended = ([o for o in cell.outputs if o.output_type == "display_data"] for cell in notebook.cells)
    assert len(begun) == len(ended) == 1
    assert "&lt;counting&gt;" in begun[0].data["text/html"]
    assert "0/3" in begun[0].data["text/html"]
    assert ended[0].data["text/html"] == ""
    assert not [o for cell in notebook.cells for o in cell.outputs if o.output_type == "stream" and "Warning" in o.text]
