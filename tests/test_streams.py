"""The command as a process: what it reads from a pipe, and where nobody takes what it writes."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from optimizer import load


def overtrain(*arguments: str, **streams: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "optimizer.cli", *arguments]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | streams
    return subprocess.run(command, text=True, check=False, cwd=Path(__file__).parents[1], **streams)


def test_a_pipe_is_a_file():
    done = overtrain("solve", "/dev/stdin", "--json", input=load("on-device").to_toml())
    assert done.returncode == 0, done.stderr
    assert '"on-device"' in done.stdout


@pytest.mark.parametrize(("output", "status"), [("a pipe without a reader", 141), ("/dev/full", 74)])
def test_output_that_nobody_takes(output, status):
    if output.startswith("/"):
        out = os.open(output, os.O_WRONLY)
    else:
        reader, out = os.pipe()
        os.close(reader)
    done = overtrain("sources", "--table", "models", stdout=out)
    os.close(out)
    assert done.returncode == status
    assert "Traceback" not in done.stderr


def test_no_traceback(tmp_path):
    done = overtrain("solve", str(tmp_path))
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert "is a directory" in done.stderr
