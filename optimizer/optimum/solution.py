"""The result of `solve`: the optimal design with its cost, band, baseline and certificate."""

import enum
import math
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

from ..assumptions.naming import described, title
from ..assumptions.numbers import percent
from ..assumptions.present import levelled_demand
from ..assumptions.scenario import Scenario
from ..assumptions.warned import warnings
from ..model.cost import Design, LifecycleCost, nominal_cost, research_cost
from ..model.fleet import Fleet
from ..model.limits import LimitAt
from ..model.outputs import NEEDS, heading, units_of, written
from ..model.placements import Placed
from ..model.prompted import Prompted
from .across import AcrossLaws
from .reach import Extrapolation
from .shown import html_cells, text_cells

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "KKT_TOLERANCE",
    "Band",
    "Baseline",
    "Certificate",
    "InfeasibleError",
    "Overtraining",
    "Solution",
    "Status",
]

KKT_TOLERANCE = 1e-8
"""KKT residual up to which a point counts as optimal; N* and D* are then right to about 1e-9 and usually to 1e-13."""


class Status(enum.Enum):
    """How a solve ended, as a sentence."""

    OPTIMAL = "The design is optimal: it satisfies the KKT conditions."
    GIVEN = "The design is given, not optimised."
    INFEASIBLE = "No design meets the goal within the limits."
    NOT_CONVERGED = "The solver stopped before the KKT conditions held; do not use the numbers."


class InfeasibleError(ValueError):
    """The question has no answer; the sentence says why and what to change.

    Attributes:
        status: INFEASIBLE, or NOT_CONVERGED when the solver is to blame.

    """

    def __init__(self, sentence: str, status: Status = Status.INFEASIBLE) -> None:
        self.status = status
        super().__init__(sentence)


class Overtraining(NamedTuple):
    """Training tokens per parameter, as a multiple of two yardsticks."""

    vs_rule_of_20: float
    """D / (20 N)"""
    vs_law: float
    """D / D0(N), D0 being the law's own train-optimal tokens for that N with fresh data"""


class Baseline(NamedTuple):
    """The Chinchilla plan: the same loss with the least pre-training compute, billed for the same life. Limits do not bind it; one that
    the deployment cannot serve, for memory or for speed, has no cost (NaN).
    """

    design: Design
    cost: LifecycleCost


_ENDS = ("fewest", "most")


class Band(NamedTuple):
    """Designs of the same loss, inside the limits, that cost at most (1 + tolerance) times the optimum: the range of each quantity.

    An end that the solver did not find, or that fails one of these conditions, is NaN.
    """

    tolerance: float
    smallest: Design
    """the design with the fewest parameters"""
    largest: Design
    """the design with the most parameters"""
    train_tokens: tuple[float, float]
    """least and most D (tokens)"""
    overtraining_vs_rule_of_20: tuple[float, float]
    """least and most D / (20 N)"""

    @property
    def n_params(self) -> tuple[float, float]:
        """Least and most N (parameters)."""
        return float(self.smallest.n_params), float(self.largest.n_params)

    @property
    def unknown(self) -> str:
        """One sentence that names the ends that were not found, "" where all were."""
        ends = {
            "parameters": self.n_params,
            "training tokens": self.train_tokens,
            "tokens per parameter": self.overtraining_vs_rule_of_20,
        }
        named = [f"{end} {name}" for name, both in ends.items() for end, v in zip(_ENDS, both, strict=True) if v != v]
        if not named:
            return ""
        return f"The band is not known whole: the solver found no design with the {', '.join(named)} in it."


class Certificate(NamedTuple):
    """Why the answer can be believed."""

    kkt_residual: float
    """largest violation of the KKT conditions in logarithms, relative to the objective's gradient"""
    certified_global: bool
    """the problem is log-log convex and the residual is small, so no better design exists"""
    active_limits: tuple[str, ...]
    """dotted paths of the limits that hold the optimum"""
    multipliers: dict[str, float]
    """d ln(objective) / d ln(bound), positive where relaxing the bound helps: by dotted path for a budget and for limits, and
    `reducible_loss` for l = L - E, where it is -d ln C* / d ln l = 1 / eN"""

    placements: int = 1
    """placements that the deployment was chosen from"""
    compared: bool = True
    """whether each was solved or bounded, goals `params` and `tokens` at the loss of the design that they find"""
    cheaper: str = ""
    """goals `params` and `tokens`: a design at another placement that reaches the same loss for less, "" where there is none"""

    @property
    def sentence(self) -> str:
        """Whether the optimum is certified as global, the residual, and the limits that hold it."""
        proof = (
            "certified global optimum"
            if self.certified_global
            else "best of several starts; experts at a chosen batch are not convex, so it is not certified as the global optimum"
        )
        if self.placements > 1:
            others = ", each solved or bounded"
            if not self.compared or self.cheaper:
                proof = "not certified"
                others = f" at this size; {self.cheaper or 'not all are solved or bounded at others'}"
            proof = f"{proof}; best of {self.placements} placements{others}"
        held = f"; held by {', '.join(self.active_limits)}" if self.active_limits else ""
        return f"Certificate: {proof}, KKT residual {self.kkt_residual:.0e}{held}."


