"""The column of controls on every page: scenario, traffic, groups of assumptions, and the scenario as a file."""

from collections.abc import Iterable

import streamlit as st

from ..assumptions.library import load, presets
from ..assumptions.naming import described, preset_in_words, title_in_words
from ..assumptions.numbers import human
from ..assumptions.problems import InputError
from ..assumptions.scenario import Scenario
from .controls import GROUPS, choice, fields, found, group, lever
from .folding import folded
from .link import uploaded_scenario
from .pinning import pin_control
from .pins import pins
from .said import escaped
from .state import LECTURE, Question, question

__all__ = ["BASELINE", "LEVERS", "baseline", "sidebar"]

PRESET_BASELINE = "the preset"
BASELINE = "baseline"
"""Key of the scenario that metrics and charts are compared with."""
LEVERS = {
    "total": {"input_tokens": "Input tokens in all", "output_tokens": "Output tokens in all", "share": "Share of this model"},
    "growth": {
        "tokens_per_day": "Tokens per day, start", "growth": "Growth per month", "months": "Lifetime in months",
        "share": "Share of this model",
    },
    "table": {"share": "Share of this model"},
}  # fmt: skip
"""The numbers of a forecast that are moved first, with short labels."""
_COPY = """<button id="copy-link" type="button" title="Copy the address of this page, which is the scenario">Copy link</button>
<script>{ const b = document.getElementById('copy-link');
b.onclick = () => navigator.clipboard.writeText(location.href).then(() => {
  b.textContent = 'Copied'; setTimeout(() => { b.textContent = 'Copy link'; }, 1500); }); }</script>"""


def baseline(asked: Question) -> Scenario:
    """The scenario that the current one is compared with: a pin that was chosen, else the preset."""
    chosen = pins().get(st.session_state.get(BASELINE, PRESET_BASELINE))
    return chosen.scenario if chosen else load(asked.preset)


def sidebar(asked: Question) -> None:
    """All controls: scenario and traffic first, the rest in groups that are closed until they are opened."""
    with st.container(key="scenario"):
        _scenario(asked)
    with st.container(key="traffic"):
        _traffic(asked)
    with st.container(key="groups"):
        for name in GROUPS:
            if name != "traffic":
                group(name)
        _search(asked)
        _file(asked)


def _scenario(asked: Question) -> None:
    st.session_state["preset"] = asked.preset
    st.selectbox(
        "Scenario", presets(), key="preset", format_func=preset_in_words, on_change=lambda: question().choose(st.session_state["preset"]),
        help=escaped(f"{load(asked.preset).description}"),
    )  # fmt: skip
    changed = asked.changed()
    row = st.container(horizontal=True, gap="small", key="acts")
    row.button("Undo", key="undo", on_click=lambda: question().undo(), disabled=not (asked.steps or asked.problems))
    row.button("Reset", key="reset_all", on_click=lambda: question().choose(question().preset),
               disabled=not (changed or asked.problems), help="all values of the preset")  # fmt: skip
    with row:
        pin_control(asked)
        st.html(_COPY, unsafe_allow_javascript=True, width="content")
    if asked.preset != LECTURE:
        st.button(
            "Open the lecture: 100x",
            key="lecture",
            type="tertiary",
            icon=":material/school:",
            on_click=lambda: question().choose(LECTURE),
        )
    if changed:
        one = "value differs" if len(changed) == 1 else "values differ"
        st.caption(f"{len(changed)} {one} from the preset, marked ●: {', '.join(_groups(changed))}.")
    else:
        st.caption(escaped(described(asked.scenario) or title_in_words(asked.scenario)))
    if pins():
        options = [PRESET_BASELINE, *pins()]
        if st.session_state.get(BASELINE, PRESET_BASELINE) not in options:
            del st.session_state[BASELINE]
        st.selectbox("Compare with", options, key=BASELINE, persist_state="session")


def _groups(changed: Iterable[str]) -> list[str]:
    """The groups in which something differs, in their order."""
    blocks = {path.split(".")[0] for path in changed}
    return [label.lower() for name, label in GROUPS.items() if name in blocks] or ["its name"]


def _traffic(asked: Question) -> None:
    """The forecast: how it is given, its levers, and the tokens that come of it."""
    traffic = asked.scenario.traffic
    levers = LEVERS[traffic.kind]
    st.markdown("**Traffic**")
    choice("traffic.kind", [*LEVERS], traffic.kind, "forecast as", asked, buttons=True)
    for name, about in levers.items():
        declared = type(traffic).quantity(name)
        if declared is not None:
            lever(f"traffic.{name}", declared, float(getattr(traffic, name)), about, asked)
    expected = traffic.demand()
    tokens = human(float(expected.input_tokens) + float(expected.output_tokens), 3)
    where = " Edit the months in the tab Table and CSV of the Plan page." if traffic.kind == "table" else ""
    st.markdown(f"= **{tokens} tokens** for this model.{where}")
    box = folded("More about the traffic", "open.traffic")
    if box.open:
        with box:
            fields(traffic, "traffic.", without=levers)


def _search(asked: Question) -> None:
    """One assumption by its name in words, with its control; all of them can be searched."""
    box = folded("All assumptions (search)", "open.search")
    if not box.open:
        return
    with box:
        known = {path: declared for path, declared, _ in asked.scenario.quantities()}
        path = st.selectbox(
            "Search", [*known], index=None, key="search", placeholder="type a word, such as utilisation",
            format_func=lambda path: f"{known[path].about} ({path})" if path in known else path,
        )  # fmt: skip
        if path in known:
            st.caption(escaped(GROUPS.get(path.partition(".")[0], "")))
            found(path, asked)


def _file(asked: Question) -> None:
    """Download and upload of the scenario as a file."""
    box = folded("Scenario as a file", "open.file")
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
        asked.notice = tuple(error.problems)
    st.rerun()
