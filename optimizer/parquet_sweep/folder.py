"""Solve more scenarios than fit into memory, one row group of a Parquet file at a time.

A sweep reads Parquet, one scenario a row, and writes a folder: `_manifest.json` holds the question, `part-000000.parquet` and so on hold
the answers to one row group each, and `_summary.json` is written once all parts are there. A part is written whole or not at all and
always with the same bytes, so an interrupted sweep goes on where it stopped. Everything found in the folder is checked: the question, the
input, the code and the tables must be those of the answers, and every part must have the bytes that were written.
`pandas.read_parquet(folder)` reads the result.

Memory is bounded by SLICE rows, whatever the size of files and row groups. Rows are independent, so several processes can share a sweep:
slice i of n is the parts whose number is i - 1 modulo n. Locks on the folder: a whole sweep holds `.lock` alone, slices hold it together;
`.lock-start` is held briefly while a slice starts or ends.
"""

import contextlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ..analysis.blocks import Progress
from ..analysis.grid import SizeTable
from ..assumptions.arguments import PATH, PROGRESS, TEXT, Check, Names, as_names, checks, names
from ..assumptions.problems import DataError, InputError, near_miss, shown
from ..assumptions.record import KEY, provenance
from ..assumptions.scenario import SCENARIO, Scenario
from ..report.files.atomic import PARTIAL, write_atomically
from .engines import Report, with_dask
from .part import Part, content_sha256, first_line, held_record, part_name, solve_part
from .plan import Plan, plan

__all__ = ["ENGINES", "Sweep", "prepared", "sweep_parquet"]

MANIFEST, SUMMARY, LOCK, START = "_manifest.json", "_summary.json", ".lock", ".lock-start"
ENGINES = ("local", "dask")


@dataclass(frozen=True)
class Sweep:
    """The answers of a sweep, or of one slice of it: the folder, the number of rows and parts, and the rows by status."""

    folder: Path
    scenario: Scenario
    rows: int
    numbers: range
    """numbers of the parts of this sweep or slice"""
    statuses: dict[str, int]
    units: dict[str, str]
    missing: int = 0
    """parts of the whole sweep that other slices have not written yet"""

    @property
    def parts(self) -> int:
        """Number of parts of this sweep or slice."""
        return len(self.numbers)

    @checks(columns=names("n_params"))
    def to_frame(self, columns: Names | None = None) -> SizeTable:
        """All answers, or the named columns, as one frame; `attrs["units"]` gives the units."""
        parts = list(self.frames(columns))
        frame = SizeTable(pd.concat(parts, ignore_index=True) if parts else None)
        units = {name: unit for name, unit in self.units.items() if name in frame}
        frame.attrs = {"units": units, KEY: provenance(self.scenario, varied=map(str, frame))}
        return frame

    @checks(columns=names("n_params"))
    def frames(self, columns: Names | None = None) -> Iterator[pd.DataFrame]:
        """The answers part by part, in the order of the input.

        Raises:
            DataError: a part is missing, or one of its checksums is wrong.

        """
        for path in self._parts():
            yield _read(path, None if columns is None else as_names(columns))

    def reasons(self) -> dict[str, str]:
        """The message of the first row of each status other than optimal; at most one part is read for each."""
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
        return (self.folder / part_name(number) for number in self.numbers)

    def __str__(self) -> str:
        counts = ", ".join(f"{count:,} {status.replace('_', ' ')}" for status, count in self.statuses.items())
        rows, parts = (f"{n:,} {what}{'s' if n != 1 else ''}" for n, what in ((self.rows, "row"), (self.parts, "part")))
        text = f"{rows} in {parts} in {self.folder}: {counts or 'nothing'}."
        return text + (f" Parts of the whole sweep still missing: {self.missing:,}." if self.missing else "")

    def _repr_html_(self) -> str:
        """The counts and the first rows with their units, for notebooks."""
        from html import escape

        if not self.numbers:
            return f"<p>{escape(str(self))}</p>"
        first = pq.ParquetFile(self.folder / part_name(self.numbers[0]))
        head = SizeTable(next(first.iter_batches(batch_size=5)).to_pandas())
        head.attrs = {"units": self.units, KEY: provenance(self.scenario, varied=map(str, head))}
        return f"<p>{escape(str(self))} First rows:</p>{head._repr_html_()}"


def _slice(given: Any, name: str) -> tuple[int, int]:
    match given:
        case (int(i), int(n)) if not isinstance(i, bool) and not isinstance(n, bool):
            if 1 <= i <= n:
                return i, n
            raise InputError([f"{name} must be (i, n) with 1 <= i <= n, such as (3, 16), got {shown(given)}."])
    raise TypeError


