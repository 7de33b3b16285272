"""What an answer says of prompts: the chips that compute them, and the time to a first token."""

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

__all__ = ["Prompted", "prompted"]


class Prompted(NamedTuple):
    """How prompts are computed."""

    prefill: str
    """apart or together"""
    chips: float
    """of a replica and pipeline stage that computes them"""
    per_decode_chip: float
    """chips that compute prompts for each that decodes, or together the times of both; NaN where nothing is answered"""
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
        said = f"Prompts: on replicas of {self.chips:g} {'chip' if self.chips == 1 else 'chips'} of their own"
        if self.prefill == "together":
            said = "Prompts: on the chips that decode, between their steps"
        if self.per_decode_chip > 0:
            share = self.per_decode_chip / (1 + self.per_decode_chip)
            said += (
                f", for {percent(share)} of their work"
                if self.prefill == "together"
                else f", {human(self.per_decode_chip, 3)} chips for each that decodes"
            )
        said += f". The first token of a prompt of {human(self.prompt_tokens)} comes after {human(self.first_token_seconds, 3)} s"
        if math.isnan(self.queued_first_token_seconds):
            return f"{said} where no other prompt is before it."
        whose = "on average" if self.percentile is None else f"for {percent(self.percentile)} of prompts"
        queued = f"{human(self.queued_first_token_seconds, 3)} s {whose} at a load of {percent(self.load)}"
        return f"{said}, or {queued}."


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
    alone, sent = map(float, first_token_parts(scenario, n_params, step))
    waits = float(first_token_wait(scenario))
    return Prompted(
        prefill=d.prefill,
        chips=float(d.chips_on(scenario.money.serve_chip)),
        per_decode_chip=computing / decoding if decoding > 0 else math.nan,
        prompt_tokens=float(prompt_tokens(scenario)),
        first_token_seconds=alone + sent,
        load=float(load_factor(scenario)),
        percentile=scenario.limits.first_token_percentile,
        queued_first_token_seconds=alone * (1 + waits) + sent if waits < ENDLESS else math.nan,
    )
