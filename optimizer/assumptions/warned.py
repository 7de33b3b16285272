"""What a scenario contradicts or leaves unsaid: sentences that stand below it, and below every answer to it."""

from .deployment import WEIGHT_BYTES
from .numbers import human
from .quantisation import served_bits
from .scenario import Scenario

__all__ = ["warnings"]

FEW_BITS = 4.0
"""Bits of a weight at and below which what quantisation loses is too much to leave unsaid."""
SCALES = 1.25
"""Bits that a weight may take in memory over those that it is rounded to: groups of weights have scales."""
LONG_TRAINED = 20.0
"""Tokens per parameter above which that loss is more than compute-optimal training shows."""


def warnings(scenario: Scenario, *, quality: bool = True, tokens_per_param: float = 0.0) -> list[str]:
    """One sentence for everything that disagrees: law and deployment on experts, load factor and peak; and one where few bits lose quality
    unsaid.

    Args:
        scenario: the assumptions.
        quality: whether the law is used, as solving does; serving a given model takes no loss from it.
        tokens_per_param: D / N of the plan, where there is one.

    >>> from optimizer.assumptions.library import load
    >>> warnings(load("frontier-moe-rack")), len(warnings(load("frontier-moe-rack", {"deployment.sparsity": 2})))
    ([], 1)

    """
    return [
        *_of_sparsity(scenario, quality=quality),
        *_of_load(scenario),
        *_of_drafts(scenario),
        *_of_precision(scenario, tokens_per_param),
    ]


def _of_drafts(scenario: Scenario) -> list[str]:
    d = scenario.deployment
    if not scenario.serving.by_roofline or d.drafted_tokens <= 0 or float(d.kept_tokens()) > 1:
        return []
    return [
        f"deployment.drafted_tokens = {human(d.drafted_tokens)} are checked in every step and none is kept, so drafting only costs. Set "
        "deployment.acceptance_rate."
    ]


def _of_load(scenario: Scenario) -> list[str]:
    given, peak = scenario.serving.load_factor, scenario.traffic.peak_to_mean
    if peak is None or given == 1:
        return []
    return [
        f"serving.load_factor = {human(given)} is given next to traffic.peak_to_mean = {human(peak)}, from which it is at most "
        f"{human(1 / peak)}: costs take {human(min(given, 1 / peak))}, chips at the peak take traffic.peak_to_mean. Leave one of the "
        "two out."
    ]


def _of_sparsity(scenario: Scenario, *, quality: bool) -> list[str]:
    law, sparsity = scenario.law, scenario.deployment.sparsity
    if sparsity is None:
        return []
    shape = law.shape
    if shape is not None:
        if shape.least <= sparsity <= shape.most:
            return []
        return [
            f"deployment.sparsity = {human(sparsity)} disagrees with law.{shape.field} = {human(shape.value)}: {shape.because} "
            f"{human(shape.least, 3)} to {human(shape.most, 3)} times as many parameters as a token uses. The loss counts "
            f"law.{shape.field}, memory and cost count deployment.sparsity; change one of them, or leave it out to "
            f"take {human(float(law.total_over_active), 3)} from the law."
        ]
    if quality and sparsity > 1:
        return [
            f"deployment.sparsity = {human(sparsity)} disagrees with law.kind = {law.kind!r}, a law of dense models: memory and cost count "
            "the experts, the loss does not. Take law.kind = 'moe', or coefficients fitted to such models by active parameters."
        ]
    return []


def _of_precision(scenario: Scenario, tokens_per_param: float) -> list[str]:
    chip, deployment = scenario.money.serve_chip, scenario.deployment
    named = {
        "limits.bytes_per_param": scenario.limits.bytes_per_param,
        "deployment.bytes_per_weight": deployment.bytes_per_weight,
    }
    if scenario.money.in_usd and deployment.bytes_per_weight is None:
        named["money.serve_chip.precision"] = WEIGHT_BYTES[chip.precision]
    bits = {path: 8 * float(value) for path, value in named.items() if value is not None}
    counted = served_bits(scenario)
    if counted is not None:
        return _of_bits_counted(scenario, float(counted), bits)
    few = {path: size for path, size in bits.items() if size <= FEW_BITS}
    if not few or not tokens_per_param > LONG_TRAINED:
        return []
    path, size = next(iter(few.items()))
    return [
        f"the weights are served at {size:.3g} bits ({path}) after {human(tokens_per_param, 3)} tokens per parameter, and no loss is "
        "counted for it: the longer a model is trained for its size, the more it loses at such a precision (Kumar et al. 2024, arXiv "
        "2411.04330; Chen et al. 2025, arXiv 2505.14302). Set serving.quantisation to count it."
    ]


def _of_bits_counted(scenario: Scenario, counted: float, bits: dict[str, float]) -> list[str]:
    """A sentence where the bits that a loss is counted for are not those that the weights are priced at."""
    priced = bits if scenario.serving.by_roofline else {path: size for path, size in bits.items() if size < counted}
    wrong = {path: size for path, size in priced.items() if not counted <= size <= counted * SCALES}
    if not wrong:
        return []
    path, size = next(iter(wrong.items()))
    return [
        f"serving.quantisation = {scenario.serving.quantisation!r} counts the loss of weights of {counted:.3g} bits, and {path} stands for "
        f"{size:.3g} bits; change one of them, so that the loss goes with the price."
    ]
