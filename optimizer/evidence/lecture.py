"""The lecture's "100x over-trained": its arithmetic, the exact optimum under every credible law, and what the answer rests on.

The lecture (Reiner Pope, April 2026): with pre-training, RL and inference at equal cost, a frontier model with 100B active parameters
sees about 100 times more tokens than Chinchilla's 20 per parameter.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ..analysis.elasticities import elasticities
from ..analysis.laws import ensemble as under_every_law
from ..analysis.laws import geometric_mean as weighted_mean
from ..analysis.laws import in_band
from ..analysis.why import Step
from ..assumptions.law import law_names
from ..assumptions.library import load
from ..assumptions.numbers import SECONDS_PER_DAY, human
from ..assumptions.scenario import Scenario
from ..assumptions.speed import efficiencies
from ..model.cost import design_of, lifecycle_cost
from ..optimum.solve import solve

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["arithmetic", "carries", "ensemble", "geometric_mean", "lecture", "pinned", "waterfall"]

TOTAL_TOKENS_PER_SECOND = 500e6
FAMILY_SHARE = 0.1
LIFE_DAYS = 60.0
ROUNDED_TOKENS = 200e12
RUMOURED_CORPUS = 150e12
ACTIVE_PARAMS = 100e9
CLAIM = 100.0
SAME_FIT = ("hoffmann", "de-vries")
"""Two readings of one fit, which an ensemble may count once."""

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


def geometric_mean(by_law: Mapping[str, float], *, same_fit_once: bool = False) -> float:
    """Geometric mean over laws; with `same_fit_once` the two readings of the Hoffmann fit enter as one."""
    weights = [1 / len(SAME_FIT) if same_fit_once and law in SAME_FIT else 1.0 for law in by_law]
    return weighted_mean(np.array([*by_law.values()]), np.array(weights))


def ensemble() -> "pd.DataFrame":
    """The exact answer to the lecture's question, one row for every credible law: `optimizer.ensemble` asked three times.

    Returns:
        Index law; D0(100B), D* with N pinned at 100B for both traffic figures, optimum and 5 % band of the loss goal, cost of the
        lecture's own point (100B on 200T) above the optimum, and whether 100x lies in the band. `attrs["units"]` gives the units.

    """
    import pandas as pd

    asked = (lecture(), pinned(lecture()), pinned(lecture(tokens=EXACT_TOKENS)))
    free, rounded, exact = (found.query("kind == 'law'") for found in map(under_every_law, asked))
    laws = {law: lecture(str(law)) for law in free.index}
    point = {
        law: float(lifecycle_cost(s, design_of(s, ACTIVE_PARAMS, ROUNDED_TOKENS)).total) for law, s in laws.items()
    }
    columns: dict[str, tuple[object, str]] = {
        "D0_100B": ({law: float(s.law.train_optimal_tokens(ACTIVE_PARAMS)) for law, s in laws.items()}, "tokens"),
        "pinned_train_tokens": (rounded["train_tokens"], "tokens"),
        "pinned_vs_rule_of_20": (rounded["overtraining_vs_rule_of_20"], "1"),
        "pinned_vs_law": (rounded["overtraining_vs_law"], "1"),
        "pinned_exact_train_tokens": (exact["train_tokens"], "tokens"),
        "pinned_exact_vs_rule_of_20": (exact["overtraining_vs_rule_of_20"], "1"),
        "n_params": (free["n_params"], "parameters"),
        "train_tokens": (free["train_tokens"], "tokens"),
        "vs_rule_of_20": (free["overtraining_vs_rule_of_20"], "1"),
        "band_n_params_low": (free["band_n_params_low"], "parameters"),
        "band_n_params_high": (free["band_n_params_high"], "parameters"),
        "band_vs_rule_of_20_low": (free["band_overtraining_vs_rule_of_20_low"], "1"),
        "band_vs_rule_of_20_high": (free["band_overtraining_vs_rule_of_20_high"], "1"),
        "lecture_point_excess_cost": (pd.Series(point) / free["cost_total"] - 1, "1"),
        "claim_in_band": (in_band(free, CLAIM), ""),
    }
    frame = pd.DataFrame({name: value for name, (value, _) in columns.items()}, index=free.index)
    frame.attrs["units"] = {name: unit for name, (_, unit) in columns.items() if unit}
    return frame


def waterfall() -> "pd.DataFrame":
    """How the over-training ratio builds up at N pinned at 100B: Chinchilla, + inference, + decode efficiency, + RL.

    Returns:
        One row a step: D*/(20 N) under every law, their geometric mean, and the factor by which the step raises that mean.

    """
    import pandas as pd

    steps = {
        "Chinchilla, training alone": {"traffic.output_tokens": 0.0, "rl": {"policy": "none"}},
        "+ inference at training efficiency": {"serving.decode_efficiency": 1.0, "rl": {"policy": "none"}},
        "+ decode efficiency 1/3": {"rl": {"policy": "none"}},
        "+ reinforcement learning": {},
    }
    laws = law_names("ensemble")
    ratios = {
        step: [solve(pinned(lecture(law)).update(change)).overtraining.vs_rule_of_20 for law in laws]
        for step, change in steps.items()
    }
    frame = pd.DataFrame.from_dict(ratios, orient="index", columns=pd.Index(laws))
    frame.index.name = "step"
    mean = pd.Series({step: geometric_mean(dict(zip(laws, found, strict=True))) for step, found in ratios.items()})
    frame["geometric_mean"] = mean
    frame["factor"] = mean / mean.shift(1)
    return frame


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
