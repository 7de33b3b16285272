"""What an answer says of prompts: the chips and replicas that compute them, and the time to a first token."""

import math
from typing import NamedTuple

from ..assumptions.numbers import human, percent
from ..assumptions.present import paid_demand
from ..assumptions.scenario import Scenario
from ..assumptions.speed import load_factor
from .loop import ENDLESS, first_token_parts, first_token_wait, prompt_tokens
from .prompts import prompt_deployment
from .replica import replica
from .step import step_time

__all__ = ["Prompted", "prompted", "replicas_for_each"]


def replicas_for_each(chips_for_each: float, decode_chips: float, prompt_chips: float) -> float:
    """Replicas that compute prompts for each that decodes, from the chips for each chip; both have as many pipeline stages.

    >>> replicas_for_each(0.25, decode_chips=32, prompt_chips=4)
    2.0

    """
    return chips_for_each * decode_chips / prompt_chips


class Prompted(NamedTuple):
    """How prompts are computed."""

    prefill: str
    """apart or together"""
    chips: float
    """of a replica and pipeline stage that computes them"""
    per_decode_chip: float
    """chips that compute prompts for each that decodes, or together the times of both; NaN where nothing is answered"""
    stages: float
    """pipeline stages of a replica, as many as where tokens are decoded"""
    per_decode_replica: float
    """replicas that compute prompts for each that decodes; NaN where those decode too, or nothing is answered"""
    prompt_tokens: float
    """of the prompt whose first token is asked about"""
    first_token_seconds: float
    """of a prompt that waits for no other"""
    load: float
    """share of all time that those chips are busy"""
    percentile: float | None
    """share of prompts that come within `queued_first_token_seconds`; None for their mean"""
    queued_first_token_seconds: float
    """after the prompts before it; NaN where chips are always busy"""

    @property
    def sentence(self) -> str:
        """Where prompts are computed and when their first token comes."""
        alone = f"{human(self.first_token_seconds, 3)} s"
        said = f"{self._where}. The first token of a prompt of {human(self.prompt_tokens)} comes after {alone}"
        if math.isnan(self.queued_first_token_seconds):
            return f"{said} where no other prompt is before it."
        whose = "on average" if self.percentile is None else f"for {percent(self.percentile)} of prompts"
        queued = f"{human(self.queued_first_token_seconds, 3)} s {whose} at a load of {percent(self.load)}"
        return f"{said}, or {queued}."

    @property
    def _where(self) -> str:
        """The replicas that compute prompts, and how many of them the traffic needs."""
        if self.prefill == "together":
            share = self.per_decode_chip / (1 + self.per_decode_chip)
            work = f", for {percent(share)} of their work" if share > 0 else ""
            return f"Prompts: on the chips that decode, between their steps{work}"
        size = f"{self.chips:g} {'chip' if self.chips == 1 else 'chips'}"
        size = f"{self.stages:g} pipeline stages of {size}" if self.stages > 1 else size
        many = ""
        if self.per_decode_chip > 0:
            many = (
                f", {human(self.per_decode_replica, 3)} for each replica that decodes ({human(self.per_decode_chip, 3)} "
                "chips for each chip)"
            )
        return f"Prompts: on replicas of {size} of their own{many}"


def prompted(
    scenario: Scenario, n_params: float, batch: float, seconds_per_token: tuple[float, float]
) -> Prompted | None:
    """How the prompts of a design are computed; None without the roofline.

    Args:
        scenario: with its placement given.
        n_params: active parameters.
        batch: sequences of a decode step.
        seconds_per_token: of `fleet.chip_seconds_per_token`.

    """
    if not scenario.serving.by_roofline:
        return None
    demand, d = paid_demand(scenario), prompt_deployment(scenario)
    per_input, per_output = seconds_per_token
    decoding = float(demand.output_tokens) * per_output
    computing = float(demand.input_tokens - demand.cached_tokens) * per_input
    step = float(step_time(replica(scenario, n_params), batch).total) if d.prefill == "together" else 0.0
    each = computing / decoding if decoding > 0 else math.nan
    chips, decode_chips = (float(where.chips_on(scenario.money.serve_chip)) for where in (d, scenario.deployment))
    alone, sent = map(float, first_token_parts(scenario, n_params, step))
    waits = float(first_token_wait(scenario))
    return Prompted(
        prefill=d.prefill,
        chips=chips,
        per_decode_chip=each,
        stages=float(d.stages),
        per_decode_replica=math.nan if d.prefill == "together" else replicas_for_each(each, decode_chips, chips),
        prompt_tokens=float(prompt_tokens(scenario)),
        first_token_seconds=alone + sent,
        load=float(load_factor(scenario)),
        percentile=scenario.limits.first_token_percentile,
        queued_first_token_seconds=alone * (1 + waits) + sent if waits < ENDLESS else math.nan,
    )
