"""Write the cells of a table as text for CSV, Markdown, LaTeX and HTML, each with its own escapes.

Plain numbers have all their digits, under the name of the column; human numbers are rounded to four, under its heading. Text that a
spreadsheet would take for a formula gets an apostrophe in front.

References:
    OWASP, CSV Injection.

"""

import itertools
import re
from collections.abc import Callable, Iterable
from html import escape
from typing import Any

import pandas as pd
from pandas.io.formats.style import Styler

from ...analysis.idle import why_idle
from ...assumptions.library import sources
from ...assumptions.naming import in_words
from ...assumptions.numbers import human
from ...assumptions.paths import is_touched, paths_of
from ...assumptions.record import HEADINGS, KEY, PRINT, caption
from ...assumptions.scenario import Scenario
from ...model.outputs import heading, output_of, written

__all__ = [
    "as_text",
    "cited",
    "headings",
    "heads",
    "html_table",
    "markdown_table",
    "printed",
    "tex_table",
    "units_of",
]

_FORMULA = re.compile(r"'*[=+\-@\t\r\n]")
_LONG = 40
"""Characters from which on a column of text is broken into lines."""


def as_text(value: Any, numbers: str = "plain", digits: int = 0) -> str:
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
    return human(float(value), digits or 4) if numbers == "human" else repr(value)


def units_of(frame: pd.DataFrame, numbers: str = "plain") -> list[str]:
    """The unit of every column, "" for text; human numbers without unit say themselves what they are (25.1x, 17.4 %)."""
    units = frame.attrs.get("units", {})
    found = [str(units.get(name, "")) for name in frame.columns]
    return ["" if unit == "1" and numbers == "human" else unit for unit in found]


def headings(frame: pd.DataFrame, numbers: str) -> list[str]:
    """What the columns are called: where numbers are human, outputs by their headings and assumptions by their meaning, else names.

    >>> headings(pd.DataFrame(columns=["law", "traffic.output_tokens", "n_params", "n_params: hoffmann"]), "human")
    ['scaling law', 'output tokens over the life', 'active parameters N*', 'active parameters N*: hoffmann']

    """
    names = [str(name) for name in frame.columns]
    if numbers != "human":
        return names
    parts = [name.partition(": ") for name in names]  # of a wide table: output, then the value of the axis
    found = [
        heading(name) + colon + label if output_of(name) else HEADINGS.get(name, in_words(name)) + colon + label
        for name, colon, label in parts
    ]
    return [text if found.count(text) == 1 else name for name, text in zip(names, found, strict=True)]


def cited(record: dict[str, Any]) -> str:
    """Where the numbers come from that all rows share and the answer depends on: each source once, with what it stands for.

    >>> from optimizer.assumptions.library import load
    >>> cited({"scenario": load("on-device").to_dict()}).partition(";")[0]
    'Sources: law: https://arxiv.org/abs/2404.10102'

    """
    scenario = Scenario.from_dict(record["scenario"])
    varied = dict.fromkeys(paths_of(record.get("table", {}).get("over", ())))
    found: dict[str, dict[str, None]] = {}
    for row in sources(scenario).to_dict("records"):
        path, source, kind = row["path"], row["source"], row["kind"]
        guessed = kind in ("assumption", "default") or source.startswith("assumption")
        guessed |= path.startswith("money.") and scenario.money.unit == "flops"  # no cost depends on a chip then
        if source and not guessed and not is_touched(path, varied) and not why_idle(scenario, path):
            found.setdefault(source, {})[path if kind == "scenario" else path.rpartition(".")[0]] = None
    said = [f"{', '.join(of)}: {source}" for source, of in found.items()]
    return f"Sources: {'; '.join(said)}." if said else ""


def printed(record: dict[str, Any]) -> list[str]:
    """The notes of a table: those that were given, what is fixed and how far it holds, and where its numbers come from."""
    own = record.get(PRINT, {}).get("notes", "")
    return [note for note in (own and f"Note: {own}", " ".join(f"{caption(record)}.".split()), cited(record)) if note]


def _rows(frame: pd.DataFrame, numbers: str, digits: int = 0) -> Iterable[list[str]]:
    def cell(value: Any, column: str) -> str:
        known = numbers == "human" and isinstance(value, (int, float)) and not isinstance(value, bool)
        return written(value, column, digits) if known else as_text(value, numbers)

    names = [str(name).partition(": ")[0] for name in frame.columns]
    columns = [[cell(v, name) for v in frame.iloc[:, i].tolist()] for i, name in enumerate(names)]
    yield from map(list, zip(*columns, strict=True))


def _left(frame: pd.DataFrame) -> list[bool]:
    """Which columns are text and stand to the left."""
    return [not pd.api.types.is_numeric_dtype(kind) or pd.api.types.is_bool_dtype(kind) for kind in frame.dtypes]


