"""Does "100x over-trained" hold? Every law, every accounting of the bills, and what released models reveal.

    by_law()         exact optimum at the lecture's inputs per data set and form, and what the ratio is made of: D*/20N = (D0/20N) (D*/D0)
    by_accounting()  D*/20N under every RL policy, research overhead, input and cache mix and load, over all laws
    revealed()       D/20N of released models, and the lifetime traffic that would make each the best design of its loss
    waterfall()      how the ratio builds up, bill by bill
    verdict()        what stands, what does not, and what is not known, in sentences from these numbers

A law is counted by its data set: Besiroglu, Hoffmann and De Vries are three readings of one sweep, and the three corpora of Gadre are one
group's runs. The Gemstones runs are not annealed: shown, without weight.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from ..analysis.blocks import solve_rows
from ..analysis.law_input import law_input
from ..analysis.laws import geometric_mean, in_band, optima
from ..analysis.released import plain_question, released_models
from ..assumptions.published_laws import law_names
from ..assumptions.scenario import Scenario
from ..model.cost import design_of, lifecycle_cost
from ..model.quality import target_inner_sum
from .lecture import ACTIVE_PARAMS, CLAIM, EXACT_TOKENS, ROUNDED_TOKENS, lecture, pinned

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "Accounting",
    "by_accounting",
    "by_law",
    "by_year_and_size",
    "laws",
    "mean_over",
    "revealed",
    "verdict",
    "waterfall",
]

RATIO, OWN = "overtraining_vs_rule_of_20", "overtraining_vs_law"
BAND = 0.05
_READINGS = {"besiroglu": "chinchilla-points", "hoffmann": "chinchilla-points", "de-vries": "chinchilla-points"}
_NOT_ANNEALED = "gemstones"

POLICIES: dict[str, dict[str, Any]] = {
    "fixed tokens, 133T": {"policy": "tokens", "tokens": ROUNDED_TOKENS / 1.5},
    "as much as pre-training": {"policy": "cost_share", "cost_share": 1.0},
    "fixed compute, 4e25 FLOP": {"policy": "flops", "flops": 4e25},
    "none": {"policy": "none"},
}
OVERHEADS = (1.0, 3.0)
MIXES = {"output only": (0.0, 0.0), "80 % input": (0.8, 0.0), "80 % input, 3/4 cached": (0.8, 0.75)}
"""Share of input among the 200T served tokens, and share of input that a prefix cache serves."""
LOADS = (1.0, 0.5)
SIZES = ((0.0, 1e10, "below 10B"), (1e10, 5e10, "10B to 50B"), (5e10, np.inf, "50B and above"))


class Accounting(NamedTuple):
    """One way to count the bills, and the over-training that it gives over all laws."""

    rl: str
    overhead: float
    mix: str
    load: float
    mean: float
    """weighted geometric mean of D*/20N"""
    lowest: float
    highest: float
    least_vs_law: float
    """lowest D*/D0 of any law"""
    inside: int
    """laws whose 5 % band holds 100x"""
    laws: int


def _data_of(law: str) -> tuple[str, str]:
    """Data set and form of a law."""
    data, _, form = law.rpartition("-")
    return (data, form) if form in ("additive", "coupled") else (_READINGS.get(law, law), "additive")


def laws() -> "pd.DataFrame":
    """The laws that are asked, index `law`: data, form, kind ("published", "fitted") and weight, equal for each group of runs."""
    import pandas as pd

    names = [*law_names("ensemble"), *law_names("fitted")]
    found = pd.DataFrame(
        [(*_data_of(name), "fitted" if name in law_names("fitted") else "published") for name in names]
    )
    found.columns, found.index = pd.Index(["data", "form", "kind"]), pd.Index(names, name="law")
    group = found["data"].str.partition("-")[0]
    counted = group.ne(_NOT_ANNEALED)
    found["weight"] = np.where(counted, 1 / group.map(group.value_counts()) / group[counted].nunique(), 0.0)
    return found


def by_law() -> "pd.DataFrame":
    """The lecture's question under each law of `laws`.

    Returns:
        Index law; data, form, kind, weight; own_vs_rule_of_20 (D0/20N at 100B, the law's own optimum against 20:1), pinned_vs_law (D*/D0,
        over-training proper) and pinned_vs_rule_of_20 (their product) with N at 100B and 200T served, pinned_exact_vs_rule_of_20 for
        259.2T; n_params, train_tokens, vs_rule_of_20 and their 5 % band at the quality of 100B on 200T, lecture_point_excess_cost,
        claim_in_band. `attrs["units"]` gives the units.

    """
    import pandas as pd

    frame = laws()
    free = optima({law: lecture(str(law)) for law in frame.index})
    s = lecture()
    held, exact = (_batch(pinned(lecture(tokens=tokens)), [*frame.index]) for tokens in (ROUNDED_TOKENS, EXACT_TOKENS))
    point = float(lifecycle_cost(s, design_of(s, ACTIVE_PARAMS, ROUNDED_TOKENS)).total)
    ends = {
        f"band_{name}_{end}": f"band_{column}_{end}"
        for name, column in (("n_params", "n_params"), ("vs_rule_of_20", RATIO))
        for end in ("low", "high")
    }
    columns: dict[str, tuple[object, str]] = {
        "own_vs_rule_of_20": (held[RATIO] / held[OWN], "1"),
        "pinned_vs_law": (held[OWN], "1"),
        "pinned_vs_rule_of_20": (held[RATIO], "1"),
        "pinned_exact_vs_rule_of_20": (exact[RATIO], "1"),
        "n_params": (free["n_params"], "parameters"),
        "train_tokens": (free["train_tokens"], "tokens"),
        "vs_rule_of_20": (free[RATIO], "1"),
        **{name: (free[column], "parameters" if "n_params" in name else "1") for name, column in ends.items()},
        "lecture_point_excess_cost": (point / free["cost_total"] - 1, "1"),
        "claim_in_band": (in_band(free, CLAIM), ""),
    }
    frame = frame.assign(**{name: pd.Series(np.asarray(values), frame.index) for name, (values, _) in columns.items()})
    frame.attrs["units"] = {"weight": "1"} | {name: unit for name, (_, unit) in columns.items() if unit}
    return frame


def mean_over(frame: "pd.DataFrame", column: str, **kept: str) -> float:
    """Weighted geometric mean of a column of `by_law`, of the laws of one form where `form` is given."""
    rows = np.logical_and.reduce(
        [np.ones(len(frame), bool), *((frame[name] == value).to_numpy() for name, value in kept.items())]
    )
    return geometric_mean(frame[column].to_numpy(float)[rows], frame["weight"].to_numpy(float)[rows])


def _batch(scenario: Scenario, names: list[str]) -> "pd.DataFrame":
    """The optimum under each named law, in one batch."""
    import pandas as pd

    found, _ = law_input(scenario, names)
    assert found is not None
    return solve_rows(found.question, pd.DataFrame(found.table))


def by_accounting() -> list[Accounting]:
    """Over-training at the quality of 100B on 200T under each accounting, over all laws with a weight."""
    return [cell for policy in POLICIES for cell in _cells(policy)]


def _cells(policy: str) -> list[Accounting]:
    import pandas as pd

    known = laws().query("weight > 0")
    found, _ = law_input(
        lecture().update({"rl": {"trained_share": 0.25, "efficiency": 1 / 3, **POLICIES[policy]}}), [*known.index]
    )
    assert found is not None
    cells = [(overhead, mix, load) for overhead in OVERHEADS for mix in MIXES for load in LOADS]
    many = len(known)
    mixes = np.repeat([MIXES[mix] for _, mix, _ in cells], many, axis=0)
    columns = {path: np.tile(values, len(cells)) for path, values in found.table.items()} | {
        "pretraining.overhead": np.repeat([overhead for overhead, _, _ in cells], many),
        "serving.load_factor": np.repeat([load for _, _, load in cells], many),
        "traffic.input_tokens": ROUNDED_TOKENS * mixes[:, 0],
        "traffic.output_tokens": ROUNDED_TOKENS * (1 - mixes[:, 0]),
        "traffic.cache_hit_share": mixes[:, 1],
    }
    answers = solve_rows(found.question, pd.DataFrame(columns))
    ratio, own = (answers[column].to_numpy().reshape(-1, many) for column in (RATIO, OWN))
    inside = costs_at(found.question, columns, CLAIM) <= (1 + BAND) * answers["cost_total"].to_numpy()
    weight = known["weight"].to_numpy()
    return [
        Accounting(
            policy,
            *cell,
            mean=geometric_mean(here, weight),
            lowest=float(here.min()),
            highest=float(here.max()),
            least_vs_law=float(beyond.min()),
            inside=int(held.sum()),
            laws=many,
        )
        for cell, here, beyond, held in zip(cells, ratio, own, inside.reshape(-1, many), strict=True)
    ]


def waterfall() -> "pd.DataFrame":
    """How D*/20N builds up at N pinned at 100B, over all laws with a weight: training alone, + inference, + decode efficiency, + RL.

    Returns:
        One row a step: mean (weighted geometric), lowest, highest, and the factor by which the step raises the mean.

    """
    import pandas as pd

    steps: dict[str, dict[str, Any]] = {
        "law's own optimum, training alone": {"traffic.output_tokens": 0.0, "rl": {"policy": "none"}},
        "+ inference at training efficiency": {"serving.decode_efficiency": 1.0, "rl": {"policy": "none"}},
        "+ decode efficiency 1/3": {"rl": {"policy": "none"}},
        "+ RL, a fixed 133T tokens": {},
    }
    known = laws().query("weight > 0")
    found = {step: _batch(pinned(lecture()).update(change), [*known.index])[RATIO] for step, change in steps.items()}
    mean = {step: geometric_mean(ratio.to_numpy(), known["weight"].to_numpy()) for step, ratio in found.items()}
    frame = pd.DataFrame(
        {
            "mean": mean,
            "lowest": {k: v.min() for k, v in found.items()},
            "highest": {k: v.max() for k, v in found.items()},
        }
    )
    frame.index.name = "step"
    frame["factor"] = frame["mean"] / frame["mean"].shift(1)
    return frame


def costs_at(
    question: Scenario, columns: Mapping[str, Float[np.ndarray, " row"]], over: float
) -> Float[np.ndarray, " row"]:
    """Cost of the design with D = 20 over N that is as good as each row's goal asks: 100x lies in a band where this is within it."""
    paths = [path for path, _, _ in question.quantities()]
    leaves, tree = jax.tree.flatten(question)
    for path, values in columns.items():
        leaves[paths.index(path)] = values
    stack = jax.tree.unflatten(tree, leaves)
    target = np.asarray(target_inner_sum(stack))
    low, high = np.full(len(target), np.log(1e6)), np.full(len(target), np.log(1e15))
    for _ in range(100):  # the loss falls along the ray D = 20 over N
        middle = (low + high) / 2
        n = np.exp(middle)
        short = np.asarray(stack.law.inner(n, 20 * over * n)) > target
        low, high = np.where(short, middle, low), np.where(short, high, middle)
    n = np.exp(high)
    return np.asarray(lifecycle_cost(stack, design_of(stack, n, 20 * over * n)).total)


