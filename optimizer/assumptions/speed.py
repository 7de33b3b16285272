"""The share of a chip's peak that each phase reaches: as given, or from a measured speed.

A measured speed of v tokens/s and chip at a size n is v k n FLOP/s, k being the phase's FLOPs per parameter and token, and n counting
attention where a context is given (`attention`). Other sizes do as many FLOP/s, so that without attention their speed is proportional
to 1/N.
"""

from typing import Any, NamedTuple

from .attention import multiplied_params
from .quantity import Numeric, numpy_for

__all__ = ["Efficiencies", "efficiencies", "load_factor", "utilisation"]


def utilisation(scenario: Any) -> Numeric:
    """Model FLOPs utilisation of pre-training, attention included: pretraining.mfu, or k n v / peak of a measured speed.

    A utilisation that counts parameters alone is multiplied by 1 + 2 A c / n at the size n that it was measured on.
    """
    given = scenario.pretraining
    if given.mfu is not None:
        if given.mfu_counts == "attention" or given.context_tokens is None:
            return given.mfu
        return given.mfu * multiplied_params(scenario, given.measured_params).pretraining / given.measured_params
    counted = multiplied_params(scenario, given.measured_params).pretraining
    useful = given.flops_per_param_token * counted * given.tokens_per_second_per_chip
    return useful / scenario.money.train_chip.peak_flops


class Efficiencies(NamedTuple):
    """Utilisation of each phase of serving, relative to that of pre-training."""

    prefill: Numeric
    decode: Numeric


def efficiencies(scenario: Any) -> Efficiencies:
    """The relative efficiencies of prefill and decode: as given, or what a measured speed is of pre-training's utilisation."""
    given, counted = scenario.serving, None
    if given.measured_params is not None:
        counted = multiplied_params(scenario, given.measured_params)

    def relative(phase: str) -> Numeric:
        share = getattr(given, f"{phase}_efficiency")
        if share is not None:
            return share
        useful = (
            given.flops_per_param_token * getattr(counted, phase) * getattr(given, given.instead[f"{phase}_efficiency"])
        )
        return useful / scenario.money.serve_chip.peak_flops / utilisation(scenario)

    return Efficiencies(relative("prefill"), relative("decode"))


def load_factor(scenario: Any) -> Numeric:
    """The share of paid serving time that does useful work: serving.load_factor, and at most 1 / traffic.peak_to_mean.

    Chips that are there for the peak are busy for 1 / peak_to_mean of the time on average.
    """
    given, peak = scenario.serving.load_factor, scenario.traffic.peak_to_mean
    return given if peak is None else numpy_for(given, peak).minimum(given, 1 / peak)
