"""Recognise problems without a solution before the solver runs, each with a message that says what to change."""

import math

import numpy as np
from scipy.optimize import brentq, minimize_scalar

from ..assumptions.attention import attends
from ..assumptions.goal import BudgetGoal, LossGoal, ParamsGoal, TokensGoal
from ..assumptions.numbers import human, in_bytes
from ..assumptions.quantisation import quantised
from ..assumptions.question import like_line
from ..assumptions.scenario import Scenario
from ..model.cost import Design, design_of
from ..model.loop import ENDLESS, first_token, first_token_wait, prompt_tokens
from ..model.quality import reducible_loss, target_reducible_loss
from ..model.replica import longest_context, memory_batch, replica
from ..model.roofline import fastest_step
from ..model.training import training_bytes_per_chip
from .program import Rows
from .solution import InfeasibleError

__all__ = ["SMALLEST_USEFUL", "Room", "check"]

SMALLEST_USEFUL = 1e6
"""Parameters, and training tokens, below which no scaling law says anything: 57 times below the smallest run of any fit."""

_ROUNDING = 1e-12
_FARTHEST = 60.0
"""ln N of the largest size that is looked at."""
_PARAM_CAPS = ("limits.max_params", "limits.max_bytes")
_CURVED_CAPS = (
    "limits.max_training_bytes_per_chip",
    "limits.max_seconds_to_first_token",
    "deployment.chips",
    "deployment.prefill_chips",
    "deployment.target_tokens_per_second",
    "limits.min_tokens_per_second_per_user",
)
_TOKEN_CAPS = ("limits.max_train_tokens", "limits.max_epochs")
_COMPUTE_CAPS = ("limits.max_training_days",)


class Room:
    """The range that the limits leave: bounds on ln N, ln D and ln N D, each with the dotted path of the limit that sets it."""

    def __init__(self, rows: Rows, *, attends: bool = False) -> None:
        self._rows = rows if attends and set(_COMPUTE_CAPS) & set(rows.limits) else None
        # A straight limit is ln(quantity) - ln(bound), so its excess at N = D = 1 is minus the logarithm of its bound.
        at_one = {path: rows.value(path, np.zeros(rows.size)) for path in rows.limits}
        self.least_params = at_one.get("limits.min_params", -math.inf)
        _, most = _tightest(at_one, _PARAM_CAPS)
        for path in (path for path in _CURVED_CAPS if path in at_one):
            largest = _largest_within(rows, path, most=most)
            at_one[path], most = -largest, min(most, largest)
        self.params_by, self.most_params = _tightest(at_one, (*_PARAM_CAPS, *_CURVED_CAPS))
        self.tokens_by, self.most_tokens = _tightest(at_one, _TOKEN_CAPS)
        self.compute_by, self.most_compute = _tightest(at_one, _COMPUTE_CAPS)

    def tokens_at(self, ln_params: float) -> float:
        """The largest ln D at ln N."""
        return min(self.most_tokens, self.compute_at(ln_params))

    def compute_at(self, ln_params: float) -> float:
        """The largest ln D that the limit on compute allows at ln N; with attention compute is not proportional to N."""
        if self._rows is None:
            return self.most_compute - ln_params
        return -self._rows.value(self.compute_by, np.append(ln_params, np.zeros(self._rows.size - 1)))

    def params_at(self, ln_tokens: float) -> float:
        """The largest ln N that the limit on compute allows at ln D."""
        if self._rows is None:
            return self.most_compute - ln_tokens
        return _largest_within(self._rows, self.compute_by, ln_tokens)

    @property
    def least_bound(self) -> float:
        """A ln N below which the limit on compute binds nowhere, or no size is useful."""
        if self._rows is not None:
            return math.log(SMALLEST_USEFUL)
        return self.most_compute - min(self.most_tokens, 700.0)


