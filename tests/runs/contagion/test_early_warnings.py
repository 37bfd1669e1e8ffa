"""Early warnings: planted signals are told from noise, and a market warns before it fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

from runs.contagion import Plan
from runs.contagion.early_warnings import EarlyWarnings, Indicator, early_warnings, newcombe
from sim import Scenario
from sim.errors import ScenarioError

Make = Callable[..., Scenario]


def test_indicators_of_known_series() -> None:
    x = np.arange(50.0)
    assert Indicator("m").over(x, 5)[4:].tolist() == pytest.approx((x[4:] - 2.0).tolist())
    assert np.isnan(Indicator("m").over(x, 5)[:4]).all()
    assert Indicator("m", falling=True).over(x, 5)[-1] == -47.0
    assert Indicator("m", "change").over(x, 5)[-1] == 4.0
    assert Indicator("m", "variance").over(x, 5)[-1] == pytest.approx(0.0, abs=1e-12)
    assert Indicator("m", "variance").over(x**2, 5)[-1] == pytest.approx(
        np.var([0, 2, 4, 6], ddof=1)
    )
    assert Indicator("m", "autocorrelation").over(x, 5)[-1] == pytest.approx(1.0)
    assert Indicator("m", "autocorrelation").over((-1.0) ** x, 6)[-1] == pytest.approx(-1.0)
    assert Indicator("m", "autocorrelation").over(np.ones(50), 6)[-1] == 0.0
    growth = Indicator("m", "variance", relative=True).over(np.exp(0.1 * x), 5)
    assert growth[-1] == pytest.approx(0.0, abs=1e-12)
    assert np.isnan(Indicator("m").over(x[:3], 5)).all()


def test_autocorrelation_is_that_of_the_process() -> None:
    random, x = np.random.default_rng(1), np.zeros(20_000)
    for i in range(1, x.size):
        x[i] = 0.7 * x[i - 1] + random.standard_normal()
    assert Indicator("m", "autocorrelation").over(x, 20_000)[-1] == pytest.approx(0.7, abs=0.02)


def planted(lead: int, runs: int = 40) -> EarlyWarnings:
    """Half of the runs fail at block 60; a signal rises `lead` blocks before, noise does not."""
    random = np.random.default_rng(3)
    blocks = np.arange(100.0)
    crisis = np.where(np.arange(runs) % 2 == 0, 60.0, np.nan)
    noise = random.standard_normal((runs, 100))
    signal = noise.copy()
    signal[::2, 60 - lead :] += 20.0
    return EarlyWarnings(blocks, {"signal": signal, "noise": noise}, crisis)


@pytest.mark.parametrize("lead", [1, 12])
def test_a_planted_signal_is_found_with_its_lead(lead: int) -> None:
    table = planted(lead).table()
    assert table.index[0] == "signal"
    assert table.loc["signal", "auc"] == 1.0 and 0.8 < table.loc["signal", "auc_low"] < 0.99
    assert table.loc["signal", "hits"] == 1.0
    assert table.loc["signal", "false_alarms"] <= 0.1
    assert np.median(planted(lead).leads("signal", 0.0)) == lead
    assert table.loc["noise", "auc_low"] < 0.5 < table.loc["noise", "auc_high"]
    assert planted(lead).plot().axes


def test_what_comes_with_the_crisis_is_no_warning() -> None:
    found = planted(0)
    assert found.auc("signal") == found.auc("noise")
    assert planted(5).auc("signal", lead=5) == found.auc("noise", lead=5), "nor what is too late"
    assert planted(5).auc("signal", lead=4).estimate == 1.0


def test_the_area_is_that_of_mann_and_whitney() -> None:
    found = planted(1)
    scores, struck = found.scores("noise"), np.isfinite(found.crisis)
    u = stats.mannwhitneyu(scores[struck], scores[~struck]).statistic
    assert found.auc("noise").estimate == pytest.approx(u / (20 * 20))


def test_intervals_hold_their_level() -> None:
    random, inside = np.random.default_rng(5), 0
    true = stats.norm.cdf(1.0 / np.sqrt(2.0))
    for _ in range(400):
        a, b = random.standard_normal(15) + 1.0, random.standard_normal(25)
        area = (a[:, None] > b).mean()
        found = newcombe(float(area), 15, 25)
        inside += found.low <= true <= found.high
    assert inside >= 0.92 * 400
    whole, none = newcombe(1.0, 10, 10), newcombe(0.0, 10, 10)
    assert 0.7 < whole.low < 0.95 and whole.high == 1.0, "it has a width where all are told"
    assert 0.05 < none.high < 0.3 and none.low == 0.0


def test_alarms_in_vain_are_as_many_as_allowed() -> None:
    found = planted(3)
    calm = found.scores("noise")[~np.isfinite(found.crisis)]
    for share in (0.0, 0.1, 0.5):
        assert (calm > found.threshold("noise", share)).mean() == pytest.approx(share)


# A market


@pytest.fixture
def doomed(small: Make) -> Scenario:
    """A price that trends down, and borrowers who do not look."""
    borrowers = {
        "kind": "leveraged_borrower", "count": 12, "lending": "bank", "collateral": "eth",
        "debt": "usdc", "leverage": 2.5, "equity": 20_000.0, "attention": 0.0, "buffer": 1.02,
        "wallet": {"eth": 1.0},
    }  # fmt: skip
    falls = [
        {"kind": "price_jump", "asset": "eth", "size": -0.06, "block": b} for b in range(10, 80, 5)
    ]
    return small(agents={"borrowers": borrowers}, shocks=falls, blocks=90, measures={"every": 1})


WATCHED = {
    "endangered": Indicator("lending.bank.endangered"),
    "health": Indicator("lending.bank.health_min", falling=True),
    "variance": Indicator("venue.eth.price", "variance", relative=True),
    "gas": Indicator("gas.used"),
}


def test_a_market_warns_before_it_fails(doomed: Scenario) -> None:
    halved = {"calm": {"shocks": doomed.model_dump()["shocks"][:2]}}
    found = early_warnings(
        doomed, "lending.bank.loss > 1000", WATCHED, window=5, variants=halved, plan=Plan(seeds=4)
    )
    assert np.isfinite(found.crisis).sum() == 4
    table = found.table()
    assert table.loc["endangered", "auc"] == 1.0 and table.loc["health", "auc"] == 1.0
    assert table.loc["endangered", "lead"] > 10.0, "it warns before, not with it"
    assert table.loc["gas", "auc"] == 0.5, "nobody acts"


@pytest.mark.parametrize(
    ("crisis", "change", "word"),
    [
        ("lending.bank.loss > 1e12", {}, "0 of 2 runs"),
        ("last(lending.bank.loss) > 1", {}, "write it as lending"),
        ("lending.bank.loss > 1", {"window": 2}, "3 or more"),
        ("lending.bank.loss > 1", {"indicators": {}}, "say what is watched"),
        ("lending.bank.loss > 1", {"indicators": {"x": Indicator("no.such")}}, "no.such"),
        ("lending.bank.loss > 1", {"indicators": {"x": Indicator("gas.used", "slope")}}, "slope"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_judged_is_told(
    doomed: Scenario, crisis: str, change: dict[str, Any], word: str
) -> None:
    given = {"indicators": WATCHED, "window": 5} | change
    with pytest.raises(ScenarioError, match=word):
        early_warnings(doomed, crisis, plan=Plan(seeds=2, blocks=20), **given)
