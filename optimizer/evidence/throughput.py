"""Calibration of the roofline on measured serving throughput: the fitted shares of peak, and the errors.

A closed loop of B requests, each S_in prompt and S_out output tokens, on one replica: the prompts are computed once and every output
token takes one step of the whole batch,

    tokens/s = B S_out / (B S_in t_prefill + S_out t(B)),      context S_in + S_out / 2,

with B cut to what memory holds when every sequence is at its full length and, where a time per token is allowed, to what keeps t(B) and
the prompts computed between two steps within a share of it: limits hold for the 99th percentile, t(B) is a mean. Static batches,
engines at full load and concurrency curves obey it. A single prompt takes the products of its tokens and L t_l to its first token. Where
kernels read a cache entry once per query head rather than once per group of them, a step reads the cache `cache_reads` times.

Production of DeepSeek-V3 and R1 across many chips (data/operating_points.csv) computes prompts and decodes on chips of their own: a chip's
prompts per second are 1 / t_prefill, and decoding is the loop without prompts.

The shares of peak and the fixed times are fitted to all rows of either table that are marked fitted. `held_out` predicts every model by a
fit that did not see it.
"""

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.optimize import least_squares

from ..assumptions.architecture import released
from ..assumptions.attention import attention_width
from ..assumptions.deployment import WEIGHT_BYTES, Deployment
from ..assumptions.hardware import Accelerator
from ..assumptions.quantity import Numeric
from ..assumptions.tables import rows, table
from ..model.loop import closed_loop, first_token_seconds
from ..model.replica import replica_of
from ..model.step import prompt_seconds

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FITTED", "accuracy", "calibrate", "deployment_class", "held_out", "predictions"]


class Range(NamedTuple):
    start: float
    low: float
    high: float


FITTED = {
    "prefill_share": Range(0.7, 0.2, 1.0),
    "fp8_share": Range(0.9, 0.5, 1.0),
    "fp4_share": Range(0.7, 0.3, 1.0),
    "attention_share": Range(0.3, 0.03, 1.0),
    "expert_half_width": Range(3000.0, 100.0, 30000.0),
    "expert_prefill_half_width": Range(3000.0, 100.0, 30000.0),
    "tuned_half_width": Range(3000.0, 100.0, 30000.0),
    "serial_share": Range(0.1, 0.01, 1.0),
    "bandwidth_share": Range(0.85, 0.3, 0.95),
    "link_share": Range(0.6, 0.02, 0.9),
    "seconds_per_layer": Range(3e-5, 1e-5, 5e-5),
    "seconds_per_collective": Range(4e-6, 1e-6, 5e-6),
    "seconds_per_sequence": Range(1e-5, 1e-8, 1e-3),
    "community_share": Range(0.6, 0.1, 1.0),
    "limit_share": Range(0.7, 0.6, 1.0),
}
"""What is fitted, with start and range. The share of peak in decoding is that of prefill. The last two are the share of
a community server, and the mean time per token over the 99th percentile's limit."""

_OF_PRECISION = ("fp8_share", "fp4_share")
_MANY = 1e9
APART = ("prefill apart", "decode apart")
"""Categories of chips that compute only prompts, or only decode."""
_APART_PRECISION = {"fp8": "fp8", "bf16 attn, fp8 MoE": "fp8", "fp8 attn, nvfp4 MoE": "fp4", "fp4": "fp4"}
_ODD = 0.15  # logarithmic miss beyond which a row counts less than its square


class _Point(NamedTuple):
    """One measured row as the model sees it; stacked, every field is an array."""

    deployment: Deployment
    chip: Accelerator
    n_params: Numeric
    batch: Numeric
    input_tokens: Numeric
    output_tokens: Numeric
    cache_reads: Numeric
    limit: Numeric
    community: Numeric
    fp8: Numeric
    fp4: Numeric
    tuned: Numeric
    prompts_apart: Numeric
    decode_apart: Numeric


