"""A joint normal distribution of a law's coefficients, as plain data of a scenario and as draws.

    {"coefficients": ["ln A", "ln B", "E", "alpha", "beta", "ln gamma"], "mean": [...], "covariance": [[...], ...]}

Each name is a coefficient or its logarithm. Coefficients of one fit move together: the correlation of ln A and alpha is 0.9993, so drawing
them one by one would leave the fit. A draw is brought back to what a law allows: E to 0 and above, exponents and gamma to 0.001 to 2.

References:
    Higham 1988, Linear Algebra and its Applications 103, 103 (nearest positive semidefinite matrix).

"""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jaxtyping import Float

from .problems import shown

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["NAMES", "Joint", "joint_of", "read_joint"]

NAMES = ("ln A", "ln B", "ln E", "E", "alpha", "beta", "gamma", "ln gamma")
_LEAST = {"E": 0.0, "alpha": 1e-3, "beta": 1e-3, "gamma": 1e-3}
_MOST = {"alpha": 2.0, "beta": 2.0, "gamma": 2.0}
_ROUNDING = 1e-3
"""Negative eigenvalues of a correlation matrix that four printed digits may leave."""
_DIGITS = 10
"""Significant digits of a mean and a covariance in a file."""


class Joint(NamedTuple):
    """A normal distribution of coefficients or their logarithms."""

    names: tuple[str, ...]
    mean: Float[np.ndarray, " name"]
    covariance: Float[np.ndarray, "name name"]
    """positive semidefinite"""
    clipped: float
    """most negative eigenvalue of the covariance as given, set to 0; 0 where none was negative"""

    @classmethod
    def of(cls, names: Sequence[str], mean: np.ndarray, covariance: np.ndarray) -> "Joint":
        """The distribution with the nearest positive semidefinite covariance."""
        values, vectors = np.linalg.eigh(covariance)
        nearest = (vectors * np.maximum(values, 0)) @ vectors.T
        return cls(tuple(names), mean, (nearest + nearest.T) / 2, min(float(values.min()), 0.0))

    @property
    def fields(self) -> tuple[str, ...]:
        """The coefficients, as fields of a law."""
        return tuple(name.removeprefix("ln ") for name in self.names)

    def coefficients(self, normal: Float[np.ndarray, "draw name"]) -> dict[str, Float[np.ndarray, " draw"]]:
        """Coefficients by dotted path, from independent standard normal numbers."""
        values, vectors = np.linalg.eigh(self.covariance)
        moved = self.mean + normal @ (vectors * np.sqrt(np.maximum(values, 0))).T
        found = {}
        for name, field, column in zip(self.names, self.fields, moved.T, strict=True):
            plain = np.exp(column) if name.startswith("ln ") else column
            found[f"law.{field}"] = np.clip(plain, _LEAST.get(field, 0.0), _MOST.get(field, math.inf))
        return found

    def is_around(self, coefficients: Mapping[str, float]) -> bool:
        """Whether these are the coefficients in its middle, to rounding."""
        middle = {
            f: float(v[0])
            for f, v in zip(self.fields, self.coefficients(np.zeros((1, len(self.names)))).values(), strict=True)
        }
        return all(math.isclose(coefficients[f], value, rel_tol=1e-6, abs_tol=1e-9) for f, value in middle.items())


def joint_of(point: Mapping[str, float], draws: "pd.DataFrame") -> dict[str, Any]:
    """The normal distribution around a fit with the covariance of its bootstraps, as plain data.

    Args:
        point: coefficient -> value of the fit.
        draws: one row a bootstrap, one column a coefficient.

    """
    logs = ("A", "B", "gamma")
    names = [f"ln {name}" if name in logs else name for name in draws]
    columns = [np.log(draws[name]) if name in logs else draws[name] for name in draws]
    covariance = np.cov(np.array(columns))
    mean = [math.log(point[name]) if name in logs else point[name] for name in draws]

    def short(value: float) -> float:
        return float(f"{value:.{_DIGITS}g}")

    return {
        "coefficients": names,
        "mean": [short(v) for v in mean],
        "covariance": [[short(v) for v in row] for row in covariance.tolist()],
    }


def read_joint(given: Any, fields: Sequence[str] = ()) -> Joint:
    """The distribution that plain data describes.

    Args:
        given: what stands in a scenario.
        fields: the coefficients that the law has, of which the distribution must have all; it is not checked when left out.

    Raises:
        ValueError: it describes none; the sentence follows the path of the block.

    """
    how = "take it from a file that overtrain fit --out has written, or leave it out"
    if not isinstance(given, Mapping) or set(given) != {"coefficients", "mean", "covariance"}:
        raise ValueError(f"must have coefficients, mean and covariance, got {shown(given)}; {how}")
    names = given["coefficients"]
    plain = [n.removeprefix("ln ") for n in names] if isinstance(names, list) and all(n in NAMES for n in names) else []
    if not plain or (fields and sorted(plain) != sorted(fields)):
        wanted = ", ".join(fields or ("E", "A", "B", "alpha", "beta"))
        raise ValueError(f"must name {wanted} or their logarithms as coefficients, got {shown(names)}; {how}")
    size = len(plain)
    try:
        mean, covariance = np.array(given["mean"], float), np.array(given["covariance"], float)
    except (TypeError, ValueError):
        raise ValueError(f"must have numbers as mean and covariance; {how}") from None
    if mean.shape != (size,) or covariance.shape != (size, size):
        raise ValueError(f"must have {size} numbers as mean and {size} rows of {size} as covariance; {how}")
    if not (np.isfinite(mean).all() and np.isfinite(covariance).all() and np.allclose(covariance, covariance.T)):
        raise ValueError(f"must have a finite mean and a finite, symmetric covariance; {how}")
    scale = np.sqrt(np.maximum(np.diag(covariance), 0))
    correlation = covariance / np.outer(np.where(scale > 0, scale, 1), np.where(scale > 0, scale, 1))
    if np.linalg.eigvalsh(correlation).min() < -_ROUNDING:
        raise ValueError(f"has a covariance that is none: an eigenvalue of it is negative; {how}")
    return Joint.of(names, mean, covariance)
