"""The calibrated roofline against measurements that the calibration did not see, and the defaults against the fits they come from."""

from pathlib import Path

import numpy as np
import pytest

from docs.pages.serving import page
from optimizer import load
from optimizer.assumptions.deployment import Deployment, released
from optimizer.assumptions.tables import rows
from optimizer.evidence import throughput
from optimizer.evidence.shapes import power_law
from optimizer.evidence.throughput import BATCH_CLASSES, FITTED, accuracy, calibrate, crosswise, engines, predictions
from optimizer.model.replica import replica, step_time
from optimizer.model.roofline import batch_size
from optimizer.report.serving_text import ENGINE_RATIO, HELD_OUT_ERROR

KINDS = ("one chip", "tensor")


@pytest.fixture(scope="module")
def judged():
    frame = predictions()
    frame["class"] = np.where(frame["chips"] > 1, "tensor", "one chip")
    return frame


def test_the_defaults_are_the_fit():
    fitted = calibrate()
    d = Deployment()
    for name in FITTED:
        default = float(d.link_share_used() if name == "link_share" else getattr(d, name))
        assert default == pytest.approx(fitted[name], rel=3e-3), name  # three digits
    assert d.compute_share == d.prefill_share


def test_the_fit_recovers_what_made_the_data(monkeypatch):
    known = dict(zip(FITTED, (0.6, 0.8, 0.3, 5e-5, 2e-5), strict=True))
    made = predictions(known)
    lone = made["category"] == "prefill"
    made.loc[~lone, "output_tokens_per_second"] = made["predicted"]
    made.loc[lone, "seconds"] = 1 / made["predicted"]
    monkeypatch.setattr(throughput, "_measured", lambda: made)
    fitted = calibrate()
    for name, value in known.items():
        assert fitted[name] == pytest.approx(value, rel=1e-3), name


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("parts", [("validation",), ("saturation",), ("validation", "saturation")], ids=" and ".join)
def test_points_not_used_for_calibration_are_met(judged, kind, parts):
    """Median within 25 %, 90th percentile within a factor 2: the held-out half, later software at full load, and both."""
    decode = judged[judged["part"].isin(parts) & (judged["category"] != "prefill")]
    result = accuracy(decode, ["class"]).loc[kind]
    assert result["median_error"] < 0.25
    assert result["p90_factor"] < 2


def test_every_row_is_met_by_a_fit_that_did_not_see_it():
    """From one sequence to saturation; the one class of batches that misses is named on the page."""
    crossed = crosswise()
    assert len(crossed) == sum(r["part"] in ("calibration", "validation") for r in rows("throughput"))
    decode = crossed[crossed["category"] != "prefill"]
    decode = decode.assign(kind=np.where(decode["chips"] > 1, "tensor", "one chip"))
    for result in (accuracy(decode, ["kind"]), accuracy(decode, ["sequences", "kind"])):
        assert (result["p90_factor"] < 2).all()
    by_batch = accuracy(decode, ["sequences", "kind"])["median_error"]
    assert {name for name, kind in by_batch.index if kind == "tensor"} == set(BATCH_CLASSES)
    assert list(by_batch[by_batch > 0.25].index) == [("2 to 16", "tensor")]
    assert "Two to 16 sequences with tensor parallelism: the class that misses the target" in page()


def test_the_command_states_the_errors_that_are_measured(judged):
    decode = judged[judged["part"].isin(["validation", "saturation"]) & (judged["category"] != "prefill")]
    measured = accuracy(decode, ["class"])["median_error"]
    for kind in KINDS:
        assert HELD_OUT_ERROR[kind] == pytest.approx(measured[kind], abs=0.005)
    said = "{one:.0%} on one chip and {tensor:.0%} with tensor parallelism"
    said = said.format(one=HELD_OUT_ERROR["one chip"], tensor=HELD_OUT_ERROR["tensor"]).replace("%", " %")
    assert said in (Path(__file__).parents[2] / "docs" / "evidence.md").read_text()


def test_the_command_states_how_far_engines_of_later_years_lie():
    found = accuracy(engines(), ["engine", "kind_of_model"])
    for kind, ratio in ENGINE_RATIO.items():
        assert ratio == pytest.approx(found.loc[kind, "median_ratio"], abs=0.005), kind
    assert found.loc[("vendor", "experts"), "rows"] == 45


