"""Assumptions: validated once, differentiable ever after.

Every other room passes through this one, so 64-bit floats are switched on here: token counts and tolerances of 1e-9 do not fit 32.
"""

import jax

jax.config.update("jax_enable_x64", True)
