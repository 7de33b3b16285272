"""Style of the pages beyond the theme of Streamlit."""

import streamlit as st

from ..report.chart.theme import recoloured

__all__ = ["look", "unfaded"]

_LOOK = """<style>
[data-testid=stMainBlockContainer] {padding: 3.75rem 1.5rem 1rem; gap: 0.5rem}
.st-key-metrics [data-testid=stElementContainer],
.st-key-more [data-testid=stElementContainer] {flex: 1 1 9.5rem; width: auto; min-width: 0}
.st-key-metrics [data-testid=stMetricLabel] p, .st-key-more [data-testid=stMetricLabel] p {white-space: normal}
.st-key-metrics [data-testid=stMetricValue], .st-key-more [data-testid=stMetricValue] {font-size: 1.6rem}
[data-testid=stMarkdownContainer] :is(p, li) code {white-space: nowrap}
[data-testid=stMainBlockContainer] h1 {font-size: 1.5rem; padding: 0.25rem 0 0.5rem}
[data-testid=stMainBlockContainer] h2 {font-size: 1.2rem; padding: 0.5rem 0 0.25rem}
@media (max-width: 799px) {
  [data-testid=stTable] {overflow-x: auto}
  [data-testid=stTable] :is(td, th) {min-width: 5.5rem}
}
.st-key-stale, .st-key-stale-charts, .st-key-stale-follows, .st-key-stale-laws {opacity: 0.4}
</style>"""
"""Metrics of one row stand above those of the next; an answer to an earlier question is grey. Selectors are whole classes: others, such as
[class*=x] or :has(), make the browser restyle the whole page with every change."""
_UNFADED = "<style>[data-stale=true] {transition: none !important; opacity: 1 !important}</style>"


def look() -> None:
    """Style of the pages beyond the theme; once in each run."""
    st.html(_LOOK.replace("</style>", f"{recoloured('[data-testid=stVegaLiteChart] svg')}</style>"))


def unfaded() -> None:
    """For a page with fast answers: do not fade the last answer while the next one is computed, as the fade costs the browser time."""
    st.html(_UNFADED)
