"""The largest of several numbers, with a derivative that rounding cannot break."""

from functools import reduce

import jax.numpy as jnp
from jaxtyping import Array, Float

__all__ = ["largest"]


def largest(values: Float[Array, "number ..."]) -> Float[Array, "..."]:
    """The largest along the leading axis; NaN where one is. Its derivative is that of the number which is selected.

    The derivative of `max` compares the numbers with their maximum, divided by how many are equal to it. A compiler that computes a number
    twice, once for the maximum and once for the comparison, may round it differently; then none is equal, and 0 / 0 is NaN.

    >>> import jax
    >>> float(jax.grad(lambda x: largest(jnp.stack([x, 2 * x, 0.5 * x])))(1.0)), float(largest(jnp.array([1.0, jnp.nan, 2.0])))
    (2.0, nan)

    """
    return reduce(lambda found, other: jnp.where((other > found) | jnp.isnan(other), other, found), values)
