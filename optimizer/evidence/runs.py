"""Tables of training runs (parameters, tokens, loss), read as people write them.

A table is a CSV file, or a DataFrame, with one finished run a row. Its columns may be called what they are usually called:

| quantity | names, in any case, with spaces, dots or underscores |
|---|---|
| N, all parameters | n, params, n_params, parameters, model_size, total_params, ... |
| N active, of a mixture of experts | active_params, n_active, ... : taken before all parameters, as costs count those, and recorded |
| N without embeddings | n_params_no_embed, non_embedding_params, ... : taken where there is no column of all parameters, and recorded |
| D | d, tokens, n_tokens, train_tokens, training_tokens, tokens_seen, ...; or tokens_per_param, times N |
| FLOP | c, flops, compute, budget, ...: D = C / (6 N) where no column has D, N = C / (6 D) where none has N |
| loss | val_loss, eval_loss, test_loss, loss, train_loss, ...; in bits per token or as perplexity it becomes nat per token |

A name may end in its unit: params_m, "tokens (B)". Cells follow the grammar of `assumptions.numbers`. The first lines of a file may be
comments that begin with #. Rows that cannot be used are kept apart, each with its reason.
"""

import csv
import io
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..assumptions.decimals import plain as point_before_decimals
from ..assumptions.numbers import human, parse_number
from ..assumptions.problems import DataError, InputError, near_miss, read_text, shown
from ..assumptions.tables import data_folder
from .columns import LOSSES, NAT, SIZES, UNITS, columns_of, listed, plain, quantity_of
from .isoflop import minima_sentence

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Runs", "example_named", "example_runs", "read_runs"]

MAX_CSV_BYTES = 20_000_000
FLOPS_PER_PARAM_TOKEN = 6.0
FAR_FROM_6ND = 3.0
"""Factor between a row's FLOP / (6 N D) and the median of that over the table from where one of its three numbers must be wrong."""
NEAR_6ND = 1.25
"""Factor between FLOP and 6 N D up to which nothing is said: attention and embeddings account for so much."""
FEWEST_PARAMS, FEWEST_TOKENS = 1e3, 1e4
"""Counts below these are numbers in another unit."""

ALL, WITHOUT, ACTIVE = "all parameters", "parameters without embeddings", "active parameters"

_DATA_SETS = {
    *("dataset", "data_set", "train_set", "trainset", "training_set", "train_data", "training_data", "corpus", "data"),
    *("data_mix", "mixture", "mix", "domain", "condition", "val_set", "eval_set", "validation_set", "tokenizer"),
}
"""Columns that name what a model was trained or measured on: a law holds for one of each."""
_CHECKPOINTS = ("step", "steps", "iteration", "iterations", "checkpoint")
COLUMNS = ("n_params", "train_tokens", "loss")


class Runs(NamedTuple):
    """A table of runs that a law can be fitted to."""

    name: str
    frame: "pd.DataFrame"
    """the runs used: row, n_params, train_tokens, loss; `attrs["units"]` gives units"""
    excluded: "pd.DataFrame"
    """the rows left out: row, the same columns as far as they can be read, reason"""
    counts: str
    """what N counts: all parameters, those without embeddings, or those that a token uses"""
    unit: str
    """of the loss"""
    notes: tuple[str, ...]
    """what was decided about the table, a sentence each"""

    def without(self, rows: Mapping[int, str]) -> "Runs":
        """These runs without some rows, by position, with the reason of each."""
        import pandas as pd

        taken = self.frame.iloc[[*rows]].assign(reason=[*rows.values()])
        left = self.frame.drop(self.frame.index[[*rows]])
        excluded = taken if self.excluded.empty else pd.concat([self.excluded, taken])
        return self._replace(
            frame=left.reset_index(drop=True), excluded=excluded.sort_values("row").reset_index(drop=True)
        )


def example_runs() -> dict[str, Path]:
    """The tables of published runs that come with the package, by name."""
    folder = data_folder().joinpath("runs")
    return {f.name.removesuffix(".csv"): Path(str(f)) for f in sorted(folder.iterdir(), key=lambda f: f.name)}


