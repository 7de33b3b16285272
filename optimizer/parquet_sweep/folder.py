"""How are more scenarios answered than fit into memory? Row group by row group, each into a file of its own.

A sweep reads Parquet, one scenario a row, and writes a folder: `_manifest.json` says what is asked, `part-000000.parquet` and so on
hold the answers to one row group each, `_summary.json` appears when all are there. A part appears whole or not at all and always with
the same bytes, so a sweep that was cut off goes on where it stopped. It trusts nothing that it finds: the question, the input, the code
and the tables must be those of the answers, and every part the bytes that were written. `pandas.read_parquet(folder)` reads the result.

Memory is bounded by SLICE rows, whatever the size of files and row groups. The engines (this process, a Dask cluster, JAX processes)
differ only in who calls `solve_part`.
"""

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ..analysis.blocks import Progress
from ..analysis.grid import SizeTable
from ..assumptions.arguments import PATH, PROGRESS, TEXT, Names, as_names, checks, names
from ..assumptions.problems import DataError, InputError, near_miss
from ..assumptions.record import KEY, provenance
from ..assumptions.scenario import SCENARIO, Scenario
from ..report.files.atomic import PARTIAL, write_atomically
from .part import Part, content_sha256, first_line, held_record, part_name, solve_part
from .plan import Plan, plan

__all__ = ["ENGINES", "Sweep", "counted", "finished", "prepared", "sweep_parquet"]

MANIFEST, SUMMARY, LOCK = "_manifest.json", "_summary.json", ".lock"
ENGINES = ("local", "dask", "jax")


@dataclass(frozen=True)
class Sweep:
    """A finished sweep: where its answers are and how many of which status."""

    folder: Path
    scenario: Scenario
    rows: int
    parts: int
    statuses: dict[str, int]
    units: dict[str, str]

    @checks(columns=names("n_params"))
    def to_frame(self, columns: Names | None = None) -> SizeTable:
        """All answers in memory, or the columns named; `attrs["units"]` gives the units."""
        frame = SizeTable(pd.concat(self.frames(columns), ignore_index=True))
        units = {name: unit for name, unit in self.units.items() if name in frame}
        frame.attrs = {"units": units, KEY: provenance(self.scenario, varied=map(str, frame))}
        return frame

    @checks(columns=names("n_params"))
    def frames(self, columns: Names | None = None) -> Iterator[pd.DataFrame]:
        """The answers part by part, in the order of the input.

        Raises:
            DataError: a part is no longer there, or a checksum in it is wrong.

        """
        for path in self._parts():
            yield _read(path, None if columns is None else as_names(columns))

    def reasons(self) -> dict[str, str]:
        """For each status without an answer, the sentence of its first row; at most one part a status is read."""
        wanted = [status for status in self.statuses if status != "optimal"]
        found: dict[str, str] = {}
        for path in self._parts() if wanted else ():
            held = json.loads((pq.read_metadata(path).metadata or {})[KEY.encode()])["statuses"]
            new = [status for status in wanted if status in held and status not in found]
            if new:
                rows = _read(path, ["status", "message"]).drop_duplicates("status").set_index("status")
                found |= {status: str(rows.loc[status, "message"]) for status in new}
            if len(found) == len(wanted):
                break
        return found

    def _parts(self) -> Iterator[Path]:
        return (self.folder / part_name(number) for number in range(self.parts))

    def __str__(self) -> str:
        counts = ", ".join(f"{count:,} {status.replace('_', ' ')}" for status, count in self.statuses.items())
        rows, parts = (f"{n:,} {what}{'s' if n != 1 else ''}" for n, what in ((self.rows, "row"), (self.parts, "part")))
        return f"{rows} in {parts} in {self.folder}: {counts or 'nothing'}."

    def _repr_html_(self) -> str:
        """The counts and the first rows with their units, for notebooks."""
        from html import escape

        first = pq.ParquetFile(self.folder / part_name(0))
        head = SizeTable(next(first.iter_batches(batch_size=5)).to_pandas())
        head.attrs = {"units": self.units, KEY: provenance(self.scenario, varied=map(str, head))}
        return f"<p>{escape(str(self))} First rows:</p>{head._repr_html_()}"


