import math

import pytest

from optimizer.model.cost import Design
from optimizer.model.limits import limit_excess, limit_names

from ..conftest import plain_scenario


def test_bounds_by_hand():
    # 100 days x 1000 H100 x 9.89e14 FLOP/s x 0.4 = 3.418e24 FLOP; 6 N D of the design is 6.3e24.
    s = plain_scenario(
        limits={
            "min_params": 1e10,
            "max_params": 1e11,
            "max_bytes": 1.4e11,
            "bytes_per_param": 1.0,
            "max_train_tokens": 3e13,
            "unique_tokens": 5e12,
            "max_epochs": 4.0,
            "max_training_days": 100.0,
            "fleet_chips": 1000.0,
        }
    )
    excess = {path: math.exp(float(v)) for path, v in limit_excess(s, Design(7e10, 1.5e13, 0.0)).items()}
    assert list(excess) == limit_names(s)
    assert excess == {
        "limits.min_params": pytest.approx(1 / 7),
        "limits.max_params": pytest.approx(0.7),
        "limits.max_bytes": pytest.approx(0.5),
        "limits.max_train_tokens": pytest.approx(0.5),
        "limits.max_epochs": pytest.approx(0.75),
        "limits.max_training_days": pytest.approx(6 * 7e10 * 1.5e13 / (100 * 86400 * 1000 * 9.89e14 * 0.4)),
    }


def test_epochs_of_a_repetition_law_are_over_its_own_tokens():
    law = {"name": "besiroglu", "kind": "repetition", "unique_tokens": 5e12}
    s = plain_scenario(law=law, limits={"max_epochs": 4.0})
    assert math.exp(float(limit_excess(s, Design(1e10, 1e13, 0.0))["limits.max_epochs"])) == pytest.approx(0.5)


def test_no_limits():
    assert limit_names(plain_scenario()) == []
