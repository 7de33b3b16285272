"""Files format by format: every cell is there, formulas are disarmed, and other programs can read them."""

import re
import shutil
import subprocess
from html import unescape
from html.parser import HTMLParser

import openpyxl
import pandas as pd
import pyarrow.parquet
import pytest

from optimizer import (
    DataError,
    InputError,
    Scenario,
    export,
    load,
    read_table,
    sources,
    wide,
)
from optimizer.assumptions.numbers import percent, times
from optimizer.assumptions.paths import schema_paths
from optimizer.assumptions.record import KEY, fingerprint
from optimizer.model.outputs import heading
from optimizer.report.files.agreement import agreement
from optimizer.report.files.export import FORMATS
from optimizer.report.files.markup import _TEX, as_text, headings

from .conftest import NASTY

pytestmark = pytest.mark.usefixtures("day")


TEXT = ["csv", "tex", "md", "html"]


SHOWN = ["tex", "md", "html"]


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
    path = export(written, tmp_path / f"t.{kind}", numbers="plain")
    names, units, *rows = cells(path.read_text(encoding="utf-8"), kind)
    assert names == list(written.columns)
    assert units == [written.attrs["units"].get(c, "") for c in written.columns]
    assert rows == [[as_text(v) for v in row] for row in zip(*(written[c].tolist() for c in written), strict=True)]
    with pytest.raises(
        DataError, match=rf"t\.{kind} is written for people and is not read back\. Export \.csv, .*--from"
    ):
        read_table(path)


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
        assert sheet.auto_filter.ref == f"A2:{sheet.cell(2, written.shape[1]).column_letter}{len(written) + 2}"
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
        lines = export(written, tmp_path / "t.md", numbers="plain").read_text(encoding="utf-8").split("\n")
        rows = [line for line in lines if line.startswith("|")]
        assert len(rows) == len(written) + 3
        assert lines[: len(rows)] == rows
        assert {len(row.split("|")) for row in rows} == {written.shape[1] + 2}
        assert set(rows[1]) == set("|-:")
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
    for name, written in tables.items():
        page = Structure()
        text = export(written, tmp_path / "t.html").read_text(encoding="utf-8")
        page.feed(text)
        assert page.open == []
        assert page.scripts == 1
        groups = [3, 5] if name == "wide" else [written.shape[1]]  # two outputs, each over two laws
        assert page.cells == groups + [written.shape[1]] * (len(written) + 1)
        assert text.count('colspan="2"') == (2 if name == "wide" else 0)
        assert text.startswith("<!doctype html>")
        assert not re.search(
            r"""(?:src|href)=|url\(|@import""", re.sub(r"<script.*?</script>", "", text)
        )  # nothing is fetched


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
        if name == "wide":
            top = rows.pop(0)
            assert top.count(r"\multicolumn{2}{c}") == 2
            assert r"\multicolumn{2}{c}{active parameters N*} & \multicolumn{2}{c}{status} \\" in top
            assert rows[0].split(" & ")[1:] == ["besiroglu", "hoffmann", "besiroglu", r"hoffmann \\"]
        assert len(rows) == len(written) + 2
        assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {written.shape[1] - 1}
        body = "\n".join(rows)
        assert not re.search(r"(?<!\\)[#$%_^~]", body)
        assert body.replace(r"\{", "").replace(r"\}", "").count("{") == body.replace(r"\{", "").replace(
            r"\}", ""
        ).count("}")


@pytest.mark.parametrize("kind", SHOWN)
def test_what_is_shown_says_how_far_it_holds_and_where_it_comes_from(table, tmp_path, kind):
    text = unescape(export(table, tmp_path / f"t.{kind}").read_text(encoding="utf-8"))
    assert "certified as the global optimum: 4 of 4" in text
    assert "law error: not counted" in text
    said = text[text.index("Sources: ") :].partition("\n")[0]
    assert "rl.tokens: lecture: equal cost gives R = T / 1.5" in said
    assert "serving.decode_efficiency" in said
    assert "law: " not in said.replace("law: each", "")  # each row has its own
    assert "traffic.output_tokens" not in said
    assert "money." not in said  # costs are in FLOP


