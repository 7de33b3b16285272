"""Writes docs/serving.md: how well the roofline predicts measured serving, from the fit and the data.

`python -m docs.pages.serving > docs/serving.md` renews it; a test fails when it is stale.
"""

import sys
from typing import TYPE_CHECKING

import numpy as np

from optimizer.analysis.placement import operating_point, placement
from optimizer.assumptions.numbers import human, percent
from optimizer.assumptions.tables import rows
from optimizer.evidence.claims import Claim, claims
from optimizer.evidence.shapes import SINCE, power_law
from optimizer.evidence.throughput import FITTED, accuracy, calibrate, crosswise, engines, predictions
from optimizer.model.replica import replica
from optimizer.model.roofline import prefill_seconds

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["page"]

_HEAD = """# The serving roofline

What a served token costs, from the chip up: `serving.method = "roofline"` with `money.unit = "usd"`. `overtrain roofline MODEL --chip CHIP`
shows a model on a chip; `overtrain reproduce --claims` checks what the lecture says about serving. This page is written from code and
data: `python -m docs.pages.serving > docs/serving.md`.

## The model

N active and M total parameters, p bytes per weight, k KV-cache bytes per token, S tokens of context, B sequences per step, n chips of one
pipeline stage of P, with F FLOP/s, W bytes/s and Q bytes each, c USD per chip-hour; q = 1 + drafted tokens, of which a step keeps g.

    t(B)      = max( s q B N / (n F eta_c),  (p M_read(B) + B k S^x) / (n W eta_m) ) + L t_l + B t_s + hops
    M_read(B) = dense part + expert part (1 - (1 - a)^(q B)),    a = share of experts that a token uses
    USD per decode token  = n c t(B) / (3600 g B),               p M / P + B k S <= n Q
    USD per prefill token = s N / (F eta_prefill) c / 3600, and what the chips exchange
    USD per cached token  = k c' max(keep time / Q', 1 / W') / 3600 on the tier that keeps it
    effective cost        = ideal cost / load factor

t_s is the host's time per sequence and the exchange between chips: 8 L width bytes per token (two ring all-reduces of a layer) with
tensor parallelism, 3 x experts per token x L x width / n with expert parallelism. hops: P times a fixed time, and the activations of the
batch over the links of all n chips that leave the scale-up domain. Source of the two-term form: Pope et al. 2022, arXiv
2211.05102; the fixed and per-sequence terms are what measurements add to it.

Cost per token falls with B, so the cheapest batch is the largest that memory (`deployment.batch = "optimal"`) or a speed for every user
(`"latency"`) allows. The cost of decoding is then the largest of a few smooth regimes; for dense models each is log-log convex in N (1/B is
a series in N with positive terms), so `solve` certifies a global optimum, also one that lies on a kink. Experts with a chosen batch are not
convex: `solve` then starts from several sizes and says that the optimum is not certified as global.

M / N is `deployment.sparsity`. Left out, it is 1 under a law of dense models and (1 + 2 E) / 3 under a law of E experts, of which a token
uses one: two thirds of the active parameters lie in experts, as where the whole feed-forward part of a transformer is replaced by them.
The share of experts that a token uses is then 1 / E. Released models differ (docs/model.md); give the ratio of the model you mean.

> An optimum under the roofline moves with hardware, batch, context and latency. What it cannot see: attention FLOPs, uneven experts,
> the cost of drafting, queues.
"""


