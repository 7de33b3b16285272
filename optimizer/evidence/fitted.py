"""What a fit of a scaling law found: coefficients with intervals, the test on the longest runs, residuals, and the law for a scenario."""

import math
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..assumptions.joint import joint_of
from ..assumptions.law_file import law_toml
from ..assumptions.numbers import percent
from ..model.outputs import units_of
from .between import MIDDLE, SHARES, between_sweeps
from .isoflop import Profiles
from .runs import Runs

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FORMS", "Fit", "HeldOut", "LawFit"]

FORMS = {"additive": "chinchilla", "coupled": "coupled"}
"""The forms that are fitted, with the kind of law of each."""

COEFFICIENTS = ("E", "A", "B", "alpha", "beta")
INTERVAL = 0.8
"""Share of the bootstraps inside an interval."""

FILED = 200
"""Draws of a mixture in a file of a law."""

LEVELS, ALONG = 9, 60
"""Lines of equal loss, and points of each."""


@dataclass(frozen=True)
class LawFit:
    """One form, fitted."""

    form: str
    coefficients: dict[str, float]
    """E, A, B, alpha, beta and, of the coupled form, gamma"""
    draws: "pd.DataFrame" = field(repr=False)
    """one row a bootstrap, one column a coefficient; no rows without a bootstrap"""
    objective: float
    """sum of Huber losses over their width"""
    error: float
    """mean |ln(predicted / loss)| over the runs"""
    on_bounds: tuple[str, ...]
    """coefficients that lie on a bound of the fit"""
    fixed: tuple[str, ...]
    tied: bool
    unfinished: int
    """bootstraps that did not end"""

    def loss(self, n_params: Any, train_tokens: Any) -> Any:
        """Predicted loss, elementwise."""
        return _loss(self.coefficients, n_params, train_tokens)

    def loss_draws(self, n_params: float, train_tokens: float) -> np.ndarray:
        """The loss that each bootstrap predicts for one design."""
        return _loss({name: self.draws[name].to_numpy() for name in self.draws}, n_params, train_tokens)

    def interval(self, name: str) -> tuple[float, float]:
        """The middle 80 % of a coefficient over the bootstraps; NaN without one."""
        if self.draws.empty:
            return math.nan, math.nan
        low, high = np.quantile(self.draws[name], [(1 - INTERVAL) / 2, (1 + INTERVAL) / 2])
        return float(low), float(high)

    @property
    def tokens_exponent(self) -> float:
        """Exponent of D* over budgets: alpha / (alpha + beta)."""
        return self.coefficients["alpha"] / (self.coefficients["alpha"] + self.coefficients["beta"])


def _loss(c: dict[str, Any], n_params: Any, train_tokens: Any) -> Any:
    ln_z = np.logaddexp(
        np.log(c["A"]) - c["alpha"] * np.log(n_params), np.log(c["B"]) - c["beta"] * np.log(train_tokens)
    )
    return c["E"] + np.exp(c.get("gamma", 1.0) * ln_z)


class HeldOut(NamedTuple):
    """Forms fitted to the shorter runs and asked about the longest."""

    frame: "pd.DataFrame"
    """one row a form: bias, mean of predicted over measured loss less 1; error, mean of its size"""
    tokens_per_param: float
    """most tokens per parameter of the shorter runs"""
    short: int
    long: int

    @property
    def best(self) -> str:
        """The form with the least error."""
        return str(self.frame.loc[self.frame["error"].idxmin(), "form"])


