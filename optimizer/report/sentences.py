"""Sentences about an answer that the terminal, the app and notebooks share, each written once."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..analysis.laws import in_band
from ..analysis.placement import Placement, misfits
from ..analysis.plans import needs_answer
from ..assumptions.goal import BudgetGoal
from ..assumptions.naming import in_words
from ..assumptions.numbers import human, percent, times
from ..assumptions.published_laws import law_in_words
from ..assumptions.quantisation import fitted_on, served_bits
from ..assumptions.scenario import Scenario
from ..model.accuracy import serving_error
from ..model.outputs import heading, quantity_text
from ..model.quality import loss_of_few_bits
from ..model.total import total_params
from ..optimum.solution import Solution, Status

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "carried",
    "carried_variance",
    "excess",
    "experts",
    "few_bits",
    "headline",
    "held",
    "limits_kept",
    "nearby",
    "saving",
    "served",
    "spread",
    "uncounted",
    "unpriced",
    "unspent",
    "verdict",
]

RATIO = "overtraining_vs_rule_of_20"

_FEW = "None is known to be fitted beyond 2.7B active parameters: read the spread, not one law."

SPENT = 1e-6
"""Share of a budget that counts as all of it."""


def headline(best: Solution) -> str:
    """What to build, in a few words."""
    needs_answer(best)
    n, d, _ = (float(v) for v in best.design)
    every = float(total_params(best.scenario, n))
    total = f" ({human(every, 3)} in total)" if every > n else ""
    return f"Build {human(n, 3)} active parameters{total} and train them on {human(d, 3)} tokens"


def nearby(best: Solution) -> str:
    """The sizes within the band, in a clause."""
    n = float(best.design.n_params)
    low, high = (n if math.isnan(end) else end for end in best.band.n_params)
    unknown = f" {best.band.unknown}" if best.band.unknown else ""
    return (
        f"anything from {human(low, 3)} to {human(high, 3)} parameters costs at most {percent(best.band.tolerance)} more for the same "
        f"loss.{unknown}"
    )


def verdict(best: Solution) -> str:
    """What the optimum is and how sure, in plain words."""
    return f"{headline(best)}; {nearby(best)} {best.extrapolation.sentence}"


def excess(best: Solution) -> str:
    """A given design against the best one of its loss; "" for an optimum."""
    other = best.best
    if other is None:
        return ""
    if other.status is not Status.OPTIMAL:
        return f"The best design of the same loss is not known: {other.message}"
    n, d, _ = (human(float(v)) for v in other.design)
    more = best.excess_cost
    if math.isnan(more):
        return (
            f"The deployment cannot serve this design; the best one of the same loss has {n} parameters on {d} tokens."
        )
    compared = f"costs {percent(more, 2)} more than" if more >= 0 else f"costs {percent(-more, 2)} less than"
    return (
        f"It {compared} the best design of the same loss within the limits: {n} parameters on {d} tokens, "
        f"{best.scenario.money.amount(float(other.cost.total))}. {other.certificate.sentence}"
    )


def limits_kept(best: Solution) -> str:
    """Every limit of a given design, with its value and bound; "" for an optimum."""
    if best.best is None or not best.limits:
        return ""
    said = [
        f"{at.path}: {'kept' if at.kept else 'broken'} ({quantity_text(at.value, at.unit)}, bound {quantity_text(at.bound, at.unit)})"
        for at in best.limits
    ]
    return f"Limits: {'; '.join(said)}."


def unspent(best: Solution) -> str:
    """One sentence where a budget buys more than helps, else ""."""
    goal, money, total = best.scenario.goal, best.scenario.money, float(best.cost.total)
    if not isinstance(goal, BudgetGoal) or total >= goal.budget * (1 - SPENT):
        return ""
    held = ", ".join(best.certificate.active_limits)
    return (
        f"Unspent: {money.amount(goal.budget - total)} of the budget of {money.amount(goal.budget)}. "
        + (f"Loosen {held}, or lower the budget:" if held else "Lower the budget:")
        + " no design within the limits and the budget has a lower loss."
    )


def few_bits(best: Solution) -> str:
    """What serving in few bits adds to the loss, and whose constants say so; "" where none is counted."""
    bits = served_bits(best.scenario)
    if bits is None:
        return ""
    added = float(loss_of_few_bits(best.scenario, best.design))
    return (
        f"Serving at {float(bits):.3g} bits adds {added:.3g} nat/token to the loss, by {fitted_on(best.scenario)}; beyond those it is a "
        "guess."
    )


def experts(laws: Mapping[str, Solution]) -> str:
    """The optimum under each law of experts in one line, from `expert_laws`; "" without one."""
    if not laws:
        return ""
    found = [
        f"{human(float(best.design.n_params), 3)} on {human(float(best.design.train_tokens), 3)} tokens under {law_in_words(law)}"
        if best.status is Status.OPTIMAL
        else f"no answer under {law_in_words(law)}"
        for law, best in laws.items()
    ]
    return f"Laws of experts, active parameters: {'; '.join(found)}. {_FEW}"


def spread(solved: "pd.DataFrame", claim: float, *, experts: bool) -> tuple[str, str]:
    """Between which ratios the laws of `every_law` put the optimum and how many hold a claim, and how to read that.

    Args:
        solved: the rows of credible laws that have an answer; a law of the scenario's own counts where it is one of experts.
        claim: an over-training ratio.
        experts: whether they are laws of experts.

    """
    ratios: list[float] = solved[RATIO].tolist()
    low, high = times(min(ratios)), times(max(ratios))
    between = f"between {low} and {high}" if low != high else f"at {low}"
    laws = "laws of experts" if experts else "credible laws of dense training"
    found = (
        f"The {laws} put this scenario's optimum {between}; with its RL policy, traffic and prices {times(claim)} lies within the 5 % band "
        f"of {int(in_band(solved, claim).sum())} of {len(solved)}."
    )
    posterior = "A posterior describes the error of one fit, not that of extrapolation: the spread between laws is the better guide."
    return found, f"They have no posterior. {_FEW}" if experts else posterior


def uncounted(scenario: Scenario) -> str:
    """What numbers at the point values leave out: the error of the law, and that of serving where the roofline prices it."""
    if not scenario.serving.by_roofline:
        return "The error of the law is not in these numbers."
    return f"The errors of the law and of serving are not in these numbers. {serving_error(scenario)}"


def unpriced(best: Solution) -> str:
    """One sentence where the deployment cannot serve the Chinchilla plan, which then has no cost, else ""."""
    design = best.baseline.design
    if not math.isnan(float(best.baseline.cost.total)):
        return ""
    why = misfits(Placement("it", float(design.n_params), best.scenario))
    memory = any(sentence.startswith("it needs") for sentence in why)
    return (
        f"The compute-optimal (Chinchilla) plan for the same loss, {human(float(design.n_params))} on "
        f"{human(float(design.train_tokens))} tokens, "
        f"{'does not fit the memory of the replica' if memory else 'is too slow for this deployment'} and so has no cost: "
        + " ".join(why)
    )


def saving(best: Solution) -> str:
    """What the optimum saves against the Chinchilla plan of the same loss, in one sentence; or why that plan has no cost.

    Raises:
        InputError: the solution has no design.

    >>> from optimizer.assumptions.library import load
    >>> from optimizer.optimum.solve import solve
    >>> saving(solve(load("lecture-2026")))[:60]
    'At the same loss, going from 435B to 111B parameters and fro'

    """
    needs_answer(best)
    plan, (n, d, _) = best.baseline.design, best.design
    sizes, tokens = ([human(float(v), 3) for v in pair] for pair in ((plan.n_params, n), (plan.train_tokens, d)))
    way = f"from {sizes[0]} to {sizes[1]} parameters and from {tokens[0]} to {tokens[1]} tokens"
    if math.isnan(best.savings):
        return unpriced(best)
    saved = f"saves {percent(best.savings)}" if best.savings >= 0 else f"adds {percent(-best.savings)}"
    return f"At the same loss, going {way} {saved} of the Chinchilla plan's cost."


def held(stairs: "pd.DataFrame") -> str:
    """One sentence on a `staircase` whose last step is held by a limit, so that it does not show what each bill adds; "" otherwise."""
    rows = [row for row in stairs.to_dict("records") if row["status"] == Status.OPTIMAL.name.lower()]
    if not rows or not rows[-1]["held_by"]:
        return ""
    last, ratio = rows[-1]["held_by"], times(rows[-1][RATIO])
    several = "set" if ", " in last else "sets"
    if all(row["held_by"] == last for row in rows):
        return f"{last} {several} the answer, {ratio} Chinchilla's 20 tokens per parameter: it holds the optimum in every step."
    first = next(row["step"] for i, row in enumerate(rows) if all(later["held_by"] for later in rows[i:]))
    return (
        f"{last} {several} the answer, {ratio} Chinchilla's 20 tokens per parameter: from the step '{first}' on a limit holds the optimum, "
        "so these steps do not show what each cost adds without the limit."
    )


def _in_words(path: str) -> str:
    """An assumption by its name; a whole block is one thing."""
    return in_words(path) if "." in path else f"the {in_words(path)}"


def carried(frame: "pd.DataFrame") -> str:
    """What carries the output of a `tornado`: its widest swing, and how it compares with the next."""
    output, unit = frame.attrs["output"], frame.attrs["units"]["swing"]
    rows = [row for row in frame.to_dict("records") if row["swing"] > 0]
    if not rows:
        return f"No assumption moves {heading(output)}."
    first, base = rows[0], rows[0]["output_base"]
    ends = [first[f"output_{end}"] for end in ("low", "high") if not math.isnan(first[f"output_{end}"])]
    low, high = (quantity_text(end, unit, output) for end in (min([base, *ends]), max([base, *ends])))
    sentence = (
        f"What carries it: {_in_words(first['assumption'])}, which alone moves {heading(output)} from {low} to {high}"
    )
    if len(rows) == 1:
        return f"{sentence}."
    ratio = first["swing"] / rows[1]["swing"]
    far = "as far as" if ratio < 1.05 else f"{times(ratio)} as far as"
    return f"{sentence}, {far} the next: {_in_words(rows[1]['assumption'])}."


def carried_variance(frame: "pd.DataFrame", output: str) -> str:
    """What carries the variance of an output of `sobol`: the largest total index, and how far its interval lies from the next."""
    rows = sorted((r for r in frame.to_dict("records") if r["output"] == output), key=lambda r: -r["total"])
    if not rows or not rows[0]["total"] > 0:
        return f"No assumption carries variance of {heading(output)}."
    first = rows[0]
    whole, alone = percent(min(first["total"], 1.0)), percent(max(first["first"], 0.0))
    sentence = (
        f"What carries it: {_in_words(first['assumption'])} explains {whole} of the variance of {heading(output)} (total index; first "
        f"order {alone})"
    )
    if len(rows) == 1:
        return f"{sentence}."
    second = rows[1]
    apart = first["total_low"] > second["total_high"]
    return f"{sentence}; next is {_in_words(second['assumption'])} with {percent(max(second['total'], 0.0))}" + (
        "." if apart else ", and their intervals overlap, so the order is uncertain."
    )


def served(best: Solution) -> str:
    """Where the design is served, how far measured serving is from the prediction, and what that means for the cost; "" without one."""
    placement, money = best.placement, best.scenario.money
    if placement is None:
        return ""
    serving = float(best.cost.prefill + best.cost.decode)
    low, high = (float(best.cost.total) + serving * (f - 1) for f in (1 / placement.within, placement.within))
    error = f"{placement.error} The cost over the life is then {human(low, 3)} to {human(high, 3)} {money.currency}."
    return " ".join(filter(None, (placement.sentence, best.prompts and best.prompts.sentence, error)))
