"""Tables of an answer as text and as HTML, from the same cells: heading, value, unit, band."""

from collections.abc import Sequence
from html import escape

__all__ = ["html_cells", "text_cells"]

_SIDES = ("left", "right", "left", "left")


def html_cells(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """An HTML table.

    >>> html_cells(["", "N", "", ""], [("a < b", "1", "", "")]).count("&lt;")
    1

    """
    rows = (
        "".join(f'<td style="text-align:{side}">{escape(cell)}</td>' for side, cell in zip(_SIDES, line, strict=True))
        for line in lines
    )
    return (
        f"<table><thead><tr>{''.join(f'<th>{escape(name)}</th>' for name in head)}</tr></thead><tbody>"
        + "".join(f"<tr>{row}</tr>" for row in rows)
        + "</tbody></table>"
    )


def text_cells(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Columns of text.

    >>> print(text_cells(["", "N", "", ""], [("size", "111.4B", "parameters", "")]))
               N
    size  111.4B  parameters

    """
    widths = [max(map(len, column)) for column in zip(head, *lines, strict=True)]
    rows = (
        "  ".join(
            cell.rjust(n) if side == "right" else cell.ljust(n)
            for cell, n, side in zip(line, widths, _SIDES, strict=True)
        )
        for line in (head, *lines)
    )
    return "\n".join(row.rstrip() for row in rows)
