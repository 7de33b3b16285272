"""Why is the optimum where it is? The lecture's arithmetic for any scenario, and every law side by side with how sure each is."""

from typing import TYPE_CHECKING

import numpy as np

from ..assumptions.numbers import human, percent
from ..assumptions.posterior import posterior_of
from ..assumptions.scenario import Scenario
from ..optimum.blocks import Progress
from ..optimum.ensemble import ensemble, under_law
from ..optimum.solution import Solution
from ..optimum.uncertainty import draws, quantiles
from .lecture import Step
from .plan import needs_answer
from .text import times

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["laws_beside", "reasoning", "steps_frame"]

RATIO = "overtraining_vs_rule_of_20"
ENDS = (0.1, 0.9)
DRAWS = 400


def reasoning(best: Solution) -> list[Step]:
    """The lecture's steps with a scenario's own numbers, and its exact answer last.

    Raises:
        InputError: the solution has no design.

    """
    needs_answer(best)
    s, cost = best.scenario, best.cost
    n, d, r = (float(v) for v in best.design)
    read, written = (float(v) for v in (s.traffic.demand().input_tokens, s.traffic.demand().output_tokens))
    served = read + written
    k, per_rl, per_served = (
        float(v)
        for v in (
            s.pretraining.flops_per_param_token,
            s.rl.flops_per_param_token,
            s.serving.flops_per_param_token,
        )
    )
    unit = "FLOP" if best.unit == "flops" else "USD"
    parts = {
        "pre-training": float(cost.pretraining),
        "RL": float(cost.rl),
        "inference": float(cost.prefill) + float(cost.decode),
    }
    whole = float(cost.total)
    found = [
        Step("tokens this model serves", f"{human(read)} input + {human(written)} output", f"{human(served)} tokens"),
        Step("compute of pre-training", f"{k:g} N D = {k:g} x {human(n)} x {human(d)}", f"{human(k * n * d)} FLOP"),
    ]
    if r:
        found.append(
            Step(
                "compute of RL",
                f"{per_rl:g} N R = {per_rl:g} x {human(n)} x {human(r)}",
                f"{human(per_rl * n * r)} FLOP",
            )
        )
    found.append(
        Step(
            "compute of inference",
            f"{per_served:g} N T = {per_served:g} x {human(n)} x {human(served)}",
            f"{human(per_served * n * served)} FLOP",
        )
    )
    found += [
        Step(f"bill of {name}", f"{percent(value / whole)} of the cost over the life", f"{human(value)} {unit}")
        for name, value in parts.items()
        if value
    ]
    balanced = d * parts["inference"] / parts["pre-training"]
    found += [
        Step("D at equal cost", "pre-training as dear as inference", f"{human(balanced)} tokens"),
        Step("heuristic over-training", f"{human(balanced)} / (20 x {human(n)})", times(balanced / (20 * n))),
        Step(
            "exact over-training",
            f"D* / 20 N* = {human(d)} / (20 x {human(n)})",
            times(best.overtraining.vs_rule_of_20),
        ),
        Step("against the law's own optimum", "D* / D0(N*)", times(best.overtraining.vs_law)),
    ]
    return found


def steps_frame(steps: list[Step]) -> "pd.DataFrame":
    """Steps as a table: quantity, working, result."""
    import pandas as pd

    frame = pd.DataFrame.from_records(steps, columns=["quantity", "working", "result"])
    frame.attrs["units"] = {}
    return frame


def laws_beside(scenario: Scenario, *, n: int = DRAWS, progress: Progress = iter) -> "pd.DataFrame":
    """`ensemble`, with the interval of the law's own posterior beside the 5 % band.

    Args:
        scenario: the question; its law is replaced.
        n: draws from each posterior.
        progress: wraps the laws, as a progress bar does.

    Returns:
        As `ensemble`, with `posterior_low` and `posterior_high`: quantiles 10 % and 90 % of D*/(20 N*) over the law's posterior, NaN for
        a law that publishes none. `attrs["units"]` gives the units.

    """
    frame = ensemble(scenario)
    frame["posterior_low"] = frame["posterior_high"] = np.nan
    laws = [str(law) for law, kind in zip(frame.index, frame["kind"], strict=True) if kind == "law"]
    for law in progress(laws):
        s = under_law(scenario, law)
        if frame.loc[law, "status"] == "optimal" and posterior_of(s.law)[0] is not None:
            ends = quantiles(draws(s, n, parts=["law"]), [RATIO], ENDS)["value"]
            frame.loc[law, ["posterior_low", "posterior_high"]] = ends.to_numpy()
    frame.attrs["units"] |= {"posterior_low": "1", "posterior_high": "1"}
    return frame
