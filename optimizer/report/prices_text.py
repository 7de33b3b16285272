"""Print list prices, and plans against them."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from ..analysis.against import AGAINST, Against
from ..assumptions.numbers import human, percent
from ..model.outputs import short, units_of, written
from .terminal import grid

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["against_sentence", "against_text", "prices_text"]

CAVEAT = "Nothing here says that the models are equally good."


def against_sentence(found: Against) -> str:
    """Own cost against one list price, in words."""
    own, api = human(found.own_usd_per_mtok, 3), human(found.api_usd_per_mtok, 3)
    if not math.isfinite(found.break_even_tokens):
        serving = human(found.own_serving_usd_per_mtok, 3)
        return (
            f"Against {found.price.name}: {own} USD/Mtok of one's own, {api} from the API; never cheaper, as serving alone costs "
            f"{serving} USD/Mtok."
        )
    month = found.break_even_tokens_per_month
    monthly = f" ({human(month, 3)} a month)" if month == month else ""
    return (
        f"Against {found.price.name}: {own} USD/Mtok of one's own, {api} from the API; cheaper from {human(found.break_even_tokens, 3)} "
        f"lifetime tokens{monthly} on; margin {percent(found.margin)} at this traffic."
    )


def against_text(found: Sequence[Against]) -> RenderableType:
    """Plans against list prices, a row each."""
    units = units_of(AGAINST, "USD")
    rows = [
        (f.price.name, *(written(getattr(f, column), column, 3) or "-" for column in AGAINST), f.price.as_of)
        for f in found
    ]
    header = [
        "against",
        *(short(c) if units[c] in ("1", "USD/Mtok") else f"{short(c)}, {units[c]}" for c in AGAINST),
        "price of",
    ]
    return Group(
        grid(header, rows, title="Own model or API, USD per million tokens of the scenario's mix"),
        Text(f"Own is all bills over the tokens served, own serving without training; the design is held. {CAVEAT}"),
    )


def prices_text(frame: "pd.DataFrame") -> RenderableType:
    """List prices, cheapest for the mix first."""
    columns = [str(c) for c in frame.columns if str(c).endswith("usd_per_mtok")]
    rows = [
        (row["price"], row["provider"], *(written(row[c], c) or "-" for c in columns), row["as_of"])
        for row in frame.reset_index().to_dict("records")
    ]
    header = ["model", "provider", *("this mix" if c == "api_usd_per_mtok" else short(c) for c in columns), "as of"]
    return Group(
        grid(header, rows, title="List prices, USD per million tokens, cheapest for the mix first", text_columns=2),
        Text(
            'Compare a plan with one: overtrain solve --against "GPT-5". Sources: overtrain sources --table api_prices.'
        ),
    )
