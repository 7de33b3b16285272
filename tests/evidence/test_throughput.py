"""The calibrated roofline against measurements that the calibration did not see, and the defaults against the fits they come from."""

import numpy as np
import pytest

from optimizer.assumptions.deployment import Deployment
from optimizer.assumptions.tables import rows
from optimizer.evidence import throughput
from optimizer.evidence.shapes import power_law
from optimizer.evidence.throughput import APART, FITTED, accuracy, calibrate, deployment_class, held_out, predictions
from optimizer.model.accuracy import SERVING_ERRORS
from tests.counts import thorough


@pytest.fixture(scope="module")
def fitted():
    return calibrate()


@pytest.fixture(scope="module")
def judged(fitted):
    return predictions(fitted)


@pytest.fixture(scope="module")
def crossed():
    frame = held_out()
    frame = frame[frame["category"] != "prefill"]
    return frame.assign(deployment=deployment_class(frame))


def test_the_defaults_are_the_fit(fitted):
    d, community = Deployment(), Deployment(engine="community")
    elsewhere = {"link_share": d.link_share_used(), "community_share": community.engine_speed_used()}
    elsewhere |= dict(zip(("expert_half_width", "expert_prefill_half_width"), d.half_widths_used(), strict=True))
    elsewhere["tuned_half_width"] = Deployment(engine="tuned").half_widths_used()[0]
    for name, value in fitted.items():
        if name != "limit_share":
            default = float(elsewhere[name] if name in elsewhere else getattr(d, name))
            assert default == pytest.approx(value, rel=0.01), name
    assert d.compute_share == d.prefill_share


def test_the_fit_recovers_what_made_the_data(monkeypatch, fitted):
    known = {name: (fitted[name] * FITTED[name].start) ** 0.5 for name in FITTED}
    made = predictions(known)
    lone = made["category"] == "prefill"
    made.loc[~lone, "output_tokens_per_second"] = made["predicted"]
    made.loc[lone, "seconds"] = 1 / made["predicted"]
    monkeypatch.setattr(throughput, "_measured", lambda: made)
    found = calibrate(start=fitted)
    for name, value in known.items():
        assert found[name] == pytest.approx(value, rel=0.01), name


@thorough
def test_models_that_the_fit_did_not_see(crossed):
    """Vendors' engines: median within 20 %; every other bound is what was reached, by class, as the answers state it."""
    for name, row in accuracy(crossed, ["deployment"]).iterrows():
        stated = SERVING_ERRORS[name]
        factor = np.exp(np.abs(np.log(crossed.loc[crossed["deployment"] == name, "ratio"])))
        assert row["rows"] == stated.rows
        assert row["median_error"] == pytest.approx(stated.median, abs=0.01)
        assert factor.quantile(0.8) == pytest.approx(stated.within, abs=0.02)


def test_caches_are_read_once_per_query_head_where_kernels_do_not_share_the_read():
    # Hidden sizes over head sizes over heads of the cache: 8192 / 128 / 8 and 14848 / 64 / 8 (config files).
    expected = {"Llama 2 70B": 8192 / 128 / 8, "Falcon 180B": 14848 / 64 / 8}
    for r in rows("throughput"):
        shared_later = r["software"] == "TensorRT-LLM 0.6.1"
        assert float(r["cache_reads"]) == (expected.get(r["model"], 1) if shared_later else 1), r["model"]


def test_every_measured_row_is_predicted(judged):
    apart = judged["category"].isin(APART)
    assert (~apart).sum() == len(rows("throughput")) == 287
    assert apart.sum() == 10
    assert np.isfinite(judged["ratio"]).all()


def test_a_70b_model_on_8_h100_at_its_published_throughput(judged):
    """Four replicas of two chips, TensorRT-LLM 1.0, every published length of prompt and output."""
    published = judged[
        (judged["software"].str.startswith("TensorRT-LLM 1.0"))
        & (judged["model"] == "Llama-3.3-70B")
        & (judged["chip"] == "H100 SXM")
    ]
    assert (published["chips"] == 2).all()
    assert len(published) == 10
    assert published["ratio"].between(1 / 1.5, 1.5).all()


def test_deepseek_v3_across_many_chips_at_its_published_throughput(judged):
    """Production on 144 H800 at 21 tokens/s, SGLang on 96 H100 and on racks: prompts and decoding, each within a third."""
    tuned = judged[judged["engine"] == "tuned"]
    stated = SERVING_ERRORS["tuned software"]
    factor = np.exp(np.abs(np.log(tuned["ratio"])))
    assert len(tuned) == stated.rows == 8
    assert factor.max() < 1.4
    assert np.abs(tuned["ratio"] - 1).median() == pytest.approx(stated.median, abs=0.01)
    assert factor.quantile(0.8) == pytest.approx(stated.within, abs=0.02)


def test_a_rack_and_servers_at_the_published_speed_that_no_fit_saw(judged):
    """DeepSeek-R1 at 125 tokens/s for every user: 4130 tokens/s a chip on a rack of 72, 941 on 40 chips of servers of 8."""
    found = {r["chip"]: r for r in judged[judged["part"] == "check"].to_dict("records")}
    assert set(found) == {"GB200 NVL72", "B200 SXM"}
    assert all(1 / 1.5 < r["ratio"] < 1.5 for r in found.values())
    rack, servers = (found[name]["predicted"] / found[name]["chips"] for name in ("GB200 NVL72", "B200 SXM"))
    assert rack / servers == pytest.approx(4130 / 941, rel=0.25)


def test_shapes_follow_the_fits():
    d = Deployment()
    layers, cache = power_law("n_layers"), power_law("kv_bytes_per_token_growing")
    assert d.reference_params == 1e10
    assert d.layers == pytest.approx(layers.at_reference, rel=3e-3)
    assert d.layers_exponent == pytest.approx(layers.exponent, abs=1e-3)
    assert d.kv_bytes_per_token == pytest.approx(cache.at_reference, rel=3e-3)
    assert d.kv_exponent == pytest.approx(cache.exponent, abs=1e-3)