def example_named(name: str) -> Path:
    """The table of an example.

    Raises:
        InputError: there is no such example.

    """
    known = example_runs()
    if name not in known:
        raise InputError([f"{name!r} is unknown{near_miss(name, known)} Examples: {', '.join(known)}."])
    return known[name]


def read_runs(
    given: "pd.DataFrame | str | Path",
    *,
    where: Mapping[str, object] | None = None,
    columns: Mapping[str, str] | None = None,
) -> Runs:
    """The runs of a CSV file or a DataFrame.

    Args:
        given: the table, or the path of a CSV file.
        where: column -> value: only rows with that value are read. Needed where a column such as `train_set` names several data sets, which
            are several laws.
        columns: quantity -> column, for columns with names of their own: {"loss": "c4_en"}; quantities are n_params, train_tokens, flops,
            loss.

    Raises:
        DataError: the file cannot be read, has no column for a quantity, or mixes data sets; every problem at once.

    """
    name, header, lines, first = _table(given)
    problems: list[str] = []
    wanted = {plain(str(key)): str(value) for key, value in (where or {}).items()}
    places = {plain(cell): i for i, cell in enumerate(header)}
    for key in wanted.keys() - places.keys():
        problems.append(f"{name} has no column {shown(key)} for where{near_miss(key, places)} It has {listed(header)}.")
    used = columns_of(name, header, columns or {}, problems)
    if len(problems) == 1 and not any(quantity in used for quantity in LOSSES):  # nothing but the loss is missing
        problems += filter(None, [_minima(lines, header, used)])
    if problems:
        raise DataError(problems)

    lines = _with_points(lines, used)
    numbered = [(row, line) for row, line in enumerate(lines, start=first) if any(str(cell).strip() for cell in line)]
    for key, value in wanted.items():
        cells = {str(line[places[key]]).strip() for _, line in numbered}
        numbered = [(row, line) for row, line in numbered if str(line[places[key]]).strip() == value]
        if not numbered:
            raise DataError(
                [f"{name} has no row with {key} = {value}{near_miss(value, cells)} It has {listed(sorted(cells))}."]
            )
    mixed = {
        header[i]: values
        for key, i in places.items()
        if key in _DATA_SETS
        and i not in used.values()
        and len(values := list(dict.fromkeys(str(line[i]).strip() for _, line in numbered))) > 1
    }
    if mixed:
        raise DataError(
            [
                f"{name} column {column} names {len(values)} data sets ({listed(values)}), and a law holds for one; choose one, as in "
                f"--where {column}={values[0]}, or where={{{column!r}: {values[0]!r}}}."
                for column, values in mixed.items()
            ]
        )
    return _runs(name, header, numbered, used, [key for key in places if key in _CHECKPOINTS])


def _runs(
    name: str, header: list[str], numbered: list[tuple[int, list[Any]]], used: dict[str, int], checkpoints: list[str]
) -> Runs:
    import pandas as pd

    notes = [f"column {header[i]} is the {about}." for quantity, i in used.items() if (about := _ABOUT.get(quantity))]
    counts = WITHOUT if "no_embed" in used else ACTIVE if "active" in used else ALL
    good: list[dict[str, Any]] = []
    bad: list[dict[str, Any]] = []
    for row, line in numbered:
        cells, reasons = _read(header, line, used)
        record = {"row": row, **{column: cells.get(column, math.nan) for column in COLUMNS}}
        if reasons:
            bad.append({**record, "reason": " ".join(reasons)})
        else:
            good.append(record | {"flops": cells.get("flops", math.nan)})
    good = _without_duplicates(good, bad)
    good = _agreeing_with_flops(header[used["flops"]] if "flops" in used else "", good, bad, notes)
    if checkpoints and len({r["n_params"] for r in good}) * 4 < len(good):
        notes.append(
            f"column {checkpoints[0]} and many rows of the same size look like checkpoints of one run: before its learning rate has "
            "decayed, a run has a higher loss than one that ends there, and errors of one run are not independent."
        )
    frame = pd.DataFrame(good, columns=["row", *COLUMNS]).astype(dict.fromkeys(COLUMNS, float))
    unit = "bit/byte" if "bits_per_byte" in used else NAT
    frame.attrs["units"] = {**UNITS, "loss": unit}
    excluded = pd.DataFrame(bad, columns=["row", *COLUMNS, "reason"]).sort_values("row").reset_index(drop=True)
    return Runs(name, frame, excluded, counts, unit, tuple(notes))


