"""Tables of runs are read as people write them; what cannot be used is named by row and column."""

import math

import pandas as pd
import pytest

from optimizer import DataError
from optimizer.evidence.columns import quantity_of
from optimizer.evidence.runs import ACTIVE, ALL, WITHOUT, example_runs, read_runs

GRID = [(n, r * n) for n in (1e8, 3e8, 1e9, 3e9) for r in (5, 20, 80)]


def loss(n: float, d: float) -> float:
    return 1.8 + 400 * n**-0.34 + 2000 * d**-0.36


def table(**columns) -> pd.DataFrame:
    """A small sweep; a column given as a function of (N, D) replaces or adds one, None takes one out."""
    made = {"params": lambda n, d: n, "tokens": lambda n, d: d, "loss": loss, **columns}
    return pd.DataFrame({name: [of(n, d) for n, d in GRID] for name, of in made.items() if of is not None})


NAMES = [
    ("N", "D", "loss"), ("model_size", "train_tokens", "val_loss"), ("Model Size", "Tokens Seen", "Val Loss"),
    ("n_params", "n_tokens", "final_loss"), ("num.params", "training-tokens", "eval_loss"), ("params", "D", "cross_entropy"),
    ("parameter_count", "throughput/total_tokens", "eval/paloma/macro_loss"), ("model.n_params", "train/tokens", "eval/loss"),
]  # fmt: skip


@pytest.mark.parametrize("names", NAMES)
def test_columns_are_called_as_people_call_them(names):
    frame = table().set_axis([*names], axis=1)
    found = read_runs(frame)
    assert found.frame["n_params"].tolist() == [n for n, _ in GRID]
    assert found.frame["train_tokens"].tolist() == [d for _, d in GRID]
    assert found.frame["loss"].tolist() == [loss(n, d) for n, d in GRID]
    assert found.counts == ALL
    assert found.excluded.empty


@pytest.mark.parametrize(
    ("heading", "power"),
    [("params_m", 6), ("Params (M)", 6), ("tokens_B", 9), ("N [billions]", 9), ("tokens in T", 12)],
)
def test_a_heading_may_end_in_its_unit(heading, power):
    assert quantity_of(heading)[1] == power


@pytest.mark.parametrize(
    ("heading", "unit"),
    [
        ("Loss (bits/token)", "bits_per_token"),
        ("val_loss [bits per token]", "bits_per_token"),
        ("loss_bits", "bits_per_token"),
        ("val_loss (bits per byte)", "bits_per_byte"),
        ("loss_bpb", "bits_per_byte"),
        ("validation_bpb", "bits_per_byte"),
        ("Validation Loss (nats)", None),
    ],
)
def test_a_loss_may_name_its_unit(heading, unit):
    assert (quantity_of(heading) or (None, 0))[0] == unit
    values = read_runs(table(loss=None, **{heading: loss}))
    factor = math.log(2) if unit == "bits_per_token" else 1
    assert values.frame["loss"].to_numpy() == pytest.approx([factor * loss(n, d) for n, d in GRID])
    assert values.unit == ("bit/byte" if unit == "bits_per_byte" else "nat/token")


@pytest.mark.parametrize("heading", ["ln loss", "loss_std", "log10_loss"])
def test_a_column_about_a_loss_is_no_loss(heading):
    with pytest.raises(DataError, match="has no column that is the loss"):
        read_runs(table(loss=None, **{heading: loss}))
    assert read_runs(table(**{heading: lambda n, d: 9.0})).frame["loss"].tolist() == [loss(n, d) for n, d in GRID]


def test_active_parameters_go_before_all_and_are_recorded():
    for columns in ({"params": None}, {"params": lambda n, d: 8 * n}):
        found = read_runs(table(**columns, active_params=lambda n, d: n))
        assert found.frame["n_params"].tolist() == [n for n, _ in GRID]
        assert found.counts == ACTIVE
        assert any("that a token uses" in note for note in found.notes)


@pytest.mark.parametrize(("column", "unit"), [("exaflops", 1e18), ("throughput/total_gflops", 1e9), ("train_flops", 1)])
def test_flops_may_have_a_unit_and_a_speed_is_none(column, unit):
    found = read_runs(table(tokens=None, **{column: lambda n, d: 6 * n * d / unit}))
    assert found.frame["train_tokens"].to_numpy() == pytest.approx([d for _, d in GRID])
    assert quantity_of("tflops") is None


