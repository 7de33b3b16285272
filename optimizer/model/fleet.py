"""The chips that a design keeps busy, those of its pre-training and those that serve its forecast month by month, and their energy.

    chip-hours = k N D / (3600 F mfu)                        days = chip-hours / (24 fleet)
    busy chips = (T_in (1 - h) tau_in + T_out tau_out) / 86400

F peak FLOP/s of a training chip, T tokens a day, h the share of input read from a cache, tau chip-seconds per token at full load: s N over
the useful FLOP/s of a serving chip, or what the roofline finds for the deployment. Chips are counted in whole replicas, those that
compute prompts and those that decode each by their own size where they are apart, and are no part of the cost. Research runs and RL come
on top of the chip-hours. A chip draws its whole power (`watts`) whenever it is paid for:

    energy of training = chip-hours W        energy per token = busy chip-seconds per token W / load factor
"""

import math
from typing import NamedTuple

from ..assumptions.attention import multiplied_params
from ..assumptions.numbers import SECONDS_PER_DAY, SECONDS_PER_HOUR
from ..assumptions.quantity import Numeric
from ..assumptions.scenario import Scenario
from ..assumptions.speed import efficiencies, load_factor, utilisation
from .cost import Design, pretraining_flops, served_by
from .prompts import prompt_deployment
from .total import total_params

__all__ = [
    "Fleet",
    "MonthChips",
    "chip_hours",
    "chip_seconds_per_mtok",
    "chip_seconds_per_token",
    "fleet_of",
    "replica_chips",
    "serving_chips",
    "training_days",
]

_ROUNDING = 1e-9
"""Share of a replica by which a demand may pass a whole number of them: rounding."""


class MonthChips(NamedTuple):
    """The serving chips of one month, in whole replicas."""

    month: str
    """as 2026-05"""
    chips: float
    """for the mean of the month, every chip busy all the time"""
    chips_at_peak: float
    """for the busiest time of the month: traffic.peak_to_mean times the mean, or what serving.load_factor leaves idle on average"""
    prefill_chips: float = 0.0
    """those of `chips` that compute prompts; 0 where the same replicas decode"""
    prefill_chips_at_peak: float = 0.0
    """those of `chips_at_peak` that do"""


class Fleet(NamedTuple):
    """What a design needs, and for how long."""

    total_params: float
    """parameters, experts included"""
    chip_hours: float
    """of money.train_chip, for the final pre-training run"""
    training_days: float
    """of that run on limits.fleet_chips; NaN where no fleet is given"""
    months: tuple[MonthChips, ...]
    """serving chips month by month; none for a forecast that is a total"""
    training_mwh: float
    """energy of that run (MWh); NaN where the power of the training chip is not on record"""
    kwh_per_mtok: float
    """energy of serving a million tokens of the scenario's mix (kWh); NaN without the power of that chip, or where nothing is served"""
    chip_kw: float
    """power of one serving chip (kW); NaN where it is not on record"""

    @property
    def serving_kw(self) -> float:
        """Power of the serving chips at the peak of the month that needs most (kW); NaN without months."""
        return self.chip_kw * self.serving_chips_at_peak

    @property
    def serving_chips(self) -> float:
        """Serving chips of the month that needs most, at its mean; NaN without months."""
        return max((m.chips for m in self.months), default=math.nan)

    @property
    def serving_chips_at_peak(self) -> float:
        """Serving chips of the month that needs most, at its peak; NaN without months."""
        return max((m.chips_at_peak for m in self.months), default=math.nan)


def fleet_of(scenario: Scenario, design: Design, seconds_per_token: tuple[float, float]) -> Fleet:
    """What a design needs. `seconds_per_token`: of `chip_seconds_per_token`; NaN where the deployment cannot serve the design."""
    n, d = float(design.n_params), float(design.train_tokens)
    days, hours = training_days(scenario, n, d), float(chip_hours(scenario, n, d))
    chip_kw = scenario.money.serve_chip.kw
    return Fleet(
        total_params=float(total_params(scenario, n)),
        chip_hours=hours,
        training_days=math.nan if days is None else float(days),
        months=serving_chips(scenario, seconds_per_token),
        training_mwh=hours * scenario.money.train_chip.kw / 1e3,
        kwh_per_mtok=chip_seconds_per_mtok(scenario, seconds_per_token) * chip_kw / SECONDS_PER_HOUR,
        chip_kw=chip_kw,
    )


