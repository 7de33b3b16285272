"""Writes data/law_draws.csv and data/law_weights.csv: draws of the laws fitted to public runs, and their weights.

`python -m docs.pages.law_draws` fits the sets whose runs come with the package; with `llama3-isoflop=runs.csv` after it also a set
whose runs have no licence. Sets that are not fitted keep their draws and errors; all weights are computed again.
"""

import csv
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from optimizer.assumptions.tables import rows
from optimizer.evidence.between import between_sweeps, form_weights
from optimizer.evidence.fit import fit
from optimizer.evidence.fitted import Fit
from optimizer.evidence.runs import example_runs

__all__ = ["SHIPPED", "draws_of", "refitted", "weighted"]

SHIPPED: dict[str, tuple[str, dict[str, object]]] = {
    "gadre-c4": ("gadre", {"train_set": "c4_original"}),
    "gadre-rpj": ("gadre", {"train_set": "rpj"}),
    "gadre-rw": ("gadre", {"train_set": "rw_original"}),
    "gemstones": ("gemstones", {}),
    "sardana-runs": ("sardana", {}),
}
"""Set of runs -> table that comes with the package, and the rows of it."""
DRAWS = 200
"""a fit"""
BOOTSTRAP = 400
FORMS = ("additive", "coupled")
COEFFICIENTS = ("E", "A", "B", "alpha", "beta", "gamma")


def refitted(name: str, bootstrap: int = BOOTSTRAP) -> Fit:
    """The fit of a set of runs that comes with the package."""
    table, where = SHIPPED[name]
    return fit(example_runs()[table], where=where or None, bootstrap=bootstrap)


def weighted(records: Iterable[Mapping[str, str]]) -> dict[str, float]:
    """Weight of each law: alike for each group of sets, then for each set of the group, then by form (`form_weights`); 0 where it was 0."""
    used = [r for r in records if float(r["weight"])]
    errors: dict[str, dict[str, dict[str, float]]] = {}
    for r in used:
        name, form = r["law"].rsplit("-", 1)
        errors.setdefault(r["group"], {}).setdefault(name, {})[form] = float(r["held_out_error"])
    return {
        f"{name}-{form}": share / len(sets) / len(errors)
        for sets in errors.values()
        for name, by_form in sets.items()
        for form, share in form_weights(by_form).items()
    }


def draws_of(found: Fit, seed: int) -> dict[str, list[dict[str, float]]]:
    """Form -> draws with the error between sweeps, as rows of coefficients."""
    runs = found.runs.frame
    n, d = (float(np.exp(np.log(runs[name]).mean())) for name in ("n_params", "train_tokens"))
    return {
        form: between_sweeps(found.forms[form].draws, (n, d), DRAWS, np.random.default_rng([seed, i])).to_dict(
            "records"
        )
        for i, form in enumerate(FORMS)
    }


def _written(path: Path, header: Iterable[str], records: Iterable[Mapping[str, Any]]) -> None:
    with path.open("w", newline="") as out:
        table = csv.DictWriter(out, [*header], lineterminator="\n")
        table.writeheader()
        table.writerows(records)


def _main(given: list[str]) -> None:
    weights = [dict(r) for r in rows("law_weights")]
    names = list(dict.fromkeys(r["law"].rsplit("-", 1)[0] for r in weights))
    own = dict(one.split("=", 1) for one in given)
    drawn: dict[str, list[Any]] = {}
    for r in rows("law_draws"):
        drawn.setdefault(r["law"], []).append(r)
    for seed, name in enumerate(names):
        if name not in own and name not in SHIPPED:
            continue
        found = fit(own[name], bootstrap=BOOTSTRAP) if name in own else refitted(name)
        assert found.held_out is not None
        held = found.held_out.frame.set_index("form")
        for form, laws in draws_of(found, seed).items():
            law = f"{name}-{form}"
            drawn[law] = [{"law": law, **{c: f"{one.get(c, 1.0):.7g}" for c in COEFFICIENTS}} for one in laws]
            row = next(r for r in weights if r["law"] == law)
            row |= {f"held_out_{column}": f"{held.loc[form, column]:.4g}" for column in ("error", "bias")}
            row |= {"short_runs": str(found.held_out.short), "long_runs": str(found.held_out.long)}
    shares = weighted(weights)
    for row in weights:
        row["weight"] = f"{shares.get(row['law'], 0.0):.6g}"
    _written(Path("data/law_weights.csv"), weights[0], weights)
    _written(Path("data/law_draws.csv"), ("law", *COEFFICIENTS), [r for law in drawn.values() for r in law])


if __name__ == "__main__":
    _main(sys.argv[1:])