@cache
def _measured() -> "pd.DataFrame":
    import pandas as pd

    frame = table("throughput").assign(drafted_tokens=0.0, acceptance_rate=0.0)
    return pd.concat([frame, _apart()], ignore_index=True)


def _apart() -> "pd.DataFrame":
    """Operating points of DeepSeek-V3 and R1 across chips of the table, with the columns of data/throughput.csv.

    Their part is fitted; check, what drafts tokens or is of other software than the fitted ones; or offloaded, what takes weights from the
    host's memory, which the model does not have. Decoding is compared at the sequences that were in flight, or at the speed of a user where
    only that is given; where neither is, memory is taken to be full.
    """
    import pandas as pd

    found = []
    for r in rows("operating_points"):
        if not r["part"]:
            continue
        precision, chips, sequences = _APART_PRECISION[r["precision"]], float(r["chips"]), r["sequences_per_chip"]
        speed = "" if sequences else r["tokens_per_second_per_user"]
        found.append(
            {
                "part": r["part"],
                "category": APART[r["topic"] != "prefill"],
                "engine": "vendor" if r["topic"] == "frontier" else "tuned",
                "model": "DeepSeek-R1",
                "architecture": "DeepSeek-V3",
                # An H800 differs in the links inside a node.
                "chip": {"H800": "H100 SXM"}.get(r["chip"], r["chip"]),
                "chips": chips,
                "parallelism": "tensor" if "tensor" in r["arrangement"] else "expert",
                "precision": precision,
                "bytes_per_weight": np.nan,
                "kv_bytes_per_value": 1.0 if precision == "fp4" else 2.0,
                "cache_reads": 1.0,
                "batch": chips * float(sequences) if sequences else _MANY,
                "input_tokens": float(r["context_tokens"]),
                "output_tokens": 1.0,
                "seconds_per_token_limit": 1 / float(speed) if speed else np.nan,
                "output_tokens_per_second": chips * float(r["value"]),
                "seconds": np.nan,
                "software": f"{r['arrangement']}, {r['precision']}",
                "source": r["source"],
                "as_of": r["as_of"],
                "note": r["note"],
                "drafted_tokens": float(r["drafted_tokens"] or 0),
                "acceptance_rate": float(r["acceptance_rate"] or 0),
            }
        )
    return pd.DataFrame(found)


def _point(row: dict[str, Any]) -> _Point:
    n_params, shape = released(row["architecture"])
    outputs = 0.0 if row["category"] == "prefill" else float(row["output_tokens"])
    bytes_per_weight = float(row["bytes_per_weight"])
    width = attention_width(Deployment(), n_params)  # of a model whose heads are not on record
    deployment = Deployment.model_validate(
        {
            "expert_share": 0.5,  # of a dense model nothing depends on these
            "window_tokens": 1.0,
            "domains_per_token": _MANY,
            "kv_heads": _MANY,
            "attention_decode_factor": 1.0,
            "attention_width": width,
            **shape,
            "chips": row["chips"],
            "parallelism": row["parallelism"],
            "kv_bytes_per_value": row["kv_bytes_per_value"],
            "bytes_per_weight": WEIGHT_BYTES[row["precision"]] if np.isnan(bytes_per_weight) else bytes_per_weight,
            "seconds_per_layer": 0.0,
            "link_share": 0.9,
            "engine_speed": 1.0,
            "expert_half_width": 1.0,
            "expert_prefill_half_width": 1.0,
            "drafted_tokens": row["drafted_tokens"],
            "acceptance_rate": row["acceptance_rate"],
        }
    )
    chip = Accelerator.model_validate({"name": row["chip"], "precision": row["precision"]})
    # The precision has done its work in peak_flops; one value for all rows lets them be stacked.
    chip = chip.model_copy(update={"precision": "bf16"})
    limit = float(row["seconds_per_token_limit"])
    flags = (
        row["engine"] == "community",
        row["precision"] == "fp8",
        row["precision"] == "fp4",
        row["engine"] == "tuned",
        *(row["category"] == category for category in APART),
    )
    return _Point(
        deployment,
        chip,
        n_params,
        float(row["batch"]),
        float(row["input_tokens"]),
        outputs,
        float(row["cache_reads"]),
        1e9 if np.isnan(limit) else limit,
        *(float(flag) for flag in flags),
    )


