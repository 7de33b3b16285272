"""Input of the tests on sweeps, and the folder that an undisturbed sweep of it writes."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from optimizer.cli import main

ROWS, GROUP = 480, 4


EPOCH = "1780000000"


def draws(count: int, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "traffic.output_tokens": 10 ** rng.uniform(11, 17, count),
            "law.beta": rng.uniform(0.25, 0.5, count),
            "law": np.where(np.arange(count) % 3, "besiroglu", "hoffmann"),
        }
    )


@pytest.fixture(scope="session")
def source(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("in") / "scenarios.parquet"
    draws(ROWS).to_parquet(path, row_group_size=GROUP, index=False)
    return path


@pytest.fixture(scope="module")
def one_day():
    os.environ["SOURCE_DATE_EPOCH"] = EPOCH
    yield
    del os.environ["SOURCE_DATE_EPOCH"]


@pytest.fixture(scope="session")
def undisturbed(source, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("out") / "undisturbed"
    subprocess.run(
        command(source, out), check=True, capture_output=True, env={**os.environ, "SOURCE_DATE_EPOCH": EPOCH}
    )  # a process of its own: quicker without the checks of types
    return out


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".lock")}


def command(source: Path, out: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "optimizer.cli", "sweep", "--in", str(source), "--out", str(out), *more]


def run(*arguments: str, status: int = 0) -> tuple[str, str]:
    done = CliRunner().invoke(main, ["sweep", *arguments])
    assert done.exit_code == status, done.output + repr(done.exception)
    return done.stdout, done.stderr
