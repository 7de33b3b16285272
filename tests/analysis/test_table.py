"""Tables over assumptions: published numbers, a loop of `solve`, and what happens to rows without an answer."""

import io
import itertools
import json

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from optimizer import InputError, SizeTable, inverse_table, load, presets, size_table, solve, wide
from optimizer.analysis.laws import with_laws
from optimizer.analysis.sizes import default_grid, rebuilt
from optimizer.assumptions.numbers import human
from optimizer.assumptions.record import KEY, fingerprint
from optimizer.assumptions.typed import axes_given
from optimizer.model.outputs import written
from optimizer.report.table_text import table_text

from ..conftest import plain_scenario

# The lecture's inputs at the quality of 100B on 200T: N*, D*, D/20N, worked out beforehand for four laws.
LECTURE = {
    "besiroglu": (111.4e9, 116.9e12, 52.4),
    "muennighoff": (110.6e9, 125.6e12, 56.8),
    "de-vries": (95.6e9, 225.8e12, 118),
    "hoffmann": (95.1e9, 228.9e12, 120),
}


def test_the_lecture_under_four_laws(lecture):
    table = size_table(lecture, {"law": list(LECTURE)}).set_index("law")
    for law, (n, d, ratio) in LECTURE.items():
        assert table.loc[law, "n_params"] == pytest.approx(n, rel=1e-3)
        assert table.loc[law, "train_tokens"] == pytest.approx(d, rel=1e-3)
        assert table.loc[law, "overtraining_vs_rule_of_20"] == pytest.approx(ratio, rel=5e-3)


def test_sardanas_command_line():
    # Sardana et al. 2024, command-line example: loss 1.947, T = 2e12 -> base 3.408e10 / 1.810e12, optimum 2.418e10 / 2.657e12, 95.22 %.
    row = size_table(plain_scenario(), {"traffic.output_tokens": ["2T"]}).iloc[0]
    assert row["n_params"] == pytest.approx(2.418e10, rel=5e-4)
    assert row["train_tokens"] == pytest.approx(2.657e12, rel=5e-4)
    assert row["baseline_n_params"] == pytest.approx(3.408e10, rel=5e-4)
    assert row["baseline_train_tokens"] == pytest.approx(1.810e12, rel=5e-4)
    assert 1 - row["savings"] == pytest.approx(0.9522, abs=5e-5)


def test_sardanas_examples_are_three_rows_of_their_preset():
    # Sardana et al. 2024, section 3: 7B for 100B tokens, 13B and 70B for 2T; the saving at 70B is a share of the optimum's cost there.
    pairs = [("7B", "100B"), ("13B", "2T"), ("70B", "2T")]
    table = size_table(load("sardana-2024"), {("goal.like_params", "traffic.output_tokens"): pairs})
    assert table["goal.like_params"].tolist() == [7e9, 13e9, 70e9]
    assert table["traffic.output_tokens"].tolist() == [1e11, 2e12, 2e12]
    assert [f"{n / 1e9:.4g}" for n in table["n_params"]] == ["6", "6.969", "57.92"]
    assert [f"{d / 1e12:.4g}" for d in table["train_tokens"][1:]] == ["1.248", "5.203"]
    assert table["savings"][:2].round(4).tolist() == [0.0085, 0.1745]
    assert round(1 / (1 - table["savings"][2]) - 1, 4) == 0.0133
    assert {table.attrs["units"][name] for name in ("goal.like_params", "traffic.output_tokens")} == {
        "parameters",
        "tokens",
    }
    typed = axes_given(["goal.like_params,traffic.output_tokens=7B:100B,13B:2T,70B:2T"])
    pd.testing.assert_frame_equal(table, size_table(load("sardana-2024"), typed))
    pd.testing.assert_frame_equal(table, rebuilt(json.loads(json.dumps(table.attrs[KEY]))))
    assert "each row its own goal.like_params" in table.attrs[KEY]["fixed"]["goal"]
    spread = wide(table, "goal.like_params,traffic.output_tokens")
    assert spread.columns.tolist() == ["n_params: 7B, 100B", "n_params: 13B, 2T", "n_params: 70B, 2T"]
    assert spread.iloc[0].tolist() == table["n_params"].tolist()


