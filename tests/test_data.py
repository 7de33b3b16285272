"""Every number in data/ has a unit, a source, a day, a kind and a plausible value, and every row is there once."""

import csv
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from optimizer import InputError, load, table
from optimizer.analysis.placement import placement
from optimizer.analysis.serving import key_figures
from optimizer.assumptions.published_laws import law_names
from optimizer.assumptions.tables import rows, table_names

KEYS = {
    "hardware": ("chip",),
    "hardware_prices": ("chip", "offer", "provider", "usd_per_chip_hour", "as_of"),
    "models": ("name",),
    "api_prices": ("provider", "model", "tier"),
    "traffic": ("key",),
    "laws": ("law", "parameter"),
    "operating_points": ("topic", "model", "chip", "precision", "value", "unit", "tokens_per_second_per_user"),
    "storage_tiers": ("tier",),
    "throughput": (
        "category",
        "model",
        "chip",
        "chips",
        "parallelism",
        "batch",
        "input_tokens",
        "output_tokens",
        "software",
        "source",
    ),
    "law_posterior": ("law", "statistic", "row", "column"),
    "law_weights": ("law",),
    "law_sweeps": ("law",),
    "law_draws": ("law", "E", "A", "B", "alpha", "beta", "gamma"),
    "columns": ("table", "column"),
}
KINDS = {"measured", "list price", "reported", "derived", "assumption"}
FACTS = [name for name in KEYS if name not in ("columns", "law_draws")]
"""The draws of a law have the source of its row in law_weights."""


def is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def test_every_table_is_known_here():
    assert set(table_names()) == set(KEYS)


@pytest.mark.parametrize("name", [name for name in KEYS if name != "law_draws"])  # draws by importance may repeat
def test_rows_are_unique(name):
    counts = Counter(tuple(r[k] for k in KEYS[name]) for r in rows(name))
    assert [key for key, n in counts.items() if n > 1] == []


@pytest.mark.parametrize("name", KEYS)
def test_rows_are_rectangular(name):
    path = Path(__file__).parents[1] / "data" / f"{name}.csv"
    with path.open(newline="") as file:
        widths = {len(line) for line in csv.reader(file)}
    assert len(widths) == 1


@pytest.mark.parametrize("name", FACTS)
def test_every_row_has_source_day_and_kind(name):
    for r in rows(name):
        assert r["source"].startswith("http"), r
        assert re.fullmatch(r"20\d\d(-\d\d(-\d\d)?)?", r["as_of"]), r
        assert r["kind"] in KINDS, r


@pytest.mark.parametrize("name", FACTS)
def test_every_numeric_column_has_unit_meaning_and_range(name):
    declared = {c["column"]: c for c in rows("columns") if c["table"] == name}
    assert set(declared) <= set(rows(name)[0])
    texts = {"unit", "as_of", "release_date", "price_as_of", "period_start", "period_end"}
    for column in set(rows(name)[0]) - texts:
        cells = [r[column] for r in rows(name) if r[column]]
        if cells and all(map(is_number, cells)):
            assert column in declared, f"{name}.{column} has no row in columns.csv"
        if column in declared:
            assert declared[column]["unit"]
            assert declared[column]["about"]
            low, high = float(declared[column]["low"]), float(declared[column]["high"])
            for cell in cells:
                assert low <= float(cell) <= high, f"{name}.{column}: {cell} outside [{low:g}, {high:g}]"


def test_long_tables_carry_a_unit_in_every_row():
    for name in ("laws", "law_posterior", "traffic"):
        assert all(r["unit"] for r in rows(name))


def test_frames_know_their_units():
    frame = table("hardware")
    assert frame.attrs["units"]["hbm_bytes_per_second"] == "bytes/s"
    assert frame.loc[frame["chip"] == "H100 SXM", "bf16_flops_per_second"].item() == 9.89e14


def test_prices_name_their_source():
    for r in rows("hardware"):
        assert (
            bool(r["usd_per_chip_hour"]) == bool(r["price_source"]) == bool(r["price_as_of"]) == bool(r["price_offer"])
        )


def test_chips_of_prices_are_chips():
    known = {r["chip"] for r in rows("hardware")}
    # Offers for chips whose figures are not on record stay, as facts about prices.
    assert {r["chip"] for r in rows("hardware_prices")} - known == {
        "A100-80GB",
        "A100-80GB PCIe",
        "Trainium1",
    }


def test_posterior_is_a_covariance_near_the_published_point():
    # The stated correlation of ln A and alpha is 0.9993 to four digits of the covariance as printed.
    names = ["ln A", "ln B", "ln E", "alpha", "beta"]
    cov = np.zeros((5, 5))
    for r in rows("law_posterior"):
        if r["law"] == "besiroglu" and r["statistic"] == "covariance":
            i, j = names.index(r["row"]), names.index(r["column"])
            cov[i, j] = cov[j, i] = float(r["value"])
    # Four printed digits leave the smallest eigenvalue at -8e-9, inside their rounding.
    rounding = np.linalg.norm(0.5e-3 * np.abs(cov))
    assert np.linalg.eigvalsh(cov).min() > -rounding
    correlation = cov / np.sqrt(np.outer(np.diag(cov), np.diag(cov)))
    assert correlation[0, 3] == pytest.approx(0.9993, abs=2e-4)
    assert correlation[1, 4] > 0.99


def test_ensemble_laws():
    assert law_names("ensemble") == ["besiroglu", "hoffmann", "de-vries", "muennighoff"]
    assert "sardana-all" in law_names("stress")


def test_cards_outside_the_data_centre():
    assert {"H800 SXM", "H20", "L40S", "L4", "A10G", "RTX 4090", "RTX 5090", "A100-40GB SXM"} <= {
        r["chip"] for r in rows("hardware")
    }
    s = load("on-device").update({"money.serve_chip": "RTX 4090", "money.unit": "usd"})
    assert s.money.serve_chip.peak_flops == 1.652e14
    own = {
        "label": "my card",
        "peak_flops": 165e12,
        "usd_per_chip_hour": 0.5,
        "hbm_bytes": 24e9,
        "hbm_bytes_per_second": 1.008e12,
    }
    point = placement(
        "Qwen3 8B",
        changes={
            "money.serve_chip": own,
            "deployment.placement": "given",
            "deployment.chips": 1,
            "deployment.memory_share": 0.9,
        },
    )
    assert point.scenario.money.serve_chip.title == "my card"
    held = key_figures(point)["largest batch in memory"][0]
    assert held == pytest.approx((21.6e9 - 16.4e9) / (147456 * 8000), rel=1e-3)
    with pytest.raises(
        InputError, match=r"unknown chip 'RTX 9090', did you mean 'RTX \d090'.* Give a chip of your own by its numbers"
    ):
        s.update({"money.serve_chip": "RTX 9090"})
    assert (
        s.update({"money.serve_chip": {k: v for k, v in own.items() if k != "label"}}).money.serve_chip.title
        == "own chip"
    )
