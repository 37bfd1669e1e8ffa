"""Keepers start auctions and bid in them; who is alone in the blocks wins for nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.keeper import counter_bid, counter_lot, first_bid
from sim import Market, Scenario

Make = Callable[..., Scenario]
FALL = {"kind": "price_jump", "asset": "eth", "size": -0.3, "block": 3}
DAI = {"price": 1.0, "process": "constant", "inventory": 1e6, "depth": 1e6}


def hunted(
    small: Make, keepers: dict[str, Any], cdp: dict[str, Any] | None = None, **changes: Any
) -> Market:
    """Ten vaults that a fall of ether makes unsafe, and keepers."""
    owners = {
        "kind": "vault_owner", "count": 10, "protocol": "maker", "collateral": "eth", "ratio": 1.8,
        "attention": 0.0, "alarm": 0.0, "route": "venue",
    }  # fmt: skip
    group = {
        "kind": "keeper", "count": 1, "protocol": "maker", "route": "venue", "most": 30,
        "patience": 1, "risk_aversion": 0.0, "wallet": {"dai": 2e5, "eth": 5.0},
    }  # fmt: skip
    line = {"token": "eth", "oracle": "eth", "ratio": 1.5, "penalty": 0.13}
    maker = {"kind": "cdp", "mints": "dai", "collaterals": {"ether": line}, "bid_duration": 10}
    base = {
        "venue": {"assets": {"dai": DAI}},
        "protocols": {"maker": maker | {"auction_length": 30} | (cdp or {})},
        "agents": {"owners": owners, "keepers": group | keepers},
        "shocks": [FALL],
    }
    return Market(small(**(base | changes)), rng=1)


def last(market: Market, name: str) -> float:
    rows = market.datacollector.get_model_vars_dataframe()
    return float(rows[f"protocol.maker.{name}"].iloc[-1])


def test_safe_vaults_are_left_alone(small: Make) -> None:
    assert hunted(small, {}, shocks=[]).run(20).receipts().empty


def test_who_is_alone_wins_at_its_first_bid(small: Make) -> None:
    market = hunted(small, {"opening": 0.0}).run(60)
    assert last(market, "settled") == 10.0
    assert last(market, "zero_bid_share") == 1.0
    assert last(market, "bad_debt") == pytest.approx(last(market, "liquidated"), rel=1e-3)
    assert last(market, "takings") > 1e5
    market.ledger.audit()


def test_two_bid_each_other_up_to_their_valuations(small: Make) -> None:
    market = hunted(small, {"opening": 0.0, "count": 3, "margin": 0.05}).run(80)
    assert last(market, "settled") == 10.0
    assert last(market, "zero_bid_share") == 0.0
    assert last(market, "coverage") == pytest.approx(1.0)
    # The tab was bid in full, and less of the lot asked for: about 5 % are left to the winner.
    paid = last(market, "liquidated") * 1.13
    assert last(market, "takings") == pytest.approx(0.05 * paid / 0.95, rel=0.8)
    held = [market.ledger.balance(f"owners-{n}", "eth") for n in range(10)]
    assert min(held) > 0.0  # what was not sold is the debtors'


def test_who_has_no_coins_left_bids_no_more(small: Make) -> None:
    poor = hunted(small, {"opening": 1.0, "wallet": {"dai": 20_000.0, "eth": 5.0}}).run(12)
    assert last(poor, "auctions") == 10.0
    bids = poor.receipts().query("kind == 'bid' and status == 'done'")
    assert bids["amount_in"].sum() == pytest.approx(20_000.0, rel=0.02)


def test_it_buys_its_coins_with_the_bid(small: Make) -> None:
    market = hunted(small, {"opening": 1.0, "wallet": {"usdc": 3e5, "eth": 5.0}}).run(60)
    assert last(market, "settled") == 10.0
    assert market.receipts().query("kind == 'venue' and status == 'done'").shape[0] >= 10


def test_who_only_starts_needs_no_coins_and_who_only_bids_starts_nothing(small: Make) -> None:
    alone = {"bids": 0.0, "wallet": {"eth": 5.0}}
    starter = hunted(small, alone).run(12)
    assert set(starter.receipts()["kind"].astype(str)) == {"bite"}
    assert last(starter, "auctions") == 10.0 and last(starter, "settled") == 0.0
    assert starter.wealth("keepers-0") <= 5.0 * starter.price("eth")  # it pays nothing
    assert hunted(small, {"starts": 0.0}).run(12).receipts().empty
    content = starter.setup.to_dict()
    rich = {"bids": 1.0, "starts": 0.0, "opening": 1.0, "wallet": {"dai": 2e5, "eth": 5.0}}
    content["agents"]["bidders"] = content["agents"]["keepers"] | rich
    both = Market(content, rng=1).run(60)
    assert last(both, "settled") == 10.0 and last(both, "bad_debt") == 0.0
    done = both.receipts().query("status == 'done'").groupby("kind", observed=True)["sender"]
    assert {kind: set(who) for kind, who in done if kind in ("bite", "bid", "settle")} == {
        "bite": {"keepers-0"}, "bid": {"bidders-0"}, "settle": {"bidders-0"},
    }  # fmt: skip


def test_who_rations_leaves_no_lot_to_a_bid_of_nothing(small: Make) -> None:
    # Ten lots of 11,000 dollars; three who bid have money for two of them.
    def nothing(rations: float) -> tuple[float, float]:
        poor = {"dai": 8_000.0, "eth": 5.0}
        group = {"opening": 0.0, "count": 3, "rations": rations, "wallet": poor, "hold": 1e4}
        market = hunted(small, group).run(60)
        assert last(market, "settled") == 10.0
        market.ledger.audit()
        return last(market, "zero_bid_share"), last(market, "coverage")

    greedy, thrifty = nothing(0.0), nothing(1.0)
    assert greedy[0] > 0.3 and thrifty[0] == 0.0
    # 24,000 coins, if all are bid, pay for a quarter of the debt; those of one keeper for 0.08.
    assert 0.14 < thrifty[1] < 0.25


def test_bids_of_who_ration_rise_until_nearly_all_coins_are_bid(small: Make) -> None:
    poor = {"dai": 8_000.0, "eth": 5.0}
    group = {"opening": 0.0, "count": 3, "rations": 1.0, "wallet": poor, "hold": 1e4, "most": 16}
    market = hunted(small, group).run(12)
    bids = [auction["bid"] for auction in market.protocols["maker"].auctions_now()]  # type: ignore[attr-defined]
    assert len(bids) == 10
    assert sum(bids) > 18_000.0, "of 24,000"
    assert max(bids) < 1.6 * min(bids), "and alike for lots that are"


def test_rationing_changes_nothing_where_there_are_coins_for_all(small: Make) -> None:
    market = hunted(small, {"opening": 0.0, "count": 3, "rations": 1.0}).run(80)
    assert last(market, "zero_bid_share") == 0.0
    assert last(market, "coverage") == pytest.approx(1.0)


def test_who_rations_bids_no_coin_twice_and_buys_once_a_block(small: Make) -> None:
    # Ten lots at once, coins for a few: the others are paid with what one purchase brings.
    wallet = {"dai": 10_000.0, "usdc": 60_000.0, "eth": 5.0}
    market = hunted(small, {"opening": 1.0, "rations": 1.0, "wallet": wallet}).run(12)
    found = market.receipts().query("kind in ['bid', 'venue']")
    # Orders at one price are executed in any order: one may come before the purchase.
    assert (found["status"] != "done").sum() <= 1
    bids, bought = found.query("kind == 'bid'"), found.query("kind == 'venue'")
    assert (bids["status"] == "done").sum() >= 10 and len(bought) >= 1
    assert (bought.groupby("block", observed=True).size() == 1).all()
    assert bids.query("status == 'done'")["amount_in"].sum() > 40_000.0


def test_with_sales_cut_it_bids_as_before_and_keeps_what_it_wins(small: Make) -> None:
    """A keeper said to hold for ever reckoned with for ever's risk, and bid for nothing."""
    market = hunted(small, {"opening": 1.0}, switches={"liquidators_sell": False}).run(60)
    bids = market.receipts().query("kind == 'bid' and status == 'done'")
    assert len(bids) > 0 and last(market, "settled") > 0
    assert market.receipts().query("token_in == 'eth' and kind == 'venue'").empty
    assert market.ledger.balance("keepers-0", "eth") > 5.0


