"""Traffic: the tokens that the model reads and writes over its life.

A forecast is a total, a generator (start, growth, ramp, decay, lifetime) or a monthly table; each gives lifetime input and output
tokens. `share` takes a part of a larger total, `ship_probability` turns it into an expectation (cost is linear in tokens, so the
expectation is all that planning for expected cost needs), `cache_hit_share` is the share of input read from a prefix cache.
"""

import math
from abc import abstractmethod
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from pydantic import BeforeValidator, Field, model_validator

from .months import MONTH, days_in_months, month_after, month_of
from .named import Citation, NamedAssumption, unknown_name
from .numbers import amount, human, percent
from .quantity import Assumption, Numeric, choice, label, quantity
from .tables import row, rows
from .traffic_file import read_traffic, summary

__all__ = ["Demand", "GrowthTraffic", "Month", "TableTraffic", "TotalTraffic", "Traffic", "TrafficMonth"]

MAX_MONTHS = 240
_NO_DATE = "2000-01"

CalendarMonth = Annotated[str, BeforeValidator(month_of), Field(pattern=MONTH)]
"""A calendar month, stored as 2026-05 however it was written"""


class Demand(NamedTuple):
    """Expected tokens over the life of the model."""

    input_tokens: Numeric
    """tokens read, cached ones included"""
    cached_tokens: Numeric
    """input tokens found in a prefix cache; they are not computed again"""
    output_tokens: Numeric
    """tokens written"""


class Month(NamedTuple):
    """One month of a forecast. Where a life ends within the month, its last rate is lowered to the part that it covers."""

    month: str
    """as 2026-05"""
    days: float
    """days of the month"""
    input_tokens_per_day: float
    output_tokens_per_day: float


class _AnyTraffic(Assumption):
    tag: ClassVar[str] = "kind"

    share: float = quantity(
        "1", "share of the stated traffic that this model serves", gt=0, le=1, default=1.0, low=0.01, high=1
    )
    ship_probability: float = quantity(
        "1", "probability that the model ships at all", gt=0, le=1, default=1.0, low=0.3, high=1
    )
    cache_hit_share: float = quantity(
        "1",
        "cache hit share: of all input tokens, cached ones included, those that are found in a prefix cache",
        ge=0,
        le=1,
        default=0.0,
        low=0,
        high=0.9,
    )
    peak_to_mean: float | None = quantity(
        "1",
        "peak over mean traffic: tokens/s at the busiest time of a month over its mean; serving.load_factor is then at most 1 over it",
        ge=1,
        le=100,
        default=None,
        low=1.5,
        high=6,
    )

    def _arrays(self) -> Any:
        """numpy where every number is plain, which needs no compilation; JAX's arrays while JAX traces."""
        return jnp if any(isinstance(value, jax.Array) for value in jax.tree.leaves(self)) else np

    def days(self) -> Float[np.ndarray, " month"]:
        """Days of each month of the forecast; empty where it has no months."""
        return np.zeros(0)

    def by_month(self) -> list[Month]:
        """The forecast month by month, before share and probability of shipping; none for a total."""
        return []

    def undated(self) -> "_AnyTraffic":
        """The same forecast without its dates, which are text; `days` holds what they mean for the tokens."""
        return self

    @property
    def level(self) -> str:
        """The field that scales the forecast; "" for a table of months."""
        return ""

    @property
    def origin(self) -> list[str]:
        """The forecast that the tokens come from, in words; empty for a total."""
        return []

    @abstractmethod
    def stated(self, days: Numeric | None = None) -> tuple[Numeric, Numeric]:
        """(input, output) tokens over the life as stated, before share and probability.

        Args:
            days: of each month; those of the calendar when left out.

        """

    def demand(self, days: Numeric | None = None) -> Demand:
        """Expected lifetime tokens: stated tokens times share times probability of shipping. `days` as in `stated`."""
        read, written = self.stated(days)
        expected = self.share * self.ship_probability
        return Demand(read * expected, read * expected * self.cache_hit_share, written * expected)


