"""Plans side by side: each number stands under its own unit."""

import math

import numpy as np
import pandas as pd

from optimizer import load, solve
from optimizer.analysis.compare import difference_table, maps, tornados
from optimizer.analysis.tornado import tornado
from optimizer.model.outputs import COMPARED


def test_costs_in_two_units_have_a_row_each():
    plans = {name: solve(load(name)) for name in ("lecture-2026", "frontier-moe-chat", "on-device")}
    flops, usd, third = plans
    frame = difference_table(plans, flops)
    costs = [output for output in COMPARED if output.startswith("cost_")]
    assert frame["output"].value_counts()[costs].tolist() == [2] * len(costs)
    assert len(frame) == len(COMPARED) + len(costs)
    rows = frame.set_index(["output", "unit"])
    for name, best in plans.items():
        unit, other = ("USD", "FLOP") if best.unit == "usd" else ("FLOP", "USD")
        assert rows.loc[("cost_total", unit), name] == float(best.cost.total)
        assert math.isnan(rows.loc[("cost_total", other), name])
    assert {best.unit for best in plans.values()} == {"usd", "flops"}
    assert math.isnan(rows.loc[("cost_total", "USD"), f"{usd} / reference"])
    same = plans[third].unit == plans[usd].unit
    reference = usd if same else flops
    found = difference_table(plans, reference).set_index(["output", "unit"])
    unit = "USD" if same else "FLOP"
    assert found.loc[("cost_total", unit), f"{third} / reference"] == (
        float(plans[third].cost.total) / float(plans[reference].cost.total)
    )


def test_maps_and_tornados_are_those_of_each_plan_alone():
    plans = {name: solve(load(name)) for name in ("lecture-2026", "open-weights-8b")}
    found = maps(plans)
    for name, best in plans.items():
        own = found[found["plan"] == name].set_index("kind")
        assert own.loc["optimum", "n_params"] == float(best.design.n_params)
        assert own.loc["equal loss", "loss"].nunique() == 1
        np.testing.assert_allclose(own.loc["equal loss", "loss"], best.loss, rtol=1e-12)
        np.testing.assert_allclose(own.loc["equal cost", "cost_total"], float(best.cost.total), rtol=1e-12)
    both = tornados(plans, "n_params")
    for name, best in plans.items():
        alone = tornado(best.scenario, "n_params")
        joined = both[both["plan"] == name].drop(columns="plan").reset_index(drop=True)
        pd.testing.assert_frame_equal(joined, alone, check_flags=False)
