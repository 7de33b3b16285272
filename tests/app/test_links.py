"""Links and uploads carry the question; bad ones cost nothing."""

import json
import tomllib
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
import tomli_w
from streamlit.testing.v1 import AppTest

from optimizer import InputError, Scenario, load, presets
from optimizer.app.link import TABLE, opened, parameters, uploaded_scenario
from optimizer.app.pins import pins_in
from optimizer.app.switch import start_of
from optimizer.assumptions.deployment import Deployment
from optimizer.assumptions.differences import plain_values, same
from optimizer.assumptions.naming import worded
from optimizer.assumptions.repetition import RepetitionLaw
from optimizer.assumptions.version import SCHEMA_VERSION

from ..counts import named
from ..links import scenario_of
from .session import MONTHS, ROOT, SMALL, agrees, run
from .session import opened as page

BAD_LINKS = {
    "an unknown preset": ({"preset": "lecture-2027"}, "did you mean 'lecture-2026'"),
    "an unknown path": ({"trafic.growth": "1"}, "trafic.growth"),
    "no number": ({"pretraining.mfu": "fast"}, "must be a number"),
    "out of range": ({"pretraining.mfu": "38"}, "must be more than 0 and at most 1"),
    "a broken table": (
        {"traffic.kind": "table", "traffic.table": "eNozMj%%"},
        "traffic.table in the link cannot be read",
    ),
    "a table cut short": (
        {"traffic.kind": "table", "traffic.table": "eNozMj"},
        "traffic.table in the link cannot be read",
    ),
    "a file of the server": ({"traffic.kind": "table", "traffic.file": "/etc/passwd"}, "does not read"),
    "a whole block": ({"traffic": "x"}, "traffic is a block"),
    "endless text": ({"name": "x" * 30_000}, "at most 20,000"),
}


@pytest.mark.parametrize(
    "what", named(BAD_LINKS, "an unknown preset", "no number", "a broken table", "a whole block", "endless text")
)
def test_a_bad_link_is_reported_and_the_preset_shown(what):
    link, sentence = BAD_LINKS[what]
    at = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=600)
    for path, value in link.items():
        at.query_params[path] = value
    run(at)
    said = [block.value.replace("\\", "") for block in [*at.warning, *at.error]]
    assert sum(worded(sentence)[1:] in text for text in said) == 1
    assert agrees(at, load("lecture-2026"))
    assert dict(at.query_params) == link, "a link that is not taken can still be corrected"
    at.text_input(key="text.traffic.output_tokens").set_value("500T")
    if at.error:  # what is in a field waits there until it is corrected or taken back
        run(at)
        assert at.error
        at.button(key="undo").click()
    run(at)
    assert not [*at.warning, *at.error]
    assert dict(at.query_params)["preset"] == "lecture-2026"
    assert not set(link) & {*at.query_params} - {"preset"}


PARTLY = {
    "a number out of range": (
        {"pretraining.mfu": "38", "traffic.output_tokens": "5e14", "law.name": "hoffmann"},
        {"pretraining.mfu": "38"},
        "pretraining.mfu must be more than 0 and at most 1, got 38",
    ),
    "a path that is none": (
        {"pretraining.mfuu": "0.3", "traffic.output_tokens": "5e14", "law.name": "hoffmann"},
        {},
        "pretraining.mfuu is not a field, did you mean 'mfu'?",
    ),
    "a kind without its number": (
        {"goal.kind": "budget", "traffic.output_tokens": "5e14", "law.name": "hoffmann"},
        {"goal.kind": "budget"},
        "goal.budget is missing",
    ),
    "two problems in one block": (
        {"rl.policy": "ratio", "rl.efficiency": "7", "traffic.output_tokens": "5e14", "law.name": "hoffmann"},
        {"rl.policy": "ratio", "rl.efficiency": "7"},
        "rl.ratio is missing",
    ),
    "a table cut short": (
        {"traffic.kind": "table", TABLE: "eNozMj", "pretraining.mfu": "0.3"},
        {"traffic.kind": "table"},
        "traffic.table in the link cannot be read",
    ),
}