def page() -> str:
    """The page, as Markdown."""
    frame, crossed = _by_parallelism(predictions()), _by_parallelism(crosswise())
    decode = frame.loc[frame["category"] != "prefill"]
    held_out, full = (decode.loc[decode["part"] == part] for part in ("validation", "saturation"))
    late = engines()
    crossed = crossed.loc[crossed["category"] != "prefill"].sort_values("batch", kind="stable")
    parts = [
        _HEAD,
        _fitted(),
        "\n## Error on points that the fit did not see\n\n"
        "Calibration uses every second row of a source, chip and parallelism of data/throughput.csv; the rest is held out, and so is every "
        "row of later software at full load (TensorRT-LLM 1.0). Target: median within 25 %, 90th percentile within a factor 2. Decoding:\n",
        _errors(accuracy(decode.loc[decode["part"].isin(["validation", "saturation"])], ["parallelism"])),
        "\nHeld-out half, by chip and parallelism:\n",
        _errors(accuracy(held_out, ["parallelism"]).rename(index="all chips, {}".format)),
        _errors(accuracy(held_out, ["chip", "parallelism"]), header=False),
        "\nLater software at full load, by parallelism, model and chip:\n",
        _errors(accuracy(full, ["parallelism"]).rename(index="all models, {}".format)),
        _errors(accuracy(full, ["model", "chip"]), header=False),
        "\nBoth halves, each predicted by a fit to the other, by sequences in flight, from one to saturation. "
        "The second fit has the long outputs of H100 and the prompts of 2048 tokens that the first lacks.\n",
        _errors(accuracy(crossed, ["parallelism"]).rename(index="all batches, {}".format)),
        _errors(accuracy(crossed, ["sequences", "parallelism"]), header=False),
        "\nFirst-token times of lone prompts that were held out, and a curve whose chip count and lengths the source does not give:\n",
        _errors(_others(frame)),
        "\nEngines of later years, not used for the fit: vendors' at full load (TensorRT-LLM 1.0 and 1.2, MLPerf 5.1 offline) and "
        "community servers, by engine and kind of model. Rows under a limit on the time per token (MLPerf server and interactive) are in "
        "data/throughput.csv and left out here: the batch that they ran is not on record.\n",
        _errors(accuracy(late, ["engine", "kind_of_model"])),
        _errors(accuracy(late, ["model", "engine"]), header=False),
        "\nExperts across many chips, not used for the fit: DeepSeek-V3 and R1, tokens/s per chip. Where the source gives no speed the "
        "largest batch that memory holds is taken, which is more than was run:\n",
        _experts(),
        _MISSES,
        _shapes(),
        "\n## The lecture's claims about serving\n",
        _claims(claims()),
    ]
    return "\n".join(parts).rstrip() + "\n"


_MISSES = """
Where it misses, and why:

- Models with experts on vendors' engines: predicted 2.3 times too fast in the median, up to five times (Llama 4 Maverick at long outputs).
  Narrow experts reach a smaller share of peak than dense products, one operation waits for another, data-parallel attention holds and reads
  the dense weights on every chip, and windows hold a cache below their length: none of it is counted. Take the cost of serving experts as
  about twice what is printed.
- Community servers: MiniMax-M2.5 on vLLM is predicted 2.2 times too fast, at 4 to 64 sequences, where steps are mostly gaps.
- Two to 16 sequences with tensor parallelism: the class that misses the target. Of its six rows three are MI325X with 10 sequences,
  predicted too fast; two are Nemotron 3 Nano on B200 with software of 2026, predicted too slow because 100 microseconds per layer are too
  many for it (without the bound the fit would take 150). Llama 3.3 70B on H100 with 5 sequences is met.
- One chip with fewer than 48 sequences: only the unverified curve has such rows. It is predicted 20 % too slow from one sequence to 100.
- MI325X: misses go both ways. The source does not say whether its throughput counts prompts; it is taken to. It does not say how many
  requests were in flight either: 500 asked give what 100 give.
- Llama 3.1 405B on 8 chips: predicted 25 to 30 % too slow. The share of link bandwidth is fitted to the rows of 2023; eight chips of one
  server exchange faster today, as the second fit finds too.
- Llama 2 70B and Falcon 180B of 2023: their kernels read a cache entry once for each of the 8 or 29 query heads that share it
  (`cache_reads` in data/throughput.csv). This was found after their misses were seen: counted once, long outputs are predicted 1.3 to 1.8
  times too fast. The software's own account of the kernels that replaced them gives 1.9 to 2.4 times the throughput.
- Experts across many chips: production on 144 chips and a rack at 125 tokens/s are met. Decoding on racks at the largest batch is
  predicted 1.4 to 2.3 times too fast; likely reasons are a batch of over 1,000 sequences a chip, more than was run, experts that are not
  used evenly, and attention at bf16 that is counted at fp8. Eight B200 at 125 tokens/s are predicted five times too slow, for the reason
  that follows and because the measurement guesses tokens ahead, as that of the rack does and nothing here. Prefill across nodes of H100
  is predicted half as fast as measured, on a rack 1.5 times as fast.
- Speed of a lone user on the newest chips: at 100 microseconds per layer a fast mode costs three times what is measured, at 50 what is
  measured (see the claim below). Set `deployment.seconds_per_layer = 5e-5` for tuned kernels.
"""


_EXPERTS = ("DeepSeek-V3", "DeepSeek-R1")
_EXPERT_PRECISION = {"fp8": "fp8", "bf16 attn, fp8 MoE": "fp8", "fp8 attn, nvfp4 MoE": "fp4", "fp4": "fp4"}


