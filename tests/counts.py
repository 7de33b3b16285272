"""How many random cases does a test try? Few in `make test`, all with OVERTRAIN_THOROUGH=1, as the continuous integration sets it."""

import os

THOROUGH = os.environ.get("OVERTRAIN_THOROUGH") == "1"


def cases(quick: int, thorough: int) -> int:
    """The number of cases of this run."""
    return thorough if THOROUGH else quick