@pytest.mark.parametrize("what", PARTLY)
def test_a_link_that_is_partly_wrong_keeps_the_rest(what):
    link, refused, sentence = PARTLY[what]
    found = opened({"preset": "lecture-2026", "v": str(SCHEMA_VERSION), **link})
    assert (found.preset, found.refused) == ("lecture-2026", refused)
    taken = {
        path: value for path, value in link.items() if path not in refused and path not in ("pretraining.mfuu", TABLE)
    }
    assert found.scenario == load("lecture-2026", taken)
    assert any(sentence in text for text in (*found.problems, *found.notice))
    assert bool(found.problems) == bool(refused)


def test_what_a_link_cannot_have_is_kept_in_its_field_and_in_the_address():
    link = {"preset": "lecture-2026", "v": "2", "traffic.output_tokens": "-5T", "law.name": "hoffmann"}
    at = page(**{path.replace(".", "__"): value for path, value in link.items()})
    assert "got -5T tokens" in at.error[0].value.replace("\\", "")
    assert at.text_input(key="text.traffic.output_tokens").value == "-5T"
    assert dict(at.query_params) == link
    at.text_input(key="text.traffic.output_tokens").set_value("500T")
    run(at)
    assert not at.error
    assert agrees(at, load("lecture-2026", {"law": "hoffmann", "traffic.output_tokens": "500T"}))
    assert dict(at.query_params) == {
        "preset": "lecture-2026", "v": "2", "law.name": "hoffmann", "traffic.output_tokens": "500000000000000.0"
    }  # fmt: skip


def test_a_newer_link_is_refused_and_nothing_of_it_taken():
    link = {"preset": SMALL, "v": str(SCHEMA_VERSION + 1), "traffic.growth": "0.07"}
    with pytest.raises(
        InputError, match=r"v \(the schema_version of the link\) is 3, .* reads up to 2: .* Update Overtrain"
    ):
        scenario_of(link)
    found = opened(link)
    assert (found.preset, found.scenario, found.refused) == (SMALL, load(SMALL), {})
    assert len(found.notice) == 1
    with pytest.raises(
        InputError, match=r"v \(the schema_version of the link\) must be a whole number from 0 to 2, got 'one'"
    ):
        scenario_of({"preset": SMALL, "v": "one"})


KEPT = json.loads((Path(__file__).parent / "written_schema_0.json").read_text(encoding="utf-8"))
"""Links and TOML as they were written before they had a version: over all presets and kinds."""

LATER = (
    "window_ratio",
    "fp8_share",
    "fp4_share",
    "attention_share",
    "serial_share",
    "seconds_per_collective",
    "chunk_tokens",
    "engine_speed",
)
SINCE = {f"law.{name}": RepetitionLaw.model_fields[name].default for name in ("gamma", "R_N")} | {
    "pretraining.mfu_counts": "attention",
    "serving.quantisation": "none",
    "serving.quantisation_group": 128.0,
    "serving.quantisation_bits": 4.0,
    "serving.calibration_bits": 4.0,
    "deployment.engine": "vendor",
    "deployment.prefill": "apart",
    **{f"deployment.{name}": Deployment.model_fields[name].default for name in LATER},
    "money.discount_rate": 0.0,
    "money.price_decline": 0.0,
    "money.usd_per_kwh": 0.08,
}
"""Fields that came later: what is older has their defaults."""


