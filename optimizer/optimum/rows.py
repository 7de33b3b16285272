"""The scenarios of a table: rows grouped by what may not differ inside one computation, numbers as arrays."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np
from annotated_types import Ge, Gt, Le, Lt

from ..assumptions.numbers import human
from ..assumptions.paths import owner
from ..assumptions.present import as_paid, not_discounted
from ..assumptions.problems import InputError
from ..assumptions.quantity import Assumption
from ..assumptions.scenario import Scenario
from ..assumptions.traffic import TotalTraffic
from ..assumptions.validation import allowed
from .totals import as_totals, is_of_forecast

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Batch", "as_batch", "as_batches", "padded"]

_TESTS = {Gt: np.greater, Ge: np.greater_equal, Lt: np.less, Le: np.less_equal}


class Batch(NamedTuple):
    """Rows that share every name, kind and set of limits, and differ in numbers only."""

    base: Scenario
    """a row of it, for what they share"""
    rows: np.ndarray
    """where the rows stand in the whole table"""
    varied: dict[str, np.ndarray]
    """the numbers that differ, by dotted path"""
    refused: dict[int, str]
    """rows with a number out of its bounds, and the sentence that says so"""

    @property
    def tree(self) -> Any:
        """The structure of the scenarios."""
        return jax.tree.structure(self.base)

    @property
    def leaves(self) -> list[float]:
        """Their numbers, those of one row where they differ."""
        return jax.tree.leaves(self.base)

    @property
    def places(self) -> tuple[int, ...]:
        """Which of the leaves differ, in the order of `varied`."""
        paths = {path: i for i, (path, _, _) in enumerate(self.base.quantities())}
        return tuple(paths[path] for path in self.varied)

    def totalled(self) -> "Batch":
        """The same rows with every forecast written as its total: all that a cost depends on, without dates, which are text."""
        if isinstance(self.base.traffic, TotalTraffic):
            return self
        moved = {p: v for p, v in self.varied.items() if is_of_forecast(p)}
        kept = {p: v for p, v in self.varied.items() if p not in moved or p == "traffic.peak_to_mean"}
        if moved:
            kept |= {f"traffic.{name}": values for name, values in as_totals(self.base, moved).items()}
        return self._replace(base=as_paid(self.base), varied=kept)

    def not_discounted(self) -> "Batch":
        """The same rows without a discount rate."""
        kept = {path: values for path, values in self.varied.items() if path != "money.discount_rate"}
        return self._replace(base=not_discounted(self.base), varied=kept)

    def only(self, some: np.ndarray) -> "Batch":
        """Some of the rows, by their position in this batch."""
        if len(some) == len(self.rows):
            return self
        return self._replace(rows=self.rows[some], varied={p: v[some] for p, v in self.varied.items()})

    def sharing(self, paths: Sequence[str]) -> list["Batch"]:
        """The rows in groups that share the numbers at these paths, which then belong to the base."""
        if not paths:
            return [self]
        _, first, group = np.unique(
            np.stack([self.varied[p] for p in paths], axis=1), axis=0, return_index=True, return_inverse=True
        )
        kept = {path: values for path, values in self.varied.items() if path not in paths}
        order = np.split(np.argsort(group, kind="stable"), np.cumsum(np.bincount(group))[:-1])
        return [
            Batch(self.scenario(int(i)), self.rows[some], {p: v[some] for p, v in kept.items()}, {})
            for i, some in zip(first, order, strict=True)
        ]

    def stacked(self) -> Scenario:
        """All rows as one scenario whose numbers are arrays where they differ."""
        leaves: list[Any] = self.leaves
        for place, values in zip(self.places, self.varied.values(), strict=True):
            leaves[place] = values
        return jax.tree.unflatten(self.tree, leaves)

    def block(self, size: int, places: Sequence[int]) -> Callable[[slice | np.ndarray], tuple[np.ndarray, ...]]:
        """A function of some rows: their numbers at these places, one array each, with the last row repeated up to `size`."""
        columns, shared = dict(zip(self.places, self.varied.values(), strict=True)), self.leaves
        return lambda some: tuple(
            padded(columns[i][some], size) if i in columns else np.full(size, shared[i]) for i in places
        )

    def scenario(self, i: int) -> Scenario:
        """The scenario of one row."""
        leaves = self.leaves
        for place, values in zip(self.places, self.varied.values(), strict=True):
            leaves[place] = float(values[i])
        return jax.tree.unflatten(self.tree, leaves)


def padded(values: np.ndarray, size: int) -> np.ndarray:
    """The values with the last one repeated up to `size`: a program is compiled for whole blocks."""
    return np.pad(values, (0, size - len(values)), mode="edge")


def as_batches(scenario: Scenario, frame: "pd.DataFrame | None") -> tuple["pd.Index", list[Batch]]:
    """The index of the answer and the rows in batches; see `solve_batch` for the two ways to ask.

    Raises:
        InputError: a column is no dotted path, a name or kind is unknown, or the numbers of a stack have no common length.

    """
    import pandas as pd

    scenario = scenario.model_copy(update={"sources": {}})
    if frame is None:
        base, varied = _unstacked(scenario)
        count = len(next(iter(varied.values())))
        return pd.RangeIndex(count), [_checked(base, np.arange(count), varied)]
    kinds = [str(column) for column in frame if not pd.api.types.is_numeric_dtype(frame[column])]
    # An empty cell takes the scenario's own number; where that has none, rows with and without one are different problems.
    keys: dict[str, Any] = {c: frame[c].astype(object).where(frame[c].notna(), None) for c in kinds}
    numbers = {str(c): frame[c].notna() for c in frame if c not in kinds}
    keys |= {c: present for c, present in numbers.items() if not np.all(present)}
    if not keys:
        groups = {(): np.arange(len(frame))} if len(frame) else {}
    else:
        groups = pd.DataFrame(keys).groupby(list(keys), dropna=False, sort=False).indices
    return frame.index, [_group(scenario, frame, rows, kinds) for rows in groups.values()]


def as_batch(scenario: Scenario, columns: Mapping[str, np.ndarray]) -> Batch:
    """Rows that differ in these numbers only, as one batch."""
    varied = {path: np.asarray(values, float) for path, values in columns.items()}
    count = len(next(iter(varied.values())))
    return _checked(scenario.model_copy(update={"sources": {}}), np.arange(count), varied, {})


def _group(scenario: Scenario, frame: "pd.DataFrame", rows: np.ndarray, kinds: list[str]) -> Batch:
    given = [str(c) for c in frame if frame[c].notna().iloc[rows[0]]]
    varied = {c: frame[c].to_numpy(float)[rows] for c in given if c not in kinds}
    shared = {c: frame[c].iloc[rows[0]] for c in given if c in kinds}
    return _checked(scenario, rows, varied, shared)


def _unstacked(scenario: Scenario) -> tuple[Scenario, dict[str, np.ndarray]]:
    """The first of a stack of scenarios, and the numbers that have a row axis."""
    leaves, tree = jax.tree.flatten(scenario)
    varied = {p: np.asarray(v, float) for (p, _, v) in scenario.quantities() if np.ndim(v)}
    shapes = {v.shape for v in varied.values()}
    if len(shapes) != 1 or len(next(iter(shapes))) != 1:
        shown = ", ".join(map(str, sorted(shapes))) or "none"
        raise InputError(
            [
                f"a stack of scenarios needs numbers with one leading axis of one length, got shapes {shown}; stack scenarios with "
                "jax.tree.map, or give the rows as a DataFrame."
            ]
        )
    first = [float(v) if not np.ndim(v) else float(np.ravel(v)[0]) if np.size(v) else 1.0 for v in leaves]
    return jax.tree.unflatten(tree, first), varied


def _checked(
    scenario: Scenario, rows: np.ndarray, varied: dict[str, np.ndarray], shared: Mapping[str, object] | None = None
) -> Batch:
    """A batch without the rows whose numbers lie out of bounds."""
    refused: dict[int, str] = {}
    good = np.ones(len(rows), bool)
    kinds = _kinds(scenario, shared or {})
    for path, values in varied.items():
        block, field = _declaration(path, kinds)
        inside = np.isfinite(values)
        for bound in block.model_fields[field].metadata:
            for kind, test in _TESTS.items():
                if isinstance(bound, kind):
                    inside &= test(values, getattr(bound, kind.__name__.lower()))
        for i in np.flatnonzero(~inside):
            sentence = f"{path} must be {allowed(block, field)}, got {human(float(values[i]))}."
            refused[int(rows[i])] = f"{refused.get(int(rows[i]), '')} {sentence}".strip()
        good &= inside
    if not good.all():
        rows, varied = rows[good], {p: v[good] for p, v in varied.items()}
    if len(rows) and shared is not None:
        scenario, rows, varied = _with_base(scenario, rows, varied, shared, refused)
    batch = Batch(scenario, rows, varied, refused)
    fine = np.broadcast_to(batch.stacked().agrees(), len(rows))
    if fine.all():
        return batch
    refused |= {int(rows[i]): " ".join(batch.scenario(i).broken()) for i in np.flatnonzero(~fine).tolist()}
    return batch.only(np.flatnonzero(fine))


def _with_base(
    scenario: Scenario,
    rows: np.ndarray,
    varied: dict[str, np.ndarray],
    shared: Mapping[str, object],
    refused: dict[int, str],
) -> tuple[Scenario, np.ndarray, dict[str, np.ndarray]]:
    """The first row that makes a scenario, and the rows from there on; those before it are refused."""
    for i, row in enumerate(rows):
        try:
            base = _row(scenario, shared, varied, i)
        except InputError as error:  # numbers in their own bounds may not go together
            refused[int(row)] = " ".join(error.problems)
        else:
            return base, rows[i:], {p: v[i:] for p, v in varied.items()}
    # A wrong name or kind, or a number of another kind, is the caller's and not the rows': the scenario says so.
    base = scenario.update(dict(shared))
    base.update({path: float(values[0]) for path, values in varied.items() if not _declares(base, path)})
    return base, rows[:0], {}


def _row(scenario: Scenario, shared: Mapping[str, object], varied: Mapping[str, np.ndarray], i: int) -> Scenario:
    return scenario.update({**shared, **{path: float(values[i]) for path, values in varied.items()}})


def _kinds(scenario: Scenario, shared: Mapping[str, object]) -> Scenario:
    """A scenario with the kinds that the rows share, or the scenario itself where these need numbers of the rows."""
    try:
        return scenario.update(dict(shared))
    except InputError:
        return scenario


def _declares(scenario: Scenario, path: str) -> bool:
    parent, _, field = path.rpartition(".")
    block = getattr(scenario, parent, None)
    return isinstance(block, Assumption) and block.quantity(field) is not None


def _declaration(path: str, kinds: Scenario) -> tuple[type[Assumption], str]:
    """The block and field that declare the number at a dotted path: of the kind that stands there, else of the first that has it."""
    parent, _, field = path.rpartition(".")
    if _declares(kinds, path):
        return type(getattr(kinds, parent)), field
    found = owner(Scenario, path)
    if found is None:
        raise InputError(
            [f"column {path} is not a number of a scenario; columns are dotted paths such as traffic.output_tokens."]
        )
    return found
