"""Traffic files as spreadsheets, bills and people write them: read where they have one meaning, refused in a sentence elsewhere."""

from pathlib import Path

import pytest

from optimizer import DataError, Scenario, load
from optimizer.app.forecast import read_upload
from optimizer.assumptions.question import traffic_line
from optimizer.assumptions.traffic_file import TEMPLATE, read_traffic

DATA = Path(__file__).parents[1] / "data" / "traffic"

MONTHLY = "month,input_tokens_per_day,output_tokens_per_day\n"
TWO = [
    {"month": "2026-06", "input_tokens_per_day": 1.5e12, "output_tokens_per_day": 2e11},
    {"month": "2026-07", "input_tokens_per_day": 2e12, "output_tokens_per_day": 1e6},
]

READ = {
    "plain": MONTHLY + "2026-06,1.5e12,2e11\n2026-07,2T,1000000\n",
    "semicolons": MONTHLY.replace(",", ";") + "2026-06;1.5E+12;200B\n2026-07;2T;1 000 000\n",
    "tabs": MONTHLY.replace(",", "\t") + "2026-06\t1.5T\t200B\n2026-07\t2T\t1,000,000\n",
    "a line for Excel": "sep=;\r\n" + MONTHLY.replace(",", ";") + "2026-06;1.5T;200B\r\n2026-07;2T;1M\r\n",
    "thousands in quotes": MONTHLY + '2026-06,"1,500,000,000,000","200,000,000,000"\n2026-07,2e12,"1,000,000"\n',
    "no-break spaces": MONTHLY + "2026-06,1\u00a0500\u202f000\u00a0000\u00a0000,200B\n2026-07,2T,1M\n".replace("\u202f", "\u00a0"),
    "names in capitals with spaces": "Month,Input tokens per day,Output-Tokens-per-day\nJune 2026,1.5T,200B\n07/2026,2T,1M\n",
    "dates, remarks, a trailing comma": "remark," + MONTHLY.strip() + ",\nlaunch,2026-06-01,1.5T,200B,\n,2026-07-01,2T,1M,\n\n,,,\n",
    "byte order mark and Windows lines": "\ufeff" + MONTHLY.strip() + "\r\n2026-06,'1.5T,200B \r\n2026-07,2T,1M\r\n",
    "requests": "month,requests_per_day,input_tokens_per_request,output_tokens_per_request\n"
    "2026-06,1e9,1500,200\n2026-07,1e3,2e9,1000\n",
}  # fmt: skip


@pytest.mark.parametrize("case", READ)
def test_files_with_one_meaning(case, tmp_path):
    path = tmp_path / "traffic.csv"
    path.write_bytes(READ[case].encode())
    assert read_traffic(path).rows == TWO
    assert read_upload(READ[case].encode(), "mine.csv").rows == TWO


def test_an_export_of_days_becomes_means_of_months(tmp_path):
    path = tmp_path / "usage.csv"
    days = [f"2026-06-{d:02d},10,{d},1" for d in range(21, 31)] + [f"2026-07-{d:02d},10,31,62" for d in range(1, 32)]
    path.write_text("\n".join(["date,requests,input_tokens,output_tokens", *reversed(days), "2026-06-30,1,100,10"]))
    june, july = read_traffic(path).rows
    assert june == {"month": "2026-06", "input_tokens_per_day": 35.5, "output_tokens_per_day": 2.0}
    assert july == {"month": "2026-07", "input_tokens_per_day": 31.0, "output_tokens_per_day": 62.0}
    path.write_text("date,requests,input_tokens_per_request,output_tokens_per_request\n2026-06-01,1e10,1000,250\n")
    assert read_traffic(path).rows == [
        {"month": "2026-06", "input_tokens_per_day": 1e13, "output_tokens_per_day": 2.5e12}
    ]
    path.write_text("date,input_tokens,output_tokens\n2026-06-01,6,12\n2026-06-03,3,0\n")
    assert read_traffic(path).rows == [{"month": "2026-06", "input_tokens_per_day": 3.0, "output_tokens_per_day": 4.0}]


