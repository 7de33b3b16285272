"""How are more scenarios answered than fit into memory? Row group by row group, each into a file of its own.

A sweep reads Parquet, one scenario a row, and writes a folder: `_manifest.json` says what is asked, `part-000000.parquet` and so on
hold the answers to one row group each, `_summary.json` appears when all are there. A part appears whole or not at all and always with
the same bytes, so a sweep that was cut off goes on where it stopped. `pandas.read_parquet(folder)` reads the result.

Memory is bounded by SLICE rows, whatever the size of files and row groups. The engines (this process, a Dask cluster, JAX processes)
differ only in who calls `solve_part`.
"""

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ..assumptions.changes import schema_paths
from ..assumptions.problems import DataError, InputError, near_miss
from ..assumptions.scenario import Scenario
from ..optimum.batch import solve_batch
from ..optimum.blocks import Progress
from .atomic import PARTIAL, write_atomically
from .grid import SizeTable
from .parts import SLICE, Job, Part, counts_of, first_line, solve_part
from .provenance import KEY, compact, fingerprint, made_on, provenance

__all__ = ["ENGINES", "Plan", "Sweep", "counted", "finished", "plan", "prepared", "sweep_parquet"]

MANIFEST, SUMMARY, LOCK = "_manifest.json", "_summary.json", ".lock"
ENGINES = ("local", "dask", "jax")


class Plan(NamedTuple):
    """A sweep that can begin."""

    job: Job
    parts: list[Part]
    manifest: dict[str, Any]


@dataclass(frozen=True)
class Sweep:
    """A finished sweep: where its answers are and how many of which status."""

    folder: Path
    scenario: Scenario
    rows: int
    parts: int
    statuses: dict[str, int]
    units: dict[str, str]

    def to_frame(self, columns: Sequence[str] | None = None) -> SizeTable:
        """All answers in memory, or the columns named; `attrs["units"]` gives the units."""
        frame = SizeTable(pd.concat(self.frames(columns), ignore_index=True))
        units = {name: unit for name, unit in self.units.items() if name in frame}
        frame.attrs = {"units": units, KEY: provenance(self.scenario)}
        return frame

    def frames(self, columns: Sequence[str] | None = None) -> Iterator[pd.DataFrame]:
        """The answers part by part, in the order of the input."""
        for path in sorted(self.folder.glob("part-*.parquet")):
            yield pd.read_parquet(path, columns=None if columns is None else list(columns))

    def reasons(self) -> dict[str, str]:
        """For each status without an answer, the sentence of its first row; at most one part a status is read."""
        wanted = [status for status in self.statuses if status != "optimal"]
        found: dict[str, str] = {}
        for path in sorted(self.folder.glob("part-*.parquet")) if wanted else []:
            held = json.loads((pq.read_metadata(path).metadata or {})[KEY.encode()])["statuses"]
            new = [status for status in wanted if status in held and status not in found]
            if new:
                rows = (
                    pd.read_parquet(path, columns=["status", "message"]).drop_duplicates("status").set_index("status")
                )
                found |= {status: str(rows.loc[status, "message"]) for status in new}
            if len(found) == len(wanted):
                break
        return found

    def __str__(self) -> str:
        counts = ", ".join(f"{count:,} {status.replace('_', ' ')}" for status, count in self.statuses.items())
        rows, parts = (f"{n:,} {what}{'s' if n != 1 else ''}" for n, what in ((self.rows, "row"), (self.parts, "part")))
        return f"{rows} in {parts} in {self.folder}: {counts or 'nothing'}."

    def _repr_html_(self) -> str:
        """The counts and the first rows with their units, for notebooks."""
        from html import escape

        from .markup import html_table

        first = pq.ParquetFile(self.folder / sorted(p.name for p in self.folder.glob("part-*.parquet"))[0])
        head = SizeTable(next(first.iter_batches(batch_size=5)).to_pandas())
        head.attrs = {"units": self.units, KEY: provenance(self.scenario)}
        return f"<p>{escape(str(self))} First rows:</p>{html_table(head, numbers='human')}"