def test_decimal_commas_are_read(tmp_path):
    path = tmp_path / "runs.csv"
    rows = [f"{n:.0f};{d:.0f};{loss(n, d):.4f}".replace(".", ",") for n, d in GRID]
    path.write_text("\n".join(["N;D;loss", *rows]))
    assert read_runs(path).frame["loss"].tolist() == [round(loss(n, d), 4) for n, d in GRID]
    path.write_text("\n".join(["N;D;loss", *(f"{n:.0f};{d:.0f};{loss(n, d):.3f}" for n, d in GRID)]))
    assert read_runs(path).frame["loss"].tolist() == [round(loss(n, d), 3) for n, d in GRID]


def test_a_unit_in_the_heading_multiplies_the_cells():
    frame = table(params=None, tokens=None, **{"params_m": lambda n, d: n / 1e6, "tokens (B)": lambda n, d: d / 1e9})
    found = read_runs(frame).frame
    assert found["n_params"].to_numpy() == pytest.approx([n for n, _ in GRID])
    assert found["train_tokens"].to_numpy() == pytest.approx([d for _, d in GRID])


def test_tokens_follow_from_flops_or_from_tokens_per_parameter():
    ratio = [{name: lambda n, d: d / n} for name in ("tokens_per_param", "D/N", "tokens/param")]
    for columns in ({"flops": lambda n, d: 6 * n * d}, *ratio):
        found = read_runs(table(tokens=None, **columns)).frame
        assert found["train_tokens"].to_numpy() == pytest.approx([d for _, d in GRID])
    found = read_runs(table(params=None, compute=lambda n, d: 6 * n * d)).frame
    assert found["n_params"].to_numpy() == pytest.approx([n for n, _ in GRID])


def test_parameters_without_embeddings_are_taken_only_where_there_are_no_others_and_recorded():
    both = read_runs(table(n_params_no_embed=lambda n, d: n * 0.9))
    assert (both.counts, both.frame["n_params"].iloc[0]) == (ALL, 1e8)
    only = read_runs(table(params=None, non_embedding_params=lambda n, d: n * 0.9))
    assert (only.counts, only.frame["n_params"].iloc[0]) == (WITHOUT, 9e7)
    assert "without embeddings" in only.notes[0]


def test_bits_per_token_and_perplexity_become_nats():
    bits = read_runs(table(loss=None, bits_per_token=lambda n, d: loss(n, d) / math.log(2)))
    perplexity = read_runs(table(loss=None, val_ppl=lambda n, d: math.exp(loss(n, d))))
    for found in (bits, perplexity):
        assert found.frame["loss"].to_numpy() == pytest.approx([loss(n, d) for n, d in GRID])
        assert found.unit == "nat/token"
        assert len(found.notes) == 1
    per_byte = read_runs(table(loss=None, bpb=lambda n, d: 0.3 * loss(n, d)))
    assert per_byte.unit == per_byte.frame.attrs["units"]["loss"] == "bit/byte"
    assert "bits per byte" in per_byte.notes[0]


def test_validation_loss_goes_before_training_loss_and_a_column_can_be_chosen():
    frame = table(loss=None, train_loss=lambda n, d: 9.0, val_loss=loss, c4_en=lambda n, d: 5.0)
    assert read_runs(frame).frame["loss"].iloc[0] == loss(*GRID[0])
    assert read_runs(frame, columns={"loss": "c4_en"}).frame["loss"].iloc[0] == 5.0


def test_a_file_may_begin_with_comments_and_use_other_separators(tmp_path):
    path = tmp_path / "runs.csv"
    path.write_text("# my runs\n# of May\nparams;tokens;loss\n100M;2B;3.5\n\n1_000M;20e9;2,9\n300M;6B;3.1\n")
    found = read_runs(path)
    assert found.frame["row"].tolist() == [4, 7]
    assert found.frame["n_params"].tolist() == [1e8, 3e8]
    (bad,) = found.excluded.to_dict("records")
    assert bad["row"] == 6
    assert "column loss must be a number, got '2,9'" in bad["reason"]


BAD = [
    ("loss", -2.3, "column loss must be above 0, got -2.3 nat/token."),
    ("tokens", 0, "column tokens must be above 0, got 0 tokens."),
    ("params", "many", "column params must be a number, got 'many'"),
    ("loss", math.nan, "column loss has no loss (nan): the run diverged or did not finish."),
    ("loss", "", "column loss has no loss (empty): the run diverged or did not finish."),
    ("loss", "inf", "column loss has no loss (inf): the run diverged or did not finish."),
    ("params", 70, "70 parameters is no count of parameters: write 70M, or name the unit in the heading, as in n_params_b."),
    ("flops", 1e25, "times 6 N D, against 1 in other rows: one of the three numbers is wrong."),
]  # fmt: skip


