"""How is serving put on a terminal? rich renderables of operating points and of the lecture's claims."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from ..assumptions.numbers import human, percent
from .claims import Claim
from .serving import GIGA, Served, endless_saving, key_figures
from .text import grid

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["claims_text", "frame_grid", "serving_text"]


def claims_text(claims: Sequence[Claim]) -> RenderableType:
    """The lecture's claims about serving, each computed twice, beside evidence."""
    header = ["quantity", "formula", "lecture", "computed, its inputs", "computed, corrected", "evidence"]
    return grid(header, claims, title="The lecture's claims about serving", text_columns=6)


_HEADERS = {
    "target_tokens_per_second": "asked, tokens/s",
    "step_ms": "step, ms",
    "tokens_per_second_per_user": "tokens/s per user",
    "tokens_per_second_per_chip": "tokens/s per chip",
    "usd_per_mtok_decode": "decode, USD/Mtok",
    "usd_per_mtok_prefill": "prefill, USD/Mtok",
    "memory_share": "memory used",
    "waits_for": "waits for",
    "weight_bytes_per_stage": "weights, GB",
    "pipeline_stages": "stages",
    "context_tokens": "context, tokens",
    "attention_exponent": "power of context",
    "drain_seconds": "drain, s",
    "usd_per_mtok_hour": "USD/(Mtok h)",
}


def frame_grid(frame: "pd.DataFrame", title: str) -> RenderableType:
    """A table of serving on a terminal; what does not fit is told below it."""
    columns = [str(c) for c in frame if c != "does_not_fit"]
    header = [_HEADERS.get(c, c.replace("usd_per_mtok_", "USD/Mtok, ").replace("_", " ")) for c in columns]
    rows = [[_cell(column, row[column]) for column in columns] for row in frame.to_dict("records")]
    reasons = sorted({row["does_not_fit"] for row in frame.to_dict("records") if row.get("does_not_fit")})
    return Group(grid(header, rows, title=title), *(Text(f"Does not fit: {reason}") for reason in reasons))


def _cell(column: str, value: object) -> str:
    if not isinstance(value, float):
        return "" if value is None else str(value)
    if math.isnan(value):
        return ""
    if column == "memory_share":
        return percent(value)
    return human(value / GIGA if column == "weight_bytes_per_stage" else value, 3)


def serving_text(s: Served, tables: Mapping[str, "pd.DataFrame"]) -> RenderableType:
    """A model on a chip: key figures first, then every sweep."""
    chip = s.scenario.money.serve_chip
    figures = [(name, human(value, 4), unit) for name, (value, unit) in key_figures(s).items()]
    titles = {
        "batch": "Batch: larger ones are slower for each user and cheaper",
        "speed": "Latency against cost: the cheapest point at which every user sees a speed",
        "chips": "Chips: the same model and precision on each, cheapest first",
        "domain": "Scale-up domain: all chips of one domain",
        "pipeline": "Pipeline stages: memory per stage, not time",
        "context": "Context at the batch that memory holds",
        "attention": "Attention that reads a power of the context",
        "cache": "Keeping a prefix and reading it once, by tier",
    }
    shown = [frame_grid(frame, titles[name]) for name, frame in tables.items()]
    speeds = tables["speed"].dropna(subset=["usd_per_mtok_decode"])
    lines = [
        "Shares of peak and fixed times are fitted to measured throughput: on points not used for the fit the median error is 9 % on "
        "one chip and 25 % with tensor parallelism. Experts across many chips are checked against single published points."
    ]
    if len(speeds) > 1:
        slow, fast = speeds.iloc[0], speeds.iloc[-1]
        ratio = fast["usd_per_mtok_decode"] / slow["usd_per_mtok_decode"]
        gain = fast["tokens_per_second_per_user"] / slow["tokens_per_second_per_user"]
        lines.insert(0, f"Fast mode: {human(ratio, 3)}x the cost for {human(gain, 3)}x the speed.")
    lines.insert(
        0, f"Slow mode: an endless batch would save {percent(endless_saving(s), 2)} against the deployment's own."
    )
    cheapest = tables["cache"].attrs["cheapest"]
    lines.insert(
        1, "Cheapest tier for a prefix: " + ", ".join(f"{tier} for {time}" for time, tier in cheapest.items()) + "."
    )
    return Group(
        Text(f"{s.name} on {chip.name or 'the chip'} at {chip.precision}", style="bold"),
        grid(["", "value", "unit"], figures),
        *shown,
        Text("\n".join(lines)),
    )
