"""Parquet files that carry a SHA-256 of all their bytes, so that any changed byte is detected.

The page checksums of Parquet cover the data only; a footer with a changed byte can still be read, with another meaning. The hash is stored
in the footer and computed with zeros in its place.
"""

import hashlib
import io
import re
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

__all__ = ["BLANK", "SEAL", "SealedFile", "is_sealed", "sha256_of"]

SEAL = "overtrain.sha256"
"""Key of the hash in the metadata of the footer."""
BLANK = "0" * 64
CHUNK = 1 << 20

_HASH = re.compile(re.escape(SEAL.encode()) + rb"..([0-9a-f]{64})", re.DOTALL)
"""The key, two bytes of the format (a string follows, of 64 bytes), the hash."""


class SealedFile(io.RawIOBase):
    """A writable file for Parquet: bytes are hashed and passed on to `file`, and the footer is held until the hash is known.

    The writer must be given the metadata {SEAL: BLANK}; `footer()` is called before it is closed and `seal()` after.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._hash, self._size = file, hashlib.sha256(), 0
        self._tail: bytearray | None = None

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._size

    def write(self, data: object, /) -> int:
        plain = bytes(memoryview(data))  # pyright: ignore[reportArgumentType]
        self._size += len(plain)
        if self._tail is None:
            self._hash.update(plain)
            self._file.write(plain)
        else:
            self._tail += plain
        return len(plain)

    def footer(self) -> None:
        """Hold everything written from here on."""
        self._tail = bytearray()

    def seal(self) -> None:
        """Write the footer with the hash in it."""
        assert self._tail is not None
        *_, place = _HASH.finditer(self._tail)
        self._hash.update(self._tail)
        self._tail[place.start(1) : place.end(1)] = self._hash.hexdigest().encode()
        self._file.write(self._tail)


def is_sealed(path: Path) -> bool:
    """Whether a file is whole and has not changed since it was written.

    Raises:
        OSError: the file cannot be read.

    """
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(size - 8, 0))
        length = int.from_bytes(file.read(4), "little") + 8
        if not 16 < length <= size:
            return False
        body = size - length
        file.seek(body)
        tail = bytearray(file.read(length))
        places = list(_HASH.finditer(tail))
        if not places:
            return False
        start, end = places[-1].span(1)
        held = tail[start:end].decode()
        tail[start:end] = BLANK.encode()
        return _sha256(file, [(0, body)], tail) == held


def sha256_of(path: Path, ranges: Iterable[tuple[int, int]]) -> str:
    """SHA-256 of ranges of a file, each given by its first byte and its length.

    Raises:
        OSError: the file cannot be read.

    """
    with path.open("rb") as file:
        return _sha256(file, ranges)


def _sha256(file: BinaryIO, ranges: Iterable[tuple[int, int]], end: bytes | bytearray = b"") -> str:
    """SHA-256 of ranges of a file, followed by `end`."""
    found = hashlib.sha256()
    for begin, left in ranges:
        file.seek(begin)
        while left > 0 and (data := file.read(min(left, CHUNK))):
            found.update(data)
            left -= len(data)
    found.update(end)
    return found.hexdigest()
