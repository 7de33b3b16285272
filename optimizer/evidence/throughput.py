"""Calibration of the roofline on measured serving throughput: the fitted shares of peak, and the errors.

A closed loop of B requests, each S_in prompt and S_out output tokens, on one replica: the prompts are computed once and every output
token takes one step of the whole batch,

    tokens/s = B S_out / (B S_in t_prefill + S_out t(B)),      context S_in + S_out / 2,

with B cut to what memory holds when every sequence is at its full length. Static batches and concurrency curves both obey it. A single
prompt takes max(S_in t_prefill, time to read the weights) + L t_l to its first token. Where kernels read a cache entry once per query head
rather than once per group of them, a step reads the cache `cache_reads` times.

Rows marked engines are results of vendors' engines and community servers, many of models with experts: nothing is fitted to them, and
`engines` says how far they lie from the roofline. Rows under a limit on the time per token are left out there: at full memory they would be
predicted for another batch.

The shares of peak and the fixed times are fitted to the rows of data/throughput.csv marked calibration (every second row of a source, chip
and parallelism) and judged on those marked validation, and on those marked saturation: later software, at full load. `crosswise` swaps the
two halves as well, so that every row is judged by a fit that did not see it.
"""

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.optimize import least_squares

from ..assumptions.deployment import WEIGHT_BYTES, Deployment, released
from ..assumptions.hardware import Accelerator
from ..assumptions.quantity import Numeric
from ..assumptions.tables import table
from ..model.replica import memory_batch, replica_of, step_time
from ..model.roofline import prefill_seconds

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["BATCH_CLASSES", "FITTED", "accuracy", "calibrate", "crosswise", "engines", "predictions"]

FITTED = {
    "prefill_share": (0.05, 1.0),
    "bandwidth_share": (0.2, 0.95),
    "link_share": (0.02, 1.0),
    "seconds_per_layer": (2e-5, 1e-4),
    "seconds_per_sequence": (1e-7, 1e-3),
}
"""What is fitted, with the range it may take. Every measurement of a single sequence shows 50 to 100 microseconds per layer, which bounds
the time per layer here: throughput at large batches alone would let it take the place of other fixed costs. The share of peak FLOP/s in
decoding is that of prefill: left free it goes to 1, where no row waits for compute."""

BATCH_CLASSES = {"1": 1.0, "2 to 16": 16.0, "17 to 64": 64.0, "65 to 128": 128.0, "129 and more": 1e9}
"""Name of each class of batch sizes, and its largest."""

_ODD = 0.15  # logarithmic miss beyond which a row counts less than its square


class _Point(NamedTuple):
    """One measured row as the arguments of the model; stacked, every field is an array."""

    deployment: Deployment
    chip: Accelerator
    n_params: Numeric
    batch: Numeric
    input_tokens: Numeric
    output_tokens: Numeric
    cache_reads: Numeric


def _defaults() -> dict[str, float]:
    d = Deployment()
    return {name: float(d.link_share_used() if name == "link_share" else getattr(d, name)) for name in FITTED}


@cache
def _measured() -> "pd.DataFrame":
    return table("throughput")


def _point(row: dict[str, Any]) -> _Point:
    n_params, shape = released(row["architecture"])
    outputs = 0.0 if row["category"] == "prefill" else float(row["output_tokens"])
    deployment = Deployment.model_validate(
        {
            "expert_share": 0.5,  # of a dense model nothing depends on it
            **shape,
            "attention_width": None,  # no step time depends on it, and not every model has one
            "chips": row["chips"],
            "parallelism": row["parallelism"],
            "context_tokens": row["input_tokens"] + outputs / 2,
            "kv_bytes_per_value": row["kv_bytes_per_value"],
            "bytes_per_weight": WEIGHT_BYTES[row["precision"]]
            if np.isnan(row["bytes_per_weight"])
            else row["bytes_per_weight"],
            "memory_share": 0.95,
        }
    )
    chip = Accelerator.model_validate({"name": row["chip"], "precision": row["precision"]})
    # The precision has done its work in peak_flops; one value for all rows lets them be stacked.
    chip = chip.model_copy(update={"precision": "bf16"})
    return _Point(
        deployment, chip, n_params, float(row["batch"]), float(row["input_tokens"]), outputs, float(row["cache_reads"])
    )


class _Rows(NamedTuple):
    """Rows stacked by what may not differ inside one computation, the kind of parallelism, and where they stand."""

    points: tuple[_Point, ...]
    places: tuple[np.ndarray, ...]

    def each(self, function: Any, ln_values: Any) -> np.ndarray:
        """A function of stacked points, in the order of the rows."""
        parts = [np.asarray(function(points, ln_values)) for points in self.points]
        found = np.empty((sum(map(len, parts)), *parts[0].shape[1:]))
        for place, part in zip(self.places, parts, strict=True):
            found[place] = part
        return found


def _stacked(frame: Any) -> _Rows:
    kinds, points = frame["parallelism"].to_numpy(), [_point(row) for row in frame.to_dict("records")]
    places = tuple(np.flatnonzero(kinds == kind) for kind in dict.fromkeys(kinds))
    stacked = tuple(
        jax.tree.map(lambda *leaves: np.array(leaves, float), *(points[i] for i in place)) for place in places
    )
    return _Rows(stacked, places)


