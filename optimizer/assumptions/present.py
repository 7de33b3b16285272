"""Present value: what the bill of each month of service counts for in the cost over the life.

    weight of month i = ((1 - g) / (1 + r))^((i + 1/2) / 12),        i = 0, 1, ...

with r = money.discount_rate and g = money.price_decline, both per year. Each month of serving is paid in its middle, at the chip prices of
that time; training and RL are paid at month 0, the start of service, at the prices that are given. Cost is linear in tokens, so weighted
tokens are all that it sees of a forecast and the two rates. Reported tokens and chips are not weighted.
"""

from typing import Any

import numpy as np

from .quantity import Numeric
from .scenario import Scenario
from .traffic import Demand, TotalTraffic

__all__ = [
    "RATES",
    "as_paid",
    "levelled_demand",
    "not_discounted",
    "paid_demand",
    "undiscounted",
    "weighted_days",
    "weights",
]

RATES = ("discount_rate", "price_decline")
"""The numbers of `money` that weigh the months."""


def weights(months: int, discount_rate: Numeric, price_decline: Numeric) -> Numeric:
    """What the bill of each month counts for, shape (months,): 1 where both rates are 0.

    >>> weights(24, 0.1, 0.0)[[0, 23]].round(4).tolist()
    [0.996, 0.8297]

    """
    middle = (np.arange(float(months)) + 0.5) / 12
    return ((1 - price_decline) / (1 + discount_rate)) ** middle


def weighted_days(scenario: Scenario) -> Numeric:
    """Days of each month of the forecast times its weight; empty for a forecast that is a total."""
    days = scenario.traffic.days()
    if not len(days):
        return days
    return days * weights(len(days), *(getattr(scenario.money, rate) for rate in RATES))


def paid_demand(scenario: Scenario) -> Demand:
    """Expected tokens over the life, each counted with the weight of its month: those that the serving bill is proportional to."""
    return scenario.traffic.demand(weighted_days(scenario))


def levelled_demand(scenario: Scenario) -> Demand:
    """Expected tokens over the life, discounted, whatever becomes of prices: those on which a constant price per token is earned."""
    return paid_demand(_with_rates(scenario, price_decline=0.0))


def not_discounted(scenario: Scenario) -> Scenario:
    """The same question without a discount rate."""
    return _with_rates(scenario, discount_rate=0.0)


def as_paid(scenario: Scenario) -> Scenario:
    """The same bill with the forecast as its total, weights included, and no rates: all that an optimum depends on."""
    traffic = scenario.traffic
    if isinstance(traffic, TotalTraffic):
        return scenario
    paid = paid_demand(scenario)
    total = TotalTraffic(
        input_tokens=float(paid.input_tokens),
        output_tokens=float(paid.output_tokens),
        cache_hit_share=traffic.cache_hit_share,
        peak_to_mean=traffic.peak_to_mean,
    )
    return _with_rates(scenario, **dict.fromkeys(RATES, 0.0)).model_copy(update={"traffic": total})


def undiscounted(scenario: Scenario) -> dict[str, Any]:
    """Changes that set the rates of a scenario to 0, as traffic without months needs."""
    return {f"money.{rate}": 0.0 for rate in RATES if getattr(scenario.money, rate)}


def _with_rates(scenario: Scenario, **rates: float) -> Scenario:
    return scenario.model_copy(update={"money": scenario.money.model_copy(update=rates)})
