"""The range over which each assumption is moved: the declared low and high, or one that the caller gives.

`over` is the one argument for this, the same for tornado, Sobol and Monte Carlo: `{"rl.tokens": ("50T", "300T")}` replaces a range or
adds one, `{"serving": None}` leaves a number or a whole block alone.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from ..assumptions.numbers import parse_number
from ..assumptions.paths import declaration, schema_paths
from ..assumptions.problems import InputError, near_miss
from ..assumptions.scenario import Scenario
from ..assumptions.traffic import TotalTraffic

__all__ = ["Over", "Range", "left_alone", "lifetime_tokens", "ranges", "total_traffic", "traffic_of"]

Over = Mapping[str, Sequence[float | str] | None]
"""Ranges by dotted path, (low, high), or None for what is left alone."""

DECADE = 10.0
_TRAINING_MEMORY = frozenset(f"pretraining.{f}" for f in ("state_bytes_per_param", "shard_chips", "tokens_per_chip"))
_SHAPE = frozenset(f"deployment.{f}" for f in ("sparsity", "reference_params", "layers", "layers_exponent"))


class Range(NamedTuple):
    """One assumption and where it may lie."""

    path: str
    unit: str
    value: float
    """the scenario's own value; NaN where it sets none"""
    low: float
    high: float

    @property
    def logarithmic(self) -> bool:
        """Whether draws are uniform in the logarithm: the range lies above 0 and spans a decade or more."""
        return self.low > 0 and self.high / self.low >= DECADE * (1 - 1e-12)

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
    """Every assumption of the scenario that has a range: the declared one, or the one that `over` gives.

    What nothing depends on is left out unless it is named: the deployment with serving.method = "efficiency" and no limit on memory, and
    the memory of a training run without limits.max_training_bytes_per_chip.

    Raises:
        InputError: `over` names what no scenario has, or an invalid range; all problems at once.

    """
    over = over or {}
    own = {path: (quantity, float(value)) for path, quantity, value in scenario.quantities()}
    given = _given(scenario, over)
    found = []
    for path in [*own, *(p for p in given if p not in own)]:
        quantity, value = own.get(path, (declaration(type(scenario), path), np.nan))
        assert quantity is not None
        low, high = given.get(path, (None, None) if _idle(scenario, path, given) else (quantity.low, quantity.high))
        if low is None or high is None or (path not in given and left_alone(path, over)):
            continue
        found.append(Range(path, quantity.unit, value, float(low), float(high)))
    return found


def _idle(scenario: Scenario, path: str, given: Mapping[str, tuple[float, float]]) -> bool:
    """Whether no cost and no limit of the scenario, or of those that are moved, depends on this number."""
    in_memory = scenario.limits.max_training_bytes_per_chip is not None or "limits.max_training_bytes_per_chip" in given
    if path == "deployment.sparsity" and (scenario.limits.max_bytes is not None or "limits.max_bytes" in given):
        return False
    if path.startswith("deployment."):
        # Activations in training memory take the layers of the deployment.
        return not scenario.serving.by_roofline and not (in_memory and path in _SHAPE)
    return path in _TRAINING_MEMORY and not in_memory


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
    """The same question with its forecast as lifetime totals, which is all that the optimum depends on."""
    if isinstance(scenario.traffic, TotalTraffic):
        return scenario
    read, written = (float(v) for v in scenario.traffic.stated())
    kept = {k: v for k, v in scenario.traffic.to_dict().items() if k in TotalTraffic.model_fields and k != "kind"}
    return scenario.update({"traffic": {**kept, "kind": "total", "input_tokens": read, "output_tokens": written}})


def lifetime_tokens(scenario: Scenario) -> float:
    """Input and output tokens over the life as the forecast states them, before share and probability of shipping."""
    read, written = (float(v) for v in scenario.traffic.stated())
    return read + written


def traffic_of(scenario: Scenario, tokens: Float[np.ndarray, " row"]) -> dict[str, Float[np.ndarray, " row"]]:
    """Columns that give a scenario with total traffic these lifetime tokens, input and output in its own proportion.

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
    read = float(scenario.traffic.stated()[0]) / stated
    return {"traffic.input_tokens": tokens * read, "traffic.output_tokens": tokens * (1 - read)}
