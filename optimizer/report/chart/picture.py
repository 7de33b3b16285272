"""How does a chart leave the house? As a picture, drawn here and without asking anybody."""

from ...assumptions.problems import InputError
from .theme import Drawing

__all__ = ["PICTURES", "picture"]

PICTURES = ("png", "svg")
_SHARPER = 2.0
"""pixels of the picture for each pixel of the chart"""


def picture(drawing: Drawing, kind: str) -> bytes:
    """A chart as the content of a PNG or SVG file; nothing is fetched from anywhere.

    Args:
        drawing: of a function of `report.chart`, `tornado.drawing(...)`.
        kind: "png", at two pixels for each of the chart's, or "svg".

    Raises:
        InputError: the kind is another one.

    """
    if kind not in PICTURES:
        raise InputError([f"a picture is {' or '.join(PICTURES)}, got {kind!r}."])
    import vl_convert

    spec = drawing.spec()
    if kind == "svg":
        return vl_convert.vegalite_to_svg(spec, allowed_base_urls=[]).encode()
    return vl_convert.vegalite_to_png(spec, scale=_SHARPER, allowed_base_urls=[])