@pytest.mark.parametrize(
    ("over", "sentence"),
    [
        ({("law", "rl.tokens"): [("hoffmann", "1T"), ("besiroglu",)]}, "each value has 2 parts, got 'besiroglu'"),
        ({("law", "rl.tokens"): ["hoffmann"]}, "each value has 2 parts, got 'hoffmann'"),
        ({("law", "rl.tokens"): [("hoffmann", "1T")], "law": "besiroglu"}, "law is on the grid twice"),
        ({("law", "law"): [("hoffmann", "besiroglu")]}, "law is on the grid twice"),
        ({("law", "rl.tokns"): [("hoffmann", "1T")]}, "rl.tokns is not a field"),
    ],
)
def test_paths_that_change_together_have_a_part_each(lecture, over, sentence):
    with pytest.raises(InputError, match=sentence):
        size_table(lecture, over)


def test_typed_parts_that_are_missing_are_counted():
    with pytest.raises(InputError, match="'hoffmann' has 1 part, for 2 assumptions that change together"):
        axes_given(["law,rl.tokens=besiroglu:1T,hoffmann"])


def test_two_axes_as_columns(lecture):
    over = {
        "law": ["besiroglu", "hoffmann"],
        "limits.max_params": [None, "90B"],
        "traffic.output_tokens": ["20T", "200T"],
    }
    table = size_table(lecture, over)
    spread = wide(table, ["limits.max_params", "law"], ["n_params", "status"])
    heads = ["none, besiroglu", "none, hoffmann", "90B, besiroglu", "90B, hoffmann"]
    assert spread.columns.tolist() == [
        "traffic.output_tokens",
        *(f"{v}: {h}" for v in ("n_params", "status") for h in heads),
    ]
    for law, limit, served in itertools.product(*over.values()):
        row = solve(
            lecture.update({"law": law, "limits.max_params": limit, "traffic.output_tokens": served}), throw=False
        )
        at = spread.set_index("traffic.output_tokens").loc[2e13 if served == "20T" else 2e14]
        assert at[f"n_params: {limit or 'none'}, {law}"] == float(row.design.n_params)
    pd.testing.assert_frame_equal(spread, rebuilt(json.loads(json.dumps(spread.attrs[KEY]))))


def test_a_table_is_a_loop_of_solve_with_units(lecture):
    over = {"traffic.output_tokens": [2e13, 2e14], "law": ["besiroglu", "hoffmann"], "limits.max_params": [None, 6e10]}
    calls: list[tuple[int, int]] = []
    table = size_table(lecture, over, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(i, 8) for i in range(9)]
    for (_, row), values in zip(table.iterrows(), itertools.product(*over.values()), strict=True):
        best = solve(lecture.update(dict(zip(over, values, strict=True))), throw=False)
        assert row["status"] == best.status.name.lower()
        assert row["message"] == best.message
        flat = best.to_frame().iloc[0]
        for name in best.to_frame().attrs["units"]:
            assert row[name] == flat[name] or (np.isnan(row[name]) and np.isnan(flat[name])), name
    assert {"infeasible", "optimal"} == set(table["status"])
    numbers = {name for name in table if pd.api.types.is_float_dtype(table[name])}
    assert numbers == set(table.attrs["units"])
    assert table.attrs["units"]["traffic.output_tokens"] == "tokens"
    assert table["limits.max_params"].isna().tolist() == [True, False] * 4


