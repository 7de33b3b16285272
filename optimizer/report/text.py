"""How is an answer put on a terminal? rich renderables of solutions, tables and problems."""

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from ..analysis.serving import Served, operating_point
from ..analysis.why import Step
from ..assumptions.naming import title
from ..assumptions.numbers import human, percent, times
from ..assumptions.question import figure, goal_line, law_line, limits_line, money, rl_line, traffic_line
from ..assumptions.rl import OptimisedRL
from ..model.cost import research_cost
from ..model.total import warnings
from ..optimum.program import Rows, ln_design
from ..optimum.solution import Solution
from .sentences import unpriced, unspent

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["grid", "reproduction_text", "solution_text", "source_rows"]


def grid(header: Sequence[str], rows: Iterable[Sequence[str]], *, title: str = "", text_columns: int = 1) -> Table:
    """A table with numbers to the right; the first `text_columns` columns are text."""
    table = Table(title=title or None, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for i, name in enumerate(header):
        text = i < text_columns or name in ("unit", "source")
        table.add_column(name, justify="left" if text else "right", overflow="fold")
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    return table


def solution_text(best: Solution) -> RenderableType:
    """The answer first, then why (cost by phase), then how sure (band, certificate, reach)."""
    n, d, r = (float(v) for v in best.design)
    band, base, unit = best.band, best.baseline, best.unit
    low, high = band.n_params
    ratio_low, ratio_high = band.overtraining_vs_rule_of_20
    answer = [
        ("parameters N*", human(n), "active parameters", f"{human(low)} to {human(high)}"),
        ("training tokens D*", human(d), "tokens", f"{human(band.train_tokens[0])} to {human(band.train_tokens[1])}"),
        ("RL tokens R*", human(r), "tokens", ""),
        (
            "tokens per parameter",
            f"{d / n:,.0f}",
            "tokens/parameter",
            f"{20 * ratio_low:,.0f} to {20 * ratio_high:,.0f}",
        ),
        (
            "over-training against 20:1",
            times(best.overtraining.vs_rule_of_20),
            "D / 20 N",
            f"{times(ratio_low)} to {times(ratio_high)}",
        ),
        ("over-training against the law", times(best.overtraining.vs_law), "D / D0(N)", ""),
        ("loss", human(best.loss, 5), "nat/token", ""),
    ]
    total = float(best.cost.total)
    phases = {
        "pre-training": best.cost.pretraining,
        "RL": best.cost.rl,
        "prefill": best.cost.prefill,
        "decode": best.cost.decode,
    }
    phases["total"] = total
    research = float(research_cost(best.scenario, best.cost))
    if research > 0:
        phases["of it research runs"] = research
    costs = [(name, figure(float(v), unit), percent(float(v) / total)) for name, v in phases.items()]
    certificate = best.certificate
    held = f"; held by {', '.join(certificate.active_limits)}" if certificate.active_limits else ""
    proof = (
        "certified global optimum"
        if certificate.certified_global
        else "best of several starts; experts at a chosen batch are not convex, so nothing certifies it as global"
    )
    saved = f"{percent(best.savings)} less" if best.savings >= 0 else f"{percent(-best.savings)} more"
    base_n, base_d = human(float(base.design.n_params)), human(float(base.design.train_tokens))
    lines = [
        unpriced(best)
        or f"The compute-optimal (Chinchilla) plan for the same loss, {base_n} on {base_d} tokens, costs "
        f"{money(float(base.cost.total), unit)}: "
        f"this one costs {saved}.",
        f"Certificate: {proof}, KKT residual {certificate.kkt_residual:.0e}{held}.",
        best.extrapolation.sentence,
    ]
    if best.scenario.serving.method == "roofline":
        point = operating_point(Served("the model", n, best.scenario))
        lines.append(
            f"Serving: {human(point['batch'], 3)} sequences a step, {human(point['tokens_per_second_per_user'], 3)} tokens/s each, "
            f"{human(point['tokens_per_second_per_chip'], 3)} tokens/s per chip; {human(point['usd_per_mtok_decode'], 3)} USD per million "
            f"decoded and {human(point['usd_per_mtok_prefill'], 3)} per million computed prompt tokens."
        )
    if isinstance(best.scenario.rl, OptimisedRL):
        G, gamma = (float(v) for v in best.scenario.rl.return_term(best.scenario.law))
        lines.append(
            f"RL tokens are decided by an assumed return term G R^-gamma with G = {human(G)} and gamma = {gamma:.4g}; no constants are "
            "published, and the answer rests on them. Set rl.G and rl.gamma."
        )
    rows, at = Rows(best.scenario), ln_design(best.scenario, base.design)
    forbidden = [path for path in rows.limits if rows.value(path, at) > 0]
    if forbidden and not unpriced(best):
        lines.append(f"That plan breaks {', '.join(forbidden)}: part of the difference is the price of the limit.")
    lines += filter(None, [band.unknown, unspent(best)])
    lines += [f"Warning: {sentence}" for sentence in warnings(best.scenario)]
    s = best.scenario
    return Group(
        Text(f"{title(s)}: {goal_line(s)}", style="bold"),
        Text(f"law {law_line(s)}, goal {s.goal.kind}"),
        Text(f"traffic {traffic_line(s)}"),
        Text(f"RL {rl_line(s)}; limits {limits_line(s)}"),
        grid(["", "optimum", "unit", f"same loss, at most {percent(band.tolerance)} dearer"], answer),
        grid(["cost over the life", "training-equivalent FLOP" if unit == "flops" else "USD", "share"], costs),
        Text("\n".join(lines)),
    )


def source_rows(records: Iterable[dict[str, Any]]) -> list[tuple[str, str, str, str, str]]:
    """Rows for a terminal of what `sources` returns; the day of a fact follows its source."""
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
    """The lecture beside the exact answers: arithmetic, laws, waterfall, verdict."""
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
