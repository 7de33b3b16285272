"""Architecture: imports point one way, the pure rooms need nothing that draws or prints, help needs no JAX."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = [
    "assumptions",
    "compiling",
    "model",
    "optimum",
    "analysis",
    "evidence",
    "report",
    "parquet_sweep",
    "app",
    "cli",
]
PURE = ["assumptions", "compiling", "model", "optimum", "analysis", "evidence"]
BLOCKED = ["streamlit", "altair", "rich", "typer"]


def modules() -> list[Path]:
    return sorted((ROOT / "optimizer").rglob("*.py"))


def room_of(path: Path) -> str | None:
    parts = path.relative_to(ROOT / "optimizer").with_suffix("").parts
    return parts[0] if parts[0] in ROOMS else None


def imported_rooms(path: Path) -> set[str]:
    depth = len(path.relative_to(ROOT / "optimizer").parts)
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level == depth and node.module:
            found.add(node.module.split(".")[0])
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and (node.module or "").startswith("optimizer."):
            found.add(str(node.module).split(".")[1])
    return found & set(ROOMS)


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_a_room_imports_only_from_rooms_before_it(path):
    room = room_of(path)
    if room is None:
        return
    later = [r for r in imported_rooms(path) if ROOMS.index(r) > ROOMS.index(room)]
    assert not later, f"{path} reaches forward into {later}"


def test_the_import_check_sees_imports():
    assert "assumptions" in imported_rooms(ROOT / "optimizer" / "optimum" / "solve.py")
    assert "report" in imported_rooms(ROOT / "optimizer" / "cli" / "table.py")


def imports_within(path: Path) -> set[str]:
    """The modules of its own room that a module imports."""
    room = path.relative_to(ROOT / "optimizer").parts[0]
    package = (ROOT / "optimizer" / room).relative_to(ROOT).parts
    found = set[str]()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            here = path.relative_to(ROOT).parent.parts
            base = [*here[: len(here) - node.level + 1], *((node.module or "").split(".") if node.module else [])]
            if tuple(base[: len(package)]) == package:
                names = [".".join([*base, alias.name]) for alias in node.names]
                found |= {
                    n if (ROOT / Path(*n.split("."))).with_suffix(".py").exists() else ".".join(base) for n in names
                }
    return found


LATE = {("optimizer.assumptions.quantity", "optimizer.assumptions.validation"),
        ("optimizer.assumptions.quantity", "optimizer.assumptions.schema"),
        ("optimizer.assumptions.scenario", "optimizer.assumptions.page")}  # fmt: skip
"""Imports inside functions: what a block offers and another module implements for all blocks."""


def circle(graph: dict[str, set[str]]) -> list[str]:
    """Modules that import each other in a circle; an empty list where there is no circle."""
    for start in graph:
        ways = [[start]]
        seen = set[str]()
        while ways:
            way = ways.pop()
            for module in graph.get(way[-1], set()):
                if module == start:
                    return [*way, start]
                if module not in seen:
                    seen.add(module)
                    ways.append([*way, module])
    return []


def test_no_circle_inside_a_room():
    names = {
        path: ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in modules()
    }
    graph = {
        name: {m for m in imports_within(path) if (name, m) not in LATE}
        for path, name in names.items()
        if room_of(path)
    }
    assert len(graph) > 50
    assert not circle(graph)
    assert circle({**graph, "optimizer.optimum.program": {"optimizer.optimum.solve"}})  # the check can fail
    for late, module in LATE:
        assert module in imports_within(ROOT / Path(*late.split(".")).with_suffix(".py"))


def test_report_computes_nothing():
    for path in modules():
        if room_of(path) == "report":
            imported = {
                n.name.split(".")[0]
                for node in ast.walk(ast.parse(path.read_text()))
                if isinstance(node, ast.Import)
                for n in node.names
            }
            imported |= {
                str(n.module).split(".")[0]
                for n in ast.walk(ast.parse(path.read_text()))
                if isinstance(n, ast.ImportFrom) and not n.level
            }
            assert not imported & {"jax", "scipy"}, path


def run_blocked(body: str) -> subprocess.CompletedProcess[str]:
    block = f"import sys\nfor name in {BLOCKED}: sys.modules[name] = None\n"
    return subprocess.run([sys.executable, "-c", block + body], capture_output=True, text=True, cwd=ROOT, check=False)


def test_pure_rooms_import_without_anything_that_draws_or_prints():
    names = [".".join(p.relative_to(ROOT).with_suffix("").parts) for p in modules() if room_of(p) in PURE]
    assert len(names) > 10
    done = run_blocked("import importlib\n" + "".join(f"importlib.import_module({n!r})\n" for n in names))
    assert done.returncode == 0, done.stderr


def test_the_check_above_can_fail():
    assert run_blocked("import optimizer.report.text").returncode != 0


def test_pure_rooms_do_not_print():
    for path in modules():
        if room_of(path) in PURE:
            calls = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)]
            assert not [c for c in calls if isinstance(c.func, ast.Name) and c.func.id == "print"], path


def test_help_needs_no_jax():
    body = "import sys\nfrom optimizer.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass\nassert 'jax' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", body], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr


def test_the_public_page_names_what_exists():
    import optimizer

    for name in optimizer.__all__:
        assert getattr(optimizer, name) is not None
    assert set(optimizer.__all__) == {n for names in optimizer._HOMES.values() for n in names}
    with pytest.raises(AttributeError, match="no attribute 'slove'"):
        _ = optimizer.slove


def test_floats_have_64_bits():
    body = "import optimizer\nfrom optimizer import load\nload('lecture-2026')\nimport jax.numpy as jnp\nassert jnp.ones(1).dtype == 'float64'"
    assert subprocess.run([sys.executable, "-c", body], cwd=ROOT, check=False).returncode == 0


def test_what_is_tried_on_the_oldest_libraries_exists():
    for line in (ROOT / "tests" / "floors.txt").read_text().splitlines():
        file, _, name = line.partition("::")
        assert not name or f"\ndef {name}(" in (ROOT / file).read_text(), line
        assert (ROOT / file).exists(), line
