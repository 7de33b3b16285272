"""Tables of serving and the lecture's claims: numbers that a chalk board gives, and what every sweep must show."""

import json
import re

import numpy as np
import pytest
from scipy.optimize import brentq
from typer.testing import CliRunner, Result

from optimizer import InputError
from optimizer.analysis import serving
from optimizer.analysis.chips import chip_comparison, chip_frontier, measured_points
from optimizer.analysis.placement import misfits, operating_point, placement
from optimizer.analysis.serving import POINTS, context_wall, fast_mode, key_figures
from optimizer.assumptions.numbers import human
from optimizer.assumptions.tables import rows
from optimizer.cli import main
from optimizer.evidence.claims import claims
from optimizer.model.placements import placements
from optimizer.model.replica import memory_batch, replica
from optimizer.model.step import step_time


@pytest.fixture(scope="module")
def rack():
    chip = {"name": "GB200 NVL72", "precision": "fp8"}
    return placement("DeepSeek-V3", changes={"money.serve_chip": chip, "deployment.placement": "given"})


@pytest.fixture(scope="module")
def board():
    return {claim.quantity: claim for claim in claims()}


def test_the_lecture_s_own_inputs_give_its_numbers(board):
    assert len(board) == 20
    assert board["balance batch"].own_inputs == "2,400 sequences at sparsity 8"  # 300 x 256 / 32
    assert board["memory drain time"].own_inputs == "20 ms"
    assert board["KV bytes per token from a price step at 200k"].own_inputs.startswith("1,667 B")  # 100B / (300 x 200k)
    assert board["KV bytes per token from a price step at 200k"].corrected.startswith("3,333 B")
    assert board["context wall"].own_inputs.startswith("200K tokens, circular")
    # Products take their compute time from the balance batch on, and reading the cache comes after it: nothing is left to share out.
    assert re.fullmatch(r"saves 0\.00\d+ % against the balance batch", board["slow mode"].own_inputs)


def test_evidence_comes_from_the_tables(board):
    assert "7.1x for 2.5x" in board["fast mode"].evidence  # 4.0 over 0.56 USD per million tokens
    assert "13.1 to 42.7 ms" in board["memory drain time"].evidence  # Rubin and MI325X
    assert "4.4x" in board["scale-up domain"].evidence  # 4130 over 941 tokens/s
    assert "37 to 560 FLOP/B" in board["balance batch"].evidence


def test_every_sweep_has_numbers_and_units(rack):
    for name, sweep in POINTS.items():
        frame = sweep(rack)
        assert len(frame) >= 3, name
        numeric = list(frame.select_dtypes("number"))
        assert set(numeric) <= set(frame.attrs["units"]), name


def test_every_chip_is_compared_under_one_offer_at_its_cheapest_placement(rack):
    frame = chip_comparison(rack)
    assert frame["chip"].tolist() == [r["chip"] for r in rows("hardware") if r["hbm_bytes_per_second"]]
    assert set(frame["offer"]) == {"on-demand"}
    reasons = dict(zip(frame["chip"], frame["does_not_fit"], strict=True))
    assert reasons["GB300 NVL72"] == "no on-demand price on record"
    for row in frame[frame["does_not_fit"] == ""].to_dict("records"):
        assert row["price_year"] >= "2024"
        chip = {name: row[name] for name in ("precision", "usd_per_chip_hour")} | {"name": row["chip"]}
        free = dict.fromkeys(("deployment.chips", "deployment.parallelism"))
        change = {"money.serve_chip": chip, "deployment.placement": "best", **free}
        listed = [rack._replace(scenario=s) for s in placements(rack.scenario.update(change))]
        costs = [operating_point(at)["usd_per_mtok_decode"] for at in listed if not misfits(at)]
        assert row["usd_per_mtok_decode"] == pytest.approx(min(costs), rel=1e-12)


