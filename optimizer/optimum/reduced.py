"""What single equation decides the optimum when nothing but N and D is decided and no limit binds?

Write the cost as N (k D + K) + constant, with r = K / (k D) the cost that scales with N alone over the cost that scales with N D.
For a law l = A N^-alpha + B D^-beta all three goals come down to

    u + p softplus(u) = q,        softplus(u) = ln(1 + e^u),

| goal   | u                     | p                            | q                                                                        |
|--------|-----------------------|------------------------------|--------------------------------------------------------------------------|
| params | ln(K/k) - ln D        | 1/beta                       | ln(K/k) - ln D0(N)                                                       |
| budget | ln(K/k) - ln D        | (1 - alpha) / (alpha + beta) | ln(K/k) + (ln(alpha A) - alpha ln(C/k) - ln(beta B)) / (alpha + beta)    |
| loss   | k1 - k0 + p ln y      | 1/beta                       | (k1 - k0) - p k0                                                         |

where y is the share of reducible loss left to the data, k0 = ln(1 + beta/alpha) and k1 = ln(beta/alpha) + ln(K/k) + (ln l - ln B)/beta.
The left side is increasing and convex for p >= 0, so Newton steps from a point right of the root descend to it without fail. The tempting
alternative, Newton steps on logit(1 - y), cycles for ever on a tenth of such problems.

`softplus_root` carries its derivatives by the implicit function theorem, in forward and reverse mode.
"""

import jax
import jax.numpy as jnp

from ..assumptions.law import ChinchillaLaw
from ..assumptions.quantity import Numeric

__all__ = ["design_at_budget", "design_at_loss", "softplus_root"]

NEWTON_STEPS = 8
"""Two more than the slowest of two million random problems needed (exponents 0.03 to 1.5, demand over 45 decades)."""


@jax.custom_jvp
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
    u = jnp.minimum(q, q / (1 + p))
    for _ in range(NEWTON_STEPS):
        soft, slope = _softplus(u)
        u = u - (u + p * soft - q) / (1 + p * slope)
    return u


def _softplus(u: Numeric) -> tuple[Numeric, Numeric]:
    """(softplus, its derivative, the logistic function) from one exponential."""
    small = jnp.exp(-jnp.abs(u))
    return jnp.maximum(u, 0) + jnp.log1p(small), jnp.where(u >= 0, 1.0, small) / (1 + small)


@softplus_root.defjvp
def _softplus_root_jvp(primals: tuple[Numeric, Numeric], tangents: tuple[Numeric, Numeric]) -> tuple[Numeric, Numeric]:
    p, q = primals
    dp, dq = tangents
    u = softplus_root(p, q)
    soft, slope = _softplus(u)
    return u, (dq - soft * dp) / (1 + p * slope)


def design_at_loss(law: ChinchillaLaw, ln_ratio: Numeric, ln_reducible: Numeric) -> tuple[Numeric, Numeric]:
    """(ln N, ln D) of least cost at a reducible loss: row `loss` of the table above.

    Args:
        law: coefficients; data is fresh.
        ln_ratio: ln(K/k) of the cost N (k D + K).
        ln_reducible: ln l (l in nat/token).

    """
    A, B, alpha, beta = law.A, law.B, law.alpha, law.beta
    k0, k1 = jnp.log1p(beta / alpha), jnp.log(beta / alpha) + ln_ratio + (ln_reducible - jnp.log(B)) / beta
    u = softplus_root(1 / beta, (k1 - k0) - k0 / beta)
    ln_y = -(k0 + jnp.logaddexp(u, 0.0))
    ln_d = (jnp.log(B) - ln_reducible - ln_y) / beta
    return (jnp.log(A) - ln_reducible - jnp.log(-jnp.expm1(ln_y))) / alpha, ln_d


def design_at_budget(law: ChinchillaLaw, ln_ratio: Numeric, ln_c: Numeric) -> tuple[Numeric, Numeric]:
    """(ln N, ln D) of least loss at a budget: row `budget` of the table above.

    Args:
        law: coefficients; data is fresh.
        ln_ratio: ln(K/k) of the cost N (k D + K).
        ln_c: ln(C/k), C being what the budget leaves for the part of the cost that the design moves.

    """
    A, B, alpha, beta = law.A, law.B, law.alpha, law.beta
    x = (jnp.log(alpha * A) - alpha * ln_c - jnp.log(beta * B)) / (alpha + beta)
    p = (1 - alpha) / (alpha + beta)
    u = softplus_root(p, ln_ratio + x)
    ln_d = -x + p * jnp.logaddexp(u, 0.0)
    return ln_c - jnp.logaddexp(ln_d, ln_ratio), ln_d
