"""Compiled programs are kept: found again by the next process, shared by every question of a kind, bounded, and never in the way."""

import hashlib
import os
import subprocess
import sys
import threading
import uuid

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from optimizer import compiling, draws, elasticities, regret, sobol, solve, solve_batch, tornado
from optimizer.compiling import compiled

from .counts import THOROUGH


@compiled(structure=1)
def scaled(factor, x, more):
    a, b = more
    return factor * x + a, b


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """An empty folder of programs and an empty memory."""
    monkeypatch.setenv("OVERTRAIN_CACHE", str(tmp_path / "programs"))
    compiling.forget()
    yield tmp_path / "programs"
    compiling.forget()


@pytest.fixture
def new():
    """A number in no program yet: JAX's own cache has none of them, and what it has cannot be written again."""
    return float(uuid.uuid4().int % 10**9)


def answer(factor: float) -> list[float]:
    return np.asarray(scaled(factor, np.arange(3.0), (1.0, 2.0))[0]).tolist()


COUNTED = """
import shlex
import sys
import jax
made = []
jax.monitoring.register_event_duration_secs_listener(lambda event, *_, **__: made.append(event) if "backend_compile" in event else None)
from optimizer.cli import main
for words in sys.argv[1:]:
    sys.argv = ["overtrain", *shlex.split(words)]
    try:
        main()
    except SystemExit as end:
        assert not end.code, words
print("compiled", len(made))
"""
COMMANDS = (
    "solve lecture-2026",
    "cost --params 70B --tokens 15T",
    "roofline 'Llama 2 70B' --prompt 1K --answer 500",
    "table --over traffic.share=0.1,0.2",
)
SLOW_COMMANDS = (
    "solve open-weights-8b",
    "prices",
    "implied",
    "sensitivity",
    "solve frontier-moe-rack",
    "sensitivity frontier-moe-rack",
    "reproduce",
    "roofline DeepSeek-V3 --users 200 --speed 25 --set deployment.chips=16",
)


def test_a_second_process_compiles_nothing(tmp_path):
    commands = [*COMMANDS, *(SLOW_COMMANDS if THOROUGH else ())]
    env = {k: v for k, v in os.environ.items() if not k.startswith("JAX_")} | {"OVERTRAIN_CACHE": str(tmp_path)}
    runs = [
        subprocess.run([sys.executable, "-c", COUNTED, *commands], env=env, capture_output=True, text=True, check=True)
        for _ in range(2)
    ]
    (first, made), (second, again) = (run.stdout.rsplit("compiled ", 1) for run in runs)
    assert first == second
    assert int(made) > 0
    assert int(again) == 0


def test_no_pandas_in_solve(tmp_path):
    body = (
        "import sys\nfrom optimizer import load, solve\nsolve(load('lecture-2026'))\nassert 'pandas' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", body], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[: len(content) // 2],
        lambda content: content[:-1] + bytes([content[-1] ^ 1]),
        lambda content: bytes(len(content)),
    ],
    ids=["empty", "cut short", "one bit", "zeros"],
)
def test_a_damaged_file_is_made_again(kept, new, damage):
    answer(new)
    file, other = kept.glob("*.program")
    assert file.samefile(other)
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    compiling.forget()
    assert answer(new) == [1.0, 1 + new, 1 + 2 * new]
    for kind in kept.glob("*.program"):
        assert hashlib.sha256(kind.read_bytes()[32:]).digest() == kind.read_bytes()[:32]


def test_a_file_does_not_name_where_each_operation_comes_from(kept, new):
    answer(new)
    (content,) = {file.read_bytes() for file in kept.iterdir()}
    assert b"jit_scaled" in content
    assert b"jit(scaled)/" not in content


@pytest.mark.parametrize("asked", ["off", "0"])
def test_off_keeps_nothing_on_disk(tmp_path, monkeypatch, asked):
    monkeypatch.setenv("OVERTRAIN_CACHE", asked)
    monkeypatch.chdir(tmp_path)
    compiling.forget()
    assert compiling.folder() is None
    assert answer(4.0) == [1.0, 5.0, 9.0]
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("OVERTRAIN_CACHE", str(tmp_path / "file" / "programs"))
    compiling.forget()
    assert answer(5.0) == [1.0, 6.0, 11.0]


def test_a_program_is_found_by_all_that_it_was_made_from(kept, monkeypatch):
    key = (scaled.__wrapped__, (1.0,), jax.tree.structure((0, (0, 0))), ((3,), (), ()))
    paths = {
        compiling._path(*key),
        compiling._path(key[0], (2.0,), *key[2:]),
        compiling._path(*key[:3], ((4,), (), ())),
    }
    monkeypatch.setattr(compiling, "_made_from", lambda: "another version")
    assert len(paths | {compiling._path(*key)}) == 4


@pytest.fixture
def compilations(monkeypatch):
    """Programs compiled, not loaded."""
    made = []
    compile_ = compiling._compile
    monkeypatch.setattr(compiling, "_compile", lambda *given: made.append(given) or compile_(*given))
    return made


def test_a_change_of_the_source_that_computes_the_same_compiles_nothing(kept, new, compilations, monkeypatch):
    for version in ("one", "another", "another"):
        monkeypatch.setattr(compiling, "_made_from", lambda version=version: version)
        compiling.forget()
        assert answer(new) == [1.0, 1 + new, 1 + 2 * new]
    assert len(compilations) == 1
    # Three names of one file: what it computes, and one for each version.
    names = list(kept.glob("*.program"))
    assert len(names) == 3
    assert all(name.samefile(names[0]) for name in names)


