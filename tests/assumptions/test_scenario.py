import re

import pytest

from optimizer import InputError, Scenario, load, presets, sources
from optimizer.assumptions.naming import in_words, worded
from optimizer.assumptions.paths import schema_paths


def test_updates_change_what_they_name_and_nothing_else(lecture):
    s = lecture.update({"traffic.output_tokens": "500T", "law": "hoffmann"})
    assert s.traffic.output_tokens == 5e14
    assert s.law.name == "hoffmann"
    assert lecture.traffic.output_tokens == 2e14
    assert s.update({"traffic.output_tokens": 2e14, "law": "besiroglu"}).model_copy(
        update={"sources": {}}
    ) == lecture.model_copy(update={"sources": {}})


def test_a_changed_number_loses_its_source(lecture):
    s = lecture.update({"traffic.output_tokens": "500T"})
    assert "traffic.output_tokens" not in s.sources
    assert "rl.tokens" in s.sources
    assert "goal.like_params" not in lecture.update({"goal": {"kind": "params", "params": 1e11}}).sources


def test_a_new_kind_drops_the_fields_of_the_old_one(lecture):
    s = lecture.update({"goal.kind": "budget", "goal.budget": "1e26", "rl.policy": "ratio", "rl.ratio": 0.1})
    assert s.goal.to_dict() == {"kind": "budget", "budget": 1e26}
    assert s.rl.efficiency == lecture.rl.efficiency
    assert s.update({"goal.kind": "loss", "goal.loss": 1.9}).goal.to_dict() == {"kind": "loss", "loss": 1.9}


def test_a_loss_and_a_likeness_replace_each_other(lecture):
    by_number = lecture.update({"goal.loss": 1.9})
    assert by_number.goal.like_params is None
    by_likeness = by_number.update({"goal.like_params": "10B", "goal.like_tokens": "1T"})
    assert by_likeness.goal.loss is None


def test_a_changed_coefficient_keeps_the_name_and_says_so(lecture):
    s = lecture.update({"law.beta": 0.3})
    assert s.to_dict()["law"] == {"name": "besiroglu", "beta": 0.3}
    assert Scenario.from_toml(s.to_toml()) == s
    kinds = sources(s).set_index("path")["kind"]
    assert kinds["law.alpha"] == "reported"
    assert kinds["law.beta"] == "assumption"


def test_none_leaves_a_field_out(lecture):
    s = lecture.update({"limits.max_params": "10B"})
    assert s.update({"limits.max_params": None}) == lecture


@pytest.mark.parametrize(
    "law",
    [
        "hoffmann",
        {"name": "besiroglu", "kind": "repetition", "unique_tokens": 1e13},
        {"name": "ludziejewski", "experts": 32},
        {"E": 1.7, "A": 400, "B": 400, "alpha": 0.34, "beta": 0.28},
    ],
)
def test_laws_by_name_by_difference_and_by_letters(lecture, law):
    s = lecture.update({"law": law})
    assert Scenario.from_toml(s.to_toml()) == s
    assert s.update({"law.kind": s.law.kind}) == s


def test_awkward_text_survives(lecture):
    s = lecture.update({"name": 'a "quoted"\tname', "description": "Zeile\nmit Umlaut ü, \\ and \x7f and 🙂"})
    assert Scenario.from_toml(s.to_toml()) == s


@pytest.mark.parametrize("value", [1 / 3, 0.1, 5e-324, 1.7976931348623157e308, 123456789012345678.0, 2.0**53 + 2])
def test_numbers_survive_exactly(lecture, value):
    s = lecture.update({"traffic.output_tokens": value})
    assert Scenario.from_toml(s.to_toml()).traffic.output_tokens == value


def test_every_number_has_a_row_in_sources():
    for name in presets():
        s = load(name)
        frame = sources(s)
        assert list(frame["path"]) == [path for path, _, _ in s.quantities()]
        assert frame["unit"].astype(bool).all()
        cited = frame[frame["kind"] != "assumption"]
        assert cited["source"].astype(bool).all()
        # a preset explains every number that is neither a table's nor a default
        own = set(s.sources) - set(frame["path"])
        assert own == set()


def test_sources_of_table_numbers_are_the_tables():
    frame = sources(load("frontier-moe-chat")).set_index("path")
    assert frame.loc["law.alpha", "source"] == "https://arxiv.org/abs/2502.05172"
    assert frame.loc["money.train_chip.usd_per_chip_hour", "kind"] == "list price"
    assert frame.loc["traffic.tokens_per_day", "as_of"] == "2026-05-19"
    assert "DeepSeek" in frame.loc["traffic.cache_hit_share", "source"]


@pytest.mark.parametrize("path", ["pretraining.", "rl.", "goal.", ".", "", "money.serve_chip.", "law..E"])
def test_a_path_with_an_empty_part_is_refused(lecture, path):
    with pytest.raises(InputError, match="is not a field"):
        lecture.update({path: 1})


@pytest.mark.parametrize(("path", "value", "kept"), [
    ("money.serve_chip.usd_per_chip_hour", 3, {"name": "H100 SXM", "precision": "bf16"}),
    ("deployment.cache_tier.usd_per_device_hour", 0.05, {"name": "flash"}),
    ("law.beta", 0.3, {"name": "besiroglu"}),
    ("rl.efficiency", 0.5, {"policy": "none", "trained_share": 0.25}),
])  # fmt: skip
def test_a_block_that_is_left_out_keeps_its_default_next_to_a_change(path, value, kept):
    part = {
        "goal": {"kind": "params"},
        "traffic": {"kind": "total", "output_tokens": "1T"},
    }  # no scenario without the change
    s = Scenario.from_dict(part, {path: value, "goal.params": "8B"})
    block, _, field = path.rpartition(".")
    found = s.to_dict()
    for name in block.split("."):
        found = found[name]
    assert found == {**kept, field: value}


def test_the_start_of_a_path_must_exist(lecture):
    with pytest.raises(InputError, match=r"nothing\.at\.all is not a field of a scenario"):
        lecture.update({"nothing.at.all": 1})


@pytest.mark.parametrize("name", presets())
def test_no_two_assumptions_of_a_scenario_have_one_name(name):
    found = {path: in_words(path) for path, _, _ in load(name).quantities()}
    assert len({*found.values()}) == len(found)
    assert max(map(len, found.values())) <= 72, "two lines of a chart"


def test_every_path_has_a_name_without_the_letters_of_a_path():
    paths = [path for path in schema_paths(Scenario) if "." in path]
    assert len(paths) > 150
    named = {path: in_words(path) for path in paths}
    assert not {path: name for path, name in named.items() if re.search(r"\w\.\w|_|\.\.\.", name)}


def test_a_sentence_names_assumptions_in_words():
    said = "is used only with serving.method = 'roofline'; held: law.E, traffic.table[2].month, money.train_chip; docs/serving.md, 1.5"
    found = worded(said)
    assert found.startswith(
        "is used only with method of serving = Roofline; held: irreducible loss, month of the table of months"
    )
    assert found.endswith("the training chip; docs/serving.md, 1.5")
