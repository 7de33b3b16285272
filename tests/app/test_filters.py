"""Filters of tables: words and comparisons keep the rows that they say."""

import pandas as pd
import pytest

from optimizer import InputError
from optimizer.app.filters import filtered

from .session import opened, run

FRAME = pd.DataFrame(
    {"law": ["hoffmann", "besiroglu", "Hoffmann"], "n_params": [1e10, 9e10, 2e11], "train_tokens": [2e13, 1e12, 5e11]}
)
HEADINGS = ["law", "active parameters N (parameters)", "training tokens D (tokens)"]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("", [0, 1, 2]),
        ("HOFF", [0, 2]),
        ("nothing", []),
        ("N < 100B", [0, 1]),
        ("N<=9e10, D > 1.5T", [0]),
        ("hoffmann, tokens D = 0.5T", [2]),
        ("active >= 200B", [2]),
    ],
)
def test_a_filter_keeps_the_rows_it_says(text, rows):
    assert filtered(FRAME, HEADINGS, text).index.tolist() == rows


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("loss < 2", "no column has 'loss' in its heading; columns: law, active"),
        ("law > 2", "column 'law' holds text"),
        ("a > 2", "is in several columns: law, active"),
        ("N < many", "'N < many': the number must be a number, got 'many'"),
    ],
)
def test_a_filter_that_cannot_be_read_is_reported(text, sentence):
    with pytest.raises(InputError, match=sentence):
        filtered(FRAME, HEADINGS, text)


def test_a_long_table_has_a_filter_and_its_files_all_rows():
    at = opened("sources")
    whole = len(at.dataframe[0].value)
    box = next(box for box in at.text_input if box.label == "Filter")
    box.set_value("assumption, value > 1")
    run(at)
    found = at.dataframe[0].value
    assert 0 < len(found) < whole
    assert (found["value"] > 1).all()
    assert f"{len(found)} of {whole} rows." in [caption.value for caption in at.caption]
    next(box for box in at.text_input if box.label == "Filter").set_value("value > many")
    run(at)
    assert "must be a number" in at.error[0].value.replace("\\", "")
    assert len(at.dataframe[0].value) == whole
