"""The range over which each assumption is moved: its declared factor around the scenario's own value, or a range that the caller gives.

A number that is declared uncertain lies between value / factor and value x factor, within its bounds. Facts (a chip's peak), choices (a
goal, a limit) and what was set on purpose (a share, a price) are held, and an amount of 0 stays 0. The coefficients of the law are one
input (`law_input`), never a range each.

`over` is the one argument for this, the same for tornado, Sobol and Monte Carlo: `{"rl.tokens": ("50T", "300T")}` replaces a range or
adds one, `{"serving": None}` leaves a number or a whole block alone.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from ..assumptions.numbers import parse_number
from ..assumptions.paths import declaration, schema_paths
from ..assumptions.present import undiscounted, weighted_days
from ..assumptions.problems import InputError, near_miss
from ..assumptions.quantity import Quantity
from ..assumptions.scenario import Scenario
from ..assumptions.traffic import TotalTraffic
from ..model.accuracy import error_of
from .idle import why_idle

__all__ = ["Over", "Range", "held", "left_alone", "lifetime_tokens", "ranges", "total_traffic", "traffic_of"]

Over = Mapping[str, Sequence[float | str] | None]
"""Ranges by dotted path, (low, high), or None for what is left alone."""

DECADE = 10.0
MANY = 3
"""Numbers of a block that are listed one by one where all of it is held."""


class Range(NamedTuple):
    """One assumption and where it may lie."""

    path: str
    unit: str
    value: float
    """the scenario's own value; NaN where it sets none"""
    low: float
    high: float
    declared: bool = False
    """whether the range is the declared factor around the value"""

    @property
    def logarithmic(self) -> bool:
        """Whether draws are uniform in the logarithm: a declared factor, or a range above 0 that spans a decade or more."""
        return self.low > 0 and (self.declared or self.high / self.low >= DECADE * (1 - 1e-12))

    def at(self, share: Float[np.ndarray, " draw"]) -> Float[np.ndarray, " draw"]:
        """The value below which lies this share of the draws.

        >>> wide, narrow = Range("a", "1", 3.0, 1.0, 100.0), Range("b", "1", 3.0, 1.0, 2.0)
        >>> wide.at(np.array([0.0, 0.5, 1.0])).round(9).tolist(), narrow.at(np.array([0.5])).tolist()
        ([1.0, 10.0, 100.0], [1.5])

        """
        if self.logarithmic:
            return self.low * (self.high / self.low) ** share
        return self.low + (self.high - self.low) * share


def left_alone(path: str, over: Over) -> bool:
    """Whether `over` leaves this path, or a block around it, as it is."""
    return any(v is None and (path == p or path.startswith(f"{p}.")) for p, v in over.items())


def ranges(scenario: Scenario, over: Over | None = None) -> list[Range]:
    """Every number that is moved: within its declared factor of the scenario's own value, or over the range that `over` gives.

    Moved unless `over` leaves it alone: what is declared uncertain, is not 0 and affects the scenario. Moved only where `over`
    names it: facts and choices, amounts of 0, the coefficients of the law, and a deployment that nothing is served with.

    Raises:
        InputError: `over` names what no scenario has, or an invalid range; all problems at once.

    """
    over = over or {}
    own = {
        path: (_with_error(scenario, path, quantity), float(value)) for path, quantity, value in scenario.quantities()
    }
    given = _given(scenario, over)
    found = []
    for path in [*own, *(p for p in given if p not in own)]:
        quantity, value = own.get(path, (declaration(type(scenario), path), np.nan))
        assert quantity is not None
        if path in given:
            found.append(Range(path, quantity.unit, value, *given[path]))
        elif not (_of_law(path) or left_alone(path, over) or why_idle(scenario, path, given)):
            low, high = quantity.around(value)
            if low < high:
                found.append(Range(path, quantity.unit, value, low, high, declared=True))
    return found


def _with_error(scenario: Scenario, path: str, quantity: Quantity) -> Quantity:
    """The declaration of a number; of the engine's speed with the measured error of the deployment's class as its factor."""
    if path != "deployment.engine_speed" or not scenario.serving.by_roofline:
        return quantity
    return quantity._replace(uncertain=error_of(scenario).within)


