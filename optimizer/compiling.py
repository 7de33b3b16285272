"""Compiled programs: those used last stay in memory, all are kept on disk for the next process.

A program is a function of arrays, compiled once for each structure of its arguments (the kind of scenario) and each shape. Tracing and
compiling one takes 0.5 to 10 s, loading it from disk 10 to 400 ms. A program on disk has two names. One is a digest of everything that it
was made from: the source of this package and its tables, the structure and the shapes. The other is a digest of what it computes once it is
traced: after a change of the source, a program that computes the same is traced and not compiled. Both digests hold the
versions of JAX and of its compiler, its options and the processor. So a change of any of these leads to a new file, never to an old answer.

The folder is the user's cache folder. `OVERTRAIN_CACHE` names another one, or `off` keeps nothing on disk. A file that is damaged is made
again, and a folder that cannot be written is not used: neither is an error. Only programs for a
single CPU device are kept on disk.
"""

import contextlib
import functools
import hashlib
import os
import pickle
import platform
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

import jax
import numpy as np
import platformdirs
from jax.extend.mlir.passmanager import PassManager

__all__ = ["compiled", "folder", "forget", "held"]

MOST_HELD = 48
"""Programs held in memory; the one used longest ago is dropped first. A program takes 1 to 10 MB."""

MOST_BYTES = 1 << 30
"""Bytes of the folder; the files used longest ago are removed first."""

OPTIONS: dict[str, bool | int] = {"xla_cpu_use_fusion_emitters": False, "xla_backend_optimization_level": 1}
"""Options of the compiler. The older code generator takes 40 % less time than the newer one, its programs run as fast; so do those of the
first of three levels of optimisation, which takes another quarter less."""

QUICK = OPTIONS | {"xla_backend_optimization_level": 0, "xla_cpu_parallel_codegen_split_count": 1}
"""Options for a program of one scenario. It is compiled in two thirds of the time, and its calls take as long: most of a call is Python."""

_SUFFIX = ".program"
_SOURCES = ("assumptions", "model", "optimum", "analysis", "evidence")

R = TypeVar("R")
_held: OrderedDict[Hashable, Future[Callable[..., Any]]] = OrderedDict()
_lock = threading.Lock()
_compiling = threading.local()


def _on_event(event: str, **_: Any) -> None:
    if event == "/jax/compilation_cache/cache_hits":
        _compiling.from_cache = True


jax.monitoring.register_event_listener(_on_event)


def compiled(structure: int, *, rows: bool = False) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """Compile a function of arrays when it is called, and keep what was compiled.

    Args:
        structure: how many of the first arguments say what the program is (hashable, with a `repr` that says all); the others are numbers,
            arrays and tuples of these.
        rows: the program works on thousands of rows, so that its own speed is worth more time to compile.

    Returns:
        A decorator. The function it makes takes concrete numbers only: it is no part of a JAX transformation.

    """

    def decorate(function: Callable[..., R]) -> Callable[..., R]:
        @functools.wraps(function)
        def call(*arguments: Any) -> R:
            fixed, free = arguments[:structure], arguments[structure:]
            leaves, tree = jax.tree.flatten(free)
            arrays = [np.asarray(leaf, float) for leaf in leaves]
            device = jax.config.jax_default_device  # pyright: ignore[reportAttributeAccessIssue]
            key = (function, rows, fixed, tree, tuple(a.shape for a in arrays), device)
            return _compiled(key)(*jax.tree.unflatten(tree, arrays))

        return call

    return decorate


def held() -> int:
    """How many programs are in memory."""
    return len(_held)


def forget() -> None:
    """Drop every program from memory."""
    with _lock:
        _held.clear()


def folder() -> Path | None:
    """Where programs are kept on disk; None where they are not."""
    asked = os.environ.get("OVERTRAIN_CACHE", "")
    alone = jax.default_backend() == "cpu" and jax.local_device_count() == 1
    if asked.lower() in {"off", "0", "no", "false"} or not alone:
        return None
    return Path(asked) if asked else platformdirs.user_cache_path("overtrain", appauthor=False)


def _compiled(key: tuple[Any, ...]) -> Callable[..., Any]:
    with _lock:
        found = _held.get(key)
        mine = found is None
        if found is None:
            found = _held[key] = Future()
        _held.move_to_end(key)
        while len(_held) > MOST_HELD:
            _held.popitem(last=False)
    if mine:
        try:
            found.set_result(_loaded(*key))
        except BaseException as error:
            with _lock:
                _held.pop(key, None)
            found.set_exception(error)
            raise
    return found.result()