def test_two_axes_are_two_rows_of_heads(table, tmp_path):
    spread = wide(table, ["traffic.output_tokens", "law"], ["n_params", "savings"])
    lines = export(spread, tmp_path / "t.tex").read_text(encoding="utf-8").split("\n")
    rows = [line for line in lines if line.endswith(r"\\")]
    assert len(rows) == 5
    assert (
        rows[0]
        == r"\multicolumn{4}{c}{active parameters N*} & \multicolumn{4}{c}{savings against the Chinchilla plan} \\"
    )
    assert rows[1] == " & ".join([r"\multicolumn{2}{c}{20T}", r"\multicolumn{2}{c}{200T}"] * 2) + r" \\"
    assert agreement(tmp_path / "t.tex").agrees
    assert agreement(export(spread, tmp_path / "t.html")).agrees


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_has_the_caption_and_the_notes_that_it_was_given(table, tmp_path, kind):
    caption, notes = r"50% of N* & {x} % overtrain \\ <b> | # overtrain", "Own.\n\n<!-- overtrain x -->"
    path = export(table, tmp_path / f"t.{kind}", caption=caption, notes=notes)
    found = agreement(path)
    assert found.agrees, found.sentences
    assert found.table.attrs[KEY]["print"] == {"caption": caption, "notes": "Own. <!-- overtrain x -->"}
    if kind == "xlsx":
        book = openpyxl.load_workbook(path)
        assert book.properties.title == caption
        assert [r[1] for r in book["scenario"].iter_rows(values_only=True) if r[0] == "caption"] == [caption]
    elif kind == "parquet":
        assert f"Table: {caption}. Note: Own." in pyarrow.parquet.read_schema(path).metadata[b"caption"].decode()
    elif kind in ("md", "html"):
        lines = unescape(path.read_text(encoding="utf-8"))
        assert lines.index(caption) < lines.index("Note: Own. <!-- overtrain x -->") < lines.rindex("Scenario lecture")
    if kind in SHOWN:  # a bad number is still found
        path.write_text(path.read_text(encoding="utf-8").replace("111.4B", "111.5B", 1), encoding="utf-8")
        assert not agreement(path).agrees


def test_latex_with_a_caption_is_a_table_with_its_notes(table, tmp_path):
    path = export(table, tmp_path / "t.tex", caption="Sizes, 50 %", label="tab:sizes_1", digits=2, notes="Own & new.")
    lines = [line for line in path.read_text(encoding="utf-8").split("\n") if not line.startswith("% ")]
    assert lines[:4] == [r"\begin{table}", r"\centering", r"\caption{Sizes, 50 \%}", r"\label{tab:sizes_1}"]
    assert lines[-2:] == [r"\end{table}", ""]
    notes = lines[lines.index(r"\end{tabular}") : -2]
    assert [n.partition(": ")[0] for n in notes if ": " in n] == [
        r"\par\smallskip Note",
        r"\par\smallskip Scenario lecture-2026. law",
        r"\par\smallskip Sources",
    ]
    assert "110B" in "".join(lines)
    assert not re.search(r"[1-9]\.\d\d|0\.0*[1-9]\d\d", "".join(line for line in lines if line.endswith("\\\\")))
    assert agreement(path).agrees


@pytest.mark.parametrize("kind", TEXT)
def test_digits_are_those_of_every_number(table, tmp_path, kind):
    for digits in (1, 3, 7):
        path = export(table, tmp_path / f"t.{kind}", numbers="human", digits=digits)
        size = float(f"{table['n_params'][2]:.{digits - 1}e}") / 1e9
        assert f"{size:.10g}B" in path.read_text(encoding="utf-8")
        if kind != "csv":
            (row,) = [row for row in cells(path.read_text(encoding="utf-8"), kind) if row[:2] == ["200T", "besiroglu"]]
            assert percent(table["savings"][2], digits) in row
            assert times(table["overtraining_vs_law"][2], digits) in row
        assert agreement(path).agrees
        edited = table.copy()
        edited.loc[2, "n_params"] *= 1 + 10.0 ** (1 - digits)
        assert not agreement(export(edited, path, numbers="human", digits=digits)).agrees


