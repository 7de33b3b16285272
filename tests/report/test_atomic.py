"""A file appears whole or not at all."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from optimizer import (
    export,
    read_table,
)
from optimizer.report.files.agreement import agreement

from ..counts import cases, thorough

pytestmark = pytest.mark.usefixtures("day")


def test_a_link_stays_a_link_and_rights_are_kept(table, tmp_path):
    target, link = tmp_path / "real.csv", tmp_path / "link.csv"
    target.write_text("old")
    target.chmod(0o640)
    link.symlink_to(target)
    export(table, link)
    assert link.is_symlink()
    assert target.stat().st_mode & 0o777 == 0o640
    pd.testing.assert_frame_equal(read_table(target), table, check_exact=True)


KILLED = """
import sys
from optimizer import load, export, size_table
a, b = (size_table(load("lecture-2026"), {"law": ["besiroglu"], "traffic.output_tokens": [t]}) for t in ("1T", "2T"))
while True:
    for table in (a, b):
        export(table, sys.argv[1])
        print("written", flush=True)
"""


def test_a_killed_run_leaves_the_old_file_or_the_new_one(tmp_path):
    path, rng = tmp_path / "t.csv", random.Random(1)
    for _ in range(cases(1, 3)):
        child = subprocess.Popen([sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE)
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(rng.uniform(0, 0.1))
        child.send_signal(signal.SIGKILL)
        child.communicate()
        found = agreement(path)
        assert found.agrees, found.sentences


FULL = """
import resource, sys, signal
from optimizer import load, export, size_table, InputError

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
table = size_table(load("lecture-2026"), {"law": ["besiroglu"]})
if len(sys.argv) > 2:
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    export(table, sys.argv[1])
except InputError as error:
    print(error)
"""


def test_a_file_that_may_not_grow_leaves_the_old_one(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("old")
    done = subprocess.run([sys.executable, "-c", FULL, str(path), "limit"], capture_output=True, text=True, check=True)
    assert "t.csv cannot be written (File too large); nothing was changed there" in done.stdout
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def mounted(folder: Path, size: str) -> bool:
    return os.geteuid() == 0 and not subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True, check=False
    ).returncode  # fmt: skip


@thorough
def test_a_full_disk_leaves_the_old_file(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if not mounted(disk, "8k"):
        pytest.skip("no small disk can be mounted here; the limit on file sizes is tested above")
    try:
        path = disk / "t.html"
        path.write_text("old")
        (disk / "filler").write_bytes(b"x" * 4096)
        done = subprocess.run([sys.executable, "-c", FULL, str(path)], capture_output=True, text=True, check=True)
        assert "t.html cannot be written (No space left on device); nothing was changed there" in done.stdout
        assert path.read_text() == "old"
        assert sorted(p.name for p in disk.iterdir()) == ["filler", "t.html"]
    finally:
        subprocess.run(["umount", str(disk)], check=True)