@pytest.mark.parametrize(("column", "value", "reason"), BAD)
def test_a_bad_row_is_left_out_with_its_row_column_and_reason(column, value, reason):
    frame = table(flops=lambda n, d: 6 * n * d).astype(object)
    frame.loc[4, column] = value
    if column != "flops":
        frame = frame.drop(columns="flops")
    found = read_runs(frame)
    assert len(found.frame) == len(GRID) - 1
    (bad,) = found.excluded.to_dict("records")
    assert bad["row"] == 5
    assert reason in bad["reason"]


def test_a_row_that_is_there_twice_counts_once_and_another_seed_stays():
    frame = table()
    seed = frame.iloc[[3]].assign(loss=frame["loss"].iloc[3] * 1.001)
    found = read_runs(pd.concat([frame, frame.iloc[[2]], seed], ignore_index=True))
    assert len(found.frame) == len(GRID) + 1
    assert found.excluded[["row", "reason"]].to_numpy().tolist() == [
        [13, "the same N, tokens and loss as row 3: it counts once."]
    ]


def test_flops_that_disagree_with_6nd_in_all_rows_are_noted():
    (note,) = read_runs(table(flops=lambda n, d: 12 * n * d)).notes
    assert "column flops is 2 times 6 N D" in note


def test_checkpoints_of_one_run_are_noted():
    found = read_runs(example_runs()["gemstones"])
    assert any("checkpoints of one run" in note for note in found.notes)


def test_a_table_of_several_data_sets_asks_for_one():
    path = example_runs()["gadre"]
    with pytest.raises(
        DataError, match=r"column train_set names 3 data sets .*choose one, as in --where train_set=c4_original"
    ):
        read_runs(path)
    assert len(read_runs(path, where={"train_set": "rpj"}).frame) == 35
    with pytest.raises(DataError, match="has no row with train_set = c4"):
        read_runs(path, where={"train_set": "c4"})
    with pytest.raises(DataError, match="has no column 'corpus' for where"):
        read_runs(path, where={"corpus": "c4"})


REFUSED = [
    (table(loss=None), "has no column that is the loss; name one loss or val_loss"),
    (table(loss=None, a_loss=loss, b_loss=loss), "choose one, as in --column loss=a_loss"),
    (table(params=None), "has no column for the parameters of a model; name one n_params"),
    (table(tokens=None), "has no column for the training tokens; name one train_tokens"),
]


@pytest.mark.parametrize(("frame", "sentence"), REFUSED)
def test_a_missing_column_is_named(frame, sentence):
    with pytest.raises(DataError) as caught:
        read_runs(frame)
    assert sentence in str(caught.value)


def test_chosen_columns_that_are_not_there_are_named():
    with pytest.raises(DataError) as caught:
        read_runs(table(), columns={"loss": "lss", "size": "params"})
    assert "has no column 'lss' for loss, did you mean 'loss'?" in str(caught.value)
    assert "columns names 'size', which is no quantity of a run" in str(caught.value)


def test_files_that_are_no_table_are_refused(tmp_path):
    for content, sentence in (
        ("", "is empty"),
        ('params,tokens,loss\n"1,2,3\n', "is not a CSV file"),
        ("loss,loss\n1,2\n", "more than once"),
    ):
        path = tmp_path / "runs.csv"
        path.write_text(content)
        with pytest.raises(DataError, match=sentence):
            read_runs(path)
    with pytest.raises(DataError, match="does not exist"):
        read_runs(tmp_path / "none.csv")


def test_best_sizes_without_losses_say_what_they_give(tmp_path):
    """Hoffmann et al. 2022, equation 4, at several budgets: N* ~ C^(beta / (alpha + beta))."""
    budgets = [10.0**p for p in (18, 19, 20, 21)]
    sizes = [0.1 * c ** (0.36 / 0.7) for c in budgets]
    path = tmp_path / "minima.csv"
    for columns in ({"budget": budgets}, {"tokens": [c / 6 / n for c, n in zip(budgets, sizes, strict=True)]}):
        pd.DataFrame({**columns, "N": sizes}).to_csv(path, index=False)
        with pytest.raises(DataError) as caught:
            read_runs(path)
        assert "has no column that is the loss" in str(caught.value)
        assert "for each of 4 budgets: these alone give N* ~ C^0.514 and D* ~ C^0.486" in str(caught.value)
    for frame in (table(loss=None), pd.DataFrame({"D": [1e9], "x": [1e8]})):  # several sizes a budget; no size
        with pytest.raises(DataError) as caught:
            read_runs(frame)
        assert "best sizes" not in str(caught.value)


def test_an_example_has_its_name():
    assert read_runs(example_runs()["sardana"]).name == "example sardana"
