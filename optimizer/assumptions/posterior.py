"""The joint posterior of a law's coefficients, where a fit has published one.

Coefficients of one fit move together: the correlation of ln A and alpha is 0.9993, so sampling them one by one would leave the fit. The
posterior is normal in (ln A, ln B, ln E, alpha, beta), with mean and covariance from `data/law_posterior.csv`. Covariances are printed
with four digits, which can leave a slightly negative eigenvalue; negative eigenvalues are set to zero, the nearest positive semidefinite
matrix (Higham 1988), and `clipped` says how far that was.

References:
    Besiroglu et al. 2024, arXiv 2404.10102 (4000 bootstraps of the published points).

"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from .law import Law
from .tables import rows

__all__ = ["COEFFICIENTS", "LawPosterior", "posterior_named", "posterior_of"]

COEFFICIENTS = ("ln A", "ln B", "ln E", "alpha", "beta")


class LawPosterior(NamedTuple):
    """A normal posterior of a law's coefficients, in the order of `COEFFICIENTS`."""

    law: str
    mean: Float[np.ndarray, " 5"]
    covariance: Float[np.ndarray, "5 5"]
    """positive semidefinite"""
    clipped: float
    """most negative eigenvalue of the covariance as printed, set to 0; 0 where none was negative"""

    def coefficients(self, normal: Float[np.ndarray, "draw 5"]) -> dict[str, Float[np.ndarray, " draw"]]:
        """Coefficients by dotted path, from independent standard normal numbers.

        >>> found = posterior_named("besiroglu").coefficients(np.zeros((1, 5)))
        >>> {path: round(float(values[0]), 3) for path, values in found.items()}
        {'law.A': 477.804, 'law.B': 2143.51, 'law.E': 1.817, 'law.alpha': 0.347, 'law.beta': 0.367}

        """
        values, vectors = np.linalg.eigh(self.covariance)
        moved = self.mean + normal @ (vectors * np.sqrt(np.maximum(values, 0))).T
        paths = [f"law.{name.removeprefix('ln ')}" for name in COEFFICIENTS]
        return {
            path: np.exp(column) if name.startswith("ln ") else column
            for path, name, column in zip(paths, COEFFICIENTS, moved.T, strict=True)
        }


def posterior_named(name: str) -> LawPosterior | None:
    """The posterior of a law in data/law_posterior.csv; None for a law that has none."""
    found = [r for r in rows("law_posterior") if r["law"] == name]
    if not found:
        return None
    place = {coefficient: i for i, coefficient in enumerate(COEFFICIENTS)}
    mean, covariance = np.zeros(5), np.zeros((5, 5))
    for r in found:
        i, value = place[r["row"]], float(r["value"])
        if r["statistic"] == "mean":
            mean[i] = value
        else:
            j = place[r["column"]]
            covariance[i, j] = covariance[j, i] = value
    values, vectors = np.linalg.eigh(covariance)
    nearest = (vectors * np.maximum(values, 0)) @ vectors.T
    return LawPosterior(name, mean, (nearest + nearest.T) / 2, min(float(values.min()), 0.0))


def posterior_of(law: Law) -> tuple[LawPosterior | None, str]:
    """The posterior of a scenario's law, and a sentence that says what is known about its coefficients.

    Returns:
        None where no posterior is published, or where a coefficient differs from the fit that the posterior belongs to.

    """
    posterior = posterior_named(law.name)
    if posterior is None:
        return None, f"law {law.name or 'given by coefficients'} has no published posterior: it keeps its point values."
    row = law.named({"name": law.name})
    if any(getattr(law, name) != value for name, value in row.items()):
        return (
            None,
            f"law {law.name} was changed: the posterior of its fit no longer applies, it keeps its point values.",
        )
    clip = (
        f"; eigenvalue {posterior.clipped:.0e} of the printed covariance was set to 0, the nearest positive semidefinite matrix"
        if posterior.clipped
        else ""
    )
    return posterior, f"law {law.name} is sampled from its joint posterior{clip}."
