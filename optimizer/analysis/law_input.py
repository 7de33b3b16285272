"""The law as one input of an analysis: a sample of laws, of which each draw takes one whole.

    law="across"       the weighted sample over data sets, forms and posteriors (the default)
    law="posterior"    the scenario's own law, from the joint posterior of its fit
    law=["a", "b"]     named laws or files of laws, each as likely as the others; a file that overtrain fit wrote stands for its draws,
                       which hold the error of its runs, of the form and between sweeps
    law=None           the scenario's own law as it is

Coefficients of one fit move together, so alpha or beta alone never moves: it would leave every fit. Laws of other texts do not share a
scale of loss: a loss goal in nat/token is first turned into the model that is compute-optimal at that loss under the scenario's own law,
and "as good as" that model is asked of every law. The posterior of one fit keeps the number.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import ndtri
from scipy.stats import qmc

from ..assumptions.arguments import Check, Names, as_names
from ..assumptions.law import ChinchillaLaw
from ..assumptions.law_file import is_law_file, law_draws
from ..assumptions.posterior import posterior_of
from ..assumptions.problems import InputError, near_miss
from ..assumptions.published_laws import law_in_words, law_names
from ..assumptions.scenario import Scenario
from .laws import COEFFICIENTS, drawn_laws, under_any_law, under_law
from .ranges import Over, left_alone

__all__ = ["ACROSS", "LAW", "POSTERIOR", "LawInput", "as_law", "law_input"]

ACROSS, POSTERIOR = "across", "posterior"
LAW = Check(
    "'across', 'posterior', a list of laws, or None",
    "write 'across' for the sample over data sets and forms, 'posterior' for the scenario's own fit, or ['besiroglu', 'hoffmann']",
    lambda value, name: None if value is None else value if value in (ACROSS, POSTERIOR) else as_names(value, name),
)
POINTS = 256
"""Draws of a posterior where a table of laws is wanted."""


class LawInput(NamedTuple):
    """Laws to draw from."""

    question: Scenario
    """the scenario in the form that the columns set: its loss goal as a model, its law with all coefficients written out"""
    width: int
    """dimensions of the unit cube that one law takes"""
    columns: Callable[[Float[np.ndarray, "draw width"]], dict[str, Float[np.ndarray, " draw"]]]
    """coefficients by dotted path, from points of the unit cube"""
    table: dict[str, Float[np.ndarray, " law"]]
    """the laws themselves, or a sample of them, each with the same weight"""
    few: bool
    """whether they are so few that their spread is lowest to highest, not a quantile"""
    note: str

    @property
    def paths(self) -> tuple[str, ...]:
        """What the law sets."""
        return tuple(self.table)


def as_law(text: str) -> Names | None:
    """What `law` is in text, as a command takes it.

    >>> as_law("across"), as_law("none"), as_law("besiroglu, hoffmann")
    ('across', None, ['besiroglu', 'hoffmann'])

    """
    names = [name.strip() for name in text.split(",")]
    return None if names == ["none"] else names[0] if names[0] in (ACROSS, POSTERIOR) else names


def law_input(scenario: Scenario, law: Names | None, over: Over | None = None) -> tuple[LawInput | None, str]:
    """The laws that `law` names, and a sentence that says what was decided.

    Returns:
        None where the law is held: `law` is None, `over` leaves it alone or names one of its coefficients, or there is no sample.

    Raises:
        InputError: a law is unknown, or is none of dense training.

    """
    over = over or {}
    own = {f"law.{name}" for name in type(scenario.law).model_fields if scenario.law.quantity(name) is not None}
    if law is None or left_alone("law", over):
        return None, "The law is held."
    if own.intersection(path for path, span in over.items() if span is not None):
        return None, "Coefficients of the law are drawn one by one, as asked; they leave the fit."
    if law == POSTERIOR:
        posterior, note = posterior_of(scenario.law)
        if posterior is None:
            return None, _sentence(note)
        points = qmc.Sobol(len(posterior.names), rng=np.random.default_rng(0)).random(POINTS)

        def drawn(cube: np.ndarray) -> dict[str, np.ndarray]:
            return posterior.coefficients(ndtri(np.clip(cube, 2.0**-53, 1 - 2.0**-53)))

        return LawInput(scenario, len(posterior.names), drawn, drawn(points), False, _sentence(note)), _sentence(note)
    if not isinstance(scenario.law, ChinchillaLaw):
        return (
            None,
            f"The law of {law_in_words(scenario.law.title)} is held, and its error is not in these numbers: the sample is of laws of dense "
            "training, this is one of experts.",
        )
    if law == ACROSS:
        table, few = {name: drawn_laws()[f"law.{name}"] for name in COEFFICIENTS}, False
        note = (
            f"The law is one input: {len(table['E'])} draws over data sets, forms and posteriors, and between sweeps."
        )
    else:
        given = as_names(law, "law")
        table, counts = _named(scenario, given)
        few = not counts
        each = [
            f"{law_in_words(name)} ({counts[name]} draws of its runs, forms and between sweeps)"
            if name in counts
            else law_in_words(name)
            for name in given
        ]
        alike = ", each as likely as the others" if len(given) > 1 else ""
        note = f"The law is one input: {', '.join(each)}{alike}."
    question = under_any_law(scenario, coefficients={name: float(values[0]) for name, values in table.items()})
    by_path = {f"law.{name}": values for name, values in table.items()}

    def picked(cube: np.ndarray) -> dict[str, np.ndarray]:
        place = np.minimum((cube[:, 0] * len(table["E"])).astype(int), len(table["E"]) - 1)
        return {path: values[place] for path, values in by_path.items()}

    return LawInput(question, 1, picked, by_path, few, note), note


def _sentence(note: str) -> str:
    return note[:1].upper() + note[1:]


def _named(scenario: Scenario, given: Sequence[str]) -> tuple[dict[str, np.ndarray], dict[str, int]]:
    """The coefficients of named laws, each as often as the others, and the number of draws of those that have any."""
    problems = [
        f"law {name!r} is unknown{near_miss(name, law_names())} A file of a law ends in .toml."
        for name in given
        if name not in law_names() and not is_law_file(name)
    ]
    if problems or not given:
        raise InputError(problems or ["law is an empty list; name at least one law."])
    laws: list[Any] = [under_law(scenario, name).law for name in given]
    other = [name for name, found in zip(given, laws, strict=True) if not isinstance(found, ChinchillaLaw)]
    if other:
        raise InputError(
            [f"law names {', '.join(other)}, no laws of dense training; take their kind as law of the scenario."]
        )
    parts: list[dict[str, np.ndarray]] = []
    drawn: dict[str, int] = {}
    for name, found in zip(given, laws, strict=True):
        draws = law_draws(name) if is_law_file(name) else {}
        if draws:
            drawn[name] = len(draws["E"])
        parts.append(draws or {c: np.array([float(getattr(found, c, 1.0))]) for c in COEFFICIENTS})
    most = max(len(part["E"]) for part in parts)
    return {c: np.concatenate([np.resize(part[c], most) for part in parts]) for c in COEFFICIENTS}, drawn
