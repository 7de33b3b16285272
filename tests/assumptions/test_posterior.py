import numpy as np
import pytest

from optimizer import load, table
from optimizer.assumptions.posterior import posterior_named, posterior_of

COEFFICIENTS = ("ln A", "ln B", "ln E", "alpha", "beta")


def printed() -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance as the data file prints them."""
    frame = table("law_posterior").query("law == 'besiroglu'")
    mean = frame[frame["statistic"] == "mean"].set_index("row")["value"].loc[list(COEFFICIENTS)].to_numpy()
    covariance = np.zeros((5, 5))
    for r in frame[frame["statistic"] == "covariance"].to_dict("records"):
        i, j = COEFFICIENTS.index(r["row"]), COEFFICIENTS.index(r["column"])
        covariance[i, j] = covariance[j, i] = r["value"]
    return mean, covariance


def test_the_nearest_positive_matrix_is_as_near_as_printing_is_exact():
    posterior, (mean, covariance) = posterior_named("besiroglu"), printed()
    assert posterior.mean.tolist() == mean.tolist()
    assert np.linalg.eigvalsh(posterior.covariance).min() > -1e-18
    # The distance to the nearest positive semidefinite matrix is the norm of the negative part (Higham 1988).
    negative = np.minimum(np.linalg.eigvalsh(covariance), 0)
    assert np.linalg.norm(posterior.covariance - covariance) == pytest.approx(np.linalg.norm(negative), rel=1e-6)
    assert posterior.clipped == pytest.approx(-8.35e-9, rel=1e-3)
    printing = np.linalg.norm(0.5e-3 * np.abs(covariance))  # four digits
    assert -posterior.clipped < printing


def test_the_factor_that_draws_are_made_with_gives_the_covariance_back():
    posterior = posterior_named("besiroglu")
    drawn = posterior.coefficients(np.eye(5))
    logs = [np.log(drawn[f"law.{name}"]) for name in "ABE"]
    factor = np.stack([*logs, drawn["law.alpha"], drawn["law.beta"]]) - posterior.mean[:, None]
    assert np.abs(factor @ factor.T - posterior.covariance).max() < 1e-15


def test_sampling_reproduces_the_stated_correlations():
    count = 200_000
    drawn = posterior_named("besiroglu").coefficients(np.random.default_rng(1).standard_normal((count, 5)))
    columns = [
        np.log(drawn["law.A"]),
        np.log(drawn["law.B"]),
        np.log(drawn["law.E"]),
        drawn["law.alpha"],
        drawn["law.beta"],
    ]
    mean, covariance = printed()
    spread = np.sqrt(np.diag(covariance))
    assert np.abs(np.mean(columns, axis=1) - mean).max() < (5 * spread / np.sqrt(count)).max()
    assert np.std(columns, axis=1) == pytest.approx(spread, rel=5 / np.sqrt(2 * count))
    stated = covariance / np.outer(spread, spread)
    found = np.corrcoef(columns)
    assert (np.abs(found - stated) <= 5 * (1 - stated**2) / np.sqrt(count) + 1e-5).all()
    assert found[0, 3] == pytest.approx(0.9993, abs=1e-4)


def test_a_law_without_a_posterior_says_so(lecture):
    assert posterior_of(lecture.update({"law": "hoffmann"}).law) == (
        None,
        "law Hoffmann et al. 2022 (Chinchilla) has no published posterior: it keeps its point values.",
    )
    found, sentence = posterior_of(lecture.update({"law.beta": 0.4}).law)
    assert found is None
    assert "was changed" in sentence
    assert posterior_of(load("frontier-moe-chat").law)[0] is None


def test_repeated_data_keeps_the_posterior_of_its_law(lecture):
    law = {"name": "besiroglu", "kind": "repetition", "unique_tokens": 5e13}
    assert posterior_of(lecture.update({"law": law}).law)[0] is not None
