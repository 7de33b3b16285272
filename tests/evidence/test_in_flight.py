"""Requests at random that share a replica, against the exact law of their number, and what that says of rows under a limit."""

import numpy as np
import pytest

from optimizer.evidence.in_flight import late_over_mean, limited
from optimizer.evidence.throughput import calibrate


@pytest.mark.parametrize(("fixed", "each", "load"), [(10.0, 0.1, 0.5), (10.0, 0.02, 0.3), (1.0, 0.05, 0.8)])
def test_the_number_in_flight_is_that_of_shared_processors(fixed, each, load):
    """Rates of arrival and departure of n requests, a birth and death process: its law, state by state, has the variance that is taken."""
    n = np.arange(1, 4000)
    # Arrivals at `load` over the time b that each request in flight adds; n leave at n over the time of a token.
    ln_law = np.concatenate([[0.0], np.cumsum(np.log(load / each) - np.log(n / (fixed + each * n)))])
    law = np.exp(ln_law - ln_law.max())
    law /= law.sum()
    states = np.arange(len(law))
    mean = float(law @ states)
    rise = each * mean / (fixed + each * mean)
    assert float(law @ (states - mean) ** 2) == pytest.approx(mean / (1 - load), rel=1e-6)
    seconds = fixed + each * states
    late = seconds[np.searchsorted(np.cumsum(law), 0.99)] / float(law @ seconds)
    assert float(late_over_mean(mean, rise)) == pytest.approx(late, rel=0.05)


def test_rows_under_a_limit_say_little_about_requests_at_random():
    """What stands in docs/serving.md: no smaller misses than with the fitted ratio, which lies below what requests at random explain."""
    fitted = calibrate()
    found = limited(fitted)
    assert len(found) == 14
    misses = [float(np.sqrt(np.mean(found[name] ** 2))) for name in ("miss_fitted", "miss_random")]
    assert misses[1] > misses[0]
    assert (found.loc[found["by_time"], "share"] > fitted["limit_share"] + 0.1).all()
    assert found["by_time"].sum() == 3