def test_no_point_of_a_chips_frontier_is_slower_and_costlier_than_another_placement(rack):
    frame = chip_frontier(rack, "3-year rental, 25% upfront")
    assert {"GB300 NVL72", "B200 SXM", "MI355X"} <= set(frame["chip"])
    assert "TPU v5e" not in set(frame["chip"])
    for _, points in frame.groupby("chip"):
        assert (np.diff(points["tokens_per_second_per_user"]) > 0).all()
        assert (np.diff(points["usd_per_mtok_decode"]) > 0).all()
    with pytest.raises(InputError, match="did you mean 'on-demand'"):
        chip_frontier(rack, "on demand")
    watts = {r["chip"]: float(r["all_in_power_watts"] or "nan") for r in rows("hardware")}
    joules = frame["chip"].map(watts) / frame["tokens_per_second_per_chip"]
    assert frame["joules_per_token"].to_numpy() == pytest.approx(joules.to_numpy(), rel=1e-12, nan_ok=True)


def test_measured_points_of_the_same_model_are_priced_by_hand(rack):
    """5,292 tokens/s of answers a decoding chip of GB200 at 91 tokens/s a user, DeepSeek-R1; 1,850 of an H800 has no such price."""
    offer = "owned TCO neocloud"
    frame = measured_points(rack, offer)
    point = frame[(frame["chip"] == "GB200 NVL72") & (frame["tokens_per_second_per_user"] == 90.99)].iloc[0]
    usd = next(r for r in rows("hardware_prices") if r["chip"] == "GB200 NVL72" and r["offer"] == offer)
    assert point["usd_per_mtok_decode"] == pytest.approx(
        float(usd["usd_per_chip_hour"]) / 3600 / 5292.4 * 1e6, rel=1e-12
    )
    assert set(frame["model"]) <= {"DeepSeek-R1", "DeepSeek-R1-0528", "DeepSeek-V3", "DeepSeek-V3/R1"}
    assert measured_points(placement("Llama 3.1 8B"), offer).empty


def test_a_larger_batch_is_cheaper_and_slower(rack):
    frame = POINTS["batch"](rack)
    assert (np.diff(frame["usd_per_mtok_decode"]) < 0).all()
    assert (np.diff(frame["tokens_per_second_per_user"]) < 0).all()
    assert frame["memory_share"].iloc[-1] == pytest.approx(1.0)


def test_more_speed_costs_more(rack):
    frame = POINTS["speed"](rack).dropna(subset=["usd_per_mtok_decode"])
    assert (np.diff(frame["usd_per_mtok_decode"]) >= 0).all()


def test_fast_mode_is_the_batch_at_which_a_step_is_so_short(rack):
    r = replica(rack.scenario, rack.n_params)
    usual = operating_point(rack)
    asked = 2.5 * usual["tokens_per_second_per_user"]
    batch = brentq(lambda b: 1 / float(step_time(r, b).total) - asked, 1.0, usual["batch"])
    by_hand = operating_point(rack, batch)["usd_per_mtok_decode"] / usual["usd_per_mtok_decode"]
    assert fast_mode(rack) == pytest.approx((2.5, by_hand), rel=1e-6)
    lone = operating_point(rack, 1.0)
    speed, _cost = fast_mode(rack, lone["tokens_per_second_per_user"] / 2)
    assert speed == pytest.approx(2.0)


def test_speeds_run_from_the_full_batch_to_what_no_batch_reaches(rack):
    frame = POINTS["speed"](rack)
    assert frame["tokens_per_second_per_user"].iloc[0] == pytest.approx(
        operating_point(rack)["tokens_per_second_per_user"]
    )
    assert list(frame["does_not_fit"] != "") == [False] * (len(frame) - 1) + [True]


def test_operating_point_by_hand(rack):
    r = replica(rack.scenario, rack.n_params)
    point, batch = operating_point(rack), float(memory_batch(r))
    seconds = float(step_time(r, batch).total)
    assert point["tokens_per_second_per_user"] == pytest.approx(1 / seconds)
    assert point["usd_per_mtok_decode"] == pytest.approx(72 * 4.54 / 3600 * seconds / batch * 1e6)


