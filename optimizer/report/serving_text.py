"""How is serving put on a terminal? rich renderables of operating points and of the lecture's claims."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from ..assumptions.numbers import human
from .claims import Claim
from .serving import Served, key_figures
from .text import grid

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["claims_text", "frame_grid", "serving_text"]


def claims_text(claims: Sequence[Claim]) -> RenderableType:
    """The lecture's claims about serving, each computed twice, beside evidence."""
    header = ["quantity", "formula", "lecture", "computed, its inputs", "computed, corrected", "evidence"]
    return grid(header, claims, title="The lecture's claims about serving", text_columns=6)


def frame_grid(frame: "pd.DataFrame", title: str) -> RenderableType:
    """A table of numbers with their units in the header; empty text columns are left out."""
    units = frame.attrs.get("units", {})
    columns = [c for c in frame if not (frame[c].astype(str) == "").all()]
    header = [f"{str(c).replace('_', ' ')}{', ' + units[c] if units.get(c, '1') != '1' else ''}" for c in columns]
    cells = [
        tuple(human(v, 3) if isinstance(v, float) and v == v else "" if v != v else str(v) for v in row)
        for row in frame[columns].itertuples(index=False)
    ]
    return grid(header, cells, title=title)


def serving_text(s: Served, tables: Mapping[str, "pd.DataFrame"]) -> RenderableType:
    """A model on a chip: key figures first, then every sweep."""
    chip = s.scenario.money.serve_chip
    figures = [(name, human(value, 4), unit) for name, (value, unit) in key_figures(s).items()]
    titles = {
        "batch": "Batch: larger ones are slower for each user and cheaper",
        "speed": "Latency against cost: the cheapest point at which every user sees a speed",
        "domain": "Scale-up domain: all chips of one domain",
        "pipeline": "Pipeline stages: memory per stage, not time",
        "context": "Context at the batch that memory holds",
        "attention": "Attention that reads a power of the context",
        "cache": "Keeping a prefix and reading it once, by tier",
    }
    shown = [frame_grid(frame, titles[name]) for name, frame in tables.items()]
    speeds = tables["speed"].dropna(subset=["usd_per_mtok_decode"])
    lines = [
        "Shares of peak and fixed times are fitted to measured throughput: on points not used for the fit the median error is 9 % on one chip "
        "and 25 % with tensor parallelism; docs/serving.md. For experts across many chips they are checked against three published points."
    ]
    if len(speeds) > 1:
        slow, fast = speeds.iloc[0], speeds.iloc[-1]
        ratio = fast["usd_per_mtok_decode"] / slow["usd_per_mtok_decode"]
        gain = fast["tokens_per_second_per_user"] / slow["tokens_per_second_per_user"]
        lines.insert(0, f"Fast mode: {human(ratio, 3)}x the cost for {human(gain, 3)}x the speed.")
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