@dataclass(frozen=True)
class Solution:
    """The answer to one scenario. Costs are in `unit`; counts are plain numbers."""

    scenario: Scenario
    """with the placement that was chosen"""
    asked: Scenario
    """the question, with its placement open where it is"""
    status: Status
    design: Design
    loss: float
    unit: str
    cost: LifecycleCost
    overtraining: Overtraining
    baseline: Baseline
    band: Band
    certificate: Certificate
    extrapolation: Extrapolation
    fleet: Fleet
    """total parameters, chip-hours and days of pre-training, serving chips month by month"""
    limits: tuple[LimitAt, ...] = ()
    """every limit that is set, with the value that the design has"""
    best: "Solution | None" = None
    """of a design that is given: the optimum for its loss"""
    message: str = ""
    """why there is no optimum; "" where there is one"""
    placement: Placed | None = None
    """where the design is served; None where no roofline is used, or where it cannot be served"""
    prompts: Prompted | None = None
    """how its prompts are computed there, and when their first token comes"""
    across_laws: AcrossLaws | None = None
    """the law's error; None until `optimizer.analysis.laws.with_laws` fills it in"""

    @property
    def warnings(self) -> list[str]:
        """Sentences on what the scenario, or the plan under it, leaves out or contradicts."""
        n_params, train_tokens, _ = self.design
        return warnings(self.scenario, tokens_per_param=float(train_tokens) / float(n_params))

    @property
    def savings(self) -> float:
        """1 - cost / baseline cost; negative where limits make the plan more expensive than the unlimited Chinchilla plan; NaN
        where that has no cost.
        """
        return 1 - float(self.cost.total) / float(self.baseline.cost.total)

    @property
    def excess_cost(self) -> float:
        """Cost above the best design of the same loss, as a share of that: 0 for an optimum, negative where the limits that a given
        design breaks make the best one more expensive; NaN where that is not known.
        """
        best = self if self.status is Status.OPTIMAL else self.best
        return math.nan if best is None else float(self.cost.total) / float(best.cost.total) - 1

    @property
    def usd_per_mtok(self) -> tuple[float, float]:
        """USD per million tokens served, of all bills and of serving alone; NaN where costs are in FLOP or nothing is served.

        With a discount rate, the constant prices per token whose present value is that of these bills (levelled costs).
        """
        demand = levelled_demand(self.scenario)
        served = (float(demand.input_tokens) + float(demand.output_tokens)) / 1e6
        if not self.scenario.money.in_usd or not served > 0:
            return math.nan, math.nan
        return float(self.cost.total) / served, (float(self.cost.prefill) + float(self.cost.decode)) / served

    @property
    def nominal_cost(self) -> float:
        """What is paid over the life without discounting; the cost itself where money.discount_rate is 0."""
        return float(nominal_cost(self.scenario, self.cost).total)

    def to_dict(self) -> dict[str, Any]:
        """The answer as plain data, the shape that `overtrain solve --json` prints."""
        from .. import __version__

        band, baseline = self.band, self.baseline
        return _finite(
            {
                "status": self.status.name.lower(),
                "design": self.design._asdict(),
                "loss": self.loss,
                "cost": {
                    "unit": self.unit,
                    **_phases(self.cost),
                    "total": self.cost.total,
                    "nominal": self.nominal_cost,
                },
                "overtraining": self.overtraining._asdict(),
                "baseline": {
                    "n_params": baseline.design.n_params,
                    "train_tokens": baseline.design.train_tokens,
                    "cost": baseline.cost.total,
                },
                "savings": self.savings,
                "excess_cost": self.excess_cost,
                "needs": self.needs() | {"months": [m._asdict() for m in self.fleet.months]},
                "limits": [limit._asdict() for limit in self.limits],
                "placement": self.placement and self.placement._asdict(),
                "prompts": self.prompts and self.prompts._asdict(),
                "band": {
                    "tolerance": band.tolerance,
                    "n_params": list(band.n_params),
                    "overtraining_vs_rule_of_20": list(band.overtraining_vs_rule_of_20),
                },
                "certificate": {
                    "kkt_residual": self.certificate.kkt_residual,
                    "certified_global": self.certificate.certified_global,
                    "active_limits": list(self.certificate.active_limits),
                    "multipliers": self.certificate.multipliers,
                },
                "across_laws": self.across_laws
                and {
                    "share": self.across_laws.share,
                    **{name: list(ends) for name, ends in self.across_laws.intervals.items()},
                    "laws": self.across_laws.laws,
                    "answered": self.across_laws.answered,
                    "about": self.across_laws.about,
                },
                "warnings": self.warnings,
                "title": title(self.asked),
                "scenario": self.asked.to_dict(),
                "version": __version__,
            }
        )

    def to_frame(self) -> "pd.DataFrame":
        """The answer as one row; `attrs["units"]` maps each column to its unit."""
        import pandas as pd

        numbers = self.numbers()
        frame = pd.DataFrame({name: [value] for name, value in numbers.items()})
        frame.insert(0, "status", [self.status.name.lower()])
        frame.insert(0, "scenario", [title(self.asked)])
        frame.attrs["units"] = units_of(numbers, self.scenario.money.currency)
        return frame

    def needs(self) -> dict[str, float]:
        """What training and serving the design takes, by column: `NEEDS`."""
        whole, serving = self.usd_per_mtok
        electricity = self.fleet.kwh_per_mtok * self.scenario.money.usd_per_kwh
        found = {"own_usd_per_mtok": whole, "own_serving_usd_per_mtok": serving, "energy_usd_per_mtok": electricity}
        return {name: found[name] if name in found else float(getattr(self.fleet, name)) for name in NEEDS}

    def numbers(self) -> dict[str, float]:
        """Every output by its column."""
        n, d, r = (float(v) for v in self.design)
        band, base, cost = self.band, self.baseline, float(self.cost.total)
        found = {"n_params": n, "train_tokens": d, "rl_tokens": r, "tokens_per_param": d / n}
        found |= {f"overtraining_{name}": ratio for name, ratio in self.overtraining._asdict().items()}
        found |= {"loss": self.loss, **{f"cost_{phase}": value for phase, value in _phases(self.cost).items()}}
        found |= {
            "cost_total": cost,
            "cost_nominal": self.nominal_cost,
            "cost_research": float(research_cost(self.scenario, self.cost)),
        }
        found |= self.needs() | ({} if self.best is None else {"excess_cost": self.excess_cost})
        found |= {
            "baseline_n_params": float(base.design.n_params),
            "baseline_train_tokens": float(base.design.train_tokens),
        }
        found |= {
            "baseline_cost_total": float(base.cost.total),
            "savings": self.savings,
            "band_tolerance": band.tolerance,
        }
        for name in ("n_params", "train_tokens", "overtraining_vs_rule_of_20"):
            found |= {f"band_{name}_{end}": v for end, v in zip(("low", "high"), getattr(band, name), strict=True)}
        found |= {f"extrapolation_{name}": _or_nan(factor) for name, factor in self.extrapolation._asdict().items()}
        return found | {"kkt_residual": self.certificate.kkt_residual}

    def _cells(self) -> tuple[list[str], list[tuple[str, ...]]]:
        """Head and lines of the answer as people read it: quantity, value, unit and band."""
        numbers = self.numbers()
        units = units_of(numbers, self.scenario.money.currency)
        lines = []
        for name, value in numbers.items():
            if name.startswith("band_") or math.isnan(value):
                continue
            ends = [written(numbers[end], name) for end in (f"band_{name}_low", f"band_{name}_high") if end in numbers]
            lines.append((heading(name), written(value, name), units[name].removeprefix("1"), " to ".join(ends)))
        same = f"same loss, at most {percent(self.band.tolerance)} more expensive"
        return ["", "optimum" if self.best is None else "given", "unit", same], lines

    def _shown(self, cells: Callable[..., str], said: Callable[[str], str]) -> str:
        """The answer, then how sure it is, with the warnings that belong to it."""
        top = said(f"{title(self.asked)}: {self.message or self.status.value}")
        if self.status not in (Status.OPTIMAL, Status.GIVEN):
            return top
        proof = self.certificate.sentence if self.best is None else ""
        laws = self.across_laws.sentence if self.across_laws else ""
        placed = f"{self.placement.sentence} {self.placement.error}" if self.placement else ""
        sure = (
            laws,
            placed,
            self.prompts.sentence if self.prompts else "",
            proof,
            self.extrapolation.sentence,
            self.band.unknown,
            *self.warnings,
        )
        parts = (top, said(described(self.asked)), cells(*self._cells()), said(" ".join(filter(None, sure))))
        return "\n".join(filter(None, parts))

    def __repr__(self) -> str:
        return self._shown(text_cells, lambda text: textwrap.fill(text, 100))

    def _repr_html_(self) -> str:
        return self._shown(html_cells, lambda text: f"<p>{escape(text)}</p>" if text else "")


def _phases(cost: LifecycleCost) -> dict[str, float]:
    return {phase: float(value) for phase, value in cost._asdict().items()}


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


def _finite(value: Any) -> Any:
    """Plain data that JSON can hold: numbers that are not finite become None."""
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_finite(v) for v in value]
    if isinstance(value, (str, bool)) or value is None:
        return value
    return float(value) if math.isfinite(value) else None