BAD_PRINT = [
    ("tex", {"label": "tab:x"}, "label needs caption"),
    ("tex", {"label": "tab{x}", "caption": "x"}, "label must be letters, digits and"),
    ("md", {"label": "tab:x", "caption": "x"}, r"label is what LaTeX refers to a table by, and \.md has none"),
    ("tex", {"digits": 16}, "digits must be between 1 and 15, got 16"),
    ("tex", {"digits": -1}, "digits must be between 1 and 15, got -1"),
    ("tex", {"digits": 3, "numbers": "plain"}, "digits are those of human numbers"),
    ("xlsx", {"digits": 3}, "digits are those of human numbers"),
    ("csv", {"digits": 3}, "digits are those of human numbers"),
    ("html", {"notes": "a\0b"}, "notes has a character that cannot be printed"),
    ("html", {"caption": "\ud800"}, "caption has a character that cannot be printed"),
]


@pytest.mark.parametrize(("kind", "given", "sentence"), BAD_PRINT)
def test_what_cannot_be_printed_is_said_before_it_is_written(table, tmp_path, kind, given, sentence):
    with pytest.raises(InputError, match=sentence):
        export(table, tmp_path / f"t.{kind}", **given)
    assert not [*tmp_path.iterdir()]


def test_headings_of_assumptions_differ():
    paths = sorted(schema_paths(Scenario))
    found = headings(pd.DataFrame(columns=paths), "human")
    assert len({*found}) == len(paths)
    assert all(len(text) < 80 for text in found)
    assert found[paths.index("traffic.growth")] == "monthly growth of traffic"


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no TeX here; the structure is tested above")
def test_latex_compiles(tables, tmp_path):
    inputs = "".join(f"\\resizebox{{\\textwidth}}{{!}}{{\\input{{{name}.tex}}}}\n\n" for name in tables)
    # pdflatex has no letters of Chinese
    nasty = tables["nasty"].loc[~tables["nasty"]["message"].str.contains("中")]
    for name, written in (tables | {"nasty": nasty}).items():
        export(written, tmp_path / f"{name}.tex")
    export(tables["wide"], tmp_path / "float.tex", caption="50 % & more", label="tab:wide", notes="Own_note")
    inputs += "\\input{float.tex} See \\ref{tab:wide}."
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
    if kind == "csv":
        assert read_table(path)["n_params"].tolist() == pytest.approx(table["n_params"].tolist(), rel=5e-4)
    else:
        assert path.read_bytes() == export(table, tmp_path / f"default.{kind}").read_bytes()
        names, units, *rows = cells(path.read_text(encoding="utf-8"), kind)
        assert names[:3] == ["output tokens over the life", "scaling law", "status"]
        found = dict(zip(names, rows[2], strict=True))  # 200T under besiroglu
        assert found["active parameters N*"] == "111.4B"
        assert units[names.index("active parameters N*")] == "parameters"
        assert "1" not in units
        assert re.fullmatch(r"[\d,.]+x", found[heading("overtraining_vs_law")])
        assert re.fullmatch(r"[\d.]+ %", found[heading("savings")])
        assert not re.search(r"\d{7}|[1-9]\.\d{5}|0\.0*[1-9]\d{4}", str(rows))  # four digits
    assert agreement(path).agrees
    path.write_text(path.read_text(encoding="utf-8").replace("111.4B", "111.5B", 1), encoding="utf-8")
    (sentence,) = agreement(path).sentences
    assert "111.5B in the file, 111.4" in sentence
