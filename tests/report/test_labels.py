"""Labels of points in charts, at the widths of a phone and of a screen: none on another, on a line or on the axis."""

import re
from itertools import pairwise

import pytest
import vl_convert

from optimizer import chart
from optimizer.analysis.placement import placement
from optimizer.analysis.serving import batch_points

LETTER, HIGH = 5.5, 8.0
"""Least width of a digit and height of one, pixels; commas are narrower."""


@pytest.fixture(scope="module")
def batches():
    return batch_points(placement("Llama 3.1 8B"), [1.5**i for i in range(20)])


def rendered(frame, width):
    """The boxes of the labels (left, top, right, bottom), and the line."""
    spec = chart.latency_against_cost.drawing(frame).spec() | {"width": width, "height": 220, "title": None}
    picture = vl_convert.vegalite_to_svg(spec)
    found = re.findall(
        r'text mark"[^>]*text-anchor="(\w+)" transform="translate\(([-\d.]+),([-\d.]+)\)"[^>]*>([\d,]+)<', picture
    )
    boxes = {}
    for anchor, x, y, text in found:
        long = LETTER * len(text)
        left = float(x) - {"start": 0, "middle": long / 2, "end": long}[anchor]
        boxes[text] = left, float(y) - HIGH, left + long, float(y)
    (path,) = re.findall(r'line mark" d="M([^"]*)"', picture)
    return boxes, [tuple(map(float, point.split(","))) for point in path.split("L")]


@pytest.mark.parametrize("width", [150, 228, 560, 1400])
def test_labels_of_batches_meet_nothing(batches, width):
    boxes, line = rendered(batches, width)
    largest = f"{batches['batch'].iloc[-1]:.0f}"
    assert largest in boxes
    assert (2 if width < 200 else 4) < len(boxes) <= len(batches)
    each = [*boxes.values()]
    for i, (left, top, right, bottom) in enumerate(each):
        assert left > 0, "right of the axis"
        assert bottom < 220, "above the axis"
        for other in each[:i]:
            assert right < other[0] or other[2] < left or bottom < other[1] or other[3] < top, (width, boxes)
        for (x, y), (x_next, y_next) in pairwise(line):
            for t in range(50):
                at, up = x + t / 50 * (x_next - x), y + t / 50 * (y_next - y)
                assert not (left < at < right and top < up < bottom), (width, boxes)


def test_every_batch_of_the_table_is_named_on_a_screen():
    frame = batch_points(placement("Llama 3.1 8B"))
    assert [*rendered(frame, 700)[0]] == [f"{batch:,.0f}" for batch in frame["batch"]]
