"""Reads TOML with a bound on its depth: the time of a parser grows with the square of the depth, and its stack with the depth."""

import re
import tomllib
from typing import Any

__all__ = ["plain_toml"]

DEEPEST = 20
"""Levels of nesting that are read; a scenario has four."""

_PART = r"(?:[\w-]++|\"[^\"\n]*+\"|'[^'\n]*+')[ \t]*+"
_LONG = re.compile(rf"(?<![\w\"'-])(?:{_PART}\.[ \t]*+){{{DEEPEST},}}+{_PART}[=\]]")
"""A dotted name of too many parts, before = or in brackets."""


def plain_toml(text: str) -> dict[str, Any]:
    """The plain data of TOML text.

    Raises:
        ValueError: it is no TOML, or nests too deeply; the sentence says which.

    """
    if _LONG.search(text):
        raise ValueError(f"it nests too deeply: a name has more than {DEEPEST} parts")
    try:
        plain = tomllib.loads(text)
    except RecursionError:
        raise ValueError("it nests too deeply") from None
    except tomllib.TOMLDecodeError as error:
        raise ValueError(str(error) if len(str(error)) < 200 else f"{str(error)[:200]}...") from None
    except ValueError:  # Python's limit on the digits of an int
        raise ValueError("it has a whole number of thousands of digits") from None
    level: list[Any] = [plain]
    for _ in range(DEEPEST):
        level = [
            v
            for block in level
            for v in (block.values() if isinstance(block, dict) else block)
            if isinstance(v, dict | list)
        ]
        if not level:
            return plain
    raise ValueError(f"it nests too deeply: more than {DEEPEST} levels")
