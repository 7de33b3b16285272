"""Revealed preference: the traffic that justifies a design, per law and with the law's own error, and that of released models by year.

    T / D = 3 (eN / eD - 1)        for 6 N D + 2 N T, see `implied`

The interval takes each draw of the law's posterior (the bootstraps of its fit) as the law; it says nothing of the law's error beyond its
runs, which the spread between laws shows better.

References:
    Besiroglu et al. 2024, arXiv 2404.10102 (posterior). Models: data/models.csv.

"""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..assumptions.arguments import NUMBER, Names, as_names, checks, names
from ..assumptions.law_file import is_law_file
from ..assumptions.numbers import parse_number
from ..assumptions.posterior import posterior_of
from ..assumptions.problems import InputError, near_miss
from ..assumptions.published_laws import law_names
from ..assumptions.scenario import SCENARIO, Scenario
from ..assumptions.sparsity import of_shape
from ..assumptions.tables import rows
from ..model.outputs import REVEALED, units_of
from .implied import implied_scales, implied_traffic
from .laws import under_law
from .plans import monthly_tokens

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["implied_by_law", "model_named", "plain_question", "released_models"]

DRAWS, SEED, INTERVAL = 400, 0, (0.1, 0.9)
DAYS = 365.0
"""Life of a model whose forecast is a total, which has no months."""


def plain_question() -> Scenario:
    """6 N D + 2 N T: training and one forward pass for every served token, no RL, as the literature asks."""
    return Scenario.from_dict(
        {
            "name": "6 N D + 2 N T",
            "goal": {"kind": "params", "params": 1e10},
            "traffic": {"kind": "total", "output_tokens": 1e12},
            "serving": {"decode_efficiency": 1.0},
        }
    )


def model_named(name: str) -> dict[str, Any]:
    """Size, tokens and ratio of all to active parameters of a model in data/models.csv.

    Raises:
        InputError: there is no such model, or its training tokens are not known.

    """
    found = {r["name"].casefold(): r for r in rows("models")}.get(name.casefold())
    if found is None:
        released = [r["name"] for r in rows("models")]
        raise InputError(
            [f"{name!r} is not in data/models.csv{near_miss(name, released)} Give --params N and --tokens D instead."]
        )
    if not (found["active_params"] and found["pretrain_tokens"]):
        raise InputError([f"{found['name']} has no published number of training tokens; give --params and --tokens."])
    return _model(found)


def _model(row: Mapping[str, str]) -> dict[str, Any]:
    active, every = float(row["active_params"]), float(row["total_params"] or row["active_params"])
    return {
        "name": row["name"],
        "released": row["release_date"],
        "n_params": active,
        "train_tokens": float(row["pretrain_tokens"]),
        "total_over_active": every / active,
    }


@checks(scenario=SCENARIO, n_params=NUMBER, train_tokens=NUMBER, laws=names("besiroglu"), total_over_active=NUMBER)
def implied_by_law(
    scenario: Scenario,
    n_params: float | str,
    train_tokens: float | str,
    laws: Names | None = None,
    *,
    total_over_active: float | str = 1.0,
) -> "pd.DataFrame":
    """The lifetime traffic for which (N, D) is the cheapest design of its own loss, under each law.

    Args:
        scenario: RL policy, prices and the mix of traffic; its own law is replaced. Goal and limits have no effect.
        n_params: active parameters N (count).
        train_tokens: pre-training tokens D (count).
        laws: names of laws or files of laws; left out: the credible laws of dense training, the fits to public runs, and for a mixture
            of experts the laws of experts.
        total_over_active: all over active parameters of the design; above 1 the laws of experts are asked about such a model.

    Returns:
        One row a law, index `law`: T / D, the lifetime tokens T and tokens per day over the life (a year where the traffic is a total),
        each with the ends of the 80 % interval over the law's posterior, the probability that some traffic justifies the design, and
        both over-training ratios. Intervals are NaN where the law has no posterior. Negative: no traffic justifies the design, as it
        has fewer tokens than training alone asks for. `attrs["units"]` gives the units, `attrs["days"]` the life.

    Raises:
        InputError: a law is unknown, a number is not positive, or the scenario serves nothing.

    >>> frame = implied_by_law(plain_question(), 8e9, 15e12, ["besiroglu", "hoffmann"])
    >>> [f"{ratio:.1f}" for ratio in frame["implied_per_train_token"]]
    ['12.7', '5.8']

    """
    import pandas as pd

    size, tokens = parse_number(n_params, "parameters"), parse_number(train_tokens, "tokens")
    ratio = parse_number(total_over_active, "")
    experts = law_names("moe") if ratio > 1 else []
    asked = as_names(laws) if laws is not None else [*experts, *law_names("ensemble"), *law_names("fitted")]
    unknown = [law for law in asked if law not in law_names() and not is_law_file(law)]
    if unknown or not asked:
        raise InputError(
            [f"law {law!r} is unknown{near_miss(law, law_names())} A file of a law ends in .toml." for law in unknown]
            or ["laws is empty; name one, or leave it out."]
        )
    found = {}
    for law in asked:
        under = scenario.update({"law": of_shape(law, ratio)}) if law in experts else under_law(scenario, law)
        found[under.law.title if is_law_file(law) else law] = _revealed(under, size, tokens)
    return _frame(pd.DataFrame.from_dict(found, orient="index").rename_axis("law"), scenario)


