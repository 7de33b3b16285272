# ruff: noqa: T201
"""How long does `overtrain solve` take from shell to answer, and how much memory does a server that answers many questions hold?

    python -m tests.bench_processes            whole processes in turns, each next to a bare `import jax` with one jit
    python -m tests.bench_processes memory     500 questions of 128 kinds in one process, with the bound on compiled programs and without

The first run of each command, which compiles, is shown apart: its programs are kept on disk for the others.
"""

import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BARE = "import jax, jax.numpy as jnp\njax.jit(lambda x: jnp.sin(x) + 1)(1.0).block_until_ready()"
COMMAND = "import sys\nfrom optimizer.cli import main\nsys.argv = ['overtrain', *sys.argv[1:]]\nmain()"
RUNS = 7


def seconds(*arguments: str, folder: str) -> tuple[float, float]:
    """(by the clock, of the processor) of one whole process."""
    env = {**os.environ, "OVERTRAIN_CACHE": folder}
    before, start = os.times(), time.perf_counter()
    subprocess.run([sys.executable, "-c", *arguments], env=env, stdout=subprocess.DEVNULL, check=True)
    after = os.times()
    used = after.children_user - before.children_user + after.children_system - before.children_system
    return time.perf_counter() - start, used


def processes() -> None:
    commands = {"bare": (BARE,), "solve": (COMMAND, "solve"), "rack": (COMMAND, "solve", "frontier-moe-rack")}
    with tempfile.TemporaryDirectory() as folder:
        for name, command in commands.items():
            print(f"first run of {name}: {seconds(*command, folder=folder)[0]:.2f} s")
        taken = {name: [] for name in commands}
        for _ in range(RUNS):
            for name, command in commands.items():
                taken[name].append(seconds(*command, folder=folder))
    for i, clock in enumerate(("by the clock", "of the processor")):
        bare = [run[i] for run in taken["bare"]]
        for name, runs in taken.items():
            mine = [run[i] for run in runs]
            ratio = statistics.median(a / b for a, b in zip(mine, bare, strict=True))
            print(f"{name:6} {clock}: median {statistics.median(mine):.2f} s, {ratio:.2f} times bare")


def resident() -> float:
    """Memory of this process, MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def memory(bound: int) -> None:
    from optimizer import compiling, load, solve

    compiling.MOST_HELD = bound
    limits = {
        "limits.max_params": 1e12,
        "limits.min_params": 1e9,
        "limits.max_train_tokens": 1e16,
        "limits.max_training_bytes_per_chip": 8e11,
        "goal.loss": 1.95,
        "rl": {"policy": "none"},
        "money.unit": "usd",
    }
    kinds = [dict(chosen) for size in range(8) for chosen in itertools.combinations(limits.items(), size)]
    s = load("lecture-2026")
    for i in range(500):
        kind = kinds[i % len(kinds)]
        solve(s.update({**kind, "traffic.output_tokens": 1e14 * (1 + i)}), throw=False)
        if i % 50 == 49:
            print(
                f"at most {bound} programs, {i + 1} questions: {resident():.0f} MB, {compiling.held()} held", flush=True
            )


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["memory", bound]:
            memory(int(bound))
        case ["memory"]:
            for most in (48, 100_000):
                subprocess.run([sys.executable, "-m", "tests.bench_processes", "memory", str(most)], check=True)
        case _:
            processes()
