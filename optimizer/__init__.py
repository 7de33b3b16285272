"""Overtrain: given the traffic a language model will serve, how many parameters and training tokens should it have?

The public API on one page:

    from optimizer import load, solve

    s = load("lecture-2026").update({"traffic.output_tokens": "500T"})
    best = solve(s)
    best.design.n_params, best.overtraining.vs_rule_of_20, best.band

Names are imported on first use, so that `overtrain --help` does not wait for JAX.
"""

from importlib import import_module, metadata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .analysis.elasticities import elasticities
    from .analysis.frontier import frontier
    from .analysis.grid import SizeTable, wide
    from .analysis.implied import ImpliedTraffic, implied_traffic
    from .analysis.inverse import inverse_table
    from .analysis.laws import ensemble, laws
    from .analysis.placement import Placement, placement
    from .analysis.regret import regret, robust_plans
    from .analysis.sizes import size_table
    from .analysis.sobol import sobol
    from .analysis.throughput import throughput
    from .analysis.tornado import tornado
    from .analysis.uncertainty import draws, monte_carlo, probability_above, quantiles
    from .assumptions.library import load, presets, sources
    from .assumptions.problems import DataError, InputError
    from .assumptions.scenario import Scenario
    from .assumptions.tables import table
    from .evidence.fit import fit
    from .evidence.fitted import Fit
    from .model.cost import Design, LifecycleCost, lifecycle_cost
    from .optimum.batch import solve_batch
    from .optimum.given import cost, design_from
    from .optimum.optimal import OptimalDesign, optimal_design
    from .optimum.solve import InfeasibleError, Solution, Status, solve
    from .parquet_sweep.folder import Sweep, sweep_parquet
    from .report import chart
    from .report.files.agreement import read_table
    from .report.files.export import export
    from .report.terminal import progress

__all__ = [
    "DataError",
    "Design",
    "Fit",
    "ImpliedTraffic",
    "InfeasibleError",
    "InputError",
    "LifecycleCost",
    "OptimalDesign",
    "Placement",
    "Scenario",
    "SizeTable",
    "Solution",
    "Status",
    "Sweep",
    "chart",
    "cost",
    "design_from",
    "draws",
    "elasticities",
    "ensemble",
    "export",
    "fit",
    "frontier",
    "implied_traffic",
    "inverse_table",
    "laws",
    "lifecycle_cost",
    "load",
    "monte_carlo",
    "optimal_design",
    "placement",
    "presets",
    "probability_above",
    "progress",
    "quantiles",
    "read_table",
    "regret",
    "robust_plans",
    "size_table",
    "sobol",
    "solve",
    "solve_batch",
    "sources",
    "sweep_parquet",
    "table",
    "throughput",
    "tornado",
    "wide",
]

_HOMES = {
    "assumptions.library": ("load", "presets", "sources"),
    "assumptions.problems": ("DataError", "InputError"),
    "assumptions.scenario": ("Scenario",),
    "assumptions.tables": ("table",),
    "evidence.fit": ("fit",),
    "evidence.fitted": ("Fit",),
    "model.cost": ("Design", "LifecycleCost", "lifecycle_cost"),
    "optimum.batch": ("solve_batch",),
    "analysis.laws": ("ensemble", "laws"),
    "analysis.regret": ("regret", "robust_plans"),
    "analysis.implied": ("ImpliedTraffic", "implied_traffic"),
    "analysis.elasticities": ("elasticities",),
    "analysis.sobol": ("sobol",),
    "optimum.given": ("cost", "design_from"),
    "optimum.optimal": ("OptimalDesign", "optimal_design"),
    "optimum.solve": ("InfeasibleError", "Solution", "Status", "solve"),
    "analysis.frontier": ("frontier",),
    "analysis.placement": ("Placement", "placement"),
    "analysis.throughput": ("throughput",),
    "analysis.tornado": ("tornado",),
    "analysis.uncertainty": ("draws", "monte_carlo", "probability_above", "quantiles"),
    "report": ("chart",),
    "report.files.export": ("export",),
    "report.terminal": ("progress",),
    "analysis.grid": ("SizeTable", "wide"),
    "analysis.inverse": ("inverse_table",),
    "report.files.agreement": ("read_table",),
    "parquet_sweep.folder": ("Sweep", "sweep_parquet"),
    "analysis.sizes": ("size_table",),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

try:
    __version__ = metadata.version("overtrain")
except metadata.PackageNotFoundError:  # a checkout that is not installed
    __version__ = "0.0.0"


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = import_module(f".{_HOME[name]}", __name__)
    return import_module(".chart", home.__name__) if name == "chart" else getattr(home, name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
