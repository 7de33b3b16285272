"""How many chips a number of users needs: the users that decode at once, over the sequences that a replica holds at the speed asked for.

    replicas = ceil(users / B),      B the largest batch that memory and the speed allow,      chips = replicas n P

n chips of a pipeline stage, P stages. Queues are left out: users who decode at once are counted, not those who wait.
"""

from collections.abc import Sequence
from math import ceil, floor
from typing import TYPE_CHECKING, Any, NamedTuple

from ..assumptions.arguments import NUMBER, checks
from ..assumptions.numbers import human
from ..assumptions.problems import InputError
from ..model.loop import first_token_parts
from ..model.outputs import units_of
from .placement import Placement, misfits, operating_point

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["capacity_points"]

_ROUNDING = 1e-9
_UNLINKED = 8
"""Chips tried for a replica where the chip has no scale-up domain on record."""


class _Fit(NamedTuple):
    """A number of users on replicas of so many chips."""

    replica_chips: float
    batch: int
    replicas: int

    @property
    def chips(self) -> float:
        return self.replicas * self.replica_chips


@checks(tokens_per_second=NUMBER)
def capacity_points(
    s: Placement,
    users: Sequence[float],
    tokens_per_second: float,
    *,
    prompt_tokens: float | None = None,
    answer_tokens: float | None = None,
) -> "pd.DataFrame":
    """Replicas and chips for users who decode at once, each at a speed or faster.

    Args:
        s: the model, and the deployment of one replica.
        users: how many decode at once, such as the mean and the peak; one row each.
        tokens_per_second: what every user must see at least.
        prompt_tokens: length of a prompt, for the time to its first token where no other waits: computed by the chips that compute
            prompts and, where those are others, sent to the ones that decode; `throughput` has it under load.
        answer_tokens: length of an answer, for the requests that are finished per second.

    Returns:
        One row a number of users: users, batch (sequences of a replica at that speed), replicas, chips, serving_kw (power of the
            chips), tokens_per_second_per_user (at the
        users shared out evenly), requests_per_second and first_token_seconds where lengths are given, fewest_chips and
        fewest_chips_replica: the smallest number of chips that does, over replicas from one chip to the scale-up domain, and the chips of
        its replica.

    Raises:
        InputError: a number is not above 0, or the deployment serves no user at that speed.

    """
    import pandas as pd

    problems = [f"users must be 1 or more, got {human(n)}." for n in users if not n >= 1]
    amounts = {"the speed": tokens_per_second, "the prompt": prompt_tokens, "the answer": answer_tokens}
    problems += [
        f"{name} must lie above 0 tokens, got {human(v)}." for name, v in amounts.items() if v is not None and not v > 0
    ]
    if problems:
        raise InputError(problems)
    asked = {"deployment.batch": "latency", "deployment.target_tokens_per_second": tokens_per_second}
    s = s.update({**asked, "deployment.batch_size": None}).fixed()
    if problems := misfits(s):
        raise InputError(problems)
    d, chip = s.scenario.deployment, s.scenario.money.serve_chip
    most = int(chip.scaleup_domain_chips or _UNLINKED)
    sizes = {n: found for n in range(1, most + 1) if (found := _batch(s, n))}
    records = [_row(s, n, sizes, float(d.chips_on(chip)), answer_tokens) for n in users]
    frame = pd.DataFrame.from_records(records)
    if prompt_tokens is not None:
        asked = s.scenario.update({"deployment.prompt_tokens": prompt_tokens})
        frame["first_token_seconds"] = sum(map(float, first_token_parts(asked, s.n_params, 0.0)))
    frame.attrs["units"] = units_of(frame, "USD")
    return frame


def _batch(s: Placement, chips: float) -> int:
    """Whole sequences that a replica with so many chips a stage serves at the speed asked for; 0 where it does not."""
    moved = s.update({"deployment.chips": chips})
    return 0 if misfits(moved) else floor(operating_point(moved)["batch"] + _ROUNDING)


def _row(s: Placement, users: float, sizes: dict[int, int], own: float, answer_tokens: float | None) -> dict[str, Any]:
    stages = float(s.scenario.deployment.stages)

    def fit(chips: float, batch: int) -> _Fit:
        return _Fit(chips * stages, batch, ceil(users / batch - _ROUNDING))

    here = fit(own, _batch(s, own))
    fewest = min((fit(n, batch) for n, batch in sizes.items()), key=lambda f: f.chips, default=here)
    each = operating_point(s, users / here.replicas)["tokens_per_second_per_user"]
    return {
        "users": float(users),
        "batch": float(here.batch),
        "replicas": float(here.replicas),
        "chips": here.chips,
        "serving_kw": here.chips * s.scenario.money.serve_chip.kw,
        "tokens_per_second_per_user": each,
        **({} if answer_tokens is None else {"requests_per_second": users * each / answer_tokens}),
        "fewest_chips": min(fewest.chips, here.chips),
        "fewest_chips_replica": fewest.replica_chips if fewest.chips <= here.chips else here.replica_chips,
    }