@checks(scenario=SCENARIO)
def released_models(scenario: Scenario) -> "pd.DataFrame":
    """The same of every model in data/models.csv whose training tokens are known, under the scenario's law; by release and size.

    A mixture of experts is asked as a dense model of its active parameters, unless the scenario has a law of experts.

    Returns:
        One row a model, index `model`, columns released, active parameters, training tokens, all over active parameters, and those of
        `implied_by_law`.

    """
    import pandas as pd

    known = [_model(r) for r in rows("models") if r["active_params"] and r["pretrain_tokens"]]
    known.sort(key=lambda model: (model["released"][:4], model["n_params"]))
    found = [{**model, **_revealed(scenario, model["n_params"], model["train_tokens"])} for model in known]
    return _frame(pd.DataFrame.from_records(found).set_index("name").rename_axis("model"), scenario)


def _frame(frame: "pd.DataFrame", scenario: Scenario) -> "pd.DataFrame":
    days = _days(scenario)
    for end in ("", "_low", "_high"):
        frame[f"implied_tokens_per_day{end}"] = frame[f"implied_tokens{end}"] / days
    kept = [c for c in ("released", "n_params", "train_tokens", "total_over_active") if c in frame]
    frame = frame.loc[:, [*kept, *REVEALED]]
    frame.attrs |= {"units": units_of(frame.columns, scenario.money.currency), "days": days}
    return frame


def _days(scenario: Scenario) -> float:
    months = monthly_tokens(scenario)
    return float(months["days"].to_numpy(float).sum()) if len(months) else DAYS


def _revealed(scenario: Scenario, n_params: float, train_tokens: float) -> dict[str, float]:
    point = implied_traffic(scenario, n_params, train_tokens)
    drawn = _drawn(scenario, n_params, train_tokens)
    record = {
        "overtraining_vs_rule_of_20": train_tokens / (20 * n_params),
        "overtraining_vs_law": train_tokens / float(scenario.law.train_optimal_tokens(n_params)),
    }
    unit = point.tokens / point.scale if point.scale else math.nan  # tokens of the scenario's own traffic
    ends = np.quantile(drawn, INTERVAL) if len(drawn) else np.full(2, math.nan)
    for name, per in (("implied_per_train_token", unit / train_tokens), ("implied_tokens", unit)):
        record |= dict(zip((name, f"{name}_low", f"{name}_high"), (v * per for v in (point.scale, *ends)), strict=True))
    record["probability"] = float(np.mean(drawn >= 0)) if len(drawn) else math.nan
    return record


def _drawn(scenario: Scenario, n_params: float, train_tokens: float) -> np.ndarray:
    """Multiples of the scenario's traffic under the law's posterior; empty where it has none."""
    posterior, _ = posterior_of(scenario.law)
    if posterior is None:
        return np.empty(0)
    normal = np.random.default_rng(SEED).standard_normal((DRAWS, len(posterior.names)))
    return implied_scales(scenario, n_params, train_tokens, posterior.coefficients(normal))
