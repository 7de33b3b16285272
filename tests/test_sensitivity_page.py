"""docs/sensitivity.md: its code runs, and its numbers are the ones computed."""

import re
from pathlib import Path

import pytest

import optimizer
from optimizer import draws, elasticities, ensemble, load, probability_above, quantiles, regret, tornado
from optimizer.evidence.lecture import pinned

PAGE = (Path(__file__).parents[1] / "docs" / "sensitivity.md").read_text()


@pytest.mark.parametrize("code", re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL))
def test_the_code_of_the_page_runs(code):
    exec(compile(code, "docs/sensitivity.md", "exec"), {})


def test_every_analysis_is_shown():
    shown = set(re.findall(r"\b(\w+)\(", PAGE))
    analyses = {
        name
        for home, names in optimizer._HOMES.items()
        for name in names
        if home.startswith("optimum.")
        and home.split(".")[1] in ("sensitivity", "tornado", "sobol", "sweep", "uncertainty", "regret", "ensemble")
    }
    assert analyses <= shown


def test_the_table_of_the_lecture_is_computed():
    s = load("lecture-2026")
    slopes = elasticities(s)["overtraining_vs_rule_of_20"]
    paths = ("law.beta", "traffic.output_tokens", "rl.tokens", "serving.decode_efficiency")
    found = draws(s, 20_000, parts=["law"], law="posterior")
    low, high = quantiles(found, ["overtraining_vs_rule_of_20"], [0.1, 0.9])["value"]
    bar = tornado(s).set_index("assumption").loc["law"]
    (other,) = regret(s, ["200T"], ["200T"], law="across").to_dict("records")
    wrong = regret(s, ["200T"], ["20T", "2000T"])["regret"]
    laws = ensemble(s)["overtraining_vs_rule_of_20"]
    held = elasticities(pinned(s))["overtraining_vs_rule_of_20"]["law.beta"]
    for text in (
        f"with N held at 100B, as in `overtrain reproduce`, 1 % more beta moves it by {held:+.2f} %",
        ", ".join(f"{slopes[path]:+.2f} %" for path in paths),
        f"{low:.1f}x to {high:.1f}x",
        f"| {100 * probability_above(found, 100):.1f} % |",
        *(f"| {100 * share:.1f} % |" for share in wrong),
        f"| {100 * other['regret']:.1f} %, {100 * other['regret_low']:.1f} % to {100 * other['regret_high']:.1f} % |",
        f"over-training | {bar['output_low']:.1f}x to {bar['output_high']:.1f}x |",
        ", ".join(f"{laws[law]:.0f}x" for law in ("besiroglu", "muennighoff", "de-vries", "hoffmann")),
        f"factor of {laws['highest / lowest']:.1f} in over-training",
    ):
        assert text in PAGE, text
