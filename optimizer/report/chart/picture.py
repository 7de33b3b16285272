"""Charts as PNG and SVG files, drawn on this machine without a network."""

from types import ModuleType

from ...assumptions.problems import InputError
from ..files.export import extra
from .drawing import Drawing

__all__ = ["PICTURES", "check_picture", "picture"]

PICTURES = ("png", "svg")
_SHARPER = 2.0
"""pixels of the picture for each pixel of the chart"""


def check_picture(kind: str) -> ModuleType:
    """The package that draws pictures.

    Raises:
        InputError: the kind is unknown, or the package is not installed; the sentence says how to install it.

    """
    if kind not in PICTURES:
        raise InputError([f"a picture is {' or '.join(PICTURES)}, got {kind!r}."])
    return extra("vl_convert", f"a picture in {kind.upper()}")


def picture(drawing: Drawing, kind: str) -> bytes:
    """A chart as the content of a PNG or SVG file.

    Args:
        drawing: of a function of `report.chart`, such as `tornado.drawing(...)`.
        kind: "png", with two pixels for each pixel of the chart, or "svg".

    Raises:
        InputError: as `check_picture`.

    """
    vl_convert, spec = check_picture(kind), drawing.spec()
    if kind == "svg":
        return vl_convert.vegalite_to_svg(spec, allowed_base_urls=[]).encode()
    return vl_convert.vegalite_to_png(spec, scale=_SHARPER, allowed_base_urls=[])
