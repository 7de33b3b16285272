"""The one scalar equation of the optimum where only N and D are decided and no limit binds.

Write the cost as N (k D + K) + constant, with r = K / (k D) the cost that scales with N alone over the cost that scales with N D.
For a law whose loss rises with z = A N^-alpha + B D^-beta all three goals come down to

    u + p softplus(u) = q,        softplus(u) = ln(1 + e^u),

| goal   | u                        | p                            | q                                                                     |
|--------|--------------------------|------------------------------|-----------------------------------------------------------------------|
| params | ln(K/k) - ln D           | 1/beta                       | ln(K/k) - ln D0(N)                                                    |
| budget | ln(K/k) - ln D           | (1 - alpha) / (alpha + beta) | ln(K/k) + (ln(alpha A) - alpha ln(C/k) - ln(beta B)) / (alpha + beta) |
| loss   | ln(K/k) - ln D + ln(1-w) | 1/beta                       | ln(K/k) + ln(1-w) + (ln z - ln B + ln w)/beta                         |

Goal `tokens` needs no root: ln N = (ln(alpha A / (beta B)) + beta ln D - ln(1 + K/(k D))) / alpha.

Above, w = alpha / (alpha + beta) is the share of l that a design without serving leaves to the data; with serving it leaves
y = w / (1 + e^u). The left side is increasing and convex for p >= 0, so the root is one. (The tempting alternative, Newton steps on
logit(1 - y), cycles for ever on a tenth of such problems.)

Nearly all the time of such a solve goes into exponentials and logarithms, so `softplus_root` takes its first steps in 32 bits, where they
cost a third, and one step in 64 bits on a form of the equation that needs two exponentials and no logarithm. Its derivatives come from the
implicit function theorem, in forward and reverse mode.
"""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp

from ..assumptions.law import ChinchillaLaw
from ..assumptions.quantity import Numeric

__all__ = ["Reduced", "design_at_budget", "design_at_loss", "reduced_optimum", "softplus_root"]

HALF_STEPS = 2
"""Steps in 32 bits. From the corner of the two asymptotes two of them leave an error below 1e-5 for every p up to 1/0.03."""


def softplus_root(p: Numeric, q: Numeric) -> Numeric:
    """The root u of u + p softplus(u) = q, elementwise.

    Args:
        p: not below -1 (below 0 only for budgets under laws with alpha > 1, outside what convexity proves); any shape.
        q: same shape as p.

    Returns:
        u, to a few units in the last place of q. u = q in the limit q -> -inf (no demand), q / (1 + p) for q -> inf.

    >>> u = softplus_root(2.0, 3.0)
    >>> round(float(u + 2 * jnp.logaddexp(u, 0)), 12)
    3.0

    """
    return _root(p, q)[0]


@jax.custom_jvp
def _root(p: Numeric, q: Numeric) -> tuple[Numeric, Numeric]:
    """(u, s = softplus(u)) with u + p s = q, which every step keeps exactly.

    The asymptotes u0 = q for q < 0, q/(1 + p) above, and s0 = max(u0, 0) leave little: the unknown is what smoothness adds, s - s0.
    """
    corner = jnp.where(jnp.asarray(q) > 0, q / (1 + p), q)
    start = _added(jnp.clip(corner, -40.0, 30.0).astype(jnp.float32), jnp.asarray(p, jnp.float32))
    added = jnp.asarray(start, corner.dtype)
    s = jnp.maximum(corner, 0) + added
    u = corner - p * added
    # e^(u - s) + e^-s = 1 says the same as s = softplus(u); in s its derivatives are sums of the two terms.
    upper, lower = jnp.exp(u - s), jnp.exp(-s)
    power = 1 + p
    first, second, third = power * upper, power**2 * upper, power**3 * upper
    scale = 1 / (first + lower)
    second, third = (second + lower) * scale / 2, (third + lower) * scale / 6
    step = (upper + lower - 1) * scale
    step = step * (1 + step * (second + step * (2 * second * second - third)))
    return u - p * step, s + step


def _added(corner: Numeric, p: Numeric) -> Numeric:
    """s - s0 in 32 bits, by Householder steps of third order on s0 + added - softplus(u) = 0."""
    added = jnp.zeros_like(corner)
    for _ in range(HALF_STEPS):
        u = corner - p * added
        small = jnp.exp(-jnp.abs(u))
        share = 1 / (1 + small)
        slope = jnp.where(u >= 0, share, small * share)
        scale = 1 / (1 + p * slope)
        miss = (jnp.maximum(corner, 0) - jnp.maximum(u, 0) + added - jnp.log(1 + small)) * scale
        bend = p * p * slope * (1 - slope) * scale
        second, third = -bend / 2, p * bend * (1 - 2 * slope) / 6
        added = added - miss * (1 - second * miss) / (1 - 2 * second * miss + third * miss * miss)
    return added


@_root.defjvp
def _root_jvp(
    primals: tuple[Numeric, Numeric], tangents: tuple[Numeric, Numeric]
) -> tuple[tuple[Numeric, Numeric], tuple[Numeric, Numeric]]:
    p, q = primals
    dp, dq = tangents
    u, s = _root(p, q)
    slope = jnp.exp(u - s)
    du = (dq - s * dp) / (1 + p * slope)
    return (u, s), (du, slope * du)


