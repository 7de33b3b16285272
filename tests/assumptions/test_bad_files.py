"""Bad scenario files: the loader refuses each in a sentence, and the schema refuses all but those of a class that it cannot know."""

import json
import tomllib
from pathlib import Path

import jsonschema
import pytest
from typer.testing import CliRunner

from optimizer import InputError, Scenario, load
from optimizer.cli import main

FILES = sorted((Path(__file__).parents[1] / "data" / "scenarios").glob("*.toml"))
CHECK = jsonschema.Draft202012Validator(Scenario.model_json_schema())
BEYOND = {
    "beyond-number-as-text-out-of-bounds": "the bounds of a number that is written as text",
    "beyond-months-out-of-order": "the order of months",
    "beyond-file-that-is-missing": "whether a file can be read",
    "beyond-more-accepted-than-drafted": "rules between two numbers",
}
"""What a schema cannot know, by file."""


def test_there_are_forty():
    assert len(FILES) == 40
    assert set(BEYOND) < {path.stem for path in FILES}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_bad_file_is_refused(path):
    with pytest.raises(InputError) as refused:
        load(str(path))
    assert all(sentence.endswith((".", "?")) for sentence in refused.value.problems)
    assert CHECK.is_valid(tomllib.loads(path.read_text())) == (path.stem in BEYOND)


def test_an_error_is_an_object_under_json():
    path = str(next(path for path in FILES if path.stem == "utilisation-above-one"))
    done = CliRunner().invoke(main, ["solve", path, "--set", "traffic.output_tokens=-1", "--json"])
    assert done.exit_code == 2
    error = json.loads(done.stdout)["error"]
    assert error["kind"] == "bad input"
    assert error["paths"] == ["pretraining.mfu", "traffic.output_tokens"]
    assert all(f"  - {sentence}\n" in done.stderr for sentence in error["messages"])
    assert "error" not in CliRunner().invoke(main, ["solve", path]).stdout


def test_schema_and_presets_are_json():
    assert json.loads(CliRunner().invoke(main, ["schema"]).stdout) == Scenario.model_json_schema()
    found = json.loads(CliRunner().invoke(main, ["presets", "--json"]).stdout)
    assert found == {name: load(name).description for name in found}
    assert (
        json.loads(CliRunner().invoke(main, ["presets", "on-device", "--json"]).stdout) == load("on-device").to_dict()
    )
