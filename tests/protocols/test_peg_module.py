"""One for one less fees, up to a ceiling and to what there is (Maker's PSM)."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from agents import MarketAgent
from sim import Market, Scenario
from sim.errors import ScenarioError

Make = Callable[..., Scenario]
PAIR = {"dai": {"price": 1.0, "process": "constant"}, "gem": {"price": 1.0, "process": "constant"}}


class Idle(MarketAgent):
    """Holds what it has."""

    def step(self) -> None:
        """Do nothing."""


def content(small: Make, settings: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A market of two coins that the venue trades, and a module between them."""
    found = small(venue={"assets": PAIR}).to_dict() | more
    base = {"kind": "peg_module", "coin": "dai", "asset": "gem", "coins": 1e4, "assets": 2e3}
    found["protocols"] = {"psm": base | settings}
    found["audit"] = {"every": 1}
    return found


def opened(small: Make, settings: dict[str, Any], **more: Any) -> tuple[Market, Any, Idle]:
    market = Market(content(small, settings, **more), rng=1)
    return market, market.protocols["psm"], Idle(market, {"dai": 2e4, "gem": 2e4}, "ann")


def say(market: Market, ann: Idle, amount: float, brings: bool) -> str:
    pair = ("gem", "dai") if brings else ("dai", "gem")
    ann.act("psm", "swap", amount, token_in=pair[0], token_out=pair[1])
    market.run(1)
    last = market.receipts().query("protocol == 'psm'").iloc[-1]
    return "done" if last["status"] == "done" else str(last["reason"])


def test_fees_are_makers(small: Make) -> None:
    """tin and tout of one per cent, as the module's own tests have them (dss-psm).

    A hundred of the gem give 99 dai; of what comes back one per cent stays as well.
    """
    market, psm, ann = opened(small, {"fee_in": 0.01, "fee_out": 0.01})
    assert say(market, ann, 100.0, True) == "done"
    assert ann.wallet["dai"] == pytest.approx(2e4 + 99.0)
    assert say(market, ann, 40.4, False) == "done"
    assert ann.wallet["gem"] == pytest.approx(2e4 - 100.0 + 40.4 * 0.99)
    assert psm.value("fees") == pytest.approx(1.0 + 0.404)


def test_ceiling_and_what_there_is(small: Make) -> None:
    market, _, ann = opened(small, {"ceiling": 5e3})
    assert say(market, ann, 3001.0, True) == "cap"
    assert say(market, ann, 3000.0, True) == "done"
    assert say(market, ann, 5001.0, False) == "no_cash"
    assert say(market, ann, 5000.0, False) == "done"
    assert say(market, ann, 1.0, False) == "no_cash"


def test_it_gives_only_the_coins_that_it_has(small: Make) -> None:
    market, psm, ann = opened(small, {})
    before = market.ledger.supply("dai")
    assert say(market, ann, 10_001.0, True) == "no_cash"
    assert say(market, ann, 10_000.0, True) == "done"
    assert market.ledger.supply("dai") == before, "nothing is minted"
    assert psm.value("held") == 0.0


def test_it_is_shut_or_not_there(small: Make) -> None:
    shock = {"kind": "event", "protocol": "psm", "event": "shut", "block": 2, "blocks": 2}
    market, _, ann = opened(small, {}, shocks=[shock])
    told = [say(market, ann, 1.0, True) for _ in range(4)]
    assert told == ["done", "halted", "halted", "done"]
    market, _, ann = opened(small, {"active": False})
    assert say(market, ann, 1.0, True) == "halted"


def test_a_gift_moves_nothing(small: Make) -> None:
    """What somebody gives to its account is not of its books: it cannot be taken out."""
    market, psm, ann = opened(small, {})
    ann.transfer("psm", "gem", 500.0)
    assert say(market, ann, 2400.0, False) == "no_cash"
    assert psm.value("stock") == 2000.0
    psm.audit()


def test_the_books_agree_in_all_weathers(small: Make) -> None:
    shock = {"kind": "event", "protocol": "psm", "event": "shut", "block": 20, "blocks": 5}
    market, psm, ann = opened(small, {"fee_in": 0.003, "fee_out": 0.001}, shocks=[shock])
    chance = random.Random(7)
    for _ in range(150):
        amount = chance.choice((-2.0, 1e3, 1e12, 1e-9, 77.7))
        pair = ["gem", "dai"]
        chance.shuffle(pair)
        ann.act("psm", "swap", amount, token_in=pair[0], token_out=pair[1])
        market.run(1)
        psm.audit()
    done = market.receipts().query("status == 'done'")
    assert len(done) > 40


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"coin": "nothing"}, "protocols.psm.coin"),
        ({"asset": "dai"}, "protocols.psm"),
        ({"ceiling": 1.0}, "protocols.psm"),
        ({"asset": "bank-usdc"}, "protocols.psm.asset"),
    ],
)
def test_what_is_wrong_is_named(small: Make, change: dict[str, Any], field: str) -> None:
    with pytest.raises(ScenarioError) as told:
        Market(content(small, change), rng=1)
    assert any(at.startswith(field) for at, _ in told.value.problems), told.value