def heads(frame: pd.DataFrame, numbers: str) -> list[tuple[str, ...]]:
    """The head of each column: its heading and its unit; in a wide table with human numbers, the places on the axes stand between them.

    >>> heads(pd.DataFrame(columns=["law", "n_params"]), "human")
    [('scaling law', ''), ('active parameters N*', '')]

    """
    spread = frame.attrs.get(KEY, {}).get("table", {}).get("wide", {})
    labels = spread.get("labels", []) if numbers == "human" else []
    places = {", ".join(at): at for at in itertools.product(*labels)}
    found = []
    for name, full, unit in zip(
        map(str, frame.columns), headings(frame, numbers), units_of(frame, numbers), strict=True
    ):
        output, colon, at = name.partition(": ")
        grouped = bool(labels and colon and at in places and output in spread["values"])
        found.append((*((heading(output), *places[at]) if grouped else (full, *("" for _ in labels))), unit))
    return found


def _styled(frame: pd.DataFrame, numbers: str, record: dict[str, Any], escaped: Callable[[str], str]) -> Styler:
    """The cells as escaped text under their heads, for pandas to arrange; equal heads next to each other become one."""
    cells = [[escaped(cell) for cell in row] for row in _rows(frame, numbers, record.get(PRINT, {}).get("digits", 0))]
    names = [tuple(map(escaped, head)) for head in heads(frame, numbers)]
    return pd.DataFrame(cells, columns=pd.MultiIndex.from_tuples(names), dtype=object).style.hide(axis="index")


def _whole(frame: pd.DataFrame) -> Any:
    """Styler leaves out what is above a number of cells; a file has them all."""
    return pd.option_context("styler.render.max_elements", max(1, frame.size))


def _long(frame: pd.DataFrame, numbers: str) -> list[bool]:
    """Which columns hold sentences, and are broken into lines."""
    rows = [*_rows(frame, numbers)]
    return [max((len(row[i]) for row in rows), default=0) > _LONG for i in range(frame.shape[1])]


def html_table(frame: pd.DataFrame, numbers: str, record: dict[str, Any]) -> str:
    """The frame as an HTML table: a row of names, a row of units, numbers to the right; below it where its numbers come from."""
    # Without a least width a browser makes a column of sentences as narrow as its longest word, and its rows a page high.
    looks = zip(_left(frame), _long(frame, numbers), strict=True)
    styles = [
        {
            "selector": f".col{i}",
            "props": f"text-align:{'left' if text else 'right'}{';min-width:36em' if long else ''}",
        }
        for i, (text, long) in enumerate(looks)
    ]
    grouped: list[Any] = [{"selector": "th[colspan]", "props": "text-align:center"}]
    with _whole(frame):
        table = _styled(frame, numbers, record, _html).set_table_styles(styles + grouped).set_uuid(KEY)  # type: ignore[arg-type]
        notes = printed(record)
        above = record.get(PRINT, {}).get("caption") or notes.pop(0)
        text = table.set_caption(_html(above)).to_html(sparse_columns=True)
    return text + "".join(f"\n<p>{_html(note)}</p>" for note in notes)


def _html(text: str) -> str:
    """Escaped so that no white space is lost on the way through a parser."""
    plain = escape(text)
    for character in "\r\n\t":
        plain = plain.replace(character, f"&#{ord(character)};")
    return plain


def markdown_table(frame: pd.DataFrame, numbers: str, record: dict[str, Any]) -> str:
    """The frame as a GitHub table with its units in the first row, the caption that was given above it and its notes below it."""
    given = record.get(PRINT, {})
    body = _rows(frame, numbers, given.get("digits", 0))
    rows = [[_markdown(cell) for cell in row] for row in (units_of(frame, numbers), *body)]
    names = [_markdown(name) for name in headings(frame, numbers)]
    sides = ["left" if text else "right" for text in _left(frame)]
    text = pd.DataFrame(rows).to_markdown(
        index=False, headers=names, tablefmt="pipe", disable_numparse=True, colalign=sides
    )
    above = [_markdown(given["caption"])] if "caption" in given else []
    return "\n\n".join([*above, text, *(escape(note, quote=False) for note in printed(record))]) + "\n"


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


def tex_table(frame: pd.DataFrame, numbers: str, record: dict[str, Any]) -> str:
    """The frame as a booktabs tabular, names and units are rows of its head; in a `table` with its notes where it was given a caption."""
    given = record.get(PRINT, {})
    float_ = (
        {"position_float": "centering", "label": given.get("label"), "caption": _tex(given["caption"])}
        if "caption" in given
        else {}
    )
    looks = zip(_long(frame, numbers), _left(frame), strict=True)
    kinds = "".join("p{0.3\\linewidth}" if long else "l" if text else "r" for long, text in looks)
    with _whole(frame):
        text = _styled(frame, numbers, record, _tex).to_latex(
            column_format=kinds, hrules=True, multicol_align="c", sparse_columns=True, **float_
        )
    notes = "".join(f"\\par\\smallskip {_tex(note)}\n" for note in printed(record))
    end = "\\end{table}\n"
    return text.replace(end, f"\n\\raggedright\\footnotesize\n{notes}{end}") if float_ else text


def _tex(text: str) -> str:
    escaped = "".join(_TEX.get(c, c) for c in text)
    inner = escaped.strip(" ")
    before = len(escaped) - len(escaped.lstrip(" "))
    return "{ }" * before + inner + "{ }" * (len(escaped) - len(inner) - before)
