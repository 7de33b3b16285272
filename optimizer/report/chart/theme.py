"""Colours, shapes, sizes and fonts of all charts.

Colours keep a contrast of 3:1 or more against a white and against a dark page. What a colour says is said again by shape, fill or position.
"""

from typing import Any

__all__ = [
    "ACCENT",
    "COLOURS",
    "DASHES",
    "HEIGHT",
    "MAIN",
    "NAMED",
    "QUIET",
    "SHAPES",
    "STATED",
    "STEP",
    "WIDTH",
    "capital",
    "page_style",
    "recoloured",
]

MAIN, ACCENT, QUIET = "#2a7fbf", "#d1661c", "#808080"

COLOURS = (MAIN, ACCENT, "#2e8b57", "#b0478f", QUIET, "#9a7d0a")
DASHES = ([1, 0], [7, 4], [2, 3], [10, 3, 2, 3], [4, 2], [14, 4])
SHAPES = ("diamond", "square", "triangle-up", "circle", "cross", "triangle-down")
"""Of series in one chart; each series has its own colour, dash and shape."""

WIDTH, HEIGHT = 560, 320
"""pixels"""

STEP = 24
"""pixels from one row of bars to the next"""

NAMED = 30
"""pixels from one row to the next where names take two lines"""

STATED = "traffic as stated, before its share and the probability of shipping"


def page_style(*, dark: bool) -> dict[str, Any]:
    """Background, padding and Vega-Lite config of a chart on a light or a dark page."""
    ink, faint, page = ("#e8e8e8", "#3a3f47", "#0e1117") if dark else ("#1f2328", "#e2e4e8", "#ffffff")
    words = {
        "labelColor": ink,
        "titleColor": ink,
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
    }
    return {
        "background": page,
        "padding": {"left": 12, "right": 12, "top": 12, "bottom": 12},  # Streamlit adds to its members, and fails on a number
        "config": {
            "view": {"stroke": None},
            "axis": {"gridColor": faint, "domainColor": QUIET, "tickColor": QUIET, "labelLimit": 320, **words},
            "title": {
                "color": ink, "subtitleColor": ink, "fontSize": 15, "subtitleFontSize": 12, "offset": 12, "subtitlePadding": 5,
            },
            "legend": words,
            "text": {"color": ink, "fontSize": 11},
        },
    }  # fmt: skip


_FOLLOW = (
    ("text", "fill", "labelColor"),
    ("line", "stroke", "gridColor"),
    ("text", "fill", "page"),
    ("text", "stroke", "page"),
)
"""What is drawn in a colour of a light or a dark page: the mark, its paint, and which of the colours."""


def recoloured(where: str) -> str:
    """CSS rules by which charts below a selector follow a page that turns dark or light after they were drawn."""
    styles = [page_style(dark=one) for one in (False, True)]
    light, dark = ({**style["config"]["axis"], "page": style["background"]} for style in styles)
    return "".join(
        f'{where} {mark}[{paint}="{drawn[name]}"] {{{paint}: light-dark({light[name]}, {dark[name]})}}\n'
        for mark, paint, name in _FOLLOW
        for drawn in (light, dark)
    )


def capital(text: str) -> str:
    """Text with its first letter in upper case, for titles."""
    return text[:1].upper() + text[1:]
