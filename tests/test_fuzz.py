"""Random changes of every preset, as somebody may type them: each ends in an answer or in sentences, never in another exception.

A case is made by its number alone: `one(17)` is case 17. Each new structure of a scenario compiles a program, so only some are solved; the
others are checked, written and read again.
"""

import random
from typing import Any

import jax
from typer.testing import CliRunner

from optimizer import InputError, Scenario, load, presets
from optimizer.assumptions.numbers import human
from optimizer.assumptions.paths import schema_paths
from optimizer.cli import main
from optimizer.cli._common import scenario_with

from .app.test_same_scenario import AXES, travels
from .counts import cases

NUMBERS = [
    "0", "-1", "1", "1/3", "-0.0", "38%", "100B", "1_000", "5e-324", "1e-300", "1e300", "1.7976931348623157e308", "1e999", "nan", "-inf",
    "1/0", "0/0", "٣", "１e３", "0x10", "1e", "1e+", ".", "%", "--1", "1 000", "1,000", "9" * 400, "1e-400", "True", "none", "1e99999", "½",
]  # fmt: skip
WORDS = ["", " ", "besiroglu", "H100 SXM", "GB200 NVL72", "flash", "optimised", "none", "total", "usd", "roofline", "fp4", "2026-05",
         "2026-13", "/etc/passwd", "x" * 3000, "\u202e", "a\nb", "🙂", "besiroglou", "None", "null", "\\"]  # fmt: skip
BLOCKS = [
    "{}", "{", "[]", "[1]", "[[", '{policy = "none"}', '{kind = "params", params = "8B"}', '{name = "H100 SXM", precision = "fp8"}',
    '{kind = "total", output_tokens = -1}', "{a.b.c = 1}", "{kind = 1}", '{kind = "growth", start = 2026-05-01}', "{name = []}",
    '[{month = "2026-01", input_tokens_per_day = 1e9, output_tokens_per_day = "1B"}]', "{a = 1, a = 2}", '{name = "hoffmann", kind = "moe"}',
]  # fmt: skip
VALUES: list[Any] = [None, True, 0, -1, 10**400, 1e308, float("nan"), float("inf"), "", "x", [], [1], {}, {"name": None}, {"name": 3},
                     {"kind": "none"}, {"policy": ["none"]}, {1: 2}, {"a": {"b": {}}}, (1, 2), b"x", object, {"kind": {"x": 1}}]  # fmt: skip
PATHS = [
    "", ".", "law.", ".law", "a..b", "law[1].E", "law.name.x", "traffic.table[0].month", "traffic.table[1].month", "traffic.table[1]",
    "traffic.table.month", "traffic.file", "sources", "sources.x", "schema_version", "preset", "v", "name", "description", "goal", "rl",
    "money.serve_chip", "deployment.cache_tier", "limits", "traffic", "traffic[1].kind", "law.fitted_max_params", "ĸind", "law.E.E", "__class__",
]  # fmt: skip


def one(number: int) -> tuple[str, dict[str, Any], str]:
    """A case: the preset, its changes, and the way they take: as text of --set, as values in Python, or as TOML."""
    draw = random.Random(number)
    preset = draw.choice(presets())
    way = draw.choice(["--set"] * 6 + ["python", "toml"])
    changes: dict[str, Any] = {}
    values = {path: value for path, _, value in load(preset).quantities()}
    kind = draw.choice(["numbers"] * 4 + ["kinds"] * 3 + ["nonsense"] * 3)
    for _ in range(draw.choice([1, 1, 2, 4])):
        path = draw.choice(list(values))
        if kind == "kinds" or (kind == "nonsense" and draw.random() < 0.2):
            changes |= draw.choice(draw.choice(list(AXES.values())))
        elif kind == "nonsense" and draw.random() < 0.7:
            path = draw.choice([*schema_paths(Scenario), *PATHS, *values])
            if draw.random() < 0.1:
                path = path[: draw.randrange(len(path) + 1)] + draw.choice(["", "x", ".", "[2]", " "])
            changes[path] = draw.choice(draw.choice([NUMBERS, NUMBERS, WORDS, BLOCKS, VALUES]))
        elif values[path]:
            decades = draw.choice([0.01, 0.1, 0.3, 1, 8])
            changes[path] = draw.choice([repr, human])(values[path] * 10 ** draw.uniform(-decades, decades))
    return preset, changes, way


def toml_of(value: Any) -> str:
    """A value as TOML, or as something invalid."""
    return "[]" if isinstance(value, tuple | list) else repr(value).replace("'", '"').replace(": ", " = ")


def structure(s: Scenario) -> Any:
    """What a program is compiled for: traffic reaches it as two totals."""
    return jax.tree.structure(s.model_copy(update={"traffic": None}))


def test_random_changes_end_in_an_answer_or_in_sentences(tmp_path):
    known = {structure(load(name)) for name in presets()}
    most = len(known) + cases(0, 60)
    ends = dict.fromkeys(("answered", "unanswered", "refused", "travelled"), 0)
    for number in range(cases(200, 2000)):
        preset, changes, way = one(number)
        try:
            ends[_end(preset, changes, way, known, most, tmp_path)] += 1
        except Exception as error:
            error.add_note(f"case {number}: preset {preset}, by {way}: {changes!r:.2000}")
            raise
    least = cases(200, 2000) / 40  # of each that must be, or the test would try nothing
    assert ends["answered"] > 8 * least, ends
    assert ends["refused"] > 8 * least, ends
    assert ends["travelled"] > cases(int(least), 0), ends  # where none but the presets is solved, many


def _end(preset: str, changes: dict[str, Any], way: str, known: set[Any], most: int, folder: Any) -> str:
    if way == "--set":
        settings = [f"{path}={'' if value is None else value}" for path, value in changes.items()]
        arguments = [preset, *(part for setting in settings for part in ("--set", setting))]
    else:
        path = folder / "scenario.toml"
        if way == "toml":
            lines = "".join(f"{'.'.join(p.split('.'))} = {toml_of(v)}\n" for p, v in changes.items())
            path.write_text(lines + load(preset).to_toml(), encoding="utf-8")
        try:
            s = load(preset, changes) if way == "python" else load(path)
        except InputError as error:
            sentences(error.problems)
            return "refused"
        path.write_text(s.to_toml(), encoding="utf-8")
        arguments = [str(path)]
    try:
        s = scenario_with(arguments[0], arguments[2::2], [])
    except InputError:
        s = None
    if s is not None and structure(s) not in known:
        if len(known) >= most:
            travels(preset, s)
            return "travelled"
        known.add(structure(s))
    done = CliRunner().invoke(main, ["solve", *arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert "Traceback" not in done.stderr
    assert done.exit_code in (0, 1, 2)
    if done.exit_code == 0:
        assert done.stdout.strip()
        return "answered"
    assert done.stdout == ""
    head, *problems = done.stderr.splitlines()
    assert head.startswith("overtrain: ")
    sentences([line.removeprefix("  - ") for line in problems])
    return "unanswered" if done.exit_code == 1 else "refused"


def sentences(problems: Any) -> None:
    assert problems
    for text in problems:
        assert text.strip()
        for slip in ("Input should be", "pydantic", "Value error", "Traceback", " object at 0x"):
            assert slip not in text, text