def _loaded(
    function: Callable[..., Any], rows: bool, fixed: tuple[Any, ...], tree: Any, shapes: tuple[Any, ...], *_: Any
) -> Any:
    path, options = _path(function, rows, fixed, tree, shapes), OPTIONS if rows else QUICK
    if path is not None and (found := _read(path)) is not None:
        return found
    arguments = jax.tree.unflatten(tree, [jax.ShapeDtypeStruct(shape, float) for shape in shapes])
    # Arguments that are not used stay in the text, so that the text says which argument is which.
    lowered = jax.jit(functools.partial(function, *fixed), keep_unused=True).lower(*arguments)
    _strip(lowered)
    text = lowered.as_text()
    # A program that calls a library, as linear algebra does, crashes in a process that has not loaded it.
    if path is None or "custom_call" in text:
        return _compile(lowered, options)
    same = path.with_name(_digest(_about(), repr(options), text, repr(tree), repr(lowered.out_tree)) + _SUFFIX)
    made = _read(same)
    if made is None:
        _compiling.from_cache = False
        made = _compile(lowered, options)
        # A program that JAX took from a cache of its own lacks its functions once it is written again.
        if _compiling.from_cache:
            return made
        _write(same, made)
    with contextlib.suppress(OSError):
        path.hardlink_to(same)
    return made


def _strip(lowered: Any) -> None:
    """Take away the names of where each operation comes from: a quarter of a program on disk, and of the time to load it."""
    module = lowered.compiler_ir()
    with module.context:
        PassManager.parse("builtin.module(strip-debuginfo)").run(module.operation)


def _compile(lowered: Any, options: dict[str, bool | int]) -> Any:
    """Compile with the options, or without them where this version of JAX does not know them."""
    try:
        return lowered.compile(compiler_options=options)
    except RuntimeError as error:
        if "No such compile option" not in str(error):
            raise
        return lowered.compile()


def _path(function: Callable[..., Any], *what: Any) -> Path | None:
    kept = folder()
    if kept is None:
        return None
    own = hashlib.sha256(Path(function.__code__.co_filename).read_bytes()).hexdigest()
    return kept / (_digest(_made_from(), own, function.__module__, function.__qualname__, *map(repr, what)) + _SUFFIX)


def _digest(*parts: str) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()


@functools.cache
def _made_from() -> str:
    """A digest of the source and the tables, with what `_about` names."""
    from .assumptions.tables import data_folder

    here = Path(__file__).parent
    files = [here / "compiling.py", *(f for room in _SOURCES for f in sorted((here / room).rglob("*.py")))]
    digest = hashlib.sha256()
    tables = sorted((f for f in data_folder().iterdir() if f.is_file()), key=lambda f: f.name)
    for file in (*files, *tables):
        digest.update(file.read_bytes())
    return _digest(digest.hexdigest(), _about())


@functools.cache
def _about() -> str:
    """A digest of what turns a traced program into machine code."""
    flags = os.environ.get("XLA_FLAGS", "")
    versions = (jax.__version__, metadata.version("jaxlib"))
    return _digest(*versions, platform.machine(), _processor(), flags)


def _processor() -> str:
    """The features of the processor: on another one a compiled program may stop with an illegal instruction."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split("\n\n")[0].splitlines()
    except OSError:
        return platform.processor()
    said = ("vendor_id", "cpu family", "model", "model name", "stepping", "flags", "Features", "CPU part")
    return "\n".join(line for line in lines if line.split(":")[0].strip() in said)


def _read(path: Path) -> Any:
    """The program in a file; None where there is none that can be used."""
    from jax.experimental import serialize_executable

    try:
        content = path.read_bytes()
    except OSError:
        return None
    try:
        if hashlib.sha256(content[32:]).digest() != content[:32]:
            raise ValueError("the file is damaged")
        found = serialize_executable.deserialize_and_load(*pickle.loads(content[32:]))
        os.utime(path)
    except Exception:  # whatever a damaged file or another library makes of it, the program is compiled again
        with contextlib.suppress(OSError):
            path.unlink()
        return None
    return found


def _write(path: Path, made: Any) -> None:
    """Keep a program; does nothing where the folder cannot be written."""
    from jax.experimental import serialize_executable

    try:
        content = pickle.dumps(serialize_executable.serialize(made))
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(hashlib.sha256(content).digest() + content)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        _trim(path.parent)
    except Exception:  # keeping a program saves time and nothing else
        return


def _trim(kept: Path) -> None:
    files = sorted(((f.stat(), f) for f in kept.glob(f"*{_SUFFIX}")), key=lambda pair: pair[0].st_mtime, reverse=True)
    total = 0
    for stat, file in files:
        total += stat.st_size // stat.st_nlink
        if total > MOST_BYTES:
            file.unlink(missing_ok=True)
