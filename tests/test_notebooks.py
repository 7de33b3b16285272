"""Notebooks run from top to bottom with the public API only, show today's numbers, and end with a decision."""

import ast
import itertools
import re
from pathlib import Path

import nbformat
import pytest

import optimizer
from docs.pages.notebooks import NOTEBOOKS, executed

from .counts import THOROUGH

MOST_BYTES = 200_000
"""Of an output: a notebook is read in a browser and kept in version control."""
QUICK = ("million",)
"""Notebooks that the quick run executes."""
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")

every = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def code(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def drawn(cell: nbformat.NotebookNode) -> str:
    """The HTML of a cell's outputs, which is what a browser shows of a table."""
    return "\n".join(o.data["text/html"] for o in cell.outputs if "text/html" in o.get("data", {}))


def said(cell: nbformat.NotebookNode) -> str:
    """The text of a cell's outputs."""
    return "\n".join(o.text if o.output_type == "stream" else o.data["text/plain"] for o in cell.outputs)


def test_there_are_notebooks():
    assert len(NOTEBOOKS) >= 5


@every
def test_outputs_are_kept_and_small(path):
    cells = code(read(path))
    for cell in cells[1:]:
        last = cell.source.splitlines()[-1]
        assert cell.outputs or last.endswith(";") or " = " in last, cell.source
    for output in (output for cell in cells for output in cell.outputs):
        assert output.output_type in ("execute_result", "display_data", "stream"), output
        assert all(len(str(content)) < MOST_BYTES for content in output.get("data", {}).values())
    assert "Warning" not in "\n".join(map(said, cells))


@every
def test_the_public_api_only_and_no_definitions(path):
    tree = ast.parse("\n".join(cell.source for cell in code(read(path))))
    assert not [n for n in ast.walk(tree) if isinstance(n, (ast.FunctionDef, ast.Lambda, ast.ClassDef))]
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("optimizer"):
            names = {alias.name for alias in node.names}
            assert node.module == "optimizer", node.module
            assert names <= set(optimizer.__all__), names


@every
def test_every_section_shows_numbers_and_the_last_decides(path):
    cells = read(path).cells
    heads = [i for i, cell in enumerate(cells) if cell.cell_type == "markdown" and cell.source.startswith("## ")]
    assert len(heads) >= 4
    for begin, end in itertools.pairwise(heads):
        assert any(c.isdigit() for cell in cells[begin + 1 : end] if cell.cell_type == "code" for c in said(cell)), (
            begin
        )
    assert cells[-1].source.startswith("## Decision\n")


@every
def test_tables_are_of_this_version(path):
    shown = "\n".join(map(drawn, code(read(path))))
    assert {*re.findall(r"overtrain (\d[\d.]*\d)", shown)} <= {optimizer.__version__}, (
        f"renew it: python -m docs.pages.notebooks {path.stem}"
    )


def agree(ours: str, stored: str) -> bool:
    """Whether two texts are the same but for the last digits of their numbers."""
    if NUMBER.sub("0", ours) != NUMBER.sub("0", stored):
        return False
    pairs = zip(map(float, NUMBER.findall(ours)), map(float, NUMBER.findall(stored)), strict=True)
    return all(one == pytest.approx(other, rel=1e-6) for one, other in pairs)


def test_another_number_does_not_agree():
    assert agree("{'N*': 111431641535.78836}", "{'N*': 111431641535.7}")
    assert not agree("{'N*': 111431641535.78836}", "{'N*': 111432641535.7}")
    assert not agree("{'N*': 1.0}", "{'D*': 1.0}")


# What must agree within a notebook, and how closely: a chord for a slope and a grid for an optimum are not exact.
AGREE = {
    "carries": {("elasticity", "share"): 1e-9},
    "forecast": {("plan of least expected cost", "mean of the futures"): 1e-12},
    "million": {
        ("d decode / d output tokens", "decode / output tokens"): 1e-12,
        ("exact", "by a second solve"): 5e-3,
        ("by elasticities", "by jax.jacrev"): 1e-6,
        ("cheapest of the grid", "solved"): 5e-3,
        ("row 123,456", "solved alone"): 1e-9,
    },
    "sardana": {("ours", "published"): 1e-9},
}


@pytest.mark.parametrize("name", AGREE)
def test_numbers_that_must_agree_do(name):
    (path,) = (path for path in NOTEBOOKS if path.stem == name)
    texts = [said(cell) for cell in code(read(path))]
    shown = {
        tuple(numbers)[:2]: tuple(numbers.values()) for t in texts if t[:1] == "{" and (numbers := ast.literal_eval(t))
    }
    for keys, tolerance in AGREE[name].items():
        ours, theirs = shown[keys][:2]
        assert ours == pytest.approx(theirs, rel=tolerance), keys


@pytest.mark.parametrize("path", [p for p in NOTEBOOKS if THOROUGH or p.stem in QUICK], ids=lambda p: p.stem)
def test_what_a_notebook_shows_is_what_is_computed_today(path):
    stored, today = code(read(path)), code(executed(path))
    for was, now in zip(stored, today, strict=True):
        assert agree(said(now), said(was)), f"{was.source}\nrenew it: python -m docs.pages.notebooks {path.stem}"
        assert agree(drawn(now), drawn(was)), was.source
        assert [sorted(o.get("data", {})) for o in now.outputs] == [sorted(o.get("data", {})) for o in was.outputs]
