"""Rows of a frame as a chart draws them, and the checks that Altair does not make."""

from collections.abc import Iterable
from typing import Any

import pandas as pd  # whole before anything is drawn: Altair looks at it while another thread may still be importing it

from ...assumptions.arguments import described
from ...assumptions.problems import InputError

__all__ = ["MOST_MARKS", "largest", "needs_frame", "records", "some"]

MOST_MARKS = 2000


def needs_frame(frame: pd.DataFrame, columns: Iterable[str], maker: str) -> None:
    """Check that `frame` is a DataFrame with these columns.

    Raises:
        TypeError: it is something else.
        InputError: a column is missing.

    """
    if not isinstance(frame, pd.DataFrame):
        raise TypeError(f"the chart takes the DataFrame that {maker} returns, got {described(frame)}.")
    missing = [column for column in columns if column not in frame]
    if missing:
        raise InputError([f"the chart needs column {', '.join(missing)}; give it the frame that {maker} returns."])


def records(frame: pd.DataFrame, columns: Iterable[str], maker: str) -> list[dict[str, Any]]:
    """The rows of a frame, its index as a column. For a missing column Altair would draw nothing and give no error.

    Raises:
        InputError: a column is missing, the frame has no rows, or it has more than a chart can show.

    """
    needs_frame(frame, columns, maker)
    if len(frame) > MOST_MARKS:
        raise InputError(
            [f"a chart shows at most {MOST_MARKS:,} marks, the frame has {len(frame):,} rows; take fewer."]
        )
    whole = frame if frame.index.name is None else frame.reset_index()
    return some(whole.to_dict("records"), maker)


def some(rows: list[dict[str, Any]], maker: str) -> list[dict[str, Any]]:
    """The rows, if there are any.

    Raises:
        InputError: there are none.

    """
    if not rows:
        raise InputError([f"there is nothing to draw; give the chart the frame that {maker} returns."])
    return rows


def largest(rows: list[dict[str, Any]], top: int, size: str) -> tuple[list[dict[str, Any]], str]:
    """The first rows and those as large as the last of them, of rows that are sorted; and in words what is left out, if anything is.

    >>> largest([{"a": 3.0}, {"a": 2.0}, {"a": 2.0}, {"a": 1.0}], 2, "a")
    ([{'a': 3.0}, {'a': 2.0}, {'a': 2.0}], 'the 3 largest of 4')

    """
    least = abs(rows[top - 1][size]) * (1 - 1e-6) if 0 < top < len(rows) else 0.0
    shown = [row for i, row in enumerate(rows) if i < top or abs(row[size]) >= least]
    return shown, f"the {len(shown)} largest of {len(rows)}" if len(shown) < len(rows) else ""
