"""A filter of the rows of a table: words that a row must hold, and comparisons of a column with a number.

"hoffmann"            rows with this word in a cell of text
"N < 100B, D > 20T"   rows whose column N is below 1e11 and whose column D is above 2e13
"""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..assumptions.numbers import parse_number
from ..assumptions.problems import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LEAST_ROWS", "filtered"]

LEAST_ROWS = 8
"""Rows from which on a table has a filter."""
_COMPARES = re.compile(r"(.+?)\s*(<=|>=|<|>|=)\s*(.+)")
_HOW = {"<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal, "=": np.isclose}


def filtered(frame: "pd.DataFrame", headings: Sequence[str], text: str) -> "pd.DataFrame":
    """The rows that a filter keeps, with the attrs of the frame.

    Args:
        frame: columns of text, and of numbers in base units.
        headings: of its columns, as the page shows them.
        text: conditions, separated by commas; all must hold. Upper and lower case are one.

    Raises:
        InputError: a comparison names no column, more than one, or a column of text, or it has no number.

    """
    kept, problems = np.ones(len(frame), bool), list[str]()
    words = [[str(cell).lower() for cell in frame.iloc[:, i]] for i in range(frame.shape[1]) if not _numeric(frame, i)]
    for condition in filter(None, (part.strip() for part in text.split(","))):
        compares = _COMPARES.fullmatch(condition)
        if compares is None:
            kept &= np.array(
                [any(condition.lower() in cell for cell in row) for row in zip(*words, strict=True)] or False
            )
            continue
        name, how, number = compares.groups()
        try:
            column = _column(headings, name)
            if not _numeric(frame, column):
                raise InputError([f"column {headings[column]!r} holds text; filter it by a word."])
            kept &= _HOW[how](frame.iloc[:, column].to_numpy(float), parse_number(number))
        except InputError as error:
            problems += error.problems
        except ValueError as error:
            problems.append(f"{condition!r}: the number {error}.")
    if problems:
        raise InputError(problems)
    return frame.loc[kept]


def _numeric(frame: "pd.DataFrame", column: int) -> bool:
    return frame.iloc[:, column].dtype.kind in "iuf"


def _column(headings: Sequence[str], name: str) -> int:
    """The column meant by a name: its whole heading, a word of it, or a part of it."""
    wanted = name.lower()
    for matches in (
        lambda heading: heading == wanted,
        lambda heading: wanted in re.split(r"[\s(),]+", heading),
        lambda heading: wanted in heading,
    ):
        found = [i for i, heading in enumerate(headings) if matches(heading.lower())]
        if len(found) == 1:
            return found[0]
        if found:
            raise InputError(
                [f"{name!r} is in several columns: {', '.join(headings[i] for i in found)}; write more of one."]
            )
    raise InputError([f"no column has {name!r} in its heading; columns: {', '.join(headings)}."])