class _Rows(NamedTuple):
    """Rows stacked by what may not differ inside one computation."""

    points: tuple[_Point, ...]
    places: tuple[np.ndarray, ...]

    def rates(self, ln_values: Any, function: Any) -> np.ndarray:
        """A function of stacked points, in the order of the rows."""
        parts = [np.asarray(function(points, ln_values)) for points in self.points]
        found = np.empty((sum(map(len, parts)), *parts[0].shape[1:]))
        for place, part in zip(self.places, parts, strict=True):
            found[place] = part
        return found


def _stacked(frame: Any) -> _Rows:
    kinds = frame["parallelism"].to_numpy()
    places = tuple(np.flatnonzero(kinds == kind) for kind in dict.fromkeys(kinds))
    records = frame.to_dict("records")
    stacked = tuple(
        jax.tree.map(lambda *leaves: np.array(leaves, float), *(_point(records[i]) for i in some)) for some in places
    )
    return _Rows(stacked, places)


def _rate(point: _Point, fitted: Mapping[str, Any]) -> Numeric:
    """Output tokens per second, or for a lone prompt (no output) prompts per second."""
    community, expert = point.community, point.deployment.by_expert
    share = 1 + point.fp8 * (fitted["fp8_share"] - 1) + point.fp4 * (fitted["fp4_share"] - 1)
    to_bf16 = 1 / (1 + point.fp8 + 3 * point.fp4)
    own = {name: fitted[name] for name in FITTED if name in Deployment.model_fields and name not in _OF_PRECISION}
    deployment = point.deployment.model_copy(
        update={
            **own,
            "compute_share": fitted["prefill_share"],
            "expert_half_width": jnp.where(point.tuned > 0, fitted["tuned_half_width"], fitted["expert_half_width"]),
            "expert_prefill_half_width": jnp.where(point.tuned > 0, 0.0, fitted["expert_prefill_half_width"]),
            "link_share": 0.9 if expert else fitted["link_share"],
            "attention_share": fitted["attention_share"] * to_bf16 / share,
            "engine_speed": 1 + community * (fitted["community_share"] - 1),
        }
    )
    chip = point.chip.model_copy(update={"peak_flops": point.chip.peak_flops * share})
    lone = point.output_tokens == 0
    loop = closed_loop(
        deployment,
        chip,
        point.n_params,
        point.input_tokens,
        jnp.where(lone, 1.0, point.output_tokens),
        concurrency=point.batch,
        seconds_per_token=point.limit * jnp.where(point.decode_apart > 0, 1.0, fitted["limit_share"]),
        cache_reads=point.cache_reads,
        prompts=1 - point.decode_apart,
    )
    first = first_token_seconds(deployment, chip, point.n_params, point.input_tokens)
    prompt = deployment.model_copy(update={"context_tokens": point.input_tokens})
    apart = 1 / prompt_seconds(replica_of(prompt, chip, point.n_params))
    return jnp.where(point.prompts_apart > 0, apart, jnp.where(lone, 1 / first, loop.tokens_per_second))


@jax.jit
def _ln_rates(points: _Point, ln_values: Float[Array, " fitted"]) -> Float[Array, " row"]:
    fitted = {name: jnp.exp(ln_values[i]) for i, name in enumerate(FITTED)}
    return jnp.log(jax.vmap(lambda point: _rate(point, fitted))(points))