def test_every_column_of_the_answer_is_there(lecture):
    wanted = [
        "status",
        "n_params",
        "train_tokens",
        "rl_tokens",
        "tokens_per_param",
        "overtraining_vs_rule_of_20",
        "overtraining_vs_law",
        "loss",
        "cost_pretraining",
        "cost_rl",
        "cost_prefill",
        "cost_decode",
        "cost_total",
        "total_params",
        "chip_hours",
        "training_days",
        "serving_chips",
        "serving_chips_at_peak",
        "own_usd_per_mtok",
        "baseline_n_params",
        "savings",
        "band_n_params_low",
        "band_n_params_high",
        "band_train_tokens_low",
        "band_train_tokens_high",
        "extrapolation_n_params",
        "extrapolation_train_tokens",
        "extrapolation_tokens_per_param",
        "kkt_residual",
        "certified_global",
        "active_limits",
        "message",
    ]
    assert set(wanted) <= set(size_table(lecture, {}).columns)


def test_human_values_are_numbers(lecture):
    human = size_table(lecture, {"traffic.output_tokens": ["50T", "0.2P"], "serving.decode_efficiency": "38%"})
    plain = size_table(lecture, {"traffic.output_tokens": np.array([5e13, 2e14]), "serving.decode_efficiency": 0.38})
    pd.testing.assert_frame_equal(human, plain)


def test_blocks_and_kinds_are_values_too(lecture):
    over = {"rl": [{"policy": "none"}, {"policy": "ratio", "ratio": 0.1}], "money.unit": ["flops", "usd"]}
    table = size_table(lecture, over)
    assert table["rl"].tolist() == ["policy = none"] * 2 + ["policy = ratio, ratio = 0.1"] * 2
    assert table.attrs["units"]["cost_total"] == "FLOP or USD"
    assert table["cost_unit"].tolist() == ["FLOP", "USD"] * 2
    assert "cost_unit" not in size_table(lecture, {"law": ["hoffmann"]})


def test_combinations_that_are_no_scenario_keep_their_sentence(lecture):
    table = size_table(lecture, {"rl.policy": ["none", "ratio"], "rl.ratio": [None, "10%"]})
    assert table["status"].tolist() == ["optimal", "bad_input", "bad_input", "optimal"]
    assert "rl.ratio belongs to rl.policy = 'ratio'" in table["message"][1]
    assert "rl.ratio is missing" in table["message"][2]
    assert table["n_params"].isna().tolist() == [False, True, True, False]


@pytest.mark.parametrize(
    ("over", "sentences"),
    [
        ({"lwa": ["hoffmann"]}, ["lwa is not a field, did you mean 'law'"]),
        (
            {"law": ["hofman", "besiroglu"], "traffic.output_tokens": ["-1T", "1T"]},
            ["did you mean 'hoffmann'", "traffic.output_tokens must be 0 or more, got -1T tokens"],
        ),
        ({"law": []}, ["law has no values to go over"]),
    ],
)
def test_a_value_that_fits_nowhere_is_refused(lecture, over, sentences):
    with pytest.raises(InputError) as caught:
        size_table(lecture, over)
    for sentence in sentences:
        assert sentence in str(caught.value)


@pytest.mark.parametrize("name", presets())
def test_the_grid_to_start_with_solves_for_every_preset(name):
    s = load(name)
    table = size_table(s)
    assert len(table) == np.prod([len(v) for v in default_grid(s).values()])
    assert set(table["status"]) == {"optimal"}


def test_chosen_columns(lecture):
    table = size_table(lecture, {"law": ["hoffmann", "besiroglu"]}, columns=["savings", "n_params"])
    assert list(table.columns) == ["law", "savings", "n_params"]
    assert table.attrs["units"] == {"savings": "1", "n_params": "parameters"}
    with pytest.raises(InputError, match=r"'n_parms' is not a column of the table, did you mean 'n_params'"):
        size_table(lecture, {}, columns=["n_parms"])