def test_rows_of_engines_fit_nothing():
    kept = {r["part"] for r in rows("throughput") if r["engine"] == "static"}
    assert kept == {"calibration", "validation"}
    later = [r for r in rows("throughput") if r["part"] == "engines"]
    assert len(later) == 145
    assert {r["engine"] for r in later} == {"vendor", "community"}


def test_caches_are_read_once_per_query_head_where_kernels_do_not_share_the_read():
    # Hidden sizes over head sizes over heads of the cache: 8192 / 128 / 8 and 14848 / 64 / 8 (config files).
    expected = {"Llama 2 70B": 8192 / 128 / 8, "Falcon 180B": 14848 / 64 / 8}
    for r in rows("throughput"):
        shared_later = r["category"] == "static batch" and r["software"] == "TensorRT-LLM 0.6.1"
        assert float(r["cache_reads"]) == (expected.get(r["model"], 1) if shared_later else 1), r["model"]


def test_every_measured_row_is_predicted(judged):
    assert len(judged) == len(rows("throughput"))
    assert np.isfinite(judged["ratio"]).all()


def test_a_70b_model_on_8_h100_at_its_published_throughput(judged):
    """Four replicas of two chips, TensorRT-LLM 1.0, every published length of prompt and output."""
    published = judged[
        (judged["part"] == "saturation") & (judged["model"] == "Llama-3.3-70B") & (judged["chip"] == "H100 SXM")
    ]
    assert (published["chips"] == 2).all()
    assert len(published) == 10
    assert published["ratio"].between(1 / 1.5, 1.5).all()


def test_deepseek_v3_on_144_chips_at_its_published_operating_point():
    """H800 in production: 21 tokens/s for a user at 4989 tokens of context, 1850 output tokens/s per chip. Links of 50 GB/s between nodes."""
    (point,) = (r for r in rows("operating_points") if r["chip"] == "H800")
    n_params, shape = released("DeepSeek-V3")
    s = load("lecture-2026").update(
        {
            "money.unit": "usd",
            "serving.method": "roofline",
            "money.serve_chip": {
                "name": "H100 SXM",
                "precision": "fp8",
                "scaleup_domain_chips": 144,
                "scaleup_bytes_per_second": 5e10,
            },
            "deployment": {
                **shape,
                "chips": float(point["chips"]),
                "parallelism": "expert",
                "context_tokens": float(point["context_tokens"]),
                "batch": "latency",
                "target_tokens_per_second": float(point["tokens_per_second_per_user"]),
            },
        }
    )
    r = replica(s, n_params)
    batch = batch_size(s, r)
    per_chip = float(batch / step_time(r, batch).total) / 144
    assert 0.5 < per_chip / float(point["value"]) < 2


def test_a_rack_of_72_chips_at_its_published_throughput():
    """The largest batch that memory holds, which is more than was run: the source gives no speed."""
    (point,) = (
        p
        for p in rows("operating_points")
        if (p["topic"], p["chip"], p["chips"], p["precision"]) == ("decode", "GB200 NVL72", "", "bf16 attn, fp8 MoE")
    )
    n_params, shape = released("DeepSeek-V3")
    s = load("lecture-2026").update(
        {
            "money.unit": "usd",
            "serving.method": "roofline",
            "money.serve_chip": {"name": "GB200 NVL72", "precision": "fp8"},
            "deployment": {**shape, "parallelism": "expert", "context_tokens": float(point["context_tokens"])},
        }
    )
    r = replica(s, n_params)
    batch = batch_size(s, r)
    per_chip = float(batch / step_time(r, batch).total) / 72
    assert 0.5 < per_chip / float(point["value"]) < 2


def test_shapes_follow_the_fits():
    d = Deployment()
    layers, cache = power_law("n_layers"), power_law("kv_bytes_per_token_growing")
    assert d.reference_params == 1e10
    assert d.layers == pytest.approx(layers.at_reference, rel=3e-3)
    assert d.layers_exponent == pytest.approx(layers.exponent, abs=1e-3)
    assert d.kv_bytes_per_token == pytest.approx(cache.at_reference, rel=3e-3)
    assert d.kv_exponent == pytest.approx(cache.exponent, abs=1e-3)