def _by_parallelism(frame: "pd.DataFrame") -> "pd.DataFrame":
    return frame.assign(parallelism=np.where(frame["chips"] > 1, "tensor", "one chip"))


def _others(frame: "pd.DataFrame") -> "pd.DataFrame":
    prompts = (frame["category"] == "prefill") & (frame["part"] == "validation")
    chosen = frame.loc[prompts | (frame["part"] == "unverified")].copy()
    chosen["set"] = np.where(chosen["category"] == "prefill", "lone prompts", "Llama 3.1 8B, unverified")
    return accuracy(chosen, ["set"])


def _experts() -> str:
    """Published operating points of DeepSeek-V3 and R1 on chips of the table, with what the model gives."""
    found = []
    for point in rows("operating_points"):
        precision = _EXPERT_PRECISION.get(point["precision"])
        if point["unit"] != "tokens/s per chip" or not point["model"].startswith(_EXPERTS) or precision is None:
            continue
        chip: dict[str, object] = {"name": point["chip"], "precision": precision}
        if point["chip"] == "H800":  # an H100 whose nodes are reached over 50 GB/s
            chip |= {"name": "H100 SXM", "scaleup_domain_chips": 144, "scaleup_bytes_per_second": 5e10}
        changes = {"money.serve_chip": chip, "deployment.context_tokens": point["context_tokens"]}
        if point["chips"]:
            changes["deployment.chips"] = point["chips"]
        speed = point["tokens_per_second_per_user"]
        if speed:
            changes |= {"deployment.batch": "latency", "deployment.target_tokens_per_second": speed}
        s = placement("DeepSeek-V3", changes=changes)
        chips, measured = float(s.scenario.deployment.chips_on(s.scenario.money.serve_chip)), float(point["value"])
        prompts = point["topic"] == "prefill"
        seconds = float(prefill_seconds(replica(s.scenario, s.n_params)))
        predicted = 1 / (seconds * chips) if prompts else operating_point(s)["tokens_per_second_per_chip"]
        name = f"{'prefill' if prompts else 'decode'}, {chips:g} {point['chip']}, {point['precision'] or precision}"
        at = f"{speed} tokens/s" if speed else "prompts" if prompts else "largest batch"
        found.append([name, at, f"{measured:,.0f}", f"{predicted:,.0f}", f"{predicted / measured:.2f}"])
    return _table(["", "speed of a user", "measured", "predicted", "predicted / measured"], found)


def _table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _errors(summary: "pd.DataFrame", *, header: bool = True) -> str:
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
    whole = _table(names, rows)
    return whole if header else whole.split("\n", 2)[2]


def _fitted() -> str:
    units = {"seconds_per_layer": "s", "seconds_per_sequence": "s"}
    rows = [
        [f"deployment.{name}", f"{value:.4g}", units.get(name, "1"), f"{FITTED[name][0]:g} to {FITTED[name][1]:g}"]
        for name, value in calibrate().items()
    ]
    note = (
        "\n`deployment.compute_share`, the share of peak in decoding, is that of prefill. Left free, the fit raises it to 1, where no row "
        "waits for compute: the measurements show no lower share in decoding than in prefill.\n\n"
        "The time per layer ends at its bound: every measurement of a single sequence shows 50 to 100 microseconds per layer, and "
        "throughput at large batches alone would let it stand in for other fixed costs.\n"
    )
    return "## What is fitted\n\n" + _table(["assumption", "fit", "unit", "range allowed"], rows) + "\n" + note


def _shapes() -> str:
    rows = []
    for name, column in (
        ("layers", "n_layers"),
        ("KV bytes per token, 2 bytes a number", "kv_bytes_per_token_growing"),
        ("width of attention over all layers", "attention_width_growing"),
    ):
        law = power_law(column)
        rows.append([name, human(law.at_reference, 3), f"{law.exponent:.3f}", f"{law.spread:.2f}", str(law.models)])
    text = (
        f"\n## Shapes of released models\n\nPower laws of active parameters over the models of data/models.csv released since {SINCE}. The "
        "cache spreads over a factor of three either way: give your own where you know it (`deployment.kv_bytes_per_token` at "
        "`deployment.reference_params`).\n\n"
    )
    return text + _table(["", "at 10B active", "exponent", "spread, factor", "models"], rows)


def _claims(found: list[Claim]) -> str:
    return _table(Claim.headings(), [list(claim) for claim in found])


if __name__ == "__main__":
    sys.stdout.write(page())
