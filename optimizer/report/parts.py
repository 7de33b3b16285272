"""What is one part of a sweep? The rows of one row group of a Parquet file, solved SLICE at a time into a file of its own.

Every engine calls `solve_part`, in this process or in another: the same rows give the same bytes.
"""

import json
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ..assumptions.problems import DataError, InputError
from ..assumptions.scenario import Scenario
from ..optimum.batch import solve_batch
from .atomic import replacing
from .provenance import KEY, compact

__all__ = ["SLICE", "Job", "Part", "counts_of", "first_line", "solve_part"]

SLICE = 1 << 17
"""Rows that are in memory at once."""


class Part(NamedTuple):
    """One row group of the input and the file that answers it."""

    number: int
    source: str
    row_group: int
    rows: int
    name: str


class Job(NamedTuple):
    """What every part shares, as plain data that travels to other processes."""

    scenario: str
    """as JSON"""
    out: str
    keep: tuple[str, ...]
    digest: str
    """of the whole question: scenario, version, input, columns to keep"""


def solve_part(job: Job, part: Part) -> dict[str, int]:
    """Answer one row group and write its file; the number of rows by status. The same bytes whoever calls it, on the same kind of machine.

    Raises:
        DataError: the row group cannot be read, or the file cannot be written.

    """
    scenario = _scenario(job.scenario)
    counts: dict[str, int] = {}
    writer: pq.ParquetWriter | None = None
    with replacing(Path(job.out) / part.name) as file:
        for batch in _batches(part):
            answered = _answered(scenario, batch, job.keep)
            for found in answered["status"].value_counts().to_pylist():
                counts[found["values"]] = counts.get(found["values"], 0) + found["counts"]
            if writer is None:
                # A dictionary of numbers that hardly ever repeat costs half of the writing and saves nothing.
                text = [field.name for field in answered.schema if not _is_number(field)]
                writer = pq.ParquetWriter(file, answered.schema, use_dictionary=text)  # pyright: ignore[reportArgumentType]
            writer.write_table(answered)
        assert writer is not None
        writer.add_key_value_metadata(
            {KEY: compact({"digest": job.digest, "part": part.number, "statuses": counts}, sort_keys=True)}
        )
        writer.close()
    return counts


@lru_cache(maxsize=4)
def _scenario(text: str) -> Scenario:
    return Scenario.from_dict(json.loads(text))


def _answered(scenario: Scenario, batch: pa.RecordBatch, keep: Sequence[str]) -> pa.Table:
    """The rows with their answers beside them."""
    asked = [name for name in batch.schema.names if name not in keep]
    answers = _solved(scenario, batch.select(asked).to_pandas())
    units = answers.attrs["units"]
    declared = {path: quantity.unit for path, quantity, _ in scenario.quantities()}
    columns = [batch.column(name) for name in batch.schema.names]
    fields = [_with_unit(field, declared.get(field.name)) for field in batch.schema]
    for name in answers:
        column = pa.array(answers[name])
        if isinstance(column, pa.ChunkedArray):
            column = column.combine_chunks()
        if not pd.api.types.is_numeric_dtype(answers[name]):
            column = column.cast(pa.string())
        columns.append(column)
        fields.append(_with_unit(pa.field(str(name), column.type), units.get(name)))
    return pa.Table.from_arrays(columns, schema=pa.schema(fields))


def _is_number(field: pa.Field) -> bool:
    return pa.types.is_floating(field.type) or pa.types.is_integer(field.type)


def _with_unit(field: pa.Field, unit: str | None) -> pa.Field:
    return field.with_metadata({"unit": unit} if unit else {})


def _solved(scenario: Scenario, frame: pd.DataFrame) -> pd.DataFrame:
    """`solve_batch`; where a name in one row is unknown, the rows that share it fail and no others."""
    try:
        return solve_batch(scenario, frame)
    except InputError as error:
        names = [c for c in frame if not pd.api.types.is_numeric_dtype(frame[c])]
        groups = list(frame.groupby(names, dropna=False, sort=False).indices.values()) if names else []
        if len(groups) > 1:
            parts = [_solved(scenario, frame.iloc[rows]) for rows in groups]
            joined = pd.concat(parts).reindex(frame.index)
            joined.attrs = parts[0].attrs
            return joined
        empty = solve_batch(scenario, frame.iloc[:0])
        failed = empty.reindex(frame.index)
        failed["status"], failed["message"], failed["active_limits"] = "bad_input", " ".join(error.problems), ""
        failed.attrs = empty.attrs
        return failed


def _batches(part: Part) -> Iterator[pa.RecordBatch]:
    """The rows of a row group, SLICE at a time; one empty batch where it has none.

    Raises:
        DataError: the file is damaged or no longer there.

    """
    try:
        with pq.ParquetFile(part.source, page_checksum_verification=True, buffer_size=1 << 20) as file:
            batches = file.iter_batches(batch_size=SLICE, row_groups=[part.row_group])
            rows = 0
            for batch in batches:
                rows += batch.num_rows
                yield batch
            if not rows:
                yield pa.RecordBatch.from_pylist([], schema=file.schema_arrow)
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            [
                f"{part.source}, row group {part.row_group + 1}, cannot be read ({first_line(error)}); the parts before it are whole. "
                "Replace the file and start anew in another folder."
            ]
        ) from None
    if rows != part.rows:
        raise DataError([f"{part.source} changed while it was read; start anew in another folder."])


def first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")


def counts_of(path: Path, job: Job, part: Part) -> dict[str, int] | None:
    """Rows by status of a part that is there and whole, None otherwise."""
    try:
        footer = pq.read_metadata(path)
        held = json.loads((footer.metadata or {})[KEY.encode()])
    except (pa.ArrowException, OSError, KeyError, ValueError):
        return None
    return held["statuses"] if held.get("digest") == job.digest and footer.num_rows == part.rows else None
