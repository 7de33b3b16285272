"""What a design that is given costs, how good it is, which limits it keeps, and how much the best design of the same loss would save."""

import math

from scipy.optimize import brentq

from ..assumptions.arguments import NUMBER, checks, instance_of
from ..assumptions.attention import attends
from ..assumptions.bounds import within
from ..assumptions.numbers import human
from ..assumptions.problems import InputError
from ..assumptions.scenario import SCENARIO, Scenario
from ..model.cost import Design, design_of, pretraining_flops
from ..model.quality import as_good_as
from .placing import cheapest
from .program import Rows, ln_design
from .solution import Certificate, Solution, Status
from .solve import baseline_of, described, solve

__all__ = ["cost", "design_from"]

_DESIGN = instance_of(Design, "write Design(n_params, train_tokens, rl_tokens), or take solve(scenario).design")


@checks(scenario=SCENARIO, design=_DESIGN, band=NUMBER)
def cost(scenario: Scenario, design: Design, *, band: float = 0.05) -> Solution:
    """A design as it is: the answer of `solve` for a design that is given, with the best design of the same loss next to it.

    Args:
        scenario: the assumptions; its goal has no effect, its limits are checked and bind the best design.
        design: N, D and R (counts), as `design_from` makes them.
        band: tolerance of the band around the best design, as a share of its cost.

    Returns:
        A Solution with status GIVEN. `best` is the optimum for the loss of the design within the limits, `excess_cost` the cost above it;
        the band is that of `best`. Where the limits leave no such optimum, `best` carries the message, and excess and band are NaN.

    Raises:
        InputError: N, D or R is no positive number (R may be 0 unless it is decided).
        ValueError: `band` does not lie in (0, 1].

    >>> from optimizer.assumptions.library import load
    >>> given = cost(load("lecture-2026"), Design(100e9, 200e12, 200e12 / 1.5))
    >>> f"{given.excess_cost:.1%}"
    '4.2%'

    """
    design = Design(*(float(v) for v in design))
    problems = [
        f"{name} must be {within(0, above=True)}, got {value:g} {unit}."
        for name, unit, value in zip(("N", "D", "R"), ("parameters", "tokens", "tokens"), design, strict=True)
        if not (0 < value < math.inf or (name == "R" and value == 0 and not scenario.rl.decided))
    ]
    if problems:
        raise InputError(problems)
    best = solve(scenario.model_copy(update={"goal": as_good_as(scenario, design)}), band=band, throw=False)
    asked = scenario
    scenario, listed = cheapest(asked, design)
    rows = Rows(scenario)
    return described(
        scenario,
        rows,
        design,
        status=Status.GIVEN,
        baseline=baseline_of(scenario, rows, ln_design(scenario, design), asked),
        band=best.band,
        certificate=lambda _: Certificate(math.nan, False, (), {}),
        best=best,
        listed=listed,
        asked=asked,
    )


@checks(scenario=SCENARIO, n_params=NUMBER, train_tokens=NUMBER, flops=NUMBER, rl_tokens=NUMBER)
def design_from(
    scenario: Scenario,
    n_params: float | None = None,
    train_tokens: float | None = None,
    flops: float | None = None,
    rl_tokens: float | None = None,
) -> Design:
    """The design that two of N, D and the pre-training compute C = k N D give, with the R of the scenario's policy.

    Args:
        scenario: k is pretraining.flops_per_param_token; attention counts where pretraining.context_tokens is given.
        n_params: active parameters N.
        train_tokens: pre-training tokens D.
        flops: C (FLOP) of the final run, without research.
        rl_tokens: R, where rl.policy = 'optimised' decides it; left out for every other policy.

    Raises:
        InputError: with one sentence for every problem.

    >>> from optimizer.assumptions.library import load
    >>> f"{design_from(load('lecture-2026'), 7e9, flops=1e23).train_tokens / 1e12:.3f}T"
    '2.381T'

    """
    given = {"parameters": n_params, "training tokens": train_tokens, "compute": flops}
    named = [name for name, value in given.items() if value is not None]
    problems = []
    if len(named) != 2:
        problems.append(
            f"give two of parameters, training tokens and compute, from which the third follows; got {', '.join(named) or 'none'}."
        )
    amounts = {**given, "RL tokens": rl_tokens}
    problems += [
        f"{name} must be {within(0, above=True)}, got {human(value)}."
        for name, value in amounts.items()
        if value is not None and not 0 < value < math.inf
    ]
    if scenario.rl.decided != (rl_tokens is not None):
        problems.append(
            "RL tokens are missing: rl.policy = 'optimised' decides them with the design; give them."
            if scenario.rl.decided
            else f"RL tokens follow from rl.policy = {scenario.rl.policy!r}; leave them out, or set rl.policy = 'optimised'."
        )
    if problems:
        raise InputError(problems)
    if n_params is None:
        assert flops is not None
        assert train_tokens is not None
        n_params = _size_of(scenario, flops, train_tokens)
    if train_tokens is None:
        assert flops is not None
        train_tokens = flops / float(pretraining_flops(scenario, n_params, 1.0))
    return Design(*(float(v) for v in design_of(scenario, n_params, train_tokens, rl_tokens)))


def _size_of(scenario: Scenario, flops: float, train_tokens: float) -> float:
    """N of a run of so many FLOPs and tokens; with attention its FLOPs are not proportional to N."""
    most = flops / (float(scenario.pretraining.flops_per_param_token) * train_tokens)
    if not attends(scenario):
        return most

    def excess(ln_params: float) -> float:
        return math.log(float(pretraining_flops(scenario, math.exp(ln_params), train_tokens)) / flops)

    return math.exp(brentq(excess, math.log(most) - 100, math.log(most) + 1e-9, xtol=1e-14))  # pyright: ignore[reportArgumentType]
