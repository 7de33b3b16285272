"""A scenario as text and as HTML: its title, what it takes as given, and what to know before it is believed."""

import textwrap
from html import escape

from .library import sources
from .naming import described, title
from .numbers import human
from .question import taken_as_given
from .record import HEADINGS
from .scenario import Scenario
from .warned import warnings

__all__ = ["scenario_html", "scenario_text"]

GUESSED = ("assumption", "default")
"""Kinds of source that name no measurement, publication or list price."""


def scenario_text(scenario: Scenario) -> str:
    """One screen for a terminal."""
    given = {HEADINGS.get(name, name): said for name, said in taken_as_given(scenario).items()}
    width = max(map(len, given)) + 2
    above = [textwrap.fill(text, 100) for text in (title(scenario), described(scenario))]
    lines = [
        textwrap.fill(said, 100, initial_indent=f"{name:{width}}", subsequent_indent=" " * width)
        for name, said in given.items()
    ]
    return "\n".join(filter(None, [*above, *lines, textwrap.fill(" ".join(_caveats(scenario)), 100)]))


def scenario_html(scenario: Scenario) -> str:
    """The same for a notebook.

    >>> from optimizer.assumptions.library import load
    >>> scenario_html(load("lecture-2026", {"name": "<b>"})).count("&lt;b&gt;")
    1

    """
    rows = "".join(
        f'<tr><th style="text-align:left">{escape(HEADINGS.get(name, name))}</th><td style="text-align:left">{escape(said)}</td></tr>'
        for name, said in taken_as_given(scenario).items()
    )
    above = [title(scenario), described(scenario)]
    said = [f"<p>{escape(text)}</p>" if text else "" for text in (*above, " ".join(_caveats(scenario)))]
    return f"{said[0]}{said[1]}<table><tbody>{rows}</tbody></table>{said[2]}"


def _caveats(scenario: Scenario) -> list[str]:
    """How far the law's runs reach, how many numbers have a source, and what contradicts; the answer of `solve` says more of the plan."""
    law = scenario.law
    edges = {
        "parameters": law.fitted_max_params,
        "tokens": law.fitted_max_tokens,
        "tokens per parameter": law.fitted_max_tokens_per_param,
    }
    known = [f"{human(edge)} {what}" for what, edge in edges.items() if edge]
    reach = f"The law was fitted to runs of at most {' and '.join(known)}; beyond them it is a guess." if known else ""
    kinds = sources(scenario)["kind"]
    guessed = sum(kind in GUESSED for kind in kinds)
    held = f"{guessed} of {len(kinds)} numbers are assumptions or defaults, the others have a source: sources(scenario) lists them."
    return [*filter(None, [reach]), held, *warnings(scenario)]
