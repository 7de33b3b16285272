"""How is serving put on a terminal? rich renderables of operating points and of the lecture's claims."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.table import Table
from rich.text import Text

from ..analysis.serving import GIGA, KEEP_SECONDS, Served, endless_saving, fast_mode, key_figures
from ..assumptions.numbers import human, percent
from ..evidence.claims import Claim
from ..model.total import warnings
from .text import grid

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["HELD_OUT_ERROR", "claims_text", "frame_grid", "serving_text"]

HELD_OUT_ERROR = {"one chip": 0.08, "tensor": 0.21}
"""Median error on the rows of data/throughput.csv that the fit did not see; a test renews it."""
_TABLE_WIDTH = 110


def claims_text(claims: Sequence[Claim]) -> RenderableType:
    """The lecture's claims about serving, each computed twice, beside evidence."""
    return _Claims(claims)


class _Claims:
    """A table where it has room; blocks of lines on a narrow terminal, which would break words."""

    def __init__(self, claims: Sequence[Claim]) -> None:
        self.claims = claims

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        title, header = "The lecture's claims about serving", Claim.headings()
        if options.max_width >= _TABLE_WIDTH:
            yield grid(header, self.claims, title=title, text_columns=len(header))
            return
        yield Text(title, style="bold")
        for claim in self.claims:
            yield Text(f"\n{claim.quantity}: {claim.formula}", style="bold")
            block = Table.grid(padding=(0, 2))
            for name, said in zip(header[2:], claim[2:], strict=True):
                block.add_row(Text(f"  {name}"), Text(said))
            yield block


_HEADERS = {
    "target_tokens_per_second": "asked,\ntokens/s",
    "step_ms": "step,\nms",
    "tokens_per_second_per_user": "tokens/s\nper user",
    "tokens_per_second_per_chip": "tokens/s\nper chip",
    "usd_per_mtok_decode": "decode,\nUSD/Mtok",
    "usd_per_mtok_prefill": "prefill,\nUSD/Mtok",
    "memory_share": "memory\nused",
    "waits_for": "waits for",
    "weight_bytes_per_stage": "weights,\nGB",
    "pipeline_stages": "stages",
    "context_tokens": "context,\ntokens",
    "attention_exponent": "power of\ncontext",
    "drain_seconds": "drain,\ns",
    "usd_per_mtok_hour": "storage,\nUSD/h",
}


def frame_grid(frame: "pd.DataFrame", title: str) -> RenderableType:
    """A table of serving on a terminal. Below it: figures that are the same in every row, and what does not fit."""
    records = frame.to_dict("records")
    answered = [row for row in records if not row.get("does_not_fit")]
    columns = [str(c) for c in frame if c != "does_not_fit"]
    same = [
        c
        for c in columns
        if c in ("memory_share", "usd_per_mtok_prefill") and len({_cell(c, row[c]) for row in answered}) == 1
    ]
    shown = [c for c in columns if c not in same]
    header = [_HEADERS.get(c, c.replace("usd_per_mtok_", "").replace("_", " ")) for c in shown]
    rows = [[_cell(column, row[column]) for column in shown] for row in records]
    notes = [_same(c, answered[0][c]) for c in same]
    below = [f"In every row: {', '.join(notes)}."] if notes else []
    below += [
        f"Does not fit: {reason}" for reason in sorted({r["does_not_fit"] for r in records if r.get("does_not_fit")})
    ]
    table = grid(header, rows, title=title)
    table.padding = (0, 0, 0, 1)  # eight columns in 80 characters
    return Group(table, *map(Text, below))


def _same(column: str, value: float) -> str:
    name, _, unit = _HEADERS[column].replace("\n", " ").partition(", ")
    return f"{name} {_cell(column, value)} {unit}".rstrip()


def _cell(column: str, value: object) -> str:
    if not isinstance(value, float):
        return "" if value is None else str(value)
    if math.isnan(value):
        return ""
    if column == "memory_share":
        return percent(value)
    if column.removeprefix("usd_per_mtok_") in KEEP_SECONDS or column == "usd_per_mtok_hour":
        return human(value, 2)
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
        "context": "Context, at the batch that memory holds; beyond the wall above, reading the cache takes longer than computing",
        "attention": "Attention that reads a power of the context",
        "cache": "Keeping a million tokens of prefix for a time and reading them once, USD, by tier",
    }
    shown = [frame_grid(frame, titles[name]) for name, frame in tables.items()]
    speed, cost = fast_mode(s)
    cheapest = ", ".join(f"{tier} for {time}" for time, tier in tables["cache"].attrs["cheapest"].items())
    lines = [
        f"Slow mode: an endless batch would save {percent(endless_saving(s), 2)} against the deployment's own.",
        f"Fast mode: {human(speed, 3)}x the speed of the deployment's own batch for {human(cost, 3)}x the cost.",
        f"Cheapest tier for a prefix: {cheapest}.",
        "Shares of peak and fixed times are fitted to measured throughput. On points not used for the fit the median error is "
        f"{percent(HELD_OUT_ERROR['one chip'], 1)} on one chip and {percent(HELD_OUT_ERROR['tensor'], 2)} with tensor parallelism. "
        "Experts across many chips are checked against single published points.",
    ]
    lines += [f"Warning: {sentence}" for sentence in warnings(s.scenario, quality=False)]
    return Group(
        Text(f"{s.name} on {chip.title or 'the chip'} at {chip.precision}", style="bold"),
        grid(["", "value", "unit"], figures),
        *shown,
        Text("\n".join(lines)),
    )
