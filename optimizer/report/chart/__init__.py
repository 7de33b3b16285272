"""Charts of the analyses, made with Altair; each function draws the frame of the analysis of its name.

    tornado(tornado(s))            elasticity_bars(elasticities(s))         fan(monte_carlo(s, served=...))
    sobol_bars(sobol(s))           frontier(frontier(s))                    regret_heat_map(regret(s, ...))
    size_table(size_table(s, {...}))         draws(draws(s))
    band_against_law(ensemble(s))            cost_against_params(cost_curve(best))   cost_by_phase(cost_phases(best))
    monthly_traffic(monthly_tokens(s))       latency_against_cost(batch_points(placement(...)))
    chip_frontier(chip_frontier(placement(...)))
    staircase(staircase(s))                  design_map(design_map(best))
    valleys(valleys({...}))                  bills(bills({...}))
    maps(maps({...}))                        tornados(tornados({...}))
    residuals(fit(runs).residuals())         isoloss(fit(runs).isoloss())

Notebooks, the app and picture files use these. `dark` chooses the colours of a dark page. Marks differ in fill, shape or position, not in
colour alone.
"""

from .bars import elasticity_bars, sobol_bars, tornado
from .compare import bills, maps, tornados, valleys
from .curves import fan, frontier, size_table
from .fit import isoloss, residuals
from .plan import cost_against_params, cost_by_phase, monthly_traffic
from .ranges import band_against_law, regret_heat_map
from .serving import chip_frontier, latency_against_cost
from .spread import draws
from .why import design_map, staircase

__all__ = [
    "band_against_law",
    "bills",
    "chip_frontier",
    "cost_against_params",
    "cost_by_phase",
    "design_map",
    "draws",
    "elasticity_bars",
    "fan",
    "frontier",
    "isoloss",
    "latency_against_cost",
    "maps",
    "monthly_traffic",
    "regret_heat_map",
    "residuals",
    "size_table",
    "sobol_bars",
    "staircase",
    "tornado",
    "tornados",
    "valleys",
]
