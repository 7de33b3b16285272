"""Style of the pages beyond the theme of Streamlit."""

import streamlit as st

from ..report.chart.theme import recoloured
from .sidebar import LEVERS

__all__ = ["look"]

_LOOK = """[data-testid=stMainBlockContainer] {padding: 3.75rem 1.5rem 1rem; gap: 0.5rem}
.st-key-metrics [data-testid=stHorizontalBlock], .st-key-more [data-testid=stHorizontalBlock] {display: grid; align-items: end;
  grid-template-columns: repeat(auto-fill, minmax(max(9.5rem, (100% - 4rem) / 5), 1fr))}
.st-key-metrics [data-testid=stElementContainer], .st-key-more [data-testid=stElementContainer] {width: auto; min-width: 0}
.st-key-metrics [data-testid=stMetricLabel] p, .st-key-more [data-testid=stMetricLabel] p {white-space: normal}
.st-key-metrics [data-testid=stMetricValue], .st-key-more [data-testid=stMetricValue] {font-size: 1.6rem}
[data-testid=stMarkdownContainer] :is(p, li) code {white-space: nowrap}
[data-testid=stMainBlockContainer] h1 {font-size: 1.5rem; padding: 0.25rem 0 0.5rem}
[data-testid=stMainBlockContainer] h2 {font-size: 1.2rem; padding: 0.5rem 0 0.25rem}
@media (max-width: 799px) {
  [data-testid=stTable] {overflow-x: auto}
  [data-testid=stTable] :is(td, th) {min-width: 5.5rem}
}
.st-key-stale, .st-key-stale-charts, .st-key-stale-figures, .st-key-stale-follows, .st-key-stale-laws {opacity: 0.4}
"""
"""Metrics stand in columns, five where there is room; an answer to an earlier question is grey. Selectors are whole classes:
others, such as [class*=x] or :has(), make the browser restyle the whole page with every change."""
_PLACES = """.st-key-phone-links {display: none}
.st-key-side, .st-key-scenario, .st-key-traffic, .st-key-groups {gap: 0.4rem}
.st-key-head, .st-key-top {gap: 0.5rem}
.st-key-line {min-height: 1.5rem}
.st-key-acts button, #copy-link {min-height: 2rem; padding: 0 0.55rem; font-size: 0.85rem; white-space: nowrap}
#copy-link {border: 1px solid rgba(128, 128, 128, 0.5); border-radius: 0.5rem; background: none; color: inherit;
  font-family: inherit; cursor: pointer}
@media (min-width: 800px) {
  .st-key-first, .st-key-plain {display: grid !important; grid-template-columns: 19rem minmax(0, 1fr); column-gap: 1.75rem; row-gap: 0.5rem;
    align-items: start; grid-template-rows: auto 1fr}
  .st-key-first > *:nth-child(1), .st-key-plain > *:nth-child(2) {grid-area: 1 / 2}
  .st-key-first > *:nth-child(3) {grid-area: 2 / 2}
  .st-key-first > *:nth-child(2), .st-key-plain > *:nth-child(1) {grid-area: 1 / 1 / 3 / 2; position: sticky; top: 3.5rem;
    max-height: calc(100vh - 4rem); overflow: hidden auto; padding-right: 0.75rem}
}
@media (max-width: 799px) {
  .st-key-phone-links {display: flex; padding-top: 0.5rem}
  .st-key-plain > *:nth-child(1) {order: 2}
  .st-key-first > *:nth-child(1), .st-key-first > *:nth-child(2), .st-key-first .st-key-top, .st-key-first .st-key-side {display: contents}
  .st-key-first .st-key-side > *:nth-child(2) {order: 1}
  .st-key-first .st-key-top > *:nth-child(2), .st-key-first .st-key-top > *:nth-child(3) {order: 2}
  .st-key-first > *:nth-child(3) {order: 3}
  .st-key-first .st-key-side > *:nth-child(1), .st-key-first .st-key-side > *:nth-child(3) {order: 4}
}
"""
"""Places of the parts of a page, `app.frame`."""
_ROWS, _RESETS = (
    f":is({', '.join(f'.st-key-{what}-traffic-{name}' for names in LEVERS.values() for name in names)})"
    for what in ("lever", "reset")
)
_LEVERS = f"""{_ROWS} {{position: relative; min-height: 4rem}}
{_ROWS} {_RESETS} {{position: absolute; left: 0; top: 0}}
{_ROWS} {_RESETS} button {{min-height: 0; padding: 0}}
"""
"""The button that resets a lever stands above its number, where it takes no room from the slider, which would move under the pointer."""
_UNFADED = "[data-stale=true] {transition: none !important; opacity: 1 !important}"
"""A page with fast answers does not fade the last one while the next is computed, as the fade costs the browser time."""


def look(*, fast: bool) -> None:
    """Style of the pages beyond the theme, as one element, once in each run; `fast`: the page answers at once."""
    colours = recoloured("[data-testid=stVegaLiteChart] svg")
    st.html(f"<style>{_LOOK}{_PLACES}{_LEVERS}{_UNFADED if fast else ''}{colours}</style>")
