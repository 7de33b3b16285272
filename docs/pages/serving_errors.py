"""The tables of docs/serving.md that set predictions beside measurements, and the sentences about what is missed."""

from urllib.parse import urlparse

import numpy as np
import pandas as pd

from optimizer.assumptions.numbers import percent
from optimizer.assumptions.tables import rows
from optimizer.evidence.throughput import APART, accuracy, deployment_class

__all__ = ["MISSES", "across_chips", "classed", "errors", "markdown", "worst"]

MISSES = """
Where it misses, and why:

- Community servers: predicted 2.1 times too fast where the model is MiniMax-M2.5, 0.4 times as fast as measured where it is Nemotron 3 Nano
  and 0.6 times for Llama 3.1 405B and Qwen3-VL. One share stands for all of their software, versions and settings; a fit to half of these
  rows says little about the other. Measure your own (below).
- gpt-oss-120b on H100 and H200: up to 3.4 times too fast at long outputs. Weights of 4 bits are expanded before they are multiplied, and
  the scheduler's own limits on the batch are not on record. On B200 it is met within a factor 1.7.
- Qwen3-235B: 0.4 to 0.65 times as fast as measured on four H200 in 8 bits. Its experts are narrow (1,536), and the share of peak that
  narrow experts reach is fitted to other models.
- Llama 4 Maverick on 8 H200: 2.3 times too fast at long outputs; with one expert a token, chips wait for the busiest expert.
- DeepSeek-R1 on racks and servers under one engine (InferenceX): half as fast as measured at hundreds of sequences a chip, where the
  experts' kernels are those of tuned software; 1.4 to 1.9 times too fast at 16 and fewer, where exchanges take longer than the time of a
  message that is fitted and drafting takes time that is not counted. At a speed, in place of a number of sequences, such an error grows: at
  100 tokens/s and more a few per cent of a step decide the batch.
- vLLM across nodes of H200: 1.1 to 1.3 times too fast, more with more nodes; it measures less on 96 chips than on 32.
- Across nodes of H100 and H800 (counted as H100): prefill and production at 21 tokens/s are predicted at eight tenths of what is
  measured; links hide more behind the products of a second batch.
- Prompts on two or four GB200, whose memory does not hold the weights: 1.4 times too fast, as reading them from the host is not counted.
- DeepSeek-R1 on 8 B200 (two rows): 1.3 times too fast, 2.1 under a limit of 80 ms; dense weights and attention are not in 4 bits there,
  while one precision is counted.
- A limit of 40 ms: Llama 2 70B on one H200 is predicted a third as fast as measured. Limits hold for the 99th percentile; one ratio of mean
  to limit stands for every scheduler.
- MI300X with Llama 2 70B and Mixtral: 1.6 times too fast; a share of peak of its own is not fitted.
- Llama 2 70B and Falcon 180B of 2023: their kernels read a cache entry once for each of the 8 or 29 query heads that share it
  (`cache_reads` in data/throughput.csv).

## Calibrate with one measurement of your own

Run one closed loop at the load you will serve, and predict it:

```python
from optimizer import placement, throughput

measured = 1900  # tokens/s of answers, all users together, on 8 H100
s = placement(
    "Llama 3 70B", changes={"money.serve_chip": {"name": "H100 SXM", "precision": "fp8"}, "deployment.chips": 8}
)
predicted = 8 * throughput(s, 1000, 500, users=[64])["tokens_per_second_per_chip"][0]
s = placement("Llama 3 70B", changes={"deployment.engine_speed": measured / predicted})
```

Predicted tokens/s is nearly proportional to `deployment.engine_speed`. One point does away with the error of software, chip and model
that the classes above carry; what stays is the error of moving along batch and context, about that of one chip or of tensor parallelism.
Left at 1, the engine's speed is what Monte Carlo, tornado and Sobol draw for the error of serving: log-normal, 80 % within the factor of
the class.

## What others do differently

aiconfigurator interpolates kernel times measured on each chip, so it knows its kernels better and covers only chips and models that were
measured; InferenceX measures whole engines daily at fixed lengths. Both say more about one deployment today. Neither is differentiable in
the size of a model that does not exist yet, which is what a plan needs.
"""


_ENGINES = {
    "static": "static batch",
    "vendor": "vendor's engine",
    "community": "community server",
    "tuned": "tuned software",
}