def held(scenario: Scenario, over: Over | None = None) -> tuple[str, ...]:
    """Sentences that say which numbers stay as they are, and why.

    >>> from optimizer.assumptions.library import load
    >>> held(load("lecture-2026"))[1]
    'Amounts of 0 stay 0: traffic.input_tokens.'

    """
    over = over or {}
    own = [*scenario.quantities()]
    sizes = Counter(path.rpartition(".")[0] for path, _, _ in own)
    moved = {r.path for r in ranges(scenario, over)}
    held = [
        (path, "facts" if quantity.uncertain is None else "zero" if value == 0 else "alone")
        for path, quantity, value in own
        if not (path in moved or _of_law(path) or why_idle(scenario, path, over) or _unbilled(scenario, path))
        and (value != 0 or quantity.uncertain)
    ]
    said = {
        "facts": "Facts and choices are held unless they are named",
        "zero": "Amounts of 0 stay 0",
        "alone": "Left alone, as asked",
    }
    listed = {why: _in_short([path for path, reason in held if reason == why], sizes) for why in said}
    return tuple(f"{said[why]}: {which}." for why, which in listed.items() if which)


def _in_short(paths: Sequence[str], sizes: Mapping[str, int]) -> str:
    """Paths, and the name of the block in place of four or more paths that are all of it."""
    blocks = Counter(path.rpartition(".")[0] for path in paths)
    whole = {block for block, count in blocks.items() if count == sizes[block] > MANY}
    names = (block if (block := path.rpartition(".")[0]) in whole else path for path in paths)
    return ", ".join(dict.fromkeys(re.sub(r"\[\d+\]", "", name) for name in names))


def _of_law(path: str) -> bool:
    return path.startswith("law.")


def _unbilled(scenario: Scenario, path: str) -> bool:
    """Whether this is a price or a chip without effect: costs are FLOPs and no limit counts days or bytes."""
    limited = scenario.limits.max_training_days is not None or scenario.limits.max_training_bytes_per_chip is not None
    return path.startswith("money.") and not scenario.money.in_usd and not scenario.serving.by_roofline and not limited


def _given(scenario: Scenario, over: Over) -> dict[str, tuple[float, float]]:
    known = schema_paths(type(scenario))
    blocks = {".".join(path.split(".")[:i]) for path in known for i in range(1, path.count(".") + 1)}
    given, problems = {}, []
    for path, span in over.items():
        if span is None:
            if path not in blocks and declaration(type(scenario), path) is None:
                problems.append(f"over names {path!r}, which no scenario has{near_miss(path, [*known, *blocks])}")
        elif (declared := declaration(type(scenario), path)) is None:
            problems.append(f"over names {path!r}, which is no number of a scenario{near_miss(path, known)}")
        else:
            try:
                low, high = (parse_number(end, declared.unit) for end in span)
                if not low < high:
                    raise ValueError(f"needs low < high, got {span[0]} and {span[1]}")
                given[path] = (low, high)
            except ValueError as error:
                sentence = str(error) if "low < high" in str(error) else f"must be a pair (low, high), got {span!r}"
                problems.append(f"over[{path!r}] {sentence}.")
    if problems:
        raise InputError(problems)
    return given


def total_traffic(scenario: Scenario) -> Scenario:
    """The same question with its forecast as lifetime totals as they are paid, which is all that the optimum depends on."""
    if isinstance(scenario.traffic, TotalTraffic):
        return scenario
    read, written = (float(v) for v in scenario.traffic.stated(weighted_days(scenario)))
    kept = {k: v for k, v in scenario.traffic.to_dict().items() if k in TotalTraffic.model_fields and k != "kind"}
    total = {**kept, "kind": "total", "input_tokens": read, "output_tokens": written}
    return scenario.update({"traffic": total, **undiscounted(scenario)})


def lifetime_tokens(scenario: Scenario) -> float:
    """Input and output tokens over the life as the forecast states them, before share and probability of shipping."""
    read, written = (float(v) for v in scenario.traffic.stated())
    return read + written


def traffic_of(scenario: Scenario, tokens: Float[np.ndarray, " row"]) -> dict[str, Float[np.ndarray, " row"]]:
    """Columns that give `total_traffic` of a scenario these lifetime tokens: input and output in the scenario's own proportion, with the
    weight that its rates give a token over the life.

    Raises:
        InputError: the scenario serves nothing, so there is no proportion to keep, or the tokens are no traffic.

    """
    stated = lifetime_tokens(scenario)
    if not stated > 0:
        raise InputError(
            ["the scenario serves no tokens, so there is no traffic to scale; set traffic.output_tokens above 0."]
        )
    if not (np.isfinite(tokens).all() and (tokens >= 0).all() and len(tokens)):
        raise InputError([f"lifetime tokens must be counts of 0 or more, got {tokens.tolist()}; give at least one."])
    read, written = (float(v) / stated for v in scenario.traffic.stated(weighted_days(scenario)))
    return {"traffic.input_tokens": tokens * read, "traffic.output_tokens": tokens * written}
