"""The sidebar of every page: preset, undo, reset, every assumption, and the scenario as a file."""

from collections.abc import Iterable

import streamlit as st

from ..assumptions.library import load, presets
from ..assumptions.problems import InputError
from .controls import GROUPS, escaped, group
from .link import uploaded_scenario
from .state import Question, question

__all__ = ["sidebar"]


def sidebar(asked: Question, page: str) -> None:
    """The sidebar; the Plan page has the traffic in its body instead."""
    with st.sidebar:
        _preset(asked)
        changed = asked.changed()
        differ = "value differs" if len(changed) == 1 else "values differ"
        row = st.container(horizontal=True)
        row.button(
            "Undo",
            key="undo",
            on_click=lambda: question().undo(),
            disabled=not (asked.steps or asked.problems),
            width="stretch",
        )
        row.button("Reset all", key="reset_all", on_click=lambda: question().choose(question().preset),
                   disabled=not (changed or asked.problems), width="stretch")  # fmt: skip
        st.caption(
            f"{len(changed)} {differ} from the preset, marked ●: {', '.join(_groups(changed))}."
            if changed
            else "All assumptions have their preset values."
        )
        for name in GROUPS:
            if not (name == "traffic" and page == "Plan"):
                group(name, page)
        _file(asked)
        st.caption("The address of this page is the scenario: share or bookmark it.")


def _groups(changed: Iterable[str]) -> list[str]:
    """The groups in which something differs, in their order."""
    blocks = {path.split(".")[0] for path in changed}
    return [label.lower() for name, label in GROUPS.items() if name in blocks] or ["its name"]


def _preset(asked: Question) -> None:
    st.session_state["preset"] = asked.preset
    st.selectbox(
        "Preset", presets(), key="preset", on_change=lambda: question().choose(st.session_state["preset"]),
        help=escaped(f"{load(asked.preset).description}"),
    )  # fmt: skip


def _file(asked: Question) -> None:
    """Download and upload of the scenario as a file."""
    box = st.expander("Scenario as a file", key="open.file", on_change="rerun")
    if box.open:
        with box:
            st.download_button("Scenario as TOML", asked.scenario.to_toml, "scenario.toml", "application/toml",
                               on_click="ignore", width="stretch")  # fmt: skip
            _upload(asked)


def _upload(asked: Question) -> None:
    file = st.file_uploader("Scenario from a TOML file", type="toml", key="scenario_toml", max_upload_size=1)
    if file is None or st.session_state.get("scenario_toml_read") == file.file_id:
        return
    st.session_state["scenario_toml_read"] = file.file_id
    try:
        asked.choose(asked.preset, uploaded_scenario(file.getvalue(), file.name))
    except InputError as error:
        asked.notice = error.problems
    st.rerun()
