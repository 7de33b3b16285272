"""How far a limit on the 99th percentile of the time per token lies from its mean, if requests that come at random were all there is to it.

Requests share a replica: with n in flight each has a token every tau(n) = a + b n. Arrivals at random then leave n in flight in
proportion to r^n (1 + a/b) (2 + a/b) .. (n + a/b) / n!, r the share of b n in tau (processor sharing: only the mean length of a request
counts). That is a negative binomial number with variance B / (1 - r) for a mean B, so that

    mean tau / 99th percentile of tau = 1 / (1 + 2.326 r / sqrt(B (1 - r)))

The calibration fits one ratio, `limit_share`, in its place.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ..assumptions.quantity import Numeric
from .throughput import APART, predictions

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["late_over_mean", "limited"]

_DEVIATIONS = 2.326
"""of a normal number, that 99 % do not exceed"""
_NO_LIMIT = 1e6
_SHARES = np.geomspace(0.3, 1.0, 41)
"""Mean time per token over the limit, of which that which keeps the limit is taken."""


def late_over_mean(batch: Numeric, rise: Numeric) -> Numeric:
    """The 99th percentile of the time per token over its mean, `rise` being d ln tau / d ln n at the mean of n = batch."""
    return 1 + _DEVIATIONS * rise / np.sqrt(batch * (1 - rise))


def limited(fitted: Mapping[str, float]) -> "pd.DataFrame":
    """The fitted rows whose batch a limit on the time per token bounds, with the fitted ratio and with that of requests at random.

    Args:
        fitted: of `throughput.calibrate`.

    Returns:
        One row each: model, chip, batch (in flight), share (mean over limit, at random), by_time (whether the limit costs a tenth of the
        throughput that memory allows, or more), miss_fitted and miss_random (ln of predicted over measured).

    """
    frames = [predictions({**fitted, "limit_share": share}) for share in _SHARES]
    now = predictions(dict(fitted))
    used = now["seconds_per_token_limit"].notna() & now["part"].eq("fitted") & now["seconds"].isna()
    used &= ~now["category"].isin(APART)
    rates = np.stack([np.log(frame.loc[used, "predicted"].to_numpy(float)) for frame in frames])
    kept = now.loc[used]
    batch = np.exp(rates) * _SHARES[:, None] * kept["seconds_per_token_limit"].to_numpy(float)
    rise = np.clip(np.gradient(np.log(_SHARES))[:, None] / np.gradient(np.log(batch), axis=0), 0.0, 0.99)
    late = _SHARES[:, None] * late_over_mean(batch, rise)
    at = np.abs(np.log(late)).argmin(axis=0), np.arange(len(kept))
    free = np.log(predictions({**fitted, "limit_share": _NO_LIMIT}).loc[used, "predicted"].to_numpy(float))
    measured = np.log(kept["measured"].to_numpy(float))
    return kept[["model", "chip"]].assign(
        batch=batch[at],
        share=_SHARES[at[0]],
        by_time=rates[at] < free + np.log(0.9),
        miss_fitted=np.log(kept["ratio"].to_numpy(float)),
        miss_random=rates[at] - measured,
    )