def _largest_within(rows: Rows, path: str, ln_tokens: float = 0.0, most: float = math.inf) -> float:
    """The largest ln N that keeps a limit whose quantity rises with N but is not a power of it; -inf where no size does.

    Infinite where the limit allows `most`, the ln N that another one allows.
    """

    def excess(ln_params: float) -> float:
        return rows.value(path, np.array([ln_params, ln_tokens, *[0.0] * (rows.size - 2)]))

    low, high = math.log(SMALLEST_USEFUL), min(most, _FARTHEST)
    if excess(low) > 0:
        return -math.inf
    if high <= low or excess(high) <= 0:
        return _FARTHEST if high == _FARTHEST else math.inf
    return float(brentq(excess, low, high, xtol=1e-12))  # pyright: ignore[reportArgumentType]


def _tightest(at_one: dict[str, float], caps: tuple[str, ...]) -> tuple[str, float]:
    bounds = [(-at_one[path], path) for path in caps if path in at_one]
    bound, path = min(bounds, default=(math.inf, ""))
    return path, bound


def check(scenario: Scenario, rows: Rows) -> Room:
    """The range of designs inside the limits, after every impossibility known in advance is excluded.

    Raises:
        InfeasibleError: with a sentence that says what is impossible and what to change.

    """
    found = Room(rows, attends=attends(scenario))
    if found.most_params == -math.inf:
        raise InfeasibleError(_no_size_fits(scenario, found.params_by))
    if found.least_params > found.most_params:
        raise InfeasibleError(
            f"limits.min_params = {human(math.exp(found.least_params))} contradicts {found.params_by}, which allows at most "
            f"{human(math.exp(found.most_params))} parameters. Lower the one or raise the other."
        )
    match scenario.goal:
        case LossGoal() as goal:
            _check_loss(scenario, goal, found)
        case BudgetGoal() as goal:
            _check_budget(scenario, rows, goal, found)
        case ParamsGoal() as goal:
            _check_params(scenario, goal, found)
        case TokensGoal() as goal:
            _check_tokens(scenario, goal, found)
    return found


def _no_size_fits(scenario: Scenario, path: str) -> str:
    """Why not even the smallest useful model keeps a limit, and what would."""
    d, small = scenario.deployment, f"even {human(SMALLEST_USEFUL)} parameters"
    if path == "limits.max_training_bytes_per_chip":
        need = float(training_bytes_per_chip(scenario, SMALLEST_USEFUL))
        return (
            f"{small} fill {in_bytes(need)} of a chip in pre-training, above {path}. "
            "Lower pretraining.tokens_per_chip, or set pretraining.recomputation = 'full'."
        )
    if path == "limits.max_seconds_to_first_token":
        least, prompt = float(first_token(scenario, SMALLEST_USEFUL)), float(prompt_tokens(scenario))
        if float(first_token_wait(scenario)) > ENDLESS:
            return (
                f"prompts that arrive at random wait without end for replicas that are always busy, so none keeps {path}. Set "
                "serving.load_factor below 1, or limits.first_token_percentile = 0 for a prompt that waits for no other."
            )
        return (
            f"{small} take {human(least)} s to the first token of a prompt of {human(prompt)} tokens, above {path}. Allow "
            f"more than {human(least)} s, or lower deployment.prompt_tokens or deployment.seconds_per_layer."
        )
    r = replica(scenario, SMALLEST_USEFUL)
    if path == "deployment.prefill_chips":
        return (
            f"deployment.prefill_chips = {human(d.prefill_chips or 0)} do not hold the cache of a prompt of deployment.context_tokens = "
            f"{human(d.context_tokens)} tokens. Take more of them, or a shorter context."
        )
    if path == "deployment.chips":
        sequences, fits = d.batch_size or 1.0, float(memory_batch(r))
        context = math.floor(float(longest_context(scenario, SMALLEST_USEFUL)))
        shorter = f"a context of {context:,} tokens or less, " if context >= 1 else ""
        cache, memory = (in_bytes(float(size)) for size in (sequences * r.kv_held_bytes, r.memory_bytes))
        return (
            f"{human(sequences)} {'sequence' if sequences == 1 else 'sequences'} of deployment.context_tokens = "
            f"{human(d.context_tokens)} tokens do not fit: their cache takes "
            f"{cache} and a replica has {memory}, enough for {fits:.3g}. Take {shorter}a smaller batch, or more deployment.chips."
        )
    fastest = float(r.kept_tokens / fastest_step(scenario, r))
    return (
        f"{small} decode at most {human(fastest)} tokens/s for a user on this deployment, below {path}. Ask for at most "
        f"{human(fastest)} tokens/s, or lower deployment.seconds_per_layer or deployment.context_tokens."
    )


