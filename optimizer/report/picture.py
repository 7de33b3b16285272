"""How does a chart leave the house? As a picture, drawn here and without asking anybody."""

import altair as alt

from ..assumptions.problems import InputError

__all__ = ["PICTURES", "picture"]

PICTURES = ("png", "svg")
_SHARPER = 2.0
"""pixels of the picture for each pixel of the chart"""


def picture(chart: alt.LayerChart, kind: str) -> bytes:
    """A chart as the content of a PNG or SVG file; nothing is fetched from anywhere.

    Args:
        chart: of `report.chart`.
        kind: "png", at two pixels for each of the chart's, or "svg".

    Raises:
        InputError: the kind is another one.

    """
    if kind not in PICTURES:
        raise InputError([f"a picture is {' or '.join(PICTURES)}, got {kind!r}."])
    import vl_convert

    spec = chart.to_dict(validate=False)
    if kind == "svg":
        return vl_convert.vegalite_to_svg(spec, allowed_base_urls=[]).encode()
    return vl_convert.vegalite_to_png(spec, scale=_SHARPER, allowed_base_urls=[])