@checks(
    scenario=SCENARIO,
    source=PATH,
    out=PATH,
    keep=names("identifier"),
    engine=TEXT,
    scheduler=TEXT,
    slice_of=Check("a pair of whole numbers", "give (3, 16) for the third of sixteen slices", _slice),
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
    slice_of: tuple[int, int] | None = None,
    progress: Progress | None = None,
) -> Sweep:
    """Solve every row of Parquet files, or go on with an interrupted sweep.

    Args:
        scenario: the question that all rows share.
        source: a Parquet file, or a folder of them. Dotted columns replace the values of `scenario`, as in `solve_batch`.
        out: the folder of the answers; new, empty, or of the same sweep.
        keep: columns that are not part of the question (an identifier) and go into the answers as they are.
        engine: "local" (this process) or "dask" (a Dask cluster at `scheduler`).
        scheduler: address of the Dask scheduler, as tcp://host:8786.
        slice_of: (i, n) solves only slice i of n, the parts whose number is i - 1 modulo n. Processes that solve other slices of the same
            sweep can work in the folder at the same time.
        progress: called with (rows done, rows in all) after every part.

    Returns:
        The folder, the number of rows and how many ended in which status; of the slice where one is asked for.

    Raises:
        DataError: the input is missing, damaged or has wrong columns, or the folder cannot be written.
        InputError: the folder holds another sweep, the engine cannot be reached, or the slice does not exist.

    """
    if engine not in ENGINES:
        raise InputError([f"engine {engine!r} is unknown{near_miss(engine, ENGINES)} Engines: {', '.join(ENGINES)}."])
    if slice_of is not None and engine != "local":
        raise InputError([f"engine {engine} distributes all parts itself; leave the slice out, or take engine local."])
    planned = plan(scenario, Path(source), Path(out), as_names(keep))
    first, of = slice_of or (1, 1)
    numbers = range(first - 1, len(planned.parts), of)
    with prepared(planned, None if slice_of is None else numbers) as done:
        share = planned._replace(parts=[planned.parts[number] for number in numbers])
        report = _counted(share, done, progress)
        todo = [part for part in share.parts if part.number not in done]
        if engine == "dask":
            with_dask(planned.job, todo, scheduler, report)
        else:
            for part in todo:
                report(part, solve_part(planned.job, part))
        return _finished(scenario, planned, numbers, done)


@contextlib.contextmanager
def prepared(planned: Plan, numbers: range | None = None) -> Iterator[dict[int, dict[str, int]]]:
    """Lock the folder and yield the counts of the parts that are complete; the caller adds those that it solves.

    A whole sweep (`numbers` is None) locks the folder exclusively. Slices share it, and each checks its own parts only. A part with changed
    bytes is left out, to be solved again.

    Raises:
        DataError: the folder cannot be written, or its manifest is not the one that was written.
        InputError: it holds another sweep or other files, its input has changed, or another process uses it.

    """
    out = Path(planned.job.out)
    with contextlib.ExitStack() as held:
        try:
            out.mkdir(parents=True, exist_ok=True)
            lock = held.enter_context((out / LOCK).open("a"))
            start = (out / START).open("a") if numbers is not None else None
        except OSError as error:
            raise DataError(
                [f"{out} cannot be written ({error.strerror}); choose another folder with --out."]
            ) from None
        with start or contextlib.nullcontext():
            if start:
                _locked(start, shared=False, wait=True)
            alone = _locked(lock, shared=False)
            if alone is False and (numbers is None or _locked(lock, shared=True) is False):
                raise InputError(
                    [f"another process is sweeping into {out}; wait for it, or give --out another folder."]
                )
            _same_sweep(planned, out)
            # Without locks, other slices may be writing; then only a whole sweep, which must be started alone, removes partial files.
            if alone or numbers is None:
                _tidy(out)
            if start and alone and _locked(lock, shared=True) is False:  # a whole sweep took the lock in between
                raise InputError(
                    [f"another process is sweeping into {out}; wait for it, or give --out another folder."]
                )
        own = planned.parts if numbers is None else [planned.parts[number] for number in numbers]
        done = _done(planned, out, own)
        if len(done) < len(own):
            (out / SUMMARY).unlink(missing_ok=True)
        yield done
        if start:
            with (out / START).open("a") as start:
                _locked(start, shared=False, wait=True)
                if _locked(lock, shared=False):
                    _tidy(out)
                lock.close()  # before another slice that ends asks whether it is alone


def _tidy(out: Path) -> None:
    """Remove partial files of killed processes."""
    for partial in out.glob(f".*{PARTIAL}"):
        partial.unlink(missing_ok=True)


