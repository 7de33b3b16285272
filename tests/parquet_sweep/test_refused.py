"""Sweeps that cannot begin or go on: wrong input, other questions, folders that cannot be written."""

import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from optimizer import DataError, InputError, sweep_parquet

from ..counts import thorough
from .conftest import GROUP, ROWS, command, content, draws

pytestmark = pytest.mark.usefixtures("one_day")


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
