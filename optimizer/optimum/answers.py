"""The answer of a batch while it is filled in: numbers column by column, texts as codes."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Answers"]


class Words:
    """A column of text in which few texts occur: a code a row."""

    def __init__(self, rows: int, text: str) -> None:
        self.codes, self.texts = np.zeros(rows, np.int32), {text: 0}

    def write(self, rows: np.ndarray | int, text: str) -> None:
        if np.size(rows):
            self.codes[rows] = self.texts.setdefault(text, len(self.texts))

    def column(self) -> "pd.Categorical":
        import pandas as pd

        return pd.Categorical.from_codes(self.codes, list(self.texts))  # pyright: ignore[reportArgumentType]


class Answers:
    """The answer while it is filled in, column by column; of some rows of a question with so many, or of all."""

    def __init__(self, rows: int, columns: list[str], asked: int | None = None) -> None:
        self.columns, self.asked = columns, rows if asked is None else asked
        self.numbers = np.empty((len(columns), rows))
        self.status, self.message, self.active_limits = (Words(rows, text) for text in ("optimal", "", ""))

    def take(self, rows: np.ndarray, other: "Answers", which: np.ndarray) -> None:
        """Write the rows `which` of another table to where they stand in this one."""
        self.numbers[:, rows[which]] = other.numbers[:, which]
        for name in ("status", "message", "active_limits"):
            words: Words = getattr(other, name)
            for text, code in words.texts.items():
                getattr(self, name).write(rows[which & (words.codes == code)], text)

    def no_answer(self, rows: np.ndarray | int, status: str, message: str) -> None:
        self.numbers[:, rows] = np.nan
        self.status.write(rows, status)
        self.message.write(rows, message)
