"""Who does the parts of a sweep? Workers of a Dask cluster, or the processes of jax.distributed. Every one calls `solve_part`.

Input and output folders must be reachable under the same path from every machine.
"""

import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from ..analysis.blocks import Progress
from ..assumptions.problems import InputError
from ..assumptions.scenario import Scenario
from ..optimum.solution import Status
from ..report.files.export import extra
from .folder import Sweep, counted, finished, prepared
from .part import Job, Part, solve_part
from .plan import Plan

__all__ = ["join", "with_dask", "with_jax"]

IN_FLIGHT = 4
"""Parts per worker thread that the scheduler knows of at any time, so that its memory stays small however many there are."""
RETRIES = 5
CONNECT_SECONDS = 20
STATUSES = (*(status.name.lower() for status in Status), "bad_input")

Report = Callable[[Part, dict[str, int]], None]


def with_dask(job: Job, parts: Sequence[Part], scheduler: str, report: Report) -> None:
    """Solve parts on a Dask cluster. A part whose worker dies is done again by another.

    Raises:
        InputError: there is no scheduler at the address, or a part failed; its sentences are passed on.

    """
    distributed = extra("distributed", "engine dask", "dask")
    if not scheduler:
        raise InputError(["engine dask needs --scheduler tcp://HOST:8786; start a scheduler with: dask scheduler."])
    try:
        client = distributed.Client(scheduler, timeout=CONNECT_SECONDS)
    except (OSError, ValueError, TypeError) as error:
        raise InputError(
            [f"no Dask scheduler answers at {scheduler} ({error}); start one with: dask scheduler."]
        ) from None
    with client:
        threads = sum(client.nthreads().values())
        if not threads:
            raise InputError(
                [f"the Dask scheduler at {scheduler} has no workers; start some with: dask worker {scheduler}."]
            )
        waiting = iter(parts)

        def submitted(count: int) -> list[Any]:
            return [client.submit(_told, job, part, pure=False, retries=RETRIES) for part in islice(waiting, count)]

        running = distributed.as_completed(submitted(IN_FLIGHT * threads))
        for future in running:
            try:
                part, counts, problems = future.result()
            except distributed.KilledWorker:
                raise InputError(
                    [
                        "one part killed every worker that took it, most likely for want of memory; give the workers more."
                    ]
                ) from None
            if problems:
                raise InputError(problems)
            report(part, counts)
            for more in submitted(1):
                running.add(more)


def _told(job: Job, part: Part) -> tuple[Part, dict[str, int], list[str]]:
    """`solve_part` with its errors as sentences, which travel between processes."""
    try:
        return part, solve_part(job, part), []
    except InputError as error:
        return part, {}, list(error.problems)


def join(coordinator: str, processes: int | None, process: int | None) -> None:
    """Join jax.distributed, before anything else uses JAX. Without a coordinator, JAX asks the cluster it runs on.

    Raises:
        InputError: the options do not fit together, or the processes do not find each other.

    """
    given = (bool(coordinator), processes is not None, process is not None)
    if any(given) and not all(given):
        raise InputError(
            [
                "--coordinator, --num-processes and --process-id belong together; give all three, or none for this machine alone."
            ]
        )
    if not any(given):
        return
    assert processes is not None
    assert process is not None
    if not 0 <= process < processes:
        raise InputError([f"--process-id must lie in [0, {processes}), got {process}."])
    try:
        jax.distributed.initialize(coordinator, processes, process)
    except (RuntimeError, ValueError) as error:
        raise InputError(
            [f"the processes do not find each other at {coordinator} ({str(error).splitlines()[0]})."]
        ) from None