def sweep_parquet(
    scenario: Scenario,
    source: str | Path,
    out: str | Path,
    *,
    keep: Sequence[str] = (),
    engine: str = "local",
    scheduler: str = "",
    progress: Progress | None = None,
) -> Sweep:
    """Answer every row of Parquet files, or go on with a sweep that was cut off.

    Args:
        scenario: the question that all rows share.
        source: a Parquet file, or a folder of them. Dotted columns replace the values of `scenario`, as in `solve_batch`.
        out: the folder of the answers; new, empty, or of the same sweep.
        keep: columns that are not part of the question (an identifier) and go into the answers as they are.
        engine: "local" (this process), "dask" (a Dask cluster at `scheduler`), or "jax" (all processes of jax.distributed).
        scheduler: address of the Dask scheduler, as tcp://host:8786.
        progress: called with (rows done, rows in all) after every part.

    Returns:
        The folder, the number of rows and how many ended in which status.

    Raises:
        DataError: the input is missing, damaged or has wrong columns, or the folder cannot be written.
        InputError: the folder holds another sweep, or the engine cannot be reached.

    """
    from . import engines

    if engine not in ENGINES:
        raise InputError([f"engine {engine!r} is unknown{near_miss(engine, ENGINES)} Engines: {', '.join(ENGINES)}."])
    planned = plan(scenario, Path(source), Path(out), keep)
    if engine == "jax":
        return engines.with_jax(scenario, planned, progress)
    with prepared(planned) as done:
        report = counted(planned, done, progress)
        todo = [part for part in planned.parts if part.number not in done]
        if engine == "dask":
            engines.with_dask(planned.job, todo, scheduler, report)
        else:
            for part in todo:
                report(part, solve_part(planned.job, part))
        return finished(scenario, planned, list(done.values()))


def plan(scenario: Scenario, source: Path, out: Path, keep: Sequence[str] = ()) -> Plan:
    """The parts of a sweep, once its input is known to be readable and its columns to be right. Nothing is written."""
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
        Part(i, str(path.resolve()), g, footers[path].row_group(g).num_rows, f"part-{i:06d}.parquet")
        for i, (path, g) in enumerate(groups)
    ]
    record = provenance(scenario)
    question = {**record, "sha256": fingerprint(scenario), "input": inputs, "keep": list(keep), "slice": SLICE}
    digest = hashlib.sha256(compact(question, sort_keys=True).encode()).hexdigest()
    manifest = {**record, "date": made_on(), "input": inputs, "keep": list(keep), "parts": len(parts), "digest": digest}
    return Plan(Job(compact(scenario.to_dict()), str(out.resolve()), tuple(keep), digest), parts, manifest)


@contextlib.contextmanager
def prepared(planned: Plan) -> Iterator[dict[int, dict[str, int]]]:
    """The folder, held by this process alone; gives the parts that are already there with their counts.

    Raises:
        DataError: the folder cannot be written.
        InputError: it holds another sweep or other files, or another process works in it.

    """
    out = Path(planned.job.out)
    try:
        out.mkdir(parents=True, exist_ok=True)
        held = (out / LOCK).open("w")
    except OSError as error:
        raise DataError([f"{out} cannot be written ({error.strerror}); choose another folder with --out."]) from None
    with held:
        _lock(held, out)
        try:
            then = json.loads((out / MANIFEST).read_text(encoding="utf-8"))
        except FileNotFoundError:
            others = sorted(p.name for p in out.iterdir() if p.name != LOCK and not p.name.endswith(PARTIAL))
            if others:
                raise InputError(
                    [f"{out} holds {others[0]} but no sweep; give --out an empty folder, or one that is not there yet."]
                ) from None
            write_atomically(
                out / MANIFEST, (json.dumps(planned.manifest, indent=2, ensure_ascii=False) + "\n").encode()
            )
        except (OSError, ValueError) as error:
            raise DataError([f"{out / MANIFEST} cannot be read ({error}); start anew in another folder."]) from None
        else:
            _same_sweep(then, planned, out)
        for partial in out.glob(f".*{PARTIAL}"):
            partial.unlink(missing_ok=True)
        found = ((part.number, counts_of(out / part.name, planned.job, part)) for part in planned.parts)
        yield {number: counts for number, counts in found if counts is not None}


