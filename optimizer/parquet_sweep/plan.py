"""Plan a sweep: check the input and list its parts, one for each row group. Nothing is written."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ..assumptions.paths import schema_paths
from ..assumptions.problems import DataError, InputError, near_miss, shown
from ..assumptions.record import compact, fingerprint, made_by, made_on, provenance
from ..assumptions.scenario import Scenario
from ..optimum.batch import solve_batch
from .asked import problem_of
from .part import SLICE, Job, Part, first_line, part_name

__all__ = ["Plan", "plan"]


class Plan(NamedTuple):
    """A checked sweep: what all parts share, the parts, and the manifest."""

    job: Job
    parts: list[Part]
    manifest: dict[str, Any]


def plan(scenario: Scenario, source: Path, out: Path, keep: Sequence[str] = ()) -> Plan:
    """Check that the input can be read and that its columns are right, and list the parts. Nothing is written."""
    for path in (source, out):
        _check_path(path)
    files = _files(source, out)
    footers = {path: _footer(path) for path in files}
    names = footers[files[0]].schema.to_arrow_schema().names
    _check_columns(scenario, files, footers, names, keep)
    inputs = [
        {
            "name": path.name,
            "bytes": path.stat().st_size,
            "rows": footers[path].num_rows,
            "row_groups": footers[path].num_row_groups,
            "footer_sha256": _footer_hash(path),
        }
        for path in files
    ]
    groups = [(path, g) for path in files for g in range(footers[path].num_row_groups)]
    if not sum(entry["rows"] for entry in inputs):
        raise DataError([f"{source} has no rows; give at least one scenario."])
    parts = [
        Part(i, str(path.resolve()), g, group.num_rows, _ranges(group), part_name(i))
        for i, (path, g) in enumerate(groups)
        for group in [footers[path].row_group(g)]
    ]
    record = {**provenance(scenario, varied=(n for n in names if n not in keep)), **made_by()}
    question = {**record, "sha256": fingerprint(scenario), "input": inputs, "keep": list(keep), "slice": SLICE}
    digest = hashlib.sha256(compact(question, sort_keys=True).encode()).hexdigest()
    manifest = {**record, "date": made_on(), "input": inputs, "keep": list(keep), "parts": len(parts), "digest": digest}
    by = compact(made_by(), sort_keys=True)
    return Plan(Job(compact(scenario.to_dict()), str(out.resolve()), tuple(keep), by, digest), parts, manifest)


def _check_path(path: Path) -> None:
    """Check that a path can be opened or created.

    Raises:
        DataError: it cannot, because of its name or of permissions.

    """
    try:
        str(path).encode()  # Arrow takes no other names
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise DataError([f"{shown(str(path))} cannot be opened ({why}); give another path."]) from None


def _files(source: Path, out: Path) -> list[Path]:
    if source.is_dir():
        if source.resolve() == out.resolve():
            raise InputError([f"{source} is both input and output; give --out another folder."])
        files = sorted(path for path in source.glob("*.parquet") if path.is_file())
        if not files:
            raise DataError([f"{source} holds no .parquet file; give a Parquet file or a folder of them."])
        return files
    if not source.exists():
        raise DataError([f"{source} does not exist; give a Parquet file or a folder of them."])
    return [source]


def _footer(path: Path) -> pq.FileMetaData:
    try:
        return pq.read_metadata(path)
    except (pa.ArrowException, OSError) as error:
        raise DataError([f"{path} is not a whole Parquet file ({first_line(error)}); write it again."]) from None


def _footer_hash(path: Path) -> str:
    """SHA-256 of the footer, which holds sizes, offsets and ranges of every column of every row group."""
    with path.open("rb") as file:
        file.seek(-8, 2)
        length = int.from_bytes(file.read(4), "little")
        file.seek(-8 - length, 2)
        return hashlib.sha256(file.read(length)).hexdigest()


def _ranges(group: pq.RowGroupMetaData) -> tuple[tuple[int, int], ...]:
    """The ranges of bytes of a row group in its file, as first byte and length; adjacent ranges are joined."""
    found: list[list[int]] = []
    for i in range(group.num_columns):
        column = group.column(i)
        begin = min(at for at in (column.dictionary_page_offset or None, column.data_page_offset) if at is not None)
        if found and sum(found[-1]) == begin:
            found[-1][1] += column.total_compressed_size
        else:
            found.append([begin, column.total_compressed_size])
    return tuple((begin, length) for begin, length in found)


def _check_columns(
    scenario: Scenario, files: list[Path], footers: dict[Path, pq.FileMetaData], names: list[str], keep: Sequence[str]
) -> None:
    """Every column is a dotted path or kept, and all files have the same.

    Raises:
        DataError: one sentence for every column that is wrong.

    """
    paths = schema_paths(Scenario)
    known = dict.fromkeys(".".join(path.split(".")[:i]) for path in paths for i in range(1, path.count(".") + 2))
    first = files[0]
    problems = [
        f"{first}: column {name} is not a dotted path of a scenario{near_miss(name, known)} Rename it, or copy it to the output: "
        f"--keep {name}."
        for name in names
        if name not in known and name not in keep
    ]
    problems += [f"{first} has no column {name} to keep{near_miss(name, names)}" for name in keep if name not in names]
    problems += [
        f"{first} has column {name} more than once; keep one."
        for name in sorted({n for n in names if names.count(n) > 1})
    ]
    schema = footers[first].schema.to_arrow_schema()
    problems += [
        f"{first}: column {field.name} {problem}"
        for field in schema
        if field.name in known and field.name not in keep and (problem := problem_of(field))
    ]
    answers = [name for name in solve_batch(scenario, pd.DataFrame()) if name in names]
    problems += [f"{first}: column {name} has the name of an output; rename it." for name in answers]
    for path in files[1:]:
        if not footers[path].schema.to_arrow_schema().equals(schema):
            problems.append(
                f"{path} has other columns or types than {first}; write all files with the same columns, or sweep them separately."
            )
    if problems:
        raise DataError(problems)
