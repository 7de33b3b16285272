"""Write the cells of a table as text for CSV, Markdown, LaTeX and HTML, each with its own escapes.

Plain numbers have all their digits, under the name of the column; human numbers are rounded to four, under its heading. Text that a
spreadsheet would take for a formula gets an apostrophe in front.

References:
    OWASP, CSV Injection.

"""

import re
from collections.abc import Iterable
from html import escape
from typing import Any

import pandas as pd

from ...assumptions.numbers import human
from ...assumptions.record import KEY, caption
from ...model.outputs import heading, output_of, written

__all__ = [
    "as_text",
    "headings",
    "html_table",
    "markdown_table",
    "tex_table",
    "units_of",
]

_FORMULA = re.compile(r"'*[=+\-@\t\r\n]")
_LONG = 40
"""Characters from which on a column of text is broken into lines."""


def as_text(value: Any, numbers: str = "plain") -> str:
    """A cell as text: numbers plain or human, "" where there is none, formulas disarmed.

    >>> as_text(1.114e11), as_text(1.114e11, "human"), as_text(float("nan")), as_text("=1+1")
    ('111400000000.0', '111.4B', '', "'=1+1")
    """
    if isinstance(value, str):
        return f"'{value}" if _FORMULA.match(value) else value
    if isinstance(value, bool):
        return str(value)
    if value is None or value != value:
        return ""
    return human(float(value)) if numbers == "human" else repr(value)


def units_of(frame: pd.DataFrame) -> list[str]:
    """The unit of every column, "" for text."""
    units = frame.attrs.get("units", {})
    return [str(units.get(name, "")) for name in frame.columns]


def headings(frame: pd.DataFrame, numbers: str) -> list[str]:
    """What the columns are called: outputs by their headings where numbers are human, all others by their names.

    >>> headings(pd.DataFrame(columns=["law", "n_params", "n_params: hoffmann"]), "human")
    ['law', 'active parameters N*', 'active parameters N*: hoffmann']
    """
    names = [str(name) for name in frame.columns]
    if numbers != "human":
        return names
    parts = [name.partition(": ") for name in names]  # of a wide table: output, then the value of the axis
    return [
        f"{heading(name)}{colon}{label}" if output_of(name) else name + colon + label for name, colon, label in parts
    ]


def _rows(frame: pd.DataFrame, numbers: str) -> Iterable[list[str]]:
    def cell(value: Any, column: str) -> str:
        known = numbers == "human" and isinstance(value, (int, float)) and not isinstance(value, bool)
        return written(value, column) if known else as_text(value, numbers)

    names = [str(name).partition(": ")[0] for name in frame.columns]
    columns = [[cell(v, name) for v in frame.iloc[:, i].tolist()] for i, name in enumerate(names)]
    yield from map(list, zip(*columns, strict=True))


def _left(frame: pd.DataFrame) -> list[bool]:
    """Which columns are text and stand to the left."""
    return [not pd.api.types.is_numeric_dtype(kind) or pd.api.types.is_bool_dtype(kind) for kind in frame.dtypes]


def html_table(frame: pd.DataFrame, *, numbers: str, most_rows: int | None = None, record: dict | None = None) -> str:
    """The frame as an HTML table: a row of names, a row of units, numbers to the right."""
    left = _left(frame)
    shown = frame if most_rows is None else frame.head(most_rows)

    cells = list(_rows(shown, numbers))
    # Without a least width a browser makes a column of sentences as narrow as its longest word, and its rows a page high.
    long = [max((len(row[i]) for row in cells), default=0) > _LONG for i in range(shown.shape[1])]
    styles = [
        f"text-align:{'left' if t else 'right'}{';min-width:36em' if w else ''}"
        for t, w in zip(left, long, strict=True)
    ]

    def line(row: Iterable[str], tag: str) -> str:
        inner = (f'<{tag} style="{style}">{_html(cell)}</{tag}>' for cell, style in zip(row, styles, strict=True))
        return f"<tr>{''.join(inner)}</tr>"

    record = frame.attrs.get(KEY, {}) if record is None else record
    top = f'<caption style="text-align:left">{_html(caption(record))}</caption>' if record else ""
    head = f"<thead>{line(headings(frame, numbers), 'th')}\n{line(units_of(frame), 'th')}</thead>"
    body = "\n".join(line(row, "td") for row in cells)
    more = len(frame) - len(shown)
    foot = f"<p>{more:,} more rows</p>" if more else ""
    return f"<table>\n{top}\n{head}\n<tbody>\n{body}\n</tbody>\n</table>{foot}"


def _html(text: str) -> str:
    """Escaped so that no white space is lost on the way through a parser."""
    plain = escape(text)
    for character in "\r\n\t":
        plain = plain.replace(character, f"&#{ord(character)};")
    return plain


def markdown_table(frame: pd.DataFrame, numbers: str) -> str:
    """The frame as a GitHub table; the units are its first row."""
    lines = [
        [_markdown(name) for name in headings(frame, numbers)],
        ["---" if text else "--:" for text in _left(frame)],
        [_markdown(unit) for unit in units_of(frame)],
        *([_markdown(cell) for cell in row] for row in _rows(frame, numbers)),
    ]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _markdown(text: str) -> str:
    plain = escape(text, quote=False)
    for character in "|*`\\[]~\r\n\t":
        plain = plain.replace(character, f"&#{ord(character)};")
    edges = len(plain) - len(plain.lstrip(" ")), len(plain) - len(plain.rstrip(" "))
    return (
        plain
        if not any(edges)
        else "&#32;" * edges[0] + plain.strip(" ") + "&#32;" * (edges[1] if plain.strip(" ") else 0)
    )


_TEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
    '"': r"\char34{}", "[": r"{[}", "\n": r"\newline{}", "\t": r"\char9{}", "\r": r"\char13{}",
}  # fmt: skip


def tex_table(frame: pd.DataFrame, numbers: str) -> str:
    """The frame as a booktabs tabular; names and units are two rows of its head."""
    rows = list(_rows(frame, numbers))
    wide = [max((len(row[i]) for row in rows), default=0) > _LONG for i in range(frame.shape[1])]
    kinds = ("p{0.3\\linewidth}" if w else "l" if text else "r" for w, text in zip(wide, _left(frame), strict=True))

    def line(cells: Iterable[str]) -> str:
        return " & ".join(_tex(cell) for cell in cells)

    lines = [
        f"\\begin{{tabular}}{{{''.join(kinds)}}}",
        "\\toprule",
        f"{line(headings(frame, numbers))} \\\\",
        f"{line(units_of(frame))} \\\\",
        "\\midrule",
        *(f"{line(row)} \\\\" for row in rows),
        "\\bottomrule",
        "\\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def _tex(text: str) -> str:
    escaped = "".join(_TEX.get(c, c) for c in text)
    inner = escaped.strip(" ")
    before = len(escaped) - len(escaped.lstrip(" "))
    return "{ }" * before + inner + "{ }" * (len(escaped) - len(inner) - before)
