"""Notebooks run from top to bottom, with the public API only, and are stored without outputs."""

import ast
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

import optimizer

from .counts import thorough

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
CHARTS_AND_BARS = {"optimizer.report", "optimizer.report.terminal"}


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def code(path: Path) -> list[str]:
    return [cell.source for cell in read(path).cells if cell.cell_type == "code"]


def test_there_are_notebooks():
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_outputs_are_stripped(path):
    for cell in read(path).cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_the_public_api_only_and_no_definitions(path):
    tree = ast.parse("\n".join(code(path)))
    assert not [n for n in ast.walk(tree) if isinstance(n, (ast.FunctionDef, ast.Lambda, ast.ClassDef))]
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("optimizer"):
            names = {alias.name for alias in node.names}
            assert node.module in CHARTS_AND_BARS or names <= set(optimizer.__all__), names


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_every_section_ends_with_numbers(path):
    cells = read(path).cells
    heads = [i for i, cell in enumerate(cells) if cell.cell_type == "markdown" and cell.source.startswith("## ")]
    assert len(heads) >= 5
    for begin, end in zip(heads, [*heads[1:], len(cells)], strict=True):
        last = cells[end - 1]
        assert last.cell_type == "code", cells[begin].source
        assert not last.source.splitlines()[-1].startswith("chart."), cells[begin].source


@pytest.fixture(scope="module", params=NOTEBOOKS, ids=lambda p: p.stem)
def executed(request) -> list[nbformat.NotebookNode]:
    notebook = read(request.param)
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(ROOT)}}).execute()
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@thorough
def test_it_runs_and_nothing_complains(executed):
    streams = [o.text for cell in executed for o in cell.outputs if o.output_type == "stream"]
    assert not [text for text in streams if "Warning" in text], streams


# What must agree at the end of a section, and how closely: a chord for a slope and 20,000 draws are not exact.
AGREE = {
    ("elasticity", "share"): 1e-9,
    ("slope", "closed form"): 1e-3,
    ("solved", "closed form"): 1e-9,
    ("simulated", "first order"): 0.05,
    ("plan of least expected cost", "mean of the futures"): 1e-12,
}


@thorough
def test_the_numbers_at_the_end_of_sections_agree(executed):
    shown = {}
    for cell in executed:
        for output in cell.outputs:
            if output.output_type == "execute_result" and output.data["text/plain"].startswith("{"):
                numbers = ast.literal_eval(output.data["text/plain"])
                shown[tuple(numbers)] = tuple(numbers.values())
    for keys, tolerance in AGREE.items():
        ours, theirs = shown[keys]
        assert ours == pytest.approx(theirs, rel=tolerance), keys
