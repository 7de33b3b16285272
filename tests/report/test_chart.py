"""Charts: what they refuse, what they say in words, and what a reader sees of numbers."""

import json
import re

import pytest
import vl_convert

from optimizer import (
    InputError,
    draws,
    elasticities,
    ensemble,
    fit,
    frontier,
    load,
    monte_carlo,
    regret,
    size_table,
    sobol,
    solve,
    tornado,
)
from optimizer.analysis.chips import chip_frontier
from optimizer.analysis.compare import bills, maps, tornados, valleys
from optimizer.analysis.placement import placement
from optimizer.analysis.plans import cost_curve, cost_phases, monthly_tokens
from optimizer.analysis.serving import batch_points
from optimizer.analysis.why import design_map, staircase
from optimizer.assumptions.numbers import percent
from optimizer.assumptions.paths import declaration
from optimizer.assumptions.published_laws import law_in_words, law_names
from optimizer.assumptions.scenario import Scenario
from optimizer.evidence.runs import example_runs
from optimizer.model.outputs import quantity_text
from optimizer.report import chart
from optimizer.report.chart.bars import ends_of
from optimizer.report.chart.drawing import autosize, pixels
from optimizer.report.chart.marks import series_legend
from optimizer.report.chart.rows import MOST_MARKS
from optimizer.report.chart.theme import NAMED, page_style

SMALL = {"law": None, "deployment": None, "money": None, "serving": None, "pretraining": None}


@pytest.fixture(scope="module")
def frames():
    s = load("lecture-2026")
    own = fit(example_runs()["sardana"], bootstrap=0)
    two = {name: solve(load(name)) for name in ("lecture-2026", "data-limited-lab")}
    return {
        "residuals": own.residuals(),
        "isoloss": own.isoloss(),
        "tornado": tornado(s),
        "size_table": size_table(
            s, {"law": ["besiroglu", "hoffmann"], "traffic.output_tokens": ["20T", "200T", "2000T"]}
        ),
        "draws": draws(s, 3000),
        "elasticity_bars": elasticities(s.update({"limits.max_params": "100B"})),
        "sobol_bars": sobol(s, ["overtraining_vs_rule_of_20"], 64, over=SMALL),
        "fan": monte_carlo(s, 50, served=["20T", "200T", "2000T"]),
        "regret_heat_map": regret(s, None, ["20T", "200T", "2000T"]),
        "band_against_law": ensemble(s),
        "frontier": frontier(s),
        "cost_against_params": cost_curve(solve(s.update({"limits.max_params": "200B"}))),
        "latency_against_cost": batch_points(placement("Llama 3.1 8B")),
        "chip_frontier": chip_frontier(placement("Llama 3.1 8B")),
        "cost_by_phase": cost_phases(solve(s)),
        "monthly_traffic": monthly_tokens(load("open-weights-8b")),
        "staircase": staircase(s),
        "valleys": valleys(two),
        "bills": bills(two),
        "maps": maps(two),
        "tornados": tornados(two),
        "design_map": design_map(solve(load("open-weights-8b"))),
    }


def svg(drawn) -> str:
    return vl_convert.vegalite_to_svg(drawn.to_dict())


def words(drawn) -> list[str]:
    return words_of(svg(drawn))


def words_of(picture: str) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", picture)


@pytest.mark.parametrize("name", chart.__all__)
@pytest.mark.parametrize("dark", [False, True])
def test_every_chart_renders_with_numbers_as_people_write_them(frames, name, dark):
    drawn = getattr(chart, name)(frames[name], dark=dark)
    spec = drawn.to_dict()
    assert len(spec["description"]) > 40
    assert sum(len(rows) for rows in spec["datasets"].values()) <= MOST_MARKS
    picture = svg(drawn)
    shown = words_of(picture)
    assert len(shown) > 5
    assert not [word for word in shown if re.fullmatch(r"[\d.]+[GkYZE]x?", word)], shown
    assert not [word for word in shown if "NaN" in word or "undefined" in word or "null" in word]
    assert ('fill="#0e1117"' in picture) == dark
    # In a browser what has the colour of a light or a dark page follows the page: such an ink on a coloured mark would turn with it.
    pages = "|".join(page_style(dark=one)["background"] for one in (False, True))
    inks = re.findall(rf'<text[^>]*fill="(?:{pages})"[^>]*>', picture)
    assert not [ink for ink in inks if "stroke=" not in ink], "only the edge of a letter is painted like the page"