class TotalTraffic(_AnyTraffic):
    """Lifetime tokens as two numbers."""

    kind: Literal["total"] = choice({"total": "Total"}, default="total")
    input_tokens: float = quantity(
        "tokens", "input tokens over the life", ge=0, default=0.0, low=0, high=1e16, uncertain=2
    )
    output_tokens: float = quantity("tokens", "output tokens over the life", ge=0, low=1e12, high=1e16, uncertain=2)

    @property
    def level(self) -> str:
        """The larger of the two numbers."""
        return "input_tokens" if self.input_tokens > self.output_tokens else "output_tokens"

    def stated(self, days: Numeric | None = None) -> tuple[Numeric, Numeric]:
        return self.input_tokens, self.output_tokens


class GrowthTraffic(_AnyTraffic, NamedAssumption):
    """A forecast from a start, a growth rate and a lifetime.

    Month i (0, 1, ...) runs at

        tokens_per_day (1 + growth)^i  min(1, (i + 1/2) / ramp_months)  (1 - decay)^max(0, i - decay_from)

    tokens a day for its calendar days: growth and decay step from month to month, the ramp counts at mid-month, and the last month
    counts for the part of it that `months` covers. A `name` is a published
    total (a key of data/traffic.csv) and gives tokens_per_day; `share` then takes the model's part of it.
    """

    kind: Literal["growth"] = choice({"growth": "Growth"}, default="growth")
    start: CalendarMonth = Field("2026-01", description="first month of service, YYYY-MM")
    tokens_per_day: float = quantity(
        "tokens/day",
        "input and output tokens per day at the start",
        ge=0,
        low=1e9,
        high=1e14,
        uncertain=2,
    )
    growth: float = quantity(
        "1/month", "monthly growth of traffic", gt=-1, le=1, default=0.0, low=-0.05, high=0.2, uncertain=2
    )
    months: float = quantity(
        "months",
        "lifetime of the model in service",
        gt=0,
        le=MAX_MONTHS,
        default=12.0,
        low=2,
        high=36,
        uncertain=1.5,
    )
    input_share: float = quantity(
        "1", "input tokens as a share of all tokens", ge=0, le=1, default=0.8, low=0.5, high=0.95
    )
    ramp_months: float = quantity(
        "months",
        "months until the launch ramp is complete",
        ge=0,
        le=MAX_MONTHS,
        default=0.0,
        low=0,
        high=6,
        uncertain=2,
    )
    decay: float = quantity(
        "1/month",
        "monthly loss of traffic to successors",
        ge=0,
        lt=1,
        default=0.0,
        low=0,
        high=0.3,
        uncertain=1.5,
    )
    decay_from: float = quantity(
        "months",
        "months in service before the decay begins",
        ge=0,
        le=MAX_MONTHS,
        default=0.0,
        low=0,
        high=24,
        uncertain=2,
    )

    @property
    def level(self) -> str:
        return "tokens_per_day"

    @property
    def origin(self) -> list[str]:
        rate = f"{human(self.tokens_per_day)} tokens a day at the start"
        lines = [f"{rate}, {self.title}" if self.title else rate, f"{amount(self.months)} months from {self.start}"]
        return [*lines, f"growth {percent(self.growth)} a month"] if self.growth else lines

    @classmethod
    def named(cls, given: dict[str, Any]) -> dict[str, Any]:
        published = {
            r["key"]: r["tokens_per_day"]
            for r in rows("traffic")
            if r["tokens_per_day"] and r["counts"] == "input+output"
        }
        if given["name"] not in published:
            raise unknown_name("published traffic total", given["name"], list(published))
        return {"tokens_per_day": float(published[given["name"]])}

    @classmethod
    def _cited(cls, name: str, field: str) -> Citation | None:  # noqa: ARG003
        found = row("traffic", "key", name)
        return Citation(found["kind"], found["source"], found["as_of"]) if found else None

    def days(self) -> Float[np.ndarray, " month"]:
        return days_in_months(self.start, MAX_MONTHS)

    def undated(self) -> "GrowthTraffic":
        return self.model_copy(update={"start": _NO_DATE})

    def by_month(self) -> list[Month]:
        rate, days = np.asarray(self.monthly(), float).tolist(), self.days().tolist()
        return [
            Month(month_after(self.start, i), days[i], rate[i] * self.input_share, rate[i] * (1 - self.input_share))
            for i in range(math.ceil(self.months))
        ]

    def monthly(self) -> Numeric:
        """Tokens per day of each month, shape (240,), zero after the end of life."""
        i, xp = np.arange(float(MAX_MONTHS)), self._arrays()
        # Not clip: at whole months its derivative would be half of that from either side.
        in_service = xp.where(self.months > i + 1, 1.0, xp.where(self.months > i, self.months - i, 0.0))
        ramped = xp.where(self.ramp_months > 0, xp.minimum(1, (i + 0.5) / xp.maximum(self.ramp_months, 1e-9)), 1.0)
        faded = (1 - self.decay) ** xp.maximum(0, i - self.decay_from)
        rate = self.tokens_per_day * xp.where(in_service > 0, (1 + self.growth) ** i * ramped * faded, 0.0)
        return rate * in_service

    def stated(self, days: Numeric | None = None) -> tuple[Numeric, Numeric]:
        tokens = self._arrays().sum((self.days() if days is None else days) * self.monthly())
        return tokens * self.input_share, tokens * (1 - self.input_share)


