"""How does a chart leave the house? As a picture, or as its numbers in a file that a spreadsheet opens and does not execute."""

from typing import TYPE_CHECKING, Any

import altair as alt

from ..assumptions.problems import InputError
from .export import extra

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PICTURES", "harmless", "picture"]

PICTURES = ("png", "svg")
_SHARPER = 2.0
"""pixels of the picture for each pixel of the chart"""
_STARTS_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def picture(chart: alt.LayerChart, kind: str) -> bytes:
    """A chart as the content of a PNG or SVG file; nothing is fetched from anywhere.

    Args:
        chart: of `report.chart`.
        kind: "png", at two pixels for each of the chart's, or "svg".

    Raises:
        InputError: the kind is another one, or vl-convert is not installed.

    """
    if kind not in PICTURES:
        raise InputError([f"a picture is {' or '.join(PICTURES)}, got {kind!r}."])
    convert: Any = extra("vl_convert", "a picture of a chart")
    spec = chart.to_dict(validate=False)
    if kind == "svg":
        return convert.vegalite_to_svg(spec, allowed_base_urls=[]).encode()
    return convert.vegalite_to_png(spec, scale=_SHARPER, allowed_base_urls=[])


def harmless(frame: "pd.DataFrame") -> "pd.DataFrame":
    """The frame with an apostrophe before text that a spreadsheet would take for a formula; numbers stay as they are.

    >>> import pandas as pd
    >>> harmless(pd.DataFrame({"name": ["=1+1", "plan"], "cost": [-1.0, 2.0]})).to_dict("list")
    {'name': ["'=1+1", 'plan'], 'cost': [-1.0, 2.0]}

    """
    kept = frame.map(_harmless)
    kept.columns = [_harmless(name) for name in frame.columns]
    kept.attrs = dict(frame.attrs)
    return kept


def _harmless(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_STARTS_FORMULA) else cell
