"""Own model or API: what a plan costs per token, against list prices.

    api price      P = sum of price x share over fresh, cached and output tokens of the scenario's mix, USD/Mtok
    own, serving   S = (prefill + decode) / T
    own, whole     W = (pre-training + RL + prefill + decode) / T
    break-even     T* = (pre-training + RL) / (P - S): the lifetime tokens from which the own model is cheaper
    margin         1 - W / P

T is what the scenario serves, discounted with the bills where money.discount_rate is above 0: W is then the constant price per token that
pays for them. List prices are held over the life. The design is held: with other traffic another one would be best. Nothing here says
that the models are equally good.

Where a provider charges for writing to its cache and the scenario has cache hits, all input that was not read from the cache is billed as
written to it. Above the threshold of a long-context price (`prompt_tokens`), its multipliers apply.
"""

import math
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from ..assumptions.arguments import NUMBER, checks
from ..assumptions.numbers import parse_number
from ..assumptions.present import levelled_demand
from ..assumptions.problems import InputError, near_miss
from ..assumptions.scenario import SCENARIO, Scenario
from ..assumptions.tables import rows
from ..model.outputs import units_of
from ..optimum.solution import Solution

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "AGAINST",
    "Against",
    "Price",
    "against",
    "blended",
    "break_even_tokens",
    "list_prices",
    "price_of",
    "prices_for",
]

_MTOK = 1e6
_UNSERVED = "the scenario serves 0 tokens, so it has no price per token; give it traffic."
AGAINST = (
    "api_usd_per_mtok",
    "own_usd_per_mtok",
    "own_serving_usd_per_mtok",
    "break_even_tokens",
    "break_even_tokens_per_month",
    "margin",
)
"""Columns of a comparison with a list price."""


class Price(NamedTuple):
    """A list price, in USD per million tokens."""

    name: str
    """model, with its tier where that is not standard, and its host"""
    provider: str
    input: float
    output: float
    cache_read: float
    """NaN where cached input costs what other input does"""
    cache_write: float
    """NaN where writing to the cache is free"""
    long_context: tuple[float, float, float]
    """tokens of a prompt above which input and output cost these multiples; infinite where there is no such price"""
    source: str
    as_of: str


