"""What do the analyses look like? Each function draws the frame of the function of its name.

    tornado(tornado(s))            elasticity_bars(elasticities(s))         fan(monte_carlo(s, served=...))
    sobol_bars(sobol(s))           frontier(frontier(s))                    regret_heat_map(regret(s, ...))
    band_against_law(ensemble(s))

Notebook, app and export draw with these. `dark` takes the colours of a dark page. Marks are told apart by fill, shape and position too.
"""

from .bars import elasticity_bars, sobol_bars, tornado
from .curves import fan, frontier
from .ranges import band_against_law, regret_heat_map

__all__ = ["band_against_law", "elasticity_bars", "fan", "frontier", "regret_heat_map", "sobol_bars", "tornado"]