def chip_seconds_per_mtok(scenario: Scenario, seconds_per_token: tuple[float, float]) -> float:
    """Paid seconds of a serving chip per million tokens of the scenario's mix, idle ones included; NaN where nothing is served."""
    read, cached, written = (float(v) for v in scenario.traffic.demand())
    if not read + written > 0:
        return math.nan
    per_input, per_output = seconds_per_token
    return (
        1e6 * ((read - cached) * per_input + written * per_output) / ((read + written) * float(load_factor(scenario)))
    )


def chip_hours(scenario: Scenario, n_params: Numeric, train_tokens: Numeric) -> Numeric:
    """Hours of money.train_chip that the final pre-training run takes at the utilisation of pre-training."""
    useful = scenario.money.train_chip.peak_flops * utilisation(scenario)
    return pretraining_flops(scenario, n_params, train_tokens) / (SECONDS_PER_HOUR * useful)


def training_days(scenario: Scenario, n_params: Numeric, train_tokens: Numeric) -> Numeric | None:
    """Days of the final pre-training run on limits.fleet_chips; None where no fleet is given."""
    fleet = scenario.limits.fleet_chips
    return (
        None
        if fleet is None
        else chip_hours(scenario, n_params, train_tokens) * SECONDS_PER_HOUR / (SECONDS_PER_DAY * fleet)
    )


def chip_seconds_per_token(scenario: Scenario, n_params: Numeric) -> tuple[Numeric, Numeric]:
    """Seconds of one money.serve_chip per computed input token and per output token, at full load."""
    s = scenario
    if s.serving.by_roofline:
        served = served_by(s, n_params)
        return served.prefill, served.decode
    multiplied, relative = multiplied_params(s, n_params), efficiencies(s)
    seconds = s.serving.flops_per_param_token / (s.money.serve_chip.peak_flops * utilisation(s))
    return seconds * multiplied.prefill / relative.prefill, seconds * multiplied.decode / relative.decode


def replica_chips(scenario: Scenario) -> tuple[float, float]:
    """Chips that are added together where prompts are computed and where tokens are decoded: a replica, or 1 without a deployment."""
    if not scenario.serving.by_roofline:
        return 1.0, 1.0
    chip = scenario.money.serve_chip
    prompts, decoding = (float(d.chips_on(chip) * d.stages) for d in (prompt_deployment(scenario), scenario.deployment))
    return prompts, decoding


def serving_chips(scenario: Scenario, seconds_per_token: tuple[float, float]) -> tuple[MonthChips, ...]:
    """The chips of every month of the forecast, if the model ships; none for a forecast that is a total.

    Args:
        scenario: its traffic, load factor and deployment.
        seconds_per_token: of `chip_seconds_per_token`.

    """
    traffic, (for_prompts, for_decoding) = scenario.traffic, replica_chips(scenario)
    apart = scenario.serving.by_roofline and scenario.deployment.prefill == "apart"
    per_input, per_output = (traffic.share * v / SECONDS_PER_DAY for v in seconds_per_token)
    per_input *= 1 - traffic.cache_hit_share
    peak = 1 / float(load_factor(scenario)) if traffic.peak_to_mean is None else traffic.peak_to_mean
    found = []
    for m in traffic.by_month():
        prompts, decoding = m.input_tokens_per_day * per_input, m.output_tokens_per_day * per_output
        own, rest = (prompts, decoding) if apart else (0.0, prompts + decoding)
        both = [(_whole(n * own, for_prompts), _whole(n * rest, for_decoding)) for n in (1.0, peak)]
        found.append(MonthChips(m.month, *map(sum, both), *(p for p, _ in both)))
    return tuple(found)


def _whole(chips: float, at_once: float) -> float:
    """Chips in whole replicas of so many; NaN where they are not known."""
    replicas = chips / at_once
    return at_once * math.ceil(replicas - _ROUNDING) if math.isfinite(replicas) else math.nan
