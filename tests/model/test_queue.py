"""The wait of a queue with fixed times, against Erlang's series in exact arithmetic and against a simulated queue."""

import math

import jax
import numpy as np
import pytest
from mpmath import mp

from optimizer.model.queue import mean_wait, wait

LOADS = (0.05, 0.2, 0.5, 0.8, 0.95)
SHARES = (0.3, 0.6, 0.9, 0.99, 0.999)


def waits_within(x: float, load: float) -> float:
    """The share that waits at most x: (1 - rho) sum over k <= x of (-rho (x - k))^k / k! e^(rho (x - k)) (Erlang 1909), in 200 digits."""
    with mp.workdps(200):
        left = [mp.mpf(x) - k for k in range(int(x) + 1)]
        return float(
            (1 - mp.mpf(load)) * sum((-load * v) ** k / mp.factorial(k) * mp.exp(load * v) for k, v in enumerate(left))
        )


def exact(load: float, share: float) -> float:
    low, high = 0.0, 80.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if waits_within(middle, load) < share else (low, middle)
    return high if high > 1e-9 else 0.0


@pytest.mark.parametrize("load", LOADS)
def test_percentiles_are_erlangs(load):
    for share in SHARES:
        true = exact(load, share)
        assert float(wait(load, share)) == pytest.approx(true, rel=1e-3, abs=1e-9), share
        if true < 2.9:
            assert float(wait(load, share)) == pytest.approx(true, abs=1e-9), share


@pytest.mark.parametrize("load", [0.2, 0.6, 0.8])
def test_a_simulated_queue_waits_as_long(load):
    """Prompts that arrive at random and take a fixed time: W' = max(W + 1 - gap, 0), which is what its running least leaves."""
    steps = 1 - np.random.default_rng(0).exponential(1 / load, 1_000_000)
    walked = np.concatenate([[0.0], np.cumsum(steps)])
    waits = walked - np.minimum.accumulate(walked)
    assert np.mean(waits) == pytest.approx(float(mean_wait(load)), rel=0.03)
    for share in (0.5, 0.9, 0.99):
        assert np.quantile(waits, share) == pytest.approx(float(wait(load, share)), rel=0.03, abs=0.01), share


def test_ends_and_slopes():
    """Nobody waits at an idle server or at percentile 0, everybody at one that is always busy; derivatives are those of differences."""
    assert float(wait(0.0, 0.999)) == float(wait(1.0, 0.0)) == float(wait(0.6, 0.4)) == float(mean_wait(0.0)) == 0
    assert min(float(wait(1.0, 0.5)), float(mean_wait(1.0))) > 1e8
    slopes = jax.jit(jax.grad(wait, argnums=(0, 1)))
    for load, share in ((0.3, 0.9), (0.6, 0.9), (0.6, 0.99), (0.9, 0.5)):
        for i, slope in enumerate(np.asarray(slopes(load, share))):
            ends = [np.array([load, share]) + h * np.eye(2)[i] for h in (-1e-6, 1e-6)]
            assert slope == pytest.approx(float(wait(*ends[1]) - wait(*ends[0])) / 2e-6, rel=1e-5)
    assert all(map(math.isfinite, slopes(1.0, 0.99)))
