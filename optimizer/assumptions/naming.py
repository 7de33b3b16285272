"""Names for people: an assumption in a few words, and the title of a scenario: its own name, with the changes where there are any.

A scenario with the name of a preset is that preset or a changed one; `made_of` holds the scenario that `update` started from. `title` names
the changes, and `described` is empty for a scenario that its description no longer fits.
"""

import re
from collections.abc import Collection
from typing import Any

from .differences import differences, plain_values, same
from .library import load, presets
from .numbers import amount
from .paths import blocks_at, declaration, is_touched, schema_paths
from .published_laws import law_in_words
from .scenario import Scenario

__all__ = [
    "changes_of",
    "choice_in_words",
    "described",
    "in_words",
    "preset_in_words",
    "title",
    "title_in_words",
    "worded",
]

MOST = 6
"""Changes that a title names; it counts the rest."""
UNNAMED = "scenario without a name"
BLOCKS = {
    "law": "the scaling law",
    "goal": "the goal",
    "pretraining": "pre-training",
    "rl": "RL",
    "traffic": "the traffic",
    "traffic.table": "the table of months",
    "serving": "serving",
    "deployment": "the deployment",
    "deployment.cache_tier": "the cache tier",
    "money": "the money",
    "money.train_chip": "the training chip",
    "money.serve_chip": "the serving chip",
    "limits": "the limits",
}
_PATH = re.compile(r"\b[a-z]\w*(?:(?:\[\d+\])?\.[a-zA-Z]\w*)+")
_CHOSEN = re.compile(rf"\b(law|{_PATH.pattern}|[a-z]\w*(?= = '))( = | other than )('?[\w-]+'?(?: or '[\w-]+')*)")
_BARE = re.compile(r"(?<![\w.`])[a-z]+(?:_[a-z0-9]+)+(?![\w(]|\.\w)")
_WRITTEN = {"moe": "MoE"}
"""Words of presets' names that are no plain words."""
CLAUSE, LONGEST = 52, 60
"""Letters of a meaning that is not cut at a comma, and of the longest; where it is longer the name of the field stands for it."""


def in_words(path: str) -> str:
    """A short name of the assumption at a dotted path: the first clause of its meaning, and its block where several have the same field.

    >>> in_words("rl.tokens"), in_words("deployment.reference_params"), in_words("law")
    ('RL tokens R', 'reference params', 'scaling law')
    >>> in_words("money.serve_chip.hbm_bytes"), in_words("traffic.table[3].input_tokens_per_day")
    ('memory of one chip (serve chip)', 'input tokens per day (month 3)')

    """
    declared = declaration(Scenario, path)
    if declared is None:
        around, _, field = path.rpartition(".")
        block = BLOCKS.get(re.sub(r"\[\d+\]", "", around))
        if block and path not in BLOCKS:
            return f"{field.replace('_', ' ')} of {block}"
        top = Scenario.model_fields.get(path)
        return (top.description if top else None) or BLOCKS.get(path, path)
    name = re.split(r"[;:]", declared.about)[0]
    name = name if len(name) <= CLAUSE else name.split(", ")[0]
    name = name if len(name) <= LONGEST else path.rpartition(".")[2].replace("_", " ")
    inside = re.sub(
        r"\btable(?:\[(\d+)\])?", lambda row: f"month {row[1]}" if row[1] else "", " ".join(path.split(".")[1:-1])
    )
    inside = inside.replace("_", " ").strip()
    return f"{name} ({inside})" if inside else name


def choice_in_words(path: str, value: str) -> str:
    """The value of a choice or the name of a law in words; any other text as it is.

    >>> choice_in_words("serving.method", "roofline"), choice_in_words("law.name", "de-vries"), choice_in_words("name", "mine")
    ('Roofline', 'De Vries 2023', 'mine')

    """
    if path in ("law", "law.name"):
        return law_in_words(value)
    *parents, field = path.split(".")
    found = (block.in_words(field) for block in blocks_at(Scenario, parents))
    return next((words[value] for words in found if value in words), value)


def preset_in_words(name: str) -> str:
    """The name of a preset as a title; any other name as it is.

    >>> preset_in_words("frontier-moe-chat"), preset_in_words("open-weights-8b"), preset_in_words("mine")
    ('Frontier MoE chat', 'Open weights 8B', 'mine')

    """
    if name not in presets():
        return name
    words = (_WRITTEN.get(word, word.upper() if word[0].isdigit() else word) for word in name.split("-"))
    text = " ".join(words)
    return text[:1].upper() + text[1:]


def _is_known(path: str) -> bool:
    """Whether a kind of scenario has a field or a block at a dotted path."""
    *parents, field = path.split(".")
    return any(field in block.model_fields for block in blocks_at(Scenario, parents))


