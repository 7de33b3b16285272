import jax
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer import InputError, Scenario, load
from optimizer.assumptions.months import days_in_months, month_after
from optimizer.assumptions.traffic import GrowthTraffic, TableTraffic
from optimizer.assumptions.traffic_file import read_traffic


def growth(**given: object) -> GrowthTraffic:
    return GrowthTraffic.model_validate({"kind": "growth", "tokens_per_day": 1e9, "input_share": 0.75, **given})


def total(traffic: GrowthTraffic | TableTraffic) -> float:
    demand = traffic.demand()
    return float(demand.input_tokens + demand.output_tokens)


def test_calendar():
    assert days_in_months("2027-12", 4).tolist() == [31, 31, 29, 31]  # 2028 is a leap year
    assert days_in_months("2100-02", 1).tolist() == [28]
    assert month_after("2026-12", 1) == "2027-01"
    assert month_after("2026-01", 239) == "2045-12"


def test_no_growth_is_days_times_tokens():
    assert total(growth(start="2026-01", months=12)) == pytest.approx(365e9, rel=1e-15)
    assert total(growth(start="2028-01", months=12)) == pytest.approx(366e9, rel=1e-15)
    assert total(growth(start="2026-01", months=12, growth=0.0)) == total(growth(start="2026-01", months=12))


def test_partial_months_count_in_part():
    assert total(growth(start="2026-02", months=0.5)) == pytest.approx(14e9, rel=1e-15)
    assert total(growth(start="2026-01", months=1.5)) == pytest.approx((31 + 14) * 1e9, rel=1e-15)


def test_growth_ramp_and_decay_by_hand():
    assert total(growth(start="2026-01", months=3, growth=0.1)) == pytest.approx(
        (31 + 28 * 1.1 + 31 * 1.21) * 1e9, rel=1e-14
    )
    assert total(growth(start="2026-01", months=3, ramp_months=2)) == pytest.approx(
        (31 * 0.25 + 28 * 0.75 + 31) * 1e9, rel=1e-14
    )
    faded = growth(start="2026-01", months=4, decay=0.5, decay_from=1)
    assert total(faded) == pytest.approx((31 + 28 + 31 * 0.5 + 30 * 0.25) * 1e9, rel=1e-14)


def test_shares():
    demand = growth(months=1, share=0.1, ship_probability=0.5, cache_hit_share=0.4).demand()
    assert float(demand.input_tokens) == pytest.approx(31e9 * 0.75 * 0.05)
    assert float(demand.output_tokens) == pytest.approx(31e9 * 0.25 * 0.05)
    assert float(demand.cached_tokens) == pytest.approx(31e9 * 0.75 * 0.05 * 0.4)


@given(st.floats(0.01, 240), st.floats(-0.9, 1), st.floats(0, 24), st.floats(0, 0.99))
def test_any_forecast_is_finite_and_differentiable(months, rate, ramp, decay):
    traffic = growth(months=months, growth=rate, ramp_months=ramp, decay=decay)
    value, slope = jax.value_and_grad(lambda t: t.demand().output_tokens)(traffic)
    assert 0 <= float(value) < float("inf")
    assert all(abs(float(v)) < float("inf") for v in jax.tree.leaves(slope))
    assert float(slope.tokens_per_day) >= 0


def test_longer_life_and_more_growth_mean_more_tokens():
    lives = [total(growth(months=m / 4, growth=0.05)) for m in range(1, 100)]
    assert lives == sorted(lives)


def test_published_total_as_starting_point():
    # Google, all surfaces, May 2026: 3.2e15 tokens a month; 1/100 of it.
    s = load("lecture-2026").update(
        {
            "traffic": {
                "kind": "growth",
                "name": "google-all-surfaces-2026-05-19",
                "share": 0.01,
                "start": "2026-06",
                "months": 1,
            }
        }
    )
    assert total(s.traffic) == pytest.approx(3.2e15 / 30 * 30 * 0.01, rel=1e-3)
    assert Scenario.from_toml(s.to_toml()) == s
    changed = s.update({"traffic.tokens_per_day": 1e12})
    assert changed.traffic.tokens_per_day == 1e12
    assert Scenario.from_toml(changed.to_toml()) == changed


TABLE = [
    {"month": "2028-02", "input_tokens_per_day": 3e9, "output_tokens_per_day": 1e9},
    {"month": "2028-03", "input_tokens_per_day": "4B", "output_tokens_per_day": 0},
]


def test_table_inline_from_file_and_from_the_generator_agree(tmp_path):
    inline = TableTraffic.model_validate({"kind": "table", "table": TABLE})
    assert total(inline) == pytest.approx(29 * 4e9 + 31 * 4e9)
    path = tmp_path / "traffic.csv"
    path.write_text(
        "output_tokens_per_day,month,input_tokens_per_day,remark\n1e9,2028-02,3e9,launch\n0,2028-03,4B,\n\n"
    )
    found = TableTraffic.model_validate({"kind": "table", "file": str(path)})
    assert found.model_copy(update={"read_as": ""}) == inline
    flat = TableTraffic.model_validate(
        {
            "kind": "table",
            "table": [
                {"month": m, "input_tokens_per_day": 7.5e8, "output_tokens_per_day": 2.5e8}
                for m in ("2026-01", "2026-02", "2026-03")
            ],
        }
    )
    assert total(flat) == pytest.approx(total(growth(start="2026-01", months=3)))


def test_a_file_is_looked_up_in_the_folder_of_the_scenario_and_becomes_part_of_it(tmp_path):
    (tmp_path / "t.csv").write_text("month,input_tokens_per_day,output_tokens_per_day\n2026-01,1e12,1e11\n")
    path = tmp_path / "s.toml"
    path.write_text('[goal]\nkind = "params"\nparams = "8B"\n[traffic]\nkind = "table"\nfile = "t.csv"\n')
    s = load(path)
    (tmp_path / "t.csv").unlink()
    assert Scenario.from_toml(s.to_toml()) == s
    assert float(s.traffic.demand().input_tokens) == 31e12


def test_gradient_reaches_every_cell_of_a_table():
    traffic = TableTraffic.model_validate({"kind": "table", "table": TABLE})
    slope = jax.grad(lambda t: t.demand().input_tokens)(traffic)
    assert [float(m.input_tokens_per_day) for m in slope.table] == [29, 31]


def test_byte_order_mark_and_windows_lines(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(b"\xef\xbb\xbfmonth,input_tokens_per_day,output_tokens_per_day\r\n2026-01,1,2\r\n")
    assert read_traffic(path).rows == [{"month": "2026-01", "input_tokens_per_day": 1.0, "output_tokens_per_day": 2.0}]


def test_either_table_or_file():
    with pytest.raises(InputError, match="needs exactly one of table or file, got table, file"):
        load("lecture-2026").update({"traffic": {"kind": "table", "table": TABLE, "file": "x.csv"}})


def test_whole_months_have_the_derivative_of_the_month_that_ends():
    slope = jax.grad(lambda t: t.demand().output_tokens)(growth(start="2026-01", months=12.0))
    assert float(slope.months) == pytest.approx(31 * 0.25e9)
    inside = jax.grad(lambda t: t.demand().output_tokens)(growth(start="2026-01", months=1.5))
    assert float(inside.months) == pytest.approx(28 * 0.25e9)


def test_one_sided_figures_are_no_total():
    with pytest.raises(InputError, match="unknown published traffic total"):
        load("lecture-2026").update(
            {"traffic": {"kind": "growth", "name": "deepseek-v3-r1-production-output-one-day-2025-02-27"}}
        )