def test_at_the_wall_reading_the_cache_takes_as_long_as_computing(rack):
    wall = context_wall(rack)
    at_wall = replica(rack.scenario.update({"deployment.context_tokens": wall}), rack.n_params)
    cache, compute = (
        at_wall.kv_read_bytes / at_wall.bytes_per_second,
        at_wall.dense_params * at_wall.dense.decode + at_wall.expert_params * at_wall.experts.decode,
    )
    assert float(cache) == pytest.approx(float(compute), rel=1e-9)


def test_key_figures_of_deepseek(rack):
    figures = key_figures(rack)
    dense = 671 - (671 - 37) / (1 - 8 / 256)
    assert figures["weights per stage"][0] == pytest.approx(
        671 + 71 * dense
    )  # GB at fp8; every chip of 72 holds what is not experts
    assert figures["cache per token"][0] == pytest.approx(70.272)  # KB
    assert figures["balance batch"][0] == pytest.approx(5e15 / 8e12 / 2 * 671 / 37)


@pytest.mark.parametrize(
    ("model", "params", "said"),
    [
        ("", None, "give either"),
        ("GPT-3", 1e9, "give either"),
        ("GPT-9", None, "did you mean"),
        ("Chinchilla", None, "no n_layers"),
        ("", 0.0, r"must be 1 or more, got 0"),
        ("", -5.0, r"must be 1 or more, got -5"),
    ],
)
def test_unknown_models_say_which_are_known(model, params, said):
    with pytest.raises(InputError, match=said):
        placement(model, params)


def test_a_model_that_does_not_fit_says_what_would():
    given = {"money.serve_chip": "H100 SXM", "deployment.placement": "given"}
    with pytest.raises(InputError, match=r"Take deployment\.chips = 6 or more") as error:
        placement("GPT-3", changes={**given, "deployment.chips": 2})
    enough = placement("GPT-3", changes={**given, "deployment.chips": 6})
    assert serving.misfits(enough) == []
    assert len(error.value.problems) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"deployment.context_tokens": 1e7},
        {"deployment.batch": "fixed", "deployment.batch_size": 5000},
        {
            "deployment.batch": "fixed",
            "deployment.batch_size": 5,
            "deployment.chips": 1,
            "deployment.kv_constant_bytes": 1e9,
        },
    ],
    ids=["context", "batch", "chips"],
)
def test_each_change_that_is_offered_is_enough_and_no_smaller_one_is(changes):
    chip = {"name": "H100 SXM", "precision": "fp8"}
    base = {"money.serve_chip": chip, "deployment.placement": "given", **changes}
    with pytest.raises(InputError) as error:
        placement(params=70e9, changes=base)
    offers = re.findall(r"(deployment\.\w+) = ([\d,]+)[\w ]* or (more|less)", error.value.problems[0])
    assert offers
    for path, value, way in offers:
        size = float(value.replace(",", ""))
        placement(params=70e9, changes={**base, path: size})
        beyond = size + 1 if way == "less" else size - 1
        if beyond >= 1:
            with pytest.raises(InputError, match="needs"):
                placement(params=70e9, changes={**base, path: beyond})


def test_a_speed_that_more_chips_cannot_give_has_its_own_reason():
    base = {"money.serve_chip": {"name": "H100 SXM", "precision": "fp8"}, "deployment.batch": "latency"}
    base |= {"deployment.chips": 2, "deployment.placement": "given"}
    said = {}
    for speed in (100.0, 500.0):
        with pytest.raises(InputError) as error:
            placement(params=70e9, changes={**base, "deployment.target_tokens_per_second": speed})
        said[speed] = error.value.problems[0]
    # 44.5 x 7^0.275 = 76 layers of 50 us and two exchanges of 5 us allow 219.4 tokens/s.
    assert said[100.0].endswith("or raise deployment.chips.")
    assert "the layers' fixed time allows 219" in said[500.0]
    placement(params=70e9, changes={**base, "deployment.target_tokens_per_second": 100.0, "deployment.chips": 8})


def test_every_problem_is_reported_at_once():
    with pytest.raises(InputError) as error:
        placement("GPT-9", changes={"money.serve_chip": "H1000", "deployment.context_tokens": 0})
    assert len(error.value.problems) == 3


def run(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "80"}).invoke(main, [*arguments])


