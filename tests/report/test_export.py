"""Files: what is written comes back, is readable by others, can be made again, and appears whole or not at all."""

import datetime
import importlib
import json
import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from typer.testing import CliRunner

from optimizer import (
    DataError,
    InputError,
    SizeTable,
    export,
    inverse_table,
    load,
    read_table,
    size_table,
    solve,
    sources,
    wide,
)
from optimizer.assumptions.record import KEY, fingerprint
from optimizer.cli import main
from optimizer.report.files.agreement import agreement
from optimizer.report.files.export import FORMATS
from optimizer.report.files.markup import _TEX, as_text

from ..counts import cases, thorough

TEXT = ["csv", "tex", "md", "html"]
READ = ["csv", "parquet", "xlsx", "json"]
SHOWN = ["tex", "md", "html"]
NASTY = [
    '=HYPERLINK("http://x")', "+1", "-1.5", "@SUM(A1)", "\tx", "\rx", "'=x", "''+x", "'plain", "# no comment", " edges ", "a|b", "a\\b",
    "<b>&amp;</b> --> ]]>", "50% $x_1^2$ & #3 {y} ~", "[x]", "line\nbreak", "é 中 ∞", "\\textless{}", "&#9;", "`*a*`", '"quoted", twice"',
]  # fmt: skip


@pytest.fixture(scope="module")
def table() -> SizeTable:
    return size_table(
        load("lecture-2026"), {"traffic.output_tokens": ["20T", "200T"], "law": ["besiroglu", "hoffmann"]}
    )


@pytest.fixture(scope="module")
def tables(table) -> dict[str, SizeTable]:
    inverse = inverse_table(load("open-weights-8b"), ["1B", "8B", "70B"])
    nasty = SizeTable(pd.concat([table.iloc[:1]] * len(NASTY), ignore_index=True))
    nasty["message"] = NASTY
    nasty.loc[1, "loss"] = float("inf")
    nasty.attrs = table.attrs
    return {"sizes": table, "inverse": inverse, "wide": wide(table, "law", ["n_params", "status"]), "nasty": nasty}


