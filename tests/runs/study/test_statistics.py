"""Statistics of many runs, against closed forms and by simulation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from runs.study.statistics import interval, paired, rate, statistic, summary


def test_statistics_are_what_their_names_say() -> None:
    x = np.arange(1.0, 101.0)
    assert statistic("mean")(x) == 50.5
    assert statistic("median")(x) == 50.5
    assert statistic("sd")(x) == pytest.approx(np.std(x, ddof=1))
    assert statistic("q95")(x) == pytest.approx(np.quantile(x, 0.95))
    assert statistic("es95")(x) == pytest.approx(98.0)  # mean of 96 to 100
    assert statistic("es95")(np.arange(1.0, 11.0)) == pytest.approx(10.0)  # half of the largest
    assert statistic("es90")(x.reshape(2, 50)) == pytest.approx([48.0, 98.0])
    with pytest.raises(ValueError, match="unknown statistic"):
        statistic("mode")


def test_expected_shortfall_of_a_normal_sample_is_the_closed_form() -> None:
    x = np.random.default_rng(3).normal(size=200_000)
    z = stats.norm.ppf(0.95)
    assert statistic("es95")(x) == pytest.approx(stats.norm.pdf(z) / 0.05, abs=0.01)


@pytest.mark.parametrize("name", ["mean", "median", "q95", "es95"])
def test_intervals_hold_the_estimate_and_depend_on_the_sample_alone(name: str) -> None:
    x = np.random.default_rng(5).lognormal(0.0, 1.0, 60)
    found = interval(x, name)
    assert found.low < found.estimate <= found.high
    assert interval(x, name) == found
    scaled = interval(x * 1024.0, name)
    assert scaled.low == pytest.approx(1024.0 * found.low, rel=1e-12)
    assert interval(np.append(x, np.nan), name) == found


def test_intervals_of_a_skewed_mean_hold_their_level() -> None:
    rng = np.random.default_rng(11)
    covered = 0
    for _ in range(300):
        found = interval(rng.exponential(1.0, 30), resamples=500)
        covered += found.low <= 1.0 <= found.high
    assert 0.90 <= covered / 300 <= 0.975


def test_a_larger_level_is_wider() -> None:
    x = np.random.default_rng(7).normal(size=40)
    assert interval(x, level=0.99).half_width > interval(x, level=0.8).half_width


def test_samples_that_tell_little_say_so() -> None:
    assert np.isnan(interval([]).estimate)
    one = interval([3.0])
    assert one.estimate == 3.0
    assert np.isnan(one.low)
    alike = interval([2.0] * 9)
    assert (alike.estimate, alike.low, alike.high) == (2.0, 2.0, 2.0)


def test_a_rate_of_nothing_still_has_an_interval() -> None:
    found = rate(0, 20)
    assert found.estimate == 0.0
    assert found.high == pytest.approx(0.161, abs=0.001)  # Wilson
    assert np.isnan(rate(0, 0).estimate)


def frame() -> pd.DataFrame:
    rng = np.random.default_rng(2)
    rows = []
    for depth in (1.0, 2.0):
        for seed in range(20):
            luck = rng.normal(0.0, 100.0)
            rows.append((depth, "base", seed, 50.0 + luck))
            rows.append((depth, "cut", seed, 50.0 + luck - 5.0 * depth + rng.normal(0.0, 1.0)))
    return pd.DataFrame(rows, columns=["depth", "variant", "seed", "loss"])


def test_a_summary_has_a_row_per_group_and_statistic() -> None:
    found = summary(frame(), ["depth", "variant"], ["loss"], ["mean", "q95"])
    assert list(found.columns) == [
        "depth",
        "variant",
        "measure",
        "statistic",
        "runs",
        "estimate",
        "low",
        "high",
    ]
    assert len(found) == 2 * 2 * 2
    assert (found["runs"] == 20).all()
    whole = summary(frame(), [], ["loss"], ["mean"])
    assert whole["estimate"].iloc[0] == pytest.approx(frame()["loss"].mean())


def test_pairs_on_common_seeds_find_what_luck_would_hide() -> None:
    table = frame()
    found = paired(table, "variant", "base", ["depth"], ["loss"]).set_index("depth")
    for depth in (1.0, 2.0):
        row = found.loc[depth]
        assert row["low"] <= -5.0 * depth <= row["high"]
        assert row["high"] - row["low"] < 2.0
        assert row["pairs"] == 20
        assert row["p_sign"] < 1e-3
        assert row["share_above"] == 0.0
    apart = summary(table, ["depth", "variant"], ["loss"], ["mean"])
    assert (apart["high"] - apart["low"]).min() > 30.0


def test_pairs_need_a_baseline_and_leave_lone_runs_out() -> None:
    table = frame()
    with pytest.raises(ValueError, match="never is 'none'"):
        paired(table, "variant", "none", [], ["loss"])
    lone = table.drop(table.index[0])  # a base run without its pair
    found = paired(lone, "variant", "base", ["depth"], ["loss"])
    assert found["pairs"].tolist() == [19, 20]
    parameter = paired(table[table["variant"] == "base"], "depth", 1.0, ["variant"], ["loss"])
    assert parameter["depth"].tolist() == [2.0]


def test_alike_pairs_decide_nothing() -> None:
    table = pd.DataFrame(
        {"variant": ["base", "cut"] * 3, "seed": [1, 1, 2, 2, 3, 3], "x": [0.0] * 6}
    )
    found = paired(table, "variant", "base", [], ["x"]).iloc[0]
    assert (found["difference"], found["p_sign"]) == (0.0, 1.0)
