"""Bounds of what a placement costs in a cell, in NumPy, against the cost of its corner in compiled programs."""

import numpy as np
import pytest

from optimizer.assumptions.library import load
from optimizer.model.cost import Design, design_of
from optimizer.model.limits import limit_names
from optimizer.model.placements import placements
from optimizer.model.roofline import SERVED
from optimizer.optimum.cells import least_in_cells
from optimizer.optimum.curve import curve
from optimizer.optimum.program import Rows, ln_design
from optimizer.optimum.prompt_sizes import decoding
from tests.counts import named

FIRST_TOKEN = "limits.max_seconds_to_first_token"
KINDS = {
    "prompts apart": {},
    "prompts together": {"deployment.prefill": "together"},
    "drafts": {"deployment.drafted_tokens": 3, "deployment.acceptance_rate": 0.8, "deployment.draft_share": 0.05},
    "a first token": {FIRST_TOKEN: 0.06},
    "a given batch": {
        "deployment.batch": "fixed",
        "deployment.batch_size": 64,
        "deployment.target_tokens_per_second": None,
    },
}


@pytest.mark.parametrize("kind", named(KINDS, "prompts apart"))
def test_a_bound_is_the_cost_of_the_corner_of_its_cell(kind):
    scenario = load(
        "frontier-moe-rack", {"deployment.placement": "best", "deployment.parallelism": None, **KINDS[kind]}
    )
    listed, edges = placements(scenario), np.linspace(-6, 8, 5)
    bounds, places = least_in_cells(listed, edges), curve(scenario).place(edges)
    corners = [
        Design(*map(float, design_of(scenario, n, d)))
        for n, d in zip(np.exp(places.ln_n[:-1]), np.exp(places.ln_d[1:]), strict=True)
    ]
    served = np.zeros(bounds.shape, bool)
    for i, s in enumerate(listed):
        rows = Rows(s)
        late = FIRST_TOKEN in limit_names(s)
        for k, design in enumerate(corners):
            figures = rows.figures(design)
            in_time = not late or rows.value(FIRST_TOKEN, ln_design(s, design)) <= SERVED
            served[i, k] = figures.can_serve and in_time
            if np.isfinite(bounds[i, k]):
                assert served[i, k]
                assert bounds[i, k] == pytest.approx(float(figures.cost.total), rel=1e-12)
    assert served.any()
    assert not served.all()
    # A cell that is served has no bound only where chips for prompts that cost less stand for it.
    for alike in {
        decoding(s): [i for i, t in enumerate(listed) if decoding(t) == decoding(s)] for s in listed
    }.values():
        assert (np.isfinite(bounds[alike]).any(axis=0) == served[alike].any(axis=0)).all()
