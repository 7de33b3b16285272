"""Part Compare of the page Tables and Compare: pinned scenarios side by side."""

import streamlit as st

from optimizer.analysis.compare import bills, difference_table, maps, tornados, valleys
from optimizer.app import show
from optimizer.app.answers import answer
from optimizer.app.pinning import pin_preset
from optimizer.app.pins import LONGEST_NAME, Pin, assumption_table, file_of, link_of, pins, pins_in, remove, rename
from optimizer.app.said import escaped, problems
from optimizer.app.state import question
from optimizer.app.table import table
from optimizer.app.work import worked
from optimizer.assumptions.library import presets
from optimizer.assumptions.naming import preset_in_words
from optimizer.assumptions.problems import InputError
from optimizer.model.accuracy import serving_errors
from optimizer.model.outputs import SENSITIVE, heading
from optimizer.optimum.base import in_base_class
from optimizer.optimum.solution import Solution, Status
from optimizer.report import chart
from optimizer.report.sentences import headline

MOST_DRAWN = 12


def page() -> None:
    """The whole page."""
    known = pins()
    if not known:
        st.info("Nothing is pinned yet. Press Pin at the left of any page to pin the scenario, or pin a preset below.")
        _add()
        return
    _bar(known)
    results = st.container()
    st.header("Pins")
    _list(known)
    _add()
    with results:  # filled last: the page ends where a tornado waits to be asked for
        _results(known)


def _bar(known: dict[str, Pin]) -> None:
    """The pins by name; a press makes one the current scenario."""
    row = st.container(horizontal=True, gap="small")
    for i, (name, pinned) in enumerate(known.items()):
        row.button(
            escaped(name), key=f"pin_bar.{i}", on_click=_open, args=(pinned,), help="make it the current scenario"
        )


def _results(known: dict[str, Pin]) -> None:
    """What to build under each pin, the charts, and the tables of outputs and of causes."""
    plans = _answers(known)
    answered = {name: best for name, best in plans.items() if best.status is Status.OPTIMAL}
    for name, best in plans.items():
        if name not in answered:
            problems([f"{name}: {best.message}"])
    if not answered:
        return
    st.markdown("\n".join(f"- **{escaped(name)}**: {escaped(headline(best))}." for name, best in answered.items()))
    reference = st.selectbox(
        "Reference",
        answered,
        key="compare_reference",
        help="the pin that others are divided by",
        persist_state="session",
    )
    drawn = {name: answered[name] for name in _drawn([*answered])}
    if drawn:
        _side_by_side(drawn)
    frame = difference_table(plans, reference)
    st.header("Outputs")
    error = serving_errors(best.scenario for best in answered.values())
    st.caption(
        f"Each output of each pinned scenario, and its ratio to {escaped(reference)}; 1x means equal. "
        f"The error of the law is not in them. {error}".rstrip()
    )
    table(frame, "Outputs of the pinned scenarios and their ratios")
    show.download(frame, "comparison", plans[reference].scenario, ("csv", "xlsx", "md"))
    st.header("Assumptions that differ")
    cause = assumption_table(known)
    if len(cause):
        st.caption("A cell is empty where a scenario does not have the assumption.")
        table(cause, "Assumptions in which the pinned scenarios differ")
        show.download(cause.astype(str), "assumptions", plans[reference].scenario)
    else:
        st.caption("No assumption differs." if len(known) > 1 else "Pin another scenario to compare with.")
    _two(answered, reference)


def _drawn(answered: list[str]) -> list[str]:
    """The pins in the charts: all, or those that were chosen where they are many."""
    if len(answered) <= MOST_DRAWN:
        return answered
    before = st.session_state.get("compare_drawn", answered[:MOST_DRAWN])
    st.session_state["compare_drawn"] = [name for name in before if name in answered]  # pins are renamed and removed
    return st.multiselect(
        "Pins in the charts", answered, key="compare_drawn", max_selections=MOST_DRAWN,
        help=f"the tables hold every pin, the charts at most {MOST_DRAWN}",
    )  # fmt: skip


