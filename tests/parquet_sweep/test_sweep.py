"""Sweeps: every row once and with the same bytes, whichever process is killed and whichever engine or slice solves it; nothing half-written."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from optimizer import DataError, InputError, solve, solve_batch, sweep_parquet
from optimizer.cli import main
from optimizer.parquet_sweep import part as parts
from optimizer.parquet_sweep.folder import prepared
from optimizer.parquet_sweep.plan import plan as planned

from ..counts import cases, thorough

ROWS, GROUP = 480, 4


def draws(count: int, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "traffic.output_tokens": 10 ** rng.uniform(11, 17, count),
            "law.beta": rng.uniform(0.25, 0.5, count),
            "law": np.where(np.arange(count) % 3, "besiroglu", "hoffmann"),
        }
    )


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("in") / "scenarios.parquet"
    draws(ROWS).to_parquet(path, row_group_size=GROUP, index=False)
    return path


@pytest.fixture(scope="module", autouse=True)
def _one_day():
    os.environ["SOURCE_DATE_EPOCH"] = "1780000000"
    yield
    del os.environ["SOURCE_DATE_EPOCH"]


@pytest.fixture(scope="module")
def undisturbed(source, tmp_path_factory, _one_day) -> Path:
    out = tmp_path_factory.mktemp("out") / "undisturbed"
    subprocess.run(
        command(source, out), check=True, capture_output=True
    )  # a process of its own: quicker without the checks of types
    return out


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".lock")}


def command(source: Path, out: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "optimizer.cli", "sweep", "--in", str(source), "--out", str(out), *more]


def test_a_sweep_is_solve_batch_row_by_row(source, undisturbed, lecture):
    frame = draws(ROWS)
    read = pd.read_parquet(undisturbed)
    pd.testing.assert_frame_equal(read[list(frame.columns)], frame, check_exact=True)
    together = solve_batch(lecture, frame)
    for name in together.attrs["units"]:
        assert read[name].tolist() == pytest.approx(together[name].tolist(), rel=1e-12, abs=1e-13), name
    assert read["status"].tolist() == together["status"].tolist()
    for i in (0, 7, ROWS - 1):
        best = solve(lecture.update(frame.iloc[i].to_dict()))
        assert read["n_params"][i] == pytest.approx(best.design.n_params, rel=1e-9)


def test_what_is_in_the_folder(source, undisturbed, lecture):
    manifest = json.loads((undisturbed / "_manifest.json").read_text())
    assert manifest["scenario"] == lecture.to_dict()
    assert manifest["parts"] == ROWS // GROUP == len(list(undisturbed.glob("part-*.parquet")))
    assert manifest["input"][0]["rows"] == ROWS
    assert json.loads((undisturbed / "_summary.json").read_text())["statuses"] == {"optimal": ROWS}
    schema = pq.read_schema(undisturbed / "part-000000.parquet")
    assert schema.field("n_params").metadata == {b"unit": b"parameters"}
    assert schema.field("traffic.output_tokens").metadata == {b"unit": b"tokens"}


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


def test_four_slices_at_once_and_one_of_them_killed_are_the_whole_sweep(source, undisturbed, tmp_path):
    out = tmp_path / "out"
    children = started(source, out, ["1/4", "2/4", "3/4", "4/4"])
    mine = [out / f"part-{i:06d}.parquet" for i in range(1, ROWS // GROUP, 4)]
    while children["2/4"].poll() is None and not mine[0].exists():
        time.sleep(0.001)
    children["2/4"].send_signal(signal.SIGKILL)
    children["2/4"].communicate()
    assert not all(part.exists() for part in mine), "a larger input is needed: it was done before it could be killed"
    left = out / ".part-000001.parquet.abc.partial"
    left.write_bytes(b"left by the killed process")
    children |= started(source, out, ["2/4"])
    missing = []
    for child in children.values():
        text, errors = child.communicate(timeout=300)
        assert child.returncode == 0, errors
        assert f"{ROWS // 4:,} rows in {ROWS // GROUP // 4} parts" in text
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


def test_a_damaged_part_is_done_again(source, undisturbed, tmp_path, lecture):
    out = tmp_path / "out"
    shutil.copytree(undisturbed, out)
    part = out / "part-000003.parquet"
    part.write_bytes(part.read_bytes()[:1000])
    (out / ".part-000004.parquet.abc.partial").write_bytes(b"left by a killed run")
    calls: list[tuple[int, int]] = []
    sweep_parquet(lecture, source, out, progress=lambda *at: calls.append(at))
    assert calls == [(ROWS - GROUP, ROWS), (ROWS, ROWS)]
    assert content(out) == content(undisturbed)


def test_a_row_group_larger_than_a_slice(tmp_path, lecture, monkeypatch):
    frame = draws(1000, 5)
    frame.to_parquet(tmp_path / "in.parquet", index=False)
    monkeypatch.setattr(parts, "SLICE", 64)
    sizes = []
    real = parts.solve_batch
    monkeypatch.setattr(parts, "solve_batch", lambda s, f: sizes.append(len(f)) or real(s, f))
    found = sweep_parquet(lecture, tmp_path / "in.parquet", tmp_path / "out")
    assert max(sizes) == 64
    assert found.parts == 1
    together = solve_batch(lecture, frame)
    assert found.to_frame()["n_params"].tolist() == pytest.approx(together["n_params"].tolist(), rel=1e-12)


def test_a_folder_of_files_with_columns_to_keep(tmp_path, lecture):
    (tmp_path / "in").mkdir()
    for i in range(3):
        frame = draws(10, i)
        frame["id"] = [f"{i}/{row}" for row in range(10)]
        frame.to_parquet(tmp_path / "in" / f"{i}.parquet", index=False)
    found = sweep_parquet(lecture, tmp_path / "in", tmp_path / "out", keep=["id"])
    read = found.to_frame(["id", "n_params"])
    assert read["id"].tolist() == [f"{i}/{row}" for i in range(3) for row in range(10)]
    assert read.attrs["units"] == {"n_params": "parameters"}
    assert read["n_params"][25] == pytest.approx(solve_batch(lecture, draws(10, 2))["n_params"][5], rel=1e-12)


def test_rows_without_an_answer_keep_their_sentence(tmp_path, lecture):
    frame = pd.DataFrame(
        {
            "law": ["besiroglu", "hofman", "hoffmann", "besiroglu", "besiroglu"],
            "traffic.output_tokens": [1e14, 1e14, 1e14, -1.0, None],
            "limits.max_params": [None, None, 1e8, None, None],
        }
    )
    frame.to_parquet(tmp_path / "in.parquet", index=False)
    found = sweep_parquet(lecture, tmp_path / "in.parquet", tmp_path / "out")
    assert found.statuses == {"optimal": 2, "bad_input": 2, "infeasible": 1}
    assert str(found).startswith("5 rows in 1 part in ")
    reasons = found.reasons()
    assert set(reasons) == {"bad_input", "infeasible"}
    assert "unknown scaling law 'hofman'" in reasons["bad_input"]
    assert "limits.max_params" in reasons["infeasible"]
    read = found.to_frame()
    assert read["status"].tolist() == ["optimal", "bad_input", "infeasible", "bad_input", "optimal"]
    assert "unknown scaling law 'hofman', did you mean 'hoffmann'" in read["message"][1]
    assert "traffic.output_tokens must lie in [0, inf)" in read["message"][3]
    assert "limits.max_params" in read["message"][2]
    assert read["n_params"][4] == pytest.approx(solve(lecture).design.n_params, rel=1e-9)


def test_a_notebook_sees_counts_rows_and_units(source, undisturbed, lecture):
    found = sweep_parquet(lecture, source, undisturbed)
    shown = found._repr_html_()
    for text in (
        f"{ROWS:,} rows in {ROWS // GROUP} parts",
        f"{ROWS:,} optimal",
        "tokens/parameter",
        "nat/token",
        "besiroglu",
    ):
        assert text in shown


def test_another_question_is_refused(source, undisturbed, tmp_path, lecture):
    other = tmp_path / "scenarios.parquet"
    draws(ROWS, 9).to_parquet(other, row_group_size=GROUP, index=False)
    before = content(undisturbed)
    with pytest.raises(
        InputError, match="holds a sweep of another scenario, so this one cannot go on there; give --out another"
    ):
        sweep_parquet(lecture.update({"pretraining.mfu": 0.41}), source, undisturbed)
    with pytest.raises(InputError, match="holds a sweep of other input files"):
        sweep_parquet(lecture, other, undisturbed)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("mine")
    with pytest.raises(InputError, match=r"holds thesis\.tex but no sweep"):
        sweep_parquet(lecture, source, tmp_path / "full")
    assert content(undisturbed) == before
    assert [p.name for p in (tmp_path / "full").iterdir() if not p.name.startswith(".lock")] == ["thesis.tex"]


def test_two_at_once_are_refused(tmp_path, lecture):
    source, out = tmp_path / "in.parquet", tmp_path / "out"
    draws(10).to_parquet(source, index=False)
    with prepared(planned(lecture, source, out)), pytest.raises(InputError, match="another process is sweeping into"):
        sweep_parquet(lecture, source, out)
    assert sweep_parquet(lecture, source, out).statuses == {"optimal": 10}


def bad_inputs(folder: Path) -> dict[str, tuple[Path, str]]:
    whole = folder / "whole.parquet"
    draws(100).to_parquet(whole, index=False)
    data = whole.read_bytes()
    found: dict[str, tuple[Path, str]] = {}

    def add(name: str, sentence: str) -> Path:
        found[name] = (folder / f"{name}.parquet", sentence)
        return found[name][0]

    add("missing", "does not exist; give a Parquet file")
    add("truncated", "is not a whole Parquet file").write_bytes(data[:-100])
    add("empty", "is not a whole Parquet file").write_bytes(b"")
    add("text", "is not a whole Parquet file").write_text("law,traffic\n1,2\n")
    draws(0).to_parquet(add("norows", "has no rows"), index=False)
    draws(3).rename(columns={"law": "lwa"}).to_parquet(
        add(
            "columns",
            "column lwa is not a dotted path of a scenario, did you mean 'law'? Rename it, or copy it to the output",
        ),
        index=False,
    )
    draws(3).assign(status="x").to_parquet(add("status", "column status is not a dotted path"), index=False)
    add("folder", "holds no .parquet file").mkdir()
    return found


NAMES = ["missing", "truncated", "empty", "text", "norows", "columns", "status", "folder"]


@pytest.mark.parametrize("name", NAMES)
def test_bad_input_writes_nothing(tmp_path, lecture, name):
    path, sentence = bad_inputs(tmp_path)[name]
    with pytest.raises(DataError) as caught:
        sweep_parquet(lecture, path, tmp_path / "out")
    assert sentence in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_damage_inside_a_file_stops_at_that_row_group(tmp_path, lecture):
    path = tmp_path / "in.parquet"
    draws(4000).to_parquet(path, index=False, row_group_size=1000, write_page_checksum=True)
    data = bytearray(path.read_bytes())
    at = pq.read_metadata(path).row_group(2).column(0).data_page_offset + 2000
    data[at : at + 64] = bytes(64)
    path.write_bytes(bytes(data))
    with pytest.raises(DataError, match=r"row group 3, cannot be read .* earlier parts are complete"):
        sweep_parquet(lecture, path, tmp_path / "out")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        ".lock",
        "_manifest.json",
        "part-000000.parquet",
        "part-000001.parquet",
    ]


def test_files_that_do_not_match(tmp_path, lecture):
    (tmp_path / "in").mkdir()
    draws(3).to_parquet(tmp_path / "in" / "a.parquet", index=False)
    draws(3).drop(columns="law").to_parquet(tmp_path / "in" / "b.parquet", index=False)
    with pytest.raises(DataError, match=r"b.parquet has other columns or types than .*a.parquet"):
        sweep_parquet(lecture, tmp_path / "in", tmp_path / "out")
    with pytest.raises(DataError, match="has no column idd to keep"):
        sweep_parquet(lecture, tmp_path / "in" / "a.parquet", tmp_path / "out", keep=["idd"])
    with pytest.raises(InputError, match="is both input and output"):
        sweep_parquet(lecture, tmp_path / "in", tmp_path / "in")
    with pytest.raises(InputError, match="engine 'dusk' is unknown, did you mean 'dask'"):
        sweep_parquet(lecture, tmp_path / "in" / "a.parquet", tmp_path / "out", engine="dusk")


def test_a_folder_that_cannot_be_written(source, tmp_path, lecture):
    (tmp_path / "file").write_text("x")
    for out in (tmp_path / "file", tmp_path / "file" / "out"):
        with pytest.raises(DataError, match="cannot be written"):
            sweep_parquet(lecture, source, out)
    assert (tmp_path / "file").read_text() == "x"


LIMITED = """
import resource, signal, sys
from optimizer import InputError, load, sweep_parquet

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), int(sys.argv[3])))
try:
    sweep_parquet(load("lecture-2026"), sys.argv[1], sys.argv[2])
