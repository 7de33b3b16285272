"""Public functions given what they do not take: a sentence that names it and says how to make one, before anything is solved."""

import inspect
import itertools
import re

import jaxtyping
import pandas as pd
import pytest
from rich.console import Console

import optimizer
from optimizer import DataError, Design, InputError, Scenario, load
from optimizer.optimum import batch, solve
from optimizer.report import chart

S = load("lecture-2026")
FRAME = pd.DataFrame({"traffic.output_tokens": [2e14]})
EVERYWHERE = (None, object())
NO = {
    "scenario": (5, "lecture-2026", FRAME, S.to_dict()),
    "frame": (5, "x", S, [1, 2], {"status": ["optimal"]}),
    "names": (5, [5], {"n_params": 1}, S),
    "numbers": (S, {"20T": 1}, [S], "many", ["many"], [None], True),
    "number": (S, "many", [1.0], FRAME, True, float("nan")),
    "whole": (S, "many", [1], 1.5, True),
    "seed": (S, "many", -1, 1.5),
    "mapping": (5, "law", ["law"], S, FRAME),
    "progress": (5, "x", S),
    "path": (5, ["x"], S, FRAME),
    "text": (5, ["x"], S, FRAME),
    "flag": (5, "x", S, FRAME),
    "design": (5, "8B", (1, 2, 3), S),
    "slice": (5, "3/16", (1.5, 4), S),
    "laws": (5, [5], {"besiroglu": 1}, S),
    "runs": (5, ["x"], S),
    "console": (5, "x", S),
    "placement": (5, "Llama 3 70B", S, FRAME),
}
# Every argument of every public function, with what it is; the value is a good one where a call needs it.
ASKED = {
    "cost": {"scenario": "scenario", "design": "design", "band": "number"},
    "design_from": {
        "scenario": "scenario", "n_params": "number", "train_tokens": "number", "flops": "number", "rl_tokens": "number",
    },
    "draws": {
        "scenario": "scenario", "n": "whole", "seed": "seed", "parts": "names", "law": "laws",
        "traffic_factor": "number", "growth_points": "number", "over": "mapping", "served": "numbers", "progress": "progress",
    },
    "elasticities": {"scenario": "scenario"},
    "ensemble": {"scenario": "scenario", "weights": "mapping", "band": "number", "progress": "progress"},
    "export": {
        "frame": "frame", "path": "path", "scenario": "scenario", "numbers": "text", "caption": "text", "label": "text",
        "digits": "whole", "notes": "text",
    },
    "fit": {
        "runs": "runs", "forms": "names", "tied": "flag", "fixed": "mapping", "bootstrap": "whole", "where": "mapping",
        "columns": "mapping", "label": "text", "seed": "seed", "progress": "progress",
    },
    "frontier": {"scenario": "scenario", "losses": "numbers", "progress": "progress"},
    "implied_traffic": {"scenario": "scenario", "n_params": "number", "train_tokens": "number"},
    "inverse_table": {
        "scenario": "scenario", "n_params": "numbers", "over": "mapping", "columns": "names", "progress": "progress",
    },
    "laws": {"scenario": "scenario", "count": "whole"},
    "lifecycle_cost": {"scenario": "scenario", "design": "design"},
    "load": {"name": "path", "changes": "mapping"},
    "monte_carlo": {
        "scenario": "scenario", "n": "whole", "seed": "seed", "parts": "names", "law": "laws",
        "traffic_factor": "number", "growth_points": "number", "over": "mapping", "served": "numbers", "outputs": "names", "levels": "numbers",
        "progress": "progress",
    },
    "optimal_design": {"scenario": "scenario", "values": "mapping"},
    "placement": {"model": "text", "params": "number", "changes": "mapping", "base": "path"},
    "presets": {},
    "progress": {"about": "text", "console": "console"},
    "probability_above": {"frame": "frame", "value": "number", "output": "text"},
    "quantiles": {"frame": "frame", "outputs": "names", "levels": "numbers"},
    "read_table": {"path": "path"},
    "regret": {
        "scenario": "scenario", "plans": "numbers", "futures": "numbers", "probabilities": "numbers",
        "law": "laws", "progress": "progress",
    },
    "robust_plans": {"frame": "frame"},
    "size_table": {
        "scenario": "scenario", "over": "mapping", "columns": "names", "band": "number", "against": "text", "across_laws": "flag",
        "progress": "progress",
    },
    "sobol": {
        "scenario": "scenario", "outputs": "names", "n": "whole", "law": "laws", "over": "mapping", "seed": "seed",
        "confidence": "number", "progress": "progress",
    },
    "solve": {"scenario": "scenario", "band": "number", "throw": "flag"},
    "solve_batch": {"scenario": "scenario", "frame": "frame", "detail": "flag"},
    "sources": {"scenario": "scenario"},
    "sweep_parquet": {
        "scenario": "scenario", "source": "path", "out": "path", "keep": "names", "engine": "text",
        "scheduler": "text", "slice_of": "slice", "progress": "progress",
    },
    "table": {"name": "text"},
    "throughput": {
        "s": "placement", "prompt_tokens": "number", "answer_tokens": "number", "users": "numbers", "seconds_per_token": "number",
    },
    "tornado": {"scenario": "scenario", "output": "text", "law": "laws", "over": "mapping", "progress": "progress"},
    "wide": {"table": "frame", "across": "names", "values": "names"},
}  # fmt: skip
GOOD = {
    "laws": ["besiroglu"],
    "scenario": S, "frame": FRAME, "names": ["n_params"], "numbers": ["20T"], "number": 0.5, "whole": 4, "seed": 0,
    "mapping": {}, "progress": lambda done, total: None, "path": "x", "text": "x", "flag": True,
    "console": Console(), "design": Design(1e9, 1e12, 0.0), "slice": (3, 16), "runs": "x",
    "placement": optimizer.placement("Llama 3 70B"),
}  # fmt: skip


