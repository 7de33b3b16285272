"""What is wrong with a request is said before anything is solved: columns, files, packages, the size of a grid."""

import sys
from pathlib import Path

import pandas as pd
import pytest

from optimizer import DataError, InputError, export, inverse_table, load, size_table
from optimizer.analysis.grid import MOST_ROWS, bounded
from optimizer.analysis.inverse import inverse_columns
from optimizer.analysis.sizes import default_grid, size_columns
from optimizer.report.files import export as exporting

from .test_bad_input import refused


@pytest.fixture
def idle(monkeypatch):
    """Whatever would solve fails the test."""

    def work(*_: object, **__: object) -> None:
        pytest.fail("work began")

    for name in (
        "analysis.sizes.solve",
        "analysis.inverse.design_of_size",
        "analysis.frontier.solve_rows",
        "report.files.agreement.rebuilt",
    ):
        monkeypatch.setattr(f"optimizer.{name}", work)


OVER = ["--over", "law=besiroglu,hoffmann"]
TYPOS = {
    "a column": ([*OVER, "--columns", "n_parms"], "'n_parms' is not a column of the table, did you mean 'n_params'?"),
    "a column of the default grid": (["--columns", "n_parms"], "'n_parms' is not a column of the table"),
    "an axis to spread": ([*OVER, "--wide", "lwa"], "'lwa' is not an axis of the table, did you mean 'law'? Axes: law."),
    "an axis of the default grid": (["--wide", "lwa"], "Axes: traffic.output_tokens, law."),
    "a value to spread": ([*OVER, "--wide", "law", "--value", "los"], "'los' is not a column to spread over law, did you mean 'loss'?"),
    "an axis as value": ([*OVER, "--wide", "law", "--value", "law"], "'law' is not a column to spread over law"),
    "a column of fixed sizes": (["--inverse", "--columns", "implied"], "'implied' is not a column of the table"),
    "an axis of fixed sizes": (["--inverse", "--wide", "law"], "'law' is not an axis of the table. Axes: n_params."),
    "a value of fixed sizes": (["--inverse", "--wide", "n_params", "--value", "savings"], "'savings' is not a column to spread"),
    "a path": (["--over", "lwa=besiroglu"], "lwa is not a field, did you mean 'law'?"),
    "one of many values": (["--over", "law=besiroglu,hofman"], "did you mean 'hoffmann'?"),
    "no folder": ([*OVER, "--out", "nowhere/table.csv"], "cannot be written (there is no folder"),
    "a file for a folder": ([*OVER, "--out", "file.csv/table.csv"], "cannot be written ("),
    "a folder for a file": ([*OVER, "--out", "folder.csv"], "cannot be written (it is a folder or a device, not a file)"),
    "a NUL": ([*OVER, "--out", "a\0b.csv"], "cannot be written (embedded null"),
    "a name without end": ([*OVER, "--out", "x" * 5000 + ".csv"], "cannot be written (File name too long)"),
    "an ending": ([*OVER, "--out", "table.xls"], "ends in no known format"),
    "human numbers in Excel": ([*OVER, "--out", "table.xlsx", "--human"], "xlsx holds plain numbers only"),
    "too large": (["--over", "traffic.output_tokens=1T..9T:10000", "--over", "pretraining.mfu=10%..50%:10000"],
        "the grid has 10,000 x 10,000 = 100,000,000 rows, at most 100,000 are solved into one table. Take fewer values, or write the "
        "rows to a Parquet file and solve them with overtrain sweep."),
    "too large with sizes": (["--inverse", "--sizes", ",".join(["8B"] * 11), "--over", "traffic.output_tokens=1T..9T:10000"],
        "the grid has 10,000 x 11 = 110,000 rows"),
}  # fmt: skip


@pytest.mark.parametrize("case", TYPOS)
@pytest.mark.usefixtures("idle")
def test_a_request_that_cannot_be_met_is_refused_before_work(case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("file.csv").touch()
    Path("folder.csv").mkdir()
    arguments, sentence = TYPOS[case]
    refused(["table", *arguments], sentence)


@pytest.mark.usefixtures("idle")
def test_a_missing_writer_is_reported_before_work(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "xlsxwriter", None)
    refused(
        ["table", "--out", str(tmp_path / "t.xlsx")], "an Excel file needs xlsxwriter; install it with: pip install"
    )
    monkeypatch.setattr(exporting, "encoded", lambda *_, **__: pytest.fail("work began"))
    with pytest.raises(InputError, match="needs xlsxwriter"):
        export(pd.DataFrame({"a": [1.0]}), tmp_path / "t.xlsx", scenario=load("on-device"))


@pytest.mark.usefixtures("idle")
def test_a_read_only_folder_is_reported_before_work(tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda path, _: Path(path) != tmp_path)  # root may write everywhere
    refused(["table", "--out", str(tmp_path / "t.csv")], f"cannot be written (the folder {tmp_path} is read-only)")
    monkeypatch.setattr(exporting, "encoded", lambda *_, **__: pytest.fail("work began"))
    with pytest.raises(DataError, match="is read-only"):
        export(pd.DataFrame({"a": [1.0]}), tmp_path / "t.csv", scenario=load("on-device"))


@pytest.mark.usefixtures("idle")
def test_the_library_refuses_the_same_before_work(lecture):
    many = {"traffic.output_tokens": range(1, 10_001), "limits.max_params": range(1, 10_001)}
    with pytest.raises(InputError, match="10,000 x 10,000 = 100,000,000 rows"):
        size_table(lecture, many)
    with pytest.raises(InputError, match="10,000 x 10,000 x 6 = 600,000,000 rows"):
        inverse_table(lecture, over=many)
    with pytest.raises(InputError, match="is not a column of the table"):
        size_table(lecture, {"law": ["hoffmann"]}, columns=["n_parms"])
    with pytest.raises(InputError, match="is not a column of the table"):
        inverse_table(lecture, columns=["n_parms"])
    bounded({"law": range(MOST_ROWS)})


def test_columns_that_are_known_before_are_those_that_come(lecture):
    grid = default_grid(lecture)
    assert [*size_table(lecture, {"law": ["hoffmann"]}).columns] == [
        c for c in size_columns(lecture, ["law"]) if c != "cost_unit"
    ]
    assert "cost_unit" in size_columns(lecture, grid)
    justified, idle = inverse_table(lecture, ["30B"]), inverse_table(lecture.update({"goal.like_params": "1B"}), [1e12])
    assert idle["status"].tolist() != ["justified"]
    assert [*justified.columns] == [*idle.columns] == inverse_columns({})


def test_a_column_asked_for_twice_comes_once():
    from .test_cli import run

    out = run("table", *OVER, "--wide", "law", "--value", "n_params,n_params")
    assert out.count("besiroglu") == 1
