"""The lecture's "100x over-trained": its arithmetic, its scenario, and what the answer rests on.

The lecture (Reiner Pope, April 2026): with pre-training, RL and inference at equal cost, a frontier model with 100B active parameters
sees about 100 times more tokens than Chinchilla's 20 per parameter.
"""

from ..analysis.elasticities import elasticities
from ..analysis.why import Step
from ..assumptions.library import load
from ..assumptions.numbers import SECONDS_PER_DAY, human
from ..assumptions.scenario import Scenario
from ..assumptions.speed import efficiencies
from ..optimum.solve import solve

__all__ = ["arithmetic", "carries", "lecture", "pinned"]

TOTAL_TOKENS_PER_SECOND = 500e6
FAMILY_SHARE = 0.1
LIFE_DAYS = 60.0
ROUNDED_TOKENS = 200e12
RUMOURED_CORPUS = 150e12
ACTIVE_PARAMS = 100e9
CLAIM = 100.0

EXACT_TOKENS = TOTAL_TOKENS_PER_SECOND * FAMILY_SHARE * LIFE_DAYS * SECONDS_PER_DAY


def arithmetic() -> list[Step]:
    """The lecture's own numbers, line by line."""
    rate = TOTAL_TOKENS_PER_SECOND * FAMILY_SHARE
    chinchilla = 20 * ACTIVE_PARAMS
    s = lecture()
    per_rl = float(s.rl.flops_per_param_token) / s.rl.efficiency
    per_served = s.serving.flops_per_param_token / efficiencies(s).decode
    k = s.pretraining.flops_per_param_token
    return [
        Step(
            "traffic of one model",
            f"{human(TOTAL_TOKENS_PER_SECOND)} tokens/s x {FAMILY_SHARE:g}",
            f"{human(rate)} tokens/s",
        ),
        Step(
            "inference over two months",
            f"{human(rate)} tokens/s x {human(LIFE_DAYS * SECONDS_PER_DAY)} s",
            f"{human(EXACT_TOKENS)} tokens, quoted as {human(ROUNDED_TOKENS)}",
        ),
        Step("Chinchilla for 100B active", f"20 x {human(ACTIVE_PARAMS)}", f"{human(chinchilla)} tokens"),
        Step(
            "over-training at D = T",
            f"{human(ROUNDED_TOKENS)} / {human(chinchilla)}",
            f"{ROUNDED_TOKENS / chinchilla:g}x",
        ),
        Step(
            "with the rumoured corpus",
            f"{human(RUMOURED_CORPUS)} / {human(chinchilla)}",
            f"{human(RUMOURED_CORPUS)} and {RUMOURED_CORPUS / chinchilla:g}x",
        ),
        Step(
            "equal cost of the three bills",
            f"{k:g} N D = {per_rl:g} N R = {per_served:g} N T",
            f"D = {per_rl / k:g} R = {'' if per_served == k else f'{per_served / k:g} '}T",
        ),
    ]


def lecture(law: str = "besiroglu", tokens: float = ROUNDED_TOKENS) -> Scenario:
    """The lecture preset under a law, with `tokens` served and RL tokens at the lecture's equal cost, tokens / 1.5."""
    return load("lecture-2026").update({"law": law, "traffic.output_tokens": tokens, "rl.tokens": tokens / 1.5})


def pinned(scenario: Scenario) -> Scenario:
    """The scenario with N pinned at the lecture's 100B, which asks for the D that makes it optimal."""
    return scenario.update({"goal": {"kind": "params", "params": ACTIVE_PARAMS}})


def carries() -> tuple[dict[str, float], str]:
    """What the result rests on: elasticities of D*/(20 N) at the lecture's inputs, and one sentence that reads them.

    Returns:
        d ln(ratio) / d ln(assumption) by dotted path, and the sentence.

    """
    s = pinned(lecture())
    paths = ["law.beta", "law.alpha", "traffic.output_tokens", "rl.tokens", "serving.decode_efficiency"]
    found = elasticities(s).loc[paths, "overtraining_vs_rule_of_20"].to_dict()
    best = solve(s)
    r = float(best.cost.total) / float(best.cost.pretraining) - 1
    beta = float(s.law.chinchilla.beta)
    sentence = (
        f"What carries the result is the law's token exponent beta: with N held at {human(ACTIVE_PARAMS)}, 1 % less of it alone means "
        f"{-found['law.beta']:.1f} % more over-training, against {found['traffic.output_tokens']:.2f} % for 1 % more traffic and "
        f"{found['rl.tokens']:.2f} % for 1 % more RL tokens, because D* = D0 (1 + r)^(1/beta) with r = {r:.2f} and beta = {beta:g} under "
        f"{s.law.title}, and every law is extrapolated here beyond the runs it was fitted on."
    )
    return found, sentence