def function(name):
    return getattr(optimizer, name)


def arguments(function_name, /, **changed):
    """A call whose other arguments are good ones."""
    needed = {
        p.name: GOOD[ASKED[function_name][p.name]]
        for p in inspect.signature(function(function_name)).parameters.values()
        if p.default is inspect.Parameter.empty and p.name not in changed
    }
    return needed | changed


@pytest.fixture(autouse=True)
def as_users_see_it():
    """Without the checks of shapes and types that only tests have."""
    before = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", before)


@pytest.fixture
def nothing_is_solved(monkeypatch):
    def solved(*_, **__):
        raise AssertionError("solved before the arguments were checked")

    monkeypatch.setattr(solve, "_within_range", solved)
    monkeypatch.setattr(batch, "_solve_batch", solved)


def refused(call, *words):
    with pytest.raises((TypeError, ValueError)) as caught:
        call()
    text = str(caught.value)
    assert type(caught.value) in (TypeError, InputError, DataError, ValueError), repr(caught.value)
    assert text.endswith("."), text
    for word in words:
        assert word in text, text
    assert not re.search(r"NoneType|has no attribute|not iterable|not supported|http|__", text), text
    return text


def test_every_public_function_is_asked():
    functions = {n for n in optimizer.__all__ if inspect.isfunction(function(n))}
    assert functions == set(ASKED)
    for name in functions:
        assert list(inspect.signature(function(name)).parameters) == list(ASKED[name]), name


CASES = [(name, argument) for name, asked in ASKED.items() for argument in asked]


@pytest.mark.parametrize(("name", "argument"), CASES, ids=[f"{n}({a})" for n, a in CASES])
def test_a_wrong_argument_is_named(name, argument, nothing_is_solved):
    default = inspect.signature(function(name)).parameters[argument].default
    wrong = [*EVERYWHERE, *NO[ASKED[name][argument]]]
    if name == "regret" and argument == "plans":
        wrong.remove(None)  # the futures and their mean
    if argument == "law":
        wrong.remove(None)  # the law is held
    for value in wrong:
        if value is None and default is None:
            continue
        text = refused(lambda value=value: function(name)(**arguments(name, **{argument: value})))
        assert argument in text or ("a size" in text and name == "inverse_table"), text


@pytest.mark.parametrize("name", [n for n in ASKED if arguments(n)])
def test_a_missing_argument_is_named(name, nothing_is_solved):
    text = refused(lambda: function(name)(), *arguments(name))
    assert "missing" in text


SWAPPED = [
    (name, one, two)
    for name in ASKED
    for one, two in itertools.pairwise(inspect.signature(function(name)).parameters)
    if ASKED[name][one] != ASKED[name][two]
]


@pytest.mark.parametrize(("name", "one", "two"), SWAPPED, ids=[f"{n}({a}, {b})" for n, a, b in SWAPPED])
def test_swapped_arguments_are_named(name, one, two, nothing_is_solved):
    kinds = ASKED[name]
    if (kinds[one], kinds[two]) in {
        ("whole", "seed"),
        ("number", "path"),
        ("path", "text"),
        ("text", "names"),
        ("names", "laws"),
    }:
        pytest.skip("each is the other's kind")
    if "numbers" in (kinds[one], kinds[two]) and {kinds[one], kinds[two]} & {"names", "path", "text"}:
        pytest.skip("text may be either")
    changed = {one: GOOD[kinds[two]], two: GOOD[kinds[one]]}
    text = refused(lambda: function(name)(**arguments(name, **changed)))
    assert one in text or two in text, text


