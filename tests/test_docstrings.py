"""Formulas at the start of a docstring keep the case of their symbols: l is the reducible loss, L the loss."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

CAPITALS = {"A", "B", "C", "D", "E", "G", "K", "N", "Q", "R", "T"}
"""Symbols that are capital letters wherever they stand; L is one of them as the loss or as the number of layers only."""

MISCASED = re.compile(r"(Ln|Exp|Log|Softplus)\b|D ln\b|K N D\b|L\b(?!\(N|\b = E|\b = layers)|[A-Z][a-z]+\^")


def docstrings() -> list[tuple[str, str, set[str]]]:
    """Where it stands, its text and the arguments of its function, for every docstring of the package."""
    found = []
    for path in sorted((ROOT / "optimizer").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and (text := ast.get_docstring(node)):
                arguments = {a.arg for a in node.args.args} if isinstance(node, ast.FunctionDef) else set()
                found.append((f"{path.name} {getattr(node, 'name', '')}", text, arguments))
    return found


def miscased(text: str, arguments: set[str]) -> bool:
    first = re.match(r"[A-Za-z]*", text)[0]
    alone = len(first) == 1 and first.isupper() and not re.match(r"A [a-z]{2,}|A [A-Z][a-z]", text)
    lowered = len(first) == 1 and first.lower() in arguments and first not in arguments
    return bool(MISCASED.match(text)) or lowered or (alone and first not in CAPITALS | {"L"})


@pytest.mark.parametrize(
    ("text", "arguments", "wrong"),
    [
        ("L = A N^-alpha: the loss above E", {"n"}, True),
        ("l = A N^-alpha: the loss above E", {"n"}, False),
        ("L = E + l (nat/token).", set(), False),
        ("L(N, D) = E + A N^-alpha", set(), False),
        ("Ln R that buys as much loss", set(), True),
        ("D ln(output) / d ln(assumption)", set(), True),
        ("D that leaves `left` of the loss", {"left"}, False),
        ("K N D: FLOPs", set(), True),
        ("S - s0 in 32 bits", set(), True),
        ("Z moved by Newton steps", {"z"}, True),
        ("Base^exponent for a base above 0", {"base"}, True),
        ("A law with a name", set(), False),
    ],
)
def test_the_check_distinguishes_symbols(text, arguments, wrong):
    assert miscased(text, arguments) == wrong


def test_no_docstring_has_the_case_of_its_first_symbol_changed():
    found = docstrings()
    assert len(found) > 300
    assert not [f"{where}: {text.splitlines()[0]}" for where, text, arguments in found if miscased(text, arguments)]


def test_the_linter_leaves_the_case_of_docstrings_alone():
    ignored = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]["ignore"]
    assert "D403" in ignored