def test_old_links_open():
    # A link is a preset and what differs from it: what it names is as it says, and the rest is the preset's.
    for link in KEPT["links"]:
        given = dict(parse_qsl(link, keep_blank_values=True))
        preset, scenario = scenario_of(given)
        table = {TABLE: [m.to_dict() for m in scenario.traffic.table]} if given.get(TABLE) else {}
        values = {path: value for path, value in given.items() if path != "preset"} | table
        wanted = {**plain_values(load(preset)), **values}
        found = plain_values(scenario)
        if len(given) > 1:  # a link without a version is older than the placement that is chosen
            assert scenario.deployment.placement == "given"
        assert found.pop("deployment.placement") == ("best" if len(given) == 1 else "given")
        wanted.pop("deployment.placement", None)
        for path in SINCE.keys() - values.keys():
            wanted.pop(path, None)
            assert found.pop(path, SINCE[path]) == SINCE[path], link
        assert {path for path, value in wanted.items() if value not in ("", None)} == set(found), link
        for path, value in found.items():
            assert value == (float(wanted[path]) if isinstance(value, float) else wanted[path]), (link, path)


def test_old_files_open():
    for text in KEPT["toml"]:
        s = Scenario.from_toml(text)
        written = s.to_toml().replace('placement = "best"\n', "")
        for path, default in SINCE.items():
            line = f"{path.rpartition('.')[2]} = {json.dumps(default)}\n"
            written = written if line in text else written.replace(line, "")
        assert written == f"schema_version = {SCHEMA_VERSION}\n{text}"
        assert tomllib.loads(s.to_toml()) == s.to_dict() | {"schema_version": SCHEMA_VERSION}


@pytest.mark.parametrize(("version", "sentence"), [
    ("3", "schema_version is 3, and this version of Overtrain reads up to 2: a newer one wrote the scenario. Update Overtrain"),
    ("-1", "schema_version must be a whole number from 0 to 2, got -1"),
    ("true", "schema_version must be a whole number from 0 to 2, got True"),
    ('"1"', "schema_version must be a whole number from 0 to 2, got '1'"),
])  # fmt: skip
def test_a_version_that_is_not_known(version, sentence):
    with pytest.raises(InputError) as caught:
        Scenario.from_toml(
            f"schema_version = {version}\n{load(SMALL).to_toml().partition(chr(10))[2]}", {"pretraining.mfu": 38}
        )
    newer = version == "3"  # then nothing else that is found can be trusted
    assert len(caught.value.problems) == (1 if newer else 2)
    assert caught.value.problems[0].startswith(sentence)


def test_what_was_written_before_a_placement_could_be_chosen_has_it_given():
    s = load("frontier-moe-rack")
    assert s.deployment.placement == "best"
    bare = {k: v for k, v in s.to_dict()["deployment"].items() if k != "placement"}
    plain = {**s.to_dict(), "deployment": bare}
    pins = [{"name": "a", "preset": "frontier-moe-rack", "scenario": plain}]
    for version, how in ((0, "given"), (1, "given"), (SCHEMA_VERSION, "best")):
        text = tomli_w.dumps({"schema_version": version, **plain})
        assert Scenario.from_toml(text).deployment.placement == how
        assert Scenario.from_dict({"schema_version": version, **plain}).deployment.placement == how
        link = {"preset": "frontier-moe-rack", "v": str(version), "traffic.share": "0.2"}
        assert scenario_of(link)[1] == load("frontier-moe-rack", {"traffic.share": 0.2, "deployment.placement": how})
        file = json.dumps({"schema_version": version, "pins": pins}).encode()
        assert pins_in(file, "pins.json")["a"].scenario.deployment.placement == how
        said = {**plain, "deployment": {**bare, "placement": "best"}}
        assert Scenario.from_dict({"schema_version": version, **said}) == s, "what is said is kept"
    # What a person writes without a version is new; what the app wrote without one is old, but for the name of a preset alone.
    assert Scenario.from_toml(tomli_w.dumps(plain)) == Scenario.from_dict(plain) == s
    assert pins_in(json.dumps({"pins": pins}).encode(), "pins.json")["a"].scenario.deployment.placement == "given"
    assert scenario_of({"preset": "frontier-moe-rack", "traffic.share": "0.2"})[1].deployment.placement == "given"
    assert scenario_of({"preset": "frontier-moe-rack"})[1] == s
    # A whole block in place of the deployment, and none, are read too.
    del plain["deployment"]
    assert Scenario.from_dict({"schema_version": 1, **plain}).deployment.placement == "given"
    assert (
        Scenario.from_dict({"schema_version": 1, **plain}, {"deployment.placement": "best"}).deployment.placement
        == "best"
    )


