import numpy as np
import pandas as pd
import pytest

from optimizer import InputError, load, solve_batch
from optimizer.optimum.rows import as_batches


@pytest.mark.parametrize(
    ("preset", "settings", "columns"),
    [
        (
            "lecture-2026",
            {"money.unit": "usd"},
            {"pretraining.mfu": [0.4, 1.0, 0.99, 0.4], "serving.decode_efficiency": [0.3, 1.5, 1.0, 2.4]},
        ),
        (
            "frontier-moe-rack",
            {"deployment.placement": "given"},
            {"deployment.accepted_tokens": [1.0, 3.0, 1.5, 2.5], "deployment.drafted_tokens": [1.0, 1.0, 1.0, 2.0]},
        ),
        (
            "lecture-2026",
            {"law": {"kind": "moe", "name": "ludziejewski", "experts": 8}},
            {"law.E_start": [2.0, 500.0, 2.0, 2.0], "law.zeta": [-0.0259, -0.0259, 0.1, -0.02]},
        ),
    ],
    ids=["utilisation", "speculation", "experts"],
)
@pytest.mark.parametrize("first", range(4))
def test_rows_whose_numbers_do_not_go_together_have_the_sentence_of_a_single_one(preset, settings, columns, first):
    """Wherever the bad rows stand, the first place included."""
    s = load(preset, settings)
    frame = pd.DataFrame(columns)
    frame = frame.loc[np.roll(frame.index, first)]
    answers = solve_batch(s, frame)
    said = []
    for _, row in frame.iterrows():
        try:
            s.update(row.to_dict())
            said.append("")
        except InputError as error:
            said.append(" ".join(error.problems))
    assert 0 < said.count("") < len(said)
    assert (answers["status"] == "bad_input").tolist() == [bool(sentence) for sentence in said]
    assert answers["message"].where(answers["status"] == "bad_input", "").tolist() == said


@pytest.mark.parametrize(
    "law",
    [
        "besiroglu",
        {"name": "besiroglu", "kind": "coupled", "gamma": 0.8},
        {"name": "besiroglu", "kind": "repetition", "unique_tokens": 1e13},
        "ludziejewski",
        "abnar",
    ],
    ids=["chinchilla", "coupled", "repetition", "experts", "sparsity"],
)
@pytest.mark.parametrize("shared", [False, True], ids=["in the scenario", "in a column"])
def test_the_bounds_of_a_column_are_those_of_the_kind_that_stands_there(lecture, law, shared):
    s = lecture.update({"law": law})
    own = {path: [value, value] for path, _, value in s.quantities() if path.startswith("law.")}
    frame = pd.DataFrame(own | ({"law": [law, law]} if shared and isinstance(law, str) else {}))
    _, batches = as_batches(lecture if shared and isinstance(law, str) else s, frame)
    assert [batch.refused for batch in batches] == [{}]
    beyond = (
        "law.gamma must be more than 0 and at most 2, got -3." if "law.gamma" in own and law != "ludziejewski" else ""
    )
    _, (batch,) = as_batches(
        s, pd.DataFrame({"law.beta": [5.0, 0.5], **({"law.gamma": [-3.0, -3.0]} if beyond else {})})
    )
    assert "law.beta must be " in batch.refused[0]
    assert beyond in batch.refused.get(1, "")
    assert ("law.beta" in batch.refused.get(1, "")) == (law == "ludziejewski")  # whose exponents are negative
