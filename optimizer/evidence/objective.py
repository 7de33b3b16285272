"""The least sum of Huber losses over the coefficients of a scaling law, from many starts or for many weightings of the runs at once.

With n and d the logarithms of N and D less their means, the prediction is

    ln L = ln(E + z^gamma),    ln z = logsumexp(a - alpha n, b - beta d),        theta = (a, b, E, alpha, beta, ln gamma),

and the objective is the sum over runs of w Huber(ln L - ln loss), Huber of width 1e-3, divided by that width. The means are taken
out because ln A and alpha of one fit have a correlation of 0.999, and a and alpha hardly any.

Each step solves (H + lambda M) step = -gradient, within the bounds. H is the Hessian of the quadratic part (runs that the fit misses by
less than the width), M that of the quadratic that touches the Huber loss from above (weights 1 / max(|r|, width)); lambda falls by 5
where the objective falls and rises by 4 where it does not. With lambda large that is the classical reweighting, which always descends; with
lambda small it is Newton's method, which ends in few steps. Warm-started, 98 of 100 weightings end within 15 steps.

References:
    Hoffmann et al. 2022, arXiv 2203.15556, section D.3 (objective). Besiroglu et al. 2024, arXiv 2404.10102 (the sum, not the mean).
    Huber and Ronchetti 2009, Robust Statistics, section 7.8 (both Hessians).

"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..compiling import compiled

__all__ = ["HUBER_WIDTH", "LANES", "Least", "Points", "minimised", "padded_rows"]

HUBER_WIDTH = 1e-3
"""of the logarithm of loss; Hoffmann et al. 2022"""

LANES, FEW = 128, 16
"""Minimisations of one call of the program; of one call once few have not ended, which is most of the calls from many starts."""

STEPS = 15
"""Steps of one call; what has not ended goes on in the next."""
MOST_STEPS = 600
GRADIENT = 1e-7
"""Largest slope at an end, for each run."""

_SMALLEST_ROWS = 32
_SIZE = 6


class Points(NamedTuple):
    """Runs, padded to a number of rows that few programs serve."""

    n: Float[np.ndarray, " row"]
    """ln N less its mean"""
    d: Float[np.ndarray, " row"]
    """ln D less its mean"""
    y: Float[np.ndarray, " row"]
    """ln loss"""


class Least(NamedTuple):
    """The end of each minimisation."""

    theta: Float[np.ndarray, "lane 6"]
    value: Float[np.ndarray, " lane"]
    ended: Float[np.ndarray, " lane"]
    """1 where the slope is zero to rounding, 0 where the steps ran out"""


def padded_rows(runs: int) -> int:
    """The rows of the program for so many runs: a power of two.

    >>> padded_rows(47), padded_rows(240)
    (64, 256)

    """
    return max(_SMALLEST_ROWS, 1 << (runs - 1).bit_length())


def minimised(
    points: Points,
    starts: Float[np.ndarray, "lane 6"],
    weights: Float[np.ndarray, "lane row"],
    free: Float[np.ndarray, "6 6"],
    low: Float[np.ndarray, " 6"],
    high: Float[np.ndarray, " 6"],
    report: Callable[[int], object],
) -> Least:
    """The minimum from each start.

    Args:
        points: the runs.
        starts: theta of each lane, within the bounds.
        weights: of each run in each lane; 0 for padding.
        free: directions in which theta may move, as columns; column j moves theta j and perhaps others with it, or is zero.
        low: lower bounds of theta.
        high: upper bounds.
        report: called with the number of lanes that ended, as they end.

    """
    count = len(starts)
    theta, damping = starts.copy(), np.ones(count)
    value, slope = np.full(count, np.inf), np.full(count, np.inf)
    going = np.arange(count)

    def descended(lanes: np.ndarray) -> tuple[np.ndarray, ...]:
        filled = np.resize(lanes, LANES if len(lanes) > FEW else FEW)
        found = _descend(points, theta[filled], damping[filled], weights[filled], free, low, high)
        return tuple(np.asarray(f)[: len(lanes)] for f in found)

    with ThreadPoolExecutor(os.cpu_count() or 1) as threads:  # one call of the program keeps one core busy
        for _ in range(0, MOST_STEPS, STEPS):
            blocks = np.split(going, range(LANES, len(going), LANES))
            for lanes, found in zip(blocks, threads.map(descended, blocks), strict=True):
                theta[lanes], damping[lanes], value[lanes], slope[lanes] = found
                report(int((slope[lanes] <= GRADIENT * weights[lanes].sum(axis=1)).sum()))
            going = going[slope[going] > GRADIENT * weights[going].sum(axis=1)]
            if not len(going):
                break
    ended = np.ones(count)
    ended[going] = 0.0
    return Least(theta, value, ended)


@compiled(structure=0, rows=True)
def _descend(
    points: Points,
    theta: Float[Array, "lane 6"],
    damping: Float[Array, " lane"],
    weights: Float[Array, "lane row"],
    free: Float[Array, "6 6"],
    low: Float[Array, " 6"],
    high: Float[Array, " 6"],
) -> tuple[Array, Array, Array, Array]:
    """`STEPS` steps of each lane: theta, damping, objective and largest projected slope."""

    def lane(theta: Array, damping: Array, weight: Array) -> tuple[Array, Array, Array, Array]:
        def step(_: Array, state: tuple[Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array]:
            return _step(points, weight, free, low, high, *state[:3])

        value = _objective(_residuals(points, theta)[-1], weight)
        return jax.lax.fori_loop(0, STEPS, step, (theta, damping, value, jnp.inf * value))

    return jax.vmap(lane)(theta, damping, weights)


def _residuals(points: Points, theta: Array) -> tuple[Array, ...]:
    """(share of the N term in z, ln z, z^gamma, prediction, ln prediction - ln loss), run by run."""
    a, b, E, alpha, beta, ln_gamma = theta
    u, v = a - alpha * points.n, b - beta * points.d
    least = jnp.exp(-jnp.abs(u - v))
    ln_z = jnp.maximum(u, v) + jnp.log1p(least)
    share = jnp.where(u > v, 1.0, least) / (1 + least)
    power = jnp.exp(jnp.exp(ln_gamma) * ln_z)
    return share, ln_z, power, E + power, jnp.log(E + power) - points.y


def _objective(residual: Array, weight: Array) -> Array:
    size = jnp.abs(residual)
    inner = 0.5 * residual * residual / HUBER_WIDTH
    return jnp.sum(weight * jnp.where(size <= HUBER_WIDTH, inner, size - 0.5 * HUBER_WIDTH))


def _step(
    points: Points, weight: Array, free: Array, low: Array, high: Array, theta: Array, damping: Array, value: Array
) -> tuple[Array, Array, Array, Array]:
    share, ln_z, power, predicted, residual = _residuals(points, theta)
    size = jnp.abs(residual)
    above = weight / jnp.maximum(size, HUBER_WIDTH)
    curvature = jnp.where(size <= HUBER_WIDTH, weight / HUBER_WIDTH, 0.0) + damping * above
    slope_z = jnp.exp(theta[5]) * power / predicted
    of_n, of_d = slope_z * share, slope_z * (1 - share)
    jacobian = jnp.stack([of_n, of_d, 1 / predicted, -points.n * of_n, -points.d * of_d, slope_z * ln_z])
    gradient = jacobian @ (above * residual)
    hessian = (jacobian * curvature[None]) @ jacobian.T

    slope = free.T @ gradient
    fixed = jnp.max(jnp.abs(free), axis=0) == 0
    held = fixed | ((theta <= low) & (slope > 0)) | ((theta >= high) & (slope < 0))
    matrix = free.T @ hessian @ free
    whole = _moved(matrix, slope, held, 0.0 * slope)
    # What would leave the bounds goes to its bound, and the others move as is best for that.
    stopped = ~held & ((theta + whole < low) | (theta + whole > high))
    to_bound = jnp.clip(theta + whole, low, high) - theta
    step = free @ _moved(matrix, slope, held | stopped, jnp.where(stopped, to_bound, 0.0))
    tried = jnp.clip(theta + jnp.where(jnp.isfinite(step), step, 0.0), low, high)
    reached = _objective(_residuals(points, tried)[-1], weight)
    better = reached < value
    return (
        jnp.where(better, tried, theta),
        jnp.where(better, jnp.maximum(damping / 5, 1e-9), jnp.minimum(damping * 4, 1e6)),
        jnp.where(better, reached, value),
        jnp.max(jnp.abs(jnp.where(held, 0.0, slope))),
    )


def _moved(matrix: Array, slope: Array, held: Array, by: Array) -> Array:
    """The step to the minimum of the quadratic in which the coordinates `held` move `by` so much."""
    off = jnp.where(held[:, None] | held[None, :], 0.0, matrix)
    diagonal = jnp.diagonal(off)
    off = off + jnp.diag(jnp.where(diagonal > 0, 1e-12 * diagonal, 1.0))
    return _solved(off, jnp.where(held, by, -slope - matrix @ by))


def _solved(matrix: Array, right: Array) -> Array:
    """The solution of a positive definite system, by elimination: a call of LAPACK could not be kept on disk (`compiling`)."""
    whole = jnp.concatenate([matrix, right[:, None]], axis=1)
    for k in range(_SIZE):
        row = whole[k] / whole[k, k]
        whole = (whole - jnp.outer(whole[:, k], row)).at[k].set(row)
    return whole[:, _SIZE]