except InputError as error:
    print(error)
"""


def test_files_that_may_not_grow(tmp_path):
    source, out = tmp_path / "in.parquet", tmp_path / "out"
    draws(5000).to_parquet(source, index=False)
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(source), str(out), "20000"], capture_output=True, text=True, check=True
    )
    assert "part-000000.parquet cannot be written (" in done.stdout
    assert sorted(p.name for p in out.iterdir()) == [".lock", "_manifest.json"]


@thorough
def test_a_full_disk(source, undisturbed, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    size = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(size, capture_output=True, check=False).returncode:
        pytest.skip("no small disk can be mounted here; the limit on file sizes is tested above")
    try:
        full = subprocess.run(command(source, disk / "out"), capture_output=True, text=True, check=False)
        assert full.returncode == 2
        assert "cannot be written (" in full.stderr
        assert "o space left on device" in full.stderr
        there = [p for p in (disk / "out").iterdir() if p.name.startswith("part-")]
        assert 0 < len(there) < ROWS // GROUP
        assert all(p.read_bytes() == (undisturbed / p.name).read_bytes() for p in there)
        assert not list((disk / "out").glob("*.partial")) + list((disk / "out").glob(".*.partial"))
        subprocess.run(["mount", "-o", "remount,size=30m", str(disk)], check=True)
        subprocess.run(command(source, disk / "out"), check=True, capture_output=True)  # with room again, it goes on
        assert content(disk / "out") == content(undisturbed)
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def run(*arguments: str, status: int = 0) -> tuple[str, str]:
    done = CliRunner().invoke(main, ["sweep", *arguments])
    assert done.exit_code == status, done.output + repr(done.exception)
    return done.stdout, done.stderr


def test_the_command(source, undisturbed, tmp_path):
    out, _ = run("--in", str(source), "--out", str(undisturbed))
    assert out.startswith(f"{ROWS:,} rows in {ROWS // GROUP} parts in {undisturbed}: {ROWS:,} optimal.")
    assert json.loads(run("--in", str(source), "--out", str(undisturbed), "--json")[0])["statuses"] == {"optimal": ROWS}
    pd.DataFrame({"goal.loss": [1.0]}).to_parquet(tmp_path / "no.parquet")
    out, err = run("--in", str(tmp_path / "no.parquet"), "--out", str(tmp_path / "no"), status=1)
    assert "1 row in 1 part in" in out
    assert "1 infeasible, the first: " in err
    assert "no compute reaches it" in err
    _, err = run("--scheduler", "x", "--slice", "y", "--set", "z=1", status=2)
    assert "overtrain: bad input (5 problems)" in err
    assert "does not exist" in run("--in", "nothing.parquet", "--out", str(tmp_path / "x"), status=2)[1]
    assert (
        "needs --scheduler" in run("--in", str(source), "--out", str(tmp_path / "x"), "--engine", "dask", status=2)[1]
    )
    assert "still missing" not in run("--in", str(source), "--out", str(undisturbed), "--slice", "2/4")[0]


def test_the_page_on_sweeps_names_options_that_exist():
    page = (Path(__file__).parents[2] / "docs" / "sweeps.md").read_text()
    lines = [line for line in page.splitlines() if line.startswith("overtrain sweep")]
    assert len(lines) == 5
    known = set(re.findall(r"--[a-z-]+", run("--help")[0]))
    for line in lines:
        assert set(re.findall(r"--[a-z-]+", line)) <= known, line
