"""Charts of a plan: its curve of cost against size and its bill."""

import math
import re

from optimizer import chart, load, solve
from optimizer.analysis.compare import bills, valleys
from optimizer.analysis.plans import cost_curve, cost_phases
from optimizer.analysis.why import design_map

from .test_chart import svg, words


def test_other_numbers_are_no_other_chart(lecture):
    bests = [solve(lecture), solve(lecture.update({"traffic.output_tokens": "5000T"}))]
    for draw, frame in (
        (chart.cost_against_params, lambda best: cost_curve(best, 3)),
        (chart.cost_by_phase, cost_phases),
    ):
        one, two = (draw.drawing(frame(best)).spec() for best in bests)
        assert one["layer"] == two["layer"], "so that a browser changes the marks and axes, and does not draw anew"
        assert one["datasets"] != two["datasets"]
        assert ">5e27<" in svg(draw(frame(bests[1]))), "the axes follow the numbers"
        assert ">5e27<" not in svg(draw(frame(bests[0])))


def test_released_models_are_named_where_there_is_room(lecture):
    def curve(s):
        spec = chart.cost_against_params(cost_curve(solve(s))).to_dict()
        return [row for rows in spec["datasets"].values() for row in rows if row.get("kind")]

    named = [row["label"] for row in curve(lecture) if row["label"]]
    assert named == ["Kimi K3", "GPT-3"]
    crowd = [row for row in curve(load("open-weights-8b")) if row["kind"] == "released model of this size"]
    assert len(crowd) == 6
    assert 0 < len([row for row in crowd if row["label"]]) < 6, (
        "names that would lie on each other are left to the tooltip"
    )


def test_what_the_limits_forbid_is_one_stretch_each(lecture):
    s = lecture.update({"limits.max_params": "130B", "limits.max_train_tokens": "180T"})
    spec = chart.cost_against_params(cost_curve(solve(s))).to_dict()
    (line,) = [rows for rows in spec["datasets"].values() if "stretch" in rows[0]]
    stretches = {row["stretch"]: row["allowed"] for row in line}
    assert [*stretches.values()] == [False, True, False]
    ends = [[row["n_params"] for row in line if row["stretch"] == k] for k in stretches]
    assert [ends[0][-1], ends[1][-1]] == [ends[1][0], ends[2][0]], "the stretches meet"


def test_valleys_are_thick_only_where_the_limits_allow_it():
    """The on-device preset is held at its largest size: cheaper, larger designs are no part of its band."""
    best = solve(load("on-device"))
    spec = chart.valleys(valleys({"phone": best, "lecture": solve(load("lecture-2026"))})).to_dict()
    thick = next(rows for rows in spec["datasets"].values() if all(row.get("near") for row in rows))
    most = best.scenario.limits.max_bytes / best.scenario.limits.bytes_per_param
    assert max(row["n"] for row in thick if row["plan"] == "phone") <= most * (1 + 1e-9)
    assert "thin: the limits forbid it" in spec["title"]["subtitle"][0]
    legends = [layer["encoding"].get("color", {}).get("legend", {}) for layer in spec["layer"]]
    assert None not in legends, "a layer without a legend takes that of all others away"


def test_a_plan_that_cannot_be_served_is_shown_without_a_cost():
    """Its cost would lie at 1e36 USD, and with it the ends of the axes."""
    given = {"serving.method": "roofline", "money.unit": "usd", "deployment.placement": "given"}
    best = solve(load("lecture-2026", given))
    curve, least = cost_curve(best), float(best.cost.total)
    by_name = curve.set_index("design")["cost_total"]
    assert math.isnan(by_name["Chinchilla plan"])
    assert curve["cost_total"].max() < 100 * least
    drawn = {
        "cost_against_params": curve,
        "cost_by_phase": cost_phases(best),
        "design_map": design_map(best),
        "valleys": valleys({"a": best}),
        "bills": bills({"a": best}),
    }
    for name, frame in drawn.items():
        spec = getattr(chart, name)(frame).to_dict()
        assert not [word for word in words(getattr(chart, name)(frame)) if re.search(r"\de\d\d|nan|n/a", word)], name
        if name not in ("valleys", "bills"):
            said = spec["description"] + str(spec["title"])
            assert "Chinchilla plan" in said
            assert "has no cost" in said
    marks = design_map(best).set_index("kind")
    assert marks.loc["Chinchilla plan", "n_params"] == float(best.baseline.design.n_params)
    # 288B parameters of 2 bytes fill 90 % of 8 x 80 GB.
    assert marks.loc["equal cost", "n_params"].max() < 288e9
