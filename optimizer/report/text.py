"""Print solutions and sources."""

import math
from collections.abc import Callable, Iterable
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from ..analysis.placement import Placement, operating_point
from ..assumptions.naming import title
from ..assumptions.numbers import human, in_unit, percent
from ..assumptions.question import goal_line, law_line, limits_line, rl_line, traffic_line
from ..model.cost import Design, research_cost
from ..model.outputs import PHASES, POSITIVE, heading, quantity_text, units_of, written
from ..optimum.program import Rows, ln_design
from ..optimum.solution import Solution, Status
from .sentences import excess, few_bits, limits_kept, served, unpriced, unspent
from .terminal import grid

__all__ = ["solution_text", "source_rows"]


_ANSWER = POSITIVE[: POSITIVE.index("loss") + 1]


def solution_text(best: Solution) -> RenderableType:
    """The answer first, then why (cost by phase), then how sure (band, certificate, reach)."""
    s, numbers = best.scenario, best.numbers()
    given = best.best is not None
    question = design_line(best.design) if given else goal_line(s)
    band = f"same loss, at most {percent(best.band.tolerance)} {'above the best' if given else 'more expensive'}"
    money_head = s.money.currency.replace("FLOP", "training-equivalent FLOP")
    sentences = [sentence for line in _LINES if (sentence := line(best))]
    return Group(
        Text(f"{title(best.asked)}: {question}", style="bold"),
        Text(f"law {law_line(s)}" + ("" if given else f", goal {s.goal.kind}")),
        Text(f"traffic {traffic_line(s)}"),
        Text(f"RL {rl_line(s)}; limits {limits_line(s)}"),
        grid(["", "given" if given else "optimum", "unit", band], [_output(column, numbers) for column in _ANSWER]),
        grid(["cost over the life", money_head, "share"], _costs(best)),
        grid(["to train and to serve it", "", "unit"], _needs(best)),
        Text("\n".join([*sentences, *(f"Warning: {sentence}" for sentence in best.warnings)])),
    )


def _output(column: str, numbers: dict[str, float]) -> tuple[str, ...]:
    """A line of the answer: an output, its value, and its two ends within the band."""
    name, per = ("overtraining_vs_rule_of_20", 20) if column == "tokens_per_param" else (column, 1)
    ends = [per * numbers[end] for end in (f"band_{name}_low", f"band_{name}_high") if end in numbers]
    unit = units_of([column], "")[column].removeprefix("1")
    value = written(numbers[column], column, 5 if column == "loss" else 0)
    known = [] if all(math.isnan(end) for end in ends) else ends
    return heading(column), value, unit, " to ".join(written(end, column) for end in known)


def design_line(design: Design) -> str:
    """A design in words."""
    n, d, r = (human(float(v)) for v in design)
    rl = f" and {r} RL tokens" if float(design.rl_tokens) else ""
    return f"a given design, {n} parameters on {d} tokens{rl}"


def _needs(best: Solution) -> list[tuple[str, str, str]]:
    """What the design takes to be trained and served, as far as it is known."""
    needs = best.needs()
    units = units_of(needs, "")
    return [
        (heading(name), *in_unit(written(value, name), units[name]))
        for name, value in needs.items()
        if not math.isnan(value)
    ]


def _costs(best: Solution) -> list[tuple[str, str, str]]:
    total, research = float(best.cost.total), float(research_cost(best.scenario, best.cost))
    phases = {name: float(getattr(best.cost, phase)) for phase, name in PHASES.items()} | {"total": total}
    if research > 0:
        phases["of it research runs"] = research
    figure = best.scenario.money.figure
    lines = [(name, figure(value), percent(value / total)) for name, value in phases.items()]
    if best.scenario.money.discount_rate:  # no part of the cost, which is at present value, and so without a share
        lines.append(("paid in all, without discounting", figure(best.nominal_cost), ""))
    return lines


def _chinchilla(best: Solution) -> str:
    plan, money = best.baseline, best.scenario.money
    if math.isnan(float(best.cost.total)):
        return ""
    saved = f"{percent(best.savings)} less" if best.savings >= 0 else f"{percent(-best.savings)} more"
    return unpriced(best) or (
        f"The compute-optimal (Chinchilla) plan for the same loss, {human(float(plan.design.n_params))} on "
        f"{human(float(plan.design.train_tokens))} tokens, costs {money.amount(float(plan.cost.total))}: this one costs {saved}."
    )


def _serving(best: Solution) -> str:
    if best.placement is None or math.isnan(float(best.cost.total)):
        return ""
    s = Placement("the model", float(best.design.n_params), best.scenario)
    point = operating_point(s, best.placement.batch)
    return (
        f"Serving: {quantity_text(point['batch'], 'sequences')} a step, {human(point['tokens_per_second_per_user'], 3)} tokens/s each, "
        f"{human(point['tokens_per_second_per_chip'], 3)} tokens/s per chip; {human(point['usd_per_mtok_decode'], 3)} USD per million "
        f"decoded and {human(point['usd_per_mtok_prefill'], 3)} per million computed prompt tokens."
    )


def _assumed_return(best: Solution) -> str:
    if not best.scenario.rl.decided:
        return ""
    G, gamma = (float(v) for v in best.scenario.rl.return_term(best.scenario.law))
    return (
        f"RL tokens are decided by an assumed return term G R^-gamma with G = {human(G)} and gamma = {gamma:.4g}; no constants are "
        "published, and the answer depends on them. Set rl.G and rl.gamma."
    )


def _broken_limits(best: Solution) -> str:
    """A sentence where the Chinchilla plan is outside the limits."""
    rows, at = Rows(best.scenario), ln_design(best.scenario, best.baseline.design)
    broken = [path for path in rows.limits if rows.value(path, at) > 0]
    if not broken or unpriced(best):
        return ""
    return f"That plan breaks {', '.join(broken)}: part of the difference is the price of the limit."


_LINES: tuple[Callable[[Solution], str | None], ...] = (
    _chinchilla,
    excess,
    limits_kept,
    lambda best: best.across_laws.sentence if best.across_laws else "",
    lambda best: "" if best.best else best.certificate.sentence,
    lambda best: best.extrapolation.sentence,
    few_bits,
    served,
    _serving,
    _assumed_return,
    _broken_limits,
    lambda best: "" if best.best and best.best.status is not Status.OPTIMAL else best.band.unknown,
    lambda best: "" if best.best else unspent(best),
)
"""What is printed below the answer, one sentence each; nothing where a sentence does not apply."""


def source_rows(records: Iterable[dict[str, Any]]) -> list[tuple[str, str, str, str, str]]:
    """Rows of what `sources` returns; the date of a fact follows its source."""
    return [
        (
            record["path"],
            human(record["value"], 6),
            record["unit"],
            record["kind"],
            " ".join(filter(None, [record["source"] or "none given", record["as_of"] and f"({record['as_of']})"])),
        )
        for record in records
    ]
