"""The share of a chip's peak that each phase reaches: as given, or from a measured speed.

A measured speed of v tokens/s and chip at a size n is v k n FLOP/s, k being the phase's FLOPs per parameter and token. Other sizes do as
many FLOP/s, so that their speed is proportional to 1/N.
"""

from typing import Any, NamedTuple

from .quantity import Numeric

__all__ = ["Efficiencies", "efficiencies", "utilisation"]


def utilisation(scenario: Any) -> Numeric:
    """Model FLOPs utilisation of pre-training: pretraining.mfu, or k n v / peak of a measured speed."""
    given = scenario.pretraining
    if given.mfu is not None:
        return given.mfu
    assert given.measured_params is not None
    assert given.tokens_per_second_per_chip is not None
    useful = given.flops_per_param_token * given.measured_params * given.tokens_per_second_per_chip
    return useful / scenario.money.train_chip.peak_flops


class Efficiencies(NamedTuple):
    """Utilisation of each phase of serving, relative to that of pre-training."""

    prefill: Numeric
    decode: Numeric


def efficiencies(scenario: Any) -> Efficiencies:
    """The relative efficiencies of prefill and decode: as given, or what a measured speed is of pre-training's utilisation."""
    given = scenario.serving
    phases = (
        (given.prefill_efficiency, given.prefill_tokens_per_second_per_chip),
        (given.decode_efficiency, given.decode_tokens_per_second_per_chip),
    )
    found: list[Numeric] = []
    for relative, speed in phases:
        if relative is None:
            assert given.measured_params is not None
            assert speed is not None
            useful = given.flops_per_param_token * given.measured_params * speed
            relative = useful / scenario.money.serve_chip.peak_flops / utilisation(scenario)
        found.append(relative)
    return Efficiencies(*found)