def test_wide_turns_an_axis_into_columns(lecture):
    table = size_table(lecture, {"traffic.output_tokens": ["20T", "200T"], "law": ["hoffmann", "besiroglu"]})
    spread = wide(table, "law", ["n_params", "status"])
    assert list(spread.columns) == [
        "traffic.output_tokens",
        "n_params: hoffmann",
        "n_params: besiroglu",
        "status: hoffmann",
        "status: besiroglu",
    ]
    expected = table.pivot_table(index="traffic.output_tokens", columns="law", values="n_params")
    for law in ("hoffmann", "besiroglu"):
        assert spread[f"n_params: {law}"].tolist() == expected[law].tolist()
        assert spread.attrs["units"][f"n_params: {law}"] == "parameters"
    by_traffic = wide(table, "traffic.output_tokens")
    assert list(by_traffic.columns) == ["law", "n_params: 20T", "n_params: 200T"]
    with pytest.raises(InputError, match="'lwa' is not an axis of the table, did you mean 'law'"):
        wide(table, "lwa")
    with pytest.raises(InputError, match="'saving' is not a column to spread over law"):
        wide(table, "law", ["saving"])


def test_the_inverse_table():
    s = load("open-weights-8b")
    table = inverse_table(s, ["1B", "8B", 30e9, "70B"], {"traffic.growth": ["0%", "5%"]})
    assert table["status"].tolist() == ["unreachable", "justified", "justified", "no_demand"] * 2
    justified = table[table["status"] == "justified"]
    assert justified["solve_difference"].abs().max() < 1e-9
    assert (justified["excess_cost"] > -1e-12).all()
    none = table[table["status"] == "no_demand"].iloc[0]
    assert none["implied_tokens"] < 0
    assert none["message"].startswith("No demand justifies 70B parameters at this loss")
    assert none["loss"] == pytest.approx(justified["loss"].iloc[0], rel=1e-12)
    assert "do not reach the loss" in table["message"][0]
    assert table.attrs["units"]["implied_tokens"] == "tokens"
    with pytest.raises(InputError, match=r"a size must be more than 0"):
        inverse_table(s, ["-8B"])


def test_the_size_of_the_optimum_is_justified_by_its_own_traffic(lecture):
    n = float(solve(lecture).design.n_params)
    row = inverse_table(lecture, [n]).iloc[0]
    assert row["implied_scale"] == pytest.approx(1, rel=1e-9)
    assert row["excess_cost"] == pytest.approx(0, abs=1e-12)


def test_a_table_carries_what_it_takes_to_make_it_again(lecture):
    table = size_table(lecture, {"law": ["hoffmann"], "traffic.output_tokens": ["1T", "2T"]}, band=0.1)
    record = json.loads(json.dumps(table.attrs[KEY]))
    assert record["scenario_sha256"] == fingerprint(lecture)
    pd.testing.assert_frame_equal(rebuilt(record), table)
    spread = wide(inverse_table(lecture, ["70B", "100B"]), "n_params", ["train_tokens"])
    pd.testing.assert_frame_equal(rebuilt(json.loads(json.dumps(spread.attrs[KEY]))), spread)
    for broken in ({}, {**record, "table": {"kind": "pie"}}, {**record, "table": {"kind": "sizes"}}):
        with pytest.raises(InputError):
            rebuilt(broken)


def test_the_fingerprint_sees_every_number(lecture):
    assert fingerprint(lecture) == fingerprint(load("lecture-2026"))
    assert fingerprint(lecture) != fingerprint(lecture.update({"pretraining.mfu": 0.41}))
    assert fingerprint(lecture) != fingerprint(lecture.update({"law": "hoffmann"}))


def test_a_notebook_sees_human_numbers_and_units(lecture):
    table = size_table(lecture, {"law": ["besiroglu"]})
    shown = table._repr_html_()
    for text in ("111.4B", "parameters", "nat/token", "lecture-2026", "sha256"):
        assert text in shown
    part = table[["n_params"]]
    assert isinstance(part, SizeTable)
    assert "parameters" in part._repr_html_()
    assert "&lt;b&gt;" in size_table(lecture.update({"name": "<b>"}), {})._repr_html_()


