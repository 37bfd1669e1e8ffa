"""A custodian: who comes first is paid, its tranches, its bankruptcy, and when waiting pays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents import MarketAgent
from protocols import custodian
from runs.contagion.queues import diamond_dybvig, run_threshold
from sim import Market, Scenario
from sim.codes import ALL
from sim.errors import ScenarioError

Make = Callable[..., Scenario]


class Idle(MarketAgent):
    """Holds what it has."""

    def step(self) -> None:
        """Do nothing."""


def opened(small: Make, shocks: Any = (), **changes: Any) -> Market:
    keeper = {"kind": "custodian", "asset": "usdc", "term": 50, "backing": 1.0} | changes
    return Market(small(protocols={"c": keeper}, shocks=list(shocks), blocks=400), rng=1)


def test_who_comes_first_is_paid_in_full_and_the_last_share_what_is_left(small: Make) -> None:
    # 1,000 promised: 300 in cash, 700 that give 0.5 each before their term: 650 in all.
    market = opened(small, liquid=0.3, salvage=0.5, deposits=1_000.0, band=1.0)
    keeper: Any = market.protocols["c"]
    assert keeper.liquidity == pytest.approx(0.65)
    holders = "holders"
    people = [Idle(market, {}, name) for name in ("ann", "bob", "cid")]
    for who in people:
        market.ledger.transfer(holders, who.account, "c-deposit", 300.0)
    for who in people:
        who.act("c", "leave", ALL)
        market.run(1)
    wallets = [who.wallet for who in people]
    # Ann out of cash, Bob out of 600 that were called; 100 are left, which give 50.
    assert wallets[0] == wallets[1] == {"usdc": pytest.approx(300.0)}
    assert wallets[2] == {"c-deposit": pytest.approx(300.0)}
    assert keeper.value("sacrificed") == pytest.approx(300.0)
    assert keeper.value("failed") == 1.0
    # 100 for 400 promised: the books showed it after Bob had left.
    assert keeper.value("promised") == pytest.approx(0.25)
    assert keeper.value("written_off") == pytest.approx(300.0)
    people[2].act("c", "leave", 200.0)
    market.run(1)
    assert people[2].wallet["usdc"] == pytest.approx(50.0), "0.25 each"
    keeper.audit()
    market.ledger.audit()


def test_it_suspends_when_cash_is_out_and_pays_as_tranches_mature(small: Make) -> None:
    market = opened(small, liquid=0.2, ladder=2, term=20, deposits=100.0, earns=0.1, band=1.0)
    keeper: Any = market.protocols["c"]
    ann = Idle(market, {}, "ann")
    market.ledger.transfer("holders", ann.account, "c-deposit", 100.0)
    assert keeper.tranches() == [(40.0, 10), (40.0, 20)]
    ann.act("c", "leave", 20.0)
    market.run(1)
    assert keeper.value("suspended") == 1.0 and keeper.liquidity == 0.0
    ann.act("c", "leave", 10.0)
    ann.act("c", "enter", 10.0)
    market.run(1)
    assert set(market.receipts().query("status == 'reverted'")["reason"]) == {"halted"}
    assert ann.wallet["usdc"] == pytest.approx(20.0)
    market.run(9)
    assert keeper.value("suspended") == 0.0
    assert keeper.holdings == {"usdc": pytest.approx(84.0)}, "40 have earned 4"
    assert market.price("c-deposit") == pytest.approx(1.0)
    ann.act("c", "leave", 44.0)
    market.run(10)
    ann.act("c", "leave", ALL)
    market.run(1)
    assert ann.wallet == {"usdc": pytest.approx(100.0)}
    assert keeper.holdings == {"usdc": pytest.approx(8.0)}


def test_a_loss_makes_it_bankrupt_and_all_claims_are_written_down_alike(small: Make) -> None:
    loss = {"kind": "event", "protocol": "c", "event": "loss", "size": 0.5, "block": 5, "blocks": 1}
    market = opened(small, [loss], liquid=0.2, deposits=1_000.0, costs=0.1)
    ann = Idle(market, {"usdc": 100.0}, "ann")
    ann.act("c", "enter", ALL)
    market.run(2)
    keeper: Any = market.protocols["c"]
    assert ann.wallet == {"c-deposit": pytest.approx(100.0)}
    assert ann.wealth == pytest.approx(100.0)
    market.run(4)
    # 1,100, of which 0.2 in cash: 440 are lost, and a tenth of the 660 that are left.
    assert keeper.value("promised") == pytest.approx(0.9 * 660.0 / 1_100.0)
    assert keeper.value("written_off") == pytest.approx(1_100.0 - 594.0)
    assert ann.wealth == pytest.approx(54.0)
    keeper.audit()
    market.ledger.audit()


def test_it_lends_and_pays_what_the_market_has(small: Make) -> None:
    lends = {"lending": "bank", "liquid": 0.1, "deposits": 1_000.0}
    market = opened(small, **lends)
    market.run(2)
    bank, keeper = market.lending["bank"], market.protocols["c"]
    assert bank.deposit_of("c", "usdc") == pytest.approx(900.0)
    ann = Idle(market, {}, "ann")
    market.ledger.transfer("holders", ann.account, "c-deposit", 700.0)
    ann.act("c", "leave", ALL)
    market.run(1)
    assert ann.wallet == {"usdc": pytest.approx(700.0)}
    assert market.ledger.balance("c", "usdc") == pytest.approx(30.0)
    keeper.audit()
    market.ledger.audit()


def test_a_mutual_pays_what_diamond_and_dybvig_say(small: Make) -> None:
    # R = 2, r1 = 1.28: 40 of 100 leave, and the rest share 2 (100 - 51.2) at the end.
    mutual = {"promise": 1.28, "backing": 1 / 1.28, "mutual": True, "fails": 0.0, "liquid": 0.0}
    market = opened(small, **mutual, earns=1.0, salvage=1.0, term=10, deposits=60.0)
    ann = Idle(market, {"c-deposit": 0.0}, "ann")
    market.ledger.mint(ann.account, "c-deposit", 40.0)
    keeper: Any = market.protocols["c"]
    market.ledger.mint("c", "usdc", 40.0)
    keeper.rows("tranches")[0, 0] += 40.0
    keeper.put("invested", 100.0)
    ann.act("c", "leave", ALL)
    market.run(1)
    assert ann.wallet == {"usdc": pytest.approx(51.2)}
    market.run(10)
    leaves = np.repeat([1.0, 0.0], [40, 60])
    expected = diamond_dybvig(np.ones(100), leaves, 1.28, 2.0).paid
    assert expected[0] == pytest.approx(1.28)
    assert keeper.value("promised") == pytest.approx(expected[-1])


@pytest.mark.parametrize(("early", "long_return"), [(1.28, 2.0), (1.1, 1.5), (1.01, 3.0)])
def test_the_threshold_is_diamonds_and_dybvigs(early: float, long_return: float) -> None:
    found = custodian.threshold(0.0, 1.0, early, long_return, 1.0)
    assert found == pytest.approx(run_threshold(long_return, early), rel=1e-12)
    at = custodian.waiting(found, 0.0, 1.0, early, long_return, 1.0, np.inf)
    assert at == pytest.approx(1.0, rel=1e-9)


SHARES = st.floats(0.0, 1.0)


@given(
    leaving=SHARES, liquid=SHARES, salvage=st.floats(0.05, 1.0), grown=st.floats(1.0, 3.0),
    equity=st.floats(-0.3, 0.5),
)  # fmt: skip
def test_waiting_pays_just_below_the_threshold(
    leaving: float, liquid: float, salvage: float, grown: float, equity: float
) -> None:
    has = 100.0 * (1.0 + equity)
    books = has * liquid, has * (1.0 - liquid), 100.0, grown, salvage
    found = custodian.threshold(*books)
    gets = custodian.waiting(leaving, *books, np.inf)
    if leaving < found - 1e-6:
        assert gets >= 1.0 - 1e-9
    if found < 1.0 and found + 1e-6 < leaving < 1.0:
        assert gets <= 1.0 + 1e-9


def test_early_calls_eat_the_equity_by_hand() -> None:
    # 30 in cash, 80 invested that give 0.8 for 100 promised: 10 are lost when 40 more are called.
    assert custodian.insolvency(30.0, 80.0, 100.0, 0.8) == pytest.approx(0.7)
    assert custodian.insolvency(30.0, 80.0, 100.0, 1.0) == 1.0
    assert custodian.insolvency(30.0, 60.0, 100.0, 0.8) == 0.0


def test_what_makes_no_sense_is_refused(small: Make) -> None:
    with pytest.raises(ScenarioError, match="no term"):
        opened(small, lending="bank", earns=0.1)
    with pytest.raises(ScenarioError, match="raise rows"):
        opened(small, ladder=20, rows=10)


CALLS = st.lists(
    st.tuples(
        st.sampled_from(["enter", "leave", "loss", "wait"]),
        st.sampled_from([0, 1]),
        st.floats(0.0, 8.0),
    ),
    max_size=20,
)


@given(calls=CALLS, lends=st.booleans(), salvage=st.sampled_from([0.0, 0.6]))
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_what_all_have_is_what_there_was_less_what_was_lost(
    small: Make, calls: list[tuple[str, int, float]], lends: bool, salvage: float
) -> None:
    outside = {"salvage": salvage, "earns": 0.0, "term": 9}
    market = opened(small, liquid=0.25, **({"lending": "bank"} if lends else outside))
    people = [Idle(market, {"usdc": 20.0}, name) for name in ("ann", "bob")]
    keeper: Any = market.protocols["c"]
    for name, who, amount in calls:
        if name == "loss":
            keeper.struck("loss", amount / 8.0)
        elif name == "wait":
            market.run(int(amount))
        else:
            people[who].act("c", name, amount)
        market.run(1)
        keeper.audit()
        market.ledger.audit()
        gone = keeper.value("lost") + keeper.value("sacrificed")
        equity = max(keeper.holdings.get("usdc", 0.0), 0.0)
        if lends:
            equity += market.lending["bank"].deposit_of("c", "usdc")
        supply = market.ledger.supply("c-deposit")
        claims = market.price("c-deposit") * supply
        assert claims <= equity + 1e-7, "nobody's claim is more than there is"
        loose = sum(p.wallet.get("usdc", 0.0) for p in people)
        assert loose + equity == pytest.approx(40.0 - gone, rel=1e-7)