class Against(NamedTuple):
    """A plan against a list price."""

    price: Price
    api_usd_per_mtok: float
    """P, blended by the scenario's mix"""
    own_usd_per_mtok: float
    """W, all bills over the tokens served"""
    own_serving_usd_per_mtok: float
    """S, prefill and decode alone"""
    break_even_tokens: float
    """T*, lifetime tokens; infinite where serving alone costs more than the API"""
    break_even_tokens_per_month: float
    """T* over the months of the forecast; NaN for a total without months"""
    margin: float
    """1 - W / P: what is left of the API's price at the scenario's traffic"""

    def numbers(self) -> dict[str, float]:
        """The numbers by their column."""
        return {name: float(getattr(self, name)) for name in AGAINST}

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; what is not finite is None."""
        plain = {name: value if math.isfinite(value) else None for name, value in self.numbers().items()}
        return {"price": self.price.name, **plain, "source": self.price.source, "as_of": self.price.as_of}


@cache
def _prices() -> dict[str, Price]:
    """Every list price, by name."""
    found: dict[str, Price] = {}
    for r in rows("api_prices"):
        if not (r["input_usd_per_mtok"] and r["output_usd_per_mtok"]):
            continue
        host = r["provider"].removeprefix("host:") if r["provider"].startswith("host:") else ""
        tier = "" if r["tier"].startswith("standard") else f" {r['tier']}"
        name = f"{r['model']}{tier}{f' at {host}' if host else ''}"
        numbers = {
            key: float(r[key]) if r[key] else math.nan for key in r if key.endswith(("_mtok", "_tokens", "_multiplier"))
        }
        threshold = numbers["long_context_threshold_tokens"]
        long = (
            (threshold, numbers["long_input_multiplier"], numbers["long_output_multiplier"])
            if threshold == threshold
            else (math.inf, 1.0, 1.0)
        )
        found[name] = Price(
            name,
            host or r["provider"],
            numbers["input_usd_per_mtok"],
            numbers["output_usd_per_mtok"],
            numbers["cache_read_usd_per_mtok"],
            numbers["cache_write_5m_usd_per_mtok"],
            long,
            r["source"],
            r["as_of"],
        )
    return found


def price_of(name: str) -> Price:
    """The list price of a model, by its name in data/api_prices.csv: "GPT-5", "Claude Opus 4.8 fast", "gpt-oss-120b at groq".

    Raises:
        InputError: no price is on record under that name.

    """
    known = _prices()
    by_fold = {key.casefold(): price for key, price in known.items()}
    found = by_fold.get(str(name).casefold())
    if found is None:
        hosts = [key for key in known if key.casefold().startswith(f"{str(name).casefold()} at ")]
        how = f" It is offered at several hosts: {', '.join(hosts)}." if hosts else ""
        raise InputError(
            [f"no list price of {name!r} is on record{near_miss(str(name), known)}{how} overtrain prices lists all."]
        )
    return found


def blended(scenario: Scenario, price: Price, prompt_tokens: float = 0.0) -> float:
    """Price of a million tokens of the scenario's mix at a list price, USD.

    Args:
        scenario: its traffic gives the shares of fresh, cached and output tokens.
        price: of `price_of`.
        prompt_tokens: length of a prompt, for providers with a price for long ones (tokens).

    Raises:
        InputError: the scenario serves nothing.

    >>> from optimizer.assumptions.library import load
    >>> mixed = load("frontier-moe-chat", {"traffic.input_share": 0.78, "traffic.cache_hit_share": 0})
    >>> round(blended(mixed, price_of("GPT-5")), 4)
    3.175

    """
    read, cached, written = (float(v) for v in levelled_demand(scenario))
    if read + written <= 0:
        raise InputError([_UNSERVED])
    _, input_times, output_times = price.long_context if prompt_tokens > price.long_context[0] else (0.0, 1.0, 1.0)
    fresh = price.cache_write if cached and price.cache_write == price.cache_write else price.input
    again = price.cache_read if price.cache_read == price.cache_read else price.input
    bill = ((read - cached) * fresh + cached * again) * input_times + written * price.output * output_times
    return bill / (read + written)


def break_even_tokens(fixed_usd: float, api_usd_per_mtok: float, own_usd_per_mtok: float = 0.0) -> float:
    """T* = fixed cost / (API price - own cost per token): the tokens from which one's own model is cheaper; infinite where it never is.

    >>> f"{break_even_tokens(320, 3.0):.5g}", f"{break_even_tokens(5.334e6, 3.175, 0.50):.4g}"
    ('1.0667e+08', '1.994e+12')

    """
    saved = api_usd_per_mtok - own_usd_per_mtok
    return fixed_usd / saved * _MTOK if saved > 0 else math.inf


def prices_for(scenario: Scenario, models: Sequence[str]) -> list[Price]:
    """The list prices that a plan of the scenario is to be compared with, checked before it is solved.

    Raises:
        InputError: a price is not on record, costs are in FLOP, or the scenario serves nothing; all at once.

    """
    problems: list[str] = []
    found = []
    for model in models:
        try:
            found.append(price_of(model))
        except InputError as error:
            problems += error.problems
    if models and not scenario.money.in_usd:
        problems.append(
            "list prices are in USD: set money.unit = 'usd', with the chips and their prices, to compare a plan with them."
        )
    demand = scenario.traffic.demand()
    if models and not float(demand.input_tokens) + float(demand.output_tokens) > 0:
        problems.append(_UNSERVED)
    if problems:
        raise InputError(problems)
    return found


def against(best: Solution, price: Price, prompt_tokens: float = 0.0) -> Against:
    """A plan against a list price.

    Args:
        best: the plan, with costs in USD.
        price: of `prices_for`.
        prompt_tokens: as in `blended`.

    """
    scenario = best.scenario
    offered = blended(scenario, price, prompt_tokens)
    training = float(best.cost.pretraining) + float(best.cost.rl)
    whole, serving = best.usd_per_mtok
    # Levelled costs count discounted tokens; the break-even is in tokens served.
    read, _, written = (float(v) for v in scenario.traffic.demand())
    counted = levelled_demand(scenario)
    later = (read + written) / float(counted.input_tokens + counted.output_tokens)
    tokens = later * break_even_tokens(training, offered, serving)
    months = len(scenario.traffic.by_month())
    return Against(price, offered, whole, serving, tokens, tokens / months if months else math.nan, 1 - whole / offered)


@checks(scenario=SCENARIO, prompt_tokens=NUMBER)
def list_prices(scenario: Scenario, prompt_tokens: float | str = 0.0) -> "pd.DataFrame":
    """Every list price on record with its price for the scenario's mix, cheapest first.

    Args:
        scenario: its traffic gives the mix.
        prompt_tokens: as in `blended`.

    Returns:
        Index `price`; provider, input, output, cache read and write (USD/Mtok, NaN where there is none), api_usd_per_mtok for the mix,
        as_of, source. `attrs["units"]` gives the units.

    """
    import pandas as pd

    length = parse_number(prompt_tokens, "tokens")
    records = [
        {
            "price": p.name,
            "provider": p.provider,
            "input_usd_per_mtok": p.input,
            "output_usd_per_mtok": p.output,
            "cache_read_usd_per_mtok": p.cache_read,
            "cache_write_usd_per_mtok": p.cache_write,
            "api_usd_per_mtok": blended(scenario, p, length),
            "as_of": p.as_of,
            "source": p.source,
        }
        for p in _prices().values()
    ]
    frame = pd.DataFrame.from_records(records, index="price").sort_values("api_usd_per_mtok", kind="stable")
    frame.attrs["units"] = units_of([str(c) for c in frame.columns], "USD")
    return frame