def _done(planned: Plan, out: Path, parts: Sequence[Part]) -> dict[int, dict[str, int]]:
    """The parts that are complete, with their counts.

    Raises:
        InputError: a row group has changed since it was solved, or the folder holds other Parquet files.

    """
    names = {part.name for part in planned.parts}
    there = {path.name for path in out.iterdir() if path.suffix == ".parquet" and not path.name.startswith((".", "_"))}
    if others := sorted(there - names):
        raise InputError(
            [f"{out} holds {others[0]}, which is not part of this sweep but would be read with it; move it elsewhere."]
        )

    def check(part: Part) -> tuple[Part, dict[str, int] | None, bool]:
        held = held_record(out / part.name, planned.job, part)
        if held is None:
            return part, None, True
        return part, held.statuses, held.input_sha256 == content_sha256(part)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = list(pool.map(check, (part for part in parts if part.name in there)))
    if changed := [part for part, _, same in found if not same]:
        more = f" and {len(changed) - 1:,} more" if len(changed) > 1 else ""
        raise InputError(
            [
                f"{changed[0].source}, row group {changed[0].row_group + 1}{more}, changed since {out / changed[0].name} answered it, so "
                "the answers there belong to other rows; give --out another folder, or put the old file back."
            ]
        )
    return {part.number: counts for part, counts, _ in found if counts is not None}


def _counted(planned: Plan, done: dict[int, dict[str, int]], progress: Progress | None) -> Report:
    """A function that adds the counts of a finished part to `done` and reports progress in rows."""
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


def _finished(scenario: Scenario, planned: Plan, numbers: range, done: dict[int, dict[str, int]]) -> Sweep:
    """The result of a finished sweep or slice; writes the summary if no part of the whole sweep is missing."""
    out, names = Path(planned.job.out), {part.name for part in planned.parts}
    missing, every = len(names - {path.name for path in out.glob("part-*.parquet")}), done
    if not missing:
        every = done | _done(planned, out, [part for part in planned.parts if part.number not in done])
        missing = len(planned.parts) - len(every)
    if not missing:
        rows = sum(part.rows for part in planned.parts)
        summary = {"digest": planned.job.digest, "rows": rows, "parts": len(every), "statuses": _summed(every.values())}
        write_atomically(out / SUMMARY, (json.dumps(summary, indent=2) + "\n").encode())
    units: dict[str, str] = {}
    if numbers:
        schema = pq.read_schema(out / part_name(numbers[0]))
        units = {field.name: field.metadata[b"unit"].decode() for field in schema if b"unit" in (field.metadata or {})}
    rows = sum(planned.parts[number].rows for number in numbers)
    return Sweep(out, scenario, rows, numbers, _summed(done.values()), units, missing)


def _summed(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Rows by status over all parts, optimal first."""
    total = Counter[str]()
    for each in counts:
        total.update(each)
    return dict(sorted(total.items(), key=lambda item: (item[0] != "optimal", item[0])))


def _read(path: Path, columns: Sequence[str] | None) -> pd.DataFrame:
    try:
        return pd.read_parquet(
            path, columns=None if columns is None else list(columns), page_checksum_verification=True
        )
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            [f"{path} cannot be read ({first_line(error)}); start the same sweep again to solve this part again."]
        ) from None


def _same_sweep(planned: Plan, out: Path) -> None:
    """Write the manifest, or check that the folder holds this sweep.

    Raises:
        DataError: the manifest cannot be read or was changed.
        InputError: the folder holds another sweep or other files.

    """
    try:
        then = json.loads((out / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        others = sorted(p.name for p in out.iterdir() if p.name not in (LOCK, START) and not p.name.endswith(PARTIAL))
        if others:
            raise InputError([f"{out} holds {others[0]} but no sweep; give --out an empty or new folder."]) from None
        write_atomically(out / MANIFEST, (json.dumps(planned.manifest, indent=2, ensure_ascii=False) + "\n").encode())
        return
    except (OSError, ValueError) as error:
        raise DataError([f"{out / MANIFEST} cannot be read ({error}); start again in another folder."]) from None
    now = json.loads(json.dumps(planned.manifest))
    then = then if isinstance(then, dict) else {}
    differs = [key for key, value in now.items() if then.get(key) != value and key not in ("date", "digest")]
    if then.get("digest") == now["digest"]:
        if differs:
            raise DataError(
                [
                    f"{out / MANIFEST} was changed since it was written ({', '.join(differs)}), so it no longer describes the answers "
                    "there; put it back, or start again in another folder."
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


def _locked(file: IO[str], *, shared: bool, wait: bool = False) -> bool | None:
    """Whether the file could be locked until it is closed (also by the end of the process); None where there are no locks."""
    try:
        import fcntl
    except ImportError:  # no such locks on this system
        return None
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return None
    return True
