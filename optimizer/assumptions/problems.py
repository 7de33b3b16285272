"""The errors that every room raises for bad input; each carries sentences that say what to do."""

import codecs
import difflib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

__all__ = ["DataError", "InputError", "near_miss", "read_bytes", "read_text", "shown", "text_of"]


_LONG_WORD = re.compile(r"(\S{300})\S{100,}")
"""What is no word, number or path of a usual length, and is cut."""


class InputError(ValueError):
    """One or more problems of an input, all of them at once.

    Attributes:
        problems: one sentence each: what, the value with its unit, what is allowed, what to do.

    """

    def __init__(self, problems: Sequence[str] | str) -> None:
        given = [problems] if isinstance(problems, str) else problems
        self.problems = tuple(_LONG_WORD.sub(r"\1...", problem) for problem in given)
        super().__init__("\n".join(self.problems))


class DataError(InputError):
    """A bad file, row or cell. The sentence starts with the file, the row and the column."""


def shown(value: object, most: int = 60) -> str:
    """A value as a sentence quotes it: what Python writes, cut where it is long."""
    try:
        text = repr(value)
    except ValueError:  # an int of thousands of digits
        text = "a number of thousands of digits"
    return text if len(text) <= most else text[: most - 3] + "..."


def near_miss(name: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown `name`: ", did you mean 'besiroglu'?", or "." when nothing is close."""
    by_fold = {k.casefold(): k for k in known}
    close = difflib.get_close_matches(name.casefold(), list(by_fold), n=1, cutoff=0.6)
    return f", did you mean {by_fold[close[0]]!r}?" if close else "."


def read_text(path: Path, max_bytes: int, what: str) -> str:
    """The text of a file that a user named.

    Raises:
        DataError: there is no such file, it is a directory, too large, unreadable or not UTF-8 text.

    """
    return text_of(path, read_bytes(path, max_bytes, what), what)


def text_of(path: Path, content: bytes, what: str) -> str:
    """Text of a file's bytes: UTF-8, or UTF-16 where a byte order mark says so.

    Raises:
        DataError: it is neither.

    """
    wide = content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    try:
        return content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError([f"{path} is not UTF-8 text (byte {error.start}); save the {what} as UTF-8."]) from None


def read_bytes(path: Path, max_bytes: int, what: str) -> bytes:
    """The bytes of a file that a user named.

    Raises:
        DataError: there is no such file, it is a directory, too large or unreadable.

    """
    try:
        if path.is_dir():
            raise DataError([f"{path} is a directory; give the path of a {what}."])
        with path.open("rb") as file:
            content = file.read(max_bytes + 1)
    except FileNotFoundError:
        raise DataError([f"{path} does not exist; give the path of a {what}."]) from None
    except OSError as error:
        raise DataError([f"{path} cannot be read ({error.strerror}); give the path of a {what}."]) from None
    except ValueError as error:
        raise (
            error if isinstance(error, DataError) else DataError([f"{str(path)!r} is not a path ({error})."])
        ) from None
    if len(content) > max_bytes:
        raise DataError(
            [f"{path} has more than {max_bytes:,} bytes, the most a {what} may have; is it the file you meant?"]
        )
    return content