MAY, BY_DAY = (1200500000.0, 300250000.0), (1200500.0, 300250.0)
"""Input and output tokens a day in May, in most of the files."""
PER_DAY, PER_MONTH = "read as tokens per day", "read as totals per month"
FILES = {
    "plan-per-day.csv": ((6e12, 1.5e12), None, "3 months from 2026-05, 761.3T tokens, 20 % output, read as tokens per day"),
    "plan-monthly-totals.csv": ((6e12, 1.5e12), None, f"2 months from 2026-05, 480T tokens, 20 % output, {PER_MONTH}"),
    "semicolons-decimal-comma.csv": ((1.2005e12, 3.0025e11), None, PER_DAY),
    "tabs-thousands.tsv": (MAY, None, PER_DAY),
    "unicode-text-from-excel.txt": (MAY, None, PER_DAY),
    "spaces-between-thousands.csv": (MAY, None, PER_DAY),
    "first-days-of-months.csv": (MAY, None, PER_DAY),
    "last-days-of-months.csv": (MAY, None, PER_MONTH),
    "openai-usage-export.csv": (BY_DAY, 240050 / 1200500, "read as usage by day, 61 days, 20 % of input cached, counted inside the input, without columns 'model'"),
    "anthropic-usage-export.csv": (BY_DAY, 500000 / 1200500, "42 % of input cached, without columns 'model_version', 'api_key'"),
    "bedrock-metrics.csv": (BY_DAY, 500000 / 1200500, "counted outside the input"),
    "gemini-usage.csv": (BY_DAY, 0.2, "counted inside the input"),
    "american-days.csv": (BY_DAY, None, "without column 'Cost (USD)'"),
    "german-days.csv": (BY_DAY, None, "61 days"),
    "requests-and-lengths.csv": ((1e9, 2.5e8), None, "requests times tokens per request"),
    "requests-of-each-month.csv": ((1e13 / 31, 2.5e12 / 31), None, f"12.5T tokens, 20 % output, {PER_MONTH}, requests times tokens per request"),
    "one-column-with-share.csv": ((6e12, 1.5e12), None, PER_MONTH),
    "cache-share-by-month.csv": (MAY, (31 * 0.2 * 1.2005 + 30 * 0.3 * 1.32) / (31 * 1.2005 + 30 * 1.32), "25 % of input cached"),
    "total-below-title-above.csv": (MAY, None, "row 6 (Total) left out"),
    "months-across.csv": (MAY, None, PER_DAY),
    "newest-first.csv": (MAY, None, PER_DAY),
    "serial-numbers.csv": (MAY, None, PER_DAY),
    "workbook.xlsx": (MAY, None, PER_DAY),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_files_as_people_have_them(name):
    (read, written), cached, understood = FILES[name]
    found = read_traffic(DATA / name)
    assert found.rows[0] == {
        "month": "2026-05",
        "input_tokens_per_day": pytest.approx(read, rel=1e-12),
        "output_tokens_per_day": pytest.approx(written, rel=1e-12),
    }
    assert found.cache_hit_share == (None if cached is None else pytest.approx(cached, rel=1e-12))
    assert understood in found.understood
    scenario = load("lecture-2026", {"traffic.kind": "table", "traffic.file": str(DATA / name)})
    assert scenario.traffic.read_as == found.understood
    assert scenario.traffic.cache_hit_share == pytest.approx(cached or 0.0, rel=1e-12)
    assert found.understood in traffic_line(scenario)


ASKED = {
    "bad-per-day-or-month.csv": ("whether 'input_tokens', 'output_tokens' are per day or the total of the month", {"amounts": "per month"}),
    "workbook-monthly.xlsx": ("'Input tokens (B)', 'Output tokens (B)' are per day or the total of the month", {"amounts": "per month"}),
    "bad-decimal-or-thousands.csv": ("'1,200', whose mark may stand before decimals or between thousands", {"decimal": "."}),
    "bad-cached-inside-or-outside.csv": ("'cache hits (tokens)' and does not say whether the input contains these tokens", {"cached": "inside"}),
    "bad-cached-above-input.csv": ("row 2 has more cached tokens (500) than input (100); is the input without them?", {"cached": "outside"}),
    "bad-one-column-of-tokens.csv": ("one column of tokens, 'tokens per day', and does not say which of them are input", {"input_share": 0.8}),
}  # fmt: skip


@pytest.mark.parametrize("name", ASKED)
def test_what_has_two_meanings_is_asked_and_the_answer_taken(name):
    sentence, answer = ASKED[name]
    with pytest.raises(DataError) as caught:
        read_traffic(DATA / name)
    assert sentence in str(caught.value)
    assert "traffic.file = {path" in str(caught.value)
    assert read_traffic({"path": str(DATA / name), **answer}).rows
    assert (
        read_upload((DATA / name).read_bytes(), name, answer).rows == read_traffic({"path": DATA / name, **answer}).rows
    )
    with pytest.raises(DataError, match="unknown option 'amonts', did you mean 'amounts'"):
        read_traffic({"path": DATA / name, "amonts": 1})


WRONG = {
    "bad-day-or-month-first.csv": "column date could have the day or the month first, got '01/05/2026'",
    "bad-both-decimal-marks.csv": "has a decimal point in '1,500.5' and a decimal comma in '1.200,5'; write all in one way",
    "bad-weeks.csv": "has rows 7 to 7 days apart: write one row a month, or one a day",
    "bad-month-left-out.csv": "has no row for 2026-06; add the months between",
    "bad-unknown-columns.csv": "has an unknown column 'entrée'. Remove it, or name it remark.",
    "bad-two-inputs.csv": "has two columns of one meaning, 'prompt tokens per day' and 'input tokens per day'; keep one",
    "bad-two-sheets.xlsx": "has traffic in sheets Base, High; keep it in one of them",
    "bad-damaged.xlsx": "is not an Excel workbook that can be read",
    "bad-cells.csv": "and 13 more problems",
}


@pytest.mark.parametrize("name", WRONG)
def test_files_that_cannot_be_read(name):
    with pytest.raises(DataError) as caught:
        read_traffic(DATA / name)
    assert WRONG[name] in str(caught.value)
    assert len(caught.value.problems) <= 6


def test_no_file_lies_about_untested():
    assert {path.name for path in DATA.iterdir()} == {*FILES, *ASKED, *WRONG}


def test_what_a_file_was_read_as_is_not_said_of_a_changed_table():
    scenario = load("lecture-2026", {"traffic.kind": "table", "traffic.file": str(DATA / "plan-per-day.csv")})
    assert Scenario.from_toml(scenario.to_toml()) == scenario
    changed = scenario.update({"traffic.table[1].input_tokens_per_day": "7T"})
    assert changed.traffic.read_as == ""
    assert "a table of 3 months from 2026-05" in traffic_line(changed)
    assert read_upload(TEMPLATE.encode(), "template.csv").understood.endswith(PER_MONTH)


REFUSED = {
    "a share by month": (
        "month,input_tokens_per_day,output_tokens_per_day,ship_probability\n2026-06,1,1,0.5\n",
        ["has a column ship_probability, which is one number for all months: remove it and set traffic.ship_probability."],
    ),
    "an unknown column": (
        "month,input_tokens_per_day,output_tokens_per_day,requsts\n2026-06,1,1,5\n",
        ["has an unknown column 'requsts', did you mean 'requests'? Remove it, or name it remark."],
    ),
    "other columns": (
        "Monat;Eingabe;Ausgabe\n2026-06;1;1\n",
        ["has no column month or date, input_tokens, output_tokens; its header must name",
         "It has 'Monat', 'Eingabe', 'Ausgabe'.", "unknown column 'Monat', did you mean 'month'?"],
    ),
    "a percent sign": (
        MONTHLY + "2026-06,50%,$5\n",
        ["row 2 column input_tokens_per_day must be a number in tokens/day, got '50%'", "a dollar sign is for prices in USD"],
    ),
    "days in the column of months": (
        MONTHLY + "2026-06,1,1\n2026-07-02,1,1\n",
        ["row 3 column month must look like 2026-05, got '2026-07-02', which is a day within a month"],
    ),
    "a column twice in two spellings": (
        "month,Input tokens per day,input_tokens_per_day,output_tokens_per_day\n2026-01,1,2,3\n",
        ["has two columns of one meaning, 'Input tokens per day' and 'input_tokens_per_day'; keep one."],
    ),
    "a NUL": (MONTHLY + "2026-06,1\x00,1\n", []),
    "a cell of 200 kB": (MONTHLY + f'2026-06,{"1" * 200_000},1\n', []),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_files_with_none_or_several_meanings(case, tmp_path):
    text, sentences = REFUSED[case]
    path = tmp_path / "traffic.csv"
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        read_traffic(path)
    for sentence in sentences:
        assert sentence in str(caught.value)
    assert len(str(caught.value)) < 1000
