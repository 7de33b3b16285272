"""Tables: numbers as people write them, which the browser still sorts by size, units in the header, and a filter."""

import math
from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from ..analysis.compare import VS
from ..assumptions.naming import choice_in_words, in_words
from ..assumptions.numbers import human, unit_for
from ..assumptions.problems import InputError
from ..model.outputs import heading, output_of, with_unit, written
from ..report.files.markup import as_text
from .filters import LEAST_ROWS, filtered
from .said import problems

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["table"]

LARGEST = 2.0**53
MOST_WRITTEN = 10_000
"""Most numbers of a table that are written one by one."""
SHORT, LETTER, CELL = 24, 8, 24
"""Letters of a text that is never cut; pixels of a letter, and of the space around a text."""


def table(frame: "pd.DataFrame", alt_text: str) -> None:
    """A frame with numbers as people write them and units in the header; they stay numbers, so that the browser sorts them by size.

    The browser saves a table as it is shown, so spreadsheet formulas are disarmed here too.
    """
    import pandas as pd

    units = frame.attrs.get("units", {})
    bare = frame if frame.index.name is None else frame.reset_index()
    bare = _chosen(_named(bare), units, alt_text)
    content = {str(name): _content(bare[name].to_numpy()) for name in bare.columns}
    outputs = bare["output"].tolist() if "output" in bare else []
    if outputs:
        content["output"] = np.array([as_text(heading(str(name)).replace("*", "")) for name in outputs], object)
    numbers = [name for name, values in content.items() if values.dtype.kind in "iuf"]
    by_row = [name for name in numbers if name not in units and not name.endswith(VS)] if "unit" in bare else []
    if by_row:
        powers = [_power(row) for row in zip(*(content[name] for name in by_row), strict=True)]
        content |= {name: content[name] / np.power(10.0, powers) for name in by_row if any(powers)}
        content["unit"] = np.array([_unit(u, power) for u, power in zip(bare["unit"], powers, strict=True)], object)
    headers = {}
    for name, values in content.items():
        unit, factor = (
            unit_for(values, units[name]) if name in numbers and name in units else (units.get(name, "1"), 1.0)
        )
        content[name] = values = values / factor if factor != 1 else values
        power = _power(values) if name in numbers and name not in by_row else 0
        content[name] = values / 10.0**power if power else values
        called = (
            name if not name.endswith(VS) else f"{name.removesuffix(VS)} / {frame.attrs.get('reference', 'reference')}"
        )
        headers[name] = as_text(_header(called, unit, power))
    shown = pd.DataFrame({headers[name]: values for name, values in content.items()})
    widths = {headers[name]: _narrow(values, headers[name]) for name, values in content.items() if name not in numbers}
    if len(shown) * len(numbers) > MOST_WRITTEN:
        formats = widths | {
            headers[name]: st.column_config.NumberColumn(format=_format(content[name], name)) for name in numbers
        }
        st.dataframe(shown, hide_index=True, alt=alt_text, placeholder="", column_config=formats)
        return
    style = shown.style
    one = str(frame.attrs.get("output", ""))  # the output of a tornado's columns
    elasticity = "active_limit" in bare  # numbers of a kind of their own, in columns named after outputs
    for name in numbers:
        header, column = headers[name], one if one and name.startswith(("output_", "swing")) else name
        style = style.format(partial(_number, column="" if elasticity else column), subset=[header])
        if name not in units and not name.endswith(VS):  # each row is another output
            for output in dict.fromkeys(outputs):
                rows = [i for i, other in enumerate(outputs) if other == output]
                style = style.format(partial(written, column=output), subset=pd.IndexSlice[rows, [header]])
    st.dataframe(style, hide_index=True, alt=alt_text, placeholder="", column_config=widths)


