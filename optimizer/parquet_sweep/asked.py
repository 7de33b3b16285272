"""Read the columns of a sweep's input and check their types.

A column holds numbers or text. Integers, floating point numbers and decimals become 64-bit floats, rounded once; text in a numeric column
is read by `parse_number`, row by row; a null or NaN stands for the scenario's own value. Other types are refused before anything is
written.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa

from ..assumptions.numbers import parse_number
from ..assumptions.paths import number_paths
from ..assumptions.scenario import Scenario

__all__ = ["asked_frame", "problem_of"]


def problem_of(field: pa.Field) -> str | None:
    """What is wrong with the type of a column of the question, as the end of a sentence; None if nothing is."""
    kind = _decoded(field.type)
    if _is_text(kind) or pa.types.is_null(kind):
        return None
    if _is_number(kind):
        if field.name in number_paths(Scenario):
            return None
        return f"has type {field.type}, but {field.name} is not a number in a scenario: write text."
    if pa.types.is_struct(kind):
        how = "Write each of its fields as a column of its own"
        if kind.num_fields:
            how += f", such as {field.name}.{kind.field(0).name}"
    else:
        how = "Write it as one of these"
    return (
        f"has type {field.type}; a column must hold numbers (integers, floating point, decimals) or text. {how}, "
        f"or copy it to the output: --keep {field.name}."
    )


def asked_frame(batch: pa.RecordBatch, keep: Sequence[str]) -> tuple[pd.DataFrame, dict[int, str]]:
    """The frame for `solve_batch`, and an error message for each row in which a numeric column holds text that is not a number.

    Built column by column, because metadata written by pandas could turn a column into the index, which `solve_batch` does not read.
    """
    columns: dict[str, object] = {}
    refused: dict[int, str] = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if name in keep:
            continue
        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        if pa.types.is_decimal(column.type):  # by its digits: these are rounded once
            column = column.cast(pa.string()).cast(pa.float64())
        if _is_number(column.type):
            columns[name] = column.to_numpy(zero_copy_only=False).astype(float, copy=False)
        elif _is_text(column.type) and name in number_paths(Scenario):
            columns[name] = _read(name, column, refused)
        else:
            columns[name] = column.to_pandas()
    return pd.DataFrame(columns, index=pd.RangeIndex(batch.num_rows)), refused


def _read(name: str, column: pa.Array, refused: dict[int, str]) -> np.ndarray:
    """Numbers written as text; each distinct text is parsed once."""
    encoded = column.dictionary_encode()
    texts = encoded.dictionary.to_pylist()
    numbers, problems = np.full(len(texts) + 1, np.nan), dict[int, str]()
    for i, text in enumerate(texts):
        try:
            numbers[i] = parse_number(text)
        except ValueError as error:
            problems[i] = f"{name} {error}."
    codes = encoded.indices.fill_null(len(texts)).to_numpy(zero_copy_only=False)
    for row in np.flatnonzero(np.isin(codes, list(problems))).tolist() if problems else ():
        refused[row] = f"{refused.get(row, '')} {problems[int(codes[row])]}".strip()
    return numbers[codes]


def _decoded(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
