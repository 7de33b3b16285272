"""Layers, key-value cache and width of attention against the size of a model: power laws fitted to released models.

    layers = L10 (N / 10B)^a,      KV bytes per token = k10 (N / 10B)^b,      width of attention over all layers = A10 (N / 10B)^s,

least squares in logarithms over the models of data/models.csv released since 2024 whose figures are on record, N active parameters, the
cache at 2 bytes a number and attention in the layers where they grow with context.
"""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..assumptions.tables import table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["REFERENCE_PARAMS", "SINCE", "PowerLaw", "power_law", "released_models"]

REFERENCE_PARAMS = 1e10
SINCE = "2024"


class PowerLaw(NamedTuple):
    """A fitted power law of active parameters."""

    at_reference: float
    """value at 10B active parameters"""
    exponent: float
    spread: float
    """standard deviation of what is left, as a factor"""
    models: int


def released_models() -> "pd.DataFrame":
    """The models that the fits use: released since 2024, with active parameters on record."""
    frame = table("models")
    return frame.loc[(frame["release_date"] >= SINCE) & frame["active_params"].notna()]


def power_law(column: str) -> PowerLaw:
    """The power law of active parameters of a column of data/models.csv.

    >>> round(power_law("n_layers").exponent, 3)
    0.275

    """
    frame = released_models()
    frame = frame.loc[frame[column] > 0]
    x = np.log(np.array(frame["active_params"], float) / REFERENCE_PARAMS)
    y = np.log(np.array(frame[column], float))
    exponent, level = np.polyfit(x, y, 1)
    left = y - level - exponent * x
    return PowerLaw(float(np.exp(level)), float(exponent), float(np.exp(left.std())), len(frame))