@pytest.fixture(autouse=True)
def day(monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1780000000")  # 2026-05-28


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


class Cells(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.inside = False

    def handle_starttag(self, tag, attrs):
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        self.inside = tag in ("td", "th")

    def handle_endtag(self, tag):
        self.inside = False

    def handle_data(self, data):
        if self.inside:
            self.rows[-1][-1] += data


def cells(text: str, kind: str) -> list[list[str]]:
    """Rows as a reader of the format sees them: names, units, then the table."""
    if kind == "html":
        page = Cells()
        page.feed(text)
        return page.rows
    lines = text.split("\n")
    if kind == "md":
        rows = [[unescape(cell.strip(" ")) for cell in line[1:-1].split("|")] for line in lines if line[:1] == "|"]
        return [rows[0], *rows[2:]]
    meant = {written: plain for plain, written in _TEX.items()} | {"{ }": " "}
    any_of = re.compile("|".join(map(re.escape, sorted(meant, key=len, reverse=True))))
    return [
        [any_of.sub(lambda m: meant[m[0]], cell.strip(" ")) for cell in re.split(r"(?<!\\)&", line[:-2])]
        for line in lines
        if line.endswith("\\\\")
    ]


@pytest.mark.parametrize("kind", SHOWN)
@pytest.mark.parametrize("name", ["sizes", "inverse", "wide", "nasty"])
def test_what_is_shown_is_every_cell(tables, tmp_path, name, kind):
    written = tables[name]
    path = export(written, tmp_path / f"t.{kind}")
    names, units, *rows = cells(path.read_text(encoding="utf-8"), kind)
    assert names == list(written.columns)
    assert units == [written.attrs["units"].get(c, "") for c in written.columns]
    assert rows == [[as_text(v) for v in row] for row in zip(*(written[c].tolist() for c in written), strict=True)]
    with pytest.raises(
        DataError, match=rf"t\.{kind} is written for people and is not read back\. Export \.csv, .*--from"
    ):
        read_table(path)


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


def test_pandas_reads_csv_and_parquet(tables, tmp_path):
    for name in ("sizes", "inverse", "nasty"):
        written = tables[name]
        lines = export(written, tmp_path / "t.csv").read_text(encoding="utf-8").split("\n")
        assert lines[2].startswith("# units: ")
        assert all(f"{column} ({unit})" in lines[2] for column, unit in written.attrs["units"].items())
        csv = pd.read_csv(export(written, tmp_path / "t.csv"), comment="#")
        assert list(csv.columns) == list(written.columns)
        for column in written.attrs["units"]:
            assert csv[column].tolist() == pytest.approx(written[column].tolist(), rel=1e-15, nan_ok=True)
        pd.testing.assert_frame_equal(pd.read_parquet(export(written, tmp_path / "t.parquet")), pd.DataFrame(written))
    shown = pd.read_csv(export(tables["nasty"], tmp_path / "t.csv"), comment="#")["message"]
    assert shown[0] == '\'=HYPERLINK("http://x")'
    assert shown[9] == "# no comment"


@pytest.mark.parametrize("kind", TEXT)
def test_no_text_cell_looks_like_a_formula(tables, tmp_path, kind):
    nasty = tables["nasty"].loc[:, ["message"]]
    text = export(nasty, tmp_path / f"t.{kind}").read_text(encoding="utf-8")
    for cell in (cell for cell in NASTY if cell[0] in "=+-@"):
        plain = re.sub(r'["|]', "", cell)[:6].strip()
        assert f"'{plain}" in text.replace("&#x27;", "'"), cell


def test_excel_as_a_stranger_opens_it(tables, tmp_path):
    for name in ("sizes", "nasty"):
        written = tables[name]
        book = openpyxl.load_workbook(export(written, tmp_path / f"{name}.xlsx"))
        assert book.sheetnames == ["table", "scenario"]
        sheet = book["table"]
        assert sheet.freeze_panes == "C3"  # two axes, names and units
        assert [cell.value for cell in sheet[1]] == list(written.columns)
        assert [cell.value or "" for cell in sheet[2]] == [written.attrs["units"].get(c, "") for c in written.columns]
        assert sheet.max_row == len(written) + 2
        assert all(cell.font.b for cell in sheet[1])
        assert not [cell for sheet in book for row in sheet.iter_rows() for cell in row if cell.data_type == "f"]
        quoted = [cell.value for row in sheet.iter_rows(min_row=3) for cell in row if cell.quotePrefix]
        assert len(quoted) == (sum(t[0] in "=+-@\t\r\n" for t in NASTY) if name == "nasty" else 0)
    sheet = openpyxl.load_workbook(tmp_path / "sizes.xlsx")["scenario"]
    rows = {row[0]: row[1:] for row in sheet.iter_rows(values_only=True) if row[0]}
    for _, r in sources(load("lecture-2026")).iterrows():
        assert rows[r["path"]][0] == pytest.approx(r["value"], rel=1e-15)
        assert (rows[r["path"]][3] or "") == r["source"]
    assert rows["law"][0] == "besiroglu"
    assert rows["rl.policy"][0] == "tokens"
    assert rows["sha256 of the scenario"][0] == fingerprint(load("lecture-2026"))
    paper = openpyxl.load_workbook(tmp_path / "sizes.xlsx")["table"]
    assert (paper.print_title_rows, paper.print_title_cols) == ("$1:$2", "$A:$B")
    assert paper.page_setup.orientation == "landscape"
    (column,) = [cell.column for cell in book["table"][1] if cell.value == "n_params"]
    assert '"B"' in book["table"].cell(3, column).number_format  # 111.43B, while the cell holds every digit


def test_excel_shows_tokens_of_both_signs(tables, tmp_path):
    inverse = tables["inverse"]
    assert inverse["implied_tokens"].min() < 0 < inverse["implied_tokens"].max()
    sheet = openpyxl.load_workbook(export(inverse, tmp_path / "t.xlsx"))["table"]
    formats = {cell.value: sheet.cell(5, cell.column).number_format for cell in sheet[1]}
    assert formats["implied_tokens"] == "0.000E+00"
    assert '"B"' in formats["n_params"]


def test_markdown_by_structure(tables, tmp_path):
    for written in tables.values():
        lines = export(written, tmp_path / "t.md").read_text(encoding="utf-8").split("\n")
        rows = [line for line in lines if line.startswith("|")]
        assert len(rows) == len(written) + 3
        assert lines[: len(rows)] == rows
        assert {len(row.split("|")) for row in rows} == {written.shape[1] + 2}
        assert set(rows[1]) == set("|-: ")
        assert [cell.strip() for cell in rows[0].strip("|").split("|")] == list(written.columns)


class Structure(HTMLParser):
    void = ("meta", "br")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.cells: list[int] = []
        self.scripts = 0

    def handle_starttag(self, tag, attrs):
        if tag not in self.void:
            self.open.append(tag)
        if tag == "tr":
            self.cells.append(0)
        if tag in ("td", "th"):
            self.cells[-1] += 1
        self.scripts += tag == "script"
        assert tag != "b"

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_html_by_structure(tables, tmp_path):
    for written in tables.values():
        page = Structure()
        text = export(written, tmp_path / "t.html").read_text(encoding="utf-8")
        page.feed(text)
        assert page.open == []
        assert page.scripts == 1
        assert page.cells == [written.shape[1]] * (len(written) + 2)
        assert text.startswith("<!doctype html>")
        assert "http" not in re.sub(r"<script.*?</script>|http://x", "", text)  # nothing is fetched


def test_latex(tables, tmp_path):
    for name, written in tables.items():
        path = export(written, tmp_path / f"{name}.tex")
        lines = [line for line in path.read_text(encoding="utf-8").split("\n") if line and not line.startswith("%")]
        assert lines[0].startswith(r"\begin{tabular}{")
        assert [line for line in lines if line.startswith("\\") and line.endswith("rule")] == [
            r"\toprule",
            r"\midrule",
            r"\bottomrule",
        ]
        assert lines[-1] == r"\end{tabular}"
        rows = [line for line in lines if line.endswith(r"\\")]
        assert len(rows) == len(written) + 2
        assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {written.shape[1] - 1}
        body = "\n".join(rows)
        assert not re.search(r"(?<!\\)[#$%_^~]", body)
        assert body.replace(r"\{", "").replace(r"\}", "").count("{") == body.replace(r"\{", "").replace(
            r"\}", ""
        ).count("}")


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no TeX here; the structure is tested above")
def test_latex_compiles(tables, tmp_path):
    inputs = "".join(
        f"\\resizebox{{\\textwidth}}{{!}}{{\\input{{{name}.tex}}}}\n\n" for name in tables if name != "nasty"
    )
    for name, written in tables.items():
        export(written, tmp_path / f"{name}.tex")
    document = (
        "\\documentclass{article}\\usepackage{booktabs,graphicx}\\begin{document}\n" + inputs + "\\end{document}\n"
    )
    (tmp_path / "all.tex").write_text(document)
    done = subprocess.run(["pdflatex", "-interaction=batchmode", "-halt-on-error", "all"], cwd=tmp_path, check=False)
    assert done.returncode == 0, (tmp_path / "all.log").read_text()


@pytest.mark.parametrize("kind", TEXT)
def test_human_numbers(table, tmp_path, kind):
    path = export(table, tmp_path / f"t.{kind}", numbers="human")
    assert "111.4B" in path.read_text(encoding="utf-8")
    if kind in READ:
        assert read_table(path)["n_params"].tolist() == pytest.approx(table["n_params"].tolist(), rel=5e-4)
    else:
        names, _, *rows = cells(path.read_text(encoding="utf-8"), kind)
        assert rows == [[as_text(v, "human") for v in r] for r in zip(*(table[c].tolist() for c in names), strict=True)]
    assert agreement(path).agrees
    path.write_text(path.read_text(encoding="utf-8").replace("111.4B", "111.5B"), encoding="utf-8")
    (sentence,) = agreement(path).sentences
    assert "111.5B in the file, 111.4" in sentence


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_still_agrees_or_says_where_not(tables, tmp_path, kind):
    for name in ("sizes", "inverse", "wide"):
        found = agreement(export(tables[name], tmp_path / f"{name}.{kind}"))
        assert found.agrees, found.sentences
        assert found.largest_difference < 1e-12
    noise = tables["sizes"].copy()  # as another machine rounds
    noise["n_params"] *= 1 + 1e-11
    found = agreement(export(noise, tmp_path / f"n.{kind}"))
    assert found.agrees, found.sentences
    assert 5e-12 < found.largest_difference < 2e-11
    edited = tables["sizes"].copy()
    edited.loc[2, "n_params"] *= 1.001
    found = agreement(export(edited, tmp_path / f"e.{kind}"))
    assert not found.agrees
    expected = r"n_params differs in 1 of 4 rows, first in row 3: 111\.5\d+B in the file, 111\.4\d+B today"
    if kind in SHOWN:
        (line,) = [i for i, (a, b) in enumerate(zip(*(
            (tmp_path / f"{n}.{kind}").read_text(encoding="utf-8").split("\n") for n in ("sizes", "e")
        ), strict=True), 1) if a != b]  # fmt: skip
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


def test_a_link_stays_a_link_and_rights_are_kept(table, tmp_path):
    target, link = tmp_path / "real.csv", tmp_path / "link.csv"
    target.write_text("old")
    target.chmod(0o640)
    link.symlink_to(target)
    export(table, link)
    assert link.is_symlink()
    assert target.stat().st_mode & 0o777 == 0o640
    equal(read_table(target), table, "csv")


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


def run(*arguments: str, status: int = 0) -> tuple[str, str]:
    done = CliRunner().invoke(main, list(arguments))
    assert done.exit_code == status, done.output + repr(done.exception)
    return done.stdout, done.stderr


def test_the_command_writes_and_makes_again(tmp_path):
    path = str(tmp_path / "t.md")
    out, _ = run("table", "--over", "law=besiroglu,hoffmann", "--columns", "n_params,savings", "--out", path)
    assert out == ""
    assert cells(Path(path).read_text(), "md")[0] == ["law", "n_params", "savings"]
    out, _ = run("table", "--from", path)
    assert "t.md agrees with overtrain" in out
    assert "2 rows, 3 columns, largest relative difference 0e+00." in out
    Path(path).write_text(Path(path).read_text().replace("0.674", "0.675"))
    out, _ = run("table", "--from", path, "--out", str(tmp_path / "new.md"), status=1)
    assert re.search(r"1 of 5 lines of the table differ, first line 4 of the file: 0\.675\d+ in the file, 0\.674", out)
    out, _ = run("table", "--from", str(tmp_path / "new.md"), "--out", str(tmp_path / "human.md"), "--human")
    assert "agrees" in out
    assert "3 columns, digit by digit." in run("table", "--from", str(tmp_path / "human.md"))[0]


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
