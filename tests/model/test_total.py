"""One count of all parameters, wherever memory and weights are counted, and a warning where law and deployment disagree about it."""

import json

import jax
import numpy as np
import pytest
from typer.testing import CliRunner

from optimizer import InputError, load, presets, solve
from optimizer.analysis.placement import placement
from optimizer.analysis.serving import key_figures
from optimizer.assumptions.experts import LEAST_IN_EXPERTS
from optimizer.assumptions.tables import rows
from optimizer.assumptions.warned import warnings
from optimizer.cli import main
from optimizer.model.cost import Design
from optimizer.model.limits import limit_excess
from optimizer.model.replica import replica
from optimizer.model.total import total_params
from optimizer.model.training import training_bytes_per_chip

N = 3e10
ROOFLINE = {"serving.method": "roofline", "deployment.placement": "given"}
TIGHT = {"limits.max_bytes": 1e11, "limits.bytes_per_param": 1.0}


def moe(experts: float, **changes: object):
    return load(
        "frontier-moe-chat",
        {**ROOFLINE, "law.experts": experts, **{k.replace("__", "."): v for k, v in changes.items()}},
    )


@pytest.mark.parametrize("experts", [1, 8, 32])
def test_the_experts_of_the_law_are_in_every_count(experts):
    """4 of 12 width^2 parameters of a layer are attention, used by every token; 8 are the feed-forward part, there once for each expert."""
    s, total = moe(experts, **TIGHT), N * (4 + 8 * experts) / 12
    assert float(total_params(s, N)) == pytest.approx(total)
    r = replica(s, N)
    assert float(r.weight_bytes) == pytest.approx(total), "fp8"
    assert float(r.dense_bytes) == pytest.approx(N / 3 if experts > 1 else N)
    if experts > 1:
        assert float(r.expert_bytes * r.expert_share) == pytest.approx(2 * N / 3), "a token reads its active parameters"
    assert float(np.exp(limit_excess(s, Design(N, 1e12, 0.0))["limits.max_bytes"])) == pytest.approx(total / 1e11)
    # What more experts add to training memory is the state of their parameters.
    dense = moe(1)
    added = float(training_bytes_per_chip(s, N) - training_bytes_per_chip(dense, N))
    assert added == pytest.approx((total - N) * 18 / 512, abs=1)
    law = {"law": {"name": "ludziejewski", "experts": experts}}
    asked = placement(params=N, changes={**law, "deployment.placement": "given", "deployment.chips": 72})
    figures = key_figures(asked)
    assert figures["parameters in all"][0] == pytest.approx(total)
    assert figures["weights per stage"][0] == pytest.approx(2 * total / 1e9), "bf16"
    assert figures["balance batch"][0] == pytest.approx(989e12 / 3.35e12 * total / N)


@pytest.mark.parametrize(
    ("law", "ratio", "share"),
    [
        ({"name": "abnar", "sparsity": 0.75}, 4, 1 / 4),
        ({"name": "krajewski", "experts": 64, "granularity": 8}, 43, 1 / 64),
    ],
    ids=["sparsity", "granularity"],
)
def test_every_law_of_experts_says_how_many_parameters_there_are(law, ratio, share):
    s = load("frontier-moe-chat", {**ROOFLINE, "law": law})
    assert float(total_params(s, N)) == pytest.approx(ratio * N)
    r = replica(s, N)
    assert float(r.weight_bytes) == pytest.approx(ratio * N), "fp8"
    assert float(r.expert_share) == pytest.approx(share)


def test_a_sparsity_that_is_given_wins():
    given = moe(32, deployment__sparsity=18)
    assert float(replica(given, N).weight_bytes) == pytest.approx(18 * N)
    same = moe(8, deployment__sparsity=17 / 3, deployment__expert_share=1 / 8)
    found, expected = (np.array(jax.tree.leaves(replica(s, N)), float) for s in (same, moe(8)))
    assert found == pytest.approx(expected)


