"""Pages speak in words: options, labels and errors name no field by its code, and an emptied box is never a missing value."""

import re
import typing

import pytest

from optimizer import InputError, Scenario, load, presets, solve
from optimizer.app import answers
from optimizer.app.said import said
from optimizer.app.state import Question
from optimizer.app.switch import start_of
from optimizer.assumptions.naming import preset_in_words, worded
from optimizer.assumptions.paths import blocks_at, schema_paths
from optimizer.assumptions.published_laws import law_in_words, law_names
from optimizer.assumptions.quantity import Assumption, blocks_in
from optimizer.assumptions.tables import rows

from ..counts import some
from .session import SMALL, opened, unfold

CODE = re.compile(r"[a-z][a-z0-9]*([_.-][a-z0-9]+)*")
"""A name in code: lower case, without a space."""
FIELD = re.compile(r"--set|TOML|\b[a-z]+_[a-z_]+\b")
KINDS = {
    "goal.kind": ("loss", "budget", "params", "tokens"),
    "rl.policy": ("none", "tokens", "ratio", "flops", "cost_share", "optimised"),
    "traffic.kind": ("total", "growth"),
    "law.kind": ("chinchilla", "coupled", "repetition", "moe", "moe-sparsity", "moe-granularity"),
    "serving.method": ("roofline",),
    "serving.quantisation": ("calibrated",),
}


def blocks(root: type[Assumption] = Scenario) -> set[type[Assumption]]:
    """Every class of block that a scenario may have."""
    inner = {block for info in root.model_fields.values() for block in blocks_in(info.annotation)}
    return {root}.union(*(blocks(block) for block in inner))


def fields_in_code(text: str) -> list[str]:
    """What in a text for a page is a name in code: of a field, of a command or of a file."""
    plain = text.replace("\\", "")
    known = [path for path in schema_paths(Scenario) if "." in path]
    return FIELD.findall(plain) + [path for path in known if re.search(rf"(?<![\w.]){re.escape(path)}(?![\w.])", plain)]


def test_every_choice_is_declared_with_words_for_each_value():
    found = 0
    for block in blocks():
        for name, info in block.model_fields.items():
            literals = [info.annotation, *typing.get_args(info.annotation)]
            values = {v for a in literals if typing.get_origin(a) is typing.Literal for v in typing.get_args(a)}
            if values:
                words = block.in_words(name)
                assert {*words} == values, (block, name)
                assert len({*words.values()}) == len(words)
                assert not [text for text in words.values() if CODE.fullmatch(text)]
                found += 1
    assert found > 20
    for names, words in ((law_names(), law_in_words), (presets(), preset_in_words)):
        assert len({words(name) for name in names}) == len(names)
        assert not [name for name in names if CODE.fullmatch(words(name))]


@pytest.mark.parametrize(
    "page", some(["plan", "serving", "compare", "sizes", "sources", "design", "sensitivity"], [0, 1])
)
def test_no_option_of_a_control_is_a_name_in_code(page):
    at = opened(page, preset="frontier-moe-rack" if page == "plan" else SMALL)
    if page == "compare":
        at.button(key="pin_preset").click()
    if page == "plan":
        at.segmented_control(key="plan_tab").set_value("Table and CSV")
    unfold(at, *(name for name in ("goal", "law", "pretraining", "rl", "serving", "deployment", "money", "limits")))
    lists = [
        (c.label, c.options)
        for kind in ("selectbox", "radio", "multiselect", "segmented_control")
        for c in at.get(kind)
    ]
    assert len(lists) > 8
    models = {row["name"] for row in rows("models")}
    options = {str(option): label for label, several in lists for option in several}
    assert not {option: label for option, label in options.items() if CODE.fullmatch(option) and option not in models}
    labels = [c.label for kind in ("text_input", "selectbox", "toggle") for c in at.get(kind)]
    assert not [(label, code) for label in labels if (code := fields_in_code(label))]


