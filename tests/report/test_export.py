"""Files: what is written can be read back, made again and compared; errors and the command."""

import datetime
import importlib
import json
import re
import shlex
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from optimizer import (
    DataError,
    InputError,
    SizeTable,
    export,
    load,
    read_table,
    size_table,
    solve,
    sources,
)
from optimizer.assumptions.record import KEY, fingerprint
from optimizer.cli import main
from optimizer.model.outputs import NARROW, heading
from optimizer.report.files.agreement import agreement
from optimizer.report.files.export import FORMATS

from .test_formats import cells

READ = ["csv", "parquet", "xlsx", "json"]


SHOWN = ["tex", "md", "html"]


pytestmark = pytest.mark.usefixtures("day")


def equal(read: pd.DataFrame, written: pd.DataFrame, kind: str) -> None:
    if kind == "xlsx":  # stored with 16 significant digits
        pd.testing.assert_frame_equal(read, written, check_exact=False, rtol=1e-15, atol=0)
    else:
        pd.testing.assert_frame_equal(read, written, check_exact=True)


@pytest.mark.parametrize("kind", READ)
@pytest.mark.parametrize("name", ["sizes", "inverse", "wide", "nasty"])
def test_what_is_read_back_is_what_was_written(tables, tmp_path, name, kind, capsys):
    written = tables[name]
    path = export(written, tmp_path / f"t.{kind}")
    read = read_table(path)
    assert capsys.readouterr() == ("", "")  # openpyxl before 3.1.2 printed the titles that are repeated on every page
    equal(read, written, kind)
    assert read.attrs["units"] == written.attrs["units"]
    assert read.attrs[KEY] == {**written.attrs[KEY], "date": "2026-05-28"}


@pytest.mark.parametrize("kind", FORMATS)
def test_the_same_table_gives_the_same_bytes_apart_from_the_day(table, tmp_path, kind, monkeypatch):
    one, two = (
        export(table, tmp_path / f"one.{kind}").read_bytes(),
        export(table, tmp_path / f"two.{kind}").read_bytes(),
    )
    assert one == two
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1790000000")
    later = export(table, tmp_path / f"later.{kind}")
    assert later.read_bytes() != one
    if kind in READ:
        equal(read_table(later), table, kind)
    if kind not in ("xlsx", "parquet"):  # which are encoded
        assert later.read_bytes().replace(b"2026-09-21", b"2026-05-28") == one


def test_without_an_epoch_the_day_is_today(table, tmp_path, monkeypatch):
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    before = datetime.datetime.now(datetime.UTC).date().isoformat()
    found = read_table(export(table, tmp_path / "t.csv")).attrs[KEY]["date"]
    assert before <= found <= datetime.datetime.now(datetime.UTC).date().isoformat()
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    with pytest.raises(InputError, match="SOURCE_DATE_EPOCH must be a whole number of seconds"):
        export(table, tmp_path / "t.csv")


