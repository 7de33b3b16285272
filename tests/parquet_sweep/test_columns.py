"""What the columns of a sweep's input may hold: numbers of every type, numbers as people write them, names; the rest is refused."""

import datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from optimizer import DataError, InputError, solve_batch, sweep_parquet

TOKENS = "traffic.output_tokens"
DAY = datetime.datetime(2026, 5, 31, 12)

NUMBERS = {
    "decimal": (pa.array([Decimal("200000000000000.3"), None, Decimal("0.1")]), [200000000000000.3, None, 0.1]),
    "wide decimal": (
        pa.array([Decimal("123456789012345678901234567890.123456789"), Decimal("1e14"), None], pa.decimal256(60, 9)),
        [123456789012345678901234567890.123456789, 1e14, None],
    ),
    "integers above 2^53": (pa.array([2**53 + 1, 2**53 + 3, None]), [2.0**53, 2.0**53 + 4, None]),
    "unsigned integers": (pa.array([2**63 + 1025, 7, 0], pa.uint64()), [2.0**63 + 2048, 7.0, 0.0]),
    "half floats": (pa.array(np.array([6e4, 0.5, 1], np.float16)), [float(np.float16(6e4)), 0.5, 1.0]),
    "single floats": (pa.array([2e14, 1.5, None], pa.float32()), [float(np.float32(2e14)), 1.5, None]),
    "text": (pa.array(["200T", None, "1.3e15"]), [2e14, None, 1.3e15]),
    "large text": (pa.array(["200T", "1_000", None], pa.large_string()), [2e14, 1000.0, None]),
    "coded text": (pa.array(["200T", None, "200T"]).dictionary_encode(), [2e14, None, 2e14]),
    "coded numbers": (pa.array([2e14, None, 2e14]).dictionary_encode(), [2e14, None, 2e14]),
    "nothing": (pa.nulls(3), [None, None, None]),
}


@pytest.mark.parametrize("kind", NUMBERS)
def test_numbers_of_every_type_are_the_numbers_they_are(tmp_path, lecture, kind):
    column, meant = NUMBERS[kind]
    pq.write_table(pa.table({TOKENS: column}), tmp_path / "in.parquet")
    found = sweep_parquet(lecture, tmp_path / "in.parquet", tmp_path / "out")
    frame = pd.DataFrame({TOKENS: np.array(meant, float)})
    wanted = solve_batch(lecture, frame)
    assert found.statuses == {"optimal": 3}
    assert found.to_frame()["n_params"].tolist() == wanted["n_params"].tolist()


def test_text_that_is_no_number_fails_its_row_alone(tmp_path, lecture):
    frame = pd.DataFrame(
        {
            TOKENS: ["200T", "pear", "1e14", "nan", "-1", None, ""],
            "law.beta": ["0.3", "0.3", "apple", "0.31", "0.3", "0.3", "0.3"],
        }
    )
    frame.to_parquet(tmp_path / "in.parquet", index=False)
    found = sweep_parquet(lecture, tmp_path / "in.parquet", tmp_path / "out")
    assert found.statuses == {"optimal": 2, "bad_input": 5}
    read = found.to_frame()
    assert read["status"].tolist() == ["optimal", *["bad_input"] * 4, "optimal", "bad_input"]
    assert f"{TOKENS} must be a number, got 'pear'; write a plain count" in read["message"][1]
    assert "law.beta must be a number, got 'apple'" in read["message"][2]
    assert f"{TOKENS} must be a finite number, got 'nan'" in read["message"][3]
    assert f"{TOKENS} must be 0 or more" in read["message"][4]
    assert read["n_params"].isna().tolist() == [False, *[True] * 4, False, True]
    one = solve_batch(lecture, pd.DataFrame({TOKENS: [2e14], "law.beta": [0.3]}))
    assert read["n_params"][0] == one["n_params"][0]


