"""The house: imports point one way, the pure rooms need nothing that draws or prints, help needs no JAX."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ["assumptions", "model", "optimum", "evidence", "report", "app", "cli"]
PURE = ["assumptions", "model", "optimum"]
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
    assert "report" in imported_rooms(ROOT / "optimizer" / "cli.py")


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
    body = "import sys\nfrom optimizer.cli import app\ntry: app(['--help'])\nexcept SystemExit: pass\nassert 'jax' not in sys.modules"
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