def _minima(lines: list[list[Any]], header: list[str], used: dict[str, int]) -> str:
    """A sentence where a table without losses has the lowest points of isoFLOP profiles."""
    found = []
    for line in lines:
        cells, reasons = _read(header, line, used) if any(str(cell).strip() for cell in line) else ({}, [""])
        if not reasons and {"n_params", "train_tokens"} <= cells.keys():
            product = FLOPS_PER_PARAM_TOKEN * cells["n_params"] * cells["train_tokens"]
            found.append((cells.get("flops", product), cells["n_params"]))
    flops, n_params = np.array(found or np.empty((0, 2))).T
    return minima_sentence(flops, n_params)


_ABOUT = {
    "active": "number of parameters that a token uses: N of this law counts those, at the ratio of all to active parameters of these runs",
    "no_embed": "number of parameters without embeddings: N of this law counts those, and so must every N that it is asked about",
    "bits_per_token": "loss in bits per token: it was multiplied by ln 2",
    "bits_per_byte": "loss in bits per byte: E of this law has that unit, and so must a loss that it is asked for",
    "perplexity": "perplexity: its logarithm is the loss",
}


def _table(given: "pd.DataFrame | str | Path") -> tuple[str, list[str], list[list[Any]], int]:
    """The name of a table, its header, its rows, and the number of the first of them."""
    import pandas as pd

    if isinstance(given, pd.DataFrame):
        return "the table", [str(column) for column in given.columns], given.to_numpy(dtype=object).tolist(), 1
    path = Path(given)
    text = read_text(path, MAX_CSV_BYTES, "CSV file of runs")
    lines = text.splitlines(keepends=True)
    comments = next((i for i, line in enumerate(lines) if line.strip() and not line.startswith("#")), len(lines))
    body = "".join(lines[comments:])
    mark = max(",;\t", key=body.partition("\n")[0].count)
    try:
        found = list(csv.reader(io.StringIO(body, newline=""), delimiter=mark, strict=True))
    except csv.Error as error:
        raise DataError(
            [f"{path} is not a CSV file ({error}); write one run a row, with columns n_params, train_tokens, loss."]
        ) from None
    if not found:
        raise DataError([f"{path} is empty; write one run a row, with columns n_params, train_tokens, loss."])
    header = [cell.strip().strip("\ufeff") for cell in found[0]]
    rows = [[*line, *[""] * (len(header) - len(line))] for line in found[1:]]
    example = next((f"example {name}" for name, place in example_runs().items() if place == path), "")
    return example or str(path), header, rows, comments + 2


def _with_points(lines: list[list[Any]], used: dict[str, int]) -> list[list[Any]]:
    """The rows with decimal points, where losses have decimal commas."""
    at = next(used[q] for q in LOSSES if q in used)
    losses = [str(line[at]).strip() for line in lines]
    if any("." in cell for cell in losses) or not any(re.fullmatch(r"[0-9]{1,3},[0-9]+", cell) for cell in losses):
        return lines
    places = {*used.values()}
    return [
        [point_before_decimals(str(cell), ",") if i in places else cell for i, cell in enumerate(line)]
        for line in lines
    ]