@dataclass(frozen=True)
class Fit:
    """Laws fitted to a table of runs."""

    label: str
    """name of the law in headings"""
    runs: Runs = field(repr=False)
    forms: dict[str, LawFit]
    held_out: HeldOut | None = field(repr=False)
    """the test on the longest runs; None where there are too few"""
    profiles: Profiles | None = field(repr=False)
    """isoFLOP profiles; None where the runs are no isoFLOP sweep"""
    notes: tuple[str, ...]
    middle: LawFit | None = field(default=None, repr=False)
    """the coupled form with the root of the fitted gamma; None unless both forms were fitted, with a bootstrap and a free gamma"""

    @property
    def recommended(self) -> str:
        """The form that came closest to the longest runs; without that test the additive form, which has fewer coefficients."""
        return self.held_out.best if self.held_out else next(iter(self.forms))

    @property
    def reason(self) -> str:
        """What the test on the longest runs says, and why that form is recommended."""
        alone = len(self.forms) == 1
        if self.held_out is None:
            why = "It is the form that was asked for" if alone else "It has fewer coefficients"
            return (
                f"{why}; there are too few long runs to hold back, so how well it predicts longer runs is not tested."
            )
        held = self.held_out
        said = "; ".join(
            f"{row['form']} {percent(row['bias'], 2)} on average, {percent(row['error'], 2)} in size"
            for row in held.frame.to_dict("records")
        )
        return (
            f"{'The form was' if alone else 'Both forms were'} fitted to the {held.short} runs of at most {held.tokens_per_param:.3g} "
            f"tokens per parameter and asked about the {held.long} longer ones{'' if alone else ', where this one came closer'}. "
            f"Predicted over measured loss, less 1: {said}. Below zero a form promises too low a loss for long runs."
        )

    @property
    def fitted_range(self) -> dict[str, float]:
        """The largest of the runs, as a law records them."""
        frame = self.runs.frame
        ratio = frame["train_tokens"] / frame["n_params"]
        ends = {"params": frame["n_params"], "tokens": frame["train_tokens"], "tokens_per_param": ratio}
        return {f"fitted_max_{name}": float(values.to_numpy().max()) for name, values in ends.items()}

    def mixture(self, count: int = 400, seed: int = 0, without: str = "") -> "pd.DataFrame":
        """Laws that carry the whole error of the fit: of the runs, of the form and between sweeps (`between`).

        Where both forms were fitted a third stands between them, the coupled form with the root of its gamma.

        Args:
            count: laws to draw.
            seed: of the draws.
            without: a group of public sweeps (data/law_weights.csv, data/law_sweeps.csv) that may say nothing, to test on its runs.

        Returns:
            One row a law: form ("additive", "middle" or "coupled"), E, A, B, alpha, beta, gamma (1 where additive). The middle form
            counts twice. Empty without a bootstrap.

        """
        import pandas as pd

        fitted = self.forms | ({MIDDLE: self.middle} if self.middle else {})
        drawn = {form: law for form, law in fitted.items() if not law.draws.empty}
        frame, rng = self.runs.frame, np.random.default_rng(seed)
        n, d = (float(np.exp(np.log(frame[name]).mean())) for name in ("n_params", "train_tokens"))
        parts = [pd.DataFrame({"form": [], **{name: np.zeros(0) for name in (*COEFFICIENTS, "gamma")}})]
        left, total = count, sum(SHARES[form] for form in drawn)
        for i, (form, law) in enumerate(drawn.items()):
            some = left if i == len(drawn) - 1 else round(count * SHARES[form] / total)
            left -= some
            part = between_sweeps(law.draws, (n, d), some, rng, without)
            part.insert(0, "form", form)
            parts.append(part.assign(gamma=part.get("gamma", 1.0)))
        return pd.concat(parts[1:] or parts, ignore_index=True)

    @cached_property
    def _mixed(self) -> "pd.DataFrame":
        """The mixture that every interval is read from: drawn once."""
        return self.mixture()

    def loss_interval(self, n_params: float, train_tokens: float, share: float = INTERVAL) -> tuple[float, float]:
        """The middle `share` of the loss of one design over `mixture`; NaN without a bootstrap."""
        laws = self._mixed
        if laws.empty:
            return math.nan, math.nan
        found = _loss({name: laws[name].to_numpy() for name in (*COEFFICIENTS, "gamma")}, n_params, train_tokens)
        low, high = np.quantile(found, [(1 - share) / 2, (1 + share) / 2])
        return float(low), float(high)

    def law(self, form: str = "") -> dict[str, Any]:
        """The law as a block of a scenario, with range and posterior: `scenario.update({"law": found.law()})`.

        Args:
            form: "additive" or "coupled"; the recommended one when left out.

        """
        law = self.forms[form or self.recommended]
        block: dict[str, Any] = {"kind": FORMS[law.form], "label": self.label, **law.coefficients, **self.fitted_range}
        return block | ({} if law.draws.empty else {"posterior": joint_of(law.coefficients, law.draws)})

    def to_toml(self, form: str = "") -> str:
        """The law as a file for `--set law=FILE`, the recommended form unless another is named, with draws of `mixture`."""
        law = self.forms[form or self.recommended]
        about = {
            "runs": len(self.runs.frame), "excluded": len(self.runs.excluded), "source": Path(self.runs.name).name,
            "counts": self.runs.counts, "loss_unit": self.runs.unit, "form": law.form, "tied": law.tied, "fixed": [*law.fixed],
            "bootstraps": len(law.draws), "objective": "sum of Huber(1e-3) of ln(predicted loss / loss)", "error": law.error,
            "test": self.reason,
        }  # fmt: skip
        return law_toml(self.law(law.form), about, self.mixture(FILED).drop(columns="form").to_dict("list"))

    def to_frame(self) -> "pd.DataFrame":
        """One row a form and coefficient: form, coefficient, value, low, high (middle 80 % of the bootstraps), on_bound."""
        import pandas as pd

        rows = []
        for form, law in self.forms.items():
            for name, value in law.coefficients.items():
                low, high = law.interval(name)
                rows.append(
                    {
                        "form": form,
                        "coefficient": name,
                        "value": value,
                        "low": low,
                        "high": high,
                        "on_bound": name in law.on_bounds,
                    }
                )
        frame = pd.DataFrame(rows)
        frame.attrs["units"] = dict.fromkeys(("value", "low", "high"), "1")
        return frame

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as `overtrain fit --json` prints it; a number that does not exist is None."""
        held, profiles = self.held_out, self.profiles
        forms = {}
        for form, law in self.forms.items():
            ends = {name: [_or_none(v) for v in law.interval(name)] for name in law.coefficients}
            test = next((r for r in held.frame.to_dict("records") if r["form"] == form), None) if held else None
            forms[form] = {
                **law.coefficients,
                "interval_80": None if law.draws.empty else ends,
                "objective": law.objective,
                "error": law.error,
                "tokens_exponent": law.tokens_exponent,
                "on_bounds": [*law.on_bounds],
                "held_out": {"bias": test["bias"], "error": test["error"]} if test else None,
            }
        return {
            "recommended": self.recommended,
            "reason": self.reason,
            **forms,
            "label": self.label,
            "runs": len(self.runs.frame),
            "excluded": [{"row": int(r["row"]), "reason": r["reason"]} for r in self.runs.excluded.to_dict("records")],
            "counts": self.runs.counts,
            "loss_unit": self.runs.unit,
            "range": self.fitted_range,
            "held_out": {"tokens_per_param": held.tokens_per_param, "short": held.short, "long": held.long}
            if held
            else None,
            "isoflop": {
                "tokens_exponent": profiles.tokens_exponent,
                "standard_error": profiles.standard_error,
                "budgets": profiles.frame.to_dict("records"),
            }
            if profiles
            else None,
            "notes": [*self.notes],
        }

    def residuals(self) -> "pd.DataFrame":
        """One row a form and run: form, row, n_params, train_tokens, tokens_per_param, loss, predicted, and residual, measured over
        predicted loss less 1.
        """
        import pandas as pd

        parts = []
        for form, law in self.forms.items():
            part = self.runs.frame.assign(form=form)
            part["tokens_per_param"] = part["train_tokens"] / part["n_params"]
            part["predicted"] = law.loss(part["n_params"], part["train_tokens"])
            part["residual"] = part["loss"] / part["predicted"] - 1
            parts.append(part)
        frame = pd.concat(parts, ignore_index=True)
        units = units_of(frame, "") | {"loss": self.runs.unit, "predicted": self.runs.unit, "residual": "1"}
        frame.attrs = {"units": units, "label": self.label}
        return frame

    def isoloss(self, form: str = "") -> "pd.DataFrame":
        """Lines of equal loss over the range of the runs, and the runs: kind ("line" or "run"), n_params, train_tokens, loss.

        Args:
            form: "additive" or "coupled"; the recommended one when left out.

        """
        import pandas as pd

        law, runs = self.forms[form or self.recommended], self.runs.frame
        c = law.coefficients
        share = 1 / (1 + np.exp(-np.linspace(-12, 12, 6 * ALONG)))  # of the N term in z = A N^-alpha + B D^-beta
        levels = np.quantile(law.loss(runs["n_params"], runs["train_tokens"]), np.linspace(0.03, 0.97, LEVELS))
        lines = []
        for level in levels:
            z = (level - c["E"]) ** (1 / c.get("gamma", 1.0))
            n, d = (c["A"] / (share * z)) ** (1 / c["alpha"]), (c["B"] / ((1 - share) * z)) ** (1 / c["beta"])
            inside = (n > runs["n_params"].min() / 1.3) & (n < runs["n_params"].max() * 1.3)
            inside &= (d > runs["train_tokens"].min() / 2) & (d < runs["train_tokens"].max() * 2)
            kept = np.flatnonzero(inside)[:: max(1, int(inside.sum()) // ALONG)]
            lines.append(pd.DataFrame({"kind": "line", "n_params": n[kept], "train_tokens": d[kept], "loss": level}))
        points = runs[["n_params", "train_tokens", "loss"]].assign(kind="run")
        frame = pd.concat([*lines, points], ignore_index=True)
        units = units_of(("n_params", "train_tokens"), "") | {"loss": self.runs.unit}
        frame.attrs = {"units": units, "label": self.label, "form": law.form}
        return frame


def _or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None
