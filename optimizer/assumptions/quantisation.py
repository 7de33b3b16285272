r"""The loss that serving in few bits adds, c D^g N^-h (nat/token), with N active parameters and D training tokens, repeated ones included.

    w4a16, w4a4     c = k (log2 G)^m         weights of 4 bits (and activations of 16 or 4) in training and serving; G weights share a scale
    calibrated      c = l0 N0^h / D0^g (P0 / P)^5.4967     quantised after training: of its own model N0 on D0 a user measured l0 at P0 bits

k, g, h, m of training with quantisation are those of Chen et al., fitted to 268 runs of 74M to 595M parameters on 10B to 100B tokens.
The exponents of quantisation after training are those of Ouyang et al., fitted to models of 160M to 12B parameters on up to 206B tokens;
their constant (0.017) misses Llama 3 8B by a factor of 6 to 20, so a point of one's own takes its place. No constants of 8 bits are
published.

References:
    Chen et al. 2025, arXiv 2505.14302, table 1. Ouyang et al. 2024, arXiv 2411.17691, the law of D, N and bits.

"""

from typing import Any, NamedTuple

from .quantity import Numeric, numpy_for

__all__ = ["AddedLoss", "added_loss", "fitted_on", "quantised", "served_bits"]


class _Aware(NamedTuple):
    """Constants of one row of table 1: k D^g (log2 G)^m / N^h."""

    k: float
    g: float
    m: float
    h: float


class AddedLoss(NamedTuple):
    """c D^g N^-h."""

    c: Numeric
    g: float
    h: float

    def at(self, n_params: Numeric, train_tokens: Numeric) -> Numeric:
        """The loss that a design adds (nat/token)."""
        xp = numpy_for(self.c, n_params, train_tokens)
        return self.c * xp.exp(self.g * xp.log(train_tokens) - self.h * xp.log(n_params))


_AWARE = {
    "w4a16": _Aware(0.2522, 0.1610, 0.3533, 0.3589),
    "w4a4": _Aware(0.1582, 0.0745, 0.7779, 0.2186),
}
_AWARE_BITS = 4.0
_AFTER, _BITS = AddedLoss(1.0, 0.5251, 0.2261), 5.4967
"""Quantisation after training: exponents of D and N, and of bits."""


def quantised(scenario: Any) -> bool:
    """Whether a loss is counted for serving in few bits."""
    return scenario.serving.quantisation != "none"


def served_bits(scenario: Any) -> Numeric | None:
    """Bits of a weight for which a loss is counted; None where none is."""
    if not quantised(scenario):
        return None
    return scenario.serving.quantisation_bits if scenario.serving.quantisation == "calibrated" else _AWARE_BITS


def fitted_on(scenario: Any) -> str:
    """Whose constants count the loss of few bits, and what they were fitted on."""
    if scenario.serving.quantisation == "calibrated":
        return (
            "your own point, with the exponents of Ouyang et al. 2024 (arXiv 2411.17691; models of 160M to 12B parameters on up to 206B "
            "tokens)"
        )
    return "Chen et al. 2025 (arXiv 2505.14302; models of 74M to 595M parameters on up to 100B tokens)"


def added_loss(scenario: Any) -> AddedLoss:
    """The term of a scenario that counts one.

    >>> from optimizer.assumptions.library import load
    >>> s = load("lecture-2026", {"serving.quantisation": "w4a16"})
    >>> round(float(added_loss(s).at(8e9, 15e12)), 4)
    0.0185

    """
    s = scenario.serving
    if s.quantisation == "calibrated":
        xp = numpy_for(s.calibration_params, s.calibration_tokens, s.calibration_bits, s.quantisation_bits)
        by_bits = _BITS * xp.log(s.calibration_bits / s.quantisation_bits)
        at_point = _AFTER.h * xp.log(s.calibration_params) - _AFTER.g * xp.log(s.calibration_tokens)
        return _AFTER._replace(c=s.calibration_loss * xp.exp(by_bits + at_point))
    row = _AWARE[s.quantisation]
    xp = numpy_for(s.quantisation_group)
    return AddedLoss(row.k * xp.exp(row.m * xp.log(xp.log2(s.quantisation_group))), row.g, row.h)
