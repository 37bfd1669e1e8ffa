"""The market as a Mesa model: the same bits, and everybody's own draws."""

from __future__ import annotations

import gc
import math
import subprocess
import sys
import weakref
from collections.abc import Callable
from typing import Any

import mesa
import numpy as np
import pandas as pd
import pytest

from agents import MarketAgent, NoiseTrader
from sim import LedgerError, Market, Scenario
from sim.errors import ScenarioError


def table(market: Market) -> pd.DataFrame:
    return market.datacollector.get_model_vars_dataframe()


def test_the_same_seed_gives_the_same_bits_and_another_does_not(
    lively: Callable[..., Scenario],
) -> None:
    first, same, other = (Market(lively(), rng=seed).run() for seed in (7, 7, 8))
    assert first.datacollector.table.tobytes() == same.datacollector.table.tobytes()
    assert first.ledger.balances.tobytes() == same.ledger.balances.tobytes()
    assert first.receipts().equals(same.receipts())
    assert first.datacollector.table.tobytes() != other.datacollector.table.tobytes()


def test_another_process_gives_the_same_bits() -> None:
    code = (
        "import hashlib; from sim import Market; m = Market('calm', rng=3).run(60); "
        "print(hashlib.sha256(m.datacollector.table.tobytes()).hexdigest())"
    )
    prints = {
        subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True
        ).stdout
        for _ in range(2)
    }
    assert len(prints) == 1


def test_steps_and_the_compiled_loop_agree_to_the_bit(lively: Callable[..., Scenario]) -> None:
    shocks = [{"kind": "price_jump", "asset": "eth", "size": -0.3, "block": 31}]
    stepped, ran = (Market(lively(shocks=shocks), rng=5) for _ in range(2))
    for _ in range(60):
        stepped.step()
    ran.run(60)
    assert stepped.ledger.balances.tobytes() == ran.ledger.balances.tobytes()
    assert stepped.datacollector.table.tobytes() == ran.datacollector.table.tobytes()
    assert stepped.receipts().equals(ran.receipts())
    assert stepped.steps == ran.steps == 60


def test_a_run_in_parts_is_the_run(lively: Callable[..., Scenario]) -> None:
    whole, parts = (Market(lively(), rng=5) for _ in range(2))
    whole.run(50)
    for n in (1, 20, 0, 29):
        parts.run(n)
    assert whole.ledger.balances.tobytes() == parts.ledger.balances.tobytes()
    with pytest.raises(ValueError, match="blocks must be >= 0"):
        parts.run(-1)


def test_removing_a_cohort_leaves_the_draws_of_all_others(lively: Callable[..., Scenario]) -> None:
    setup = lively(block={"fee_market": "off"})
    full = Market(setup, rng=4)
    without = setup.to_dict()
    del without["agents"]["borrowers"], without["agents"]["liquidators"]
    fewer = Market(Scenario.from_dict(without), rng=4)
    for name in fewer.cohorts:
        a, b = full.cohorts[name], fewer.cohorts[name]
        assert a.cells.tobytes() == b.cells.tobytes()
        assert a.balances(full)[:, :2].tobytes() == b.balances(fewer)[:, :2].tobytes()
    full.run(60)
    fewer.run(60)
    # Whether a trader acts, in which pool and on which side hangs on its draws alone.
    acts = []
    for market in (full, fewer):
        receipts = market.receipts().query("cohort == 'traders' and kind == 'swap'")
        columns = ["block", "sender", "token_in"]
        acts.append(set(receipts[columns].astype(str).itertuples(index=False, name=None)))
    assert len(acts[0]) > 300
    assert acts[0] == acts[1]
    assert full.cohorts["traders"].memory.tobytes() == fewer.cohorts["traders"].memory.tobytes()
    x, y = full.world.assets[0]["x"], fewer.world.assets[0]["x"]
    assert x == y


def test_every_individual_is_a_mesa_agent(lively: Callable[..., Scenario]) -> None:
    market = Market(lively(), rng=1)
    assert isinstance(market, mesa.Model)
    assert len(market.agents) == sum(len(c) for c in market.cohorts.values())
    traders = market.agents_by_type[NoiseTrader]
    assert len(traders) == 60
    trader = list(traders)[3]
    assert trader.rate == 0.1
    assert trader.name == "traders-3"
    assert trader.wallet == {"eth": 20.0, "usdc": 40_000.0}
    trader.size = 7.0
    assert market.cohorts["traders"].rows["size"][3] == 7.0
    busy = market.agents.select(lambda a: isinstance(a, NoiseTrader) and a.size == 7.0)
    assert [a.unique_id for a in busy] == [trader.unique_id]


def test_a_removed_agent_acts_no_more(lively: Callable[..., Scenario]) -> None:
    market = Market(lively(), rng=1)
    gone = list(market.agents_by_type[NoiseTrader])[:30]
    for agent in gone:
        agent.remove()
    market.run(60)
    senders = set(market.receipts()["sender"].astype(str))
    assert not senders & {agent.name for agent in gone}
    assert "traders-45" in senders


class Buyer(MarketAgent):
    """Buys a little every block."""

    def step(self) -> None:
        self.swap("eth-usdc", "usdc", 10.0)


