"""Axes: round ticks, numbers in words, and ends that stay from one drawing to the next."""

import itertools
import math
import re

import altair as alt
import numpy as np
import pytest
import vl_convert

from optimizer.model.outputs import quantity_text
from optimizer.report.chart.scales import MOST_ROOM, Kept, axis, log_scale, scale, steady, steady_top


def test_kept_ends_hold_the_values_without_much_room_and_seldom_move():
    kept, found, alone = Kept(), [], []
    for shift in np.linspace(0, 1, 201):
        values = [10.0**-shift, 9 * 10.0**-shift]
        found.append(steady(values, kept, "n_params"))
        alone.append(steady(values))
        assert found[-1][0] < values[0] < values[1] < found[-1][1]
        room = 8 * math.log10(found[-1][1] / found[-1][0]) - 8 * math.log10(alone[-1][1] / alone[-1][0])
        assert room <= MOST_ROOM + 2 + 1e-9
    assert found[0] == alone[0]
    moves = [sum(a != b for a, b in itertools.pairwise(ends)) for ends in (found, alone)]
    assert moves[0] <= moves[1] / 2
    assert steady([1e5, 1e6], kept, "n_params") == steady([1e5, 1e6])  # another question has axes of its own


def test_a_kept_top_holds_the_bars_and_does_not_dwarf_them():
    kept, tops = Kept(), []
    for most in np.geomspace(1, 10, 201)[::-1]:
        tops.append(steady_top(most, kept, "cost"))
        assert most <= tops[-1] <= most * 10 ** ((MOST_ROOM + 1) / 8) * (1 + 1e-9)
    assert len(set(tops)) <= len({steady_top(most) for most in np.geomspace(1, 10, 201)}) / 2
    assert steady_top(0.0, kept, "cost") == 1.0


@pytest.mark.parametrize(
    ("ends", "form"), [((6e15, 7e17), r"\d+T"), ((6e15, 7e16), r"\d+T"), ((2e17, 8e18), r"[\d.]+e\d+"), ((6e15, 7e26), r"[\d.]+e\d+|\d+T")]
)  # fmt: skip
def test_large_counts_of_one_axis_are_written_in_one_form(ends, form):
    along, ticks = log_scale(ends)
    marks = alt.Chart(alt.Data(values=[{"x": v} for v in ends])).mark_point()
    drawn = marks.encode(x=alt.X("x:Q", scale=along, axis=axis("tokens", ticks)))
    shown = [
        word
        for word in re.findall(r"<text[^>]*>([^<]*)</text>", vl_convert.vegalite_to_svg(drawn.to_dict()))
        if word != "tokens"
    ]
    assert len(shown) > 2
    assert all(re.fullmatch(form, word) for word in shown), shown


def test_ticks_are_round_and_inside():
    for values in ([2e13, 2e15], [80e9, 130e9], [1e3, 1e12], [3.0, 4.0]):
        _, ticks = scale(values, log=True)
        assert 2 <= len(ticks) <= 12
        assert min(values) * 0.8 < min(ticks)
        assert max(ticks) < max(values) * 5
    for least, most, count in (
        (4e26, 9e26, 5),
        (3.0, 29.0, 6),
        (1e11, 3.7e11, 5),
        (20, 90, 5),
        (2e13, 2e15, 7),
        (1e3, 2e9, 8),
    ):
        ticks = log_scale((least, most))[1]
        assert 2 <= len(ticks) <= count, "labels of one decade do not touch on a narrow page"
        assert all(least <= tick <= most for tick in ticks)
    assert scale([0.0, 1.0])[1] is None
    assert scale([5.0])[0].domain[0] < 5


def test_numbers_in_words():
    assert quantity_text(20012.0, "1", "overtraining_vs_law") == "20,012x"
    assert quantity_text(1e26, "FLOP") == "1e26 FLOP"