def revealed(law: str = "besiroglu") -> "pd.DataFrame":
    """Released models by year and size class: `released_models` for the plain cost 6 N D + 2 N T under a law with a posterior.

    N is the active parameters, also of mixtures of experts, for which a law of dense models is a stand-in.
    """
    frame = released_models(plain_question().update({"law": law}))
    sizes = [next(name for least, most, name in SIZES if least <= n < most) for n in frame["n_params"]]
    frame.insert(0, "size", sizes)
    frame.insert(0, "year", [int(released[:4]) for released in frame["released"]])
    frame.attrs["law"] = law
    return frame


def by_year_and_size(models: "pd.DataFrame") -> "pd.DataFrame":
    """Medians of `revealed` by year and size, with the number of models and the lowest and highest ratio."""
    groups = models.groupby(["year", "size"], sort=False)
    found = groups.median(numeric_only=True)
    ratio = groups[RATIO]
    found.insert(0, "models", groups.size())
    frame = found.assign(lowest=ratio.min(), highest=ratio.max()).reset_index()
    frame.attrs["units"] = {"models": "1"} | models.attrs["units"]
    return frame


def verdict(frame: "pd.DataFrame", cells: list[Accounting], models: "pd.DataFrame") -> dict[str, str]:
    """What stands, what does not, and what is not known: sentences from the numbers.

    Args:
        frame: what `by_law` returns.
        cells: what `by_accounting` returns.
        models: what `revealed` returns.

    """
    counted = frame[frame["weight"] > 0]
    own, proper, excess = (counted[c] for c in ("own_vs_rule_of_20", "pinned_vs_law", "lecture_point_excess_cost"))
    inside, ratio = int(np.count_nonzero(counted["claim_in_band"])), counted["vs_rule_of_20"]
    additive, coupled = (mean_over(frame, "pinned_vs_rule_of_20", form=form) for form in ("additive", "coupled"))
    most, least = max(cells, key=lambda c: c.inside), min(cells, key=lambda c: c.inside)
    means, beyond = [cell.mean for cell in cells], min(cell.least_vs_law for cell in cells)
    first, by_cost = (next(c for c in cells if c.rl == rl) for rl in [*POLICIES][:2])
    ratios, large = models[RATIO].to_numpy(float), np.equal(models["size"].to_numpy(), SIZES[-1][2])
    over, small = ratios >= CLAIM, (models["size"] == SIZES[0][2]).to_numpy()
    direction = (
        "under every law and every accounting of the bills tried here the optimum has more tokens than the law's own optimum for training "
        f"alone, {beyond:.1f}x at least"
        if beyond > 1
        else "not under every accounting of the bills does the optimum have more tokens than training alone asks for"
    )
    return {
        "stands": f"{direction}. With the lecture's inputs (200T served as output, RL a fixed 133T tokens, no research overhead) "
        f"it has {proper.min():.0f}x to {proper.max():.0f}x the law's own at 100B, {ratio.min():.0f}x to {ratio.max():.0f}x Chinchilla's "
        f"20 tokens per parameter at the quality of 100B on 200T, and the 5 % band of {inside} of {len(counted)} laws holds 100x. Flat: "
        f"the lecture's own point costs {100 * excess.min():.1f} % to {100 * excess.max():.1f} % more than the optimum.",
        "does not stand": "100x as a number that follows from the traffic. Over RL policy, research overhead, input and cache mix and load "
        f"the mean over laws runs from {min(means):.0f}x to {max(means):.0f}x, and 100x lies in the band of {least.inside} to "
        f"{most.inside} of {most.laws} laws, most often with RL {most.rl}, {most.mix} and a load of {100 * most.load:.0f} %. Nor is all "
        f"of it over-training: the laws' own optima at 100B have {own.min():.2f}x to {own.max():.1f}x of 20 tokens per parameter.",
        "not known": f"the law so far beyond its runs: additive forms give {additive:.0f}x on average at 100B, coupled ones "
        f"{coupled:.0f}x. How RL follows from the model: costing as much as pre-training instead of a fixed number of tokens takes the "
        f"mean from {first.mean:.0f}x to {by_cost.mean:.0f}x. What frontier models do: of {len(models)} released models {over.sum()} "
        f"have 100x or more, {(over & small).sum()} of them {SIZES[0][2]} parameters, and those of {SIZES[-1][2]} have "
        f"{ratios[large].min():.2f}x to {ratios[large].max():.0f}x.",
    }
