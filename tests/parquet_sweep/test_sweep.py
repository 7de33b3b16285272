"""Sweeps: every row once and with the same bytes, whichever process is killed and whichever engine or slice solves it; nothing half-written."""

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from optimizer import solve, solve_batch, sweep_parquet
from optimizer.parquet_sweep import part as parts

from .conftest import GROUP, ROWS, content, draws, run

pytestmark = pytest.mark.usefixtures("one_day")


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
    assert "traffic.output_tokens must be 0 or more" in read["message"][3]
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
