"""Every control has a label, every chart and table a text for people who cannot see it."""

import html
import json
import re

import pytest

from ..counts import some
from .session import opened, unfold

LABELLED = ("text_input", "selectbox", "multiselect", "slider", "select_slider", "toggle", "button", "segmented_control", "download_button", "file_uploader", "metric", "expander")  # fmt: skip
LEAST = 40
"""letters of a text that says what a chart shows"""


@pytest.mark.parametrize("page", some(["plan", "compare", "sensitivity", "serving", "sizes"], [0, 1]))
def test_every_control_has_a_label_and_every_picture_a_text(page):
    at = opened(page, preset="frontier-moe-chat")
    if page == "compare":
        at.button(key="pin_preset").click()
    at.session_state["question"].change(
        {"traffic.share": 0.2, "pretraining.mfu": 0.3}
    )  # with buttons that take it back
    unfold(at, "traffic", "goal", "law", "pretraining", "rl", "money", "search", "file", "pins")
    controls = [(kind, element) for kind in LABELLED for element in at.get(kind)]
    assert len(controls) > 30
    assert not [
        (kind, element.proto.label) for kind, element in controls if not re.search(r"[^\W_]", element.proto.label or "")
    ]
    for kind in {kind for kind, _ in controls} - {"metric", "expander", "download_button", "button"}:
        labels = [(e.proto.label, e.proto.help) for k, e in controls if k == kind]
        assert len(set(labels)) == len(labels), f"two of {kind} have one label and one help"
    texts = [re.sub(r"<[^>]*>", " ", element.proto.body) for element in at.get("html")]
    charts = at.get("vega_lite_chart")
    assert charts or page == "sizes"
    for chart in charts:
        title = json.loads(chart.proto.spec)["description"]
        said = [text for text in texts if html.escape(title) in text]
        assert title
        assert any(len(text) > len(title) + LEAST for text in said), title
    for table in at.dataframe:
        assert len(table.proto.alt) > 10
