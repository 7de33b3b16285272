"""A name stands over what it names: whatever is changed, no heading of any output shows the bare name or the old description."""

import dataclasses
import json
import re
from io import BytesIO, StringIO

import openpyxl
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from optimizer import load, presets, solve
from optimizer.analysis.grid import over_grid
from optimizer.analysis.placement import Placement, misfits, placement
from optimizer.assumptions.naming import described, title
from optimizer.assumptions.question import taken_as_given
from optimizer.assumptions.record import KEY, provenance
from optimizer.model.placements import placements
from optimizer.report.files.export import FORMATS, encoded
from optimizer.report.table_text import table_text
from optimizer.report.text import solution_text

LAW, CHIP, TRAFFIC = "law", "chip", "traffic"


def change(preset: str, what: str) -> dict[str, float]:
    s = load(preset)
    if what == LAW:
        return {"law.a" if s.law.kind == "moe" else "law.A": 123.5}
    if what == CHIP:
        return {"money.serve_chip.hbm_bytes": 2.4e10}
    return {"traffic.output_tokens" if s.traffic.kind == "total" else "traffic.tokens_per_day": 3.25e13}


@pytest.fixture(scope="module")
def solution():
    return solve(load("lecture-2026"))


def printed(text) -> str:
    console = Console(width=400, file=StringIO())
    console.print(text)
    return console.file.getvalue()


def table_of(scenario):
    """A table of one row with invented numbers."""
    row = {"status": "optimal", "n_params": 1e11, "train_tokens": 1e14, "message": ""}
    units = {"n_params": "parameters", "train_tokens": "tokens"}
    return over_grid(scenario, {}, {"kind": "sizes", "over": {}, "band": 0.05}, lambda _: ([dict(row)], units), None)


def heading(kind: str, content: bytes) -> str:
    """What a reader of the file sees besides its cells."""
    if kind == "parquet":
        held = pq.read_schema(BytesIO(content)).metadata
        return held[b"caption"].decode() + json.loads(held[KEY.encode()])["title"]
    if kind == "xlsx":
        book = openpyxl.load_workbook(BytesIO(content))
        top = [str(row[1].value) for row in book["scenario"].iter_rows(max_row=9)]
        return "\n".join([book.properties.title, book.properties.description, book["table"].oddFooter.left.text, *top])
    if kind == "json":
        record = json.loads(content)[KEY]
        return "\n".join([record["title"], *record["fixed"].values()])
    text = content.decode()
    if kind == "html":
        return "\n".join(re.findall(r"<(?:title|caption)[^>]*>(.*?)</", text, re.DOTALL))
    if kind == "md":
        return "\n".join(line for line in text.splitlines() if not line.startswith(("|", "<!--")))
    return text.splitlines()[0]


def bare(text: str, name: str) -> bool:
    """Whether a name stands in a text without what was changed of it."""
    return bool(re.search(rf"{re.escape(name)}(?!, changed: | \([^)]*changed: )", text))


@pytest.mark.parametrize("what", [LAW, CHIP, TRAFFIC])
@pytest.mark.parametrize("preset", presets())
def test_no_heading_shows_the_bare_name_of_what_was_changed(preset, what, solution):
    s, start = load(preset, change(preset, what)), load(preset)
    best = dataclasses.replace(solution, scenario=placements(s)[0], asked=s)
    frame = table_of(s)
    headings = {kind: heading(kind, encoded(frame, kind)) for kind in FORMATS}
    texts = {
        "solve": printed(solution_text(best)),
        "notebook, solution": best._repr_html_(),
        "notebook, table": frame._repr_html_(),
        "frame": best.to_frame()["scenario"][0],
        "json": best.to_dict()["title"],
        "table": printed(table_text(frame, None)),
        **headings,
    }
    (path,), about = change(preset, what), start.description
    for where, text in texts.items():
        assert not bare(text, preset), where
        assert path in text, where
        assert about not in text, where
        if what == LAW:
            assert not bare(text.replace(f"law.name = {s.law.name}", ""), f" {s.law.name}"), where
    assert all(about not in json.dumps(plain) for plain in (best.to_dict(), frame.attrs[KEY]))
    assert s.law.fitted_max_params == (None if what == LAW else start.law.fitted_max_params)


