"""The wheel: built, installed with its own dependencies in a clean environment, run outside the checkout."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from .counts import THOROUGH

ROOT = Path(__file__).parents[1]


def run(*command: object, cwd: Path) -> str:
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, cwd=cwd, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    isolated = [] if THOROUGH else ["--no-isolation"]
    run(sys.executable, "-m", "build", *isolated, "--outdir", out, ROOT, cwd=out)
    assert list(out.glob("*.tar.gz"))
    (built,) = out.glob("*.whl")
    return built


def test_the_wheel_holds_the_package_and_its_data(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    assert "optimizer/solve.py" not in names
    assert {
        "optimizer/optimum/solve.py",
        "optimizer/py.typed",
        "optimizer/_data/laws.csv",
        "optimizer/_data/scenarios/lecture-2026.toml",
    } <= names
    assert not [n for n in names if n.startswith(("tests", "data/"))]


def test_the_wheel_runs_in_a_clean_environment(wheel, tmp_path):
    """With dependencies of its own in the thorough run; otherwise with those of this environment, which takes seconds."""
    run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "env", cwd=tmp_path)
    python, command = tmp_path / "env" / "bin" / "python", tmp_path / "env" / "bin" / "overtrain"
    if not THOROUGH:
        packages = Path(run(python, "-c", "import site; print(site.getsitepackages()[0])", cwd=tmp_path).strip())
        (packages / "shared.pth").write_text(f"{Path(pytest.__file__).parents[1]}\n")
    alone = [] if THOROUGH else ["--no-deps"]
    pip = (sys.executable, "-m", "pip", "--python", python, "--quiet", "--disable-pip-version-check")
    run(*pip, "install", *alone, wheel, cwd=tmp_path)
    assert "site-packages" in run(python, "-c", "import optimizer; print(optimizer.__file__)", cwd=tmp_path)
    answer = json.loads(run(command, "solve", "--json", cwd=tmp_path))
    assert answer["status"] == "optimal"
    assert f"{answer['design']['n_params']:.3g}" == "1.11e+11"
    assert "lecture-2026" in run(command, "presets", cwd=tmp_path)
    assert run(command, "--version", cwd=tmp_path).strip() == answer["version"]
