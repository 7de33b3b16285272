"""The joint posterior of a law's coefficients, where its fit gives one.

A named law has the mean and covariance of `data/law_posterior.csv`, if any is published; a law of one's own has what stands in
`law.posterior`, which `overtrain fit --out law.toml` writes. Both are normal distributions (`joint`). Covariances are printed with four
digits, which can leave a slightly negative eigenvalue; negative eigenvalues are set to zero, the nearest positive semidefinite matrix
(Higham 1988), and `clipped` says how far that was.

References:
    Besiroglu et al. 2024, arXiv 2404.10102 (4000 bootstraps of the published points).

"""

import numpy as np

from .joint import Joint, read_joint
from .law import Law
from .published_laws import law_in_words
from .tables import rows

__all__ = ["posterior_named", "posterior_of"]


def posterior_named(name: str) -> Joint | None:
    """The posterior of a law in data/law_posterior.csv; None for a law that has none.

    >>> found = posterior_named("besiroglu").coefficients(np.zeros((1, 5)))
    >>> {path: round(float(values[0]), 3) for path, values in found.items()}
    {'law.A': 477.804, 'law.B': 2143.51, 'law.E': 1.817, 'law.alpha': 0.347, 'law.beta': 0.367}

    """
    found = [r for r in rows("law_posterior") if r["law"] == name]
    if not found:
        return None
    means = {r["row"]: float(r["value"]) for r in found if r["statistic"] == "mean"}
    place = {coefficient: i for i, coefficient in enumerate(means)}
    covariance = np.zeros((len(means), len(means)))
    for r in found:
        if r["statistic"] == "covariance":
            i, j = place[r["row"]], place[r["column"]]
            covariance[i, j] = covariance[j, i] = float(r["value"])
    return Joint.of([*means], np.array([*means.values()]), covariance)


def posterior_of(law: Law) -> tuple[Joint | None, str]:
    """The posterior of a scenario's law, and a sentence that says what is known about its coefficients.

    Returns:
        None where there is no posterior, or where a coefficient differs from the fit that the posterior belongs to.

    """
    title = law.label or law_in_words(law.name) or "given by coefficients"
    stale = f"law {title} was changed: the posterior of its fit no longer applies, it keeps its point values."
    own = getattr(law, "posterior", {})
    if own:
        posterior = read_joint(own)
        if not posterior.is_around({name: getattr(law, name) for name in posterior.fields}):
            return None, stale
        return posterior, f"law {title} is sampled from the joint posterior of its fit."
    posterior = posterior_named(law.name)
    if posterior is None:
        return None, f"law {title} has no published posterior: it keeps its point values."
    row = law.named({"name": law.name})
    if any(getattr(law, name) != value for name, value in row.items()):
        return None, stale
    clip = (
        "; few digits of its covariance are printed, and the nearest covariance to these is taken"
        if posterior.clipped
        else ""
    )
    return posterior, f"law {title} is sampled from its joint posterior{clip}."
