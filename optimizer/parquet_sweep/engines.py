"""Solve the parts of a sweep on the workers of a Dask cluster.

Every worker calls `solve_part`; input and output folders must be reachable under the same path from every machine.
"""

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

from ..assumptions.problems import InputError
from ..report.files.export import extra
from .part import Job, Part, solve_part

__all__ = ["Report", "with_dask"]

IN_FLIGHT = 4
"""Parts per worker thread that are submitted to the scheduler at any time, which bounds its memory."""
RETRIES = 5
CONNECT_SECONDS = 20

Report = Callable[[Part, dict[str, int]], None]
"""Called with each finished part and its number of rows by status."""


def with_dask(job: Job, parts: Sequence[Part], scheduler: str, report: Report) -> None:
    """Solve parts on a Dask cluster. If a worker dies, another one solves its part again.

    Raises:
        InputError: there is no scheduler at the address, or a part failed.

    """
    distributed = extra("distributed", "engine dask", "dask")
    if not scheduler:
        raise InputError(["engine dask needs --scheduler tcp://HOST:8786; start a scheduler with: dask scheduler."])
    try:
        client = distributed.Client(scheduler, timeout=CONNECT_SECONDS)
    except (OSError, ValueError, TypeError) as error:
        raise InputError(
            [f"no Dask scheduler responds at {scheduler} ({error}); start one with: dask scheduler."]
        ) from None
    with client:
        threads = sum(client.nthreads().values())
        if not threads:
            raise InputError(
                [f"the Dask scheduler at {scheduler} has no workers; start some with: dask worker {scheduler}."]
            )
        waiting = iter(parts)

        def submitted(count: int) -> list[Any]:
            return [client.submit(_attempt, job, part, pure=False, retries=RETRIES) for part in islice(waiting, count)]

        running = distributed.as_completed(submitted(IN_FLIGHT * threads))
        for future in running:
            try:
                part, counts, problems = future.result()
            except distributed.KilledWorker:
                raise InputError(
                    [
                        "every worker that took one part was killed, most likely for lack of memory; give the workers more."
                    ]
                ) from None
            if problems:
                raise InputError(problems)
            report(part, counts)
            for more in submitted(1):
                running.add(more)


def _attempt(job: Job, part: Part) -> tuple[Part, dict[str, int], list[str]]:
    """`solve_part`, with its errors returned as sentences, which can be sent between processes."""
    try:
        return part, solve_part(job, part), []
    except InputError as error:
        return part, {}, list(error.problems)