@pytest.mark.parametrize("kind", FORMATS)
def test_every_file_says_where_it_comes_from(table, tmp_path, kind):
    path = export(table, tmp_path / f"t.{kind}")
    if kind in READ:
        record = read_table(path).attrs[KEY]
    else:
        text = path.read_text(encoding="utf-8")
        held = {"tex": r"% overtrain (.*)", "md": r"<!-- overtrain (.*) -->", "html": r'id="overtrain">(.*?)</script>'}
        record = json.loads(re.findall(held[kind], text)[-1])
    s = load("lecture-2026")
    assert record["scenario"] == s.to_dict()
    assert record["scenario_sha256"] == fingerprint(s)
    assert record["version"]
    assert record["date"] == "2026-05-28"


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_still_agrees_or_says_where_not(tables, tmp_path, kind):
    for name in ("sizes", "inverse", "wide"):
        assert agreement(export(tables[name], tmp_path / f"{name}.{kind}")).agrees
        found = agreement(export(tables[name], tmp_path / f"{name}.{kind}", numbers="plain"))
        assert found.agrees, found.sentences
        assert found.largest_difference < 1e-12
    noise = tables["sizes"].copy()  # as another machine rounds
    noise["n_params"] *= 1 + 1e-11
    noise.loc[0, "n_params"] = round(noise.loc[0, "n_params"], 1)  # and writes fewer digits
    found = agreement(export(noise, tmp_path / f"n.{kind}", numbers="plain"))
    assert found.agrees, found.sentences
    assert 5e-12 < found.largest_difference < 2e-11
    edited = tables["sizes"].copy()
    edited.loc[2, "n_params"] *= 1.001
    found = agreement(export(edited, tmp_path / f"e.{kind}", numbers="plain"))
    assert not found.agrees
    expected = r"n_params differs in 1 of 4 rows, first in row 3: 111\.5\d+B in the file, 111\.4\d+B today"
    if kind in SHOWN:
        (line,) = [i for i, (a, b) in enumerate(zip(*(
            (tmp_path / f"{n}.{kind}").read_text(encoding="utf-8").split("\n") for n in ("sizes", "e")
        ), strict=True), 1) if a != b]  # fmt: skip
        if kind == "html":  # a row is one line of the table, and begins above its cells
            text = (tmp_path / "e.html").read_text(encoding="utf-8").split("\n")
            line = max(i for i, a in enumerate(text[:line], 1) if a.strip() == "<tr>")
        expected = rf"1 of \d lines of the table differ, first line {line} of the file: 1115\d+\.\d+ in the file, 1114\d+\.\d+ today"
    assert re.match(expected, found.sentences[0])
    assert found.largest_difference == pytest.approx(1e-3, rel=0.01)
    fewer = export(SizeTable(tables["sizes"].iloc[:2]), tmp_path / f"f.{kind}", scenario=load("lecture-2026"))
    with pytest.raises(InputError, match="does not say how its table was made"):
        agreement(fewer)


def test_an_edited_scenario_is_seen(table, tmp_path):
    path = export(table, tmp_path / "t.json")
    plain = json.loads(path.read_text())
    plain[KEY]["scenario"]["pretraining"]["mfu"] = 0.41
    plain[KEY]["columns"]["gone"] = "number"
    assert plain[KEY]["rows"] == len(plain["rows"])
    plain["rows"] = [{**row, "gone": 1.0} for row in plain["rows"]]
    path.write_text(json.dumps(plain))
    found = agreement(path)
    assert "no longer has the hash it was made with" in found.sentences[0]
    assert "column gone is not in the table of today" in found.sentences[1]


def test_frames_of_other_makers_need_a_scenario(lecture, tmp_path):
    frame = solve(lecture).to_frame()
    with pytest.raises(InputError, match="does not say which scenario"):
        export(frame, tmp_path / "t.csv")
    pd.testing.assert_frame_equal(pd.DataFrame(read_table(export(frame, tmp_path / "t.csv", scenario=lecture))), frame)
    indexed = sources(lecture).set_index("path")
    assert read_table(export(indexed, tmp_path / "s.xlsx", scenario=lecture)).columns[0] == "path"


