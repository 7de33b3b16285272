"""The decimal mark of a file: numbers such as 1.234,5 and 1,234.5, read by the cells that have one reading only."""

import re
from collections.abc import Iterable

from .problems import shown

__all__ = ["decimal_mark", "plain"]

_SPACES = " \u00a0\u2007\u2009\u202f'\u2019_"


def decimal_mark(cells: Iterable[str], otherwise: str = "") -> str:
    """The mark before decimals, "." or ",", in numbers that a file has as text; "." where no cell needs one.

    Args:
        cells: the numbers.
        otherwise: the mark to take where cells have one that may stand before decimals or between thousands, and no other decides.

    Raises:
        ValueError: cells have both marks, or none decides and `otherwise` is not given.

    >>> decimal_mark(["1.000.000", "2,5"]), decimal_mark(["1,234.5"]), decimal_mark(["15", "2T"])
    (',', '.', '.')

    """
    sure: dict[str, str] = {}
    undecided = ""
    for cell in cells:
        found = re.match(r"[+-]?([0-9.,]*)", re.sub(rf"[{_SPACES}$]", "", cell))
        body = found[1] if found else ""
        points, commas = body.count("."), body.count(",")
        mark = ""
        if points and commas:
            mark = "." if body.rfind(".") > body.rfind(",") else ","
        elif points > 1 or commas > 1:
            mark = "," if points else "."
        elif points or commas:
            head, used, tail = body.partition("." if points else ",")
            if len(tail) != 3 or head in ("", "0") or len(head) > 3:
                mark = used
            else:
                undecided = undecided or cell
        if mark:
            sure.setdefault(mark, cell)
    if len(sure) == 2:
        raise ValueError(
            f"has a decimal point in {shown(sure['.'])} and a decimal comma in {shown(sure[','])}; write all in one way"
        )
    if undecided and not sure and not otherwise:
        raise ValueError(
            f"has {shown(undecided)}, whose mark may stand before decimals or between thousands; write the number without it"
        )
    return next(iter(sure), otherwise or ".")


def plain(cell: str, mark: str) -> str:
    """A number without marks between thousands and with a point before decimals; what is no such number stays as it is.

    >>> plain("1.234,5 B", ","), plain("1,234", "."), plain("1,5e12", ",")
    ('1234.5 B', '1234', '1.5e12')

    """
    between = "." if mark == "," else ","
    groups = rf"[0-9]{{1,3}}(?:{re.escape(between)}[0-9]{{3}})+"
    form = rf"(\$?[+-]?)({groups}|[0-9{_SPACES}]*)(?:{re.escape(mark)}([0-9]+))?([^0-9.,].*)?"
    found = re.fullmatch(form, cell.strip())
    if not found or not (found[2] or found[3]):
        return cell
    return f"{found[1]}{found[2].replace(between, '')}{'.' + found[3] if found[3] else ''}{found[4] or ''}"