NEEDED = {
    "tornado": "assumption low high output_low output_base output_high swing status_low unit",
    "elasticity_bars": "value unit active_limit overtraining_vs_rule_of_20",
    "sobol_bars": "output assumption first first_low first_high total total_low total_high",
    "fan": "served_tokens output unit quantile value",
    "regret_heat_map": "plan_tokens future_tokens n_params train_tokens regret in_band",
    "band_against_law": "kind overtraining_vs_rule_of_20 band_overtraining_vs_rule_of_20_low",
    "cost_against_params": "design n_params train_tokens cost_total cost_vs_optimum allowed trained_on",
    "latency_against_cost": "batch tokens_per_second_per_user usd_per_mtok_decode memory_share waits_for",
    "cost_by_phase": "plan phase cost share",
    "monthly_traffic": "month input_tokens_per_day output_tokens_per_day",
    "staircase": "step overtraining_vs_rule_of_20 factor",
    "design_map": "kind line n_params train_tokens loss cost_total",
    "bills": "plan phase cost share",
    "size_table": "law traffic.output_tokens status overtraining_vs_rule_of_20",
    "draws": "draw overtraining_vs_rule_of_20",
    "frontier": "loss cost_total cost_vs_today today n_params train_tokens",
}


@pytest.mark.parametrize(("name", "column"), [(n, c) for n, columns in NEEDED.items() for c in columns.split()])
def test_a_missing_column_is_named(frames, name, column):
    with pytest.raises(InputError, match=rf"needs column {column}; .* returns"):
        getattr(chart, name)(frames[name].drop(columns=column))


@pytest.mark.parametrize("name", chart.__all__)
def test_an_empty_frame_is_refused(frames, name):
    with pytest.raises(InputError, match="nothing to draw"):
        getattr(chart, name)(frames[name].iloc[:0])


def test_more_than_a_chart_can_show_is_refused(frames):
    with pytest.raises(InputError, match="at most 2,000 marks"):
        chart.regret_heat_map(frames["regret_heat_map"].sample(MOST_MARKS + 1, replace=True, random_state=0))


@pytest.mark.parametrize("name", chart.__all__)
def test_tooltips_carry_units(frames, name):
    spec = getattr(chart, name)(frames[name]).to_dict()
    tips = [tip for layer in spec["layer"] for tip in layer.get("encoding", {}).get("tooltip", [])]
    assert tips
    shown = {
        str(row.get(tip["field"]))
        for tip in tips
        if isinstance(tip, dict)
        for rows in spec["datasets"].values()
        for row in rows
    }
    assert any(unit in " ".join(shown) for unit in ("tokens", "parameters", "x", "FLOP", "("))


def test_the_tornado_says_which_end_is_which_without_colour(frames):
    spec = chart.tornado(frames["tornado"]).to_dict()
    fills = [layer["mark"]["fillOpacity"] for layer in spec["layer"] if "fillOpacity" in layer["mark"]]
    assert fills == [0.0, 0.85]
    assert {"10 %", "90 %", "44.4T", "400T"} <= set(words(chart.tornado(frames["tornado"])))
    assert re.search(r"widest swing comes from RL tokens R: [\d.]+x at 44\.4T, [\d.]+x at 400T\.", spec["description"])


def test_an_end_without_an_answer_is_labelled():
    frame = tornado(load("on-device"), "n_params", law=None, over={"goal.like_tokens": ("500B", "200T")})
    assert "200T: no answer" in words(chart.tornado(frame))


def test_a_limit_that_holds_has_a_diamond(frames):
    spec = chart.elasticity_bars(frames["elasticity_bars"], "train_tokens").to_dict()
    assert any(layer["mark"].get("shape") == "diamond" for layer in spec["layer"])
    assert "largest model allowed holds it" in spec["title"]["subtitle"][0]


def test_an_output_that_the_frame_lacks_is_refused(frames):
    for draw, name in ((chart.fan, "fan"), (chart.sobol_bars, "sobol_bars")):
        with pytest.raises(InputError, match="loss among its outputs"):
            draw(frames[name], "loss")


def test_the_claim_of_the_lecture_is_drawn(frames):
    drawn = chart.band_against_law(frames["band_against_law"], reference=100)
    assert "100x is dashed and lies inside the band of 4 of 4 credible laws" in drawn.to_dict()["description"]