def test_the_command_prints_every_table():
    done = run("roofline", "70B", "--chip", "H200 SXM")
    assert done.exit_code == 0, done.stderr
    for words in (
        "balance batch",
        "Latency against cost",
        "Scale-up domain",
        "Pipeline",
        "Context",
        "Attention that reads",
        "Fast mode",
        "Slow mode",
    ):
        assert words in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    lines = done.stdout.splitlines()
    heads = [(line, lines[i + 1]) for i, line in enumerate(lines) if "per user" in line]
    assert len(heads) == 7  # every sweep of operating points in one block: names, then units
    assert all("decode" in names and units.count("tokens/s") >= 2 and "USD/Mtok" in units for names, units in heads)
    found = json.loads(run("roofline", "Llama 3 70B", "--json").stdout)
    assert set(POINTS) < set(found)
    assert 0 < found["modes"]["slow"]["saving"] < 1
    assert found["modes"]["fast"]["speed"] <= 2.5
    assert found["cache"]["cheapest"]["5 min"] == "flash"
    place = found["placement"]
    assert found["figures"]["chips of a replica"] == {"value": place["chips"] * place["stages"], "unit": "chips"}
    assert found["prompts"]["chips"] == place["chips"], "a total without prompts chooses no chips for them"
    printed = run("roofline", "Llama 3 70B").stdout.replace("\n", " ")
    assert f"deployment.chips = {place['chips']:g}" in printed
    assert "The first token of a prompt of 8K comes after" in printed


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("0",), "must be 1 or more"),
        (("--chip", "H1000"), "did you mean"),
        (("--precision", "fp4"), "no published fp4 peak"),
        (("--set", "deployment.batch_size=0", "--set", "deployment.batch=fixed"), "got 0 sequences"),
        (
            ("--set", "deployment.context_tokens=1e9"),
            "Take deployment.context_tokens",
        ),  # 8 heads of the cache: more chips hold copies
    ],
)
def test_the_command_refuses_in_sentences(arguments, said):
    done = run("roofline", *(arguments if arguments == ("0",) else ("Llama 3 70B", *arguments)))
    assert done.exit_code == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_claims_of_scale_are_what_a_chalk_board_gives(board):
    """2,000 sequences a step of 20 ms; 72 chips of 160 GB; 3,333 bytes a token; a step that reads all memory or the weights alone."""
    assert board["latency floor of fast mode"].own_inputs.startswith("50 tokens/s while")
    active = 100e9 * 2 / (72 * 8e12)  # s to read the weights that one sequence uses
    assert f"{1 / active / 1e3:.2f}K tokens/s for one sequence" in board["latency floor of fast mode"].own_inputs
    assert board["a replica's share of traffic"].own_inputs.startswith("8.64B tokens a day, 1/3.2K")  # of 27.4T
    held = [100 * 1e12 * p / (72 * 160e9) for p in (2, 1, 0.5)]
    assert board["a trillion parameters"].own_inputs.endswith("17 % at bf16, 8.7 % at fp8, 4.3 % at fp4")
    assert held == pytest.approx([17.36, 8.68, 4.34], abs=0.01)
    left = 72 * 160e9 - 800e9 * 2
    assert (
        f"1M tokens take 3.33 GB, {human(left / 3.3333e9, 2)} sequences fit"
        in board["contexts of 1M and 100M"].own_inputs
    )
    assert board["aggregate bandwidth of a domain"].own_inputs.startswith("72 / 8 = 9x, 576 / 72 = 8x")


def test_claims_that_are_circular_or_do_not_agree_say_so(board):
    assert "circular" in board["context wall"].own_inputs
    assert "64 steps a second do not agree with its 20 ms, which are 50" in board["replica throughput"].own_inputs


def test_claims_on_the_command_line():
    done = run("reproduce", "--claims", "--json")
    assert done.exit_code == 0, done.stderr
    shown = run("reproduce", "--claims").stdout
    assert max(map(len, shown.splitlines())) <= 80
    assert "(DeepSeek-R1, B200)" in " ".join(shown.split())
    assert [c["quantity"] for c in json.loads(done.stdout)][:2] == ["balance batch", "memory drain time"]