def _named(bare: "pd.DataFrame") -> "pd.DataFrame":
    """A table with its choices in words, and the names of assumptions before their paths where it does not have their meaning."""
    bare = bare.copy()
    for name in _texts(bare):
        bare[name] = [choice_in_words(str(name), v) if isinstance(v, str) else v for v in bare[name]]
    column = next((name for name in ("assumption", "path") if name in bare and "about" not in bare), None)
    if column is None:
        return bare
    paths = bare[column].tolist()
    named = bare.rename(columns={column: "path"})
    for name in (name for name in _texts(named) if name != "path"):
        cells = zip(paths, named[name], strict=True)
        named[name] = [choice_in_words(str(path), v) if isinstance(v, str) else v for path, v in cells]
    named.insert([*named].index("path"), "assumption", [in_words(str(path)) for path in paths])
    return named


def _texts(frame: "pd.DataFrame") -> list[str]:
    return [str(name) for name in frame if frame[name].dtype.kind not in "iufb"]


def _chosen(bare: "pd.DataFrame", units: Mapping[str, str], alt_text: str) -> "pd.DataFrame":
    """The rows that the reader's filter keeps."""
    if len(bare) < LEAST_ROWS:
        return bare
    text = st.text_input(
        "Filter", key=f"filter.{alt_text}", placeholder="a word, or a comparison such as N < 100B", max_chars=200, persist_state="session",
        help="Conditions are separated by commas, and a row must meet all: a word of a cell, or a part of a heading with <, <=, >, >= or = "
        "and a number in base units, such as 2.5T, 1e26 or 5%. Files hold all rows.",
    )  # fmt: skip
    try:
        found = filtered(bare, [_header(str(name), units.get(str(name), "1")) for name in bare.columns], text)
    except InputError as error:
        problems(error.problems)
        return bare
    if len(found) < len(bare):
        st.caption(f"{len(found):,} of {len(bare):,} rows.")
    return found


def _narrow(texts: np.ndarray, header: str) -> Any:
    """A column of short texts at its full width; the browser, which sees the first rows only, would cut later ones."""
    longest = max(len(header), *map(len, map(str, texts)), 0)
    return st.column_config.Column(width=LETTER * longest + CELL if longest <= SHORT else None)


def _power(values: Iterable[float]) -> int:
    """The power of ten of the middle number, or what the largest needs: a browser shows integers beyond 2^53 as errors."""
    sizes = sorted(abs(v) for v in values if math.isfinite(v) and v)
    if not sizes or sizes[-1] < LARGEST:
        return 0
    needed = 3 * math.ceil(math.log10(sizes[-1] / LARGEST) / 3)
    return max(3 * int(math.log10(sizes[len(sizes) // 2]) // 3), needed)


def _unit(unit: str, power: int) -> str:
    """A unit times a power of ten; "" for a plain number."""
    return " ".join(filter(None, (f"1e{power}" if power else "", "" if unit == "1" else unit)))


def _number(value: float, column: str) -> str:
    """A number of a column; columns of `compare.difference_table` hold ratios."""
    return written(value, "cost_vs_optimum" if column.endswith(VS) else column)


def _content(values: np.ndarray) -> np.ndarray:
    """A column that a browser can sort: numbers as numbers, everything else as text."""
    if values.dtype.kind in "iufb":
        return values
    known = [v for v in values.tolist() if v not in (None, "") and v == v]
    if known and all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in known):
        return np.array([math.nan if v in (None, "") else v for v in values.tolist()], float)
    texts = [human(v, 4) if isinstance(v, float) and v == v else as_text(str(v)) for v in values.tolist()]
    return np.array(
        ["" if v is None or v != v else text for v, text in zip(values.tolist(), texts, strict=True)], object
    )


def _format(values: np.ndarray, name: str) -> str:
    """A format of the browser's, for tables too long to write every number."""
    output = output_of(name)
    if output and output.kind != "number":
        return {"ratio": "%.1fx", "share": "percent", "count": "localized", "whole": "localized"}[output.kind]
    return "compact" if float(np.nanmax(np.abs(values), initial=0.0)) >= 1e3 else "%.4g"


def _header(name: str, unit: str, power: int = 0) -> str:
    """The heading of a column; a dotted path stays as it is typed, and no star, as not every row is an optimum."""
    said = _unit(unit, power)
    return (f"{name} ({said})" if said else name) if "." in name else with_unit(name, said).replace("*", "")
