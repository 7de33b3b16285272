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

A path that ends in .toml stands for the law in that file wherever the name of a law may stand: `--set law=law.toml`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w

from .problems import DataError, read_text
from .toml import plain_toml

__all__ = ["is_law_file", "law_block", "law_found_in", "law_toml", "with_law_file"]

MAX_BYTES = 1_000_000
HOW = "write one with overtrain fit runs.csv --out law.toml"


def is_law_file(name: object) -> bool:
    """Whether the name of a law is the path of a file."""
    return isinstance(name, str) and name.strip().lower().endswith(".toml")


def law_block(path: str | Path) -> dict[str, Any]:
    """The law in a file, as a block of a scenario.

    Raises:
        DataError: the file cannot be read, or holds no law.

    """
    text = read_text(Path(path), MAX_BYTES, "law TOML file")
    try:
        plain = plain_toml(text)
    except ValueError as error:
        raise DataError([f"{path} is not valid TOML: {error}."]) from None
    block = plain.get("law")
    if not isinstance(block, dict):
        raise DataError([f"{path} has no [law] block of coefficients; {HOW}."])
    if is_law_file(block.get("name")):
        raise DataError(
            [f"{path} refers to another file of a law, {block['name']!r}; give its coefficients, or {HOW}."]
        )
    return block


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


def law_toml(block: Mapping[str, Any], fit: Mapping[str, Any]) -> str:
    """The text of such a file: the law, and what is known of its fit."""
    return tomli_w.dumps({"law": dict(block), "fit": dict(fit)})
