"""Two banks: what reaches the second when ether falls, and that nothing does when all is cut."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from runs.dev import capital
from sim import Market, Scenario
from sim.scenario import Switches

CHANNELS = (
    "funds_sell_across",
    "makers_capital_binds",
    "fear_spreads",
    "liquidators_share_capital",
    "claims_as_collateral",
    "interconnected",
    "gas_binds",
)
SECOND = ("lending.two.", "pool.btc-usdc.", "venue.btc.", "oracle.btc.")
"""Measures of the second bank, and of all that it depends on."""
THEIRS = ("two", "btc-usdc", "btc-borrowers-", "btc-traders-")
"""Accounts there."""


def opened(*open_: str, fall: float, seed: int, **changes: Any) -> Market:
    """A market that has run with some channels open."""
    switches = {f"switches.{name}": name in open_ for name in CHANNELS}
    setup = Scenario.load("two_banks").override(switches | {"shocks.0.size": fall} | changes)
    return Market(setup, rng=seed).run()


def run(*open_: str, fall: float, seed: int, **changes: Any) -> pd.DataFrame:
    """The rows of such a run."""
    market = opened(*open_, fall=fall, seed=seed, **changes)
    rows: pd.DataFrame = market.datacollector.get_model_vars_dataframe()
    market.close()
    return rows


def theirs(market: Market) -> pd.DataFrame:
    """What everybody there holds."""
    ledger = market.ledger
    names = [n for n in ledger.accounts if n in THEIRS[:2] or n.startswith(THEIRS[2:])]
    rows = [ledger.balances[ledger.account(name)] for name in names]
    return pd.DataFrame(np.array(rows), names, list(ledger.tokens))


def of_the_second(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[[name for name in rows.columns if name.startswith(SECOND)]]


def test_the_channels_are_switches() -> None:
    assert set(CHANNELS) <= set(Switches.model_fields)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_with_all_channels_cut_the_second_bank_is_its_twin_to_the_bit(seed: int) -> None:
    markets = [opened(fall=fall, seed=seed) for fall in (-0.4, 0.0)]
    hit, twin = (market.datacollector.get_model_vars_dataframe() for market in markets)
    second = of_the_second(hit)
    assert second.shape[1] > 55
    pd.testing.assert_frame_equal(second, of_the_second(twin), check_exact=True)
    pd.testing.assert_frame_equal(theirs(markets[0]), theirs(markets[1]), check_exact=True)
    assert hit["lending.one.loss"].iloc[-1] > 1e5  # while the first is hurt


def test_with_all_of_them_open_it_loses_and_with_each_alone_far_less() -> None:
    seeds = (1, 2, 3)

    def lost(*open_: str) -> float:
        rows = [run(*open_, fall=-0.4, seed=seed)["lending.two.loss"].iloc[-1] for seed in seeds]
        return float(np.mean(rows))

    together = lost(*CHANNELS)
    alone = sum(lost(name) for name in CHANNELS)
    assert together > 1e5
    assert together > 2.0 * alone  # far more than the sum of what each carries alone


def test_without_the_fall_nothing_is_lost_with_all_of_them_open() -> None:
    rows = run(*CHANNELS, fall=0.0, seed=1)
    for bank in ("one", "two"):
        assert rows[f"lending.{bank}.loss"].iloc[-1] == 0.0
        assert rows[f"lending.{bank}.liquidated"].iloc[-1] == 0.0
        assert rows[f"lending.{bank}.usdc.utilisation"].iloc[-1] < 0.92


def test_makers_of_more_capital_spare_the_second_bank() -> None:
    def lost(times: float) -> float:
        more = {"agents.makers.wallet.usdc": times * 4e6}
        frames = [run(*CHANNELS, fall=-0.4, seed=seed, **more) for seed in (1, 2, 3)]
        return float(np.mean([rows["lending.two.loss"].iloc[-1] for rows in frames]))

    assert lost(8.0) < 0.5 * lost(1.0)


def test_on_a_given_path_more_capital_of_liquidators_loses_less() -> None:
    """What they cover falls in no step; that losses have a hump comes of what their sales do."""
    seeds, times = (1, 2, 3, 4, 5, 6), (0.1, 1.0, 10.0)
    given: dict[float, list[float]] = {each: [] for each in times}
    made: dict[float, list[float]] = {each: [] for each in times}
    lows: dict[float, list[float]] = {each: [] for each in times}
    for seed in seeds:
        frames = {each: capital.run(seed, capital.cash("liquidators", each)) for each in times}
        changes = capital.replayed(capital.path_of(frames[1.0], lasting=True))
        for each in times:
            fixed = capital.run(seed, capital.cash("liquidators", each) | changes)
            given[each].append(capital.lost(fixed)["both"])
            made[each].append(capital.lost(frames[each])["both"])
            lows[each].append(float(frames[each]["venue.btc.price"].min()))
            low = float(frames[1.0]["venue.btc.price"].min())
            assert fixed["venue.btc.price"].iloc[-1] == pytest.approx(low, rel=1e-6)
    # Of every seed, on a fall that does not come back and that no sale moves.
    assert (np.diff([given[each] for each in times], axis=0) < 0.0).all()
    # With their own sales in the price there is a hump, and the price falls further with capital.
    assert np.mean(made[0.1]) < np.mean(made[1.0]) > np.mean(made[10.0])
    assert np.mean(lows[0.1]) > np.mean(lows[1.0]) > np.mean(lows[10.0])