def _read(header: list[str], line: list[Any], used: dict[str, int]) -> tuple[dict[str, float], list[str]]:
    """The numbers of a row by quantity, and why it cannot be used."""
    cells: dict[str, float] = {}
    reasons: list[str] = []
    for quantity, i in used.items():
        column, cell = header[i], line[i]
        text = str(cell).strip()
        kind = "loss" if quantity in LOSSES else quantity
        if kind == "loss" and text.lower().lstrip("+-") in ("nan", "inf", "infinity", "none", ""):
            reasons.append(f"column {column} has no loss ({text or 'empty'}): the run diverged or did not finish.")
            continue
        if (
            quantity in ("flops", "tokens_per_param")
            and {"n_params", "train_tokens"} <= used.keys()
            and text.lower() in ("", "nan")
        ):
            continue
        try:
            value = parse_number(cell)
        except ValueError as error:
            reasons.append(f"column {column} {error}.")
            continue
        power = (quantity_of(column) or ("", 0))[1]
        value *= 10.0**power
        if not value > 0:
            reasons.append(f"column {column} must be above 0, got {human(value)}{_unit(quantity)}.")
            continue
        cells["n_params" if quantity in SIZES else quantity] = value
    if reasons:
        return cells, reasons
    if "bits_per_token" in cells:
        cells["loss"] = cells["bits_per_token"] * math.log(2)
    elif "bits_per_byte" in cells:
        cells["loss"] = cells["bits_per_byte"]
    elif "perplexity" in cells:
        cells["loss"] = math.log(cells["perplexity"])
        if not cells["loss"] > 0:
            reasons.append(f"column {header[used['perplexity']]} must be above 1, got {human(cells['perplexity'])}.")
    if "n_params" not in cells:
        cells["n_params"] = cells["flops"] / (FLOPS_PER_PARAM_TOKEN * cells["train_tokens"])
    if "train_tokens" not in cells:
        cells["train_tokens"] = (
            cells["tokens_per_param"] * cells["n_params"]
            if "tokens_per_param" in cells
            else cells["flops"] / (FLOPS_PER_PARAM_TOKEN * cells["n_params"])
        )
    for quantity, least, what in (("n_params", FEWEST_PARAMS, "parameters"), ("train_tokens", FEWEST_TOKENS, "tokens")):
        if cells[quantity] < least:
            reasons.append(
                f"{human(cells[quantity])} {what} is no count of {what}: write 70M, or name the unit in the heading, as in {quantity}_b."
            )
    return cells, reasons


def _unit(quantity: str) -> str:
    unit = UNITS.get("n_params" if quantity in SIZES else quantity, "")
    return f" {unit}" if unit else ""


def _without_duplicates(good: list[dict[str, Any]], bad: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first of rows with the same N, D and loss; runs of other seeds, which differ in loss, stay."""
    first: dict[tuple[float, ...], int] = {}
    kept = []
    for record in good:
        key = tuple(record[column] for column in COLUMNS)
        if key in first:
            same = f"the same N, tokens and loss as row {first[key]}: it counts once."
            bad.append({**{c: record[c] for c in ("row", *COLUMNS)}, "reason": same})
        else:
            first[key] = record["row"]
            kept.append(record)
    return kept


def _agreeing_with_flops(
    column: str, good: list[dict[str, Any]], bad: list[dict[str, Any]], notes: list[str]
) -> list[dict[str, Any]]:
    """The rows whose FLOP agree with 6 N D as well as those of the others do."""
    ratios = {
        r["row"]: r["flops"] / (FLOPS_PER_PARAM_TOKEN * r["n_params"] * r["train_tokens"])
        for r in good
        if r["flops"] == r["flops"]
    }
    if not ratios:
        return good
    middle = sorted(ratios.values())[len(ratios) // 2]
    if not 1 / NEAR_6ND <= middle <= NEAR_6ND:
        notes.append(
            f"column {column} is {middle:.3g} times 6 N D in the middle of the rows: N or tokens may count something else; the fit uses "
            "N and tokens as given."
        )
    kept = []
    for record in good:
        ratio = ratios.get(record["row"], middle)
        if 1 / FAR_FROM_6ND <= ratio / middle <= FAR_FROM_6ND:
            kept.append(record)
            continue
        reason = f"column {column} is {ratio:.3g} times 6 N D, against {middle:.3g} in other rows: one of the three numbers is wrong."
        bad.append({**{c: record[c] for c in ("row", *COLUMNS)}, "reason": reason})
    return kept