_GENERATIONS = {
    "A100": "Ampere",
    "H100": "Hopper",
    "H200": "Hopper",
    "B200": "Blackwell",
    "GB200": "Blackwell",
    "MI3": "CDNA 3",
}
_LOADS = {
    "at most 16 sequences": 16,
    "17 to 128 sequences": 128,
    "more than 128 sequences, or what memory holds": np.inf,
}
_MANY = 1e5
"""Sequences on a chip from which only memory bounds them."""
_MISSED = 1.5
"""Factor from which a point is named."""


def classed(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows with their class of deployment, and whether the model has experts."""
    experts = {r["name"] for r in rows("models") if r["routed_experts"]}
    limited = np.where(frame["seconds_per_token_limit"].notna(), ", time limit", "")
    loads = pd.cut(frame["batch"], [0, *_LOADS.values()], labels=[*_LOADS])
    return frame.assign(
        generation=[
            next(said for name, said in _GENERATIONS.items() if chip.startswith(name)) for chip in frame["chip"]
        ],
        arrangement=np.where(frame["chips"] == 1, "one chip", frame["parallelism"] + " parallelism"),
        load=loads.cat.remove_unused_categories(),
        deployment=deployment_class(frame),
        engine=frame["engine"].map(_ENGINES) + limited,
        kind=np.where(frame["architecture"].isin(experts), "experts", "dense"),
    )


def worst(judged: pd.DataFrame) -> str:
    """All vendors' engines in one line, and of each model and engine the point that is missed most."""
    vendor = judged[judged["engine"].str.startswith("vendor")]
    (whole,) = accuracy(vendor.assign(all="all"), ["all"]).to_dict("records")
    missed = judged.assign(factor=np.exp(np.abs(np.log(judged["ratio"])))).sort_values("factor", ascending=False)
    named = missed[missed["factor"] > _MISSED].groupby(["model", "engine"], sort=False).head(1).to_dict("records")
    found = [
        [
            row["model"],
            row["engine"],
            f"{row['chips']:g} {row['chip']}, {row['precision']}",
            f"{row['input_tokens']:,.0f} + {row['output_tokens']:,.0f}",
            f"{row['measured']:,.0f}",
            f"{row['predicted']:,.0f}",
            f"{row['ratio']:.2f}",
        ]
        for row in named
    ]
    names = ["", "engine", "chips", "prompt + answer", "measured, tokens/s", "predicted", "predicted / measured"]
    return (
        f"\nVendors' engines, all classes together: median {percent(whole['median_error'], 2)}, 90th percentile a factor "
        f"{whole['p90_factor']:.2f}. The worst point of each model and engine beyond a factor {_MISSED:g}:\n\n{markdown(names, found)}"
    )


def across_chips(frame: pd.DataFrame) -> str:
    """Published operating points of DeepSeek-V3 and R1 across chips of the table, with what the model gives, and their errors by part."""
    apart = frame[frame["category"].isin(APART)]
    found = []
    for point in apart.sort_values(["category", "chip", "chips"], kind="stable").to_dict("records"):
        limit, each = point["seconds_per_token_limit"], point["batch"] / point["chips"]
        at = f"{each:,.4g} a chip" if each < _MANY else "memory full" if np.isnan(limit) else f"{1 / limit:g} tokens/s"
        found.append(
            [
                f"{point['category'].removesuffix(' apart')}, {point['chips']:g} {point['chip']}, {point['precision']}",
                point["software"],
                "prompts" if point["category"] == APART[0] else at,
                f"{point['engine'].removesuffix(', time limit')}, {point['part']}",
                f"[{urlparse(point['source']).hostname}]({point['source']})",
                f"{point['measured'] / point['chips']:,.0f}",
                f"{point['predicted'] / point['chips']:,.0f}",
                f"{point['ratio']:.2f}",
            ]
        )
    names = ["", "arrangement", "in flight", "engine, use", "source", "measured", "predicted", "predicted / measured"]
    software = apart["engine"].str.removesuffix(", time limit")
    parts = errors(accuracy(apart.assign(engine=software), ["engine", "part"]))
    return f"{markdown(names, found)}\n\n{parts}"


def errors(summary: pd.DataFrame, *, header: bool = True) -> str:
    """A table of errors; without `header` its rows continue the table above."""
    rows = [
        [
            ", ".join(map(str, key if isinstance(key, tuple) else (key,))),
            str(row["rows"]),
            percent(row["median_error"], 2),
            f"{row['p90_factor']:.2f}",
            f"{row['median_ratio']:.2f}",
        ]
        for key, row in zip(summary.index, summary.to_dict("records"), strict=True)
    ]
    names = ["", "rows", "median error", "90th percentile, factor", "median predicted / measured"]
    whole = markdown(names, rows)
    return whole if header else whole.split("\n", 2)[2]


def markdown(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