def _rate(point: _Point, fitted: Mapping[str, Any]) -> Numeric:
    """Output tokens per second, or for a lone prompt (no output) prompts per second."""
    own = {"compute_share": fitted["prefill_share"]}
    if point.deployment.parallelism == "expert":
        own["link_share"] = Deployment(parallelism="expert").link_share_used()
    deployment = point.deployment.model_copy(update={**fitted, **own})
    r = replica_of(deployment, point.chip, point.n_params)
    r = r._replace(kv_read_bytes=r.kv_read_bytes * point.cache_reads)
    full = (point.input_tokens + point.output_tokens) / deployment.context_tokens
    batch = jnp.clip(memory_batch(r) / full, 1.0, point.batch)
    step = step_time(r, batch).total
    prompt = point.input_tokens * prefill_seconds(r)
    lone = point.output_tokens == 0
    first = jnp.maximum(prompt, step_time(r, 1.0).memory) + r.fixed_seconds
    seconds = jnp.where(lone, first, batch * prompt + point.output_tokens * step)
    return jnp.where(lone, 1.0, batch * point.output_tokens) / seconds


@jax.jit
def _ln_rates(points: _Point, ln_values: Float[Array, " fitted"]) -> Float[Array, " row"]:
    fitted = {name: jnp.exp(ln_values[i]) for i, name in enumerate(FITTED)}
    return jnp.log(jax.vmap(lambda point: _rate(point, fitted))(points))


@jax.jit
def _slopes(points: _Point, ln_values: Float[Array, " fitted"]) -> Float[Array, " row fitted"]:
    return jax.jacfwd(_ln_rates, argnums=1)(points, ln_values)


def _ln_measured(frame: Any) -> np.ndarray:
    return np.log(frame["output_tokens_per_second"].fillna(1 / frame["seconds"]).to_numpy(float))


def calibrate(part: str = "calibration") -> dict[str, float]:
    """The shares of peak and the fixed times that bring predictions closest to the rows of one part of the table.

    Least squares of ln(predicted / measured), with soft-L1 loss beyond 15 % so that single odd rows do not decide.
    """
    frame = _measured()
    frame = frame[frame["part"] == part]
    points, measured = _stacked(frame), _ln_measured(frame)
    low, high = (np.log([bounds[i] for bounds in FITTED.values()]) for i in (0, 1))
    start = np.log(list(_defaults().values()))
    found = least_squares(
        lambda x: points.each(_ln_rates, x) - measured,
        np.clip(start, low, high),
        jac=lambda x: points.each(_slopes, x),  # pyright: ignore[reportArgumentType]
        bounds=(low, high),
        loss="soft_l1",
        f_scale=_ODD,
    )
    return dict(zip(FITTED, np.exp(found.x).tolist(), strict=True))


def predictions(fitted: dict[str, float] | None = None) -> "pd.DataFrame":
    """Every measured row with its prediction; without `fitted`, by the defaults of `Deployment`.

    Returns:
        The columns of data/throughput.csv, `predicted` (tokens/s, or prompts/s for a lone prompt), `measured` in the same unit, and
        `ratio` of predicted to measured.

    """
    fitted = _defaults() if fitted is None else fitted
    frame = _measured().copy()
    ln_values = jnp.log(jnp.array([fitted[name] for name in FITTED]))
    frame["predicted"] = np.exp(_stacked(frame).each(_ln_rates, ln_values))
    frame["measured"] = np.exp(_ln_measured(frame))
    frame["ratio"] = frame["predicted"] / frame["measured"]
    return frame


def engines() -> "pd.DataFrame":
    """Vendors' engines at full load and community servers, of every part, with `kind_of_model`: dense or experts. No row has a limit."""
    frame = predictions()
    kept = frame["engine"].isin(["vendor", "community"]) & frame["seconds_per_token_limit"].isna()
    frame = frame.loc[kept & (frame["part"] != "unverified")]
    experts = frame["architecture"].map(lambda name: "experts" if float(released(name)[1]["sparsity"]) > 1 else "dense")
    return frame.assign(kind_of_model=experts)


def crosswise() -> "pd.DataFrame":
    """The rows of both halves, each predicted by the fit to the other half, with the class of its batch in `sequences`."""
    halves = []
    for fitted_to, judged in (("calibration", "validation"), ("validation", "calibration")):
        frame = predictions(calibrate(fitted_to))
        halves.append(frame.loc[frame["part"] == judged])
    import pandas as pd

    frame = pd.concat(halves)
    ends = [0.0, *BATCH_CLASSES.values()]
    frame["sequences"] = pd.cut(frame["batch"], ends, labels=list(BATCH_CLASSES))
    return frame


def accuracy(frame: "pd.DataFrame", by: list[str]) -> "pd.DataFrame":
    """Rows, median absolute error, 90th percentile of the factor of error, and median ratio, by the columns `by`."""
    miss = np.log(frame["ratio"])
    groups = frame.assign(_error=np.abs(frame["ratio"] - 1), _factor=np.exp(np.abs(miss))).groupby(
        by, sort=False, observed=True
    )
    summary = groups.agg(
        rows=("ratio", "size"),
        median_error=("_error", "median"),
        p90_factor=("_factor", lambda factors: factors.quantile(0.9)),
        median_ratio=("ratio", "median"),
    )
    summary.attrs["units"] = {"rows": "rows", "median_error": "1", "p90_factor": "1", "median_ratio": "1"}
    return summary
