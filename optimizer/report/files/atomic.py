"""Write a file whole or not at all: next to its place, forced to the disk, then moved there in one step."""

import contextlib
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from ...assumptions.problems import DataError

__all__ = ["PARTIAL", "check_place", "replacing", "write_atomically"]

PARTIAL = ".partial"
"""End of the name of a file that is not whole yet. A process killed on the spot leaves one behind; nothing reads it."""


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write; it takes the place of `path` when the block ends, and vanishes when the block fails.

    Raises:
        DataError: the file cannot be written; what was at `path` is still there.

    """
    try:
        path = path.resolve()  # a link stays a link to the new content
        mode = _mode(path)
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name[:100]}.", suffix=PARTIAL, dir=path.parent)
    except (OSError, ValueError) as error:
        raise _cannot(path, error) from None
    partial = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.chmod(mode)
        partial.replace(path)
        _keep_entry(path.parent)
    except OSError as error:
        raise _cannot(path, error) from None
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def check_place(path: Path) -> None:
    """Whether a file can be written at `path`, known before there is anything to write.

    Raises:
        DataError: as `replacing`.

    """
    try:
        resolved = path.resolve()
        _mode(resolved)
        if not resolved.parent.is_dir():
            raise FileNotFoundError(0, f"there is no folder {resolved.parent}")
        if not os.access(resolved.parent, os.W_OK | os.X_OK):
            raise PermissionError(0, f"the folder {resolved.parent} is read-only")
    except (OSError, ValueError) as error:
        raise _cannot(path, error) from None


def write_atomically(path: Path, content: bytes) -> None:
    """`content` at `path`, whole or not at all. Raises DataError as `replacing`."""
    with replacing(path) as file:
        file.write(content)


def _mode(path: Path) -> int:
    """Permissions of the file that is replaced, or those that the process gives to new files."""
    try:
        found = path.stat()
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask
    if not stat.S_ISREG(found.st_mode):
        raise OSError(0, "it is a folder or a device, not a file")
    if not os.access(path, os.W_OK):
        raise PermissionError(0, "the file there is read-only")
    return stat.S_IMODE(found.st_mode)


def _keep_entry(folder: Path) -> None:
    """Force the folder's own entry to the disk, where the system can."""
    with contextlib.suppress(OSError, AttributeError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _cannot(path: Path, error: Exception) -> DataError:
    why = (error.strerror if isinstance(error, OSError) else None) or str(error)
    hint = "make the folder first" if isinstance(error, FileNotFoundError) else "free space or choose another place"
    return DataError([f"{path} cannot be written ({why}); nothing was changed there: {hint}."])