def test_axes_as_they_are_typed():
    assert axes_given(["a.b=1T,200T", "law=hoffmann", "limits.max_params=none,50B"]) == {
        "a.b": ["1T", "200T"],
        "law": ["hoffmann"],
        "limits.max_params": [None, "50B"],
    }
    assert axes_given(["x=1T..1000T:4"])["x"] == pytest.approx([1e12, 1e13, 1e14, 1e15], rel=1e-12)
    assert axes_given(['rl={policy="none"},{policy="ratio",ratio=0.1}'])["rl"] == [
        {"policy": "none"},
        {"policy": "ratio", "ratio": 0.1},
    ]
    with pytest.raises(InputError) as caught:
        axes_given(["law", "x=1..1:3", "y=2..1", 'rl={policy="none"', "z=1", "z=2"])
    assert len(caught.value.problems) == 5


def printed(table: SizeTable, width: int, columns: list[str] | None = None) -> list[str]:
    console = Console(width=width, file=io.StringIO(), highlight=False)
    with console.capture() as captured:
        console.print(table_text(table, columns))
    return captured.get().splitlines()


@pytest.mark.parametrize("width", [40, 80, 120])
def test_no_number_is_broken_however_narrow_the_terminal(lecture, width):
    over = {"traffic.output_tokens": ["20T", "2P"], "law": ["besiroglu", "hoffmann"]}
    table = size_table(lecture, over)
    lines = printed(table, width)
    assert max(map(len, lines)) <= width
    words = [line.split() for line in lines]
    shown = ["n_params", "band_n_params_low", "train_tokens", "overtraining_vs_rule_of_20", "overtraining_vs_law", "loss",
             "cost_total", "savings"]  # fmt: skip
    for _, row in table.iterrows():
        for name in shown:  # next to its axes, in whichever block
            axes = [human(row["traffic.output_tokens"]), row["law"]]
            assert any(w[:2] == axes and written(row[name], name) in " ".join(w[2:]) for w in words), name
    for unit in ("parameters", "tokens", "nat/token", "FLOP"):
        assert any(unit in w for w in words), unit
    text = " ".join(" ".join(w) for w in words)
    assert "cost at most 5 % more" in text
    assert f"parameters up to {table['extrapolation_n_params'].max():.2f}x" in text
    assert "Certificate: certified as the global optimum: 4 of 4." in text


def test_a_narrow_terminal_shows_the_inverse_and_chosen_columns_whole(lecture):
    inverse = inverse_table(lecture, ["1B", "100B", "400B"])
    words = [line.split() for line in printed(inverse, 80)]
    for _, row in inverse[inverse["status"] != "unreachable"].iterrows():
        for name in ("implied_tokens", "implied_scale", "excess_cost"):
            assert any(w[:1] == [human(row["n_params"])] and written(row[name], name) in " ".join(w) for w in words), (
                name
            )
    table = size_table(lecture, {"law": ["besiroglu"]})
    lines = printed(table, 80, ["band_overtraining_vs_rule_of_20_low", "message"])
    assert max(map(len, lines)) <= 80
    low = "band_overtraining_vs_rule_of_20_low"
    assert any(written(table[low][0], low) in line.split() for line in lines)


def test_the_interval_across_laws_stands_in_a_row(lecture):
    table = size_table(lecture, {"limits.max_params": [None, 1e6]}, across_laws=True)
    low, high = with_laws(solve(lecture)).across_laws.intervals["overtraining_vs_rule_of_20"]
    row = table.iloc[0]
    assert (row["across_laws_overtraining_vs_rule_of_20_low"], row["across_laws_overtraining_vs_rule_of_20_high"]) == (
        low,
        high,
    )
    assert table.attrs["units"]["across_laws_n_params_low"] == "parameters"
    assert np.isnan(table["across_laws_n_params_low"].iloc[1])  # a row without an answer
    pd.testing.assert_frame_equal(rebuilt(table.attrs[KEY]), table)
    assert "across_laws_n_params_low" not in size_table(lecture, {"law": ["besiroglu"]})
