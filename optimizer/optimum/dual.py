"""What pre-training and RL cost at least, from below, where RL tokens are decided: the dual of

    minimise a D + b R    subject to    B D^-beta + G R^-gamma <= left.

The least value of its Lagrangian has a closed form and lies, at any multiplier, below every cost that reaches the loss. Newton steps find
the multiplier at which it is the optimum itself; one that is not exact makes a bound lower, and never too high.

References:
    Boyd and Vandenberghe 2004, Convex Optimization, section 5.1.3.

"""

import numpy as np
from jaxtyping import Float

from ..assumptions.quantity import Numeric

__all__ = ["least_training"]

_STEPS = 6

Coefficients = tuple[Numeric, Numeric]
"""(B, beta) of a term B D^-beta"""


def least_training(
    a: Float[np.ndarray, "..."],
    b: Float[np.ndarray, "..."],
    left: Float[np.ndarray, "..."],
    by_tokens: Coefficients,
    by_rl: Coefficients,
) -> Float[np.ndarray, "..."]:
    """The least that D and R cost which leave at most `left` of the inner sum, from below; infinite where `left` is 0 or less.

    Args:
        a: cost of a token of D, above 0.
        b: cost of a token of R, above 0.
        left: what D and R may leave of the inner sum.
        by_tokens: (B, beta).
        by_rl: (G, gamma).

    >>> cost = least_training(np.array(2.0), np.array(3.0), np.array(0.1), (400.0, 0.4), (20.0, 0.3))
    >>> d = np.geomspace(1.01 * 4000**2.5, 1e13, 100_001)
    >>> r = (20 / (0.1 - 400 * d**-0.4)) ** (1 / 0.3)
    >>> f"{float(cost / np.min(2 * d + 3 * r)):.6f}"
    '1.000000'

    """
    terms = [(price, *map(np.asarray, term)) for price, term in ((a, by_tokens), (b, by_rl))]
    with np.errstate(all="ignore"):
        ln_left = np.log(left)
        # The amount at which a token removes at a multiplier of 1 what it costs is (power factor / price)^(1 / (1 + power)).
        falls = [power / (1 + power) for _, _, power in terms]
        at_one = [
            np.log(factor) - fall * np.log(power * factor / price)
            for (price, factor, power), fall in zip(terms, falls, strict=True)
        ]
        # From the multiplier at which one term alone takes all that is left, below the one at which both do, Newton steps only rise.
        ln_m = np.maximum(*((ln_term - ln_left) / fall for ln_term, fall in zip(at_one, falls, strict=True)))
        for _ in range(_STEPS):
            one, other = (ln_term - fall * ln_m for ln_term, fall in zip(at_one, falls, strict=True))
            both = np.logaddexp(one, other)
            ln_m = ln_m + (both - ln_left) / (falls[0] * np.exp(one - both) + falls[1] * np.exp(other - both))
        m = np.exp(ln_m)
        spent, rl = (
            price * (m * power * factor / price) ** (1 / (1 + power)) * (1 + 1 / power)
            for price, factor, power in terms
        )
        return np.where(left > 0, spent + rl - m * left, np.inf)