class Reduced(NamedTuple):
    """The optimum of the reduced problem; fields have the shape of its arguments."""

    n_params: Numeric
    train_tokens: Numeric
    kkt_residual: Numeric
    """relative violation of the first-order condition and of the goal, recomputed from N and D"""


def reduced_optimum(
    goal: Literal["loss", "budget", "params", "tokens"],
    A: Numeric,
    B: Numeric,
    alpha: Numeric,
    beta: Numeric,
    asked: Numeric,
    ratio: Numeric,
) -> Reduced:
    """N*, D* of the cost N (D + ratio), in units of k, under a law: the kernel of every batch, elementwise.

    Args:
        goal: which row of the table above, or tokens.
        A: coefficient of the law (nat/token), with B, alpha and beta.
        B: as A.
        alpha: exponent of N; below 1 where the goal is a budget.
        beta: exponent of D.
        asked: the inner sum z (l itself for additive laws), what is left of the budget over k (N D), N, or D.
        ratio: K/k (tokens), above 0.

    Returns:
        N and D (counts) and the residual; NaN where `asked` is not positive.

    >>> best = reduced_optimum("params", 482.01, 2085.43, 0.3478, 0.3658, 100e9, 400e12)  # the lecture, N pinned at 100B
    >>> f"{best.train_tokens / 1e12:.1f}T"
    '113.1T'

    """
    solve = {"loss": _at_loss, "budget": _at_budget, "params": _at_params, "tokens": _at_tokens}[goal]
    ln_n, ln_d = solve(A, B, alpha, beta, asked, ratio)
    n, d = jnp.exp(ln_n), jnp.exp(ln_d)
    by_params, by_tokens = A * jnp.exp(-alpha * ln_n), B * jnp.exp(-beta * ln_d)
    balance = alpha * by_params * d / (beta * by_tokens * (d + ratio)) - 1
    reached = {"loss": by_params + by_tokens, "budget": n * (d + ratio), "params": n, "tokens": d}[goal]
    return Reduced(n, d, jnp.maximum(jnp.abs(balance), jnp.abs(reached / asked - 1)))


def _at_loss(
    A: Numeric, B: Numeric, alpha: Numeric, beta: Numeric, inner: Numeric, ratio: Numeric
) -> tuple[Numeric, Numeric]:
    p, share, inverse = 1 / beta, alpha / (alpha + beta), 1 / inner
    ln_term = jnp.log(B * inverse / share)
    _, s = _root(p, jnp.log((1 - share) * ratio) - p * ln_term)
    to_data = share * jnp.exp(-s)
    return jnp.log(A * inverse / (1 - to_data)) / alpha, p * (ln_term + s)


def _at_budget(
    A: Numeric, B: Numeric, alpha: Numeric, beta: Numeric, c: Numeric, ratio: Numeric
) -> tuple[Numeric, Numeric]:
    total, ln_c = alpha + beta, jnp.log(c)
    x = (jnp.log(alpha * A / (beta * B)) - alpha * ln_c) / total
    p = (1 - alpha) / total
    _, s = _root(p, jnp.log(ratio) + x)
    ln_d = p * s - x
    return ln_c - jnp.log(jnp.exp(ln_d) + ratio), ln_d


def _at_params(
    A: Numeric, B: Numeric, alpha: Numeric, beta: Numeric, n: Numeric, ratio: Numeric
) -> tuple[Numeric, Numeric]:
    p, ln_n = 1 / beta, jnp.log(n)
    ln_d0 = p * (jnp.log(beta * B / (alpha * A)) + alpha * ln_n)
    _, s = _root(p, jnp.log(ratio) - ln_d0)
    return ln_n, ln_d0 + p * s


def _at_tokens(
    A: Numeric, B: Numeric, alpha: Numeric, beta: Numeric, d: Numeric, ratio: Numeric
) -> tuple[Numeric, Numeric]:
    ln_d = jnp.log(d)
    return (jnp.log(alpha * A / (beta * B)) + beta * ln_d - jnp.log1p(ratio / d)) / alpha, ln_d


def design_at_loss(law: ChinchillaLaw, ln_ratio: Numeric, ln_inner: Numeric) -> tuple[Numeric, Numeric]:
    """(ln N, ln D) of least cost at an inner sum: row `loss` of the table above.

    Args:
        law: coefficients; data is fresh.
        ln_ratio: ln(K/k) of the cost N (k D + K).
        ln_inner: ln z of the loss.

    """
    return _at_loss(law.A, law.B, law.alpha, law.beta, jnp.exp(ln_inner), jnp.exp(ln_ratio))


def design_at_budget(law: ChinchillaLaw, ln_ratio: Numeric, ln_c: Numeric) -> tuple[Numeric, Numeric]:
    """(ln N, ln D) of least loss at a budget: row `budget` of the table above.

    Args:
        law: coefficients; data is fresh.
        ln_ratio: ln(K/k) of the cost N (k D + K).
        ln_c: ln(C/k), C being what the budget leaves for the part of the cost that the design moves.

    """
    return _at_budget(law.A, law.B, law.alpha, law.beta, jnp.exp(ln_c), jnp.exp(ln_ratio))
