"""Benchmark of the speed and the memory of a sweep, run by `make bench`; no test asserts on it.

Every run is a process of its own, so that its peak memory is its own. Rates and processor time are given as ratios to `solve_batch` on a
frame in memory, in the same slices and measured in the same run, and memory as a ratio of 2,000,000 rows to 200,000.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

GROUP = 100_000


def inputs(rows: int, path: Path) -> None:
    """Random traffic and exponents under two laws, written a row group at a time."""
    rng = np.random.default_rng(0)
    writer = None
    for _ in range(0, rows, GROUP):
        frame = pd.DataFrame(
            {"traffic.output_tokens": 10 ** rng.uniform(11, 17, GROUP), "law.beta": rng.uniform(0.25, 0.5, GROUP)}
        )
        frame["law"] = np.where(np.arange(GROUP) % 2, "besiroglu", "hoffmann")
        table = pa.Table.from_pandas(frame, preserve_index=False)
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    if writer:
        writer.close()


def measured(kind: str, source: Path, out: Path) -> dict[str, float]:
    """Rows, seconds, processor seconds and peak memory (MB) of one run, after imports and compilation; under Dask those of the workers."""
    from optimizer import load, solve_batch
    from optimizer.parquet_sweep.folder import sweep_parquet

    s, rows = load("lecture-2026"), 0

    def warm() -> None:
        solve_batch(s, next(pq.ParquetFile(source).iter_batches(batch_size=GROUP)).to_pandas())

    warm()
    if kind == "dask":
        from distributed import Client, LocalCluster

        with (
            LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
            Client(cluster) as client,
        ):
            client.run(warm)
            used = client.run(time.process_time)
            cpu, begin = time.process_time(), time.perf_counter()
            rows = sweep_parquet(s, source, out, engine="dask", scheduler=cluster.scheduler_address).rows
            seconds, cpu = time.perf_counter() - begin, time.process_time() - cpu
            cpu += sum(after - used[worker] for worker, after in client.run(time.process_time).items())
            largest = max(client.run(peak).values())
        return {"rows": rows, "seconds": seconds, "cpu": cpu, "peak": largest}
    frame = pd.read_parquet(source) if kind == "memory" else pd.DataFrame()
    cpu, begin = time.process_time(), time.perf_counter()
    for at in range(0, len(frame), GROUP):
        rows += len(solve_batch(s, frame.iloc[at : at + GROUP]))
    if kind != "memory":
        rows = sweep_parquet(s, source, out, engine=kind).rows
    seconds, cpu = time.perf_counter() - begin, time.process_time() - cpu
    return {"rows": rows, "seconds": seconds, "cpu": cpu, "peak": peak()}


def peak() -> float:
    """Peak memory of this process (MB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run(kind: str, source: Path, out: Path) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench_sweep", kind, str(source), str(out)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def printed(name: str, found: dict[str, float], bare: dict[str, float], few: dict[str, float]) -> None:
    """One line: rates, the same as ratios to `solve_batch`, and memory as a ratio to the sweep of 200,000 rows."""
    speed, basis = found["rows"] / found["seconds"], bare["rows"] / bare["seconds"]
    work, least = 1e6 * found["cpu"] / found["rows"], 1e6 * bare["cpu"] / bare["rows"]
    print(  # noqa: T201
        f"{name:22} {speed:10,.0f} rows/s ({speed / basis:.2f} of solve_batch)   {work:5.2f} processor s per million rows "
        f"({work / least:.2f} x)   peak {found['peak']:,.0f} MB ({found['peak'] / few['peak']:.2f} x)"
    )


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        small, large = Path(folder) / "small.parquet", Path(folder) / "large.parquet"
        inputs(200_000, small)
        inputs(2_000_000, large)
        bare = run("memory", large, Path(folder))
        few = run("local", small, Path(folder) / "few")
        printed("solve_batch in memory", bare, bare, few)
        printed("sweep local, 200,000", few, bare, few)
        for kind in ("local", "dask"):
            printed(f"sweep {kind}, 2,000,000", run(kind, large, Path(folder) / kind), bare, few)
        begin = time.perf_counter()
        again = run("local", large, Path(folder) / "local")
        print(f"resumed with nothing left {again['seconds']:12.2f} s of {time.perf_counter() - begin:.1f} s")  # noqa: T201
        size = sum(p.stat().st_size for p in (Path(folder) / "local").glob("part-*"))
        print(f"answers take {size / 2e6:.0f} bytes a row")  # noqa: T201


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measured(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))))  # noqa: T201
    else:
        main()