def worded(text: str, within: str = "") -> str:
    """A sentence with the names of assumptions in place of their dotted paths, and their choices in words.

    Args:
        text: the sentence.
        within: the block whose fields it names without their path; by default the one that the sentence begins with.

    >>> worded("Amounts of 0 stay 0: traffic.decay, traffic.decay_from.")
    'Amounts of 0 stay 0: monthly loss of traffic to successors, months in service before the decay begins.'
    >>> worded("this is used only with serving.method = 'roofline'.")
    'this is used only with method of serving = Roofline.'
    >>> worded("deployment has batch = 'fixed', which needs batch_size.")
    'the deployment has batch = Fixed, which needs sequences per step, where the batch is fixed.'

    """
    begun = re.match(r"[a-z]\w*(?:\.\w+)*", text)
    first = begun[0] if begun else ""
    if not within:
        within = first if first in BLOCKS else first.rpartition(".")[0]

    def chosen(found: re.Match[str]) -> str:
        path, between, values = found.groups()
        full = path if "." in path or path == "law" else f"{within}.{path}"
        words = re.sub(
            r"'?([\w-]+)'?", lambda v: v[0] if (said := choice_in_words(full, v[1])) == v[1] else said, values
        )
        return f"{in_words(path) if path == 'law' else path}{between}{words}"

    def bare(found: re.Match[str]) -> str:
        paths = [path for path in schema_paths(Scenario) if path.rpartition(".")[2] == found[0]]
        return in_words(next((p for p in paths if p.rpartition(".")[0] == within), paths[0])) if paths else found[0]

    if first in BLOCKS and re.match(r" (?!=)", text.removeprefix(first)):
        text = BLOCKS[first] + text.removeprefix(first)
    text = _CHOSEN.sub(chosen, text)
    text = _PATH.sub(lambda found: in_words(found[0]) if _is_known(found[0]) else found[0], text)
    return _BARE.sub(bare, text)


def changes_of(scenario: Scenario) -> dict[str, Any]:
    """What was changed against the preset or the file that the scenario came from: dotted path to value, None for what is left out."""
    start = _start(scenario)
    found = {} if start is None else differences(start, scenario)
    return {path: value for path, value in found.items() if path != "name"}


def title(scenario: Scenario, most: int = MOST, varied: Collection[str] = ()) -> str:
    """The name, with what was changed since the scenario got it; `varied` are paths that each row of a table sets anew.

    >>> title(load("lecture-2026", {"traffic.output_tokens": "500T", "law": "hoffmann"}))
    'lecture-2026, changed: law = hoffmann, traffic.output_tokens = 500T'
    """
    name, start = scenario.name or UNNAMED, _start(scenario)
    if start is None:
        return name
    before, changes = plain_values(start), changes_of(scenario)
    kinds = {path.rpartition(".")[0] for path in changes if path.endswith((".kind", ".policy", ".name"))}
    moved = dict.fromkeys(varied)
    said = [path for path in changes if path.rpartition(".")[0] not in kinds or not _follows(scenario, path)]
    said = [path for path in said if not is_touched(path, moved)]
    if "law.label" in said:  # the label stands for the coefficients of a law of one's own
        said = ["law.label", *(path for path in said if not path.startswith("law."))]
    units = {path: declared.unit for path, declared, _ in scenario.quantities()}
    named = [_change(path, changes[path], before.get(path), units.get(path, "")) for path in said[:most]]
    more = [f"{len(said) - most} more"] if len(said) > most else []
    return f"{name}, changed: {', '.join(named + more)}" if said else name


def title_in_words(scenario: Scenario, most: int = MOST) -> str:
    """The title with presets, assumptions and choices in words.

    >>> title_in_words(load("lecture-2026", {"law": "hoffmann"}))
    'Lecture 2026, changed: scaling law = Hoffmann et al. 2022 (Chinchilla)'

    """
    name, changed, what = title(scenario, most).partition(", changed: ")
    return f"{preset_in_words(name)}{changed}{worded(what)}"


def described(scenario: Scenario) -> str:
    """The description, "" where the scenario no longer is what it describes."""
    start = _start(scenario)
    stale = start is not None and start.description == scenario.description and not same(start, scenario)
    return "" if stale else scenario.description


def _follows(scenario: Scenario, path: str) -> bool:
    """Whether a field of a block of another kind or name has the default of that kind."""
    block: Any = scenario
    *parents, field = path.split(".")
    for parent in parents:
        block = getattr(block, parent)
    info = type(block).model_fields.get(field)
    return field not in (block.tag, "name") and (info is None or info.default == getattr(block, field))


def _start(scenario: Scenario) -> Scenario | None:
    if scenario.made_of is not None:
        return scenario.made_of
    return load(scenario.name) if scenario.name in presets() else None


def _change(path: str, value: Any, was: Any, unit: str) -> str:
    if value is None:
        return f"{path} = none"
    if isinstance(value, list):
        return f"{path} = {len(value)} {'row' if len(value) == 1 else 'rows'}"
    if isinstance(value, float):
        return f"{path} = {amount(value, unit, was if isinstance(was, float) else None)}"
    return f"{path.removesuffix('.name').removesuffix('.label')} = {value}"
