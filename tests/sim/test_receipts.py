"""Receipts say who did what, and why it failed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from agents import MarketAgent
from sim import Market, Scenario, registry
from sim.codes import Kind, Reason
from tests.agents.test_liquidator import FALL, done, hunted


def test_receipts_agree_with_the_tally(lively: Callable[..., Scenario]) -> None:
    market = Market(lively(), rng=1).run(80)
    frame = market.receipts()
    whole = frame.drop_duplicates("transaction", keep="last")
    counted = whole["reason"].astype(str).value_counts()
    for reason in Reason:
        assert counted.get(reason.name.lower(), 0) == market.world.tally[:, reason].sum()
    assert set(frame["status"].astype(str)) == {"done", "reverted", "expired"}
    assert (frame.loc[frame["status"] != "done", "amount_out"] == 0.0).all()


def test_protocols_and_tokens_have_their_names(lively: Callable[..., Scenario]) -> None:
    frame = Market(lively(), rng=1).run(80).receipts()
    swaps = frame[frame["kind"] == "swap"]
    assert set(swaps["protocol"].astype(str)) == {"eth-usdc"}
    assert set(swaps["token_in"].astype(str)) == {"eth", "usdc"}
    lent = frame[frame["kind"].isin(["deposit", "withdraw", "borrow", "repay", "liquidate"])]
    assert set(lent["protocol"].astype(str)) == {"bank"}


def test_flash_loans_name_who_lends(small: Callable[..., Scenario]) -> None:
    cash = {"reserves": {"usdc": {"collateral": False, "cash": 1e6}}}
    market = Market(small(agents={}, lending={"other": cash}), rng=1)
    ann = Idle(market, {"eth": 1.0, "usdc": 100.0}, "ann")
    for lender in ("other", "bank"):
        with ann.transaction():
            ann.flash_borrow(lender, "usdc", 1000.0)
            ann.flash_repay(lender, "usdc")
    ann.transfer("holders", "eth", 0.1)
    ann.trade_outside("eth", "usdc", 0.1)
    market.step()
    frame = market.receipts()
    found = frame.groupby("kind", observed=True)["protocol"].agg(lambda p: set(p.astype(str)))
    assert found.to_dict() == {
        "flash_borrow": {"other", "bank"}, "flash_repay": {"other", "bank"},
        "transfer": {""}, "venue": {"venue"},
    }  # fmt: skip
    assert frame["status"].eq("done").all()


def test_every_kind_of_call_says_whose_it_is() -> None:
    assert set(registry.called()) == set(Kind)
    assert registry.called()[Kind.FLASH_BORROW] == "lending"
    assert registry.called()[Kind.TRANSFER] == ""
    with pytest.raises(ValueError, match="is carried out by plain Python already"):
        registry.register_call(Kind.CUSTOM, None)


class Idle(MarketAgent):
    """Does what the test says and nothing by itself."""


def test_a_liquidation_says_whom(lively: Callable[..., Scenario]) -> None:
    jump = {"kind": "price_jump", "asset": "eth", "size": -0.35, "block": 10}
    frame = Market(lively(shocks=[jump]), rng=1).run(60).receipts()
    taken = frame[(frame["kind"] == "liquidate") & (frame["status"] == "done")]
    assert len(taken) > 0
    assert taken["counterparty"].astype(str).str.startswith("borrowers-").all()
    assert (frame.loc[frame["kind"] != "liquidate", "possible"] == -1).all()


def test_a_liquidation_says_since_when_it_was_possible(small: Callable[..., Scenario]) -> None:
    # One fall of the price endangers all; capital for one or two takes them one after another.
    market = hunted(small, {"most": 10, "wallet": {"usdc": 10_000.0}}).run(20)
    taken = done(market)
    assert taken["counterparty"].nunique() == 10
    assert taken["possible"].tolist() == (taken["block"] - FALL["block"]).tolist()
    assert taken["possible"].min() == 0 and taken["possible"].nunique() > 4


def test_receipts_can_be_left_out(lively: Callable[..., Scenario]) -> None:
    market = Market(lively(measures={"receipts": "none"}), rng=1).run(30)
    assert market.receipts().empty
    assert market.world.tally.sum() > 0


@pytest.mark.parametrize("seed", [1, 2])
def test_a_transaction_has_one_end(lively: Callable[..., Scenario], seed: int) -> None:
    frame = Market(lively(), rng=seed).run(50).receipts()
    ends = frame.groupby("transaction")["reason"].nunique()
    assert ends.max() == 1


def test_drained_receipts_are_given_up(lively: Callable[..., Scenario]) -> None:
    whole = Market(lively(), rng=2).run(20).receipts()
    market = Market(lively(), rng=2).run(10)
    first = market.receipt_book.frame(market.receipt_book.drain())
    market.run(10)
    assert len(first) + len(market.receipts()) == len(whole)
    assert list(first["block"]) + list(market.receipts()["block"]) == list(whole["block"])
