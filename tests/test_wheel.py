"""The wheel: built, installed with its own dependencies in a clean environment, run outside the checkout."""

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

from .counts import THOROUGH

ROOT = Path(__file__).parents[1]


def run(*command: object, cwd: Path) -> str:
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, cwd=cwd, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel: with dependencies of its own in the thorough run, else with those of this one, which takes seconds."""
    path = tmp_path_factory.mktemp("fresh")
    run(sys.executable, "-m", "venv", "--without-pip", path / "env", cwd=path)
    python = path / "env" / "bin" / "python"
    if not THOROUGH:
        packages = Path(run(python, "-c", "import site; print(site.getsitepackages()[0])", cwd=path).strip())
        (packages / "shared.pth").write_text(f"{Path(pytest.__file__).parents[1]}\n")
    alone = [] if THOROUGH else ["--no-deps"]
    pip = (sys.executable, "-m", "pip", "--python", python, "--quiet", "--disable-pip-version-check")
    run(*pip, "install", *alone, wheel, cwd=path)
    return path / "env" / "bin"


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


def test_the_wheel_runs_in_a_clean_environment(environment, tmp_path):
    python, command = environment / "python", environment / "overtrain"
    assert "site-packages" in run(python, "-c", "import optimizer; print(optimizer.__file__)", cwd=tmp_path)
    answer = json.loads(run(command, "solve", "--json", cwd=tmp_path))
    assert answer["status"] == "optimal"
    assert f"{answer['design']['n_params']:.3g}" == "1.11e+11"
    assert "lecture-2026" in run(command, "presets", cwd=tmp_path)
    assert run(command, "--version", cwd=tmp_path).strip() == answer["version"]


def test_pypi_would_take_the_files(wheel):
    out = run(sys.executable, "-m", "twine", "check", "--strict", *wheel.parent.iterdir(), cwd=wheel.parent)
    assert out.count("PASSED") == 2
    (name,) = [n for n in zipfile.ZipFile(wheel).namelist() if n.endswith(".dist-info/METADATA")]
    about = message_from_bytes(zipfile.ZipFile(wheel).read(name))
    assert about["Name"] == "overtrain"
    assert about["Description-Content-Type"] == "text/markdown"
    assert about.get_payload().strip() == (ROOT / "README.md").read_text().strip()


def test_the_steps_of_the_container_file_host_the_app(environment, tmp_path):
    """Its command, in a fresh environment from an empty folder, answers for health and page below the base path; only the port is another."""
    text = (ROOT / "docs" / "howto" / "Containerfile").read_text()
    start = json.loads(text.split("\nCMD ")[-1])
    (health,) = re.findall(r"127\.0\.0\.1:8501(/\S+?)'", text)
    (base,) = re.findall(r"--server\.baseUrlPath=(\S+)", start[-1])
    assert health.startswith(f"/{base}/")
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    start[-1] = start[-1].replace("0.0.0.0", "127.0.0.1").replace("8501", str(port))
    where = os.environ | {
        "NO_PROXY": "*",
        "PATH": f"{environment}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(tmp_path),
    }
    server = subprocess.Popen(start, cwd=tmp_path, env=where, stdout=subprocess.DEVNULL)
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    address, status, page, end = f"http://127.0.0.1:{port}", None, "", time.monotonic() + 120
    try:
        while status is None and time.monotonic() < end and server.poll() is None:
            with contextlib.suppress(OSError):
                status = direct.open(address + health, timeout=5).status
            time.sleep(0.1)
        page = direct.open(f"{address}/{base}/", timeout=30).read().decode() if status else ""
    finally:
        server.terminate()
        server.wait(20)
    assert status == 200
    assert "<title>Streamlit</title>" in page
