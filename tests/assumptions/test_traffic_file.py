"""Traffic files as spreadsheets, bills and people write them: read where they have one meaning, refused in a sentence elsewhere."""

import pytest

from optimizer import DataError
from optimizer.app.forecast import rows_of_csv
from optimizer.assumptions.traffic_file import read_traffic

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
    assert read_traffic(path) == TWO
    assert rows_of_csv(READ[case].encode(), "mine.csv") == TWO


def test_an_export_of_days_becomes_means_of_months(tmp_path):
    path = tmp_path / "usage.csv"
    days = [f"2026-06-{d:02d},10,{d},1" for d in range(21, 31)] + [f"2026-07-{d:02d},10,31,62" for d in range(1, 32)]
    path.write_text("\n".join(["date,requests,input_tokens,output_tokens", *reversed(days), "2026-06-30,1,100,10"]))
    june, july = read_traffic(path)
    assert june == {"month": "2026-06", "input_tokens_per_day": 35.5, "output_tokens_per_day": 2.0}
    assert july == {"month": "2026-07", "input_tokens_per_day": 31.0, "output_tokens_per_day": 62.0}
    path.write_text("date,requests,input_tokens_per_request,output_tokens_per_request\n2026-06-01,1e10,1000,250\n")
    assert read_traffic(path) == [{"month": "2026-06", "input_tokens_per_day": 1e13, "output_tokens_per_day": 2.5e12}]
    path.write_text("date,input_tokens,output_tokens\n2026-06-01,6,12\n2026-06-03,3,0\n")
    assert read_traffic(path) == [{"month": "2026-06", "input_tokens_per_day": 3.0, "output_tokens_per_day": 4.0}]


REFUSED = {
    "a share by month": (
        "month,input_tokens_per_day,output_tokens_per_day,cache_hit_share\n2026-06,1,1,0.5\n",
        ["has a column cache_hit_share, which is one number for all months: remove it and set traffic.cache_hit_share."],
    ),
    "an unknown column": (
        "month,input_tokens_per_day,output_tokens_per_day,Output tokns\n2026-06,1,1,5\n",
        ["has an unknown column 'Output tokns', did you mean 'output_tokens'? Remove it, or name it remark."],
    ),
    "other columns": (
        "Monat;Eingabe;Ausgabe\n2026-06;1;1\n",
        ["has no column month, input_tokens_per_day, output_tokens_per_day; its header must name",
         "It has 'Monat', 'Eingabe', 'Ausgabe'.", "unknown column 'Monat', did you mean 'month'?"],
    ),
    "two ways at once": (
        "month,input_tokens_per_day,output_tokens_per_day,requests_per_day\n2026-06,1,1,5\n",
        ["has a column requests_per_day besides month, input_tokens_per_day, output_tokens_per_day; keep one of the two ways"],
    ),
    "decimal commas": (
        "month;input_tokens_per_day;output_tokens_per_day\n2026-06;1,5;1.000.000\n",
        ["row 2 column input_tokens_per_day must be a number, got '1,5'; a comma means decimals to some and thousands to others: write 1.5",
         "row 2 column output_tokens_per_day must be a number, got '1.000.000'"],
    ),
    "a percent sign": (
        MONTHLY + "2026-06,50%,$5\n",
        ["row 2 column input_tokens_per_day must be a number in tokens/day, got '50%'", "a dollar sign is for prices in USD"],
    ),
    "days in the column of months": (
        MONTHLY + "2026-06-01,1,1\n2026-06-02,1,1\n",
        ["row 3 column month must look like 2026-05, got '2026-06-02', which is a day within a month"],
    ),
    "a column twice in two spellings": (
        "month,Input tokens per day,input_tokens_per_day,output_tokens_per_day\n2026-01,1,2,3\n",
        ["has column input_tokens_per_day more than once"],
    ),
    "a total below": (MONTHLY + "2026-06,1,1\nTotal,1,1\n", ["row 3 column month must look like 2026-05, got 'Total'"]),
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