def test_programs_that_differ_only_in_names_or_in_arguments_not_used_are_not_mixed_up(kept, new, monkeypatch):
    pair, named = (1.0, 2.0), {"a": 1.0, "b": 2.0}
    functions = [
        (lambda f, x: {"a": f * x[0], "b": f * x[1]}, pair, {"a": new, "b": 2 * new}),
        (lambda f, x: {"b": f * x[0], "c": f * x[1]}, pair, {"b": new, "c": 2 * new}),
        (lambda f, x: f * x[0], pair, new),
        (lambda f, x: f * x[1], pair, 2 * new),
        (lambda f, x: f * x["b"], named, 2 * new),
    ]
    for i, (function, free, value) in enumerate(functions):
        monkeypatch.setattr(compiling, "_made_from", lambda i=i: str(i))
        assert jax.tree.map(float, compiled(structure=1)(function)(new, free)) == value


def test_the_folder_is_bounded_by_bytes_and_a_file_of_two_names_counts_once(kept, new, monkeypatch):
    answer(new)
    one = next(kept.glob("*.program")).stat().st_size
    monkeypatch.setattr(compiling, "MOST_BYTES", 2.25 * one)
    for more in (1.0, 2.0, 3.0):
        answer(new + more)
    files = {file.stat().st_ino for file in kept.glob("*.program")}
    assert len(files) == 2


def test_memory_holds_the_programs_used_last(kept, monkeypatch):
    monkeypatch.setattr(compiling, "MOST_HELD", 3)
    made = []
    loaded = compiling._loaded
    monkeypatch.setattr(compiling, "_loaded", lambda *key: made.append(key[2]) or loaded(*key))
    for factor in (1.0, 2.0, 3.0, 1.0, 4.0, 1.0, 2.0):
        answer(factor)
    assert compiling.held() == 3
    assert made == [(1.0,), (2.0,), (3.0,), (4.0,), (2.0,)]


def test_a_program_that_calls_a_library_is_not_kept_on_disk(kept, new):
    """Loaded in a process that has not traced linear algebra, its pointers to LAPACK are null."""

    @compiled(structure=1)
    def solved(factor, matrix, vector):
        return factor * jnp.linalg.solve(matrix, vector)

    assert np.asarray(solved(new, np.eye(2), np.ones(2))).tolist() == [new, new]
    assert list(kept.glob("*.program")) == []


def test_threads_that_ask_at_once_compile_once(kept, monkeypatch):
    made, found = [], []
    loaded = compiling._loaded
    monkeypatch.setattr(compiling, "_loaded", lambda *key: made.append(key) or loaded(*key))
    threads = [threading.Thread(target=lambda: found.append(answer(6.0))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert found == [[1.0, 7.0, 13.0]] * 8


def test_what_cannot_be_compiled_is_tried_again(kept):
    @compiled(structure=0)
    def wrong(x):
        raise ValueError("no such program")

    for _ in range(2):
        with pytest.raises(ValueError, match="no such program"):
            wrong(1.0)
    assert compiling.held() == 0


@pytest.fixture
def programs(monkeypatch):
    """Names of the programs made (not found in memory) since the last `clear`."""
    made = []
    loaded = compiling._loaded
    monkeypatch.setattr(compiling, "_loaded", lambda *key: made.append(key[0].__name__) or loaded(*key))
    return made


def test_dates_and_months_compile_nothing(lecture, programs):
    rows = pd.DataFrame({"traffic.share": [0.1, 0.2]})
    growth = lecture.update({"traffic": {"kind": "growth", "tokens_per_day": 1e12, "start": "2026-01"}})

    def table(year: int):
        months = [
            {"month": f"{year}-{m:02d}", "input_tokens_per_day": 1e11 * m, "output_tokens_per_day": 1e12}
            for m in (1, 2, 3)
        ]
        return lecture.update({"traffic": {"kind": "table", "table": months}})

    pairs = [(growth, growth.update({"traffic.start": "2028-02"})), (table(2026), table(2028))]
    for before, after in pairs:
        for work in (solve, elasticities, tornado, lambda s: solve_batch(s, rows)):
            work(before)
            programs.clear()
            work(after)
            assert programs == []


def test_every_analysis_of_a_roofline_shares_one_search(lecture, programs):
    s = lecture.update(
        {
            "money.unit": "usd",
            "serving.method": "roofline",
            "deployment.placement": "given",
            "goal.like_params": 3e10,
            "goal.like_tokens": 2e13,
        }
    )
    compiling.forget()
    tornado(s)
    draws(s, 16)
    sobol(s, n=8)
    regret(s, ["20T"], ["20T", "200T"])
    solve_batch(s, pd.DataFrame({"pretraining.mfu": [0.3, 0.4]}))
    # One for laws of the scenario's own kind, one for the coupled laws of the sample.
    assert programs.count("_by_search") == 2
    assert programs.count("_evaluate") == 1


def test_a_program_from_disk_gives_the_same_numbers(lecture, tmp_path, monkeypatch):
    monkeypatch.setenv("OVERTRAIN_CACHE", str(tmp_path))
    compiling.forget()
    made = solve(lecture)
    compiling.forget()
    assert solve(lecture).to_dict() == made.to_dict()


def test_more_than_numbers_is_no_argument():
    with pytest.raises((TypeError, ValueError)):
        scaled(1.0, "text", (1.0, 2.0))
    assert float(jnp.asarray(scaled(1.0, 2.0, (1.0, 2.0))[1])) == 2.0