def test_it_sells_what_it_wins_in_the_deepest_place_that_it_may(small: Make) -> None:
    pool = {"tokens": ["eth", "usdc"], "reserves": {"eth": 10.0, "usdc": 14_000.0}}
    group = {"opening": 1.0, "route": None, "pools": ["shallow"]}

    def places(exchange: bool) -> list[str]:
        market = hunted(small, group | {"exchange": exchange}, pools={"shallow": pool}).run(60)
        sold = market.receipts().query("token_in == 'eth' and status == 'done'")
        sold = sold[sold["sender"].astype(str) == "keepers-0"]
        return sold["kind"].astype(str).unique().tolist()

    assert "venue" not in places(False)
    assert "venue" in places(True)


def test_who_has_nothing_to_bid_starts_nothing(small: Make) -> None:
    assert hunted(small, {"wallet": {"eth": 5.0}}).run(12).receipts().empty


GAS = {"fee_market": "first_price", "gas_limit": 1e7, "base_fee": 0.0}
DEAR = {"gas": 1.5, "bid_median": 200.0, "bid_sigma": 0.5}


def of_two_kinds(small: Make, outside: dict[str, float]) -> Market:
    """One keeper whose program pays any price for gas, three whose limit is 50 gwei."""
    market = hunted(small, {"opening": 0.0}, block=GAS | {"outside": outside})
    content = market.setup.to_dict()
    market.close()
    rich = content["agents"]["keepers"]
    content["agents"]["slow"] = rich | {"count": 3, "most_gas": 50.0}
    return Market(content, rng=1).run(120)


