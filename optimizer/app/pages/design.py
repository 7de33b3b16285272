"""Part Given design of the page Tables and Compare: what a decided design, or a released model, costs next to the best of its loss."""

import streamlit as st

from optimizer.analysis.compare import difference_table
from optimizer.app import show
from optimizer.app.said import problems, said, warned
from optimizer.app.state import question
from optimizer.app.table import table
from optimizer.app.work import worked
from optimizer.assumptions.numbers import human, in_unit, parse_number
from optimizer.assumptions.problems import InputError
from optimizer.assumptions.tables import rows
from optimizer.model.outputs import heading, units_of, written
from optimizer.optimum.given import cost, design_from
from optimizer.optimum.solution import Solution, Status
from optimizer.report.sentences import excess, limits_kept, served

OWN = "a design of your own"
GIVEN, BEST = "given design", "best of its loss"


def page() -> None:
    """The whole page."""
    asked = question()
    s = asked.scenario
    st.caption(
        "A design that is decided, billed for the traffic of this scenario, and the best design of the same loss. The goal of the scenario "
        "plays no part; its limits are checked."
    )
    released = {r["name"]: r for r in rows("models") if r["active_params"] and r["pretrain_tokens"]}
    name = st.selectbox("Design", [OWN, *released], key="design_model", persist_state="session")
    start = released.get(name, {"active_params": "8B", "pretrain_tokens": "15T"})
    needed = {
        "active_params": ("Active parameters N", "parameters"),
        "pretrain_tokens": ("Training tokens D", "tokens"),
    }
    if s.rl.decided:
        needed["rl_tokens"] = ("RL tokens R", "tokens")
    amounts, wrong = [], []
    line = st.container(horizontal=True)
    for column, (label, unit) in needed.items():
        shown = start.get(column, "1T")
        text = line.text_input(
            label, human(float(shown), 6) if name in released and column in start else shown, key=f"design.{name}.{column}",
            max_chars=40, persist_state="session",
        )  # fmt: skip
        try:
            amounts.append(parse_number(text, unit))
        except ValueError as error:
            wrong.append(f"{label} {error}.")
    if wrong:
        problems(wrong)
        return
    try:
        n, d, *r = amounts
        design = design_from(s, n, d, rl_tokens=r[0] if r else None)
        found = worked(s, f"cost {design}", lambda _: cost(s, design))
    except InputError as error:
        problems(error.problems)
        return
    if asked.problems:
        show.stale(lambda: _shown(found))
    else:
        _shown(found)


def _shown(found: Solution) -> None:
    warned(found.warnings)
    st.markdown(said(excess(found)))
    if kept := limits_kept(found):
        st.markdown(said(kept))
    if place := served(found):
        st.caption(said(place))
    plans = {GIVEN: found} | ({BEST: found.best} if found.best and found.best.status is Status.OPTIMAL else {})
    frame = difference_table(plans, [*plans][-1])
    table(frame, "Outputs of the given design and of the best design of its loss")
    needs, money = found.needs(), found.scenario.money
    if money.discount_rate:
        needs["cost_nominal"] = found.nominal_cost
    units = units_of(needs, money.currency)
    lines = (f"{heading(k)}: {' '.join(in_unit(written(v, k), units[k]))}".rstrip() for k, v in needs.items() if v == v)
    st.markdown("\n".join(f"- {line}" for line in lines))
    show.download(frame, "given-design", found.scenario, ("csv", "xlsx", "md"))
