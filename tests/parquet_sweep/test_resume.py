"""A sweep that goes on trusts nothing it finds: input, folder, code and tables must be those of the answers, and parts whole."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from optimizer import DataError, InputError, load, solve_batch, sweep_parquet
from optimizer.parquet_sweep import part as parts
from optimizer.parquet_sweep.folder import prepared
from optimizer.parquet_sweep.plan import plan

ROOT = Path(__file__).parents[2]
ROWS, GROUP = 12, 4
STEP = 1 if os.environ.get("OVERTRAIN_THOROUGH") == "1" else 97


def questions(seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "traffic.output_tokens": 10 ** rng.uniform(11, 17, ROWS),
            "law": np.where(np.arange(ROWS) % 3, "besiroglu", "hoffmann"),
        }
    )


def write(frame: pd.DataFrame, path: Path) -> Path:
    """Without compression and dictionaries of numbers, so that a number is where it is."""
    frame.to_parquet(path, row_group_size=GROUP, index=False, compression=None, use_dictionary=["law"])
    return path


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".lock")}


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    return write(questions(), tmp_path_factory.mktemp("in") / "in.parquet")


@pytest.fixture(scope="module")
def whole(source, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("whole") / "out"
    sweep_parquet(load("lecture-2026"), source, out)
    return out


@pytest.fixture
def out(whole, tmp_path) -> Path:
    return shutil.copytree(whole, tmp_path / "out")


def corrected(source: Path, path: Path) -> float:
    """A copy of the input in which one number that no footer mentions is another; the new number."""
    frame = questions()["traffic.output_tokens"]
    group = frame[GROUP : 2 * GROUP]
    old = float(group.sort_values().iloc[1])  # neither least nor greatest
    new = float((old + group.min()) / 2)
    data = source.read_bytes()
    was = np.float64(old).tobytes()
    assert data.count(was) == 1
    path.write_bytes(data.replace(was, np.float64(new).tobytes()))
    assert pq.read_metadata(path).row_group(1).to_dict() == pq.read_metadata(source).row_group(1).to_dict()
    return new


def test_an_input_corrected_in_place_is_not_answered_with_old_rows(source, out, tmp_path, lecture):
    before = content(out)
    other = tmp_path / source.name
    new = corrected(source, other)
    with pytest.raises(InputError, match=r"in\.parquet, row group 2, changed since .*part-000001\.parquet answered it"):
        sweep_parquet(lecture, other, out)
    assert content(out) == before
    (out / "part-000001.parquet").unlink()  # with that part gone, all that is there answers the input as it is
    found = sweep_parquet(lecture, other, out).to_frame()
    assert new in found["traffic.output_tokens"].tolist()
    assert found["n_params"].tolist() == pytest.approx(
        solve_batch(lecture, pd.read_parquet(other))["n_params"].tolist(), rel=1e-12
    )


def test_an_input_that_changes_while_it_is_answered_gives_no_part(source, tmp_path, lecture, monkeypatch):
    path, out = tmp_path / source.name, tmp_path / "out"
    shutil.copy(source, path)
    real = parts.solve_batch

    def meanwhile(scenario, frame):
        answers = real(scenario, frame)
        corrected(source, path)
        return answers

    monkeypatch.setattr(parts, "solve_batch", meanwhile)
    with pytest.raises(DataError, match="changed while it was read"):
        sweep_parquet(lecture, path, out)
    assert not list(out.glob("part-*"))


def test_two_parts_swapped_are_done_again(source, whole, out, lecture):
    first, second = out / "part-000000.parquet", out / "part-000001.parquet"
    first.rename(out / "third"), second.rename(first), (out / "third").rename(second)
    assert content(out) != content(whole)
    sweep_parquet(lecture, source, out)
    assert content(out) == content(whole)


def test_a_part_of_another_sweep_is_done_again(source, whole, out, tmp_path, lecture):
    sweep_parquet(lecture.update({"pretraining.mfu": 0.41}), source, tmp_path / "other")
    shutil.copy(tmp_path / "other" / "part-000001.parquet", out)
    sweep_parquet(lecture, source, out)
    assert content(out) == content(whole)


def test_one_changed_byte_anywhere_in_a_part_is_found(source, whole, out, lecture):
    planned, part = plan(lecture, source, out), out / "part-000002.parquet"
    data = part.read_bytes()
    places = {*range(0, len(data), STEP), 0, len(data) - 1}
    for at in sorted(places):
        part.write_bytes(data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :])
        with prepared(planned) as done:
            assert sorted(done) == [0, 1], f"byte {at} of {len(data)}"
    sweep_parquet(lecture, source, out)
    assert content(out) == content(whole)


def test_a_changed_byte_is_found_by_who_reads_the_answers(source, out, lecture):
    found = sweep_parquet(lecture, source, out)
    part = out / "part-000001.parquet"
    data = bytearray(part.read_bytes())
    column = pq.read_metadata(part).row_group(0).column(0)
    data[column.data_page_offset + column.total_compressed_size - 3] ^= 4
    part.write_bytes(data)
    with pytest.raises(OSError, match=r"(?i)crc|checksum"):
        pq.read_table(part, page_checksum_verification=True)
    with pytest.raises(DataError, match=r"part-000001\.parquet cannot be read .* start the same sweep again to solve"):
        found.to_frame()


def test_a_changed_manifest_is_refused(source, out, lecture):
    path = out / "_manifest.json"
    manifest = json.loads(path.read_text())
    for key, value in {
        "scenario": {**manifest["scenario"], "name": "x"},
        "version": "9",
        "parts": 7,
        "keep": ["id"],
    }.items():
        path.write_text(json.dumps({**manifest, key: value}))
        with pytest.raises(
            DataError, match=rf"_manifest\.json was changed since it was written \({key}\).* put it back"
        ):
            sweep_parquet(lecture, source, out)
    path.write_text(json.dumps(manifest))
    assert sweep_parquet(lecture, source, out).rows == ROWS


def test_a_file_that_would_be_read_with_the_answers_is_refused(source, out, lecture):
    shutil.copy(out / "part-000000.parquet", out / "part-000003.parquet")
    with pytest.raises(InputError, match=r"holds part-000003\.parquet, which is not part of this sweep"):
        sweep_parquet(lecture, source, out)


def test_there_is_a_summary_only_while_every_part_is_there(source, whole, out, lecture):
    (out / "part-000001.parquet").unlink()

    def cut_off(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep_parquet(lecture, source, out, progress=cut_off)
    assert not (out / "_summary.json").exists()
    sweep_parquet(lecture, source, out)
    assert content(out) == content(whole)


def test_another_question_in_any_respect_is_refused(source, out, tmp_path, lecture):
    frame = questions().assign(id=range(ROWS))
    with_id = write(frame, tmp_path / "id.parquet")
    sweep_parquet(lecture, with_id, tmp_path / "kept", keep=["id"])
    with pytest.raises(DataError, match="column id is not a dotted path"):
        sweep_parquet(lecture, with_id, tmp_path / "kept")
    with pytest.raises(InputError, match="other input files"):
        sweep_parquet(lecture, with_id, out, keep=["id"])
    with pytest.raises(InputError, match="other columns to keep"):
        sweep_parquet(lecture, source, out, keep=["law"])
    with pytest.raises(InputError, match="another scenario"):
        sweep_parquet(lecture.update({"law": "hoffmann"}), source, out)


def other_table(folder: Path) -> None:
    """A coefficient of a law that rows name and the scenario does not."""
    path = folder / "data" / "laws.csv"
    laws = pd.read_csv(path, dtype=str, keep_default_na=False)
    laws.loc[(laws["law"] == "hoffmann") & (laws["parameter"] == "beta"), "value"] = "0.2851"
    laws.to_csv(path, index=False)


def other_code(folder: Path) -> None:
    path = folder / "optimizer" / "model" / "cost.py"
    path.write_text(path.read_text() + "# mended\n")


def test_other_code_and_tables_do_not_go_on(source, out, tmp_path):
    for folder in ("optimizer", "data"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    other_table(tmp_path)
    other_code(tmp_path)
    before = content(out)
    command = [sys.executable, "-m", "optimizer.cli", "sweep", "--in", str(source), "--out", str(out)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    said = " ".join(done.stderr.split())
    assert done.returncode == 2, done.stdout + done.stderr
    assert (
        "holds a sweep of another state of the code and other data tables (laws, hardware, prices), so this one cannot go on "
        "there; give --out another folder, or ask the same question with the code and the tables that began it."
    ) in said
    assert content(out) == before


def test_a_worker_with_another_version_answers_nothing(source, tmp_path, lecture):
    planned = plan(lecture, source, tmp_path)
    by = json.loads(planned.job.made_by)
    other = planned.job._replace(made_by=json.dumps({**by, "tables_sha256": "0" * 64}))
    with pytest.raises(DataError, match="another version of overtrain, or other data tables"):
        parts.solve_part(other, planned.parts[0])
    assert not list(tmp_path.iterdir())
