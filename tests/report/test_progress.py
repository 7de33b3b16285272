import io

import nbformat
import pytest
from nbclient import NotebookClient
from rich.console import Console

from optimizer import draws, load
from optimizer.optimum.blocks import BLOCK_ROWS
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
    assert draws(s, BLOCK_ROWS + 1, progress=bar).equals(draws(s, BLOCK_ROWS + 1))
    assert "Monte Carlo" in screen.getvalue()


def test_an_interruption_ends_the_bar():
    screen = io.StringIO()
    blocks = progress(console=Console(file=screen, force_terminal=True, width=80))([1, 2, 3])
    assert next(blocks) == 1
    with pytest.raises(KeyboardInterrupt):
        blocks.throw(KeyboardInterrupt)
    assert list(blocks) == []
    assert screen.getvalue().rstrip().endswith("\x1b[2K")  # the line of the bar is wiped


def test_a_bar_is_drawn_in_a_notebook():
    code = "from optimizer.report.progress import progress\nlist(progress('counting')([1, 2, 3]))"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    client = NotebookClient(notebook, timeout=120, kernel_name="python3")
    client.execute()
    bars = [o for o in notebook.cells[0].outputs if o.output_type == "display_data"]
    assert bars, notebook.cells[0].outputs
    assert not [o for o in notebook.cells[0].outputs if o.output_type == "stream" and "Warning" in o.text]
    drawn = [state for state in client.widget_state.values() if state.get("_model_name") == "OutputModel"]
    assert "counting" in str(drawn)
    assert "100 %" in str(drawn)