def test_a_table_in_a_link_cannot_fill_the_memory():
    import base64
    import zlib

    bomb = base64.urlsafe_b64encode(zlib.compress(b"0" * 50_000_000, 9)).decode()
    with pytest.raises(InputError, match="at most 20,000"):
        scenario_of({"traffic.kind": "table", TABLE: bomb})
    short = base64.urlsafe_b64encode(zlib.compress(b"0" * 5_000_000, 9)).decode()
    assert len(short) < 20_000
    with pytest.raises(InputError, match="cut short or too long"):
        scenario_of({"traffic.kind": "table", TABLE: short})


@pytest.mark.parametrize("preset", presets())
@pytest.mark.parametrize("other", presets())
def test_any_scenario_travels_as_a_difference_from_any_preset(preset, other):
    link = parameters(preset, load(other))
    assert same(scenario_of(link)[1], load(other))
    assert scenario_of(link)[0] == preset


def test_a_link_keeps_every_digit_of_the_forecast(lecture):
    s = lecture.update({"traffic": {"kind": "table", "table": MONTHS}})
    link = parameters("lecture-2026", s)
    assert len(link[TABLE]) < 120
    assert scenario_of(link)[1].traffic == s.traffic


@pytest.mark.parametrize("policy", ["none", "ratio", "flops", "cost_share", "optimised"])
@pytest.mark.parametrize("kind", ["growth", "table"])
def test_every_kind_can_be_chosen_and_travels(lecture, policy, kind):
    s = lecture.update(start_of(lecture, "rl.policy", policy, None))
    s = s.update(start_of(s, "traffic.kind", kind, None))
    assert (s.rl.policy, s.traffic.kind) == (policy, kind)
    assert float(sum(s.traffic.stated())) == pytest.approx(float(sum(lecture.traffic.stated())), rel=1e-12)
    preset, back = scenario_of(parameters("lecture-2026", s))
    assert (preset, same(back, s)) == ("lecture-2026", True)


def test_uploads_are_checked():
    s = load(SMALL)
    assert uploaded_scenario(s.to_toml().encode(), "a.toml") == s
    with pytest.raises(InputError, match="more than 1,000,000 bytes"):
        uploaded_scenario(b"#" * 1_000_001, "a.toml")
    with pytest.raises(InputError, match="not valid TOML"):
        uploaded_scenario(b"import os; os.remove('x')", "a.toml")
    with pytest.raises(InputError, match="not UTF-8 text"):
        uploaded_scenario(b"\xff\xfe\x00", "a.toml")
    with pytest.raises(InputError, match="does not read"):
        uploaded_scenario(b'[traffic]\nkind = "table"\nfile = "/etc/passwd"\n', "a.toml")
    with pytest.raises(InputError, match="nests too deeply"):
        uploaded_scenario(b"a = " + b"[" * 100_000, "a.toml")


def test_an_upload_becomes_the_question():
    at = page()
    at.session_state["open.file"] = True
    run(at)
    at.file_uploader(key="scenario_toml").upload("mine.toml", load(SMALL).to_toml().encode(), "application/toml")
    run(at)
    assert agrees(at, load(SMALL))
    at.session_state["open.file"] = True
    run(at)
    at.file_uploader(key="scenario_toml").upload("bad.toml", b"law = [", "application/toml")
    run(at)
    assert "not valid TOML" in at.warning[0].value.replace("\\", "")
    assert agrees(at, load(SMALL))


def test_text_from_strangers_is_no_markdown():
    at = page(name="![x](http://example.org/a.png)", pretraining__mfu="![y](http://example.org/b.png)")
    assert at.error
    assert not [block for block in [*at.markdown, *at.caption, *at.warning, *at.error] if "](http" in block.value]