def test_a_plain_agent_steps_with_the_others(lively: Callable[..., Scenario]) -> None:
    market = Market(lively(block={"fee_market": "off"}), rng=1)
    buyer = Buyer(market, wallet={"usdc": 1000.0})
    market.run(20)
    bought = market.receipts().query("sender == @buyer.name")
    assert bought["block"].tolist() == list(range(1, 21))
    assert buyer.wallet["usdc"] == pytest.approx(800.0)
    assert buyer.wealth == pytest.approx(1000.0, rel=0.05)
    market.ledger.audit()
    buyer.remove()
    market.run(5)
    assert buyer.wallet["usdc"] == pytest.approx(800.0)


class Reader(NoiseTrader):
    """A cohort with columns that acts in plain Python."""

    decide = None

    def step(self) -> None:
        if self.rate > 0.5:
            self.swap("eth-usdc", "usdc", self.size)


def test_a_cohort_may_be_written_plainly(small: Callable[..., Scenario]) -> None:
    group = {
        "kind": f"{__name__}:Reader",
        "count": 3,
        "pools": ["eth-usdc"],
        "rate": {"distribution": "choice", "values": [1.0]},
        "size": 5.0,
        "wallet": {"usdc": 100.0},
    }
    market = Market(small(agents={"readers": group}), rng=1).run(4)
    assert len(market.receipts()) == 12


def test_reporters_are_collected_beside_the_measures(small: Callable[..., Scenario]) -> None:
    market = Market(small(), rng=1, reporters={"ten": lambda m: 10.0 * m.block})
    market.run(3)
    assert table(market)["ten"].tolist() == [10.0, 20.0, 30.0]


def test_a_leak_stops_the_run(lively: Callable[..., Scenario]) -> None:
    market = Market(lively(), rng=1)
    market.run(5)
    market.ledger.balances[3, 0] += 1.0
    with pytest.raises(LedgerError, match="usdc leaks"):
        market.run(1)


def test_a_setup_may_be_a_name_a_path_or_content(tmp_path: object) -> None:
    assert Market().setup.title == Market("calm").setup.title
    with pytest.raises(ScenarioError, match="no such scenario"):
        Market("nothing")


def test_loans_that_cannot_be_made_are_named(lively: Callable[..., Scenario]) -> None:
    with pytest.raises(ScenarioError, match=r"agents.borrowers: .*raise lending.bank"):
        Market(lively(agents={"borrowers": {"equity": 1e7}}))
    with pytest.raises(ScenarioError, match=r"agents.providers.stake"):
        Market(lively(agents={"providers": {"stake": 1e7}}))


def test_a_model_that_is_dropped_is_freed(small: Callable[..., Scenario]) -> None:
    market = Market(small(), rng=1).run(2)
    gone = weakref.ref(market)
    market.close()
    del market
    gc.collect()
    assert gone() is None


def test_mesas_clock_goes_with_the_blocks(lively: Callable[..., Scenario]) -> None:
    market = Market(lively(), rng=1)
    market.run(10)
    market.step()
    market.run(3)
    assert market.steps == market.block == 14
    if hasattr(market, "time"):  # Mesa 3.5
        assert market.time == 14.0


def test_wealth_is_what_is_held_less_what_is_owed(lively: Callable[..., Scenario]) -> None:
    market = Market(lively(), rng=1)
    bank = market.lending["bank"]
    for i in range(3):
        name = f"borrowers-{i}"
        held = market.ledger.balance(name, "eth") * 2000.0
        own = bank.deposit_of(name, "eth") * 2000.0 - bank.debt_of(name, "usdc") + held
        assert market.wealth(name) == pytest.approx(own)


def test_results_of_all_classes_sum_to_nothing(lively: Callable[..., Scenario]) -> None:
    """What one class gains against holding, others lose, to rounding and burnt gas."""
    market = Market(lively(), rng=2).run(100)
    last = table(market).iloc[-1]
    results = {n: last[f"result.{n}"] for n in [*market.cohorts, *market.special_accounts]}
    size = sum(abs(v) for v in results.values())
    assert size > 1000.0
    assert sum(results.values()) == pytest.approx(0.0, abs=1e-6 * size + 1e-3)


def test_audits_can_be_rare_but_never_absent(lively: Callable[..., Scenario]) -> None:
    market = Market(lively(audit={"every": 10}), rng=1)
    market.run(3)
    market.ledger.balances[0, 0] *= 1.5
    with pytest.raises(LedgerError):
        market.run(1)  # a run ends with an audit
    assert np.isfinite(market.ledger.balances).all()


@pytest.mark.parametrize("rng", [-1, 2**63, "x", math.inf])
def test_a_seed_that_is_none_is_told(rng: Any, small: Callable[..., Scenario]) -> None:
    with pytest.raises(ScenarioError, match=r"rng: .* is out of range"):
        Market(small(), rng=rng)


def test_a_route_to_a_token_that_is_worth_nothing_is_an_answer(
    small: Callable[..., Scenario],
) -> None:
    market = Market(small(block={"gas_token": "usdc"}), rng=1)
    market.venue.asset("eth")["x"] = -1e4  # its price is zero
    assert market.price("eth") == 0.0
    assert market.route("usdc", "eth", 10.0, gas_price=0.0).routes
    assert math.isfinite(market.route("usdc", "eth", 10.0, gas_price=50.0).amount_out)