def test_what_cannot_be_written_is_said(table, tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"ends in no known format, did you mean 'xlsx'\? Endings: \.csv"):
        export(table, tmp_path / "t.xls")
    with pytest.raises(InputError, match="parquet holds plain numbers only"):
        export(table, tmp_path / "t.parquet", numbers="human")
    with pytest.raises(DataError, match=r"cannot be written .*make the folder first"):
        export(table, tmp_path / "nowhere" / "t.csv")
    (tmp_path / "d.csv").mkdir()
    with pytest.raises(DataError, match="it is a folder or a device"):
        export(table, tmp_path / "d.csv")
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="Not a directory"):
        export(table, tmp_path / "file" / "t.csv")
    real = importlib.import_module

    def without(name, *rest):
        if name.split(".")[0] in ("xlsxwriter", "openpyxl"):
            raise ModuleNotFoundError(name)
        return real(name, *rest)

    path = export(table, tmp_path / "t.xlsx")
    monkeypatch.setattr(importlib, "import_module", without)
    with pytest.raises(
        InputError, match=r"an Excel file needs xlsxwriter; install it with: pip install 'overtrain\[export\]'"
    ):
        export(table, tmp_path / "u.xlsx")
    with pytest.raises(InputError, match="needs openpyxl"):
        read_table(path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["d.csv", "file", "t.xlsx"]


@pytest.mark.parametrize("kind", FORMATS)
def test_damaged_files_are_refused(table, tmp_path, kind):
    path = export(table, tmp_path / f"t.{kind}")
    content = path.read_bytes()
    for damage in (content[: len(content) // 2], b"", b"hello\nworld\n", bytes(reversed(content))):
        path.write_bytes(damage)
        with pytest.raises(DataError, match=f"t.{kind} is not a table that overtrain exported, or it is damaged"):
            agreement(path)
        if kind in READ:
            with pytest.raises(DataError, match=f"t.{kind} is not a table that overtrain exported, or it is damaged"):
                read_table(path)


def run(*arguments: str, status: int = 0) -> tuple[str, str]:
    done = CliRunner().invoke(main, list(arguments))
    assert done.exit_code == status, done.output + repr(done.exception)
    return done.stdout, done.stderr


def test_the_command_writes_and_makes_again(tmp_path):
    path = str(tmp_path / "t.md")
    out, _ = run("table", "--over", "law=besiroglu,hoffmann", "--columns", "n_params,savings", "--exact", "--out", path)
    assert out == ""
    assert cells(Path(path).read_text(), "md")[0] == ["law", "n_params", "savings"]
    out, _ = run("table", "--from", path)
    assert "t.md agrees with overtrain" in out
    assert "2 rows, 3 columns, largest relative difference 0e+00." in out
    Path(path).write_text(Path(path).read_text().replace("0.674", "0.675"))
    out, _ = run("table", "--from", path, "--out", str(tmp_path / "new.md"), "--exact", status=1)
    assert re.search(r"1 of 5 lines of the table differ, first line 4 of the file: 0\.675\d+ in the file, 0\.674", out)
    out, _ = run("table", "--from", str(tmp_path / "new.md"), "--out", str(tmp_path / "human.md"))
    assert "agrees" in out
    assert "3 columns, digit by digit." in run("table", "--from", str(tmp_path / "human.md"))[0]


@pytest.mark.parametrize("kind", SHOWN)
def test_a_file_for_people_has_the_columns_that_fit_on_a_page(tmp_path, kind):
    asked = ["table", "--over", "law=besiroglu,hoffmann", "--out"]
    run(*asked, str(tmp_path / f"t.{kind}"))
    names, *_ = cells((tmp_path / f"t.{kind}").read_text(), kind)
    assert names == ["scaling law", *(heading(name) for name in NARROW)]
    run(*asked, str(tmp_path / "t.csv"))
    run(*asked, str(tmp_path / f"all.{kind}"), "--columns", "all")
    everything = len(read_table(tmp_path / "t.csv").columns)
    assert len(cells((tmp_path / f"all.{kind}").read_text(), kind)[0]) == everything
    run("table", "--inverse", "--sizes", "100B", *asked[1:], str(tmp_path / f"inverse.{kind}"))
    assert len(cells((tmp_path / f"inverse.{kind}").read_text(), kind)[0]) < 20


def test_the_command_prints_with_a_caption_and_keeps_it(tmp_path):
    path = tmp_path / "t.tex"
    look = ["--caption", "Sizes", "--label", "tab:sizes", "--digits", "3", "--notes", "Own."]
    run("table", "--over", "law=besiroglu,hoffmann", "--columns", "n_params", *look, "--out", str(path))
    text = path.read_text()
    assert r"\label{tab:sizes}" in text
    assert "Note: Own." in text
    assert "besiroglu & 111B" in text
    run("table", "--from", str(path), "--out", str(path))
    assert path.read_text() == text
    run("table", "--from", str(path), "--out", str(path), "--caption", "Other")
    assert path.read_text() == text.replace('"caption":"Sizes"', '"caption":"Other"').replace("{Sizes}", "{Other}")
    run("table", "--from", str(path), "--out", str(tmp_path / "t.csv"))
    assert "Other" not in (tmp_path / "t.csv").read_text()
    assert (
        "--caption, --digits says how to print --out FILE"
        in run("table", "--caption", "x", "--digits", "3", status=2)[1]
    )
    assert "label needs caption" in run("table", "--label", "x", "--out", str(path), status=2)[1]


def test_the_command_prints(tmp_path):
    out, _ = run("table")
    assert "111.4B" in out
    assert "parameters" in out
    out, _ = run(
        "table", "--over", "traffic.output_tokens=20T,200T", "--over", "law=hoffmann,besiroglu", "--wide", "law"
    )
    assert out.count("N*") == 2
    assert out.count("hoffmann") == out.count("besiroglu") == 1
    out, err = run("table", "open-weights-8b", "--inverse", "--sizes", "1B,8B")
    assert "justified" in out
    assert "1 of 2 rows: 1B parameters do not reach the loss" in err
    plain = json.loads(run("table", "--over", "law=hoffmann", "--json")[0])
    assert plain["rows"][0]["n_params"] == solve(load("lecture-2026").update({"law": "hoffmann"})).design.n_params
    assert plain[KEY]["units"]["cost_total"] == "FLOP"


def test_bad_input_of_the_command(tmp_path):
    _, err = run("table", "--over", "law", "--band", "7", "--sizes", "1B", "--set", "x=1", status=2)
    assert "overtrain: bad input (4 problems)" in err
    assert "did you mean" in run("table", "--over", "lwa=hoffmann", status=2)[1]
    assert "does not exist" in run("table", "--from", str(tmp_path / "x.csv"), status=2)[1]
    assert "--human says how to write" in run("table", "--human", status=2)[1]
    _, err = run("table", "--set", "goal.loss=1.0", "--over", "law=hoffmann", status=1)
    assert "no compute reaches it" in err


def test_what_cannot_work_is_said_before_anything_is_solved(tmp_path, monkeypatch, table):
    def solved(*_, **__):
        raise AssertionError("it was solved all the same")

    path = str(export(table, tmp_path / "t.csv"))
    monkeypatch.setattr("optimizer.analysis.sizes.size_table", solved)
    monkeypatch.setattr("optimizer.report.files.agreement.rebuilt", solved)
    assert "did you mean 'xlsx'" in run("table", "--out", "t.xls", status=2)[1]
    assert "there is no folder" in run("table", "--out", str(tmp_path / "nowhere" / "t.csv"), status=2)[1]
    assert "--exact says how to write" in run("table", "--exact", "--human", "--out", "t.md", status=2)[1]
    assert "xlsx holds plain numbers only" in run("table", "--human", "--out", "t.xlsx", status=2)[1]
    assert "--columns and --wide exclude" in run("table", "--wide", "law", "--columns", "loss", status=2)[1]
    _, err = run("table", "open-weights-8b", "--from", path, "--over", "law=hoffmann", "--band", "1%", status=2)
    assert "leave SCENARIO, --over, --band out" in err


PAGE = (Path(__file__).parents[2] / "docs" / "tables.md").read_text()


def blocks(language: str) -> str:
    return "".join(re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL))


def test_the_page_on_tables_is_true(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for line in blocks("console").splitlines():
        run(*shlex.split(line)[1:])
    exec(compile(blocks("python"), "docs/tables.md", "exec"), {})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["sizes.csv", "sizes.md", "sizes.tex", "sizes.xlsx"]
    columns = size_table(load("lecture-2026"), {}).columns
    for name in re.findall(r"^\| (`.*?`) \|", PAGE, re.MULTILINE):
        for pattern in re.findall("`([a-z_*0-9]+)`", name):
            assert [c for c in columns if re.fullmatch(pattern.replace("*", ".*"), c)], pattern
    assert set(re.findall(r"^\| `\.(\w+)`", PAGE, re.MULTILINE)) == set(FORMATS)
