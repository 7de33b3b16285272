"""Links of the app, as tests read them."""

from collections.abc import Mapping

from optimizer import InputError, Scenario
from optimizer.app.link import opened


def scenario_of(given: Mapping[str, str]) -> tuple[str, Scenario]:
    """(preset, scenario) of query parameters that are taken whole.

    Raises:
        InputError: something in them is refused.

    """
    found = opened(given)
    if found.notice or found.problems:
        raise InputError([*found.notice, *found.problems])
    return found.preset, found.scenario