def _side_by_side(plans: dict[str, Solution]) -> None:
    """Cost curves and bills on shared axes."""
    st.header("Cost curves and cost by phase")
    st.caption(
        "Where thick stretches overlap, one size costs at most 5 % more than the optimum in each of those scenarios."
    )
    left, right = st.columns(2)
    with left:
        show.chart(chart.valleys, valleys(plans))
    with right:
        show.chart(chart.bills, bills(plans))


def _two(plans: dict[str, Solution], reference: str) -> None:
    """Map and tornado of the reference and one other plan on shared axes."""
    others = [name for name in plans if name != reference]
    if not others:
        return
    st.header("Map and tornado of two")
    left, right = st.columns(2)
    other = left.selectbox("Plan to compare with the reference", others, key="compare_other", persist_state="session")
    output = right.selectbox(
        "Output of the tornado", SENSITIVE, format_func=heading, key="compare_output", persist_state="session"
    )
    pair = {reference: plans[reference], other: plans[other]}
    left, right = st.columns(2)
    with left:
        show.chart(chart.maps, maps(pair))
    with right:
        slow = not all(in_base_class(best.scenario) for best in pair.values())
        name = f"tornados {output} {other} {plans[other].scenario.to_toml()}"
        frame = worked(
            pair[reference].scenario,
            f"{reference} {name}",
            lambda progress: tornados(pair, output, progress=progress),
            ask=slow,
        )
        show.chart(chart.tornados, frame)


def _answers(known: dict[str, Pin]) -> dict[str, Solution]:
    """The answer to every pin; each answer is cached, so an interruption loses only the one in progress."""
    bar = st.progress(0.0, "Solving ...")
    found = {}
    for done, (name, pinned) in enumerate(known.items()):
        bar.progress(done / len(known), f"Solving {escaped(name)} ...")
        found[name] = answer(pinned.scenario)
    bar.empty()
    return found


def _add() -> None:
    left, right = st.columns([2, 3], vertical_alignment="bottom")
    with left, st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox("Preset to pin", presets(), format_func=preset_in_words, key="preset_to_pin")
        st.button("Pin preset", key="pin_preset", on_click=lambda: pin_preset(st.session_state["preset_to_pin"]))
    with right:
        file = st.file_uploader("Pins from a JSON file", type="json", key="pins_file", max_upload_size=1)
    if file is not None and st.session_state.get("pins_file_read") != file.file_id:
        st.session_state["pins_file_read"] = file.file_id
        try:
            read = pins_in(file.getvalue(), file.name)
            twice = [name for name in read if name in pins()]
            if twice:
                raise InputError(
                    [f"{', '.join(twice)}: pinned already; rename or remove those pins, then upload again."]
                )
            pins().update(read)
            st.rerun()
        except InputError as error:
            problems(error.problems)
    for sentence in st.session_state.pop("pin_problems", ()):
        problems([sentence])


def _list(known: dict[str, Pin]) -> None:
    for i, (name, pinned) in enumerate(known.items()):
        row = st.container(horizontal=True, vertical_alignment="bottom")
        key = f"pin_rename.{i}"
        st.session_state[key] = name
        row.text_input(f"Pin {i + 1}", key=key, max_chars=LONGEST_NAME, on_change=_rename, args=(name, key))
        row.button("Open", key=f"pin_open.{i}", on_click=_open, args=(pinned,), help="make it the current scenario")
        row.button("Remove", key=f"pin_remove.{i}", on_click=remove, args=(known, name))
    held = (
        "The link of this page holds the pins."
        if link_of(known)
        else "These pins are too many for a link; keep them as a file."
    )
    st.caption(held)
    st.download_button("All pins as JSON", lambda: file_of(known), "pins.json", "application/json", on_click="ignore")


def _open(pinned: Pin) -> None:
    question().choose(pinned.preset, pinned.scenario)


def _rename(old: str, key: str) -> None:
    try:
        st.session_state["pins"] = rename(pins(), old, st.session_state[key])
    except InputError as error:
        st.session_state["pin_problems"] = error.problems