def _check_loss(scenario: Scenario, goal: LossGoal, found: Room) -> None:
    law = scenario.law
    E = float(law.chinchilla.E)
    target = float(target_reducible_loss(scenario))
    if target <= 0:
        raise InfeasibleError(
            f"target loss {human(E + target, 5)} nat/token does not lie above the irreducible loss E = {human(E, 5)}; no compute "
            f"reaches it. Set goal.loss above {human(E, 5)}."
        )
    best = _best_reachable(scenario, found)
    if target >= best * (1 - _ROUNDING):
        return
    asked = f"target loss {human(E + target, 6)} nat/token"
    if goal.loss is None:
        asked += f" (as good as {like_line(goal)})"
    if law.repeats and float(law.reducible(math.inf, math.inf)) >= target:
        raise InfeasibleError(
            f"{asked} needs more data than repetition can give: {law.most_worth}, so the loss stays above {human(E + best, 6)}. "
            "Raise law.unique_tokens or the target."
        )
    raise InfeasibleError(
        f"{asked} cannot be reached within {' and '.join(_reasons(scenario, found))}: the best loss there is {human(E + best, 6)}, "
        f"however much else is spent. {'Loosen' if scenario.limits.min_params else 'Raise'} a limit, or ask for a loss "
        + (
            f"above {human(E + best, 6)}, or for more bits."
            if quantised(scenario)
            else f"well above {human(E + best, 6)}: cost grows without bound towards it."
        )
    )


def _reasons(scenario: Scenario, found: Room) -> list[str]:
    limits, reasons = scenario.limits, []
    for path in filter(None, (found.params_by, found.tokens_by, found.compute_by)):
        if path == "deployment.chips":
            chips = float(scenario.deployment.chips_on(scenario.money.serve_chip) * scenario.deployment.stages)
            reasons.append(f"the memory of {chips:g} chips ({human(math.exp(found.most_params))} parameters)")
            continue
        block, field = path.split(".")
        value = getattr(getattr(scenario, block), field)
        meaning = {
            "limits.max_training_bytes_per_chip": f"{in_bytes(value)} ({human(math.exp(found.most_params))} parameters)",
            "limits.max_seconds_to_first_token": f"{human(value)} s ({human(math.exp(found.most_params))} parameters)",
            "deployment.prefill_chips": f"{value:g}, the memory of so many chips ({human(math.exp(found.most_params))} parameters)",
            "deployment.target_tokens_per_second": f"{human(value)} tokens/s ({human(math.exp(found.most_params))} parameters)",
            "limits.min_tokens_per_second_per_user": f"{human(value)} tokens/s ({human(math.exp(found.most_params))} parameters)",
            "limits.max_params": f"{human(value)} parameters",
            "limits.max_bytes": f"{in_bytes(value)} ({human(math.exp(found.most_params))} parameters)",
            "limits.max_train_tokens": f"{human(value)} tokens",
            "limits.max_epochs": f"{value:g} epochs ({human(math.exp(found.most_tokens))} tokens)",
            "limits.max_training_days": f"{value:g} days on {human(limits.fleet_chips or 0)} chips",
        }[path]
        reasons.append(f"{path} = {meaning}")
    if limits.min_params is not None and found.compute_by:
        reasons.append(f"limits.min_params = {human(limits.min_params)} parameters")
    return reasons