class TrafficMonth(Assumption):
    """One month of a traffic table."""

    month: CalendarMonth = Field(description="calendar month, YYYY-MM")
    input_tokens_per_day: float = quantity("tokens/day", "input tokens per day", ge=0)
    output_tokens_per_day: float = quantity("tokens/day", "output tokens per day", ge=0)


class TableTraffic(_AnyTraffic):
    """A forecast month by month: consecutive calendar months with input and output tokens per day.

    Input may give `file`, the path of a CSV, TSV or Excel file, instead of `table` (`traffic_file` says which are read); it is read at
    once, so that a scenario never depends on a file elsewhere. A file that has cached tokens gives `cache_hit_share` too.
    """

    also_reads: ClassVar[tuple[str, ...]] = ("file",)
    either: ClassVar[tuple[tuple[str, ...], ...]] = (("table",), ("file",))

    kind: Literal["table"] = choice({"table": "Table / CSV"}, default="table")
    table: Annotated[
        tuple[TrafficMonth, ...], Field(min_length=1, max_length=MAX_MONTHS, description="months in order")
    ]
    read_as: str = label("how the file that gave the table was read; empty once the table is changed")

    @model_validator(mode="before")
    @classmethod
    def _read_file(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("file") is not None and given.get("table") is None:
            given = dict(given)
            found = read_traffic(given.pop("file"))
            given |= {"table": found.rows, "read_as": found.understood}
            if found.cache_hit_share is not None:
                given["cache_hit_share"] = found.cache_hit_share
        return given

    @model_validator(mode="after")
    def _months_follow_each_other(self) -> "TableTraffic":
        problems = []
        for i, (before, after) in enumerate(zip(self.table, self.table[1:], strict=False), start=2):
            if after.month == before.month:
                problems.append(f"row {i} repeats month {after.month}; keep one row a month")
            elif after.month < before.month:
                problems.append(
                    f"row {i} ({after.month}) comes before row {i - 1} ({before.month}); put months in order"
                )
            elif after.month != month_after(before.month, 1):
                problems.append(
                    f"row {i} jumps from {before.month} to {after.month}; add the months between, with 0 tokens if there are none"
                )
        if problems:
            raise ValueError("table: " + "; ".join(problems))
        months = [(m.month, m.input_tokens_per_day, m.output_tokens_per_day) for m in self.table]
        if self.read_as and not self.read_as.startswith(f"{summary(months)}, "):
            object.__setattr__(self, "read_as", "")
        return self

    @property
    def origin(self) -> list[str]:
        return [self.read_as or f"a table of {len(self.table)} months from {self.table[0].month}"]

    def days(self) -> Float[np.ndarray, " month"]:
        return days_in_months(self.table[0].month, len(self.table))

    def by_month(self) -> list[Month]:
        return [
            Month(m.month, days, m.input_tokens_per_day, m.output_tokens_per_day)
            for m, days in zip(self.table, self.days().tolist(), strict=True)
        ]

    def undated(self) -> "TableTraffic":
        return self.model_copy(update={"table": tuple(m.model_copy(update={"month": _NO_DATE}) for m in self.table)})

    def stated(self, days: Numeric | None = None) -> tuple[Numeric, Numeric]:
        days = self.days() if days is None else days
        xp = self._arrays()
        read = xp.asarray([m.input_tokens_per_day for m in self.table])
        written = xp.asarray([m.output_tokens_per_day for m in self.table])
        return xp.sum(days * read), xp.sum(days * written)


Traffic = Annotated[TotalTraffic | GrowthTraffic | TableTraffic, Field(discriminator="kind")]
