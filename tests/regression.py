# ruff: noqa: T201
"""Does a change of the code leave every number as it was?

    python -m tests.regression before.json            ask every question below and keep the answers
    python -m tests.regression after.json before.json  the same, then list what differs by more than 1e-9 of its size

A question is a command line with `--json`: the lecture, every preset, three grids, what moves every preset, and a model on a chip. Exit
status 1 when a number or a text differs, a key is gone or a new one is there.
"""

import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path

from typer.testing import CliRunner

from optimizer import presets
from optimizer.cli import main as overtrain

TOLERANCE = 1e-9
NOISE = 1e-12
"""Residuals and slopes that are zero but for rounding lie below it."""

QUESTIONS = {
    "reproduce": ["reproduce"],
    "claims": ["reproduce", "--claims"],
    **{f"solve {name}": ["solve", name] for name in presets()},
    **{f"sensitivity {name}": ["sensitivity", name] for name in presets()},
    "table laws x traffic": [
        "table", "--over", "law=besiroglu,hoffmann,de-vries,muennighoff", "--over", "traffic.output_tokens=1T..1000T:7",
    ],
    "table experts on a rack": [
        "table", "frontier-moe-rack", "--over", "goal.like_params=30B,100B", "--over", "deployment.chips=36,72",
    ],
    "table repeated data, wide": [
        "table", "data-limited-lab", "--over", "law.unique_tokens=1T,10T", "--over", "traffic.share=0.1,1",
        "--wide", "law.unique_tokens", "--value", "n_params,cost_total",
    ],
    "table inverse": ["table", "--inverse", "--sizes", "8B,70B,400B", "--over", "law=besiroglu,hoffmann"],
    "roofline": ["roofline"],
    "roofline of experts": ["roofline", "DeepSeek-V3", "--chip", "GB200", "--precision", "fp8", "--set", "deployment.chips=72"],
    "sources": ["sources"],
}  # fmt: skip


def answers() -> dict[str, object]:
    found: dict[str, object] = {}
    for name, arguments in QUESTIONS.items():
        print(name, file=sys.stderr)
        done = CliRunner().invoke(overtrain, [*arguments, "--json"])
        found[name] = {"exit": done.exit_code, "answer": json.loads(done.stdout) if done.stdout else done.stderr}
    return found


def leaves(at: object, path: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(at, dict):
        for key, value in at.items():
            if key not in ("version", "made", "created"):
                yield from leaves(value, f"{path}/{key}")
    elif isinstance(at, list):
        for i, value in enumerate(at):
            yield from leaves(value, f"{path}/{i}")
    else:
        yield path, at


def differs(one: object, other: object) -> bool:
    if isinstance(one, (int, float)) and isinstance(other, (int, float)):
        return not math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=NOISE)
    return one != other


def main() -> int:
    found = answers()
    Path(sys.argv[1]).write_text(json.dumps(found))
    if len(sys.argv) < 3:
        print(f"{sum(1 for _ in leaves(found)):,} values kept in {sys.argv[1]}")
        return 0
    now, before = dict(leaves(found)), dict(leaves(json.loads(Path(sys.argv[2]).read_text())))
    changed = [
        f"{path}: {before[path]} -> {now[path]}" for path in now if path in before and differs(now[path], before[path])
    ]
    changed += [f"{path}: new" for path in now if path not in before] + [
        f"{path}: gone" for path in before if path not in now
    ]
    print(f"{len(now):,} values, {len(changed):,} differences")
    print("\n".join(changed))
    return 1 if changed else 0


if __name__ == "__main__":
    raise SystemExit(main())
