"""Malformed scenarios and flags: each exits 2, lists every problem as a sentence, and shows no traceback."""

import json
from collections.abc import Sequence

import pytest
from typer.testing import CliRunner

from optimizer import DataError, InputError, Scenario, load
from optimizer.cli import main

GOOD = """
law = "besiroglu"
[goal]
kind = "loss"
like_params = "100B"
like_tokens = "200T"
[traffic]
kind = "total"
output_tokens = "200T"
"""
TABLE = """
[goal]
kind = "params"
params = "8B"
[traffic]
kind = "table"
"""
CSV_HEADER = "month,input_tokens_per_day,output_tokens_per_day\n"


def run(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(main, list(arguments))
    assert done.exception is None or isinstance(done.exception, SystemExit), repr(done.exception)
    return done.exit_code, done.stdout, done.stderr


def refused(arguments: Sequence[str], *sentences: str) -> None:
    code, out, err = run(*arguments)
    assert code == 2, out + err
    assert out == ""
    assert "Traceback" not in err
    for sentence in sentences:
        assert sentence in err, err


SETTINGS = {
    "wrong type": (["pretraining.mfu=fast"], ["pretraining.mfu must be a number, got 'fast'; write a plain count"]),
    "percent for a share": (
        ["pretraining.mfu=38"],
        ["pretraining.mfu must be more than 0 and at most 1, got 38. If you meant 38 %, write 0.38."],
    ),
    "negative": (["traffic.output_tokens=-5T"], ["traffic.output_tokens must be 0 or more, got -5T tokens."]),
    "zero": (["goal.like_params=0"], ["goal.like_params must be more than 0, got 0 parameters."]),
    "NaN": (["rl.efficiency=nan"], ["rl.efficiency must be a finite number, got 'nan'"]),
    "infinity": (["rl.tokens=inf"], ["rl.tokens must be a finite number, got 'inf'"]),
    "overflow": (["rl.tokens=1e999"], ["rl.tokens must be a finite number, got '1e999'"]),
    "unknown key": (["pretraining.mfuu=0.4"], ["pretraining.mfuu is not a field, did you mean 'mfu'?"]),
    "unknown block": (
        ["trafic.share=0.1"],
        ["trafic.share is not a field of a scenario, did you mean 'traffic.share'?"],
    ),
    "unknown top key": (["lwa=besiroglu"], ["lwa is not a field, did you mean 'law'?"]),
    "unknown law": (["law=chinchila"], ["law names an unknown scaling law 'chinchila'", "Known: besiroglu, hoffmann"]),
    "near law": (["law=besiroglou"], ["did you mean 'besiroglu'?"]),
    "unknown chip": (
        ["money.train_chip=H100 SMX"],
        ["money.train_chip names an unknown chip 'H100 SMX', did you mean 'H100 SXM'?"],
    ),
    "chip without the precision": (
        ["money.serve_chip.name=A100-80GB SXM", "money.serve_chip.precision=fp8"],
        ["money.serve_chip names A100-80GB SXM, which has no published fp8 peak; take bf16 or int8"],
    ),
    "chip without a price": (
        ["money.serve_chip=TPU7x Ironwood"],
        ["which has no published price; give usd_per_chip_hour in USD/h"],
    ),
    "unknown precision": (
        ["money.serve_chip.precision=fp16"],
        ["money.serve_chip.precision must be one of bf16, fp8, fp4 or int8, got 'fp16'"],
    ),
    "unknown goal": (["goal.kind=cost"], ["goal.kind must be one of loss, budget, params, tokens, got 'cost'"]),
    "goal without its number": (["goal.kind=budget"], ["goal.budget is missing (lifecycle budget"]),
    "half a quality": (
        ["goal.like_params=none"],
        ["goal needs loss, or like_params; give one of them"],
    ),
    "compute-optimal with RL decided too": (
        ["rl.policy=optimised", "goal.like_tokens=none"],
        ["goal.like_tokens and goal.like_rl_tokens are missing", "no law says what is compute-optimal for both"],
    ),
    "a field of another goal": (
        ["goal.params=8B"],
        ["goal.params belongs to goal.kind = 'params'; set goal.kind too, or remove it."],
    ),
    "free RL": (
        ["rl.policy=free"],
        ["rl.policy = 'free' has no answer: no published loss law has a term in RL tokens"],
    ),
    "unknown policy": (["rl.policy=token"], ["rl.policy must be one of none, tokens, ratio", "did you mean 'tokens'?"]),
    "policy without its number": (["rl.policy=ratio"], ["rl.ratio is missing (RL tokens per pre-training token, rho)"]),
    "optimised without RL in the goal": (["rl.policy=optimised"], ["goal.like_rl_tokens is missing"]),
    "RL in the goal for nothing": (
        ["goal.like_rl_tokens=1T"],
        ["goal.like_rl_tokens is used only with rl.policy = 'optimised'"],
    ),
    "unknown unit": (["money.unit=eur"], ["money.unit must be one of flops or usd, got 'eur'"]),
    "half a limit": (["limits.max_training_days=90"], ["limits has max_training_days without fleet_chips; give both."]),
    "bytes without a size": (["limits.max_bytes=2e9"], ["limits has max_bytes without bytes_per_param; give both."]),
    "epochs of nothing": (["limits.max_epochs=4"], ["limits.max_epochs needs limits.unique_tokens"]),
    "too long a life": (
        ["traffic.kind=growth", "traffic.tokens_per_day=1T", "traffic.months=1000"],
        ["traffic.months must be more than 0 and at most 240"],
    ),
    "a month that is none": (
        ["traffic.kind=growth", "traffic.tokens_per_day=1T", "traffic.start=2026-13"],
        ["traffic.start must look like 2026-05"],
    ),
    "unknown published total": (
        ["traffic.kind=growth", "traffic.name=google"],
        ["names an unknown published traffic total 'google'"],
    ),
    "a block for a number": (["pretraining.mfu.x=1"], ["pretraining.mfu.x is not a field of a scenario"]),
    "a number for a block": (["goal=3"], ["goal must be a block of fields"]),
    "no equals sign": (["traffic.output_tokens"], ["--set 'traffic.output_tokens' is not PATH=VALUE"]),
    "twice": (["rl.tokens=1T", "rl.tokens=2T"], ["--set rl.tokens is given twice; keep one."]),
    "no path": (["=3"], ["--set '=3' is not PATH=VALUE"]),
    "too many experts": (
        ["law=ludziejewski", "law.experts=0"],
        ["law.experts must be 1 or more, got 0 experts."],
    ),
    "exponents turn": (
        ["law=ludziejewski", "law.gamma=0.9"],
        ["both must be negative, or more parameters would make the model worse"],
    ),
    "efficiency too good": (
        ["serving.decode_efficiency=40"],
        ["serving.decode_efficiency must be more than 0 and at most 10, got 40."],
    ),
}


@pytest.mark.parametrize("case", SETTINGS)
def test_settings(case):
    settings, sentences = SETTINGS[case]
    refused(["solve", *(part for s in settings for part in ("--set", s))], *sentences)


def test_a_setting_may_supply_what_a_file_leaves_out(tmp_path):
    path = tmp_path / "part.toml"
    path.write_text('[goal]\nkind = "params"\n[traffic]\nkind = "total"\n')
    refused(["solve", str(path)], "goal.params is missing", "traffic.output_tokens is missing")
    code, _, err = run("solve", str(path), "--set", "goal.params=8B", "--set", "traffic.output_tokens=1T")
    assert code == 0, err


def test_a_cell_of_a_table_has_a_path(tmp_path):
    path = tmp_path / "table.toml"
    row = "input_tokens_per_day = 1e12, output_tokens_per_day = 1e11 }"
    path.write_text(TABLE + f'table = [{{ month = "2026-01", {row}, {{ month = "2026-02", {row}]')
    cell = "traffic.table[2].output_tokens_per_day"
    assert load(path, {cell: 5}).traffic.table[1].output_tokens_per_day == 5
    refused(["solve", str(path), "--set", f"{cell}=-1"], f"{cell} must be 0 or more, got -1 tokens/day.")
    refused(
        ["solve", str(path), "--set", "traffic.table[3].month=2026-03"],
        "names a row that is not there; rows of table count from 1",
    )


def test_a_slip_of_percent_is_named():
    growth = ["--set", "traffic.kind=growth", "--set", "traffic.tokens_per_day=1T"]
    refused(
        ["solve", *growth, "--set", "traffic.growth=15"],
        "traffic.growth must be more than -1 and at most 1, got 15 1/month. If you meant 15 %, write 0.15.",
    )
    refused(["solve", "--band", "5"], "--band must be more than 0 and at most 1, got 5; for 5 % write 0.05 or 5%")


def test_all_problems_are_reported_at_once():
    code, _, err = run(
        "solve",
        "--set",
        "pretraining.mfu=38",
        "--set",
        "rl.efficiency=0",
        "--set",
        "serving.lod_factor=1",
        "--set",
        "rl.tokens=many",
    )
    assert code == 2
    assert "bad input (4 problems)" in err
    assert len([line for line in err.splitlines() if line.startswith("  - ")]) == 4


FILES = {
    "not TOML": ("law = ", ["is not valid TOML"]),
    "a duplicate key": (GOOD + "output_tokens = 3\n", ["is not valid TOML", "overwrite"]),
    "empty": ("", ["goal is missing", "traffic is missing"]),
    "a list": ("goal = [1, 2]\n", ["goal must be a block of fields"]),
    "a boolean for a number": (GOOD.replace('"100B"', "true"), ["goal.like_params must be a number, got True"]),
    "a date for a number": (GOOD.replace('"100B"', "2026-01-01"), ["goal.like_params must be a number"]),
    "a source of nothing": (
        GOOD + '[sources]\n"goal.parms" = "x"\n',
        ["sources names 'goal.parms', which is not a number of a scenario"],
    ),
    "a law that is no law": (
        GOOD.replace('"besiroglu"', "{ A = 1 }"),
        ["law.E is missing", "law.B is missing", "law.alpha is missing"],
    ),
    "an empty table": (TABLE + "table = []\n", ["traffic.table must have at least 1 rows, got 0"]),
    "no table": (TABLE, ["traffic needs exactly one of table or file, got none of them"]),
    "months out of order": (
        TABLE
        + 'table = [{month="2026-02",input_tokens_per_day=1,output_tokens_per_day=1},{month="2026-01",input_tokens_per_day=1,output_tokens_per_day=1}]',
        ["row 2 (2026-01) comes before row 1 (2026-02); put months in order"],
    ),
    "duplicate months": (
        TABLE
        + 'table = [{month="2026-01",input_tokens_per_day=1,output_tokens_per_day=1},{month="2026-01",input_tokens_per_day=1,output_tokens_per_day=1}]',
        ["row 2 repeats month 2026-01; keep one row a month"],
    ),
    "a gap": (
        TABLE
        + 'table = [{month="2026-01",input_tokens_per_day=1,output_tokens_per_day=1},{month="2026-03",input_tokens_per_day=1,output_tokens_per_day=1}]',
        ["row 2 jumps from 2026-01 to 2026-03; add the months between"],
    ),
    "a row that is none": (TABLE + "table = [3]", ["traffic.table[1] must be a block of fields"]),
    "a missing traffic file": (
        TABLE + 'file = "nowhere.csv"\n',
        ["nowhere.csv does not exist; give the path of a traffic file (CSV, TSV or Excel)"],
    ),
}


@pytest.mark.parametrize("case", FILES)
def test_files(case, tmp_path):
    text, sentences = FILES[case]
    path = tmp_path / "scenario.toml"
    path.write_text(text)
    refused(["solve", str(path)], *sentences)


TRAFFIC = {
    "text in a cell": (
        CSV_HEADER + "2026-01,many,1\n2026-02,1,-\n",
        ["row 2 column input_tokens_per_day must be a number, got 'many'", "row 3 column output_tokens_per_day"],
    ),
    "no header": ("2026-01,1,1\n", ["has no column month or date, input_tokens, output_tokens"]),
    "a missing column": ("month,input_tokens_per_day\n2026-01,1\n", ["has no column output_tokens;"]),
    "no rows": (CSV_HEADER, ["has a header but no rows"]),
    "nothing": ("", ["has no column month"]),
    "a month that is none": (CSV_HEADER + "January,1,1\n", ["column month must look like 2026-05, got 'January'"]),
    "negative tokens": (
        CSV_HEADER + "2026-01,-1,1\n",
        ["row 2 column input_tokens_per_day must be 0 or more, got -1 tokens/day"],
    ),
    "a short row": (CSV_HEADER + "2026-01,1\n", ["row 2 column output_tokens_per_day must be a number, got ''"]),
    "an open quote": (CSV_HEADER + '2026-01,"1,1\n', ["is not a CSV file"]),
    "thousands separators": (
        CSV_HEADER + "2026-01,1,000,000,2,000\n",
        ["row 2 has 6 cells, the header has 3; write numbers without thousands separators"],
    ),
    "a column twice": (
        "month,input_tokens_per_day,input_tokens_per_day,output_tokens_per_day\n2026-01,1,2,3\n",
        ["has two columns of one meaning, 'input_tokens_per_day' and 'input_tokens_per_day'; keep one"],
    ),
    "241 months": (
        CSV_HEADER + "".join(f"{2026 + i // 12}-{i % 12 + 1:02d},1,1\n" for i in range(241)),
        ["traffic.table must have at most 240 rows"],
    ),
}


@pytest.mark.parametrize("case", TRAFFIC)
def test_traffic_files(case, tmp_path):
    text, sentences = TRAFFIC[case]
    (tmp_path / "traffic.csv").write_text(text)
    path = tmp_path / "scenario.toml"
    path.write_text(TABLE + 'file = "traffic.csv"\n')
    refused(["solve", str(path)], *sentences)


def test_a_missing_file_and_a_near_miss(tmp_path):
    refused(["solve", str(tmp_path / "none.toml")], "none.toml does not exist; give the path of a scenario TOML file")
    refused(["solve", "lecture-2025"], "'lecture-2025' is neither a preset nor a file, did you mean 'lecture-2026'?")
    refused(["presets", "on-devise"], "did you mean 'on-device'?")
    refused(["sources", "--table", "hardwear"], "table 'hardwear' is unknown, did you mean 'hardware'?")


def test_a_directory(tmp_path):
    refused(["solve", str(tmp_path)], "is a directory; give the path of a scenario TOML file")


def test_binary_garbage(tmp_path):
    path = tmp_path / "scenario.toml"
    path.write_bytes(bytes(range(256)) * 40)
    refused(["solve", str(path)], "is not UTF-8 text (byte 128)")
    path.write_bytes(b"\x00\x01\x02 = 3")
    refused(["solve", str(path)], "is not valid TOML")


def test_a_file_of_50_megabytes(tmp_path):
    path = tmp_path / "scenario.toml"
    with path.open("wb") as file:
        file.truncate(50_000_000)
    refused(
        ["solve", str(path)],
        "has more than 1,000,000 bytes, the most a scenario TOML file may have; is it the file you meant?",
    )


def test_deeply_nested_toml(tmp_path):
    path = tmp_path / "scenario.toml"
    path.write_text("a = " + "[" * 5000 + "]" * 5000)
    refused(["solve", str(path)], "nests too deeply")


@pytest.mark.parametrize(
    "arguments",
    [
        ["solve", "--bnad", "5%"],
        ["solve", "a", "b"],
        ["slove"],
        ["solve", "--set"],
        ["reproduce", "x"],
        ["presets", "a", "b"],
    ],
)
def test_flags_that_are_none(arguments):
    assert run(*arguments)[0] == 2


@pytest.mark.parametrize("band", ["0", "-1", "wide", "nan"])
def test_bands(band):
    refused(["solve", "--band", band], "--band must")


def test_json_stays_clean_when_input_is_bad():
    code, out, err = run("solve", "--json", "--set", "pretraining.mfu=38")
    assert code == 2
    assert json.loads(out)["error"]["paths"] == ["pretraining.mfu"]
    assert "38" in err


def test_the_library_says_the_same_sentences(tmp_path):
    with pytest.raises(
        InputError, match=r"must be more than 0 and at most 1, got 38\. If you meant 38 %, write 0\.38\."
    ):
        load("lecture-2026").update({"pretraining.mfu": 38})
    with pytest.raises(DataError, match="is a directory"):
        load(tmp_path)
    with pytest.raises(InputError) as caught:
        Scenario.from_dict(
            {"goal": {"kind": "params", "params": -1}, "traffic": {"kind": "total", "output_tokens": "lots"}}
        )
    assert len(caught.value.problems) == 2
