"""Links and uploads carry the question; bad ones cost nothing."""

import pytest
from streamlit.testing.v1 import AppTest

from optimizer import InputError, load, presets
from optimizer.app.link import TABLE, parameters, same, scenario_of, uploaded_scenario
from optimizer.app.switch import start_of

from .session import MONTHS, ROOT, SMALL, agrees, opened, run

BAD_LINKS = {
    "an unknown preset": ({"preset": "lecture-2027"}, "did you mean 'lecture-2026'"),
    "an unknown path": ({"trafic.growth": "1"}, "trafic.growth"),
    "no number": ({"pretraining.mfu": "fast"}, "must be a number"),
    "out of range": ({"pretraining.mfu": "38"}, "must lie in (0, 1]"),
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


@pytest.mark.parametrize("what", BAD_LINKS)
def test_a_bad_link_is_told_and_the_preset_shown(what):
    link, sentence = BAD_LINKS[what]
    at = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=120)
    for path, value in link.items():
        at.query_params[path] = value
    run(at)
    assert sentence in at.warning[0].value.replace("\\", "")
    assert agrees(at, load("lecture-2026"))
    assert dict(at.query_params) == {"preset": "lecture-2026"}


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
    at = opened()
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
    at = opened(name="![x](http://example.org/a.png)", pretraining__mfu="![y](http://example.org/b.png)")
    assert at.warning
    assert not [block for block in [*at.markdown, *at.caption, *at.warning] if "](http" in block.value]
