"""Print operating points of a deployment and the lecture's claims about serving."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.table import Table
from rich.text import Text

from ..analysis.placement import Placement
from ..analysis.serving import endless_saving, fast_mode, key_figures, prompts_of
from ..assumptions.numbers import human, in_unit, percent, unit_for
from ..assumptions.warned import warnings
from ..evidence.claims import Claim
from ..model.accuracy import serving_error
from ..model.outputs import short, written
from .terminal import Blocks, Column, grid

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["claims_text", "frame_grid", "serving_text"]

_TABLE_WIDTH = 110
_Scales = Mapping[str, tuple[str, float]]
"""The unit that a column is written in, and what its numbers are divided by, by column."""


def claims_text(claims: Sequence[Claim]) -> RenderableType:
    """The lecture's claims about serving, each computed twice, with evidence."""
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


def frame_grid(frame: "pd.DataFrame", title: str) -> RenderableType:
    """A table of serving; below it figures that are the same in every row, and what does not fit."""
    records, units = frame.to_dict("records"), frame.attrs["units"]
    answered = [row for row in records if not row.get("does_not_fit")]
    columns = [str(c) for c in frame if c != "does_not_fit"]
    scales = {c: unit_for((row[c] for row in answered if isinstance(row[c], float)), unit) for c, unit in units.items()}
    same = [
        c
        for c in columns
        if c in ("memory_share", "usd_per_mtok_prefill", "offer", "prefill_chips")
        and len({_cell(c, row[c], scales) for row in answered}) == 1
    ]
    shown = [
        Column(short(c), _unit(c, scales), [_cell(c, row[c], scales) for row in records], c in units)
        for c in columns
        if c not in same
    ]
    notes = [f"{short(c)} {_cell(c, answered[0][c], scales)} {_unit(c, scales)}".rstrip() for c in same]
    below = [f"In every row: {', '.join(notes)}."] if notes else []
    below += [
        f"Does not fit: {reason}" for reason in sorted({r["does_not_fit"] for r in records if r.get("does_not_fit")})
    ]
    return Group(Blocks(shown, 1, title), *map(Text, below))


def _unit(column: str, scales: _Scales) -> str:
    unit, _ = scales.get(column, ("", 1.0))
    return "" if unit in ("1", short(column)) else {"sequences": "seq."}.get(unit, unit)


def _cell(column: str, value: object, scales: _Scales) -> str:
    if not isinstance(value, float):
        return "" if value is None else str(value)
    return written(value / scales.get(column, ("", 1.0))[1], column, 3)


def serving_text(s: Placement, tables: Mapping[str, "pd.DataFrame"]) -> RenderableType:
    """A model on a chip: key figures first, then every sweep."""
    chip, prompts = s.scenario.money.serve_chip, prompts_of(s)
    figures = [
        (name, *in_unit(written(value, name, unit=unit), unit)) for name, (value, unit) in key_figures(s).items()
    ]
    titles = {
        "capacity": "Capacity: replicas and chips for users who decode at once, and the smallest number of chips that does",
        "loop": "Closed loop: requests of one length, prompts and answers on the same chips",
        "batch": "Batch: larger ones are slower for each user and cheaper",
        "speed": "Latency against cost: the cheapest point at which every user sees a speed",
        "chips": "Chips: the same model on each at its cheapest placement, under one offer",
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
        f"Shares of peak and fixed times are fitted to measured throughput. {serving_error(s.scenario)}",
    ]
    lines += [f"Warning: {sentence}" for sentence in warnings(s.scenario, quality=False)]
    return Group(
        Text(f"{s.name} on {chip.title or 'the chip'} at {chip.precision}", style="bold"),
        Text(" ".join(filter(None, (s.placed.sentence, prompts and prompts.sentence)))),
        grid(["", "value", "unit"], figures),
        *shown,
        Text("\n".join(lines)),
    )
