"""Revealed preference: published ratios, the closed form with every draw of a posterior, and the command."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from optimizer import InputError, load
from optimizer.analysis.implied import implied_traffic
from optimizer.analysis.released import DRAWS, implied_by_law, model_named, plain_question, released_models
from optimizer.assumptions.posterior import posterior_named
from optimizer.assumptions.published_laws import law_names
from optimizer.assumptions.tables import rows
from optimizer.cli import main

PLAIN = plain_question()


def run(*arguments: str, status: int = 0) -> str:
    done = CliRunner().invoke(main, ["implied", *arguments])
    assert done.exit_code == status, done.output + repr(done.exception)
    return done.stdout if status == 0 else done.stderr


@pytest.mark.parametrize(
    ("n", "d", "besiroglu", "hoffmann"),
    [(8e9, 15e12, 12.7, 5.8), (70e9, 15e12, 4.4, 1.2), (405e9, 15.6e12, 1.1, -0.7)],
)
def test_published_ratios_of_llama_3(n, d, besiroglu, hoffmann):
    frame = implied_by_law(PLAIN, n, d, ["besiroglu", "hoffmann"])
    assert [round(ratio, 1) for ratio in frame["implied_per_train_token"]] == [besiroglu, hoffmann]
    assert frame["implied_tokens"].tolist() == pytest.approx((frame["implied_per_train_token"] * d).tolist())
    assert frame["implied_tokens_per_day"].tolist() == pytest.approx((frame["implied_tokens"] / 365).tolist())
    assert np.isnan(frame.loc["hoffmann", "implied_tokens_low"])


@pytest.mark.parametrize("law", ["besiroglu", "gadre-rpj-coupled"])
def test_the_interval_is_that_of_the_closed_form(law):
    """T / D = 3 (eN / eD - 1) for 6 N D + 2 N T, whatever gamma is, with other draws of the posterior: 80 % within 0.06 of each end."""
    n, d = 70e9, 15e12
    posterior = posterior_named(law)
    drawn = posterior.coefficients(np.random.default_rng(5).standard_normal((20_000, len(posterior.names))))
    A, B, alpha, beta = (drawn[f"law.{name}"] for name in ("A", "B", "alpha", "beta"))
    ratios = 3 * (alpha * A * n**-alpha / (beta * B * d**-beta) - 1)
    row = implied_by_law(PLAIN, n, d, law).loc[law]
    assert np.mean(ratios < row["implied_per_train_token_low"]) == pytest.approx(0.1, abs=4 * np.sqrt(0.09 / DRAWS))
    assert np.mean(ratios < row["implied_per_train_token_high"]) == pytest.approx(0.9, abs=4 * np.sqrt(0.09 / DRAWS))
    assert row["probability"] == pytest.approx(np.mean(ratios > 0), abs=4 * np.sqrt(0.25 / DRAWS))


def test_a_mixture_of_experts_is_asked_of_laws_of_experts_too():
    model = model_named("deepseek-v3")
    frame = implied_by_law(
        PLAIN, model["n_params"], model["train_tokens"], total_over_active=model["total_over_active"]
    )
    assert frame.index.tolist() == [*law_names("moe"), *law_names("ensemble"), *law_names("fitted")]
    law = load("lecture-2026", {"law": {"name": "abnar", "sparsity": 1 - 37 / 671}}).law
    step = 1e-6
    slopes = [
        np.log(law.reducible(37e9 * (1 + a * step), 14.8e12 * (1 + b * step)) / law.reducible(37e9, 14.8e12))
        for a, b in ((1, 0), (0, 1))
    ]
    assert frame.loc["abnar", "implied_per_train_token"] == pytest.approx(3 * (slopes[0] / slopes[1] - 1), rel=1e-4)
    dense = implied_by_law(PLAIN, model["n_params"], model["train_tokens"])
    assert not set(law_names("moe")) & set(dense.index)


def test_released_models_by_year_and_size():
    frame = released_models(PLAIN)
    assert len(frame) == sum(bool(r["active_params"] and r["pretrain_tokens"]) for r in rows("models"))
    order = [(released[:4], size) for released, size in zip(frame["released"], frame["n_params"], strict=True)]
    assert order == sorted(order)
    expected = implied_traffic(PLAIN, 8.03e9, 15e12).per_train_token
    assert frame.loc["Llama 3 8B", "implied_per_train_token"] == pytest.approx(expected)
    assert frame.loc["GPT-3", "implied_per_train_token"] < 0
    assert frame.loc["GPT-3", "probability"] == 0


def test_the_command():
    text = run("Llama 3 8B")
    assert "Llama 3 8B: 8.03B active parameters on 15T tokens" in text
    assert "12.6" in text
    assert "rationalises" not in text.split("besiroglu")[0]
    assert "no serving demand rationalises the design" in " ".join(run("gpt-3", "--law", "besiroglu").split())
    plain = json.loads(run("--params", "8B", "--tokens", "15T", "--law", "besiroglu", "--law", "hoffmann", "--json"))
    assert [round(row["implied_per_train_token"], 1) for row in plain["rows"]] == [12.7, 5.8]
    assert plain["design"]["total_over_active"] == 1
    assert plain["rows"][1]["implied_tokens_low"] is None
    table = run("frontier-moe-chat")
    assert "law ludziejewski" in table
    assert "Every model is asked as a mixture with 32 experts." in " ".join(table.split())
    moved = json.loads(
        run(
            "--params",
            "8B",
            "--tokens",
            "15T",
            "--law",
            "besiroglu",
            "--json",
            "--set",
            "serving.decode_efficiency=0.5",
        )
    )
    assert moved["rows"][0]["implied_per_train_token"] == pytest.approx(plain["rows"][0]["implied_per_train_token"] / 2)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["Lama 3 8B"], "did you mean 'Llama 3 8B'"),
        (["Mixtral 8x7B"], "no published number of training tokens"),
        (["--params", "8B"], "--params and --tokens belong together"),
        (["GPT-3", "--params", "8B", "--tokens", "1T"], "not both"),
        (["--params", "8B", "--tokens", "1T", "--total", "4B"], "at least --params"),
        (["--params", "-8B", "--tokens", "1T"], "n_params must be more than 0"),
        (["--params", "8B", "--tokens", "many"], "--tokens"),
        (["GPT-3", "--law", "hofmann"], "did you mean 'hoffmann'"),
        (["--law", "hoffmann", "--law", "besiroglu"], "takes one --law"),
        (["GPT-3", "--set", "traffic.output_tokens=0"], "serves 0 tokens"),
    ],
    ids=str,
)
def test_bad_input_is_a_sentence(arguments, sentence):
    assert sentence in " ".join(run(*arguments, status=2).split())


def test_laws_that_are_none():
    with pytest.raises(InputError, match="laws is empty"):
        implied_by_law(PLAIN, 8e9, 15e12, [])
