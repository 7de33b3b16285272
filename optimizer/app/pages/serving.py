"""Page Serving: batch, speed, memory and cost of one model on one chip."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import streamlit as st

from optimizer.analysis.chips import OFFERS, chip_comparison, chip_frontier, measured_points
from optimizer.analysis.placement import Placement, operating_point, placement, placement_of
from optimizer.analysis.serving import POINTS, batch_points, key_figures, prompts_of
from optimizer.analysis.throughput import throughput
from optimizer.app import show
from optimizer.app.said import escaped, problems, said
from optimizer.app.state import question
from optimizer.app.table import table
from optimizer.assumptions.hardware import PRECISIONS
from optimizer.assumptions.naming import choice_in_words
from optimizer.assumptions.numbers import in_unit
from optimizer.assumptions.problems import InputError
from optimizer.assumptions.tables import rows
from optimizer.model.accuracy import serving_error
from optimizer.model.outputs import heading, with_unit, written
from optimizer.report.chart import chip_frontier as chip_chart
from optimizer.report.chart import latency_against_cost
from optimizer.report.chart.theme import capital

if TYPE_CHECKING:
    import pandas as pd

OPTIMUM = "the optimum of the scenario"
TABLES = {
    "batch": "Batch: sequences per step",
    "speed": "Speed: the cheapest operating point for each speed per user",
    "context": "Context: memory and cost against the length of a sequence",
    "cache": "Cache tiers: where prefixes are kept, and the cost",
    "chips": "Chips: the same model on each chip at its cheapest placement, under one offer",
    "pipeline": "Pipeline: memory and cost against the number of stages",
    "attention": "Attention: cost when each step reads a part of the context",
    "loop": "Closed loop: throughput and times of requests of one length",
    "domain": "Scale-up domain: cost against the number of chips in the domain",
}
AGAINST = ("usd_per_mtok_decode", "joules_per_token")


ABOUT = {
    "balance batch": "the batch at which computing a step takes as long as reading the weights from memory",
    "memory drain time": "time to read the whole memory of a chip once: the least time of a step that uses all of it",
    "parameters in all": "of every expert; all of them are held in memory",
    "chips of a replica": "chips that hold one copy of the model",
    "chips of a replica for prompts": "chips that hold the copy of the model that computes prompts, and decodes nothing",
    "weights per stage": "bytes of the weights that one pipeline stage holds",
    "cache per token": "bytes that attention keeps for each token of a sequence",
    "memory left for cache": "memory of a stage without the weights",
    "largest batch in memory": "sequences whose caches fit next to the weights",
    "context wall": "the context at which reading the cache takes as long as computing",
    "power of a replica": "of its chips, with their share of host, network and cooling",
    "energy of decoding": "at the deployment's own batch",
    "electricity of decoding": "that energy at the scenario's price of electricity; reported, and no part of the cost",
}


def page() -> None:
    """The whole page."""
    asked = question()
    st.title("Serving")
    left, middle, right = st.columns(3)
    models = [
        r["name"] for r in rows("models") if r["n_layers"] and r["kv_bytes_per_token_growing"] and r["total_params"]
    ]
    model = left.selectbox("Model", [OPTIMUM, *models], key="serving_model", persist_state="session")
    chips = [r["chip"] for r in rows("hardware") if r["usd_per_chip_hour"] and r["hbm_bytes_per_second"]]
    own = asked.scenario.money.serve_chip.name or asked.scenario.money.serve_chip.title
    chips = chips if own in chips else [own, *chips]
    chip = middle.selectbox("Chip", chips, index=chips.index(own), key=f"serving_chip.{own}", persist_state="session")
    mine = asked.scenario.money.serve_chip
    known = mine.precision
    precision = right.selectbox(
        "Precision",
        PRECISIONS,
        index=PRECISIONS.index(known),
        format_func=lambda value: choice_in_words("money.serve_chip.precision", value),
        key=f"serving_precision.{known}",
        persist_state="session",
    )
    picked = {"name": chip, "precision": precision}
    if (chip, precision) == (own, known):
        picked = mine.to_dict()  # left as it is, the chip keeps the scenario's own price and speed
    elif chip not in {r["chip"] for r in rows("hardware")}:
        picked = {**mine.to_dict(), "precision": precision}
    changes = {"money.serve_chip": picked}
    if model == OPTIMUM:
        show.answered(asked, lambda best: _point(lambda: placement_of(best, changes)))
    else:
        _point(lambda: placement(model, changes=changes))


def _point(found: Callable[[], Placement]) -> None:
    try:
        s = found()
        _figures(s)
        prompts = prompts_of(s)
        sentences = (s.placed.sentence, prompts.sentence if prompts else "", serving_error(s.scenario))
        st.caption(said(" ".join(filter(None, sentences))))
        show.chart(latency_against_cost, batch_points(s), operating_point(s), scenario=s.scenario)
        name = st.selectbox(
            "Table", list(TABLES), format_func=TABLES.__getitem__, key="serving_table", persist_state="session"
        )
        _sweep(s, name)
    except InputError as error:
        problems(error.problems)


def _figures(s: Placement) -> None:
    figures = [("Active parameters", written(s.n_params, "n_params", 4), None, "parameters that one token uses")]
    for name, (value, given) in key_figures(s).items():
        text, unit = in_unit(written(value, name, 3, given), given)
        figures.append((capital(with_unit(name, unit)), text, None, ABOUT[name]))
    show.metrics(figures)


def _named(column: str) -> str:
    return capital(heading(column))


def _sweep(s: Placement, name: str) -> None:
    offer = OFFERS[0]
    if name == "chips":
        offer = st.selectbox(
            "Price of a chip", OFFERS, format_func=capital, key="serving_offer", persist_state="session"
        )
        output = st.radio("Against speed", AGAINST, format_func=_named, horizontal=True, key="serving_against")
        point = operating_point(s)
        point["joules_per_token"] = 1e3 * s.scenario.money.serve_chip.kw / point["tokens_per_second_per_chip"]
        show.chart(
            chip_chart, chip_frontier(s, offer), point, measured_points(s, offer), output=output, scenario=s.scenario
        )
    if name == "loop":
        left, right = st.columns(2)
        prompt = left.number_input("Prompt (tokens)", 1, 10_000_000, 1000, key="serving_prompt")
        answer = right.number_input("Answer (tokens)", 1, 1_000_000, 500, key="serving_answer")
        frame: pd.DataFrame = throughput(s, prompt, answer)
    else:
        frame = chip_comparison(s, offer) if name == "chips" else POINTS[name](s)
    table(frame, TABLES[name])
    if name == "cache":
        cheapest = ", ".join(f"{tier} for {time}" for time, tier in frame.attrs["cheapest"].items())
        st.caption(escaped(f"Cheapest: {cheapest}."))
    show.download(frame, f"serving-{name}", s.scenario)


if __name__ == "__main__":
    page()
