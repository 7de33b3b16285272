"""Print solutions, sources and the reproduction of the lecture."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.console import Group, RenderableType
from rich.text import Text

from ..analysis.placement import Placement, operating_point
from ..analysis.why import Step
from ..assumptions.naming import title
from ..assumptions.numbers import human, percent, times
from ..assumptions.question import figure, goal_line, law_line, limits_line, money, rl_line, traffic_line
from ..model.cost import research_cost
from ..model.outputs import PHASES, heading, units_of, written
from ..model.total import warnings
from ..optimum.program import Rows, ln_design
from ..optimum.solution import Solution
from .sentences import unpriced, unspent
from .terminal import grid

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["reproduction_text", "solution_text", "source_rows"]


class _Row(NamedTuple):
    """A line of the answer: an output, its value, and its two ends within the band."""

    column: str
    value: Callable[[Solution], Any]
    ends: Callable[[Solution], Sequence[float]] = lambda _: ()
    digits: int = 4

    def cells(self, best: Solution) -> tuple[str, ...]:
        unit = units_of([self.column], best.unit)[self.column].removeprefix("1")
        ends = " to ".join(written(float(end), self.column) for end in self.ends(best))
        return heading(self.column), written(float(self.value(best)), self.column, self.digits), unit, ends


_ANSWER = (
    _Row("n_params", lambda s: s.design.n_params, lambda s: s.band.n_params),
    _Row("train_tokens", lambda s: s.design.train_tokens, lambda s: s.band.train_tokens),
    _Row("rl_tokens", lambda s: s.design.rl_tokens),
    _Row("tokens_per_param", lambda s: s.design.train_tokens / s.design.n_params,
         lambda s: [20 * end for end in s.band.overtraining_vs_rule_of_20]),
    _Row("overtraining_vs_rule_of_20", lambda s: s.overtraining.vs_rule_of_20, lambda s: s.band.overtraining_vs_rule_of_20),
    _Row("overtraining_vs_law", lambda s: s.overtraining.vs_law),
    _Row("loss", lambda s: s.loss, digits=5),
)  # fmt: skip


def solution_text(best: Solution) -> RenderableType:
    """The answer first, then why (cost by phase), then how sure (band, certificate, reach)."""
    s = best.scenario
    band = f"same loss, at most {percent(best.band.tolerance)} more expensive"
    money_head = "training-equivalent FLOP" if best.unit == "flops" else "USD"
    sentences = [sentence for line in _LINES if (sentence := line(best))]
    return Group(
        Text(f"{title(s)}: {goal_line(s)}", style="bold"),
        Text(f"law {law_line(s)}, goal {s.goal.kind}"),
        Text(f"traffic {traffic_line(s)}"),
        Text(f"RL {rl_line(s)}; limits {limits_line(s)}"),
        grid(["", "optimum", "unit", band], [row.cells(best) for row in _ANSWER]),
        grid(["cost over the life", money_head, "share"], _costs(best)),
        Text("\n".join([*sentences, *(f"Warning: {sentence}" for sentence in warnings(s))])),
    )


def _costs(best: Solution) -> list[tuple[str, str, str]]:
    total, research = float(best.cost.total), float(research_cost(best.scenario, best.cost))
    phases = {name: float(getattr(best.cost, phase)) for phase, name in PHASES.items()} | {"total": total}
    if research > 0:
        phases["of it research runs"] = research
    return [(name, figure(value, best.unit), percent(value / total)) for name, value in phases.items()]


def _chinchilla(best: Solution) -> str:
    plan = best.baseline
    saved = f"{percent(best.savings)} less" if best.savings >= 0 else f"{percent(-best.savings)} more"
    return unpriced(best) or (
        f"The compute-optimal (Chinchilla) plan for the same loss, {human(float(plan.design.n_params))} on "
        f"{human(float(plan.design.train_tokens))} tokens, costs {money(float(plan.cost.total), best.unit)}: this one costs {saved}."
    )


def _certificate(best: Solution) -> str:
    found = best.certificate
    proof = (
        "certified global optimum"
        if found.certified_global
        else "best of several starts; experts at a chosen batch are not convex, so it is not certified as the global optimum"
    )
    limits = f"; held by {', '.join(found.active_limits)}" if found.active_limits else ""
    return f"Certificate: {proof}, KKT residual {found.kkt_residual:.0e}{limits}."


def _serving(best: Solution) -> str:
    if not best.scenario.serving.by_roofline:
        return ""
    point = operating_point(Placement("the model", float(best.design.n_params), best.scenario))
    return (
        f"Serving: {human(point['batch'], 3)} sequences a step, {human(point['tokens_per_second_per_user'], 3)} tokens/s each, "
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
    _certificate,
    lambda best: best.extrapolation.sentence,
    _serving,
    _assumed_return,
    _broken_limits,
    lambda best: best.band.unknown,
    unspent,
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


def reproduction_text(
    steps: Sequence[Step],
    frame: "pd.DataFrame",
    waterfall: "pd.DataFrame",
    means: dict[str, dict[str, float]],
    sentence: str,
) -> RenderableType:
    """The lecture and the exact answers: arithmetic, laws, waterfall, verdict."""
    laws: list[tuple[str, dict[str, Any]]] = [(row["law"], row) for row in frame.reset_index().to_dict("records")]
    pinned = [
        (
            law,
            human(row["D0_100B"], 3),
            human(row["pinned_train_tokens"]),
            times(row["pinned_vs_rule_of_20"]),
            times(row["pinned_vs_law"]),
            human(row["pinned_exact_train_tokens"]),
            times(row["pinned_exact_vs_rule_of_20"]),
        )
        for law, row in laws
    ]
    optima = [
        (
            law,
            human(row["n_params"]),
            human(row["train_tokens"]),
            times(row["vs_rule_of_20"]),
            f"{human(row['band_n_params_low'], 3)} to {human(row['band_n_params_high'], 3)}",
            f"{times(row['band_vs_rule_of_20_low'])} to {times(row['band_vs_rule_of_20_high'])}",
            "yes" if row["claim_in_band"] else "no",
            f"+{percent(row['lecture_point_excess_cost'], 2)}",
        )
        for law, row in laws
    ]
    pinned_header = ["law", "D0", "D*, 200T", "D*/20N", "D*/D0", "D*, 259.2T", "D*/20N"]
    optima_header = ["law", "N*", "D*", "D*/20N", "N within 5 %", "D/20N within 5 %", "100x in", "extra"]
    steps_up: list[dict[str, Any]] = waterfall.reset_index().to_dict("records")
    columns = [name for name in waterfall.columns if name != "factor"]
    stairs = [
        (
            row["step"],
            *(times(row[name]) for name in columns),
            "" if math.isnan(row["factor"]) else f"x {human(row['factor'], 3)}",
        )
        for row in steps_up
    ]
    inside = sum(bool(row["claim_in_band"]) for _, row in laws)
    verdict = [
        f"Geometric mean of the {len(frame)} laws, N at 100B: " + ", ".join(f"{m['all']:.0f}x at {tokens}" for tokens, m in means.items())
        + "; with the two readings of the Hoffmann fit counted once: "
        + ", ".join(f"{m['same_fit_once']:.0f}x at {tokens}" for tokens, m in means.items()) + ".",
        f"100x lies inside the 5 % band of {inside} of {len(frame)} laws: the valley is flat, so read the band, not the point.",
        sentence,
    ]  # fmt: skip
    return Group(
        grid(["quantity", "working", "result"], steps, title="The lecture's arithmetic", text_columns=3),
        grid(
            pinned_header,
            pinned,
            title="Exact, N pinned at 100B parameters: optimal training tokens, when 200T and 259.2T are served",
        ),
        grid(
            optima_header,
            optima,
            title="Exact, least cost at the quality of 100B on 200T: optimum, 5 % band, extra cost of the lecture's point",
        ),
        grid(
            ["D*/20N, N at 100B", *(name.replace("_", " ") for name in columns), "factor"],
            stairs,
            title="How the ratio builds up",
        ),
        Text("\n".join(verdict)),
    )