def test_while_gas_is_dear_one_wins_for_nothing_and_not_while_it_is_free(small: Make) -> None:
    choked = of_two_kinds(small, DEAR)
    assert last(choked, "settled") == 10.0 and last(choked, "zero_bid_share") == 1.0
    free = of_two_kinds(small, {"gas": 0.3, "bid_median": 5.0, "bid_sigma": 0.5})
    assert last(free, "settled") == 10.0 and last(free, "zero_bid_share") == 0.0


def test_a_dutch_auction_is_taken_when_its_price_pays(small: Make) -> None:
    dutch = {"auction": "dutch", "buf": 1.2, "step": 1, "tail": 100, "cut": 0.99}
    market = hunted(small, {"margin": 0.04}, dutch).run(60)
    assert last(market, "settled") == 10.0 and last(market, "coverage") == pytest.approx(1.0)
    taken = market.receipts().query("kind == 'take' and status == 'done'")
    price = taken["amount_in"].sum() / taken["amount_out"].sum()
    assert price < 1400.0 * 0.97 and price > 1400.0 * 0.94


def test_a_fixed_bonus_is_taken_at_once(small: Make) -> None:
    bonus = {"auction": "bonus", "bonus": 0.08}
    market = hunted(small, {"margin": 0.02, "starts": 0.0}, bonus).run(6)
    assert last(market, "settled") == 10.0 and last(market, "unsafe") == 0.0
    assert last(market, "takings") > 0.0
    assert hunted(small, {"margin": 0.02, "bids": 0.0}, bonus).run(6).receipts().empty


def test_it_buys_a_deficit_and_a_surplus(small: Make) -> None:
    mkr = {"price": 500.0, "process": "constant", "inventory": 1e5}
    cdp = {
        "governance": "mkr", "deficit_lot": 2000.0, "deficit_offer": 40.0, "deficit_delay": 2,
    }  # fmt: skip
    venue = {"assets": {"dai": DAI, "mkr": mkr}}
    market = hunted(small, {"opening": 0.0}, cdp, venue=venue).run(200)
    assert market.ledger.balance("keepers-0", "mkr") > 0.0
    assert last(market, "dilution") > 0.0
    assert last(market, "deficit") < 2000.0
    market.ledger.audit()


@given(st.floats(0.0, 1e5), st.floats(1.0, 1e5), st.floats(0.0, 1.0), st.floats(1.0, 1e5))
def test_bids_stay_below_valuations_and_tabs(
    bid: float, value: float, counter: float, tab: float
) -> None:
    least = min(bid * 1.03, tab)
    mine = counter_bid(bid, value, counter, least, tab)
    assert mine == 0.0 or (least <= mine <= min(value, tab))
    assert first_bid(counter, value, tab) <= max(counter * value, 0.01)


def test_less_and_less_is_asked_for() -> None:
    # A lot of 50 for 4,000, of a unit that is worth 100: no less than 40 is asked for.
    assert counter_lot(50.0, 4000.0, 100.0, 0.5, 48.0) == pytest.approx(45.0)
    assert counter_lot(41.0, 4000.0, 100.0, 0.5, 39.8) == 0.0