def with_jax(scenario: Scenario, planned: Plan, progress: Progress | None) -> Sweep:
    """Solve the parts on every device of every process of jax.distributed.

    The numbers of the parts form one array, sharded over a mesh of all devices: each device solves its shard, and a sum over the mesh
    tells every process when all are done. Process 0 keeps the folder.

    Raises:
        InputError: the processes ask different questions, the folder cannot be used, or a part failed here or in another process.

    """
    _same_question(planned.job.digest)
    first = jax.process_index() == 0
    problems: list[str] = []
    done: dict[int, dict[str, int]] = {}
    with contextlib.ExitStack() as stack:
        if first:
            try:
                done = stack.enter_context(prepared(planned))
            except InputError as error:
                problems = list(error.problems)
        *there, refused = _summed([*(part.number in done for part in planned.parts), bool(problems)])
        if refused:
            raise InputError(problems or ["process 0 cannot use the folder; its message says why."])
        mine = _shards(np.flatnonzero(np.array(there) == 0))
        share = planned._replace(parts=[planned.parts[i] for numbers in mine.values() for i in numbers])
        report = counted(share, {}, progress)
        failed: list[str] = []

        def work(device: Any, numbers: Sequence[int]) -> dict[int, dict[str, int]]:
            found = {}
            with jax.default_device(device):
                for number in numbers:
                    part, found[number], wrong = _told(planned.job, planned.parts[number])
                    failed.extend(wrong)
                    if failed:
                        break
                    try:
                        report(part, found[number])
                    except BaseException:  # cancelled: the other devices stop too
                        failed.append("the sweep was cancelled.")
                        raise
            return found

        with ThreadPoolExecutor(len(mine)) as pool:
            for found in pool.map(work, mine.keys(), mine.values()):
                done |= found
        totals = [sum(counts.get(status, 0) for counts in done.values()) for status in STATUSES]
        *solved, wrong = _summed([*totals, bool(failed)])
        if wrong:
            raise InputError(failed or ["another process could not do its parts; its message says why."])
        counts = {status: int(count) for status, count in zip(STATUSES, solved, strict=True) if count}
        result = finished(scenario, planned, [counts], write=first)
        _summed([0])  # the summary is there before any process ends
    return result


def _same_question(digest: str) -> None:
    """Raises InputError unless every process has the same question, input, code and tables."""
    pieces = [int(digest[i : i + 8], 16) for i in range(0, 64, 8)]  # whole numbers that a float holds
    if _summed(pieces) != [piece * jax.process_count() for piece in pieces]:
        raise InputError(
            [
                "the processes of this sweep have different scenarios, input files, columns to keep, versions or data tables; start all "
                "with the same command but for --process-id, and the same overtrain."
            ]
        )


def _mesh() -> Mesh:
    return Mesh(np.array(jax.devices()), ("device",))


def _shards(numbers: np.ndarray) -> dict[Any, list[int]]:
    """For each device of this process the part numbers of its shard; the last ones are padded with -1, which nobody does."""
    mesh = _mesh()
    rounds = -(-max(len(numbers), 1) // mesh.size)
    padded = np.full(rounds * mesh.size, -1)
    padded[: len(numbers)] = numbers
    dealt = padded.reshape(rounds, mesh.size).T.copy()  # neighbours go to different devices
    placed = jax.make_array_from_callback(
        dealt.shape, NamedSharding(mesh, PartitionSpec("device")), lambda index: dealt[index]
    )
    return {
        shard.device: [int(n) for n in np.asarray(shard.data).ravel() if n >= 0] for shard in placed.addressable_shards
    }


def _summed(mine: Sequence[float]) -> list[float]:
    """The sum over all processes, which also makes them wait for each other."""
    mesh = _mesh()
    share = np.array(mine, float)[None, :] / len(mesh.local_devices)
    sharded = NamedSharding(mesh, PartitionSpec("device"))
    placed = jax.make_array_from_callback((mesh.size, share.shape[1]), sharded, lambda _: share)
    total = jax.jit(lambda rows: jnp.sum(rows, axis=0), out_shardings=NamedSharding(mesh, PartitionSpec()))(placed)
    return [float(round(v)) for v in np.asarray(total.addressable_data(0))]