def _best_reachable(scenario: Scenario, found: Room) -> float:
    """The lowest reducible loss inside the limits; 0 where nothing bounds N and D."""
    law = scenario.law

    def reducible(ln_params: float) -> float:
        tokens, params = found.tokens_at(ln_params), ln_params
        if quantised(scenario) and math.isfinite(params):  # more data raises the loss from some D on
            return _least_served(scenario, params, tokens)
        return float(law.reducible(_exp(params), _exp(tokens)))

    if math.isinf(found.most_compute):
        return reducible(found.most_params)
    low = max(found.least_params, found.least_bound, -700.0)
    high = min(found.most_params, 700.0)
    if low >= high:
        return reducible(min(low, high))
    inside = minimize_scalar(
        lambda n: math.log(reducible(n)), bounds=(low, high), method="bounded", options={"xatol": 1e-10}
    )
    return min(reducible(float(inside.x)), reducible(low), reducible(high))


def _least_served(scenario: Scenario, ln_params: float, most: float) -> float:
    """The lowest reducible loss of a size on at most so many tokens."""

    def at(ln_tokens: float) -> float:
        return float(reducible_loss(scenario, Design(_exp(ln_params), math.exp(ln_tokens), 0.0)))

    high = min(most, 300.0)
    inside = minimize_scalar(
        lambda d: math.log(at(d)), bounds=(min(0.0, high - 100.0), high), method="bounded", options={"xatol": 1e-12}
    )
    return min(at(float(inside.x)), at(high))


def _exp(ln: float) -> float:
    return math.inf if ln > 700 else math.exp(ln)


def _check_budget(scenario: Scenario, rows: Rows, goal: BudgetGoal, found: Room) -> None:
    params = max(SMALLEST_USEFUL, math.exp(found.least_params))
    rl_tokens = (SMALLEST_USEFUL,) if scenario.rl.decided else ()
    design = design_of(scenario, params, SMALLEST_USEFUL, *rl_tokens)
    cost = rows.figures(Design(*(float(v) for v in design))).cost
    least, unit = float(cost.total), scenario.money.currency
    if goal.budget < least:
        running = least - float(cost.pretraining)
        raise InfeasibleError(
            f"goal.budget = {human(goal.budget)} {unit} lies below the cheapest useful run: {human(params)} parameters on "
            f"{human(SMALLEST_USEFUL)} tokens cost {human(least)} {unit} over their life, {human(running)} of it RL and serving. "
            f"Raise goal.budget above {human(least)} {unit}, or plan for less traffic or RL."
        )


def _check_params(scenario: Scenario, goal: ParamsGoal, found: Room) -> None:
    ln_params, useful = math.log(goal.params), float(scenario.law.ln_useful_params)
    if ln_params > useful:
        raise InfeasibleError(
            f"goal.params = {human(goal.params)} is not the best size for any quality: {scenario.law.most_worth}, and "
            f"{human(math.exp(useful))} reach all of it. Raise law.unique_tokens, or plan a smaller model."
        )
    if found.least_params - _ROUNDING <= ln_params <= found.most_params + _ROUNDING:
        return
    above = ln_params > found.most_params
    bound, path = (found.most_params, found.params_by) if above else (found.least_params, "limits.min_params")
    raise InfeasibleError(
        f"goal.params = {human(goal.params)} contradicts {path}, which allows {'at most' if above else 'at least'} "
        f"{human(math.exp(bound))} parameters. Change the one or the other."
    )


def _check_tokens(scenario: Scenario, goal: TokensGoal, found: Room) -> None:
    ln_tokens, useful = math.log(goal.tokens), float(scenario.law.ln_useful_tokens)
    asked = f"goal.tokens = {human(goal.tokens)}"
    if ln_tokens > useful:
        raise InfeasibleError(
            f"{asked} is not the best run for any quality: {scenario.law.most_worth}, and {human(math.exp(useful))} training tokens "
            "give all of it. Raise law.unique_tokens, or plan a shorter run."
        )
    if ln_tokens > found.most_tokens + _ROUNDING:
        raise InfeasibleError(
            f"{asked} contradicts {found.tokens_by}, which allows at most {human(math.exp(found.most_tokens))} training tokens. "
            "Change the one or the other."
        )
    if found.least_params > found.params_at(ln_tokens):
        raise InfeasibleError(
            f"{asked} and limits.min_params = {human(math.exp(found.least_params))} contradict {found.compute_by}, which allows at most "
            f"{human(math.exp(found.params_at(ln_tokens)))} parameters on so many tokens. Change one of them."
        )
