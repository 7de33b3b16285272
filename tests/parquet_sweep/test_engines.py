"""Sweeps by several processes: killed and started again, slices, and a Dask cluster; the answers are the same bytes."""

import os
import random
import re
import signal
import subprocess
import threading
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from optimizer import InputError, sweep_parquet
from optimizer.parquet_sweep.folder import prepared
from optimizer.parquet_sweep.plan import plan as planned

from ..counts import cases, thorough
from .conftest import GROUP, ROWS, command, content, draws, run

pytestmark = pytest.mark.usefixtures("one_day")


def test_killed_ten_times_it_loses_and_repeats_nothing(source, undisturbed, tmp_path):
    out, rng = tmp_path / "out", random.Random(3)
    seen: dict[str, int] = {}
    for kill in range(cases(2, 10)):
        child = subprocess.Popen(command(source, out), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if kill:  # the first dies wherever it is, even before it has begun
            while child.poll() is None and len(list(out.glob("part-*"))) <= len(seen):
                time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.15))
        assert child.poll() is None, "a larger input is needed: it was done before it could be killed"
        child.send_signal(signal.SIGKILL)
        child.communicate()
        now = {path.name: path.stat().st_mtime_ns for path in out.glob("part-*.parquet")}
        assert seen.items() <= now.items(), "a part was lost or done again"
        assert len(now) > len(seen) or not kill
        seen = now
        for path in out.glob("part-*.parquet"):
            assert pq.read_metadata(path).num_rows == GROUP
    assert not (out / "_summary.json").exists()
    done = subprocess.run(command(source, out), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert content(out) == content(undisturbed)
    assert {path.name: path.stat().st_mtime_ns for path in out.glob("part-*")}.items() >= seen.items()


@thorough
@pytest.mark.filterwarnings("default")
def test_dask_with_a_worker_killed(source, undisturbed, tmp_path, lecture):
    from dask.dataframe import read_parquet
    from distributed import LocalCluster

    out = tmp_path / "out"
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        (victim, *_), killed = [worker.pid for worker in cluster.workers.values()], []

        def kill() -> None:
            while len(list(out.glob("part-*.parquet"))) < 20:
                time.sleep(0.002)
            os.kill(victim, signal.SIGKILL)
            killed.append(len(list(out.glob("part-*.parquet"))))

        thread = threading.Thread(target=kill)
        thread.start()
        found = sweep_parquet(lecture, source, out, engine="dask", scheduler=cluster.scheduler_address)
        thread.join()
    assert killed[0] < ROWS // GROUP, "it was done before the worker died"
    assert found.statuses == {"optimal": ROWS}
    assert {k: v for k, v in content(out).items() if "partial" not in k} == content(undisturbed)
    assert len(read_parquet(str(out))) == ROWS


def started(source: Path, out: Path, slices: list[str]) -> dict[str, subprocess.Popen[str]]:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return {i: subprocess.Popen(command(source, out, "--slice", i), **pipes) for i in slices}


def test_slices_at_once_and_one_of_them_killed_are_the_whole_sweep(source, undisturbed, tmp_path):
    out, count = tmp_path / "out", cases(2, 4)
    victim = f"2/{count}"
    children = started(source, out, [f"{i}/{count}" for i in range(1, count + 1)])
    mine = [out / f"part-{i:06d}.parquet" for i in range(1, ROWS // GROUP, count)]
    while children[victim].poll() is None and not mine[0].exists():
        time.sleep(0.001)
    children[victim].send_signal(signal.SIGKILL)
    children[victim].communicate()
    assert not all(part.exists() for part in mine), "a larger input is needed: it was done before it could be killed"
    left = out / ".part-000001.parquet.abc.partial"
    left.write_bytes(b"left by the killed process")
    children |= started(source, out, [victim])
    missing = []
    for child in children.values():
        text, errors = child.communicate(timeout=300)
        assert child.returncode == 0, errors
        assert f"{ROWS // count:,} rows in {ROWS // GROUP // count} parts" in text
        missing += [int(n) for n in re.findall(r"still missing: (\d+)", text)] or [0]
    assert min(missing) == 0
    assert content(out) == content(undisturbed)  # so the summary is there, and no partial file


def test_slices_one_after_the_other(source, undisturbed, tmp_path, lecture):
    out, missing = tmp_path / "out", []
    for i in (3, 1, 2):
        found = sweep_parquet(lecture, source, out, slice_of=(i, 3))
        missing.append(found.missing)
        assert (out / "_summary.json").exists() == (not found.missing)
        assert found.statuses == {"optimal": ROWS // 3}
        rows = [row for n in range(i - 1, ROWS // GROUP, 3) for row in range(n * GROUP, n * GROUP + GROUP)]
        assert found.to_frame()["law"].tolist() == draws(ROWS)["law"].iloc[rows].tolist()
    assert missing == [80, 40, 0]
    assert content(out) == content(undisturbed)
    part = out / "part-000004.parquet"  # of the second slice
    part.write_bytes(part.read_bytes()[:1000])
    (out / "_summary.json").unlink()
    assert sweep_parquet(lecture, source, out, slice_of=(1, 3)).missing == 1
    assert not (out / "_summary.json").exists()
    assert sweep_parquet(lecture, source, out, slice_of=(2, 3)).missing == 0
    assert content(out) == content(undisturbed)


def test_slices_share_the_folder_and_a_whole_sweep_does_not(tmp_path, lecture):
    source, out = tmp_path / "in.parquet", tmp_path / "out"
    draws(12).to_parquet(source, index=False, row_group_size=GROUP)
    plan = planned(lecture, source, out)
    with prepared(plan, range(0, 3, 3)):
        partial = out / ".part-000000.parquet.abc.partial"
        partial.write_bytes(b"being written by the first slice")
        assert sweep_parquet(lecture, source, out, slice_of=(2, 3)).missing == 2
        assert partial.exists()
        with pytest.raises(InputError, match="another process is sweeping into"):
            sweep_parquet(lecture, source, out)
        with pytest.raises(InputError, match="holds a sweep of another scenario"):
            sweep_parquet(lecture.update({"pretraining.mfu": 0.41}), source, out, slice_of=(3, 3))
    assert not partial.exists()
    with prepared(plan), pytest.raises(InputError, match="another process is sweeping into"):
        sweep_parquet(lecture, source, out, slice_of=(3, 3))
    nothing = sweep_parquet(lecture, source, out, slice_of=(5, 5))  # there are three parts
    assert (nothing.rows, nothing.parts, len(nothing.to_frame())) == (0, 0, 0)
    assert "Parts of the whole sweep still missing: 2." in nothing._repr_html_()


def test_bad_slices_are_refused(source, tmp_path, lecture):
    given = ["--in", str(source), "--out", str(tmp_path / "x")]
    for text in ("0/16", "17/16", "a/b", "3", "1/0", "-1/2", "1/2/3", "1.5/3", "٣/16"):
        assert "--slice must be I/N with 1 <= I <= N, such as 3/16" in run(*given, "--slice", text, status=2)[1]
    with pytest.raises(InputError, match=r"slice_of must be \(i, n\) with 1 <= i <= n, such as \(3, 16\), got"):
        sweep_parquet(lecture, source, tmp_path / "x", slice_of=(17, 16))
    with pytest.raises(InputError, match="engine dask distributes all parts itself"):
        sweep_parquet(lecture, source, tmp_path / "x", engine="dask", scheduler="tcp://x:1", slice_of=(1, 2))
    assert not (tmp_path / "x").exists()


def test_two_at_once_are_refused(tmp_path, lecture):
    source, out = tmp_path / "in.parquet", tmp_path / "out"
    draws(10).to_parquet(source, index=False)
    with prepared(planned(lecture, source, out)), pytest.raises(InputError, match="another process is sweeping into"):
        sweep_parquet(lecture, source, out)
    assert sweep_parquet(lecture, source, out).statuses == {"optimal": 10}