@pytest.mark.parametrize("preset", presets())
def test_what_is_as_it_comes_keeps_its_name_and_description(preset):
    s = load(preset)
    assert (title(s), described(s)) == (preset, s.description)
    path, value = next(iter(change(preset, LAW).items()))
    back = s.update({path: value}).update({path: getattr(s.law, path.partition(".")[2])})
    assert back == s
    assert (title(back), described(back), back.law.title) == (preset, s.description, s.law.name)


@pytest.mark.parametrize("kind", FORMATS)
def test_every_file_says_what_is_fixed(kind, lecture):
    s = lecture.update({"limits.max_params": "50B"})
    text = heading(kind, encoded(table_of(s), kind))
    given = taken_as_given(s)
    assert set(given) == {"law", "goal", "rl", "traffic", "limits"}
    for said in given.values():
        assert said.replace("'", "&#x27;") in text or said in text
    if kind != "json":
        assert "parameters up to 6.25x" in text  # 100B over the 16B of the fit


def test_what_each_row_sets_is_not_called_fixed(lecture):
    s = lecture.update({"law.E": 1.6, "traffic.output_tokens": "500T"})
    assert taken_as_given(s, ["law"])["law"] == "each row its own"
    assert taken_as_given(s, ["traffic.output_tokens"])["traffic"].endswith("each row its own traffic.output_tokens")
    assert provenance(s, varied=["law", "id"])["fixed"]["law"] == "each row its own"
    assert title(s, varied=["law"]) == "lecture-2026, changed: traffic.output_tokens = 500T"


def test_a_file_of_ones_own_is_named_like_a_preset(tmp_path, lecture):
    path = tmp_path / "mine.toml"
    path.write_text(lecture.update({"name": "mine", "description": "My plan."}).to_toml())
    for s in (load(path, {"law": "hoffmann"}), load(path).update({"law": "hoffmann"})):
        assert title(s) == "mine, changed: law = hoffmann"
        assert described(s) == ""
    assert (title(load(path)), described(load(path))) == ("mine", "My plan.")
    again = load(path).update({"law": "hoffmann"}).update({"name": "other", "description": "Another."})
    assert (title(again), described(again)) == ("other", "Another.")
    # A file that was made of a preset and kept its name is the preset, changed.
    path.write_text(lecture.to_toml().replace("2e14", "5e14").replace("200000000000000.0", "500000000000000.0"))
    assert title(load(path)).startswith("lecture-2026, changed: ")
    assert described(load(path)) == ""


def test_a_changed_chip_is_not_called_by_its_name_alone():
    s = placement("Llama 3 8B", changes={"money.serve_chip": {"name": "H100 SXM", "hbm_bytes": 2.4e10}})
    chip = s.scenario.money.serve_chip
    assert chip.title == "H100 SXM (changed: hbm_bytes = 24 GB)"
    small = s.scenario.update({"money.serve_chip.hbm_bytes": 1e9, "deployment.chips": 1})
    (sentence,) = misfits(Placement("it", 8e9, small))
    assert "H100 SXM (changed: hbm_bytes = 1 GB)" in sentence
    assert placement("Llama 3 8B", changes={"deployment.layers": 10}).name == "Llama 3 8B (changed: layers = 10)"


def test_coefficients_of_ones_own_have_no_range_of_fit_and_no_citation(lecture):
    s = lecture.update({"law.beta": 0.3})
    assert s.law.citation("beta") is None
    assert s.law.citation("E") == lecture.law.citation("E")
    assert (s.law.fitted_max_params, s.law.fitted_max_tokens_per_param) == (None, None)
    assert s.update({"law.fitted_max_params": "20B"}).law.fitted_max_params == 2e10
    decay = load("data-limited-lab", {"law.R_D": 5})
    assert decay.law.title == "muennighoff (changed: R_D = 5)"