def test_no_meaning_that_labels_a_control_names_a_field_in_code():
    names = [path for path in schema_paths(Scenario) if "." in path]
    assert len(names) > 100
    for path in names:
        *around, field = path.split(".")
        for block in blocks_at(Scenario, around):
            if field in block.model_fields:
                declared = block.quantity(field)
                label = (
                    f"{declared.about} ({declared.unit})" if declared else block.model_fields[field].description or ""
                )
                assert not fields_in_code(worded(label, ".".join(around))), path


@pytest.mark.parametrize("preset", some(presets(), [0, 1]))
def test_what_a_page_says_of_a_refused_value_names_no_field_in_code(preset):
    tried = 0
    for kind, choices in KINDS.items():
        for value in choices:
            start = load(preset)
            asked = Question(preset, start)
            asked.change(start_of(start, kind, value, None))
            paths = [path for path, _, _ in asked.scenario.quantities() if "[" not in path]
            for path in (p for p in paths if p.startswith(kind.partition(".")[0]) or kind == "goal.kind"):
                for typed in ("", "abc", "-1", "0", "1e300", "1,5"):
                    asked.pending, asked.problems = {}, ()
                    asked.emptied(path) if not typed else asked.change({path: typed})
                    tried += 1
                    for sentence in asked.problems:
                        assert not fields_in_code(said(sentence)), (path, typed, said(sentence))
    assert tried > 500


def test_a_sentence_that_began_with_a_path_begins_with_a_capital_letter():
    assert said("pretraining.mfu must be at most 1.").startswith("Model FLOPs utilisation")
    assert said("mine: pretraining.mfu must be at most 1.").startswith("mine\\: model FLOPs")


def test_an_output_without_a_value_is_not_among_the_metrics():
    at = opened(preset="frontier-moe-rack")
    empty = [metric.label for metric in at.metric if metric.value.strip() in ("", "n/a", "nan", "None")]
    assert not empty


def test_a_number_box_that_is_emptied_takes_the_value_of_the_preset():
    at = opened(preset="frontier-moe-chat")
    start = load("frontier-moe-chat")
    unfold(at, "pretraining")
    at.text_input(key="text.pretraining.mfu").set_value("50%")
    unfold(at, "pretraining")
    for path, wanted in (("pretraining.mfu", start.pretraining.mfu), ("traffic.share", start.traffic.share)):
        at.text_input(key=f"text.{path}").set_value("")
        unfold(at, "pretraining")
        block, field = path.split(".")
        now = at.session_state["question"].scenario
        assert getattr(getattr(now, block), field) == wanted
        assert not at.error


def test_a_limit_that_is_emptied_is_none_and_what_a_choice_needs_says_so_under_its_field():
    asked = Question(SMALL, load(SMALL, {"limits.max_params": "9B"}))
    asked.emptied("limits.max_params")
    assert asked.scenario.limits.max_params is None
    at = opened(preset="frontier-moe-rack")
    unfold(at, "deployment")
    at.text_input(key="text.deployment.target_tokens_per_second").set_value("")
    unfold(at, "deployment")
    assert len(at.error) == 1
    with pytest.raises(InputError) as refused:
        load("frontier-moe-rack", {"deployment.target_tokens_per_second": None})
    assert at.session_state["question"].placed == {*refused.value.problems}, "below the field, not above the page"


def test_the_first_answer_of_a_kind_is_solved_once(monkeypatch):
    found = []
    monkeypatch.setattr(answers, "_KNOWN", set())
    monkeypatch.setattr(answers, "solve", lambda scenario, **how: found.append(1) or solve(scenario, **how))
    answers._solved.clear()
    opened(preset=SMALL)
    assert found == [1], "the scenario, which is its own baseline"


def test_a_choice_that_may_be_left_out_is_chosen_and_left_out_again():
    at = opened(preset="frontier-moe-rack")
    unfold(at, "deployment")
    for picked, wanted in (("expert", "expert"), ("(not set)", None)):
        at.selectbox(key="choice.deployment.parallelism").set_value(picked)
        unfold(at, "deployment")
        assert at.session_state["question"].scenario.deployment.parallelism == wanted
        assert not at.error