def test_unknown_and_too_many_arguments_say_how_the_function_is_called():
    refused(lambda: optimizer.solve(S, tolerance=0.1), "tolerance", "solve(scenario, band, throw)")
    refused(lambda: optimizer.solve(S, 0.1), "solve(scenario, band, throw)")


def test_all_problems_at_once():
    refused(
        lambda: optimizer.implied_traffic("8B"),
        "scenario must be a Scenario, got '8B'",
        "n_params is missing",
        "train_tokens",
    )
    with pytest.raises(InputError) as caught:
        optimizer.regret(S, ["many"], ["x", "y"])
    assert len(caught.value.problems) == 3


# One name, and one number, stand for a list of one.
ONE = {
    "sobol": (lambda f, v: f(S, v, 8, over={"rl": None, "serving": None, "pretraining": None, "money": None}), "n_params"),
    "quantiles": (lambda f, v: f(optimizer.draws(S, 20), v), "n_params"),
    "quantiles levels": (lambda f, v: f(optimizer.draws(S, 20), levels=v), 0.5),
    "monte_carlo": (lambda f, v: f(S, 20, outputs=v), "n_params"),
    "draws parts": (lambda f, v: f(S, 20, parts=v), "law"),
    "draws served": (lambda f, v: f(S, 20, served=v), "20T"),
    "frontier": (lambda f, v: f(S, v), 1.9),
    "regret": (lambda f, v: f(S, v, ["20T", "200T"]), "20T"),
    "regret futures": (lambda f, v: f(S, ["20T"], v), "20T"),
    "inverse_table": (lambda f, v: f(S, v), "8B"),
    "inverse_table number": (lambda f, v: f(S, v), 8e9),
    "inverse_table columns": (lambda f, v: f(S, ["8B"], columns=v), "status"),
    "size_table columns": (lambda f, v: f(S, {"law": "besiroglu"}, columns=v), "n_params"),
    "wide": (lambda f, v: f(optimizer.size_table(S, {"law": ["besiroglu", "hoffmann"]}), "law", v), "n_params"),
}  # fmt: skip


@pytest.mark.parametrize("name", ONE)
def test_one_stands_for_a_list_of_one(name):
    call, one = ONE[name]
    called = function(name.split()[0])
    pd.testing.assert_frame_equal(call(called, one), call(called, [one]))


def test_implied_traffic_reads_human_numbers():
    assert optimizer.implied_traffic(S, "8B", "15T") == optimizer.implied_traffic(S, 8e9, 15e12)


def test_an_error_of_one_problem_is_one_sentence():
    assert InputError("one problem.").problems == ("one problem.",)


@pytest.mark.parametrize("name", chart.__all__)
@pytest.mark.parametrize("frame", [None, 5, "x", S, FRAME, FRAME.iloc[:0], pd.DataFrame()], ids=type)
def test_a_chart_of_something_else_names_the_frame_it_wants(name, frame):
    refused(lambda: getattr(chart, name)(frame), "returns")


SCENARIOS = {
    "without fields": (lambda: Scenario(), "goal is missing", "traffic is missing"),
    "a wrong field": (lambda: Scenario(goal=5, traffic=S.traffic), "goal must be a block of fields"),
    "by position": (lambda: Scenario("lecture-2026"), "load('lecture-2026')"),
    "plain data that is none": (lambda: Scenario.from_dict(None), "plain must be a mapping, got None"),
    "plain data as text": (lambda: Scenario.from_dict("lecture-2026"), "plain must be a mapping, got 'lecture-2026'"),
    "changes that are none": (lambda: S.update(5), "changes must be a mapping, got 5"),
    "changes as text": (lambda: S.update("law=besiroglu"), "changes must be a mapping"),
    "changes whose names are numbers": (lambda: S.update({5: 3}), "5"),
    "TOML that is no text": (lambda: Scenario.from_toml(5), "text must be text, got 5"),
    "set in place": (lambda: setattr(S, "name", "x"), "name", "update"),
    "a block without its fields": (lambda: type(S.goal)(), "needs exactly one of"),
    "a block by position": (lambda: type(S.money)(5), "unit"),
}  # fmt: skip


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_made_of_something_else(name):
    call, *words = SCENARIOS[name]
    refused(call, *words)