def counted(
    planned: Plan, done: dict[int, dict[str, int]], progress: Progress | None
) -> Callable[[Part, dict[str, int]], None]:
    """What to call with every part that is done: it keeps the counts and tells the progress, from what was there before on."""
    total = sum(part.rows for part in planned.parts)
    sofar = sum(part.rows for part in planned.parts if part.number in done)
    if progress:
        progress(sofar, total)

    def report(part: Part, counts: dict[str, int]) -> None:
        nonlocal sofar
        done[part.number] = counts
        sofar += part.rows
        if progress:
            progress(sofar, total)

    return report


def finished(scenario: Scenario, planned: Plan, counts: Sequence[Mapping[str, int]], *, write: bool = True) -> Sweep:
    """The sweep whose parts are all there, with its summary written."""
    statuses: dict[str, int] = {}
    for each in counts:
        for status, count in each.items():
            statuses[status] = statuses.get(status, 0) + count
    statuses = dict(sorted(statuses.items(), key=lambda item: (item[0] != "optimal", item[0])))
    out, rows = Path(planned.job.out), sum(part.rows for part in planned.parts)
    if write:
        summary = {"digest": planned.job.digest, "rows": rows, "parts": len(planned.parts), "statuses": statuses}
        write_atomically(out / SUMMARY, (json.dumps(summary, indent=2) + "\n").encode())
    schema = pq.read_schema(out / planned.parts[0].name)
    units = {field.name: field.metadata[b"unit"].decode() for field in schema if b"unit" in (field.metadata or {})}
    return Sweep(out, scenario, rows, len(planned.parts), statuses, units)


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
        f"{first}: column {name} is not a dotted path of a scenario{near_miss(name, known)} Rename it, or carry it along: --keep {name}."
        for name in names
        if name not in known and name not in keep
    ]
    problems += [f"{first} has no column {name} to keep{near_miss(name, names)}" for name in keep if name not in names]
    problems += [
        f"{first} has column {name} more than once; keep one."
        for name in sorted({n for n in names if names.count(n) > 1})
    ]
    answers = [name for name in solve_batch(scenario, pd.DataFrame()) if name in names]
    problems += [f"{first}: column {name} has the name of an answer; rename it." for name in answers]
    schema = footers[first].schema.to_arrow_schema()
    for path in files[1:]:
        if not footers[path].schema.to_arrow_schema().equals(schema):
            problems.append(f"{path} has other columns or types than {first}; write both alike, or sweep them apart.")
    if problems:
        raise DataError(problems)


def _same_sweep(then: Any, planned: Plan, out: Path) -> None:
    now = planned.manifest
    if not isinstance(then, dict) or then.get("digest") != now["digest"]:
        named = {
            "scenario_sha256": "another scenario",
            "version": "another version",
            "input": "other input files",
            "keep": "other columns to keep",
        }
        differs = [what for key, what in named.items() if not isinstance(then, dict) or then.get(key) != now[key]]
        raise InputError(
            [
                f"{out} holds a sweep of {' and '.join(differs or ['another question'])}, so this one cannot go on there; give --out "
                "another folder, or ask the same question."
            ]
        )


def _lock(file: Any, out: Path) -> None:
    """Hold the folder for as long as the file is open; a process that dies lets go."""
    try:
        import fcntl
    except ImportError:  # no such locks on this system
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise InputError(
            [f"another process is sweeping into {out}; wait for it, or give --out another folder."]
        ) from None
    except OSError:  # a file system without locks
        return