@checks(
    scenario=SCENARIO,
    source=PATH,
    out=PATH,
    keep=names("identifier"),
    engine=TEXT,
    scheduler=TEXT,
    progress=PROGRESS,
)
def sweep_parquet(
    scenario: Scenario,
    source: str | Path,
    out: str | Path,
    *,
    keep: Names = (),
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
    planned = plan(scenario, Path(source), Path(out), as_names(keep))
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


@contextlib.contextmanager
def prepared(planned: Plan) -> Iterator[dict[int, dict[str, int]]]:
    """The folder, held by this process alone; gives the parts that are already there with their counts.

    A part whose bytes are not those that were written is left out, to be done again.

    Raises:
        DataError: the folder cannot be written, or its manifest is not the one that was written.
        InputError: it holds another sweep or other files, its input was changed, or another process works in it.

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
        done = _done(planned, out)
        if len(done) < len(planned.parts):
            (out / SUMMARY).unlink(missing_ok=True)
        yield done


def _done(planned: Plan, out: Path) -> dict[int, dict[str, int]]:
    """The parts that are there and whole, with their counts.

    Raises:
        InputError: a row group is no longer the one that its part answers, or the folder holds parts of something else.

    """
    names = {part.name for part in planned.parts}
    there = {path.name for path in out.iterdir() if path.suffix == ".parquet" and not path.name.startswith((".", "_"))}
    if others := sorted(there - names):
        raise InputError(
            [f"{out} holds {others[0]}, which is no part of this sweep but would be read with it; move it elsewhere."]
        )

    def check(part: Part) -> tuple[Part, dict[str, int] | None, bool]:
        held = held_record(out / part.name, planned.job, part)
        if held is None:
            return part, None, True
        return part, held.statuses, held.input_sha256 == content_sha256(part)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = list(pool.map(check, (part for part in planned.parts if part.name in there)))
    if changed := [part for part, _, same in found if not same]:
        more = f" and {len(changed) - 1:,} more" if len(changed) > 1 else ""
        raise InputError(
            [
                f"{changed[0].source}, row group {changed[0].row_group + 1}{more}, changed since {out / changed[0].name} answered it, so "
                "the answers there are to other rows; give --out another folder, or put the old file back."
            ]
        )
    return {part.number: counts for part, counts, _ in found if counts is not None}


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


def _read(path: Path, columns: Sequence[str] | None) -> pd.DataFrame:
    try:
        return pd.read_parquet(
            path, columns=None if columns is None else list(columns), page_checksum_verification=True
        )
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            [f"{path} cannot be read ({first_line(error)}); the same sweep, started again, makes this part again."]
        ) from None


def _same_sweep(then: Any, planned: Plan, out: Path) -> None:
    now = json.loads(json.dumps(planned.manifest))
    then = then if isinstance(then, dict) else {}
    differs = [key for key, value in now.items() if then.get(key) != value and key not in ("date", "digest")]
    if then.get("digest") == now["digest"]:
        if differs:
            raise DataError(
                [
                    f"{out / MANIFEST} was changed since it was written ({', '.join(differs)}), so it no longer says what is answered "
                    "there; put it back, or start anew in another folder."
                ]
            )
        return
    named = {
        "scenario_sha256": "another scenario",
        "input": "other input files",
        "keep": "other columns to keep",
        "version": f"another version of overtrain ({then.get('version')}, this is {now['version']})",
        "code_sha256": "another state of the code",
        "tables_sha256": "other data tables (laws, hardware, prices)",
    }
    what = [sentence for key, sentence in named.items() if key in differs]
    older = {"version", "code_sha256", "tables_sha256"} & set(differs)
    how = "ask the same question" + (" with the code and the tables that began it" if older else "")
    raise InputError(
        [
            f"{out} holds a sweep of {' and '.join(what or ['another question'])}, so this one cannot go on there; give --out another "
            f"folder, or {how}."
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