def test_as_many_texts_as_rows_are_read_together(tmp_path, lecture, monkeypatch):
    """Numbers as text are numbers: they do not part the rows as names do."""
    import optimizer.optimum.rows as columns

    tokens = np.geomspace(1e12, 1e16, 300)
    pd.DataFrame({TOKENS: [f"{t!r}" for t in tokens.tolist()]}).to_parquet(tmp_path / "in.parquet", index=False)
    sizes, real = [], columns._group
    monkeypatch.setattr(columns, "_group", lambda s, f, rows, kinds: sizes.append(len(rows)) or real(s, f, rows, kinds))
    found = sweep_parquet(lecture, tmp_path / "in.parquet", tmp_path / "out").to_frame()
    assert sizes == [300]
    assert found["n_params"].tolist() == solve_batch(lecture, pd.DataFrame({TOKENS: tokens}))["n_params"].tolist()


def test_a_column_that_pandas_has_as_index_is_part_of_the_question(tmp_path, lecture):
    frame = pd.DataFrame({TOKENS: [1e13, 1e15], "law.beta": [0.3, 0.4]})
    frame.set_index(TOKENS).to_parquet(tmp_path / "in.parquet")
    found = sweep_parquet(lecture, tmp_path / "in.parquet", tmp_path / "out").to_frame()
    assert found["n_params"].tolist() == solve_batch(lecture, frame)["n_params"].tolist()


OTHERS = {
    "law.A": pa.array([True, False]),
    "law.B": pa.array([[1.0], [2.0]]),
    "law.alpha": pa.array([[("a", 1.0)], []], pa.map_(pa.string(), pa.float64())),
    "law": pa.array([{"beta": 0.3}, {"beta": 0.4}]),
    "law.beta": pa.array([DAY.date()] * 2),
    "goal.loss": pa.array([DAY] * 2),
    "rl.tokens": pa.array([DAY.time()] * 2),
    "rl.ratio": pa.array([DAY - DAY] * 2),
    "traffic.kind": pa.array([b"total", b"total"]),
    "traffic.months": pa.array([b"ab", b"cd"], pa.binary(2)),
    "limits.max_params": pa.array([True, False]).dictionary_encode(),
    "goal.kind": pa.array([1.0, 2.0]),
}


def test_every_other_type_is_refused_in_one_sentence_a_column(tmp_path, lecture):
    table = pa.table({**OTHERS, TOKENS: pa.array([1e14, 2e14])})
    pq.write_table(table, tmp_path / "in.parquet")
    written = pq.read_schema(tmp_path / "in.parquet")
    with pytest.raises(DataError) as caught:
        sweep_parquet(lecture, tmp_path / "in.parquet", tmp_path / "out")
    problems = caught.value.problems
    assert len(problems) == len(OTHERS)
    for name, problem in zip(OTHERS, problems, strict=True):
        assert problem.startswith(f"{tmp_path / 'in.parquet'}: column {name} has type {written.field(name).type}"), name
    assert "such as law.beta" in problems[list(OTHERS).index("law")]
    assert problems[-1].endswith("but goal.kind is not a number in a scenario: write text.")
    assert not (tmp_path / "out").exists()
    found = sweep_parquet(lecture, tmp_path / "in.parquet", tmp_path / "out", keep=list(OTHERS))
    assert (
        pq.read_table(found.folder / "part-000000.parquet")
        .select(list(OTHERS))
        .equals(pq.read_table(tmp_path / "in.parquet").select(list(OTHERS)))
    )


def test_a_column_twice_is_refused(tmp_path, lecture):
    column = pa.array([1e14])
    pq.write_table(pa.Table.from_arrays([column, column], names=[TOKENS, TOKENS]), tmp_path / "in.parquet")
    with pytest.raises((DataError, InputError), match=f"has column {TOKENS} more than once; keep one"):
        sweep_parquet(lecture, tmp_path / "in.parquet", tmp_path / "out")
