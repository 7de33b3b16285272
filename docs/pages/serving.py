"""Writes docs/serving.md: the model, what is fitted, how well it predicts measured serving, and the lecture's claims.

`python -m docs.pages.serving > docs/serving.md` renews it; a test fails when it is stale.
"""

import sys

import numpy as np
import pandas as pd

from docs.pages.serving_errors import MISSES, across_chips, classed, errors, markdown, worst
from docs.pages.serving_model import MODEL
from optimizer.assumptions.deployment import Deployment
from optimizer.assumptions.numbers import human, percent
from optimizer.evidence.claims import Claim, claims
from optimizer.evidence.in_flight import limited
from optimizer.evidence.shapes import SINCE, power_law
from optimizer.evidence.throughput import FITTED, accuracy, calibrate, held_out, predictions

__all__ = ["page"]


def page() -> str:
    """The page, as Markdown."""
    fitted = calibrate()
    frame, judged = classed(predictions(fitted)), classed(held_out())
    lone = judged["category"] == "prefill"
    own = ~lone & (judged["engine"] != "community server")
    parts = [
        MODEL,
        _fitted(fitted),
        _limited(limited(fitted)),
        "\n## Error on models that the fit did not see\n\n"
        "Each model of data/throughput.csv is predicted by a fit to all other models. By class of deployment, as every answer states it:\n",
        errors(accuracy(judged[~lone], ["deployment"])),
        "\nBy class of engine, and kind of model:\n",
        errors(accuracy(judged[~lone], ["engine"]), header=True),
        errors(accuracy(judged[~lone], ["engine", "kind"]), header=False),
        "\nBy generation of chip, arrangement of its chips, and sequences in flight, without community servers:\n",
        errors(accuracy(judged[own], ["generation"])),
        errors(accuracy(judged[own], ["arrangement"]), header=False),
        errors(accuracy(judged[own], ["load"]), header=False),
        "\nBy model, and lone prompts:\n",
        errors(accuracy(judged[~lone], ["model", "engine"])),
        errors(accuracy(judged[lone], ["category"]), header=False),
        "\nA curve whose chip count and lengths the source does not give, not fitted:\n",
        errors(accuracy(frame[frame["part"] == "unverified"], ["model"])),
        "\nExperts across many chips, prompts and decoding on chips of their own: DeepSeek-V3 and R1, tokens/s per chip, an H800 "
        "counted as H100. Decoding is predicted at the sequences that were in flight; where the source does not say how many, at the "
        "speed of a user or with memory full. InferenceX counts prompts and answers over all chips, here answers over those that decode. "
        "What drafts tokens keeps 1.85 of 2 (DeepSeek-V3: 85 to 90 % of the second token, arXiv 2412.19437, section 5.4.3), 2.18 of 3 and "
        "2.44 of 4 (SGLang's measurement). Only points marked fitted were seen by the fit:\n",
        across_chips(frame),
        worst(judged[~lone]),
        MISSES,
        _shapes(),
        "\n## The lecture's claims about serving\n",
        _claims(claims()),
    ]
    return "\n".join(parts).rstrip() + "\n"


def _fitted(fitted: dict[str, float]) -> str:
    units = {"seconds_per_layer": "s", "seconds_per_collective": "s", "seconds_per_sequence": "s"}
    rows = [
        [
            f"deployment.{name}" if name in Deployment.model_fields else name,
            f"{value:.3g}",
            units.get(name, "1"),
            f"{FITTED[name].low:g} to {FITTED[name].high:g}",
        ]
        for name, value in fitted.items()
    ]
    note = (
        "\n`deployment.compute_share`, the share of peak in decoding, is that of prefill. `community_share` is the engine_speed of a "
        "community server; `limit_share` the mean time per token over a limit that holds for the 99th percentile, used for rows "
        "under a limit.\n\nThe fixed times end at their bounds: throughput at large batches would let them stand in for other costs, while "
        "single sequences show 50 to 100 microseconds per layer, and exchanges inside a server take 10 to 20 microseconds on 8 chips. "
        "Memory is filled to 0.9, what engines take by default.\n"
    )
    return "## What is fitted\n\n" + markdown(["assumption", "fit", "unit", "range allowed"], rows) + "\n" + note


def _limited(frame: pd.DataFrame) -> str:
    timed = frame.loc[frame["by_time"], "share"]
    own, random = (frame[name] for name in ("miss_fitted", "miss_random"))
    medians = [percent(float(np.abs(np.expm1(miss)).median())) for miss in (random, own)]
    spreads = [f"{float(np.sqrt((miss**2).mean())):.2f}" for miss in (random, own)]
    return (
        "\n`limit_share` is no consequence of a queue. If requests came at random and shared a replica, the number in flight would be a "
        "negative binomial one (optimizer/evidence/in_flight.py), and the mean time per token over its 99th percentile "
        f"{timed.min():.2f} to {timed.max():.2f} in the {len(timed)} fitted rows that such a limit holds back from what memory allows. "
        f"With this in place of the fitted ratio the {len(frame)} fitted rows under a limit are missed by a median of {medians[0]} "
        f"instead of {medians[1]}, and in the root mean square of ln(predicted / measured) by {spreads[0]} instead of {spreads[1]}. "
        "Of the rows that are held back, those of Llama 2 70B at 40 ms, two do as if the mean kept half of the limit, and one as if it "
        "could pass it. So the fitted ratio stands.\n"
    )


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
    return text + markdown(["", "at 10B active", "exponent", "spread, factor", "models"], rows)


def _claims(found: list[Claim]) -> str:
    return markdown(Claim.headings(), [list(claim) for claim in found])


if __name__ == "__main__":
    sys.stdout.write(page())