def test_released_models_lie_where_the_law_puts_them():
    """The share of active parameters in experts, from total over active and the experts over those that a token uses."""
    known = [
        r
        for r in rows("models")
        if r["routed_experts"] and r["experts_per_token"] and r["total_params"] and r["active_params"]
    ]
    ratio = np.array([float(r["total_params"]) / float(r["active_params"]) for r in known])
    experts = np.array([float(r["routed_experts"]) / float(r["experts_per_token"]) for r in known])
    share = (ratio - 1) / (experts - 1)
    assert len(known) == 32
    assert (share > LEAST_IN_EXPERTS).sum() == 31
    assert [share.min(), np.median(share), share.max()] == pytest.approx([0.18, 0.55, 0.89], abs=0.01)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, ""),
        ({"deployment.sparsity": 18}, ""),
        ({"deployment.sparsity": 1}, "deployment.sparsity = 1 disagrees with law.experts = 32"),
        ({"deployment.sparsity": 40}, "11.3 to 32 times as many"),
        ({"deployment.sparsity": 18, "law": "besiroglu"}, "the experts, the loss does not"),
        ({"deployment.sparsity": 1, "law": "besiroglu"}, ""),
        ({"deployment.sparsity": 8.2, "law": "abnar"}, ""),
        ({"deployment.sparsity": 18, "law": "abnar"}, "deployment.sparsity = 18 disagrees with law.sparsity = 0.875"),
        ({"deployment.sparsity": 18, "law": "krajewski"}, "22 to 64 times"),
    ],
)
def test_law_and_deployment_that_disagree(changes, said):
    found = warnings(load("frontier-moe-chat", changes))
    assert bool(found) == bool(said)
    assert said in " ".join(found)
    shown = CliRunner().invoke(
        main, ["solve", "frontier-moe-chat", *(f"--set={k}={v}" for k, v in changes.items()), "--json"]
    )
    assert json.loads(shown.stdout)["warnings"] == found


def test_no_preset_disagrees_with_itself():
    assert not [sentence for preset in presets() for sentence in warnings(load(preset))]


@pytest.mark.parametrize(
    ("preset", "changes", "tokens_per_param", "said"),
    [
        ("on-device", {}, 21.0, "served at 4 bits (limits.bytes_per_param) after 21 tokens per parameter"),
        ("on-device", {}, 19.0, ""),
        ("on-device", {"limits.bytes_per_param": 1.0}, 500.0, ""),
        ("frontier-moe-chat", {"money.serve_chip.precision": "fp4"}, 500.0, "4 bits (money.serve_chip.precision)"),
        ("frontier-moe-chat", {}, 500.0, ""),
        ("lecture-2026", {"deployment.bytes_per_weight": 0.25}, 500.0, "2 bits (deployment.bytes_per_weight)"),
    ],
)
def test_a_long_trained_plan_in_few_bits_says_what_it_leaves_out(preset, changes, tokens_per_param, said):
    found = warnings(load(preset, changes), tokens_per_param=tokens_per_param)
    assert len(found) == bool(said)
    assert said in " ".join(found)
    assert not said or "arXiv 2411.04330" in found[0]


def test_every_answer_says_what_few_bits_leave_out():
    best = solve(load("on-device"))
    assert best.design.train_tokens / best.design.n_params > 20
    (sentence,) = best.warnings
    shown = CliRunner().invoke(main, ["solve", "on-device"])
    assert "served at 4 bits" in " ".join(shown.stdout.split())
    assert best.to_dict()["warnings"] == [sentence]


def test_warnings_are_read_on_the_terminal():
    wrong = ["--set=deployment.sparsity=2", "--set=law=ludziejewski", "--set=law.experts=32"]
    given = "--set=deployment.placement=given"
    wrong.append(given)
    for command in (["solve", "frontier-moe-chat", wrong[0]], ["roofline", "10B", *wrong]):
        done = CliRunner().invoke(main, command)
        assert "Warning: deployment.sparsity = 2 disagrees with law.experts = 32" in " ".join(done.stdout.split())
    found = json.loads(CliRunner().invoke(main, ["roofline", "10B", *wrong, "--json"]).stdout)
    assert len(found["warnings"]) == 1
    assert json.loads(CliRunner().invoke(main, ["roofline", "Mixtral 8x7B", given, "--json"]).stdout)["warnings"] == []


def test_experts_that_use_more_than_the_active_parameters():
    with pytest.raises(InputError, match=r"deployment\.expert_share = 0\.5 times 21\.7"):
        moe(32, deployment__expert_share=0.5)