def test_no_chart_shows_a_law_by_its_name_in_code(frames):
    """What a reader sees without pointing at a mark: names of axes and lines, and the description."""
    code, seen = re.compile(rf"(?<![\w-])({'|'.join(map(re.escape, law_names()))})(?![\w-])"), 0
    for name in ("band_against_law", "size_table"):
        spec = getattr(chart, name)(frames[name]).to_dict()
        texts = [spec["description"], *re.findall(r"<text[^>]*>([^<]*)", svg(getattr(chart, name)(frames[name])))]
        assert not [text for text in texts if code.search(text)], name
        seen += sum(law_in_words("hoffmann") in text for text in texts)
    assert seen >= 4


@pytest.mark.parametrize("name", ["band_against_law", "draws"])
def test_a_value_to_compare_with_is_a_line_across_the_scale_of_values(frames, name):
    picture = svg(getattr(chart, name)(frames[name], reference=100))
    (line,) = re.findall(r'<line[^>]*stroke-dasharray="5,4"[^>]*>', picture)
    across, down = (float(re.search(rf'{end}="([-\d.]+)"', line)[1]) for end in ("x2", "y2"))
    assert across == 0
    assert abs(down) > 100


def test_the_valley_shows_band_limits_and_plans(frames):
    spec = chart.cost_against_params(frames["cost_against_params"]).to_dict()
    assert "the limits forbid it" in spec["title"]["subtitle"][0]
    assert "between 99.1B and 130B parameters it costs at most 5 % more" in spec["description"]
    shown = words(chart.cost_against_params(frames["cost_against_params"]))
    assert {"100B", "200B", "optimum", "Chinchilla plan", "released model of this size"} <= set(shown)
    named = {row["name"] for rows in spec["datasets"].values() for row in rows if "name" in row}
    assert "Kimi K3" in named, "the released model of nearest size"


def test_a_size_table_is_drawn_along_its_first_number(frames, lecture):
    spec = chart.size_table(frames["size_table"]).to_dict()
    (rows,) = spec["datasets"].values()
    assert [row["y"] for row in rows] == frames["size_table"]["overtraining_vs_rule_of_20"].tolist()
    assert {row["line"] for row in rows} == {
        "scaling law Besiroglu et al. 2024",
        "scaling law Hoffmann et al. 2022 (Chinchilla)",
    }
    assert "scaling law Besiroglu et al. 2024 32.9x at 20T tokens to 196x at 2000T tokens" in spec["description"]
    both = size_table(lecture, {("traffic.output_tokens", "limits.max_params"): [("20T", "100B"), ("200T", "200B")]})
    (rows,) = chart.size_table(both).to_dict()["datasets"].values()
    assert [row["line"] for row in rows] == ["", ""]
    part = size_table(lecture, {"limits.max_params": ["1M", "100B", "200B"]})
    spec = chart.size_table(part, "n_params").to_dict()
    assert "not drawn: 1 of 3 points" in spec["title"]["subtitle"][0]
    with pytest.raises(InputError, match="two numbers or more"):
        chart.size_table(size_table(lecture, {"law": ["besiroglu", "hoffmann"]}))


def test_the_histogram_of_draws_holds_them_all(frames):
    frame = frames["draws"]
    ratio = frame["overtraining_vs_rule_of_20"].dropna()
    spec = chart.draws(frame, reference=100).to_dict()
    bars = next(rows for rows in spec["datasets"].values() if "share" in rows[0])
    assert sum(bar["share"] for bar in bars) == pytest.approx(1)
    for bar in bars[:-1]:
        assert bar["share"] == ((ratio >= bar["low"] * (1 - 1e-12)) & (ratio < bar["high"] * (1 - 1e-12))).mean()
    assert f"50 %: {quantity_text(ratio.median(), '1', 'overtraining_vs_law')}" in spec["description"]
    assert f"which {percent((ratio >= 100).mean())} of the draws reach" in spec["description"]
    with pytest.raises(InputError, match="several traffics"):
        chart.draws(draws(load("lecture-2026"), 10, served=["20T", "200T"]))


