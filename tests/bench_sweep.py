"""How fast is a sweep, and how much memory does it take? `make bench` measures; nothing asserts on it.

Every run is a process of its own, so that its peak memory is its own. Rates are given as ratios to `solve_batch` on a frame in memory,
in the same slices and measured in the same run, and memory as a ratio of 2,000,000 rows to 200,000.
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
    """Seconds, rows and peak memory (MB) of one run in this process, after imports and compilation."""
    from optimizer import load, solve_batch
    from optimizer.report.sweep import sweep_parquet

    s, rows = load("lecture-2026"), 0
    if kind != "dask":  # its workers compile on their own time, inside the measurement
        solve_batch(s, next(pq.ParquetFile(source).iter_batches(batch_size=GROUP)).to_pandas())
    begin = time.perf_counter()
    if kind == "memory":
        frame = pd.read_parquet(source)
        begin = time.perf_counter()
        for at in range(0, len(frame), GROUP):
            rows += len(solve_batch(s, frame.iloc[at : at + GROUP]))
    elif kind == "dask":
        from distributed import LocalCluster

        with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
            begin = time.perf_counter()
            rows = sweep_parquet(s, source, out, engine="dask", scheduler=cluster.scheduler_address).rows
    else:
        rows = sweep_parquet(s, source, out, engine=kind).rows
    seconds = time.perf_counter() - begin
    return {"rows": rows, "seconds": seconds, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def run(kind: str, source: Path, out: Path) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench_sweep", kind, str(source), str(out)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        small, large = Path(folder) / "small.parquet", Path(folder) / "large.parquet"
        inputs(200_000, small)
        inputs(2_000_000, large)
        bare = run("memory", large, Path(folder))
        rate = bare["rows"] / bare["seconds"]
        print(f"solve_batch in memory     {rate:12,.0f} rows/s")  # noqa: T201
        few = run("local", small, Path(folder) / "few")
        print(f"sweep, 200,000 rows       {few['rows'] / few['seconds']:12,.0f} rows/s   peak {few['peak']:,.0f} MB")  # noqa: T201
        for kind in ("local", "jax", "dask"):
            many = run(kind, large, Path(folder) / kind)
            speed = many["rows"] / many["seconds"]
            print(  # noqa: T201
                f"sweep {kind:6} 2,000,000   {speed:12,.0f} rows/s   {speed / rate:.2f} of solve_batch   peak {many['peak']:,.0f} MB, "
                f"{many['peak'] / few['peak']:.2f} x that of 200,000 rows"
            )
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
