"""overtrain fit: what it prints, writes and refuses; a file of a law stands wherever the name of one does."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from optimizer import DataError, InputError, Scenario, draws, ensemble, load, sobol, solve, solve_batch, sources
from optimizer.analysis.law_input import law_input
from optimizer.analysis.laws import COEFFICIENTS
from optimizer.assumptions.law_file import law_draws
from optimizer.assumptions.naming import title
from optimizer.assumptions.posterior import posterior_of
from optimizer.cli import main
from optimizer.evidence.fitted import FILED, INTERVAL

from .links import scenario_of


def overtrain(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(main, [*arguments])
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture(scope="module")
def law_file(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("law") / "law.toml"
    code, said, _ = overtrain(
        "fit",
        "--example",
        "gadre",
        "--where",
        "train_set=rpj",
        "--bootstrap",
        "128",
        "--label",
        "our runs",
        "--out",
        str(path),
    )
    assert code == 0
    assert f"overtrain solve --set law={path}" in " ".join(said.split())
    return str(path)


def test_json_has_both_forms_and_which_to_take():
    code, said, _ = overtrain("fit", "--example", "sardana", "--bootstrap", "0", "--json")
    found = json.loads(said)
    assert code == 0
    assert found["recommended"] in ("additive", "coupled")
    assert found["additive"]["alpha"] == pytest.approx(0.1788, abs=5e-4)
    assert {"E", "A", "B", "alpha", "beta", "gamma"} <= found["coupled"].keys()
    assert "gamma" not in found["additive"]
    assert found["additive"]["held_out"]["bias"] < 0
    assert found["range"] == {
        "fitted_max_params": 6.05e9,
        "fitted_max_tokens": 1.51e12,
        "fitted_max_tokens_per_param": 1e4,
    }
    assert found["excluded"] == []
    assert found["additive"]["interval_80"] is None


def test_text_names_rows_left_out_and_the_test(tmp_path):
    lines = ["params,tokens,loss"]
    lines += [
        f"{n},{r * n},{1.8 + 400 * n**-0.34 + 2000 * (r * n) ** -0.36}"
        for n in (1e8, 4e8, 2e9)
        for r in (5, 20, 80, 160, 320)
    ]
    lines[3] = "1e8,0,3.3"
    path = tmp_path / "mine.csv"
    path.write_text("\n".join(lines))
    code, said, _ = overtrain("fit", str(path), "--form", "additive", "--bootstrap", "0", "--tied", "--fix", "E=1.8")
    words = " ".join(said.split())
    assert code == 0
    assert "Scaling law of mine" in words
    assert "14 runs of" in words
    assert "4 column tokens must be above 0, got 0 tokens." in words
    assert "longer ones" in words
    assert "N counts all parameters" in words


REFUSED = [
    ((), "give the CSV file of your runs, or --example NAME, and not both."),
    (("a.csv", "--example", "sardana"), "and not both."),
    (("--example", "sardanna"), "--example 'sardanna' is unknown, did you mean 'sardana'?"),
    (("--example", "sardana", "--form", "log"), "--form must be additive, coupled or both, got 'log'."),
    (("--example", "sardana", "--fix", "alpha"), "--fix 'alpha' is not NAME=VALUE"),
    (("--example", "sardana", "--out", "law.txt"), "--out law.txt must end in .toml"),
    (("--example", "gadre"), "column train_set names 3 data sets"),
    (("nowhere.csv",), "nowhere.csv does not exist"),
]


@pytest.mark.parametrize(("arguments", "sentence"), REFUSED)
def test_what_cannot_be_fitted_is_refused_with_exit_status_2(arguments, sentence):
    code, said, complaint = overtrain("fit", *arguments)
    assert (code, said) == (2, "")
    assert sentence in complaint


def test_the_file_of_a_law_is_a_law(law_file):
    s = load("lecture-2026", {"law": law_file})
    assert s.law.title == "our runs"
    assert s.law.fitted_max_tokens_per_param == pytest.approx(640)
    assert title(s) == "lecture-2026, changed: law = our runs"
    code, said, _ = overtrain("solve", "--set", f"law={law_file}", "--json")
    assert code == 0
    assert json.loads(said)["design"]["n_params"] == pytest.approx(float(solve(s).design.n_params), rel=1e-12)
    assert Scenario.from_toml(s.to_toml()) == s
    rows = sources(s).set_index("path")
    assert rows.loc["law.beta", ["kind", "source"]].tolist() == ["derived", "fit of our runs"]


def test_a_scenario_file_may_refer_to_it_by_a_path_next_to_it(law_file, tmp_path):
    from pathlib import Path

    (tmp_path / "ours.toml").write_text(Path(law_file).read_text())
    for law in ('law = "ours.toml"', '[law]\nname = "ours.toml"\nbeta = 0.3'):
        (tmp_path / "s.toml").write_text(
            (law if not law.startswith("[") else "")
            + '\n[goal]\nkind = "params"\nparams = 8e9\n[traffic]\nkind = "total"\noutput_tokens = 1e13\n'
            + (law if law.startswith("[") else "")
        )
        assert load(tmp_path / "s.toml").law.label == "our runs"


def test_a_table_goes_over_it_under_its_label(law_file):
    code, said, _ = overtrain("table", "--over", f"law=besiroglu,{law_file}", "--columns", "n_params", "--json")
    assert code == 0
    assert [row["law"] for row in json.loads(said)["rows"]] == ["besiroglu", "our runs"]


def test_an_ensemble_takes_it(law_file, lecture):
    frame = ensemble(lecture, {"besiroglu": 1, law_file: 1})
    assert [*frame.index[:2]] == ["besiroglu", "our runs"]
    with pytest.raises(InputError, match=r"law 'nine' is unknown.* A file of a law ends in .toml."):
        ensemble(lecture, {"nine": 1})


def test_draws_and_sobol_take_its_posterior(law_file):
    s = load("lecture-2026", {"law": law_file})
    posterior, note = posterior_of(s.law)
    assert note == "law our runs is sampled from the joint posterior of its fit."
    frame = draws(s, 4000, parts=["law"], law="posterior")
    for name in posterior.fields:
        assert f"law.{name}" in frame
        middle = getattr(s.law, name)
        low, high = np.quantile(frame[f"law.{name}"], [(1 - INTERVAL) / 2, (1 + INTERVAL) / 2])
        assert low <= middle <= high
    small = dict.fromkeys(("rl", "money", "serving", "pretraining", "deployment"))
    assert "law" in set(sobol(s, ["n_params"], 64, over=small, law="posterior")["assumption"])


def test_a_file_stands_for_its_draws_where_laws_are_listed(law_file):
    # Against the same draws, solved by `solve_batch`: a file written by `fit` carries the mixture, in its rounding.
    mixture = law_draws(law_file)
    assert {name: len(values) for name, values in mixture.items()} == dict.fromkeys(COEFFICIENTS, FILED)
    s = load("lecture-2026")
    found = draws(s, 512, parts=["law"], law=[law_file])
    asked = s.update({"law": {"kind": "coupled", **{name: float(v[0]) for name, v in mixture.items()}}})
    solved = solve_batch(asked, pd.DataFrame({f"law.{name}": v for name, v in mixture.items()}))
    assert set(found["overtraining_vs_rule_of_20"].round(6)) <= set(solved["overtraining_vs_rule_of_20"].round(6))
    low, high = solved["overtraining_vs_rule_of_20"].quantile([0.1, 0.9])
    assert found["overtraining_vs_rule_of_20"].between(low, high).mean() == pytest.approx(0.8, abs=0.03)
    assert f"{FILED} draws of its runs, forms and between sweeps" in found.attrs["notes"][0]
    both = law_input(s, [law_file, "besiroglu"])[0].table["law.E"]
    assert (both == s.law.E).sum() == len(both) / 2 == FILED


BAD_DRAWS = [
    ("[draws]\nE = [1.0]", "[draws] must have E, A, B, alpha, beta, gamma, lists of as many numbers"),
    ("E = [1.0, 2.0]", "lists of as many numbers"),
    ("E = ['much']", "lists of as many numbers"),
    ("E = [-1.0]", "[draws] E must be between 0 and 1000, got -1 at place 1"),
    ("E = [nan]", "[draws] E must be between 0 and 1000, got nan at place 1"),
    ("alpha = [0.0]", "[draws] alpha must be more than 0 and at most 4, got 0 at place 1"),
]


@pytest.mark.parametrize(("line", "sentence"), BAD_DRAWS)
def test_draws_that_are_no_laws_are_refused(line, sentence, tmp_path):
    good = {"E": "[1.8]", "A": "[400.0]", "B": "[2000.0]", "alpha": "[0.35]", "beta": "[0.37]", "gamma": "[1.0]"}
    name, _, value = line.partition(" = ")
    text = (
        line
        if line.startswith("[draws]")
        else "\n".join(["[draws]", *(f"{k} = {v}" for k, v in (good | {name: value}).items())])
    )
    law = {k: float(v.strip("[]")) for k, v in good.items() if k != "gamma"}
    path = tmp_path / "law.toml"
    path.write_text("\n".join(["[law]", 'kind = "chinchilla"', *(f"{k} = {v}" for k, v in law.items()), text]))
    with pytest.raises(DataError) as caught:
        draws(load("lecture-2026"), 8, parts=["law"], law=[str(path)])
    assert sentence in str(caught.value)
    assert solve(load("lecture-2026", {"law": str(path)})).scenario.law.E == 1.8


def test_a_changed_coefficient_leaves_the_posterior(law_file):
    posterior, note = posterior_of(load("lecture-2026", {"law": law_file, "law.beta": 0.3}).law)
    assert posterior is None
    assert "was changed" in note


BLOCKS = [
    ("", "has no [law] block of coefficients"),
    ("law = 3", "has no [law] block of coefficients"),
    ("[law", "is not valid TOML"),
    ('[law]\nname = "other.toml"', "refers to another file of a law"),
]


@pytest.mark.parametrize(("text", "sentence"), BLOCKS)
def test_files_that_hold_no_law_are_refused(text, sentence, tmp_path):
    path = tmp_path / "law.toml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        load("lecture-2026", {"law": str(path)})
    assert sentence in str(caught.value)
    with pytest.raises(InputError, match="does not exist"):
        load("lecture-2026", {"law": str(tmp_path / "none.toml")})


FIVE = ["ln A", "ln B", "E", "alpha", "beta"]
GOOD = {"coefficients": FIVE, "mean": [6, 7, 1.8, 0.35, 0.37], "covariance": np.eye(5).tolist()}
POSTERIORS = [
    ({"mean": [1]}, "law.posterior must have coefficients, mean and covariance"),
    (GOOD | {"coefficients": ["ln A", "ln B", "E", "alpha", "delta"]}, "law.posterior must name E, A, B, alpha, beta"),
    (GOOD | {"mean": ["x"] * 5}, "must have numbers as mean and covariance"),
    (GOOD | {"mean": [1.0]}, "must have 5 numbers as mean and 5 rows of 5 as covariance"),
    (GOOD | {"mean": [math.inf] * 5}, "must have a finite mean and a finite, symmetric covariance"),
    (GOOD | {"covariance": (-np.eye(5)).tolist()}, "an eigenvalue of it is negative"),
    (GOOD | {"covariance": (2 - np.eye(5)).tolist()}, "an eigenvalue of it is negative"),
]


@pytest.mark.parametrize(("posterior", "sentence"), POSTERIORS)
def test_posteriors_that_are_none_are_refused(posterior, sentence, lecture):
    law = {"E": 1.8, "A": 400, "B": 2000, "alpha": 0.35, "beta": 0.37, "posterior": posterior}
    with pytest.raises(InputError) as caught:
        lecture.update({"law": law})
    assert sentence in str(caught.value)


def test_a_link_carries_coefficients_and_covariance(law_file):
    from optimizer.app.link import opened, parameters, uploaded_scenario

    s = load("lecture-2026", {"law": law_file})
    given = parameters("lecture-2026", s)
    assert scenario_of(given)[1] == s
    assert len(given["law.posterior"]) < 1000
    broken = opened(given | {"law.posterior": "eJz"})
    assert any("law.posterior in the link cannot be read" in sentence for sentence in broken.notice)
    for path in ("law", "law.name"):
        refused = opened({"preset": "lecture-2026", "v": given["v"], path: law_file})
        assert any("which the app does not read" in sentence for sentence in refused.notice)
    with pytest.raises(InputError, match="which the app does not read"):
        uploaded_scenario(b'law = "law.toml"\n', "mine.toml")