@jax.jit
def _slopes(points: _Point, ln_values: Float[Array, " fitted"]) -> Float[Array, " row fitted"]:
    return jax.jacfwd(_ln_rates, argnums=1)(points, ln_values)


def _ln_measured(frame: Any) -> np.ndarray:
    return np.log(frame["output_tokens_per_second"].fillna(1 / frame["seconds"]).to_numpy(float))


def calibrate(start: Mapping[str, float] | None = None) -> dict[str, float]:
    """The shares of peak and the fixed times that bring predictions closest to the fitted rows.

    Least squares of ln(predicted / measured), with soft-L1 loss beyond 15 % so that single odd rows do not decide. `start` is where the
    search begins.
    """
    frame = _measured()
    return _fit(_stacked(frame), _ln_measured(frame), (frame["part"] == "fitted").to_numpy(), start)


def _fit(stacked: _Rows, measured: np.ndarray, used: np.ndarray, start: Mapping[str, float] | None) -> dict[str, float]:
    """The fit to the rows that are used; all are computed, so that fits to different rows share a compiled program."""
    begin, low, high = (np.log([bounds[i] for bounds in FITTED.values()]) for i in range(3))
    if start is not None:
        begin = np.clip(np.log([start[name] for name in FITTED]), low + 1e-6, high - 1e-6)
    found = least_squares(
        lambda x: np.where(used, stacked.rates(x, _ln_rates) - measured, 0.0),
        begin,
        jac=lambda x: used[:, None] * stacked.rates(x, _slopes),  # pyright: ignore[reportArgumentType]
        bounds=(low, high),
        loss="soft_l1",
        f_scale=_ODD,
        ftol=1e-6,
        max_nfev=40,
    )
    return dict(zip(FITTED, np.exp(found.x).tolist(), strict=True))


def predictions(fitted: dict[str, float]) -> "pd.DataFrame":
    """Every measured row with its prediction.

    Returns:
        The columns of data/throughput.csv, `predicted` (tokens/s, or prompts/s for a lone prompt), `measured` in the same unit, and
        `ratio` of predicted to measured.

    """
    frame = _measured()
    ln_values = np.log(np.array([fitted[name] for name in FITTED]))
    return _judged(frame, np.exp(_stacked(frame).rates(ln_values, _ln_rates)))


def _judged(frame: "pd.DataFrame", predicted: np.ndarray) -> "pd.DataFrame":
    frame = frame.assign(predicted=predicted, measured=np.exp(_ln_measured(frame)))
    return frame.assign(ratio=frame["predicted"] / frame["measured"])


def held_out() -> "pd.DataFrame":
    """The fitted rows, those of every model predicted by a fit to all other models; operating points, all of one model, are left out."""
    frame = _measured()
    stacked, measured, fitted = _stacked(frame), _ln_measured(frame), (frame["part"] == "fitted").to_numpy()
    whole, predicted = _fit(stacked, measured, fitted, None), np.full(len(frame), np.nan)
    for model in dict.fromkeys(frame.loc[fitted, "model"]):
        hidden = (frame["model"] == model).to_numpy()
        found = _fit(stacked, measured, fitted & ~hidden, whole)
        predicted[hidden] = np.exp(stacked.rates(np.log([found[name] for name in FITTED]), _ln_rates))[hidden]
    frame = _judged(frame, predicted)
    return frame.loc[fitted & ~frame["category"].isin(APART)]


def deployment_class(frame: "pd.DataFrame") -> np.ndarray:
    """The class of each row, as `model.accuracy.SERVING_ERRORS` names them."""
    sparse = frame["architecture"].map(lambda name: released(name)[1]["sparsity"] > 1)
    placed = np.where(
        sparse, "experts", np.where(frame["chips"] > 1, "dense model, tensor parallelism", "dense model, one chip")
    )
    named = {"community": "community server", "tuned": "tuned software"}
    return np.array([named.get(engine, place) for engine, place in zip(frame["engine"], placed, strict=True)])


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
