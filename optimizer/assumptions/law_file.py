"""Files of a law of one's own: a `[law]` block as in a scenario, with label, range and posterior, and a record of the fit.

    [law]
    kind = "coupled"
    label = "my runs"
    E = 1.757
    ...
    [law.posterior]
    coefficients = ["ln A", "ln B", "E", "alpha", "beta", "ln gamma"]
    mean = [...]
    covariance = [[...], ...]
    [draws]
    E = [...]
    ...

`[draws]` has laws that carry the whole error of the fit, one entry of each list a law, as `Fit.mixture` gives them.
A path that ends in .toml stands for the law in that file wherever the name of a law may stand: `--set law=law.toml`.
"""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w

from .bounds import within
from .problems import DataError, read_text, shown
from .toml import plain_toml

__all__ = ["is_law_file", "law_block", "law_draws", "law_found_in", "law_toml", "with_law_file"]

MAX_BYTES = 1_000_000
DIGITS = 7
"""Significant digits of a draw."""
DRAWN = {"E": 1e3, "A": math.inf, "B": math.inf, "alpha": 4.0, "beta": 4.0, "gamma": 4.0}
"""The coefficients of a draw, with the largest value of each; all are more than 0, and E may be 0."""
HOW = "write one with overtrain fit runs.csv --out law.toml"


def is_law_file(name: object) -> bool:
    """Whether the name of a law is the path of a file."""
    return isinstance(name, str) and name.strip().lower().endswith(".toml")


def law_block(path: str | Path) -> dict[str, Any]:
    """The law in a file, as a block of a scenario.

    Raises:
        DataError: the file cannot be read, or holds no law.

    """
    block = _plain(path).get("law")
    if not isinstance(block, dict):
        raise DataError([f"{path} has no [law] block of coefficients; {HOW}."])
    if is_law_file(block.get("name")):
        raise DataError(
            [f"{path} refers to another file of a law, {block['name']!r}; give its coefficients, or {HOW}."]
        )
    return block


def law_draws(path: str | Path) -> dict[str, np.ndarray]:
    """The draws in a file of a law, E, A, B, alpha, beta and gamma of each; empty where it has none.

    Raises:
        DataError: the file cannot be read, or its draws are no laws.

    """
    given = _plain(path).get("draws", {})
    if not given:
        return {}
    what = f"{path}: [draws] must have {', '.join(DRAWN)}, lists of as many numbers"
    if not isinstance(given, dict) or set(given) != set(DRAWN):
        raise DataError([f"{what}, got {shown(given)}; {HOW}."])
    try:
        found = {name: np.array(given[name], float) for name in DRAWN}
    except (TypeError, ValueError):
        raise DataError([f"{what}; {HOW}."]) from None
    first = found["E"]
    if first.ndim != 1 or not len(first) or any(values.shape != first.shape for values in found.values()):
        raise DataError([f"{what}; {HOW}."])
    wrong = [
        f"{path}: [draws] {name} must be {within(0, high, above=name != 'E')}, got {values[at]:g} at place {int(at) + 1}; {HOW}."
        for name, high in DRAWN.items()
        for values in [found[name]]
        if not (good := (values > 0) & (values <= high) | (values == 0) & (name == "E")).all()
        for at in [np.argmin(good)]
    ]
    if wrong:
        raise DataError(wrong)
    return found


def _plain(path: str | Path) -> dict[str, Any]:
    text = read_text(Path(path), MAX_BYTES, "law TOML file")
    try:
        return plain_toml(text)
    except ValueError as error:
        raise DataError([f"{path} is not valid TOML: {error}."]) from None


def with_law_file(given: dict[str, Any]) -> dict[str, Any]:
    """A law block whose name is the path of a file, with what stands in that file; what is given besides replaces it."""
    if not is_law_file(given.get("name")):
        return given
    own = {key: value for key, value in given.items() if key != "name"}
    return law_block(given["name"]) | own


def law_found_in(given: Any, folder: Path) -> Any:
    """A law as it stands in a scenario file, with the path of its own file looked up in the folder of that one."""
    if isinstance(given, dict) and is_law_file(given.get("name")):
        return {**given, "name": str(folder / given["name"])}
    return str(folder / str(given)) if is_law_file(given) else given


def law_toml(block: Mapping[str, Any], fit: Mapping[str, Any], draws: Mapping[str, Iterable[float]]) -> str:
    """The text of such a file: the law, what is known of its fit, and draws, one line a coefficient."""
    text = tomli_w.dumps({"law": dict(block), "fit": dict(fit)})
    lines = [f"{name} = [{', '.join(f'{float(v):.{DIGITS}g}' for v in values)}]" for name, values in draws.items()]
    return "\n".join([text, "[draws]", *lines, ""]) if lines else text