def test_a_legend_has_no_more_columns_than_have_room():
    """Vega cuts off what is beyond 342 pixels on a phone, 520 on half of a page. A letter takes up to 7."""
    for name, phone, half in (("Frontier MoE rack, changed 2", 1, 2), ("Lecture 2026", 2, 3)):
        room = int(re.search(r"/ (\d+)\)", str(series_legend([name, "b"]).columns))[1])
        assert (max(342 // room, 1), min(520 // room, 3)) == (phone, half)


def test_an_end_of_a_bar_is_in_the_unit_that_keeps_it_short():
    row = {"assumption": "deployment.kv_bytes_per_token", "unit": "bytes/token", "low": 3.51e4, "high": 512.0}
    row |= {"output_low": 1.0, "output_high": 3.0}
    assert [end["label"] for end in ends_of(row, 2.0, "1", "n_params")] == ["35.1 KB", "512"]


@pytest.mark.parametrize("width", [210, 560])
def test_labels_of_quantiles_lie_on_no_line_and_on_no_other_label(frames, width):
    picture = svg(chart.draws(frames["draws"], reference=100).properties(width=width))
    labels = re.findall(
        r'text-anchor="(\w+)" transform="translate\(([-\d.]+),([-\d.]+)\)"[^>]*>(\d+ %: [^<]+)<', picture
    )
    lines = re.findall(r'transform="translate\([-\d.]+,([-\d.]+)\)"[^>]*stroke-width="2"', picture)
    assert (len(labels), len(lines)) == (3, 4)
    boxes = []
    for anchor, at, down, text in labels:
        wide = 5.5 * len(text)
        left = float(at) - {"start": 0, "middle": wide / 2, "end": wide}[anchor]
        assert 0 <= left < left + wide <= width
        assert not [other for other in boxes if other[2] == down and left < other[1] and other[0] < left + wide], labels
        boxes.append((left, left + wide, down))
        assert float(down) < min(map(float, lines))


def test_the_rule_of_20_is_named_on_the_map_and_drawn_to_be_seen(frames):
    spec = chart.design_map(frames["design_map"]).to_dict()
    named = [
        layer
        for layer in spec["layer"]
        if any(row.get("label") == "20 tokens per parameter" for row in spec["datasets"][layer["data"]["name"]])
    ]
    texts, lines = ([layer["mark"] for layer in named if layer["mark"]["type"] == kind] for kind in ("text", "line"))
    assert len(texts) - 1 == len(lines) == 1
    assert texts[0]["color"] == texts[0]["stroke"] == spec["background"], "its edge covers the lines that it lies on"
    assert "color" not in texts[1], "in the ink of the page"
    assert "opacity" not in lines[0]
    on, off = lines[0]["strokeDash"]
    assert lines[0]["strokeWidth"] * on / (on + off) > 0.5, "more ink than a hair line of the grid"


def test_vega_warns_of_no_chart_of_a_page(frames, capfd):
    """A page fits a chart into its width; Vega's compiler says what it drops or finds in conflict."""
    for name in chart.__all__:
        spec = getattr(chart, name).drawing(frames[name]).spec()
        page = spec | {"width": 700, "height": pixels(spec), "autosize": autosize(spec)}
        vl_convert.vegalite_to_vega(page, show_warnings=True)
        assert not capfd.readouterr().err, name
    by_row = chart.tornado.drawing(frames["tornado"]).spec()
    vl_convert.vegalite_to_vega(by_row | {"width": 700, "autosize": autosize(by_row)}, show_warnings=True)
    assert "fit-y" in capfd.readouterr().err, "warnings are seen"


def test_a_name_of_two_lines_is_in_the_middle_of_its_row(frames):
    picture = svg(chart.tornado(frames["tornado"]))
    labels = re.findall(r"translate\(-6,([\d.]+)\)[^>]*>(.*?)</text>", picture)
    middle = [float(y) + 12 * text.count("dy=") / 2 for y, text in labels]
    assert {"dy=" in text for _, text in labels} == {True, False}
    assert middle == pytest.approx([middle[0] + NAMED * i for i in range(len(middle))], abs=1.5)


def test_the_height_in_pixels_is_the_one_that_vega_makes_of_rows(frames):
    """Without axes, whose height is that of their words; Vega warns of a height by the row in a page of a given width."""
    tall = 0
    for name in chart.__all__:
        spec = getattr(chart, name).drawing(frames[name]).spec()
        given = spec | {"height": pixels(spec)}
        if isinstance(spec["height"], dict):
            tall += 1
            drawn, by_row = (vl_convert.vegalite_to_svg(each) for each in (given, spec))
            sizes = [float(re.search(r'height="([\d.]+)"', picture)[1]) for picture in (drawn, by_row)]
            assert sizes[0] == pytest.approx(sizes[1], abs=1.01), name
        else:
            assert given == spec
    assert tall == 9


@pytest.mark.parametrize("name", chart.__all__)
def test_no_tooltip_has_raw_numbers_or_names_of_columns(frames, name):
    """A page's theme may switch on tooltips of every encoded field; only those that a layer asks for are shown."""
    drawing = getattr(chart, name).drawing(frames[name])
    spec = drawing.chart().to_dict()
    for layers in (drawing.spec()["layer"], spec["layer"]):
        for layer in layers:
            tips = layer["encoding"].get("tooltip", [])
            assert tips or layer["mark"]["tooltip"] is None, layer["mark"]
            for tip in tips if isinstance(tips, list) else [tips]:
                assert tip["type"] == "nominal", "numbers are written as text"
                rows = spec["datasets"][layer.get("data", spec.get("data"))["name"]]
                assert not [row for row in rows if row.get(tip["field"]) == ""], tip
    spec["config"]["mark"] = {"tooltip": {"content": "encoding"}}
    shown = json.dumps(vl_convert.vegalite_to_vega(spec)["marks"])
    titles = {tip.get("title", tip["field"]) for layer in spec["layer"] for tip in _listed(layer)}
    named = {
        key
        for text in re.findall(r'"tooltip": \{"signal": "(\{.*?\})"\}', shown)
        for key in re.findall(r'\\"([^"\\]+)\\": ', text)
    }
    assert named
    assert named <= titles


def _listed(layer) -> list:
    tips = layer["encoding"].get("tooltip", [])
    return tips if isinstance(tips, list) else [tips]


def test_bars_are_not_cut_between_equal_ones_and_say_what_is_left_out(frames, lecture):
    frame, output = elasticities(lecture), "overtraining_vs_rule_of_20"
    sizes = sorted(frame[output].abs()[frame[output].abs() > 5e-4], reverse=True)
    for top in range(1, len(sizes) + 1):
        spec = chart.elasticity_bars(frame, top=top).to_dict()
        rows = next(rows for rows in spec["datasets"].values() if "elasticity" in rows[0])
        left = sizes[len(rows) :]
        assert len(rows) >= top
        assert all(size < 0.9999 * sizes[len(rows) - 1] for size in left)
        named = f"the {len(rows)} largest of {len(sizes)} that move it"
        assert (named in spec["title"]["subtitle"][0]) == bool(left)
    drawn = chart.elasticity_bars(frame).to_dict()["datasets"]
    assert {"serving.decode_efficiency"} <= {row.get("path") for rows in drawn.values() for row in rows}
    spec = chart.tornado(frames["tornado"], top=2).to_dict()
    assert "the 2 largest of" in spec["title"]["subtitle"][1]
    assert "the 2 largest of" in chart.sobol_bars(frames["sobol_bars"], top=2).to_dict()["title"]["subtitle"][1]


@pytest.mark.parametrize("name", ["elasticity_bars", "tornado", "sobol_bars", "tornados"])
def test_bars_have_names_in_words_and_the_path_in_the_tooltip(name, frames):
    drawn = getattr(chart, name)(frames[name])
    spec = drawn.to_dict()
    rows = [row for rows in spec["datasets"].values() for row in rows if "path" in row]
    assert len({row["path"] for row in rows}) > 2
    for row in rows:
        declared = declaration(Scenario, row["path"])
        shown = row.get("name", row["assumption"]).split(" (")[0]
        assert shown == "scaling law" if declared is None else declared.about.startswith(shown)
    tooltips = [layer["encoding"]["tooltip"] for layer in spec["layer"] if "tooltip" in layer.get("encoding", {})]
    assert any(tip["field"] == "path" for tips in tooltips for tip in tips)
    found = " ".join(re.sub(r"<[^>]*>", " ", svg(drawn)).split())
    assert not re.search(r"\b(rl|serving|traffic|pretraining|law|goal)\.[a-z]", found), "no dotted path is drawn"
    assert "as good as this many active parameters" in found or name != "elasticity_bars", "a long name takes two lines"
