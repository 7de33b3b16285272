"""Solve one part of a sweep: the rows of one row group of a Parquet file, SLICE at a time, written to one file.

Every engine calls `solve_part`, in this process or in another; the same rows give the same bytes.
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
from ..assumptions.record import KEY, compact, made_by
from ..assumptions.scenario import Scenario
from ..optimum.batch import solve_batch
from ..report.files.atomic import replacing
from .asked import asked_frame
from .sealed import BLANK, SEAL, SealedFile, is_sealed, sha256_of

__all__ = ["SLICE", "Job", "Part", "Record", "content_sha256", "first_line", "held_record", "part_name", "solve_part"]

SLICE = 1 << 17
"""Rows that are in memory at once."""


class Part(NamedTuple):
    """One row group of the input and the file of its answers."""

    number: int
    source: str
    row_group: int
    rows: int
    ranges: tuple[tuple[int, int], ...]
    """of its bytes in the file: first byte and length"""
    name: str


class Job(NamedTuple):
    """What all parts share, as plain data that can be sent to other processes."""

    scenario: str
    """as JSON"""
    out: str
    keep: tuple[str, ...]
    made_by: str
    """version, code and tables of the process that planned the sweep, as JSON"""
    digest: str
    """of the whole question: scenario, version, input, columns to keep"""


class Record(NamedTuple):
    """The record in the footer of a part."""

    digest: str
    part: int
    input_sha256: str
    """of the bytes of the row group that it answers"""
    statuses: dict[str, int]


def part_name(number: int) -> str:
    """The file of a part."""
    return f"part-{number:06d}.parquet"


def solve_part(job: Job, part: Part) -> dict[str, int]:
    """Solve one row group, write its file and return the number of rows by status. The bytes depend on the rows and the kind of machine.

    Raises:
        DataError: the row group cannot be read or has changed, the file cannot be written, or this process has another version.

    """
    if job.made_by != compact(made_by(), sort_keys=True):
        raise DataError(
            [
                "a process of this sweep has another version of overtrain, or other data tables, than the one that started it; install "
                "the same everywhere and start it again."
            ]
        )
    scenario = _scenario(job.scenario)
    counts: dict[str, int] = {}
    writer: pq.ParquetWriter | None = None
    before, content = _state(part), content_sha256(part)
    with replacing(Path(job.out) / part.name) as file:
        sealed = SealedFile(file)
        for batch in _batches(part):
            answered = _answered(scenario, batch, job.keep)
            for found in answered["status"].value_counts().to_pylist():
                counts[found["values"]] = counts.get(found["values"], 0) + found["counts"]
            if writer is None:
                # Numbers hardly ever repeat: a dictionary of them takes half of the writing time and saves nothing.
                text = [field.name for field in answered.schema if not _is_number(field)]
                writer = pq.ParquetWriter(sealed, answered.schema, use_dictionary=text, write_page_checksum=True)  # pyright: ignore[reportArgumentType]
            writer.write_table(answered)
        assert writer is not None
        record = Record(job.digest, part.number, content, counts)
        writer.add_key_value_metadata({KEY: compact(record._asdict(), sort_keys=True), SEAL: BLANK})
        sealed.footer()
        writer.close()
        sealed.seal()
        if _state(part) != before:
            raise _changed(part)
    return counts


def content_sha256(part: Part) -> str:
    """SHA-256 of the bytes of a row group.

    Raises:
        DataError: the file cannot be read.

    """
    try:
        return sha256_of(Path(part.source), part.ranges)
    except (OSError, ValueError) as error:
        raise _unreadable(part, error) from None


@lru_cache(maxsize=4)
def _scenario(text: str) -> Scenario:
    return Scenario.from_dict(json.loads(text))


def _answered(scenario: Scenario, batch: pa.RecordBatch, keep: Sequence[str]) -> pa.Table:
    """The rows with their answers."""
    frame, refused = asked_frame(batch, keep)
    answers = _solved(scenario, frame)
    if refused:
        answers = _refused(answers, refused)
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


def _refused(answers: pd.DataFrame, refused: dict[int, str]) -> pd.DataFrame:
    """The answers, with an error message in rows whose text is not a number."""
    sentences = pd.Series(refused)
    texts = {name: answers[name].astype(object) for name in ("status", "message", "active_limits")}
    already = texts["message"].loc[sentences.index].where(texts["status"].loc[sentences.index] == "bad_input", "")
    numbers = answers.drop(columns=list(texts))
    numbers.loc[sentences.index] = float("nan")
    texts["status"].loc[sentences.index] = "bad_input"
    texts["message"].loc[sentences.index] = (already + " " + sentences).str.strip()
    texts["active_limits"].loc[sentences.index] = ""
    result = numbers.assign(**texts).reindex(columns=list(answers))
    result.attrs = answers.attrs
    return result


def _batches(part: Part) -> Iterator[pa.RecordBatch]:
    """The rows of a row group, SLICE at a time; one empty batch for a group without rows.

    Raises:
        DataError: the file is damaged or missing.

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
        raise _unreadable(part, error) from None
    if rows != part.rows:
        raise _changed(part)


def _state(part: Part) -> tuple[int, int]:
    try:
        found = Path(part.source).stat()
    except OSError as error:
        raise _unreadable(part, error) from None
    return found.st_size, found.st_mtime_ns


def _unreadable(part: Part, error: Exception) -> DataError:
    return DataError(
        [
            f"{part.source}, row group {part.row_group + 1}, cannot be read ({first_line(error)}); earlier parts are complete. "
            "Replace the file and start again in another folder."
        ]
    )


def _changed(part: Part) -> DataError:
    return DataError([f"{part.source} changed while it was read; start again in another folder."])


def first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")


def held_record(path: Path, job: Job, part: Part) -> Record | None:
    """The record of a part whose file is unchanged and answers this question; None for any other file."""
    try:
        if not is_sealed(path):
            return None
        footer = pq.read_metadata(path)
        held = Record(**json.loads((footer.metadata or {})[KEY.encode()]))
        mine = (held.digest, held.part, footer.num_rows) == (job.digest, part.number, part.rows)
        return held if mine else None
    except (pa.ArrowException, OSError, KeyError, ValueError, TypeError):
        return None
